/* Deleting: up to a thousand keys or versions a request, each with its own answer. */
#include "storage/s3.h"

#include "util/clock.h"
#include "util/crypto.h"
#include "util/md5.h"

#include <regsweep/digest.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Batches of one call under way at once. */
#define BATCHES 4

/* What one request deletes. */
struct batch {
    struct rsw_s3_victim *victims; /* borrowed; sorted */
    size_t count;
    struct rsw_buf body;
    char sum[80]; /* a header */
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

static int add_element(struct rsw_buf *out, const char *begin, const char *text, const char *end) {
    return rsw_buf_addf(out, NULL, "%s", begin) != 0 || add_escaped(out, text) != 0 ||
                   rsw_buf_addf(out, NULL, "%s", end) != 0
               ? -1
               : 0;
}

static int make_body(struct batch *batch) {
    rsw_buf_clear(&batch->body);
    int rc = rsw_buf_addf(&batch->body, NULL,
                          "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>false</Quiet>");
    for (size_t i = 0; i < batch->count && rc == 0; i++) {
        const struct rsw_s3_victim *victim = &batch->victims[i];
        rc = add_element(&batch->body, "<Object><Key>", victim->key, "</Key>");
        if (rc == 0 && victim->version[0] != 0) {
            rc = add_element(&batch->body, "<VersionId>", victim->version, "</VersionId>");
        }
        rc = rc == 0 ? rsw_buf_addf(&batch->body, NULL, "</Object>") : -1;
    }
    return rc == 0 ? rsw_buf_addf(&batch->body, NULL, "</Delete>") : -1;
}

/* The store wants to see that nothing was lost of the list. Every one takes an MD5; where that is not
 * computed (FIPS 140), AWS and others take this instead. */
static int make_sum(struct batch *batch) {
    struct rsw_md5 md5 = rsw_md5_of(batch->body.data, batch->body.len);
    struct rsw_digest sha256;
    unsigned char text[45]; /* 32 bytes in base64 */
    if (!md5.known && rsw_digest_of(&sha256, RSW_SHA256, batch->body.data, batch->body.len, NULL) != 0) {
        return -1;
    }
    rsw_crypto(NULL)->EVP_EncodeBlock(text, md5.known ? md5.bytes : sha256.bytes,
                                      md5.known ? RSW_MD5_BYTES : (int)rsw_alg_size(RSW_SHA256));
    snprintf(batch->sum, sizeof batch->sum, "%s: %s", md5.known ? "Content-MD5" : "x-amz-checksum-sha256",
             (const char *)text);
    return 0;
}

/* ---- the answer ---- */

static int compare(const void *a, const void *b) {
    const struct rsw_s3_victim *one = a;
    const struct rsw_s3_victim *other = b;
    int keys = strcmp(one->key, other->key);
    return keys != 0 ? keys : strcmp(one->version, other->version);
}

static void tell(struct rsw_s3_victim *victim, const char *code) {
    victim->again = false;
    victim->errnum = code == NULL ? 0 : rsw_s3_errno_of(code, &victim->again);
    victim->told = true;
}

/* One is deleted only if the answer names it. The same may have been asked for twice. */
static int on_object(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct batch *batch = arg;
    (void)err;
    if (object == NULL) {
        for (size_t i = 0; i < batch->count; i++) {
            batch->victims[i].told = false;
        }
        return 0;
    }
    const struct rsw_s3_victim wanted = {.key = object->key, .version = object->version};
    struct rsw_s3_victim *victim =
        bsearch(&wanted, batch->victims, batch->count, sizeof *batch->victims, compare);
    if (victim == NULL) {
        return 0;
    }
    while (victim > batch->victims && compare(&victim[-1], &wanted) == 0) {
        victim--;
    }
    for (; victim < batch->victims + batch->count && compare(victim, &wanted) == 0; victim++) {
        tell(victim, object->code);
    }
    return 0;
}

static void take_answer(struct batch *batch, int errnum, bool again, bool late) {
    for (size_t i = 0; i < batch->count; i++) {
        struct rsw_s3_victim *victim = &batch->victims[i];
        victim->late |= late;
        if (errnum != 0 || !victim->told) {
            victim->errnum = errnum == 0 || errnum == ENOENT ? EIO : errnum;
            victim->again = errnum == 0 || again; /* 0: answered, but without a word of this one */
        }
    }
}

/* ---- the whole ---- */

/* Up to BATCHES requests of up to `each` keys, at once. */
static void send_batches(struct rsw_s3 *s3, struct rsw_s3_victim *victims, size_t count, size_t each) {
    struct batch batches[BATCHES];
    struct rsw_s3_request requests[BATCHES];
    size_t made = 0;
    for (size_t at = 0; at < count; at += each) {
        struct batch *batch = &batches[made];
        size_t left = count - at;
        *batch = (struct batch){.victims = victims + at, .count = left < each ? left : each};
        if (make_body(batch) != 0 || make_sum(batch) != 0) {
            take_answer(batch, ENOMEM, false, false);
            rsw_buf_release(&batch->body);
            continue;
        }
        requests[made++] = (struct rsw_s3_request){.method = "POST",
                                                   .query = "delete=",
                                                   .headers = {batch->sum, "Content-Type: application/xml"},
                                                   .body = batch->body.data,
                                                   .body_len = batch->body.len,
                                                   .expected = RSW_S3_DELETED,
                                                   .once = true,
                                                   .object = on_object,
                                                   .arg = batch};
    }
    rsw_s3_send(s3, requests, made);
    for (size_t i = 0; i < made; i++) {
        take_answer(&batches[i], requests[i].errnum, requests[i].again, requests[i].late);
        rsw_buf_release(&requests[i].bytes);
        rsw_buf_release(&batches[i].body);
    }
}

/* Puts those that are to be asked for again first. How many. */
static size_t gather_unanswered(struct rsw_s3_victim *victims, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (victims[i].again) {
            struct rsw_s3_victim victim = victims[i];
            victims[i] = victims[kept];
            victims[kept++] = victim;
        }
    }
    return kept;
}

void rsw_s3_delete(struct rsw_s3 *s3, struct rsw_s3_victim *victims, size_t count) {
    int64_t until_ms = rsw_monotonic_ms() + s3->removal_ms;
    size_t each = RSW_S3_KEYS_MAX;
    for (unsigned attempt = 0; count > 0 && attempt < s3->tries; attempt++) {
        if (attempt > 0) {
            rsw_s3_pause(s3, attempt);
            each = each > 1 ? each / 2 : 1; /* it may have been too much at once */
        }
        if (attempt > 0 && rsw_monotonic_ms() > until_ms) {
            break;
        }
        qsort(victims, count, sizeof *victims, compare);
        for (size_t at = 0; at < count; at += BATCHES * each) {
            size_t left = count - at;
            send_batches(s3, victims + at, left < BATCHES * each ? left : BATCHES * each, each);
        }
        count = gather_unanswered(victims, count);
    }
}

/* ---- files ---- */

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
static size_t make_victims(struct rsw_s3_victim *victims, char *names, const struct rsw_s3 *s3,
                           struct rsw_removal *removals, size_t count) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        removals[i].answer = RSW_FAILED;
        removals[i].errnum = EINVAL;
        if (!has_control(removals[i].key)) {
            victims[made++] = (struct rsw_s3_victim){.key = names, .version = "", .owner = i};
            names = stpcpy(stpcpy(names, s3->prefix), removals[i].key) + 1;
        }
    }
    return made;
}

void rsw_s3_remove_keys(struct rsw_s3 *s3, struct rsw_removal *removals, size_t count) {
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(s3->prefix) + strlen(removals[i].key) + 1;
    }
    struct rsw_s3_victim *victims = calloc(count + 1, sizeof *victims);
    char *names = malloc(bytes);
    if (victims == NULL || names == NULL) {
        for (size_t i = 0; i < count; i++) {
            removals[i].answer = RSW_FAILED;
            removals[i].errnum = ENOMEM;
        }
    } else {
        size_t made = make_victims(victims, names, s3, removals, count);
        rsw_s3_delete(s3, victims, made);
        for (size_t i = 0; i < made; i++) {
            struct rsw_removal *removal = &removals[victims[i].owner];
            removal->errnum = victims[i].errnum;
            removal->answer = rsw_s3_answer_of(victims[i].errnum);
            removal->late = victims[i].late;
        }
    }
    free(victims);
    free(names);
}

void rsw_s3_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    if (storage->versions) {
        rsw_s3_remove_versions(s3, removals, count);
    } else {
        rsw_s3_remove_keys(s3, removals, count);
    }
}
