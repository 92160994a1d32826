/* Where the index lies in memory. */
#ifndef REGSWEEP_INDEX_MAP_H
#define REGSWEEP_INDEX_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rsw_map {
    atomic_uintptr_t begin;
    atomic_uintptr_t end; /* 0: not known */
};

/* Finds the mapping that `inside` lies in, which is `size` bytes long (0: as long as the kernel says). LMDB
 * does not tell; the kernel does, in /proc/self/maps. Without /proc the place stays unknown. */
void rsw_map_locate(struct rsw_map *map, const void *inside, uint64_t size);
void rsw_map_forget(struct rsw_map *map);
/* False while it is not known. Async-signal-safe. */
static inline bool rsw_map_has(const struct rsw_map *map, const void *address) {
    return (uintptr_t)address < atomic_load_explicit(&map->end, memory_order_acquire) &&
           (uintptr_t)address >= atomic_load_explicit(&map->begin, memory_order_relaxed);
}
/* The same, and what lies so close behind it that a damaged length, which has 32 bits, leads there. */
static inline bool rsw_map_reaches(const struct rsw_map *map, const void *address) {
    uintptr_t end = atomic_load_explicit(&map->end, memory_order_acquire);
    return rsw_map_has(map, address) ||
           (end != 0 && (uintptr_t)address >= end && (uintptr_t)address - end <= UINT32_MAX);
}
/* True if so many bytes of this file could be mapped now, beside all else. */
bool rsw_map_possible(int fd, uint64_t size);

#endif
