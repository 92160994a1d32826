/* Building a plan. Internal to gc. */
#ifndef REGSWEEP_GC_PLAN_H
#define REGSWEEP_GC_PLAN_H

#include "gc/mark.h"

/* Both copy what they are given. 0, or -1 (RSW_ENOMEM). */
int rsw_plan_warn(struct rsw_plan *plan, uint32_t repo, uint32_t blob, const char *problem,
                  struct rsw_error *err);
/* Adds one object, counts it. `name`: a tag or upload id, or NULL. */
int rsw_plan_condemn(struct rsw_plan *plan, struct rsw_condemned item, const char *name,
                     struct rsw_error *err);
/* Takes out of the plan, and of its counts, what an open generation has as an item already: it is on its way.
 * 0 or -1. */
int rsw_plan_leave_open(struct rsw_plan *plan, struct rsw_txn *txn, struct rsw_error *err);
/* For a registry that is stopped, where a run gives back first what open generations took, and decides anew:
 * what they condemned, and nobody touched since, goes again if these options let go of as much as theirs did.
 * Of a generation for which that cannot be told nothing is in the plan; *unsure is its id, else 0. The plan
 * is in the order of kinds. 0 or -1. */
int rsw_plan_add_open(struct rsw_plan *plan, struct rsw_txn *txn, const struct rsw_mark_options *mark,
                      uint64_t *unsure, struct rsw_error *err);
/* Makes room for so many objects, of a plan that has none. 0, or -1 (RSW_ENOMEM). */
int rsw_plan_reserve(struct rsw_plan *plan, size_t count, struct rsw_error *err);

#endif
