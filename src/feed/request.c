/* One request, from its first line to its end.
 *
 * There are events, looks at the feed, and further requests that others answer.
 *
 * The body of POST /events is read as it arrives. Each time that some events are together (or one that cannot
 * be used) they go to the writer and the connection sleeps until they are durable: so a body of any size
 * takes little memory, and nobody is told 2xx before. If the write fails the rest of the body is passed over
 * and the answer is 503; the registry sends all of it again, which is harmless. */
#include "feed/server.h"

#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_OF_ANYBODY_MAX ((size_t)65536)
#define EVENTS_AT_ONCE 32 /* of one body, with the writer */

struct request {
    struct rsw_job job; /* first: the writer gives it back */
    struct rsw_feed *feed;
    struct MHD_Connection *connection;
    struct rsw_event *events; /* owned; room for `room` */
    size_t count;
    size_t room;
    bool with_writer;
    bool ended;   /* the envelope has been told that the body is complete */
    bool refused; /* there were too many waiting */
    bool failed;  /* something could not be stored: what is left is passed over */
    bool no_memory;
    bool further;        /* not events: its body is kept for others */
    bool too_long;       /* that body is */
    struct rsw_buf body; /* of a further one */
    struct rsw_envelope envelope;
};

/* ---- answers ---- */

static const struct {
    unsigned status;
    const char *text;
    const char *header;
    const char *value;
} answers[RSW_ANSWER_KINDS] = {
    [RSW_ANSWER_OK] = {MHD_HTTP_OK, "ok\n", NULL, NULL},
    [RSW_ANSWER_UNAUTHORIZED] = {MHD_HTTP_UNAUTHORIZED, "the bearer token is missing or wrong\n",
                                 MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"regsweep\""},
    [RSW_ANSWER_NOT_FOUND] = {MHD_HTTP_NOT_FOUND,
                              "there is POST /events, GET /healthz, GET /readyz, GET /metrics", NULL, NULL},
    [RSW_ANSWER_METHOD_GET] = {MHD_HTTP_METHOD_NOT_ALLOWED, "use GET\n", MHD_HTTP_HEADER_ALLOW, "GET, HEAD"},
    [RSW_ANSWER_METHOD_POST] = {MHD_HTTP_METHOD_NOT_ALLOWED, "use POST\n", MHD_HTTP_HEADER_ALLOW, "POST"},
    [RSW_ANSWER_LATER] = {MHD_HTTP_SERVICE_UNAVAILABLE, "the index cannot be written now; see /readyz\n",
                          MHD_HTTP_HEADER_RETRY_AFTER, "5"},
    [RSW_ANSWER_BUSY] = {MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests wait to be written; see /readyz\n",
                         MHD_HTTP_HEADER_RETRY_AFTER, "1"},
    [RSW_ANSWER_TOO_LONG] = {MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long\n", NULL, NULL},
    [RSW_ANSWER_FAULT] = {MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n", MHD_HTTP_HEADER_RETRY_AFTER,
                          "5"},
};

/* Whoever asks for another path is told those that there are. */
static void write_answer(const struct rsw_feed *feed, enum rsw_answer_kind kind, char *text, size_t size) {
    size_t len = (size_t)snprintf(text, size, "%s", answers[kind].text);
    if (kind != RSW_ANSWER_NOT_FOUND) {
        return;
    }
    for (size_t i = 0; feed->further_paths != NULL && feed->further_paths[i] != NULL && len < size; i++) {
        len += (size_t)snprintf(text + len, size - len, ", %s", feed->further_paths[i]);
    }
    if (len < size) {
        snprintf(text + len, size - len, "\n");
    }
}

int rsw_feed_answers_init(struct rsw_feed *feed, struct rsw_error *err) {
    for (unsigned i = 0; i < RSW_ANSWER_KINDS; i++) {
        char text[256];
        write_answer(feed, (enum rsw_answer_kind)i, text, sizeof text);
        struct MHD_Response *response =
            feed->mhd->MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
        feed->answers[i] = response;
        if (response == NULL ||
            feed->mhd->MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                               "text/plain; charset=utf-8") != MHD_YES ||
            (answers[i].header != NULL &&
             feed->mhd->MHD_add_response_header(response, answers[i].header, answers[i].value) != MHD_YES)) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
    }
    return 0;
}

void rsw_feed_answers_release(struct rsw_feed *feed) {
    for (unsigned i = 0; i < RSW_ANSWER_KINDS; i++) {
        if (feed->answers[i] != NULL) {
            feed->mhd->MHD_destroy_response(feed->answers[i]);
        }
    }
}

static enum MHD_Result answer(struct rsw_feed *feed, struct MHD_Connection *connection,
                              enum rsw_answer_kind kind) {
    return feed->mhd->MHD_queue_response(connection, answers[kind].status, feed->answers[kind]);
}

static enum MHD_Result answer_text(struct rsw_feed *feed, struct MHD_Connection *connection, unsigned status,
                                   const char *type, const char *text, size_t len) {
    struct MHD_Response *response =
        feed->mhd->MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result result = feed->mhd->MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (result == MHD_YES) {
        result = feed->mhd->MHD_queue_response(connection, status, response);
    }
    feed->mhd->MHD_destroy_response(response);
    return result;
}

/* ---- GET ---- */

static enum MHD_Result answer_ready(struct rsw_feed *feed, struct MHD_Connection *connection) {
    struct rsw_writer_stats stats;
    char text[RSW_MESSAGE_MAX + 2];
    rsw_writer_stats(feed->writer, &stats);
    if (stats.ready) {
        return answer(feed, connection, RSW_ANSWER_OK);
    }
    int len = snprintf(text, sizeof text, "%s\n", stats.trouble);
    return answer_text(feed, connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text,
                       (size_t)len);
}

static enum MHD_Result answer_metrics(struct rsw_feed *feed, struct MHD_Connection *connection) {
    RSW_AUTO_BUF text = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_feed_metrics(feed, &text, &err) != 0) {
        rsw_log(feed->log, RSW_LOG_WARNING, "cannot tell the metrics: %s", err.message);
        return answer(feed, connection, RSW_ANSWER_FAULT);
    }
    return answer_text(feed, connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                       (const char *)text.data, text.len);
}

static enum MHD_Result handle_get(struct rsw_feed *feed, struct MHD_Connection *connection, const char *url,
                                  const char *method) {
    bool health = strcmp(url, "/healthz") == 0;
    bool ready = strcmp(url, "/readyz") == 0;
    if (!health && !ready && strcmp(url, "/metrics") != 0) {
        return answer(feed, connection, RSW_ANSWER_NOT_FOUND);
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return answer(feed, connection, RSW_ANSWER_METHOD_GET);
    }
    if (health) {
        return answer(feed, connection, RSW_ANSWER_OK);
    }
    return ready ? answer_ready(feed, connection) : answer_metrics(feed, connection);
}

/* ---- POST /events ---- */

static void stored(struct rsw_job *job) {
    struct request *request = (struct request *)job;
    request->feed->mhd->MHD_resume_connection(request->connection);
}

/* Hands what is together to the writer; the connection sleeps until that is durable. */
static void submit(struct request *request) {
    size_t len;
    request->job.events = request->events;
    request->job.count = request->count;
    request->job.body = rsw_envelope_head(&request->envelope, &len);
    request->job.body_len = len;
    request->job.done = stored;
    request->with_writer = true;
    request->feed->mhd->MHD_suspend_connection(request->connection);
    if (!rsw_writer_submit(request->feed->writer, &request->job)) {
        request->with_writer = false;
        request->refused = true;
        request->count = 0;
        request->feed->mhd->MHD_resume_connection(request->connection);
    }
}

/* Back from the writer. */
static void take_back(struct request *request) {
    if (request->with_writer) {
        request->with_writer = false;
        request->failed = request->failed || !request->job.stored;
        request->count = 0;
    }
}

static bool add_event(struct request *request, const struct rsw_event *event) {
    if (request->count == request->room) {
        size_t room = request->room == 0 ? 1 : EVENTS_AT_ONCE; /* the registry sends one */
        struct rsw_event *grown = realloc(request->events, room * sizeof *grown);
        if (grown == NULL) {
            request->no_memory = true;
            return true;
        }
        request->events = grown;
        request->room = room;
    }
    request->events[request->count++] = *event;
    return request->count == EVENTS_AT_ONCE;
}

/* One that is unusable goes on at once: its text is at hand now. */
static bool on_event(void *arg, const struct rsw_event *event) {
    struct request *request = arg;
    return add_event(request, event) || event->problem[0] != 0;
}

static bool is_lost(const struct request *request) {
    return request->failed || request->refused || request->no_memory;
}

static void take_body(struct request *request, const char *bytes, size_t *len) {
    if (is_lost(request)) {
        *len = 0;
        return;
    }
    size_t taken = rsw_envelope_feed(&request->envelope, bytes, *len);
    *len -= taken;
    if (request->no_memory) {
        *len = 0;
    } else if (*len > 0 || request->count == EVENTS_AT_ONCE ||
               (request->count > 0 && request->events[request->count - 1].problem[0] != 0)) {
        submit(request);
    }
}

static enum MHD_Result end_body(struct request *request) {
    enum rsw_answer_kind kind;
    struct rsw_event event;
    if (!request->ended && !is_lost(request)) {
        request->ended = true;
        if (!rsw_envelope_end(&request->envelope, &event)) {
            add_event(request, &event);
        }
        if (request->count > 0 && !request->no_memory) {
            submit(request);
            return MHD_YES;
        }
    }
    kind = request->no_memory ? RSW_ANSWER_FAULT
           : request->refused ? RSW_ANSWER_BUSY
           : request->failed  ? RSW_ANSWER_LATER
                              : RSW_ANSWER_OK;
    atomic_fetch_add_explicit(&request->feed->answered[kind], 1, memory_order_relaxed);
    return answer(request->feed, request->connection, kind);
}

static struct request *request_new(struct rsw_feed *feed, struct MHD_Connection *connection) {
    /* Not zeroed: the envelope inside is large, and begins itself. */
    struct request *request = malloc(sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    memset(request, 0, offsetof(struct request, envelope));
    request->feed = feed;
    request->connection = connection;
    rsw_envelope_init(&request->envelope, on_event, request);
    pthread_mutex_lock(&feed->mutex);
    feed->active++;
    pthread_mutex_unlock(&feed->mutex);
    return request;
}

/* A registry with a wrong token tries for ever, and only its own log would tell. */
static void tell_refusal(struct rsw_feed *feed, struct rsw_feed_token *token) {
    int64_t now_ms = rsw_monotonic_ms();
    int_fast64_t told_ms = atomic_load(&token->told_ms);
    if ((told_ms != 0 && now_ms - told_ms < RSW_FEED_TELL_MS) ||
        !atomic_compare_exchange_strong(&token->told_ms, &told_ms, now_ms)) {
        return;
    }
    if (token == &feed->token) {
        rsw_log(feed->log, RSW_LOG_WARNING,
                "events without the right token are refused: give the registry's endpoint the header "
                "Authorization: [Bearer TOKEN] with the token that this serve has");
    } else {
        rsw_log(feed->log, RSW_LOG_WARNING, "requests for %s without the right token are refused",
                feed->further_paths[0]);
    }
}

/* Whether a request may go on. One that may not is counted, and told of. */
static bool carries(struct rsw_feed *feed, struct MHD_Connection *connection, struct rsw_feed_token *token) {
    if (rsw_feed_token_right(token, feed->mhd->MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                                           MHD_HTTP_HEADER_AUTHORIZATION))) {
        return true;
    }
    atomic_fetch_add_explicit(&token->refused, 1, memory_order_relaxed);
    tell_refusal(feed, token);
    return false;
}

/* Before any of the body is read. */
static enum MHD_Result begin_post(struct rsw_feed *feed, struct MHD_Connection *connection,
                                  const char *method, void **request) {
    if (strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
        return answer(feed, connection, RSW_ANSWER_METHOD_POST);
    }
    if (!carries(feed, connection, &feed->token)) {
        atomic_fetch_add_explicit(&feed->answered[RSW_ANSWER_UNAUTHORIZED], 1, memory_order_relaxed);
        return answer(feed, connection, RSW_ANSWER_UNAUTHORIZED);
    }
    *request = request_new(feed, connection);
    if (*request == NULL) {
        atomic_fetch_add_explicit(&feed->answered[RSW_ANSWER_FAULT], 1, memory_order_relaxed);
        return answer(feed, connection, RSW_ANSWER_FAULT);
    }
    return MHD_YES;
}

/* ---- further requests ---- */

static bool is_further(const struct rsw_feed *feed, const char *url) {
    for (size_t i = 0; feed->further_paths != NULL && feed->further_paths[i] != NULL; i++) {
        const char *path = feed->further_paths[i];
        size_t len = strlen(path);
        if (strncmp(url, path, len) == 0 && (url[len] == 0 || url[len] == '/')) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result begin_further(struct rsw_feed *feed, struct MHD_Connection *connection, void **ptr) {
    if (!carries(feed, connection, &feed->further_token)) {
        return answer(feed, connection, RSW_ANSWER_UNAUTHORIZED);
    }
    struct request *request = request_new(feed, connection);
    if (request == NULL) {
        return answer(feed, connection, RSW_ANSWER_FAULT);
    }
    request->further = true;
    /* What anybody may send must not take memory. */
    request->body.max = feed->further_token.asked ? RSW_FEED_BODY_MAX : BODY_OF_ANYBODY_MAX;
    *ptr = request;
    return MHD_YES;
}

/* Takes reply->json. */
static enum MHD_Result answer_further(struct rsw_feed *feed, struct MHD_Connection *connection,
                                      const struct rsw_feed_reply *reply) {
    struct MHD_Response *response =
        reply->json == NULL
            ? NULL
            : feed->mhd->MHD_create_response_from_buffer(reply->len, reply->json, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(reply->json);
        return answer(feed, connection, RSW_ANSWER_FAULT);
    }
    enum MHD_Result result =
        feed->mhd->MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (result == MHD_YES && reply->location[0] != 0) {
        result = feed->mhd->MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
    }
    if (result == MHD_YES && reply->allow != NULL) {
        result = feed->mhd->MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    }
    if (result == MHD_YES) {
        result = feed->mhd->MHD_queue_response(connection, reply->status, response);
    }
    feed->mhd->MHD_destroy_response(response);
    return result;
}

static void take_further_body(struct request *request, const char *bytes, size_t *len) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (!request->too_long && !request->no_memory && rsw_buf_add(&request->body, bytes, *len, &err) != 0) {
        request->too_long = err.code == RSW_EFULL;
        request->no_memory = !request->too_long;
    }
    *len = 0;
}

static enum MHD_Result end_further(struct request *request, const char *method, const char *url) {
    struct rsw_feed *feed = request->feed;
    struct rsw_feed_reply reply = {.json = NULL};
    const struct rsw_feed_request told = {
        .method = method,
        .path = url,
        .body = request->body.data != NULL ? (const char *)request->body.data : "",
        .body_len = request->body.len,
    };
    if (request->too_long) {
        return answer(feed, request->connection, RSW_ANSWER_TOO_LONG);
    }
    if (!request->no_memory) {
        feed->further(feed->arg, &told, &reply);
    }
    return answer_further(feed, request->connection, &reply);
}

/* ---- all of them ---- */

enum MHD_Result rsw_feed_handle(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **ptr) {
    struct rsw_feed *feed = cls;
    struct request *request = *ptr;
    (void)version;
    if (request != NULL) {
        take_back(request);
        if (*upload_data_size > 0) {
            (request->further ? take_further_body : take_body)(request, upload_data, upload_data_size);
            return MHD_YES;
        }
        return request->further ? end_further(request, method, url) : end_body(request);
    }
    if (is_further(feed, url)) {
        return begin_further(feed, connection, ptr);
    }
    return strcmp(url, "/events") == 0 ? begin_post(feed, connection, method, ptr)
                                       : handle_get(feed, connection, url, method);
}

void rsw_feed_completed(void *cls, struct MHD_Connection *connection, void **ptr,
                        enum MHD_RequestTerminationCode how) {
    struct rsw_feed *feed = cls;
    struct request *request = *ptr;
    (void)connection;
    (void)how;
    if (request == NULL) {
        return;
    }
    *ptr = NULL;
    free(request->events);
    rsw_buf_release(&request->body);
    free(request);
    pthread_mutex_lock(&feed->mutex);
    if (--feed->active == 0) {
        pthread_cond_broadcast(&feed->idle);
    }
    pthread_mutex_unlock(&feed->mutex);
}
