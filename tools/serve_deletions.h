/* Deletion records over HTTP: what regsweep forget does, for whoever cannot share the index.
 *
 *     POST /deletions          {"kind": "repo|image|tag|blob", "name": "…", "note": "…"}
 *                              201 the record, and Location: /deletions/ID; 400 the body is wrong, the index
 * does not know the name, or all of it stands in earlier records GET /deletions           200 {"deletions":
 * […]} GET /deletions/ID        200 the record; 404 DELETE /deletions/ID     200 the record, called off; 404;
 * 409 it has ended, or something of it was taken
 *
 * What is no 2xx has {"error": "…"}. */
#ifndef REGSWEEP_TOOLS_SERVE_DELETIONS_H
#define REGSWEEP_TOOLS_SERVE_DELETIONS_H

#include "index/index.h"
#include "util/clock.h"

#include <regsweep/feed.h>

#define RSW_DELETIONS_PATH "/deletions"

/* Waits for its turn to write, and for no more. */
void rsw_serve_deletions_answer(struct rsw_index *index, const struct rsw_clock *clock,
                                const struct rsw_feed_request *request, struct rsw_feed_reply *reply);

#endif
