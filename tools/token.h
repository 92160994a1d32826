/* The bearer tokens that serve asks for, and the one that it sends. */
#ifndef REGSWEEP_TOOLS_TOKEN_H
#define REGSWEEP_TOOLS_TOKEN_H

#include "options.h"

#include "util/log.h"

/* That of events, which the registry's endpoint sends: from --token-file or REGSWEEP_TOKEN; of the two the
 * one from the greater source, and the file of two from the environment. 0, *out owned (NULL: no token was
 * given), or -1: RSW_EINVAL for an empty one or one of more than a line, RSW_EIO, RSW_EACCESS, RSW_ENOMEM.
 * Warns of a file that everybody can read. */
int rsw_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                   struct rsw_error *err);
/* Likewise that of /sweeps: from --sweep-token-file or REGSWEEP_SWEEP_TOKEN. */
int rsw_sweep_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                         struct rsw_error *err);
/* That which is sent with a callback, from --deletion-callback-token-file alone. */
int rsw_callback_token_load(char **out, const struct rsw_options *options, const struct rsw_log *log,
                            struct rsw_error *err);

#endif
