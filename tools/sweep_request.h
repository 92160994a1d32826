/* The body of POST /sweeps: options of a sweep as a JSON object, under their names with '_' for '-'.
 *
 *     {"confirm": true, "untagged": "remove", "grace": "24h", "max_delete": 30, "pin": ["sha256:…"]}
 *
 * A flag is true or false, a percentage a number, what may be given again and again a list; all else is a
 * text as on the command line. Which options there are says the table (RSW_IN_REQUEST). */
#ifndef REGSWEEP_TOOLS_SWEEP_REQUEST_H
#define REGSWEEP_TOOLS_SWEEP_REQUEST_H

#include "options.h"

#include <jansson.h>

/* Sets what the body says over what `options` has; a list adds to what is there. No body is as good as {}. 0,
 * or -1: RSW_EINVAL, the message names the member; RSW_ENOMEM. */
int rsw_sweep_request_read(struct rsw_options *options, const char *body, size_t len, struct rsw_error *err);
/* What was given, by the command line, environment or configuration; defaults are the server's to choose. A
 * new reference; NULL: out of memory. */
json_t *rsw_sweep_request_write(const struct rsw_options *options);

#endif
