#include "registry/http.h"

#include "util/curl.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define RETRY_AFTER_MAX_S 1000000 /* whatever is more is no number of seconds */

/* After rsw_http_init. */
static const struct rsw_curl *lib(void) {
    return rsw_curl(NULL);
}

static void cleanup_list(struct curl_slist **list) {
    lib()->curl_slist_free_all(*list);
}
#define AUTO_LIST __attribute__((cleanup(cleanup_list))) struct curl_slist

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

/* ---- connections ---- */

int rsw_http_init(struct rsw_http *http, struct rsw_error *err) {
    if (rsw_curl(err) == NULL) {
        return -1;
    }
    /* Counted by libcurl, and safe from any thread since 7.84 (CURL_VERSION_THREADSAFE). */
    if (lib()->curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return rsw_error_set(err, RSW_EIO, 0, "libcurl cannot start");
    }
    pthread_mutex_init(&http->mutex, NULL);
    http->idle_count = 0;
    http->patience = NULL;
    return 0;
}

void rsw_http_release(struct rsw_http *http) {
    while (http->idle_count > 0) {
        lib()->curl_easy_cleanup(http->idle[--http->idle_count]);
    }
    pthread_mutex_destroy(&http->mutex);
    free(http->ca_file);
    free(http->proxy);
    free(http->user_agent);
    lib()->curl_global_cleanup();
}

static CURL *take_connection(struct rsw_http *http) {
    CURL *curl = NULL;
    pthread_mutex_lock(&http->mutex);
    if (http->idle_count > 0) {
        curl = http->idle[--http->idle_count];
    }
    pthread_mutex_unlock(&http->mutex);
    return curl != NULL ? curl : lib()->curl_easy_init();
}

static void give_connection(struct rsw_http *http, CURL *curl) {
    lib()->curl_easy_reset(curl); /* forgets headers and bodies, keeps the connection */
    pthread_mutex_lock(&http->mutex);
    if (http->idle_count < RSW_HTTP_IDLE_MAX) {
        http->idle[http->idle_count++] = curl;
        curl = NULL;
    }
    pthread_mutex_unlock(&http->mutex);
    lib()->curl_easy_cleanup(curl);
}

/* ---- the request ---- */

/* At least a millisecond, for 0 would be without an end. */
static long timeout_ms(const struct rsw_http *http) {
    const struct rsw_patience *patience = http->patience;
    int64_t ms = http->total_timeout_ms;
    if (patience != NULL) {
        int64_t left_ms = patience->until_ms - rsw_monotonic_ms();
        ms = left_ms < ms ? left_ms : ms;
        ms = patience->each_ms > 0 && patience->each_ms < ms ? patience->each_ms : ms;
    }
    return ms > 0 ? (long)ms : 1;
}

static bool is_stopped(const struct rsw_http *http) {
    const struct rsw_patience *patience = http->patience;
    return patience != NULL && patience->stopped != NULL && patience->stopped(patience->arg);
}

/* libcurl calls it at least once a second, whatever goes on. */
static int on_progress(void *arg, curl_off_t to_come, curl_off_t come, curl_off_t to_go, curl_off_t gone) {
    (void)to_come;
    (void)come;
    (void)to_go;
    (void)gone;
    return is_stopped(arg) ? 1 : 0;
}

static bool set_patience(CURL *curl, struct rsw_http *http) {
    return lib()->curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms(http)) == CURLE_OK &&
           (http->patience == NULL ||
            (lib()->curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
             lib()->curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
             lib()->curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http) == CURLE_OK));
}

/* What holds for every request. */
static bool set_limits(CURL *curl, const struct rsw_http *http) {
    bool ok = lib()->curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
    ok &=
        lib()->curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)http->connect_timeout_ms) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    /* An explicit proxy, "" too, wins over the environment; so must the list of hosts without one. */
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_PROXY, http->proxy) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_NOPROXY, "") == CURLE_OK;
    if (http->ca_file != NULL) {
        ok &= lib()->curl_easy_setopt(curl, CURLOPT_CAINFO, http->ca_file) == CURLE_OK;
        ok &=
            lib()->curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK; /* none but those in the file */
    }
    return ok;
}

static bool set_method(CURL *curl, const struct rsw_http_request *request) {
    if (strcmp(request->method, "HEAD") == 0) {
        return lib()->curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
    }
    bool ok = true;
    if (strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) {
        ok = lib()->curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len) ==
             CURLE_OK;
        ok &= lib()->curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body_len > 0 ? request->body : "") ==
              CURLE_OK;
    }
    return ok && lib()->curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

/* Where a connection that was kept open is lost, libcurl sends a request again by itself. Of a DELETE the
 * first may then still be under way, and nobody would know. */
static int once(void *arg, char *to, char *from, int to_port, int from_port) {
    bool *sent = arg;
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    int may = *sent ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
    *sent = true;
    return may;
}

static bool send_once(CURL *curl, const struct rsw_http_request *request, bool *sent) {
    return strcmp(request->method, "DELETE") != 0 ||
           (lib()->curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, once) == CURLE_OK &&
            lib()->curl_easy_setopt(curl, CURLOPT_PREREQDATA, sent) == CURLE_OK);
}

/* "Name: value"; without a value the header that libcurl would send goes. */
static int add_header(struct curl_slist **list, const char *name, const char *value, struct rsw_error *err) {
    RSW_AUTO_BUF line = RSW_BUF_INIT;
    int rc = value != NULL ? rsw_buf_addf(&line, err, "%s: %s", name, value)
                           : rsw_buf_addf(&line, err, "%s:", name);
    struct curl_slist *longer = rc == 0 ? lib()->curl_slist_append(*list, (const char *)line.data) : NULL;
    if (line.data != NULL) {
        explicit_bzero(line.data, line.len);
    }
    if (longer == NULL) {
        return rc == 0 ? no_memory(err) : -1;
    }
    *list = longer;
    return 0;
}

static int make_headers(struct curl_slist **list, const struct rsw_http_request *request,
                        struct rsw_error *err) {
    if (add_header(list, "Expect", NULL, err) != 0 ||
        add_header(list, "Content-Type", request->content_type, err) != 0) {
        return -1;
    }
    if (request->accept != NULL && add_header(list, "Accept", request->accept, err) != 0) {
        return -1;
    }
    return request->authorization == NULL ? 0
                                          : add_header(list, "Authorization", request->authorization, err);
}

/* ---- the answer ---- */

struct receiver {
    struct rsw_http_response *response;
    size_t max; /* then the transfer is ended */
    size_t kept;
    size_t seen;
    bool ended;
    struct rsw_error *err;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
    struct receiver *to = arg;
    size_t len = size * count;
    size_t room = to->kept - to->response->body.len;
    size_t kept = len < room ? len : room;
    if (rsw_buf_add(&to->response->body, bytes, kept, to->err) != 0) {
        return 0;
    }
    to->response->cut |= kept < len;
    to->seen += len;
    to->ended = to->seen > to->max;
    return to->ended ? 0 : len;
}

/* Bearer wins; a header that cannot be read is as if it were not there. */
static void take_challenge(struct rsw_http_response *out, CURL *curl) {
    const char *text;
    for (size_t i = 0; (text = rsw_curl_header(curl, "WWW-Authenticate", i)) != NULL; i++) {
        struct rsw_challenge_reader reader = {text, text + strlen(text)};
        struct rsw_challenge next;
        while (rsw_challenge_next(&next, &reader, NULL) == RSW_FOUND) {
            if (next.scheme > (out->challenged ? out->challenge.scheme : RSW_SCHEME_OTHER)) {
                out->challenge = next;
                out->challenged = true;
            }
        }
    }
}

static int take_answer(struct rsw_http_response *out, CURL *curl, struct rsw_error *err) {
    long status = 0;
    lib()->curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int)status;
    const char *version = rsw_curl_header(curl, "Docker-Distribution-Api-Version", 0);
    const char *type = rsw_curl_header(curl, "Content-Type", 0);
    const char *location = rsw_curl_header(curl, "Location", 0);
    const char *date = rsw_curl_header(curl, "Date", 0);
    const char *retry = rsw_curl_header(curl, "Retry-After", 0);
    uint64_t retry_s;
    time_t seconds = date != NULL ? lib()->curl_getdate(date, NULL) : -1;
    out->date_ms = seconds > 0 ? (int64_t)seconds * 1000 : 0;
    out->retry_after_ms =
        retry != NULL && rsw_number_parse(&retry_s, retry, RETRY_AFTER_MAX_S) ? (int64_t)retry_s * 1000 : -1;
    out->registry = version != NULL && strcasestr(version, "registry/2.0") != NULL;
    out->json = type != NULL && strncasecmp(type, "application/json", strlen("application/json")) == 0;
    take_challenge(out, curl);
    if (location != NULL && (out->location = strdup(location)) == NULL) {
        return no_memory(err);
    }
    return 0;
}

static int no_answer(CURL *curl, CURLcode rc, const char *said, const struct rsw_http *http,
                     const struct rsw_http_request *request, struct rsw_error *err) {
    int url_len = (int)strcspn(request->url, "?"); /* what stands behind it is not for messages */
    long errnum = 0;
    lib()->curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &errnum);
    if (rc == CURLE_OUT_OF_MEMORY) {
        return no_memory(err);
    }
    if (rc == CURLE_ABORTED_BY_CALLBACK && is_stopped(http)) {
        return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped while waiting for an answer to %s %.*s",
                             request->method, url_len, request->url);
    }
    if (rc == CURLE_SSL_CACERT_BADFILE) {
        return rsw_error_set(err, RSW_EINVAL, 0, "cannot use the file of authorities %s: %s",
                             http->ca_file != NULL ? http->ca_file : "of the system",
                             said[0] != 0 ? said : lib()->curl_easy_strerror(rc));
    }
    if (rc == CURLE_OPERATION_TIMEDOUT) {
        errnum = ETIMEDOUT;
    } else if (rc == CURLE_GOT_NOTHING) {
        errnum = ECONNRESET;
    } else if (rc == CURLE_ABORTED_BY_CALLBACK) { /* once */
        errnum = ECONNRESET;
        said = "the connection was lost";
    }
    return rsw_error_set(err, RSW_EIO, (int)errnum, "no answer to %s %.*s: %s", request->method, url_len,
                         request->url, said[0] != 0 ? said : lib()->curl_easy_strerror(rc));
}

static int perform(struct rsw_http_response *out, CURL *curl, struct rsw_http *http,
                   const struct rsw_http_request *request, struct curl_slist *headers,
                   struct rsw_error *err) {
    char said[CURL_ERROR_SIZE] = "";
    struct receiver receiver = {.response = out,
                                .max = request->body_max,
                                .kept = request->body_kept != 0 ? request->body_kept : RSW_HTTP_KEEP_MAX,
                                .err = err};
    const char *agent = request->user_agent != NULL ? request->user_agent : http->user_agent;
    bool sent = false;
    bool ok = set_limits(curl, http) && set_patience(curl, http) && set_method(curl, request) &&
              send_once(curl, request, &sent);
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_USERAGENT, agent) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver) == CURLE_OK;
    ok &= lib()->curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, said) == CURLE_OK;
    if (!ok) {
        return rsw_error_set(err, RSW_EINVAL, 0, "libcurl does not take the settings of a request");
    }
    CURLcode rc = lib()->curl_easy_perform(curl);
    if (rc != CURLE_OK && !receiver.ended) {
        return no_answer(curl, rc, said, http, request, err);
    }
    return take_answer(out, curl, err);
}

int rsw_http_send(struct rsw_http_response *out, struct rsw_http *http,
                  const struct rsw_http_request *request, struct rsw_error *err) {
    AUTO_LIST *headers = NULL;
    memset(out, 0, sizeof *out);
    if (make_headers(&headers, request, err) != 0) {
        return -1;
    }
    CURL *curl = take_connection(http);
    if (curl == NULL) {
        return no_memory(err);
    }
    int rc = perform(out, curl, http, request, headers, err);
    give_connection(http, curl);
    if (rc != 0) {
        rsw_http_response_release(out);
    }
    return rc;
}

void rsw_http_scrub(struct rsw_http_response *response, const char *authorization) {
    struct rsw_buf *body = &response->body;
    const char *secret = authorization != NULL ? strchr(authorization, ' ') : NULL;
    if (secret == NULL || secret[1] == 0) {
        return;
    }
    size_t len = strlen(++secret);
    uint8_t *at;
    while (body->len > 0 && (at = memmem(body->data, body->len, secret, len)) != NULL) {
        memset(at, '*', len);
    }
}

void rsw_http_response_release(struct rsw_http_response *response) {
    if (response->body.data != NULL) {
        explicit_bzero(response->body.data, response->body.len); /* a token, perhaps */
    }
    rsw_buf_release(&response->body);
    free(response->location);
    memset(response, 0, sizeof *response);
}
