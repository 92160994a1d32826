/* Arrays that grow. */
#ifndef REGSWEEP_UTIL_GROW_H
#define REGSWEEP_UTIL_GROW_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* `array` has room for *room elements of `size` bytes. Gives it back, moved perhaps, with room for at least
 * `need`; NULL: out of memory, and the array is as before. */
static inline void *rsw_grown(void *array, size_t *room, size_t need, size_t size) {
    if (need <= *room && array != NULL) {
        return array;
    }
    size_t more = *room < 16 ? 16 : *room;
    while (more < need) {
        if (more > SIZE_MAX / 2 / size) {
            return NULL;
        }
        more *= 2;
    }
    void *grown = realloc(array, more * size);
    if (grown != NULL) {
        *room = more;
    }
    return grown;
}

#endif
