/* A confirmed sweep over an index with one flipped bit in a branch page: there LMDB keeps keys that lead a
 * lookup to its record, without any checksum. */
#include "gc_registry.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGES 120

enum verdict { SWEPT = 0, TOLD = 40, LOST = 42 };

/* The index as a scan left it. */
struct original {
    char path[192];
    uint8_t *bytes; /* owned: all pages in use */
    size_t len;
    off_t file_size;
};

/* Large enough for branch pages in all tables that a mark asks. */
static void put_a_lot(struct registry *r) {
    put_what_stays(&r->tree);
    put_what_goes(&r->tree);
    for (unsigned i = 0; i < IMAGES; i++) {
        char name[32], tag[32], seed[32];
        snprintf(name, sizeof name, "group/app%u", i % 7);
        snprintf(tag, sizeof tag, "v%u", i);
        snprintf(seed, sizeof seed, "image %u", i);
        tree_image(&r->tree, name, i % 5 == 0 ? NULL : tag, seed, 3);
    }
}

static void read_original(struct original *out, struct registry *r) {
    struct stat st;
    uint64_t last[2];
    *out = (struct original){.len = 0};
    snprintf(out->path, sizeof out->path, "%s/index/data.mdb", r->dir);
    rsw_index_close(r->index);
    r->index = NULL;
    int fd = open(out->path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pread(fd, &last[0], 8, 136), 8); /* each meta page tells of the last page in use */
    assert_int_equal(pread(fd, &last[1], 8, 4096 + 136), 8);
    out->len = (size_t)((last[0] > last[1] ? last[0] : last[1]) + 1) * 4096;
    out->file_size = st.st_size;
    out->bytes = malloc(out->len);
    assert_non_null(out->bytes);
    assert_int_equal(pread(fd, out->bytes, out->len, 0), out->len);
    close(fd);
}

static void write_back(const struct original *original) {
    int fd = open(original->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, original->bytes, original->len), original->len);
    assert_int_equal(ftruncate(fd, original->file_size), 0);
    close(fd);
}

/* ---- one sweep ---- */

static struct picture needed; /* what a sweep with a sound index leaves; before_call has no argument for it */

static void watch(struct registry *r, const char *call, const char *key) {
    (void)r;
    size_t len = strlen(key);
    for (size_t i = 0; strcmp(call, "remove") == 0 && i < needed.count; i++) {
        if (strncmp(needed.lines[i], key, len) == 0 && needed.lines[i][len] == ' ') {
            _exit(LOST);
        }
    }
}

static void sweep_and_exit(struct registry *r) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    signal(SIGABRT, SIG_DFL);
    alarm(20);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    char dir[192];
    struct rsw_index_options options = {.create = true};
    snprintf(dir, sizeof dir, "%s/index", r->dir);
    r->before_call = watch;
    r->index = NULL;
    if (rsw_index_open(&r->index, dir, &options, &r->err) != 0) {
        _exit(TOLD);
    }
    _exit(sweep(r) == 0 ? SWEPT : TOLD);
}

static int sweep_in_child(struct registry *r) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sweep_and_exit(r);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

struct tally {
    unsigned swept, told, killed, lost;
};

static void flip_and_sweep(struct registry *r, const struct original *original, size_t at, unsigned bit,
                           struct tally *tally) {
    original->bytes[at] ^= (uint8_t)(1u << bit);
    write_back(original);
    original->bytes[at] ^= (uint8_t)(1u << bit);
    int status = sweep_in_child(r);
    if (!WIFEXITED(status)) {
        tally->killed++; /* LMDB ran over the damage */
        return;
    }
    switch (WEXITSTATUS(status)) {
    case SWEPT:
        tally->swept++;
        break;
    case TOLD:
        tally->told++;
        break;
    case LOST:
        tally->lost++;
        print_error("bit %u of byte %zu in page %zu: something live would have been removed\n", bit,
                    at % 4096, at / 4096);
        break;
    default:
        tally->killed++; /* a sanitizer has its own way to end */
    }
}

/* ---- the pages ---- */

static unsigned u16_at(const struct original *original, size_t at) {
    return original->bytes[at] | (unsigned)original->bytes[at + 1] << 8;
}

/* Of a branch page: where its entries lie, and of some of them the page that it leads to, its length, and the
 * first bytes of its key, one bit of each. */
static void flip_branch(struct registry *r, const struct original *original, size_t page,
                        struct tally *tally) {
    enum { FLAGS = 10, LOWER = 12, ENTRIES = 16, HEAD = 8, KEY_BYTES = 8, SOME = 5 };
    size_t count = (u16_at(original, page + LOWER) - ENTRIES) / 2;
    unsigned turn = (unsigned)(page / 4096);
    for (size_t at = page + FLAGS; at < page + ENTRIES; at++) {
        flip_and_sweep(r, original, at, turn++ % 8, tally);
    }
    for (size_t i = 0; i < count && i < SOME; i++) {
        size_t node = page + u16_at(original, page + ENTRIES + 2 * i);
        size_t key = u16_at(original, node + 6);
        flip_and_sweep(r, original, page + ENTRIES + 2 * i, turn++ % 8, tally);
        for (size_t at = 0; at < HEAD + (key < KEY_BYTES ? key : KEY_BYTES); at++) {
            flip_and_sweep(r, original, node + at, turn++ % 8, tally);
        }
    }
}

static void no_flipped_bit_of_a_branch_page_costs_anything_live(void **state) {
    struct registry *r = *state;
    struct original original;
    struct tally tally = {0};
    unsigned branches = 0;
    put_a_lot(r);
    scan_registry(r);
    read_original(&original, r);
    for (size_t page = 2 * (size_t)4096; page < original.len; page += 4096) {
        if (u16_at(&original, page + 10) == 1) {
            branches++;
            flip_branch(r, &original, page, &tally);
        }
    }
    write_back(&original);
    assert_int_equal(sweep_in_child(r), SWEPT);
    free(original.bytes);
    print_message("%u branch pages: %u swept, %u told, %u killed\n", branches, tally.swept, tally.told,
                  tally.killed);
    assert_int_equal(tally.lost, 0);
    assert_true(branches >= 8);
    assert_true(tally.told > 100);
}

/* The same tree, swept with a sound index. */
static int see_what_is_needed(void **state) {
    (void)state;
    void *other = &in_memory;
    registry_setup(&other);
    struct registry *r = other;
    put_a_lot(r);
    sweep_well(r);
    picture_take(&needed, r, false);
    registry_teardown(&other);
    return 0;
}

static int forget_what_is_needed(void **state) {
    (void)state;
    picture_release(&needed);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        in_memory_alone(no_flipped_bit_of_a_branch_page_costs_anything_live),
    };
    return cmocka_run_group_tests(tests, see_what_is_needed, forget_what_is_needed);
}
