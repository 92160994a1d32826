/* How objects are kept: class of storage, encryption, who may read them. A store gives a copy none of what
 * its source has, so each write says it: as the registry would (options), else as the source has it. */
#include "storage/s3.h"

#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS "x-amz-storage-class"
#define ENCRYPTION "x-amz-server-side-encryption"
#define KEY "x-amz-server-side-encryption-aws-kms-key-id"
#define ACL "x-amz-acl"
#define OWNERS "bucket-owner-full-control"

bool rsw_s3_is_archive(const char *name) {
    return strcmp(name, "GLACIER") == 0 || strcmp(name, "DEEP_ARCHIVE") == 0;
}

/* ---- as the store says ---- */

static void take(CURL *curl, char *out, size_t size, const char *name) {
    const char *value = rsw_curl_header(curl, name, 0);
    out[0] = 0;
    if (value == NULL || (strcmp(name, CLASS) == 0 && rsw_s3_is_archive(value))) {
        return;
    }
    int len = snprintf(out, size, "%s: %s", name, value);
    if (len < 0 || (size_t)len >= size) {
        out[0] = 0;
    }
}

void rsw_s3_kept_take(struct rsw_s3_kept *out, CURL *curl) {
    take(curl, out->storage_class, sizeof out->storage_class, CLASS);
    take(curl, out->encryption, sizeof out->encryption, ENCRYPTION);
    take(curl, out->key, sizeof out->key, KEY);
}

/* ---- as we were told ---- */

static int set(char *out, size_t size, const char *name, const char *value, struct rsw_error *err) {
    out[0] = 0;
    for (const char *c = value; c != NULL && *c != 0; c++) {
        if (*c <= ' ' || *c > '~') {
            return rsw_error_set(err, RSW_EINVAL, 0, "S3: \"%s\" cannot stand in the header %s", value, name);
        }
    }
    int len = value == NULL || value[0] == 0 ? 0 : snprintf(out, size, "%s: %s", name, value);
    return len >= 0 && (size_t)len < size
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0, "S3: what is said for the header %s is too long", name);
}

int rsw_s3_kept_set(struct rsw_s3 *s3, const struct rsw_s3_options *options, struct rsw_error *err) {
    const char *storage_class = options->storage_class;
    const char *encryption = options->encryption;
    const char *key = options->kms_key;
    const char *acl = options->acl;
    if (storage_class != NULL && rsw_s3_is_archive(storage_class)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "what is in the storage class %s no registry can read",
                             storage_class);
    }
    if (encryption == NULL && key != NULL && key[0] != 0) {
        encryption = "aws:kms";
    }
    if (key != NULL && key[0] != 0 && strncmp(encryption, "aws:kms", strlen("aws:kms")) != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "a key of KMS is of no use to the encryption %s",
                             encryption);
    }
    s3->classless = storage_class != NULL && strcmp(storage_class, "NONE") == 0;
    /* In another's bucket no registry could read what is private to us. */
    s3->acl_told = acl != NULL && acl[0] != 0 && strcmp(acl, "private") != 0;
    return set(s3->kept.storage_class, sizeof s3->kept.storage_class, CLASS,
               s3->classless ? NULL : storage_class, err) != 0 ||
                   set(s3->kept.encryption, sizeof s3->kept.encryption, ENCRYPTION, encryption, err) != 0 ||
                   set(s3->kept.key, sizeof s3->kept.key, KEY, key, err) != 0 ||
                   set(s3->acl, sizeof s3->acl, ACL, s3->acl_told ? acl : OWNERS, err) != 0
               ? -1
               : 0;
}

/* ---- said with each write ---- */

static const char **end_of(struct rsw_s3_request *request) {
    const char **header = request->headers;
    while (*header != NULL) {
        header++;
    }
    return header;
}

static void say(struct rsw_s3_request *request, const char *header) {
    if (header[0] != 0) {
        *end_of(request) = header;
    }
}

static void say_kept(const struct rsw_s3 *s3, struct rsw_s3_request *request) {
    static const struct rsw_s3_kept nothing;
    const struct rsw_s3_kept *source = request->kept != NULL ? request->kept : &nothing;
    const struct rsw_s3_kept *encrypted = s3->kept.encryption[0] != 0 ? &s3->kept : source;
    if (!s3->classless) {
        say(request, s3->kept.storage_class[0] != 0 ? s3->kept.storage_class : source->storage_class);
    }
    say(request, encrypted->encryption);
    say(request, encrypted->key);
}

#define NO_ACLS "AccessControlListNotSupported"
#define NOT_KNOWN "NotImplemented"

/* S3's own word that it does not want that header, or may not; else NULL. A status alone, or a word that
 * passes, says nothing of it. What we were told to say is left out only where the bucket knows nothing of the
 * kind. */
static const char *refusal_of(const struct rsw_s3 *s3, const struct rsw_s3_request *request) {
    static const char *const words[] = {NO_ACLS, NOT_KNOWN, "InvalidArgument", "InvalidRequest",
                                        "AccessDenied"};
    size_t count = s3->acl_told ? 2 : sizeof words / sizeof *words;
    if (request->errnum == 0 || request->again || request->answer.kind != RSW_S3_ERROR) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(request->answer.code, words[i]) == 0) {
            return words[i];
        }
    }
    return NULL;
}

/* Where there are no ACLs all is the owner's by itself. */
const char *rsw_s3_acl_missed(const struct rsw_s3 *s3) {
    const char *word = atomic_load(&s3->no_acl);
    bool none = word != NULL && (strcmp(word, NO_ACLS) == 0 || strcmp(word, NOT_KNOWN) == 0);
    return none && !s3->acl_told ? NULL : word;
}

static void learn(struct rsw_s3 *s3, const char *word) {
    const char *unknown = NULL;
    if (atomic_compare_exchange_strong(&s3->no_acl, &unknown, word)) {
        rsw_log(&s3->log, rsw_s3_acl_missed(s3) != NULL ? RSW_LOG_WARNING : RSW_LOG_INFO,
                "%s refuses the header %s (%s), and takes what is written without it: it is left out",
                s3->base.url, s3->acl, word);
    }
}

/* Those that were refused, as one batch. They stay refused if there is no memory for it. */
static void send_without_acl(struct rsw_s3 *s3, struct rsw_s3_request *requests, size_t count) {
    size_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        refused += refusal_of(s3, &requests[i]) != NULL;
    }
    struct rsw_s3_request *again = rsw_s3_requests_new(refused);
    if (again == NULL) {
        return;
    }
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        if (refusal_of(s3, &requests[i]) != NULL) {
            *(end_of(&requests[i]) - 1) = NULL;
            again[made++] = requests[i];
        }
    }
    rsw_s3_send(s3, again, made);
    for (size_t i = count; i-- > 0;) { /* the answer that was refused is still in `requests` */
        const char *word = refusal_of(s3, &requests[i]);
        if (word == NULL) {
            continue;
        }
        if (again[--made].errnum == 0) {
            learn(s3, word);
        }
        requests[i] = again[made];
    }
    free(again);
}

void rsw_s3_send_writes(struct rsw_s3 *s3, struct rsw_s3_request *requests, size_t count) {
    bool with = atomic_load(&s3->no_acl) == NULL;
    for (size_t i = 0; i < count; i++) {
        say_kept(s3, &requests[i]);
        if (with) {
            say(&requests[i], s3->acl);
        }
    }
    rsw_s3_send(s3, requests, count);
    if (with) {
        send_without_acl(s3, requests, count);
    }
}
