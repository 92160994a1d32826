/* The blobs that storage has. */
#ifndef REGSWEEP_SCAN_BLOBS_H
#define REGSWEEP_SCAN_BLOBS_H

#include "scan/reading.h"

/* Names of folders, or of repositories, that were found. */
struct rsw_names {
    char **names; /* owned, and each of them */
    size_t count, room;
};
int rsw_names_add(struct rsw_names *names, const char *name, size_t len, struct rsw_error *err);
void rsw_names_release(struct rsw_names *names);

/* Lists `blobs`, one level: gives the folders to be listed one by one (blobs/<alg>/<2 hex>). An object store
 * gives its first blobs here and now, and the folders of the others. *found: there is such a folder at all.
 */
int rsw_blobs_find(struct rsw_reading *reading, uint64_t looked, struct rsw_names *folders, bool *found,
                   struct rsw_error *err);
/* Lists one of them. */
int rsw_blobs_read(struct rsw_reading *reading, uint64_t looked, const char *folder, struct rsw_error *err);

/* Finds every repository: adds the names to `found`. *any: there is a folder of repositories at all. */
int rsw_repositories_find(struct rsw_reading *reading, struct rsw_names *found, bool *any,
                          struct rsw_error *err);

#endif
