/* Tables REPO and REPO_NAME. */
#include "index/txn.h"

static int decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_repo *out) {
    if (key.len != 4) {
        return rsw_txn_damaged(txn, RSW_T_REPO, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_REPO, key, &value, RSW_V_REPO_NAME, false)) {
        return RSW_FAILED;
    }
    size_t len = value.len - RSW_V_REPO_NAME;
    if (len == 0 || len > RSW_REPO_NAME_MAX) {
        return rsw_txn_damaged(txn, RSW_T_REPO, "a name has the wrong length");
    }
    out->id = rsw_get_be32(key.data);
    out->flags = rsw_get_le32(value.data + RSW_V_REPO_FLAGS);
    out->first_seen_ms = rsw_get_time(value.data + RSW_V_REPO_FIRST_SEEN);
    out->seq = rsw_get_le64(value.data + RSW_V_REPO_SEQ);
    rsw_text_out(out->name, sizeof out->name, value.data + RSW_V_REPO_NAME, len);
    return RSW_FOUND;
}

static void encode(struct rsw_txn *txn, const struct rsw_repo *repo, size_t len) {
    struct rsw_key key;
    uint8_t value[RSW_V_REPO_NAME + RSW_REPO_NAME_MAX + RSW_SUM_SIZE];
    rsw_key_id(&key, repo->id);
    rsw_put_le32(value + RSW_V_REPO_FLAGS, repo->flags);
    rsw_put_time(value + RSW_V_REPO_FIRST_SEEN, repo->first_seen_ms);
    rsw_put_le64(value + RSW_V_REPO_SEQ, repo->seq);
    memcpy(value + RSW_V_REPO_NAME, repo->name, len);
    rsw_value_put(txn, RSW_T_REPO, &key, value, RSW_V_REPO_NAME + len);
}

int rsw_repo_get(struct rsw_txn *txn, uint32_t id, struct rsw_repo *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_id(&key, id);
    int answer = rsw_txn_get(txn, RSW_T_REPO, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, rsw_key_span(&key), value, out) : answer;
}

static int id_of(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, uint32_t *id) {
    if (!rsw_value_open(txn, RSW_T_REPO_NAME, key, &value, RSW_V_ID_SIZE, true)) {
        return RSW_FAILED;
    }
    *id = rsw_get_le32(value.data + RSW_V_ID);
    return RSW_FOUND;
}

/* The record that a name stands for, which must have that name. */
static int get_named(struct rsw_txn *txn, struct rsw_span name, uint32_t id, struct rsw_repo *out) {
    int answer = rsw_repo_get(txn, id, out);
    if (answer == RSW_ABSENT || (answer == RSW_FOUND && (strlen(out->name) != name.len ||
                                                         memcmp(out->name, name.data, name.len) != 0))) {
        return rsw_txn_damaged(txn, RSW_T_REPO_NAME, "a name and its record do not agree");
    }
    return answer;
}

static int find_id(struct rsw_txn *txn, const char *name, size_t len, uint32_t *id) {
    struct rsw_span key = rsw_span_of(name, len);
    struct rsw_span value;
    if (len == 0) {
        return RSW_FAILED; /* as rsw_txn_name_len has said */
    }
    int answer = rsw_txn_get(txn, RSW_T_REPO_NAME, key, &value);
    return answer == RSW_FOUND ? id_of(txn, key, value, id) : answer;
}

int rsw_repo_find(struct rsw_txn *txn, const char *name, struct rsw_repo *out) {
    uint32_t id;
    size_t len = rsw_txn_name_len(txn, name, RSW_REPO_NAME_MAX, "the name of a repository");
    int answer = find_id(txn, name, len, &id);
    return answer == RSW_FOUND ? get_named(txn, rsw_span_of(name, len), id, out) : answer;
}

uint32_t rsw_repo_intern(struct rsw_txn *txn, const char *name, int64_t now_ms) {
    uint32_t id;
    size_t len = rsw_txn_name_len(txn, name, RSW_REPO_NAME_MAX, "the name of a repository");
    int answer = find_id(txn, name, len, &id);
    if (answer != RSW_ABSENT) {
        return answer == RSW_FOUND ? id : 0;
    }
    id = txn->counters.next_repo;
    if (id == UINT32_MAX) {
        rsw_txn_refuse(txn, RSW_EFULL,
                       "all ids of repositories are used up; build the index anew with: "
                       "regsweep scan --rebuild");
        return 0;
    }
    struct rsw_key key = {.len = 0};
    uint8_t value[RSW_V_ID_SIZE + RSW_SUM_SIZE];
    rsw_key_bytes(&key, name, len);
    rsw_put_le32(value + RSW_V_ID, id);
    rsw_value_put(txn, RSW_T_REPO_NAME, &key, value, RSW_V_ID_SIZE);
    struct rsw_repo repo = {.id = id, .first_seen_ms = now_ms};
    rsw_text_out(repo.name, sizeof repo.name, (const uint8_t *)name, len);
    encode(txn, &repo, len);
    txn->counters.next_repo++;
    txn->handed_out = true;
    return rsw_txn_ok(txn) ? id : 0;
}

void rsw_repo_put(struct rsw_txn *txn, const struct rsw_repo *repo) {
    struct rsw_repo old;
    int answer = rsw_repo_get(txn, repo->id, &old);
    if (answer == RSW_ABSENT ||
        (answer == RSW_FOUND && strncmp(old.name, repo->name, sizeof old.name) != 0)) {
        rsw_txn_refuse(txn, RSW_EINVAL, "repository %u is not the one that it was read as", repo->id);
    } else if (answer == RSW_FOUND) {
        encode(txn, repo, strlen(old.name));
    }
}

static int in_use(struct rsw_txn *txn, uint32_t id) {
    static const enum rsw_table tables[] = {RSW_T_LINK,    RSW_T_REVISION, RSW_T_TAG,
                                            RSW_T_HISTORY, RSW_T_UPLOAD,   RSW_T_SIGNATURE};
    struct rsw_key key;
    rsw_key_id(&key, id);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        int answer = rsw_txn_has_prefix(txn, tables[i], rsw_key_span(&key));
        if (answer != RSW_ABSENT) {
            return answer;
        }
    }
    return RSW_ABSENT;
}

void rsw_repo_drop(struct rsw_txn *txn, uint32_t id) {
    struct rsw_repo repo;
    if (rsw_repo_get(txn, id, &repo) != RSW_FOUND) {
        return;
    }
    int used = in_use(txn, id);
    if (used == RSW_FOUND) {
        rsw_txn_refuse(txn, RSW_EINVAL, "repository %u is in use and cannot be dropped", id);
    }
    if (used != RSW_ABSENT) {
        return;
    }
    struct rsw_key key;
    rsw_key_id(&key, id);
    rsw_txn_del(txn, RSW_T_REPO, rsw_key_span(&key));
    rsw_txn_del(txn, RSW_T_REPO_NAME, rsw_span_of(repo.name, strlen(repo.name)));
}

void rsw_iter_repos(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_REPO, &all);
}

int rsw_repo_next(struct rsw_iter *iter, struct rsw_repo *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode(iter->txn, key, value, out) : answer;
}

void rsw_iter_repo_names(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_REPO_NAME, &all);
}

int rsw_repo_name_next(struct rsw_iter *iter, struct rsw_repo *out) {
    struct rsw_span key;
    struct rsw_span value;
    uint32_t id;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer == RSW_FOUND) {
        answer = id_of(iter->txn, key, value, &id);
    }
    return answer == RSW_FOUND ? get_named(iter->txn, key, id, out) : answer;
}
