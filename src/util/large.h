/* Memory for an array that is touched here and there, all over. In large pages where the system has them:
 * else the first touch of each small one costs as much as a hundred later ones. */
#ifndef REGSWEEP_UTIL_LARGE_H
#define REGSWEEP_UTIL_LARGE_H

#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#define RSW_LARGE_PAGE ((size_t)2 * 1024 * 1024)

/* Not cleared; for free(). NULL: out of memory. */
static inline void *rsw_large_alloc(size_t bytes) {
    if (bytes < RSW_LARGE_PAGE / 4) {
        return malloc(bytes);
    }
    size_t size = (bytes + RSW_LARGE_PAGE - 1) / RSW_LARGE_PAGE * RSW_LARGE_PAGE;
    void *memory = aligned_alloc(RSW_LARGE_PAGE, size);
    if (memory != NULL) {
        madvise(memory, size, MADV_HUGEPAGE); /* a wish */
    }
    return memory;
}

#endif
