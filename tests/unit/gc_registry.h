/* A registry's storage and its index, for tests of sweep and verify: a tree to put things into, a sweep with
 * a clock of our own, pictures of storage to compare, and a storage that tells of every call before it
 * happens.
 */
#ifndef TESTS_UNIT_GC_REGISTRY_H
#define TESTS_UNIT_GC_REGISTRY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare.h"
#include "index/facts.h"
#include "storage/layout.h"
#include "storage/storage.h"
#include "tree.h"
#include "util/clock.h"

#include <regsweep/scan.h>
#include <regsweep/sweep.h>

#define HOUR_MS (3600 * INT64_C(1000))
#define NOW_MS (TREE_MTIME_MS + 1000 * HOUR_MS) /* what a tree puts by default is long past every grace */

/* In a store: memory, as an object store is; with versions: one that hides what is deleted. */
enum backend { IN_MEMORY, IN_DIRECTORY, IN_STORE, WITH_VERSIONS };
extern enum backend in_memory, in_directory, in_store, with_versions;

struct registry {
    char dir[128];  /* everything of this test is below it */
    char root[160]; /* of storage in a directory */
    char audit[160];
    enum backend backend;
    struct rsw_storage *real;
    struct rsw_storage *storage; /* the same, and tells `before_call` */
    struct tree tree;
    struct rsw_index *index;
    struct rsw_clock clock;
    int64_t now_ms;
    struct rsw_sweep_options options; /* confirm, offline, untagged removed, at most 100 % */
    struct rsw_sweep_result result;
    struct rsw_error err;
    /* Called before every request to storage, removals one by one; NULL: not. */
    void (*before_call)(struct registry *r, const char *call, const char *key);
    int calls; /* so far, for before_call to use */
    int stop_at;
    bool late;           /* every removal says that it may be carried out once more */
    bool suspended;      /* versions are kept no more */
    const char *old_key; /* deleted, and storage has an old version of it; NULL: of none */
    char warnings[4096]; /* lines of what the sweep warned of */
    size_t items;
};

/* cmocka setup and teardown; the backend is the test's initial state (NULL: memory). */
int registry_setup(void **state);
int registry_teardown(void **state);
#define in_backend(test, backend)                                                                            \
    cmocka_unit_test_prestate_setup_teardown(test, registry_setup, registry_teardown, &(backend))
#define in_memory_alone(test) in_backend(test, in_memory)
#define in_both(test) in_backend(test, in_memory), in_backend(test, in_directory)

/* One registry with a bit of everything: what a sweep must keep, and what it must remove (with untagged
 * removed). `untouched` has no reference to what the second call puts. */
void put_what_stays(struct tree *tree);
void put_what_goes(struct tree *tree);

/* rsw_sweep with r->options; result and error in r. */
int sweep(struct registry *r);
/* The same, and fails the test unless it is 0. */
void sweep_well(struct registry *r);
void scan_registry(struct registry *r);
/* Another index on the same directory, after the first was closed, as a new process would open it. */
void reopen_index(struct registry *r);

/* Every file of storage with the digest of its bytes, and (directories) every folder; sorted lines. */
struct picture {
    char **lines; /* owned, and each of them */
    size_t count, room;
};
void picture_take(struct picture *out, struct registry *r, bool folders);
void picture_release(struct picture *picture);
/* What a storage with nothing but put_what_stays holds. */
void picture_of_what_stays(struct picture *out, enum backend backend, bool folders);
/* Fails the test with the difference unless they are the same, or the first is part of the second. */
void same_pictures(const struct picture *want, const struct picture *have);
void part_of_picture(const struct picture *want, const struct picture *have);

/* All that must stay is there and unchanged; and: nothing else is there. */
void expect_nothing_lost(struct registry *r);
void expect_swept_clean(struct registry *r);
/* A fresh scan of the storage into a second index says the same as the first. */
void expect_index_equals_fresh_scan(struct registry *r);

#endif
