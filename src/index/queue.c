/* Tables CHECK, INSTANCE, EVENT: what serving the feed leaves behind. */
#include "index/txn.h"

#include <stdlib.h>

/* ---- checks ---- */

/* The tag is empty for kinds that have none. */
static bool check_key(struct rsw_txn *txn, struct rsw_key *key, enum rsw_check_kind kind, uint32_t repo,
                      uint32_t blob, const char *tag) {
    size_t len = tag == NULL ? 0 : strnlen(tag, RSW_TAG_NAME_MAX + 1);
    if (len > RSW_TAG_NAME_MAX) {
        rsw_txn_refuse(txn, RSW_EINVAL, "the name of a tag is longer than %d bytes", RSW_TAG_NAME_MAX);
        return false;
    }
    rsw_key_begin(key);
    rsw_key_u8(key, (unsigned)kind);
    rsw_key_u32(key, repo);
    rsw_key_u32(key, blob);
    rsw_key_bytes(key, tag == NULL ? "" : tag, len);
    return rsw_txn_ok(txn);
}

static int decode_check(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                        struct rsw_check *out) {
    if (key.len < 9 || key.len > 9 + RSW_TAG_NAME_MAX) {
        return rsw_txn_damaged(txn, RSW_T_CHECK, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_CHECK, key, &value, RSW_V_CHECK_SIZE, true)) {
        return RSW_FAILED;
    }
    out->kind = (enum rsw_check_kind)key.data[0];
    out->repo = rsw_get_be32(key.data + 1);
    out->blob = rsw_get_be32(key.data + 5);
    out->due_ms = rsw_get_time(value.data + RSW_V_CHECK_DUE);
    out->tries = rsw_get_le32(value.data + RSW_V_CHECK_TRIES);
    out->seq = rsw_get_le64(value.data + RSW_V_CHECK_SEQ);
    rsw_text_out(out->tag, sizeof out->tag, key.data + 9, key.len - 9);
    return RSW_FOUND;
}

void rsw_check_put(struct rsw_txn *txn, const struct rsw_check *check) {
    struct rsw_key key;
    uint8_t value[RSW_V_CHECK_SIZE + RSW_SUM_SIZE];
    if (check_key(txn, &key, check->kind, check->repo, check->blob, check->tag)) {
        rsw_put_time(value + RSW_V_CHECK_DUE, check->due_ms);
        rsw_put_le32(value + RSW_V_CHECK_TRIES, check->tries);
        rsw_put_le64(value + RSW_V_CHECK_SEQ, check->seq);
        rsw_value_put(txn, RSW_T_CHECK, &key, value, RSW_V_CHECK_SIZE);
    }
}

int rsw_check_get(struct rsw_txn *txn, enum rsw_check_kind kind, uint32_t repo, uint32_t blob,
                  const char *tag, struct rsw_check *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!check_key(txn, &key, kind, repo, blob, tag)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_CHECK, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_check(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_check_drop(struct rsw_txn *txn, const struct rsw_check *check) {
    struct rsw_key key;
    if (check_key(txn, &key, check->kind, check->repo, check->blob, check->tag)) {
        rsw_txn_del(txn, RSW_T_CHECK, rsw_key_span(&key));
    }
}

void rsw_iter_checks(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_CHECK, &all);
}

void rsw_iter_checks_of(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_check_kind kind, uint32_t repo,
                        uint32_t blob) {
    struct rsw_key prefix;
    check_key(txn, &prefix, kind, repo, blob, NULL);
    rsw_iter_open(iter, txn, RSW_T_CHECK, &prefix);
}

int rsw_check_next(struct rsw_iter *iter, struct rsw_check *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_check(iter->txn, key, value, out) : answer;
}

/* ---- instances ---- */

static void fence_out(char *to, const uint8_t *from) {
    rsw_text_out(to, RSW_FENCE_MAX, from, strnlen((const char *)from, RSW_FENCE_MAX - 1));
}

static void fence_in(uint8_t *to, const char *from) {
    memset(to, 0, RSW_FENCE_MAX);
    memcpy(to, from, strnlen(from, RSW_FENCE_MAX - 1));
}

static int decode_instance(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                           struct rsw_instance *out) {
    if (key.len > RSW_INSTANCE_ID_MAX) {
        return rsw_txn_damaged(txn, RSW_T_INSTANCE, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_INSTANCE, key, &value, RSW_V_INSTANCE_ADDR, false)) {
        return RSW_FAILED;
    }
    rsw_text_out(out->id, sizeof out->id, key.data, key.len);
    out->first_ms = rsw_get_time(value.data + RSW_V_INSTANCE_FIRST);
    out->last_ms = rsw_get_time(value.data + RSW_V_INSTANCE_LAST);
    out->first_seq = rsw_get_le64(value.data + RSW_V_INSTANCE_FIRST_SEQ);
    out->last_seq = rsw_get_le64(value.data + RSW_V_INSTANCE_LAST_SEQ);
    out->events = rsw_get_le64(value.data + RSW_V_INSTANCE_EVENTS);
    fence_out(out->fence_layer, value.data + RSW_V_INSTANCE_LAYER);
    fence_out(out->fence_manifest, value.data + RSW_V_INSTANCE_MANIFEST);
    rsw_text_out(out->addr, sizeof out->addr, value.data + RSW_V_INSTANCE_ADDR,
                 value.len - RSW_V_INSTANCE_ADDR);
    return RSW_FOUND;
}

int rsw_instance_get(struct rsw_txn *txn, const char *id, struct rsw_instance *out) {
    struct rsw_span value;
    size_t len = rsw_txn_name_len(txn, id, RSW_INSTANCE_ID_MAX, "the id of an instance");
    if (len == 0) {
        return RSW_FAILED;
    }
    struct rsw_span key = rsw_span_of(id, len);
    int answer = rsw_txn_get(txn, RSW_T_INSTANCE, key, &value);
    return answer == RSW_FOUND ? decode_instance(txn, key, value, out) : answer;
}

void rsw_instance_put(struct rsw_txn *txn, const struct rsw_instance *instance) {
    struct rsw_key key = {.len = 0};
    uint8_t value[RSW_V_INSTANCE_ADDR + sizeof instance->addr + RSW_SUM_SIZE];
    size_t len = rsw_txn_name_len(txn, instance->id, RSW_INSTANCE_ID_MAX, "the id of an instance");
    if (len == 0) {
        return;
    }
    rsw_key_bytes(&key, instance->id, len);
    size_t addr = strnlen(instance->addr, sizeof instance->addr - 1);
    rsw_put_time(value + RSW_V_INSTANCE_FIRST, instance->first_ms);
    rsw_put_time(value + RSW_V_INSTANCE_LAST, instance->last_ms);
    rsw_put_le64(value + RSW_V_INSTANCE_FIRST_SEQ, instance->first_seq);
    rsw_put_le64(value + RSW_V_INSTANCE_LAST_SEQ, instance->last_seq);
    rsw_put_le64(value + RSW_V_INSTANCE_EVENTS, instance->events);
    fence_in(value + RSW_V_INSTANCE_LAYER, instance->fence_layer);
    fence_in(value + RSW_V_INSTANCE_MANIFEST, instance->fence_manifest);
    memcpy(value + RSW_V_INSTANCE_ADDR, instance->addr, addr);
    rsw_value_put(txn, RSW_T_INSTANCE, &key, value, RSW_V_INSTANCE_ADDR + addr);
}

void rsw_iter_instances(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_INSTANCE, &all);
}

int rsw_instance_next(struct rsw_iter *iter, struct rsw_instance *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_instance(iter->txn, key, value, out) : answer;
}

/* ---- kept events ---- */

static void put_event(struct rsw_txn *txn, uint64_t number, int64_t now_ms, const char *reason,
                      const void *body, size_t len) {
    struct rsw_key key = {.len = 0};
    size_t reason_len = strnlen(reason, sizeof((struct rsw_kept_event *)0)->reason - 1);
    len = len < RSW_KEPT_BYTES ? len : RSW_KEPT_BYTES;
    uint8_t *value = malloc(RSW_V_EVENT_TEXT + reason_len + len + RSW_SUM_SIZE);
    if (value == NULL) {
        rsw_txn_refuse(txn, RSW_ENOMEM, "out of memory");
        return;
    }
    rsw_key_u64(&key, number);
    rsw_put_time(value + RSW_V_EVENT_RECEIVED, now_ms);
    rsw_put_le32(value + RSW_V_EVENT_REASON_LEN, (uint32_t)reason_len);
    memcpy(value + RSW_V_EVENT_TEXT, reason, reason_len);
    if (len > 0) {
        memcpy(value + RSW_V_EVENT_TEXT + reason_len, body, len);
    }
    rsw_value_put(txn, RSW_T_EVENT, &key, value, RSW_V_EVENT_TEXT + reason_len + len);
    free(value);
}

void rsw_kept_event_add(struct rsw_txn *txn, int64_t now_ms, const char *reason, const void *body,
                        size_t len) {
    uint64_t number = txn->counters.next_event;
    put_event(txn, number, now_ms, reason, body, len);
    if (number > RSW_KEPT_MAX) {
        struct rsw_key key = {.len = 0};
        rsw_key_u64(&key, number - RSW_KEPT_MAX);
        rsw_txn_del(txn, RSW_T_EVENT, rsw_key_span(&key));
    }
    txn->counters.next_event++;
    txn->handed_out = true;
}

void rsw_iter_kept_events(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_EVENT, &all);
}

int rsw_kept_event_next(struct rsw_iter *iter, struct rsw_kept_event *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer != RSW_FOUND) {
        return answer;
    }
    if (key.len != 8) {
        return rsw_iter_damaged(iter);
    }
    if (!rsw_value_open(iter->txn, RSW_T_EVENT, key, &value, RSW_V_EVENT_TEXT, false)) {
        return RSW_FAILED;
    }
    size_t reason = rsw_get_le32(value.data + RSW_V_EVENT_REASON_LEN);
    if (reason >= sizeof out->reason || reason > value.len - RSW_V_EVENT_TEXT) {
        return rsw_txn_damaged(iter->txn, RSW_T_EVENT, "a record contradicts itself");
    }
    out->number = rsw_get_be64(key.data);
    out->received_ms = rsw_get_time(value.data + RSW_V_EVENT_RECEIVED);
    rsw_text_out(out->reason, sizeof out->reason, value.data + RSW_V_EVENT_TEXT, reason);
    out->body = value.data + RSW_V_EVENT_TEXT + reason;
    out->body_len = value.len - RSW_V_EVENT_TEXT - reason;
    return RSW_FOUND;
}
