/* Deletion records in words: what regsweep forget prints and what serve answers to /deletions. */
#ifndef REGSWEEP_TOOLS_FORGET_H
#define REGSWEEP_TOOLS_FORGET_H

#include "json.h"

#include "gc/stays.h"
#include "util/log.h"

#include <stdbool.h>

struct rsw_cli;

/* A line of text. */
void rsw_deletion_print(struct rsw_cli *cli, const struct rsw_deletion *deletion);
json_t *rsw_deletion_to_json(const struct rsw_deletion *deletion);
/* What of it is printed, back from there. False: it is another thing. */
bool rsw_deletion_from_json(struct rsw_deletion *out, const json_t *object);
/* {"deletions": […]}, the oldest first. NULL: out of memory, or the index has failed (err set). */
json_t *rsw_deletions_to_json(struct rsw_index *index, struct rsw_error *err);

/* Of one that was just made or called off: "elsewhere" and "other" in its object (of deletion.h; read by
 * rsw_deletion_from_json), and in words. */
void rsw_others_to_json(json_t **object, const struct rsw_deletion *deletion);
void rsw_others_warn(const struct rsw_deletion *deletion, const struct rsw_log *log);
/* What of one that was just made stays or may stay: "pinned", "pin" and "young" in its object, and in words.
 */
void rsw_stays_to_json(json_t **deletion, const struct rsw_stays *stays);
void rsw_stays_from_json(struct rsw_stays *out, const json_t *deletion);
void rsw_stays_warn(const struct rsw_stays *stays, const struct rsw_deletion *deletion,
                    const struct rsw_log *log);
/* Those that have ended since, though not all of it is gone. 0, or -1 on an index error. */
int rsw_deletions_tell_spared(struct rsw_index *index, int64_t since_ms, const struct rsw_log *log,
                              struct rsw_error *err);

#endif
