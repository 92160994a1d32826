/* The index: records, transactions, tables. The only door to LMDB.
 *
 * What is where, key by key, stands in src/index/schema.h; this header is about what callers see.
 *
 * Transactions. Everything below needs one. A read transaction sees one moment and blocks nobody; keep it
 * short while others write (pages that it sees cannot be reused). A write transaction is the only one in all
 * processes; beginning it waits for its turn. Transactions are sticky: the first error stays in the handle,
 * later calls do nothing and answer RSW_FAILED, commit aborts and gives that error. So a caller may make many
 * calls and look once. A transaction belongs to one thread. Pushes may run beside all of it: the index is
 * ours alone.
 *
 * Ids are dense, from 1, never reused; 0 is no id, and looking for an id that was never handed out is
 * RSW_ABSENT. Names longer than their maximum, or empty, cannot be in the index: giving one to any call is
 * RSW_EINVAL, which sticks, so callers check names from outside before. Text and byte pointers in records are
 * owned by the record struct (arrays) unless said otherwise.
 *
 * Facts and seq. Every write transaction has a number (rsw_txn_seq), one higher than the last committed one.
 * A record that says "storage has this" carries the seq of the transaction that last claimed so. Who wants to
 * take such a claim back remembers the seq of a read transaction, *then* asks storage, and takes back only
 * records whose seq is not above it: what was claimed in the meantime stays.
 */
#ifndef REGSWEEP_INDEX_INDEX_H
#define REGSWEEP_INDEX_INDEX_H

#include <regsweep/digest.h>
#include <regsweep/index.h>
#include <regsweep/types.h>

#include <stddef.h>

/* ---- transactions ---- */

struct rsw_txn;
struct rsw_iter; /* see walking, below */

int rsw_txn_begin_read(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err);
/* Also grows the map if it is getting full (waits for this process's transactions to end, so a thread must
 * not begin one while it holds another). */
int rsw_txn_begin_write(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err);
/* Another read transaction that sees the same moment, for another thread. RSW_ABSENT: there can be none, for
 * that moment has passed, somebody waits for all transactions to end, or `txn` writes. */
int rsw_txn_twin(struct rsw_txn **out, struct rsw_txn *txn, struct rsw_error *err);
/* Ends and frees the transaction, *ptr becomes NULL. 0 once durable (synced), or -1 and nothing of it has
 * happened: the sticky error, RSW_EFULL (disk or map full), RSW_EIO. */
int rsw_txn_commit(struct rsw_txn **ptr, struct rsw_error *err);
/* Ends a read transaction, or throws a write transaction away. NULL and pointer to NULL are allowed. */
void rsw_txn_abort(struct rsw_txn **txn);
/* True if an error is stuck; copies it to err. NULL, one that could not be begun, has failed as well: err has
 * that already. */
bool rsw_txn_failed(const struct rsw_txn *txn, struct rsw_error *err);
uint64_t rsw_txn_seq(const struct rsw_txn *txn); /* read: the last committed one; write: its own */
/* Rough number of bytes this write transaction has dirtied: commit and begin anew past some 64 MiB. */
uint64_t rsw_txn_dirty(const struct rsw_txn *txn);

#define RSW_AUTO_TXN __attribute__((cleanup(rsw_txn_abort))) struct rsw_txn *

/* The file contradicts itself, which was said on stderr, and LMDB aborts the process. For a handler of
 * SIGABRT. */
bool rsw_index_absurd(const struct rsw_index *index);

/* A lock between processes, by name ("sweep", "scan"), held until released or the process ends; independent
 * of transactions. RSW_EBUSY with the holder's pid in the message. */
struct rsw_lock {
    int fd; /* -1: not held */
};
#define RSW_LOCK_INIT                                                                                        \
    { -1 }
int rsw_lock_take(struct rsw_lock *lock, struct rsw_index *index, const char *name, struct rsw_error *err);
void rsw_lock_release(struct rsw_lock *lock);
#define RSW_AUTO_LOCK __attribute__((cleanup(rsw_lock_release))) struct rsw_lock

/* ---- state: one record about the whole ---- */

struct rsw_state {
    int64_t created_ms;
    uint64_t scan_seq;       /* seq at which the last complete scan began; 0: no complete scan yet */
    int64_t scan_started_ms; /* of the last complete scan */
    int64_t scan_ended_ms;   /* of the last one that listed blobs, too */
    uint64_t gap_seq; /* seq at which the feed last met something it may have missed; a gap is open if it
                         is above scan_seq */
    int64_t gap_ms;
    char gap_reason[256];     /* in words; "" if there never was one */
    uint64_t events;          /* events taken in, ever */
    uint64_t events_unusable; /* of these: kept, counted, not understood */
    int64_t first_event_ms;   /* 0: this index was never fed by events */
    int64_t last_event_ms;
    int64_t beat_ms;          /* when `serve` last said that it runs (RSW_BEAT_STEP_MS); 0: never */
    int64_t beat_steady_ms;   /* the same in steady time (time.h) */
    char storage_url[512];    /* of the storage that was scanned, "" before the first scan */
    uint32_t next_blob;       /* ids handed out are 1 … next_blob - 1: the size of a bitmap. Read only */
    uint32_t next_repo;       /* Read only */
    uint64_t next_generation; /* Read only */
};
#define RSW_BEAT_STEP_MS (10 * INT64_C(1000)) /* `serve` says so this often */
#define RSW_BEAT_OLD_MS (60 * INT64_C(1000))  /* if it last did longer ago, it does not run */
/* A name of this index that no other has, made when it is asked for first. 0 or -1. No transaction may be
 * open.
 */
#define RSW_IDENTITY_MAX 33
int rsw_index_identity(struct rsw_index *index, char out[RSW_IDENTITY_MAX], struct rsw_error *err);
/* The same of an index that is there; RSW_ABSENT: nobody has asked for it yet. */
int rsw_identity_get(struct rsw_txn *txn, char out[RSW_IDENTITY_MAX]);
/* For one that takes the place of another index: what that has left in storage is its own. */
void rsw_identity_put(struct rsw_txn *txn, const char *identity);
int rsw_state_get(struct rsw_txn *txn, struct rsw_state *out); /* RSW_FOUND or RSW_FAILED */
void rsw_state_put(struct rsw_txn *txn, const struct rsw_state *state);
/* As it is now, by a transaction of its own. 0 or -1. */
int rsw_index_state(struct rsw_index *index, struct rsw_state *out, struct rsw_error *err);
/* A gap for which blobs may be missing as well: only a scan that lists them closes it, so a later reason does
 * not take its place before. */
#define RSW_LATE_GAP "a deletion may have been carried out late"
#define RSW_LEASE_GAP "another regsweep has swept this storage"
bool rsw_state_lacks_blobs(const struct rsw_state *state); /* such a gap is open */
/* Records a gap at this transaction's seq. */
void rsw_state_gap(struct rsw_txn *txn, int64_t now_ms, const char *reason);
/* The same, in a transaction of its own. 0 or -1. */
int rsw_index_gap(struct rsw_index *index, int64_t now_ms, const char *reason, struct rsw_error *err);

/* ---- blobs ---- */

enum rsw_blob_flag {
    RSW_BLOB_PRESENT = 1 << 0, /* storage has its data, as far as we know */
    RSW_BLOB_PARSED = 1 << 1,  /* read as a manifest: its references are in the index */
    RSW_BLOB_UNREADABLE =
        1 << 2,             /* read as a manifest and not understood (truncated, digest mismatch, no JSON) */
    RSW_BLOB_ODD = 1 << 3,  /* parsed, but of a media type that we do not know */
    RSW_BLOB_GONE = 1 << 4, /* wanted as a manifest, and its data found absent twice, a settle apart (or once
                               with the registry stopped) */
};

struct rsw_blob {
    uint32_t id;
    struct rsw_digest digest;
    uint32_t types; /* enum rsw_type */
    uint32_t flags; /* enum rsw_blob_flag */
    uint64_t size;  /* of its data; 0 while unknown */
    int64_t first_seen_ms;
    int64_t missing_since_ms; /* data first found absent where something names it; 0: not missing */
    uint64_t seq;             /* last claim that storage has its data */
};

int rsw_blob_find(struct rsw_txn *txn, const struct rsw_digest *digest, struct rsw_blob *out);
int rsw_blob_get(struct rsw_txn *txn, uint32_t id, struct rsw_blob *out);
/* The id of this digest; makes a record (no type, no flag, first seen now) if there is none. 0: the
 * transaction failed. */
uint32_t rsw_blob_intern(struct rsw_txn *txn, const struct rsw_digest *digest, int64_t now_ms);
/* Writes an existing record back (id and digest must be those of a get). A record that does not change costs
 * no write. */
void rsw_blob_put(struct rsw_txn *txn, const struct rsw_blob *blob);
/* May it be dropped? RSW_FOUND: it is not PRESENT and nothing holds it; RSW_ABSENT: something does, or there
 * is no such blob. */
int rsw_blob_needless(struct rsw_txn *txn, uint32_t id);
/* Removes record, digest and references. Only for a blob that is not PRESENT and stands in no link (nor as
 * the target of one), revision, tag, history, signature or reference: RSW_EINVAL otherwise; an absent one is
 * no error. The blobs that only it named, and that storage does not have, go with it, and so on: an id kept
 * from before may be gone afterwards. */
void rsw_blob_drop(struct rsw_txn *txn, uint32_t id);

/* The digest alone, which costs less. */
int rsw_blob_digest(struct rsw_txn *txn, uint32_t id, struct rsw_digest *out);

/* What is known of blobs with neighbouring ids, but for their digests, packed as the index holds it: borrowed
 * until the transaction ends or writes. */
#define RSW_BLOBS_EACH 16
struct rsw_blobs {
    uint32_t first;        /* id of the first; `i` below is an id minus this */
    const uint8_t *packed; /* NULL: none */
};
uint8_t rsw_blobs_alg(const struct rsw_blobs *blobs,
                      uint32_t i); /* of its digest; 0: there is no such blob */
uint32_t rsw_blobs_flags(const struct rsw_blobs *blobs, uint32_t i); /* enum rsw_blob_flag */
uint32_t rsw_blobs_types(const struct rsw_blobs *blobs, uint32_t i); /* enum rsw_type */
uint64_t rsw_blobs_size(const struct rsw_blobs *blobs, uint32_t i);
int64_t rsw_blobs_first_seen_ms(const struct rsw_blobs *blobs, uint32_t i);
void rsw_blobs_fetch(const struct rsw_blobs *blobs, uint32_t i); /* it is asked for soon */

/* Digests of neighbouring ids, in the same way. */
struct rsw_digests {
    uint32_t first;
    const uint8_t *packed; /* NULL: none */
};

/* References of a manifest, packed as the index holds them: borrowed until the transaction ends or writes. */
struct rsw_refs {
    uint32_t count;
    const uint8_t *packed; /* the count stands in front */
};
struct rsw_refs rsw_refs_of(const uint8_t *packed); /* the same again, for whoever keeps the pointer alone */
/* RSW_ABSENT if this blob is not PARSED; a manifest without references is RSW_FOUND with count 0. */
int rsw_refs_get(struct rsw_txn *txn, uint32_t manifest, struct rsw_refs *out);
uint32_t rsw_refs_child(const struct rsw_refs *refs, uint32_t i); /* blob id */
enum rsw_ref_kind rsw_refs_kind(const struct rsw_refs *refs, uint32_t i);
/* Says what a manifest names. The first time only: content never changes, so for a PARSED blob nothing is
 * written. Interns the children and adds what the references tell to their types, sets `types` on the
 * manifest itself, sets PARSED (and ODD if !known), clears UNREADABLE and GONE. */
void rsw_refs_put(struct rsw_txn *txn, uint32_t manifest, uint32_t types, bool known,
                  const struct rsw_ref *refs, size_t count, int64_t now_ms);

/* ---- repositories ---- */

enum rsw_repo_flag {
    RSW_REPO_PRESENT = 1 << 0,         /* storage has something of it: a directory or a link */
    RSW_REPO_ODD = 1 << 1,             /* its name breaks the grammar: everything in it is kept, untouched */
    RSW_REPO_UPLOADS_UNKNOWN = 1 << 2, /* `_uploads` could not be read: counts as a young upload */
    RSW_REPO_LEFTOVER = 1 << 3,        /* something lies in it that is nobody's: its folders stay */
};
#define RSW_REPO_NAME_MAX                                                                                    \
    480 /* longest name the index can hold, NUL not counted; longer ones cannot be indexed */

struct rsw_repo {
    uint32_t id;
    uint32_t flags;
    int64_t first_seen_ms;
    uint64_t seq; /* last claim that it is there */
    char name[RSW_REPO_NAME_MAX + 1];
};

int rsw_repo_find(struct rsw_txn *txn, const char *name, struct rsw_repo *out);
int rsw_repo_get(struct rsw_txn *txn, uint32_t id, struct rsw_repo *out);
uint32_t rsw_repo_intern(struct rsw_txn *txn, const char *name, int64_t now_ms);
void rsw_repo_put(struct rsw_txn *txn, const struct rsw_repo *repo);
/* Only for a repository without any link, revision, tag, upload (RSW_EINVAL otherwise; tombstones too count).
 */
void rsw_repo_drop(struct rsw_txn *txn, uint32_t id);

/* ---- revisions and layer links: (repository, blob) ---- */

enum rsw_member_flag {
    RSW_MEMBER_PRESENT =
        1 << 0, /* storage has the link. Without it the record is a tombstone: it was there once */
    RSW_MEMBER_BAD = 1 << 1, /* the link file is there, but empty, unreadable or names another digest: kept */
    RSW_MEMBER_SEEN = 1 << 2, /* storage was seen to have it, or had it. Without it only an event said so: no
                                 evidence that it ever was there, and no tombstone when it is not */
};

/* A revision (a manifest linked in a repository) or a layer link. */
struct rsw_member {
    uint32_t repo;
    uint32_t blob;
    uint32_t target; /* blob that the link names: `blob` itself, or for an alias (sha512 → sha256), or a bad
                        link that could be read, another one */
    uint32_t flags;
    int64_t touched_ms; /* last touch: event time as we received it, or link mtime at a scan */
    uint64_t seq;       /* last claim that storage has it */
};

enum rsw_member_kind { RSW_LINK = 1, RSW_REVISION = 2 };

/* Members of one repository, by blob id, packed as the index holds them: borrowed until the transaction ends
 * or writes. */
struct rsw_members {
    uint32_t repo;
    uint32_t count;
    const uint8_t *packed;
};
void rsw_members_get(const struct rsw_members *members, uint32_t i, struct rsw_member *out);
uint32_t rsw_members_blob(const struct rsw_members *members, uint32_t i);
uint32_t rsw_members_flags(const struct rsw_members *members, uint32_t i);
/* The first whose blob is not below this one, or count. */
uint32_t rsw_members_find(const struct rsw_members *members, uint32_t blob);

int rsw_member_get(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                   struct rsw_member *out);
void rsw_member_put(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member);
/* Removes the record altogether; an absent one is no error. */
void rsw_member_drop(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob);

/* When a manifest was last pulled in a repository, by GET or HEAD. Coarse, so that pulls cost nothing: the
 * time is renewed once it is a step old. Goes with the record of the revision. */
#define RSW_PULL_STEP_MS (3600 * INT64_C(1000))
int rsw_pull_get(struct rsw_txn *txn, uint32_t repo, uint32_t manifest, int64_t *at_ms);
/* Was anything pulled since then, by anybody? RSW_FOUND, RSW_ABSENT or RSW_FAILED. */
int rsw_pull_heard_since(struct rsw_txn *txn, int64_t since_ms);
void rsw_pull_note(struct rsw_txn *txn, uint32_t repo, uint32_t manifest, int64_t now_ms);
void rsw_pull_drop(struct rsw_txn *txn, uint32_t repo, uint32_t manifest);

/* Schema 1 signatures of a revision. */
void rsw_signature_put(struct rsw_txn *txn, uint32_t repo, uint32_t revision, uint32_t signature);
void rsw_signature_drop(struct rsw_txn *txn, uint32_t repo, uint32_t revision, uint32_t signature);

/* ---- tags ---- */

#define RSW_TAG_NAME_MAX 256 /* of a directory below tags/, which may break the grammar */

enum rsw_tag_flag {
    RSW_TAG_UNSETTLED = 1 << 0, /* an event told of the head, storage was not asked yet: every revision of its
                                   history counts as the head */
    RSW_TAG_BAD = 1 << 1,       /* current/link is empty, unreadable or no digest: as above; with no history
                                   known, every revision of the repository */
};

struct rsw_tag {
    uint32_t repo;
    uint32_t head; /* blob id; 0: not known (BAD, or a history without current/link) */
    uint32_t flags;
    int64_t touched_ms;
    uint64_t seq;
    char name[RSW_TAG_NAME_MAX + 1];
};

int rsw_tag_get(struct rsw_txn *txn, uint32_t repo, const char *name, struct rsw_tag *out);
void rsw_tag_put(struct rsw_txn *txn, const struct rsw_tag *tag);
/* The tag and all of its history. */
void rsw_tag_drop(struct rsw_txn *txn, uint32_t repo, const char *name);

/* One entry of tags/<tag>/index: this tag pointed at that manifest once. */
struct rsw_history {
    uint32_t repo;
    uint32_t manifest;
    int64_t touched_ms;
    uint64_t seq;
    char tag[RSW_TAG_NAME_MAX + 1];
};
int rsw_history_get(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest,
                    struct rsw_history *out);
void rsw_history_put(struct rsw_txn *txn, const struct rsw_history *history);
void rsw_history_drop(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest);

/* ---- uploads, as the last scan saw them ---- */

#define RSW_UPLOAD_ID_MAX 255

struct rsw_upload {
    uint32_t repo;
    int64_t started_ms; /* 0: no readable `startedat`: kept */
    uint64_t size;      /* of its files together */
    uint64_t seq;
    char id[RSW_UPLOAD_ID_MAX + 1];
};
int rsw_upload_get(struct rsw_txn *txn, uint32_t repo, const char *id, struct rsw_upload *out);
void rsw_upload_put(struct rsw_txn *txn, const struct rsw_upload *upload);
void rsw_upload_drop(struct rsw_txn *txn, uint32_t repo, const char *id);

/* ---- the check queue: what only storage can tell ---- */

enum rsw_check_kind {
    RSW_CHECK_TAG = 1,        /* repo, tag: read current/link and the history */
    RSW_CHECK_OBJECT = 2,     /* repo, blob: look for its layer link and its revision link */
    RSW_CHECK_MANIFEST = 3,   /* blob: read its data, parse it */
    RSW_CHECK_REPOSITORY = 4, /* repo: read all of it */
    RSW_CHECK_TAGGING = 5,    /* repo, blob, tag: as TAG, once more. Storage did not have that tag of that
                                 manifest when an event had told of it less than a settle before: the registry
                                 sends the event, then writes the tag */
};

struct rsw_check {
    enum rsw_check_kind kind;
    uint32_t repo; /* 0 for RSW_CHECK_MANIFEST */
    uint32_t blob; /* for OBJECT, MANIFEST and TAGGING, else 0 */
    int64_t due_ms;
    uint32_t tries; /* failed so far */
    uint64_t seq;   /* of the transaction that last asked for it */
    char tag[RSW_TAG_NAME_MAX + 1];
};
/* Adds, or renews (due, tries, seq) the entry of the same kind, repo, blob and tag. */
void rsw_check_put(struct rsw_txn *txn, const struct rsw_check *check);
int rsw_check_get(struct rsw_txn *txn, enum rsw_check_kind kind, uint32_t repo, uint32_t blob,
                  const char *tag, struct rsw_check *out);
void rsw_check_drop(struct rsw_txn *txn, const struct rsw_check *check);

/* ---- instances of the registry that events came from ---- */

#define RSW_INSTANCE_ID_MAX 128
#define RSW_FENCE_MAX 48 /* longest mark of a fence, NUL included */
struct rsw_instance {
    char id[RSW_INSTANCE_ID_MAX + 1]; /* source.instanceID */
    char addr[128];                   /* source.addr */
    int64_t first_ms;                 /* for people: the clock may have been set in between */
    int64_t last_ms;
    uint64_t first_seq; /* of the transaction that took in its first event */
    uint64_t last_seq;
    uint64_t events;
    /* The mark of the last fence of which this instance's own event came in, asked for as a layer and as a
     * manifest; "" before the first. What it had sent before has come in too. */
    char fence_layer[RSW_FENCE_MAX];
    char fence_manifest[RSW_FENCE_MAX];
};
int rsw_instance_get(struct rsw_txn *txn, const char *id, struct rsw_instance *out);
void rsw_instance_put(struct rsw_txn *txn, const struct rsw_instance *instance);

/* ---- events that could not be used, kept for people to look at ---- */

#define RSW_KEPT_MAX 1000          /* the oldest go first */
#define RSW_KEPT_BYTES (16 * 1024) /* of each, cut */
struct rsw_kept_event {
    uint64_t number;
    int64_t received_ms;
    char reason[128];
    const uint8_t *body; /* borrowed until the transaction ends or writes */
    size_t body_len;
};
void rsw_kept_event_add(struct rsw_txn *txn, int64_t now_ms, const char *reason, const void *body,
                        size_t len);

/* ---- generations ---- */

enum rsw_generation_state {
    RSW_GENERATION_CONDEMNED = 1,
    RSW_GENERATION_UNLINKED = 2,
    RSW_GENERATION_HIDDEN = 3,
    RSW_GENERATION_PURGED = 4,
    RSW_GENERATION_ABANDONED = 5, /* interrupted; what remained of it was decided anew by a later one */
};
/* "condemned", …; "unknown" for a number that is none. Static storage. */
const char *rsw_generation_state_name(enum rsw_generation_state state);

enum rsw_item_state {
    RSW_ITEM_PENDING = 1, /* in its place */
    RSW_ITEM_DONE = 2,    /* gone for good */
    RSW_ITEM_FAILED = 3,  /* the deletion failed; a later generation tries again */
    RSW_ITEM_SPARED = 4,  /* found needed after all, or touched meanwhile */
    RSW_ITEM_ASIDE = 5,   /* in quarantine: the registry does not see it */
    RSW_ITEM_HELD = 6,    /* bytes in quarantine that outlast their generation (struct rsw_held) */
};

enum rsw_item_flag {
    RSW_ITEM_TOUCHED = 1 << 0, /* a client was told of it since it was condemned, or it was found needed:
                                  never unset */
};

#define RSW_RUN_MAX 32 /* bytes of the nonce of a run, NUL included */

struct rsw_generation {
    uint64_t id;
    enum rsw_generation_state state;
    bool offline;
    bool clearing; /* DELETEs of ours to the registry, or to storage, may be on their way */
    bool settling; /* it was found `clearing` by a later run: until it is due they may still be */
    bool untagged; /* untagged revisions were let go */
    int64_t grace_ms;
    int64_t created_ms;
    int64_t changed_ms;  /* when it came to its state */
    uint64_t hidden_seq; /* of the transaction that says that its bytes are hidden; 0: they are not */
    int64_t due_ms;      /* steady time (time.h): nothing more happens to it before; 0: now */
    int64_t settle_ms;   /* as asked for when it began */
    int64_t quarantine_ms;
    uint64_t seq;                    /* of the transaction whose sight the mark had */
    uint64_t counts[RSW_ITEM_KINDS]; /* condemned, by kind */
    uint64_t bytes;                  /* condemned */
    uint64_t done;                   /* items done */
    uint64_t failed;
    uint64_t spared;
    uint64_t freed;        /* bytes */
    char run[RSW_RUN_MAX]; /* nonce of the process that works on it: requests with it are our own, no touch */
};
/* No id up to this one is handed out any more. */
void rsw_generation_skip(struct rsw_txn *txn, uint64_t id);
/* Hands out the next id in generation->id and writes it. */
void rsw_generation_add(struct rsw_txn *txn, struct rsw_generation *generation);
int rsw_generation_get(struct rsw_txn *txn, uint64_t id, struct rsw_generation *out);
void rsw_generation_put(struct rsw_txn *txn, const struct rsw_generation *generation);

struct rsw_item {
    uint64_t generation;
    enum rsw_item_kind kind;
    uint32_t repo;
    uint32_t blob;
    enum rsw_reason reason;
    enum rsw_item_state state;
    uint32_t flags; /* enum rsw_item_flag */
    uint64_t size;
    char name[RSW_TAG_NAME_MAX + 1];
};
/* By generation, kind, repo, blob and name of *out, which it fills. */
int rsw_item_get(struct rsw_txn *txn, struct rsw_item *out);
void rsw_item_put(struct rsw_txn *txn, const struct rsw_item *item);
/* Removes every item of a generation (its record stays, with the counts) but those that are HELD. */
void rsw_items_drop(struct rsw_txn *txn, uint64_t generation);

/* ---- touches ----
 * An open generation is one that is neither purged nor abandoned, and not offline. What a client is told of
 * while it is condemned there must be given back: the touch marks the item for good and puts it into a queue,
 * which whoever gives it back (src/gc/revive.h) empties. All need a write transaction, unless said. */

/* (repo, blob) was pushed, mounted, pulled or found needed: touches its link, its revision and its bytes,
 * condemned or held, in every open generation. True if anything has to be given back. What follows from it
 * (what a manifest names, tags, referrers) is for whoever gives it back to find; for that a manifest is
 * queued even if it is no item itself. One that was not read yet must be touched again once it is. */
bool rsw_touch(struct rsw_txn *txn, uint32_t repo, uint32_t blob);
/* A manifest was read, so what it names is known only now, and its push, which the registry may have accepted
 * out of a stale cache, lies behind: touches it in every repository that has it (as a revision, or uploaded
 * as a blob) or an index that leads to it. */
void rsw_touch_read(struct rsw_txn *txn, uint32_t manifest);
/* The tag, if it is condemned. */
bool rsw_touch_tag(struct rsw_txn *txn, uint32_t repo, const char *tag);
/* The items of one kind (BLOB: repo 0), in every open generation. `again`: into the queue even if they were
 * touched before. */
bool rsw_touch_kind(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob, bool again);
/* One item, by its key; no error if there is none. What is DONE is gone for good, and stays untouched. */
bool rsw_touch_item(struct rsw_txn *txn, const struct rsw_item *item, bool again);
/* The queue; each item as it is now, and the seq of the transaction that queued it last. Generation 0: a
 * manifest in a repository (kind REVISION), as it was touched; no item. Read or write. */
void rsw_iter_touched(struct rsw_iter *iter, struct rsw_txn *txn);
int rsw_touched_next(struct rsw_iter *iter, struct rsw_item *out, uint64_t *queued);
/* Does it wait in the queue? Read or write. */
int rsw_touched_get(struct rsw_txn *txn, const struct rsw_item *item);
/* It has been given back, as it was queued at `queued`: takes it out of the queue, unless it was queued anew
 * since. True: it was there, and is out. */
bool rsw_touched_drop(struct rsw_txn *txn, const struct rsw_item *item, uint64_t queued);

/* Ids of open generations, the oldest first, at most `max`; gives how many there are. Read or write. */
size_t rsw_generations_open(struct rsw_txn *txn, uint64_t *ids, size_t max);
#define RSW_GENERATIONS_OPEN_MAX 64 /* no more are begun */
/* Does an open generation have this as an item, whatever its state? (kind BLOB: repo 0.) Read or write.
 * RSW_FOUND with the first in *out (it may be NULL). */
int rsw_condemned_get(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                      const char *name, struct rsw_item *out);
/* Is this the nonce of a process that works on an open generation? Read or write. */
bool rsw_run_is_ours(struct rsw_txn *txn, const char *run);

/* Bytes that stay in quarantine beyond the purge of their generation: a cache may need them, or their copy
 * could not be removed. */
struct rsw_held {
    uint32_t blob;
    uint64_t generation; /* in whose part of the quarantine they lie */
    int64_t since_ms;    /* for people */
    uint64_t seq; /* what was first heard in a later transaction cannot know them; 0: nothing needs them */
};
int rsw_held_get(struct rsw_txn *txn, uint32_t blob, struct rsw_held *out);
void rsw_held_put(struct rsw_txn *txn, const struct rsw_held *held);
void rsw_held_drop(struct rsw_txn *txn, uint32_t blob);
void rsw_iter_held(struct rsw_iter *iter, struct rsw_txn *txn); /* see walking, below */
int rsw_held_next(struct rsw_iter *iter, struct rsw_held *out);

/* ---- walking ----
 * An iterator is a value that belongs to its transaction: open, call the typed next until it does not answer
 * RSW_FOUND, end (allowed twice, and after the transaction's end; due before it is opened in another one). It
 * starts as RSW_ITER_INIT if it may be ended without having been opened. Records may be put and dropped in
 * the same transaction while iterating, the current one included; what is put behind the current key is met,
 * what is put before it is not. Order is that of the keys. Errors, of opening too, show in next: RSW_FAILED.
 * A walk over a whole table that nobody writes to in this transaction meets every record: if damage to a page
 * hides some, the last answer is RSW_FAILED, not RSW_ABSENT. Walks over a part, and gets, cannot know. */

struct rsw_iter {
    struct rsw_txn *txn;
    void *cursor;
    int table;
    bool placed;       /* the cursor stands at the last key */
    bool behind;       /* the last key itself is not wanted any more */
    uint64_t met;      /* entries so far */
    uint64_t entries;  /* of the table, if all of it is walked */
    uint64_t writes;   /* to the table, when the cursor was placed: after more the place is looked up anew */
    size_t prefix_len; /* of what all keys begin with */
    const uint8_t *last; /* the last key: in the map while reading, a copy while writing; NULL before it */
    size_t key_len;      /* of the last key, prefix included */
    /* The record at hand where one holds many, and how many of it are behind us. */
    struct rsw_members members;
    struct rsw_blobs blobs;
    struct rsw_digests digests;
    uint32_t at;
};
void rsw_iter_end(struct rsw_iter *iter);
#define RSW_AUTO_ITER __attribute__((cleanup(rsw_iter_end))) struct rsw_iter
#define RSW_ITER_INIT                                                                                        \
    { .cursor = NULL }

void rsw_iter_blobs(struct rsw_iter *iter, struct rsw_txn *txn); /* by id */
int rsw_blob_next(struct rsw_iter *iter, struct rsw_blob *out);
/* The same walk, a record at a time, for those who read all: not mixed with the other. */
int rsw_blobs_next(struct rsw_iter *iter, struct rsw_blobs *out);
/* Every PARSED manifest with its references, by id: cheaper than a get for each. */
void rsw_iter_refs(struct rsw_iter *iter, struct rsw_txn *txn);
int rsw_refs_next(struct rsw_iter *iter, uint32_t *manifest, struct rsw_refs *out);
/* Manifests that name a blob, and how; one record a (manifest, kind). */
void rsw_iter_named_by(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t child);
int rsw_named_by_next(struct rsw_iter *iter, uint32_t *manifest, enum rsw_ref_kind *kind);
void rsw_iter_repos(struct rsw_iter *iter, struct rsw_txn *txn); /* by id */
int rsw_repo_next(struct rsw_iter *iter, struct rsw_repo *out);
void rsw_iter_repo_names(struct rsw_iter *iter, struct rsw_txn *txn); /* by name; same next */
int rsw_repo_name_next(struct rsw_iter *iter, struct rsw_repo *out);
/* repo 0: of all repositories, by (repo, blob). Tombstones included. */
void rsw_iter_members(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo);
int rsw_member_next(struct rsw_iter *iter, struct rsw_member *out);
/* The same walk, a record at a time, for those who read all: not mixed with the other. */
int rsw_members_next(struct rsw_iter *iter, struct rsw_members *out);
/* Repositories that have (or had) this blob as a link or revision. */
void rsw_iter_members_of(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_member_kind kind,
                         uint32_t blob);
int rsw_member_of_next(struct rsw_iter *iter, uint32_t *repo);
/* Does any repository have it with all of these flags? RSW_FOUND, RSW_ABSENT or RSW_FAILED. */
int rsw_member_anywhere(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t blob, uint32_t flags);
/* Links and revisions of other names that lead to this blob. */
struct rsw_alias {
    enum rsw_member_kind kind;
    uint32_t repo;
    uint32_t blob; /* the name */
};
void rsw_iter_aliases(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t target);
int rsw_alias_next(struct rsw_iter *iter, struct rsw_alias *out);
/* revision 0: all of the repository. */
void rsw_iter_signatures(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo, uint32_t revision);
int rsw_signature_next(struct rsw_iter *iter, uint32_t *revision, uint32_t *signature);
void rsw_iter_tags(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo); /* repo 0: all */
int rsw_tag_next(struct rsw_iter *iter, struct rsw_tag *out);
/* Does any tag of the repository point at it? RSW_FOUND, RSW_ABSENT or RSW_FAILED. */
int rsw_tag_points_at(struct rsw_txn *txn, uint32_t repo, uint32_t manifest);
void rsw_iter_history(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo,
                      const char *tag); /* tag NULL: all */
int rsw_history_next(struct rsw_iter *iter, struct rsw_history *out);
/* Tags in whose history a manifest stands. Fills out->repo, manifest and tag; the rest by rsw_history_get. */
void rsw_iter_history_of(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo, uint32_t manifest);
int rsw_history_of_next(struct rsw_iter *iter, struct rsw_history *out);
void rsw_iter_uploads(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo); /* repo 0: all */
int rsw_upload_next(struct rsw_iter *iter, struct rsw_upload *out);
void rsw_iter_checks(struct rsw_iter *iter, struct rsw_txn *txn);
/* Those of one kind and object. */
void rsw_iter_checks_of(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_check_kind kind, uint32_t repo,
                        uint32_t blob);
int rsw_check_next(struct rsw_iter *iter, struct rsw_check *out);
void rsw_iter_instances(struct rsw_iter *iter, struct rsw_txn *txn);
int rsw_instance_next(struct rsw_iter *iter, struct rsw_instance *out);
void rsw_iter_kept_events(struct rsw_iter *iter, struct rsw_txn *txn);
int rsw_kept_event_next(struct rsw_iter *iter, struct rsw_kept_event *out);
void rsw_iter_generations(struct rsw_iter *iter, struct rsw_txn *txn);
int rsw_generation_next(struct rsw_iter *iter, struct rsw_generation *out);
void rsw_iter_items(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation,
                    enum rsw_item_kind kind); /* kind 0: all */
void rsw_iter_items_in(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation,
                       enum rsw_item_kind kind, uint32_t repo); /* of one repository */
void rsw_iter_items_of(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation,
                       enum rsw_item_kind kind, uint32_t repo, uint32_t blob); /* and of one blob */
/* Tags of a repository with this name, or, if not `whole`, with one that begins so. */
void rsw_iter_tag_items(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation, uint32_t repo,
                        const char *name, bool whole);
int rsw_tag_item_next(struct rsw_iter *iter, struct rsw_item *out);
/* Of the same generation and kind, those behind this one, which need not exist. */
void rsw_iter_items_after(struct rsw_iter *iter, struct rsw_txn *txn, const struct rsw_item *item);
/* Of the same generation, of this kind and those behind it. */
void rsw_iter_items_behind(struct rsw_iter *iter, struct rsw_txn *txn, const struct rsw_item *item);
int rsw_item_next(struct rsw_iter *iter, struct rsw_item *out);

/* True if this handle has made the index: hardly anybody else waits for it yet. */
bool rsw_index_fresh(const struct rsw_index *index);

/* ---- damage that lookups cannot see ---- */

/* Walks every table whole, and compares those that say the same: RSW_ECORRUPT with the remedy if a lookup may
 * miss a record, a digest or name has two ids, or a table and its back table do not agree. To be asked before
 * anything is destroyed because the index says so. Takes a read transaction of its own. */
int rsw_index_check(struct rsw_index *index, struct rsw_error *err);

/* ---- size, for people and metrics ---- */

struct rsw_table_stat {
    const char *name;
    uint64_t entries;
    uint64_t bytes; /* of its pages */
};
#define RSW_INDEX_TABLES 32
struct rsw_index_stat {
    uint64_t map_size;
    uint64_t used; /* bytes of pages in use, free ones not counted */
    uint64_t file_size;
    unsigned schema;
    size_t table_count;
    struct rsw_table_stat tables[RSW_INDEX_TABLES];
};
int rsw_index_stat(struct rsw_txn *txn, struct rsw_index_stat *out);

#endif
