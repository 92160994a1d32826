#include "gc/uploads.h"

#include "gc/quarantine.h"
#include "scan/reconcile.h"
#include "storage/layout.h"
#include "util/clock.h"
#include "util/grow.h"
#include "util/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct known {
    struct rsw_upload upload;
    struct rsw_repo repo;
};

static int gather(struct rsw_index *index, struct known **out, size_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_upload upload;
    size_t room = 0;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    rsw_iter_uploads(&iter, txn, 0);
    while (rsw_upload_next(&iter, &upload) == RSW_FOUND) {
        struct known *more = rsw_grown(*out, &room, *count + 1, sizeof *more);
        if (more == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for uploads");
        }
        *out = more;
        more[*count].upload = upload;
        if (rsw_repo_get(txn, upload.repo, &more[*count].repo) == RSW_FOUND) {
            ++*count;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_uploads_forget_ended(struct rsw_index *index, struct rsw_storage *storage, struct rsw_error *err) {
    struct known *known = NULL;
    size_t count = 0;
    int rc = gather(index, &known, &count, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = rsw_settle_upload(index, storage, &known[i].repo, known[i].upload.id, known[i].upload.seq, err);
    }
    free(known);
    return rc;
}

/* ---- in parts ---- */

struct calling {
    struct rsw_audit *audit;
    const struct rsw_sweep_options *options;
    int64_t before_ms;
    int rc;
    struct rsw_error *err;
};

static int note(struct calling *calling, const struct rsw_path *path) {
    char repo[RSW_REPO_NAME_MAX + 1];
    char id[RSW_UPLOAD_ID_MAX + 1];
    if (path->repo_len > RSW_REPO_NAME_MAX || path->upload_len > RSW_UPLOAD_ID_MAX) {
        return 0;
    }
    memcpy(repo, path->repo, path->repo_len);
    repo[path->repo_len] = 0;
    memcpy(id, path->upload, path->upload_len);
    id[path->upload_len] = 0;
    const struct rsw_sweep_item item = {
        .kind = RSW_ITEM_UPLOAD, .reason = RSW_REASON_STALE, .repo = repo, .name = id};
    return rsw_audit_item(calling->audit, "delete", 0, rsw_clock_now_ms(calling->options->clock), &item, 0,
                          calling->err) == 0
               ? rsw_audit_sync(calling->audit, calling->err)
               : -1;
}

static bool is_old(void *arg, const char *key, int64_t begun_ms) {
    struct calling *calling = arg;
    struct rsw_path path;
    rsw_path_parse(&path, key);
    bool copied = path.place == RSW_PLACE_BLOB_DATA || /* by the registry from an upload, or by us */
                  strncmp(key, RSW_QUARANTINE "/", strlen(RSW_QUARANTINE "/")) == 0;
    if (begun_ms >= calling->before_ms || calling->rc != 0 || !(copied || path.place == RSW_PLACE_UPLOAD)) {
        return false;
    }
    calling->rc = copied ? 0 : note(calling, &path);
    return calling->rc == 0;
}

int rsw_uploads_call_off(struct rsw_storage *storage, int64_t before_ms, struct rsw_audit *audit,
                         const struct rsw_sweep_options *options, struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    struct calling calling = {
        .audit = audit, .options = options, .before_ms = rsw_storage_time_ms(storage, before_ms), .err = err};
    struct rsw_unfinished unfinished = {.prefix = "", .wanted = is_old, .arg = &calling};
    if (rsw_storage_call_off(storage, &unfinished, &why) != 0) {
        rsw_log(options->log, RSW_LOG_WARNING, "what unfinished uploads hold stays: %s", why.message);
    }
    if (unfinished.called_off > 0) {
        rsw_log(options->log, RSW_LOG_INFO,
                "%" PRIu64 " uploads in parts that nobody finished are called off", unfinished.called_off);
    }
    if (unfinished.failed > 0) {
        rsw_log(options->log, RSW_LOG_WARNING, "%" PRIu64 " uploads in parts could not be called off",
                unfinished.failed);
    }
    return calling.rc;
}
