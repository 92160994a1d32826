/* Copying an object that is too large for one request: the store copies it part by part, then joins them.
 * What was begun and cannot be ended is called off, for its parts cost as much as an object. */
#include "storage/s3.h"

#include "util/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 96 /* "x-amz-copy-source-range: bytes=" and two numbers */

struct part {
    char range[LINE_MAX_BYTES];
    char *query; /* owned */
};

struct parts {
    struct rsw_s3 *s3;
    const char *to;
    struct rsw_s3_kept *kept; /* of the source */
    struct rsw_buf upload;    /* "uploadId=…", encoded */
    struct rsw_buf list;      /* XML: the parts that there are */
    struct part *each;        /* owned */
    size_t count;
};

static void parts_release(struct parts *parts) {
    for (size_t i = 0; parts->each != NULL && i < parts->count; i++) {
        free(parts->each[i].query);
    }
    free(parts->each);
    rsw_buf_release(&parts->upload);
    rsw_buf_release(&parts->list);
}

/* Each function returns 0 or an errno. */

static int begin(struct parts *parts) {
    struct rsw_s3_request request = {.method = "POST",
                                     .key = parts->to,
                                     .query = "uploads=",
                                     .kept = parts->kept,
                                     .expected = RSW_S3_BEGUN};
    rsw_s3_send_writes(parts->s3, &request, 1);
    rsw_buf_release(&request.bytes);
    if (request.errnum != 0) {
        return request.errnum;
    }
    return rsw_buf_addf(&parts->upload, NULL, "uploadId=") != 0 ||
                   rsw_s3_encode(&parts->upload, request.answer.token, true, NULL) != 0
               ? ENOMEM
               : 0;
}

static int plan(struct parts *parts, uint64_t size) {
    uint64_t step = parts->s3->part_size;
    parts->count = (size_t)((size + step - 1) / step);
    parts->each = calloc(parts->count, sizeof *parts->each);
    if (parts->each == NULL) {
        return ENOMEM;
    }
    for (size_t i = 0; i < parts->count; i++) {
        struct part *part = &parts->each[i];
        uint64_t from = i * step;
        uint64_t last = size - from > step ? from + step - 1 : size - 1;
        snprintf(part->range, sizeof part->range, "x-amz-copy-source-range: bytes=%" PRIu64 "-%" PRIu64, from,
                 last);
        if (asprintf(&part->query, "partNumber=%zu&%s", i + 1, (const char *)parts->upload.data) < 0) {
            part->query = NULL;
            return ENOMEM;
        }
    }
    return 0;
}

/* The tag that the store gave a part is what it knows it by when they are joined. */
static int note_part(struct parts *parts, size_t number, const struct rsw_s3_request *request) {
    if (request->errnum != 0) {
        return request->errnum;
    }
    return rsw_buf_addf(&parts->list, NULL, "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>",
                        number, request->answer.token) != 0
               ? ENOMEM
               : 0;
}

static int copy_each(struct parts *parts, const char *source) {
    struct rsw_s3_request *requests = rsw_s3_requests_new(parts->count);
    int errnum = requests == NULL ? ENOMEM : 0;
    if (requests == NULL) {
        return errnum;
    }
    for (size_t i = 0; i < parts->count; i++) {
        requests[i] = (struct rsw_s3_request){.method = "PUT",
                                              .key = parts->to,
                                              .query = parts->each[i].query,
                                              .headers = {source, parts->each[i].range},
                                              .expected = RSW_S3_PART,
                                              .patient = true};
    }
    rsw_s3_send(parts->s3, requests, parts->count);
    for (size_t i = 0; i < parts->count && errnum == 0; i++) {
        errnum = note_part(parts, i + 1, &requests[i]);
    }
    rsw_s3_requests_free(requests, parts->count);
    return errnum;
}

/* If it is not known whether they were joined, the object tells. */
static int join(struct parts *parts, uint64_t size) {
    RSW_AUTO_BUF body = RSW_BUF_INIT;
    if (rsw_buf_addf(&body, NULL, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>",
                     (const char *)parts->list.data) != 0) {
        return ENOMEM;
    }
    struct rsw_s3_request request = {.method = "POST",
                                     .key = parts->to,
                                     .query = (const char *)parts->upload.data,
                                     .headers = {"Content-Type: application/xml"},
                                     .body = body.data,
                                     .body_len = body.len,
                                     .expected = RSW_S3_JOINED,
                                     .patient = true};
    rsw_s3_send(parts->s3, &request, 1);
    rsw_buf_release(&request.bytes);
    if (request.errnum == 0) {
        return 0;
    }
    struct rsw_look look = {.key = parts->to};
    rsw_s3_look(&parts->s3->base, &look, 1);
    return look.answer == RSW_FOUND && look.size == size ? 0 : request.errnum;
}

static void call_off(struct parts *parts) {
    struct rsw_s3_request request = {
        .method = "DELETE", .key = parts->to, .query = (const char *)parts->upload.data};
    rsw_s3_send(parts->s3, &request, 1);
    rsw_buf_release(&request.bytes);
}

int rsw_s3_copy_parts(struct rsw_s3 *s3, const char *to, const char *source, uint64_t size,
                      struct rsw_s3_kept *kept) {
    __attribute__((cleanup(parts_release))) struct parts parts = {.s3 = s3, .to = to, .kept = kept};
    int errnum = begin(&parts);
    if (errnum != 0) {
        return errnum;
    }
    errnum = plan(&parts, size);
    errnum = errnum == 0 ? copy_each(&parts, source) : errnum;
    errnum = errnum == 0 ? join(&parts, size) : errnum;
    if (errnum != 0) {
        call_off(&parts);
    }
    return errnum;
}
