/* Uploads that have begun in a repository, put together from what a listing says of their files. */
#ifndef REGSWEEP_SCAN_UPLOADS_H
#define REGSWEEP_SCAN_UPLOADS_H

#include "scan/batch.h"
#include "scan/reading.h"
#include "storage/layout.h"

struct rsw_uploads {
    struct rsw_reading *reading; /* borrowed, as is the name */
    const char *repo;
    bool unknown;  /* of one of them nobody knows how old it is: as RSW_REPO_UPLOADS_UNKNOWN */
    bool leftover; /* as RSW_REPO_LEFTOVER */
};

/* Both add to the batch, a part of an upload at a time. 0; -1: out of memory. */
/* A folder by its name: an empty one shows nowhere else. */
int rsw_uploads_folder(struct rsw_uploads *uploads, struct rsw_batch *batch, const char *id,
                       struct rsw_error *err);
/* What lies below `_uploads`. */
int rsw_uploads_take(struct rsw_uploads *uploads, struct rsw_batch *batch, const struct rsw_entry *entry,
                     const struct rsw_path *path, struct rsw_error *err);
/* At the end: makes the parts in the batch one record an upload, and counts those. */
void rsw_uploads_join(struct rsw_reading *reading, struct rsw_batch *batch);

#endif
