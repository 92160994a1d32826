#include "feed/apply.h"

#include "index/deletion.h"
#include "index/facts.h"
#include "util/useragent.h"

#include <string.h>

struct applying {
    struct rsw_txn *txn;
    const struct rsw_event *event;
    int64_t now_ms;
    bool asked;
    bool touched;
};

/* ---- asking storage ---- */

/* Asks for a look at storage, now. A look that waits for a tag to settle goes on waiting: one made earlier
 * could come before the write that it is for. A pause after failures ends, for there is something new. */
static void ask(struct applying *a, enum rsw_check_kind kind, uint32_t repo, uint32_t blob, const char *tag) {
    struct rsw_check check;
    int answer = rsw_check_get(a->txn, kind, repo, blob, tag, &check);
    if (answer == RSW_FAILED) {
        return;
    }
    int64_t due_ms =
        answer == RSW_FOUND && check.tries == 0 && check.due_ms > a->now_ms ? check.due_ms : a->now_ms;
    memset(&check, 0, sizeof check);
    check.kind = kind;
    check.repo = repo;
    check.blob = blob;
    check.due_ms = due_ms;
    check.seq = rsw_txn_seq(a->txn);
    memcpy(check.tag, tag, strlen(tag));
    rsw_check_put(a->txn, &check);
    a->asked = true;
}

/* ---- what an event is about ---- */

/* The flags that the index has of this blob; 0 if it has no record. */
static uint32_t blob_flags(struct applying *a) {
    struct rsw_blob blob;
    return rsw_blob_find(a->txn, &a->event->digest, &blob) == RSW_FOUND ? blob.flags : 0;
}

static bool member_present(struct applying *a, enum rsw_member_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_member member;
    return rsw_member_get(a->txn, kind, repo, blob, &member) == RSW_FOUND &&
           (member.flags & RSW_MEMBER_PRESENT) != 0;
}

/* ---- touches ---- */

static void note(struct applying *a, bool touched) {
    a->touched = a->touched || touched;
}

static bool is_forgotten(struct applying *a, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                         const char *tag) {
    struct rsw_forgotten forgotten = {.kind = kind, .repo = repo, .blob = blob};
    memcpy(forgotten.name, tag, strlen(tag) + 1);
    return rsw_forgotten_get(a->txn, &forgotten) == RSW_FOUND;
}

/* A pull is no reason for what somebody asked to be forgotten. A push took it out of its record before. */
static void touch_tag(struct applying *a, uint32_t repo) {
    if (a->event->tag[0] != 0 && !is_forgotten(a, RSW_ITEM_TAG, repo, 0, a->event->tag)) {
        note(a, rsw_touch_tag(a->txn, repo, a->event->tag));
    }
}

/* A client was told that this repository has it. */
static void touch(struct applying *a, uint32_t repo, uint32_t blob) {
    note(a, rsw_touch(a->txn, repo, blob));
    touch_tag(a, repo);
}

/* The same of what was touched a moment ago: what follows from it was found then, unless it is condemned
 * itself. */
static void touch_again(struct applying *a, uint32_t repo, uint32_t blob) {
    note(a, rsw_touch_kind(a->txn, RSW_ITEM_LINK, repo, blob, true));
    note(a, rsw_touch_kind(a->txn, RSW_ITEM_REVISION, repo, blob, true));
    note(a, rsw_touch_kind(a->txn, RSW_ITEM_BLOB, 0, blob, true));
    touch_tag(a, repo);
}

/* A look of our own at what is condemned must not give it back. Only of a pull: whoever pushes may say what
 * he likes in his User-Agent. */
static bool is_our_pull(struct applying *a) {
    char run[RSW_RUN_MAX];
    return a->event->action == RSW_EVENT_PULL &&
           rsw_useragent_word(a->event->useragent, "run", run, sizeof run) && rsw_run_is_ours(a->txn, run);
}

/* ---- push and mount ---- */

static void claim_member(struct applying *a, enum rsw_member_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_member old;
    if (rsw_member_get(a->txn, kind, repo, blob, &old) == RSW_FOUND && (old.flags & RSW_MEMBER_BAD) != 0) {
        ask(a, RSW_CHECK_OBJECT, repo, blob, ""); /* the push may have mended it: only storage can tell */
    }
    struct rsw_member member = {.repo = repo, .blob = blob, .target = blob, .touched_ms = a->now_ms};
    rsw_fact_member(a->txn, kind, &member);
}

/* A blob has its data and a layer link. A push under sha512 leaves a link of that name as well, which no
 * event tells of: it is found when a manifest that uses it is read. */
static void push_blob(struct applying *a, uint32_t repo) {
    bool present = (blob_flags(a) & RSW_BLOB_PRESENT) != 0;
    uint32_t blob = rsw_fact_blob(a->txn, &a->event->digest, a->event->size, a->now_ms);
    if (blob == 0) {
        return;
    }
    claim_member(a, RSW_LINK, repo, blob);
    rsw_forgotten_spare(a->txn, RSW_ITEM_LINK, repo, blob, NULL, a->now_ms);
    touch(a, repo, blob);
    /* A mount may be answered out of the registry's cache, for data that is gone. */
    if (a->event->media_type[0] == 0 || (a->event->action == RSW_EVENT_MOUNT && !present)) {
        ask(a, RSW_CHECK_OBJECT, repo, blob, "");
    }
}

/* A manifest has its data and a revision, and its tag soon. Its bytes are read if the index has not read them
 * yet; also if it believed them gone, for a stale cache makes the registry skip writing them; and once in
 * every repository that it is new in, for the links that only storage tells of (sha512 names, schema 1
 * signatures). */
static void push_manifest(struct applying *a, uint32_t repo) {
    const uint32_t known = RSW_BLOB_PRESENT | RSW_BLOB_PARSED;
    uint32_t flags = blob_flags(a);
    uint32_t blob = rsw_fact_blob(a->txn, &a->event->digest, a->event->size, a->now_ms);
    if (blob == 0) {
        return;
    }
    bool read = (flags & known) != known || !member_present(a, RSW_REVISION, repo, blob);
    claim_member(a, RSW_REVISION, repo, blob);
    rsw_forgotten_spare(a->txn, RSW_ITEM_REVISION, repo, blob, NULL, a->now_ms);
    if (a->event->tag[0] != 0) {
        rsw_forgotten_spare(a->txn, RSW_ITEM_TAG, repo, 0, a->event->tag, a->now_ms);
    }
    touch(a, repo, blob);
    if (a->event->tag[0] != 0) {
        rsw_fact_tag_event(a->txn, repo, a->event->tag, blob, a->now_ms, a->now_ms + RSW_TAG_SETTLE_MS);
        a->asked = true;
    }
    if (read) {
        ask(a, RSW_CHECK_MANIFEST, 0, blob, "");
    }
}

/* Always a change, even of what is known: claims made now outlast looks at storage made before. */
static void apply_push(struct applying *a) {
    uint32_t repo = rsw_fact_repo(a->txn, a->event->repository, a->now_ms);
    if (repo == 0) {
        return;
    }
    if (a->event->action == RSW_EVENT_PUSH && rsw_event_is_manifest(a->event)) {
        push_manifest(a, repo);
    } else {
        push_blob(a, repo);
    }
}

/* ---- pull: GET or HEAD, so a client was told that it exists ---- */

static uint32_t pulled_repo(struct applying *a) {
    struct rsw_repo repo;
    int answer = rsw_repo_find(a->txn, a->event->repository, &repo);
    if (answer == RSW_FOUND && (repo.flags & RSW_REPO_PRESENT) != 0) {
        return repo.id;
    }
    return answer == RSW_FAILED ? 0 : rsw_fact_repo(a->txn, a->event->repository, a->now_ms);
}

static uint32_t pulled_blob(struct applying *a) {
    struct rsw_blob blob;
    int answer = rsw_blob_find(a->txn, &a->event->digest, &blob);
    if (answer == RSW_FOUND && (blob.flags & RSW_BLOB_PRESENT) != 0) {
        return blob.id;
    }
    return answer == RSW_FAILED ? 0 : rsw_fact_blob(a->txn, &a->event->digest, a->event->size, a->now_ms);
}

/* The registry reads a manifest through its layer link too, when it was uploaded as a blob. False: it was
 * touched a moment ago. */
static bool renew_pulled(struct applying *a, uint32_t repo, uint32_t blob) {
    enum rsw_member_kind kind = rsw_event_is_manifest(a->event) ? RSW_REVISION : RSW_LINK;
    bool known = member_present(a, kind, repo, blob);
    bool through_link = !known && kind == RSW_REVISION && member_present(a, RSW_LINK, repo, blob);
    bool touched =
        rsw_fact_touch(a->txn, through_link ? RSW_LINK : kind, repo, blob, a->now_ms, RSW_TOUCH_STEP_MS);
    /* A cache can answer for what storage has not. */
    if (touched && !known) {
        ask(a, RSW_CHECK_OBJECT, repo, blob, "");
    }
    return touched;
}

/* A tag that the index does not know so: an event was lost, or another one is under way. */
static void look_at_pulled_tag(struct applying *a, uint32_t repo, uint32_t blob) {
    struct rsw_tag tag;
    int answer = rsw_tag_get(a->txn, repo, a->event->tag, &tag);
    if (answer == RSW_ABSENT ||
        (answer == RSW_FOUND && tag.head != blob && (tag.flags & RSW_TAG_UNSETTLED) == 0)) {
        ask(a, RSW_CHECK_TAG, repo, 0, a->event->tag);
    }
}

/* Of a manifest that somebody asked to be forgotten nothing is renewed, or one that is pulled every day would
 * never go. Where the index does not have it any more it was pushed again, perhaps, or a cache has answered.
 */
static void pull_forgotten(struct applying *a, uint32_t repo, uint32_t blob) {
    if (!member_present(a, RSW_REVISION, repo, blob)) {
        ask(a, RSW_CHECK_OBJECT, repo, blob, "");
    }
}

static void apply_pull(struct applying *a) {
    const uint32_t known = RSW_BLOB_PRESENT | RSW_BLOB_PARSED;
    uint32_t flags = blob_flags(a);
    uint32_t repo = pulled_repo(a);
    uint32_t blob = pulled_blob(a);
    if (repo == 0 || blob == 0) {
        return;
    }
    if (rsw_event_is_manifest(a->event)) {
        rsw_pull_note(a->txn, repo, blob, a->now_ms);
    }
    if (rsw_event_is_manifest(a->event) && is_forgotten(a, RSW_ITEM_REVISION, repo, blob, "")) {
        pull_forgotten(a, repo, blob);
    } else if (renew_pulled(a, repo, blob)) {
        touch(a, repo, blob);
    } else {
        touch_again(a, repo, blob);
    }
    /* One that is being read, or could not be understood, is not asked for again by everybody who pulls it.
     */
    if (rsw_event_is_manifest(a->event) && (flags & known) != known && (flags & RSW_BLOB_UNREADABLE) == 0) {
        struct rsw_check check;
        if (rsw_check_get(a->txn, RSW_CHECK_MANIFEST, 0, blob, "", &check) == RSW_ABSENT) {
            ask(a, RSW_CHECK_MANIFEST, 0, blob, "");
        }
    }
    if (a->event->tag[0] != 0) {
        look_at_pulled_tag(a, repo, blob);
    }
}

/* ---- delete ---- */

/* Only storage can tell what was deleted (a revision and a layer link have the same event), and whether it
 * was at all. What the index does not know needs no look. The tags that go with a manifest have events of
 * their own, sent after each is gone (2.8 deletes them after the manifest): a look at them now could come too
 * early, and is left to those. */
static void apply_delete(struct applying *a) {
    const struct rsw_event *event = a->event;
    struct rsw_repo repo;
    struct rsw_blob blob;
    struct rsw_tag tag;
    if (rsw_repo_find(a->txn, event->repository, &repo) != RSW_FOUND) {
        return;
    }
    if (event->digest.alg != 0 && rsw_blob_find(a->txn, &event->digest, &blob) == RSW_FOUND) {
        ask(a, RSW_CHECK_OBJECT, repo.id, blob.id, "");
    }
    if (event->tag[0] != 0 && rsw_tag_get(a->txn, repo.id, event->tag, &tag) == RSW_FOUND) {
        ask(a, RSW_CHECK_TAG, repo.id, 0, event->tag);
    }
    /* The registry's code has an event for a whole repository (`RepoDeleted`), though no request leads to it.
     */
    if (event->digest.alg == 0 && event->tag[0] == 0) {
        ask(a, RSW_CHECK_REPOSITORY, repo.id, 0, "");
    }
}

/* ---- unusable ---- */

/* Something happened that we do not understand. If it says where, that repository is read anew; else nobody
 * knows what the index misses. */
static void apply_unusable(struct applying *a, const void *body, size_t body_len) {
    const struct rsw_event *event = a->event;
    rsw_kept_event_add(a->txn, a->now_ms, event->problem, body == NULL ? "" : body, body_len);
    if (event->repository[0] == 0) {
        rsw_state_gap(a->txn, a->now_ms, event->problem);
        return;
    }
    uint32_t repo = rsw_repo_intern(a->txn, event->repository, a->now_ms);
    if (repo != 0) {
        ask(a, RSW_CHECK_REPOSITORY, repo, 0, "");
    }
}

struct rsw_applied rsw_event_apply(struct rsw_txn *txn, const struct rsw_event *event, const void *body,
                                   size_t body_len, int64_t now_ms) {
    struct applying a = {.txn = txn, .event = event, .now_ms = now_ms};
    uint64_t before = rsw_txn_dirty(txn);
    if (event->problem[0] != 0) {
        apply_unusable(&a, body, body_len);
    } else if (is_our_pull(&a)) {
        return (struct rsw_applied){.changed = false};
    } else if (event->action == RSW_EVENT_PULL) {
        apply_pull(&a);
    } else if (event->action == RSW_EVENT_DELETE) {
        apply_delete(&a);
    } else {
        apply_push(&a);
    }
    return (struct rsw_applied){
        .changed = rsw_txn_dirty(txn) != before, .asked = a.asked, .touched = a.touched};
}
