/* A damaged index shows as SIGBUS or SIGSEGV where its file is mapped (cut short, unreadable sectors): said
 * in words instead of by a core dump. Signal handlers are per process, so this is the one thing that is
 * global. */
#ifndef REGSWEEP_TOOLS_DAMAGE_H
#define REGSWEEP_TOOLS_DAMAGE_H

#include <regsweep/index.h>

/* From now on a fault inside this index ends the process with exit status 1 and the remedy on stderr; other
 * faults crash as ever. An abort of LMDB, which is how it ends on a file that contradicts itself, ends with 1
 * too. */
void rsw_damage_watch(const struct rsw_index *index);
/* Before the index is closed. */
void rsw_damage_unwatch(void);

#endif
