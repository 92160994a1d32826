#include "scan/check_manifests.h"

#include "scan/manifests.h"
#include "scan/reconcile.h"

#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

/* A manifest that 2.8 is just writing over can be read cut short: it is believed to be damaged at once, which
 * keeps everything, and read again. */
#define UNREADABLE_TRIES 2

/* ---- reading those that were asked for ---- */

static int digests_of(struct rsw_reading *reading, struct rsw_check_item **items, size_t count,
                      struct rsw_seen_manifest *seen, uint64_t *looked, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    *looked = rsw_txn_seq(txn);
    for (size_t i = 0; i < count; i++) {
        struct rsw_blob blob;
        if (rsw_blob_get(txn, items[i]->check.blob, &blob) == RSW_FOUND) {
            seen[i].digest = blob.digest;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void tell(struct rsw_reading *reading, const struct rsw_seen_manifest *seen) {
    char text[RSW_DIGEST_TEXT_MAX];
    if (seen->state == RSW_MANIFEST_FAILED || seen->state == RSW_MANIFEST_UNREADABLE) {
        rsw_reading_problem(reading, "manifest %s could not be %s (%s): what its repositories link is kept",
                            rsw_digest_format(&seen->digest, text),
                            seen->state == RSW_MANIFEST_FAILED ? "read" : "understood", seen->problem);
    }
}

/* Bytes found absent are asked for once more a settle later: only then are they gone. */
static void judge(struct rsw_txn *txn, struct rsw_check_item *item, const struct rsw_seen_manifest *seen,
                  const struct rsw_apply *apply) {
    struct rsw_blob blob;
    item->failed = seen->state == RSW_MANIFEST_FAILED ||
                   (seen->state == RSW_MANIFEST_UNREADABLE && item->check.tries < UNREADABLE_TRIES);
    if (seen->state == RSW_MANIFEST_ABSENT && rsw_blob_get(txn, item->check.blob, &blob) == RSW_FOUND &&
        blob.missing_since_ms != 0 && (blob.flags & RSW_BLOB_GONE) == 0) {
        int64_t left_ms = rsw_apply_settle_left_ms(txn, blob.missing_since_ms, apply);
        item->again_ms = left_ms > 0 ? apply->now_ms + left_ms : 0;
    }
}

static int write_manifests(struct rsw_reading *reading, struct rsw_check_item **items,
                           const struct rsw_seen_manifest *seen, size_t count, uint64_t looked,
                           struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_apply apply = rsw_reading_apply(reading);
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        tell(reading, &seen[i]);
        if (seen[i].digest.alg != 0) {
            rsw_apply_manifest(txn, &seen[i], looked, &apply);
            judge(txn, items[i], &seen[i], &apply);
        }
    }
    return rsw_txn_commit(&txn, err);
}

static int read_page(struct rsw_reading *reading, struct rsw_check_item **items, size_t count,
                     struct rsw_error *err) {
    struct rsw_seen_manifest seen[RSW_LOOK_MANIFESTS_MAX];
    uint64_t looked;
    memset(seen, 0, sizeof seen);
    int rc = digests_of(reading, items, count, seen, &looked, err);
    rc = rc == 0 ? rsw_look_manifests(reading->storage, seen, count, err) : rc;
    rc = rc == 0 ? write_manifests(reading, items, seen, count, looked, err) : rc;
    for (size_t i = 0; i < count; i++) {
        rsw_manifest_release(&seen[i].manifest);
    }
    return rc;
}

/* ---- what they bring up ---- */

static int queue_blob(struct rsw_txn *txn, struct rsw_manifest_queue *queue, uint32_t id,
                      struct rsw_error *err) {
    struct rsw_blob blob;
    if (id == 0 || rsw_blob_get(txn, id, &blob) != RSW_FOUND) {
        return 0;
    }
    return rsw_manifest_queue_add(queue, &blob.digest, err);
}

static bool is_revision(struct rsw_txn *txn, const struct rsw_check *check) {
    struct rsw_member member;
    return rsw_member_get(txn, RSW_REVISION, check->repo, check->blob, &member) == RSW_FOUND;
}

/* Manifests that the entries name or led to; those read already are passed over later. */
static int queue_manifests(struct rsw_reading *reading, const struct rsw_check_item *items, size_t count,
                           struct rsw_manifest_queue *queue, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct rsw_check *check = &items[i].check;
        struct rsw_blob blob;
        struct rsw_tag tag;
        int rc = 0;
        if (check->kind == RSW_CHECK_MANIFEST && rsw_blob_get(txn, check->blob, &blob) == RSW_FOUND &&
            (blob.flags & RSW_BLOB_PARSED) != 0) {
            rc = queue_blob(txn, queue, check->blob, err);
        } else if (check->kind == RSW_CHECK_OBJECT && is_revision(txn, check)) {
            rc = queue_blob(txn, queue, check->blob, err);
        } else if (check->kind == RSW_CHECK_TAG &&
                   rsw_tag_get(txn, check->repo, check->tag, &tag) == RSW_FOUND) {
            rc = queue_blob(txn, queue, tag.head, err);
        }
        if (rc != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int read_brought_up(struct rsw_reading *reading, const struct rsw_check_item *items, size_t count,
                           struct rsw_error *err) {
    uint64_t looked;
    struct rsw_manifest_queue queue = {0};
    if (rsw_reading_seq(reading->index, &looked, err) != 0) {
        return -1;
    }
    struct rsw_batch *batch = rsw_batch_new(NULL, looked, err);
    int rc = batch == NULL ? -1 : queue_manifests(reading, items, count, &queue, err);
    rc = rc == 0 ? rsw_manifests_read(reading, &queue, &batch, "check queue", err) : rc;
    rc = rc == 0 ? rsw_batch_hand_on(reading, &batch, true, err) : rc;
    rsw_batch_free(batch);
    rsw_manifest_queue_release(&queue);
    return rc;
}

/* ---- links that no event tells of ---- */

struct extra {
    struct rsw_member_item *members; /* owned */
    size_t *of;                      /* owned: the entry of the queue that each is for */
    size_t member_count, member_room, of_room;
    size_t at; /* the entry at hand */
    struct signed_revision {
        uint32_t repo;
        uint32_t revision;
    } * signed_revisions; /* owned */
    size_t signed_count, signed_room;
};

static void extra_release(struct extra *extra) {
    free(extra->members);
    free(extra->of);
    free(extra->signed_revisions);
}
#define AUTO_EXTRA __attribute__((cleanup(extra_release))) struct extra

static int add_extra(struct extra *extra, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                     struct rsw_error *err) {
    struct rsw_member_item *members =
        rsw_grown(extra->members, &extra->member_room, extra->member_count + 1, sizeof *members);
    extra->members = members != NULL ? members : extra->members;
    size_t *of = rsw_grown(extra->of, &extra->of_room, extra->member_count + 1, sizeof *of);
    extra->of = of != NULL ? of : extra->of;
    if (members == NULL || of == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    of[extra->member_count] = extra->at;
    members[extra->member_count++] = (struct rsw_member_item){.kind = kind, .repo = repo, .blob = blob};
    return 0;
}

static int add_signed(struct extra *extra, uint32_t repo, uint32_t revision, struct rsw_error *err) {
    struct signed_revision *revisions =
        rsw_grown(extra->signed_revisions, &extra->signed_room, extra->signed_count + 1, sizeof *revisions);
    if (revisions == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    extra->signed_revisions = revisions;
    revisions[extra->signed_count++] = (struct signed_revision){repo, revision};
    return 0;
}

/* A push under sha512 leaves a link under that name, and events name the sha256 alone. */
static int add_aliases(struct rsw_txn *txn, struct extra *extra, uint32_t repo, uint32_t manifest,
                       struct rsw_error *err) {
    struct rsw_refs refs;
    if (rsw_refs_get(txn, manifest, &refs) != RSW_FOUND) {
        return 0;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        struct rsw_blob blob;
        uint32_t child = rsw_refs_child(&refs, i);
        if (rsw_blob_get(txn, child, &blob) == RSW_FOUND && blob.digest.alg != RSW_SHA256 &&
            add_extra(extra, RSW_LINK, repo, child, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The revision itself is looked at too: what storage was seen to have is evidence later on. */
static int gather_extra(struct rsw_reading *reading, const struct rsw_check_item *items, size_t count,
                        struct extra *extra, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t manifest = items[i].check.blob;
        if (items[i].check.kind != RSW_CHECK_MANIFEST) {
            continue;
        }
        extra->at = i;
        bool has_signatures = rsw_may_have_signatures(txn, manifest);
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        uint32_t repo;
        rsw_iter_members_of(&iter, txn, RSW_REVISION, manifest);
        while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
            if ((has_signatures && add_signed(extra, repo, manifest, err) != 0) ||
                add_extra(extra, RSW_REVISION, repo, manifest, err) != 0 ||
                add_aliases(txn, extra, repo, manifest, err) != 0) {
                return -1;
            }
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int settle_signatures(struct rsw_reading *reading, uint32_t repo_id, uint32_t revision,
                             struct rsw_error *err) {
    struct rsw_repo repo;
    {
        RSW_AUTO_TXN txn = NULL;
        if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
            return -1;
        }
        if (rsw_repo_get(txn, repo_id, &repo) != RSW_FOUND) {
            return rsw_txn_failed(txn, err) ? -1 : 0;
        }
    }
    return rsw_settle_signatures(reading, &repo, &revision, 1, err);
}

static int settle_extra(struct rsw_reading *reading, struct rsw_check_item *items, size_t count,
                        struct rsw_error *err) {
    AUTO_EXTRA extra = {.members = NULL};
    if (gather_extra(reading, items, count, &extra, err) != 0) {
        return -1;
    }
    for (size_t at = 0; at < extra.member_count; at += RSW_READING_PAGE) {
        size_t some = extra.member_count - at < RSW_READING_PAGE ? extra.member_count - at : RSW_READING_PAGE;
        if (rsw_settle_members(reading, extra.members + at, some, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < extra.member_count; i++) {
        items[extra.of[i]].failed = items[extra.of[i]].failed || extra.members[i].failed;
    }
    for (size_t i = 0; i < extra.signed_count; i++) {
        if (settle_signatures(reading, extra.signed_revisions[i].repo, extra.signed_revisions[i].revision,
                              err) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_check_manifests(struct rsw_reading *reading, struct rsw_check_item *items, size_t count,
                        struct rsw_error *err) {
    struct rsw_check_item *page[RSW_LOOK_MANIFESTS_MAX];
    size_t some = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].check.kind == RSW_CHECK_MANIFEST) {
            page[some++] = &items[i];
        }
        if (some > 0 && (some == RSW_LOOK_MANIFESTS_MAX || i + 1 == count)) {
            if (read_page(reading, page, some, err) != 0) {
                return -1;
            }
            some = 0;
        }
    }
    int rc = read_brought_up(reading, items, count, err);
    return rc == 0 ? settle_extra(reading, items, count, err) : rc;
}
