#include "serve_callback.h"

#include "forget.h"

#include "index/deletion.h"
#include "registry/http.h"
#include "registry/url.h"
#include "util/cleanup.h"
#include "util/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000
#define TOTAL_MS 30000
#define ANSWER_MAX ((size_t)65536) /* of the body, which says nothing to us */
#define LOOK_MS 1000               /* others end deletions, and cannot wake this one */
#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS 600000

struct rsw_callback {
    const struct rsw_cli *serve;
    struct rsw_worker worker;
    struct rsw_callback_stats stats; /* under the worker's lock */
    /* The thread's own. */
    struct rsw_url url;
    char *authorization; /* owned; NULL: none */
    struct rsw_http http;
    struct rsw_patience patience;
    uint64_t last;     /* id of the record that was told last: one that is never taken holds up no other */
    int64_t failed_ms; /* pause after the last one, which was not answered; 0: it was */
};

static bool is_stopping(void *arg) {
    struct rsw_callback *callback = arg;
    return rsw_worker_is_stopping(&callback->worker);
}

/* The first that has ended and is not told, behind the last one if there is one. RSW_FOUND, RSW_ABSENT,
 * RSW_FAILED. */
static int find_next(struct rsw_callback *callback, struct rsw_deletion *out, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    uint64_t waiting = 0;
    if (rsw_txn_begin_read(&txn, callback->serve->index, err) != 0) {
        return RSW_FAILED;
    }
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND) {
        if (!rsw_deletion_ended(&deletion) || deletion.told) {
            continue;
        }
        if (waiting++ == 0 || (out->id <= callback->last && deletion.id > callback->last)) {
            *out = deletion;
        }
    }
    if (rsw_txn_failed(txn, err)) {
        return RSW_FAILED;
    }
    pthread_mutex_lock(&callback->worker.lock);
    callback->stats.waiting = waiting;
    pthread_mutex_unlock(&callback->worker.lock);
    return waiting > 0 ? RSW_FOUND : RSW_ABSENT;
}

static int tell(struct rsw_callback *callback, const struct rsw_deletion *deletion, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response = {.status = 0};
    json_t *object = rsw_deletion_to_json(deletion);
    RSW_AUTO_FREE char *body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (body == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    const struct rsw_http_request request = {.method = "POST",
                                             .url = callback->url.text,
                                             .authorization = callback->authorization,
                                             .content_type = "application/json",
                                             .body = body,
                                             .body_len = strlen(body),
                                             .body_max = ANSWER_MAX};
    callback->patience.until_ms = rsw_monotonic_ms() + TOTAL_MS;
    if (rsw_http_send(&response, &callback->http, &request, err) != 0) {
        return -1;
    }
    return response.status >= 200 && response.status < 300
               ? 0
               : rsw_error_set(err, RSW_EIO, 0, "%s answers %d", callback->url.origin, response.status);
}

static int write_down(struct rsw_callback *callback, uint64_t id, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_deletion deletion;
    if (rsw_txn_begin_write(&txn, callback->serve->index, err) != 0) {
        return -1;
    }
    if (rsw_deletion_get(txn, id, &deletion) == RSW_FOUND) { /* else it was forgotten meanwhile */
        deletion.told = true;
        rsw_deletion_put(txn, &deletion);
    }
    return rsw_txn_commit(&txn, err);
}

static void count(struct rsw_callback *callback, bool failed) {
    pthread_mutex_lock(&callback->worker.lock);
    callback->stats.sent += failed ? 0 : 1;
    callback->stats.failures += failed ? 1 : 0;
    callback->stats.waiting -= failed ? 0 : 1;
    pthread_mutex_unlock(&callback->worker.lock);
}

/* Gives the pause. */
static int64_t fail(struct rsw_callback *callback, const struct rsw_error *err) {
    if (callback->failed_ms == 0) { /* once for all that follow */
        rsw_log(&callback->serve->log, RSW_LOG_ERROR,
                "--deletion-callback: nobody was told that a deletion has ended, it is tried again: %s",
                err->message);
    }
    int64_t longer_ms = callback->failed_ms == 0 ? PAUSE_FIRST_MS : 2 * callback->failed_ms;
    callback->failed_ms = longer_ms < PAUSE_MAX_MS ? longer_ms : PAUSE_MAX_MS;
    return callback->failed_ms;
}

/* Tells one, if one waits. Gives the pause to the next look. */
static int64_t look(struct rsw_callback *callback) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    int answer = find_next(callback, &deletion, &err);
    if (answer == RSW_ABSENT) {
        return LOOK_MS;
    }
    if (answer == RSW_FAILED) {
        return fail(callback, &err);
    }
    callback->last = deletion.id;
    int rc = tell(callback, &deletion, &err);
    if (rc != 0 && err.code == RSW_ESTOPPED) {
        return 0;
    }
    rc = rc == 0 ? write_down(callback, deletion.id, &err) : rc;
    count(callback, rc != 0);
    if (rc != 0) {
        return fail(callback, &err);
    }
    if (callback->failed_ms != 0) {
        rsw_log(&callback->serve->log, RSW_LOG_INFO, "--deletion-callback: %s answers again",
                callback->url.origin);
    }
    callback->failed_ms = 0;
    return 0;
}

static void *work(void *arg) {
    struct rsw_callback *callback = arg;
    int64_t pause_ms = 0;
    while (!rsw_worker_wait(&callback->worker, pause_ms)) {
        pause_ms = look(callback);
    }
    return NULL;
}

static int fill(struct rsw_callback *callback, const char *token, struct rsw_error *err) {
    const struct rsw_options *options = &callback->serve->options;
    struct rsw_http *http = &callback->http;
    if (rsw_url_parse(&callback->url, options->deletion_callback, "--deletion-callback", err) != 0) {
        return -1;
    }
    if (token != NULL && !callback->url.secure) {
        return rsw_error_set(err, RSW_EINVAL, 0, "--deletion-callback: a token goes over https:// alone");
    }
    http->connect_timeout_ms = CONNECT_MS;
    http->total_timeout_ms = TOTAL_MS;
    http->proxy = strdup("");
    http->user_agent = strdup("regsweep/" REGSWEEP_VERSION);
    const char *ca_file = options->deletion_callback_ca;
    http->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
    if (token != NULL && asprintf(&callback->authorization, "Bearer %s", token) < 0) {
        callback->authorization = NULL;
    }
    callback->patience = (struct rsw_patience){.stopped = is_stopping, .arg = callback};
    http->patience = &callback->patience;
    return http->proxy == NULL || http->user_agent == NULL || (ca_file != NULL && http->ca_file == NULL) ||
                   (token != NULL && callback->authorization == NULL)
               ? rsw_error_set(err, RSW_ENOMEM, 0, "out of memory")
               : 0;
}

static void release(struct rsw_callback *callback) {
    rsw_http_release(&callback->http);
    rsw_url_release(&callback->url);
    if (callback->authorization != NULL) {
        explicit_bzero(callback->authorization, strlen(callback->authorization));
    }
    free(callback->authorization);
    free(callback);
}

int rsw_callback_start(struct rsw_callback **out, const struct rsw_cli *serve, const char *token,
                       struct rsw_error *err) {
    *out = NULL;
    if (serve->options.deletion_callback == NULL) {
        return 0;
    }
    struct rsw_callback *callback = calloc(1, sizeof *callback);
    if (callback == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    callback->serve = serve;
    if (rsw_http_init(&callback->http, err) != 0) {
        free(callback);
        return -1;
    }
    if (fill(callback, token, err) != 0 || rsw_worker_start(&callback->worker, work, callback, err) != 0) {
        release(callback);
        return -1;
    }
    *out = callback;
    return 0;
}

void rsw_callback_stats(struct rsw_callback *callback, struct rsw_callback_stats *out) {
    pthread_mutex_lock(&callback->worker.lock);
    *out = callback->stats;
    pthread_mutex_unlock(&callback->worker.lock);
}

void rsw_callback_stop(struct rsw_callback *callback) {
    if (callback != NULL) {
        rsw_worker_stop(&callback->worker);
    }
}

void rsw_callback_free(struct rsw_callback *callback) {
    if (callback != NULL) {
        rsw_worker_release(&callback->worker);
        release(callback);
    }
}
