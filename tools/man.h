/* Manual pages, from the tables and a text for each page. */
#ifndef REGSWEEP_TOOLS_MAN_H
#define REGSWEEP_TOOLS_MAN_H

#include "commands.h"

#include <stdio.h>

/* Writes the page of a command, or with NULL that of the program. `text` is the middle of the page in roff:
 * sections DESCRIPTION and on, between SYNOPSIS and OPTIONS. */
void rsw_man_page(FILE *out, const struct rsw_command *command, const char *text);

#endif
