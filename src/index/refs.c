/* Tables REFS and NAMED_BY: who names whom, both ways. */
#include "index/refs.h"

#include <errno.h>
#include <stdlib.h>

/* More than a manifest of any allowed size can name; keeps sizes far from overflow. */
#define REFS_MAX 10000000u

static void named_by_key(struct rsw_key *key, uint32_t child, uint32_t manifest, unsigned kind) {
    rsw_key_ids(key, child, manifest);
    rsw_key_u8(key, kind);
}

static int decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_refs *out) {
    if (key.len != 4) {
        return rsw_txn_damaged(txn, RSW_T_REFS, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_REFS, key, &value, RSW_V_REFS_IDS, false)) {
        return RSW_FAILED;
    }
    uint32_t count = rsw_get_le32(value.data + RSW_V_REFS_COUNT);
    if (count > REFS_MAX || value.len != RSW_V_REFS_IDS + (size_t)count * RSW_V_REFS_EACH) {
        return rsw_txn_damaged(txn, RSW_T_REFS, "a record has the wrong length");
    }
    out->count = count;
    out->packed = value.data;
    return RSW_FOUND;
}

int rsw_refs_get(struct rsw_txn *txn, uint32_t manifest, struct rsw_refs *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_id(&key, manifest);
    int answer = rsw_txn_get(txn, RSW_T_REFS, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, rsw_key_span(&key), value, out) : answer;
}

struct rsw_refs rsw_refs_of(const uint8_t *packed) {
    return (struct rsw_refs){.count = rsw_get_le32(packed + RSW_V_REFS_COUNT), .packed = packed};
}

uint32_t rsw_refs_child(const struct rsw_refs *refs, uint32_t i) {
    return rsw_get_le32(refs->packed + RSW_V_REFS_IDS + (size_t)i * 4);
}

enum rsw_ref_kind rsw_refs_kind(const struct rsw_refs *refs, uint32_t i) {
    return (enum rsw_ref_kind)refs->packed[RSW_V_REFS_IDS + (size_t)refs->count * 4 + i];
}

/* The id of what is named, with what the reference tells about it. 0: failed. */
static uint32_t intern_child(struct rsw_txn *txn, const struct rsw_ref *ref, int64_t now_ms) {
    uint32_t id = rsw_blob_intern(txn, &ref->digest, now_ms);
    struct rsw_blob child;
    if (id == 0 || ref->types == 0) {
        return id;
    }
    int answer = rsw_blob_get(txn, id, &child);
    if (answer == RSW_ABSENT) {
        rsw_txn_damaged(txn, RSW_T_DIGEST, "a digest has no record");
    } else if (answer == RSW_FOUND && (child.types | ref->types) != child.types) {
        child.types |= ref->types;
        rsw_blob_put(txn, &child);
    }
    return rsw_txn_ok(txn) ? id : 0;
}

static void write_refs(struct rsw_txn *txn, uint32_t manifest, const struct rsw_ref *refs, uint32_t count,
                       uint8_t *value, int64_t now_ms) {
    rsw_put_le32(value + RSW_V_REFS_COUNT, count);
    uint8_t *ids = value + RSW_V_REFS_IDS;
    uint8_t *kinds = ids + (size_t)count * 4;
    struct rsw_key key;
    for (uint32_t i = 0; i < count && rsw_txn_ok(txn); i++) {
        uint32_t child = intern_child(txn, &refs[i], now_ms);
        rsw_put_le32(ids + (size_t)i * 4, child);
        kinds[i] = refs[i].kind;
        named_by_key(&key, child, manifest, refs[i].kind);
        rsw_txn_put(txn, RSW_T_NAMED_BY, rsw_key_span(&key), rsw_span_of("", 0));
    }
    rsw_key_id(&key, manifest);
    rsw_value_put(txn, RSW_T_REFS, &key, value, RSW_V_REFS_IDS + (size_t)count * RSW_V_REFS_EACH);
}

void rsw_refs_put(struct rsw_txn *txn, uint32_t manifest, uint32_t types, bool known,
                  const struct rsw_ref *refs, size_t count, int64_t now_ms) {
    struct rsw_blob blob;
    int answer = rsw_blob_get(txn, manifest, &blob);
    if (answer == RSW_ABSENT || (answer == RSW_FOUND && count > REFS_MAX)) {
        rsw_txn_refuse(txn, RSW_EINVAL, "blob %u is not there, or names too much", manifest);
    }
    if (!rsw_txn_ok(txn) || (blob.flags & RSW_BLOB_PARSED) != 0) {
        return;
    }
    uint8_t *value = malloc(RSW_V_REFS_IDS + count * RSW_V_REFS_EACH + RSW_SUM_SIZE);
    if (value == NULL) {
        rsw_txn_refuse(txn, RSW_ENOMEM, "out of memory");
        return;
    }
    write_refs(txn, manifest, refs, (uint32_t)count, value, now_ms);
    free(value);
    if (rsw_blob_get(txn, manifest, &blob) == RSW_FOUND) { /* again: it may name itself */
        blob.types |= types;
        blob.flags |= RSW_BLOB_PARSED | (known ? 0u : (unsigned)RSW_BLOB_ODD);
        blob.flags &= ~(unsigned)(RSW_BLOB_UNREADABLE | RSW_BLOB_GONE);
        rsw_blob_put(txn, &blob);
    }
}

int rsw_refs_drop(struct rsw_txn *txn, uint32_t manifest, uint32_t **children, size_t *count) {
    struct rsw_refs refs;
    struct rsw_key key;
    *children = NULL;
    *count = 0;
    int answer = rsw_refs_get(txn, manifest, &refs);
    if (answer != RSW_FOUND) {
        return answer;
    }
    /* Copied, because what is borrowed ends with the first write. */
    size_t packed = RSW_V_REFS_IDS + (size_t)refs.count * RSW_V_REFS_EACH;
    uint8_t *copy = malloc(packed);
    uint32_t *ids = calloc((size_t)refs.count + 1, sizeof *ids);
    if (copy == NULL || ids == NULL) {
        free(copy);
        free(ids);
        return rsw_txn_refuse(txn, RSW_ENOMEM, "out of memory");
    }
    memcpy(copy, refs.packed, packed);
    refs.packed = copy;
    for (uint32_t i = 0; i < refs.count; i++) {
        ids[i] = rsw_refs_child(&refs, i);
        named_by_key(&key, ids[i], manifest, (unsigned)rsw_refs_kind(&refs, i));
        rsw_txn_del(txn, RSW_T_NAMED_BY, rsw_key_span(&key));
    }
    rsw_key_id(&key, manifest);
    rsw_txn_del(txn, RSW_T_REFS, rsw_key_span(&key));
    free(copy);
    *children = ids;
    *count = refs.count;
    return rsw_txn_ok(txn) ? 0 : -1;
}

void rsw_iter_refs(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_REFS, &all);
}

int rsw_refs_next(struct rsw_iter *iter, uint32_t *manifest, struct rsw_refs *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer == RSW_FOUND) {
        answer = decode(iter->txn, key, value, out);
    }
    if (answer == RSW_FOUND) {
        *manifest = rsw_get_be32(key.data);
    }
    return answer;
}

void rsw_iter_named_by(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t child) {
    struct rsw_key prefix;
    rsw_key_id(&prefix, child);
    rsw_iter_open(iter, txn, RSW_T_NAMED_BY, &prefix);
}

int rsw_named_by_next(struct rsw_iter *iter, uint32_t *manifest, enum rsw_ref_kind *kind) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if (key.len != 9) {
        return rsw_iter_damaged(iter);
    }
    *manifest = rsw_get_be32(key.data + 4);
    *kind = (enum rsw_ref_kind)key.data[8];
    return RSW_FOUND;
}
