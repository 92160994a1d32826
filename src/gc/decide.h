/* Deciding what goes: mark over one moment of the index, what is told of it, and the guards around it. */
#ifndef REGSWEEP_GC_DECIDE_H
#define REGSWEEP_GC_DECIDE_H

#include "gc/mark.h"

/* As mark wants them, now by the options' clock, with defaults filled in. */
void rsw_decide_options(struct rsw_mark_options *out, const struct rsw_sweep_options *options);
/* Marks, leaves out what an open generation has condemned already, tells items and warnings, fills the
 * result, its guard included (which is for the caller to heed). 0 with *plan to be released, or -1:
 * RSW_EREFUSED (no complete scan yet), RSW_ESTOPPED, or an index error. No transaction may be open. */
int rsw_decide(struct rsw_plan *plan, struct rsw_sweep_result *result, struct rsw_index *index,
               const struct rsw_mark_options *mark, const struct rsw_sweep_options *options,
               struct rsw_error *err);
/* Reads storage: what is in the index by then is what storage has. 0, or -1: RSW_EREFUSED if a folder could
 * not be read, or what a scan answers. No transaction may be open. */
enum rsw_decide_scan {
    RSW_SCAN_WHOLE,
    RSW_SCAN_STOPPED, /* the same, and the registry is stopped */
    RSW_SCAN_LINKS,   /* what a client can have done unheard; an object store is not asked for more */
};
int rsw_decide_scan(struct rsw_index *index, struct rsw_storage *storage,
                    const struct rsw_sweep_options *options, enum rsw_decide_scan what,
                    struct rsw_error *err);

/* How long a request lives, of the options or by default. */
int64_t rsw_sweep_settle_ms(const struct rsw_sweep_options *options);

/* -1: the run is to end, with RSW_ESTOPPED, or RSW_EREFUSED where it has lost the lease of the storage. Asked
 * before every batch of deletions. */
int rsw_sweep_go_on(const struct rsw_sweep_options *options, struct rsw_error *err);

#endif
