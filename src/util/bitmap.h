/* One bit an id. Ids are dense, so this is a set of ids. */
#ifndef REGSWEEP_UTIL_BITMAP_H
#define REGSWEEP_UTIL_BITMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct rsw_bitmap {
    uint64_t *words; /* owned */
    uint32_t bits;   /* ids 0 … bits - 1 */
};

/* All clear. False: out of memory. */
static inline bool rsw_bitmap_init(struct rsw_bitmap *map, uint32_t bits) {
    map->words = calloc((size_t)bits / 64 + 1, sizeof *map->words);
    map->bits = map->words == NULL ? 0 : bits;
    return map->words != NULL;
}
static inline void rsw_bitmap_release(struct rsw_bitmap *map) {
    free(map->words);
    map->words = NULL;
    map->bits = 0;
}
/* An id past the end is not in the set, and cannot be put in. */
static inline bool rsw_bitmap_has(const struct rsw_bitmap *map, uint32_t id) {
    return id < map->bits && (map->words[id / 64] >> (id % 64) & 1) != 0;
}
static inline void rsw_bitmap_add(struct rsw_bitmap *map, uint32_t id) {
    if (id < map->bits) {
        map->words[id / 64] |= (uint64_t)1 << (id % 64);
    }
}
static inline void rsw_bitmap_drop(struct rsw_bitmap *map, uint32_t id) {
    if (id < map->bits) {
        map->words[id / 64] &= ~((uint64_t)1 << (id % 64));
    }
}

#define RSW_AUTO_BITMAP __attribute__((cleanup(rsw_bitmap_release))) struct rsw_bitmap

#endif
