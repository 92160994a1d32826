#include "gc/recheck.h"

#include "gc/quarantine.h"
#include "index/deletion.h"
#include "index/facts.h"
#include "oci/reference.h"
#include "scan/batch.h"
#include "storage/layout.h"
#include "util/cleanup.h"
#include "util/grow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 1000 /* items: many, so that their keys lie close together */

enum what {
    ASK_LINK,     /* is there a layer link (repo, blob)? Then the item is needed */
    ASK_REVISION, /* is there a revision (repo, blob)? Likewise */
    ASK_HEAD,     /* does this tag point at `blob`? Likewise */
    ASK_OTHER,    /* does this tag, or its copy, say anything but `blob`? Likewise; absent is no answer */
    ASK_ANY,      /* is there anything at all? Likewise */
    ASK_WRITTEN,  /* was it written when it was still to be kept? Likewise */
};

struct question {
    enum what what;
    uint32_t item; /* of the batch */
    uint32_t repo;
    uint32_t blob;
    struct rsw_digest digest; /* of the blob */
    size_t key;               /* offset into keys */
    const char *at;           /* the same, once all are found */
    bool needed;              /* the answer */
    int64_t mtime_ms;         /* for ASK_WRITTEN, of what is there */
};

struct recheck {
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    uint64_t generation;
    int64_t since_ms;     /* what was written after it was young when the generation was marked */
    struct rsw_txn *txn;  /* that questions are found in */
    struct rsw_error err; /* of finding them */
    struct rsw_item items[BATCH_MAX];
    size_t count;
    char *keys; /* owned, each with its NUL */
    size_t keys_len, keys_room;
    struct question *questions; /* owned */
    size_t question_count, question_room;
    struct rsw_repo repo; /* of the question at hand, by its id */
};

/* ---- finding questions ---- */

static void ask_key(struct recheck *recheck, enum what what, const char *key, uint32_t repo, uint32_t blob,
                    const struct rsw_digest *digest) {
    if (recheck->err.code != RSW_OK) {
        return;
    }
    if (key == NULL) {
        rsw_error_set(&recheck->err, RSW_ECORRUPT, 0, "the index holds a name that no storage path can have");
        return;
    }
    size_t len = strlen(key) + 1;
    char *keys = rsw_grown(recheck->keys, &recheck->keys_room, recheck->keys_len + len, 1);
    recheck->keys = keys != NULL ? keys : recheck->keys;
    struct question *questions = rsw_grown(recheck->questions, &recheck->question_room,
                                           recheck->question_count + 1, sizeof *questions);
    recheck->questions = questions != NULL ? questions : recheck->questions;
    if (keys == NULL || questions == NULL) {
        rsw_error_set(&recheck->err, RSW_ENOMEM, 0, "out of memory while asking storage again");
        return;
    }
    memcpy(keys + recheck->keys_len, key, len);
    questions[recheck->question_count++] = (struct question){.what = what,
                                                             .item = (uint32_t)recheck->count,
                                                             .repo = repo,
                                                             .blob = blob,
                                                             .digest = *digest,
                                                             .key = recheck->keys_len};
    recheck->keys_len += len;
}

/* Names of what a question is about. False: there is no record, so nothing to look for. */
static bool name(struct recheck *recheck, uint32_t repo, uint32_t blob, struct rsw_digest *digest) {
    struct rsw_blob record;
    if (recheck->repo.id != repo && rsw_repo_get(recheck->txn, repo, &recheck->repo) != RSW_FOUND) {
        recheck->repo.id = 0;
        return false;
    }
    if (rsw_blob_get(recheck->txn, blob, &record) != RSW_FOUND) {
        return false;
    }
    *digest = record.digest;
    return true;
}

/* It is in place only because it was not taken yet. */
static bool is_condemned(struct recheck *recheck, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                         const char *tag) {
    struct rsw_item item = {.generation = recheck->generation, .kind = kind, .repo = repo, .blob = blob};
    memcpy(item.name, tag, strlen(tag) + 1);
    return rsw_item_get(recheck->txn, &item) == RSW_FOUND && item.state == RSW_ITEM_PENDING &&
           (item.flags & RSW_ITEM_TOUCHED) == 0;
}

static void ask_link(struct recheck *recheck, uint32_t repo, uint32_t blob) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest;
    if (!is_condemned(recheck, RSW_ITEM_LINK, repo, blob, "") && name(recheck, repo, blob, &digest)) {
        ask_key(recheck, ASK_LINK, rsw_key_layer_link(key, recheck->repo.name, &digest), repo, blob, &digest);
    }
}

/* Of a manifest that the index knows, or knew, as a revision there. */
static void ask_revision(struct recheck *recheck, uint32_t repo, uint32_t blob) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest;
    struct rsw_member member;
    if (rsw_member_get(recheck->txn, RSW_REVISION, repo, blob, &member) == RSW_FOUND &&
        !is_condemned(recheck, RSW_ITEM_REVISION, repo, blob, "") && name(recheck, repo, blob, &digest)) {
        ask_key(recheck, ASK_REVISION, rsw_key_revision_link(key, recheck->repo.name, &digest), repo, blob,
                &digest);
    }
}

/* Manifests that name a blob: in one repository, or (0) in all. */
static void ask_manifests(struct recheck *recheck, uint32_t child, uint32_t repo) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&iter, recheck->txn, child);
    while (rsw_named_by_next(&iter, &manifest, &kind) == RSW_FOUND) {
        if (kind == RSW_REF_SUBJECT) {
            continue; /* a referrer never keeps its subject */
        }
        if (repo != 0) {
            ask_revision(recheck, repo, manifest);
            continue;
        }
        RSW_AUTO_ITER places = RSW_ITER_INIT;
        uint32_t place;
        rsw_iter_members_of(&places, recheck->txn, RSW_REVISION, manifest);
        while (rsw_member_of_next(&places, &place) == RSW_FOUND) {
            ask_revision(recheck, place, manifest);
        }
    }
}

/* The same under every other name of the blob. */
static void ask_manifests_by_alias(struct recheck *recheck, uint32_t target, uint32_t repo) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_alias alias;
    rsw_iter_aliases(&iter, recheck->txn, target);
    while (rsw_alias_next(&iter, &alias) == RSW_FOUND) {
        if (repo == 0) {
            ask_link(recheck, alias.repo, alias.blob);
        }
        if (repo == 0 || alias.repo == repo) {
            ask_manifests(recheck, alias.blob, repo);
        }
    }
}

static void ask_of_blob(struct recheck *recheck, const struct rsw_item *item) {
    for (enum rsw_member_kind kind = RSW_LINK; kind <= RSW_REVISION; kind++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        uint32_t repo;
        rsw_iter_members_of(&iter, recheck->txn, kind, item->blob);
        while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
            if (kind == RSW_LINK) {
                ask_link(recheck, repo, item->blob);
            } else {
                ask_revision(recheck, repo, item->blob);
            }
        }
    }
    ask_manifests(recheck, item->blob, 0);
    ask_manifests_by_alias(recheck, item->blob, 0);
}

/* Pushing the same again writes the same again, in its place: until that is taken only its time tells of it.
 * The copy has that time still, but for a store that gives copies the time at which they are made. */
static void ask_written(struct recheck *recheck, const struct rsw_item *item, const char *key) {
    char copy[RSW_QUARANTINE_KEY_MAX];
    struct rsw_digest digest;
    bool loose = recheck->storage->loose;
    if (key == NULL || (item->state == RSW_ITEM_ASIDE) == loose ||
        !name(recheck, item->repo, item->blob, &digest)) {
        return;
    }
    const char *asked = loose ? key : rsw_quarantine_key(copy, recheck->generation, key);
    ask_key(recheck, ASK_WRITTEN, asked, item->repo, item->blob, &digest);
}

static void ask_of_link(struct recheck *recheck, const struct rsw_item *item) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest;
    ask_link(recheck, item->repo, item->blob); /* in place again, if it was taken */
    if (name(recheck, item->repo, item->blob, &digest)) {
        ask_written(recheck, item, rsw_key_layer_link(key, recheck->repo.name, &digest));
    }
    ask_manifests(recheck, item->blob, item->repo);
    ask_manifests_by_alias(recheck, item->blob, item->repo);
}

static void ask_tag(struct recheck *recheck, enum what what, const struct rsw_item *item, const char *tag) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest;
    if (name(recheck, item->repo, item->blob, &digest)) {
        ask_key(recheck, what, rsw_key_tag_current(key, recheck->repo.name, tag), item->repo, item->blob,
                &digest);
    }
}

/* Does this tag point at it? One that is condemned itself is in place only because it was not taken yet. */
static void ask_head(struct recheck *recheck, const struct rsw_item *item, const char *name) {
    if (!is_condemned(recheck, RSW_ITEM_TAG, item->repo, item->blob, name)) {
        ask_tag(recheck, ASK_HEAD, item, name);
    }
}

/* Tags that have or had it as their head, and those that may yet be written. */
static void ask_heads(struct recheck *recheck, const struct rsw_item *item) {
    RSW_AUTO_ITER entries = RSW_ITER_INIT;
    RSW_AUTO_ITER checks = RSW_ITER_INIT;
    struct rsw_history history;
    struct rsw_check check;
    rsw_iter_history_of(&entries, recheck->txn, item->repo, item->blob);
    while (rsw_history_of_next(&entries, &history) == RSW_FOUND) {
        ask_head(recheck, item, history.tag);
    }
    rsw_iter_checks_of(&checks, recheck->txn, RSW_CHECK_TAGGING, item->repo, item->blob);
    while (rsw_check_next(&checks, &check) == RSW_FOUND) {
        ask_head(recheck, item, check.tag);
    }
}

static void ask_of_revision(struct recheck *recheck, const struct rsw_item *item) {
    char key[RSW_KEY_MAX];
    struct rsw_digest digest;
    ask_revision(recheck, item->repo, item->blob);
    if (name(recheck, item->repo, item->blob, &digest)) {
        ask_written(recheck, item, rsw_key_revision_link(key, recheck->repo.name, &digest));
    }
    ask_manifests(recheck, item->blob, item->repo);
    ask_heads(recheck, item);
    struct rsw_refs refs;
    if (rsw_refs_get(recheck->txn, item->blob, &refs) == RSW_FOUND) {
        for (uint32_t i = 0; i < refs.count; i++) {
            if (rsw_refs_kind(&refs, i) == RSW_REF_SUBJECT && item->reason == RSW_REASON_SUBJECT_GONE) {
                ask_revision(recheck, item->repo, rsw_refs_child(&refs, i));
            }
        }
    }
}

/* Its copy: a registry that writes in place may have had the file open when it was taken. */
static void ask_tag_copy(struct recheck *recheck, const struct rsw_item *item) {
    char key[RSW_KEY_MAX];
    char copy[RSW_QUARANTINE_KEY_MAX];
    struct rsw_digest digest;
    if (name(recheck, item->repo, item->blob, &digest) &&
        rsw_key_tag_current(key, recheck->repo.name, item->name) != NULL) {
        ask_key(recheck, ASK_OTHER, rsw_quarantine_key(copy, recheck->generation, key), item->repo,
                item->blob, &digest);
    }
}

static void ask_of_tag(struct recheck *recheck, const struct rsw_item *item) {
    char key[RSW_KEY_MAX];
    struct rsw_digest subject;
    struct rsw_blob blob;
    if (name(recheck, item->repo, item->blob, &subject)) {
        ask_written(recheck, item, rsw_key_tag_current(key, recheck->repo.name, item->name));
    }
    if (item->state == RSW_ITEM_ASIDE) {
        ask_tag(recheck, ASK_ANY, item, item->name);
        ask_tag_copy(recheck, item);
    } else {
        ask_tag(recheck, ASK_OTHER, item, item->name);
    }
    if (item->reason != RSW_REASON_FORGOTTEN && rsw_tag_weak(&subject, item->name, strlen(item->name)) &&
        rsw_blob_find(recheck->txn, &subject, &blob) == RSW_FOUND) {
        ask_revision(recheck, item->repo, blob.id);
    }
}

static void ask_of(struct recheck *recheck, const struct rsw_item *item) {
    switch (item->kind) {
    case RSW_ITEM_BLOB:
        ask_of_blob(recheck, item);
        break;
    case RSW_ITEM_LINK:
        ask_of_link(recheck, item);
        break;
    case RSW_ITEM_REVISION:
        ask_of_revision(recheck, item);
        break;
    case RSW_ITEM_TAG:
        ask_of_tag(recheck, item);
        break;
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        break; /* rmdir, and its age, tell when they are removed */
    }
}

/* The next items and what to ask about them. */
static int find_questions(struct recheck *recheck, struct rsw_item *last, bool *begun,
                          struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, recheck->index, err) != 0) {
        return -1;
    }
    recheck->txn = txn;
    recheck->count = recheck->question_count = recheck->keys_len = 0;
    recheck->repo.id = 0;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    if (*begun) {
        rsw_iter_items_behind(&iter, txn, last);
    } else {
        rsw_iter_items(&iter, txn, recheck->generation, 0);
    }
    struct rsw_item item;
    while (recheck->count < BATCH_MAX && rsw_item_next(&iter, &item) == RSW_FOUND) {
        *last = item;
        *begun = true;
        if ((item.flags & RSW_ITEM_TOUCHED) == 0 &&
            (item.state == RSW_ITEM_PENDING || item.state == RSW_ITEM_ASIDE)) {
            recheck->items[recheck->count] = item;
            ask_of(recheck, &item);
            recheck->count++;
        }
    }
    recheck->txn = NULL;
    if (recheck->err.code != RSW_OK) {
        *err = recheck->err;
        return -1;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- asking ---- */

static void tell_doubt(const struct recheck *recheck, const char *key, int errnum) {
    rsw_log(recheck->log, RSW_LOG_WARNING, "%s: cannot be told (%s), so what it may need is kept", key,
            rsw_storage_reason(errnum));
}

/* The same key is asked for once: `asked` counts up at each other one. */
static size_t number_of(const struct question *questions, size_t i, size_t asked) {
    return i > 0 && strcmp(questions[i].at, questions[i - 1].at) != 0 ? asked + 1 : asked;
}

/* Sorted by key. */
static void ask_looks(struct recheck *recheck, struct question *questions, size_t count,
                      struct rsw_look *looks) {
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        asked = number_of(questions, i, asked);
        looks[asked].key = questions[i].at;
    }
    rsw_storage_look_listed(recheck->storage, looks, count == 0 ? 0 : asked + 1);
    for (size_t i = 0, at = 0; i < count; i++) {
        at = number_of(questions, i, at);
        questions[i].needed = looks[at].answer != RSW_ABSENT;
        questions[i].mtime_ms = looks[at].answer == RSW_FOUND ? looks[at].mtime_ms : INT64_MAX;
        if (looks[at].answer == RSW_FAILED) {
            tell_doubt(recheck, looks[at].key, looks[at].errnum);
        }
    }
}

/* What a tag says that may be there. One that cannot be read may say anything. */
static void take_head(struct recheck *recheck, struct question *question, const struct rsw_read *read) {
    struct rsw_digest digest;
    bool good = read->answer == RSW_FOUND &&
                rsw_link_parse(&digest, read->content.data, read->content.len) == RSW_LINK_GOOD;
    bool same = good && rsw_digest_equal(&digest, &question->digest);
    question->needed = read->answer != RSW_ABSENT && (question->what == ASK_HEAD ? same || !good : !same);
    if (read->answer == RSW_FAILED) {
        tell_doubt(recheck, read->key, read->errnum);
    }
}

/* Likewise. */
static void read_heads(struct recheck *recheck, struct question *questions, size_t count,
                       struct rsw_read *reads) {
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        asked = number_of(questions, i, asked);
        reads[asked] =
            (struct rsw_read){.key = questions[i].at, .max = RSW_LINK_MAX, .content = RSW_BUF_INIT};
    }
    size_t total = count == 0 ? 0 : asked + 1;
    rsw_storage_read(recheck->storage, reads, total);
    for (size_t i = 0, at = 0; i < count; i++) {
        at = number_of(questions, i, at);
        take_head(recheck, &questions[i], &reads[at]);
    }
    for (size_t i = 0; i < total; i++) {
        rsw_buf_release(&reads[i].content);
    }
}

static bool is_of_head(const struct question *question) {
    return question->what == ASK_HEAD || question->what == ASK_OTHER;
}

/* Those that a look answers first. */
static int by_key(const void *a, const void *b) {
    const struct question *one = a;
    const struct question *other = b;
    return is_of_head(one) != is_of_head(other) ? is_of_head(one) - is_of_head(other)
                                                : strcmp(one->at, other->at);
}

static int ask(struct recheck *recheck) {
    struct question *questions = recheck->questions;
    size_t count = recheck->question_count;
    size_t heads = 0;
    RSW_AUTO_FREE struct rsw_look *looks = calloc(count + 1, sizeof *looks);
    RSW_AUTO_FREE struct rsw_read *reads = calloc(count + 1, sizeof *reads);
    if (looks == NULL || reads == NULL) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        questions[i].at = recheck->keys + questions[i].key;
        heads += is_of_head(&questions[i]) ? 1 : 0;
    }
    if (count > 0) {
        qsort(questions, count, sizeof *questions, by_key);
        ask_looks(recheck, questions, count - heads, looks);
        read_heads(recheck, questions + count - heads, heads, reads);
    }
    return 0;
}

/* ---- what follows ---- */

static void correct(struct rsw_txn *txn, const struct question *question, int64_t now_ms) {
    enum rsw_member_kind kind = question->what == ASK_LINK ? RSW_LINK : RSW_REVISION;
    struct rsw_member old;
    struct rsw_repo repo;
    int answer = rsw_member_get(txn, kind, question->repo, question->blob, &old);
    if (answer == RSW_FAILED || (answer == RSW_FOUND && (old.flags & RSW_MEMBER_PRESENT) != 0)) {
        return;
    }
    struct rsw_member member = {.repo = question->repo,
                                .blob = question->blob,
                                .target = answer == RSW_FOUND ? old.target : question->blob,
                                .flags = RSW_MEMBER_SEEN,
                                .touched_ms = now_ms};
    if (rsw_repo_get(txn, question->repo, &repo) == RSW_FOUND) {
        rsw_fact_repo(txn, repo.name, now_ms);
        rsw_fact_member(txn, kind, &member);
    }
}

/* What somebody asked to be forgotten has no grace: it stays if it was written since, and leaves its record;
 * without one it was touched already. */
static bool is_forgotten_anew(struct recheck *recheck, struct rsw_txn *txn, const struct question *question,
                              int64_t now_ms) {
    const struct rsw_item *item = &recheck->items[question->item];
    const struct rsw_apply apply = {.now_ms = now_ms, .clock = recheck->clock};
    struct rsw_forgotten forgotten = {
        .kind = item->kind, .repo = item->repo, .blob = item->kind == RSW_ITEM_TAG ? 0 : item->blob};
    memcpy(forgotten.name, item->name, sizeof forgotten.name);
    if (rsw_forgotten_get(txn, &forgotten) != RSW_FOUND ||
        !rsw_apply_is_anew(txn, forgotten.deletion, question->mtime_ms, &apply)) {
        return false;
    }
    rsw_forgotten_spare(txn, forgotten.kind, forgotten.repo, forgotten.blob, forgotten.name, now_ms);
    return true;
}

static bool is_needed(struct recheck *recheck, struct rsw_txn *txn, const struct question *question,
                      int64_t now_ms) {
    if (!question->needed || question->what != ASK_WRITTEN) {
        return question->needed;
    }
    return recheck->items[question->item].reason == RSW_REASON_FORGOTTEN
               ? is_forgotten_anew(recheck, txn, question, now_ms)
               : question->mtime_ms > recheck->since_ms;
}

static int record(struct recheck *recheck, uint64_t *found, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, recheck->index, err) != 0) {
        return -1;
    }
    int64_t now_ms = rsw_clock_now_ms(recheck->clock);
    for (size_t i = 0; i < recheck->question_count; i++) {
        const struct question *question = &recheck->questions[i];
        if (!is_needed(recheck, txn, question, now_ms)) {
            continue;
        }
        *found += rsw_touch_item(txn, &recheck->items[question->item], false) ? 1 : 0;
        if (question->what == ASK_LINK || question->what == ASK_REVISION) {
            correct(txn, question, now_ms);
        } else {
            struct rsw_check check = {.kind = RSW_CHECK_REPOSITORY,
                                      .repo = question->repo,
                                      .due_ms = now_ms,
                                      .seq = rsw_txn_seq(txn)};
            rsw_check_put(txn, &check);
        }
    }
    return rsw_txn_commit(&txn, err);
}

static int find_since(struct recheck *recheck, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_generation generation;
    if (rsw_txn_begin_read(&txn, recheck->index, err) != 0) {
        return -1;
    }
    if (rsw_generation_get(txn, recheck->generation, &generation) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return rsw_error_set(err, RSW_ECORRUPT, 0, "the index has no record of generation %" PRIu64,
                             recheck->generation);
    }
    recheck->since_ms = generation.created_ms - generation.grace_ms;
    return 0;
}

static int run(struct recheck *recheck, uint64_t *found, struct rsw_error *err) {
    struct rsw_item last;
    if (find_since(recheck, err) != 0) {
        return -1;
    }
    for (bool begun = false;;) {
        if (find_questions(recheck, &last, &begun, err) != 0) {
            return -1;
        }
        if (recheck->count == 0) {
            return 0;
        }
        if (ask(recheck) != 0) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while asking storage again");
        }
        if (record(recheck, found, err) != 0) {
            return -1;
        }
    }
}

int rsw_recheck(uint64_t *found, struct rsw_index *index, struct rsw_storage *storage, uint64_t generation,
                const struct rsw_clock *clock, const struct rsw_log *log, struct rsw_error *err) {
    struct recheck *recheck = calloc(1, sizeof *recheck);
    *found = 0;
    if (recheck == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while asking storage again");
    }
    recheck->index = index;
    recheck->storage = storage;
    recheck->generation = generation;
    recheck->clock = clock;
    recheck->log = log;
    int rc = run(recheck, found, err);
    free(recheck->keys);
    free(recheck->questions);
    free(recheck);
    return rc;
}
