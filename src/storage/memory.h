/* The memory backend: a sorted table of files under one lock. For tests; answers as a filesystem would, apart
 * from directories, which are there as long as a file is below them. */
#ifndef REGSWEEP_STORAGE_MEMORY_H
#define REGSWEEP_STORAGE_MEMORY_H

#include "storage/storage.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rsw_memory_file {
    char *key; /* owned */
    int64_t mtime_ms;
    size_t len;
    uint8_t *bytes; /* owned; never NULL */
};

struct rsw_memory_fault {
    char *key; /* owned */
    int errnum;
};

struct rsw_memory {
    struct rsw_storage base;       /* first member */
    pthread_mutex_t lock;          /* over everything below; never held during a callback */
    struct rsw_memory_file *files; /* owned, in the byte order of their keys */
    size_t count;
    size_t room;
    struct rsw_memory_fault *faults; /* owned */
    size_t fault_count;
    int all_fail; /* a fault could not be set: nothing succeeds any more */
    bool countdown_on;
    int countdown;
    int countdown_errnum;
};

/* The position of the first file whose key is not below `key` in byte order. Lock held. */
size_t rsw_memory_find(const struct rsw_memory *memory, const char *key);
/* Whether any file is below this directory. Lock held. */
bool rsw_memory_has_dir(const struct rsw_memory *memory, const char *dir);
/* The fault set for this key, or 0. Lock held. */
int rsw_memory_fault(const struct rsw_memory *memory, const char *key);
/* Counts one request down. The errno that it must fail with, or 0. Lock held. */
int rsw_memory_count(struct rsw_memory *memory);

int rsw_memory_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err);

#endif
