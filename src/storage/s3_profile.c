/* The files of the AWS tools: a profile of them is who we are, or says who lends. */
#include "storage/s3_credentials.h"

#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static bool is_set(const char *text) {
    return text != NULL && text[0] != 0;
}

/* ---- one file ---- */

struct span {
    const char *at;
    size_t len;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span text) {
    while (text.len > 0 && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.at[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool equals(struct span text, const char *word) {
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

/* "[ name ]". */
static bool is_section(struct span line, struct span *name) {
    const char *end = line.len > 0 && line.at[0] == '[' ? memchr(line.at, ']', line.len) : NULL;
    if (end == NULL) {
        return false;
    }
    *name = trim((struct span){line.at + 1, (size_t)(end - line.at) - 1});
    return true;
}

int rsw_s3_ini_get(struct rsw_buf *out, const char *bytes, size_t len, const char *section, const char *name,
                   struct rsw_error *err) {
    const char *end = bytes + len;
    struct span found = {NULL, 0};
    bool inside = false;
    for (const char *at = bytes; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct span line = {at, (size_t)((newline == NULL ? end : newline) - at)};
        at = newline == NULL ? end : newline + 1;
        struct span title;
        bool nested = line.len > 0 && is_blank(line.at[0]); /* of a value with lines of its own */
        line = trim(line);
        const char *equal = line.len > 0 ? memchr(line.at, '=', line.len) : NULL;
        if (nested || line.len == 0 || line.at[0] == '#' || line.at[0] == ';') {
            continue;
        }
        if (is_section(line, &title)) {
            inside = equals(title, section);
        } else if (inside && equal != NULL &&
                   equals(trim((struct span){line.at, (size_t)(equal - line.at)}), name)) {
            found = trim((struct span){equal + 1, line.len - (size_t)(equal - line.at) - 1});
        }
    }
    if (found.len == 0) {
        return RSW_ABSENT;
    }
    return rsw_buf_add(out, found.at, found.len, err) == 0 ? RSW_FOUND : RSW_FAILED;
}

const char *rsw_s3_profile_name(rsw_environment_fn *get) {
    return is_set(get("AWS_PROFILE")) ? get("AWS_PROFILE") : "default";
}

struct file {
    const char *variable; /* that says where it is */
    const char *name;     /* of the usual one, in ~/.aws */
    bool titled;          /* its sections are called "profile NAME" */
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
            [CONFIG] = {.variable = "AWS_CONFIG_FILE", .name = "config", .titled = true},                    \
        }                                                                                                    \
    }

static void profile_release(struct profile *profile) {
    for (size_t i = 0; i < FILES; i++) {
        free(profile->files[i].path);
        rsw_s3_secret_release(&profile->files[i].bytes);
    }
}
#define AUTO_PROFILE __attribute__((cleanup(profile_release))) struct profile

static int read_file(struct file *file, rsw_environment_fn *get, struct rsw_error *err) {
    const char *said = get(file->variable);
    const char *home = get("HOME");
    if (!is_set(said) && !is_set(home)) {
        return 0;
    }
    if (asprintf(&file->path, "%s%s%s", is_set(said) ? said : home, is_set(said) ? "" : "/.aws/",
                 is_set(said) ? "" : file->name) < 0) {
        file->path = NULL;
        return no_memory(err);
    }
    return rsw_s3_secret_read(&file->bytes, file->path, err) == RSW_FAILED ? -1 : 0;
}

/* RSW_FOUND, and *out owned by the caller; RSW_ABSENT; RSW_FAILED. */
static int get_from(char **out, const struct profile *profile, size_t i, const char *name,
                    struct rsw_error *err) {
    const struct file *file = &profile->files[i];
    RSW_AUTO_FREE char *section = NULL;
    RSW_AUTO_S3_SECRET value = RSW_BUF_INIT;
    bool titled = file->titled && strcmp(profile->name, "default") != 0;
    *out = NULL;
    if (asprintf(&section, "%s%s", titled ? "profile " : "", profile->name) < 0) {
        section = NULL;
        return no_memory(err);
    }
    const char *bytes = file->bytes.data == NULL ? "" : (const char *)file->bytes.data;
    int answer = rsw_s3_ini_get(&value, bytes, file->bytes.len, section, name, err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    *out = strndup((const char *)value.data, value.len);
    return *out == NULL ? no_memory(err) : RSW_FOUND;
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

static int take_keys(struct rsw_s3_credentials *out, const struct profile *profile, size_t i,
                     struct rsw_error *err) {
    int answer = get_from(&out->access_key, profile, i, "aws_access_key_id", err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    answer = get_from(&out->secret_key, profile, i, "aws_secret_access_key", err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "%s: profile \"%s\" has an aws_access_key_id without aws_secret_access_key",
                             profile->files[i].path, profile->name);
    }
    return answer == RSW_FAILED || get_from(&out->token, profile, i, "aws_session_token", err) == RSW_FAILED
               ? RSW_FAILED
               : RSW_FOUND;
}

static int take_web_identity(struct rsw_s3_credentials *out, const struct profile *profile, const char *role,
                             rsw_environment_fn *get, const char *region, struct rsw_error *err) {
    RSW_AUTO_FREE char *token_file = NULL;
    RSW_AUTO_FREE char *session = NULL;
    const char *path;
    int answer = get_any(&token_file, &path, profile, "web_identity_token_file", err);
    if (answer != RSW_FOUND || get_any(&session, &path, profile, "role_session_name", err) == RSW_FAILED) {
        return answer == RSW_ABSENT ? RSW_ABSENT : RSW_FAILED;
    }
    const struct rsw_s3_web_identity who = {.token_file = token_file, .role = role, .session = session};
    return rsw_s3_web_identity_ask(out, &who, get, region, err);
}

/* Whoever took such a profile for none would be somebody else to the store than was meant. */
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

static int take_role(struct rsw_s3_credentials *out, const struct profile *profile, rsw_environment_fn *get,
                     const char *region, struct rsw_error *err) {
    RSW_AUTO_FREE char *role = NULL;
    const char *path;
    int answer = get_any(&role, &path, profile, "role_arn", err);
    if (answer == RSW_FOUND) {
        answer = take_web_identity(out, profile, role, get, region, err);
        answer = answer == RSW_ABSENT ? refuse(profile, "role_arn", err) : answer;
    }
    return answer;
}

/* As the tools of AWS: what is lent comes before keys, but for a command, which comes before those of the
 * second file alone. */
static int take(struct rsw_s3_credentials *out, const struct profile *profile, rsw_environment_fn *get,
                const char *region, struct rsw_error *err) {
    static const char *const lent[] = {"sso_session", "sso_start_url", "sso_account_id", "login_session"};
    int answer = take_role(out, profile, get, region, err);
    for (size_t i = 0; i < sizeof lent / sizeof *lent && answer == RSW_ABSENT; i++) {
        answer = refuse(profile, lent[i], err);
    }
    answer = answer == RSW_ABSENT ? take_keys(out, profile, KEYS, err) : answer;
    answer = answer == RSW_ABSENT ? refuse(profile, "credential_process", err) : answer;
    return answer == RSW_ABSENT ? take_keys(out, profile, CONFIG, err) : answer;
}

int rsw_s3_profile_load(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                        struct rsw_error *err) {
    AUTO_PROFILE profile = PROFILE_INIT;
    profile.name = rsw_s3_profile_name(get);
    for (size_t i = 0; i < FILES; i++) {
        if (read_file(&profile.files[i], get, err) != 0) {
            return RSW_FAILED;
        }
    }
    return take(out, &profile, get, region, err);
}

int rsw_s3_region_load(char **out, rsw_environment_fn *get, struct rsw_error *err) {
    const char *said = is_set(get("AWS_REGION")) ? get("AWS_REGION") : get("AWS_DEFAULT_REGION");
    AUTO_PROFILE profile = PROFILE_INIT;
    *out = NULL;
    if (is_set(said)) {
        *out = strdup(said);
        return *out == NULL ? no_memory(err) : 0;
    }
    profile.name = rsw_s3_profile_name(get);
    return read_file(&profile.files[CONFIG], get, err) != 0 ||
                   get_from(out, &profile, CONFIG, "region", err) == RSW_FAILED
               ? -1
               : 0;
}
