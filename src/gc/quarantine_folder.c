/* What is in the quarantine as a whole: making it, emptying it, and what lies hidden by it. */
#include "gc/quarantine.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define README RSW_QUARANTINE "/README"

static const char *remedy(int errnum) {
    switch (errnum) {
    case EACCES:
    case EPERM:
        return "; let the user that runs regsweep write there, or make the folder 'regsweep' for it";
    case EROFS:
        return "; mount it writable";
    case ENOSPC:
    case EDQUOT:
        return "; make some room there";
    case ELOOP:
    case ENOTDIR:
        return "; in place of what stands in the way put a folder of the same filesystem";
    default:
        return "";
    }
}

static enum rsw_code code_of(int errnum) {
    return errnum == EACCES || errnum == EPERM || errnum == EROFS ? RSW_EACCESS : RSW_EIO;
}

int rsw_quarantine_prepare(struct rsw_storage *storage, struct rsw_error *err) {
    RSW_AUTO_BUF said = RSW_BUF_INIT;
    if (rsw_quarantine_readme(&said, storage, err) != 0) {
        return -1;
    }
    struct rsw_write write = {.key = README, .bytes = said.data, .len = said.len};
    rsw_storage_write(storage, &write, 1);
    if (write.answer == RSW_FOUND || write.errnum == EEXIST) {
        return 0;
    }
    return rsw_error_set(err, code_of(write.errnum), write.errnum,
                         "cannot use the quarantine: cannot write '" README "' in %s: %s%s",
                         rsw_storage_url(storage), rsw_storage_reason(write.errnum), remedy(write.errnum));
}

/* ---- clean ---- */

struct cleaning {
    struct rsw_storage *storage;
    size_t prefix_len; /* of the generation's folder and its slash, in every key */
    uint64_t strange;
};

static bool is_link(enum rsw_place place) {
    return place == RSW_PLACE_LAYER_LINK || place == RSW_PLACE_REVISION_LINK ||
           place == RSW_PLACE_SIGNATURE_LINK || place == RSW_PLACE_TAG_CURRENT ||
           place == RSW_PLACE_TAG_HISTORY;
}

static bool is_record(const char *key) {
    char data[RSW_QUARANTINE_KEY_MAX];
    const char *slash = strrchr(key, '/');
    struct rsw_path path;
    rsw_quarantine_sibling(data, key, RSW_QUARANTINE_DATA);
    rsw_path_parse(&path, data);
    return slash != NULL && strcmp(slash + 1, RSW_QUARANTINE_RECORD) == 0 &&
           path.place == RSW_PLACE_BLOB_DATA;
}

static int cannot_clean(const char *key, int errnum, struct rsw_error *err) {
    return rsw_error_set(err, code_of(errnum), errnum, "cannot clean the quarantine: '%s': %s%s", key,
                         rsw_storage_reason(errnum), remedy(errnum));
}

/* The links of a page, at once. */
static int remove_links(struct cleaning *cleaning, struct rsw_removal *removals, size_t count,
                        struct rsw_error *err) {
    rsw_storage_remove(cleaning->storage, removals, count);
    for (size_t i = 0; i < count; i++) {
        if (removals[i].answer == RSW_FAILED) {
            return cannot_clean(removals[i].key, removals[i].errnum, err);
        }
    }
    return 0;
}

static int clean_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct cleaning *cleaning = arg;
    RSW_AUTO_FREE struct rsw_removal *removals = calloc(count + 1, sizeof *removals);
    size_t links = 0;
    if (removals == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while cleaning the quarantine");
    }
    for (size_t i = 0; i < count; i++) {
        const struct rsw_entry *entry = &entries[i];
        struct rsw_path path;
        if (entry->kind == RSW_ENTRY_DIR) {
            return cannot_clean(entry->key, entry->errnum, err);
        }
        rsw_path_parse(&path, entry->key + cleaning->prefix_len);
        if (entry->kind == RSW_ENTRY_FILE && is_link(path.place)) {
            removals[links++].key = entry->key;
        } else if (entry->kind != RSW_ENTRY_FILE ||
                   (path.place != RSW_PLACE_BLOB_DATA && !is_record(entry->key + cleaning->prefix_len))) {
            cleaning->strange++;
        }
    }
    return remove_links(cleaning, removals, links, err);
}

int rsw_quarantine_clean(struct rsw_storage *storage, uint64_t generation, uint64_t *strange,
                         struct rsw_error *err) {
    char dir[RSW_QUARANTINE_KEY_MAX];
    int len = snprintf(dir, sizeof dir, RSW_QUARANTINE "/%" PRIu64, generation);
    struct cleaning cleaning = {.storage = storage, .prefix_len = (size_t)len + 1};
    const struct rsw_listing listing = {.prefix = dir, .page = clean_page, .arg = &cleaning};
    int listed = rsw_storage_list(storage, &listing, err);
    if (strange != NULL) {
        *strange = cleaning.strange;
    }
    if (listed == RSW_ABSENT) {
        return 0;
    }
    return listed == RSW_FAILED || (!storage->flat && rsw_storage_prune(storage, dir, err) == RSW_FAILED) ? -1
                                                                                                          : 0;
}

/* ---- what lies hidden ---- */

char *rsw_quarantine_data_of(const char *key) {
    char data[RSW_QUARANTINE_KEY_MAX];
    bool record = is_record(key);
    if (record) {
        rsw_quarantine_sibling(data, key, RSW_QUARANTINE_DATA);
    }
    return strdup(record ? data : key);
}

struct hidden {
    int (*tell)(void *arg, const char *key, struct rsw_error *err);
    void *arg;
};

static int hidden_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct hidden *hidden = arg;
    for (size_t i = 0; i < count; i++) {
        char data[RSW_QUARANTINE_KEY_MAX];
        const char *key = strstr(entries[i].key, "/" RSW_LAYOUT_ROOT "/");
        if (key != NULL && is_record(key + 1)) {
            rsw_quarantine_sibling(data, key + 1, RSW_QUARANTINE_DATA);
            if (hidden->tell(hidden->arg, data, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int rsw_quarantine_each_hidden(struct rsw_storage *storage,
                               int (*hidden)(void *arg, const char *key, struct rsw_error *err), void *arg,
                               struct rsw_error *err) {
    struct hidden of = {hidden, arg};
    const struct rsw_listing listing = {.prefix = RSW_QUARANTINE, .page = hidden_page, .arg = &of};
    return rsw_storage_list(storage, &listing, err) == RSW_FAILED ? -1 : 0;
}
