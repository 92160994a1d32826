/* Packing an index: the same records in fewer pages, or everything as it was. */
#include "index_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOBS 20000

/* In small commits and in no order, as a scan fills it. */
static void fill(const struct place *place) {
    struct rsw_index *index = open_index(place);
    for (uint64_t i = 0; i < BLOBS;) {
        struct rsw_txn *txn = begin_write(index);
        for (uint64_t end = i + 500; i < end; i++) {
            struct rsw_digest digest = digest_number(i);
            rsw_fact_blob(txn, &digest, i, 1);
        }
        commit(&txn);
    }
    rsw_index_close(index);
}

static void expect_all(const struct place *place) {
    struct rsw_index *index = open_index(place);
    struct rsw_txn *txn = begin_read(index);
    for (uint64_t i = 0; i < BLOBS; i++) {
        struct rsw_digest digest = digest_number(i);
        struct rsw_blob blob;
        assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_FOUND);
        assert_int_equal(blob.size, i);
    }
    rsw_txn_abort(&txn);
    assert_int_equal(rsw_index_check(index, NULL), 0);
    txn = begin_write(index); /* it can be written as before */
    struct rsw_digest digest = digest_number(BLOBS);
    rsw_fact_blob(txn, &digest, BLOBS, 1);
    commit(&txn);
    rsw_index_close(index);
}

static bool has_folder(const struct place *place) {
    char path[128];
    snprintf(path, sizeof path, "%s/pack", place->dir);
    return access(path, F_OK) == 0;
}

static void a_packed_index_says_the_same_in_less_room(void **state) {
    const struct place *place = *state;
    fill(place);
    off_t before = end_of_pages(place);
    assert_int_equal(rsw_index_pack(place->dir, 0, NULL), RSW_FOUND);
    assert_true(end_of_pages(place) < before - before / 4);
    assert_false(has_folder(place));
    expect_all(place);
}

static void an_index_that_somebody_has_open_is_left_alone(void **state) {
    const struct place *place = *state;
    struct stat before;
    struct stat after;
    fill(place);
    char path[128];
    snprintf(path, sizeof path, "%s/index.lock", place->dir);
    int other = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(other, LOCK_SH), 0);
    assert_int_equal(stat(place->data, &before), 0);
    assert_int_equal(rsw_index_pack(place->dir, 0, NULL), RSW_ABSENT);
    assert_int_equal(stat(place->data, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    close(other);
    expect_all(place);
}

static void what_a_killed_packing_left_is_in_nobodys_way(void **state) {
    const struct place *place = *state;
    fill(place);
    char path[128];
    snprintf(path, sizeof path, "%s/pack", place->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/pack/data.mdb", place->dir);
    int torn = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(torn, "torn", 4), 4);
    close(torn);
    assert_int_equal(rsw_index_pack(place->dir, 0, NULL), RSW_FOUND);
    assert_false(has_folder(place));
    expect_all(place);
}

static void an_index_that_cannot_be_packed_stays_as_it_is(void **state) {
    const struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    fill(place);
    assert_int_equal(rsw_index_pack(place->dir, 256 * 1024, &err), RSW_FAILED); /* there is no room for it */
    assert_int_equal(err.code, RSW_EFULL);
    assert_false(has_folder(place));
    expect_all(place);
}

/* It would be emptied. */
static void a_folder_elsewhere_is_not_packed_into(void **state) {
    const struct place *place = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    char elsewhere[128];
    char path[160];
    fill(place);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", place->dir);
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    snprintf(path, sizeof path, "%s/pack", place->dir);
    assert_int_equal(symlink(elsewhere, path), 0);
    snprintf(path, sizeof path, "%s/data.mdb", elsewhere);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(rsw_index_pack(place->dir, 0, &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_int_equal(access(path, F_OK), 0);
    expect_all(place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_packed_index_says_the_same_in_less_room, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(an_index_that_somebody_has_open_is_left_alone, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(what_a_killed_packing_left_is_in_nobodys_way, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(an_index_that_cannot_be_packed_stays_as_it_is, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_folder_elsewhere_is_not_packed_into, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
