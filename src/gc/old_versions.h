/* Old versions that a bucket keeps of what the registry wrote over or deleted. */
#ifndef REGSWEEP_GC_OLD_VERSIONS_H
#define REGSWEEP_GC_OLD_VERSIONS_H

#include "gc/audit.h"
#include "index/index.h"
#include "storage/storage.h"

#include <regsweep/sweep.h>

/* With options->version_max_age_ms deletes versions below the registry's folder that are not current for
 * longer than that, and markers of deletions with all that they cover; a line of audit each, before. What a
 * generation, anybody's, has hidden stays, and so does what is deleted and should be there by the index.
 * `audit` NULL: nothing goes, it is only counted. Fills result->old. The lock "sweep" is held, or nothing
 * goes. 0; or -1: the audit file, the index, or the quarantine could not be read. What storage does not list
 * or delete is a warning, and counts as failed. */
int rsw_old_versions_purge(struct rsw_sweep_result *result, struct rsw_index *index,
                           struct rsw_storage *storage, struct rsw_audit *audit,
                           const struct rsw_sweep_options *options, struct rsw_error *err);

#endif
