#include "scan/reconcile.h"

#include "index/facts.h"
#include "storage/layout.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

/* What is to be looked at again in one repository: gathered in one read transaction, worked off in pages. */
struct doubts {
    struct rsw_repo repo;
    struct rsw_member_item *members; /* owned */
    size_t member_count, member_room;
    uint32_t *signed_revisions; /* owned; those that may have signatures */
    size_t signed_count, signed_room;
    struct rsw_history_item *history; /* owned */
    size_t history_count, history_room;
    struct rsw_tag_item *tags; /* owned */
    size_t tag_count, tag_room;
    struct rsw_upload *uploads; /* owned */
    size_t upload_count, upload_room;
    uint64_t noted;
    bool lacked;
    struct rsw_txn *txn; /* while gathering */
    struct rsw_error *err;
};

static void doubts_free(struct doubts *d) {
    if (d != NULL) {
        free(d->members);
        free(d->signed_revisions);
        free(d->history);
        free(d->tags);
        free(d->uploads);
        free(d);
    }
}

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int add_member(struct doubts *d, enum rsw_member_kind kind, uint32_t blob, bool unseen) {
    struct rsw_member_item *grown =
        rsw_grown(d->members, &d->member_room, d->member_count + 1, sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(d->err);
    }
    d->members = grown;
    d->members[d->member_count++] =
        (struct rsw_member_item){.kind = kind, .repo = d->repo.id, .blob = blob, .unseen = unseen};
    return 0;
}

static int add_signed(struct doubts *d, uint32_t revision) {
    uint32_t *grown = rsw_grown(d->signed_revisions, &d->signed_room, d->signed_count + 1, sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(d->err);
    }
    d->signed_revisions = grown;
    d->signed_revisions[d->signed_count++] = revision;
    return 0;
}

/* ---- gathering ---- */

/* One that was not seen, or seen and not understood: 2.8 writes a link by truncating it, so it may be whole
 * now. */
static int gather_members(struct doubts *d, enum rsw_member_kind kind) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_member member;
    rsw_iter_members(&iter, d->txn, kind, d->repo.id);
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        if ((member.flags & RSW_MEMBER_PRESENT) == 0) {
            continue;
        }
        bool unseen = member.seq <= d->noted;
        if ((unseen || (member.flags & RSW_MEMBER_BAD) != 0) &&
            add_member(d, kind, member.blob, unseen) != 0) {
            return -1;
        }
        if (kind == RSW_REVISION && rsw_may_have_signatures(d->txn, member.blob) &&
            add_signed(d, member.blob) != 0) {
            return -1;
        }
    }
    return 0;
}

static int add_tag(struct doubts *d, const char *name, bool unseen) {
    struct rsw_tag_item *grown = rsw_grown(d->tags, &d->tag_room, d->tag_count + 1, sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(d->err);
    }
    d->tags = grown;
    struct rsw_tag_item *item = &d->tags[d->tag_count++];
    memset(item, 0, sizeof *item);
    item->repo = d->repo.id;
    item->unseen = unseen;
    memcpy(item->name, name, strlen(name) + 1);
    return 0;
}

static int add_history(struct doubts *d, const struct rsw_history *history) {
    struct rsw_history_item *grown =
        rsw_grown(d->history, &d->history_room, d->history_count + 1, sizeof *grown);
    if (grown == NULL) {
        return out_of_memory(d->err);
    }
    d->history = grown;
    struct rsw_history_item *item = &d->history[d->history_count++];
    memset(item, 0, sizeof *item);
    item->repo = d->repo.id;
    item->manifest = history->manifest;
    memcpy(item->tag, history->tag, sizeof item->tag);
    return 0;
}

static int gather_tags(struct doubts *d) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_tag tag;
    rsw_iter_tags(&iter, d->txn, d->repo.id);
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        bool unseen = tag.seq <= d->noted;
        bool doubtful = unseen || tag.head == 0 || (tag.flags & RSW_TAG_BAD) != 0;
        if (doubtful && add_tag(d, tag.name, unseen && tag.head != 0) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Entries not seen, and tags that have entries and no head. History comes in the order of tags. */
static int gather_history(struct doubts *d) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_history history;
    char last[RSW_TAG_NAME_MAX + 1] = "";
    rsw_iter_history(&iter, d->txn, d->repo.id, NULL);
    while (rsw_history_next(&iter, &history) == RSW_FOUND) {
        struct rsw_tag tag;
        if (strcmp(last, history.tag) != 0) {
            memcpy(last, history.tag, sizeof last);
            if (rsw_tag_get(d->txn, d->repo.id, last, &tag) == RSW_ABSENT && add_tag(d, last, false) != 0) {
                return -1;
            }
        }
        if (history.seq <= d->noted && add_history(d, &history) != 0) {
            return -1;
        }
    }
    return 0;
}

static int gather_uploads(struct doubts *d) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_upload upload;
    rsw_iter_uploads(&iter, d->txn, d->repo.id);
    while (rsw_upload_next(&iter, &upload) == RSW_FOUND) {
        if (upload.seq > d->noted) {
            continue;
        }
        struct rsw_upload *grown = rsw_grown(d->uploads, &d->upload_room, d->upload_count + 1, sizeof *grown);
        if (grown == NULL) {
            return out_of_memory(d->err);
        }
        d->uploads = grown;
        d->uploads[d->upload_count++] = upload;
    }
    return 0;
}

/* RSW_ABSENT: the index knows no such repository. */
static int gather(struct rsw_reading *reading, struct doubts *d, const char *name) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, d->err) != 0) {
        return RSW_FAILED;
    }
    d->txn = txn;
    int answer = rsw_repo_find(txn, name, &d->repo);
    if (answer == RSW_FOUND && (gather_members(d, RSW_LINK) != 0 || gather_members(d, RSW_REVISION) != 0 ||
                                gather_tags(d) != 0 || gather_history(d) != 0 || gather_uploads(d) != 0)) {
        answer = RSW_FAILED;
    }
    return rsw_txn_failed(txn, d->err) ? RSW_FAILED : answer;
}

/* ---- working off ---- */

static size_t page_of(size_t at, size_t count) {
    return count - at < RSW_READING_PAGE ? count - at : RSW_READING_PAGE;
}

static int settle_members(struct rsw_reading *reading, struct doubts *d) {
    for (size_t at = 0; at < d->member_count; at += RSW_READING_PAGE) {
        if (rsw_reading_stopped(reading, d->err) ||
            rsw_settle_members(reading, d->members + at, page_of(at, d->member_count), d->err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < d->member_count; i++) {
        d->lacked = d->lacked || d->members[i].lacked;
    }
    return 0;
}

/* The history first: whether a tag without a head is one depends on it. */
static int settle_tags(struct rsw_reading *reading, struct doubts *d) {
    for (size_t at = 0; at < d->history_count; at += RSW_READING_PAGE) {
        if (rsw_reading_stopped(reading, d->err) ||
            rsw_settle_history(reading, d->history + at, page_of(at, d->history_count), d->err) != 0) {
            return -1;
        }
    }
    for (size_t at = 0; at < d->tag_count; at += RSW_READING_PAGE) {
        if (rsw_reading_stopped(reading, d->err) ||
            rsw_settle_tags(reading, d->tags + at, page_of(at, d->tag_count), d->err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < d->tag_count; i++) {
        d->lacked = d->lacked || d->tags[i].lacked;
    }
    return 0;
}

static int any_entry(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)arg, (void)entries, (void)count, (void)err;
    return 0;
}

int rsw_settle_upload(struct rsw_index *index, struct rsw_storage *storage, const struct rsw_repo *repo,
                      const char *id, uint64_t seq, struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    struct rsw_listing listing = {.prefix = rsw_key_upload(key, repo->name, id), .page = any_entry};
    if (listing.prefix == NULL || rsw_storage_list(storage, &listing, NULL) != RSW_ABSENT) {
        return 0; /* still there, or nobody knows */
    }
    RSW_AUTO_TXN txn = NULL;
    struct rsw_upload upload;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_upload_get(txn, repo->id, id, &upload) == RSW_FOUND && upload.seq <= seq) {
        rsw_upload_drop(txn, repo->id, id);
    }
    return rsw_txn_commit(&txn, err);
}

static int settle_upload(struct rsw_reading *reading, struct doubts *d, const char *id) {
    uint64_t looked;
    return rsw_reading_seq(reading->index, &looked, d->err) == 0
               ? rsw_settle_upload(reading->index, reading->storage, &d->repo, id, looked, d->err)
               : -1;
}

static int work_off(struct rsw_reading *reading, struct doubts *d) {
    if (settle_members(reading, d) != 0 || settle_tags(reading, d) != 0 ||
        rsw_settle_signatures(reading, &d->repo, d->signed_revisions, d->signed_count, d->err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < d->upload_count; i++) {
        if (rsw_reading_stopped(reading, d->err) || settle_upload(reading, d, d->uploads[i].id) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_reconcile_repository(struct rsw_reading *reading, const char *name, uint64_t noted, bool *lacked,
                             struct rsw_error *err) {
    struct doubts *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return out_of_memory(err);
    }
    d->noted = noted;
    d->err = err;
    int answer = gather(reading, d, name);
    int rc = answer == RSW_FOUND ? work_off(reading, d) : answer == RSW_ABSENT ? 0 : -1;
    *lacked = d->lacked;
    if (d->lacked) {
        rsw_reading_lacked(reading, name);
    }
    doubts_free(d);
    return rc;
}

/* Mostly nothing changes, so a write transaction is taken only if something does. */
static int reconcile_leftover(struct rsw_reading *reading, const char *name, bool leftover,
                              struct rsw_error *err) {
    struct rsw_repo repo;
    for (int write = 0; write < 2; write++) {
        RSW_AUTO_TXN txn = NULL;
        int rc = write ? rsw_txn_begin_write(&txn, reading->index, err)
                       : rsw_txn_begin_read(&txn, reading->index, err);
        if (rc != 0) {
            return -1;
        }
        if (rsw_repo_find(txn, name, &repo) != RSW_FOUND ||
            ((repo.flags & RSW_REPO_LEFTOVER) != 0) == leftover) {
            return rsw_txn_failed(txn, err) ? -1 : 0;
        }
        if (write) {
            repo.flags ^= RSW_REPO_LEFTOVER;
            rsw_repo_put(txn, &repo);
            return rsw_txn_commit(&txn, err);
        }
    }
    return 0;
}

int rsw_reconcile_gone(struct rsw_reading *reading, const char *name, uint64_t noted, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_repo repo;
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    if (rsw_repo_find(txn, name, &repo) == RSW_FOUND && repo.seq <= noted) {
        repo.flags &= ~(uint32_t)(RSW_REPO_PRESENT | RSW_REPO_UPLOADS_UNKNOWN | RSW_REPO_LEFTOVER);
        rsw_repo_put(txn, &repo);
    }
    return rsw_txn_commit(&txn, err);
}

int rsw_reconcile_seen(struct rsw_reading *reading, const char *name, uint64_t noted,
                       const struct rsw_repository_seen *seen, bool *lacked, struct rsw_error *err) {
    if (rsw_reconcile_repository(reading, name, noted, lacked, err) != 0) {
        return -1;
    }
    if (*lacked) {
        return 0;
    }
    if (reconcile_leftover(reading, name, seen->leftover, err) != 0) {
        return -1;
    }
    return seen->found ? 0 : rsw_reconcile_gone(reading, name, noted, err);
}
