/* What versions a bucket has of a key, and deleting them by their ids. */
#include "storage/s3_versions.h"

#include "util/cleanup.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

/* ---- asking ---- */

void rsw_s3_history_begin(struct rsw_s3_history *history, const struct rsw_s3 *s3, const char *key) {
    *history = (struct rsw_s3_history){.key = key, .query = RSW_BUF_INIT};
    if (asprintf(&history->full, "%s%s", s3->prefix, key) < 0) {
        history->full = NULL;
        history->errnum = ENOMEM;
    }
}

void rsw_s3_history_cut(struct rsw_s3_history *history, size_t count) {
    for (; history->count > count; history->count--) {
        free(history->versions[history->count - 1].id);
    }
}

int rsw_s3_history_add(struct rsw_s3_history *history, const struct rsw_s3_object *object) {
    struct rsw_s3_version *grown =
        rsw_grown(history->versions, &history->room, history->count + 1, sizeof *grown);
    history->versions = grown != NULL ? grown : history->versions;
    char *id = grown == NULL ? NULL : strdup(object->version);
    if (id == NULL) {
        return -1;
    }
    grown[history->count++] = (struct rsw_s3_version){
        .id = id, .marker = object->marker, .size = object->size, .mtime_ms = object->mtime_ms};
    return 0;
}

/* The store says of the newest one that it is: so the order is what we take it for. */
static int gather(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct rsw_s3_history *history = arg;
    if (object == NULL) {
        rsw_s3_history_cut(history, history->page_from);
        history->behind = false;
        return 0;
    }
    if (strcmp(object->key, history->full) != 0) {
        history->behind = true;
        return 0;
    }
    if (object->latest != (history->count == 0)) {
        return rsw_error_set(err, RSW_EIO, EIO, "versions of %s are out of order", object->key);
    }
    return rsw_s3_history_add(history, object) == 0 ? 0 : rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

int rsw_s3_versions_query(struct rsw_buf *out, const char *prefix, const char *key, const char *id) {
    rsw_buf_clear(out);
    if (key[0] != 0 && (rsw_buf_addf(out, NULL, "key-marker=") != 0 ||
                        rsw_s3_encode(out, key, true, NULL) != 0 || rsw_buf_addf(out, NULL, "&") != 0)) {
        return -1;
    }
    if (rsw_buf_addf(out, NULL, "max-keys=%d&prefix=", RSW_S3_KEYS_MAX) != 0 ||
        rsw_s3_encode(out, prefix, true, NULL) != 0) {
        return -1;
    }
    return id[0] != 0 && (rsw_buf_addf(out, NULL, "&version-id-marker=") != 0 ||
                          rsw_s3_encode(out, id, true, NULL) != 0)
               ? -1
               : rsw_buf_addf(out, NULL, "&versions=");
}

/* Those of which nobody has told. */
static void ask_alone(struct rsw_s3_history *history, bool memory) {
    if (history->told || history->errnum != 0) {
        return;
    }
    history->more = memory && rsw_s3_versions_query(&history->query, history->full, "", "") == 0;
    history->errnum = history->more ? 0 : ENOMEM;
}

/* A page that does not lead on would be asked for again and again. */
static void take_page(struct rsw_s3_history *history, const struct rsw_s3_request *request) {
    const struct rsw_s3_answer *answer = &request->answer;
    RSW_AUTO_BUF next = RSW_BUF_INIT;
    history->errnum = request->errnum == ENOENT ? EIO : request->errnum;
    history->more = history->errnum == 0 && answer->truncated && !history->behind;
    history->page_from = history->count;
    if (!history->more) {
        return;
    }
    if (rsw_s3_versions_query(&next, history->full, answer->token, answer->next_id) != 0) {
        history->errnum = ENOMEM;
    } else if (answer->token[0] == 0 ||
               strcmp((const char *)next.data, (const char *)history->query.data) == 0) {
        history->errnum = EIO;
    }
    history->more = history->errnum == 0;
    struct rsw_buf swap = history->query;
    history->query = next;
    next = swap;
}

/* One page of each that goes on. */
static void get_pages(struct rsw_s3 *s3, struct rsw_s3_history *histories, struct rsw_s3_request *requests,
                      size_t count) {
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (histories[i].more) {
            requests[asked++] = (struct rsw_s3_request){.method = "GET",
                                                        .query = (const char *)histories[i].query.data,
                                                        .expected = RSW_S3_VERSIONS,
                                                        .prefix = histories[i].full,
                                                        .object = gather,
                                                        .arg = &histories[i]};
        }
    }
    rsw_s3_send(s3, requests, asked);
    for (size_t i = 0; i < asked; i++) {
        take_page(requests[i].arg, &requests[i]);
        rsw_buf_release(&requests[i].bytes);
    }
}

static bool any_goes_on(const struct rsw_s3_history *histories, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (histories[i].more) {
            return true;
        }
    }
    return false;
}

void rsw_s3_histories(struct rsw_s3 *s3, struct rsw_s3_history *histories, size_t count) {
    struct rsw_s3_request *requests = rsw_s3_requests_new(count);
    for (size_t i = 0; i < count; i++) {
        rsw_s3_history_begin(&histories[i], s3, histories[i].key);
    }
    rsw_s3_skim(s3, histories, count, RSW_S3_VERSIONS);
    for (size_t i = 0; i < count; i++) {
        ask_alone(&histories[i], requests != NULL);
    }
    while (requests != NULL && any_goes_on(histories, count)) {
        get_pages(s3, histories, requests, count);
    }
    free(requests);
}

void rsw_s3_histories_release(struct rsw_s3_history *histories, size_t count) {
    for (size_t i = 0; histories != NULL && i < count; i++) {
        rsw_s3_history_cut(&histories[i], 0);
        free(histories[i].versions);
        free(histories[i].full);
        rsw_buf_release(&histories[i].query);
    }
}

/* ---- deleting ---- */

static size_t add_victims(struct rsw_s3_victim *victims, size_t made, const struct rsw_s3_erasure *erasure,
                          size_t owner, size_t from, size_t end) {
    for (size_t i = from; i < end; i++) {
        victims[made++] = (struct rsw_s3_victim){
            .key = erasure->history->full, .version = erasure->history->versions[i].id, .owner = owner};
    }
    return made;
}

static void take_turn(struct rsw_s3 *s3, struct rsw_s3_erasure *erasures, struct rsw_s3_victim *victims,
                      size_t made) {
    rsw_s3_delete(s3, victims, made);
    for (size_t i = 0; i < made; i++) {
        struct rsw_s3_erasure *erasure = &erasures[victims[i].owner];
        if (victims[i].errnum != 0 && victims[i].errnum != ENOENT) {
            erasure->errnum = erasure->errnum == 0 ? victims[i].errnum : erasure->errnum;
            erasure->late |= victims[i].late;
        }
    }
}

void rsw_s3_erase(struct rsw_s3 *s3, struct rsw_s3_erasure *erasures, size_t count) {
    size_t most = 1;
    for (size_t i = 0; i < count; i++) {
        most += erasures[i].end - erasures[i].upto;
    }
    struct rsw_s3_victim *victims = calloc(most, sizeof *victims);
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        erasures[i].errnum = victims == NULL ? ENOMEM : 0;
        erasures[i].late = false;
        if (victims != NULL) {
            made = add_victims(victims, made, &erasures[i], i, erasures[i].from, erasures[i].end);
        }
    }
    take_turn(s3, erasures, victims, made);
    made = 0;
    for (size_t i = 0; i < count; i++) {
        if (erasures[i].errnum == 0) {
            made = add_victims(victims, made, &erasures[i], i, erasures[i].upto, erasures[i].from);
        }
    }
    take_turn(s3, erasures, victims, made);
    free(victims);
}

/* ---- files, with all versions ---- */

/* What is written meanwhile stays: only what was told of goes, the newest last, so that no older one comes to
 * sight. A request that comes late finds nothing to delete, unless nobody saw it done: then what it names is
 * in place still, and may go at any time. */
void rsw_s3_remove_versions(struct rsw_s3 *s3, struct rsw_removal *removals, size_t count) {
    struct rsw_s3_history *histories = calloc(count + 1, sizeof *histories);
    struct rsw_s3_erasure *erasures = calloc(count + 1, sizeof *erasures);
    for (size_t i = 0; i < count; i++) {
        removals[i].answer = RSW_FAILED;
        removals[i].errnum = ENOMEM;
        if (histories != NULL) {
            histories[i].key = removals[i].key;
        }
    }
    if (histories != NULL && erasures != NULL) {
        rsw_s3_histories(s3, histories, count);
        for (size_t i = 0; i < count; i++) {
            size_t last = histories[i].count > 0 && histories[i].errnum == 0 ? 1 : 0;
            erasures[i] = (struct rsw_s3_erasure){
                .history = &histories[i], .from = last, .end = last == 0 ? 0 : histories[i].count};
        }
        rsw_s3_erase(s3, erasures, count);
        for (size_t i = 0; i < count; i++) {
            const struct rsw_s3_history *history = &histories[i];
            bool there = history->count > 0 && !history->versions[0].marker;
            removals[i].errnum = history->errnum != 0 ? history->errnum : erasures[i].errnum;
            removals[i].late = erasures[i].late;
            removals[i].answer = removals[i].errnum != 0 ? RSW_FAILED : there ? RSW_FOUND : RSW_ABSENT;
        }
    }
    rsw_s3_histories_release(histories, histories == NULL ? 0 : count);
    free(histories);
    free(erasures);
}
