/* The part of the checker that reads manifests. */
#ifndef REGSWEEP_SCAN_CHECK_MANIFESTS_H
#define REGSWEEP_SCAN_CHECK_MANIFESTS_H

#include "scan/reading.h"

/* An entry of the queue that is being answered, and how that went. */
struct rsw_check_item {
    struct rsw_check check;
    bool failed;      /* storage could not tell */
    int64_t again_ms; /* not 0: answered for now, to be asked again then */
};

/* Reads what the RSW_CHECK_MANIFEST entries name, and the manifests that the revisions and tags of the other
 * entries have brought up: their children, signatures and aliases too. */
int rsw_check_manifests(struct rsw_reading *reading, struct rsw_check_item *items, size_t count,
                        struct rsw_error *err);

#endif
