/* The running registry, as the online sweep needs it: all of its replicas, and what they cache.
 *
 * An interface, because tests put a registry of their own behind it; rsw_replicas_open (regsweep/registry.h)
 * gives the real one.
 *
 * Contract of every call: from one thread at a time; nothing of it needs a transaction; RSW_ABSENT only if
 * every replica (and the shared cache) itself said so; one that cannot be reached, or is not sure, makes it
 * RSW_FAILED with an error that names the replica and the remedy.
 */
#ifndef REGSWEEP_GC_REPLICAS_H
#define REGSWEEP_GC_REPLICAS_H

#include "index/index.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/useragent.h"

#include <regsweep/registry.h>
#include <regsweep/sweep.h>

/* What they may have cached, {repo, digest}, and what became of it when it was to be forgotten. */
struct rsw_cached {
    const char *repo;
    const struct rsw_digest *digest;
    bool manifest; /* it was a revision there */
    /* RSW_FOUND: at least one knew it, and each has forgotten it (of a revision: what its cache says; if
     * somebody pushed it meanwhile, the revision is there again, and a cache may learn of it at the next
     * request); RSW_ABSENT: none did; RSW_FAILED: it may be that some forgot it, and links are gone. */
    int answer;
    size_t knower;        /* of RSW_FOUND: a replica that knew it; their count: the shared cache alone did */
    struct rsw_error err; /* of RSW_FAILED */
};

struct rsw_replicas_ops {
    /* Makes all replicas forget: asks each, and where it answers 200 has it deleted and asks again. As a side
     * effect the layer link of that name is gone from storage. Many are asked for at once, and each has its
     * own answer; but once one has failed, of anything but RSW_EACCES, no other is begun, and those that
     * were not have its error. When it returns no request is under way that could still be answered. Where
     * nothing is cached, nobody is asked: RSW_ABSENT. */
    void (*forget)(struct rsw_replicas *replicas, struct rsw_cached *list, size_t count);
    /* Sends, through each, a GET of our own object as a layer and as a manifest, with this mark and the
     * number of the replica, "MARK-0", in its User-Agent: the layers first, from the first replica to the
     * last, then the manifests, the other way round, so that one which stands behind two numbers is left with
     * two. Makes that object where there is none. 0; or -1: one did not answer, and was passed over, or the
     * patience came to its end. */
    int (*fence)(struct rsw_replicas *replicas, const char *mark, const struct rsw_patience *patience,
                 struct rsw_error *err);
    /* Makes a shared cache forget that there are such bytes at all; touches no link. What each
     * replica keeps for itself by digest alone nobody can clear. NULL: there is no shared one. RSW_FOUND,
     * RSW_ABSENT, RSW_FAILED. */
    int (*forget_bytes)(struct rsw_replicas *replicas, const struct rsw_digest *digest,
                        struct rsw_error *err);
    /* For doctor and the guard before a sweep; of one replica, by its number. NULL: they cannot be asked.
     * What its clock says: *ms to the second, cut off; 0: it does not say. 0 or -1. */
    int (*clock)(struct rsw_replicas *replicas, size_t number, int64_t *ms, struct rsw_error *err);
    /* Would it carry out a DELETE of ours? Asks it to delete what nobody ever had. RSW_FOUND: yes.
     * RSW_ABSENT: it is told not to; err says what to set. RSW_FAILED: it did not answer, or we may not. */
    int (*deletes)(struct rsw_replicas *replicas, size_t number, struct rsw_error *err);
    void (*close)(struct rsw_replicas *replicas);
};

struct rsw_replicas {
    const struct rsw_replicas_ops *ops;
    enum rsw_cache cache;
    size_t count;            /* of replicas, at least 1 */
    const char *const *urls; /* of each, for messages; NULL: they are told by number */
    char run[RSW_RUN_MAX];   /* nonce in the User-Agent of all that we ask for ourselves */
    uint64_t oldest_seq;     /* set by a fence that held: of the transaction in which the oldest of those that
                                answered was first heard; 0 before */
};

/* "http://replica:5000", or "replica 2", of the number 1; "the shared cache". For messages; returns `text`.
 */
#define RSW_REPLICA_NAME_MAX 160
const char *rsw_replica_name(const struct rsw_replicas *replicas, size_t number, char *text, size_t size);

/* ---- the fence ----
 * The User-Agent of a request of ours says "(run NONCE)", that of a fence "(fence MARK-N)": util/useragent.h.
 */

enum rsw_fence_result {
    RSW_FENCE_HELD, /* every event that was on its way has come in */
    RSW_FENCE_GAP,  /* it held, but events may have been lost: a gap is in the index now, with its reason, and
                       only a scan closes it */
};
struct rsw_fence_options {
    const struct rsw_clock *clock; /* the one that serve goes by */
    int64_t timeout_ms;
    bool (*stopped)(void *arg); /* may be NULL; true ends the wait with RSW_ESTOPPED */
    void *arg;
};
/* Sends the fence and waits until serve has taken in its events from each replica; for all of it, a request
 * that is not answered too, at most `timeout_ms`. It is sent anew every few seconds, for a registry that is
 * killed takes an event with it; then no request of it waits longer than for the next time. Then every
 * instance heard since the last complete scan began must be among those that answered, and none of those may
 * be newer than that scan: else it is a gap. RSW_EREFUSED with the remedy, nothing recorded:
 * - an answer did not come. The message says of which replica, and what to look at: serve not running (its
 *   heartbeat), the webhook not configured, a filter for layers or for manifests;
 * - two URLs lead to one replica, or one to several;
 * - an instance is heard that is none of ours: more at the same moment than there are replicas, which no
 *   restart explains. To be listed; or scanned, if it ended for good.
 * RSW_ESTOPPED, and what the registry and the index answer besides. The wait itself is by a clock that never
 * jumps; who was heard before whom is told by the numbers of transactions, not by time.
 * Answers enum rsw_fence_result or RSW_FAILED. No transaction may be open. */
int rsw_fence(struct rsw_index *index, struct rsw_replicas *replicas, const struct rsw_fence_options *options,
              struct rsw_error *err);

#endif
