#include "storage/s3_credentials.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1024 * 1024)

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

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

static bool is_set(const char *text) {
    return text != NULL && text[0] != 0;
}

int rsw_s3_credentials_set(struct rsw_s3_credentials *out, const char *access_key, const char *secret_key,
                           const char *token, struct rsw_error *err) {
    out->access_key = strdup(access_key);
    out->secret_key = strdup(secret_key);
    out->token = is_set(token) ? strdup(token) : NULL;
    out->until_ms = 0;
    bool whole = out->access_key != NULL && out->secret_key != NULL && is_set(token) == (out->token != NULL);
    return whole ? 0 : no_memory(err);
}

/* ---- the files ---- */

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

/* Path of a file of the AWS tools: what `variable` says, or `name` in ~/.aws. *out owned; NULL: no home. */
static int find_file(char **out, rsw_environment_fn *get, const char *variable, const char *name,
                     struct rsw_error *err) {
    const char *said = get(variable);
    const char *home = get("HOME");
    *out = NULL;
    if (said != NULL && said[0] != 0) {
        *out = strdup(said);
        return *out == NULL ? no_memory(err) : 0;
    }
    if (home != NULL && home[0] != 0 && asprintf(out, "%s/.aws/%s", home, name) < 0) {
        *out = NULL;
        return no_memory(err);
    }
    return 0;
}

static const char *profile_of(rsw_environment_fn *get) {
    const char *profile = get("AWS_PROFILE");
    return profile != NULL && profile[0] != 0 ? profile : "default";
}

/* One value out of one file. `config`: there sections are called "profile NAME". RSW_FOUND, RSW_ABSENT or
 * RSW_FAILED. */
static int get_from(char **out, const struct rsw_buf *file, const char *profile, bool config,
                    const char *name, struct rsw_error *err) {
    RSW_AUTO_FREE char *section = NULL;
    RSW_AUTO_S3_SECRET value = RSW_BUF_INIT;
    bool titled = config && strcmp(profile, "default") != 0;
    if (asprintf(&section, "%s%s", titled ? "profile " : "", profile) < 0) {
        section = NULL;
        return no_memory(err);
    }
    const char *bytes = file->data == NULL ? "" : (const char *)file->data;
    int answer = rsw_s3_ini_get(&value, bytes, file->len, section, name, err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    *out = strndup((const char *)value.data, value.len);
    return *out == NULL ? no_memory(err) : RSW_FOUND;
}

static int take_from_file(struct rsw_s3_credentials *out, const char *path, const char *profile, bool config,
                          struct rsw_error *err) {
    RSW_AUTO_S3_SECRET file = RSW_BUF_INIT;
    int answer = rsw_s3_secret_read(&file, path, err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    answer = get_from(&out->access_key, &file, profile, config, "aws_access_key_id", err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    answer = get_from(&out->secret_key, &file, profile, config, "aws_secret_access_key", err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "%s: profile \"%s\" has an aws_access_key_id without aws_secret_access_key",
                             path, profile);
    }
    return answer == RSW_FAILED ||
                   get_from(&out->token, &file, profile, config, "aws_session_token", err) == RSW_FAILED
               ? RSW_FAILED
               : RSW_FOUND;
}

static int take_from_files(struct rsw_s3_credentials *out, rsw_environment_fn *get, struct rsw_error *err) {
    static const struct {
        const char *variable;
        const char *name;
        bool config;
    } files[] = {{"AWS_SHARED_CREDENTIALS_FILE", "credentials", false}, {"AWS_CONFIG_FILE", "config", true}};
    const char *profile = profile_of(get);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        RSW_AUTO_FREE char *path = NULL;
        if (find_file(&path, get, files[i].variable, files[i].name, err) != 0) {
            return -1;
        }
        int answer = path == NULL ? RSW_ABSENT : take_from_file(out, path, profile, files[i].config, err);
        if (answer != RSW_ABSENT) {
            return answer;
        }
    }
    return RSW_ABSENT;
}

/* ---- one after the other ---- */

static int take_lent_or_kept(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                             struct rsw_error *err) {
    int answer = rsw_s3_web_identity_load(out, get, region, err);
    answer = answer == RSW_ABSENT ? take_from_files(out, get, err) : answer;
    answer = answer == RSW_ABSENT ? rsw_s3_container_load(out, get, err) : answer;
    answer = answer == RSW_ABSENT ? rsw_s3_instance_load(out, get, err) : answer;
    if (answer == RSW_ABSENT) {
        rsw_error_set(err, RSW_EINVAL, 0,
                      "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
                      "profile \"%s\" an aws_access_key_id in ~/.aws/credentials "
                      "(AWS_SHARED_CREDENTIALS_FILE), or this machine, pod or job a role",
                      profile_of(get));
    }
    return answer == RSW_FOUND ? 0 : -1;
}

static int take(struct rsw_s3_credentials *out, rsw_environment_fn *get, const char *region,
                struct rsw_error *err) {
    const char *access = get("AWS_ACCESS_KEY_ID");
    const char *secret = get("AWS_SECRET_ACCESS_KEY");
    const char *token = get("AWS_SESSION_TOKEN");
    if (!is_set(access) && !is_set(secret)) {
        return take_lent_or_kept(out, get, region, err);
    }
    if (!is_set(access) || !is_set(secret)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is set, but %s is not",
                             is_set(access) ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                             is_set(access) ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    }
    return rsw_s3_credentials_set(out, access, secret, token, err);
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

int rsw_s3_region_load(char **out, rsw_environment_fn *get, struct rsw_error *err) {
    const char *said = is_set(get("AWS_REGION")) ? get("AWS_REGION") : get("AWS_DEFAULT_REGION");
    RSW_AUTO_FREE char *path = NULL;
    RSW_AUTO_S3_SECRET file = RSW_BUF_INIT;
    *out = NULL;
    if (is_set(said)) {
        *out = strdup(said);
        return *out == NULL ? no_memory(err) : 0;
    }
    if (find_file(&path, get, "AWS_CONFIG_FILE", "config", err) != 0) {
        return -1;
    }
    int answer = path == NULL ? RSW_ABSENT : rsw_s3_secret_read(&file, path, err);
    if (answer == RSW_FOUND) {
        answer = get_from(out, &file, profile_of(get), true, "region", err);
    }
    return answer == RSW_FAILED ? -1 : 0;
}
