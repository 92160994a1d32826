#include "gc/restore.h"

#include "gc/quarantine.h"
#include "gc/revive.h"
#include "gc/wanted.h"
#include "index/deletion.h"
#include "index/facts.h"
#include "storage/layout.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 100
#define DIRTY_MAX ((uint64_t)32 * 1024 * 1024) /* of one transaction; others wait for it */

/* One of those wanted, with its names. */
struct named {
    struct rsw_wanted *wanted;
    char key[RSW_KEY_MAX];
    struct rsw_digest digest; /* algorithm 0: none */
    char repo[RSW_REPO_NAME_MAX + 1];
};

struct restore {
    struct rsw_restore_result *result;
    struct rsw_index *index;
    struct rsw_storage *storage;
    const struct rsw_restore_options *options;
    struct rsw_wanted_list list;
    struct named batch[BATCH_MAX];
    struct rsw_look looks[BATCH_MAX];
    size_t count; /* in the batch */
};

static void restore_free(struct restore **restore) {
    if (*restore != NULL) {
        rsw_wanted_release(&(*restore)->list);
        free(*restore);
    }
}

/* ---- what it is, and whether it is in place ---- */

static const char *key_of(char key[RSW_KEY_MAX], const struct named *named) {
    switch (named->wanted->kind) {
    case RSW_ITEM_BLOB:
        return rsw_key_blob(key, &named->digest);
    case RSW_ITEM_LINK:
        return rsw_key_layer_link(key, named->repo, &named->digest);
    case RSW_ITEM_REVISION:
        return rsw_key_revision_link(key, named->repo, &named->digest);
    case RSW_ITEM_TAG:
        return rsw_key_tag_current(key, named->repo, named->wanted->name);
    default:
        return NULL;
    }
}

/* The key stays "" where the index has forgotten it: it is purged. */
static void give_names(struct named *named, struct rsw_txn *txn) {
    struct rsw_blob blob = {.id = 0};
    struct rsw_repo repo = {.id = 0};
    const struct rsw_wanted *wanted = named->wanted;
    if (wanted->blob != 0) {
        rsw_blob_get(txn, wanted->blob, &blob);
    }
    if (wanted->repo != 0) {
        rsw_repo_get(txn, wanted->repo, &repo);
    }
    named->digest = blob.digest;
    memcpy(named->repo, repo.name, sizeof named->repo);
    if (key_of(named->key, named) == NULL) {
        named->key[0] = 0;
    }
}

/* The next ones from `at` on: their names, and what storage says of them. */
static int look_at(struct restore *restore, size_t at, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, restore->index, err) != 0) {
        return -1;
    }
    size_t left = restore->list.count - at;
    restore->count = left < BATCH_MAX ? left : BATCH_MAX;
    for (size_t i = 0; i < restore->count; i++) {
        struct named *named = &restore->batch[i];
        named->wanted = &restore->list.items[at + i];
        give_names(named, txn);
        restore->looks[i].key = named->key;
    }
    if (rsw_txn_failed(txn, err)) {
        return -1;
    }
    rsw_txn_abort(&txn);
    rsw_storage_look(restore->storage, restore->looks, restore->count);
    for (size_t i = 0; i < restore->count; i++) {
        if (restore->batch[i].key[0] == 0) {
            restore->looks[i].answer = RSW_ABSENT;
        }
    }
    return 0;
}

/* *whole: all of it is in place already. */
static int look_before(struct restore *restore, bool *whole, struct rsw_error *err) {
    *whole = true;
    for (size_t at = 0; at < restore->list.count; at += restore->count) {
        if (look_at(restore, at, err) != 0) {
            return -1;
        }
        for (size_t i = 0; i < restore->count; i++) {
            restore->batch[i].wanted->before = restore->looks[i].answer;
            *whole = *whole && restore->looks[i].answer == RSW_FOUND;
        }
    }
    return 0;
}

static int refuse(const struct restore *restore, struct rsw_error *err) {
    const struct rsw_restore_options *options = restore->options;
    char digest[RSW_DIGEST_TEXT_MAX] = "";
    if (options->digest != NULL) {
        rsw_digest_format(options->digest, digest);
    }
    return rsw_error_set(err, RSW_EINVAL, 0,
                         "nothing of %s%s%s is in quarantine: no sweep that is under way took it. regsweep "
                         "inspect generations shows what is; what was deleted through the registry, or is "
                         "purged, must be pushed again",
                         options->repo != NULL ? options->repo : "",
                         options->repo == NULL ? ""
                         : digest[0] != 0      ? "@"
                                               : ":",
                         digest[0] != 0 ? digest : options->tag);
}

/* ---- putting back ---- */

/* Its grace begins anew. Whether storage has it is not said here. */
static void make_young(struct rsw_txn *txn, const struct rsw_wanted *wanted, int64_t now_ms) {
    enum rsw_member_kind kind = wanted->kind == RSW_ITEM_LINK ? RSW_LINK : RSW_REVISION;
    struct rsw_member member;
    if (rsw_member_get(txn, kind, wanted->repo, wanted->blob, &member) == RSW_FOUND &&
        member.touched_ms < now_ms) {
        member.touched_ms = now_ms;
        rsw_member_put(txn, kind, &member);
    }
}

/* The same of a tag. Of one that was taken the index has no record any more: until storage is asked it is as
 * it was. */
static void make_tag_young(struct rsw_txn *txn, const struct rsw_wanted *wanted, int64_t now_ms) {
    struct rsw_tag tag;
    if (rsw_tag_get(txn, wanted->repo, wanted->name, &tag) == RSW_ABSENT) {
        rsw_fact_tag_event(txn, wanted->repo, wanted->name, wanted->blob, 0, now_ms);
    }
    if (rsw_tag_get(txn, wanted->repo, wanted->name, &tag) == RSW_FOUND && tag.touched_ms < now_ms) {
        tag.touched_ms = now_ms;
        rsw_tag_put(txn, &tag);
    }
}

/* What somebody asked to be forgotten, somebody wants back. */
static void touch(struct rsw_txn *txn, const struct rsw_wanted *wanted, int64_t now_ms) {
    rsw_forgotten_spare(txn, wanted->kind, wanted->repo, wanted->kind == RSW_ITEM_TAG ? 0 : wanted->blob,
                        wanted->name, now_ms);
    switch (wanted->kind) {
    case RSW_ITEM_BLOB:
        rsw_touch_kind(txn, RSW_ITEM_BLOB, 0, wanted->blob, true);
        break;
    case RSW_ITEM_LINK:
    case RSW_ITEM_REVISION:
        make_young(txn, wanted, now_ms);
        rsw_touch(txn, wanted->repo, wanted->blob);
        break;
    case RSW_ITEM_TAG:
        make_tag_young(txn, wanted, now_ms);
        rsw_touch_tag(txn, wanted->repo, wanted->name);
        break;
    default:
        break;
    }
}

static int touch_all(struct restore *restore, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(restore->options->clock);
    for (size_t at = 0; at < restore->list.count;) {
        RSW_AUTO_TXN txn = NULL;
        if (rsw_txn_begin_write(&txn, restore->index, err) != 0) {
            return -1;
        }
        while (at < restore->list.count && rsw_txn_dirty(txn) < DIRTY_MAX) {
            touch(txn, &restore->list.items[at++], now_ms);
        }
        if (rsw_txn_commit(&txn, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- what became of it ---- */

/* Where it may lie: in any generation that is under way, or in the one that holds it. */
static int generations_of(uint64_t ids[RSW_GENERATIONS_OPEN_MAX + 1], size_t *count, struct restore *restore,
                          const struct rsw_wanted *wanted, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, restore->index, err) != 0) {
        return -1;
    }
    *count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    *count = *count < RSW_GENERATIONS_OPEN_MAX ? *count : RSW_GENERATIONS_OPEN_MAX;
    ids[(*count)++] = wanted->generation;
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* Of something that is not in place. */
static int failed_or_lost(enum rsw_restored *out, struct restore *restore, const struct named *named,
                          struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX + 1];
    size_t count;
    if (generations_of(ids, &count, restore, named->wanted, err) != 0) {
        return -1;
    }
    *out = RSW_RESTORED_LOST;
    for (size_t i = 0; i < count && named->key[0] != 0; i++) {
        if (rsw_quarantine_has(restore->storage, ids[i], named->key) != RSW_ABSENT) {
            *out = RSW_RESTORED_FAILED;
        }
    }
    return 0;
}

static int tell(struct restore *restore, const struct named *named, int after, struct rsw_error *err) {
    enum rsw_restored outcome = RSW_RESTORED_FAILED;
    if (after == RSW_FOUND) {
        outcome = named->wanted->before == RSW_ABSENT ? RSW_RESTORED_PUT_BACK : RSW_RESTORED_IN_PLACE;
    } else if (after == RSW_ABSENT && failed_or_lost(&outcome, restore, named, err) != 0) {
        return -1;
    }
    const struct rsw_restored_item item = {
        .kind = named->wanted->kind,
        .outcome = outcome,
        .repo = named->repo[0] != 0 ? named->repo : NULL,
        .digest = named->digest.alg != 0 ? &named->digest : NULL,
        .tag = named->wanted->name,
    };
    restore->result->counts[outcome]++;
    restore->options->item(restore->options->arg, &item);
    return 0;
}

static int look_after(struct restore *restore, struct rsw_error *err) {
    for (size_t at = 0; at < restore->list.count; at += restore->count) {
        if (look_at(restore, at, err) != 0) {
            return -1;
        }
        for (size_t i = 0; i < restore->count; i++) {
            if (tell(restore, &restore->batch[i], restore->looks[i].answer, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int rsw_restore(struct rsw_restore_result *result, struct rsw_index *index, struct rsw_storage *storage,
                const struct rsw_restore_options *options, struct rsw_error *err) {
    __attribute__((cleanup(restore_free))) struct restore *restore = calloc(1, sizeof *restore);
    struct rsw_revive_result revived;
    bool whole;
    *result = (struct rsw_restore_result){.counts = {0}};
    if (restore == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    restore->result = result;
    restore->index = index;
    restore->storage = storage;
    restore->options = options;
    if (rsw_wanted_find(&restore->list, index, options, err) != 0 || look_before(restore, &whole, err) != 0) {
        return -1;
    }
    if (!restore->list.condemned && (!whole || restore->list.count == 0)) {
        return refuse(restore, err);
    }
    return touch_all(restore, err) != 0 ||
                   rsw_revive(&revived, index, storage, options->clock, options->log, err) != 0
               ? -1
               : look_after(restore, err);
}
