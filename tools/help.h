/* Help, usage and hints, all made from the tables. */
#ifndef REGSWEEP_TOOLS_HELP_H
#define REGSWEEP_TOOLS_HELP_H

#include "commands.h"
#include "options.h"

#include <stdio.h>

/* The list of commands. */
void rsw_help_all(FILE *out);
/* One command or, with `form`, one form of it. */
void rsw_help_command(FILE *out, const struct rsw_command *command, const struct rsw_command *form);

/* Names to choose the closest from. */
struct rsw_closest {
    const char *asked;
    const char *best; /* NULL: nothing is close enough to be meant */
    unsigned distance;
    bool whole; /* a word that was only begun is not close */
};
void rsw_closest_consider(struct rsw_closest *closest, const char *name);
const char *rsw_closest_option(const char *asked);
/* The same among those that may be set in the environment as well, whose names there are like flags here. */
const char *rsw_closest_variable(const char *asked);
const char *rsw_closest_command(const struct rsw_command *table, const char *asked);

/* `text` as a shell takes it for one word: quoted where it must be. Gives `to`, or `text` where that is too
 * small. */
const char *rsw_shell_word(char *to, size_t size, const char *text);
#define RSW_SHELL_WORD_MAX 8192 /* for a path */

/* The library knows no options: where a message of it says to run `regsweep scan`, and the index is not where
 * it is without --index, that is added; and where it is to build one, what the command line said of the
 * storage. Gives `to`. */
const char *rsw_hint_index(char *to, size_t size, const char *text, const struct rsw_options *options);

#endif
