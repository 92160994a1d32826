/* Telling a plan: each object and each warning of it, with names for the ids. */
#ifndef REGSWEEP_GC_TELL_H
#define REGSWEEP_GC_TELL_H

#include "gc/mark.h"

/* Calls options->item and options->warning, where they are set. Needs the read transaction that the plan was
 * made in. 0, or -1: RSW_ESTOPPED if one of them says so, RSW_ECORRUPT if an id has no record. */
int rsw_tell(struct rsw_txn *txn, const struct rsw_plan *plan, const struct rsw_sweep_options *options,
             struct rsw_error *err);

#endif
