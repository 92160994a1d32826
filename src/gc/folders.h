/* Empty directories, by rmdir alone: those of a repository that goes, and those that a run left when it was
 * cut short. For a stopped registry: a running one may be about to write into a directory that is empty now.
 */
#ifndef REGSWEEP_GC_FOLDERS_H
#define REGSWEEP_GC_FOLDERS_H

#include "index/index.h"
#include "storage/layout.h"
#include "storage/storage.h"

/* The folder of a layer link, and that of its algorithm (`_layers/sha512`) if this emptied it; not `_layers`,
 * by which 2.8 knows that there is a repository (registry/storage/catalog.go). `key` is that of the link, and
 * is changed. */
void rsw_folders_link(struct rsw_storage *storage, char key[RSW_KEY_MAX]);
/* Removes what is left of a repository, leaf first, and those above that this empties, but never what another
 * repository below or beside it has. RSW_FOUND; or RSW_FAILED with *errnum, ENOTEMPTY: something lies there.
 */
int rsw_folders_repository(struct rsw_storage *storage, const char *name, int *errnum);
/* Between a file and its directory a kill can come: looks at what unfinished generations had on their lists.
 * An empty directory below `tags` would be listed by the registry as a tag. Before they are abandoned, and
 * before the index forgets what they were about. 0 or -1 on an index error; what storage keeps is no error.
 * Needs the lock "sweep" and no transaction. */
int rsw_folders_mend(struct rsw_index *index, struct rsw_storage *storage, struct rsw_error *err);

#endif
