/* Packing: a new file in a folder of its own, filled table by table, takes the place of the old one. */
#include "index/dir.h"
#include "index/index.h"
#include "index/kv.h"
#include "index/txn.h"

#include "util/cleanup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COMMIT_BYTES (UINT64_C(64) << 20) /* what LMDB holds in memory until then */

struct pack {
    const char *dir;
    char folder[PATH_MAX]; /* of the new file, until it has the old one's place */
    int lock_fd;           /* alone */
    struct rsw_kv *from, *to;
};

static void leave(struct pack *pack) {
    struct rsw_error ignored = RSW_ERROR_INIT;
    rsw_kv_close(pack->from);
    rsw_kv_close(pack->to);
    if (pack->lock_fd >= 0) {
        rsw_dir_empty(pack->folder, &ignored);
        rmdir(pack->folder);
        close(pack->lock_fd); /* which unlocks */
    }
}
#define AUTO_PACK __attribute__((cleanup(leave))) struct pack

static void end(struct rsw_kv_txn **txn) {
    if (*txn != NULL) {
        rsw_kv_abort(*txn);
    }
}
#define AUTO_KV_TXN __attribute__((cleanup(end))) struct rsw_kv_txn *

static void close_cursor(struct rsw_kv_cursor **cursor) {
    if (*cursor != NULL) {
        rsw_kv_cursor_close(*cursor);
    }
}
#define AUTO_CURSOR __attribute__((cleanup(close_cursor))) struct rsw_kv_cursor *

static int open_both(struct pack *pack, uint64_t map_limit, struct rsw_error *err) {
    uint64_t size;
    if (rsw_dir_inspect(&size, pack->dir, err) != RSW_FOUND || rsw_dir_make(pack->folder, err) != 0 ||
        rsw_dir_empty(pack->folder, err) != 0) { /* of one that was killed */
        return -1;
    }
    struct rsw_kv_options options = {
        .map_limit = map_limit, .file_size = size, .tables = rsw_table_names, .table_count = RSW_TABLE_COUNT};
    if (rsw_kv_open(&pack->to, pack->folder, &options, err) != 0 ||
        rsw_kv_open_tables(pack->to, RSW_TABLE_COUNT, true, err) != RSW_FOUND) {
        return -1;
    }
    options.read_only = true;
    if (rsw_kv_open(&pack->from, pack->dir, &options, err) != 0) {
        return -1;
    }
    return rsw_kv_open_tables(pack->from, RSW_TABLE_COUNT, false, err) == RSW_FOUND ? 0 : -1;
}

static int commit(struct rsw_kv_txn **txn, struct rsw_error *err) {
    struct rsw_kv_txn *ending = *txn;
    *txn = NULL;
    return rsw_kv_commit(ending, err);
}

/* In the order of its keys, so that neighbours lie in pages that are neighbours. */
static int copy_table(struct pack *pack, struct rsw_kv_txn *from, struct rsw_kv_txn **to, int table,
                      struct rsw_error *err) {
    AUTO_CURSOR cursor = NULL;
    struct rsw_span key;
    struct rsw_span value;
    if (rsw_kv_cursor_open(&cursor, from, table, err) != 0) {
        return -1;
    }
    int answer = rsw_kv_seek(cursor, (struct rsw_span){.len = 0}, &key, &value, err);
    while (answer == RSW_FOUND) {
        if (rsw_kv_append(*to, table, key, value, err) == RSW_FAILED) {
            return -1;
        }
        if (rsw_kv_dirty(*to) > COMMIT_BYTES &&
            (commit(to, err) != 0 || rsw_kv_begin(to, pack->to, true, err) != 0)) {
            return -1;
        }
        answer = rsw_kv_next(cursor, &key, &value, err);
    }
    return answer == RSW_ABSENT ? 0 : -1;
}

/* A walk through a damaged table can end too early. */
static int same_count(struct rsw_kv_txn *from, struct rsw_kv_txn *to, const char *dir,
                      struct rsw_error *err) {
    for (int table = 0; table < RSW_TABLE_COUNT; table++) {
        struct rsw_kv_stat old;
        struct rsw_kv_stat new;
        if (rsw_kv_stat(from, table, &old, err) != 0 || rsw_kv_stat(to, table, &new, err) != 0) {
            return -1;
        }
        if (old.entries != new.entries) {
            return rsw_error_set(err, RSW_ECORRUPT, 0, "%s: table %s has lost entries: %s", dir,
                                 rsw_table_names[table], RSW_DAMAGED);
        }
    }
    return 0;
}

static int copy(struct pack *pack, struct rsw_error *err) {
    AUTO_KV_TXN from = NULL;
    AUTO_KV_TXN to = NULL;
    if (rsw_kv_begin(&from, pack->from, false, err) != 0 || rsw_kv_begin(&to, pack->to, true, err) != 0) {
        return -1;
    }
    for (int table = 0; table < RSW_TABLE_COUNT; table++) {
        if (copy_table(pack, from, &to, table, err) != 0) {
            return -1;
        }
    }
    return same_count(from, to, pack->dir, err) != 0 ? -1 : commit(&to, err);
}

static int take_place(const struct pack *pack, struct rsw_error *err) {
    char old[PATH_MAX + sizeof "/data.mdb"];
    char new[PATH_MAX + sizeof "/data.mdb"];
    snprintf(old, sizeof old, "%s/data.mdb", pack->dir);
    snprintf(new, sizeof new, "%s/data.mdb", pack->folder);
    if (rename(new, old) != 0) {
        int errnum = errno;
        return rsw_error_set(err, RSW_EIO, errnum, "%s: cannot take the place of %s: %s", new, old,
                             strerror(errnum));
    }
    rsw_dir_give(pack->dir, "data.mdb");
    return rsw_dir_sync(pack->dir, err);
}

int rsw_index_pack(const char *dir, uint64_t map_limit, struct rsw_error *err) {
    struct rsw_error busy = RSW_ERROR_INIT;
    AUTO_PACK pack = {.dir = dir, .lock_fd = -1};
    int len = snprintf(pack.folder, sizeof pack.folder, "%s/pack", dir);
    if (len < 0 || (size_t)len >= sizeof pack.folder) {
        return rsw_error_set(err, RSW_EINVAL, ENAMETOOLONG, "%s: too long", dir);
    }
    struct stat stat; /* what lies in a folder elsewhere is not ours to remove */
    if (lstat(pack.folder, &stat) == 0 && !S_ISDIR(stat.st_mode)) {
        return rsw_error_set(err, RSW_EREFUSED, ENOTDIR, "%s: no folder of ours; remove it", pack.folder);
    }
    if (rsw_dir_lock(&pack.lock_fd, dir, false, true, &busy) != 0) {
        return busy.code == RSW_EBUSY ? RSW_ABSENT
                                      : rsw_error_set(err, busy.code, busy.errnum, "%s", busy.message);
    }
    if (open_both(&pack, map_limit, err) != 0 || copy(&pack, err) != 0) {
        return RSW_FAILED;
    }
    rsw_kv_close(pack.from);
    rsw_kv_close(pack.to);
    pack.from = pack.to = NULL;
    return take_place(&pack, err) == 0 ? RSW_FOUND : RSW_FAILED;
}
