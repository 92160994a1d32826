/* Several processes and threads on one index: what one commits the others see, growth, locks, kill -9. */
#include "index_support.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char elsewhere = 0; /* in the program itself, far from any map */

#define MIB (1024 * 1024)

/* A child with a pipe each way. It must not use the parent's handle. */
struct child {
    pid_t pid;
    int to;
    int from;
};

static struct child start(const struct place *place, void (*run)(const struct place *, int in, int out)) {
    int down[2];
    int up[2];
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    struct child child = {.pid = fork(), .to = down[1], .from = up[0]};
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        close(down[1]);
        close(up[0]);
        run(place, down[0], up[1]);
        _exit(0);
    }
    close(down[0]);
    close(up[1]);
    return child;
}

static void tell(int fd, uint64_t number) {
    if (write(fd, &number, sizeof number) != (ssize_t)sizeof number) {
        _exit(9);
    }
}

static bool hear(int fd, uint64_t *number) {
    ssize_t got;
    do {
        got = read(fd, number, sizeof *number);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *number;
}

static void finish(struct child *child) {
    int status = 0;
    close(child->to);
    close(child->from);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- two processes ---- */

static void write_on_demand(const struct place *place, int in, int out) {
    uint64_t number;
    struct rsw_index *index = open_index(place);
    while (hear(in, &number)) {
        struct rsw_txn *txn = begin_write(index);
        struct rsw_digest digest = digest_number(number);
        rsw_fact_blob(txn, &digest, number, 1);
        commit(&txn);
        tell(out, number);
    }
    rsw_index_close(index);
}

static void a_reader_sees_what_another_process_has_committed_and_only_that(void **state) {
    struct child child = start(*state, write_on_demand);
    struct rsw_index *index = open_index(*state);
    for (uint64_t number = 1; number <= 50; number++) {
        struct rsw_blob blob;
        struct rsw_digest digest = digest_number(number);
        uint64_t done = 0;
        struct rsw_txn *before = begin_read(index);
        tell(child.to, number);
        assert_true(hear(child.from, &done) && done == number);
        assert_int_equal(rsw_blob_find(before, &digest, &blob), RSW_ABSENT); /* it sees its moment */
        rsw_txn_abort(&before);
        struct rsw_txn *after = begin_read(index);
        assert_int_equal(rsw_blob_find(after, &digest, &blob), RSW_FOUND);
        assert_int_equal(blob.size, number);
        rsw_txn_abort(&after);
    }
    rsw_index_close(index);
    finish(&child);
}

/* Items are long: so many are some 70 MiB. */
#define BULK 250000
static void write_bulk(struct rsw_index *index, uint64_t generation, uint32_t count) {
    struct rsw_txn *txn = begin_write(index);
    for (uint32_t i = 0; i < count; i++) {
        struct rsw_item item = {.generation = generation, .kind = RSW_ITEM_TAG, .repo = i};
        memset(item.name, 'n', RSW_TAG_NAME_MAX);
        rsw_item_put(txn, &item);
        if (rsw_txn_dirty(txn) > 32 * MIB) {
            commit(&txn);
            txn = begin_write(index);
        }
    }
    commit(&txn);
}

static uint32_t count_items(struct rsw_index *index) {
    struct rsw_txn *txn = begin_read(index);
    uint32_t count = 0;
    for (uint64_t generation = 1; generation <= 5; generation++) {
        struct rsw_item item;
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        rsw_iter_items(&iter, txn, generation, 0);
        while (rsw_item_next(&iter, &item) == RSW_FOUND) {
            count++;
        }
    }
    assert_false(rsw_txn_failed(txn, NULL));
    rsw_txn_abort(&txn);
    return count;
}

static void write_much(const struct place *place, int in, int out) {
    uint64_t number;
    struct rsw_index *index = open_index(place);
    while (hear(in, &number)) {
        write_bulk(index, number, 40000);
        tell(out, number);
    }
    rsw_index_close(index);
}

static void growth_in_another_process_is_followed(void **state) {
    const struct rsw_index_options small = {.create = true, .map_size = 8 * MIB};
    uint64_t done = 0;
    struct child child = start(*state, write_much);
    struct rsw_index *index = open_with(*state, &small);
    tell(child.to, 1);
    assert_true(hear(child.from, &done));
    assert_int_equal(count_items(index), 40000); /* far past the 8 MiB that this one has mapped */
    struct rsw_txn *txn = begin_read(index);
    struct rsw_index_stat stat;
    assert_int_equal(rsw_index_stat(txn, &stat), RSW_FOUND);
    assert_true(stat.used > 8 * MIB && stat.map_size >= stat.file_size);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
    finish(&child);
}

/* ---- threads ---- */

struct reader {
    struct rsw_index *index;
    atomic_bool stop;
    atomic_uint rounds;
    atomic_uint wrong;
};

static void *read_all_the_time(void *arg) {
    struct reader *reader = arg;
    while (!atomic_load(&reader->stop)) {
        struct rsw_txn *txn = NULL;
        struct rsw_digest digest = digest_number(1);
        struct rsw_blob blob;
        if (rsw_txn_begin_read(&txn, reader->index, NULL) != 0) {
            atomic_fetch_add(&reader->wrong, 1);
            break;
        }
        if (rsw_blob_find(txn, &digest, &blob) != RSW_FOUND || !rsw_digest_equal(&blob.digest, &digest)) {
            atomic_fetch_add(&reader->wrong, 1);
        }
        rsw_txn_abort(&txn);
        atomic_fetch_add(&reader->rounds, 1);
    }
    return NULL;
}

static void the_map_grows_by_itself_beside_readers(void **state) {
    struct rsw_index *index = open_index(*state);
    struct rsw_digest digest = digest_number(1);
    struct rsw_txn *txn = begin_write(index);
    rsw_fact_blob(txn, &digest, 1, 1);
    commit(&txn);
    struct reader reader = {.index = index};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &reader), 0);
    }
    struct rsw_index_stat first;
    struct rsw_index_stat last;
    struct rsw_refs refs = {.count = 0};
    txn = begin_read(index);
    assert_int_equal(rsw_index_stat(txn, &first), RSW_FOUND);
    rsw_txn_abort(&txn);
    write_bulk(index, 1, BULK);
    write_bulk(index, 2, BULK);
    write_bulk(index, 3, BULK);
    txn = begin_write(index);
    rsw_refs_put(txn, 1, 0, true, NULL, 0, 1);
    commit(&txn);
    txn = begin_read(index);
    assert_int_equal(rsw_index_stat(txn, &last), RSW_FOUND);
    assert_int_equal(rsw_refs_get(txn, 1, &refs), RSW_FOUND);
    assert_true(rsw_index_maps(index, refs.packed));
    assert_false(rsw_index_maps(index, &elsewhere));
    rsw_txn_abort(&txn);
    atomic_store(&reader.stop, true);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(last.map_size > first.map_size);
    assert_true(last.map_size - last.used >= 64 * MIB);
    assert_int_equal(atomic_load(&reader.wrong), 0);
    assert_true(atomic_load(&reader.rounds) > 0);
    assert_int_equal(count_items(index), 3 * BULK);
    rsw_index_close(index);
}

static void *write_few(void *arg) {
    struct rsw_index *index = arg;
    for (uint32_t i = 0; i < 50; i++) {
        struct rsw_txn *txn = NULL;
        struct rsw_state now;
        if (rsw_txn_begin_write(&txn, index, NULL) != 0 || rsw_state_get(txn, &now) != RSW_FOUND) {
            rsw_txn_abort(&txn);
            break;
        }
        now.events++;
        rsw_state_put(txn, &now);
        if (rsw_txn_commit(&txn, NULL) != 0) {
            break;
        }
    }
    return NULL;
}

static void threads_that_write_take_turns(void **state) {
    struct rsw_index *index = open_index(*state);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_few, index), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    struct rsw_txn *txn = begin_read(index);
    struct rsw_state now;
    assert_int_equal(rsw_state_get(txn, &now), RSW_FOUND);
    assert_int_equal(now.events, 200);
    rsw_txn_abort(&txn);
    rsw_index_close(index);
}

/* ---- locks ---- */

/* Whoever owns the folder of the index must not choose what root writes to. */
static void no_file_of_the_index_is_opened_through_a_link(void **state) {
    static const char *const names[] = {"index.lock", "data.mdb", "lock.mdb"};
    const struct place *place = *state;
    const struct rsw_index_options create = {.create = true};
    char other[128];
    char path[128];
    struct stat st;
    snprintf(other, sizeof other, "%s/other", place->dir);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", place->dir, names[i]);
        assert_int_equal(symlink("other", path), 0);
        expect_open_fails(place, &create, RSW_EREFUSED, names[i]);
        assert_int_not_equal(stat(other, &st), 0); /* nor made */
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/sweep.lock", place->dir);
    RSW_AUTO_FD fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 99), 0);
    assert_int_equal(symlink(other, path), 0);
    struct rsw_index *index = open_index(place);
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_lock_take(&lock, index, "sweep", &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "sweep.lock"));
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(st.st_size, 99);
    rsw_index_close(index);
}

static void hold_lock(const struct place *place, int in, int out) {
    uint64_t number;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index *index = open_index(place);
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    tell(out, (uint64_t)(int64_t)rsw_lock_take(&lock, index, "sweep", &err));
    hear(in, &number);
    rsw_lock_release(&lock);
    tell(out, 0);
    hear(in, &number);
    rsw_index_close(index);
}

static void a_lock_that_is_held_names_its_holder(void **state) {
    struct child child = start(*state, hold_lock);
    uint64_t answer = 1;
    assert_true(hear(child.from, &answer) && answer == 0);
    struct rsw_index *index = open_index(*state);
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    RSW_AUTO_LOCK other = RSW_LOCK_INIT;
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld)", (long)child.pid);
    assert_int_equal(rsw_lock_take(&lock, index, "sweep", &err), -1);
    assert_int_equal(err.code, RSW_EBUSY);
    assert_non_null(strstr(err.message, pid));
    rsw_error_clear(&err);
    assert_int_equal(rsw_lock_take(&other, index, "scan", &err), 0);
    tell(child.to, 1);
    assert_true(hear(child.from, &answer));
    assert_int_equal(rsw_lock_take(&lock, index, "sweep", &err), 0);
    assert_int_equal(rsw_lock_take(&other, index, "../x", &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    rsw_lock_release(&lock);
    rsw_lock_release(&lock);
    rsw_index_close(index);
    finish(&child);
}

static void rebuilding_is_refused_while_another_process_has_the_index_open(void **state) {
    const struct rsw_index_options rebuild = {.create = true, .rebuild = true};
    struct child child = start(*state, hold_lock);
    uint64_t answer = 1;
    assert_true(hear(child.from, &answer) && answer == 0);
    expect_open_fails(*state, &rebuild, RSW_EBUSY, "another process has the index open");
    struct rsw_index *index = open_index(*state); /* nothing was thrown away, and it opens */
    rsw_index_close(index);
    tell(child.to, 1);
    assert_true(hear(child.from, &answer));
    finish(&child);
    index = open_index(*state);
    struct rsw_txn *txn = begin_write(index);
    rsw_fact_repo(txn, "a", 1);
    commit(&txn);
    rsw_index_close(index);
    index = open_with(*state, &rebuild);
    struct rsw_repo repo;
    txn = begin_read(index);
    assert_int_equal(rsw_repo_find(txn, "a", &repo), RSW_ABSENT);
    rsw_txn_abort(&txn);
    struct child second = start(*state, hold_lock); /* rebuilding lets others in afterwards */
    assert_true(hear(second.from, &answer) && answer == 0);
    tell(second.to, 1);
    assert_true(hear(second.from, &answer));
    finish(&second);
    rsw_index_close(index);
}

/* ---- kill -9 ---- */

/* One number a transaction, in several tables at once. */
static void write_until_killed(const struct place *place, int in, int out) {
    (void)in;
    struct rsw_index *index = open_index(place);
    for (;;) {
        struct rsw_state now;
        struct rsw_txn *txn = begin_write(index);
        if (rsw_state_get(txn, &now) != RSW_FOUND) {
            _exit(1);
        }
        now.events++;
        rsw_state_put(txn, &now);
        struct rsw_digest digest = digest_number(now.events);
        uint32_t blob = rsw_fact_blob(txn, &digest, now.events, 1);
        rsw_fact_touch(txn, RSW_LINK, 1, blob, 1, 0);
        char tag[32];
        snprintf(tag, sizeof tag, "t%llu", (unsigned long long)now.events);
        rsw_fact_tag_event(txn, 1, tag, blob, 1, 2);
        commit(&txn);
        tell(out, now.events);
    }
}

static void check_all_up_to(struct rsw_index *index, uint64_t events) {
    struct rsw_txn *txn = begin_read(index);
    for (uint64_t number = 1; number <= events; number++) {
        struct rsw_digest digest = digest_number(number);
        struct rsw_blob blob;
        struct rsw_member member;
        struct rsw_tag tag;
        char name[32];
        snprintf(name, sizeof name, "t%llu", (unsigned long long)number);
        assert_int_equal(rsw_blob_find(txn, &digest, &blob), RSW_FOUND);
        assert_int_equal(rsw_member_get(txn, RSW_LINK, 1, blob.id, &member), RSW_FOUND);
        assert_int_equal(rsw_tag_get(txn, 1, name, &tag), RSW_FOUND);
        assert_int_equal(tag.head, blob.id);
    }
    struct rsw_digest next = digest_number(events + 1);
    struct rsw_blob blob;
    assert_int_equal(rsw_blob_find(txn, &next, &blob), RSW_ABSENT); /* all of a transaction or nothing */
    rsw_txn_abort(&txn);
}

static void what_was_committed_survives_kill_9_at_any_moment(void **state) {
    unsigned random = 4711;
    for (int round = 0; round < 20; round++) {
        struct child child = start(*state, write_until_killed);
        uint64_t promised = 0;
        uint64_t heard = 0;
        random = random * 1103515245 + 12345;
        for (unsigned i = 0; i <= (random >> 16) % 20; i++) {
            assert_true(hear(child.from, &promised));
        }
        kill(child.pid, SIGKILL);
        while (hear(child.from, &heard)) {
            promised = heard;
        }
        waitpid(child.pid, NULL, 0);
        close(child.to);
        close(child.from);
        struct rsw_index *index = open_index(*state);
        struct rsw_txn *txn = begin_read(index);
        struct rsw_state now;
        assert_int_equal(rsw_state_get(txn, &now), RSW_FOUND);
        rsw_txn_abort(&txn);
        assert_true(now.events == promised || now.events == promised + 1);
        check_all_up_to(index, now.events);
        rsw_index_close(index);
    }
}

static void die_with_write_lock(const struct place *place, int in, int out) {
    (void)in;
    struct rsw_index *index = open_index(place);
    struct rsw_txn *reader = begin_read(index);
    struct rsw_txn *txn = begin_write(index);
    rsw_fact_repo(txn, "half", 1);
    tell(out, reader == NULL);
    pause();
}

static void a_process_that_dies_while_writing_blocks_nobody(void **state) {
    struct rsw_index *index = open_index(*state);
    struct child child = start(*state, die_with_write_lock);
    uint64_t number;
    assert_true(hear(child.from, &number));
    kill(child.pid, SIGKILL);
    waitpid(child.pid, NULL, 0);
    close(child.to);
    close(child.from);
    struct rsw_txn *txn = begin_write(index);
    struct rsw_repo repo;
    assert_int_equal(rsw_repo_find(txn, "half", &repo), RSW_ABSENT);
    rsw_fact_repo(txn, "whole", 1);
    commit(&txn);
    rsw_index_close(index);
}

/* By its lock on lock.mdb LMDB knows that others have the index open; without it the next process takes
 * itself for the first and makes the table of readers anew under our feet. Closing any descriptor of that
 * file drops it. */
static void an_open_index_holds_the_lock_by_which_others_know_of_it(void **state) {
    const struct place *place = *state;
    char path[128];
    struct stat st;
    if (getuid() == 0) {
        assert_int_equal(chown(place->dir, 65534, 65534), 0); /* then files are given away, too */
    }
    struct rsw_index *index = open_index(place);
    snprintf(path, sizeof path, "%s/lock.mdb", place->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, getuid() == 0 ? 65534 : getuid());
    char inode[32];
    char line[256];
    bool held = false;
    snprintf(inode, sizeof inode, ":%lu ", (unsigned long)st.st_ino);
    FILE *locks = fopen("/proc/locks", "re");
    assert_non_null(locks);
    while (fgets(line, sizeof line, locks) != NULL) {
        held = held || (strstr(line, "POSIX") != NULL && strstr(line, inode) != NULL);
    }
    fclose(locks);
    assert_true(held);
    rsw_index_close(index);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(a_reader_sees_what_another_process_has_committed_and_only_that),
        TEST(growth_in_another_process_is_followed),
        TEST(an_open_index_holds_the_lock_by_which_others_know_of_it),
        TEST(the_map_grows_by_itself_beside_readers),
        TEST(threads_that_write_take_turns),
        TEST(no_file_of_the_index_is_opened_through_a_link),
        TEST(a_lock_that_is_held_names_its_holder),
        TEST(rebuilding_is_refused_while_another_process_has_the_index_open),
        TEST(what_was_committed_survives_kill_9_at_any_moment),
        TEST(a_process_that_dies_while_writing_blocks_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
