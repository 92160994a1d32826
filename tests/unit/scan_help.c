#include "scan_help.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum backend in_memory = IN_MEMORY, in_flat_memory = IN_FLAT_MEMORY, in_summed_memory = IN_SUMMED_MEMORY,
             in_directory = IN_DIRECTORY;

static int64_t now_ms(void *arg) {
    return *(int64_t *)arg;
}

static void hear(void *arg, enum rsw_log_level level, const char *line) {
    struct world *world = arg;
    (void)level;
    pthread_mutex_lock(&world->lock);
    size_t len = strlen(world->said);
    if (len + strlen(line) + 2 < sizeof world->said) {
        snprintf(world->said + len, sizeof world->said - len, "%s\n", line);
    }
    pthread_mutex_unlock(&world->lock);
}

struct rsw_index *open_index(struct world *world, const char *name) {
    char dir[256];
    struct rsw_index *index = NULL;
    struct rsw_index_options options = {.create = true};
    snprintf(dir, sizeof dir, "%s/%s", world->dir, name);
    if (rsw_index_open(&index, dir, &options, &world->err) != 0) {
        fail_msg("index: %s", world->err.message);
    }
    return index;
}

static void open_storage(struct world *world, enum backend backend) {
    int rc;
    if (backend == IN_DIRECTORY) {
        snprintf(world->root, sizeof world->root, "%s/registry", world->dir);
        assert_int_equal(mkdir(world->root, 0755), 0);
        rc = rsw_storage_open_fs(&world->storage, world->root, &world->err);
        world->tree = tree_in_directory(world->root);
    } else {
        rc = rsw_storage_open_memory(&world->storage, &world->err);
        world->tree = tree_in_memory(world->storage);
    }
    if (rc != 0) {
        fail_msg("storage: %s", world->err.message);
    }
    if (backend == IN_FLAT_MEMORY) {
        rsw_memory_flat(world->storage, true);
    } else if (backend == IN_SUMMED_MEMORY) {
        rsw_memory_sums(world->storage);
    }
}

int world_setup(void **state) {
    enum backend backend = *state == NULL ? IN_MEMORY : *(enum backend *)*state;
    struct world *world = calloc(1, sizeof *world);
    const char *tmp = getenv("TMPDIR");
    snprintf(world->dir, sizeof world->dir, "%s/regsweep-scan-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(world->dir) == NULL) {
        free(world);
        return -1;
    }
    pthread_mutex_init(&world->lock, NULL);
    world->now_ms = T0;
    world->clock = (struct rsw_clock){now_ms, &world->now_ms, NULL};
    world->log = (struct rsw_log){RSW_LOG_INFO, hear, world};
    world->options.clock = &world->clock;
    world->options.log = &world->log;
    world->options.threads = 3;
    open_storage(world, backend);
    world->index = open_index(world, "index");
    *state = world;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st, (void)ftw;
    if (kind == FTW_DNR) {
        chmod(path, 0755);
    }
    return remove(path);
}

int world_teardown(void **state) {
    struct world *world = *state;
    rsw_error_clear(&world->err);
    int rc = rsw_index_check(world->index, &world->err); /* whatever a test did, its tables agree */
    if (rc != 0) {
        print_error("%s\n", world->err.message);
    }
    rsw_index_close(world->index);
    rsw_storage_close(world->storage);
    nftw(world->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return rc;
}

int try_scan(struct world *world) {
    rsw_error_clear(&world->err);
    return rsw_scan(&world->result, world->index, world->storage, &world->options, &world->err);
}

void scan(struct world *world) {
    if (try_scan(world) != 0) {
        fail_msg("scan: %s", world->err.message);
    }
}

struct rsw_check_result check(struct world *world) {
    struct rsw_check_result result;
    rsw_error_clear(&world->err);
    const struct rsw_checker_options options = {.clock = &world->clock, .log = &world->log};
    if (rsw_check_run(&result, world->index, world->storage, &options, &world->err) != 0) {
        fail_msg("checker: %s", world->err.message);
    }
    return result;
}

/* ---- questions ---- */

static char *all_lines(struct world *world) {
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    fputc('\n', out);
    if (print_index(world->index, out, &world->err) != 0) {
        fail_msg("%s", world->err.message);
    }
    fclose(out);
    return lines;
}

static bool says_line(struct world *world, const char *wanted) {
    char *lines = all_lines(world);
    char line[2048];
    snprintf(line, sizeof line, "\n%s\n", wanted);
    bool found = strstr(lines, line) != NULL;
    free(lines);
    return found;
}

bool says(struct world *world, const char *fmt, ...) {
    char line[2000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    return says_line(world, line);
}

void expect_line(struct world *world, bool wanted, const char *file, int at, const char *fmt, ...) {
    char line[2000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (says_line(world, line) == wanted) {
        return;
    }
    char *lines = all_lines(world);
    fprintf(stderr, "the index says:%swhat was heard:\n%s", lines, world->said);
    free(lines);
    char message[2100];
    snprintf(message, sizeof message, "%s: %s", wanted ? "missing" : "there, but should not be", line);
    fprintf(stderr, "%s\n", message);
    _fail(file, at);
}

const char *text(const struct rsw_digest *digest) {
    static char texts[8][RSW_DIGEST_TEXT_MAX];
    static unsigned next;
    return rsw_digest_format(digest, texts[next++ % 8]);
}

void expect_equal_to_fresh_scan(struct world *world) {
    struct rsw_index *fresh = open_index(world, "fresh");
    struct rsw_scan_result result;
    if (rsw_scan(&result, fresh, world->storage, &world->options, &world->err) != 0) {
        fail_msg("fresh scan: %s", world->err.message);
    }
    int differences = compare_indexes(world->index, fresh, stderr, 20, &world->err);
    rsw_index_close(fresh);
    char dir[256];
    snprintf(dir, sizeof dir, "%s/fresh", world->dir);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (differences != 0) {
        fail_msg("%d differences from a fresh scan (-: this index, +: the fresh one)", differences);
    }
}

static struct rsw_txn *begin(struct world *world, bool write) {
    struct rsw_txn *txn = NULL;
    int rc = write ? rsw_txn_begin_write(&txn, world->index, &world->err)
                   : rsw_txn_begin_read(&txn, world->index, &world->err);
    if (rc != 0) {
        fail_msg("%s", world->err.message);
    }
    return txn;
}

static void commit(struct world *world, struct rsw_txn *txn) {
    if (rsw_txn_commit(&txn, &world->err) != 0) {
        fail_msg("%s", world->err.message);
    }
}

uint32_t repo_id(struct world *world, const char *name) {
    RSW_AUTO_TXN txn = begin(world, false);
    struct rsw_repo repo;
    assert_int_equal(rsw_repo_find(txn, name, &repo), RSW_FOUND);
    return repo.id;
}

struct rsw_blob blob_of(struct world *world, const struct rsw_digest *digest) {
    RSW_AUTO_TXN txn = begin(world, false);
    struct rsw_blob blob;
    assert_int_equal(rsw_blob_find(txn, digest, &blob), RSW_FOUND);
    return blob;
}

uint32_t blob_id(struct world *world, const struct rsw_digest *digest) {
    return blob_of(world, digest).id;
}

struct rsw_state state_of(struct world *world) {
    RSW_AUTO_TXN txn = begin(world, false);
    struct rsw_state state;
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    return state;
}

/* ---- events, as the feed writes them ---- */

static void put_check(struct rsw_txn *txn, enum rsw_check_kind kind, uint32_t repo, uint32_t blob,
                      const char *tag, int64_t due_ms) {
    struct rsw_check entry = {.kind = kind, .repo = repo, .blob = blob, .due_ms = due_ms};
    entry.seq = rsw_txn_seq(txn);
    if (tag != NULL) {
        strncpy(entry.tag, tag, sizeof entry.tag - 1);
    }
    rsw_check_put(txn, &entry);
}

void event_push(struct world *world, const char *repo, const char *tag, const struct rsw_digest *manifest) {
    struct rsw_txn *txn = begin(world, true);
    uint32_t id = rsw_fact_repo(txn, repo, world->now_ms);
    uint32_t blob = rsw_fact_blob(txn, manifest, RSW_SIZE_UNKNOWN, world->now_ms);
    rsw_fact_touch(txn, RSW_REVISION, id, blob, world->now_ms, 0);
    put_check(txn, RSW_CHECK_MANIFEST, 0, blob, NULL, world->now_ms);
    if (tag != NULL) {
        rsw_fact_tag_event(txn, id, tag, blob, world->now_ms, world->now_ms);
    }
    commit(world, txn);
}

void event_layer(struct world *world, const char *repo, const struct rsw_digest *layer, uint64_t size) {
    struct rsw_txn *txn = begin(world, true);
    uint32_t id = rsw_fact_repo(txn, repo, world->now_ms);
    uint32_t blob = rsw_fact_blob(txn, layer, size, world->now_ms);
    rsw_fact_touch(txn, RSW_LINK, id, blob, world->now_ms, 0);
    commit(world, txn);
}

void event_delete(struct world *world, const char *repo, const struct rsw_digest *digest) {
    queue(world, RSW_CHECK_OBJECT, repo, digest);
}

void event_tag_deleted(struct world *world, const char *repo, const char *tag) {
    struct rsw_txn *txn = begin(world, true);
    uint32_t id = rsw_repo_intern(txn, repo, world->now_ms);
    put_check(txn, RSW_CHECK_TAG, id, 0, tag, world->now_ms);
    commit(world, txn);
}

void queue(struct world *world, enum rsw_check_kind kind, const char *repo, const struct rsw_digest *digest) {
    struct rsw_txn *txn = begin(world, true);
    uint32_t id = repo == NULL ? 0 : rsw_repo_intern(txn, repo, world->now_ms);
    uint32_t blob = digest == NULL ? 0 : rsw_blob_intern(txn, digest, world->now_ms);
    put_check(txn, kind, id, blob, NULL, world->now_ms);
    commit(world, txn);
}
