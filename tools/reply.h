/* What serve answers to further requests: JSON, and {"error": "…"} where it is no 2xx. */
#ifndef REGSWEEP_TOOLS_REPLY_H
#define REGSWEEP_TOOLS_REPLY_H

#include "json.h"

#include <regsweep/feed.h>

/* Takes `object`. */
void rsw_reply_json(struct rsw_feed_reply *reply, unsigned status, json_t *object);
/* `id` of what it is about; NULL: none. */
void rsw_reply_error(struct rsw_feed_reply *reply, unsigned status, const char *message, const char *id);
/* 405; `allow` is static. */
void rsw_reply_method(struct rsw_feed_reply *reply, const char *allow);

#endif
