/* A reading of storage: what its parts share, whether it is a whole scan or the checker's look at one
 * repository. Parts run in several threads; everything here may be used from any of them. */
#ifndef REGSWEEP_SCAN_READING_H
#define REGSWEEP_SCAN_READING_H

#include "index/index.h"
#include "scan/batch.h"
#include "scan/claims.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

#include <pthread.h>
#include <stdatomic.h>

#define RSW_SETTLE_DEFAULT_MS (10 * 60 * INT64_C(1000))
/* Objects asked for in one call, and one short read transaction's worth of records. */
#define RSW_READING_PAGE 1000
/* One line a problem, up to this many. */
#define RSW_PROBLEM_LINES_MAX 1000

struct rsw_reading {
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    bool registry_stopped;
    bool blobs_listed; /* what of them was not seen is not there */
    int64_t settle_ms;
    int64_t
        unchanged_ms; /* tags that storage says are older than this are as the index has them; 0: none is */
    int64_t began_ms; /* by storage's time. What was there before is in every list of an object store that is
                         asked for from then on */
    bool (*stopped)(void *arg); /* may be NULL */
    void *stopped_arg;
    /* Takes the batch over, whatever it returns. */
    int (*emit)(void *to, struct rsw_batch *batch, struct rsw_error *err);
    void *to;

    struct rsw_claims manifests; /* those that this reading has looked at */
    pthread_mutex_t lock;        /* for `stopped`, which is called by one thread at a time */
    atomic_bool cancelled;       /* somebody failed or was told to stop: everybody ends */

    atomic_uint_fast64_t blobs, bytes, repositories, revisions, links, tags, uploads, manifests_read;
    atomic_uint_fast64_t appeared, vanished, problems, folders_unread;
    atomic_bool manifests_failed; /* some could not be read, which says nothing about them */
};

void rsw_reading_init(struct rsw_reading *reading, struct rsw_index *index, struct rsw_storage *storage);
/* Where files are read one by one, over a network, what was not written since the last complete scan, by
 * storage's own times, is not read again: sets unchanged_ms. 0 or -1. */
int rsw_reading_spare(struct rsw_reading *reading, struct rsw_error *err);
void rsw_reading_release(struct rsw_reading *reading);

/* True, and err set to RSW_ESTOPPED, if this reading is to end. */
bool rsw_reading_stopped(struct rsw_reading *reading, struct rsw_error *err);
/* Counts a problem and says it: something was not read or not understood, and is kept. */
void rsw_reading_problem(struct rsw_reading *reading, const char *fmt, ...) RSW_PRINTF(2, 3);
/* The same for a folder: the reading is not complete. `why` may be NULL. */
void rsw_reading_unread(struct rsw_reading *reading, const char *folder, const char *why);
/* For one whose name the registry cannot have given, or nobody can keep: `why` begins the sentence. */
void rsw_reading_misnamed(struct rsw_reading *reading, const char *folder, const char *why);
/* Is this one that should have been in a list, and was not, though it is there since before? Only of an
 * object store, where a list that lacks one object may lack any. */
bool rsw_reading_lacks(const struct rsw_reading *reading, int answer, int64_t mtime_ms);
/* The list of this folder did: the reading is not complete. */
void rsw_reading_lacked(struct rsw_reading *reading, const char *folder);
/* An entry of a listing behind which nobody can look: a folder that could not be read, or what is never
 * followed. True: it is one, and counts as a folder that was not read. */
bool rsw_reading_unseen(struct rsw_reading *reading, const struct rsw_entry *entry);

static inline void rsw_count(atomic_uint_fast64_t *counter, uint64_t by) {
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* Counts a problem: a file in a place of the registry's that is none of its own. */
void rsw_reading_leftover(struct rsw_reading *reading, const char *key);
/* The same for all that lies in the folder of `leaf`, a probed file that is absent. *found: there is
 * something, or nobody can tell. -1: out of memory. */
int rsw_reading_leftovers(struct rsw_reading *reading, const char *leaf, bool *found, struct rsw_error *err);

/* How what it says of storage is written into the index, now. */
struct rsw_apply rsw_reading_apply(const struct rsw_reading *reading);

/* The number of the last committed transaction: what is claimed from now on is above it. */
int rsw_reading_seq(struct rsw_index *index, uint64_t *seq, struct rsw_error *err);

#endif
