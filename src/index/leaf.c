#include "index/leaf.h"

#include "util/bytes.h"

#include <string.h>

/* A page as LMDB 0.9 has it on disk, in this machine's order of bytes, where it has 64 bits: number of the
 * page (8), padding (2), flags (2), end of the array of entries (2), begin of the entries (2); then that
 * array, where in the page each entry lies (2), by key. An entry: length of its value (4), flags (2), length
 * of its key (2), key, value. */
enum { PAGE_FLAGS = 10, PAGE_LOWER = 12, PAGE_HEAD = 16, ENTRY_FLAGS = 4, ENTRY_KEY_LEN = 6, ENTRY_HEAD = 8 };
#define PAGE_BYTES 4096 /* of any other size we look into none */
#define PAGE_LEAF 2     /* and nothing else */
#define NEAR 3          /* entries behind the last one that are tried one by one */
#define AHEAD 4         /* entries that are fetched while others are looked at */

static unsigned u16_at(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

bool rsw_leaf_entry(const struct rsw_leaf *leaf, unsigned i, struct rsw_span *key, struct rsw_span *value) {
    size_t place = u16_at(leaf->page + PAGE_HEAD + (size_t)i * 2);
    const uint8_t *entry = leaf->page + place;
    if (place > PAGE_BYTES - ENTRY_HEAD || u16_at(entry + ENTRY_FLAGS) != 0) {
        return false;
    }
    size_t key_len = u16_at(entry + ENTRY_KEY_LEN);
    uint32_t len;
    memcpy(&len, entry, sizeof len);
    if (key_len + len > PAGE_BYTES - ENTRY_HEAD - place) {
        return false;
    }
    *key = (struct rsw_span){.data = entry + ENTRY_HEAD, .len = key_len};
    *value = (struct rsw_span){.data = entry + ENTRY_HEAD + key_len, .len = len};
    return true;
}

void rsw_leaf_enter(struct rsw_leaf *leaf, const struct rsw_map *map, unsigned page_size,
                    const uint8_t *key) {
    const uint8_t *page = key - (uintptr_t)key % PAGE_BYTES;
    leaf->page = NULL;
    if (sizeof(size_t) != 8 || page_size != PAGE_BYTES || !rsw_map_has(map, page) ||
        !rsw_map_has(map, page + PAGE_BYTES - 1) || u16_at(page + PAGE_FLAGS) != PAGE_LEAF) {
        return;
    }
    unsigned lower = u16_at(page + PAGE_LOWER);
    if (lower < PAGE_HEAD || lower > PAGE_BYTES) {
        return;
    }
    leaf->moved = false;
    leaf->count = (lower - PAGE_HEAD) / 2;
    for (leaf->at = 0; leaf->at < leaf->count; leaf->at++) {
        if (page + u16_at(page + PAGE_HEAD + (size_t)leaf->at * 2) + ENTRY_HEAD == key) {
            leaf->page = page;
            return;
        }
    }
}

/* Most differ in their first id. */
int rsw_span_compare(struct rsw_span a, struct rsw_span b) {
    size_t len = a.len < b.len ? a.len : b.len;
    if (len >= 4 && rsw_get_be32(a.data) != rsw_get_be32(b.data)) {
        return rsw_get_be32(a.data) < rsw_get_be32(b.data) ? -1 : 1;
    }
    int order = len == 4 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

bool rsw_leaf_seek(struct rsw_leaf *leaf, struct rsw_span key, struct rsw_span *found,
                   struct rsw_span *value) {
    leaf->moved = true;
    unsigned low = 0;
    unsigned high = leaf->page != NULL ? leaf->count : 0;
    int order = 1;
    for (unsigned near = leaf->at + 1; near < high && near <= leaf->at + NEAR; near++) {
        if (!rsw_leaf_entry(leaf, near, found, value)) {
            return false;
        }
        order = rsw_span_compare(*found, key);
        if (order == 0) {
            leaf->at = near; /* what is mostly asked for */
            return true;
        }
        low = order < 0 ? near + 1 : low;
        high = order > 0 ? near : high;
    }
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (!rsw_leaf_entry(leaf, middle, found, value)) {
            return false;
        }
        order = rsw_span_compare(*found, key);
        if (order == 0) {
            leaf->at = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    leaf->at = low;
    return low > 0 && leaf->page != NULL && low < leaf->count && rsw_leaf_entry(leaf, low, found, value);
}

/* Entries lie in the order in which they were written. */
bool rsw_leaf_next(struct rsw_leaf *leaf, struct rsw_span *found, struct rsw_span *value) {
    if (leaf->at + AHEAD < leaf->count) {
        __builtin_prefetch(leaf->page +
                           u16_at(leaf->page + PAGE_HEAD + (size_t)(leaf->at + AHEAD) * 2) % PAGE_BYTES);
    }
    if (leaf->at + 1 >= leaf->count || !rsw_leaf_entry(leaf, leaf->at + 1, found, value)) {
        return false;
    }
    leaf->at++;
    leaf->moved = true;
    return true;
}
