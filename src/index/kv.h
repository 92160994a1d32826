/* Tables of bytes: the only door to LMDB, and the only file of ours that is shaped after it. Knows nothing of
 * records; errors are not sticky here (see txn.h). */
#ifndef REGSWEEP_INDEX_KV_H
#define REGSWEEP_INDEX_KV_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of somebody else. What comes out of a table is valid until its transaction ends or writes. */
struct rsw_span {
    const uint8_t *data;
    size_t len;
};

struct rsw_kv;        /* an environment: one mapped file */
struct rsw_kv_txn;    /* belongs to one thread */
struct rsw_kv_cursor; /* belongs to its transaction */

struct rsw_kv_options {
    bool read_only;
    bool no_lock;              /* take no part in LMDB's locking: for a directory that we cannot write to */
    uint64_t map_limit;        /* 0: none */
    uint64_t file_size;        /* what the data file takes of the disk now; 0 if there is none */
    const char *const *tables; /* names; static storage */
    size_t table_count;
};

/* What a data file holds as seen by rsw_kv_open. */
enum rsw_kv_content { RSW_KV_EMPTY = 0, RSW_KV_OURS = 1 };

/* Maps the file, but opens no table yet. */
int rsw_kv_open(struct rsw_kv **out, const char *dir, const struct rsw_kv_options *options,
                struct rsw_error *err);
void rsw_kv_close(struct rsw_kv *kv); /* NULL is allowed */
/* Opens the tables numbered below `count`, all in one go, and makes them if `create`. RSW_FOUND, RSW_ABSENT
 * if one is not there, RSW_FAILED. Call before any other thread uses the handle. */
int rsw_kv_open_tables(struct rsw_kv *kv, size_t count, bool create, struct rsw_error *err);
/* RSW_ABSENT: nothing was ever written. */
int rsw_kv_has_content(struct rsw_kv *kv, struct rsw_error *err);
/* In the mapped file, or where a damaged length leads from it, or in the code of LMDB. */
bool rsw_kv_maps(const struct rsw_kv *kv, const void *address);
/* LMDB has found that the file contradicts itself, it was said on stderr, and it aborts. For signal handlers
 * too. */
bool rsw_kv_absurd(const struct rsw_kv *kv);

int rsw_kv_begin(struct rsw_kv_txn **out, struct rsw_kv *kv, bool write, struct rsw_error *err);
/* Another one that reads the same moment. RSW_ABSENT: that has passed, or `txn` writes, or somebody waits for
 * all transactions to end. */
int rsw_kv_twin(struct rsw_kv_txn **out, const struct rsw_kv_txn *txn, struct rsw_error *err);
/* Both end and free the transaction and all of its cursors. */
int rsw_kv_commit(struct rsw_kv_txn *txn, struct rsw_error *err);
void rsw_kv_abort(struct rsw_kv_txn *txn);
uint64_t
rsw_kv_dirty(const struct rsw_kv_txn *txn); /* bytes, roughly; 0 if and only if nothing was written */
uint64_t rsw_kv_writes(const struct rsw_kv_txn *txn, int table); /* changes so far */

/* LMDB's own number of what this transaction sees; a write transaction, if committed, makes the next one. */
uint64_t rsw_kv_moment(const struct rsw_kv_txn *txn);

int rsw_kv_get(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span *value,
               struct rsw_error *err);
/* The first entry whose key is not below `key`. */
int rsw_kv_get_from(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span *found,
                    struct rsw_span *value, struct rsw_error *err);
/* RSW_FOUND if the key was there before (an equal value is not written), RSW_ABSENT if it is new. */
int rsw_kv_put(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span value,
               struct rsw_error *err);
/* The key is above all others of the table: so pages are filled without a rest. */
int rsw_kv_append(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_span value,
                  struct rsw_error *err);
/* RSW_ABSENT if there was nothing to remove. */
int rsw_kv_del(struct rsw_kv_txn *txn, int table, struct rsw_span key, struct rsw_error *err);

int rsw_kv_cursor_open(struct rsw_kv_cursor **out, struct rsw_kv_txn *txn, int table, struct rsw_error *err);
void rsw_kv_cursor_close(struct rsw_kv_cursor *cursor); /* before its transaction ends */
/* To the first entry not below `key` (an empty key: the first of all). */
int rsw_kv_seek(struct rsw_kv_cursor *cursor, struct rsw_span key, struct rsw_span *found,
                struct rsw_span *value, struct rsw_error *err);
int rsw_kv_next(struct rsw_kv_cursor *cursor, struct rsw_span *found, struct rsw_span *value,
                struct rsw_error *err);

struct rsw_kv_stat {
    uint64_t entries;
    uint64_t bytes;
};
int rsw_kv_stat(struct rsw_kv_txn *txn, int table, struct rsw_kv_stat *out, struct rsw_error *err);
/* True only if these two bytes of the map lie in one page. */
bool rsw_kv_one_page(const struct rsw_kv_txn *txn, const uint8_t *one, const uint8_t *other);
uint64_t rsw_kv_map_size(const struct rsw_kv *kv);

#endif
