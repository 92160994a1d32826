/* Leaf pages of the map: what lies in one that LMDB has led to is found without asking it for each entry.
 * Where a page or an entry does not look like what we know, the answer is no, and LMDB is asked. For reading
 * alone. */
#ifndef REGSWEEP_INDEX_LEAF_H
#define REGSWEEP_INDEX_LEAF_H

#include "index/kv.h"
#include "index/map.h"

struct rsw_leaf {
    const uint8_t *page; /* NULL: none */
    unsigned at;
    unsigned count;
    bool moved; /* LMDB stands at another entry of it */
};

/* To the page and entry of this key, to which LMDB has led. */
void rsw_leaf_enter(struct rsw_leaf *leaf, const struct rsw_map *map, unsigned page_size, const uint8_t *key);
/* Entry number i. False if it is not all in the page, be it damaged or large. */
bool rsw_leaf_entry(const struct rsw_leaf *leaf, unsigned i, struct rsw_span *key, struct rsw_span *value);
/* To the first entry not below `key`, if that is in this page for certain: between two others of it, or the
 * key itself. */
bool rsw_leaf_seek(struct rsw_leaf *leaf, struct rsw_span key, struct rsw_span *found,
                   struct rsw_span *value);
/* To the next entry; false at the end of the page. */
bool rsw_leaf_next(struct rsw_leaf *leaf, struct rsw_span *found, struct rsw_span *value);
/* As LMDB compares keys. */
int rsw_span_compare(struct rsw_span a, struct rsw_span b);

#endif
