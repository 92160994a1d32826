/* Tables TAG, HEAD_OF, HISTORY, HISTORY_OF, UPLOAD. */
#include "index/txn.h"

/* id, then a name with nothing behind it: TAG, UPLOAD. False: the name cannot be. */
static bool name_key(struct rsw_txn *txn, struct rsw_key *key, uint32_t repo, const char *name, size_t max,
                     const char *what) {
    size_t len = rsw_txn_name_len(txn, name, max, what);
    rsw_key_id(key, repo);
    rsw_key_bytes(key, name, len);
    return len != 0;
}

static bool tag_key(struct rsw_txn *txn, struct rsw_key *key, uint32_t repo, const char *name) {
    return name_key(txn, key, repo, name, RSW_TAG_NAME_MAX, "the name of a tag");
}

/* HEAD_OF and HISTORY_OF */
static void back_key(struct rsw_key *key, uint32_t blob, uint32_t repo, const char *name) {
    rsw_key_ids(key, blob, repo);
    rsw_key_bytes(key, name, strnlen(name, RSW_TAG_NAME_MAX));
}

static int decode_tag(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_tag *out) {
    if (key.len < 5 || key.len > 4 + RSW_TAG_NAME_MAX) {
        return rsw_txn_damaged(txn, RSW_T_TAG, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_TAG, key, &value, RSW_V_TAG_SIZE, true)) {
        return RSW_FAILED;
    }
    out->repo = rsw_get_be32(key.data);
    out->head = rsw_get_le32(value.data + RSW_V_TAG_HEAD);
    out->flags = rsw_get_le32(value.data + RSW_V_TAG_FLAGS);
    out->touched_ms = rsw_get_time(value.data + RSW_V_TAG_TOUCHED);
    out->seq = rsw_get_le64(value.data + RSW_V_TAG_SEQ);
    rsw_text_out(out->name, sizeof out->name, key.data + 4, key.len - 4);
    return RSW_FOUND;
}

int rsw_tag_get(struct rsw_txn *txn, uint32_t repo, const char *name, struct rsw_tag *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!tag_key(txn, &key, repo, name)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_TAG, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_tag(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_tag_put(struct rsw_txn *txn, const struct rsw_tag *tag) {
    struct rsw_tag old;
    struct rsw_key key;
    int answer = rsw_tag_get(txn, tag->repo, tag->name, &old);
    uint32_t old_head = answer == RSW_FOUND ? old.head : 0;
    if (answer == RSW_FAILED) {
        return;
    }
    if (old_head != tag->head && old_head != 0) {
        back_key(&key, old_head, tag->repo, tag->name);
        rsw_txn_del(txn, RSW_T_HEAD_OF, rsw_key_span(&key));
    }
    if (old_head != tag->head && tag->head != 0) {
        back_key(&key, tag->head, tag->repo, tag->name);
        rsw_txn_put(txn, RSW_T_HEAD_OF, rsw_key_span(&key), rsw_span_of("", 0));
    }
    uint8_t value[RSW_V_TAG_SIZE + RSW_SUM_SIZE];
    rsw_put_le32(value + RSW_V_TAG_HEAD, tag->head);
    rsw_put_le32(value + RSW_V_TAG_FLAGS, tag->flags);
    rsw_put_time(value + RSW_V_TAG_TOUCHED, tag->touched_ms);
    rsw_put_le64(value + RSW_V_TAG_SEQ, tag->seq);
    tag_key(txn, &key, tag->repo, tag->name);
    rsw_value_put(txn, RSW_T_TAG, &key, value, RSW_V_TAG_SIZE);
}

void rsw_tag_drop(struct rsw_txn *txn, uint32_t repo, const char *name) {
    struct rsw_tag tag;
    struct rsw_history entry;
    struct rsw_key key;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    int answer = rsw_tag_get(txn, repo, name, &tag);
    if (answer == RSW_FAILED) {
        return;
    }
    rsw_iter_history(&iter, txn, repo, name);
    while (rsw_history_next(&iter, &entry) == RSW_FOUND) {
        rsw_history_drop(txn, repo, name, entry.manifest);
    }
    if (answer == RSW_ABSENT) {
        return; /* a history alone: current/link was never seen */
    }
    if (tag.head != 0) {
        back_key(&key, tag.head, repo, name);
        rsw_txn_del(txn, RSW_T_HEAD_OF, rsw_key_span(&key));
    }
    tag_key(txn, &key, repo, name);
    rsw_txn_del(txn, RSW_T_TAG, rsw_key_span(&key));
}

void rsw_iter_tags(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo) {
    struct rsw_key prefix = {.len = 0};
    if (repo != 0) {
        rsw_key_id(&prefix, repo);
    }
    rsw_iter_open(iter, txn, RSW_T_TAG, &prefix);
}

int rsw_tag_next(struct rsw_iter *iter, struct rsw_tag *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_tag(iter->txn, key, value, out) : answer;
}

/* ---- history ---- */

static bool history_key(struct rsw_txn *txn, struct rsw_key *key, uint32_t repo, const char *tag,
                        uint32_t manifest) {
    bool named = tag_key(txn, key, repo, tag);
    rsw_key_u8(key, 0);
    rsw_key_u32(key, manifest);
    return named;
}

static int decode_history(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                          struct rsw_history *out) {
    if (key.len < 10 || key.len > 9 + RSW_TAG_NAME_MAX || key.data[key.len - 5] != 0) {
        return rsw_txn_damaged(txn, RSW_T_HISTORY, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_HISTORY, key, &value, RSW_V_HISTORY_SIZE, true)) {
        return RSW_FAILED;
    }
    out->repo = rsw_get_be32(key.data);
    out->manifest = rsw_get_be32(key.data + key.len - 4);
    out->touched_ms = rsw_get_time(value.data + RSW_V_HISTORY_TOUCHED);
    out->seq = rsw_get_le64(value.data + RSW_V_HISTORY_SEQ);
    rsw_text_out(out->tag, sizeof out->tag, key.data + 4, key.len - 9);
    return RSW_FOUND;
}

int rsw_history_get(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest,
                    struct rsw_history *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!history_key(txn, &key, repo, tag, manifest)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_HISTORY, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_history(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_history_put(struct rsw_txn *txn, const struct rsw_history *history) {
    struct rsw_key key;
    uint8_t value[RSW_V_HISTORY_SIZE + RSW_SUM_SIZE];
    if (!history_key(txn, &key, history->repo, history->tag, history->manifest)) {
        return;
    }
    rsw_put_time(value + RSW_V_HISTORY_TOUCHED, history->touched_ms);
    rsw_put_le64(value + RSW_V_HISTORY_SEQ, history->seq);
    if (rsw_value_put(txn, RSW_T_HISTORY, &key, value, RSW_V_HISTORY_SIZE) == RSW_ABSENT) {
        back_key(&key, history->manifest, history->repo, history->tag);
        rsw_txn_put(txn, RSW_T_HISTORY_OF, rsw_key_span(&key), rsw_span_of("", 0));
    }
}

void rsw_history_drop(struct rsw_txn *txn, uint32_t repo, const char *tag, uint32_t manifest) {
    struct rsw_key key;
    if (history_key(txn, &key, repo, tag, manifest)) {
        rsw_txn_del(txn, RSW_T_HISTORY, rsw_key_span(&key));
        back_key(&key, manifest, repo, tag);
        rsw_txn_del(txn, RSW_T_HISTORY_OF, rsw_key_span(&key));
    }
}

int rsw_tag_points_at(struct rsw_txn *txn, uint32_t repo, uint32_t manifest) {
    struct rsw_key prefix;
    rsw_key_ids(&prefix, manifest, repo);
    return rsw_txn_has_prefix(txn, RSW_T_HEAD_OF, rsw_key_span(&prefix));
}

void rsw_iter_history(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo, const char *tag) {
    struct rsw_key prefix;
    rsw_key_id(&prefix, repo);
    if (tag != NULL) {
        tag_key(txn, &prefix, repo, tag);
        rsw_key_u8(&prefix, 0);
    }
    rsw_iter_open(iter, txn, RSW_T_HISTORY, &prefix);
}

int rsw_history_next(struct rsw_iter *iter, struct rsw_history *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_history(iter->txn, key, value, out) : answer;
}

void rsw_iter_history_of(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo, uint32_t manifest) {
    struct rsw_key prefix;
    rsw_key_ids(&prefix, manifest, repo);
    rsw_iter_open(iter, txn, RSW_T_HISTORY_OF, &prefix);
}

int rsw_history_of_next(struct rsw_iter *iter, struct rsw_history *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer == RSW_FOUND && (key.len < 9 || key.len > 8 + RSW_TAG_NAME_MAX)) {
        return rsw_iter_damaged(iter);
    }
    if (answer == RSW_FOUND) {
        out->manifest = rsw_get_be32(key.data);
        out->repo = rsw_get_be32(key.data + 4);
        out->touched_ms = 0;
        out->seq = 0;
        rsw_text_out(out->tag, sizeof out->tag, key.data + 8, key.len - 8);
    }
    return answer;
}

/* ---- uploads ---- */

static bool upload_key(struct rsw_txn *txn, struct rsw_key *key, uint32_t repo, const char *id) {
    return name_key(txn, key, repo, id, RSW_UPLOAD_ID_MAX, "the id of an upload");
}

static int decode_upload(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                         struct rsw_upload *out) {
    if (key.len < 5 || key.len > 4 + RSW_UPLOAD_ID_MAX) {
        return rsw_txn_damaged(txn, RSW_T_UPLOAD, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_UPLOAD, key, &value, RSW_V_UPLOAD_SIZE, true)) {
        return RSW_FAILED;
    }
    out->repo = rsw_get_be32(key.data);
    out->started_ms = rsw_get_time(value.data + RSW_V_UPLOAD_STARTED);
    out->size = rsw_get_le64(value.data + RSW_V_UPLOAD_BYTES);
    out->seq = rsw_get_le64(value.data + RSW_V_UPLOAD_SEQ);
    rsw_text_out(out->id, sizeof out->id, key.data + 4, key.len - 4);
    return RSW_FOUND;
}

int rsw_upload_get(struct rsw_txn *txn, uint32_t repo, const char *id, struct rsw_upload *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!upload_key(txn, &key, repo, id)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_UPLOAD, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode_upload(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_upload_put(struct rsw_txn *txn, const struct rsw_upload *upload) {
    struct rsw_key key;
    uint8_t value[RSW_V_UPLOAD_SIZE + RSW_SUM_SIZE];
    if (upload_key(txn, &key, upload->repo, upload->id)) {
        rsw_put_time(value + RSW_V_UPLOAD_STARTED, upload->started_ms);
        rsw_put_le64(value + RSW_V_UPLOAD_BYTES, upload->size);
        rsw_put_le64(value + RSW_V_UPLOAD_SEQ, upload->seq);
        rsw_value_put(txn, RSW_T_UPLOAD, &key, value, RSW_V_UPLOAD_SIZE);
    }
}

void rsw_upload_drop(struct rsw_txn *txn, uint32_t repo, const char *id) {
    struct rsw_key key;
    if (upload_key(txn, &key, repo, id)) {
        rsw_txn_del(txn, RSW_T_UPLOAD, rsw_key_span(&key));
    }
}

void rsw_iter_uploads(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo) {
    struct rsw_key prefix = {.len = 0};
    if (repo != 0) {
        rsw_key_id(&prefix, repo);
    }
    rsw_iter_open(iter, txn, RSW_T_UPLOAD, &prefix);
}

int rsw_upload_next(struct rsw_iter *iter, struct rsw_upload *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode_upload(iter->txn, key, value, out) : answer;
}
