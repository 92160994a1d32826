/* The end of an online generation: what nobody touched is gone for good, what was given back loses its copy.
 */
#ifndef REGSWEEP_GC_PURGE_H
#define REGSWEEP_GC_PURGE_H

#include "gc/online.h"

/* Bytes so small, and not known to be a layer or config and nothing else, may be a manifest. */
#define RSW_MANIFEST_BYTES_MAX (4 * 1024 * 1024)

/* Purges a hidden generation whose second look is done; *generation is written with every batch, and PURGED
 * at the end; or it stays hidden and is `clearing`, for storage may purge something of it yet: after a settle
 * it is to be purged once more. 0, or -1: RSW_EPARTIAL (something touched cannot be given back: its copy
 * stays, and so does the generation), RSW_ESTOPPED, or an error of audit or index; a later call goes on.
 * Needs the lock "sweep" and no transaction. */
int rsw_purge(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err);
/* Purges held bytes that no cache can need any more: all replicas that answered the last fence began after
 * the bytes were held. Or, `all`, because no replica runs: puts all of them back where they are missing, and
 * drops the copies; what needs them is read from storage afterwards. *left: how many stay. As above. */
int rsw_purge_held(struct rsw_online *online, bool all, uint64_t *left, struct rsw_error *err);

#endif
