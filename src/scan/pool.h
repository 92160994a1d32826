/* Threads that read storage, and the caller's own thread that writes what they found: one transaction for
 * many batches, so that a commit and its two syncs are paid rarely, and never held long. */
#ifndef REGSWEEP_SCAN_POOL_H
#define REGSWEEP_SCAN_POOL_H

#include "scan/reading.h"

/* Commit after this long, so that others come to write, or after this much. */
#define RSW_WRITE_MS 200
/* Into an index that is just being made: what is written in one go lies side by side on disk, and in the page
 * cache in large pieces, which are mapped much faster. */
#define RSW_WRITE_FRESH_MS 5000
#define RSW_WRITE_BYTES (UINT64_C(64) * 1024 * 1024)

struct rsw_pool;

/* Sets reading->emit: batches go to the writer. `tick` is called some times a second from the caller's thread
 * while tasks run. NULL: out of memory (err set). */
struct rsw_pool *rsw_pool_new(struct rsw_reading *reading, unsigned threads, void (*tick)(void *arg),
                              void *arg, struct rsw_error *err);
void rsw_pool_free(struct rsw_pool *pool); /* NULL is allowed */

/* Runs task(arg, i) for i = 0 … count - 1 in the pool's threads, each with its own error object, and writes
 * what they emit; returns when all is done and committed. 0, or -1 with the first error: then the reading is
 * cancelled, and what was written before stays. The caller may hold no transaction. */
int rsw_pool_run(struct rsw_pool *pool, int (*task)(void *arg, size_t i, struct rsw_error *err), void *arg,
                 size_t count, struct rsw_error *err);

#endif
