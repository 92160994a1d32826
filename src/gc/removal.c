#include "gc/removal.h"

#include "gc/folders.h"
#include "storage/layout.h"
#include "util/grow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rsw_removal_batch *rsw_removal_batch_new(void) {
    struct rsw_removal_batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->limit = RSW_BATCH_MAX;
    }
    return batch;
}

void rsw_removal_batch_free(struct rsw_removal_batch *batch) {
    if (batch != NULL) {
        free(batch->keys);
        free(batch->plan);
        free(batch);
    }
}

void rsw_removal_describe(struct rsw_sweep_item *out, const struct rsw_removal_item *item) {
    bool named = item->item.kind == RSW_ITEM_TAG || item->item.kind == RSW_ITEM_UPLOAD;
    *out = (struct rsw_sweep_item){
        .kind = item->item.kind,
        .reason = item->item.reason,
        .repo = item->repo.id != 0 ? item->repo.name : NULL,
        .digest = item->digest.alg != 0 ? &item->digest : NULL,
        .name = named ? item->item.name : NULL,
        .types = item->types,
        .size = item->item.size,
    };
}

const char *rsw_removal_name(const struct rsw_removal_item *item, char *text, size_t size) {
    char digest[RSW_DIGEST_TEXT_MAX] = "";
    if (item->digest.alg != 0) {
        rsw_digest_format(&item->digest, digest);
    }
    snprintf(text, size, "%s %s%s%s%s%s", rsw_item_kind_name(item->item.kind),
             item->repo.id != 0 ? item->repo.name : "", item->repo.id != 0 && digest[0] != 0 ? "@" : "",
             digest, item->item.name[0] != 0 ? ":" : "", item->item.name);
    return text;
}

/* ---- load ---- */

/* Adds a key of the item that is being loaded. `key` NULL: the builder found its parts unsafe. */
static int add_key(struct rsw_removal_batch *batch, const char *key, enum rsw_removal_turn turn,
                   struct rsw_error *err) {
    if (key == NULL) {
        return rsw_error_set(err, RSW_ECORRUPT, 0, "the index holds a name that no storage path can have");
    }
    size_t len = strlen(key) + 1;
    char *keys = rsw_grown(batch->keys, &batch->keys_room, batch->keys_len + len, 1);
    if (keys != NULL) {
        batch->keys = keys;
    }
    struct rsw_removal_key *plan =
        rsw_grown(batch->plan, &batch->plan_room, batch->plan_count + 1, sizeof *plan);
    if (plan != NULL) {
        batch->plan = plan;
    }
    if (keys == NULL || plan == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for a batch of removals");
    }
    memcpy(keys + batch->keys_len, key, len);
    plan[batch->plan_count++] =
        (struct rsw_removal_key){.key = batch->keys_len, .item = (uint32_t)batch->count, .turn = turn};
    batch->keys_len += len;
    return 0;
}

/* A file, and the directory that it is in. */
static int add_file(struct rsw_removal_batch *batch, const char *key, enum rsw_removal_turn turn,
                    struct rsw_error *err) {
    char dir[RSW_KEY_MAX];
    if (add_key(batch, key, turn, err) != 0) {
        return -1;
    }
    size_t len = (size_t)(strrchr(key, '/') - key);
    memcpy(dir, key, len);
    dir[len] = 0;
    return add_key(batch, dir, RSW_TURN_DIR, err);
}

/* The data of a blob, its directory, and the one of its two digits, which it may have been the last in. */
static int add_data(struct rsw_removal_batch *batch, const struct rsw_digest *digest, struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    if (add_file(batch, rsw_key_blob(key, digest), RSW_TURN_PART, err) != 0) {
        return -1;
    }
    *strrchr(key, '/') = 0;
    *strrchr(key, '/') = 0;
    return add_key(batch, key, RSW_TURN_DIR, err);
}

static int digest_of(struct rsw_digest *out, struct rsw_txn *txn, uint32_t id, struct rsw_error *err) {
    struct rsw_blob blob;
    switch (rsw_blob_get(txn, id, &blob)) {
    case RSW_FOUND:
        *out = blob.digest;
        return 0;
    case RSW_ABSENT:
        return rsw_error_set(err, RSW_ECORRUPT, 0, "the index names blob %u, but has no record of it", id);
    default:
        rsw_txn_failed(txn, err);
        return -1;
    }
}

static int load_tag(struct rsw_removal_batch *batch, struct rsw_txn *txn, const struct rsw_removal_item *item,
                    struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    const char *repo = item->repo.name;
    const char *tag = item->item.name;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history(&iter, txn, item->repo.id, tag);
    struct rsw_history history;
    while (rsw_history_next(&iter, &history) == RSW_FOUND) {
        struct rsw_digest digest;
        if (digest_of(&digest, txn, history.manifest, err) != 0 ||
            add_file(batch, rsw_key_tag_history(key, repo, tag, &digest), RSW_TURN_PART, err) != 0) {
            return -1;
        }
    }
    return add_file(batch, rsw_key_tag_current(key, repo, tag), RSW_TURN_NAME, err);
}

static int load_revision(struct rsw_removal_batch *batch, struct rsw_txn *txn,
                         const struct rsw_removal_item *item, struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    const char *repo = item->repo.name;
    RSW_AUTO_ITER signatures = RSW_ITER_INIT;
    rsw_iter_signatures(&signatures, txn, item->repo.id, item->item.blob);
    uint32_t revision;
    uint32_t signature;
    struct rsw_digest digest;
    while (rsw_signature_next(&signatures, &revision, &signature) == RSW_FOUND) {
        if (digest_of(&digest, txn, signature, err) != 0 ||
            add_file(batch, rsw_key_signature_link(key, repo, &item->digest, &digest), RSW_TURN_PART, err) !=
                0) {
            return -1;
        }
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history_of(&iter, txn, item->repo.id, item->item.blob);
    struct rsw_history history;
    while (rsw_history_of_next(&iter, &history) == RSW_FOUND) {
        if (add_file(batch, rsw_key_tag_history(key, repo, history.tag, &item->digest), RSW_TURN_PART, err) !=
            0) {
            return -1;
        }
    }
    /* Its directory stays as long as the tombstone: evidence that it was here. */
    return add_key(batch, rsw_key_revision_link(key, repo, &item->digest), RSW_TURN_NAME, err);
}

/* Offline nothing may be claimed after the mark. Beside a running registry it is the touch that counts: a
 * scan renews the claim of what it finds, garbage included. */
static bool is_newer(uint64_t seq, const struct rsw_generation *generation) {
    return generation->offline && seq > generation->seq;
}

/* An event claimed it after the mark: the registry is in use, and nothing of this may go on. */
static int refuse_touched(const struct rsw_removal_item *item, const struct rsw_generation *generation,
                          struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    return rsw_error_set(err, generation->done == 0 ? RSW_EREFUSED : RSW_EPARTIAL, 0,
                         "%s%s%s was pushed or pulled while the sweep ran offline: stop the registry, or "
                         "make it read-only, and "
                         "run the sweep again%s",
                         item->repo.name, item->repo.id != 0 ? "@" : "",
                         rsw_digest_format(&item->digest, text),
                         generation->done == 0 ? "" : "; what was removed until then nothing needed");
}

/* A blob that something still links, as far as the index knows, is not purged: the link could not be removed,
 * or is newer than the mark. */
static int check_blob(struct rsw_txn *txn, const struct rsw_generation *generation,
                      struct rsw_removal_item *item, struct rsw_error *err) {
    struct rsw_blob blob = {.seq = 0};
    rsw_blob_get(txn, item->item.blob, &blob);
    if (is_newer(blob.seq, generation)) {
        return refuse_touched(item, generation, err);
    }
    for (enum rsw_member_kind kind = RSW_LINK; kind <= RSW_REVISION; kind++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        rsw_iter_members_of(&iter, txn, kind, item->item.blob);
        uint32_t repo;
        while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
            struct rsw_member member = {.seq = 0};
            rsw_member_get(txn, kind, repo, item->item.blob, &member);
            if (is_newer(member.seq, generation)) {
                return refuse_touched(item, generation, err);
            }
            if ((member.flags & RSW_MEMBER_PRESENT) != 0) {
                item->answer = RSW_FAILED;
                item->errnum = EBUSY;
                return 0;
            }
        }
    }
    return 0;
}

/* May it still go, as far as the index knows? */
static int check_item(struct rsw_txn *txn, const struct rsw_generation *generation,
                      struct rsw_removal_item *item, struct rsw_error *err) {
    struct rsw_member member = {.seq = 0};
    struct rsw_tag tag = {.seq = 0};
    uint64_t seq = 0;
    switch (item->item.kind) {
    case RSW_ITEM_BLOB:
        return check_blob(txn, generation, item, err);
    case RSW_ITEM_LINK:
        rsw_member_get(txn, RSW_LINK, item->repo.id, item->item.blob, &member);
        seq = member.seq;
        break;
    case RSW_ITEM_REVISION:
        rsw_member_get(txn, RSW_REVISION, item->repo.id, item->item.blob, &member);
        seq = member.seq;
        break;
    case RSW_ITEM_TAG:
        rsw_tag_get(txn, item->repo.id, item->item.name, &tag);
        seq = tag.seq;
        break;
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        break; /* what they hold is seen when they are removed */
    }
    return is_newer(seq, generation) ? refuse_touched(item, generation, err) : 0;
}

static int load_keys(struct rsw_removal_batch *batch, struct rsw_txn *txn,
                     const struct rsw_removal_item *item, struct rsw_error *err) {
    char key[RSW_KEY_MAX];
    switch (item->item.kind) {
    case RSW_ITEM_BLOB:
        return add_data(batch, &item->digest, err);
    case RSW_ITEM_LINK:
        return add_file(batch, rsw_key_layer_link(key, item->repo.name, &item->digest), RSW_TURN_PART, err);
    case RSW_ITEM_REVISION:
        return load_revision(batch, txn, item, err);
    case RSW_ITEM_TAG:
        return load_tag(batch, txn, item, err);
    case RSW_ITEM_REPOSITORY:
    case RSW_ITEM_UPLOAD:
        return 0;
    }
    return 0;
}

int rsw_removal_batch_add(struct rsw_removal_batch *batch, struct rsw_txn *txn, const struct rsw_item *from,
                          struct rsw_error *err) {
    struct rsw_removal_item *item = &batch->items[batch->count];
    *item = (struct rsw_removal_item){.item = *from};
    if (from->repo != 0 && rsw_repo_get(txn, from->repo, &item->repo) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return rsw_error_set(err, RSW_ECORRUPT, 0, "the index names repository %u, but has no record of it",
                             from->repo);
    }
    struct rsw_blob blob;
    if (from->blob != 0 && digest_of(&item->digest, txn, from->blob, err) != 0) {
        return -1;
    }
    if (from->kind == RSW_ITEM_BLOB && rsw_blob_get(txn, from->blob, &blob) == RSW_FOUND) {
        item->types = blob.types;
    }
    if (load_keys(batch, txn, item, err) != 0) {
        return -1;
    }
    batch->count++;
    return 0;
}

void rsw_removal_batch_clear(struct rsw_removal_batch *batch) {
    batch->count = batch->plan_count = batch->keys_len = 0;
}

int rsw_removal_batch_load(struct rsw_removal_batch *batch, struct rsw_txn *txn,
                           const struct rsw_generation *generation, enum rsw_item_kind kind,
                           const struct rsw_item *after, struct rsw_error *err) {
    rsw_removal_batch_clear(batch);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    if (after != NULL) {
        rsw_iter_items_after(&iter, txn, after);
    } else {
        rsw_iter_items(&iter, txn, generation->id, kind);
    }
    struct rsw_item item;
    while (batch->count < batch->limit && rsw_item_next(&iter, &item) == RSW_FOUND) {
        if (item.state != RSW_ITEM_PENDING) {
            continue;
        }
        if ((!generation->offline && (item.flags & RSW_ITEM_TOUCHED) != 0) ||
            (rsw_removal_batch_add(batch, txn, &item, err) == 0 &&
             check_item(txn, generation, &batch->items[batch->count - 1], err) == 0)) {
            continue;
        }
        return -1;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- remove ---- */

static void answer(struct rsw_removal_item *item, int result, int errnum) {
    if (result == RSW_FAILED) {
        item->answer = RSW_FAILED;
        item->errnum = errnum;
    } else if (result == RSW_FOUND && item->answer == RSW_ABSENT) {
        item->answer = RSW_FOUND;
    }
}

/* All keys of one turn. What belongs to an object of which something could not be removed stays. */
static int remove_keys(struct rsw_removal_batch *batch, struct rsw_storage *storage,
                       enum rsw_removal_turn turn) {
    if (turn == RSW_TURN_DIR && storage->flat) {
        return 0; /* with the file its folder is gone */
    }
    struct rsw_removal *removals = calloc(batch->plan_count + 1, sizeof *removals);
    uint32_t *owners = calloc(batch->plan_count + 1, sizeof *owners);
    if (removals == NULL || owners == NULL) {
        free(removals);
        free(owners);
        return -1;
    }
    size_t count = 0;
    for (size_t i = 0; i < batch->plan_count; i++) {
        const struct rsw_removal_key *key = &batch->plan[i];
        if (key->turn == turn && batch->items[key->item].answer != RSW_FAILED) {
            removals[count].key = batch->keys + key->key;
            owners[count++] = key->item;
        }
    }
    if (turn == RSW_TURN_DIR) {
        rsw_storage_rmdir(storage, removals, count);
    } else {
        rsw_storage_remove(storage, removals, count);
        for (size_t i = 0; i < count; i++) {
            answer(&batch->items[owners[i]], removals[i].answer, removals[i].errnum);
            batch->late |= removals[i].late;
        }
    }
    free(removals);
    free(owners);
    return 0;
}

struct upload_files {
    struct rsw_removal_item *item;
    struct rsw_storage *storage;
    const char *started; /* key of its `startedat`, which goes last */
};

/* Files of an upload, as the listing finds them: removed one page at a time. */
static int remove_upload_page(void *arg, const struct rsw_entry *entries, size_t count,
                              struct rsw_error *err) {
    struct upload_files *files = arg;
    struct rsw_removal *removals = calloc(count, sizeof *removals);
    if (removals == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for removals");
    }
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].key, files->started) == 0) {
            continue;
        }
        if (entries[i].answer == RSW_FOUND && entries[i].kind == RSW_ENTRY_FILE) {
            removals[wanted++].key = entries[i].key;
        } else {
            answer(files->item, RSW_FAILED, entries[i].errnum != 0 ? entries[i].errnum : ENOTEMPTY);
        }
    }
    rsw_storage_remove(files->storage, removals, wanted);
    for (size_t i = 0; i < wanted; i++) {
        answer(files->item, removals[i].answer, removals[i].errnum);
    }
    free(removals);
    return 0;
}

static void remove_upload(struct rsw_removal_item *item, struct rsw_storage *storage) {
    char key[RSW_KEY_MAX];
    char started[RSW_KEY_MAX + sizeof "/startedat"];
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_key_upload(key, item->repo.name, item->item.name) == NULL) {
        answer(item, RSW_FAILED, EINVAL);
        return;
    }
    snprintf(started, sizeof started, "%s/startedat", key);
    struct upload_files files = {item, storage, started};
    struct rsw_listing listing = {.prefix = key, .page = remove_upload_page, .arg = &files};
    if (rsw_storage_list(storage, &listing, &err) == RSW_FAILED) {
        answer(item, RSW_FAILED, err.errnum != 0 ? err.errnum : EIO);
    }
    if (item->answer == RSW_FAILED) {
        return;
    }
    struct rsw_removal last = {.key = started};
    rsw_storage_remove(storage, &last, 1);
    answer(item, last.answer, last.errnum);
    if (storage->flat) {
        return;
    }
    if (rsw_storage_prune(storage, key, &err) == RSW_FAILED) {
        answer(item, RSW_FAILED, err.errnum != 0 ? err.errnum : EIO);
    }
    *strrchr(key, '/') = 0;
    struct rsw_removal uploads = {.key = key}; /* it may have been the last of them */
    rsw_storage_rmdir(storage, &uploads, 1);
}

void rsw_removal_batch_remove(struct rsw_removal_batch *batch, struct rsw_storage *storage) {
    if (remove_keys(batch, storage, RSW_TURN_PART) != 0 || remove_keys(batch, storage, RSW_TURN_NAME) != 0) {
        for (size_t i = 0; i < batch->count; i++) {
            answer(&batch->items[i], RSW_FAILED, ENOMEM);
        }
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        char key[RSW_KEY_MAX];
        struct rsw_removal_item *item = &batch->items[i];
        if (item->answer == RSW_FAILED) {
            continue;
        }
        if (item->item.kind == RSW_ITEM_UPLOAD) {
            remove_upload(item, storage);
        } else if (item->item.kind == RSW_ITEM_REPOSITORY) {
            item->answer = rsw_folders_repository(storage, item->repo.name, &item->errnum);
        } else if (item->item.kind == RSW_ITEM_TAG && !storage->flat &&
                   rsw_key_tag(key, item->repo.name, item->item.name) != NULL) {
            rsw_storage_prune(storage, key, NULL);
        }
    }
    remove_keys(batch, storage, RSW_TURN_DIR); /* a directory that stays is no failure */
}

void rsw_removal_link_folders(const struct rsw_removal_batch *batch, struct rsw_storage *storage) {
    for (size_t i = 0; i < batch->count && !storage->flat; i++) {
        const struct rsw_removal_item *item = &batch->items[i];
        char key[RSW_KEY_MAX];
        if (item->item.kind == RSW_ITEM_LINK && item->answer != RSW_FAILED &&
            rsw_key_layer_link(key, item->repo.name, &item->digest) != NULL) {
            rsw_folders_link(storage, key);
        }
    }
}

/* ---- record ---- */

static void member_is_absent(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_item *item) {
    struct rsw_member member;
    if (rsw_member_get(txn, kind, item->repo, item->blob, &member) == RSW_FOUND) {
        member.flags &= ~(uint32_t)(RSW_MEMBER_PRESENT | RSW_MEMBER_BAD);
        rsw_member_put(txn, kind, &member);
    }
}

static void blob_is_absent(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_blob blob;
    if (rsw_blob_get(txn, item->blob, &blob) == RSW_FOUND) {
        blob.flags &= ~(uint32_t)RSW_BLOB_PRESENT;
        rsw_blob_put(txn, &blob);
    }
}

static void repository_is_absent(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_repo repo;
    if (rsw_repo_get(txn, item->repo, &repo) == RSW_FOUND) {
        repo.flags &= ~(uint32_t)RSW_REPO_PRESENT;
        rsw_repo_put(txn, &repo);
    }
}

void rsw_removal_absent(struct rsw_txn *txn, const struct rsw_item *item) {
    switch (item->kind) {
    case RSW_ITEM_BLOB:
        blob_is_absent(txn, item);
        break;
    case RSW_ITEM_LINK:
        member_is_absent(txn, RSW_LINK, item);
        break;
    case RSW_ITEM_REVISION:
        member_is_absent(txn, RSW_REVISION, item);
        break;
    case RSW_ITEM_TAG:
        rsw_tag_drop(txn, item->repo, item->name);
        break;
    case RSW_ITEM_REPOSITORY:
        repository_is_absent(txn, item);
        break;
    case RSW_ITEM_UPLOAD:
        rsw_upload_drop(txn, item->repo, item->name);
        break;
    }
}

void rsw_removal_forget_revision(struct rsw_txn *txn, const struct rsw_item *item) {
    RSW_AUTO_ITER signatures = RSW_ITER_INIT;
    rsw_iter_signatures(&signatures, txn, item->repo, item->blob);
    uint32_t revision;
    uint32_t signature;
    while (rsw_signature_next(&signatures, &revision, &signature) == RSW_FOUND) {
        rsw_signature_drop(txn, item->repo, revision, signature);
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history_of(&iter, txn, item->repo, item->blob);
    struct rsw_history history;
    while (rsw_history_of_next(&iter, &history) == RSW_FOUND) {
        rsw_history_drop(txn, item->repo, history.tag, item->blob);
    }
}

void rsw_removal_batch_record(const struct rsw_removal_batch *batch, struct rsw_txn *txn) {
    for (size_t i = 0; i < batch->count; i++) {
        struct rsw_item item = batch->items[i].item;
        if (batch->items[i].answer != RSW_FAILED) {
            rsw_removal_absent(txn, &item);
            if (item.kind == RSW_ITEM_REVISION) {
                rsw_removal_forget_revision(txn, &item);
            }
            item.state = RSW_ITEM_DONE;
        } else {
            item.state = rsw_removal_spared(batch->items[i].errnum) ? RSW_ITEM_SPARED : RSW_ITEM_FAILED;
        }
        rsw_item_put(txn, &item);
    }
}
