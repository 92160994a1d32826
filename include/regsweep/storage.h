/* The registry's storage, as a handle. */
#ifndef REGSWEEP_STORAGE_H
#define REGSWEEP_STORAGE_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_log;
struct rsw_storage;

/* Opens `file:///absolute/rootdirectory`, the folder that contains `docker/registry/v2`. A plain absolute
 * path is taken as file://. `s3://bucket/rootdirectory` is a bucket of S3, as rsw_storage_open_s3 opens it
 * without options. 0 and *out owned by the caller, or -1: RSW_EINVAL (no such scheme, relative path), RSW_EIO
 * or RSW_EACCESS (root cannot be opened). Locks nothing; the registry may be running. The handle may be used
 * by any number of threads. */
RSW_API int rsw_storage_open(struct rsw_storage **out, const char *url, struct rsw_error *err);

enum rsw_s3_style {
    RSW_S3_STYLE_AUTO, /* the bucket in the host's name at AWS, if it can stand there, else in the path */
    RSW_S3_STYLE_HOST,
    RSW_S3_STYLE_PATH,
};

/* All are copied; NULL where there is nothing to say. */
struct rsw_s3_options {
    const char *endpoint; /* "https://host:port"; NULL: that of AWS in the region */
    const char *region; /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's in ~/.aws/config, us-east-1 */
    enum rsw_s3_style style;
    const char *ca_file;    /* PEM: authorities instead of the system's */
    const char *proxy;      /* URL; NULL: none, whatever the environment says */
    bool insecure;          /* any certificate will do */
    const char *access_key; /* with secret_key; NULL: from the environment (AWS_ACCESS_KEY_ID,
                               AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), or AWS_PROFILE in ~/.aws/credentials
                               (AWS_SHARED_CREDENTIALS_FILE) */
    const char *secret_key;
    const char *session_token;
    /* How what is written is kept. NULL: a copy as its source is, all else as the bucket has it. */
    const char *storage_class; /* "NONE": the store knows none */
    const char *encryption;    /* "AES256", "aws:kms", "aws:kms:dsse" */
    const char *kms_key;       /* with the last two; alone: aws:kms */
    const char *acl; /* a canned one; NULL or "private": for its writer and the bucket's owner, where the
                        store lets us say so */
    const struct rsw_log *log;    /* of what is found out later; NULL: silence */
    unsigned requests_per_second; /* all threads together; 0: no limit */
};

/* Opens `s3://bucket/rootdirectory`, and asks the store for a key of it, so that what is wrong is told at
 * once. `options` may be NULL. 0 or -1, as above; RSW_EACCESS also for credentials that cannot be had;
 * RSW_EREFUSED if the store's clock and ours are more than 5 minutes apart, for ages are told by both. */
RSW_API int rsw_storage_open_s3(struct rsw_storage **out, const char *url,
                                const struct rsw_s3_options *options, struct rsw_error *err);
/* What was asked of an object store through this handle so far, each try counted: it costs. */
struct rsw_storage_requests {
    uint64_t lists; /* pages of listings */
    uint64_t reads;
    uint64_t looks;
    uint64_t writes; /* copies too */
    uint64_t removals;
};
/* All zero where storage is a filesystem. Any thread, at any time. */
RSW_API void rsw_storage_asked(const struct rsw_storage *storage, struct rsw_storage_requests *out);
static inline uint64_t rsw_storage_requests_sum(const struct rsw_storage_requests *requests) {
    return requests->lists + requests->reads + requests->looks + requests->writes + requests->removals;
}

/* NULL is allowed. No call may be under way. */
RSW_API void rsw_storage_close(struct rsw_storage *storage);
/* As opened. Borrowed from the handle. */
RSW_API const char *rsw_storage_url(const struct rsw_storage *storage);

#ifdef __cplusplus
}
#endif
#endif
