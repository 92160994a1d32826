/* The files of the AWS tools: a profile of them is who we are, or says who lends. */
#include "storage/s3_credentials.h"

#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rsw_s3_profile_variable(rsw_environment_fn *get) {
    return rsw_s3_is_set(get("AWS_DEFAULT_PROFILE")) ? "AWS_DEFAULT_PROFILE"
           : rsw_s3_is_set(get("AWS_PROFILE"))       ? "AWS_PROFILE"
                                                     : NULL;
}

const char *rsw_s3_profile_name(rsw_environment_fn *get) {
    const char *variable = rsw_s3_profile_variable(get);
    return variable != NULL ? get(variable) : "default";
}

struct file {
    const char *variable; /* that says where it is */
    const char *name;     /* of the usual one, in ~/.aws */
    bool config;          /* its sections are called "profile NAME" */
    char *path;           /* owned; NULL: there is no home */
    struct rsw_buf bytes; /* secret; empty: there is no such file */
};

enum { KEYS, CONFIG, FILES };

/* Both files, and which section of theirs counts. */
struct profile {
    const char *name; /* borrowed */
    struct file files[FILES];
};
#define PROFILE_INIT                                                                                         \
    {                                                                                                        \
        .files = {                                                                                           \
            [KEYS] = {.variable = "AWS_SHARED_CREDENTIALS_FILE", .name = "credentials"},                     \
            [CONFIG] = {.variable = "AWS_CONFIG_FILE", .name = "config", .config = true},                    \
        }                                                                                                    \
    }

static void profile_release(struct profile *profile) {
    for (size_t i = 0; i < FILES; i++) {
        free(profile->files[i].path);
        rsw_s3_secret_release(&profile->files[i].bytes);
    }
}
#define AUTO_PROFILE __attribute__((cleanup(profile_release))) struct profile

/* Where the file is. Stays NULL without a home. */
static int place(struct file *file, rsw_environment_fn *get, struct rsw_error *err) {
    const char *said = get(file->variable);
    const char *home = get("HOME");
    bool usual = !rsw_s3_is_set(said);
    bool below = !usual && strncmp(said, "~/", 2) == 0; /* a home */
    if ((usual || below) && !rsw_s3_is_set(home)) {
        return below
                   ? rsw_error_set(err, RSW_EINVAL, 0, "%s is %s, and HOME is not set", file->variable, said)
                   : 0;
    }
    if (asprintf(&file->path, "%s%s%s", usual || below ? home : said,
                 usual   ? "/.aws/"
                 : below ? said + 1
                         : "",
                 usual ? file->name : "") < 0) {
        file->path = NULL;
        return rsw_s3_no_memory(err);
    }
    return 0;
}

static struct rsw_s3_ini ini_of(const struct file *file) {
    return (struct rsw_s3_ini){.bytes = file->bytes.data == NULL ? "" : (const char *)file->bytes.data,
                               .len = file->bytes.len,
                               .config = file->config};
}

/* RSW_FOUND: that profile is in it; RSW_ABSENT; RSW_FAILED. */
static int read_file(struct file *file, const char *profile, rsw_environment_fn *get, struct rsw_error *err) {
    if (place(file, get, err) != 0 ||
        (file->path != NULL && rsw_s3_secret_read(&file->bytes, file->path, err) == RSW_FAILED)) {
        return RSW_FAILED;
    }
    const struct rsw_s3_ini ini = ini_of(file);
    int answer = rsw_s3_ini_check(&ini, profile, err);
    return answer == RSW_FAILED ? rsw_error_prefix(err, "%s", file->path) : answer;
}

/* Whoever took a profile that is named for none would be somebody else to the store than was meant. */
static int read_profile(struct profile *profile, rsw_environment_fn *get, struct rsw_error *err) {
    const char *variable = rsw_s3_profile_variable(get);
    bool there = false;
    profile->name = rsw_s3_profile_name(get);
    for (size_t i = 0; i < FILES; i++) {
        int answer = read_file(&profile->files[i], profile->name, get, err);
        if (answer == RSW_FAILED) {
            return -1;
        }
        there |= answer == RSW_FOUND;
    }
    if (there || variable == NULL) {
        return 0;
    }
    const char *const paths[FILES] = {profile->files[KEYS].path, profile->files[CONFIG].path};
    return rsw_error_set(err, RSW_EINVAL, 0,
                         "%s names profile \"%s\", which is neither in %s (as [%s]) nor in %s (as [%s%s]): "
                         "write it there, or name one that is",
                         variable, profile->name, paths[KEYS] != NULL ? paths[KEYS] : "~/.aws/credentials",
                         profile->name, paths[CONFIG] != NULL ? paths[CONFIG] : "~/.aws/config",
                         strcmp(profile->name, "default") == 0 ? "" : "profile ", profile->name);
}

/* RSW_FOUND, and *out owned by the caller; RSW_ABSENT; RSW_FAILED. */
static int get_from(char **out, const struct profile *profile, size_t i, const char *name,
                    struct rsw_error *err) {
    const struct file *file = &profile->files[i];
    const struct rsw_s3_ini ini = ini_of(file);
    RSW_AUTO_S3_SECRET value = RSW_BUF_INIT;
    *out = NULL;
    int answer = rsw_s3_ini_get(&value, &ini, profile->name, name, err);
    if (answer != RSW_FOUND) {
        return answer == RSW_FAILED ? rsw_error_prefix(err, "%s", file->path) : answer;
    }
    *out = strndup((const char *)value.data, value.len);
    return *out == NULL ? rsw_s3_no_memory(err) : RSW_FOUND;
}

/* Out of either file; *path: which. */
static int get_any(char **out, const char **path, const struct profile *profile, const char *name,
                   struct rsw_error *err) {
    int answer = RSW_ABSENT;
    for (size_t i = 0; i < FILES && answer == RSW_ABSENT; i++) {
        answer = get_from(out, profile, i, name, err);
        *path = profile->files[i].path;
    }
    return answer;
}

/* ---- who it says that we are ---- */

static int take_key(char **out, const struct profile *profile, size_t i, const char *name,
                    struct rsw_error *err) {
    int answer = get_from(out, profile, i, name, err);
    return answer == RSW_FOUND && rsw_s3_secret_check(name, *out, err) != 0
               ? rsw_error_prefix(err, "%s: profile \"%s\"", profile->files[i].path, profile->name)
               : answer;
}

static int take_keys(struct rsw_s3_credentials *out, const struct profile *profile, size_t i,
                     struct rsw_error *err) {
    int answer = take_key(&out->access_key, profile, i, "aws_access_key_id", err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    answer = take_key(&out->secret_key, profile, i, "aws_secret_access_key", err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "%s: profile \"%s\" has an aws_access_key_id without aws_secret_access_key",
                             profile->files[i].path, profile->name);
    }
    if (answer == RSW_FOUND) {
        int token = take_key(&out->token, profile, i, "aws_security_token", err); /* its old name */
        token = token == RSW_ABSENT ? take_key(&out->token, profile, i, "aws_session_token", err) : token;
        answer = token == RSW_FAILED ? token : answer;
    }
    return answer;
}

static int refuse(const struct profile *profile, const char *setting, struct rsw_error *err) {
    RSW_AUTO_FREE char *value = NULL;
    const char *path;
    int answer = get_any(&value, &path, profile, setting, err);
    return answer != RSW_FOUND
               ? answer
               : rsw_error_set(
                     err, RSW_EINVAL, 0,
                     "%s: profile \"%s\" has %s, which regsweep does not follow; give it what comes "
                     "of that: eval \"$(aws configure export-credentials --profile %s --format "
                     "env)\" (which ends after some hours: to a service give a role of its own)",
                     path, profile->name, setting, profile->name);
}

/* What the environment says, or else the profile. */
static int get_told(char **out, const struct profile *profile, rsw_environment_fn *get, const char *variable,
                    const char *name, struct rsw_error *err) {
    const char *said = get(variable);
    const char *path;
    if (!rsw_s3_is_set(said)) {
        return get_any(out, &path, profile, name, err);
    }
    *out = strdup(said);
    return *out == NULL ? rsw_s3_no_memory(err) : RSW_FOUND;
}

static int take_web_identity(struct rsw_s3_credentials *out, const struct profile *profile,
                             rsw_environment_fn *get, const char *region, struct rsw_error *err) {
    RSW_AUTO_FREE char *token_file = NULL;
    RSW_AUTO_FREE char *role = NULL;
    RSW_AUTO_FREE char *session = NULL;
    int answer =
        get_told(&token_file, profile, get, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file", err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    answer = get_told(&role, profile, get, "AWS_ROLE_ARN", "role_arn", err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "there is a token of web identity, '%s', and no role for it: set AWS_ROLE_ARN, or "
            "role_arn of the profile",
            token_file);
    }
    if (answer == RSW_FAILED ||
        get_told(&session, profile, get, "AWS_ROLE_SESSION_NAME", "role_session_name", err) == RSW_FAILED) {
        return RSW_FAILED;
    }
    const struct rsw_s3_web_identity who = {.token_file = token_file, .role = role, .session = session};
    return rsw_s3_web_identity_ask(out, &who, get, region, err);
}

/* A role of the profile is for another profile's keys, unless the profile has a token of web identity. */
static int take_role(const struct profile *profile, struct rsw_error *err) {
    RSW_AUTO_FREE char *token_file = NULL;
    const char *path;
    int answer = get_any(&token_file, &path, profile, "web_identity_token_file", err);
    return answer == RSW_ABSENT  ? refuse(profile, "role_arn", err)
           : answer == RSW_FOUND ? RSW_ABSENT
                                 : RSW_FAILED;
}

/* In the order of the AWS CLI; but a single sign-on comes behind keys, as in its SDK for Go, which is that of
 * the registry. */
static int take(struct rsw_s3_credentials *out, const struct profile *profile, rsw_environment_fn *get,
                const char *region, struct rsw_error *err) {
    static const char *const before[] = {"login_session", "credential_process"}; /* keys of the second file */
    static const char *const behind[] = {"sso_account_id", "sso_role_name"};
    int answer = take_role(profile, err);
    answer = answer == RSW_ABSENT ? take_web_identity(out, profile, get, region, err) : answer;
    answer = answer == RSW_ABSENT ? take_keys(out, profile, KEYS, err) : answer;
    for (size_t i = 0; i < sizeof before / sizeof *before && answer == RSW_ABSENT; i++) {
        answer = refuse(profile, before[i], err);
    }
    answer = answer == RSW_ABSENT ? take_keys(out, profile, CONFIG, err) : answer;
    for (size_t i = 0; i < sizeof behind / sizeof *behind && answer == RSW_ABSENT; i++) {
        answer = refuse(profile, behind[i], err);
    }
    return answer;
}

int rsw_s3_profile_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                        struct rsw_error *err) {
    AUTO_PROFILE profile = PROFILE_INIT;
    return read_profile(&profile, get, err) != 0 ? RSW_FAILED : take(out, &profile, get, region, err);
}

int rsw_s3_region_load(char **out, rsw_environment_fn *get, struct rsw_error *err) {
    const char *said = rsw_s3_is_set(get("AWS_REGION")) ? get("AWS_REGION") : get("AWS_DEFAULT_REGION");
    const char *path;
    AUTO_PROFILE profile = PROFILE_INIT;
    *out = NULL;
    if (rsw_s3_is_set(said)) {
        *out = strdup(said);
        return *out == NULL ? rsw_s3_no_memory(err) : 0;
    }
    return read_profile(&profile, get, err) != 0 || get_any(out, &path, &profile, "region", err) == RSW_FAILED
               ? -1
               : 0;
}
