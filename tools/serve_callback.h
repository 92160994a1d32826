/* Tells --deletion-callback of every deletion that has ended, whoever ended it:
 *
 *     POST URL               the record, as GET /deletions/ID has it
 *
 * Any 2xx is an answer, and is written down with the record; whatever else it is, a redirection too, is none:
 * that record is told again, after a pause that grows to ten minutes, and after a restart of serve. So each
 * is told at least once while it is remembered (RSW_DELETIONS_KEPT), in no order. */
#ifndef REGSWEEP_TOOLS_SERVE_CALLBACK_H
#define REGSWEEP_TOOLS_SERVE_CALLBACK_H

#include "cli.h"

struct rsw_callback_stats {
    uint64_t sent;     /* and answered */
    uint64_t failures; /* times that no 2xx came */
    uint64_t waiting;  /* have ended, and are not told yet, when it last looked */
};

struct rsw_callback;
/* The thread. `serve` has its index open, and outlives it, as `token` (NULL: none). 0, and *out NULL without
 * --deletion-callback; or -1 (RSW_EINVAL: the URL, or a token for one that is not https://). */
int rsw_callback_start(struct rsw_callback **out, const struct rsw_cli *serve, const char *token,
                       struct rsw_error *err);
void rsw_callback_stats(struct rsw_callback *callback, struct rsw_callback_stats *out); /* any thread */
/* Breaks off what is under way: within a second or so. NULL is allowed. */
void rsw_callback_stop(struct rsw_callback *callback);
/* After that, and when nobody asks for stats any more. NULL is allowed. */
void rsw_callback_free(struct rsw_callback *callback);

#endif
