/* Hiding files under their own keys, in a bucket that keeps versions: a marker is put on the key, and what
 * lies below it is deleted later by the ids of its versions, or comes back when the marker is deleted. */
#include "storage/s3_versions.h"

#include "util/cleanup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_MAX 4096

/* For whoever finds it: what it stands for, and how that is had back by hand. */
#define RECORD_HEAD "regsweep: the data with this key is out of sight, as an older version of the bucket's\n"
#define RECORD_KEY "key: "
#define RECORD_VERSION "\nversion: "

/* What is known of each of many. */
struct work {
    size_t count;
    struct rsw_hiding *hidings; /* borrowed */
    struct rsw_s3_history *histories;
    struct rsw_s3_erasure *erasures;
    struct rsw_read *reads; /* of records */
    const char **versions;  /* borrowed from them: what they name; NULL: nobody knows, and it is answered */
    struct rsw_removal *removals;
};

static void work_release(struct work *work) {
    rsw_s3_histories_release(work->histories, work->histories == NULL ? 0 : work->count);
    for (size_t i = 0; work->reads != NULL && i < work->count; i++) {
        rsw_buf_release(&work->reads[i].content);
    }
    free(work->histories);
    free(work->erasures);
    free(work->reads);
    free(work->versions);
    free(work->removals);
}
#define AUTO_WORK __attribute__((cleanup(work_release))) struct work

static void answer(struct rsw_hiding *hiding, int errnum) {
    hiding->errnum = errnum;
    hiding->answer = rsw_s3_answer_of(errnum);
}

/* False: out of memory, which is all their answer. */
static bool work_begin(struct work *work, struct rsw_hiding *hidings, size_t count) {
    *work = (struct work){.count = count,
                          .hidings = hidings,
                          .histories = calloc(count + 1, sizeof *work->histories),
                          .erasures = calloc(count + 1, sizeof *work->erasures),
                          .reads = calloc(count + 1, sizeof *work->reads),
                          .versions = calloc(count + 1, sizeof *work->versions),
                          .removals = calloc(count + 1, sizeof *work->removals)};
    bool good = work->histories != NULL && work->erasures != NULL && work->reads != NULL &&
                work->versions != NULL && work->removals != NULL;
    for (size_t i = 0; i < count; i++) {
        answer(&hidings[i], ENOMEM);
        if (good) {
            work->histories[i].key = hidings[i].key;
        }
    }
    return good;
}

/* ---- records ---- */

static int make_record(struct rsw_buf *out, const struct rsw_hiding *hiding,
                       const struct rsw_s3_version *version) {
    return rsw_buf_addf(out, NULL, RECORD_HEAD RECORD_KEY "%s" RECORD_VERSION "%s\nsize: %" PRIu64 "\n",
                        hiding->key, version->id, version->size);
}

/* The version that it names, which then ends with a NUL; NULL: it is no record of this key. */
static const char *read_record(struct rsw_buf *bytes, const char *key) {
    const char *head = RECORD_HEAD RECORD_KEY;
    size_t len = strlen(key);
    char *at = (char *)bytes->data;
    if (bytes->len == 0 || strncmp(at, head, strlen(head)) != 0) {
        return NULL;
    }
    at += strlen(head);
    if (strncmp(at, key, len) != 0 || strncmp(at + len, RECORD_VERSION, strlen(RECORD_VERSION)) != 0) {
        return NULL;
    }
    at += len + strlen(RECORD_VERSION);
    char *end = strchr(at, '\n');
    if (end == NULL || end == at) {
        return NULL;
    }
    *end = 0;
    return at;
}

/* Where there is none, or none that can be read, that is the answer. */
static void read_records(struct work *work, struct rsw_s3 *s3) {
    for (size_t i = 0; i < work->count; i++) {
        work->reads[i] = (struct rsw_read){
            .key = work->hidings[i].record, .max = RECORD_MAX, .content = {.max = RECORD_MAX + 1}};
    }
    rsw_s3_read(&s3->base, work->reads, work->count);
    for (size_t i = 0; i < work->count; i++) {
        struct rsw_read *read = &work->reads[i];
        answer(&work->hidings[i], read->errnum);
        if (read->answer == RSW_FOUND) {
            work->versions[i] = read_record(&read->content, work->hidings[i].key);
            answer(&work->hidings[i], work->versions[i] == NULL ? EBADMSG : 0);
        }
    }
}

/* What was noted before is of a version that is older, and goes with this one. */
void rsw_s3_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    AUTO_WORK work;
    if (!work_begin(&work, hidings, count)) {
        return;
    }
    RSW_AUTO_FREE struct rsw_s3_request *requests = calloc(count + 1, sizeof *requests);
    RSW_AUTO_FREE size_t *owners = calloc(count + 1, sizeof *owners);
    size_t made = 0;
    rsw_s3_histories(s3, work.histories, requests == NULL || owners == NULL ? 0 : count);
    for (size_t i = 0; requests != NULL && owners != NULL && i < count; i++) {
        const struct rsw_s3_history *history = &work.histories[i];
        bool there = history->count > 0 && !history->versions[0].marker;
        answer(&hidings[i], history->errnum != 0 ? history->errnum : there ? 0 : ENOENT);
        if (hidings[i].answer != RSW_FOUND) {
            continue;
        }
        struct rsw_buf *record = &work.reads[i].content;
        answer(&hidings[i], make_record(record, &hidings[i], &history->versions[0]) == 0 ? 0 : ENOMEM);
        owners[made] = i;
        requests[made++] = (struct rsw_s3_request){.method = "PUT",
                                                   .key = hidings[i].record,
                                                   .headers = {"Content-Type: text/plain"},
                                                   .body = record->data,
                                                   .body_len = record->len};
    }
    rsw_s3_send_writes(s3, requests, made);
    for (size_t i = 0; i < made; i++) {
        rsw_buf_release(&requests[i].bytes);
        if (hidings[owners[i]].answer == RSW_FOUND) {
            answer(&hidings[owners[i]], requests[i].errnum == ENOENT ? EIO : requests[i].errnum);
        }
    }
}

/* ---- out of sight ---- */

/* Those whose record can be read. */
static void put_markers(struct work *work, struct rsw_s3 *s3) {
    RSW_AUTO_FREE size_t *owners = calloc(work->count + 1, sizeof *owners);
    size_t made = 0;
    for (size_t i = 0; i < work->count; i++) {
        if (work->versions[i] != NULL && owners != NULL) {
            owners[made] = i;
            work->removals[made++] = (struct rsw_removal){.key = work->hidings[i].key};
        } else if (work->versions[i] != NULL || work->hidings[i].answer == RSW_ABSENT) {
            answer(&work->hidings[i], owners == NULL ? ENOMEM : EBADMSG);
            work->versions[i] = NULL;
        }
    }
    rsw_s3_remove_keys(s3, work->removals, made);
    for (size_t i = 0; i < made; i++) {
        struct rsw_hiding *hiding = &work->hidings[owners[i]];
        answer(hiding, work->removals[i].errnum == ENOENT ? 0 : work->removals[i].errnum);
        hiding->late = work->removals[i].late;
    }
}

/* What was written between note and marker is out of sight by mistake: all that tells is what lies below. */
static void look_below(struct work *work, size_t i) {
    struct rsw_hiding *hiding = &work->hidings[i];
    const struct rsw_s3_history *history = &work->histories[i];
    size_t markers = rsw_s3_markers_on_top(history);
    work->erasures[i] = (struct rsw_s3_erasure){.history = history};
    if (hiding->answer != RSW_FOUND) {
        return;
    }
    if (history->errnum != 0) {
        answer(hiding, history->errnum);
    } else if (markers == history->count) {
        answer(hiding, EIO); /* it is gone, and nobody knows why */
    } else if (markers > 0 && strcmp(history->versions[markers].id, work->versions[i]) != 0) {
        answer(hiding, EAGAIN);
        work->erasures[i].from = work->erasures[i].end = markers;
    }
}

void rsw_s3_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    AUTO_WORK work;
    if (!work_begin(&work, hidings, count)) {
        return;
    }
    read_records(&work, s3);
    put_markers(&work, s3);
    rsw_s3_histories(s3, work.histories, count);
    for (size_t i = 0; i < count; i++) {
        look_below(&work, i);
    }
    rsw_s3_erase(s3, work.erasures, count);
}

/* ---- back, or gone for good ---- */

void rsw_s3_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    AUTO_WORK work;
    if (!work_begin(&work, hidings, count)) {
        return;
    }
    rsw_s3_histories(s3, work.histories, count);
    for (size_t i = 0; i < count; i++) {
        const struct rsw_s3_history *history = &work.histories[i];
        size_t markers = rsw_s3_markers_on_top(history);
        bool any = history->errnum == 0 && markers < history->count;
        work.erasures[i] =
            (struct rsw_s3_erasure){.history = history, .from = any ? markers : 0, .end = any ? markers : 0};
        answer(&hidings[i], history->errnum != 0 ? history->errnum : any ? 0 : ENOENT);
    }
    rsw_s3_erase(s3, work.erasures, count);
    for (size_t i = 0; i < count; i++) {
        if (hidings[i].answer == RSW_FOUND) {
            answer(&hidings[i], work.erasures[i].errnum);
            hidings[i].placed = work.erasures[i].errnum == 0 && work.erasures[i].end > 0;
        }
    }
}

/* Where the version is that was hidden; `count`: nowhere. */
static size_t find_version(const struct rsw_s3_history *history, const char *version) {
    size_t at = 0;
    while (at < history->count && strcmp(history->versions[at].id, version) != 0) {
        at++;
    }
    return at;
}

/* First what is `older` than the version that was hidden, then that one and the markers right above it: so
 * whoever goes on with it after a kill finds it. If nothing is left but markers, they go as well. What is
 * newer stays, and so does the hidden one if it is in sight again. */
static struct rsw_s3_erasure erasure_of(const struct rsw_s3_history *history, const char *version,
                                        bool older) {
    struct rsw_s3_erasure erasure = {.history = history};
    size_t at = find_version(history, version);
    if (at == history->count && rsw_s3_markers_on_top(history) == at && !older) {
        erasure.end = at;
    } else if (at > 0 && at < history->count && older) {
        erasure.upto = erasure.from = at + 1;
        erasure.end = history->count;
    } else if (at > 0 && at < history->count) {
        erasure.upto = erasure.from = at;
        erasure.end = at + 1;
        while (erasure.upto > 0 && history->versions[erasure.upto - 1].marker) {
            erasure.upto--;
        }
    }
    return erasure;
}

/* Of those of which nothing has failed yet. */
static void erase(struct work *work, struct rsw_s3 *s3, bool older) {
    for (size_t i = 0; i < work->count; i++) {
        const struct rsw_s3_history *history = &work->histories[i];
        work->erasures[i] = (struct rsw_s3_erasure){.history = history};
        if (work->hidings[i].answer == RSW_FOUND) {
            work->erasures[i] = erasure_of(history, work->versions[i], older);
        }
    }
    rsw_s3_erase(s3, work->erasures, work->count);
    for (size_t i = 0; i < work->count; i++) {
        struct rsw_hiding *hiding = &work->hidings[i];
        if (hiding->answer == RSW_FOUND) {
            answer(hiding, work->erasures[i].errnum);
            hiding->late = work->erasures[i].late;
        }
    }
}

static void remove_records(struct work *work, struct rsw_s3 *s3) {
    RSW_AUTO_FREE size_t *owners = calloc(work->count + 1, sizeof *owners);
    size_t made = 0;
    for (size_t i = 0; i < work->count; i++) {
        if (work->hidings[i].answer == RSW_FOUND && owners != NULL) {
            owners[made] = i;
            work->removals[made++] = (struct rsw_removal){.key = work->hidings[i].record};
        } else if (work->hidings[i].answer == RSW_FOUND) {
            answer(&work->hidings[i], ENOMEM);
        }
    }
    rsw_s3_remove_versions(s3, work->removals, made);
    for (size_t i = 0; i < made; i++) {
        answer(&work->hidings[owners[i]],
               work->removals[i].answer == RSW_FAILED ? work->removals[i].errnum : 0);
    }
}

void rsw_s3_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    AUTO_WORK work;
    if (!work_begin(&work, hidings, count)) {
        return;
    }
    read_records(&work, s3);
    rsw_s3_histories(s3, work.histories, count);
    for (size_t i = 0; i < count; i++) {
        if (hidings[i].answer == RSW_FOUND) {
            answer(&hidings[i], work.histories[i].errnum);
        }
    }
    erase(&work, s3, true);
    erase(&work, s3, false);
    remove_records(&work, s3);
}
