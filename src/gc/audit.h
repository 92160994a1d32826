/* The audit: one JSON line for every deletion, written and synced before the deletion is asked for, so that
 * nothing can go without a line; a second line where it failed. Format: docs/operation.md. */
#ifndef REGSWEEP_GC_AUDIT_H
#define REGSWEEP_GC_AUDIT_H

#include "storage/storage.h"

#include <regsweep/sweep.h>

struct rsw_audit {
    int fd;           /* -1: closed */
    const char *path; /* borrowed */
};
#define RSW_AUDIT_INIT                                                                                       \
    { -1, NULL }

/* Opens for appending, makes the file (mode 0640) if there is none. 0 or -1 (RSW_EIO, RSW_EACCESS). */
int rsw_audit_open(struct rsw_audit *audit, const char *path, struct rsw_error *err);
/* Writes a line, not yet synced. `action`: "delete" or "failed"; `errnum`: for "failed", else 0. 0, or -1:
 * then nothing may be deleted. */
int rsw_audit_item(struct rsw_audit *audit, const char *action, uint64_t generation, int64_t now_ms,
                   const struct rsw_sweep_item *item, int errnum, struct rsw_error *err);
/* The same of an old version, or marker, that is about to be deleted. */
int rsw_audit_version(struct rsw_audit *audit, int64_t now_ms, const struct rsw_old_version *version,
                      struct rsw_error *err);
/* Everything written is on the disk. */
int rsw_audit_sync(struct rsw_audit *audit, struct rsw_error *err);
void rsw_audit_close(struct rsw_audit *audit);
#define RSW_AUTO_AUDIT __attribute__((cleanup(rsw_audit_close))) struct rsw_audit

#endif
