/* What people have written into an index, and no scan would find again. */
#ifndef REGSWEEP_TOOLS_REBUILD_H
#define REGSWEEP_TOOLS_REBUILD_H

#include "cli.h"

/* Opens the index anew, empty but for the pins of the old one, and with its identity and the numbers of its
 * generations, so that what it has left in storage is known to be its own. Warns of pins that cannot be read
 * any more, and of deletions that have to be asked for again. 0 or -1. */
int rsw_rebuild_index(struct rsw_cli *cli, const struct rsw_index_options *how, struct rsw_error *err);

#endif
