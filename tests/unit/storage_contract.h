/* The contract of storage/storage.h as tests, for any backend. A new backend needs one row in
 * storage_backends.c. */
#ifndef REGSWEEP_TEST_STORAGE_CONTRACT_H
#define REGSWEEP_TEST_STORAGE_CONTRACT_H

#include "storage_help.h"

struct contract_backend {
    const char *name;
    bool has_directories; /* no: an object store; directories cannot be looked at, nor probed */
    bool brings_content;  /* listings bring contents along */
    bool keeps_time;      /* a file has the time that it was given, and takes it along; no: S3 */
    bool tells_removed;   /* a removal says whether there was something; no: S3 */
    /* An empty storage, ready to be filled by `put`; `close` removes all trace. */
    struct rsw_storage *(*open)(void);
    void (*put)(struct rsw_storage *storage, const char *key, const void *bytes, size_t len,
                int64_t mtime_ms);
    void (*close)(struct rsw_storage *storage);
    /* Many at once, each with its key as content; NULL: one `put` after the other. */
    void (*put_all)(struct rsw_storage *storage, char (*keys)[64], size_t count);
};

/* The number of tests that failed. */
int contract_run(const struct contract_backend *over);

#endif
