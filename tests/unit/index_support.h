/* A folder and an index in it, for the tests of src/index. */
#ifndef INDEX_SUPPORT_H
#define INDEX_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "index/facts.h"

struct place {
    char dir[64];
    char data[96]; /* data.mdb in it */
};

int place_setup(void **state);    /* *state is a struct place with an empty folder */
int place_teardown(void **state); /* removes it with all that is in it */

struct rsw_index *open_index(const struct place *place);
struct rsw_index *open_with(const struct place *place, const struct rsw_index_options *options);
/* Opening fails, with this code, and a message that has these words. */
void expect_open_fails(const struct place *place, const struct rsw_index_options *options, enum rsw_code code,
                       const char *words);

/* Where the last page of the index ends. The file is longer, by a hole. */
off_t end_of_pages(const struct place *place);

struct rsw_txn *begin_read(struct rsw_index *index);
struct rsw_txn *begin_write(struct rsw_index *index);
void commit(struct rsw_txn **txn);
/* The transaction has failed with this code. */
void expect_stuck(struct rsw_txn *txn, enum rsw_code code);

/* Digest number i: looks random, is always the same. */
struct rsw_digest digest_number(uint64_t i);

#endif
