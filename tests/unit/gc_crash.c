/* A sweep that is cut short: by storage that fails once at every single call, by a caller that stops, by a
 * kill. Each time nothing that must stay is lost, and a later run finishes the job.
 */
#include "gc_registry.h"

#include "storage/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct registry *full_registry(enum backend backend) {
    void *state = backend == IN_MEMORY ? &in_memory : &in_directory;
    registry_setup(&state);
    struct registry *r = state;
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    return r;
}

static void done_with(struct registry *r) {
    void *state = r;
    registry_teardown(&state);
}

static struct rsw_generation first_generation(struct registry *r) {
    struct rsw_generation generation = {.id = 0};
    RSW_AUTO_TXN txn = NULL;
    assert_int_equal(rsw_txn_begin_read(&txn, r->index, &r->err), 0);
    rsw_generation_get(txn, 1, &generation);
    return generation;
}

/* A later run, with nothing in its way, leaves storage and index as one run would have. */
static void finish_the_job(struct registry *r) {
    r->before_call = NULL;
    r->options.stopped = NULL;
    sweep_well(r);
    assert_int_equal(r->result.failed, 0);
    expect_swept_clean(r);
    expect_index_equals_fresh_scan(r);
    struct rsw_generation first = first_generation(r);
    assert_true(first.id == 0 || first.state == RSW_GENERATION_PURGED ||
                first.state == RSW_GENERATION_ABANDONED);
}

/* ---- storage that fails ---- */

static bool fault_is_left(struct registry *r) {
    return ((struct rsw_memory *)r->real)->countdown_on;
}

/* True if the run went through without meeting the fault. */
static bool sweep_with_fault(int countdown, int errnum) {
    struct registry *r = full_registry(IN_MEMORY);
    rsw_memory_fail_after(r->real, countdown, errnum);
    int rc = sweep(r);
    bool untouched = fault_is_left(r);
    rsw_memory_fail_after(r->real, -1, 0);
    expect_nothing_lost(r);
    if (rc != 0) {
        assert_true(r->err.code != RSW_OK && r->err.message[0] != 0);
        assert_true(r->err.code != RSW_EPARTIAL || r->result.failed > 0);
    } else if (r->result.warnings == 0) {
        expect_swept_clean(r);
    }
    if (untouched) {
        assert_int_equal(rc, 0);
        expect_swept_clean(r);
    }
    finish_the_job(r);
    done_with(r);
    return untouched;
}

static void storage_may_fail_at_any_one_call(void **state) {
    (void)state;
    int countdown = 0;
    while (!sweep_with_fault(countdown, EIO)) {
        countdown++;
        assert_true(countdown < 10000);
    }
    assert_true(countdown > 100);
}

/* ---- a caller that stops ---- */

static bool stop_at(void *arg) {
    struct registry *r = arg;
    return __atomic_fetch_add(&r->calls, 1, __ATOMIC_SEQ_CST) >= r->stop_at;
}

static void a_run_may_be_stopped_at_any_moment(void **state) {
    (void)state;
    int rc = -1;
    for (int at = 0; rc != 0; at++) {
        struct registry *r = full_registry(IN_MEMORY);
        r->options.stopped = stop_at;
        r->stop_at = at;
        rc = sweep(r);
        assert_true(rc == 0 || r->err.code == RSW_ESTOPPED);
        expect_nothing_lost(r);
        finish_the_job(r);
        done_with(r);
        assert_true(at < 10000);
    }
}

static int stop_at_an_item(void *arg, const struct rsw_sweep_item *item) {
    struct registry *r = arg;
    (void)item;
    return r->items++ == 3;
}

static void a_run_stopped_while_it_tells_what_will_go_has_removed_nothing(void **state) {
    (void)state;
    struct registry *r = full_registry(IN_MEMORY);
    struct picture before, after;
    picture_take(&before, r, false);
    int (*item)(void *, const struct rsw_sweep_item *) = r->options.item;
    r->options.item = stop_at_an_item;
    assert_int_equal(sweep(r), -1);
    assert_int_equal(r->err.code, RSW_ESTOPPED);
    picture_take(&after, r, false);
    same_pictures(&before, &after);
    assert_int_equal(first_generation(r).id, 0);
    r->options.item = item;
    finish_the_job(r);
    picture_release(&before);
    picture_release(&after);
    done_with(r);
}

/* ---- kill -9 ---- */

static const char *kill_call; /* NULL: at call number stop_at that changes storage */
static const char *kill_part; /* of the key */

static void kill_yourself(struct registry *r, const char *call, const char *key) {
    bool changes = strcmp(call, "remove") == 0 || strcmp(call, "rmdir") == 0 || strcmp(call, "prune") == 0;
    if (!changes) {
        return;
    }
    bool now = kill_call == NULL ? r->calls++ == r->stop_at
                                 : strcmp(call, kill_call) == 0 && strstr(key, kill_part) != NULL;
    if (now) {
        raise(SIGKILL);
    }
}

/* Sweeps in a process of its own. True if it was killed. An LMDB environment must not cross a fork. */
static bool sweep_in_child(struct registry *r, int64_t kill_after_us) {
    rsw_index_close(r->index);
    r->index = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        reopen_index(r);
        _exit(sweep(r) == 0 ? 0 : 1);
    }
    if (kill_after_us >= 0) {
        usleep((useconds_t)kill_after_us);
        kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    reopen_index(r);
    return WIFSIGNALED(status);
}

static void a_kill_at_any_change_of_storage_loses_nothing(void **state) {
    (void)state;
    kill_call = NULL;
    bool seen[RSW_GENERATION_ABANDONED + 1] = {false};
    bool killed = true;
    int at = 0;
    for (; killed; at++) {
        struct registry *r = full_registry(IN_DIRECTORY);
        r->before_call = kill_yourself;
        r->stop_at = at;
        killed = sweep_in_child(r, -1);
        seen[first_generation(r).state] = true;
        expect_nothing_lost(r);
        finish_the_job(r);
        done_with(r);
        assert_true(at < 10000);
    }
    assert_true(at > 50);
    assert_true(seen[RSW_GENERATION_CONDEMNED] && seen[RSW_GENERATION_UNLINKED] &&
                seen[RSW_GENERATION_PURGED]);
}

static void a_kill_at_any_time_loses_nothing(void **state) {
    (void)state;
    for (int64_t after_us = 200; after_us < 200000; after_us += after_us / 3) {
        struct registry *r = full_registry(IN_DIRECTORY);
        sweep_in_child(r, after_us);
        expect_nothing_lost(r);
        finish_the_job(r);
        done_with(r);
    }
}

/* A kill just before that call, which leaves the generation in this state. */
static void expect_state_is_mended(const char *call, const char *part, enum rsw_generation_state wanted) {
    struct registry *r = full_registry(IN_DIRECTORY);
    kill_call = call;
    kill_part = part;
    r->before_call = kill_yourself;
    assert_true(sweep_in_child(r, -1));
    struct rsw_generation first = first_generation(r);
    assert_int_equal(first.state, wanted);
    expect_nothing_lost(r);
    /* What is not on any list stays readable: a dry run in this state is no error either. */
    r->before_call = NULL;
    r->options.confirm = false;
    sweep_well(r);
    r->options.confirm = true;
    finish_the_job(r);
    done_with(r);
}

static void a_generation_that_was_only_condemned_is_decided_anew(void **state) {
    (void)state;
    expect_state_is_mended("remove", "/repositories/", RSW_GENERATION_CONDEMNED);
}

static void a_generation_without_links_that_still_has_its_bytes_is_finished(void **state) {
    (void)state;
    expect_state_is_mended("remove", "/blobs/", RSW_GENERATION_UNLINKED);
}

static void a_generation_without_bytes_that_still_has_its_repositories_is_finished(void **state) {
    (void)state;
    expect_state_is_mended("prune", "/gone/_layers", RSW_GENERATION_UNLINKED);
}

static void a_generation_that_was_purged_but_not_tidied_is_tidied(void **state) {
    (void)state;
    expect_state_is_mended("prune", "/_manifests/revisions/sha256/", RSW_GENERATION_PURGED);
}

/* A plan that was written in part only, or in full, and never begun: the items are in the index, and nobody
 * may go on with them once they are needed again. */
static void an_interrupted_list_is_never_gone_on_with(void **state) {
    (void)state;
    struct registry *r = full_registry(IN_DIRECTORY);
    kill_call = "remove";
    kill_part = "/repositories/";
    r->before_call = kill_yourself;
    assert_true(sweep_in_child(r, -1));
    r->before_call = NULL;
    /* In between the registry ran, and somebody pushed what was condemned. */
    struct tree_image again = tree_image(&r->tree, "gone", "needed-again", "amd64", 2);
    sweep_well(r);
    char key[RSW_KEY_MAX];
    struct rsw_look look = {.key = rsw_key_blob(key, &again.layers[0])};
    rsw_storage_look(r->real, &look, 1);
    assert_int_equal(look.answer, RSW_FOUND);
    look.key = rsw_key_revision_link(key, "gone", &again.manifest);
    rsw_storage_look(r->real, &look, 1);
    assert_int_equal(look.answer, RSW_FOUND);
    assert_int_equal(first_generation(r).state, RSW_GENERATION_ABANDONED);
    expect_nothing_lost(r);
    expect_index_equals_fresh_scan(r);
    done_with(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_may_fail_at_any_one_call),
        cmocka_unit_test(a_run_may_be_stopped_at_any_moment),
        cmocka_unit_test(a_run_stopped_while_it_tells_what_will_go_has_removed_nothing),
        cmocka_unit_test(a_kill_at_any_change_of_storage_loses_nothing),
        cmocka_unit_test(a_kill_at_any_time_loses_nothing),
        cmocka_unit_test(a_generation_that_was_only_condemned_is_decided_anew),
        cmocka_unit_test(a_generation_without_links_that_still_has_its_bytes_is_finished),
        cmocka_unit_test(a_generation_without_bytes_that_still_has_its_repositories_is_finished),
        cmocka_unit_test(a_generation_that_was_purged_but_not_tidied_is_tidied),
        cmocka_unit_test(an_interrupted_list_is_never_gone_on_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
