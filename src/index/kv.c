/* See kv.h. The one file that includes lmdb.h; what LMDB does on its own is told from its source, 0.9.24. */
#include "index/kv.h"

#include "index/dir.h"
#include "index/leaf.h"
#include "index/map.h"
#include "index/schema.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define MAP_MIN (256 * MIB)  /* of a growing map, at first */
#define ROOM_MIN (64 * MIB)  /* a write transaction finds at least this much free, or a quarter of the map */
#define ROOM_LEAST (8 * MIB) /* with less than this it waits for the map to grow, however long */
#define GROW_WAIT_S 2
#define READERS_MAX 512
#define CHECK_READERS_EVERY 64 /* write transactions */

struct rsw_kv {
    MDB_env *env;
    char *dir;
    /* Every transaction of this process holds `lock` shared, growing the map takes it alone: LMDB moves the
     * map, so no pointer into it may be alive. `writer` keeps threads that wait for their turn to write from
     * holding `lock` meanwhile. */
    pthread_rwlock_t lock;
    pthread_mutex_t writer;
    bool read_only;
    bool no_lock;
    bool broken;         /* the map is lost; under `lock` */
    bool full;           /* a transaction ran into the end of the map: grow, whatever; under `writer` */
    unsigned begun;      /* write transactions; under `writer` */
    uint64_t limit;      /* of the map; 0: none */
    uint64_t lengthened; /* map size that the file was made as long as; under `writer` */
    atomic_bool unknown; /* where the map lies must be found out */
    atomic_bool absurd;  /* LMDB has found a contradiction, and ends the process */
    struct rsw_map map;
    struct rsw_map code; /* of LMDB itself */
    unsigned page;
    size_t table_count;
    const char *const *names;
    MDB_dbi main;
    MDB_dbi tables[RSW_TABLE_COUNT];
};

struct rsw_kv_txn {
    struct rsw_kv *kv;
    MDB_txn *mdb;
    bool write;
    uint64_t dirty;
    uint64_t writes[RSW_TABLE_COUNT];
    MDB_cursor
        *cursors[RSW_TABLE_COUNT]; /* one a table: neighbours are found without a search from the root */
    struct rsw_leaf leaves[RSW_TABLE_COUNT]; /* while reading, where these have led to */
};

struct rsw_kv_cursor {
    struct rsw_kv_txn *txn;
    int table;
    MDB_cursor *mdb; /* stands in the same page, not always at the same entry */
    struct rsw_leaf leaf;
};

/* ---- errors ---- */

static int fail(const struct rsw_kv *kv, struct rsw_error *err, int rc, const char *doing) {
    switch (rc) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_BAD_TXN: /* an earlier call met one of the others */
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
        return rsw_error_set(err, RSW_ECORRUPT, 0, "%s: %s (%s)", kv->dir, RSW_DAMAGED, mdb_strerror(rc));
    case MDB_PANIC:
        /* The file is whole; LMDB refuses this handle since a write of the meta page failed. */
        return rsw_error_set(err, RSW_EIO, 0,
                             "%s: an earlier write to the index failed, and it must be opened anew: start "
                             "regsweep again",
                             kv->dir);
    case MDB_INVALID:
        return rsw_error_set(err, RSW_ESCHEMA, 0, "%s: " RSW_NO_INDEX, kv->dir);
    case MDB_VERSION_MISMATCH:
        return rsw_error_set(err, RSW_ESCHEMA, 0, "%s: data.mdb is of another version of LMDB", kv->dir);
    case MDB_MAP_FULL:
        return rsw_error_set(
            err, RSW_EFULL, 0,
            "%s: the index has reached its limit of %llu MiB; raise the limit of its map size, or give none",
            kv->dir, (unsigned long long)(rsw_kv_map_size(kv) / MIB));
    case MDB_TXN_FULL:
        return rsw_error_set(err, RSW_EFULL, 0, "%s: too much in one transaction", kv->dir);
    case MDB_READERS_FULL:
        return rsw_error_set(err, RSW_EBUSY, 0, "%s: more than %d readers at once", kv->dir, READERS_MAX);
    case ENOMEM:
        return rsw_error_set(err, RSW_ENOMEM, rc, "%s: out of memory (%s)", kv->dir, doing);
    case EACCES:
    case EPERM:
        return rsw_error_set(err, RSW_EACCESS, rc,
                             "%s: cannot %s: %s; run regsweep as the user whose index it is", kv->dir, doing,
                             strerror(rc));
    case EROFS:
        return rsw_error_set(err, RSW_EACCESS, rc, "%s: cannot %s: %s", kv->dir, doing, strerror(rc));
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return rsw_error_set(err, RSW_EFULL, rc,
                             "%s: no room on disk for the index (%s): free some and try again; nothing of "
                             "what was being written is in the index",
                             kv->dir, strerror(rc));
    default:
        return rsw_error_set(err, RSW_EIO, rc > 0 ? rc : 0, "%s: cannot %s: %s", kv->dir, doing,
                             mdb_strerror(rc));
    }
}

/* LMDB aborts the process after this returns: it has met what it takes for impossible, which is what a
 * damaged file looks like to it. All that is left to do is to say so. */
static void on_assert(MDB_env *env, const char *message) {
    struct rsw_kv *kv = mdb_env_get_userctx(env);
    atomic_store(&kv->absurd, true);
    char line[1024];
    int len =
        snprintf(line, sizeof line, "regsweep: error: %s: %s (LMDB: %s)\n", kv->dir, RSW_DAMAGED, message);
    if (len > 0) {
        size_t size = (size_t)len < sizeof line ? (size_t)len : sizeof line - 1;
        ssize_t written = write(STDERR_FILENO, line, size);
        (void)written; /* there is nobody left to tell */
    }
}

/* ---- environment ---- */

static uint64_t first_map_size(const struct rsw_kv_options *options) {
    uint64_t size = MAP_MIN;
    while (size < options->file_size * 4 && size < UINT64_MAX / 2) {
        size *= 2;
    }
    return options->map_limit != 0 && size > options->map_limit ? options->map_limit : size;
}

static int init_locks(struct rsw_kv *kv) {
    pthread_rwlockattr_t shared;
    pthread_mutexattr_t alone;
    int rc = pthread_rwlockattr_init(&shared);
    if (rc == 0) {
        pthread_rwlockattr_setkind_np(&shared, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        rc = pthread_rwlock_init(&kv->lock, &shared);
        pthread_rwlockattr_destroy(&shared);
    }
    if (rc == 0 && (rc = pthread_mutexattr_init(&alone)) == 0) {
        pthread_mutexattr_settype(&alone, PTHREAD_MUTEX_ERRORCHECK);
        rc = pthread_mutex_init(&kv->writer, &alone);
        pthread_mutexattr_destroy(&alone);
    }
    return rc;
}

static int open_env(struct rsw_kv *kv, const struct rsw_kv_options *options) {
    int rc = mdb_env_create(&kv->env);
    if (rc != 0) {
        return rc;
    }
    unsigned flags = MDB_NOTLS;
    flags |= options->read_only ? MDB_RDONLY : 0;
    flags |= options->no_lock ? MDB_NOLOCK : 0;
    mdb_env_set_userctx(kv->env, kv);
    mdb_env_set_assert(kv->env, on_assert);
    if ((rc = mdb_env_set_maxreaders(kv->env, READERS_MAX)) != 0 ||
        (rc = mdb_env_set_maxdbs(kv->env, RSW_TABLE_COUNT)) != 0 ||
        (rc = mdb_env_set_mapsize(kv->env, (size_t)first_map_size(options))) != 0 ||
        (rc = mdb_env_open(kv->env, kv->dir, flags, 0660)) != 0) {
        return rc;
    }
    rsw_dir_give(kv->dir, "data.mdb");
    rsw_dir_give(kv->dir, "lock.mdb");
    MDB_stat stat;
    rc = mdb_env_stat(kv->env, &stat);
    kv->page = stat.ms_psize;
    rsw_map_locate(&kv->code, (const void *)(uintptr_t)&mdb_cursor_get, 0);
    return rc;
}

int rsw_kv_open(struct rsw_kv **out, const char *dir, const struct rsw_kv_options *options,
                struct rsw_error *err) {
    if (rsw_dir_own(dir, err) != 0) {
        return -1;
    }
    struct rsw_kv *kv = calloc(1, sizeof *kv);
    if (kv == NULL || (kv->dir = strdup(dir)) == NULL || init_locks(kv) != 0) {
        free(kv != NULL ? kv->dir : NULL);
        free(kv);
        return rsw_error_set(err, RSW_ENOMEM, ENOMEM, "%s: out of memory", dir);
    }
    kv->read_only = options->read_only;
    kv->no_lock = options->no_lock;
    kv->limit = options->map_limit;
    kv->names = options->tables;
    kv->table_count = options->table_count;
    atomic_init(&kv->unknown, true);
    int rc = open_env(kv, options);
    if (rc != 0) {
        fail(kv, err, rc, "open the index");
        rsw_kv_close(kv);
        return -1;
    }
    if (!kv->no_lock) {
        mdb_reader_check(kv->env, NULL);
    }
    *out = kv;
    return 0;
}

void rsw_kv_close(struct rsw_kv *kv) {
    if (kv == NULL) {
        return;
    }
    mdb_env_close(kv->env);
    pthread_mutex_destroy(&kv->writer);
    pthread_rwlock_destroy(&kv->lock);
    free(kv->dir);
    free(kv);
}

/* At the beginning of a write transaction. */
static void lengthen(struct rsw_kv *kv) {
    uint64_t size = rsw_kv_map_size(kv);
    int fd;
    if (size != kv->lengthened && mdb_env_get_fd(kv->env, &fd) == 0) {
        rsw_dir_lengthen(fd, size);
        kv->lengthened = size;
    }
}

int rsw_kv_open_tables(struct rsw_kv *kv, size_t count, bool create, struct rsw_error *err) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(kv->env, NULL, create ? 0 : MDB_RDONLY, &txn);
    if (rc != 0) {
        return fail(kv, err, rc, "open the tables of the index");
    }
    if (create) {
        lengthen(kv);
    }
    rc = mdb_dbi_open(txn, NULL, 0, &kv->main);
    for (size_t i = 0; i < count && i < kv->table_count && rc == 0; i++) {
        rc = mdb_dbi_open(txn, kv->names[i], create ? MDB_CREATE : 0, &kv->tables[i]);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc == MDB_NOTFOUND ? RSW_ABSENT : fail(kv, err, rc, "open the tables of the index");
    }
    rc = mdb_txn_commit(txn); /* of a read transaction too: else the handles are closed again */
    return rc == 0 ? RSW_FOUND : fail(kv, err, rc, "make the tables of the index");
}

/* In a transaction, as whoever opens the tables next: mdb_env_stat sees a commit of another process a moment
 * earlier than transactions do. */
int rsw_kv_has_content(struct rsw_kv *kv, struct rsw_error *err) {
    MDB_txn *txn;
    MDB_dbi main;
    MDB_stat stat = {0};
    int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0) {
        rc = mdb_dbi_open(txn, NULL, 0, &main);
        rc = rc == 0 ? mdb_stat(txn, main, &stat) : rc;
        mdb_txn_abort(txn);
    }
    if (rc != 0) {
        return fail(kv, err, rc, "look at the index");
    }
    return stat.ms_entries != 0 ? RSW_FOUND : RSW_ABSENT;
}

bool rsw_kv_absurd(const struct rsw_kv *kv) {
    return atomic_load(&kv->absurd);
}

bool rsw_kv_maps(const struct rsw_kv *kv, const void *address) {
    return rsw_map_reaches(&kv->map, address) || rsw_map_has(&kv->code, address);
}

bool rsw_kv_one_page(const struct rsw_kv_txn *txn, const uint8_t *one, const uint8_t *other) {
    uintptr_t page = txn->kv->page < 4096 ? txn->kv->page : 4096; /* no map begins within one of that size */
    return (uintptr_t)one / page == (uintptr_t)other / page;
}

uint64_t rsw_kv_map_size(const struct rsw_kv *kv) {
    MDB_envinfo info;
    return mdb_env_info(kv->env, &info) == 0 ? info.me_mapsize : 0;
}

/* ---- the map ---- */

/* Needs a transaction that has not written: then the first key of the main table lies in the map. */
static void find_map(struct rsw_kv *kv, MDB_txn *txn) {
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    if (!atomic_exchange(&kv->unknown, false) || mdb_cursor_open(txn, kv->main, &cursor) != 0) {
        return;
    }
    if (mdb_cursor_get(cursor, &key, &value, MDB_FIRST) == 0) {
        rsw_map_locate(&kv->map, key.mv_data, rsw_kv_map_size(kv));
    }
    mdb_cursor_close(cursor);
}

static uint64_t map_used(struct rsw_kv *kv) {
    MDB_envinfo info;
    return mdb_env_info(kv->env, &info) == 0 ? ((uint64_t)info.me_last_pgno + 1) * kv->page : 0;
}

/* Sets another size; 0: the one that another process has given the file. The caller holds `lock` alone. */
static int set_map_size(struct rsw_kv *kv, uint64_t size) {
    rsw_map_forget(&kv->map);
    atomic_store(&kv->unknown, true);
    int rc = mdb_env_set_mapsize(kv->env, (size_t)size);
    if (rc != 0) {
        kv->broken = true; /* LMDB has let go of the old map already */
    }
    return rc;
}

static uint64_t map_free(struct rsw_kv *kv) {
    uint64_t size = rsw_kv_map_size(kv);
    uint64_t used = map_used(kv);
    return used < size ? size - used : 0;
}

/* Free pages inside the file are not counted as room: the map is only address space, and costs nothing. */
static bool wants_growth(struct rsw_kv *kv) {
    uint64_t size = rsw_kv_map_size(kv);
    if (kv->limit != 0 && size >= kv->limit) {
        return false;
    }
    uint64_t room = size / 4 > ROOM_MIN ? size / 4 : ROOM_MIN;
    return kv->full || map_free(kv) < room;
}

/* A thread that reads for long should not keep others from writing while there is room: then the wait is
 * short, and the next write transaction tries again. */
static void grow(struct rsw_kv *kv) {
    if (!kv->full && map_free(kv) >= ROOM_LEAST) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += GROW_WAIT_S;
        if (pthread_rwlock_timedwrlock(&kv->lock, &until) != 0) {
            return;
        }
    } else {
        pthread_rwlock_wrlock(&kv->lock);
    }
    uint64_t size = rsw_kv_map_size(kv) * 2;
    if (kv->limit != 0 && size > kv->limit) {
        size = kv->limit;
    }
    int fd;
    /* Tried beforehand, because LMDB cannot go back to the old size. Where it is refused the index is full
     * when it is full. */
    if (size <= SIZE_MAX && mdb_env_get_fd(kv->env, &fd) == 0 && rsw_map_possible(fd, size)) {
        set_map_size(kv, size);
    }
    kv->full = false;
    pthread_rwlock_unlock(&kv->lock);
}

/* ---- transactions ---- */

static int begin_once(struct rsw_kv_txn *txn) {
    struct rsw_kv *kv = txn->kv;
    pthread_rwlock_rdlock(&kv->lock);
    int rc = kv->broken ? ENOMEM : mdb_txn_begin(kv->env, NULL, txn->write ? 0 : MDB_RDONLY, &txn->mdb);
    if (rc == MDB_READERS_FULL && mdb_reader_check(kv->env, NULL) == 0) {
        rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn->mdb);
    }
    if (rc != 0) {
        pthread_rwlock_unlock(&kv->lock);
    }
    return rc;
}

static int begin(struct rsw_kv_txn *txn) {
    struct rsw_kv *kv = txn->kv;
    for (bool grown = false;;) {
        int rc = begin_once(txn);
        if (rc == MDB_MAP_RESIZED) {
            pthread_rwlock_wrlock(&kv->lock);
            rc = set_map_size(kv, 0);
            pthread_rwlock_unlock(&kv->lock);
            if (rc == 0) {
                continue;
            }
        }
        if (rc != 0 || !txn->write || grown || !wants_growth(kv)) {
            return rc;
        }
        grown = true;
        mdb_txn_abort(txn->mdb);
        pthread_rwlock_unlock(&kv->lock);
        grow(kv);
    }
}

static int begin_writing(struct rsw_kv *kv, struct rsw_error *err) {
    if (kv->read_only) {
        return rsw_error_set(err, RSW_EACCESS, 0, "%s: the index is open for reading alone", kv->dir);
    }
    if (pthread_mutex_lock(&kv->writer) != 0) {
        return rsw_error_set(err, RSW_EINVAL, EDEADLK, "this thread has a write transaction already");
    }
    if (kv->begun++ % CHECK_READERS_EVERY == 0) {
        mdb_reader_check(kv->env, NULL); /* readers that died keep old pages from being used again */
    }
    return 0;
}

int rsw_kv_begin(struct rsw_kv_txn **out, struct rsw_kv *kv, bool write, struct rsw_error *err) {
    struct rsw_kv_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, ENOMEM, "%s: out of memory", kv->dir);
    }
    txn->kv = kv;
    txn->write = write;
    if (write && begin_writing(kv, err) != 0) {
        free(txn);
        return -1;
    }
    int rc = begin(txn);
    if (rc != 0) {
        if (write) {
            pthread_mutex_unlock(&kv->writer);
        }
        free(txn);
        return fail(kv, err, rc, write ? "begin to write the index" : "begin to read the index");
    }
    if (write) {
        lengthen(kv);
    }
    if (atomic_load(&kv->unknown)) {
        find_map(kv, txn->mdb);
    }
    *out = txn;
    return 0;
}

/* After LMDB's transaction has ended. */
static void end(struct rsw_kv_txn *txn) {
    pthread_rwlock_unlock(&txn->kv->lock);
    if (txn->write) {
        pthread_mutex_unlock(&txn->kv->writer);
    }
    free(txn);
}

int rsw_kv_twin(struct rsw_kv_txn **out, const struct rsw_kv_txn *txn, struct rsw_error *err) {
    struct rsw_kv *kv = txn->kv;
    struct rsw_kv_txn *twin = calloc(1, sizeof *twin);
    if (twin == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, ENOMEM, "%s: out of memory", kv->dir);
    }
    twin->kv = kv;
    /* To wait here would be to wait for whoever waits for `txn`. */
    if (txn->write || pthread_rwlock_tryrdlock(&kv->lock) != 0) {
        free(twin);
        return RSW_ABSENT;
    }
    int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &twin->mdb);
    if (rc != 0) {
        end(twin);
        return rc == MDB_MAP_RESIZED ? RSW_ABSENT : fail(kv, err, rc, "begin to read the index");
    }
    if (rsw_kv_moment(twin) != rsw_kv_moment(txn)) {
        rsw_kv_abort(twin);
        return RSW_ABSENT;
    }
    *out = twin;
    return RSW_FOUND;
}

int rsw_kv_commit(struct rsw_kv_txn *txn, struct rsw_error *err) {
    struct rsw_kv *kv = txn->kv;
    int rc = mdb_txn_commit(txn->mdb);
    if (rc == EIO && rsw_dir_is_full(kv->dir, map_used(kv), txn->dirty)) {
        rc = ENOSPC; /* LMDB says EIO of a write that was cut short, as it is when the disk fills up */
    }
    if (rc == MDB_MAP_FULL) {
        kv->full = true;
    }
    if (rc != 0) {
        fail(kv, err, rc, "commit to the index");
    }
    end(txn);
    return rc == 0 ? 0 : -1;
}

void rsw_kv_abort(struct rsw_kv_txn *txn) {
    if (!txn->write) {
        /* LMDB frees cursors of write transactions itself, those of read transactions never. */
        for (size_t i = 0; i < RSW_TABLE_COUNT; i++) {
            if (txn->cursors[i] != NULL) {
                mdb_cursor_close(txn->cursors[i]);
            }
        }
    }
    mdb_txn_abort(txn->mdb);
    end(txn);
}

uint64_t rsw_kv_dirty(const struct rsw_kv_txn *txn) {
    return txn->dirty;
}

uint64_t rsw_kv_writes(const struct rsw_kv_txn *txn, int table) {
    return txn->writes[table];
}

uint64_t rsw_kv_moment(const struct rsw_kv_txn *txn) {
    return mdb_txn_id(txn->mdb) - (txn->write ? 1 : 0);
}

/* ---- entries ---- */

/* LMDB has led us to this key: while reading, its neighbours are found without asking it for each. */
static void enter_leaf(const struct rsw_kv_txn *txn, struct rsw_leaf *leaf, const uint8_t *key) {
    if (txn->write) {
        leaf->page = NULL;
    } else {
        rsw_leaf_enter(leaf, &txn->kv->map, txn->kv->page, key);
    }
}

static MDB_val val_of(struct rsw_span span) {
    return (MDB_val){.mv_size = span.len, .mv_data = (void *)(uintptr_t)span.data};
}

static struct rsw_span span_of(MDB_val val) {
    return (struct rsw_span){.data = val.mv_data, .len = val.mv_size};
}

static int fail_at(struct rsw_kv_txn *txn, struct rsw_error *err, int rc, int table, const char *doing) {
    if (rc == MDB_MAP_FULL) {
        txn->kv->full = true;
    }
    fail(txn->kv, err, rc, doing);
    return rsw_error_prefix(err, "table %s", txn->kv->names[table]);
}

static int table_cursor(struct rsw_kv_txn *txn, int table) {
    return txn->cursors[table] != NULL
               ? 0
               : mdb_cursor_open(txn->mdb, txn->kv->tables[table], &txn->cursors[table]);
}

/* A damaged length would have us read on behind the map. */
static int take_value(struct rsw_span *out, MDB_val value, struct rsw_kv_txn *txn, int table,
                      struct rsw_error *err) {
    const struct rsw_map *map = &txn->kv->map;
    const uint8_t *data = value.mv_data;
    if (value.mv_size > 0 && rsw_map_has(map, data) && !rsw_map_has(map, data + value.mv_size - 1)) {
        return fail_at(txn, err, MDB_CORRUPTED, table, "read");
    }
    *out = span_of(value);
    return RSW_FOUND;
}

static int get(struct rsw_kv_txn *txn, int table, MDB_cursor_op op, MDB_val *k, struct rsw_span *value,
               struct rsw_error *err) {
    MDB_val v;
    int rc = table_cursor(txn, table);
    if (rc == 0) {
        rc = mdb_cursor_get(txn->cursors[table], k, &v, op);
    }
    if (rc == MDB_NOTFOUND) {
        return RSW_ABSENT;
    }
    if (rc != 0) {
        return fail_at(txn, err, rc, table, "read");
    }
    return take_value(value, v, txn, table, err);
}

int rsw_kv_get(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span *value,
               struct rsw_error *err) {
    struct rsw_leaf *leaf = &txn->leaves[table];
    struct rsw_span found;
    if (rsw_leaf_seek(leaf, key, &found, value)) {
        return rsw_span_compare(found, key) == 0 ? RSW_FOUND : RSW_ABSENT;
    }
    MDB_val k = val_of(key);
    int answer = get(txn, table, MDB_SET_KEY, &k, value, err);
    if (answer == RSW_FOUND) {
        enter_leaf(txn, leaf, k.mv_data);
    }
    return answer;
}

int rsw_kv_get_from(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span *found,
                    struct rsw_span *value, struct rsw_error *err) {
    struct rsw_leaf *leaf = &txn->leaves[table];
    if (rsw_leaf_seek(leaf, key, found, value)) {
        return RSW_FOUND;
    }
    MDB_val k = val_of(key);
    int answer = get(txn, table, MDB_SET_RANGE, &k, value, err);
    *found = answer == RSW_FOUND ? span_of(k) : (struct rsw_span){0};
    if (answer == RSW_FOUND) {
        enter_leaf(txn, leaf, found->data);
    }
    return answer;
}

/* LMDB keeps written pages apart from the map until they are committed: a change to one that lies in the map
 * dirties it as a whole. */
static void note_write(struct rsw_kv_txn *txn, int table, const void *place, size_t bytes) {
    txn->writes[table]++;
    txn->dirty += bytes + 16; /* what LMDB adds to each entry */
    if (place != NULL && rsw_map_has(&txn->kv->map, place)) {
        txn->dirty += txn->kv->page;
    }
}

int rsw_kv_put(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span value,
               struct rsw_error *err) {
    MDB_val k = val_of(key);
    MDB_val v = {0};
    int rc = table_cursor(txn, table);
    if (rc != 0) {
        return fail_at(txn, err, rc, table, "write");
    }
    MDB_cursor *cursor = txn->cursors[table];
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET);
    if (rc != 0 && rc != MDB_NOTFOUND) {
        return fail_at(txn, err, rc, table, "read");
    }
    bool there = rc == 0;
    if (there && v.mv_size == value.len &&
        (value.len == 0 || memcmp(v.mv_data, value.data, value.len) == 0)) {
        return RSW_FOUND;
    }
    const void *place = there ? v.mv_data : NULL;
    MDB_val neighbour;
    if (!there && mdb_cursor_get(cursor, &neighbour, NULL, MDB_GET_CURRENT) == 0) {
        place = neighbour.mv_data;
    }
    size_t more = value.len > v.mv_size ? value.len - v.mv_size : 0;
    note_write(txn, table, place, there ? more : key.len + value.len);
    k = val_of(key);
    MDB_val new_value = val_of(value);
    rc = mdb_cursor_put(cursor, &k, &new_value, there && v.mv_size == value.len ? MDB_CURRENT : 0);
    if (rc != 0) {
        return fail_at(txn, err, rc, table, "write");
    }
    return there ? RSW_FOUND : RSW_ABSENT;
}

int rsw_kv_append(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span value,
                  struct rsw_error *err) {
    MDB_val k = val_of(key);
    MDB_val v = val_of(value);
    MDB_val last;
    int rc = table_cursor(txn, table);
    if (rc == 0 && mdb_cursor_get(txn->cursors[table], &last, NULL, MDB_LAST) == 0) {
        note_write(txn, table, last.mv_data, key.len + value.len);
    } else {
        note_write(txn, table, NULL, key.len + value.len);
    }
    rc = rc == 0 ? mdb_cursor_put(txn->cursors[table], &k, &v, MDB_APPEND) : rc;
    return rc == 0 ? RSW_ABSENT : fail_at(txn, err, rc == MDB_KEYEXIST ? MDB_CORRUPTED : rc, table, "write");
}

int rsw_kv_del(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_error *err) {
    struct rsw_span value = {0};
    int answer = rsw_kv_get(txn, table, key, &value, err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    note_write(txn, table, value.data, key.len);
    int rc = mdb_cursor_del(txn->cursors[table], 0);
    return rc == 0 ? RSW_FOUND : fail_at(txn, err, rc, table, "delete");
}

/* ---- cursors ---- */

int rsw_kv_cursor_open(struct rsw_kv_cursor **out, struct rsw_kv_txn *txn, int table, struct rsw_error *err) {
    struct rsw_kv_cursor *cursor = malloc(sizeof *cursor);
    int rc = cursor == NULL ? ENOMEM : mdb_cursor_open(txn->mdb, txn->kv->tables[table], &cursor->mdb);
    if (rc != 0) {
        free(cursor);
        return fail_at(txn, err, rc, table, "read");
    }
    cursor->txn = txn;
    cursor->table = table;
    cursor->leaf = (struct rsw_leaf){.page = NULL};
    *out = cursor;
    return 0;
}

void rsw_kv_cursor_close(struct rsw_kv_cursor *cursor) {
    mdb_cursor_close(cursor->mdb);
    free(cursor);
}

static int step(struct rsw_kv_cursor *cursor, MDB_cursor_op op, MDB_val *k, struct rsw_span *found,
                struct rsw_span *value, struct rsw_error *err) {
    MDB_val v;
    int rc = mdb_cursor_get(cursor->mdb, k, &v, op);
    if (rc == MDB_NOTFOUND) {
        return RSW_ABSENT;
    }
    if (rc != 0) {
        return fail(cursor->txn->kv, err, rc, "walk through a table of the index");
    }
    *found = span_of(*k);
    return take_value(value, v, cursor->txn, cursor->table, err);
}

/* LMDB shall stand where we stand. */
static int lead_on(struct rsw_kv_cursor *cursor, struct rsw_error *err) {
    struct rsw_span key;
    struct rsw_span value;
    MDB_val v;
    if (!cursor->leaf.moved) {
        return 0;
    }
    if (!rsw_leaf_entry(&cursor->leaf, cursor->leaf.at, &key, &value)) {
        return fail_at(cursor->txn, err, MDB_CORRUPTED, cursor->table, "read");
    }
    MDB_val k = val_of(key);
    int rc = mdb_cursor_get(cursor->mdb, &k, &v, MDB_SET_RANGE);
    if (rc != 0 || k.mv_data != key.data) { /* a search does not lead to where a walk has led */
        return fail_at(cursor->txn, err, MDB_CORRUPTED, cursor->table, "read");
    }
    return 0;
}

int rsw_kv_seek(struct rsw_kv_cursor *cursor, struct rsw_span key, struct rsw_span *found,
                struct rsw_span *value, struct rsw_error *err) {
    if (key.len != 0 && rsw_leaf_seek(&cursor->leaf, key, found, value)) {
        return RSW_FOUND;
    }
    MDB_val k = val_of(key);
    cursor->leaf.page = NULL;
    int answer = step(cursor, key.len == 0 ? MDB_FIRST : MDB_SET_RANGE, &k, found, value, err);
    if (answer == RSW_FOUND) {
        enter_leaf(cursor->txn, &cursor->leaf, found->data);
    }
    return answer;
}

int rsw_kv_next(struct rsw_kv_cursor *cursor, struct rsw_span *found, struct rsw_span *value,
                struct rsw_error *err) {
    MDB_val k;
    if (cursor->leaf.page != NULL) {
        if (rsw_leaf_next(&cursor->leaf, found, value)) {
            return RSW_FOUND;
        }
        if (lead_on(cursor, err) != 0) {
            return RSW_FAILED;
        }
    }
    int answer = step(cursor, MDB_NEXT, &k, found, value, err);
    if (answer == RSW_FOUND) {
        enter_leaf(cursor->txn, &cursor->leaf, found->data);
    }
    return answer;
}

int rsw_kv_stat(struct rsw_kv_txn *txn, int table, struct rsw_kv_stat *out, struct rsw_error *err) {
    MDB_stat stat;
    int rc = mdb_stat(txn->mdb, txn->kv->tables[table], &stat);
    if (rc != 0) {
        return fail_at(txn, err, rc, table, "measure");
    }
    out->entries = stat.ms_entries;
    out->bytes =
        ((uint64_t)stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) * stat.ms_psize;
    return 0;
}
