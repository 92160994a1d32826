/* --config: a YAML file with options, under their names. */
#ifndef REGSWEEP_TOOLS_CONFIG_H
#define REGSWEEP_TOOLS_CONFIG_H

#include "options.h"

/* Takes over what the file says and no greater source did. 0, or -1: RSW_EINVAL "<path>:<line>: <what>",
 * RSW_EIO, RSW_EACCESS, RSW_ENOMEM. */
int rsw_config_load(struct rsw_options *options, const char *path, struct rsw_error *err);
/* The same for bytes at hand; `name` stands for the path in messages. */
int rsw_config_parse(struct rsw_options *options, const char *name, const void *bytes, size_t len,
                     struct rsw_error *err);

#define RSW_CONFIG_MAX ((size_t)1024 * 1024)

#endif
