#include "gc/old_versions.h"

#include "gc/decide.h"
#include "gc/quarantine.h"
#include "storage/layout.h"
#include "util/clock.h"
#include "util/grow.h"
#include "util/log.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OURS "regsweep" /* what sweeps by copies left, before versions were kept or may be deleted */

struct purging {
    struct rsw_index *index;
    struct rsw_audit *audit;
    const struct rsw_sweep_options *options;
    int64_t before_ms;
    struct rsw_digest *hidden; /* owned, sorted: blobs that lie hidden under their keys, for any generation */
    size_t hidden_count, hidden_room;
    uint64_t *folders; /* owned: numbers of those that are in the quarantine */
    size_t folder_count, folder_room;
    uint64_t kept; /* of keys that show nothing, and should */
    bool failed;   /* the index could not be read */
    bool refused;  /* the audit file could not be written, or the run is to end */
    struct rsw_error err;
};

static int compare(const void *a, const void *b) {
    const struct rsw_digest *one = a;
    const struct rsw_digest *other = b;
    return rsw_digest_compare(one, other);
}

static int add_hidden(void *arg, const char *key, struct rsw_error *err) {
    struct purging *purging = arg;
    struct rsw_path path;
    struct rsw_digest *grown =
        rsw_grown(purging->hidden, &purging->hidden_room, purging->hidden_count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for what is hidden");
    }
    purging->hidden = grown;
    rsw_path_parse(&path, key);
    grown[purging->hidden_count++] = path.digest;
    return 0;
}

static int add_folder(void *arg, uint64_t generation, bool claimed, struct rsw_error *err) {
    struct purging *purging = arg;
    (void)claimed;
    uint64_t *grown =
        rsw_grown(purging->folders, &purging->folder_room, purging->folder_count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for the folders in quarantine");
    }
    purging->folders = grown;
    grown[purging->folder_count++] = generation;
    return 0;
}

/* Of a generation that has not ended, ours or another's: what was deleted there may be missed. */
static bool is_of_open_folder(const struct purging *purging, const char *key) {
    static const char quarantine[] = RSW_QUARANTINE "/";
    if (strncmp(key, quarantine, sizeof quarantine - 1) != 0) {
        return false;
    }
    uint64_t generation = strtoull(key + sizeof quarantine - 1, NULL, 10);
    for (size_t i = 0; i < purging->folder_count; i++) {
        if (purging->folders[i] == generation) {
            return true;
        }
    }
    return false;
}

static bool is_member(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_member member = {.flags = 0};
    return rsw_member_get(txn, kind, repo, blob, &member) == RSW_FAILED ||
           (member.flags & RSW_MEMBER_PRESENT) != 0;
}

static bool is_linked(struct rsw_txn *txn, const struct rsw_blob *blob) {
    return (blob->flags & RSW_BLOB_PRESENT) != 0 ||
           rsw_member_anywhere(txn, RSW_LINK, blob->id, RSW_MEMBER_PRESENT) != RSW_ABSENT ||
           rsw_member_anywhere(txn, RSW_REVISION, blob->id, RSW_MEMBER_PRESENT) != RSW_ABSENT;
}

/* Of history only what the index has of it: a tag that was deleted and pushed again has another one. */
static bool is_known_tag(struct rsw_txn *txn, uint32_t repo, const char *name, const struct rsw_path *path) {
    struct rsw_tag tag;
    struct rsw_history history;
    struct rsw_blob blob;
    bool known = rsw_tag_get(txn, repo, name, &tag) != RSW_ABSENT;
    return known && (path->place == RSW_PLACE_TAG_CURRENT ||
                     (rsw_blob_find(txn, &path->digest, &blob) == RSW_FOUND &&
                      rsw_history_get(txn, repo, name, blob.id, &history) != RSW_ABSENT));
}

/* As far as the index knows, what this key says is there; or nobody knows. */
static bool is_known(struct rsw_txn *txn, const struct rsw_path *path) {
    struct rsw_blob blob = {.id = 0};
    struct rsw_repo repo = {.id = 0};
    char name[RSW_REPO_NAME_MAX + 1];
    char text[RSW_TAG_NAME_MAX + 1];
    bool tags = path->place == RSW_PLACE_TAG_CURRENT || path->place == RSW_PLACE_TAG_HISTORY;
    if (path->repo_len >= sizeof name || path->tag_len >= sizeof text) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)path->repo_len, path->repo_len > 0 ? path->repo : "");
    if (name[0] != 0 && rsw_repo_find(txn, name, &repo) != RSW_FOUND) {
        return false;
    }
    if (tags) {
        snprintf(text, sizeof text, "%.*s", (int)path->tag_len, path->tag);
        return is_known_tag(txn, repo.id, text, path);
    }
    bool data = path->place == RSW_PLACE_BLOB_DATA;
    bool link = path->place == RSW_PLACE_LAYER_LINK;
    bool revision = path->place == RSW_PLACE_REVISION_LINK || path->place == RSW_PLACE_SIGNATURE_LINK;
    if (!(data || link || revision) || rsw_blob_find(txn, &path->digest, &blob) != RSW_FOUND) {
        return false;
    }
    return data ? is_linked(txn, &blob) : is_member(txn, link ? RSW_LINK : RSW_REVISION, repo.id, blob.id);
}

/* Deleted, and needed: by a deletion that came late, or somebody else's mistake. In doubt it stays. */
static bool is_missed(struct purging *purging, const struct rsw_path *path) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, purging->index, &purging->err) != 0) {
        purging->failed = true;
        return true;
    }
    bool known = is_known(txn, path);
    purging->failed |= rsw_txn_failed(txn, &purging->err);
    purging->kept += known ? 1 : 0;
    return known || purging->failed;
}

static bool is_wanted(void *arg, const struct rsw_old_version *version) {
    struct purging *purging = arg;
    struct rsw_path path;
    if (version->since_ms >= purging->before_ms || purging->failed) {
        return false;
    }
    if (strncmp(version->key, OURS "/", strlen(OURS "/")) == 0) {
        return !(version->deleted && is_of_open_folder(purging, version->key));
    }
    rsw_path_parse(&path, version->key);
    bool hidden =
        path.place == RSW_PLACE_BLOB_DATA && purging->hidden_count > 0 &&
        bsearch(&path.digest, purging->hidden, purging->hidden_count, sizeof path.digest, compare) != NULL;
    return !hidden && !(version->deleted && is_missed(purging, &path));
}

static int note(void *arg, const struct rsw_old_version *version, struct rsw_error *err) {
    struct purging *purging = arg;
    int64_t now_ms = rsw_clock_now_ms(purging->options->clock);
    int rc = version == NULL ? rsw_audit_sync(purging->audit, err)
                             : rsw_audit_version(purging->audit, now_ms, version, err);
    purging->refused |= rc != 0;
    return rc;
}

static int go_on(void *arg, struct rsw_error *err) {
    struct purging *purging = arg;
    int rc = rsw_sweep_go_on(purging->options, err);
    purging->refused |= rc != 0;
    return rc;
}

static void tell_failed(const struct purging *purging, const struct rsw_old_versions *old) {
    if (old->failed > 0) {
        rsw_log(purging->options->log, RSW_LOG_WARNING, "%" PRIu64 " old versions could not be deleted",
                old->failed);
    }
}

static void tell_kept(const struct purging *purging) {
    if (purging->kept > 0) {
        rsw_log(purging->options->log, RSW_LOG_WARNING,
                "%" PRIu64 " keys are deleted, but by the index they should be there, so their versions "
                "stay: regsweep verify "
                "says what is missing",
                purging->kept);
    }
}

static int purge_below(struct rsw_old_result *result, const char *prefix, struct purging *purging,
                       struct rsw_storage *storage, struct rsw_error *why) {
    struct rsw_old_versions old = {.prefix = prefix,
                                   .wanted = is_wanted,
                                   .going = purging->audit != NULL ? note : NULL,
                                   .page = go_on,
                                   .arg = purging};
    int rc = rsw_storage_old_versions(storage, &old, why);
    tell_failed(purging, &old);
    result->versions += old.versions;
    result->bytes += old.bytes;
    result->markers += old.markers;
    result->removed += old.removed;
    result->freed += old.removed_bytes;
    result->failed += old.failed + (rc != 0 ? 1 : 0);
    return rc;
}

static int purge(struct rsw_sweep_result *result, struct purging *purging, struct rsw_storage *storage,
                 struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    if (rsw_quarantine_each_hidden(storage, add_hidden, purging, err) != 0 ||
        rsw_quarantine_walk(storage, add_folder, purging, err) != 0) {
        return -1;
    }
    if (purging->hidden_count > 0) {
        qsort(purging->hidden, purging->hidden_count, sizeof *purging->hidden, compare);
    }
    result->old = (struct rsw_old_result){.versions = 0};
    int rc = purge_below(&result->old, RSW_LAYOUT_ROOT, purging, storage, &why);
    rc = rc == 0 ? purge_below(&result->old, OURS, purging, storage, &why) : rc;
    tell_kept(purging);
    if (purging->failed || purging->refused) {
        *err = purging->failed ? purging->err : why;
        return -1;
    }
    if (rc != 0) {
        rsw_log(purging->options->log, RSW_LOG_WARNING, "old versions stay: %s", why.message);
    }
    return 0;
}

int rsw_old_versions_purge(struct rsw_sweep_result *result, struct rsw_index *index,
                           struct rsw_storage *storage, struct rsw_audit *audit,
                           const struct rsw_sweep_options *options, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(options->clock);
    if (options->version_max_age_ms <= 0) {
        return 0;
    }
    struct purging purging = {.index = index,
                              .audit = audit,
                              .options = options,
                              .before_ms = rsw_storage_time_ms(storage, now_ms - options->version_max_age_ms),
                              .err = RSW_ERROR_INIT};
    int rc = purge(result, &purging, storage, err);
    free(purging.hidden);
    free(purging.folders);
    return rc;
}
