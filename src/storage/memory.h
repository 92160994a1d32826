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
    uint8_t *bytes;   /* owned; never NULL */
    uint64_t version; /* no two files ever have the same */
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
    bool sums; /* lists tell them */
    uint64_t next_version;
    struct rsw_memory_file *hidden; /* owned; of one key the newest last */
    size_t hidden_count;
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

/* The file with this key, or NULL. Lock held, as for all below. */
struct rsw_memory_file *rsw_memory_get(const struct rsw_memory *memory, const char *key);
/* The fault that this request must meet, or 0. */
int rsw_memory_fault_of(struct rsw_memory *memory, const char *key);
/* Takes a file out of the table; what it owns is the caller's. */
struct rsw_memory_file rsw_memory_take_out(struct rsw_memory *memory, struct rsw_memory_file *file);
/* Takes `file` over, on success, under a key that is free. 0 or an errno. */
int rsw_memory_add(struct rsw_memory *memory, const struct rsw_memory_file *file);
/* A file of its own, with these bytes. 0 or an errno. */
int rsw_memory_make(struct rsw_memory *memory, const char *key, const void *bytes, size_t len,
                    int64_t mtime_ms);

/* Without the lock held. */
void rsw_memory_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_memory_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_memory_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_memory_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
/* All that lies hidden under a key, up to this version. Lock held. */
void rsw_memory_forget(struct rsw_memory *memory, const char *key, uint64_t version);
int rsw_memory_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err);

#endif
