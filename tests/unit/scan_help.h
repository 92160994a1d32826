/* What the tests of scan and checker share: a registry tree and an index, in memory or in temporary
 * directories, and questions to the index in words. */
#ifndef TESTS_UNIT_SCAN_HELP_H
#define TESTS_UNIT_SCAN_HELP_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare.h"
#include "scan/checker.h"
#include "tree.h"

#include <regsweep/scan.h>

#include "index/facts.h"
#include "storage/layout.h"
#include "storage/storage.h"

/* Of the two that are flat the second tells MD5s in its lists. */
enum backend { IN_MEMORY, IN_FLAT_MEMORY, IN_SUMMED_MEMORY, IN_DIRECTORY };

struct world {
    struct rsw_storage *storage;
    struct tree tree;
    struct rsw_index *index;
    char dir[128]; /* everything of this test is below it */
    char root[160];
    struct rsw_clock clock;
    int64_t now_ms;
    struct rsw_log log;
    char said[65536]; /* log lines so far */
    struct rsw_scan_options options;
    struct rsw_scan_result result;
    struct rsw_error err;
    pthread_mutex_t lock;
};

#define T0 INT64_C(1800000000000)
#define MINUTE INT64_C(60000)

/* cmocka setup and teardown; the backend is in the test's initial state (&in_memory, …; NULL: memory). */
extern enum backend in_memory, in_flat_memory, in_summed_memory, in_directory;
int world_setup(void **state);
int world_teardown(void **state);

#define test_in(test, backend)                                                                               \
    cmocka_unit_test_prestate_setup_teardown(test, world_setup, world_teardown, &(backend))
#define test_memory(test) test_in(test, in_memory)
#define test_everywhere(test)                                                                                \
    test_in(test, in_memory), test_in(test, in_flat_memory), test_in(test, in_summed_memory),                \
        test_in(test, in_directory)

/* Scans and expects success; the result is in world->result. */
void scan(struct world *world);
/* What rsw_scan returns; error in world->err. */
int try_scan(struct world *world);
/* Runs the checker and expects success. */
struct rsw_check_result check(struct world *world);

/* True if the index says exactly this line (see compare.c for the words). */
bool says(struct world *world, const char *fmt, ...) RSW_PRINTF(2, 3);
#define expect(world, ...) expect_line(world, true, __FILE__, __LINE__, __VA_ARGS__)
#define expect_not(world, ...) expect_line(world, false, __FILE__, __LINE__, __VA_ARGS__)
void expect_line(struct world *world, bool wanted, const char *file, int at, const char *fmt, ...)
    RSW_PRINTF(5, 6);
/* The text of a digest, in one of some rotating buffers. */
const char *text(const struct rsw_digest *digest);

/* A fresh index of the same storage must say the same. Fails the test with the differences if not. */
void expect_equal_to_fresh_scan(struct world *world);
/* A second index, empty, below the world's directory. */
struct rsw_index *open_index(struct world *world, const char *name);

/* Ids in the index; the test fails if there is none. */
uint32_t repo_id(struct world *world, const char *name);
uint32_t blob_id(struct world *world, const struct rsw_digest *digest);
struct rsw_blob blob_of(struct world *world, const struct rsw_digest *digest);
struct rsw_state state_of(struct world *world);

/* One fact as an event would write it, in a transaction of its own. */
void event_push(struct world *world, const char *repo, const char *tag, const struct rsw_digest *manifest);
void event_layer(struct world *world, const char *repo, const struct rsw_digest *layer, uint64_t size);
void event_delete(struct world *world, const char *repo, const struct rsw_digest *digest);
void event_tag_deleted(struct world *world, const char *repo, const char *tag);
void queue(struct world *world, enum rsw_check_kind kind, const char *repo, const struct rsw_digest *digest);

#endif
