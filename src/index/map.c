#include "index/map.h"

#include "util/cleanup.h"

#include <inttypes.h>
#include <sys/mman.h>

void rsw_map_locate(struct rsw_map *map, const void *inside, uint64_t size) {
    RSW_AUTO_FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t begin;
        uintptr_t end;
        /* The tail of a line that is longer than the buffer does not look like this, or not around it. */
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2 && (uintptr_t)inside >= begin &&
            (uintptr_t)inside < end) {
            atomic_store_explicit(&map->begin, begin, memory_order_relaxed);
            atomic_store_explicit(&map->end, size != 0 ? begin + (uintptr_t)size : end, memory_order_release);
            return;
        }
    }
}

void rsw_map_forget(struct rsw_map *map) {
    atomic_store_explicit(&map->end, 0, memory_order_release);
}

bool rsw_map_possible(int fd, uint64_t size) {
    if (size > SIZE_MAX) {
        return false;
    }
    void *place = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (place == MAP_FAILED) {
        return false;
    }
    munmap(place, (size_t)size);
    return true;
}
