/* Table ITEM with TAG_ITEM, and TOUCHED, whose keys are those of items; HELD. */
#include "index/txn.h"

enum { ITEM_KIND = 8, ITEM_REPO = 9, ITEM_BLOB = 13, ITEM_NAME = 17 }; /* in the key */

static void generation_key(struct rsw_key *key, uint64_t id) {
    rsw_key_begin(key);
    rsw_key_u64(key, id);
}

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

/* What the keys of all items begin with whose names begin so. */
static void tag_item_prefix(struct rsw_key *key, uint64_t generation, uint32_t repo, const char *name) {
    generation_key(key, generation);
    rsw_key_u32(key, repo);
    rsw_key_bytes(key, name, strlen(name));
}

void rsw_tag_item_key(struct rsw_key *key, const struct rsw_item *item) {
    tag_item_prefix(key, item->generation, item->repo, item->name);
    rsw_key_u8(key, 0);
    rsw_key_u32(key, item->blob);
}

void rsw_item_put(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_key key;
    uint8_t value[RSW_V_ITEM_SIZE + RSW_SUM_SIZE];
    if (item_key(txn, &key, item)) {
        value[RSW_V_ITEM_REASON] = (uint8_t)item->reason;
        value[RSW_V_ITEM_STATE] = (uint8_t)item->state;
        value[RSW_V_ITEM_FLAGS] = (uint8_t)item->flags;
        rsw_put_le64(value + RSW_V_ITEM_BYTES, item->size);
        if (rsw_value_put(txn, RSW_T_ITEM, &key, value, RSW_V_ITEM_SIZE) == RSW_ABSENT &&
            item->kind == RSW_ITEM_TAG) {
            rsw_tag_item_key(&key, item);
            rsw_txn_put(txn, RSW_T_TAG_ITEM, rsw_key_span(&key), rsw_span_of("", 0));
        }
    }
}

void rsw_items_drop(struct rsw_txn *txn, uint64_t generation) {
    struct rsw_item item;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_items(&iter, txn, generation, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        struct rsw_key key;
        if (item.state != RSW_ITEM_HELD && item_key(txn, &key, &item)) {
            rsw_txn_del(txn, RSW_T_ITEM, rsw_key_span(&key));
            rsw_txn_del(txn, RSW_T_TOUCHED, rsw_key_span(&key));
            if (item.kind == RSW_ITEM_TAG) {
                rsw_tag_item_key(&key, &item);
                rsw_txn_del(txn, RSW_T_TAG_ITEM, rsw_key_span(&key));
            }
        }
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

void rsw_iter_items_in(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation,
                       enum rsw_item_kind kind, uint32_t repo) {
    struct rsw_key prefix;
    generation_key(&prefix, generation);
    rsw_key_u8(&prefix, (unsigned)kind);
    rsw_key_u32(&prefix, repo);
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

int rsw_item_decode_key(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key,
                        struct rsw_item *out) {
    if (key.len < ITEM_NAME || key.len > ITEM_NAME + RSW_TAG_NAME_MAX) {
        return rsw_txn_damaged(txn, table, "a key has the wrong form");
    }
    memset(out, 0, sizeof *out);
    out->generation = rsw_get_be64(key.data);
    out->kind = (enum rsw_item_kind)key.data[ITEM_KIND];
    out->repo = rsw_get_be32(key.data + ITEM_REPO);
    out->blob = rsw_get_be32(key.data + ITEM_BLOB);
    rsw_text_out(out->name, sizeof out->name, key.data + ITEM_NAME, key.len - ITEM_NAME);
    return RSW_FOUND;
}

static int decode_item(struct rsw_txn *txn, struct rsw_span key, struct rsw_span *value,
                       struct rsw_item *out) {
    if (rsw_item_decode_key(txn, RSW_T_ITEM, key, out) != RSW_FOUND ||
        !rsw_value_open(txn, RSW_T_ITEM, key, value, RSW_V_ITEM_SIZE, true)) {
        return RSW_FAILED;
    }
    out->reason = (enum rsw_reason)value->data[RSW_V_ITEM_REASON];
    out->state = (enum rsw_item_state)value->data[RSW_V_ITEM_STATE];
    out->flags = value->data[RSW_V_ITEM_FLAGS];
    out->size = rsw_get_le64(value->data + RSW_V_ITEM_BYTES);
    return RSW_FOUND;
}

int rsw_item_next(struct rsw_iter *iter, struct rsw_item *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_item(iter->txn, key, &value, out) : answer;
}

static void unnamed(struct rsw_item *out, uint64_t generation, enum rsw_item_kind kind, uint32_t repo,
                    uint32_t blob) {
    memset(out, 0, sizeof *out);
    out->generation = generation;
    out->kind = kind;
    out->repo = repo;
    out->blob = blob;
}

void rsw_iter_items_of(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation,
                       enum rsw_item_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_key prefix;
    generation_key(&prefix, generation);
    rsw_key_u8(&prefix, (unsigned)kind);
    rsw_key_u32(&prefix, repo);
    rsw_key_u32(&prefix, blob);
    rsw_iter_open(iter, txn, RSW_T_ITEM, &prefix);
}

void rsw_iter_tag_items(struct rsw_iter *iter, struct rsw_txn *txn, uint64_t generation, uint32_t repo,
                        const char *name, bool whole) {
    struct rsw_key prefix;
    tag_item_prefix(&prefix, generation, repo, name);
    if (whole) {
        rsw_key_u8(&prefix, 0);
    }
    rsw_iter_open(iter, txn, RSW_T_TAG_ITEM, &prefix);
}

/* generation, repository, tag, NUL, head */
int rsw_tag_item_next(struct rsw_iter *iter, struct rsw_item *out) {
    enum { REPO = 8, NAME = 12, BEHIND_NAME = 5 };
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if (key.len < NAME + BEHIND_NAME || key.len > NAME + RSW_TAG_NAME_MAX + BEHIND_NAME) {
        return rsw_iter_damaged(iter);
    }
    unnamed(out, rsw_get_be64(key.data), RSW_ITEM_TAG, rsw_get_be32(key.data + REPO),
            rsw_get_be32(key.data + key.len - 4));
    rsw_text_out(out->name, sizeof out->name, key.data + NAME, key.len - NAME - BEHIND_NAME);
    answer = rsw_item_get(iter->txn, out);
    return answer == RSW_ABSENT ? rsw_txn_damaged(iter->txn, RSW_T_TAG_ITEM, "an item is lost") : answer;
}

void rsw_iter_items_behind(struct rsw_iter *iter, struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_key key;
    bool named = item_key(txn, &key, item);
    rsw_iter_items(iter, txn, item->generation, 0);
    if (named) {
        rsw_iter_go_to(iter, &key, true);
    }
}

int rsw_item_get(struct rsw_txn *txn, struct rsw_item *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!item_key(txn, &key, out)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_ITEM, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_item(txn, rsw_key_span(&key), &value, out) : answer;
}

int rsw_condemned_get(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                      const char *name, struct rsw_item *out) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    for (size_t i = 0; i < count; i++) {
        struct rsw_item item;
        unnamed(&item, ids[i], kind, repo, blob);
        rsw_text_out(item.name, sizeof item.name, (const uint8_t *)name, strlen(name));
        int answer = rsw_item_get(txn, &item);
        if (answer == RSW_FOUND && out != NULL) {
            *out = item;
        }
        if (answer != RSW_ABSENT) {
            return answer;
        }
    }
    return rsw_txn_ok(txn) ? RSW_ABSENT : RSW_FAILED;
}

/* ---- touches ---- */

static void queue(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_key key;
    uint8_t value[RSW_V_TOUCHED_SIZE + RSW_SUM_SIZE];
    if (item_key(txn, &key, item)) {
        rsw_put_le64(value + RSW_V_TOUCHED_SEQ, rsw_txn_seq(txn));
        rsw_value_put(txn, RSW_T_TOUCHED, &key, value, RSW_V_TOUCHED_SIZE);
    }
}

bool rsw_touch_item(struct rsw_txn *txn, const struct rsw_item *item, bool again) {
    struct rsw_item now = *item;
    if (rsw_item_get(txn, &now) != RSW_FOUND || now.state == RSW_ITEM_DONE ||
        ((now.flags & RSW_ITEM_TOUCHED) != 0 && !again)) {
        return false;
    }
    now.flags |= RSW_ITEM_TOUCHED;
    rsw_item_put(txn, &now);
    queue(txn, &now);
    return rsw_txn_ok(txn);
}

static bool touch_in(struct rsw_txn *txn, const uint64_t *ids, size_t count, enum rsw_item_kind kind,
                     uint32_t repo, uint32_t blob, bool again) {
    struct rsw_held held;
    struct rsw_item item;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        unnamed(&item, ids[i], kind, repo, blob);
        any = rsw_touch_item(txn, &item, again) || any;
    }
    if (kind == RSW_ITEM_BLOB && rsw_held_get(txn, blob, &held) == RSW_FOUND) {
        unnamed(&item, held.generation, kind, 0, blob);
        any = rsw_touch_item(txn, &item, again) || any;
    }
    return any;
}

bool rsw_touch_kind(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob, bool again) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    return touch_in(txn, ids, count, kind, repo, blob, again);
}

/* Also of what was touched before: a push of today may find gone what the touch of yesterday found in place.
 * A manifest is queued even if it is no item of any generation: what it names may be. */
bool rsw_touch(struct rsw_txn *txn, uint32_t repo, uint32_t blob) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    struct rsw_blob record;
    bool any = touch_in(txn, ids, count, RSW_ITEM_LINK, repo, blob, true);
    any = touch_in(txn, ids, count, RSW_ITEM_REVISION, repo, blob, true) || any;
    any = touch_in(txn, ids, count, RSW_ITEM_BLOB, 0, blob, true) || any;
    if (count > 0 && rsw_blob_get(txn, blob, &record) == RSW_FOUND && (record.flags & RSW_BLOB_PARSED) != 0) {
        struct rsw_item manifest;
        unnamed(&manifest, 0, RSW_ITEM_REVISION, repo, blob);
        queue(txn, &manifest);
        any = true;
    }
    return any && rsw_txn_ok(txn);
}

bool rsw_touch_tag(struct rsw_txn *txn, uint32_t repo, const char *tag) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_item item;
        rsw_iter_tag_items(&iter, txn, ids[i], repo, tag, true);
        while (rsw_tag_item_next(&iter, &item) == RSW_FOUND) {
            any = rsw_touch_item(txn, &item, true) || any;
        }
    }
    return any;
}

void rsw_iter_touched(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_TOUCHED, &all);
}

int rsw_touched_next(struct rsw_iter *iter, struct rsw_item *out, uint64_t *queued) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if (!rsw_value_open(iter->txn, RSW_T_TOUCHED, key, &value, RSW_V_TOUCHED_SIZE, true) ||
        rsw_item_decode_key(iter->txn, RSW_T_TOUCHED, key, out) != RSW_FOUND) {
        return RSW_FAILED;
    }
    *queued = rsw_get_le64(value.data + RSW_V_TOUCHED_SEQ);
    if (out->generation == 0) {
        return RSW_FOUND;
    }
    answer = rsw_item_get(iter->txn, out);
    return answer == RSW_ABSENT ? rsw_txn_damaged(iter->txn, RSW_T_TOUCHED, "an item is lost") : answer;
}

int rsw_touched_get(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_key key;
    struct rsw_span value;
    return item_key(txn, &key, item) ? rsw_txn_get(txn, RSW_T_TOUCHED, rsw_key_span(&key), &value)
                                     : RSW_FAILED;
}

bool rsw_touched_drop(struct rsw_txn *txn, const struct rsw_item *item, uint64_t queued) {
    struct rsw_key key;
    struct rsw_span value;
    if (!item_key(txn, &key, item) ||
        rsw_txn_get(txn, RSW_T_TOUCHED, rsw_key_span(&key), &value) != RSW_FOUND ||
        !rsw_value_open(txn, RSW_T_TOUCHED, rsw_key_span(&key), &value, RSW_V_TOUCHED_SIZE, true) ||
        rsw_get_le64(value.data + RSW_V_TOUCHED_SEQ) != queued) {
        return false;
    }
    rsw_txn_del(txn, RSW_T_TOUCHED, rsw_key_span(&key));
    return rsw_txn_ok(txn);
}

/* ---- held bytes ---- */

static int decode_held(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                       struct rsw_held *out) {
    if (key.len != 4) {
        return rsw_txn_damaged(txn, RSW_T_HELD, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_HELD, key, &value, RSW_V_HELD_SIZE, true)) {
        return RSW_FAILED;
    }
    out->blob = rsw_get_be32(key.data);
    out->generation = rsw_get_le64(value.data + RSW_V_HELD_GENERATION);
    out->since_ms = rsw_get_time(value.data + RSW_V_HELD_SINCE);
    out->seq = rsw_get_le64(value.data + RSW_V_HELD_SEQ);
    return RSW_FOUND;
}

int rsw_held_get(struct rsw_txn *txn, uint32_t blob, struct rsw_held *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_id(&key, blob);
    int answer = rsw_txn_get(txn, RSW_T_HELD, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_held(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_held_put(struct rsw_txn *txn, const struct rsw_held *held) {
    struct rsw_key key;
    uint8_t value[RSW_V_HELD_SIZE + RSW_SUM_SIZE];
    rsw_key_id(&key, held->blob);
    rsw_put_le64(value + RSW_V_HELD_GENERATION, held->generation);
    rsw_put_time(value + RSW_V_HELD_SINCE, held->since_ms);
    rsw_put_le64(value + RSW_V_HELD_SEQ, held->seq);
    rsw_value_put(txn, RSW_T_HELD, &key, value, RSW_V_HELD_SIZE);
}

void rsw_held_drop(struct rsw_txn *txn, uint32_t blob) {
    struct rsw_key key;
    rsw_key_id(&key, blob);
    rsw_txn_del(txn, RSW_T_HELD, rsw_key_span(&key));
}

void rsw_iter_held(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_HELD, &all);
}

int rsw_held_next(struct rsw_iter *iter, struct rsw_held *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_held(iter->txn, key, value, out) : answer;
}
