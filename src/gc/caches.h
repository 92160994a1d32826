/* What the replicas of a registry remember, and making them forget it: many pairs of repository and digest at
 * once. */
#ifndef REGSWEEP_GC_CACHES_H
#define REGSWEEP_GC_CACHES_H

#include "gc/replicas.h"
#include "registry/redis.h"
#include "registry/registry.h"

#define RSW_CACHES_AT_ONCE 16 /* pairs: no replica has more requests of ours under way */

/* All is borrowed. */
struct rsw_caches {
    struct rsw_registry *const *registries;
    size_t count;            /* of them; 0: nothing is cached */
    struct rsw_redis *redis; /* NULL unless they cache there */
    const struct rsw_log *log;
};

/* As rsw_replicas_ops.forget. */
void rsw_caches_forget(const struct rsw_caches *caches, struct rsw_cached *list, size_t count);

#endif
