/* Tables BLOB and DIGEST, and dropping a blob from all of them. */
#include "index/refs.h"
#include "index/txn.h"

#include <errno.h>
#include <stdlib.h>

static void digest_key(struct rsw_key *key, const struct rsw_digest *digest) {
    rsw_key_begin(key);
    rsw_key_u8(key, digest->alg);
    rsw_key_bytes(key, digest->bytes, rsw_alg_size(digest->alg));
}

int rsw_blob_decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_blob *out) {
    if (key.len != 4) {
        return rsw_txn_damaged(txn, RSW_T_BLOB, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_BLOB, key, &value, RSW_V_BLOB_DIGEST, false)) {
        return RSW_FAILED;
    }
    const uint8_t *at = value.data;
    uint8_t alg = at[RSW_V_BLOB_ALG];
    size_t size = rsw_alg_size(alg);
    if (size == 0 || value.len != RSW_V_BLOB_DIGEST + size) {
        return rsw_txn_damaged(txn, RSW_T_BLOB, "a record has a digest of the wrong length");
    }
    out->id = rsw_get_be32(key.data);
    out->digest.alg = alg;
    memcpy(out->digest.bytes, at + RSW_V_BLOB_DIGEST, size);
    memset(out->digest.bytes + size, 0, sizeof out->digest.bytes - size);
    out->flags = at[RSW_V_BLOB_FLAGS];
    out->types = rsw_get_le32(at + RSW_V_BLOB_TYPES);
    out->size = rsw_get_le64(at + RSW_V_BLOB_BYTES);
    out->first_seen_ms = rsw_get_time(at + RSW_V_BLOB_FIRST_SEEN);
    out->missing_since_ms = rsw_get_time(at + RSW_V_BLOB_MISSING);
    out->seq = rsw_get_le64(at + RSW_V_BLOB_SEQ);
    return RSW_FOUND;
}

static void encode(struct rsw_txn *txn, const struct rsw_blob *blob) {
    struct rsw_key key;
    uint8_t value[RSW_V_BLOB_DIGEST + RSW_DIGEST_BYTES_MAX + RSW_SUM_SIZE];
    size_t size = rsw_alg_size(blob->digest.alg);
    rsw_key_id(&key, blob->id);
    value[RSW_V_BLOB_ALG] = blob->digest.alg;
    value[RSW_V_BLOB_FLAGS] = (uint8_t)blob->flags;
    rsw_put_le32(value + RSW_V_BLOB_TYPES, blob->types);
    rsw_put_le64(value + RSW_V_BLOB_BYTES, blob->size);
    rsw_put_time(value + RSW_V_BLOB_FIRST_SEEN, blob->first_seen_ms);
    rsw_put_time(value + RSW_V_BLOB_MISSING, blob->missing_since_ms);
    rsw_put_le64(value + RSW_V_BLOB_SEQ, blob->seq);
    memcpy(value + RSW_V_BLOB_DIGEST, blob->digest.bytes, size);
    rsw_value_put(txn, RSW_T_BLOB, &key, value, RSW_V_BLOB_DIGEST + size);
}

int rsw_blob_get(struct rsw_txn *txn, uint32_t id, struct rsw_blob *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_id(&key, id);
    int answer = rsw_txn_get(txn, RSW_T_BLOB, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? rsw_blob_decode(txn, rsw_key_span(&key), value, out) : answer;
}

/* The id that DIGEST has for it. */
static int find_id(struct rsw_txn *txn, const struct rsw_digest *digest, uint32_t *id) {
    struct rsw_key key;
    struct rsw_span value;
    if (rsw_alg_size(digest->alg) == 0) {
        return rsw_txn_refuse(txn, RSW_EINVAL, "a digest of no known algorithm");
    }
    digest_key(&key, digest);
    int answer = rsw_txn_get(txn, RSW_T_DIGEST, rsw_key_span(&key), &value);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if (!rsw_value_open(txn, RSW_T_DIGEST, rsw_key_span(&key), &value, RSW_V_ID_SIZE, true)) {
        return RSW_FAILED;
    }
    *id = rsw_get_le32(value.data + RSW_V_ID);
    return RSW_FOUND;
}

int rsw_blob_find(struct rsw_txn *txn, const struct rsw_digest *digest, struct rsw_blob *out) {
    uint32_t id;
    int answer = find_id(txn, digest, &id);
    if (answer != RSW_FOUND) {
        return answer;
    }
    answer = rsw_blob_get(txn, id, out);
    if (answer == RSW_ABSENT || (answer == RSW_FOUND && !rsw_digest_equal(&out->digest, digest))) {
        return rsw_txn_damaged(txn, RSW_T_DIGEST, "a digest and its record do not agree");
    }
    return answer;
}

uint32_t rsw_blob_intern(struct rsw_txn *txn, const struct rsw_digest *digest, int64_t now_ms) {
    uint32_t id;
    int answer = find_id(txn, digest, &id);
    if (answer != RSW_ABSENT) {
        return answer == RSW_FOUND ? id : 0;
    }
    id = txn->counters.next_blob;
    if (id == UINT32_MAX) {
        rsw_txn_refuse(txn, RSW_EFULL,
                       "all ids of blobs are used up; build the index anew with: "
                       "regsweep scan --rebuild");
        return 0;
    }
    struct rsw_key key;
    uint8_t value[RSW_V_ID_SIZE + RSW_SUM_SIZE];
    digest_key(&key, digest);
    rsw_put_le32(value + RSW_V_ID, id);
    rsw_value_put(txn, RSW_T_DIGEST, &key, value, RSW_V_ID_SIZE);
    struct rsw_blob blob = {.id = id, .digest = *digest, .first_seen_ms = now_ms};
    encode(txn, &blob);
    txn->counters.next_blob++;
    txn->handed_out = true;
    return rsw_txn_ok(txn) ? id : 0;
}

void rsw_blob_put(struct rsw_txn *txn, const struct rsw_blob *blob) {
    struct rsw_blob old;
    int answer = rsw_blob_get(txn, blob->id, &old);
    if (answer == RSW_ABSENT || (answer == RSW_FOUND && !rsw_digest_equal(&old.digest, &blob->digest))) {
        rsw_txn_refuse(txn, RSW_EINVAL, "blob %u is not the one that it was read as", blob->id);
    } else if (answer == RSW_FOUND) {
        encode(txn, blob);
    }
}

/* ---- dropping ---- */

/* RSW_FOUND if something names this blob, or its bytes are in quarantine. */
static int is_named(struct rsw_txn *txn, uint32_t id) {
    static const enum rsw_table tables[] = {RSW_T_NAMED_BY,  RSW_T_LINK_IN, RSW_T_REVISION_IN,
                                            RSW_T_ALIAS,     RSW_T_HEAD_OF, RSW_T_SIGNATURE_OF,
                                            RSW_T_HISTORY_OF};
    struct rsw_key key;
    rsw_key_id(&key, id);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        int answer = rsw_txn_has_prefix(txn, tables[i], rsw_key_span(&key));
        if (answer != RSW_ABSENT) {
            return answer;
        }
    }
    struct rsw_held held;
    int answer = rsw_held_get(txn, id, &held);
    return answer == RSW_ABSENT ? rsw_condemned_get(txn, RSW_ITEM_BLOB, 0, id, "", NULL) : answer;
}

int rsw_blob_needless(struct rsw_txn *txn, uint32_t id) {
    struct rsw_blob blob;
    int answer = rsw_blob_get(txn, id, &blob);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if ((blob.flags & RSW_BLOB_PRESENT) != 0) {
        return RSW_ABSENT;
    }
    answer = is_named(txn, id);
    return answer == RSW_FAILED ? RSW_FAILED : answer == RSW_FOUND ? RSW_ABSENT : RSW_FOUND;
}

static void drop_record(struct rsw_txn *txn, uint32_t id, const struct rsw_blob *blob) {
    struct rsw_key key;
    digest_key(&key, &blob->digest);
    rsw_txn_del(txn, RSW_T_DIGEST, rsw_key_span(&key));
    rsw_key_id(&key, id);
    rsw_txn_del(txn, RSW_T_BLOB, rsw_key_span(&key));
}

/* Ids that are still to be looked at. */
struct worklist {
    uint32_t *ids; /* owned */
    size_t count;
    size_t room;
};

static bool push(struct rsw_txn *txn, struct worklist *list, const uint32_t *ids, size_t count) {
    if (count > list->room - list->count) {
        size_t room = list->room * 2 + count;
        uint32_t *more = realloc(list->ids, room * sizeof *more);
        if (more == NULL) {
            rsw_txn_refuse(txn, RSW_ENOMEM, "out of memory");
            return false;
        }
        list->ids = more;
        list->room = room;
    }
    if (count > 0) {
        memcpy(list->ids + list->count, ids, count * sizeof *ids);
    }
    list->count += count;
    return true;
}

static void drop_one(struct rsw_txn *txn, uint32_t id, struct worklist *list) {
    struct rsw_blob blob;
    uint32_t *children = NULL;
    size_t count = 0;
    if (rsw_blob_get(txn, id, &blob) != RSW_FOUND) {
        return;
    }
    if (rsw_refs_drop(txn, id, &children, &count) == 0 && push(txn, list, children, count)) {
        drop_record(txn, id, &blob);
    }
    free(children);
}

void rsw_blob_drop(struct rsw_txn *txn, uint32_t id) {
    struct rsw_blob blob;
    int answer = rsw_blob_get(txn, id, &blob);
    if (answer == RSW_FOUND && rsw_blob_needless(txn, id) == RSW_ABSENT) {
        rsw_txn_refuse(txn, RSW_EINVAL, "blob %u is in use and cannot be dropped", id);
    }
    if (answer != RSW_FOUND || !rsw_txn_ok(txn)) {
        return;
    }
    struct worklist list = {0};
    drop_one(txn, id, &list);
    while (list.count > 0 && rsw_txn_ok(txn)) {
        uint32_t child = list.ids[--list.count];
        if (rsw_blob_needless(txn, child) == RSW_FOUND) {
            drop_one(txn, child, &list);
        }
    }
    free(list.ids);
}

/* ---- walking ---- */

void rsw_iter_blobs(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_BLOB, &all);
}

int rsw_blob_next(struct rsw_iter *iter, struct rsw_blob *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? rsw_blob_decode(iter->txn, key, value, out) : answer;
}
