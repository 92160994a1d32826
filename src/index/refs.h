/* References, from the inside. */
#ifndef REGSWEEP_INDEX_REFS_H
#define REGSWEEP_INDEX_REFS_H

#include "index/txn.h"

/* Removes what a manifest names, both ways; gives the children, owned by the caller. 0 or -1. */
int rsw_refs_drop(struct rsw_txn *txn, uint32_t manifest, uint32_t **children, size_t *count);

#endif
