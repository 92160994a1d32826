/* The command line and the environment, taken apart by the tables. */
#ifndef REGSWEEP_TOOLS_PARSE_H
#define REGSWEEP_TOOLS_PARSE_H

#include "commands.h"
#include "options.h"

#include "util/log.h"

struct rsw_words {
    char **items; /* owned; the words are argv's */
    int count;
};

/* Flags go into options, everything else into words in its order. 0, or -1: RSW_EINVAL with a message for
 * people, RSW_ENOMEM. Long flags cannot be shortened: what deletes is written out. */
int rsw_parse_flags(struct rsw_options *options, struct rsw_words *words, int argc, char **argv,
                    struct rsw_error *err);
/* No flag was given that this command does not take. */
int rsw_check_flags(const struct rsw_options *options, const char *command, unsigned bit,
                    struct rsw_error *err);
/* REGSWEEP_… for the options that the command takes. Empty ones and unknown ones are passed over: Kubernetes
 * puts REGSWEEP_SERVICE_HOST and the like into every pod beside a service of our name. */
int rsw_parse_environment(struct rsw_options *options, unsigned bit, char **environment,
                          struct rsw_error *err);
/* Tells of unknown ones that look like a slip: they are nearly called as an option is. */
void rsw_warn_environment(char **environment, const struct rsw_log *log);
void rsw_words_release(struct rsw_words *words);

#define RSW_AUTO_WORDS __attribute__((cleanup(rsw_words_release))) struct rsw_words

#endif
