/* Listing: pages of keys, in their order. Folders are what keys show: each is asked for once, before the
 * first key below it, and where it is passed over, the list goes on behind its last key. */
#include "storage/backend.h"
#include "storage/s3.h"

#include "util/cleanup.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

/* Pages without a key that say that more is to come. */
#define EMPTY_MAX 1000

struct found {
    size_t key; /* place in tour.keys */
    uint64_t size;
    int64_t mtime_ms;
    struct rsw_md5 md5;
};

struct tour {
    struct rsw_s3 *s3;
    const struct rsw_listing *listing;
    struct rsw_page *page; /* owned */
    struct rsw_error *err;
    struct rsw_buf prefix; /* of the bucket's keys: that of the registry, the listing's, a slash, its start */
    size_t own;            /* bytes of it that are the registry's */
    struct rsw_buf last;   /* the bucket's key seen last, "" at first; they only go up */
    struct rsw_buf after;  /* where the next page begins, if a folder is passed over; else empty */
    struct rsw_buf dir;    /* the folder entered last, with its slash; a file in it needs no question */
    bool any;              /* there is something below the prefix */
    struct rsw_buf keys;   /* of the page at hand, each with its NUL */
    struct found *found;   /* owned */
    size_t found_count, found_room;
};

/* Every function below returns 0, or -1 when the listing must end. */

static const char *text_of(const struct rsw_buf *buf) {
    return buf->data == NULL ? "" : (const char *)buf->data;
}

static int set_text(struct rsw_buf *buf, const char *text, size_t len, const char *tail,
                    struct rsw_error *err) {
    rsw_buf_clear(buf);
    return rsw_buf_add(buf, text, len, err) != 0 || rsw_buf_add(buf, tail, strlen(tail), err) != 0 ? -1 : 0;
}

/* ---- one page ---- */

static int gather(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct tour *tour = arg;
    if (object == NULL) {
        rsw_buf_clear(&tour->keys);
        tour->found_count = 0;
        return 0;
    }
    struct found *grown = rsw_grown(tour->found, &tour->found_room, tour->found_count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    tour->found = grown;
    grown[tour->found_count++] = (struct found){
        .key = tour->keys.len, .size = object->size, .mtime_ms = object->mtime_ms, .md5 = object->md5};
    return rsw_buf_add(&tour->keys, object->key, strlen(object->key) + 1, err);
}

/* Sorted by name, as the signature wants it. */
static int make_query(struct rsw_buf *out, const struct tour *tour, const char *token, unsigned max,
                      struct rsw_error *err) {
    if (token[0] != 0 && (rsw_buf_addf(out, err, "continuation-token=") != 0 ||
                          rsw_s3_encode(out, token, true, err) != 0 || rsw_buf_addf(out, err, "&") != 0)) {
        return -1;
    }
    if (rsw_buf_addf(out, err, "encoding-type=url&list-type=2&max-keys=%u&prefix=", max) != 0 ||
        rsw_s3_encode(out, text_of(&tour->prefix), true, err) != 0) {
        return -1;
    }
    return tour->after.len > 0 && (rsw_buf_addf(out, err, "&start-after=") != 0 ||
                                   rsw_s3_encode(out, text_of(&tour->after), true, err) != 0)
               ? -1
               : 0;
}

static int get_page(struct tour *tour, struct rsw_s3_answer *answer, const char *token, unsigned max) {
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    if (make_query(&query, tour, token, max, tour->err) != 0) {
        return -1;
    }
    struct rsw_s3_request request = {.method = "GET",
                                     .query = text_of(&query),
                                     .expected = RSW_S3_LIST,
                                     .prefix = text_of(&tour->prefix),
                                     .after = text_of(&tour->after),
                                     .object = gather,
                                     .arg = tour};
    rsw_s3_send(tour->s3, &request, 1);
    int rc =
        request.errnum == 0 ? 0 : rsw_s3_fail(tour->s3, &request, "list", tour->listing->prefix, tour->err);
    *answer = request.answer;
    rsw_buf_release(&request.bytes);
    return rc;
}

/* ---- what the keys say ---- */

static int add(struct tour *tour, const struct rsw_entry *from, const char *key) {
    struct rsw_entry entry = *from;
    size_t len = strlen(key);
    char *copy = rsw_page_alloc(tour->page, len + 1, tour->err);
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, key, len + 1);
    entry.key = copy;
    return rsw_page_add(tour->page, &entry, tour->err);
}

/* Asks for the folders of `key` that were not entered yet. Where one is passed over, `skip` is the length of
 * its key; else 0. */
static int enter_all(struct tour *tour, const char *key, size_t *skip) {
    size_t start = tour->prefix.len - tour->own;
    *skip = 0;
    for (const char *at = key + start; (at = strchr(at, '/')) != NULL; at++) {
        size_t len = (size_t)(at - key);
        const char *leaf = NULL;
        if (tour->dir.len > len && strncmp(text_of(&tour->dir), key, len + 1) == 0) {
            continue;
        }
        if (set_text(&tour->dir, key, len, "", tour->err) != 0) {
            return -1;
        }
        if (tour->listing->descend(tour->listing->arg, text_of(&tour->dir), &leaf) == RSW_DESCEND_SKIP) {
            *skip = len;
            return 0;
        }
        if (rsw_buf_add(&tour->dir, "/", 1, tour->err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* A key that none of ours can name is there, and nobody can look behind it. */
static int add_odd(struct tour *tour, const char *key) {
    const struct rsw_entry entry = {.kind = RSW_ENTRY_OTHER, .answer = RSW_FAILED, .errnum = EINVAL};
    return add(tour, &entry, key);
}

/* `key` as the bucket has it. */
static int take_key(struct tour *tour, const struct found *found, const char *key) {
    if (tour->after.len > 0 && strcmp(key, text_of(&tour->after)) <= 0) {
        return 0; /* in a folder that is passed over */
    }
    rsw_buf_clear(&tour->after);
    const char *own = key + tour->own;
    size_t len = strlen(own);
    if (len > 0 && own[len - 1] == '/') {
        return 0; /* the mark of an empty folder */
    }
    if (!rsw_storage_key_valid(own, false)) {
        return add_odd(tour, own);
    }
    size_t skip = 0;
    if (tour->listing->descend != NULL && enter_all(tour, own, &skip) != 0) {
        return -1;
    }
    if (skip > 0) { /* "0" is what follows "/": behind all that is below the folder */
        return set_text(&tour->after, key, tour->own + skip, "0", tour->err);
    }
    const struct rsw_entry entry = {.kind = RSW_ENTRY_FILE,
                                    .answer = RSW_FOUND,
                                    .size = found->size,
                                    .mtime_ms = found->mtime_ms,
                                    .md5 = found->md5};
    return add(tour, &entry, own);
}

/* A page that repeats what was seen, or goes back, would leave others out unseen. */
static int take_page(struct tour *tour, bool encoded) {
    for (size_t i = 0; i < tour->found_count; i++) {
        char *key = (char *)tour->keys.data + tour->found[i].key;
        bool read = !encoded || rsw_s3_decode(key);
        if (!read || strncmp(key, text_of(&tour->prefix), tour->prefix.len) != 0 ||
            strcmp(key, text_of(&tour->last)) <= 0) {
            return rsw_error_set(tour->err, RSW_EIO, EIO,
                                 "cannot list '%s' of %s: the store gave a key that is out of place",
                                 tour->listing->prefix, tour->s3->base.url);
        }
        tour->any = true;
        if (set_text(&tour->last, key, strlen(key), "", tour->err) != 0 ||
            take_key(tour, &tour->found[i], key) != 0) {
            return -1;
        }
    }
    return 0;
}

static int run(struct tour *tour) {
    struct rsw_s3_answer answer = {.truncated = true};
    unsigned empty = 0;
    while (answer.truncated) {
        char token[sizeof answer.token];
        strcpy(token, tour->after.len > 0 ? "" : answer.token);
        if (get_page(tour, &answer, token, RSW_S3_KEYS_MAX) != 0 || take_page(tour, answer.encoded) != 0) {
            return -1;
        }
        empty = tour->found_count == 0 ? empty + 1 : 0;
        if (answer.truncated && ((answer.token[0] == 0 && tour->after.len == 0) || empty > EMPTY_MAX)) {
            return rsw_error_set(tour->err, RSW_EIO, EIO,
                                 "cannot list '%s' of %s: the store does not say where the list goes on",
                                 tour->listing->prefix, tour->s3->base.url);
        }
    }
    return rsw_page_flush(tour->page, tour->err);
}

static int tour_init(struct tour *tour, struct rsw_s3 *s3, const struct rsw_listing *listing,
                     struct rsw_error *err) {
    *tour = (struct tour){.s3 = s3, .listing = listing, .err = err, .own = strlen(s3->prefix)};
    const char *slash = listing->prefix[0] != 0 ? "/" : "";
    const char *start = listing->start != NULL ? listing->start : "";
    return rsw_buf_addf(&tour->prefix, err, "%s%s%s%s", s3->prefix, listing->prefix, slash, start);
}

static void tour_release(struct tour *tour) {
    rsw_page_free(tour->page);
    rsw_buf_release(&tour->prefix);
    rsw_buf_release(&tour->last);
    rsw_buf_release(&tour->after);
    rsw_buf_release(&tour->dir);
    rsw_buf_release(&tour->keys);
    free(tour->found);
}
#define AUTO_TOUR __attribute__((cleanup(tour_release))) struct tour

int rsw_s3_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err) {
    AUTO_TOUR tour;
    if (tour_init(&tour, (struct rsw_s3 *)storage, listing, err) != 0 ||
        (tour.page = rsw_page_new(listing, err)) == NULL || run(&tour) != 0) {
        return RSW_FAILED;
    }
    return tour.any || listing->prefix[0] == 0 ? RSW_FOUND : RSW_ABSENT;
}

/* ---- is anything there? ---- */

int rsw_s3_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err) {
    const struct rsw_listing listing = {.prefix = dir};
    struct rsw_s3_answer answer;
    AUTO_TOUR tour;
    if (tour_init(&tour, (struct rsw_s3 *)storage, &listing, err) != 0 ||
        get_page(&tour, &answer, "", 1) != 0) {
        return RSW_FAILED;
    }
    return tour.found_count > 0 || answer.truncated || dir[0] == 0 ? RSW_FOUND : RSW_ABSENT;
}

void rsw_s3_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        int left = rsw_s3_prune(storage, removals[i].key, &err);
        removals[i].answer = left == RSW_ABSENT ? RSW_ABSENT : RSW_FAILED;
        removals[i].errnum = left == RSW_FOUND ? ENOTEMPTY : err.errnum;
    }
}
