#include "storage/storage.h"

#include "storage/backend.h"

#include "util/cleanup.h"
#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define S3_SCHEME "s3://"
#define FILE_SCHEME "file://"

bool rsw_storage_key_valid(const char *key, bool root) {
    if (key == NULL) {
        return false;
    }
    if (key[0] == 0) {
        return root;
    }
    for (;;) {
        size_t len = strcspn(key, "/");
        if (len == 0 || (len == 1 && key[0] == '.') || (len == 2 && key[0] == '.' && key[1] == '.')) {
            return false;
        }
        if (key[len] == 0) {
            return true;
        }
        key += len + 1;
    }
}

enum rsw_code rsw_storage_code(int errnum) {
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS:
        return RSW_EACCESS;
    case ENOSPC:
    case EDQUOT:
        return RSW_EFULL;
    case ENOMEM:
        return RSW_ENOMEM;
    case EINVAL:
        return RSW_EINVAL;
    default:
        return RSW_EIO;
    }
}

const char *rsw_storage_reason(int errnum) {
    switch (errnum) {
    case RSW_EARCHIVED:
        return "the store keeps it in an archive: it must be restored there before it can be read";
    case RSW_ENOMD5:
        return "the store wants an MD5 of what it is asked to delete, and takes no SHA-256 instead; "
               "libcrypto does not compute one here (FIPS mode?)";
    default:
        return strerror(errnum);
    }
}

int rsw_storage_fail(struct rsw_error *err, int errnum, const char *verb, const char *key) {
    return rsw_error_set(err, rsw_storage_code(errnum), errnum, "cannot %s '%s': %s", verb, key,
                         rsw_storage_reason(errnum));
}

static int bad_key(const char *key, struct rsw_error *err) {
    return rsw_error_set(err, RSW_EINVAL, EINVAL, "'%s' is not a storage key", key == NULL ? "(null)" : key);
}

int rsw_storage_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err) {
    if (!rsw_storage_key_valid(listing->prefix, true)) {
        return bad_key(listing->prefix, err);
    }
    return storage->ops->list(storage, listing, err);
}

/* The calls below hand the backend runs of good keys, so that it never sees a bad one. Looks and reads not
 * too many of them at once, for it needs memory for each. */
#define AT_ONCE 4096

/* Both kinds of look: `call` is the backend's. */
static void look_runs(struct rsw_storage *storage, struct rsw_look *looks, size_t count,
                      void (*call)(struct rsw_storage *, struct rsw_look *, size_t)) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        looks[i] = (struct rsw_look){.key = looks[i].key, .answer = RSW_FAILED, .errnum = EINVAL};
        if (!rsw_storage_key_valid(looks[i].key, false)) {
            call(storage, looks + run, i - run);
            run = i + 1;
        } else if (i - run == AT_ONCE) {
            call(storage, looks + run, i - run);
            run = i;
        }
    }
    call(storage, looks + run, count - run);
}

void rsw_storage_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    look_runs(storage, looks, count, storage->ops->look);
}

void rsw_storage_look_listed(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    bool lists = storage->ops->look_listed != NULL;
    look_runs(storage, looks, count, lists ? storage->ops->look_listed : storage->ops->look);
}

void rsw_storage_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        reads[i].answer = RSW_FAILED;
        reads[i].errnum = EINVAL;
        reads[i].mtime_ms = 0;
        rsw_buf_clear(&reads[i].content);
        /* One byte more than asked for tells a longer file. */
        reads[i].content.max = reads[i].max < SIZE_MAX ? reads[i].max + 1 : SIZE_MAX;
        if (!rsw_storage_key_valid(reads[i].key, false)) {
            storage->ops->read(storage, reads + run, i - run);
            run = i + 1;
        } else if (i - run == AT_ONCE) {
            storage->ops->read(storage, reads + run, i - run);
            run = i;
        }
    }
    storage->ops->read(storage, reads + run, count - run);
}

/* Both kinds of removal: `call` is the backend's. */
static void remove_runs(struct rsw_storage *storage, struct rsw_removal *removals, size_t count,
                        void (*call)(struct rsw_storage *, struct rsw_removal *, size_t)) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        removals[i].answer = RSW_FAILED;
        removals[i].errnum = EINVAL;
        removals[i].late = false;
        if (!rsw_storage_key_valid(removals[i].key, false)) {
            call(storage, removals + run, i - run);
            run = i + 1;
        }
    }
    call(storage, removals + run, count - run);
}

void rsw_storage_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    remove_runs(storage, removals, count, storage->ops->remove);
}

void rsw_storage_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    remove_runs(storage, removals, count, storage->ops->rmdir);
}

/* Moves and copies: `call` is the backend's. */
static void move_runs(struct rsw_storage *storage, struct rsw_move *moves, size_t count,
                      void (*call)(struct rsw_storage *, struct rsw_move *, size_t)) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        moves[i].answer = RSW_FAILED;
        moves[i].errnum = EINVAL;
        if (!rsw_storage_key_valid(moves[i].from, false) || !rsw_storage_key_valid(moves[i].to, false)) {
            call(storage, moves + run, i - run);
            run = i + 1;
        }
    }
    call(storage, moves + run, count - run);
}

void rsw_storage_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    move_runs(storage, moves, count, storage->ops->move);
}

void rsw_storage_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    move_runs(storage, copies, count, storage->ops->copy);
}

void rsw_storage_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        writes[i].answer = RSW_FAILED;
        writes[i].errnum = EINVAL;
        if (!rsw_storage_key_valid(writes[i].key, false)) {
            storage->ops->write(storage, writes + run, i - run);
            run = i + 1;
        }
    }
    storage->ops->write(storage, writes + run, count - run);
}

/* All that hides and brings back: `call` is the backend's. */
static void hiding_runs(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count,
                        void (*call)(struct rsw_storage *, struct rsw_hiding *, size_t)) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        bool valid =
            rsw_storage_key_valid(hidings[i].key, false) && rsw_storage_key_valid(hidings[i].record, false);
        hidings[i] = (struct rsw_hiding){.key = hidings[i].key,
                                         .record = hidings[i].record,
                                         .answer = RSW_FAILED,
                                         .errnum = valid ? ENOTSUP : EINVAL};
        if (!valid && call != NULL) {
            call(storage, hidings + run, i - run);
            run = i + 1;
        }
    }
    if (call != NULL) {
        call(storage, hidings + run, count - run);
    }
}

void rsw_storage_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hiding_runs(storage, hidings, count, storage->ops->note);
}

void rsw_storage_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hiding_runs(storage, hidings, count, storage->ops->hide);
}

void rsw_storage_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hiding_runs(storage, hidings, count, storage->ops->show);
}

void rsw_storage_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hiding_runs(storage, hidings, count, storage->ops->drop);
}

void rsw_storage_survey(struct rsw_storage *storage, struct rsw_survey *surveys, size_t count) {
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        bool valid = rsw_storage_key_valid(surveys[i].dir, true);
        surveys[i] = (struct rsw_survey){
            .dir = surveys[i].dir, .answer = valid ? RSW_ABSENT : RSW_FAILED, .errnum = valid ? 0 : EINVAL};
        if (!valid && storage->ops->survey != NULL) {
            storage->ops->survey(storage, surveys + run, i - run);
            run = i + 1;
        }
    }
    if (storage->ops->survey != NULL) {
        storage->ops->survey(storage, surveys + run, count - run);
    }
}

int rsw_storage_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err) {
    if (!rsw_storage_key_valid(dir, true)) {
        return bad_key(dir, err);
    }
    return storage->ops->prune(storage, dir, err);
}

static bool is_bucket(const char *name, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL) {
            return false;
        }
    }
    return len >= 3 && len <= 63;
}

static int check_bucket(const char *url, struct rsw_error *err) {
    const char *bucket = url + strlen(S3_SCHEME);
    size_t len = strcspn(bucket, "/");
    if (len == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "storage '%s': write s3://bucket or s3://bucket/path", url);
    }
    return is_bucket(bucket, len)
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0,
                               "storage '%s': \"%.*s\" is no name of a bucket, which has 3 to 63 letters, "
                               "digits, '.', '-' and '_'; write s3://bucket or s3://bucket/path",
                               url, (int)(len < 100 ? len : 100), bucket);
}

int rsw_storage_check_url(const char *url, struct rsw_error *err) {
    if (strncmp(url, S3_SCHEME, strlen(S3_SCHEME)) == 0) {
        return check_bucket(url, err);
    }
    if (strncmp(url, FILE_SCHEME, strlen(FILE_SCHEME)) == 0) {
        return url[strlen(FILE_SCHEME)] == '/'
                   ? 0
                   : rsw_error_set(err, RSW_EINVAL, 0, "storage '%s': write file:///absolute/path", url);
    }
    return url[0] == '/'
               ? 0
               : rsw_error_set(
                     err, RSW_EINVAL, 0,
                     "storage '%s': write file:///absolute/path, an absolute path or s3://bucket/path", url);
}

static int open_file_url(struct rsw_storage **out, const char *url, struct rsw_error *err) {
    RSW_AUTO_FREE char *path = strdup(url + strlen(FILE_SCHEME));
    if (path == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    if (!rsw_text_unescape(path)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "storage '%s': a %% must be written as %%25", url);
    }
    return rsw_storage_open_fs(out, path, err);
}

int rsw_storage_open(struct rsw_storage **out, const char *url, struct rsw_error *err) {
    *out = NULL;
    struct rsw_storage *storage = NULL;
    if (rsw_storage_check_url(url, err) != 0) {
        return -1;
    }
    if (strncmp(url, S3_SCHEME, strlen(S3_SCHEME)) == 0) {
        return rsw_storage_open_s3(out, url, NULL, err);
    }
    int rc = url[0] == '/' ? rsw_storage_open_fs(&storage, url, err) : open_file_url(&storage, url, err);
    if (rc != 0 || storage == NULL) {
        return -1;
    }
    char *copy = strdup(url);
    if (copy == NULL) {
        rsw_storage_close(storage);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    free(storage->url);
    storage->url = copy;
    *out = storage;
    return 0;
}

int rsw_storage_call_off(struct rsw_storage *storage, struct rsw_unfinished *unfinished,
                         struct rsw_error *err) {
    unfinished->called_off = unfinished->failed = 0;
    if (!rsw_storage_key_valid(unfinished->prefix, true)) {
        return bad_key(unfinished->prefix, err);
    }
    return storage->ops->call_off == NULL ? 0 : storage->ops->call_off(storage, unfinished, err);
}

int rsw_storage_old_versions(struct rsw_storage *storage, struct rsw_old_versions *old,
                             struct rsw_error *err) {
    old->versions = old->bytes = old->markers = old->removed = old->removed_bytes = old->failed = 0;
    old->cut = false;
    if (!rsw_storage_key_valid(old->prefix, true)) {
        return bad_key(old->prefix, err);
    }
    return storage->ops->old_versions == NULL ? 0 : storage->ops->old_versions(storage, old, err);
}

int rsw_storage_still_versions(struct rsw_storage *storage, struct rsw_error *err) {
    return storage->ops->still_versions == NULL ? 0 : storage->ops->still_versions(storage, err);
}

void rsw_storage_habits(struct rsw_storage *storage, struct rsw_store_habits *habits) {
    habits->versions = habits->lock = habits->rules = RSW_ABSENT;
    if (storage->ops->habits != NULL) {
        storage->ops->habits(storage, habits);
    }
}

void rsw_storage_rights(struct rsw_storage *storage, struct rsw_rights *rights) {
    if (storage->ops->rights != NULL) {
        storage->ops->rights(storage, rights);
    }
}

int64_t rsw_storage_time_ms(const struct rsw_storage *storage, int64_t now_ms) {
    return storage->ops->ahead_ms == NULL ? now_ms : now_ms + storage->ops->ahead_ms(storage);
}

void rsw_storage_asked(const struct rsw_storage *storage, struct rsw_storage_requests *out) {
    *out = (struct rsw_storage_requests){.lists = 0};
    if (storage->ops->requests != NULL) {
        storage->ops->requests(storage, out);
    }
}

void rsw_storage_close(struct rsw_storage *storage) {
    if (storage != NULL) {
        char *url = storage->url;
        storage->ops->free(storage);
        free(url);
    }
}

const char *rsw_storage_url(const struct rsw_storage *storage) {
    return storage->url;
}

/* `file:///srv/my%20registry/` and `/srv/my registry` are the same place. */
static void normalize(char out[512], const char *url) {
    bool escaped = strncmp(url, "file://", 7) == 0;
    strncpy(out, escaped ? url + 7 : url, 511);
    out[511] = 0;
    if (escaped) {
        (void)!rsw_text_unescape(out); /* what cannot be unescaped is no place */
    }
    for (size_t len = strlen(out); len > 1 && out[len - 1] == '/'; len--) {
        out[len - 1] = 0;
    }
}

bool rsw_storage_is_same(const char *one, const char *other) {
    char place[512];
    char another[512];
    normalize(place, one);
    normalize(another, other);
    return strcmp(place, another) == 0;
}
