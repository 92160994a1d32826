/* Removing: up to a thousand keys a request, each with its own answer. */
#include "storage/s3.h"

#include "util/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Batches of one call under way at once. */
#define BATCHES 4

struct key {
    const char *full; /* as the bucket has it */
    struct rsw_removal *removal;
    bool told; /* the answer names it */
    bool again;
};

/* What one request removes. */
struct batch {
    struct key *keys; /* borrowed; sorted */
    size_t count;
    struct rsw_buf body;
    char md5[64]; /* a header */
};

/* ---- the request ---- */

/* As the text of an element. */
static int add_escaped(struct rsw_buf *out, const char *text) {
    int rc = 0;
    for (; *text != 0 && rc == 0; text++) {
        rc = *text == '&'   ? rsw_buf_add(out, "&amp;", 5, NULL)
             : *text == '<' ? rsw_buf_add(out, "&lt;", 4, NULL)
             : *text == '>' ? rsw_buf_add(out, "&gt;", 4, NULL)
                            : rsw_buf_add(out, text, 1, NULL);
    }
    return rc;
}

static int make_body(struct batch *batch) {
    rsw_buf_clear(&batch->body);
    int rc = rsw_buf_addf(&batch->body, NULL,
                          "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>false</Quiet>");
    for (size_t i = 0; i < batch->count && rc == 0; i++) {
        rc = rsw_buf_addf(&batch->body, NULL, "<Object><Key>");
        rc = rc == 0 ? add_escaped(&batch->body, batch->keys[i].full) : -1;
        rc = rc == 0 ? rsw_buf_addf(&batch->body, NULL, "</Key></Object>") : -1;
    }
    return rc == 0 ? rsw_buf_addf(&batch->body, NULL, "</Delete>") : -1;
}

/* The store wants to see that nothing was lost of the list. */
static int make_md5(struct batch *batch) {
    const struct rsw_crypto *crypto = rsw_crypto(NULL);
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned char text[25]; /* 16 bytes in base64 */
    unsigned len = 0;
    if (crypto == NULL ||
        crypto->EVP_Digest(batch->body.data, batch->body.len, hash, &len, crypto->EVP_md5(), NULL) != 1 ||
        len != 16) {
        return -1;
    }
    crypto->EVP_EncodeBlock(text, hash, (int)len);
    snprintf(batch->md5, sizeof batch->md5, "Content-MD5: %s", (const char *)text);
    return 0;
}

/* ---- the answer ---- */

static int compare_keys(const void *a, const void *b) {
    return strcmp(((const struct key *)a)->full, ((const struct key *)b)->full);
}

static void tell(struct key *key, const char *code) {
    key->again = false;
    key->removal->errnum = code == NULL ? 0 : rsw_s3_errno_of(code, &key->again);
    key->removal->answer = rsw_s3_answer_of(key->removal->errnum);
    key->told = true;
}

/* A key is removed only if the answer names it. The same key may have been asked for twice. */
static int on_object(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct batch *batch = arg;
    (void)err;
    if (object == NULL) {
        for (size_t i = 0; i < batch->count; i++) {
            batch->keys[i].told = false;
        }
        return 0;
    }
    const struct key wanted = {.full = object->key};
    struct key *key = bsearch(&wanted, batch->keys, batch->count, sizeof *batch->keys, compare_keys);
    if (key == NULL) {
        return 0;
    }
    while (key > batch->keys && strcmp(key[-1].full, object->key) == 0) {
        key--;
    }
    for (; key < batch->keys + batch->count && strcmp(key->full, object->key) == 0; key++) {
        tell(key, object->code);
    }
    return 0;
}

static void take_answer(struct batch *batch, int errnum, bool late) {
    for (size_t i = 0; i < batch->count; i++) {
        struct key *key = &batch->keys[i];
        key->removal->late |= late;
        if (errnum != 0 || !key->told) {
            key->removal->answer = RSW_FAILED;
            key->removal->errnum = errnum == 0 || errnum == ENOENT ? EIO : errnum;
            key->again = errnum == 0; /* answered, but without a word of this one */
        }
    }
}

/* ---- the whole ---- */

/* Up to BATCHES requests, at once. */
static void send_batches(struct rsw_s3 *s3, struct key *keys, size_t count) {
    struct batch batches[BATCHES];
    struct rsw_s3_request requests[BATCHES];
    size_t made = 0;
    for (size_t at = 0; at < count; at += RSW_S3_KEYS_MAX) {
        struct batch *batch = &batches[made];
        size_t left = count - at;
        *batch = (struct batch){.keys = keys + at, .count = left < RSW_S3_KEYS_MAX ? left : RSW_S3_KEYS_MAX};
        if (make_body(batch) != 0 || make_md5(batch) != 0) {
            take_answer(batch, ENOMEM, false);
            rsw_buf_release(&batch->body);
            continue;
        }
        requests[made++] = (struct rsw_s3_request){.method = "POST",
                                                   .query = "delete=",
                                                   .headers = {batch->md5, "Content-Type: application/xml"},
                                                   .body = batch->body.data,
                                                   .body_len = batch->body.len,
                                                   .expected = RSW_S3_DELETED,
                                                   .object = on_object,
                                                   .arg = batch};
    }
    rsw_s3_send(s3, requests, made);
    for (size_t i = 0; i < made; i++) {
        take_answer(&batches[i], requests[i].errnum, requests[i].late);
        rsw_buf_release(&requests[i].bytes);
        rsw_buf_release(&batches[i].body);
    }
}

/* Those that are to be asked for again, together. */
static size_t keep_unanswered(struct key *keys, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (keys[i].again) {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

static void remove_all(struct rsw_s3 *s3, struct key *keys, size_t count) {
    qsort(keys, count, sizeof *keys, compare_keys);
    for (unsigned attempt = 0; count > 0 && attempt < s3->tries; attempt++) {
        if (attempt > 0) {
            rsw_s3_pause(s3, attempt);
        }
        for (size_t at = 0; at < count; at += BATCHES * RSW_S3_KEYS_MAX) {
            size_t left = count - at;
            send_batches(s3, keys + at, left < BATCHES * RSW_S3_KEYS_MAX ? left : BATCHES * RSW_S3_KEYS_MAX);
        }
        count = keep_unanswered(keys, count);
    }
}

/* XML cannot hold these, and no registry makes such a key. */
static bool has_control(const char *key) {
    for (; *key != 0; key++) {
        if ((unsigned char)*key < 0x20) {
            return true;
        }
    }
    return false;
}

/* The keys as the bucket has them, written one after the other into `names`. How many. */
static size_t make_keys(struct key *keys, char *names, const struct rsw_s3 *s3, struct rsw_removal *removals,
                        size_t count) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        removals[i].answer = RSW_FAILED;
        removals[i].errnum = EINVAL;
        if (!has_control(removals[i].key)) {
            keys[made++] = (struct key){.full = names, .removal = &removals[i]};
            names = stpcpy(stpcpy(names, s3->prefix), removals[i].key) + 1;
        }
    }
    return made;
}

void rsw_s3_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(s3->prefix) + strlen(removals[i].key) + 1;
    }
    struct key *keys = calloc(count + 1, sizeof *keys);
    char *names = malloc(bytes);
    if (keys == NULL || names == NULL) {
        for (size_t i = 0; i < count; i++) {
            removals[i].answer = RSW_FAILED;
            removals[i].errnum = ENOMEM;
        }
    } else {
        remove_all(s3, keys, make_keys(keys, names, s3, removals, count));
    }
    free(keys);
    free(names);
}
