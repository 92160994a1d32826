/* From what storage said to records of the index. Every function is one fact; none takes anything back. */
#include "scan/batch.h"

#include "index/deletion.h"
#include "index/facts.h"
#include "index/time.h"

#include <string.h>

/* A link seen though the index holds it for deleted: either the index missed a push, or it was deleted after
 * storage was asked and what we saw is old. Only another look can tell. */
static void look_again(struct rsw_txn *txn, uint32_t repo, uint32_t blob, int64_t now_ms) {
    struct rsw_check check = {.kind = RSW_CHECK_OBJECT, .repo = repo, .blob = blob, .due_ms = now_ms};
    check.seq = rsw_txn_seq(txn);
    rsw_check_put(txn, &check);
}

/* Its folder without a link: storage had it. Whether a record that claims it present is wrong is settled
 * elsewhere. */
static void put_tombstone(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                          const struct rsw_member *had) {
    struct rsw_member member = {.repo = repo, .blob = blob, .target = blob};
    if (had != NULL) {
        member = *had;
    }
    if ((member.flags & RSW_MEMBER_SEEN) == 0) {
        member.flags |= RSW_MEMBER_SEEN;
        rsw_member_put(txn, kind, &member);
    }
}

/* ---- what a deletion record names ---- */

#define TICK_MS INT64_C(1000)                    /* storage may tell whole seconds only */
#define CLOCKS_APART_MS (5 * 60 * INT64_C(1000)) /* that of storage and ours; beyond it nothing is swept */

/* By how much the clock can have been set back since. What went ahead and was not kept went back. */
static int64_t set_back_ms(const struct rsw_time *time, const struct rsw_deletion *deletion) {
    int64_t passed_ms = time->steady_ms - deletion->created_steady_ms;
    int64_t ahead_ms = rsw_time_ahead_ms(time, passed_ms + 1);
    int64_t kept_ms = time->now_ms - deletion->created_ms - passed_ms;
    return ahead_ms > kept_ms ? ahead_ms - kept_ms : 0;
}

bool rsw_apply_is_anew(struct rsw_txn *txn, uint64_t deletion_id, int64_t mtime_ms,
                       const struct rsw_apply *apply) {
    struct rsw_deletion deletion;
    struct rsw_state state;
    struct rsw_time time;
    if (rsw_deletion_get(txn, deletion_id, &deletion) != RSW_FOUND ||
        rsw_state_get(txn, &state) != RSW_FOUND || rsw_time_look(txn, apply->clock, &time) != RSW_FOUND) {
        return true;
    }
    bool all_heard = !apply->registry_stopped && state.first_event_ms != 0 && state.gap_seq <= deletion.seq;
    int64_t doubt_ms = TICK_MS + set_back_ms(&time, &deletion) + (all_heard ? 0 : CLOCKS_APART_MS);
    return mtime_ms > deletion.created_ms - doubt_ms;
}

/* Storage has this member, and the index had it or not. */
static void spare_member(struct rsw_txn *txn, const struct rsw_member *member, enum rsw_member_kind kind,
                         int64_t mtime_ms, bool appeared, const struct rsw_apply *apply) {
    struct rsw_forgotten forgotten = {.kind = kind == RSW_LINK ? RSW_ITEM_LINK : RSW_ITEM_REVISION,
                                      .repo = member->repo,
                                      .blob = member->blob};
    int answer = rsw_forgotten_get(txn, &forgotten);
    if (answer == RSW_FOUND && rsw_apply_is_anew(txn, forgotten.deletion, mtime_ms, apply)) {
        rsw_forgotten_spare(txn, forgotten.kind, member->repo, member->blob, NULL, apply->now_ms);
        rsw_touch(txn, member->repo, member->blob);
    } else if (answer == RSW_ABSENT && appeared) { /* so the repository does not go */
        rsw_forgotten_spare(txn, RSW_ITEM_REPOSITORY, member->repo, 0, NULL, apply->now_ms);
    }
}

static void spare_tag(struct rsw_txn *txn, const struct rsw_tag *tag, int64_t mtime_ms,
                      const struct rsw_apply *apply) {
    struct rsw_forgotten forgotten = {.kind = RSW_ITEM_TAG, .repo = tag->repo};
    memcpy(forgotten.name, tag->name, sizeof forgotten.name);
    if (rsw_forgotten_get(txn, &forgotten) == RSW_FOUND &&
        (forgotten.head != tag->head || rsw_apply_is_anew(txn, forgotten.deletion, mtime_ms, apply))) {
        rsw_forgotten_spare(txn, RSW_ITEM_TAG, tag->repo, 0, tag->name, apply->now_ms);
        rsw_touch_tag(txn, tag->repo, tag->name);
    }
}

/* ---- members, tags ---- */

void rsw_apply_member(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_member *seen,
                      struct rsw_apply *apply) {
    uint32_t blob = rsw_blob_intern(txn, &seen->digest, apply->now_ms);
    struct rsw_member had;
    int answer = blob == 0 ? RSW_FAILED : rsw_member_get(txn, seen->kind, repo, blob, &had);
    if (answer == RSW_FAILED) {
        return;
    }
    if (seen->tombstone) {
        put_tombstone(txn, seen->kind, repo, blob, answer == RSW_FOUND ? &had : NULL);
        return;
    }
    if (answer == RSW_ABSENT) {
        apply->appeared++;
    } else if ((had.flags & RSW_MEMBER_PRESENT) == 0) {
        apply->appeared++;
        look_again(txn, repo, blob, apply->now_ms);
    }
    struct rsw_member member = {.repo = repo, .blob = blob, .target = blob, .touched_ms = seen->mtime_ms};
    member.flags = RSW_MEMBER_PRESENT | RSW_MEMBER_SEEN | (seen->bad ? RSW_MEMBER_BAD : 0u);
    member.seq = rsw_txn_seq(txn);
    if (seen->target.alg == 0 && answer == RSW_FOUND) {
        member.target = had.target; /* it cannot be read now, but once it could */
    } else if (seen->target.alg != 0 && !rsw_digest_equal(&seen->target, &seen->digest)) {
        member.target = rsw_blob_intern(txn, &seen->target, apply->now_ms);
    }
    spare_member(txn, &member, seen->kind, seen->mtime_ms,
                 answer == RSW_ABSENT || (had.flags & RSW_MEMBER_PRESENT) == 0, apply);
    rsw_fact_member(txn, seen->kind, &member);
}

void rsw_apply_tag(struct rsw_txn *txn, uint32_t repo, uint64_t looked, const struct rsw_seen_tag *seen,
                   struct rsw_apply *apply) {
    struct rsw_tag tag;
    int answer = rsw_tag_get(txn, repo, seen->name, &tag);
    if (answer == RSW_FAILED || (answer == RSW_FOUND && tag.seq > looked)) {
        return; /* what was said of it since is newer than what we saw */
    }
    if (answer == RSW_ABSENT) {
        memset(&tag, 0, sizeof tag);
        tag.repo = repo;
        memcpy(tag.name, seen->name, sizeof tag.name);
        apply->appeared++;
    }
    tag.head = seen->bad ? 0 : rsw_blob_intern(txn, &seen->head, apply->now_ms);
    tag.flags = seen->bad ? RSW_TAG_BAD : 0;
    tag.touched_ms = tag.touched_ms > seen->mtime_ms ? tag.touched_ms : seen->mtime_ms;
    tag.seq = rsw_txn_seq(txn);
    rsw_tag_put(txn, &tag);
    spare_tag(txn, &tag, seen->mtime_ms, apply);
}

void rsw_apply_history(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_history *seen,
                       struct rsw_apply *apply) {
    uint32_t manifest = rsw_blob_intern(txn, &seen->manifest, apply->now_ms);
    struct rsw_history history;
    int answer = manifest == 0 ? RSW_FAILED : rsw_history_get(txn, repo, seen->tag, manifest, &history);
    if (answer == RSW_FAILED) {
        return;
    }
    if (answer == RSW_ABSENT) {
        memset(&history, 0, sizeof history);
        history.repo = repo;
        history.manifest = manifest;
        memcpy(history.tag, seen->tag, sizeof history.tag);
    }
    history.touched_ms = history.touched_ms > seen->mtime_ms ? history.touched_ms : seen->mtime_ms;
    history.seq = rsw_txn_seq(txn);
    rsw_history_put(txn, &history);
}

void rsw_apply_upload(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_upload *seen) {
    struct rsw_upload upload = {.repo = repo, .started_ms = seen->started_ms, .size = seen->size};
    upload.seq = rsw_txn_seq(txn);
    memcpy(upload.id, seen->id, sizeof upload.id);
    rsw_upload_put(txn, &upload);
}

static void add_type(struct rsw_txn *txn, uint32_t id, uint32_t types) {
    struct rsw_blob blob;
    if (rsw_blob_get(txn, id, &blob) == RSW_FOUND && (blob.types & types) != types) {
        blob.types |= types;
        rsw_blob_put(txn, &blob);
    }
}

void rsw_apply_signature(struct rsw_txn *txn, uint32_t repo, const struct rsw_seen_signature *seen,
                         struct rsw_apply *apply) {
    uint32_t revision = rsw_blob_intern(txn, &seen->revision, apply->now_ms);
    uint32_t signature = rsw_blob_intern(txn, &seen->signature, apply->now_ms);
    if (revision != 0 && signature != 0) {
        rsw_signature_put(txn, repo, revision, signature);
        add_type(txn, signature, RSW_TYPE_SIGNATURE);
    }
}

static void apply_unreadable(struct rsw_txn *txn, const struct rsw_seen_manifest *seen, int64_t now_ms) {
    struct rsw_blob blob;
    uint32_t id = rsw_fact_blob(txn, &seen->digest, seen->size, now_ms);
    if (id == 0 || rsw_blob_get(txn, id, &blob) != RSW_FOUND || (blob.flags & RSW_BLOB_PARSED) != 0) {
        return; /* what it names is known from when it was whole */
    }
    blob.flags |= RSW_BLOB_UNREADABLE;
    rsw_blob_put(txn, &blob);
}

/* By the clock on the wall, and longer if that was set ahead meanwhile. */
int64_t rsw_apply_settle_left_ms(struct rsw_txn *txn, int64_t since_ms, const struct rsw_apply *apply) {
    struct rsw_time time;
    int64_t left_ms = apply->settle_ms - (apply->now_ms - since_ms);
    if (left_ms > 0) {
        return left_ms;
    }
    if (rsw_time_look(txn, apply->clock, &time) != RSW_FOUND) {
        return apply->settle_ms;
    }
    return left_ms + rsw_time_ahead_ms(&time, apply->settle_ms);
}

void rsw_apply_blob_absent(struct rsw_txn *txn, uint32_t id, uint64_t looked, const struct rsw_apply *apply) {
    struct rsw_blob blob;
    if (rsw_blob_get(txn, id, &blob) == RSW_FOUND) {
        bool final =
            apply->registry_stopped ||
            (blob.missing_since_ms != 0 && rsw_apply_settle_left_ms(txn, blob.missing_since_ms, apply) <= 0);
        rsw_fact_blob_absent(txn, id, looked, apply->now_ms, final);
    }
}

void rsw_apply_manifest(struct rsw_txn *txn, const struct rsw_seen_manifest *seen, uint64_t looked,
                        struct rsw_apply *apply) {
    uint32_t id;
    switch (seen->state) {
    case RSW_MANIFEST_FAILED:
        id = rsw_blob_intern(txn, &seen->digest, apply->now_ms);
        if (id != 0) {
            rsw_fact_blob_unknown(txn, id);
        }
        break;
    case RSW_MANIFEST_ABSENT:
        id = rsw_blob_intern(txn, &seen->digest, apply->now_ms);
        if (id != 0) {
            rsw_apply_blob_absent(txn, id, looked, apply);
        }
        break;
    case RSW_MANIFEST_UNREADABLE:
        apply_unreadable(txn, seen, apply->now_ms);
        break;
    case RSW_MANIFEST_READ:
        id = rsw_fact_blob(txn, &seen->digest, seen->size, apply->now_ms);
        if (id != 0) {
            rsw_refs_put(txn, id, seen->manifest.types, seen->manifest.known, seen->manifest.refs,
                         seen->manifest.ref_count, apply->now_ms);
            rsw_touch_read(txn, id);
        }
        break;
    }
}

static void apply_blob(struct rsw_txn *txn, const struct rsw_seen_blob *seen, struct rsw_apply *apply) {
    struct rsw_blob had;
    int answer = rsw_blob_find(txn, &seen->digest, &had);
    if (answer == RSW_ABSENT || (answer == RSW_FOUND && (had.flags & RSW_BLOB_PRESENT) == 0)) {
        apply->appeared++;
    }
    rsw_fact_blob(txn, &seen->digest, seen->size, apply->now_ms);
}

static uint32_t apply_repo(struct rsw_txn *txn, const struct rsw_batch *batch, int64_t now_ms) {
    struct rsw_repo repo;
    uint32_t id = rsw_fact_repo(txn, batch->repo, now_ms);
    if (id == 0 || rsw_repo_get(txn, id, &repo) != RSW_FOUND) {
        return 0;
    }
    uint32_t flags = repo.flags | (batch->odd ? RSW_REPO_ODD : 0u);
    if (batch->uploads_listed) {
        flags &= ~(uint32_t)RSW_REPO_UPLOADS_UNKNOWN;
        flags |= batch->uploads_unknown ? RSW_REPO_UPLOADS_UNKNOWN : 0u;
    }
    if (flags != repo.flags) {
        repo.flags = flags;
        rsw_repo_put(txn, &repo);
    }
    return id;
}

static void apply_repo_records(struct rsw_txn *txn, const struct rsw_batch *batch, struct rsw_apply *apply) {
    uint32_t repo = apply_repo(txn, batch, apply->now_ms);
    if (repo == 0) {
        return;
    }
    for (size_t i = 0; i < batch->member_count; i++) {
        rsw_apply_member(txn, repo, &batch->members[i], apply);
    }
    for (size_t i = 0; i < batch->history_count; i++) {
        rsw_apply_history(txn, repo, &batch->history[i], apply);
    }
    for (size_t i = 0; i < batch->tag_count; i++) {
        rsw_apply_tag(txn, repo, batch->looked, &batch->tags[i], apply);
    }
    for (size_t i = 0; i < batch->upload_count; i++) {
        rsw_apply_upload(txn, repo, &batch->uploads[i]);
    }
    for (size_t i = 0; i < batch->signature_count; i++) {
        rsw_apply_signature(txn, repo, &batch->signatures[i], apply);
    }
}

void rsw_batch_apply(struct rsw_txn *txn, const struct rsw_batch *batch, struct rsw_apply *apply) {
    for (size_t i = 0; i < batch->blob_count; i++) {
        apply_blob(txn, &batch->blobs[i], apply);
    }
    for (size_t i = 0; i < batch->manifest_count; i++) {
        rsw_apply_manifest(txn, &batch->manifests[i], batch->looked, apply);
    }
    if (batch->has_repo) {
        apply_repo_records(txn, batch, apply);
    }
}
