#include "gc/audit.h"

#include "index/dir.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As the other files of an index, so that one run as root does not lock out the user of the next. */
static void give(const char *path) {
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int len = snprintf(dir, sizeof dir, "%.*s", (int)(name - path), path);
    if (len >= 0 && (size_t)len < sizeof dir) {
        rsw_dir_give(len > 0 ? dir : ".", name);
    }
}

int rsw_audit_open(struct rsw_audit *audit, const char *path, struct rsw_error *err) {
    audit->path = path;
    /* Its folder may belong to somebody else, who must not choose what root writes to; a device may be named.
     */
    audit->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0640);
    if (audit->fd < 0 && errno == ELOOP) {
        return rsw_error_set(
            err, RSW_EREFUSED, ELOOP,
            "the audit file %s is a symbolic link, and regsweep follows none there: name the file itself "
            "with --audit, or remove it",
            path);
    }
    if (audit->fd < 0) {
        enum rsw_code code = errno == EACCES || errno == EPERM || errno == EROFS ? RSW_EACCESS : RSW_EIO;
        return rsw_error_set(err, code, errno, "cannot open the audit file %s: %s", path, strerror(errno));
    }
    give(path);
    return 0;
}

static int fail(const struct rsw_audit *audit, struct rsw_error *err) {
    enum rsw_code code = errno == ENOSPC || errno == EDQUOT ? RSW_EFULL : RSW_EIO;
    return rsw_error_set(err, code, errno, "cannot write the audit file %s: %s", audit->path,
                         strerror(errno));
}

/* A name out of storage can have any bytes. */
static json_t *json_name(const char *name) {
    char *clean = malloc(RSW_UTF8_ROOM(name));
    json_t *value = clean != NULL ? json_string(rsw_text_to_utf8(clean, name)) : NULL;
    free(clean);
    return value;
}

static json_t *item_to_json(const char *action, uint64_t generation, int64_t now_ms,
                            const struct rsw_sweep_item *item, int errnum) {
    char time[32];
    char digest[RSW_DIGEST_TEXT_MAX];
    json_t *root = json_pack("{s:s, s:I, s:s, s:s, s:s}", "time", rsw_time_format(now_ms, time, sizeof time),
                             "generation", (json_int_t)generation, "action", action, "kind",
                             rsw_item_kind_name(item->kind), "reason", rsw_reason_name(item->reason));
    if (root == NULL) {
        return NULL;
    }
    int rc = 0;
    if (item->repo != NULL) {
        rc |= json_object_set_new(root, "repo", json_name(item->repo));
    }
    if (item->digest != NULL) {
        rc |= json_object_set_new(root, "digest", json_string(rsw_digest_format(item->digest, digest)));
    }
    if (item->name != NULL) {
        const char *key = item->kind == RSW_ITEM_TAG ? "tag" : "id";
        rc |= json_object_set_new(root, key, json_name(item->name));
    }
    if (item->kind == RSW_ITEM_BLOB) {
        char types[96];
        rc |= json_object_set_new(root, "types",
                                  json_string(rsw_types_format(item->types, types, sizeof types)));
    }
    if (item->kind == RSW_ITEM_BLOB || item->kind == RSW_ITEM_UPLOAD) {
        rc |= json_object_set_new(root, "size", json_integer((json_int_t)item->size));
    }
    if (errnum != 0) {
        rc |= json_object_set_new(root, "error", json_string(rsw_storage_reason(errnum)));
    }
    if (rc != 0) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static int write_all(const struct rsw_audit *audit, const char *bytes, size_t len, struct rsw_error *err) {
    while (len > 0) {
        ssize_t written = write(audit->fd, bytes, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return fail(audit, err);
        }
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

/* Takes `root`; NULL: out of memory. */
static int write_line(const struct rsw_audit *audit, json_t *root, struct rsw_error *err) {
    char *line = root != NULL ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(root);
    if (line == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for an audit line");
    }
    size_t len = strlen(line);
    line[len] = '\n'; /* in place of the NUL: one write, one line, whoever else appends */
    int rc = write_all(audit, line, len + 1, err);
    free(line);
    return rc;
}

int rsw_audit_item(struct rsw_audit *audit, const char *action, uint64_t generation, int64_t now_ms,
                   const struct rsw_sweep_item *item, int errnum, struct rsw_error *err) {
    return write_line(audit, item_to_json(action, generation, now_ms, item, errnum), err);
}

int rsw_audit_version(struct rsw_audit *audit, int64_t now_ms, const struct rsw_old_version *version,
                      struct rsw_error *err) {
    char time[32];
    json_t *key = json_name(version->key);
    json_t *id = json_name(version->id);
    json_t *root = key == NULL || id == NULL
                       ? NULL
                       : json_pack("{s:s, s:i, s:s, s:s, s:s, s:O, s:O, s:I}", "time",
                                   rsw_time_format(now_ms, time, sizeof time), "generation", 0, "action",
                                   "delete", "kind", version->marker ? "marker" : "version", "reason",
                                   rsw_reason_name(RSW_REASON_STALE), "key", key, "version", id, "size",
                                   (json_int_t)version->size);
    json_decref(key);
    json_decref(id);
    return write_line(audit, root, err);
}

int rsw_audit_sync(struct rsw_audit *audit, struct rsw_error *err) {
    if (fdatasync(audit->fd) != 0 && errno != EINVAL &&
        errno != EROFS) { /* a pipe or device cannot be synced */
        return fail(audit, err);
    }
    return 0;
}

void rsw_audit_close(struct rsw_audit *audit) {
    if (audit->fd >= 0) {
        close(audit->fd);
        audit->fd = -1;
    }
}
