#include "scan/blobs.h"

#include "scan/manifests.h"
#include "storage/layout.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

int rsw_names_add(struct rsw_names *names, const char *name, size_t len, struct rsw_error *err) {
    char **grown = rsw_grown(names->names, &names->room, names->count + 1, sizeof *grown);
    char *copy = grown == NULL ? NULL : strndup(name, len);
    names->names = grown == NULL ? names->names : grown;
    if (copy == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    names->names[names->count++] = copy;
    return 0;
}

void rsw_names_release(struct rsw_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        free(names->names[i]);
    }
    free(names->names);
    memset(names, 0, sizeof *names);
}

/* An object store shows all that lies in a folder to whoever looks for folders. Of so many pages nothing is
 * listed twice. */
#define PAGES_READ 8

struct blobs {
    struct rsw_reading *reading;
    struct rsw_batch *batch;   /* owned */
    struct rsw_names *folders; /* to be read; NULL: this is the listing of one of them */
    unsigned pages;            /* seen */
    struct rsw_error *err;
    bool failed;
};

static enum rsw_descend descend(void *arg, const char *dir_key, const char **leaf) {
    struct blobs *b = arg;
    const char *path = dir_key + strlen(RSW_LAYOUT_BLOBS "/");
    const char *two = strchr(path, '/');
    const char *hex = two == NULL ? NULL : strchr(two + 1, '/');
    if (two == NULL) {
        return RSW_DESCEND; /* <alg> */
    }
    bool read_now = b->reading->storage->flat && b->pages < PAGES_READ;
    if (hex == NULL && b->folders != NULL && !read_now) {
        b->failed = b->failed || rsw_names_add(b->folders, dir_key, strlen(dir_key), b->err) != 0;
        return RSW_DESCEND_SKIP;
    }
    *leaf = "data";
    return hex == NULL ? RSW_DESCEND : RSW_DESCEND_PROBE;
}

static int take_entry(struct blobs *b, const struct rsw_entry *entry) {
    struct rsw_path path;
    rsw_path_parse(&path, entry->key);
    if (entry->answer == RSW_ABSENT) { /* a blob's folder without data: a blob was there */
        bool found;
        return rsw_reading_leftovers(b->reading, entry->key, &found, b->err);
    }
    if (path.place == RSW_PLACE_BLOB_DATA && entry->answer == RSW_FOUND && entry->kind == RSW_ENTRY_FILE) {
        struct rsw_seen_blob *blob = rsw_batch_blob(b->batch, b->err);
        if (blob == NULL) {
            return -1;
        }
        blob->digest = path.digest;
        blob->size = entry->size;
        rsw_count(&b->reading->blobs, 1);
        rsw_count(&b->reading->bytes, entry->size);
        return 0;
    }
    if (path.place == RSW_PLACE_BLOB_DATA || path.place == RSW_PLACE_BAD_DIGEST) {
        rsw_reading_problem(
            b->reading, "'%s' is no blob's data, or cannot be looked at (%s): left alone", entry->key,
            entry->answer == RSW_FAILED ? rsw_storage_reason(entry->errnum) : "not what belongs there");
    } else {
        rsw_reading_unseen(b->reading, entry);
    }
    return 0;
}

static int page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct blobs *b = arg;
    (void)err;
    b->pages++;
    b->failed = b->failed || rsw_reading_stopped(b->reading, b->err);
    for (size_t i = 0; i < count && !b->failed; i++) {
        b->failed = take_entry(b, &entries[i]) != 0;
    }
    b->failed = b->failed || rsw_batch_hand_on(b->reading, &b->batch, false, b->err) != 0;
    return b->failed ? -1 : 0;
}

static int list(struct rsw_reading *reading, uint64_t looked, const char *prefix, struct rsw_names *folders,
                bool *found, struct rsw_error *err) {
    struct blobs b = {.reading = reading, .folders = folders, .err = err};
    b.batch = rsw_batch_new(NULL, looked, err);
    if (b.batch == NULL) {
        return -1;
    }
    struct rsw_error why = RSW_ERROR_INIT;
    struct rsw_listing listing = {.prefix = prefix, .descend = descend, .page = page, .arg = &b};
    int answer = rsw_storage_list(reading->storage, &listing, &why);
    *found = answer != RSW_ABSENT;
    if (answer == RSW_FAILED && !b.failed) {
        if (why.code == RSW_ENOMEM) {
            b.failed = true;
            rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        } else {
            rsw_reading_unread(reading, prefix, why.message);
        }
    }
    b.failed = b.failed || rsw_batch_hand_on(reading, &b.batch, true, err) != 0;
    rsw_batch_free(b.batch);
    return b.failed ? -1 : 0;
}

int rsw_blobs_find(struct rsw_reading *reading, uint64_t looked, struct rsw_names *folders, bool *found,
                   struct rsw_error *err) {
    return list(reading, looked, RSW_LAYOUT_BLOBS, folders, found, err);
}

int rsw_blobs_read(struct rsw_reading *reading, uint64_t looked, const char *folder, struct rsw_error *err) {
    bool found;
    return list(reading, looked, folder, NULL, &found, err);
}
