/* Tables DELETION and FORGOTTEN. */
#include "index/deletion.h"

#include "index/txn.h"

enum { FORGOTTEN_KIND = 0, FORGOTTEN_REPO = 1, FORGOTTEN_BLOB = 5, FORGOTTEN_NAME = 9 }; /* in the key */

const char *rsw_deletion_kind_name(enum rsw_deletion_kind kind) {
    static const char *const names[RSW_DELETION_KINDS] = {NULL, "repo", "image", "tag", "blob"};
    return kind < RSW_DELETION_KINDS ? names[kind] : NULL;
}

const char *rsw_deletion_state_name(enum rsw_deletion_state state) {
    static const char *const names[RSW_DELETION_STATES] = {"unknown", "waiting", "carried", "done",
                                                           "cancelled"};
    return state < RSW_DELETION_STATES ? names[state] : names[0];
}

/* ---- records ---- */

static void deletion_key(struct rsw_key *key, uint64_t id) {
    rsw_key_begin(key);
    rsw_key_u64(key, id);
}

static int decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_deletion *out) {
    if (key.len != 8) {
        return rsw_txn_damaged(txn, RSW_T_DELETION, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_DELETION, key, &value, RSW_V_DELETION_TEXT, false)) {
        return RSW_FAILED;
    }
    const uint8_t *at = value.data;
    size_t target = rsw_get_le32(at + RSW_V_DELETION_TARGET_LEN);
    if (target > RSW_DELETION_TARGET_MAX || target > value.len - RSW_V_DELETION_TEXT ||
        value.len - RSW_V_DELETION_TEXT - target > RSW_NOTE_MAX) {
        return rsw_txn_damaged(txn, RSW_T_DELETION, "a record contradicts itself");
    }
    out->id = rsw_get_be64(key.data);
    out->kind = (enum rsw_deletion_kind)at[RSW_V_DELETION_KIND];
    out->state = (enum rsw_deletion_state)at[RSW_V_DELETION_STATE];
    out->needed = (at[RSW_V_DELETION_FLAGS] & RSW_DELETION_NEEDED) != 0;
    out->told = (at[RSW_V_DELETION_FLAGS] & RSW_DELETION_TOLD) != 0;
    out->created_ms = rsw_get_time(at + RSW_V_DELETION_CREATED);
    out->created_steady_ms = rsw_get_time(at + RSW_V_DELETION_STEADY);
    out->changed_ms = rsw_get_time(at + RSW_V_DELETION_CHANGED);
    out->seq = rsw_get_le64(at + RSW_V_DELETION_SEQ);
    out->generation = rsw_get_le64(at + RSW_V_DELETION_GENERATION);
    out->named = rsw_get_le64(at + RSW_V_DELETION_NAMED);
    out->spared = rsw_get_le64(at + RSW_V_DELETION_SPARED);
    out->gone = rsw_get_le64(at + RSW_V_DELETION_GONE);
    out->elsewhere = 0;
    out->other = 0;
    rsw_text_out(out->target, sizeof out->target, at + RSW_V_DELETION_TEXT, target);
    rsw_text_out(out->note, sizeof out->note, at + RSW_V_DELETION_TEXT + target,
                 value.len - RSW_V_DELETION_TEXT - target);
    return RSW_FOUND;
}

int rsw_deletion_get(struct rsw_txn *txn, uint64_t id, struct rsw_deletion *out) {
    struct rsw_key key;
    struct rsw_span value;
    deletion_key(&key, id);
    int answer = rsw_txn_get(txn, RSW_T_DELETION, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_deletion_put(struct rsw_txn *txn, const struct rsw_deletion *deletion) {
    struct rsw_key key;
    uint8_t value[RSW_V_DELETION_TEXT + RSW_DELETION_TARGET_MAX + RSW_NOTE_MAX + RSW_SUM_SIZE];
    size_t target = strnlen(deletion->target, RSW_DELETION_TARGET_MAX);
    size_t note = strnlen(deletion->note, RSW_NOTE_MAX);
    deletion_key(&key, deletion->id);
    value[RSW_V_DELETION_KIND] = (uint8_t)deletion->kind;
    value[RSW_V_DELETION_STATE] = (uint8_t)deletion->state;
    value[RSW_V_DELETION_FLAGS] =
        (uint8_t)((deletion->needed ? RSW_DELETION_NEEDED : 0) | (deletion->told ? RSW_DELETION_TOLD : 0));
    rsw_put_time(value + RSW_V_DELETION_CREATED, deletion->created_ms);
    rsw_put_time(value + RSW_V_DELETION_STEADY, deletion->created_steady_ms);
    rsw_put_time(value + RSW_V_DELETION_CHANGED, deletion->changed_ms);
    rsw_put_le64(value + RSW_V_DELETION_SEQ, deletion->seq);
    rsw_put_le64(value + RSW_V_DELETION_GENERATION, deletion->generation);
    rsw_put_le64(value + RSW_V_DELETION_NAMED, deletion->named);
    rsw_put_le64(value + RSW_V_DELETION_SPARED, deletion->spared);
    rsw_put_le64(value + RSW_V_DELETION_GONE, deletion->gone);
    rsw_put_le32(value + RSW_V_DELETION_TARGET_LEN, (uint32_t)target);
    memcpy(value + RSW_V_DELETION_TEXT, deletion->target, target);
    memcpy(value + RSW_V_DELETION_TEXT + target, deletion->note, note);
    rsw_value_put(txn, RSW_T_DELETION, &key, value, RSW_V_DELETION_TEXT + target + note);
}

static void drop(struct rsw_txn *txn, uint64_t id) {
    struct rsw_key key;
    deletion_key(&key, id);
    rsw_txn_del(txn, RSW_T_DELETION, rsw_key_span(&key));
}

void rsw_deletion_add(struct rsw_txn *txn, struct rsw_deletion *deletion) {
    struct rsw_deletion old;
    deletion->id = txn->counters.next_deletion++;
    deletion->seq = rsw_txn_seq(txn);
    txn->handed_out = true;
    rsw_deletion_put(txn, deletion);
    if (deletion->id > RSW_DELETIONS_KEPT &&
        rsw_deletion_get(txn, deletion->id - RSW_DELETIONS_KEPT, &old) == RSW_FOUND &&
        rsw_deletion_ended(&old)) {
        drop(txn, old.id);
    }
}

void rsw_deletions_drop_old(struct rsw_txn *txn, int64_t now_ms) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND &&
           deletion.id + RSW_DELETIONS_KEPT < txn->counters.next_deletion) {
        if (rsw_deletion_ended(&deletion) && now_ms - deletion.changed_ms > RSW_DELETIONS_KEPT_MS) {
            drop(txn, deletion.id);
        }
    }
}

void rsw_iter_deletions(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_DELETION, &all);
}

int rsw_deletion_next(struct rsw_iter *iter, struct rsw_deletion *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode(iter->txn, key, value, out) : answer;
}

/* ---- their objects ---- */

static bool forgotten_key(struct rsw_txn *txn, struct rsw_key *key, const struct rsw_forgotten *of) {
    size_t len = strnlen(of->name, RSW_TAG_NAME_MAX + 1);
    if (len > RSW_TAG_NAME_MAX) {
        rsw_txn_refuse(txn, RSW_EINVAL, "the name of a tag is longer than %d bytes", RSW_TAG_NAME_MAX);
        return false;
    }
    rsw_key_begin(key);
    rsw_key_u8(key, (unsigned)of->kind);
    rsw_key_u32(key, of->repo);
    rsw_key_u32(key, of->blob);
    rsw_key_bytes(key, of->name, len);
    return rsw_txn_ok(txn);
}

static int decode_forgotten(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                            struct rsw_forgotten *out) {
    if (key.len < FORGOTTEN_NAME || key.len > FORGOTTEN_NAME + RSW_TAG_NAME_MAX) {
        return rsw_txn_damaged(txn, RSW_T_FORGOTTEN, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_FORGOTTEN, key, &value, RSW_V_FORGOTTEN_SIZE, true)) {
        return RSW_FAILED;
    }
    out->kind = (enum rsw_item_kind)key.data[FORGOTTEN_KIND];
    out->repo = rsw_get_be32(key.data + FORGOTTEN_REPO);
    out->blob = rsw_get_be32(key.data + FORGOTTEN_BLOB);
    rsw_text_out(out->name, sizeof out->name, key.data + FORGOTTEN_NAME, key.len - FORGOTTEN_NAME);
    out->deletion = rsw_get_le64(value.data + RSW_V_FORGOTTEN_DELETION);
    out->head = rsw_get_le32(value.data + RSW_V_FORGOTTEN_HEAD);
    return RSW_FOUND;
}

int rsw_forgotten_get(struct rsw_txn *txn, struct rsw_forgotten *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!forgotten_key(txn, &key, out)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_FORGOTTEN, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_forgotten(txn, rsw_key_span(&key), value, out) : answer;
}

bool rsw_forgotten_add(struct rsw_txn *txn, const struct rsw_forgotten *forgotten) {
    struct rsw_key key;
    struct rsw_forgotten old = *forgotten;
    uint8_t value[RSW_V_FORGOTTEN_SIZE + RSW_SUM_SIZE];
    if (rsw_forgotten_get(txn, &old) != RSW_ABSENT || !forgotten_key(txn, &key, forgotten)) {
        return false;
    }
    rsw_put_le64(value + RSW_V_FORGOTTEN_DELETION, forgotten->deletion);
    rsw_put_le32(value + RSW_V_FORGOTTEN_HEAD, forgotten->head);
    rsw_value_put(txn, RSW_T_FORGOTTEN, &key, value, RSW_V_FORGOTTEN_SIZE);
    return rsw_txn_ok(txn);
}

void rsw_forgotten_drop(struct rsw_txn *txn, const struct rsw_forgotten *forgotten) {
    struct rsw_key key;
    if (forgotten_key(txn, &key, forgotten)) {
        rsw_txn_del(txn, RSW_T_FORGOTTEN, rsw_key_span(&key));
    }
}

void rsw_forgotten_end(struct rsw_txn *txn, const struct rsw_forgotten *forgotten, bool gone,
                       int64_t now_ms) {
    struct rsw_deletion deletion;
    rsw_forgotten_drop(txn, forgotten);
    if (rsw_deletion_get(txn, forgotten->deletion, &deletion) != RSW_FOUND) {
        return;
    }
    deletion.gone += gone ? 1 : 0;
    deletion.spared += gone ? 0 : 1;
    if (rsw_deletion_left(&deletion) == 0 && !rsw_deletion_ended(&deletion)) {
        deletion.state = RSW_DELETION_DONE;
        deletion.needed = false;
        deletion.changed_ms = now_ms;
    }
    rsw_deletion_put(txn, &deletion);
}

static bool spare(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                  const char *name, int64_t now_ms) {
    struct rsw_forgotten forgotten = {.kind = kind, .repo = repo, .blob = blob};
    if (name != NULL) {
        rsw_text_out(forgotten.name, sizeof forgotten.name, (const uint8_t *)name, strlen(name));
    }
    if (rsw_forgotten_get(txn, &forgotten) != RSW_FOUND) {
        return false;
    }
    rsw_forgotten_end(txn, &forgotten, false, now_ms);
    return true;
}

bool rsw_forgotten_spare(struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo, uint32_t blob,
                         const char *name, int64_t now_ms) {
    spare(txn, RSW_ITEM_REPOSITORY, repo, 0, NULL, now_ms);
    return spare(txn, kind, repo, blob, name, now_ms);
}

bool rsw_forgotten_any(struct rsw_txn *txn) {
    return rsw_txn_has_prefix(txn, RSW_T_FORGOTTEN, rsw_span_of("", 0)) != RSW_ABSENT;
}

void rsw_iter_forgotten(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_item_kind kind, uint32_t repo) {
    struct rsw_key prefix = {.len = 0};
    if (kind != 0) {
        rsw_key_u8(&prefix, (unsigned)kind);
    }
    if (kind != 0 && repo != 0) {
        rsw_key_u32(&prefix, repo);
    }
    rsw_iter_open(iter, txn, RSW_T_FORGOTTEN, &prefix);
}

int rsw_forgotten_next(struct rsw_iter *iter, struct rsw_forgotten *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_forgotten(iter->txn, key, value, out) : answer;
}
