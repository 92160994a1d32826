/* The thread that drives the transfers, and the callers who wait for them. */
#include "storage/s3.h"

#include "util/clock.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 60000
#define PAUSE_MAX_MS 4000
#define SECOND_NS INT64_C(1000000000)
#define BURST_NS (SECOND_NS / 10) /* what was not asked for so long may be asked at once */

/* What one caller waits for. */
struct rsw_s3_round {
    struct rsw_s3 *s3;
    size_t left; /* under the lock */
};

/* ---- the thread ---- */

/* Out of the list of those under way. */
static void leave(struct rsw_s3_io *io, struct rsw_s3_request *request) {
    struct rsw_s3_request **at = &io->active;
    while (*at != request) {
        at = &(*at)->next;
    }
    *at = request->next;
}

static void finish(struct rsw_s3_io *io, struct rsw_s3_request *request) {
    CURL *curl = request->curl;
    request->curl = NULL;
    rsw_s3_curl()->curl_slist_free_all(request->list);
    request->list = NULL;
    if (curl != NULL) {
        rsw_s3_curl()->curl_easy_reset(
            curl); /* forgets keys and headers; connections are the multi handle's */
    }
    pthread_mutex_lock(&io->lock);
    if (curl != NULL && io->idle_count < RSW_S3_AT_ONCE) {
        io->idle[io->idle_count++] = curl;
        curl = NULL;
    }
    if (--request->round->left == 0) {
        pthread_cond_broadcast(&io->done);
    }
    pthread_mutex_unlock(&io->lock);
    rsw_s3_curl()->curl_easy_cleanup(curl);
}

static void end_all(struct rsw_s3_io *io, CURLMcode why) {
    while (io->active != NULL) {
        struct rsw_s3_request *request = io->active;
        io->active = request->next;
        io->active_count--;
        rsw_s3_curl()->curl_multi_remove_handle(io->multi, request->curl);
        request->status = 0;
        request->errnum = why == CURLM_OUT_OF_MEMORY ? ENOMEM : EIO;
        snprintf(request->said, sizeof request->said, "%s", rsw_s3_curl()->curl_multi_strerror(why));
        finish(io, request);
    }
}

/* ---- so many a second ---- */

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* True: one more may be begun now, and is counted. */
static bool is_its_turn(struct rsw_s3_io *io) {
    if (io->per_second == 0) {
        return true;
    }
    int64_t now_ns = monotonic_ns();
    if (io->next_ns > now_ns) {
        return false;
    }
    int64_t from_ns = io->next_ns > now_ns - BURST_NS ? io->next_ns : now_ns - BURST_NS;
    io->next_ns = from_ns + SECOND_NS / io->per_second;
    return true;
}

/* How long to wait for answers: until another may be begun, if some wait for that. */
static int wait_ms(struct rsw_s3_io *io) {
    pthread_mutex_lock(&io->lock);
    bool waiting = io->first != NULL && io->active_count < io->limit;
    pthread_mutex_unlock(&io->lock);
    int64_t left_ns = waiting ? io->next_ns - monotonic_ns() : 0;
    return !waiting ? POLL_MS : left_ns > 0 ? (int)(left_ns / 1000000) + 1 : 1;
}

/* ---- the transfers ---- */

static enum rsw_s3_cost cost_of(const struct rsw_s3_request *request) {
    if (request->looks) {
        return RSW_S3_LOOKS;
    }
    switch (request->method[0]) {
    case 'H':
        return RSW_S3_LOOKS;
    case 'G':
        return request->expected == RSW_S3_LIST || request->expected == RSW_S3_VERSIONS ? RSW_S3_LISTS
                                                                                        : RSW_S3_READS;
    case 'P':
        return request->expected == RSW_S3_DELETED ? RSW_S3_REMOVALS : RSW_S3_WRITES;
    default:
        return RSW_S3_REMOVALS;
    }
}

/* The next that waits, if it may be sent now. */
static struct rsw_s3_request *next(struct rsw_s3_io *io, CURL **curl) {
    struct rsw_s3_request *request = NULL;
    *curl = NULL;
    pthread_mutex_lock(&io->lock);
    if (io->first != NULL && io->active_count < io->limit && is_its_turn(io)) {
        request = io->first;
        io->first = request->next;
        if (io->idle_count > 0) {
            *curl = io->idle[--io->idle_count];
        }
    }
    pthread_mutex_unlock(&io->lock);
    return request;
}

/* Credentials that are lent end. While nobody lends new ones the old ones are used, and the store says what
 * it thinks of that. */
static void renew(struct rsw_s3 *s3) {
    struct rsw_s3_credentials lent;
    int64_t now_ms = s3->credentials.until_ms == 0 ? 0 : rsw_monotonic_ms();
    if (s3->credentials.until_ms == 0 ||
        rsw_clock_now_ms(NULL) < s3->credentials.until_ms - RSW_S3_RENEW_MS ||
        (s3->renewed_ms != 0 && now_ms - s3->renewed_ms < RSW_S3_RENEW_AGAIN_MS)) {
        return;
    }
    s3->renewed_ms = now_ms;
    if (rsw_s3_credentials_load(&lent, getenv, s3->region, NULL) == 0) {
        rsw_s3_credentials_release(&s3->credentials);
        s3->credentials = lent;
    }
}

static void begin(struct rsw_s3_io *io) {
    struct rsw_s3_request *request;
    CURL *curl;
    while ((request = next(io, &curl)) != NULL) {
        atomic_fetch_add_explicit(&io->asked[cost_of(request)], 1, memory_order_relaxed);
        request->curl = curl != NULL ? curl : rsw_s3_curl()->curl_easy_init();
        renew(request->round->s3);
        int errnum = request->curl == NULL ? ENOMEM : rsw_s3_request_prepare(request->round->s3, request);
        if (errnum == 0 && rsw_s3_curl()->curl_multi_add_handle(io->multi, request->curl) != CURLM_OK) {
            errnum = ENOMEM;
        }
        if (errnum != 0) {
            request->status = 0;
            request->errnum = errnum;
            finish(io, request);
            continue;
        }
        request->next = io->active;
        io->active = request;
        io->active_count++;
    }
}

/* How many have ended. */
static size_t collect(struct rsw_s3_io *io) {
    CURLMsg *message;
    int left;
    size_t count = 0;
    while ((message = rsw_s3_curl()->curl_multi_info_read(io->multi, &left)) != NULL) {
        struct rsw_s3_request *request = NULL;
        CURLcode rc = message->data.result; /* the message goes with the handle */
        rsw_s3_curl()->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        rsw_s3_request_take(request, rc);
        if (request->date_ms != 0) {
            atomic_store(&io->ahead_ms, request->date_ms - rsw_clock_now_ms(NULL));
        }
        rsw_s3_curl()->curl_multi_remove_handle(io->multi, request->curl);
        leave(io, request);
        io->active_count--;
        finish(io, request);
        count++;
    }
    return count;
}

static bool is_stopping(struct rsw_s3_io *io) {
    pthread_mutex_lock(&io->lock);
    bool stopping = io->stopping;
    pthread_mutex_unlock(&io->lock);
    return stopping;
}

static void *drive(void *arg) {
    struct rsw_s3_io *io = arg;
    int running;
    while (!is_stopping(io)) {
        begin(io);
        CURLMcode rc = rsw_s3_curl()->curl_multi_perform(io->multi, &running);
        if (collect(io) == 0 && rc == CURLM_OK) { /* else there may be room for those that wait */
            rc = rsw_s3_curl()->curl_multi_poll(io->multi, NULL, 0, wait_ms(io), NULL);
        }
        if (rc != CURLM_OK) {
            end_all(io, rc);
        }
    }
    return NULL;
}

int rsw_s3_io_start(struct rsw_s3_io *io, unsigned per_second, struct rsw_error *err) {
    if (rsw_curl(err) == NULL) {
        return -1;
    }
    if (rsw_s3_curl()->curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return rsw_error_set(err, RSW_EIO, 0, "libcurl cannot start");
    }
    *io = (struct rsw_s3_io){.limit = RSW_S3_AT_ONCE, .per_second = per_second};
    io->multi = rsw_s3_curl()->curl_multi_init();
    if (io->multi == NULL) {
        rsw_s3_curl()->curl_global_cleanup();
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    rsw_s3_curl()->curl_multi_setopt(io->multi, CURLMOPT_MAXCONNECTS, (long)RSW_S3_AT_ONCE);
    pthread_mutex_init(&io->lock, NULL);
    pthread_cond_init(&io->done, NULL);
    if (pthread_create(&io->thread, NULL, drive, io) != 0) {
        pthread_cond_destroy(&io->done);
        pthread_mutex_destroy(&io->lock);
        rsw_s3_curl()->curl_multi_cleanup(io->multi);
        rsw_s3_curl()->curl_global_cleanup();
        return rsw_error_set(err, RSW_ENOMEM, 0, "cannot start a thread");
    }
    return 0;
}

void rsw_s3_io_stop(struct rsw_s3_io *io) {
    pthread_mutex_lock(&io->lock);
    io->stopping = true;
    pthread_mutex_unlock(&io->lock);
    rsw_s3_curl()->curl_multi_wakeup(io->multi);
    pthread_join(io->thread, NULL);
    while (io->idle_count > 0) {
        rsw_s3_curl()->curl_easy_cleanup(io->idle[--io->idle_count]);
    }
    rsw_s3_curl()->curl_multi_cleanup(io->multi);
    pthread_cond_destroy(&io->done);
    pthread_mutex_destroy(&io->lock);
    rsw_s3_curl()->curl_global_cleanup();
}

/* ---- callers ---- */

/* Those that are to be asked (again), until each has an answer. */
static void ask(struct rsw_s3 *s3, struct rsw_s3_request *requests, size_t count) {
    struct rsw_s3_io *io = &s3->io;
    struct rsw_s3_round round = {.s3 = s3};
    pthread_mutex_lock(&io->lock);
    for (size_t i = 0; i < count; i++) {
        struct rsw_s3_request *request = &requests[i];
        if (!request->again) {
            continue;
        }
        request->round = &round;
        request->next = NULL;
        if (io->first == NULL) {
            io->first = request;
        } else {
            io->last->next = request;
        }
        io->last = request;
        round.left++;
    }
    if (round.left > 0) {
        rsw_s3_curl()->curl_multi_wakeup(io->multi);
    }
    while (round.left > 0) {
        pthread_cond_wait(&io->done, &io->lock);
    }
    pthread_mutex_unlock(&io->lock);
}

/* Fewer at once where the store is overburdened, and a few more again each time that it is not. */
static void adapt(struct rsw_s3_io *io, bool slower) {
    pthread_mutex_lock(&io->lock);
    unsigned limit = slower ? io->limit / 2 : io->limit + 1;
    io->limit = limit < 1 ? 1 : limit > RSW_S3_AT_ONCE ? RSW_S3_AT_ONCE : limit;
    pthread_mutex_unlock(&io->lock);
}

/* Half of it at least; the rest differs from caller to caller, so that they do not all come back at once. */
void rsw_s3_pause(const struct rsw_s3 *s3, unsigned attempt) {
    int64_t ms = s3->pause_ms;
    for (unsigned i = 1; i < attempt && ms < PAUSE_MAX_MS; i++) {
        ms *= 2;
    }
    ms = ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ms = ms / 2 + (ms > 1 ? now.tv_nsec / 1000 % (ms / 2 + 1) : 0);
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

void rsw_s3_send(struct rsw_s3 *s3, struct rsw_s3_request *requests, size_t count) {
    size_t left = count;
    for (size_t i = 0; i < count; i++) {
        requests[i].again = true;
    }
    unsigned tries = count > 0 && requests[0].once ? 1 : s3->tries;
    for (unsigned attempt = 0; left > 0 && attempt < tries; attempt++) {
        if (attempt > 0) {
            rsw_s3_pause(s3, attempt);
        }
        ask(s3, requests, count);
        bool slower = false;
        left = 0;
        for (size_t i = 0; i < count; i++) {
            if (requests[i].again) {
                rsw_s3_request_judge(&requests[i]);
                requests[i].late |= requests[i].again && requests[i].errnum != EAGAIN;
                left += requests[i].again;
                slower |= requests[i].again && requests[i].errnum == EAGAIN;
            }
        }
        adapt(&s3->io, slower);
    }
}

/* What those that nothing works without take. */
static const char *action_of(const struct rsw_s3_request *request) {
    return request->expected == RSW_S3_LIST ? "; allow s3:ListBucket on the bucket (docs/operation.md)"
           : request->expected == RSW_S3_VERSIONS
               ? "; allow s3:ListBucketVersions on the bucket (docs/operation.md)"
               : "";
}

int rsw_s3_fail(const struct rsw_s3 *s3, const struct rsw_s3_request *request, const char *verb,
                const char *key, struct rsw_error *err) {
    const struct rsw_s3_answer *answer = &request->answer;
    enum rsw_code code = request->errnum == ENOMEM   ? RSW_ENOMEM
                         : request->errnum == EACCES ? RSW_EACCESS
                                                     : RSW_EIO;
    const char *where = s3->base.url;
    if (request->errnum == ENOMEM) {
        return rsw_error_set(err, code, ENOMEM, "out of memory");
    }
    if (request->status == 0) {
        return rsw_error_set(
            err, code, request->errnum, "cannot %s '%s' of %s: no answer from %s: %s%s", verb, key, where,
            s3->origin, request->said[0] != 0 ? request->said : strerror(request->errnum),
            request->errnum == EACCES ? "; name the authorities that vouch for it with --s3-ca" : "");
    }
    if (request->region[0] != 0 && strcmp(request->region, s3->region) != 0) {
        return rsw_error_set(err, code, request->errnum,
                             "cannot %s '%s' of %s: the bucket is in region %s; say so with --s3-region",
                             verb, key, where, request->region);
    }
    if (answer->kind == RSW_S3_ERROR) {
        return rsw_error_set(err, code, request->errnum, "cannot %s '%s' of %s: %s%s%s%s", verb, key, where,
                             answer->code, answer->message[0] != 0 ? ": " : "", answer->message,
                             strcmp(answer->code, "AccessDenied") == 0 ? action_of(request) : "");
    }
    if (request->errnum == EBADMSG) {
        return rsw_error_set(err, code, EBADMSG,
                             "cannot %s '%s' of %s: %s answers another question than was asked (with the "
                             "prefix '%s'), so its list may leave out anything",
                             verb, key, where, s3->origin, answer->prefix);
    }
    bool success = request->status >= 200 && request->status < 300;
    return rsw_error_set(err, code, request->errnum, "cannot %s '%s' of %s: %s answered %d, %s", verb, key,
                         where, s3->origin, request->status,
                         success ? "but with no whole document of S3's: cut short, or somebody else's"
                                 : "without a word of S3's");
}
