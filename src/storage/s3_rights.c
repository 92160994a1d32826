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
/* One that we may not call off goes with the first sweep that may: it looks for old ones there. */
#define UPLOAD "regsweep/quarantine/rights-in-parts"

/* What was written, to be removed again: nothing else is. */
struct written {
    const char *key;
    bool there;
    char version[RSW_S3_KEY_MAX + 1]; /* "": none was named */
};

struct asking {
    struct rsw_s3 *s3;
    struct rsw_rights *rights;
    bool needed;
    struct written probe, copy;
};

#define REASON_MAX 512

static void tell(const struct asking *asking, const char *name, const char *purpose, int answer,
                 const char *reason) {
    const struct rsw_right right = {.name = name,
                                    .purpose = purpose,
                                    .needed = asking->needed,
                                    .answer = answer,
                                    .reason = answer == RSW_FOUND ? "" : reason};
    asking->rights->tell(asking->rights->arg, &right);
}

static int answer_of_errnum(int errnum) {
    return errnum == 0 || errnum == ENOENT         ? RSW_FOUND
           : errnum == EACCES || errnum == ENOTSUP ? RSW_ABSENT
                                                   : RSW_FAILED;
}

/* A definite no of S3's is one, whatever its word is. What an archive holds may be read, though nobody can.
 */
static int answer_of(const struct rsw_s3_request *request) {
    int errnum = request->errnum;
    if (errnum == EFBIG || errnum == ERANGE || errnum == RSW_EARCHIVED) {
        return RSW_FOUND;
    }
    bool no = request->answer.kind == RSW_S3_ERROR && !request->again && request->status >= 400 &&
              request->status < 500;
    return errnum != ENOENT && no ? RSW_ABSENT : answer_of_errnum(errnum);
}

static void put_reason(char out[REASON_MAX], const char *head, const struct rsw_s3_request *request) {
    bool said = request->answer.kind == RSW_S3_ERROR;
    snprintf(out, REASON_MAX, "%s%s%s%s", head,
             said ? request->answer.code : rsw_storage_reason(request->errnum),
             said && request->answer.message[0] != 0 ? ": " : "", said ? request->answer.message : "");
}

/* Asks, and tells. What came with the answer is the caller's. */
static void ask(const struct asking *asking, struct rsw_s3_request *request, bool writes, const char *name,
                const char *purpose) {
    char reason[REASON_MAX];
    if (writes) {
        rsw_s3_send_writes(asking->s3, request, 1);
    } else {
        rsw_s3_send(asking->s3, request, 1);
    }
    put_reason(reason, "", request);
    tell(asking, name, purpose, answer_of(request), reason);
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

static void ask_writing(struct asking *asking) {
    struct rsw_s3_request write = {.method = "PUT",
                                   .key = PROBE,
                                   .headers = {"Content-Type: application/octet-stream"},
                                   .body = "?",
                                   .body_len = 1,
                                   .version = asking->probe.version};
    ask(asking, &write, true, asking->s3->acl_told ? "s3:PutObject and s3:PutObjectAcl" : "s3:PutObject",
        "to put aside what is taken (encrypted by KMS, kms:GenerateDataKey too)");
    rsw_buf_release(&write.bytes);
    asking->probe.there = write.errnum == 0;
    const char *missed = rsw_s3_acl_missed(asking->s3);
    if (missed != NULL) {
        asking->needed = false;
        tell(asking, "s3:PutObjectAcl", "to say who may read what is put back; that is left out", RSW_ABSENT,
             missed);
        asking->needed = true;
    }
}

/* Ceph does not name the version that a copy made; whoever reads it is told. */
static void ask_version_of_copy(struct asking *asking) {
    struct rsw_s3_request read = {.method = "GET",
                                  .key = COPY,
                                  .headers = {"Range: bytes=0-0"},
                                  .max = 1,
                                  .version = asking->copy.version};
    rsw_s3_send(asking->s3, &read, 1);
    rsw_buf_release(&read.bytes);
}

static void ask_copying(struct asking *asking) {
    RSW_AUTO_BUF source = RSW_BUF_INIT;
    static const char *const purpose = "to copy what is taken into the quarantine, and back";
    if (!asking->probe.there) {
        return; /* it takes what a write does */
    }
    if (rsw_s3_name_source(&source, asking->s3, PROBE) != 0) {
        tell(asking, "a copy", purpose, RSW_FAILED, "out of memory");
        return;
    }
    struct rsw_s3_request copy = {.method = "PUT",
                                  .key = COPY,
                                  .headers = {(const char *)source.data},
                                  .expected = RSW_S3_COPIED,
                                  .patient = true,
                                  .version = asking->copy.version};
    ask(asking, &copy, true, "a copy (s3:GetObject, s3:PutObject; encrypted by KMS, kms:Decrypt too)",
        purpose);
    rsw_buf_release(&copy.bytes);
    asking->copy.there = copy.errnum == 0;
    if (asking->copy.there && asking->copy.version[0] == 0 && asking->probe.version[0] != 0) {
        ask_version_of_copy(asking);
    }
}

static void ask_parts(const struct asking *asking) {
    RSW_AUTO_BUF query = RSW_BUF_INIT;
    static const char name[] = "s3:AbortMultipartUpload";
    static const char purpose[] = "to call off uploads that nobody finished";
    char reason[REASON_MAX];
    struct rsw_s3_request begin = {
        .method = "POST", .key = UPLOAD, .query = "uploads=", .expected = RSW_S3_BEGUN};
    rsw_s3_send_writes(asking->s3, &begin, 1);
    rsw_buf_release(&begin.bytes);
    if (begin.errnum != 0) {
        put_reason(reason, "not tried, as none could be begun: ", &begin);
        tell(asking, name, purpose, RSW_FAILED, reason);
        return;
    }
    if (rsw_buf_addf(&query, NULL, "uploadId=") != 0 ||
        rsw_s3_encode(&query, begin.answer.token, true, NULL) != 0) {
        tell(asking, name, purpose, RSW_FAILED, "out of memory");
        return;
    }
    struct rsw_s3_request end = {.method = "DELETE", .key = UPLOAD, .query = (const char *)query.data};
    ask(asking, &end, false, name, purpose);
    rsw_buf_release(&end.bytes);
}

/* ---- removing ---- */

static const char to_remove[] = "to remove what nothing needs";

static void remove_keys(const struct asking *asking) {
    struct rsw_removal removals[] = {{.key = PROBE}, {.key = COPY}};
    size_t count = asking->copy.there ? 2 : 1;
    int errnum = 0;
    rsw_s3_remove(&asking->s3->base, removals, count);
    for (size_t i = 0; i < count && errnum == 0; i++) {
        errnum = removals[i].answer == RSW_FAILED ? removals[i].errnum : 0;
    }
    tell(asking, "s3:DeleteObject", to_remove, answer_of_errnum(errnum), rsw_storage_reason(errnum));
}

/* A marker is put on the key, as on what is hidden; then all that there is of it goes by its ids. */
static void remove_versions(struct asking *asking) {
    char key[2][RSW_S3_KEY_MAX + 1];
    char marker[RSW_S3_KEY_MAX + 1] = "";
    struct rsw_s3_request mark = {.method = "DELETE", .key = PROBE, .version = marker};
    ask(asking, &mark, false, "s3:DeleteObject", to_remove);
    rsw_buf_release(&mark.bytes);
    snprintf(key[0], sizeof key[0], "%s" PROBE, asking->s3->prefix);
    snprintf(key[1], sizeof key[1], "%s" COPY, asking->s3->prefix);
    struct rsw_s3_victim victims[3] = {{.key = key[0], .version = asking->probe.version}};
    size_t count = 1;
    if (marker[0] != 0) {
        victims[count++] = (struct rsw_s3_victim){.key = key[0], .version = marker};
    }
    if (asking->copy.there) {
        victims[count++] = (struct rsw_s3_victim){.key = key[1], .version = asking->copy.version};
    }
    rsw_s3_delete(asking->s3, victims, count);
    int errnum = 0;
    for (size_t i = 0; i < count && errnum == 0; i++) {
        errnum = victims[i].errnum == ENOENT ? 0 : victims[i].errnum;
    }
    if (asking->s3->base.versions) {
        tell(asking, "s3:DeleteObjectVersion", to_remove, answer_of_errnum(errnum),
             rsw_storage_reason(errnum));
    }
}

static void ask_removing(struct asking *asking) {
    if (!asking->probe.there) {
        tell(asking, "s3:DeleteObject", to_remove, RSW_FAILED, "not tried, as nothing could be written");
    } else if (asking->probe.version[0] != 0) {
        remove_versions(asking);
    } else {
        remove_keys(asking);
    }
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
    tell(asking, "s3:ListBucketVersions", purpose, answer_of_errnum(errnum), rsw_storage_reason(errnum));
    ask(asking, &deletion, false, "s3:DeleteObjectVersion", purpose);
    rsw_buf_release(&deletion.bytes);
}

void rsw_s3_rights(struct rsw_storage *storage, struct rsw_rights *rights) {
    struct asking asking = {.s3 = (struct rsw_s3 *)storage, .rights = rights, .needed = true};
    ask_reading(&asking);
    ask_writing(&asking);
    ask_copying(&asking);
    ask_parts(&asking);
    ask_removing(&asking);
    asking.needed = false;
    if (rsw_s3_frees_versions(asking.s3)) {
        ask_versions(&asking);
    }
}
