/* Looking at objects, and reading them. */
#include "storage/s3.h"

#include <stdlib.h>

struct rsw_s3_request *rsw_s3_requests_new(size_t count) {
    return count == 0 ? NULL : calloc(count, sizeof(struct rsw_s3_request));
}

void rsw_s3_requests_free(struct rsw_s3_request *requests, size_t count) {
    for (size_t i = 0; requests != NULL && i < count; i++) {
        rsw_buf_release(&requests[i].bytes);
    }
    free(requests);
}

/* The first byte is asked for: a HEAD tells of what is not there only that, and not whether it is the key
 * that is missing, or the bucket, or something behind a proxy. That is said in a body. */
static struct rsw_s3_request look_of(const char *key) {
    return (struct rsw_s3_request){
        .method = "GET", .key = key, .headers = {"Range: bytes=0-0"}, .max = 1, .looks = true};
}

static void take_look(struct rsw_look *look, const struct rsw_s3_request *request) {
    bool there = request->errnum == 0 || request->errnum == EFBIG; /* a store that knows no ranges */
    look->errnum = there ? 0 : request->errnum;
    look->answer = rsw_s3_answer_of(look->errnum);
    if (there) {
        look->kind = RSW_ENTRY_FILE;
        look->size = request->size;
        look->mtime_ms = request->mtime_ms;
    }
}

/* An empty object has no first byte, and one in an archive shows none; both are there. */
static void look_at_head(struct rsw_s3 *s3, struct rsw_look *looks, struct rsw_s3_request *requests,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (requests[i].errnum == ERANGE || requests[i].errnum == RSW_EARCHIVED) {
            struct rsw_s3_request head = {.method = "HEAD", .key = looks[i].key, .looks = true};
            rsw_s3_send(s3, &head, 1);
            take_look(&looks[i], &head);
        }
    }
}

void rsw_s3_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    struct rsw_s3_request *requests = rsw_s3_requests_new(count);
    for (size_t i = 0; i < count; i++) {
        looks[i].answer = RSW_FAILED;
        looks[i].errnum = ENOMEM;
        if (requests != NULL) {
            requests[i] = look_of(looks[i].key);
        }
    }
    if (requests == NULL) {
        return;
    }
    rsw_s3_send(s3, requests, count);
    for (size_t i = 0; i < count; i++) {
        take_look(&looks[i], &requests[i]);
    }
    look_at_head(s3, looks, requests, count);
    rsw_s3_requests_free(requests, count);
}

static void take_read(struct rsw_read *read, struct rsw_s3_request *request) {
    read->errnum = request->errnum;
    read->answer = rsw_s3_answer_of(request->errnum);
    read->mtime_ms = request->mtime_ms;
    if (request->errnum == 0 || request->errnum == EFBIG) {
        size_t max = read->content.max;
        rsw_buf_release(&read->content);
        read->content = request->bytes;
        read->content.max = max;
        request->bytes = (struct rsw_buf)RSW_BUF_INIT;
    }
}

void rsw_s3_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    struct rsw_s3_request *requests = rsw_s3_requests_new(count);
    for (size_t i = 0; i < count; i++) {
        reads[i].answer = RSW_FAILED;
        reads[i].errnum = ENOMEM;
        if (requests != NULL) {
            requests[i] = (struct rsw_s3_request){.method = "GET", .key = reads[i].key, .max = reads[i].max};
        }
    }
    if (requests == NULL) {
        return;
    }
    rsw_s3_send((struct rsw_s3 *)storage, requests, count);
    for (size_t i = 0; i < count; i++) {
        take_read(&reads[i], &requests[i]);
    }
    rsw_s3_requests_free(requests, count);
}
