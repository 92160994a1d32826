/* Putting files back in their places. */
#include "gc/revival.h"

#include "gc/quarantine.h"
#include "storage/layout.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void note(struct rsw_revival *revival, struct rsw_touched *entry, const struct rsw_setting *setting) {
    if (setting->answer == RSW_FAILED) {
        entry->answer = RSW_FAILED;
        rsw_log(revival->log, RSW_LOG_ERROR, "%s was touched and cannot be put back, tried again later: %s",
                setting->key, rsw_storage_reason(setting->errnum));
    }
}

/* What else is in quarantine in the folder of a revision or tag (signatures, history), whether the index
 * still knows of it or not. */
struct folder {
    struct rsw_revival *revival;
    struct rsw_touched *entry;
};

/* That of the tag, or the link of the revision: they come last. */
static bool is_head(const char *key) {
    struct rsw_path path;
    rsw_path_parse(&path, key);
    return path.place == RSW_PLACE_TAG_CURRENT || path.place == RSW_PLACE_REVISION_LINK;
}

static int return_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct folder *of = arg;
    RSW_AUTO_FREE struct rsw_setting *settings = calloc(count + 1, sizeof *settings);
    size_t files = 0;
    if (settings == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for giving back");
    }
    for (size_t i = 0; i < count; i++) {
        const char *key = strstr(entries[i].key, RSW_LAYOUT_ROOT "/");
        if (key != NULL && entries[i].kind == RSW_ENTRY_FILE && !is_head(key)) {
            settings[files++].key = key;
        }
    }
    rsw_quarantine_return(of->revival->storage, of->entry->item.generation, settings, files);
    for (size_t i = 0; i < files; i++) {
        note(of->revival, of->entry, &settings[i]);
    }
    return 0;
}

static void return_folder(struct rsw_revival *revival, struct rsw_touched *entry, const char *key) {
    char prefix[RSW_QUARANTINE_KEY_MAX];
    struct folder of = {revival, entry};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_listing listing = {
        .prefix = rsw_quarantine_key(prefix, entry->item.generation, key), .page = return_page, .arg = &of};
    if (rsw_storage_list(revival->storage, &listing, &err) == RSW_FAILED) {
        entry->answer = RSW_FAILED;
        rsw_log(revival->log, RSW_LOG_ERROR, "what belongs to %s cannot be put back, tried again later: %s",
                key, err.message);
    }
}

/* Before the file that makes it one. */
static void return_parts(struct rsw_revival *revival, struct rsw_touched *entry,
                         const struct rsw_removal_item *item) {
    char key[RSW_KEY_MAX];
    if (item->item.kind == RSW_ITEM_REVISION &&
        rsw_key_revision_link(key, item->repo.name, &item->digest) != NULL) {
        *strrchr(key, '/') = 0;
        return_folder(revival, entry, key);
    } else if (item->item.kind == RSW_ITEM_TAG &&
               rsw_key_tag(key, item->repo.name, item->item.name) != NULL) {
        return_folder(revival, entry, key);
    }
}

/* A layer link of which there is no copy, for a request of ours to forget it has taken it: what it says is
 * known. One that is in place stays as it is. */
static void write_link(struct rsw_revival *revival, struct rsw_touched *entry,
                       const struct rsw_removal_item *item) {
    char key[RSW_KEY_MAX];
    char text[RSW_DIGEST_TEXT_MAX];
    struct rsw_write write = {.key = rsw_key_layer_link(key, item->repo.name, &item->digest)};
    if (write.key == NULL || item->digest.alg != RSW_SHA256) { /* an alias: nobody knows what it led to */
        entry->answer = entry->answer == RSW_FOUND ? RSW_ABSENT : entry->answer;
        return;
    }
    write.bytes = rsw_digest_format(&item->digest, text);
    write.len = strlen(text);
    rsw_storage_write(revival->storage, &write, 1);
    if (write.answer == RSW_FOUND) {
        revival->result->placed++;
    } else if (write.errnum != EEXIST) {
        entry->answer = RSW_FAILED;
        rsw_log(revival->log, RSW_LOG_ERROR, "%s was touched and cannot be written, tried again later: %s",
                key, rsw_storage_reason(write.errnum));
    }
}

/* The tag was pushed again, and its new head is not there: the registry is about to write it; or it did, just
 * when the old one was removed, where storage cannot move a file in one step. Its history, which the registry
 * writes first, tells. True: the head is told of here. */
static bool write_head(struct rsw_revival *revival, struct rsw_touched *entry,
                       const struct rsw_removal_item *item) {
    char history[RSW_KEY_MAX];
    char key[RSW_KEY_MAX];
    char text[RSW_DIGEST_TEXT_MAX];
    struct rsw_look look = {
        .key = rsw_key_tag_history(history, item->repo.name, item->item.name, &entry->head_digest)};
    struct rsw_write write = {.key = rsw_key_tag_current(key, item->repo.name, item->item.name)};
    if (look.key == NULL || write.key == NULL) {
        return false;
    }
    rsw_storage_look(revival->storage, &look, 1);
    if (look.answer == RSW_ABSENT) {
        return false;
    }
    write.bytes = rsw_digest_format(&entry->head_digest, text);
    write.len = strlen(text);
    write.errnum = look.errnum;
    if (look.answer == RSW_FOUND) {
        rsw_storage_write(revival->storage, &write, 1);
    }
    if (look.answer == RSW_FAILED || (write.answer == RSW_FAILED && write.errnum != EEXIST)) {
        const struct rsw_setting setting = {.key = key, .answer = RSW_FAILED, .errnum = write.errnum};
        note(revival, entry, &setting);
    } else if (write.answer == RSW_FOUND) {
        revival->result->placed++;
    }
    return true;
}

/* What goes before the file that makes it one. True: that file is told of, too. */
static bool place_before(struct rsw_revival *revival, struct rsw_touched *entry,
                         const struct rsw_removal_item *item) {
    return_parts(revival, entry, item);
    if (entry->layer) {
        write_link(revival, entry, item);
    }
    return entry->head != 0 && write_head(revival, entry, item);
}

static void take_placed(struct rsw_revival *revival, const struct rsw_removal_key *plan,
                        const struct rsw_setting *setting) {
    struct rsw_touched *entry = &revival->entries[revival->owners[plan->item]];
    note(revival, entry, setting);
    bool itself =
        plan->turn == RSW_TURN_NAME || entry->item.kind == RSW_ITEM_BLOB || entry->item.kind == RSW_ITEM_LINK;
    bool lost = itself && setting->answer == RSW_ABSENT;
    if (lost && entry->item.kind == RSW_ITEM_LINK) {
        write_link(revival, entry, &revival->batch->items[plan->item]);
    } else if (lost && entry->answer == RSW_FOUND) {
        entry->answer = RSW_ABSENT;
    }
    revival->result->placed += setting->placed ? 1 : 0;
}

/* Files to put back, and which of the plan they are. */
struct files {
    struct rsw_setting *settings; /* owned */
    size_t *plan;                 /* owned */
    size_t count;
};

static void files_release(struct files *files) {
    free(files->settings);
    free(files->plan);
}

/* They stand in the order of their generations. */
static void return_files(struct rsw_revival *revival, struct files *files) {
    const struct rsw_removal_batch *batch = revival->batch;
    for (size_t from = 0, to = 0; from < files->count; from = to) {
        uint64_t generation = batch->items[batch->plan[files->plan[from]].item].item.generation;
        while (to < files->count &&
               batch->items[batch->plan[files->plan[to]].item].item.generation == generation) {
            to++;
        }
        rsw_quarantine_return(revival->storage, generation, files->settings + from, to - from);
    }
    for (size_t i = 0; i < files->count; i++) {
        take_placed(revival, &batch->plan[files->plan[i]], &files->settings[i]);
    }
}

/* Puts the files of this turn back that are not in place. -1: out of memory. */
static int place_turn(struct rsw_revival *revival, enum rsw_removal_turn turn) {
    const struct rsw_removal_batch *batch = revival->batch;
    __attribute__((cleanup(files_release))) struct files files = {
        .settings = calloc(batch->plan_count + 1, sizeof *files.settings),
        .plan = calloc(batch->plan_count + 1, sizeof *files.plan)};
    if (files.settings == NULL || files.plan == NULL) {
        return -1;
    }
    for (size_t i = 0; i < batch->plan_count; i++) {
        const struct rsw_removal_key *plan = &batch->plan[i];
        struct rsw_touched *entry = &revival->entries[revival->owners[plan->item]];
        if (plan->turn != turn ||
            (turn == RSW_TURN_NAME && place_before(revival, entry, &batch->items[plan->item]))) {
            continue;
        }
        files.settings[files.count] = (struct rsw_setting){.key = batch->keys + plan->key};
        files.plan[files.count++] = i;
    }
    return_files(revival, &files);
    return 0;
}

int rsw_revival_place(struct rsw_revival *revival, struct rsw_error *err) {
    return place_turn(revival, RSW_TURN_PART) == 0 && place_turn(revival, RSW_TURN_NAME) == 0
               ? 0
               : rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for giving back");
}
