/* Tables REVISION, LINK, their back tables, ALIAS; SIGNATURE and its back table. */
#include "index/txn.h"

static enum rsw_table table_of(enum rsw_member_kind kind) {
    return kind == RSW_REVISION ? RSW_T_REVISION : RSW_T_LINK;
}

static enum rsw_table back_of(enum rsw_member_kind kind) {
    return kind == RSW_REVISION ? RSW_T_REVISION_IN : RSW_T_LINK_IN;
}

static int decode(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value,
                  struct rsw_member *out) {
    if (key.len != 8) {
        return rsw_txn_damaged(txn, table, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, table, key, &value, RSW_V_MEMBER_SIZE, true)) {
        return RSW_FAILED;
    }
    out->repo = rsw_get_be32(key.data);
    out->blob = rsw_get_be32(key.data + 4);
    out->target = rsw_get_le32(value.data + RSW_V_MEMBER_TARGET);
    out->flags = value.data[RSW_V_MEMBER_FLAGS];
    out->touched_ms = rsw_get_time(value.data + RSW_V_MEMBER_TOUCHED);
    out->seq = rsw_get_le64(value.data + RSW_V_MEMBER_SEQ);
    return RSW_FOUND;
}

int rsw_member_get(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                   struct rsw_member *out) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_ids(&key, repo, blob);
    int answer = rsw_txn_get(txn, table_of(kind), rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, table_of(kind), rsw_key_span(&key), value, out) : answer;
}

static void alias_key(struct rsw_key *key, enum rsw_member_kind kind, const struct rsw_member *member) {
    rsw_key_id(key, member->target);
    rsw_key_u8(key, (unsigned)table_of(kind));
    rsw_key_u32(key, member->repo);
    rsw_key_u32(key, member->blob);
}

static bool is_alias(const struct rsw_member *member) {
    return member->target != member->blob && member->target != 0;
}

static void drop_alias(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member) {
    struct rsw_key key;
    if (is_alias(member)) {
        alias_key(&key, kind, member);
        rsw_txn_del(txn, RSW_T_ALIAS, rsw_key_span(&key));
    }
}

/* What goes with a record that is new, or whose target changes. */
static void put_back_tables(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member) {
    struct rsw_key key;
    rsw_key_ids(&key, member->blob, member->repo);
    rsw_txn_put(txn, back_of(kind), rsw_key_span(&key), rsw_span_of("", 0));
    if (is_alias(member)) {
        alias_key(&key, kind, member);
        rsw_txn_put(txn, RSW_T_ALIAS, rsw_key_span(&key), rsw_span_of("", 0));
    }
}

void rsw_member_put(struct rsw_txn *txn, enum rsw_member_kind kind, const struct rsw_member *member) {
    struct rsw_member old;
    if (member->repo == 0 || member->blob == 0) {
        rsw_txn_refuse(txn, RSW_EINVAL, "a link without repository or blob");
    }
    int answer = rsw_member_get(txn, kind, member->repo, member->blob, &old);
    if (answer == RSW_FAILED) {
        return;
    }
    if (answer == RSW_ABSENT || old.target != member->target) {
        if (answer == RSW_FOUND) {
            drop_alias(txn, kind, &old);
        }
        put_back_tables(txn, kind, member);
    }
    struct rsw_key key;
    uint8_t value[RSW_V_MEMBER_SIZE + RSW_SUM_SIZE];
    rsw_key_ids(&key, member->repo, member->blob);
    value[RSW_V_MEMBER_FLAGS] = (uint8_t)member->flags;
    rsw_put_le32(value + RSW_V_MEMBER_TARGET, member->target);
    rsw_put_time(value + RSW_V_MEMBER_TOUCHED, member->touched_ms);
    rsw_put_le64(value + RSW_V_MEMBER_SEQ, member->seq);
    rsw_value_put(txn, table_of(kind), &key, value, RSW_V_MEMBER_SIZE);
}

void rsw_member_drop(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_member old;
    struct rsw_key key;
    if (rsw_member_get(txn, kind, repo, blob, &old) != RSW_FOUND) {
        return;
    }
    drop_alias(txn, kind, &old);
    rsw_key_ids(&key, blob, repo);
    rsw_txn_del(txn, back_of(kind), rsw_key_span(&key));
    rsw_key_ids(&key, repo, blob);
    rsw_txn_del(txn, table_of(kind), rsw_key_span(&key));
}

void rsw_iter_members(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo) {
    struct rsw_key prefix = {.len = 0};
    if (repo != 0) {
        rsw_key_id(&prefix, repo);
    }
    rsw_iter_open(iter, txn, table_of(kind), &prefix);
}

int rsw_member_next(struct rsw_iter *iter, struct rsw_member *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode(iter->txn, (enum rsw_table)iter->table, key, value, out) : answer;
}

void rsw_iter_members_of(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_member_kind kind,
                         uint32_t blob) {
    struct rsw_key prefix;
    rsw_key_id(&prefix, blob);
    rsw_iter_open(iter, txn, back_of(kind), &prefix);
}

int rsw_member_of_next(struct rsw_iter *iter, uint32_t *repo) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer == RSW_FOUND && key.len != 8) {
        return rsw_iter_damaged(iter);
    }
    if (answer == RSW_FOUND) {
        *repo = rsw_get_be32(key.data + 4);
    }
    return answer;
}

void rsw_iter_aliases(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t target) {
    struct rsw_key prefix;
    rsw_key_id(&prefix, target);
    rsw_iter_open(iter, txn, RSW_T_ALIAS, &prefix);
}

int rsw_alias_next(struct rsw_iter *iter, struct rsw_alias *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer == RSW_FOUND && key.len != 13) {
        return rsw_iter_damaged(iter);
    }
    if (answer == RSW_FOUND) {
        out->kind = key.data[4] == RSW_T_REVISION ? RSW_REVISION : RSW_LINK;
        out->repo = rsw_get_be32(key.data + 5);
        out->blob = rsw_get_be32(key.data + 9);
    }
    return answer;
}

/* ---- signatures ---- */

enum { ROLE_SIGNATURE = 1, ROLE_SIGNED = 2 };

static void signature_key(struct rsw_key *key, uint32_t repo, uint32_t revision, uint32_t signature) {
    rsw_key_ids(key, repo, revision);
    rsw_key_u32(key, signature);
}

static void role_key(struct rsw_key *key, uint32_t blob, unsigned role, uint32_t repo, uint32_t other) {
    rsw_key_id(key, blob);
    rsw_key_u8(key, role);
    rsw_key_u32(key, repo);
    rsw_key_u32(key, other);
}

void rsw_signature_put(struct rsw_txn *txn, uint32_t repo, uint32_t revision, uint32_t signature) {
    struct rsw_key key;
    signature_key(&key, repo, revision, signature);
    rsw_txn_put(txn, RSW_T_SIGNATURE, rsw_key_span(&key), rsw_span_of("", 0));
    role_key(&key, signature, ROLE_SIGNATURE, repo, revision);
    rsw_txn_put(txn, RSW_T_SIGNATURE_OF, rsw_key_span(&key), rsw_span_of("", 0));
    role_key(&key, revision, ROLE_SIGNED, repo, signature);
    rsw_txn_put(txn, RSW_T_SIGNATURE_OF, rsw_key_span(&key), rsw_span_of("", 0));
}

void rsw_signature_drop(struct rsw_txn *txn, uint32_t repo, uint32_t revision, uint32_t signature) {
    struct rsw_key key;
    signature_key(&key, repo, revision, signature);
    rsw_txn_del(txn, RSW_T_SIGNATURE, rsw_key_span(&key));
    role_key(&key, signature, ROLE_SIGNATURE, repo, revision);
    rsw_txn_del(txn, RSW_T_SIGNATURE_OF, rsw_key_span(&key));
    role_key(&key, revision, ROLE_SIGNED, repo, signature);
    rsw_txn_del(txn, RSW_T_SIGNATURE_OF, rsw_key_span(&key));
}

void rsw_iter_signatures(struct rsw_iter *iter, struct rsw_txn *txn, uint32_t repo, uint32_t revision) {
    struct rsw_key prefix;
    rsw_key_id(&prefix, repo);
    if (revision != 0) {
        rsw_key_u32(&prefix, revision);
    }
    rsw_iter_open(iter, txn, RSW_T_SIGNATURE, &prefix);
}

int rsw_signature_next(struct rsw_iter *iter, uint32_t *revision, uint32_t *signature) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    if (answer == RSW_FOUND && key.len != 12) {
        return rsw_iter_damaged(iter);
    }
    if (answer == RSW_FOUND) {
        *revision = rsw_get_be32(key.data + 4);
        *signature = rsw_get_be32(key.data + 8);
    }
    return answer;
}
