/* Uploads are known from scans alone, and no event tells that one has ended. */
#ifndef REGSWEEP_GC_UPLOADS_H
#define REGSWEEP_GC_UPLOADS_H

#include "gc/audit.h"
#include "index/index.h"
#include "storage/storage.h"

/* Asks storage for every upload that the index knows, and drops what is not there any more: it would keep the
 * links of its repository. 0, or -1 on an index error. No transaction may be open. */
int rsw_uploads_forget_ended(struct rsw_index *index, struct rsw_storage *storage, struct rsw_error *err);

/* Where storage keeps parts of uploads that nobody finished: calls off those that were begun before
 * `before_ms`, of the registry's uploads and of copies of our own, each in the audit before. What cannot be
 * called off is told of in the log, and is no failure. 0, or -1: an error of the audit. No transaction may be
 * open. */
int rsw_uploads_call_off(struct rsw_storage *storage, int64_t before_ms, struct rsw_audit *audit,
                         const struct rsw_sweep_options *options, struct rsw_error *err);

#endif
