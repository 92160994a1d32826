/* Tables BLOB, DIGEST_OF and DIGEST, and dropping a blob from all of them. */
#include "index/refs.h"
#include "index/txn.h"

#include <errno.h>
#include <stdlib.h>

static void digest_key(struct rsw_key *key, const struct rsw_digest *digest) {
    rsw_key_begin(key);
    rsw_key_u8(key, digest->alg);
    rsw_key_bytes(key, digest->bytes, rsw_alg_size(digest->alg));
}

/* ---- BLOB: rows ---- */

_Static_assert(RSW_TYPE_COUNT <= 8, "types have a byte");
_Static_assert(RSW_V_BLOB_SIZE + RSW_V_DIGESTS + RSW_DIGESTS_EACH * RSW_DIGEST_BYTES_MAX <= RSW_HELD_MAX,
               "an iterator holds a record of each");

static const uint8_t *row_of(const struct rsw_blobs *blobs, uint32_t i) {
    return blobs->packed + (size_t)i * RSW_V_BLOB_ROW;
}

int rsw_blobs_open(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_blobs *out) {
    if (key.len != 4 || rsw_get_be32(key.data) > UINT32_MAX / RSW_BLOBS_EACH) {
        return rsw_txn_damaged(txn, RSW_T_BLOB, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_BLOB, key, &value, RSW_V_BLOB_SIZE, true)) {
        return RSW_FAILED;
    }
    out->first = rsw_get_be32(key.data) * RSW_BLOBS_EACH;
    out->packed = value.data;
    return RSW_FOUND;
}

uint8_t rsw_blobs_alg(const struct rsw_blobs *blobs, uint32_t i) {
    return row_of(blobs, i)[RSW_V_BLOB_ALG];
}

uint32_t rsw_blobs_flags(const struct rsw_blobs *blobs, uint32_t i) {
    return row_of(blobs, i)[RSW_V_BLOB_FLAGS];
}

uint32_t rsw_blobs_types(const struct rsw_blobs *blobs, uint32_t i) {
    return row_of(blobs, i)[RSW_V_BLOB_TYPES];
}

uint64_t rsw_blobs_size(const struct rsw_blobs *blobs, uint32_t i) {
    return rsw_get_le64(row_of(blobs, i) + RSW_V_BLOB_BYTES);
}

int64_t rsw_blobs_first_seen_ms(const struct rsw_blobs *blobs, uint32_t i) {
    return rsw_get_time(row_of(blobs, i) + RSW_V_BLOB_FIRST_SEEN);
}

void rsw_blobs_fetch(const struct rsw_blobs *blobs, uint32_t i) {
    __builtin_prefetch(row_of(blobs, i));
}

/* All but the digest. */
static void get_row(const struct rsw_blobs *blobs, uint32_t i, struct rsw_blob *out) {
    const uint8_t *row = row_of(blobs, i);
    out->id = blobs->first + i;
    out->flags = row[RSW_V_BLOB_FLAGS];
    out->types = row[RSW_V_BLOB_TYPES];
    out->size = rsw_get_le64(row + RSW_V_BLOB_BYTES);
    out->first_seen_ms = rsw_get_time(row + RSW_V_BLOB_FIRST_SEEN);
    out->missing_since_ms = rsw_get_time(row + RSW_V_BLOB_MISSING);
    out->seq = rsw_get_le64(row + RSW_V_BLOB_SEQ);
}

static void put_row(uint8_t *row, const struct rsw_blob *blob) {
    row[RSW_V_BLOB_ALG] = blob->digest.alg;
    row[RSW_V_BLOB_FLAGS] = (uint8_t)blob->flags;
    row[RSW_V_BLOB_TYPES] = (uint8_t)blob->types;
    rsw_put_le64(row + RSW_V_BLOB_BYTES, blob->size);
    rsw_put_time(row + RSW_V_BLOB_FIRST_SEEN, blob->first_seen_ms);
    rsw_put_time(row + RSW_V_BLOB_MISSING, blob->missing_since_ms);
    rsw_put_le64(row + RSW_V_BLOB_SEQ, blob->seq);
}

/* The record that has this id, or would. */
static int find_row(struct rsw_txn *txn, uint32_t id, struct rsw_blobs *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_id(&key, id / RSW_BLOBS_EACH);
    int answer = rsw_txn_get(txn, RSW_T_BLOB, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? rsw_blobs_open(txn, rsw_key_span(&key), value, out) : answer;
}

/* A record that is being changed: a copy. */
struct rows {
    struct rsw_key key;
    uint8_t bytes[RSW_V_BLOB_SIZE + RSW_SUM_SIZE];
};

/* Without a record all rows are empty. */
static int copy_rows(struct rsw_txn *txn, uint32_t id, struct rows *out) {
    struct rsw_blobs blobs;
    int answer = find_row(txn, id, &blobs);
    rsw_key_id(&out->key, id / RSW_BLOBS_EACH);
    if (answer == RSW_FOUND) {
        memcpy(out->bytes, blobs.packed, RSW_V_BLOB_SIZE);
    } else {
        memset(out->bytes, 0, RSW_V_BLOB_SIZE);
    }
    return answer;
}

static bool is_empty(const struct rows *rows) {
    for (size_t i = 0; i < RSW_BLOBS_EACH; i++) {
        if (rows->bytes[i * RSW_V_BLOB_ROW + RSW_V_BLOB_ALG] != 0) {
            return false;
        }
    }
    return true;
}

/* Of the highest id so far. */
static void add_row(struct rsw_txn *txn, const struct rsw_blob *blob) {
    struct rows rows;
    int answer = copy_rows(txn, blob->id, &rows);
    if (answer == RSW_FAILED) {
        return;
    }
    put_row(rows.bytes + (size_t)(blob->id % RSW_BLOBS_EACH) * RSW_V_BLOB_ROW, blob);
    struct rsw_span value = rsw_value_close(RSW_T_BLOB, &rows.key, rows.bytes, RSW_V_BLOB_SIZE);
    if (answer == RSW_ABSENT) {
        rsw_txn_append(txn, RSW_T_BLOB, rsw_key_span(&rows.key), value);
    } else {
        rsw_txn_put(txn, RSW_T_BLOB, rsw_key_span(&rows.key), value);
    }
}

static void drop_row(struct rsw_txn *txn, uint32_t id) {
    struct rows rows;
    if (copy_rows(txn, id, &rows) != RSW_FOUND) {
        return;
    }
    memset(rows.bytes + (size_t)(id % RSW_BLOBS_EACH) * RSW_V_BLOB_ROW, 0, RSW_V_BLOB_ROW);
    if (is_empty(&rows)) {
        rsw_txn_del(txn, RSW_T_BLOB, rsw_key_span(&rows.key));
    } else {
        rsw_value_put(txn, RSW_T_BLOB, &rows.key, rows.bytes, RSW_V_BLOB_SIZE);
    }
}

/* ---- DIGEST_OF ---- */

/* Where the digest of `i` lies in a record, or would. */
static size_t digest_at(const uint8_t *packed, uint32_t i) {
    size_t at = RSW_V_DIGESTS;
    for (uint32_t before = 0; before < i; before++) {
        at += rsw_alg_size(packed[before]);
    }
    return at;
}

int rsw_digests_open(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                     struct rsw_digests *out) {
    if (key.len != 4 || rsw_get_be32(key.data) > UINT32_MAX / RSW_DIGESTS_EACH) {
        return rsw_txn_damaged(txn, RSW_T_DIGEST_OF, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_DIGEST_OF, key, &value, RSW_V_DIGESTS, false)) {
        return RSW_FAILED;
    }
    size_t len = RSW_V_DIGESTS;
    for (uint32_t i = 0; i < RSW_DIGESTS_EACH; i++) {
        size_t size = rsw_alg_size(value.data[i]);
        if (size == 0 && value.data[i] != 0) {
            return rsw_txn_damaged(txn, RSW_T_DIGEST_OF, "a record has a digest of no known algorithm");
        }
        len += size;
    }
    if (value.len != len) {
        return rsw_txn_damaged(txn, RSW_T_DIGEST_OF, "a record has the wrong length");
    }
    out->first = rsw_get_be32(key.data) * RSW_DIGESTS_EACH;
    out->packed = value.data;
    return RSW_FOUND;
}

int rsw_digests_get(const struct rsw_digests *digests, uint32_t i, struct rsw_digest *out) {
    size_t size = rsw_alg_size(digests->packed[i]);
    if (size == 0) {
        return RSW_ABSENT;
    }
    const uint8_t *from = digests->packed + digest_at(digests->packed, i);
    out->alg = digests->packed[i];
    memset(out->bytes, 0, sizeof out->bytes);
    for (size_t at = 0; at < size; at += 16) { /* which every algorithm gives a multiple of */
        memcpy(out->bytes + at, from + at, 16);
    }
    return RSW_FOUND;
}

static int find_digests(struct rsw_txn *txn, uint32_t id, struct rsw_digests *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_id(&key, id / RSW_DIGESTS_EACH);
    int answer = rsw_txn_get(txn, RSW_T_DIGEST_OF, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? rsw_digests_open(txn, rsw_key_span(&key), value, out) : answer;
}

int rsw_blob_digest(struct rsw_txn *txn, uint32_t id, struct rsw_digest *out) {
    struct rsw_digests *digests = &txn->digests;
    uint32_t i = id % RSW_DIGESTS_EACH;
    if (txn->write || digests->packed == NULL || digests->first != id - i) {
        int answer = find_digests(txn, id, digests);
        if (answer != RSW_FOUND) {
            digests->packed = NULL;
            return answer;
        }
    }
    return rsw_txn_ok(txn) ? rsw_digests_get(digests, i, out) : RSW_FAILED;
}

/* A record that is being changed: a copy. */
struct names {
    struct rsw_key key;
    size_t len;
    uint8_t bytes[RSW_V_DIGESTS + RSW_DIGESTS_EACH * RSW_DIGEST_BYTES_MAX + RSW_SUM_SIZE];
};

static int copy_names(struct rsw_txn *txn, uint32_t id, struct names *out) {
    struct rsw_digests digests;
    int answer = find_digests(txn, id, &digests);
    rsw_key_id(&out->key, id / RSW_DIGESTS_EACH);
    out->len = RSW_V_DIGESTS;
    memset(out->bytes, 0, RSW_V_DIGESTS);
    if (answer == RSW_FOUND) {
        out->len = digest_at(digests.packed, RSW_DIGESTS_EACH);
        memcpy(out->bytes, digests.packed, out->len);
    }
    return answer;
}

/* Of the highest id so far. */
static void add_name(struct rsw_txn *txn, uint32_t id, const struct rsw_digest *digest) {
    struct names names;
    int answer = copy_names(txn, id, &names);
    if (answer == RSW_FAILED) {
        return;
    }
    size_t size = rsw_alg_size(digest->alg);
    names.bytes[id % RSW_DIGESTS_EACH] = digest->alg;
    memcpy(names.bytes + names.len, digest->bytes, size);
    struct rsw_span value = rsw_value_close(RSW_T_DIGEST_OF, &names.key, names.bytes, names.len + size);
    if (answer == RSW_ABSENT) {
        rsw_txn_append(txn, RSW_T_DIGEST_OF, rsw_key_span(&names.key), value);
    } else {
        rsw_txn_put(txn, RSW_T_DIGEST_OF, rsw_key_span(&names.key), value);
    }
}

static void drop_name(struct rsw_txn *txn, uint32_t id) {
    struct names names;
    uint32_t i = id % RSW_DIGESTS_EACH;
    if (copy_names(txn, id, &names) != RSW_FOUND) {
        return;
    }
    size_t at = digest_at(names.bytes, i);
    size_t size = rsw_alg_size(names.bytes[i]);
    memmove(names.bytes + at, names.bytes + at + size, names.len - at - size);
    names.bytes[i] = 0;
    if (names.len - size == RSW_V_DIGESTS) {
        rsw_txn_del(txn, RSW_T_DIGEST_OF, rsw_key_span(&names.key));
    } else {
        rsw_value_put(txn, RSW_T_DIGEST_OF, &names.key, names.bytes, names.len - size);
    }
}

/* ---- blobs ---- */

static int lost_digest(struct rsw_txn *txn) {
    return rsw_txn_damaged(txn, RSW_T_DIGEST_OF, "a blob has no digest");
}

int rsw_blob_get(struct rsw_txn *txn, uint32_t id, struct rsw_blob *out) {
    struct rsw_blobs blobs;
    uint32_t i = id % RSW_BLOBS_EACH;
    int answer = find_row(txn, id, &blobs);
    if (answer != RSW_FOUND || rsw_blobs_alg(&blobs, i) == 0) {
        return answer == RSW_FAILED ? RSW_FAILED : RSW_ABSENT;
    }
    uint8_t alg = rsw_blobs_alg(&blobs, i);
    get_row(&blobs, i, out);
    answer = rsw_blob_digest(txn, id, &out->digest);
    return answer == RSW_ABSENT || (answer == RSW_FOUND && out->digest.alg != alg) ? lost_digest(txn)
                                                                                   : answer;
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
    uint32_t id = 0;
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
    add_row(txn, &blob);
    add_name(txn, id, digest);
    txn->counters.next_blob++;
    txn->handed_out = true;
    return rsw_txn_ok(txn) ? id : 0;
}

void rsw_blob_put(struct rsw_txn *txn, const struct rsw_blob *blob) {
    struct rows rows;
    struct rsw_digest digest;
    int answer = rsw_blob_digest(txn, blob->id, &digest);
    if (answer == RSW_FOUND && rsw_digest_equal(&digest, &blob->digest)) {
        answer = copy_rows(txn, blob->id, &rows);
    } else if (answer == RSW_FOUND) {
        answer = RSW_ABSENT;
    }
    if (answer == RSW_FAILED) {
        return;
    }
    uint8_t *row = rows.bytes + (size_t)(blob->id % RSW_BLOBS_EACH) * RSW_V_BLOB_ROW;
    if (answer == RSW_ABSENT || row[RSW_V_BLOB_ALG] == 0) {
        rsw_txn_refuse(txn, RSW_EINVAL, "blob %u is not the one that it was read as", blob->id);
        return;
    }
    put_row(row, blob);
    rsw_value_put(txn, RSW_T_BLOB, &rows.key, rows.bytes, RSW_V_BLOB_SIZE);
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
    drop_row(txn, id);
    drop_name(txn, id);
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

int rsw_blobs_next(struct rsw_iter *iter, struct rsw_blobs *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? rsw_blobs_open(iter->txn, key, value, out) : answer;
}

/* The record after the one at hand, or that one again if the table was written to. */
static int load(struct rsw_iter *iter) {
    bool again = iter->blobs.packed != NULL && rsw_iter_overtaken(iter);
    uint32_t first = iter->blobs.first;
    if (again) {
        struct rsw_key key;
        rsw_key_id(&key, first / RSW_BLOBS_EACH);
        rsw_iter_go_to(iter, &key, false);
    }
    struct rsw_blobs found;
    int answer = rsw_blobs_next(iter, &found);
    if (answer != RSW_FOUND) {
        return answer;
    }
    iter->at = again && found.first == first ? iter->at : 0;
    iter->blobs.first = found.first;
    iter->blobs.packed = rsw_iter_hold(iter, 0, found.packed, RSW_V_BLOB_SIZE);
    return RSW_FOUND;
}

/* Digests never change, so those at hand are good; but what was read may be from before there was this blob.
 */
static int digest_of(struct rsw_iter *iter, uint32_t id, struct rsw_digest *out) {
    struct rsw_digests *digests = &iter->digests;
    uint32_t i = id % RSW_DIGESTS_EACH;
    if (digests->packed == NULL || digests->first != id - i || digests->packed[i] == 0) {
        struct rsw_digests found;
        int answer = find_digests(iter->txn, id, &found);
        if (answer != RSW_FOUND) {
            return answer;
        }
        size_t len = digest_at(found.packed, RSW_DIGESTS_EACH);
        digests->first = found.first;
        digests->packed = rsw_iter_hold(iter, RSW_V_BLOB_SIZE, found.packed, len);
    }
    return rsw_digests_get(digests, i, out);
}

int rsw_blob_next(struct rsw_iter *iter, struct rsw_blob *out) {
    for (;;) {
        if (iter->blobs.packed == NULL || iter->at == RSW_BLOBS_EACH || rsw_iter_overtaken(iter)) {
            int answer = load(iter);
            if (answer != RSW_FOUND) {
                return answer;
            }
        }
        while (iter->at < RSW_BLOBS_EACH) {
            uint32_t i = iter->at++;
            if (rsw_blobs_alg(&iter->blobs, i) != 0) {
                get_row(&iter->blobs, i, out);
                int answer = digest_of(iter, out->id, &out->digest);
                return answer == RSW_ABSENT ? lost_digest(iter->txn) : answer;
            }
        }
    }
}
