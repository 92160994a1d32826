/* Tables GENERATION and ITEM. */
#include "index/txn.h"

#define VALUE_SIZE ((size_t)RSW_V_GENERATION_COUNTS + 8 * RSW_ITEM_KINDS)

static void generation_key(struct rsw_key *key, uint64_t id) {
    rsw_key_begin(key);
    rsw_key_u64(key, id);
}

static int decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                  struct rsw_generation *out) {
    if (key.len != 8) {
        return rsw_txn_damaged(txn, RSW_T_GENERATION, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_GENERATION, key, &value, VALUE_SIZE, true)) {
        return RSW_FAILED;
    }
    const uint8_t *at = value.data;
    out->id = rsw_get_be64(key.data);
    out->state = (enum rsw_generation_state)at[RSW_V_GENERATION_STATE];
    out->offline = at[RSW_V_GENERATION_OFFLINE] != 0;
    out->untagged = at[RSW_V_GENERATION_UNTAGGED] != 0;
    out->grace_ms = rsw_get_time(at + RSW_V_GENERATION_GRACE);
    out->created_ms = rsw_get_time(at + RSW_V_GENERATION_CREATED);
    out->changed_ms = rsw_get_time(at + RSW_V_GENERATION_CHANGED);
    out->seq = rsw_get_le64(at + RSW_V_GENERATION_SEQ);
    out->bytes = rsw_get_le64(at + RSW_V_GENERATION_BYTES);
    out->done = rsw_get_le64(at + RSW_V_GENERATION_DONE);
    out->failed = rsw_get_le64(at + RSW_V_GENERATION_FAILED);
    out->spared = rsw_get_le64(at + RSW_V_GENERATION_SPARED);
    out->freed = rsw_get_le64(at + RSW_V_GENERATION_FREED);
    for (size_t kind = 0; kind < RSW_ITEM_KINDS; kind++) {
        out->counts[kind] = rsw_get_le64(at + RSW_V_GENERATION_COUNTS + 8 * kind);
    }
    return RSW_FOUND;
}

static void encode(struct rsw_txn *txn, const struct rsw_generation *generation) {
    struct rsw_key key;
    uint8_t value[VALUE_SIZE + RSW_SUM_SIZE];
    generation_key(&key, generation->id);
    value[RSW_V_GENERATION_STATE] = (uint8_t)generation->state;
    value[RSW_V_GENERATION_OFFLINE] = generation->offline ? 1 : 0;
    value[RSW_V_GENERATION_UNTAGGED] = generation->untagged ? 1 : 0;
    rsw_put_time(value + RSW_V_GENERATION_GRACE, generation->grace_ms);
    rsw_put_time(value + RSW_V_GENERATION_CREATED, generation->created_ms);
    rsw_put_time(value + RSW_V_GENERATION_CHANGED, generation->changed_ms);
    rsw_put_le64(value + RSW_V_GENERATION_SEQ, generation->seq);
    rsw_put_le64(value + RSW_V_GENERATION_BYTES, generation->bytes);
    rsw_put_le64(value + RSW_V_GENERATION_DONE, generation->done);
    rsw_put_le64(value + RSW_V_GENERATION_FAILED, generation->failed);
    rsw_put_le64(value + RSW_V_GENERATION_SPARED, generation->spared);
    rsw_put_le64(value + RSW_V_GENERATION_FREED, generation->freed);
    for (size_t kind = 0; kind < RSW_ITEM_KINDS; kind++) {
        rsw_put_le64(value + RSW_V_GENERATION_COUNTS + 8 * kind, generation->counts[kind]);
    }
    rsw_value_put(txn, RSW_T_GENERATION, &key, value, VALUE_SIZE);
}

void rsw_generation_add(struct rsw_txn *txn, struct rsw_generation *generation) {
    generation->id = txn->counters.next_generation++;
    txn->handed_out = true;
    encode(txn, generation);
}

int rsw_generation_get(struct rsw_txn *txn, uint64_t id, struct rsw_generation *out) {
    struct rsw_key key;
    struct rsw_span value;
    generation_key(&key, id);
    int answer = rsw_txn_get(txn, RSW_T_GENERATION, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_generation_put(struct rsw_txn *txn, const struct rsw_generation *generation) {
    if (generation->id == 0 || generation->id >= txn->counters.next_generation) {
        rsw_txn_refuse(txn, RSW_EINVAL, "generation %llu was never handed out",
                       (unsigned long long)generation->id);
        return;
    }
    encode(txn, generation);
}

void rsw_iter_generations(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_GENERATION, &all);
}

int rsw_generation_next(struct rsw_iter *iter, struct rsw_generation *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode(iter->txn, key, value, out) : answer;
}

/* ---- items ---- */

enum { ITEM_KIND = 8, ITEM_REPO = 9, ITEM_BLOB = 13, ITEM_NAME = 17 }; /* in the key */

static bool item_key(struct rsw_txn *txn, struct rsw_key *key, const struct rsw_item *item) {
    size_t len = strnlen(item->name, RSW_TAG_NAME_MAX + 1);
    generation_key(key, item->generation);
    if (len > RSW_TAG_NAME_MAX) {
        rsw_txn_refuse(txn, RSW_EINVAL, "the name of an item is longer than %d bytes", RSW_TAG_NAME_MAX);
        return false;
    }
    rsw_key_u8(key, (unsigned)item->kind);
    rsw_key_u32(key, item->repo);
    rsw_key_u32(key, item->blob);
    rsw_key_bytes(key, item->name, len);
    return rsw_txn_ok(txn);
}

void rsw_item_put(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_key key;
    uint8_t value[RSW_V_ITEM_SIZE + RSW_SUM_SIZE];
    if (item_key(txn, &key, item)) {
        value[RSW_V_ITEM_REASON] = (uint8_t)item->reason;
        value[RSW_V_ITEM_STATE] = (uint8_t)item->state;
        rsw_put_le64(value + RSW_V_ITEM_BYTES, item->size);
        rsw_value_put(txn, RSW_T_ITEM, &key, value, RSW_V_ITEM_SIZE);
    }
}

void rsw_items_drop(struct rsw_txn *txn, uint64_t generation) {
    struct rsw_key prefix;
    struct rsw_span key;
    struct rsw_span value;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    generation_key(&prefix, generation);
    rsw_iter_open(&iter, txn, RSW_T_ITEM, &prefix);
    while (rsw_iter_step(&iter, &key, &value) == RSW_FOUND) {
        struct rsw_key copy = {.len = 0};
        rsw_key_bytes(&copy, key.data, key.len);
        rsw_txn_del(txn, RSW_T_ITEM, rsw_key_span(&copy));
    }
}

void rsw_iter_items(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation,
                    enum rsw_item_kind kind) {
    struct rsw_key prefix;
    generation_key(&prefix, generation);
    if (kind != 0) {
        rsw_key_u8(&prefix, (unsigned)kind);
    }
    rsw_iter_open(iter, txn, RSW_T_ITEM, &prefix);
}

void rsw_iter_items_after(struct rsw_iter *iter, struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_key key;
    bool named = item_key(txn, &key, item);
    rsw_iter_items(iter, txn, item->generation, item->kind);
    if (named) {
        rsw_iter_go_to(iter, &key, true);
    }
}

int rsw_item_next(struct rsw_iter *iter, struct rsw_item *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if (key.len < ITEM_NAME || key.len > ITEM_NAME + RSW_TAG_NAME_MAX) {
        return rsw_iter_damaged(iter);
    }
    if (!rsw_value_open(iter->txn, RSW_T_ITEM, key, &value, RSW_V_ITEM_SIZE, true)) {
        return RSW_FAILED;
    }
    out->generation = rsw_get_be64(key.data);
    out->kind = (enum rsw_item_kind)key.data[ITEM_KIND];
    out->repo = rsw_get_be32(key.data + ITEM_REPO);
    out->blob = rsw_get_be32(key.data + ITEM_BLOB);
    out->reason = (enum rsw_reason)value.data[RSW_V_ITEM_REASON];
    out->state = (enum rsw_item_state)value.data[RSW_V_ITEM_STATE];
    out->size = rsw_get_le64(value.data + RSW_V_ITEM_BYTES);
    rsw_text_out(out->name, sizeof out->name, key.data + ITEM_NAME, key.len - ITEM_NAME);
    return RSW_FOUND;
}
