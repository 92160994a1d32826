/* Opening an index: folder, locks, schema. */
#include "index/dir.h"
#include "index/time.h"
#include "index/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const char *const rsw_table_names[RSW_TABLE_COUNT] = {
    [RSW_T_META] = "meta",
    [RSW_T_DIGEST] = "digest",
    [RSW_T_BLOB] = "blob",
    [RSW_T_REFS] = "refs",
    [RSW_T_NAMED_BY] = "named_by",
    [RSW_T_REPO] = "repo",
    [RSW_T_REPO_NAME] = "repo_name",
    [RSW_T_REVISION] = "revision",
    [RSW_T_REVISION_IN] = "revision_in",
    [RSW_T_LINK] = "link",
    [RSW_T_LINK_IN] = "link_in",
    [RSW_T_ALIAS] = "alias",
    [RSW_T_SIGNATURE] = "signature",
    [RSW_T_SIGNATURE_OF] = "signature_of",
    [RSW_T_TAG] = "tag",
    [RSW_T_HEAD_OF] = "head_of",
    [RSW_T_HISTORY] = "history",
    [RSW_T_HISTORY_OF] = "history_of",
    [RSW_T_UPLOAD] = "upload",
    [RSW_T_CHECK] = "check",
    [RSW_T_INSTANCE] = "instance",
    [RSW_T_EVENT] = "event",
    [RSW_T_GENERATION] = "generation",
    [RSW_T_ITEM] = "item",
    [RSW_T_TOUCHED] = "touched",
    [RSW_T_HELD] = "held",
    [RSW_T_DIGEST_OF] = "digest_of",
    [RSW_T_PULL] = "pull",
    [RSW_T_DELETION] = "deletion",
    [RSW_T_FORGOTTEN] = "forgotten",
    [RSW_T_PIN] = "pin",
    [RSW_T_TAG_ITEM] = "tag_item",
};
_Static_assert(RSW_T_TAG_ITEM + 1 == RSW_TABLE_COUNT, "the table with the highest number");
_Static_assert(RSW_INDEX_TABLES == RSW_TABLE_COUNT, "all of them are told of");

static const char schema_key[] = "schema";

/* ---- schema ---- */

static int check_schema(struct rsw_txn *txn) {
    struct rsw_span key = rsw_span_of(schema_key, sizeof schema_key - 1);
    struct rsw_span value;
    int answer = rsw_txn_get(txn, RSW_T_META, key, &value);
    if (answer == RSW_FAILED) {
        return answer;
    }
    struct rsw_kv_stat stat = {.entries = 1};
    if (answer == RSW_ABSENT && rsw_kv_stat(txn->kv, RSW_T_META, &stat, &txn->error) == 0 &&
        stat.entries == 0) {
        return RSW_ABSENT; /* whoever made the tables did not come to write the schema, or not yet */
    }
    if (answer == RSW_ABSENT || value.len < RSW_V_SCHEMA_SIZE ||
        memcmp(value.data + RSW_V_SCHEMA_MAGIC, RSW_SCHEMA_MAGIC, 8) != 0) {
        return rsw_txn_refuse(txn, RSW_ESCHEMA, RSW_NO_INDEX);
    }
    /* Before anything else of it is believed: of a newer schema only these bytes are known. */
    uint32_t version = rsw_get_le32(value.data + RSW_V_SCHEMA_VERSION);
    if (version > RSW_SCHEMA && value.len != RSW_V_SCHEMA_SIZE + RSW_SUM_SIZE) {
        return rsw_txn_refuse(txn, RSW_ESCHEMA, "written by a newer regsweep (schema %u, this one reads %d)",
                              version, RSW_SCHEMA);
    }
    if (!rsw_value_open(txn, RSW_T_META, key, &value, RSW_V_SCHEMA_SIZE, true)) {
        return RSW_FAILED;
    }
    if (version > RSW_SCHEMA) {
        return rsw_txn_refuse(txn, RSW_ESCHEMA, "written by a newer regsweep (schema %u, this one reads %d)",
                              version, RSW_SCHEMA);
    }
    bool kept = txn->index->older && version >= RSW_SCHEMA_KEPT;
    if (version < RSW_SCHEMA && !kept) {
        return rsw_txn_refuse(
            txn, RSW_ESCHEMA,
            "written by an older regsweep (schema %u, this one reads %d); build it anew with: "
            "regsweep scan --rebuild",
            version, RSW_SCHEMA);
    }
    return RSW_FOUND;
}

static void write_schema(struct rsw_txn *txn) {
    struct rsw_key key = {.len = 0};
    rsw_key_bytes(&key, schema_key, sizeof schema_key - 1);
    uint8_t value[RSW_V_SCHEMA_SIZE + RSW_SUM_SIZE];
    memcpy(value + RSW_V_SCHEMA_MAGIC, RSW_SCHEMA_MAGIC, 8);
    rsw_put_le32(value + RSW_V_SCHEMA_VERSION, RSW_SCHEMA);
    rsw_value_put(txn, RSW_T_META, &key, value, RSW_V_SCHEMA_SIZE);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct rsw_state state = {.created_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
    rsw_state_put(txn, &state);
    rsw_time_save(txn, &(struct rsw_time){0});
}

static int with_schema(struct rsw_index *index, bool write, int (*act)(struct rsw_txn *),
                       struct rsw_error *err) {
    struct rsw_txn txn = {.index = index, .write = write};
    txn.counters = (struct rsw_counters){.next_generation = 1,
                                         .next_event = 1,
                                         .next_deletion = 1,
                                         .next_blob = 1,
                                         .next_repo = 1,
                                         .first_open = 1};
    if (rsw_kv_begin(&txn.kv, index->kv, write, err) != 0) {
        return -1;
    }
    int answer = act(&txn);
    if (answer == RSW_FAILED || !rsw_txn_ok(&txn)) {
        rsw_txn_failed(&txn, err);
        rsw_kv_abort(txn.kv);
        return RSW_FAILED;
    }
    if (write) {
        return rsw_kv_commit(txn.kv, err) == 0 ? answer : RSW_FAILED;
    }
    rsw_kv_abort(txn.kv);
    return answer;
}

static int init_schema(struct rsw_txn *txn) {
    struct rsw_span value;
    int answer = rsw_txn_get(txn, RSW_T_META, rsw_span_of(schema_key, sizeof schema_key - 1), &value);
    if (answer == RSW_ABSENT) { /* else another process was faster */
        write_schema(txn);
        rsw_counters_save(txn);
    }
    return answer;
}

/* ---- opening ---- */

static int never_filled(const struct rsw_index *index, struct rsw_error *err) {
    return rsw_error_set(err, RSW_EINVAL, 0, "%s: the index was never filled; build it with: regsweep scan",
                         index->dir);
}

/* Makes what is not there; two processes may do it at once. */
static int make_tables(struct rsw_index *index, struct rsw_error *err) {
    if (index->read_only) {
        return never_filled(index, err);
    }
    if (rsw_kv_open_tables(index->kv, RSW_TABLE_COUNT, true, err) != RSW_FOUND ||
        with_schema(index, true, init_schema, err) == RSW_FAILED) {
        return -1;
    }
    index->fresh = true;
    return rsw_dir_sync(index->dir, err);
}

static int open_tables(struct rsw_index *index, struct rsw_error *err) {
    int answer = rsw_kv_has_content(index->kv, err);
    if (answer != RSW_FOUND) {
        return answer == RSW_ABSENT ? make_tables(index, err) : -1;
    }
    answer = rsw_kv_open_tables(index->kv, RSW_T_META + 1, false, err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_ESCHEMA, 0, "%s: " RSW_NO_INDEX, index->dir);
    }
    if (answer == RSW_FOUND) {
        answer = with_schema(index, false, check_schema, err);
    }
    if (answer != RSW_FOUND) {
        return answer == RSW_ABSENT ? make_tables(index, err) : -1;
    }
    answer = rsw_kv_open_tables(index->kv, RSW_TABLE_COUNT, false, err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_ECORRUPT, 0, "%s: a table is not there: %s", index->dir, RSW_DAMAGED);
    }
    return answer == RSW_FOUND ? 0 : -1;
}

static int open_in(struct rsw_index *index, const struct rsw_index_options *options, struct rsw_error *err) {
    const char *dir = index->dir;
    uint64_t size = 0;
    if (!options->create && rsw_dir_inspect(&size, dir, err) == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, ENOENT, "%s: there is no index; build one with: regsweep scan",
                             dir);
    }
    if (err->code != RSW_OK || (options->create && rsw_dir_make(dir, err) != 0) ||
        rsw_dir_lock(&index->lock_fd, dir, options->read_only, options->rebuild, err) != 0 ||
        (options->rebuild && rsw_dir_empty(dir, err) != 0)) {
        return -1;
    }
    int lockless = options->read_only ? rsw_dir_lockless(dir, index->lock_fd, err) : RSW_ABSENT;
    if (lockless == RSW_FAILED || rsw_dir_inspect(&size, dir, err) == RSW_FAILED) {
        return -1;
    }
    struct rsw_kv_options kv = {.read_only = options->read_only,
                                .no_lock = lockless == RSW_FOUND,
                                .map_limit = options->map_size,
                                .file_size = size,
                                .tables = rsw_table_names,
                                .table_count = RSW_TABLE_COUNT};
    if (rsw_kv_open(&index->kv, dir, &kv, err) != 0 || open_tables(index, err) != 0) {
        return -1;
    }
    return options->rebuild ? rsw_dir_share(index->lock_fd, dir, err) : 0;
}

int rsw_index_open(struct rsw_index **out, const char *dir, const struct rsw_index_options *options,
                   struct rsw_error *err) {
    struct rsw_error local = RSW_ERROR_INIT;
    struct rsw_error *first = err != NULL ? err : &local;
    if ((options->rebuild && !options->create) || (options->create && options->read_only)) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "an index can be made or rebuilt only if it is to be written");
    }
    struct rsw_index *index = calloc(1, sizeof *index);
    if (index == NULL || (index->dir = strdup(dir)) == NULL) {
        free(index);
        return rsw_error_set(err, RSW_ENOMEM, ENOMEM, "%s: out of memory", dir);
    }
    index->lock_fd = -1;
    index->read_only = options->read_only;
    index->older = options->read_only && options->older;
    if (open_in(index, options, first) != 0) {
        rsw_index_close(index);
        return -1;
    }
    *out = index;
    return 0;
}

void rsw_index_close(struct rsw_index *index) {
    if (index == NULL) {
        return;
    }
    rsw_kv_close(index->kv);
    if (index->lock_fd >= 0) {
        close(index->lock_fd); /* which unlocks; after LMDB has let go */
    }
    free(index->dir);
    free(index);
}

bool rsw_index_fresh(const struct rsw_index *index) {
    return index->fresh;
}

const char *rsw_index_dir(const struct rsw_index *index) {
    return index->dir;
}

bool rsw_index_maps(const struct rsw_index *index, const void *address) {
    return index->kv != NULL && rsw_kv_maps(index->kv, address);
}

bool rsw_index_absurd(const struct rsw_index *index) {
    return index->kv != NULL && rsw_kv_absurd(index->kv);
}

int rsw_index_stat(struct rsw_txn *txn, struct rsw_index_stat *out) {
    *out = (struct rsw_index_stat){.map_size = rsw_kv_map_size(txn->index->kv), .schema = RSW_SCHEMA};
    if (!rsw_txn_ok(txn) || rsw_dir_inspect(&out->file_size, txn->index->dir, &txn->error) == RSW_FAILED) {
        return RSW_FAILED;
    }
    for (int table = 0; table < RSW_TABLE_COUNT; table++) {
        struct rsw_kv_stat stat;
        if (rsw_kv_stat(txn->kv, table, &stat, &txn->error) != 0) {
            return RSW_FAILED;
        }
        out->tables[table] = (struct rsw_table_stat){rsw_table_names[table], stat.entries, stat.bytes};
        out->used += stat.bytes;
    }
    out->table_count = RSW_TABLE_COUNT;
    return RSW_FOUND;
}
