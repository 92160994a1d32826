/* Transactions: see index.h. */
#include "index/txn.h"

#include "index/dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int begin(struct rsw_txn **out, struct rsw_index *index, bool write, struct rsw_error *err) {
    struct rsw_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, ENOMEM, "out of memory");
    }
    txn->index = index;
    txn->write = write;
    if (rsw_kv_begin(&txn->kv, index->kv, write, err) != 0) {
        free(txn);
        return -1;
    }
    if (rsw_counters_load(txn) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        rsw_txn_abort(&txn);
        return -1;
    }
    txn->counters.seq += write ? 1 : 0;
    *out = txn;
    return 0;
}

int rsw_txn_begin_read(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err) {
    return begin(out, index, false, err);
}

int rsw_txn_begin_write(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err) {
    return begin(out, index, true, err);
}

int rsw_txn_twin(struct rsw_txn **out, struct rsw_txn *txn, struct rsw_error *err) {
    struct rsw_txn *twin = calloc(1, sizeof *twin);
    if (twin == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, ENOMEM, "out of memory");
    }
    int answer = rsw_kv_twin(&twin->kv, txn->kv, err);
    if (answer != RSW_FOUND) {
        free(twin);
        return answer;
    }
    twin->index = txn->index;
    twin->counters = txn->counters;
    *out = twin;
    return RSW_FOUND;
}

int rsw_txn_commit(struct rsw_txn **ptr, struct rsw_error *err) {
    struct rsw_txn *txn = *ptr;
    if (txn == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "there is no transaction to commit");
    }
    bool changed = txn->write && (txn->handed_out || rsw_kv_dirty(txn->kv) > 0);
    if (rsw_txn_ok(txn) && changed) {
        rsw_counters_save(txn);
    }
    int rc = 0;
    if (!rsw_txn_ok(txn)) {
        rsw_txn_failed(txn, err);
        rc = -1;
    }
    if (rc != 0 || !changed) {
        rsw_txn_abort(ptr);
        return rc;
    }
    rsw_iter_end_all(txn);
    rc = rsw_kv_commit(txn->kv, err);
    free(txn);
    *ptr = NULL;
    return rc;
}

void rsw_txn_abort(struct rsw_txn **txn) {
    if (txn == NULL || *txn == NULL) {
        return;
    }
    rsw_iter_end_all(*txn);
    rsw_kv_abort((*txn)->kv);
    free(*txn);
    *txn = NULL;
}

bool rsw_txn_failed(const struct rsw_txn *txn, struct rsw_error *err) {
    if (txn == NULL) {
        return true;
    }
    if (rsw_txn_ok(txn)) {
        return false;
    }
    rsw_error_set(err, txn->error.code, txn->error.errnum, "%s", txn->error.message);
    return true;
}

uint64_t rsw_txn_seq(const struct rsw_txn *txn) {
    return txn->counters.seq;
}

uint64_t rsw_txn_dirty(const struct rsw_txn *txn) {
    return rsw_kv_dirty(txn->kv);
}

static bool may_write(struct rsw_txn *txn) {
    if (rsw_txn_ok(txn) && !txn->write) {
        rsw_txn_refuse(txn, RSW_EINVAL, "this transaction is for reading alone");
    }
    return rsw_txn_ok(txn);
}

int rsw_txn_put(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value) {
    return may_write(txn) ? rsw_kv_put(txn->kv, (int)table, key, value, &txn->error) : RSW_FAILED;
}

int rsw_txn_append(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value) {
    return may_write(txn) ? rsw_kv_append(txn->kv, (int)table, key, value, &txn->error) : RSW_FAILED;
}

int rsw_txn_del(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key) {
    return may_write(txn) ? rsw_kv_del(txn->kv, (int)table, key, &txn->error) : RSW_FAILED;
}

int rsw_txn_has_prefix(struct rsw_txn *txn, enum rsw_table table, struct rsw_span prefix) {
    struct rsw_kv_cursor *cursor;
    if (!rsw_txn_ok(txn) || rsw_kv_cursor_open(&cursor, txn->kv, (int)table, &txn->error) != 0) {
        return RSW_FAILED;
    }
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_kv_seek(cursor, prefix, &key, &value, &txn->error);
    if (answer == RSW_FOUND && (key.len < prefix.len || memcmp(key.data, prefix.data, prefix.len) != 0)) {
        answer = RSW_ABSENT;
    }
    rsw_kv_cursor_close(cursor);
    return answer;
}

int rsw_txn_damaged(struct rsw_txn *txn, enum rsw_table table, const char *what) {
    return rsw_error_set(&txn->error, RSW_ECORRUPT, 0, "%s: table %s: %s: %s", txn->index->dir,
                         rsw_table_names[table], what, RSW_DAMAGED);
}

int rsw_txn_refuse(struct rsw_txn *txn, enum rsw_code code, const char *fmt, ...) {
    char message[RSW_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return rsw_error_set(&txn->error, code, 0, "%s: %s", txn->index->dir, message);
}

size_t rsw_txn_name_len(struct rsw_txn *txn, const char *name, size_t max, const char *what) {
    size_t len = strlen(name);
    if (len == 0 || len > max) {
        rsw_txn_refuse(txn, RSW_EINVAL, "%s is empty or longer than %zu bytes", what, max);
        return 0;
    }
    return rsw_txn_ok(txn) ? len : 0;
}
