/* Uploads are known from scans alone, and no event tells that one has ended. */
#ifndef REGSWEEP_GC_UPLOADS_H
#define REGSWEEP_GC_UPLOADS_H

#include "index/index.h"
#include "storage/storage.h"

/* Asks storage for every upload that the index knows, and drops what is not there any more: it would keep the
 * links of its repository. 0, or -1 on an index error. No transaction may be open. */
int rsw_uploads_forget_ended(struct rsw_index *index, struct rsw_storage *storage, struct rsw_error *err);

#endif
