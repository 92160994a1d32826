/* Who we are to S3: from the environment, or the files of the AWS tools. */
#ifndef REGSWEEP_STORAGE_S3_CREDENTIALS_H
#define REGSWEEP_STORAGE_S3_CREDENTIALS_H

#include <regsweep/error.h>

#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct rsw_s3_credentials {
    char *access_key; /* owned, as the others; never NULL once loaded */
    char *secret_key; /* likewise */
    char *token;      /* NULL: none */
};

typedef char *rsw_environment_fn(const char *name);

/* AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN; else the section of AWS_PROFILE
 * (`default`) in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) or AWS_CONFIG_FILE (~/.aws/config). `get`
 * as getenv. 0, or -1: RSW_EINVAL that says where was looked and that nothing is there, or half of it;
 * RSW_EIO, RSW_EACCESS for a file; RSW_ENOMEM. No message holds a secret. */
int rsw_s3_credentials_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err);
/* Copies. 0, or -1: RSW_ENOMEM. */
int rsw_s3_credentials_set(struct rsw_s3_credentials *out, const char *access_key, const char *secret_key,
                           const char *token, struct rsw_error *err);
/* Wiped first. */
void rsw_s3_credentials_release(struct rsw_s3_credentials *credentials);

/* AWS_REGION, AWS_DEFAULT_REGION, or what AWS_CONFIG_FILE has for the profile. 0 and *out owned, NULL: nobody
 * says; or -1. */
int rsw_s3_region_load(char **out, rsw_environment_fn *get, struct rsw_error *err);

/* The value of `name` in the section of such a file, without the blanks around it. The last one counts.
 * RSW_FOUND and *out appended to, RSW_ABSENT, or RSW_FAILED (out of memory). */
int rsw_s3_ini_get(struct rsw_buf *out, const char *bytes, size_t len, const char *section, const char *name,
                   struct rsw_error *err);

#endif
