/* Deletion records: what somebody asked to be forgotten, as the index knew it at that moment, and how far it
 * has gone. A record names objects; each stands in one record at most, the first. It authorises nothing by
 * itself: mark takes what is forgotten for needless by itself, and a generation carries it as any other
 * garbage. An object leaves its record when it is gone, and when it was written anew: then it stays.
 *
 * All that writes needs a write transaction; errors are sticky in it. */
#ifndef REGSWEEP_INDEX_DELETION_H
#define REGSWEEP_INDEX_DELETION_H

#include "index/index.h"

/* Stored: never renumber. */
enum rsw_deletion_kind {
    RSW_DELETION_REPO = 1,  /* a repository with its tags and revisions */
    RSW_DELETION_IMAGE = 2, /* a revision, and the tags that pointed at it */
    RSW_DELETION_TAG = 3,
    RSW_DELETION_BLOB = 4, /* layer links */
};
#define RSW_DELETION_KINDS 5
/* "repo", "image", "tag", "blob"; NULL for a number that is none. Static storage. */
const char *rsw_deletion_kind_name(enum rsw_deletion_kind kind);

enum rsw_deletion_state {
    RSW_DELETION_WAITING = 1, /* for the next generation */
    RSW_DELETION_CARRIED = 2, /* a generation that is under way has some of it */
    RSW_DELETION_DONE = 3,    /* nothing of it is left: gone, or written anew */
    RSW_DELETION_CANCELLED = 4,
};
#define RSW_DELETION_STATES 5
/* "waiting", "carried", …; "unknown" for a number that is none. Static storage. */
const char *rsw_deletion_state_name(enum rsw_deletion_state state);

#define RSW_DELETION_TARGET_MAX 800
#define RSW_NOTE_MAX 255
struct rsw_deletion {
    uint64_t id;
    enum rsw_deletion_kind kind;
    enum rsw_deletion_state state;
    bool needed; /* waiting: a sweep has looked at it, and left what something needs, or what is too young */
    bool told;   /* it has ended, and whoever wants to hear of that has answered (tools/serve_callback.h) */
    int64_t created_ms;
    int64_t created_steady_ms; /* the same in steady time (time.h) */
    int64_t changed_ms;        /* when it came to its state */
    uint64_t seq;              /* of the transaction that made it */
    uint64_t generation;       /* that has some of it, or had last; 0: none yet */
    uint64_t named;            /* objects, when it was made */
    uint64_t spared;           /* of these: written anew, and out of it */
    uint64_t gone;
    char target[RSW_DELETION_TARGET_MAX + 1]; /* as it was asked for */
    char note[RSW_NOTE_MAX + 1];
    /* Not kept; 0 where it was only read. */
    uint64_t elsewhere; /* just made: objects that it names not, for they stand in earlier records */
    uint64_t other; /* just made: the first of these; just cancelled: the first later one, still open, that
                       may have asked for the same; 0: none */
};
/* Hands out the next id in deletion->id, sets seq, and writes it. Of those that ended, the last
 * RSW_DELETIONS_KEPT are remembered. */
#define RSW_DELETIONS_KEPT 1000
void rsw_deletion_add(struct rsw_txn *txn, struct rsw_deletion *deletion);
/* Those that ended only when as many had followed are remembered for a while, for whoever asks or waits to be
 * told; then they go. To be called now and then. */
#define RSW_DELETIONS_KEPT_MS (7 * 24 * 3600 * INT64_C(1000))
void rsw_deletions_drop_old(struct rsw_txn *txn, int64_t now_ms);
int rsw_deletion_get(struct rsw_txn *txn, uint64_t id, struct rsw_deletion *out);
void rsw_deletion_put(struct rsw_txn *txn, const struct rsw_deletion *deletion);
void rsw_iter_deletions(struct rsw_iter *iter, struct rsw_txn *txn); /* by id */
int rsw_deletion_next(struct rsw_iter *iter, struct rsw_deletion *out);

static inline uint64_t rsw_deletion_left(const struct rsw_deletion *deletion) {
    return deletion->named - deletion->spared - deletion->gone;
}
static inline bool rsw_deletion_ended(const struct rsw_deletion *deletion) {
    return deletion->state == RSW_DELETION_DONE || deletion->state == RSW_DELETION_CANCELLED;
}

/* An object of a record. */
struct rsw_forgotten {
    enum rsw_item_kind kind; /* REPOSITORY, TAG, REVISION or LINK */
    uint32_t repo;
    uint32_t blob;     /* of revision and link, else 0 */
    uint32_t head;     /* of a tag, when it was forgotten: with another one it is another; else 0 */
    uint64_t deletion; /* id of its record */
    char name[RSW_TAG_NAME_MAX + 1]; /* of a tag, else "" */
};
/* By kind, repo, blob and name of *out, which it fills. */
int rsw_forgotten_get(struct rsw_txn *txn, struct rsw_forgotten *out);
/* True if it was in no record, and is now in that of forgotten->deletion. */
bool rsw_forgotten_add(struct rsw_txn *txn, const struct rsw_forgotten *forgotten);
/* Out of its record, uncounted: that one is cancelled. */
void rsw_forgotten_drop(struct rsw_txn *txn, const struct rsw_forgotten *forgotten);
/* Out of its record, as gone or as spared. With the last one the record is done. */
void rsw_forgotten_end(struct rsw_txn *txn, const struct rsw_forgotten *forgotten, bool gone, int64_t now_ms);
/* It was written anew, or somebody wants it back: it is in no record any more, and neither is its repository.
 * True if it was in one. `name` NULL but for a tag. */
bool rsw_forgotten_spare(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                         const char *name, int64_t now_ms);
/* Is anything in any record? In doubt it is. */
bool rsw_forgotten_any(struct rsw_txn *txn);
/* kind 0: all; repo 0: of all repositories. */
void rsw_iter_forgotten(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo);
int rsw_forgotten_next(struct rsw_iter *iter, struct rsw_forgotten *out);

#endif
