/* Who we are to S3: from the environment, the files of the AWS tools, or lent to where we run. */
#ifndef REGSWEEP_STORAGE_S3_CREDENTIALS_H
#define REGSWEEP_STORAGE_S3_CREDENTIALS_H

#include <regsweep/error.h>

#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rsw_s3_credentials {
    char *access_key; /* owned, as the others; never NULL once loaded */
    char *secret_key; /* likewise */
    char *token;      /* NULL: none */
    int64_t until_ms; /* lent until then, by the clock on the wall; 0: for good */
};

typedef char *rsw_environment_fn(const char *name);

static inline bool rsw_s3_is_set(const char *text) {
    return text != NULL && text[0] != 0;
}

static inline int rsw_s3_no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

/* AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN; else what the profile of AWS_PROFILE
 * (`default`) says in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) or AWS_CONFIG_FILE (~/.aws/config),
 * and the environment of a token of web identity; else what is lent to the container, or to the instance. The
 * tools of AWS look in the same order. `get` as getenv. 0, or -1: RSW_EINVAL that says where was looked and
 * that nothing is there, or half of it, or something that we do not follow; RSW_EIO, RSW_EACCESS for a file
 * or who lends; RSW_ENOMEM. No message holds a secret. */
int rsw_s3_credentials_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                            struct rsw_error *err);
/* Keys, or a role for a token of web identity, of the profile (s3_profile.c). RSW_FOUND; RSW_ABSENT: it says
 * nothing of that; RSW_FAILED: also where one that is named is not there, or says something else, such as a
 * role to take or a command to run. */
int rsw_s3_profile_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                        struct rsw_error *err);
/* Borrowed from the environment, or static. Where both are set AWS_DEFAULT_PROFILE counts, as to the AWS CLI.
 */
const char *rsw_s3_profile_name(rsw_environment_fn *get);
/* The variable that names it; NULL: none does. */
const char *rsw_s3_profile_variable(rsw_environment_fn *get);

/* Who is asked for a role, and what for; all borrowed. */
struct rsw_s3_web_identity {
    const char *token_file;
    const char *role;    /* an ARN */
    const char *session; /* NULL: a name of ours */
};
/* Asks AWS_ENDPOINT_URL_STS, or AWS in that region. RSW_FOUND or RSW_FAILED. */
int rsw_s3_web_identity_ask(struct rsw_s3_credentials *out, const struct rsw_s3_web_identity *who,
                            rsw_environment_fn *get, const char *region, struct rsw_error *err);
/* The parts that are lent (s3_roles.c). RSW_FOUND; RSW_ABSENT: the environment does not speak of it, or, of
 * the instance, nobody lends; RSW_FAILED. */
int rsw_s3_container_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err);
int rsw_s3_instance_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err);
/* Copies. 0, or -1: RSW_ENOMEM. */
int rsw_s3_credentials_set(struct rsw_s3_credentials *out, const char *access_key, const char *secret_key,
                           const char *token, struct rsw_error *err);
/* Wiped first. */
void rsw_s3_credentials_release(struct rsw_s3_credentials *credentials);
void rsw_s3_secret_release(struct rsw_buf *buf);
#define RSW_AUTO_S3_SECRET __attribute__((cleanup(rsw_s3_secret_release))) struct rsw_buf
/* 0, or -1 where the value of that setting has a blank or a control character, which no header can carry:
 * RSW_EINVAL, which names the setting alone. */
int rsw_s3_secret_check(const char *name, const char *value, struct rsw_error *err);
/* A file of at most 1 MiB. RSW_FOUND, RSW_ABSENT or RSW_FAILED. */
int rsw_s3_secret_read(struct rsw_buf *out, const char *path, struct rsw_error *err);

/* `text` as it stands in a path ('/' stays) or, with `slash`, in a query. */
int rsw_s3_encode(struct rsw_buf *out, const char *text, bool slash, struct rsw_error *err);

/* AWS_REGION, AWS_DEFAULT_REGION, or what the profile has. 0 and *out owned, NULL: nobody says; or -1, as
 * where the profile is named and is not there. */
int rsw_s3_region_load(char **out, rsw_environment_fn *get, struct rsw_error *err);

/* A file of profiles (s3_ini.c); borrowed. Its sections are called NAME, in the one of `config` "profile
 * NAME", or "default". No error of these has anything out of the file in it. */
struct rsw_s3_ini {
    const char *bytes;
    size_t len;
    bool config;
};
/* RSW_FOUND: it has the profile; RSW_ABSENT: it has not; RSW_FAILED, RSW_EINVAL: it is no such file, or has
 * the profile twice. */
int rsw_s3_ini_check(const struct rsw_s3_ini *ini, const char *profile, struct rsw_error *err);
/* The value of `name`, in whatever case, that the profile has, without the blanks around it; with newlines,
 * where it goes on in lines of its own. RSW_FOUND and *out appended to; RSW_ABSENT; RSW_FAILED: out of
 * memory, or it is there twice. */
int rsw_s3_ini_get(struct rsw_buf *out, const struct rsw_s3_ini *ini, const char *profile, const char *name,
                   struct rsw_error *err);

#endif
