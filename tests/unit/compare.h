/* Whether two indexes say the same about storage: an index from events must equal one from a scan, object by
 * object. Ids, times, seqs and first_seen may differ, and so may uploads, of which no event tells. */
#ifndef TESTS_UNIT_COMPARE_H
#define TESTS_UNIT_COMPARE_H

#include "index/index.h"

#include <stdio.h>

/* The number of differences; each of the first `lines_max` is printed to `out` as a line, "- …" for what only
 * the first has, "+ …" for what only the second has. -1: one of them could not be read (err says why). */
int compare_indexes(struct rsw_index *first, struct rsw_index *second, FILE *out, int lines_max,
                    struct rsw_error *err);
/* What an index says, one sorted line an object, to `out`. 0 or -1. */
int print_index(struct rsw_index *index, FILE *out, struct rsw_error *err);

#endif
