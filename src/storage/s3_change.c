/* Writing, copying and moving: only to keys that are free. */
#include "storage/s3.h"

#include "util/cleanup.h"

/* A store that knows no such condition ignores it: so the key is looked at before. */
static const char if_free[] = "If-None-Match: *";

/* 0: the key is free. EEXIST, or why nobody knows. */
static int is_free(struct rsw_s3 *s3, const char *key) {
    struct rsw_look look = {.key = key};
    rsw_s3_look(&s3->base, &look, 1);
    return look.answer == RSW_ABSENT ? 0 : look.answer == RSW_FOUND ? EEXIST : look.errnum;
}

static void write_one(struct rsw_s3 *s3, struct rsw_write *write) {
    struct rsw_s3_request request = {.method = "PUT",
                                     .key = write->key,
                                     .headers = {if_free, "Content-Type: application/octet-stream"},
                                     .body = write->bytes,
                                     .body_len = write->len};
    write->errnum = is_free(s3, write->key);
    if (write->errnum == 0) {
        rsw_s3_send(s3, &request, 1);
        write->errnum = request.errnum;
    }
    write->answer = write->errnum == 0 ? RSW_FOUND : RSW_FAILED;
    rsw_buf_release(&request.bytes);
}

void rsw_s3_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        write_one((struct rsw_s3 *)storage, &writes[i]);
    }
}

/* The store copies, in one step; that is for objects of up to 5 GiB, others it refuses. */
static int copy_bytes(struct rsw_s3 *s3, const struct rsw_move *copy) {
    RSW_AUTO_BUF source = RSW_BUF_INIT;
    if (rsw_buf_addf(&source, NULL, "x-amz-copy-source: /%s/", s3->bucket) != 0 ||
        rsw_s3_encode(&source, s3->prefix, false, NULL) != 0 ||
        rsw_s3_encode(&source, copy->from, false, NULL) != 0) {
        return ENOMEM;
    }
    struct rsw_s3_request request = {.method = "PUT",
                                     .key = copy->to,
                                     .headers = {(const char *)source.data},
                                     .expected = RSW_S3_COPIED,
                                     .patient = true};
    rsw_s3_send(s3, &request, 1);
    rsw_buf_release(&request.bytes);
    return request.errnum;
}

static void copy_one(struct rsw_s3 *s3, struct rsw_move *copy) {
    struct rsw_look from = {.key = copy->from};
    rsw_s3_look(&s3->base, &from, 1);
    copy->answer = from.answer;
    copy->errnum = from.errnum;
    if (from.answer != RSW_FOUND) {
        return;
    }
    copy->errnum = is_free(s3, copy->to);
    copy->errnum = copy->errnum == 0 ? copy_bytes(s3, copy) : copy->errnum;
    copy->answer = rsw_s3_answer_of(copy->errnum);
}

void rsw_s3_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    for (size_t i = 0; i < count; i++) {
        copy_one((struct rsw_s3 *)storage, &copies[i]);
    }
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
