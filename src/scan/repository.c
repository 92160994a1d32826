#include "scan/repository.h"

#include "oci/reference.h"
#include "scan/manifests.h"
#include "scan/sums.h"
#include "scan/uploads.h"
#include "storage/layout.h"
#include "util/grow.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct repository {
    struct rsw_reading *reading;
    const char *name;
    char key[RSW_KEY_MAX];
    struct rsw_batch *batch; /* owned */
    struct rsw_manifest_queue manifests;
    struct rsw_link_look *looks; /* owned: links whose content did not come with the listing */
    size_t look_count, look_room;
    struct rsw_uploads uploads;
    struct rsw_sums revisions; /* those listed so far, where a list can tell of tags by them */
    struct rsw_error *err;
    int failed; /* in a callback that cannot say so */
    bool any;   /* there is something in a part */
    bool unread;
    bool leftover; /* as RSW_REPO_LEFTOVER */
};

enum part { PART_NONE, PART_LAYERS, PART_MANIFESTS, PART_UPLOADS, PART_ALL };
static const char *const part_names[] = {"", "_layers", "_manifests", "_uploads"};

/* Of the repository that a key below it is in, and the path in there, "" for the part's own folder. */
static enum part part_of(const struct repository *r, const char *key, const char **path) {
    const char *sub = key + strlen(r->key) + 1;
    for (unsigned part = PART_LAYERS; part <= PART_UPLOADS; part++) {
        size_t len = strlen(part_names[part]);
        if (strncmp(sub, part_names[part], len) == 0 && (sub[len] == 0 || sub[len] == '/')) {
            *path = sub + len + (sub[len] != 0);
            return (enum part)part;
        }
    }
    *path = sub;
    return PART_NONE;
}

static size_t depth_of(const char *path) {
    size_t depth = 1;
    for (; *path != 0; path++) {
        depth += *path == '/';
    }
    return depth;
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* ---- which folders to go into ---- */

static enum rsw_descend descend_manifests(const char *path, size_t depth, const char **leaf) {
    if (starts_with(path, "tags/")) {
        const char *in_tag = strchr(path + 5, '/');
        if (depth == 2 || (depth <= 4 && starts_with(in_tag, "/index"))) {
            return RSW_DESCEND;
        }
        *leaf = "link";
        return (depth == 3 && strcmp(in_tag, "/current") == 0) || depth == 5 ? RSW_DESCEND_PROBE
                                                                             : RSW_DESCEND_SKIP;
    }
    if (depth == 1) {
        return strcmp(path, "tags") == 0 || strcmp(path, "revisions") == 0 ? RSW_DESCEND : RSW_DESCEND_SKIP;
    }
    *leaf = "link";
    return !starts_with(path, "revisions/") ? RSW_DESCEND_SKIP : depth == 2 ? RSW_DESCEND : RSW_DESCEND_PROBE;
}

static enum rsw_descend descend_to(enum part part, const char *path, const char **leaf) {
    size_t depth = depth_of(path);
    if (part == PART_NONE) {
        return RSW_DESCEND_SKIP; /* a folder with a '_' that is none of the registry's */
    }
    if (part == PART_UPLOADS || path[0] == 0) {
        return RSW_DESCEND;
    }
    if (part == PART_LAYERS) {
        *leaf = "link";
        return depth == 1 ? RSW_DESCEND : RSW_DESCEND_PROBE;
    }
    return descend_manifests(path, depth, leaf);
}

static enum rsw_descend descend(void *arg, const char *dir_key, const char **leaf) {
    struct repository *r = arg;
    const char *path;
    enum part part = part_of(r, dir_key, &path);
    if (part == PART_UPLOADS && path[0] != 0 && strchr(path, '/') == NULL &&
        rsw_uploads_folder(&r->uploads, r->batch, path, r->err) != 0) {
        r->failed = -1;
    }
    return descend_to(part, path, leaf);
}

/* ---- what the entries say ---- */

static int add_member(struct repository *r, enum rsw_member_kind kind, const struct rsw_digest *digest,
                      const struct rsw_seen_link *link) {
    struct rsw_seen_member *member = rsw_batch_member(r->batch, r->err);
    if (member == NULL) {
        return -1;
    }
    member->kind = kind;
    member->digest = *digest;
    member->tombstone = link->answer == RSW_ABSENT;
    if (!member->tombstone) {
        rsw_count(kind == RSW_LINK ? &r->reading->links : &r->reading->revisions, 1);
        rsw_seen_member_judge(member, link);
        if (member->bad) {
            char text[RSW_DIGEST_TEXT_MAX];
            rsw_reading_problem(
                r->reading,
                "%s: the %s of %s is damaged or cannot be read: kept; push the image again, or "
                "remove the link by hand",
                r->name, kind == RSW_LINK ? "layer link" : "revision link", rsw_digest_format(digest, text));
        }
    }
    return kind == RSW_REVISION ? rsw_manifest_queue_add(&r->manifests, digest, r->err) : 0;
}

/* The name of a tag as the index can hold it; else the tag counts as a folder that could not be read. */
static bool tag_name(struct repository *r, char name[RSW_TAG_NAME_MAX + 1], const struct rsw_path *path,
                     const char *key) {
    if (path->tag_len > RSW_TAG_NAME_MAX) {
        r->unread = true;
        rsw_reading_misnamed(r->reading, key, "the name of a tag is too long");
        return false;
    }
    memcpy(name, path->tag, path->tag_len);
    name[path->tag_len] = 0;
    return true;
}

static int add_tag(struct repository *r, const struct rsw_path *path, const char *key,
                   const struct rsw_seen_link *link) {
    if (link->answer == RSW_ABSENT) {
        return 0;
    }
    struct rsw_seen_tag *tag = rsw_batch_tag(r->batch, r->err);
    if (tag == NULL) {
        return -1;
    }
    if (!tag_name(r, tag->name, path, key)) {
        r->batch->tag_count--;
        return 0;
    }
    rsw_count(&r->reading->tags, 1);
    rsw_seen_tag_judge(tag, link);
    if (tag->bad) {
        rsw_reading_problem(
            r->reading,
            "%s: the link of tag '%s' is damaged or cannot be read: all that it ever pointed at is "
            "kept; push the tag again, or delete it",
            r->name, tag->name);
        return 0;
    }
    return rsw_manifest_queue_add(&r->manifests, &tag->head, r->err);
}

/* An entry that cannot be looked at is taken for one that is there. */
static void tell_unlooked(struct repository *r, const char *key, const struct rsw_seen_link *link) {
    if (link->answer == RSW_FAILED) {
        rsw_reading_problem(r->reading, "%s: '%s' could not be looked at (%s): kept", r->name, key,
                            rsw_storage_reason(link->errnum));
    }
}

static int add_history(struct repository *r, const struct rsw_path *path, const char *key,
                       const struct rsw_seen_link *link) {
    if (link->answer == RSW_ABSENT) {
        return 0;
    }
    tell_unlooked(r, key, link);
    struct rsw_seen_history *history = rsw_batch_history(r->batch, r->err);
    if (history == NULL) {
        return -1;
    }
    if (!tag_name(r, history->tag, path, key)) {
        r->batch->history_count--;
        return 0;
    }
    history->manifest = path->digest;
    history->mtime_ms = link->mtime_ms;
    return 0;
}

static int add_signature(struct repository *r, const struct rsw_path *path, const char *key,
                         const struct rsw_seen_link *link) {
    if (link->answer == RSW_ABSENT) {
        return 0;
    }
    tell_unlooked(r, key, link);
    struct rsw_seen_signature *signature = rsw_batch_signature(r->batch, r->err);
    if (signature == NULL) {
        return -1;
    }
    signature->revision = path->digest;
    signature->signature = path->digest2;
    return 0;
}

static int take_link(struct repository *r, const char *key, const struct rsw_path *path,
                     const struct rsw_seen_link *link) {
    switch (path->place) {
    case RSW_PLACE_LAYER_LINK:
        return add_member(r, RSW_LINK, &path->digest, link);
    case RSW_PLACE_REVISION_LINK:
        return add_member(r, RSW_REVISION, &path->digest, link);
    case RSW_PLACE_SIGNATURE_LINK:
        return add_signature(r, path, key, link);
    case RSW_PLACE_TAG_CURRENT:
        return add_tag(r, path, key, link);
    case RSW_PLACE_TAG_HISTORY:
        return add_history(r, path, key, link);
    default:
        return 0;
    }
}

/* An object store writes an object whole or not at all: a link that has the size of its digest says what its
 * key does, and need not be read. One by another algorithm leads to a sha256. */
static bool is_told_by_key(const struct repository *r, struct rsw_seen_link *link,
                           const struct rsw_entry *entry, const struct rsw_path *path) {
    char text[RSW_DIGEST_TEXT_MAX];
    bool member = path->place == RSW_PLACE_LAYER_LINK || path->place == RSW_PLACE_REVISION_LINK;
    if (!r->reading->storage->flat || !member || path->digest.alg != RSW_SHA256 ||
        entry->kind != RSW_ENTRY_FILE || entry->answer != RSW_FOUND ||
        entry->size != strlen(rsw_digest_format(&path->digest, text))) {
        return false;
    }
    link->answer = RSW_FOUND;
    link->state = RSW_LINK_GOOD;
    link->target = path->digest;
    return true;
}

/* A list tells of revisions before it does of tags ("revisions/" sorts before "tags/"). What it says of a tag
 * a read at that moment would have said: it shows all that was written before (storage/s3_skim.c). What is
 * claimed after `looked` counts for more than either. */
static bool is_told_by_sum(struct repository *r, struct rsw_seen_link *link, const struct rsw_entry *entry,
                           const struct rsw_path *path) {
    if (path->place != RSW_PLACE_TAG_CURRENT || !rsw_sums_find(&link->target, &r->revisions, entry)) {
        return false;
    }
    link->answer = RSW_FOUND;
    link->state = RSW_LINK_GOOD;
    return true;
}

/* An object store lists keys only: the content takes a request of its own. */
static int look_later(struct repository *r, const char *key, int64_t mtime_ms) {
    struct rsw_link_look *grown = rsw_grown(r->looks, &r->look_room, r->look_count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(r->err, RSW_ENOMEM, 0, "out of memory");
    }
    r->looks = grown;
    snprintf(r->looks[r->look_count].key, RSW_KEY_MAX, "%s", key);
    r->looks[r->look_count++].seen.mtime_ms = mtime_ms;
    return 0;
}

/* Of a tag that was not written since the last scan of all, and about which nothing is open, the index knows
 * what that scan read. */
static bool is_known(struct rsw_txn *txn, const struct repository *r, uint32_t repo,
                     struct rsw_link_look *look) {
    struct rsw_path path;
    struct rsw_tag tag;
    char name[RSW_TAG_NAME_MAX + 1];
    rsw_path_parse(&path, look->key);
    if (path.place != RSW_PLACE_TAG_CURRENT || path.tag_len > RSW_TAG_NAME_MAX ||
        look->seen.mtime_ms >= r->reading->unchanged_ms) {
        return false;
    }
    memcpy(name, path.tag, path.tag_len);
    name[path.tag_len] = 0;
    if (rsw_tag_get(txn, repo, name, &tag) != RSW_FOUND || tag.flags != 0 || tag.head == 0 ||
        rsw_blob_digest(txn, tag.head, &look->seen.target) != RSW_FOUND) {
        return false;
    }
    look->seen.answer = RSW_FOUND;
    look->seen.state = RSW_LINK_GOOD;
    return true;
}

/* Those come first; how many there are. */
static int sort_known(struct repository *r, size_t *known) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_repo repo;
    *known = 0;
    if (r->reading->unchanged_ms == 0 || r->look_count == 0) {
        return 0;
    }
    if (rsw_txn_begin_read(&txn, r->reading->index, r->err) != 0) {
        return -1;
    }
    for (size_t i = 0; rsw_repo_find(txn, r->name, &repo) == RSW_FOUND && i < r->look_count; i++) {
        if (is_known(txn, r, repo.id, &r->looks[i])) {
            struct rsw_link_look swap = r->looks[*known];
            r->looks[(*known)++] = r->looks[i];
            r->looks[i] = swap;
        }
    }
    return rsw_txn_failed(txn, r->err) ? -1 : 0;
}

static int take_looks(struct repository *r) {
    size_t known;
    if (sort_known(r, &known) != 0 ||
        rsw_look_links(r->reading->storage, r->looks + known, r->look_count - known, r->err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < r->look_count; i++) {
        struct rsw_path path;
        rsw_path_parse(&path, r->looks[i].key);
        struct rsw_seen_link *link = &r->looks[i].seen;
        if (link->answer == RSW_ABSENT) {
            continue; /* gone since it was listed; no folder stays that would tell of it */
        }
        if (take_link(r, r->looks[i].key, &path, link) != 0) {
            return -1;
        }
    }
    r->look_count = 0;
    return 0;
}

/* ---- listing ---- */

static void take_unread(struct repository *r, const struct rsw_entry *entry) {
    const char *leaf = NULL;
    const char *path;
    enum part part = part_of(r, entry->key, &path);
    if (entry->kind == RSW_ENTRY_OTHER && descend_to(part, path, &leaf) == RSW_DESCEND_SKIP) {
        return; /* a symbolic link or the like where the registry has nothing */
    }
    r->unread = rsw_reading_unseen(r->reading, entry) || r->unread;
}

static bool is_place_of_link(enum rsw_place place) {
    return place == RSW_PLACE_LAYER_LINK || place == RSW_PLACE_REVISION_LINK ||
           place == RSW_PLACE_SIGNATURE_LINK || place == RSW_PLACE_TAG_CURRENT ||
           place == RSW_PLACE_TAG_HISTORY;
}

/* What an entry of a history or a signature is called says all of it; nobody reads what is in it. */
static bool says_more_than_its_name(enum rsw_place place) {
    return place == RSW_PLACE_LAYER_LINK || place == RSW_PLACE_REVISION_LINK ||
           place == RSW_PLACE_TAG_CURRENT;
}

/* Something called `link` in the place of a tag whose name no key of ours can hold: it may point at anything.
 */
static bool is_odd_tag(const struct repository *r, const struct rsw_entry *entry,
                       const struct rsw_path *path) {
    const char *rest;
    bool in_manifests = part_of(r, entry->key, &rest) == PART_MANIFESTS;
    size_t len = strlen(rest);
    return path->place == RSW_PLACE_OTHER && in_manifests && starts_with(rest, "tags/") && len > 13 &&
           strcmp(rest + len - 13, "/current/link") == 0 && depth_of(rest) == 4;
}

/* 2.8 writes a link over in place, so that it is empty for a moment. */
static bool may_be_half_written(const struct repository *r, const struct rsw_entry *entry,
                                const struct rsw_seen_link *link) {
    return !r->reading->registry_stopped && entry->kind == RSW_ENTRY_FILE && link->answer == RSW_FOUND &&
           link->state != RSW_LINK_GOOD;
}

static int take_entry(struct repository *r, const struct rsw_entry *entry) {
    struct rsw_path path;
    const char *in_part;
    enum part part = part_of(r, entry->key, &in_part);
    rsw_path_parse(&path, entry->key);
    r->any = r->any || part != PART_NONE;
    if (part == PART_UPLOADS) {
        return rsw_uploads_take(&r->uploads, r->batch, entry, &path, r->err);
    }
    if (part == PART_NONE) {
        return 0; /* a file with a '_' beside the folders */
    }
    if (entry->answer == RSW_ABSENT &&
        rsw_reading_leftovers(r->reading, entry->key, &r->leftover, r->err) != 0) {
        return -1;
    }
    if (path.place == RSW_PLACE_REVISION_LINK && r->reading->storage->flat &&
        rsw_sums_add(&r->revisions, &path.digest, r->err) != 0) {
        return -1;
    }
    if (is_place_of_link(path.place)) {
        struct rsw_seen_link link;
        bool at_hand = (rsw_link_of_entry(&link, entry) && !may_be_half_written(r, entry, &link)) ||
                       is_told_by_key(r, &link, entry, &path) || is_told_by_sum(r, &link, entry, &path);
        return at_hand || !says_more_than_its_name(path.place) ? take_link(r, entry->key, &path, &link)
                                                               : look_later(r, entry->key, entry->mtime_ms);
    }
    if (is_odd_tag(r, entry, &path)) {
        r->unread = true;
        rsw_reading_misnamed(r->reading, entry->key, "the name of a tag breaks every rule");
    } else if (path.place == RSW_PLACE_BAD_DIGEST && entry->answer != RSW_ABSENT &&
               entry->kind == RSW_ENTRY_FILE) {
        r->leftover = true;
        rsw_reading_problem(r->reading, "%s: '%s' stands where a digest should: left alone", r->name,
                            entry->key);
    } else if (entry->kind == RSW_ENTRY_FILE && entry->answer == RSW_FOUND) {
        r->leftover = true;
        rsw_reading_leftover(r->reading, entry->key);
    } else {
        take_unread(r, entry);
    }
    return 0;
}

static int page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct repository *r = arg;
    (void)err; /* r->err is the same, or one that is looked at first */
    if (rsw_reading_stopped(r->reading, r->err) || r->failed != 0) {
        return r->failed = -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (take_entry(r, &entries[i]) != 0) {
            return r->failed = -1;
        }
    }
    /* Uploads stay together in one batch, for their files come in any order. */
    if (take_looks(r) != 0 ||
        rsw_manifests_read(r->reading, &r->manifests, &r->batch, r->name, r->err) != 0 ||
        (r->batch->upload_count == 0 && rsw_batch_hand_on(r->reading, &r->batch, false, r->err) != 0)) {
        return r->failed = -1;
    }
    return 0;
}

/* What is below could not be listed, or not to its end. */
static void lose(struct repository *r, enum part part, const char *key, const char *why) {
    if (part == PART_UPLOADS || part == PART_ALL) {
        r->uploads.unknown = true;
        rsw_reading_problem(r->reading, "%s: its uploads count as young: %s", r->name, why);
    }
    if (part != PART_UPLOADS) {
        r->unread = true;
        rsw_reading_unread(r->reading, key, why);
    }
}

/* One part, or all. 0, or -1 if the reading must end. */
static int list(struct repository *r, enum part part, bool *found) {
    char key[RSW_KEY_MAX];
    if (rsw_key_repository(r->key, r->name) == NULL ||
        rsw_key_repository_sub(key, r->name, part_names[PART_MANIFESTS]) == NULL) {
        r->unread = true;
        rsw_reading_misnamed(r->reading, r->name, "the name of a repository breaks every rule");
        return 0;
    }
    struct rsw_error why = RSW_ERROR_INIT;
    struct rsw_listing listing = {.descend = descend, .page = page, .arg = r};
    listing.content_max = RSW_LINK_MAX;
    if (part == PART_ALL) {
        listing.prefix = r->key;
        listing.start = "_";
    } else {
        listing.prefix = rsw_key_repository_sub(key, r->name, part_names[part]);
    }
    int answer = rsw_storage_list(r->reading->storage, &listing, &why);
    *found = *found || answer == RSW_FAILED || (part == PART_ALL ? r->any : answer == RSW_FOUND);
    if (answer != RSW_FAILED || r->failed != 0) {
        return r->failed;
    }
    if (why.code == RSW_ENOMEM) {
        return rsw_error_set(r->err, RSW_ENOMEM, 0, "out of memory");
    }
    lose(r, part, listing.prefix, why.message);
    return 0;
}

/* For a store without folders the parts are neighbours in one list; those of repositories below this one
 * come before and behind. */
static int list_all(struct repository *r, bool *found) {
    if (r->reading->storage->flat) {
        return list(r, PART_ALL, found);
    }
    return list(r, PART_LAYERS, found) != 0 || list(r, PART_MANIFESTS, found) != 0 ||
                   list(r, PART_UPLOADS, found) != 0
               ? -1
               : 0;
}

static int read_all(struct repository *r, struct rsw_repository_seen *seen) {
    if (list_all(r, &seen->found) != 0) {
        return -1;
    }
    rsw_uploads_join(r->reading, r->batch);
    seen->unread = r->unread;
    seen->leftover = r->leftover || r->uploads.leftover;
    if (!seen->found) {
        return 0;
    }
    r->batch->uploads_listed = true;
    r->batch->uploads_unknown = r->uploads.unknown;
    r->batch->weight++; /* that the repository is there is a fact too, with nothing in it */
    return rsw_batch_hand_on(r->reading, &r->batch, true, r->err);
}

int rsw_repository_read(struct rsw_reading *reading, const char *name, uint64_t looked,
                        struct rsw_repository_seen *seen, struct rsw_error *err) {
    memset(seen, 0, sizeof *seen);
    struct repository *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    r->reading = reading;
    r->name = name;
    r->uploads = (struct rsw_uploads){.reading = reading, .repo = name};
    r->err = err;
    r->batch = rsw_batch_new(name, looked, err);
    int rc = -1;
    if (r->batch != NULL) {
        r->batch->odd = !rsw_repository_valid(name, strlen(name));
        rc = read_all(r, seen);
    }
    rsw_batch_free(r->batch);
    rsw_manifest_queue_release(&r->manifests);
    rsw_sums_release(&r->revisions);
    free(r->looks);
    free(r);
    return rc;
}
