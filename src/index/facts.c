#include "index/facts.h"

#include "index/txn.h"

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

uint32_t rsw_fact_blob(struct rsw_txn *txn, const struct rsw_digest *digest, uint64_t size, int64_t now_ms) {
    struct rsw_blob blob;
    uint32_t id = rsw_blob_intern(txn, digest, now_ms);
    if (id == 0 || rsw_blob_get(txn, id, &blob) != RSW_FOUND) {
        return 0;
    }
    blob.flags |= RSW_BLOB_PRESENT;
    blob.flags &= ~(unsigned)RSW_BLOB_GONE;
    blob.size = size != RSW_SIZE_UNKNOWN ? size : blob.size;
    blob.missing_since_ms = 0;
    blob.seq = rsw_txn_seq(txn);
    rsw_blob_put(txn, &blob);
    return rsw_txn_ok(txn) ? id : 0;
}

uint32_t rsw_fact_repo(struct rsw_txn *txn, const char *name, int64_t now_ms) {
    struct rsw_repo repo;
    uint32_t id = rsw_repo_intern(txn, name, now_ms);
    if (id == 0 || rsw_repo_get(txn, id, &repo) != RSW_FOUND) {
        return 0;
    }
    repo.flags |= RSW_REPO_PRESENT;
    repo.seq = rsw_txn_seq(txn);
    rsw_repo_put(txn, &repo);
    return rsw_txn_ok(txn) ? id : 0;
}

void rsw_fact_member(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member) {
    struct rsw_member old;
    struct rsw_member now = *member;
    int answer = rsw_member_get(txn, kind, member->repo, member->blob, &old);
    if (answer == RSW_FAILED) {
        return;
    }
    if (answer == RSW_FOUND) {
        now.touched_ms = later(old.touched_ms, now.touched_ms);
        if ((now.flags & RSW_MEMBER_SEEN) == 0) {
            now.target = old.target;
            now.flags |= old.flags;
        }
    }
    now.flags |= RSW_MEMBER_PRESENT;
    now.seq = rsw_txn_seq(txn);
    rsw_member_put(txn, kind, &now);
    if (answer == RSW_ABSENT || (old.flags & RSW_MEMBER_PRESENT) == 0) {
        rsw_touch(txn, member->repo, member->blob);
    }
}

bool rsw_fact_touch(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                    int64_t now_ms, int64_t step_ms) {
    struct rsw_member member = {.repo = repo, .blob = blob, .target = blob, .touched_ms = now_ms};
    struct rsw_member old;
    int answer = rsw_member_get(txn, kind, repo, blob, &old);
    if (answer == RSW_FAILED) {
        return false;
    }
    if (answer == RSW_FOUND) {
        bool there = (old.flags & RSW_MEMBER_PRESENT) != 0;
        if (there && step_ms > 0 && now_ms - old.touched_ms < step_ms) {
            return false;
        }
        member = old;
        member.touched_ms = later(old.touched_ms, now_ms);
    }
    if ((member.flags & RSW_MEMBER_PRESENT) == 0) {
        rsw_touch(txn, repo, blob);
    }
    member.flags |= RSW_MEMBER_PRESENT;
    member.seq = rsw_txn_seq(txn);
    rsw_member_put(txn, kind, &member);
    return rsw_txn_ok(txn);
}

static void claim_history(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest,
                          int64_t touched_ms) {
    struct rsw_history entry = {.repo = repo, .manifest = manifest, .touched_ms = touched_ms};
    struct rsw_history old;
    int answer = rsw_history_get(txn, repo, tag, manifest, &old);
    if (answer == RSW_FAILED) {
        return;
    }
    if (answer == RSW_FOUND) {
        entry.touched_ms = later(old.touched_ms, touched_ms);
    }
    entry.seq = rsw_txn_seq(txn);
    rsw_text_out(entry.tag, sizeof entry.tag, (const uint8_t *)tag, strlen(tag));
    rsw_history_put(txn, &entry);
}

void rsw_fact_tag_event(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest,
                        int64_t now_ms, int64_t due_ms) {
    struct rsw_tag record = {.repo = repo};
    struct rsw_history entry;
    int answer = rsw_tag_get(txn, repo, tag, &record);
    if (answer == RSW_FAILED) {
        return;
    }
    rsw_text_out(record.name, sizeof record.name, (const uint8_t *)tag, strlen(tag));
    /* Until storage is asked the old head may still be the head: the event can be late, or sent before its
     * effect. It counts as long as it stands in the history. */
    if (record.head != 0 && record.head != manifest &&
        rsw_history_get(txn, repo, tag, record.head, &entry) == RSW_ABSENT) {
        claim_history(txn, repo, tag, record.head, record.touched_ms);
    }
    claim_history(txn, repo, tag, manifest, now_ms);
    record.head = manifest;
    record.flags |= RSW_TAG_UNSETTLED;
    record.touched_ms = later(record.touched_ms, now_ms);
    record.seq = rsw_txn_seq(txn);
    rsw_tag_put(txn, &record);
    struct rsw_check check = {.kind = RSW_CHECK_TAG, .repo = repo, .due_ms = due_ms, .seq = rsw_txn_seq(txn)};
    memcpy(check.tag, record.name, sizeof check.tag);
    rsw_check_put(txn, &check);
}

void rsw_fact_member_absent(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                            uint64_t looked, bool folder) {
    struct rsw_member member;
    if (rsw_member_get(txn, kind, repo, blob, &member) != RSW_FOUND || member.seq > looked) {
        return;
    }
    if (folder) {
        member.flags |= RSW_MEMBER_SEEN;
    }
    if ((member.flags & RSW_MEMBER_SEEN) == 0) {
        rsw_member_drop(txn, kind, repo, blob);
        return;
    }
    member.flags &= ~(unsigned)(RSW_MEMBER_PRESENT | RSW_MEMBER_BAD);
    rsw_member_put(txn, kind, &member);
}

/* Something takes this blob for a manifest. */
static int wanted_as_manifest(struct rsw_txn *txn, const struct rsw_blob *blob) {
    if ((blob->types & (RSW_TYPE_MANIFEST | RSW_TYPE_INDEX)) != 0) {
        return RSW_FOUND;
    }
    struct rsw_key key;
    rsw_key_id(&key, blob->id);
    int answer = rsw_txn_has_prefix(txn, RSW_T_REVISION_IN, rsw_key_span(&key));
    answer = answer == RSW_ABSENT ? rsw_txn_has_prefix(txn, RSW_T_HEAD_OF, rsw_key_span(&key)) : answer;
    if (answer != RSW_ABSENT) {
        return answer;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&iter, txn, blob->id);
    while ((answer = rsw_named_by_next(&iter, &manifest, &kind)) == RSW_FOUND) {
        if (kind == RSW_REF_CHILD) {
            return RSW_FOUND;
        }
    }
    return answer;
}

void rsw_fact_blob_absent(struct rsw_txn *txn, uint32_t blob_id, uint64_t looked, int64_t now_ms,
                          bool final) {
    struct rsw_blob blob;
    if (rsw_blob_get(txn, blob_id, &blob) != RSW_FOUND || blob.seq > looked) {
        return;
    }
    blob.flags &= ~(unsigned)RSW_BLOB_PRESENT;
    if (blob.missing_since_ms == 0) {
        blob.missing_since_ms = now_ms;
    }
    if (final && wanted_as_manifest(txn, &blob) == RSW_FOUND) {
        blob.flags |= RSW_BLOB_GONE;
    }
    rsw_blob_put(txn, &blob);
}

void rsw_fact_blob_unknown(struct rsw_txn *txn, uint32_t blob_id) {
    struct rsw_blob blob;
    if (rsw_blob_get(txn, blob_id, &blob) == RSW_FOUND && (blob.flags & RSW_BLOB_GONE) != 0) {
        blob.flags &= ~(unsigned)RSW_BLOB_GONE;
        rsw_blob_put(txn, &blob);
    }
}
