/* What we may do: each thing that a sweep needs is done once, below regsweep/ alone, and what was made for it
 * is removed again. */
#include "storage/s3_versions.h"

#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Always the same: what a killed run left goes with the next. */
#define PROBE "regsweep/rights"
#define COPY "regsweep/rights-copied"
#define NOTHING "regsweep/nothing"
#define UPLOAD "regsweep/rights-in-parts"

struct asking {
    struct rsw_s3 *s3;
    struct rsw_rights *rights;
    bool needed;
};

static void tell(const struct asking *asking, const char *name, const char *purpose, int errnum,
                 const char *reason) {
    const struct rsw_right right = {
        .name = name,
        .purpose = purpose,
        .needed = asking->needed,
        .answer = errnum == 0 || errnum == ENOENT         ? RSW_FOUND
                  : errnum == EACCES || errnum == ENOTSUP ? RSW_ABSENT
                                                          : RSW_FAILED,
        .reason = errnum == 0 || errnum == ENOENT ? "" : reason,
    };
    asking->rights->tell(asking->rights->arg, &right);
}

/* Asks, and tells. What came with the answer is the caller's. */
static void ask(const struct asking *asking, struct rsw_s3_request *request, bool writes, const char *name,
                const char *purpose) {
    char reason[512];
    if (writes) {
        rsw_s3_send_writes(asking->s3, request, 1);
    } else {
        rsw_s3_send(asking->s3, request, 1);
    }
    bool said = request->answer.kind == RSW_S3_ERROR;
    snprintf(reason, sizeof reason, "%s%s%s",
             said ? request->answer.code : rsw_storage_reason(request->errnum),
             said && request->answer.message[0] != 0 ? ": " : "", said ? request->answer.message : "");
    int errnum = request->errnum == EFBIG || request->errnum == ERANGE ? 0 : request->errnum;
    tell(asking, name, purpose, errnum, reason);
}

/* ---- reading ---- */

static int keep_key(void *arg, const struct rsw_s3_object *object, struct rsw_error *err) {
    struct rsw_buf *key = arg;
    rsw_buf_clear(key);
    return object == NULL ? 0 : rsw_buf_add(key, object->key, strlen(object->key), err);
}

/* A key of the registry's, without our prefix; where there is none, one that is not there. */
static void ask_list(const struct asking *asking, struct rsw_buf *key) {
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    size_t own = strlen(asking->s3->prefix);
    if (rsw_buf_addf(&query, NULL, "list-type=2&max-keys=1&prefix=") != 0 ||
        rsw_s3_encode(&query, asking->s3->prefix, true, NULL) != 0 ||
        rsw_buf_addf(&query, NULL, "docker%%2Fregistry%%2Fv2%%2F") != 0) {
        return;
    }
    struct rsw_s3_request request = {.method = "GET",
                                     .query = (const char *)query.data,
                                     .expected = RSW_S3_LIST,
                                     .object = keep_key,
                                     .arg = key};
    ask(asking, &request, false, "s3:ListBucket", "to scan");
    rsw_buf_release(&request.bytes);
    if (request.errnum == 0 && key->len > own) {
        memmove(key->data, key->data + own, key->len + 1 - own);
    } else {
        rsw_buf_clear(key);
        rsw_buf_addf(key, NULL, NOTHING);
    }
}

static void ask_reading(const struct asking *asking) {
    RSW_AUTO_BUF key = RSW_BUF_INIT;
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    ask_list(asking, &key);
    struct rsw_s3_request read = {.method = "GET",
                                  .key = key.len > 0 ? (const char *)key.data : NOTHING,
                                  .headers = {"Range: bytes=0-0"},
                                  .max = 1};
    ask(asking, &read, false, "s3:GetObject",
        "to read tags and manifests (of what KMS encrypts, kms:Decrypt too)");
    rsw_buf_release(&read.bytes);
    if (rsw_buf_addf(&query, NULL, "max-uploads=1&prefix=") != 0 ||
        rsw_s3_encode(&query, asking->s3->prefix, true, NULL) != 0 ||
        rsw_buf_addf(&query, NULL, "&uploads=") != 0) {
        return;
    }
    struct rsw_s3_request uploads = {
        .method = "GET", .query = (const char *)query.data, .max = RSW_S3_XML_MAX};
    ask(asking, &uploads, false, "s3:ListBucketMultipartUploads", "to call off uploads that nobody finished");
    rsw_buf_release(&uploads.bytes);
}

/* ---- writing ---- */

static void ask_copying(const struct asking *asking) {
    RSW_AUTO_BUF source = RSW_BUF_INIT;
    static const char *const purpose = "to copy what is taken into the quarantine, and back";
    struct rsw_s3_request write = {.method = "PUT",
                                   .key = PROBE,
                                   .headers = {"Content-Type: application/octet-stream"},
                                   .body = "?",
                                   .body_len = 1};
    ask(asking, &write, true, asking->s3->acl_told ? "s3:PutObject and s3:PutObjectAcl" : "s3:PutObject",
        "to put aside what is taken (encrypted by KMS, kms:GenerateDataKey too)");
    rsw_buf_release(&write.bytes);
    if (write.errnum != 0) {
        return;
    }
    if (rsw_s3_name_source(&source, asking->s3, PROBE) != 0) {
        tell(asking, "a copy", purpose, ENOMEM, "out of memory");
        return;
    }
    struct rsw_s3_request copy = {.method = "PUT",
                                  .key = COPY,
                                  .headers = {(const char *)source.data},
                                  .expected = RSW_S3_COPIED,
                                  .patient = true};
    ask(asking, &copy, true, "a copy (s3:GetObject, s3:PutObject; encrypted by KMS, kms:Decrypt too)",
        purpose);
    rsw_buf_release(&copy.bytes);
}

static void ask_parts(const struct asking *asking) {
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    struct rsw_s3_request begin = {
        .method = "POST", .key = UPLOAD, .query = "uploads=", .expected = RSW_S3_BEGUN};
    rsw_s3_send_writes(asking->s3, &begin, 1);
    rsw_buf_release(&begin.bytes);
    if (begin.errnum != 0 || rsw_buf_addf(&query, NULL, "uploadId=") != 0 ||
        rsw_s3_encode(&query, begin.answer.token, true, NULL) != 0) {
        return; /* it takes no more than a write does */
    }
    struct rsw_s3_request end = {.method = "DELETE", .key = UPLOAD, .query = (const char *)query.data};
    ask(asking, &end, false, "s3:AbortMultipartUpload", "to call off uploads that nobody finished");
    rsw_buf_release(&end.bytes);
}

static void ask_removing(const struct asking *asking) {
    struct rsw_removal removals[] = {{.key = PROBE}, {.key = COPY}};
    rsw_s3_remove(&asking->s3->base, removals, 2);
    int errnum =
        removals[0].errnum != 0 && removals[0].errnum != ENOENT ? removals[0].errnum : removals[1].errnum;
    tell(asking, asking->s3->base.versions ? "s3:DeleteObjectVersion" : "s3:DeleteObject",
         "to remove what nothing needs", errnum, rsw_storage_reason(errnum));
}

/* ---- versions ---- */

/* A version that is not there, of a key that nobody writes: whoever may not delete versions is told so. */
static struct rsw_s3_request deletion_of_nothing(void) {
    return (struct rsw_s3_request){.method = "DELETE", .key = NOTHING, .query = "versionId=null"};
}

bool rsw_s3_may_delete_versions(struct rsw_s3 *s3) {
    struct rsw_s3_request request = deletion_of_nothing();
    rsw_s3_send(s3, &request, 1);
    rsw_buf_release(&request.bytes);
    return request.errnum == 0 || request.errnum == ENOENT;
}

static int errnum_of_history(struct rsw_s3 *s3) {
    struct rsw_s3_history history = {.key = NOTHING};
    rsw_s3_histories(s3, &history, 1);
    int errnum = history.errnum;
    rsw_s3_histories_release(&history, 1);
    return errnum;
}

bool rsw_s3_may_list_versions(struct rsw_s3 *s3) {
    return errnum_of_history(s3) == 0;
}

static void ask_versions(const struct asking *asking) {
    static const char purpose[] = "to free what goes, as the bucket keeps versions";
    struct rsw_s3_request deletion = deletion_of_nothing();
    int errnum = errnum_of_history(asking->s3);
    tell(asking, "s3:ListBucketVersions", purpose, errnum, rsw_storage_reason(errnum));
    ask(asking, &deletion, false, "s3:DeleteObjectVersion", purpose);
    rsw_buf_release(&deletion.bytes);
}

void rsw_s3_rights(struct rsw_storage *storage, struct rsw_rights *rights) {
    struct asking asking = {.s3 = (struct rsw_s3 *)storage, .rights = rights, .needed = true};
    ask_reading(&asking);
    ask_copying(&asking);
    ask_parts(&asking);
    ask_removing(&asking);
    asking.needed = false;
    if (rsw_s3_frees_versions(asking.s3)) {
        ask_versions(&asking);
    }
}
