#include "storage/s3_credentials.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1024 * 1024)

static void free_secret(char **text) {
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

void rsw_s3_secret_release(struct rsw_buf *buf) {
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->room);
    }
    rsw_buf_release(buf);
}

void rsw_s3_credentials_release(struct rsw_s3_credentials *credentials) {
    free_secret(&credentials->access_key);
    free_secret(&credentials->secret_key);
    free_secret(&credentials->token);
    credentials->until_ms = 0;
}

int rsw_s3_credentials_set(struct rsw_s3_credentials *out, const char *access_key, const char *secret_key,
                           const char *token, struct rsw_error *err) {
    out->access_key = strdup(access_key);
    out->secret_key = strdup(secret_key);
    out->token = rsw_s3_is_set(token) ? strdup(token) : NULL;
    out->until_ms = 0;
    bool whole =
        out->access_key != NULL && out->secret_key != NULL && rsw_s3_is_set(token) == (out->token != NULL);
    return whole ? 0 : rsw_s3_no_memory(err);
}

int rsw_s3_secret_check(const char *name, const char *value, struct rsw_error *err) {
    for (const char *at = value; *at != 0; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f) {
            return rsw_error_set(err, RSW_EINVAL, 0, "%s has a blank or a control character in it", name);
        }
    }
    return 0;
}

int rsw_s3_secret_read(struct rsw_buf *out, const char *path, struct rsw_error *err) {
    RSW_AUTO_FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT || errno == ENOTDIR
                   ? RSW_ABSENT
                   : rsw_error_set(err, errno == EACCES ? RSW_EACCESS : RSW_EIO, errno,
                                   "cannot read '%s': %s", path, strerror(errno));
    }
    setvbuf(file, NULL, _IONBF, 0); /* no second copy of a secret */
    out->max = FILE_MAX;
    if (rsw_buf_reserve(out, FILE_MAX, err) != 0) {
        return RSW_FAILED;
    }
    out->len = fread(out->data, 1, FILE_MAX, file);
    if (ferror(file) || fgetc(file) != EOF) {
        return rsw_error_set(err, RSW_EIO, 0, "cannot read '%s', or it is larger than 1 MiB", path);
    }
    return RSW_FOUND;
}

/* ---- one after the other ---- */

static int take_lent_or_kept(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                             struct rsw_error *err) {
    int answer = rsw_s3_profile_load(out, get, region, err);
    answer = answer == RSW_ABSENT ? rsw_s3_container_load(out, get, err) : answer;
    answer = answer == RSW_ABSENT ? rsw_s3_instance_load(out, get, err) : answer;
    if (answer == RSW_ABSENT) {
        rsw_error_set(err, RSW_EINVAL, 0,
                      "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
                      "profile \"%s\" an aws_access_key_id in ~/.aws/credentials "
                      "(AWS_SHARED_CREDENTIALS_FILE), or this machine, pod or job a role",
                      rsw_s3_profile_name(get));
    }
    return answer == RSW_FOUND ? 0 : -1;
}

static int take(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                struct rsw_error *err) {
    const char *access = get("AWS_ACCESS_KEY_ID");
    const char *secret = get("AWS_SECRET_ACCESS_KEY");
    const char *old = get("AWS_SECURITY_TOKEN");
    bool is_old = rsw_s3_is_set(old); /* the name before the next */
    const char *token = is_old ? old : get("AWS_SESSION_TOKEN");
    if (!rsw_s3_is_set(access) && !rsw_s3_is_set(secret)) {
        return take_lent_or_kept(out, get, region, err);
    }
    if (!rsw_s3_is_set(access) || !rsw_s3_is_set(secret)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is set, but %s is not",
                             rsw_s3_is_set(access) ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                             rsw_s3_is_set(access) ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    }
    return rsw_s3_secret_check("AWS_ACCESS_KEY_ID", access, err) != 0 ||
                   rsw_s3_secret_check("AWS_SECRET_ACCESS_KEY", secret, err) != 0 ||
                   (token != NULL &&
                    rsw_s3_secret_check(is_old ? "AWS_SECURITY_TOKEN" : "AWS_SESSION_TOKEN", token, err) != 0)
               ? -1
               : rsw_s3_credentials_set(out, access, secret, token, err);
}

int rsw_s3_credentials_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                            struct rsw_error *err) {
    memset(out, 0, sizeof *out);
    if (take(out, get, region, err) != 0) {
        rsw_s3_credentials_release(out);
        return -1;
    }
    return 0;
}
