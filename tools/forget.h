/* Deletion records in words: what regsweep forget prints and what serve answers to /deletions. */
#ifndef REGSWEEP_TOOLS_FORGET_H
#define REGSWEEP_TOOLS_FORGET_H

#include "json.h"

#include "index/index.h"

#include <stdbool.h>

struct rsw_cli;
struct rsw_deletion; /* index/deletion.h */

/* A line of text. */
void rsw_deletion_print(struct rsw_cli *cli, const struct rsw_deletion *deletion);
json_t *rsw_deletion_to_json(const struct rsw_deletion *deletion);
/* What of it is printed, back from there. False: it is another thing. */
bool rsw_deletion_from_json(struct rsw_deletion *out, const json_t *object);
/* {"deletions": […]}, the oldest first. NULL: out of memory, or the index has failed (err set). */
json_t *rsw_deletions_to_json(struct rsw_index *index, struct rsw_error *err);

#endif
