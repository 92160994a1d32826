/* Writing, copying and moving: only to keys that are free. */
#include "storage/s3.h"

#include "util/cleanup.h"

#include <stdlib.h>

/* A store that knows no such condition ignores it: so the key is looked at before. */
static const char if_free[] = "If-None-Match: *";

/* An object that is no larger is read and written, on that condition. The store copies the others itself, and
 * few know a condition for that: they are data, of which the key tells what is in it. */
#define SMALL 4096
static const char small_range[] = "Range: bytes=0-4095";

/* 0: the key is free. EEXIST, or why nobody knows. */
static int errnum_of_look(const struct rsw_look *look) {
    return look->answer == RSW_ABSENT ? 0 : look->answer == RSW_FOUND ? EEXIST : look->errnum;
}

static struct rsw_s3_request write_of(const char *key, const void *bytes, size_t len) {
    return (struct rsw_s3_request){.method = "PUT",
                                   .key = key,
                                   .headers = {if_free, "Content-Type: application/octet-stream"},
                                   .body = bytes,
                                   .body_len = len};
}

/* Looked at before each try: somebody else may have been quicker. True: it may be tried again. */
static bool try_to_write(struct rsw_s3 *s3, struct rsw_write *write) {
    struct rsw_look look = {.key = write->key};
    rsw_s3_look(&s3->base, &look, 1);
    write->errnum = errnum_of_look(&look);
    if (write->errnum != 0) {
        return false;
    }
    struct rsw_s3_request request = write_of(write->key, write->bytes, write->len);
    request.once = true;
    rsw_s3_send_writes(s3, &request, 1);
    rsw_buf_release(&request.bytes);
    write->errnum = request.errnum;
    return request.again;
}

void rsw_s3_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    for (size_t i = 0; i < count; i++) {
        unsigned attempt = 1;
        while (try_to_write(s3, &writes[i]) && attempt < s3->tries) {
            rsw_s3_pause(s3, attempt++);
        }
        writes[i].answer = writes[i].errnum == 0 ? RSW_FOUND : RSW_FAILED;
    }
}

/* ---- copies ---- */

/* What is asked about one of many, step by step. */
struct copying {
    struct rsw_move *copy;
    struct rsw_buf bytes; /* owned: all of a small object; else the header that names the source */
    uint64_t size;
    struct rsw_s3_kept kept; /* as the source is */
};

static void end_copy(struct copying *copying, int errnum) {
    copying->copy->errnum = errnum;
    copying->copy->answer = rsw_s3_answer_of(errnum);
    rsw_buf_release(&copying->bytes);
}

/* Those that fail end. How many are left, with all that came before them. */
static size_t keep(struct copying *all, size_t kept, size_t i, int errnum) {
    if (errnum != 0) {
        end_copy(&all[i], errnum);
        return kept;
    }
    all[kept] = all[i];
    return kept + 1;
}

/* The beginning of each, which is all of a small one. */
static size_t read_sources(struct rsw_s3 *s3, struct copying *all, struct rsw_s3_request *requests,
                           size_t count) {
    for (size_t i = 0; i < count; i++) {
        requests[i] = (struct rsw_s3_request){.method = "GET",
                                              .key = all[i].copy->from,
                                              .headers = {small_range},
                                              .max = SMALL,
                                              .kept = &all[i].kept};
    }
    rsw_s3_send(s3, requests, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct rsw_s3_request *request = &requests[i];
        bool empty = request->errnum == ERANGE;
        int errnum = empty || request->errnum == EFBIG ? 0 : request->errnum;
        all[i].size = empty ? 0 : request->size;
        if (!empty) {
            all[i].bytes = request->bytes;
            request->bytes = (struct rsw_buf)RSW_BUF_INIT;
        }
        bool cut = all[i].size <= SMALL && all[i].bytes.len != all[i].size;
        kept = keep(all, kept, i, errnum == 0 && cut ? EIO : errnum);
        rsw_buf_release(&request->bytes);
    }
    return kept;
}

static bool all_ours(const struct copying *all, size_t count) {
    size_t ours = 0;
    while (ours < count && all[ours].copy->ours) {
        ours++;
    }
    return ours == count;
}

/* Each by itself, just before it is written: somebody else may write there. Where only we do, it is of no
 * matter when that is looked at; and of many keys that lie close together, as below one folder of the
 * quarantine, pages of a list tell. */
static size_t leave_taken(struct rsw_s3 *s3, struct copying *all, struct rsw_look *looks, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        looks[i] = (struct rsw_look){.key = all[i].copy->to};
    }
    if (all_ours(all, count)) {
        rsw_s3_look_listed(&s3->base, looks, count);
    } else {
        rsw_s3_look(&s3->base, looks, count);
    }
    for (size_t i = 0; i < count; i++) {
        kept = keep(all, kept, i, errnum_of_look(&looks[i]));
    }
    return kept;
}

int rsw_s3_name_source(struct rsw_buf *out, const struct rsw_s3 *s3, const char *key) {
    return rsw_buf_addf(out, NULL, "x-amz-copy-source: /%s/", s3->bucket) != 0 ||
                   rsw_s3_encode(out, s3->prefix, false, NULL) != 0 ||
                   rsw_s3_encode(out, key, false, NULL) != 0
               ? -1
               : 0;
}

static int name_source(const struct rsw_s3 *s3, struct copying *copying) {
    rsw_buf_release(&copying->bytes);
    return rsw_s3_name_source(&copying->bytes, s3, copying->copy->from) == 0 ? 0 : ENOMEM;
}

/* By the store itself, one request each, all at once; those that are too large for that are copied before, in
 * parts. They are data: what is written there meanwhile has the same bytes. */
static void copy_large(struct rsw_s3 *s3, struct copying *all, struct rsw_s3_request *requests,
                       size_t count) {
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        struct copying *copying = &all[i];
        int errnum = name_source(s3, copying);
        const char *text = (const char *)copying->bytes.data;
        if (errnum != 0 || copying->size > s3->copy_max) {
            end_copy(copying, errnum != 0 ? errnum
                                          : rsw_s3_copy_parts(s3, copying->copy->to, text, copying->size,
                                                              &copying->kept));
            continue;
        }
        all[left] = *copying;
        requests[left] = (struct rsw_s3_request){.method = "PUT",
                                                 .key = copying->copy->to,
                                                 .headers = {text},
                                                 .expected = RSW_S3_COPIED,
                                                 .patient = true,
                                                 .kept = &all[left].kept};
        left++;
    }
    rsw_s3_send_writes(s3, requests, left);
    for (size_t i = 0; i < left; i++) {
        rsw_buf_release(&requests[i].bytes);
        end_copy(&all[i], requests[i].errnum);
    }
}

/* Links and the like: looked at before each try, for somebody else may have been quicker. */
static void copy_small(struct rsw_s3 *s3, struct copying *all, struct rsw_s3_request *requests,
                       struct rsw_look *looks, size_t count) {
    for (unsigned attempt = 1; count > 0; attempt++) {
        for (size_t i = 0; i < count; i++) {
            requests[i] = write_of(all[i].copy->to, (const char *)all[i].bytes.data, all[i].bytes.len);
            requests[i].kept = &all[i].kept;
            requests[i].once = true;
        }
        rsw_s3_send_writes(s3, requests, count);
        size_t left = 0;
        for (size_t i = 0; i < count; i++) {
            rsw_buf_release(&requests[i].bytes);
            if (requests[i].again && attempt < s3->tries) {
                all[left++] = all[i];
            } else {
                end_copy(&all[i], requests[i].errnum);
            }
        }
        if (left > 0) {
            rsw_s3_pause(s3, attempt);
        }
        count = leave_taken(s3, all, looks, left);
    }
}

static int by_size(const void *a, const void *b) {
    bool left = ((const struct copying *)a)->size <= SMALL;
    bool right = ((const struct copying *)b)->size <= SMALL;
    return left - right;
}

/* The large ones first: of the others it is looked just before whether they are free. */
static void copy_all(struct rsw_s3 *s3, struct copying *all, struct rsw_s3_request *requests,
                     struct rsw_look *looks, size_t count) {
    size_t large = 0;
    if (count > 0) {
        qsort(all, count, sizeof *all, by_size);
    }
    while (large < count && all[large].size > SMALL) {
        large++;
    }
    copy_large(s3, all, requests, leave_taken(s3, all, looks, large));
    copy_small(s3, all + large, requests, looks, leave_taken(s3, all + large, looks, count - large));
}

void rsw_s3_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    struct rsw_s3_request *requests = rsw_s3_requests_new(count);
    struct copying *all = calloc(count + 1, sizeof *all);
    struct rsw_look *looks = calloc(count + 1, sizeof *looks);
    for (size_t i = 0; i < count; i++) {
        copies[i].answer = RSW_FAILED;
        copies[i].errnum = ENOMEM;
        if (all != NULL) {
            all[i].copy = &copies[i];
        }
    }
    if (requests != NULL && all != NULL && looks != NULL) {
        copy_all(s3, all, requests, looks, read_sources(s3, all, requests, count));
    }
    free(requests);
    free(all);
    free(looks);
}

/* For a moment it is at both keys; so it stays, if the first cannot be removed. */
void rsw_s3_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    rsw_s3_copy(storage, moves, count);
    for (size_t i = 0; i < count; i++) {
        struct rsw_removal removal = {.key = moves[i].from};
        if (moves[i].answer == RSW_FOUND) {
            rsw_s3_remove(storage, &removal, 1);
            moves[i].answer = removal.answer == RSW_FAILED ? RSW_FAILED : RSW_FOUND;
            moves[i].errnum = removal.errnum;
        }
    }
}
