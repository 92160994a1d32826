/* The HTTP face of tools/sweep_runs.h: POST /sweeps and GET /sweeps/ID of `serve`.
 *
 *     POST /sweeps       202 {"id": "…"} and Location: /sweeps/ID; 400 the body is wrong; 403 refused; 409
 * one runs
 *                        ({"error": …, "id": that one}); 503 serve is being stopped
 *     GET /sweeps/ID     200 the run; 404 it is not known (any more)
 *
 * What is no 2xx has {"error": "…"}. */
#ifndef REGSWEEP_TOOLS_SERVE_SWEEPS_H
#define REGSWEEP_TOOLS_SERVE_SWEEPS_H

#include "sweep_runs.h"

#include <regsweep/feed.h>

#define RSW_SWEEPS_PATH "/sweeps"

/* The options are those of serve, which hold where a body says nothing. Waits for nothing. */
void rsw_serve_sweeps_answer(struct rsw_sweep_runs *runs, const struct rsw_options *options,
                             const struct rsw_feed_request *request, struct rsw_feed_reply *reply);
/* Where serve has no token for sweeps: 403, whatever is asked. */
void rsw_serve_sweeps_refuse(struct rsw_feed_reply *reply);

#endif
