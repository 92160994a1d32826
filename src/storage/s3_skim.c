/* Many keys out of few pages of a list: it goes on from one wanted key to the next that the page before did
 * not reach. So there are never more pages than wanted keys, nor, but for one a lane, more than a list of
 * everything has.
 *
 * A page tells of a key what a question about that key alone would: a list shows all that was written or
 * deleted before it was asked for. AWS promises that since December 2020 (Amazon S3 User Guide, "data
 * consistency model"), Ceph in docs.ceph.com, "Rados Bucket Index", "Consistency Guarantee". What is missing
 * from a page is taken for absent only if the page was read whole, in order, and the store repeats that it
 * answers this very question: one that is cut, or was meant for another question, tells nothing. Then each
 * key is asked about alone, so a page is asked for once only: who waits here may keep others waiting. */
#include "storage/s3_versions.h"

#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* A page is worth so many questions of their own. As many looks: by their price lists AWS, Google and
 * Cloudflare charge 12.5 times as much for a list as for a look (5.00 or 4.50 against 0.40 or 0.36 dollars a
 * million). The versions of one key cost a list as well; but those of many keys are asked for at once, and
 * pages one after the other: of a few keys they would take longer. */
#define LOOKS_OF_PAGE 13
#define HISTORIES_OF_PAGE 4
#define HISTORIES_MIN 64

/* Lists that are gone through at once, and from how many wanted keys it is worth having another one. */
#define LANES 8
#define LANE_KEYS 256

struct wanted {
    const char *key; /* borrowed: as the bucket has it */
    struct rsw_s3_history *history;
};

/* A list, from the first to the last of some wanted keys. */
struct lane {
    struct wanted *wanted; /* borrowed; sorted by key */
    size_t at, end;        /* of those that are left */
    size_t next;           /* of the page at hand: the first that is not before the last key seen */
    size_t worth;          /* a page is, if it tells of so many */
    size_t pass;           /* after one that was not, so many are passed over */
    enum rsw_s3_document kind;
    struct rsw_buf query;
    char prefix[RSW_S3_KEY_MAX + 1]; /* of all that are left */
    char after[RSW_S3_KEY_MAX + 1];  /* just before the first of them */
    char last[RSW_S3_KEY_MAX + 1];   /* seen in the page at hand */
};

/* ---- one page ---- */

/* What they have in common, to a slash. */
static void set_prefix(struct lane *lane) {
    const char *first = lane->wanted[lane->at].key;
    const char *last = lane->wanted[lane->end - 1].key;
    size_t len = 0;
    for (size_t i = 0; first[i] != 0 && first[i] == last[i]; i++) {
        len = first[i] == '/' ? i + 1 : len;
    }
    memcpy(lane->prefix, first, len);
    lane->prefix[len] = 0;
}

/* The key without its last character: nothing that is wanted lies between the two. */
static void set_after(struct lane *lane) {
    size_t len = strlen(strcpy(lane->after, lane->wanted[lane->at].key));
    do {
        len--;
    } while (len > 0 && ((unsigned char)lane->after[len] & 0xC0) == 0x80);
    lane->after[len] = 0;
}

static int add(struct rsw_buf *out, const char *name, const char *value) {
    return value[0] != 0 &&
                   (rsw_buf_addf(out, NULL, "%s", name) != 0 || rsw_s3_encode(out, value, true, NULL) != 0)
               ? -1
               : 0;
}

static int make_query(struct lane *lane) {
    struct rsw_buf *out = &lane->query;
    set_prefix(lane);
    set_after(lane);
    /* Names of parameters sorted, as the signature wants them. */
    bool versions = lane->kind == RSW_S3_VERSIONS;
    rsw_buf_clear(out);
    if (rsw_buf_addf(out, NULL, versions ? "encoding-type=url" : "encoding-type=url&list-type=2") != 0 ||
        (versions && add(out, "&key-marker=", lane->after) != 0) ||
        rsw_buf_addf(out, NULL, "&max-keys=%d", RSW_S3_KEYS_MAX) != 0 ||
        add(out, "&prefix=", lane->prefix) != 0) {
        return -1;
    }
    return versions ? rsw_buf_addf(out, NULL, "&versions=") : add(out, "&start-after=", lane->after);
}

/* Of those from `from` on nothing is known. */
static void forget(struct lane *lane, size_t from) {
    for (size_t i = from; i < lane->end; i++) {
        rsw_s3_history_cut(lane->wanted[i].history, 0);
    }
}

/* Of a key all versions come one after the other, the newest first. */
static bool is_in_order(const struct lane *lane, const char *key) {
    int order = strcmp(lane->last, key);
    return strlen(key) <= RSW_S3_KEY_MAX && strncmp(key, lane->prefix, strlen(lane->prefix)) == 0 &&
           strcmp(lane->after, key) < 0 && (order < 0 || (order == 0 && lane->kind == RSW_S3_VERSIONS));
}

static int gather(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct lane *lane = arg;
    if (object == NULL) {
        forget(lane, lane->at);
        lane->next = lane->at;
        lane->last[0] = 0;
        return 0;
    }
    char key[RSW_S3_KEY_MAX * 3 + 1];
    strcpy(key, object->key);
    if (!rsw_s3_decode(key) || !is_in_order(lane, key)) {
        return rsw_error_set(err, RSW_EIO, EIO, "a page of a list is out of order");
    }
    strcpy(lane->last, key);
    while (lane->next < lane->end && strcmp(lane->wanted[lane->next].key, lane->last) < 0) {
        lane->next++;
    }
    for (size_t i = lane->next; i < lane->end && strcmp(lane->wanted[i].key, lane->last) == 0; i++) {
        struct rsw_s3_history *history = lane->wanted[i].history;
        if (lane->kind == RSW_S3_VERSIONS && object->latest != (history->count == 0)) {
            return rsw_error_set(err, RSW_EIO, EIO, "versions of %s are out of order", lane->last);
        }
        if (rsw_s3_history_add(history, object) != 0) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
    }
    return 0;
}

/* ---- lanes ---- */

static bool goes_on(const struct lane *lane) {
    return lane->end - lane->at >= lane->worth;
}

/* A page that is not the last one tells of what comes before its last key; of that there may be more. */
static void take_page(struct lane *lane, struct rsw_s3_request *request) {
    /* It must say where it began, too: what is wanted may lie before its first key. */
    bool good = request->errnum == 0 && request->answer.encoded &&
                (lane->after[0] == 0 || request->answer.after[0] != 0);
    size_t upto = !good ? lane->at : request->answer.truncated ? lane->next : lane->end;
    size_t told = upto - lane->at;
    forget(lane, upto);
    for (size_t i = lane->at; i < upto; i++) {
        lane->wanted[i].history->told = true;
    }
    if (!good) {
        lane->at = lane->end; /* each is asked about alone */
    } else if (told >= lane->worth) {
        lane->at = upto;
        lane->pass = lane->worth;
    } else {
        lane->at = lane->pass < lane->end - upto ? upto + lane->pass : lane->end;
        lane->pass *= 2;
    }
}

/* One page of each that goes on. False: none does. */
static bool get_pages(struct rsw_s3 *s3, struct lane *lanes, size_t count) {
    struct rsw_s3_request *requests = rsw_s3_requests_new(count);
    size_t asked = 0;
    for (size_t i = 0; requests != NULL && i < count; i++) {
        if (goes_on(&lanes[i]) && make_query(&lanes[i]) == 0) {
            requests[asked++] = (struct rsw_s3_request){.method = "GET",
                                                        .query = (const char *)lanes[i].query.data,
                                                        .expected = lanes[i].kind,
                                                        .prefix = lanes[i].prefix,
                                                        .after = lanes[i].after,
                                                        .once = true,
                                                        .object = gather,
                                                        .arg = &lanes[i]};
        }
    }
    if (asked > 0) {
        rsw_s3_send(s3, requests, asked);
    }
    for (size_t i = 0; i < asked; i++) {
        take_page(requests[i].arg, &requests[i]);
    }
    rsw_s3_requests_free(requests, asked);
    return asked > 0;
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const struct wanted *)a)->key, ((const struct wanted *)b)->key);
}

/* Longer keys there are none. */
static size_t sort_wanted(struct wanted *wanted, struct rsw_s3_history *histories, size_t count) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (histories[i].full != NULL && strlen(histories[i].full) <= RSW_S3_KEY_MAX) {
            wanted[made++] = (struct wanted){histories[i].full, &histories[i]};
        }
    }
    if (made > 0) {
        qsort(wanted, made, sizeof *wanted, by_key);
    }
    return made;
}

void rsw_s3_skim(struct rsw_s3 *s3, struct rsw_s3_history *histories, size_t count,
                 enum rsw_s3_document kind) {
    size_t worth = kind == RSW_S3_VERSIONS ? HISTORIES_OF_PAGE : LOOKS_OF_PAGE;
    if (count < (kind == RSW_S3_VERSIONS ? HISTORIES_MIN : worth)) {
        return;
    }
    RSW_AUTO_FREE struct wanted *wanted = calloc(count, sizeof *wanted);
    RSW_AUTO_FREE struct lane *lanes = calloc(LANES, sizeof *lanes);
    if (wanted == NULL || lanes == NULL) {
        return;
    }
    count = sort_wanted(wanted, histories, count);
    size_t lane_count = count / LANE_KEYS < 1 ? 1 : count / LANE_KEYS < LANES ? count / LANE_KEYS : LANES;
    for (size_t i = 0; i < lane_count; i++) {
        lanes[i] = (struct lane){.wanted = wanted,
                                 .at = count * i / lane_count,
                                 .end = count * (i + 1) / lane_count,
                                 .worth = worth,
                                 .pass = worth,
                                 .kind = kind};
    }
    while (get_pages(s3, lanes, lane_count)) {
    }
    for (size_t i = 0; i < lane_count; i++) {
        rsw_buf_release(&lanes[i].query);
    }
}

/* ---- looks ---- */

static void take_told(struct rsw_look *look, const struct rsw_s3_history *history) {
    bool there = history->count > 0;
    look->errnum = there ? 0 : ENOENT;
    look->answer = rsw_s3_answer_of(look->errnum);
    if (there) {
        look->kind = RSW_ENTRY_FILE;
        look->size = history->versions[0].size;
        look->mtime_ms = history->versions[0].mtime_ms;
    }
}

static void look_at_rest(struct rsw_storage *storage, struct rsw_look *looks,
                         const struct rsw_s3_history *histories, struct rsw_look *rest, size_t count) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (histories[i].told) {
            take_told(&looks[i], &histories[i]);
        } else {
            rest[made++] = looks[i];
        }
    }
    rsw_s3_look(storage, rest, made);
    for (size_t i = count; i > 0; i--) {
        if (!histories[i - 1].told) {
            looks[i - 1] = rest[--made];
        }
    }
}

void rsw_s3_look_listed(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    RSW_AUTO_FREE struct rsw_s3_history *histories = calloc(count + 1, sizeof *histories);
    RSW_AUTO_FREE struct rsw_look *rest = calloc(count + 1, sizeof *rest);
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    if (count < LOOKS_OF_PAGE || histories == NULL || rest == NULL) {
        rsw_s3_look(storage, looks, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        rsw_s3_history_begin(&histories[i], s3, looks[i].key);
    }
    rsw_s3_skim(s3, histories, count, RSW_S3_LIST);
    look_at_rest(storage, looks, histories, rest, count);
    rsw_s3_histories_release(histories, count);
}
