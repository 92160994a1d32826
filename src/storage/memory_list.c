/* The listing of the memory backend. Goes from key to key in byte order, which keeps the files of one
 * directory together, and takes the lock for one file at a time: callbacks may use the storage. */
#include "storage/backend.h"
#include "storage/memory.h"

#include "util/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct tour {
    struct rsw_memory *memory;
    const struct rsw_listing *listing;
    struct rsw_page *page; /* owned */
    struct rsw_error *err;
    size_t prefix_len;  /* with the slash, if any, and the start */
    struct rsw_buf at;  /* where to go on, NUL-ended: files from this key on */
    struct rsw_buf dir; /* the directory entered last, with its slash; a file in it needs no question */
};

static int set_text(struct rsw_buf *buf, const char *text, size_t len, const char *tail,
                    struct rsw_error *err) {
    RSW_AUTO_BUF fresh = RSW_BUF_INIT; /* `text` may be in `buf` */
    if (rsw_buf_add(&fresh, text, len, err) != 0 || rsw_buf_add(&fresh, tail, strlen(tail), err) != 0) {
        return -1;
    }
    struct rsw_buf old = *buf;
    *buf = fresh;
    fresh = old;
    return 0;
}

static const char *text_of(const struct rsw_buf *buf) {
    return buf->data == NULL ? "" : (const char *)buf->data;
}

/* Every function below returns 0, or -1 when the listing must end. */

static int add(struct tour *tour, struct rsw_entry *entry, const char *key, size_t len) {
    char *copy = rsw_page_alloc(tour->page, len + 1, tour->err);
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, key, len);
    copy[len] = 0;
    entry->key = copy;
    return rsw_page_add(tour->page, entry, tour->err);
}

/* Lock held. */
static int describe(struct tour *tour, const struct rsw_memory_file *file, struct rsw_entry *entry) {
    int errnum = rsw_memory_fault(tour->memory, file->key);
    *entry = (struct rsw_entry){.kind = RSW_ENTRY_FILE, .answer = RSW_FAILED, .errnum = errnum};
    if (errnum != 0) {
        return 0;
    }
    entry->answer = RSW_FOUND;
    entry->size = file->len;
    entry->mtime_ms = file->mtime_ms;
    bool small = tour->listing->content_max > 0 && file->len <= tour->listing->content_max;
    if (small && tour->memory->sums) {
        entry->md5 = rsw_md5_of(file->bytes, file->len);
    }
    if (small && !tour->memory->base.flat) {
        uint8_t *bytes = rsw_page_alloc(tour->page, file->len + 1, tour->err);
        if (bytes == NULL) {
            return -1;
        }
        memcpy(bytes, file->bytes, file->len);
        entry->content = bytes;
        entry->content_len = file->len;
    }
    return 0;
}

/* The one file `leaf` in the directory of `dir_len` bytes at the head of `key`. */
static int probe(struct tour *tour, const char *key, size_t dir_len, const char *leaf) {
    RSW_AUTO_BUF wanted = RSW_BUF_INIT;
    if (set_text(&wanted, key, dir_len, "/", tour->err) != 0 ||
        set_text(&wanted, text_of(&wanted), wanted.len, leaf, tour->err) != 0) {
        return -1;
    }
    struct rsw_entry entry = {.kind = RSW_ENTRY_FILE, .answer = RSW_ABSENT, .errnum = ENOENT};
    int rc = 0;
    pthread_mutex_lock(&tour->memory->lock);
    size_t at = rsw_memory_find(tour->memory, text_of(&wanted));
    int errnum = rsw_memory_fault(tour->memory, text_of(&wanted));
    if (errnum != 0) {
        entry.answer = RSW_FAILED;
        entry.errnum = errnum;
    } else if (at < tour->memory->count && strcmp(tour->memory->files[at].key, text_of(&wanted)) == 0) {
        rc = describe(tour, &tour->memory->files[at], &entry);
    } else if (rsw_memory_has_dir(tour->memory, text_of(&wanted))) {
        entry = (struct rsw_entry){.kind = RSW_ENTRY_DIR, .answer = RSW_FOUND};
    }
    pthread_mutex_unlock(&tour->memory->lock);
    return rc != 0 ? -1 : add(tour, &entry, text_of(&wanted), wanted.len);
}

/* Asks for the directory of `dir_len` bytes at the head of `key`. Sets *entered. */
static int enter(struct tour *tour, const char *key, size_t dir_len, bool *entered) {
    RSW_AUTO_BUF dir = RSW_BUF_INIT;
    const char *leaf = NULL;
    if (set_text(&dir, key, dir_len, "", tour->err) != 0) {
        return -1;
    }
    enum rsw_descend what = RSW_DESCEND;
    if (tour->listing->descend != NULL) {
        what = tour->listing->descend(tour->listing->arg, text_of(&dir), &leaf);
    }
    *entered = false;
    if (what == RSW_DESCEND_PROBE && tour->memory->base.flat) {
        what = RSW_DESCEND;
    }
    if (what == RSW_DESCEND_PROBE && rsw_storage_key_valid(leaf, false)) {
        return probe(tour, key, dir_len, leaf);
    }
    pthread_mutex_lock(&tour->memory->lock);
    int errnum = what == RSW_DESCEND_PROBE ? EINVAL : rsw_memory_fault(tour->memory, text_of(&dir));
    pthread_mutex_unlock(&tour->memory->lock);
    if (what != RSW_DESCEND_SKIP && errnum != 0) {
        struct rsw_entry entry = {.kind = RSW_ENTRY_DIR, .answer = RSW_FAILED, .errnum = errnum};
        return add(tour, &entry, text_of(&dir), dir.len);
    }
    *entered = what == RSW_DESCEND;
    return *entered ? set_text(&tour->dir, key, dir_len, "/", tour->err) : 0;
}

/* Enters the directories of `key` below the prefix that were not entered yet. Where one is not entered,
 * `skip` is the length of its key; else 0. */
static int enter_all(struct tour *tour, const char *key, size_t *skip) {
    *skip = 0;
    for (const char *at = key + tour->prefix_len; (at = strchr(at, '/')) != NULL; at++) {
        size_t len = (size_t)(at - key);
        if (tour->dir.len > len && strncmp(text_of(&tour->dir), key, len + 1) == 0) {
            continue;
        }
        bool entered;
        if (enter(tour, key, len, &entered) != 0) {
            return -1;
        }
        if (!entered) {
            *skip = len;
            return 0;
        }
    }
    return 0;
}

/* Copies the next key below the prefix. 1, 0 at the end, or -1. */
static int next_key(struct tour *tour, struct rsw_buf *key) {
    int rc = 0;
    pthread_mutex_lock(&tour->memory->lock);
    size_t at = rsw_memory_find(tour->memory, text_of(&tour->at));
    if (at < tour->memory->count) {
        const char *found = tour->memory->files[at].key;
        if (strncmp(found, text_of(&tour->at), tour->prefix_len) == 0) {
            rc = set_text(key, found, strlen(found), "", tour->err) == 0 ? 1 : -1;
        }
    }
    pthread_mutex_unlock(&tour->memory->lock);
    return rc;
}

static int add_file(struct tour *tour, const char *key) {
    struct rsw_entry entry;
    int rc = 1;
    pthread_mutex_lock(&tour->memory->lock);
    size_t at = rsw_memory_find(tour->memory, key);
    if (at < tour->memory->count && strcmp(tour->memory->files[at].key, key) == 0) {
        rc = describe(tour, &tour->memory->files[at], &entry);
    }
    pthread_mutex_unlock(&tour->memory->lock);
    return rc == 0 ? add(tour, &entry, key, strlen(key)) : rc < 0 ? -1 : 0;
}

/* One file, or the directory that it is in and that is passed over. 1 if there was one, 0 at the end, or -1.
 */
static int step(struct tour *tour) {
    RSW_AUTO_BUF key = RSW_BUF_INIT;
    int more = next_key(tour, &key);
    if (more <= 0) {
        return more;
    }
    size_t skip = 0;
    if (enter_all(tour, text_of(&key), &skip) != 0) {
        return -1;
    }
    if (skip > 0) { /* "0" is what follows "/": the first key that is not in it */
        return set_text(&tour->at, text_of(&key), skip, "0", tour->err) == 0 ? 1 : -1;
    }
    if (add_file(tour, text_of(&key)) != 0) {
        return -1;
    }
    return set_text(&tour->at, text_of(&key), key.len, "\x01", tour->err) == 0 ? 1 : -1;
}

static int run(struct tour *tour, int fault) {
    int more;
    do {
        more = step(tour);
    } while (more > 0 && fault == 0);
    if (more < 0 || rsw_page_flush(tour->page, tour->err) != 0) {
        return RSW_FAILED;
    }
    if (fault != 0) { /* cut short, after a first page: the worst moment for a caller */
        rsw_storage_fail(tour->err, fault, "list", tour->listing->prefix);
        return RSW_FAILED;
    }
    return RSW_FOUND;
}

int rsw_memory_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err) {
    struct rsw_memory *memory = (struct rsw_memory *)storage;
    bool is_root = listing->prefix[0] == 0;
    pthread_mutex_lock(&memory->lock);
    int cut = rsw_memory_count(memory);
    int fault = rsw_memory_fault(memory, listing->prefix);
    bool is_there = is_root || rsw_memory_has_dir(memory, listing->prefix);
    pthread_mutex_unlock(&memory->lock);
    if (fault != 0) {
        rsw_storage_fail(err, fault, "list", listing->prefix);
        return RSW_FAILED;
    }
    if (!is_there && cut == 0) {
        return RSW_ABSENT;
    }
    RSW_AUTO_BUF at = RSW_BUF_INIT;
    const char *start = listing->start != NULL ? listing->start : "";
    if (set_text(&at, listing->prefix, strlen(listing->prefix), is_root ? "" : "/", err) != 0 ||
        rsw_buf_add(&at, start, strlen(start), err) != 0) {
        return RSW_FAILED;
    }
    RSW_AUTO_PAGE page = rsw_page_new(listing, err);
    if (page == NULL) {
        return RSW_FAILED;
    }
    struct tour tour = {.memory = memory,
                        .listing = listing,
                        .page = page,
                        .err = err,
                        .prefix_len = at.len,
                        .at = at,
                        .dir = RSW_BUF_INIT};
    at = (struct rsw_buf)RSW_BUF_INIT;
    int answer = run(&tour, cut);
    rsw_buf_release(&tour.at);
    rsw_buf_release(&tour.dir);
    return answer;
}
