/* One request: how it is put together and signed, and what its answer means. */
#include "storage/s3.h"

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 10000L
#define TOTAL_TIMEOUT_MS 120000L
#define PATIENT_TIMEOUT_MS 900000L
/* A transfer that brings less than this in so many seconds has stalled. */
#define STALLED_BYTES 1L
#define STALLED_SECONDS 30L

/* ---- asking ---- */

static bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int rsw_s3_encode(struct rsw_buf *out, const char *text, bool slash, struct rsw_error *err) {
    for (; *text != 0; text++) {
        bool plain = is_unreserved(*text) || (*text == '/' && !slash);
        int rc = plain ? rsw_buf_add(out, text, 1, err)
                       : rsw_buf_addf(out, err, "%%%02X", (unsigned)(unsigned char)*text);
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

static int make_path(struct rsw_buf *out, const struct rsw_s3 *s3, const struct rsw_s3_request *request) {
    int rc = rsw_buf_addf(out, NULL, "%s/", s3->bucket_path);
    if (rc == 0 && request->key != NULL) {
        rc = rsw_s3_encode(out, s3->prefix, false, NULL) != 0 ||
             rsw_s3_encode(out, request->key, false, NULL) != 0;
    }
    return rc;
}

static int add_header(struct rsw_s3_request *request, const char *text) {
    struct curl_slist *longer = rsw_s3_curl()->curl_slist_append(request->list, text);
    if (longer == NULL) {
        return -1;
    }
    request->list = longer;
    return 0;
}

static int addf_header(struct rsw_s3_request *request, const char *fmt, ...) RSW_PRINTF(2, 3);

/* Wiped: it may be a secret. */
static int addf_header(struct rsw_s3_request *request, const char *fmt, ...) {
    char *line = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&line, fmt, args);
    va_end(args);
    if (len < 0) {
        return -1;
    }
    int rc = add_header(request, line);
    explicit_bzero(line, (size_t)len);
    free(line);
    return rc;
}

/* All that are in the list are signed, so that nobody on the way can change one. libcurl adds what nothing
 * depends on: User-Agent, Accept, and how long the body is. */
static int add_signature(const struct rsw_s3 *s3, struct rsw_s3_request *request, const char *path,
                         const char *time) {
    const char *headers[RSW_S3_SIGNED_MAX + 1];
    size_t count = 0;
    RSW_AUTO_BUF line = RSW_BUF_INIT;
    for (struct curl_slist *header = request->list; header != NULL; header = header->next) {
        headers[count++] = header->data;
    }
    headers[count] = NULL;
    const struct rsw_s3_signed what = {.method = request->method,
                                       .path = path,
                                       .query = request->query,
                                       .headers = headers,
                                       .payload = request->payload,
                                       .region = s3->region,
                                       .time = time,
                                       .credentials = &s3->credentials};
    return rsw_s3_sign(&line, &what) == 0 ? add_header(request, (const char *)line.data) : -1;
}

/* What has a body, an empty one too, has a type: libcurl would take it for a form, and S3 would keep an
 * object that is begun in parts as one. */
static int add_type(struct rsw_s3_request *request) {
    static const char name[] = "Content-Type:";
    bool said = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    for (const char *const *header = request->headers; *header != NULL && !said; header++) {
        said = strncmp(*header, name, strlen(name)) == 0;
    }
    return said ? 0 : addf_header(request, "%s application/octet-stream", name);
}

static int make_headers(const struct rsw_s3 *s3, struct rsw_s3_request *request, const char *path) {
    char date[32];
    struct tm tm;
    time_t now = (time_t)(rsw_clock_now_ms(NULL) / 1000);
    if (gmtime_r(&now, &tm) == NULL || strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm) == 0 ||
        rsw_s3_hash(request->payload, request->body, request->body_len) != 0 ||
        addf_header(request, "Host: %s", strstr(s3->origin, "://") + 3) != 0 ||
        addf_header(request, "x-amz-date: %s", date) != 0 ||
        addf_header(request, "x-amz-content-sha256: %s", request->payload) != 0) {
        return -1;
    }
    for (const char *const *header = request->headers; *header != NULL; header++) {
        if (add_header(request, *header) != 0) {
            return -1;
        }
    }
    if (add_type(request) != 0) {
        return -1;
    }
    if (s3->credentials.token != NULL &&
        addf_header(request, "x-amz-security-token: %s", s3->credentials.token) != 0) {
        return -1;
    }
    return add_signature(s3, request, path, date);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg) {
    struct rsw_s3_request *request = arg;
    size_t len = size * count;
    long status = 0;
    rsw_s3_curl()->curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
    bool wanted = request->expected == RSW_S3_NONE && status >= 200 && status < 300;
    size_t room = (wanted ? request->max : RSW_S3_XML_MAX) - request->bytes.len;
    size_t kept = len < room ? len : room;
    if (rsw_buf_add(&request->bytes, bytes, kept, NULL) != 0) {
        request->errnum = ENOMEM;
        return 0;
    }
    request->cut = kept < len;
    return request->cut ? 0 : len; /* 0: the transfer ends here */
}

static bool set_limits(CURL *curl, const struct rsw_s3 *s3, bool patient) {
    const struct rsw_curl *l = rsw_s3_curl();
    bool ok = l->curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, patient ? PATIENT_TIMEOUT_MS : TOTAL_TIMEOUT_MS) ==
          CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, patient ? 0L : STALLED_BYTES) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, patient ? 0L : STALLED_SECONDS) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, s3->insecure ? 0L : 1L) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, s3->insecure ? 0L : 2L) == CURLE_OK;
    /* An explicit proxy, "" too, wins over the environment; so must the list of hosts without one. */
    ok &= l->curl_easy_setopt(curl, CURLOPT_PROXY, s3->proxy) == CURLE_OK;
    ok &= l->curl_easy_setopt(curl, CURLOPT_NOPROXY, "") == CURLE_OK;
    if (s3->ca_file != NULL) {
        ok &= l->curl_easy_setopt(curl, CURLOPT_CAINFO, s3->ca_file) == CURLE_OK;
        ok &= l->curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK; /* none but those in the file */
    }
    return ok;
}

static bool set_method(CURL *curl, const struct rsw_s3_request *request) {
    const struct rsw_curl *l = rsw_s3_curl();
    if (strcmp(request->method, "HEAD") == 0) {
        return l->curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
    }
    bool ok = true;
    if (strcmp(request->method, "GET") != 0) {
        ok &=
            l->curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len) == CURLE_OK;
        ok &= l->curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body == NULL ? "" : request->body) ==
              CURLE_OK;
    }
    return ok && l->curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
}

int rsw_s3_request_prepare(const struct rsw_s3 *s3, struct rsw_s3_request *request) {
    const struct rsw_curl *l = rsw_s3_curl();
    RSW_AUTO_BUF path = RSW_BUF_INIT;
    RSW_AUTO_BUF url = RSW_BUF_INIT;
    request->list = NULL;
    request->errnum = 0;
    request->cut = false;
    request->said[0] = 0;
    rsw_buf_clear(&request->bytes);
    if (make_path(&path, s3, request) != 0 || make_headers(s3, request, (const char *)path.data) != 0 ||
        rsw_buf_addf(&url, NULL, "%s%s%s%s", s3->origin, (const char *)path.data,
                     request->query != NULL ? "?" : "", request->query != NULL ? request->query : "") != 0) {
        return ENOMEM;
    }
    bool ok = set_limits(request->curl, s3, request->patient) && set_method(request->curl, request);
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_URL, (const char *)url.data) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_USERAGENT, "regsweep/" REGSWEEP_VERSION) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_HTTPHEADER, request->list) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_FILETIME, 1L) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_WRITEDATA, request) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_ERRORBUFFER, request->said) == CURLE_OK;
    ok &= l->curl_easy_setopt(request->curl, CURLOPT_PRIVATE, request) == CURLE_OK;
    return ok ? 0 : EINVAL;
}

/* ---- the answer ---- */

static int errno_of_curl(CURL *curl, CURLcode rc) {
    long errnum = 0;
    rsw_s3_curl()->curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &errnum);
    switch (rc) {
    case CURLE_OUT_OF_MEMORY:
        return ENOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return EACCES; /* no other try changes that */
    case CURLE_COULDNT_RESOLVE_HOST:
        return EHOSTUNREACH;
    default:
        return errnum > 0 ? (int)errnum : EIO;
    }
}

/* "bytes 0-0/1234": of which the answer is a part. */
static void take_whole_size(struct rsw_s3_request *request) {
    const char *range = rsw_curl_header(request->curl, "content-range", 0);
    const char *slash = range != NULL ? strchr(range, '/') : NULL;
    uint64_t whole;
    if (slash != NULL && rsw_number_parse(&whole, slash + 1, INT64_MAX)) {
        request->size = whole;
    }
}

static void take_version(struct rsw_s3_request *request) {
    const char *id = rsw_curl_header(request->curl, "x-amz-version-id", 0);
    if (request->version != NULL) {
        strcpy(request->version, id != NULL && strlen(id) <= RSW_S3_KEY_MAX ? id : "");
    }
}

void rsw_s3_request_take(struct rsw_s3_request *request, CURLcode rc) {
    const struct rsw_curl *l = rsw_s3_curl();
    long status = 0;
    curl_off_t size = -1;
    curl_off_t seconds = -1;
    const char *region = rsw_curl_header(request->curl, "x-amz-bucket-region", 0);
    const char *date = rsw_curl_header(request->curl, "date", 0);
    l->curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
    l->curl_easy_getinfo(request->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    l->curl_easy_getinfo(request->curl, CURLINFO_FILETIME_T, &seconds);
    request->status = (int)status;
    request->size = size >= 0 ? (uint64_t)size : 0;
    take_whole_size(request);
    request->mtime_ms = seconds >= 0 ? (int64_t)seconds * 1000 : 0;
    time_t then = date != NULL ? l->curl_getdate(date, NULL) : 0;
    request->date_ms = then > 0 ? (int64_t)then * 1000 : 0;
    if (request->kept != NULL && strcmp(request->method, "GET") == 0) {
        rsw_s3_kept_take(request->kept, request->curl);
    }
    take_version(request);
    snprintf(request->region, sizeof request->region, "%s", region != NULL ? region : "");
    if (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && request->cut)) {
        return;
    }
    request->status = 0;
    if (request->errnum == 0) {
        request->errnum = errno_of_curl(request->curl, rc);
    }
    if (request->said[0] == 0) {
        snprintf(request->said, sizeof request->said, "%s", l->curl_easy_strerror(rc));
    }
}

struct meaning {
    const char *code;
    int errnum;
    bool again;
};

/* Codes that mean something else than their status does. */
static const struct meaning meanings[] = {
    {"NoSuchKey", ENOENT, false},
    {"NoSuchVersion", ENOENT, false},
    {"NoSuchBucket", ENODEV, false},
    {"PreconditionFailed", EEXIST, false},
    {"InvalidRange", ERANGE, false},
    {"NotImplemented", ENOTSUP, false},
    {"InvalidObjectState", RSW_EARCHIVED, false},
    {"ObjectNotInActiveTierError", RSW_EARCHIVED, false},
    {"MissingContentMD5", RSW_ENOMD5, false},
    {"ConditionalRequestConflict", EAGAIN, true},
    {"OperationAborted", EAGAIN, true},
    {"RequestTimeout", ETIMEDOUT, true},
    {"InternalError", EIO, true},
    {"SlowDown", EAGAIN, true},
    {"ServiceUnavailable", EAGAIN, true},
    {"Throttling", EAGAIN, true},
    {"ThrottlingException", EAGAIN, true},
    {"RequestLimitExceeded", EAGAIN, true},
    {"BandwidthLimitExceeded", EAGAIN, true},
    {"AccessDenied", EACCES, false},
    {"InvalidAccessKeyId", EACCES, false},
    {"SignatureDoesNotMatch", EACCES, false},
    {"ExpiredToken", EACCES, false},
    {"InvalidToken", EACCES, false},
    {"RequestTimeTooSkewed", EACCES, false},
};

int rsw_s3_errno_of(const char *code, bool *again) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (strcmp(meanings[i].code, code) == 0) {
            *again = meanings[i].again;
            return meanings[i].errnum;
        }
    }
    *again = false;
    return EIO;
}

/* A status without a word of S3's, such as that of a proxy, or of a HEAD. Never ENOENT. */
static int errno_of_status(int status, bool *again) {
    *again = status == 429 || (status >= 500 && status != 501);
    return status == 401 || status == 403   ? EACCES
           : status == 412                  ? EEXIST
           : status == 429 || status == 503 ? EAGAIN
                                            : EIO;
}

/* Not every store encodes these, as it encodes keys. */
static bool repeats(const char *said, const char *asked) {
    char decoded[RSW_S3_KEY_MAX + 1];
    strcpy(decoded, said);
    return strcmp(said, asked) == 0 || (rsw_s3_decode(decoded) && strcmp(decoded, asked) == 0);
}

/* A page that was meant for another question, or for none that the store understood, may leave out anything.
 * So may one that says where the next begins, and that there is none. That it says nothing of where it began
 * is no sign of that: keys that are not behind it are noticed by whoever reads them. */
static bool is_answer(const struct rsw_s3_request *request) {
    const struct rsw_s3_answer *answer = &request->answer;
    bool after = request->after == NULL || answer->after[0] == 0 || repeats(answer->after, request->after);
    return request->prefix == NULL || (after && repeats(answer->prefix, request->prefix) &&
                                       (answer->truncated || answer->token[0] == 0));
}

void rsw_s3_request_judge(struct rsw_s3_request *request) {
    struct rsw_error err = RSW_ERROR_INIT;
    request->again = false;
    request->answer = (struct rsw_s3_answer){.kind = RSW_S3_NONE};
    if (request->status == 0) { /* no answer, or half of one */
        request->again = request->errnum != ENOMEM && request->errnum != EACCES && request->errnum != EINVAL;
        return;
    }
    bool success = request->status >= 200 && request->status < 300;
    if (success && request->expected == RSW_S3_NONE) {
        request->errnum = request->cut ? EFBIG : 0;
        return;
    }
    if (rsw_s3_xml_read(&request->answer, request->bytes.data, request->bytes.len,
                        success ? request->object : NULL, request->arg, &err) != 0) {
        request->errnum = err.code == RSW_ENOMEM ? ENOMEM : EIO;
        return;
    }
    if (success && request->answer.kind == request->expected) {
        request->again = !is_answer(request);
        request->errnum = request->again ? EBADMSG : 0;
    } else if (request->answer.kind == RSW_S3_ERROR) { /* a success with an error in it is an error */
        request->errnum = rsw_s3_errno_of(request->answer.code, &request->again);
        if (request->errnum == EIO) {
            request->errnum = errno_of_status(request->status, &request->again);
            request->again |= success;
        }
    } else {
        request->errnum = errno_of_status(request->status, &request->again);
        request->again |= success; /* cut short, though nobody says so */
    }
}
