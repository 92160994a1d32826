/* Versions that are not current any more, and markers of deletions: listed page by page, key by key. */
#include "storage/s3_versions.h"

#include "util/cleanup.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

/* What is deleted together: so many keys at most, and about so many versions. */
#define BATCH_KEYS 500
#define BATCH_VERSIONS 1000

/* A version of the page at hand, which counts only once the page was read to its end. */
struct seen {
    size_t key, id; /* places in tour.texts */
    uint64_t size;
    int64_t mtime_ms;
    bool marker, latest;
};

struct tour {
    struct rsw_s3 *s3;
    struct rsw_old_versions *old;
    struct rsw_error *err;
    struct rsw_buf prefix; /* as the bucket has it */
    struct rsw_buf texts;
    struct seen *seen; /* owned */
    size_t seen_count, seen_room;
    struct rsw_s3_history histories[BATCH_KEYS]; /* of keys that lose something; behind them that at hand */
    struct rsw_s3_erasure erasures[BATCH_KEYS];
    size_t count;   /* without the one at hand */
    size_t victims; /* of these */
    uint64_t looked;
};

static void tour_free(struct tour **at) {
    struct tour *tour = *at;
    if (tour != NULL) {
        rsw_s3_histories_release(tour->histories, BATCH_KEYS);
        rsw_buf_release(&tour->prefix);
        rsw_buf_release(&tour->texts);
        free(tour->seen);
        free(tour);
    }
}

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for old versions");
}

/* ---- one page ---- */

static int gather(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct tour *tour = arg;
    if (object == NULL) {
        rsw_buf_clear(&tour->texts);
        tour->seen_count = 0;
        return 0;
    }
    struct seen *grown = rsw_grown(tour->seen, &tour->seen_room, tour->seen_count + 1, sizeof *grown);
    if (grown == NULL) {
        return no_memory(err);
    }
    tour->seen = grown;
    struct seen *seen = &grown[tour->seen_count++];
    *seen = (struct seen){.key = tour->texts.len,
                          .id = tour->texts.len + strlen(object->key) + 1,
                          .size = object->size,
                          .mtime_ms = object->mtime_ms,
                          .marker = object->marker,
                          .latest = object->latest};
    return rsw_buf_add(&tour->texts, object->key, strlen(object->key) + 1, err) != 0
               ? -1
               : rsw_buf_add(&tour->texts, object->version, strlen(object->version) + 1, err);
}

static int get_page(struct tour *tour, struct rsw_s3_answer *answer) {
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    if (rsw_s3_versions_query(&query, (const char *)tour->prefix.data, answer->token, answer->next_id) != 0) {
        return no_memory(tour->err);
    }
    struct rsw_s3_request request = {.method = "GET",
                                     .query = (const char *)query.data,
                                     .expected = RSW_S3_VERSIONS,
                                     .prefix = (const char *)tour->prefix.data,
                                     .object = gather,
                                     .arg = tour};
    rsw_s3_send(tour->s3, &request, 1);
    rsw_buf_release(&request.bytes);
    if (request.errnum != 0) {
        return rsw_s3_fail(tour->s3, &request, "list versions below", tour->old->prefix, tour->err);
    }
    bool leads_on = request.answer.token[0] != 0 && (strcmp(request.answer.token, answer->token) != 0 ||
                                                     strcmp(request.answer.next_id, answer->next_id) != 0);
    *answer = request.answer;
    return !answer->truncated || leads_on
               ? 0
               : rsw_error_set(tour->err, RSW_EIO, EIO,
                               "cannot list versions below '%s' of %s: the store does not say where the list "
                               "goes on",
                               tour->old->prefix, tour->s3->base.url);
}

/* ---- one key ---- */

/* One that is not the newest is old since the next newer one is there; a marker that is, since it is. */
static struct rsw_old_version old_at(const struct rsw_s3_history *history, size_t i) {
    const struct rsw_s3_version *version = &history->versions[i];
    return (struct rsw_old_version){.key = history->key,
                                    .id = version->id,
                                    .size = version->size,
                                    .since_ms =
                                        i == 0 ? version->mtime_ms : history->versions[i - 1].mtime_ms,
                                    .marker = version->marker,
                                    .deleted = history->versions[0].marker};
}

static void count(struct rsw_old_versions *old, const struct rsw_old_version *version) {
    old->markers += version->marker ? 1 : 0;
    old->versions += version->marker ? 0 : 1;
    old->bytes += version->size;
}

/* The oldest ones go, up to the first that is not wanted; the marker on top only with all that it covers, for
 * what lies below would come to sight. */
static struct rsw_s3_erasure choose(struct rsw_old_versions *old, const struct rsw_s3_history *history) {
    size_t from = history->count;
    bool all = true;
    for (size_t i = history->count; i > 0; i--) {
        const struct rsw_old_version version = old_at(history, i - 1);
        if (i == 1 && !version.marker) {
            break; /* the current one */
        }
        count(old, &version);
        all = all && old->wanted != NULL && old->wanted(old->arg, &version);
        from = all ? i - 1 : from;
    }
    return (struct rsw_s3_erasure){
        .history = history, .upto = from, .from = from == 0 ? 1 : from, .end = history->count};
}

static int tell_going(struct tour *tour) {
    for (size_t k = 0; k < tour->count; k++) {
        const struct rsw_s3_erasure *erasure = &tour->erasures[k];
        for (size_t i = erasure->upto; i < erasure->end; i++) {
            const struct rsw_old_version version = old_at(erasure->history, i);
            if (tour->old->going(tour->old->arg, &version, tour->err) != 0) {
                return -1;
            }
        }
    }
    return tour->old->going(tour->old->arg, NULL, tour->err);
}

static int delete_batch(struct tour *tour) {
    bool dry = tour->old->going == NULL;
    if (!dry && tell_going(tour) != 0) {
        return -1;
    }
    if (!dry) {
        rsw_s3_erase(tour->s3, tour->erasures, tour->count);
    }
    for (size_t k = 0; k < tour->count; k++) {
        const struct rsw_s3_erasure *erasure = &tour->erasures[k];
        for (size_t i = erasure->upto; i < erasure->end; i++) {
            bool gone = dry || erasure->errnum == 0;
            tour->old->removed += gone ? 1 : 0;
            tour->old->removed_bytes += gone ? erasure->history->versions[i].size : 0;
            tour->old->failed += gone ? 0 : 1;
        }
    }
    rsw_s3_histories_release(tour->histories, tour->count);
    memset(tour->histories, 0, tour->count * sizeof *tour->histories);
    tour->count = tour->victims = 0;
    return 0;
}

/* All of the key at hand is known. */
static int end_key(struct tour *tour) {
    struct rsw_s3_history *history = &tour->histories[tour->count];
    if (history->count == 0) {
        return 0;
    }
    struct rsw_s3_erasure erasure = choose(tour->old, history);
    if (erasure.end <= erasure.upto) {
        rsw_s3_histories_release(history, 1);
        *history = (struct rsw_s3_history){.key = NULL};
        return 0;
    }
    tour->erasures[tour->count++] = erasure;
    tour->victims += erasure.end - erasure.upto;
    return tour->count == BATCH_KEYS || tour->victims >= BATCH_VERSIONS ? delete_batch(tour) : 0;
}

static int take_version(struct tour *tour, const struct seen *seen) {
    const char *key = (const char *)tour->texts.data + seen->key;
    struct rsw_s3_history *history = &tour->histories[tour->count];
    if (history->count > 0 && strcmp(history->full, key) != 0) {
        if (end_key(tour) != 0) {
            return -1;
        }
        history = &tour->histories[tour->count];
    }
    if (seen->latest != (history->count == 0) ||
        strncmp(key, (char *)tour->prefix.data, tour->prefix.len) != 0) {
        return rsw_error_set(tour->err, RSW_EIO, EIO, "the versions of %s are out of order", key);
    }
    if (history->full == NULL) {
        history->full = strdup(key);
        history->key = history->full == NULL ? NULL : history->full + strlen(tour->s3->prefix);
    }
    const struct rsw_s3_object object = {.version = (const char *)tour->texts.data + seen->id,
                                         .marker = seen->marker,
                                         .size = seen->size,
                                         .mtime_ms = seen->mtime_ms};
    return history->full != NULL && rsw_s3_history_add(history, &object) == 0 ? 0 : no_memory(tour->err);
}

/* ---- the whole ---- */

static int run(struct tour *tour) {
    struct rsw_s3_answer answer = {.truncated = true};
    while (answer.truncated && !tour->old->cut) {
        if (get_page(tour, &answer) != 0 ||
            (tour->old->page != NULL && tour->old->page(tour->old->arg, tour->err) != 0)) {
            return -1;
        }
        for (size_t i = 0; i < tour->seen_count; i++) {
            if (take_version(tour, &tour->seen[i]) != 0) {
                return -1;
            }
        }
        tour->looked += tour->seen_count;
        tour->old->cut = answer.truncated && tour->old->limit != 0 && tour->looked >= tour->old->limit;
    }
    if (!tour->old->cut && end_key(tour) != 0) { /* of a key that is cut short not all is known */
        return -1;
    }
    return delete_batch(tour);
}

int rsw_s3_old_versions(struct rsw_storage *storage, struct rsw_old_versions *old, struct rsw_error *err) {
    __attribute__((cleanup(tour_free))) struct tour *tour = calloc(1, sizeof *tour);
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    if (tour == NULL || rsw_buf_addf(&tour->prefix, NULL, "%s%s%s", s3->prefix, old->prefix,
                                     old->prefix[0] != 0 ? "/" : "") != 0) {
        return no_memory(err);
    }
    tour->s3 = s3;
    tour->old = old;
    tour->err = err;
    return run(tour);
}
