/* Deletion records in words: what regsweep forget prints and what serve answers to /deletions. */
#ifndef REGSWEEP_TOOLS_FORGET_H
#define REGSWEEP_TOOLS_FORGET_H

#include "json.h"

#include "index/index.h"

struct rsw_deletion; /* index/deletion.h */

json_t *rsw_deletion_to_json(const struct rsw_deletion *deletion);
/* {"deletions": […]}, the oldest first. NULL: out of memory, or the index has failed (err set). */
json_t *rsw_deletions_to_json(struct rsw_index *index, struct rsw_error *err);

#endif
