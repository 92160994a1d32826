/* What a bucket keeps, deletes or moves by itself: versions, locks, rules of its lifecycle. */
#include "storage/s3_versions.h"

#include "util/cleanup.h"

#include <string.h>

#define ANSWER_MAX ((size_t)1024 * 1024) /* a thousand rules at most */

/* RSW_FOUND, and *bytes, which the caller releases; RSW_ABSENT if the store answers with this code;
 * RSW_FAILED. */
static int ask(struct rsw_s3 *s3, const char *query, const char *none, struct rsw_buf *bytes) {
    struct rsw_s3_request request = {.method = "GET", .query = query, .max = ANSWER_MAX};
    rsw_s3_send(s3, &request, 1);
    *bytes = request.bytes;
    return request.errnum == 0                                                             ? RSW_FOUND
           : request.answer.kind == RSW_S3_ERROR && strcmp(request.answer.code, none) == 0 ? RSW_ABSENT
                                                                                           : RSW_FAILED;
}

/* A bucket that had versions once still has those of then. */
static int ask_versions(struct rsw_s3 *s3) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    RSW_AUTO_BUF status = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    int answer = ask(s3, "versioning=", "", &bytes);
    return answer == RSW_FOUND ? rsw_s3_xml_find(&status, bytes.data, bytes.len, "Status", &err) : answer;
}

static int ask_lock(struct rsw_s3 *s3) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    RSW_AUTO_BUF mode = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    int answer = ask(s3, "object-lock=", "ObjectLockConfigurationNotFoundError", &bytes);
    return answer == RSW_FOUND ? rsw_s3_xml_find(&mode, bytes.data, bytes.len, "Mode", &err) : answer;
}

/* ---- rules ---- */

struct reader {
    const struct rsw_s3 *s3;
    struct rsw_store_habits *habits;
    struct rsw_store_rule rule;
    bool disabled;
    bool tagged; /* only for objects with a tag, which no registry gives */
    enum { NOTHING, EXPIRES, MOVES, OLD, OLD_MOVES } within;
    char name[256];
    char prefix[RSW_S3_KEY_MAX + 1];
    char archive[32];
};

/* Tells of it where it is for keys of the registry's root directory. */
static void tell(struct reader *reader) {
    const char *own = reader->s3->prefix;
    size_t len = strlen(reader->prefix);
    size_t own_len = strlen(own);
    size_t common = len < own_len ? len : own_len;
    if (reader->disabled || reader->tagged || strncmp(reader->prefix, own, common) != 0) {
        return;
    }
    reader->rule.name = reader->name;
    reader->rule.prefix = reader->prefix + common;
    reader->rule.archive = reader->archive;
    reader->habits->rules = RSW_FOUND;
    reader->habits->rule(reader->habits->arg, &reader->rule);
}

static void begin(struct reader *reader, const char *name) {
    if (strcmp(name, "Rule") == 0) {
        reader->rule = (struct rsw_store_rule){.name = NULL};
        reader->disabled = reader->tagged = false;
        reader->name[0] = reader->prefix[0] = reader->archive[0] = 0;
    } else if (strcmp(name, "Expiration") == 0) {
        reader->within = EXPIRES;
    } else if (strcmp(name, "Transition") == 0) {
        reader->within = MOVES;
    } else if (strcmp(name, "NoncurrentVersionExpiration") == 0) {
        reader->within = OLD;
    } else if (strcmp(name, "NoncurrentVersionTransition") == 0) {
        reader->within = OLD_MOVES;
    } else if (strcmp(name, "Tag") == 0) {
        reader->tagged = true;
    }
}

static void keep(char *out, size_t size, const char *text) {
    size_t len = strnlen(text, size - 1);
    memcpy(out, text, len);
    out[len] = 0;
}

static void on_element(void *arg, const char *name, const char *text) {
    struct reader *reader = arg;
    if (text == NULL) {
        begin(reader, name);
    } else if (strcmp(name, "Rule") == 0) {
        tell(reader);
    } else if (strcmp(name, "ID") == 0) {
        keep(reader->name, sizeof reader->name, text);
    } else if (strcmp(name, "Prefix") == 0) {
        keep(reader->prefix, sizeof reader->prefix, text);
    } else if (strcmp(name, "Status") == 0) {
        reader->disabled = strcmp(text, "Enabled") != 0;
    } else if (strcmp(name, "StorageClass") == 0 && reader->within == MOVES && rsw_s3_is_archive(text)) {
        keep(reader->archive, sizeof reader->archive, text);
    } else if (strcmp(name, "Days") == 0 || strcmp(name, "Date") == 0 ||
               strcmp(name, "NoncurrentDays") == 0 || strcmp(name, "NewerNoncurrentVersions") == 0) {
        reader->rule.deletes |= reader->within == EXPIRES;
        reader->rule.moves |= reader->within == MOVES;
        reader->rule.old_versions |= reader->within == OLD;
        reader->rule.old_moves |= reader->within == OLD_MOVES;
    } else if (strcmp(name, "Expiration") == 0 || strcmp(name, "Transition") == 0 ||
               strcmp(name, "NoncurrentVersionExpiration") == 0 ||
               strcmp(name, "NoncurrentVersionTransition") == 0) {
        reader->within = NOTHING;
    }
}

static int ask_rules(struct rsw_s3 *s3, struct rsw_store_habits *habits) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    struct reader reader = {.s3 = s3, .habits = habits};
    habits->rules = RSW_ABSENT;
    int answer = ask(s3, "lifecycle=", "NoSuchLifecycleConfiguration", &bytes);
    if (answer != RSW_FOUND) {
        return answer;
    }
    return rsw_s3_xml_walk(bytes.data, bytes.len, on_element, &reader, &err) == RSW_FOUND ? habits->rules
                                                                                          : RSW_FAILED;
}

/* ---- do we go by versions? ---- */

static bool is_enabled(const struct rsw_buf *bytes, const char *name) {
    RSW_AUTO_BUF text = RSW_BUF_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    return rsw_s3_xml_find(&text, bytes->data, bytes->len, name, &err) == RSW_FOUND &&
           strcmp((const char *)text.data, "Enabled") == 0;
}

/* A rule that deletes old versions would delete what is hidden, however long the quarantine; one that moves
 * them, to where nobody can read it when it is given back. */
struct old_rules {
    bool go, move;
};

static void note_old(void *arg, const struct rsw_store_rule *rule) {
    static const char blobs[] = "docker/registry/v2/blobs/";
    struct old_rules *old = arg;
    size_t len = strlen(rule->prefix) < strlen(blobs) ? strlen(rule->prefix) : strlen(blobs);
    bool of_blobs = strncmp(rule->prefix, blobs, len) == 0;
    old->go |= rule->old_versions && of_blobs;
    old->move |= rule->old_moves && of_blobs;
}

static void pass_over(void *arg, const char *name, const char *text) {
    (void)arg;
    (void)name;
    (void)text;
}

/* A store that does not know the question may answer with nothing, or with something else. */
static bool is_whole(const struct rsw_buf *bytes) {
    struct rsw_error err = RSW_ERROR_INIT;
    return bytes->len == 0 || rsw_s3_xml_walk(bytes->data, bytes->len, pass_over, NULL, &err) == RSW_FOUND;
}

/* A bucket of which the store says that we may not know, or that it knows no such thing, or that keeps no
 * versions any more, is swept by copies, as one without is. */
static int keeps_versions(struct rsw_s3 *s3, struct rsw_buf *said, struct rsw_error *err) {
    struct rsw_s3_request request = {.method = "GET", .query = "versioning=", .max = ANSWER_MAX};
    rsw_s3_send(s3, &request, 1);
    *said = request.bytes;
    if (request.errnum != 0 && request.again) {
        rsw_s3_fail(s3, &request, "ask for the versions of", "", err);
        return RSW_FAILED;
    }
    if (request.errnum == 0 && !is_whole(said)) {
        return rsw_error_set(err, RSW_EIO, EIO, "cannot ask for the versions of %s: the answer is cut short",
                             s3->base.url);
    }
    return request.errnum == 0 && is_enabled(said, "Status") ? RSW_FOUND : RSW_ABSENT;
}

int rsw_s3_ask_versions(struct rsw_s3 *s3, struct rsw_error *err) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    struct old_rules old = {.go = false};
    struct rsw_store_habits habits = {.rule = note_old, .arg = &old};
    int keeps = keeps_versions(s3, &bytes, err);
    if (keeps != RSW_FOUND) {
        return keeps == RSW_ABSENT ? 0 : -1;
    }
    int rules = ask_rules(s3, &habits);
    if (is_enabled(&bytes, "MfaDelete") || ask_lock(s3) == RSW_FOUND) {
        s3->base.remark =
            "the bucket keeps versions, and locks them or asks for more than a key before one is "
            "deleted: it is swept by copies, and that frees nothing by itself";
    } else if (rules == RSW_FAILED || !rsw_s3_may_list_versions(s3) || !rsw_s3_may_delete_versions(s3)) {
        s3->base.remark =
            "the bucket keeps versions, and we may not list or delete them, or see the rules of its "
            "lifecycle (s3:ListBucketVersions, s3:DeleteObjectVersion, "
            "s3:GetLifecycleConfiguration): it is swept by copies, and that frees nothing by "
            "itself";
    } else if (old.move && !old.go) {
        s3->base.remark =
            "the bucket keeps versions, and a rule of its lifecycle moves those that are not current to "
            "another class (NoncurrentVersionTransition): it is swept by copies, and that frees "
            "nothing by itself";
    } else {
        s3->base.versions = !old.go;
    }
    return 0;
}

/* Without them a deletion by key, or of the version "null", is for good. */
int rsw_s3_still_versions(struct rsw_storage *storage, struct rsw_error *err) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    int answer = ask(s3, "versioning=", "", &bytes);
    if (answer == RSW_FOUND && is_enabled(&bytes, "Status")) {
        return 0;
    }
    return answer == RSW_FOUND
               ? rsw_error_set(
                     err, RSW_EREFUSED, 0,
                     "the bucket of %s kept versions when regsweep was started, and does not any more: "
                     "nothing more is taken. Enable versioning again; or start regsweep anew, which then "
                     "goes by copies",
                     storage->url)
               : rsw_error_set(
                     err, RSW_EIO, 0,
                     "the store does not say whether the bucket of %s keeps versions still: nothing more "
                     "is taken until it does",
                     storage->url);
}

bool rsw_s3_frees_versions(struct rsw_s3 *s3) {
    struct old_rules old = {.go = false};
    struct rsw_store_habits habits = {.rule = note_old, .arg = &old};
    return ask_versions(s3) == RSW_FOUND && (ask_rules(s3, &habits) == RSW_FAILED || !old.go);
}

void rsw_s3_habits(struct rsw_storage *storage, struct rsw_store_habits *habits) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    habits->versions = ask_versions(s3);
    habits->lock = ask_lock(s3);
    habits->rules = ask_rules(s3, habits);
}
