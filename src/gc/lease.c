#include "gc/lease.h"

#include "gc/checks.h"
#include "util/text.h"
#include "util/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "regsweep/lease"
#define KEY_MAX 64
#define RECORD_MAX 1024
#define KEPT 4 /* records: who looked a while ago must not find the next number free again */
#define OLD_MAX 64
#define BEHIND_TRIES 8 /* to write behind a record of ours, while another process of ours does */
#define HOLDER_MAX 128

struct rsw_lease {
    struct rsw_lease_options options;
    char holder[HOLDER_MAX];
    pthread_mutex_t lock;
    int64_t until_ms; /* steady: we have it until then; 0: we have it not */
    uint64_t seen;    /* the last record of somebody else … */
    int64_t seen_ms;  /* … and since when it has been the last, as far as we saw */
    bool other_lives;
    int64_t swept_ms;
    bool keeping;
    struct rsw_worker worker;
};

static int64_t steady_ms(const struct rsw_lease *lease) {
    return lease->options.steady_ms != NULL ? lease->options.steady_ms() : rsw_boottime_ms();
}

/* ---- records ---- */

struct record {
    uint64_t number;         /* 0: there is none */
    char holder[HOLDER_MAX]; /* "": cannot be read */
    bool free;
    int64_t length_ms; /* of its holder's lease; 0: not told */
    int64_t swept_ms;
};

static void key_of(char key[KEY_MAX], uint64_t number) {
    snprintf(key, KEY_MAX, FOLDER "/%020" PRIu64, number);
}

/* What is there, by number. */
struct row {
    uint64_t last;
    uint64_t old[OLD_MAX]; /* some of the others */
    size_t old_count;
};

static void add_number(struct row *row, uint64_t number) {
    uint64_t other = number;
    if (number > row->last) {
        other = row->last;
        row->last = number;
    }
    if (other != 0 && row->old_count < OLD_MAX) {
        row->old[row->old_count++] = other;
    }
}

static int on_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct row *row = arg;
    for (size_t i = 0; i < count; i++) {
        uint64_t number;
        const char *name = strrchr(entries[i].key, '/');
        if (entries[i].answer == RSW_FAILED) {
            return rsw_error_set(err, RSW_EIO, entries[i].errnum, "%s cannot be read", entries[i].key);
        }
        if (name != NULL && rsw_number_parse(&number, name + 1, UINT64_MAX - 1)) {
            add_number(row, number);
        }
    }
    return 0;
}

static int list(struct rsw_lease *lease, struct row *row, struct rsw_error *err) {
    const struct rsw_listing listing = {.prefix = FOLDER, .page = on_page, .arg = row};
    *row = (struct row){.last = 0};
    return rsw_storage_list(lease->options.storage, &listing, err) == RSW_FAILED ? -1 : 0;
}

static void parse_record(const struct rsw_buf *content, struct record *out) {
    json_t *root = content->len > 0 ? json_loadb((const char *)content->data, content->len, 0, NULL) : NULL;
    const char *holder = json_string_value(json_object_get(root, "holder"));
    if (holder != NULL) {
        snprintf(out->holder, sizeof out->holder, "%s", holder);
        out->free = json_is_true(json_object_get(root, "free"));
        out->length_ms = json_integer_value(json_object_get(root, "length"));
        out->swept_ms = json_integer_value(json_object_get(root, "swept"));
    }
    json_decref(root);
}

/* One that says nothing that we understand is somebody's, we do not know whose. 0, or -1: storage does not
 * tell. */
static int read_record(struct rsw_lease *lease, uint64_t number, struct record *out, struct rsw_error *err) {
    char key[KEY_MAX];
    *out = (struct record){.number = number};
    if (number == 0) {
        return 0;
    }
    key_of(key, number);
    struct rsw_read read = {.key = key, .max = RECORD_MAX, .content = RSW_BUF_INIT};
    rsw_storage_read(lease->options.storage, &read, 1);
    bool failed = read.answer == RSW_FAILED && read.errnum != EFBIG;
    if (read.answer == RSW_FOUND) {
        parse_record(&read.content, out);
    }
    rsw_buf_release(&read.content);
    return failed ? rsw_error_set(err, RSW_EIO, read.errnum, "the lease of this storage cannot be read: '%s'",
                                  key)
                  : 0;
}

static int cannot_write(const char *key, int errnum, struct rsw_error *err) {
    const char *remedy =
        errnum == ENOSPC || errnum == EDQUOT
            ? "make a few KiB of room there; or, if certainly no other regsweep sweeps this storage, go on "
              "without one: --lease 0"
        : errnum == EROFS
            ? "it is mounted read-only: nothing can be removed there"
            : "what regsweep makes there gets the owner and group of the folder, so run it as a "
              "user that may do that";
    return rsw_error_set(err, RSW_EIO, errnum,
                         "the lease of this storage cannot be taken: cannot write '%s' (%s); %s", key,
                         rsw_storage_reason(errnum), remedy);
}

/* 0; -1: RSW_EBUSY (the number is taken) or what storage answers. */
static int write_record(struct rsw_lease *lease, uint64_t number, bool is_free, struct rsw_error *err) {
    char key[KEY_MAX];
    char text[RECORD_MAX];
    key_of(key, number);
    int len =
        snprintf(text, sizeof text,
                 "{\"holder\": \"%s\", \"free\": %s, \"length\": %" PRId64 ", \"swept\": %" PRId64 "}\n",
                 lease->holder, is_free ? "true" : "false", lease->options.length_ms, lease->swept_ms);
    struct rsw_write write = {.key = key, .bytes = text, .len = (size_t)len};
    rsw_storage_write(lease->options.storage, &write, 1);
    if (write.answer == RSW_FOUND) {
        return 0;
    }
    return write.errnum == EEXIST
               ? rsw_error_set(err, RSW_EBUSY, 0,
                               "another regsweep was quicker to take the lease of this storage")
               : cannot_write(key, write.errnum, err);
}

static void remove_old(struct rsw_lease *lease, const struct row *row, uint64_t last) {
    char keys[OLD_MAX][KEY_MAX];
    struct rsw_removal removals[OLD_MAX];
    size_t count = 0;
    for (size_t i = 0; i < row->old_count; i++) {
        if (row->old[i] + KEPT <= last) {
            key_of(keys[count], row->old[i]);
            removals[count] = (struct rsw_removal){.key = keys[count]};
            count++;
        }
    }
    rsw_storage_remove(lease->options.storage, removals, count); /* what stays harms nobody */
}

/* ---- taking ---- */

/* Under the lock. May we make the next one? */
static int may_take(struct rsw_lease *lease, const struct record *last, struct rsw_error *err) {
    char left[32];
    if (last->number == 0 || last->free || strcmp(last->holder, lease->holder) == 0) {
        return 0;
    }
    lease->until_ms = 0;
    int64_t now_ms = steady_ms(lease);
    if (lease->seen != last->number) {
        lease->other_lives = lease->seen != 0;
        lease->seen = last->number;
        lease->seen_ms = now_ms;
    }
    /* Who has a longer one renews it less often. */
    int64_t length_ms =
        last->length_ms > lease->options.length_ms ? last->length_ms : lease->options.length_ms;
    int64_t left_ms = lease->seen_ms + length_ms - now_ms;
    if (left_ms >= 0) {
        return rsw_error_set(err, RSW_EBUSY, 0,
                             "another regsweep (index %s) sweeps this storage; if it says nothing for %s "
                             "more it is taken for dead",
                             last->holder[0] != 0 ? last->holder : "unknown",
                             rsw_duration_format((left_ms + 999) / 1000 * 1000, left, sizeof left));
    }
    rsw_log(lease->options.log, RSW_LOG_WARNING,
            "the regsweep that swept this storage (index %s) is taken for dead: it said nothing for %s",
            last->holder, rsw_duration_format(length_ms, left, sizeof left));
    return 0;
}

static int note_gap(struct rsw_lease *lease, struct rsw_error *err) {
    return lease->options.index == NULL
               ? 0
               : rsw_index_gap(lease->options.index, rsw_clock_now_ms(NULL), RSW_LEASE_GAP, err);
}

/* One that lies in the future was told by a clock that was wrong, and would keep all from sweeping until
 * then. */
static int64_t believed_ms(int64_t swept_ms) {
    return swept_ms <= rsw_clock_now_ms(NULL) + RSW_SKEW_MAX_MS ? swept_ms : 0;
}

/* The last record, and what it says of the last sweep by schedule. */
static int read_last(struct rsw_lease *lease, struct row *row, struct record *last, struct rsw_error *err) {
    if (list(lease, row, err) != 0 || read_record(lease, row->last, last, err) != 0) {
        return -1;
    }
    int64_t told_ms = believed_ms(last->swept_ms);
    int64_t known_ms = believed_ms(lease->swept_ms);
    lease->swept_ms = told_ms > known_ms ? told_ms : known_ms;
    return 0;
}

/* Under the lock. */
static int take(struct rsw_lease *lease, struct rsw_error *err) {
    struct row row;
    struct record last;
    int64_t from_ms = steady_ms(lease);
    if (read_last(lease, &row, &last, err) != 0 || may_take(lease, &last, err) != 0) {
        return -1;
    }
    if (last.number != 0 && strcmp(last.holder, lease->holder) != 0 && note_gap(lease, err) != 0) {
        return -1;
    }
    struct rsw_error why = RSW_ERROR_INIT;
    if (write_record(lease, row.last + 1, false, &why) != 0 && why.code != RSW_EBUSY) {
        *err = why;
        return -1;
    }
    /* Ours, or of another process on our index; or ours was an old number. */
    if (read_last(lease, &row, &last, err) != 0) {
        return -1;
    }
    if (strcmp(last.holder, lease->holder) != 0 || last.free) {
        lease->until_ms = 0;
        return rsw_error_set(err, RSW_EBUSY, 0, "another regsweep has taken the lease of this storage");
    }
    lease->until_ms = from_ms + lease->options.length_ms;
    remove_old(lease, &row, row.last);
    return 0;
}

int rsw_lease_take(struct rsw_lease *lease, struct rsw_error *err) {
    pthread_mutex_lock(&lease->lock);
    int rc = take(lease, err);
    pthread_mutex_unlock(&lease->lock);
    return rc;
}

int rsw_lease_is_known(struct rsw_lease *lease, bool *known, struct rsw_error *err) {
    struct row row;
    int rc = list(lease, &row, err);
    *known = rc == 0 && row.last != 0;
    return rc;
}

static bool is_held(const struct rsw_lease *lease) {
    return lease->until_ms != 0 && steady_ms(lease) < lease->until_ms;
}

bool rsw_lease_other_lives(struct rsw_lease *lease) {
    pthread_mutex_lock(&lease->lock);
    bool lives = lease->other_lives;
    pthread_mutex_unlock(&lease->lock);
    return lives;
}

bool rsw_lease_is_held(struct rsw_lease *lease) {
    pthread_mutex_lock(&lease->lock);
    bool held = is_held(lease);
    pthread_mutex_unlock(&lease->lock);
    return held;
}

/* The last record, if it says that it is ours and not free. False: it does not, or storage does not tell. */
static bool last_is_ours(struct rsw_lease *lease, struct row *row, struct rsw_error *err) {
    struct record last;
    return read_last(lease, row, &last, err) == 0 && !last.free && strcmp(last.holder, lease->holder) == 0;
}

/* Behind the last record, which is ours: another process on our index can have been quicker, to keep it or to
 * give it back, and then it is looked at anew. True: it is written. False: the last is not ours any more, or
 * (`err` set) nobody can tell. */
static bool write_behind_ours(struct rsw_lease *lease, bool is_free, struct row *row, struct rsw_error *err) {
    for (int i = 0; i < BEHIND_TRIES && last_is_ours(lease, row, err); i++) {
        if (write_record(lease, row->last + 1, is_free, err) == 0) {
            row->last++;
            return true;
        }
        if (err->code != RSW_EBUSY) {
            return false;
        }
        rsw_error_clear(err);
    }
    return false;
}

void rsw_lease_give_back(struct rsw_lease *lease) {
    struct row row;
    struct rsw_error err = RSW_ERROR_INIT;
    pthread_mutex_lock(&lease->lock);
    if (is_held(lease) && write_behind_ours(lease, true, &row, &err)) {
        remove_old(lease, &row, row.last);
    }
    lease->until_ms = 0; /* if it could not be given back, others wait until it is over */
    pthread_mutex_unlock(&lease->lock);
}

int64_t rsw_lease_swept_ms(struct rsw_lease *lease) {
    pthread_mutex_lock(&lease->lock);
    int64_t swept_ms = lease->swept_ms;
    pthread_mutex_unlock(&lease->lock);
    return swept_ms;
}

void rsw_lease_set_swept(struct rsw_lease *lease, int64_t now_ms) {
    pthread_mutex_lock(&lease->lock);
    lease->swept_ms = now_ms;
    pthread_mutex_unlock(&lease->lock);
}

/* ---- keeping ---- */

/* Another process on our index may have given it back: nobody works then, and others wait for it. So what is
 * written comes behind a record that says that we have it, or nothing is. 0 or -1. */
static int renew(struct rsw_lease *lease, struct rsw_error *err) {
    struct row row;
    int64_t from_ms = steady_ms(lease);
    if (write_behind_ours(lease, false, &row, err)) {
        lease->until_ms = from_ms + lease->options.length_ms;
        remove_old(lease, &row, row.last);
        return 0;
    }
    if (err->code != RSW_OK) {
        return -1;
    }
    lease->until_ms = 0;
    return 0;
}

static void *keep(void *arg) {
    struct rsw_lease *lease = arg;
    while (!rsw_worker_wait(&lease->worker, lease->options.length_ms / 4)) {
        struct rsw_error err = RSW_ERROR_INIT;
        pthread_mutex_lock(&lease->lock);
        if (is_held(lease) && renew(lease, &err) != 0) {
            rsw_log(lease->options.log, RSW_LOG_WARNING, "the lease is not renewed: %s", err.message);
        }
        pthread_mutex_unlock(&lease->lock);
    }
    return NULL;
}

int rsw_lease_keep(struct rsw_lease *lease, struct rsw_error *err) {
    if (!lease->keeping && rsw_worker_start(&lease->worker, keep, lease, err) != 0) {
        return -1;
    }
    lease->keeping = true;
    return 0;
}

int rsw_lease_open(struct rsw_lease **out, const struct rsw_lease_options *options, struct rsw_error *err) {
    if (options->holder == NULL && options->index == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "a lease needs somebody who holds it: an index, or a name");
    }
    struct rsw_lease *lease = calloc(1, sizeof *lease);
    if (lease == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    lease->options = *options;
    lease->options.holder = NULL;
    if (options->holder == NULL && rsw_index_identity(options->index, lease->holder, err) != 0) {
        free(lease);
        return -1;
    }
    if (options->holder != NULL) {
        snprintf(lease->holder, sizeof lease->holder, "%s", options->holder);
    }
    pthread_mutex_init(&lease->lock, NULL);
    *out = lease;
    return 0;
}

void rsw_lease_close(struct rsw_lease *lease) {
    if (lease == NULL) {
        return;
    }
    if (lease->keeping) {
        rsw_worker_stop(&lease->worker);
        rsw_worker_release(&lease->worker);
    }
    pthread_mutex_destroy(&lease->lock);
    free(lease);
}
