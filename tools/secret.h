/* What must not be seen: a token, a password. From a file that an option names, or from the environment. */
#ifndef REGSWEEP_TOOLS_SECRET_H
#define REGSWEEP_TOOLS_SECRET_H

#include "options.h"

#include "util/log.h"

struct rsw_secret {
    const char *name;        /* "token", in messages */
    const char *file_option; /* "token-file" */
    const char *file;        /* its value, NULL: not given */
    const char *variable;    /* "REGSWEEP_TOKEN" */
    const char *text;        /* its value, NULL: not given */
};

/* Of the two the one from the greater source, and the file of two from the environment; one line, whose end
 * is not of it. *where (it may be NULL) says in words where it stands, borrowed from options or static. 0,
 * *out owned (NULL: none was given; rsw_secret_free), or -1: RSW_EINVAL for a file that cannot be read, and
 * what is empty or more than a line; RSW_ENOMEM. Warns of a file that everybody can read. */
int rsw_secret_load(char **out, const char **where, const struct rsw_options *options,
                    const struct rsw_secret *secret, const struct rsw_log *log, struct rsw_error *err);
void rsw_secret_free(char **secret); /* wiped first; pointer to NULL is allowed */

#define RSW_AUTO_SECRET __attribute__((cleanup(rsw_secret_free))) char

#endif
