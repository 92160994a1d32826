/* Tables REVISION, LINK, their back tables, ALIAS; SIGNATURE and its back table. */
#include "index/txn.h"

static enum rsw_table table_of(enum rsw_member_kind kind) {
    return kind == RSW_REVISION ? RSW_T_REVISION : RSW_T_LINK;
}

static enum rsw_table back_of(enum rsw_member_kind kind) {
    return kind == RSW_REVISION ? RSW_T_REVISION_IN : RSW_T_LINK_IN;
}

/* ---- records ---- */

int rsw_members_open(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value,
                     struct rsw_members *out) {
    if (key.len != 8) {
        return rsw_txn_damaged(txn, table, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, table, key, &value, RSW_V_MEMBER_SIZE, false)) {
        return RSW_FAILED;
    }
    if (value.len % RSW_V_MEMBER_SIZE != 0 || value.len > (size_t)RSW_MEMBERS_MAX * RSW_V_MEMBER_SIZE) {
        return rsw_txn_damaged(txn, table, "a record has the wrong length");
    }
    out->repo = rsw_get_be32(key.data);
    out->count = (uint32_t)(value.len / RSW_V_MEMBER_SIZE);
    out->packed = value.data;
    return RSW_FOUND;
}

static uint32_t blob_at(const uint8_t *rows, uint32_t i) {
    return rsw_get_le32(rows + (size_t)i * RSW_V_MEMBER_SIZE + RSW_V_MEMBER_BLOB);
}

uint32_t rsw_members_blob(const struct rsw_members *members, uint32_t i) {
    return blob_at(members->packed, i);
}

uint32_t rsw_members_flags(const struct rsw_members *members, uint32_t i) {
    return members->packed[(size_t)i * RSW_V_MEMBER_SIZE + RSW_V_MEMBER_FLAGS];
}

uint32_t rsw_members_find(const struct rsw_members *members, uint32_t blob) {
    uint32_t low = 0;
    for (uint32_t count = members->count; count > 0;) {
        uint32_t half = count / 2;
        if (blob_at(members->packed, low + half) < blob) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

void rsw_members_get(const struct rsw_members *members, uint32_t i, struct rsw_member *out) {
    const uint8_t *row = members->packed + (size_t)i * RSW_V_MEMBER_SIZE;
    out->repo = members->repo;
    out->blob = rsw_get_le32(row + RSW_V_MEMBER_BLOB);
    out->target = rsw_get_le32(row + RSW_V_MEMBER_TARGET);
    out->flags = row[RSW_V_MEMBER_FLAGS];
    out->touched_ms = rsw_get_time(row + RSW_V_MEMBER_TOUCHED);
    out->seq = rsw_get_le64(row + RSW_V_MEMBER_SEQ);
}

static void put_row(uint8_t *row, const struct rsw_member *member) {
    rsw_put_le32(row + RSW_V_MEMBER_BLOB, member->blob);
    rsw_put_le32(row + RSW_V_MEMBER_TARGET, member->target);
    rsw_put_time(row + RSW_V_MEMBER_TOUCHED, member->touched_ms);
    rsw_put_le64(row + RSW_V_MEMBER_SEQ, member->seq);
    row[RSW_V_MEMBER_FLAGS] = (uint8_t)member->flags;
}

/* The record that has this member if there is one, and its place in it: *at is the row, or where it would be.
 * RSW_ABSENT: there is no record that could have it. *last is the id in the key of the record. */
static int find_record(struct rsw_txn *txn, enum rsw_table table, uint32_t repo, uint32_t blob,
                       struct rsw_members *out, uint32_t *last, uint32_t *at) {
    struct rsw_key key;
    struct rsw_span found;
    struct rsw_span value;
    rsw_key_ids(&key, repo, blob);
    int answer = rsw_txn_get_from(txn, table, rsw_key_span(&key), &found, &value);
    if (answer == RSW_FOUND && found.len == 8 && rsw_get_be32(found.data) != repo) {
        return RSW_ABSENT;
    }
    if (answer == RSW_FOUND) {
        answer = rsw_members_open(txn, table, found, value, out);
    }
    if (answer == RSW_FOUND) {
        *last = rsw_get_be32(found.data + 4);
        *at = rsw_members_find(out, blob);
    }
    return answer;
}

int rsw_member_get(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                   struct rsw_member *out) {
    struct rsw_members members;
    uint32_t last;
    uint32_t at;
    int answer = find_record(txn, table_of(kind), repo, blob, &members, &last, &at);
    if (answer != RSW_FOUND || at == members.count || blob_at(members.packed, at) != blob) {
        return answer == RSW_FAILED ? RSW_FAILED : RSW_ABSENT;
    }
    rsw_members_get(&members, at, out);
    return RSW_FOUND;
}

/* Rows of a record that is being changed: a copy, with room for one row too many. */
struct rows {
    uint32_t count;
    uint8_t bytes[(RSW_MEMBERS_MAX + 1) * RSW_V_MEMBER_SIZE + RSW_SUM_SIZE];
};

static void copy_rows(struct rows *to, const uint8_t *from, uint32_t count) {
    to->count = count;
    memcpy(to->bytes, from, (size_t)count * RSW_V_MEMBER_SIZE);
}

static uint8_t *row_of(struct rows *rows, uint32_t i) {
    return rows->bytes + (size_t)i * RSW_V_MEMBER_SIZE;
}

static void put_rows(struct rsw_txn *txn, enum rsw_table table, uint32_t repo, uint32_t last,
                     struct rows *rows) {
    struct rsw_key key;
    rsw_key_ids(&key, repo, last);
    if (rows->count == 0) {
        rsw_txn_del(txn, table, rsw_key_span(&key));
    } else {
        rsw_value_put(txn, table, &key, rows->bytes, (size_t)rows->count * RSW_V_MEMBER_SIZE);
    }
}

/* One row too many. Cut in the middle; but what grows at its end, as ids do, is left full. */
static void put_halves(struct rsw_txn *txn, enum rsw_table table, uint32_t repo, uint32_t last,
                       struct rows *rows, bool at_end) {
    uint32_t low = at_end ? rows->count - 1 : rows->count / 2;
    struct rows upper;
    copy_rows(&upper, row_of(rows, low), rows->count - low);
    rows->count = low;
    uint32_t middle = blob_at(rows->bytes, low - 1);
    put_rows(txn, table, repo, last, &upper);
    put_rows(txn, table, repo, middle, rows);
}

static void write_row(struct rsw_txn *txn, enum rsw_table table, const struct rsw_member *member) {
    struct rsw_members members = {.count = 0};
    uint32_t last = UINT32_MAX;
    uint32_t at = 0;
    if (find_record(txn, table, member->repo, member->blob, &members, &last, &at) == RSW_FAILED) {
        return;
    }
    struct rows rows = {.count = 0};
    if (members.count > 0) {
        copy_rows(&rows, members.packed, members.count);
    }
    if (at == rows.count || blob_at(rows.bytes, at) != member->blob) {
        memmove(row_of(&rows, at + 1), row_of(&rows, at), (size_t)(rows.count - at) * RSW_V_MEMBER_SIZE);
        rows.count++;
    }
    put_row(row_of(&rows, at), member);
    if (rows.count > RSW_MEMBERS_MAX) {
        put_halves(txn, table, member->repo, last, &rows, at == RSW_MEMBERS_MAX);
    } else {
        put_rows(txn, table, member->repo, last, &rows);
    }
}

static void drop_row(struct rsw_txn *txn, enum rsw_table table, uint32_t repo, uint32_t blob) {
    struct rsw_members members;
    uint32_t last;
    uint32_t at;
    if (find_record(txn, table, repo, blob, &members, &last, &at) != RSW_FOUND || at == members.count ||
        blob_at(members.packed, at) != blob) {
        return;
    }
    struct rows rows;
    copy_rows(&rows, members.packed, members.count);
    rows.count--;
    memmove(row_of(&rows, at), row_of(&rows, at + 1), (size_t)(rows.count - at) * RSW_V_MEMBER_SIZE);
    put_rows(txn, table, repo, last, &rows);
}

/* ---- members ---- */

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
    write_row(txn, table_of(kind), member);
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
    drop_row(txn, table_of(kind), repo, blob);
    if (kind == RSW_REVISION) {
        rsw_pull_drop(txn, repo, blob);
    }
}

/* ---- walking ---- */

void rsw_iter_members(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo) {
    struct rsw_key prefix = {.len = 0};
    if (repo != 0) {
        rsw_key_id(&prefix, repo);
    }
    rsw_iter_open(iter, txn, table_of(kind), &prefix);
}

int rsw_members_next(struct rsw_iter *iter, struct rsw_members *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? rsw_members_open(iter->txn, (enum rsw_table)iter->table, key, value, out)
                               : answer;
}

/* The record after the one at hand; if the table was written to, the one that has what follows the last
 * member, which may be in the same place, or cut, or gone. */
static int load(struct rsw_iter *iter) {
    struct rsw_members found;
    uint32_t behind = 0;
    if (iter->at > 0 && rsw_iter_overtaken(iter)) {
        struct rsw_key key;
        behind = blob_at(iter->members.packed, iter->at - 1);
        rsw_key_ids(&key, iter->members.repo, behind);
        rsw_iter_go_to(iter, &key, true);
    }
    int answer = rsw_members_next(iter, &found);
    if (answer != RSW_FOUND) {
        return answer;
    }
    bool same = behind != 0 && found.repo == iter->members.repo;
    iter->at = same ? rsw_members_find(&found, behind + 1) : 0;
    iter->members = found;
    iter->members.packed = rsw_iter_hold(iter, 0, found.packed, (size_t)found.count * RSW_V_MEMBER_SIZE);
    return RSW_FOUND;
}

int rsw_member_next(struct rsw_iter *iter, struct rsw_member *out) {
    while (iter->at == iter->members.count || rsw_iter_overtaken(iter)) {
        int answer = load(iter);
        if (answer != RSW_FOUND) {
            return answer;
        }
    }
    rsw_members_get(&iter->members, iter->at++, out);
    return RSW_FOUND;
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

int rsw_member_anywhere(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t blob, uint32_t flags) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_member member;
    uint32_t repo = 0;
    int answer;
    rsw_iter_members_of(&iter, txn, kind, blob);
    while ((answer = rsw_member_of_next(&iter, &repo)) == RSW_FOUND) {
        answer = rsw_member_get(txn, kind, repo, blob, &member);
        if (answer == RSW_FAILED || (answer == RSW_FOUND && (member.flags & flags) == flags)) {
            break;
        }
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
