#include "index_support.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int place_setup(void **state) {
    struct place *place = calloc(1, sizeof *place);
    if (place == NULL) {
        return -1;
    }
    snprintf(place->dir, sizeof place->dir, "/tmp/regsweep-index-XXXXXX");
    if (mkdtemp(place->dir) == NULL) {
        free(place);
        return -1;
    }
    snprintf(place->data, sizeof place->data, "%s/data.mdb", place->dir);
    *state = place;
    return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk) {
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

int place_teardown(void **state) {
    struct place *place = *state;
    int rc = nftw(place->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    free(place);
    return rc;
}

struct rsw_index *open_with(const struct place *place, const struct rsw_index_options *options) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    if (rsw_index_open(&index, place->dir, options, &err) != 0) {
        fail_msg("cannot open: %s", err.message);
    }
    return index;
}

struct rsw_index *open_index(const struct place *place) {
    const struct rsw_index_options options = {.create = true};
    return open_with(place, &options);
}

void expect_open_fails(const struct place *place, const struct rsw_index_options *options, enum rsw_code code,
                       const char *words) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = NULL;
    assert_int_equal(rsw_index_open(&index, place->dir, options, &err), -1);
    assert_null(index);
    if (err.code != code || strstr(err.message, words) == NULL) {
        fail_msg("code %d, not %d, or not «%s»: %s", (int)err.code, (int)code, words, err.message);
    }
}

off_t end_of_pages(const struct place *place) {
    uint64_t last[2] = {0};
    int fd = open(place->data, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &last[0], 8, 136), 8);
    assert_int_equal(pread(fd, &last[1], 8, 4096 + 136), 8);
    close(fd);
    return (off_t)((last[0] > last[1] ? last[0] : last[1]) + 1) * 4096;
}

struct rsw_txn *begin_read(struct rsw_index *index) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_txn *txn = NULL;
    if (rsw_txn_begin_read(&txn, index, &err) != 0) {
        fail_msg("cannot begin: %s", err.message);
    }
    return txn;
}

struct rsw_txn *begin_write(struct rsw_index *index) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_txn *txn = NULL;
    if (rsw_txn_begin_write(&txn, index, &err) != 0) {
        fail_msg("cannot begin: %s", err.message);
    }
    return txn;
}

void commit(struct rsw_txn **txn) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_txn_commit(txn, &err) != 0) {
        fail_msg("cannot commit: %s", err.message);
    }
    assert_null(*txn);
}

void expect_stuck(struct rsw_txn *txn, enum rsw_code code) {
    struct rsw_error err = RSW_ERROR_INIT;
    assert_true(rsw_txn_failed(txn, &err));
    if (err.code != code) {
        fail_msg("code %d, not %d: %s", (int)err.code, (int)code, err.message);
    }
}

struct rsw_digest digest_number(uint64_t i) {
    struct rsw_digest digest = {.alg = RSW_SHA256};
    uint64_t x = i * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (size_t word = 0; word < 4; word++) {
        x ^= x >> 30;
        x *= UINT64_C(0xbf58476d1ce4e5b9);
        x ^= x >> 27;
        x *= UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
        memcpy(digest.bytes + 8 * word, &x, 8);
    }
    return digest;
}
