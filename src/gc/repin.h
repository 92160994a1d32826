/* What is pinned by now, though a sweep that is under way took it before anybody had pinned it. */
#ifndef REGSWEEP_GC_REPIN_H
#define REGSWEEP_GC_REPIN_H

#include "index/index.h"

#include <regsweep/sweep.h>

/* Touches what pins name and open generations have condemned; rsw_revive gives it back, with all that it
 * needs. *count: so many were touched. 0 or -1. Needs no transaction. */
int rsw_repin(uint64_t *count, struct rsw_index *index, const struct rsw_pin *pins, size_t pin_count,
              struct rsw_error *err);

#endif
