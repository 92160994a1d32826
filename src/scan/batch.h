/* A batch: what storage said, on its way into the index. Reading fills batches without a transaction, writing
 * applies them in one: storage is never asked while the index is locked. */
#ifndef REGSWEEP_SCAN_BATCH_H
#define REGSWEEP_SCAN_BATCH_H

#include "index/index.h"
#include "oci/manifest.h"
#include "scan/look.h"
#include "util/clock.h"

/* Hand a batch on when it has this many records. */
#define RSW_BATCH_RECORDS 2048

struct rsw_seen_blob {
    struct rsw_digest digest;
    uint64_t size;
};

/* A revision or a layer link. */
struct rsw_seen_member {
    enum rsw_member_kind kind;
    struct rsw_digest digest;
    bool tombstone; /* its directory is there, without a link: it was there once */
    bool bad;
    struct rsw_digest target; /* what the link names; alg 0: could not be read */
    int64_t mtime_ms;
};

struct rsw_seen_tag {
    char name[RSW_TAG_NAME_MAX + 1];
    bool bad;
    struct rsw_digest head;
    int64_t mtime_ms;
};

struct rsw_seen_history {
    char tag[RSW_TAG_NAME_MAX + 1];
    struct rsw_digest manifest;
    int64_t mtime_ms;
};

struct rsw_seen_upload {
    char id[RSW_UPLOAD_ID_MAX + 1];
    int64_t started_ms;
    uint64_t size;
};

struct rsw_seen_signature {
    struct rsw_digest revision;
    struct rsw_digest signature;
};

struct rsw_batch {
    uint64_t looked; /* noted before storage was asked: what was claimed above it is newer than this batch */
    bool has_repo;   /* false: `repo` is not set, there are only blobs and manifests */
    bool odd;        /* its name breaks the grammar */
    bool uploads_listed; /* this batch is the one that says whether uploads_unknown */
    bool uploads_unknown;
    char repo[RSW_REPO_NAME_MAX + 1];
    /* Arrays, owned. */
    struct rsw_seen_blob *blobs;
    size_t blob_count, blob_room;
    struct rsw_seen_member *members;
    size_t member_count, member_room;
    struct rsw_seen_tag *tags;
    size_t tag_count, tag_room;
    struct rsw_seen_history *history;
    size_t history_count, history_room;
    struct rsw_seen_upload *uploads;
    size_t upload_count, upload_room;
    struct rsw_seen_signature *signatures;
    size_t signature_count, signature_room;
    struct rsw_seen_manifest *manifests; /* their parsed contents are owned too */
    size_t manifest_count, manifest_room;
    size_t weight; /* records in all, references of manifests included */
};

/* NULL: out of memory (err set). `repo` NULL: blobs and manifests only. */
struct rsw_batch *rsw_batch_new(const char *repo, uint64_t looked, struct rsw_error *err);
void rsw_batch_free(struct rsw_batch *batch); /* NULL is allowed */

/* A new record at the end, zeroed, for the caller to fill; NULL: out of memory (err set). */
struct rsw_seen_blob *rsw_batch_blob(struct rsw_batch *batch, struct rsw_error *err);
struct rsw_seen_member *rsw_batch_member(struct rsw_batch *batch, struct rsw_error *err);
struct rsw_seen_tag *rsw_batch_tag(struct rsw_batch *batch, struct rsw_error *err);
struct rsw_seen_history *rsw_batch_history(struct rsw_batch *batch, struct rsw_error *err);
struct rsw_seen_upload *rsw_batch_upload(struct rsw_batch *batch, struct rsw_error *err);
struct rsw_seen_signature *rsw_batch_signature(struct rsw_batch *batch, struct rsw_error *err);
struct rsw_seen_manifest *rsw_batch_manifest(struct rsw_batch *batch, struct rsw_error *err);

/* What the link says about it: target, age, whether it is damaged. For a link that is not absent. */
void rsw_seen_member_judge(struct rsw_seen_member *member, const struct rsw_seen_link *link);
void rsw_seen_tag_judge(struct rsw_seen_tag *tag, const struct rsw_seen_link *link);

struct rsw_apply {
    int64_t now_ms;
    const struct rsw_clock *clock;
    bool registry_stopped;
    int64_t settle_ms;
    uint64_t appeared; /* added to: records that storage has and the index did not */
};

/* Sorts the records by digest, so that neighbours in the index are written one after the other. Without a
 * transaction, so that it is not done while others wait for one. */
void rsw_batch_sort(struct rsw_batch *batch);
/* Writes all of it. Needs a write transaction; errors are sticky in it. */
void rsw_batch_apply(struct rsw_txn *txn, const struct rsw_batch *batch, struct rsw_apply *apply);

/* The parts, for who has a single one. `repo` is an id. */
void rsw_apply_member(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_member *seen,
                      struct rsw_apply *apply);
void rsw_apply_tag(struct rsw_txn *txn, uint32_t repo, uint64_t looked, const struct rsw_seen_tag *seen,
                   struct rsw_apply *apply);
void rsw_apply_history(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_history *seen,
                       struct rsw_apply *apply);
void rsw_apply_upload(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_upload *seen);
void rsw_apply_signature(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_signature *seen,
                         struct rsw_apply *apply);
/* One that was read is touched (index.h) in every repository that has it or an index that names it. */
void rsw_apply_manifest(struct rsw_txn *txn, const struct rsw_seen_manifest *seen, uint64_t looked,
                        struct rsw_apply *apply);
/* How long until a settle has gone by since `since_ms`, so that no request can be under way that was then;
 * not above 0: it has. Read or write. */
int64_t rsw_apply_settle_left_ms(struct rsw_txn *txn, int64_t since_ms, const struct rsw_apply *apply);
/* Was it written, at `mtime_ms` by the clock of storage, after this deletion was asked for? A push says so
 * itself, but for one that nobody heard of: where that can be, what is hardly older counts as written after
 * it. In doubt it was. Read or write. */
bool rsw_apply_is_anew(struct rsw_txn *txn, uint64_t deletion, int64_t mtime_ms,
                       const struct rsw_apply *apply);
/* Storage was asked after `looked` and does not have this blob's data. */
void rsw_apply_blob_absent(struct rsw_txn *txn, uint32_t id, uint64_t looked, const struct rsw_apply *apply);

#endif
