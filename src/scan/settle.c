/* Settling: storage is asked for single objects that the index knows, and the index brought to what it says.
 * Each page is a short read transaction, then storage, then a short write transaction. */
#include "scan/reconcile.h"

#include "index/facts.h"
#include "storage/layout.h"

#include <stdlib.h>
#include <string.h>

struct page {
    struct rsw_reading *reading;
    uint64_t looked;
    struct rsw_link_look *looks; /* owned */
    struct rsw_digest *digests;  /* owned; of the blob or manifest */
    bool *folders;               /* owned; of a member that is absent: its folder is there */
    struct rsw_repo repo;        /* the last one looked up: neighbours mostly share it */
};

static void page_release(struct page *page) {
    free(page->looks);
    free(page->digests);
    free(page->folders);
}
#define AUTO_PAGE __attribute__((cleanup(page_release))) struct page

static int page_init(struct page *page, struct rsw_reading *reading, size_t count, struct rsw_error *err) {
    memset(page, 0, sizeof *page);
    page->reading = reading;
    page->looks = calloc(count == 0 ? 1 : count, sizeof *page->looks);
    page->digests = calloc(count == 0 ? 1 : count, sizeof *page->digests);
    page->folders = calloc(count == 0 ? 1 : count, sizeof *page->folders);
    if (page->looks == NULL || page->digests == NULL || page->folders == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    return 0;
}

/* The repository's name; NULL if there is none of this id (then no key is built, and nothing is found). */
static const char *name_of(struct page *page, struct rsw_txn *txn, uint32_t repo) {
    if (page->repo.id != repo && rsw_repo_get(txn, repo, &page->repo) != RSW_FOUND) {
        page->repo.id = 0;
        return NULL;
    }
    return page->repo.name;
}

/* Where no key can be built the key is "": such a link is never found, and never absent. */
static void set_key(struct rsw_link_look *look, const char *built) {
    if (built == NULL) {
        look->key[0] = 0;
    }
}

static bool is_failed(struct rsw_reading *reading, const struct rsw_link_look *look) {
    if (look->seen.answer != RSW_FAILED) {
        return false;
    }
    rsw_reading_problem(reading, "'%s' could not be looked at (%s): what the index knows of it stays",
                        look->key, rsw_storage_reason(look->seen.errnum));
    return true;
}

static bool is_lacked(const struct page *page, size_t i, bool unseen) {
    const struct rsw_seen_link *link = &page->looks[i].seen;
    return unseen && rsw_reading_lacks(page->reading, link->answer, link->mtime_ms);
}

/* ---- members ---- */

static int member_keys(struct page *page, const struct rsw_member_item *items, size_t count,
                       struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, page->reading->index, err) != 0) {
        return -1;
    }
    page->looked = rsw_txn_seq(txn);
    for (size_t i = 0; i < count; i++) {
        struct rsw_blob blob;
        const char *name = name_of(page, txn, items[i].repo);
        if (name == NULL || rsw_blob_get(txn, items[i].blob, &blob) != RSW_FOUND) {
            continue;
        }
        char *key = page->looks[i].key;
        page->digests[i] = blob.digest;
        set_key(&page->looks[i], items[i].kind == RSW_LINK ? rsw_key_layer_link(key, name, &blob.digest)
                                                           : rsw_key_revision_link(key, name, &blob.digest));
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* Of those that are absent, whether the registry left the folder of a deleted link behind. Where that cannot
 * be told, nothing is told of the link either. */
static void look_for_folders(struct page *page, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *slash = strrchr(page->looks[i].key, '/');
        if (page->looks[i].seen.answer != RSW_ABSENT || slash == NULL) {
            continue;
        }
        *slash = 0;
        struct rsw_look look = {.key = page->looks[i].key};
        rsw_storage_look(page->reading->storage, &look, 1);
        page->folders[i] = look.answer == RSW_FOUND && look.kind == RSW_ENTRY_DIR;
        if (look.answer == RSW_FAILED) {
            page->looks[i].seen.answer = RSW_FAILED;
            page->looks[i].seen.errnum = look.errnum;
        }
        *slash = '/';
    }
}

static void settle_member(struct rsw_txn *txn, struct page *page, const struct rsw_member_item *item,
                          size_t i, struct rsw_apply *apply) {
    const struct rsw_seen_link *link = &page->looks[i].seen;
    if (link->answer == RSW_FOUND) {
        struct rsw_seen_member seen = {.kind = item->kind, .digest = page->digests[i]};
        rsw_seen_member_judge(&seen, link);
        rsw_apply_member(txn, item->repo, &seen, apply);
        return;
    }
    struct rsw_member member;
    if (rsw_member_get(txn, item->kind, item->repo, item->blob, &member) == RSW_FOUND &&
        (member.flags & RSW_MEMBER_PRESENT) != 0 && member.seq <= page->looked) {
        rsw_count(&page->reading->vanished, 1);
        rsw_fact_member_absent(txn, item->kind, item->repo, item->blob, page->looked, page->folders[i]);
    }
}

int rsw_settle_members(struct rsw_reading *reading, struct rsw_member_item *items, size_t count,
                       struct rsw_error *err) {
    AUTO_PAGE page;
    if (page_init(&page, reading, count, err) != 0 || member_keys(&page, items, count, err) != 0 ||
        rsw_look_links(reading->storage, page.looks, count, err) != 0) {
        return -1;
    }
    look_for_folders(&page, count);
    RSW_AUTO_TXN txn = NULL;
    struct rsw_apply apply = rsw_reading_apply(reading);
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].lacked = is_lacked(&page, i, items[i].unseen);
        items[i].failed = is_failed(reading, &page.looks[i]);
        if (!items[i].failed) {
            settle_member(txn, &page, &items[i], i, &apply);
        }
    }
    rsw_count(&reading->appeared, apply.appeared);
    return rsw_txn_commit(&txn, err);
}

/* ---- tags ---- */

static bool has_history(struct rsw_txn *txn, uint32_t repo, const char *tag) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_history history;
    rsw_iter_history(&iter, txn, repo, tag);
    return rsw_history_next(&iter, &history) != RSW_ABSENT; /* in doubt there is one */
}

/* No current/link: a tag that is gone, or a history without a head, of which the registry knows nothing. */
static void settle_headless(struct rsw_txn *txn, const struct page *page, const struct rsw_tag_item *item) {
    struct rsw_tag tag;
    int answer = rsw_tag_get(txn, item->repo, item->name, &tag);
    if (answer == RSW_FAILED || (answer == RSW_FOUND && tag.seq > page->looked)) {
        return;
    }
    if (!has_history(txn, item->repo, item->name)) {
        if (answer == RSW_FOUND) {
            rsw_count(&page->reading->vanished, 1);
            rsw_tag_drop(txn, item->repo, item->name);
        }
        return;
    }
    if (answer == RSW_ABSENT) {
        memset(&tag, 0, sizeof tag);
        tag.repo = item->repo;
        memcpy(tag.name, item->name, sizeof tag.name);
    }
    tag.head = 0;
    tag.flags = 0;
    tag.seq = rsw_txn_seq(txn);
    rsw_tag_put(txn, &tag);
}

/* A sweep took this tag, it was pushed again since, and nobody has come to putting it back: what the event
 * said of its head is what it will get (gc/revive.c). */
static bool is_to_come_back(struct rsw_txn *txn, const struct rsw_tag_item *tag) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    for (size_t i = 0; i < count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_item item;
        rsw_iter_tag_items(&iter, txn, ids[i], tag->repo, tag->name, true);
        while (rsw_tag_item_next(&iter, &item) == RSW_FOUND) {
            if (rsw_touched_get(txn, &item) != RSW_ABSENT) {
                return true;
            }
        }
    }
    return false;
}

static int tag_keys(struct page *page, const struct rsw_tag_item *items, size_t count,
                    struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, page->reading->index, err) != 0) {
        return -1;
    }
    page->looked = rsw_txn_seq(txn);
    for (size_t i = 0; i < count; i++) {
        const char *name = name_of(page, txn, items[i].repo);
        if (name != NULL) {
            set_key(&page->looks[i], rsw_key_tag_current(page->looks[i].key, name, items[i].name));
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void settle_tag(struct rsw_txn *txn, struct page *page, struct rsw_tag_item *item, size_t i,
                       struct rsw_apply *apply) {
    const struct rsw_seen_link *link = &page->looks[i].seen;
    item->failed = is_failed(page->reading, &page->looks[i]) ||
                   (item->wait_if_empty && link->answer == RSW_FOUND && link->state == RSW_LINK_EMPTY);
    if (item->failed) {
        return;
    }
    if (link->answer == RSW_FOUND) {
        struct rsw_seen_tag seen;
        memcpy(seen.name, item->name, sizeof seen.name);
        rsw_seen_tag_judge(&seen, link);
        rsw_apply_tag(txn, item->repo, page->looked, &seen, apply);
    } else if (is_to_come_back(txn, item)) {
        item->failed = true;
    } else {
        settle_headless(txn, page, item);
    }
}

int rsw_settle_tags(struct rsw_reading *reading, struct rsw_tag_item *items, size_t count,
                    struct rsw_error *err) {
    AUTO_PAGE page;
    if (page_init(&page, reading, count, err) != 0 || tag_keys(&page, items, count, err) != 0 ||
        rsw_look_links(reading->storage, page.looks, count, err) != 0) {
        return -1;
    }
    RSW_AUTO_TXN txn = NULL;
    struct rsw_apply apply = rsw_reading_apply(reading);
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].lacked = is_lacked(&page, i, items[i].unseen);
        settle_tag(txn, &page, &items[i], i, &apply);
    }
    rsw_count(&reading->appeared, apply.appeared);
    return rsw_txn_commit(&txn, err);
}

/* ---- history ---- */

static int history_keys(struct page *page, const struct rsw_history_item *items, size_t count,
                        struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, page->reading->index, err) != 0) {
        return -1;
    }
    page->looked = rsw_txn_seq(txn);
    for (size_t i = 0; i < count; i++) {
        struct rsw_blob blob;
        const char *name = name_of(page, txn, items[i].repo);
        if (name != NULL && rsw_blob_get(txn, items[i].manifest, &blob) == RSW_FOUND) {
            page->digests[i] = blob.digest;
            set_key(&page->looks[i],
                    rsw_key_tag_history(page->looks[i].key, name, items[i].tag, &blob.digest));
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* An event that came less than a settle ago may tell of what is yet to be written. The index says what
 * storage does, and storage is asked once more. */
static void drop_entry(struct rsw_txn *txn, const struct rsw_history *entry, const struct rsw_apply *apply) {
    int64_t left_ms = apply->registry_stopped ? 0 : rsw_apply_settle_left_ms(txn, entry->touched_ms, apply);
    if (left_ms > 0) {
        struct rsw_check check = {.kind = RSW_CHECK_TAGGING,
                                  .repo = entry->repo,
                                  .blob = entry->manifest,
                                  .due_ms = apply->now_ms + left_ms,
                                  .seq = rsw_txn_seq(txn)};
        memcpy(check.tag, entry->tag, sizeof check.tag);
        rsw_check_put(txn, &check);
    }
    rsw_history_drop(txn, entry->repo, entry->tag, entry->manifest);
}

static void settle_entry(struct rsw_txn *txn, const struct page *page, const struct rsw_history_item *item,
                         size_t i, struct rsw_apply *apply) {
    const struct rsw_seen_link *link = &page->looks[i].seen;
    if (link->answer == RSW_FOUND) {
        struct rsw_seen_history seen = {.manifest = page->digests[i], .mtime_ms = link->mtime_ms};
        memcpy(seen.tag, item->tag, sizeof seen.tag);
        rsw_apply_history(txn, item->repo, &seen, apply);
        return;
    }
    struct rsw_history history;
    if (rsw_history_get(txn, item->repo, item->tag, item->manifest, &history) == RSW_FOUND &&
        history.seq <= page->looked) {
        drop_entry(txn, &history, apply);
    }
}

int rsw_settle_history(struct rsw_reading *reading, struct rsw_history_item *items, size_t count,
                       struct rsw_error *err) {
    AUTO_PAGE page;
    if (page_init(&page, reading, count, err) != 0 || history_keys(&page, items, count, err) != 0 ||
        rsw_look_links(reading->storage, page.looks, count, err) != 0) {
        return -1;
    }
    RSW_AUTO_TXN txn = NULL;
    struct rsw_apply apply = rsw_reading_apply(reading);
    if (rsw_txn_begin_write(&txn, reading->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        items[i].failed = is_failed(reading, &page.looks[i]);
        if (!items[i].failed) {
            settle_entry(txn, &page, &items[i], i, &apply);
        }
    }
    return rsw_txn_commit(&txn, err);
}
