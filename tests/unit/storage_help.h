/* What the storage tests share: a temporary root to fill by hand, and a listing caught in memory. */
#ifndef REGSWEEP_TEST_STORAGE_HELP_H
#define REGSWEEP_TEST_STORAGE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/storage.h"

/* A folder of our own under /tmp, in static storage; removed by help_remove_root. */
const char *help_make_root(void);
void help_remove_root(const char *root);
/* Writes a file and the folders that it needs. mtime_ms 0: leaves the time alone. */
void help_put(const char *root, const char *key, const void *bytes, size_t len, int64_t mtime_ms);
void help_mkdir(const char *root, const char *key); /* with those above it */
bool help_is_there(const char *root, const char *key);
/* "<root>/<key>" in static storage, the last four stay valid. */
const char *help_path(const char *root, const char *key);

struct seen_entry {
    char *key;
    enum rsw_entry_kind kind;
    int answer;
    int errnum;
    uint64_t size;
    int64_t mtime_ms;
    bool has_content;
    char content[256]; /* its head */
    size_t content_len;
};

struct seen {
    struct seen_entry *entries;
    size_t count;
    size_t pages;
    size_t largest_page;
    size_t dirs;       /* how often `descend` asked */
    const char *skip;  /* a directory's key to pass over, or NULL */
    const char *start; /* as a listing has it */
    const char *probe; /* a directory's key to probe, or NULL */
    const char *leaf;
    size_t stop_after; /* ends the listing after this many pages; 0: never */
    struct rsw_storage *storage;
    struct rsw_error err;
};

/* Lists into *seen (zeroed by the caller, its wishes set). The answer. */
int help_list(struct seen *seen, struct rsw_storage *storage, const char *prefix, size_t content_max);
void help_forget(struct seen *seen);
/* The one entry with this key, or NULL; fails the test if there are two. */
const struct seen_entry *help_find(const struct seen *seen, const char *key);

struct rsw_look help_look(struct rsw_storage *storage, const char *key);
int help_remove(struct rsw_storage *storage, const char *key, int *errnum);
/* Reads up to 200 bytes as text into `text` (256 bytes). */
int help_read(struct rsw_storage *storage, const char *key, char text[256], int *errnum);

/* From here on this system call fails in this process, as on an old kernel or under a container's seccomp
 * filter. False: seccomp cannot be used here. */
bool help_forbid(unsigned number, int errnum);

#endif
