/* Scan: reads storage to build the index, or to reconcile one that exists. */
#ifndef REGSWEEP_SCAN_H
#define REGSWEEP_SCAN_H

#include <regsweep/error.h>
#include <regsweep/index.h>
#include <regsweep/storage.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_clock;
struct rsw_log;

struct rsw_scan_progress {
    uint64_t blobs;              /* seen so far */
    uint64_t repositories;       /* read so far */
    uint64_t repositories_known; /* found so far: the total once all folders are known */
    uint64_t links;              /* layer links and revisions seen so far */
    uint64_t manifests;          /* read and parsed so far */
    uint64_t requests;           /* to an object store so far, through this handle */
    int64_t elapsed_ms;
    bool finished;
};

struct rsw_scan_options {
    unsigned threads;      /* readers of storage; 0: twice the processors, 16 at least on S3 */
    bool registry_stopped; /* nobody writes to storage: one look settles an absence */
    bool links_only;   /* reads what repositories hold, and does not list blobs, unless there was no complete
                          scan yet, or something else than a client may have taken some since. What a client did
                          unheard is in the   index then; blobs that nothing links are for a whole scan */
    int64_t settle_ms; /* else two looks this far apart do; default (0) 10 minutes */
    const struct rsw_clock *clock; /* NULL: the system's */
    const struct rsw_log *log;     /* NULL: silence */
    void (*progress)(void *arg,
                     const struct rsw_scan_progress *progress); /* may be NULL; some times a second,
                                                                   from one thread at a time */
    bool (*stopped)(void *arg); /* may be NULL; true ends the scan at the next moment with RSW_ESTOPPED; from
                                   any thread, one at a time */
    void *arg;
};

struct rsw_scan_result {
    bool complete; /* every folder could be read: the index may be swept from */
    bool first;    /* there was no complete scan before */
    bool whole;    /* blobs were listed too */
    uint64_t blobs;
    uint64_t bytes;
    uint64_t repositories;
    uint64_t revisions;
    uint64_t links;
    uint64_t tags;
    uint64_t uploads;
    uint64_t manifests_read;
    uint64_t appeared;       /* blobs, links, revisions and tags that storage has and the index did not */
    uint64_t vanished;       /* …that the index had and storage has not */
    uint64_t problems;       /* objects that could not be read or understood: kept, one log line each */
    uint64_t folders_unread; /* folders that could not be read: the scan is not complete */
    int64_t elapsed_ms;
};

/* Reads all of storage, or its links only. The index must be open for writing. May run beside `serve`, other
 * readers and pushes; a second scan at once is RSW_EBUSY. What it has found is committed as it goes: stopped
 * at any moment, even by kill -9, the index holds true facts, only the scan is not complete, and a later one
 * begins anew. 0 if it ran to its end (look at result->complete), or -1: RSW_ESTOPPED, RSW_EIO (storage root
 * cannot be read), RSW_EREFUSED (the index belongs to another storage), errors of the index. *result is
 * filled in either case.
 */
RSW_API int rsw_scan(struct rsw_scan_result *result, struct rsw_index *index, struct rsw_storage *storage,
                     const struct rsw_scan_options *options, struct rsw_error *err);

#ifdef __cplusplus
}
#endif
#endif
