/* The whole index, walked: what single lookups cannot see.
 *
 * Branch pages of LMDB have no checksum. One flipped bit in a key of one of them leads a lookup past the
 * record that it is for: then a blob gets a second id, or a repository seems to have no tag. A walk over the
 * whole table does not use these keys, so it meets every record all the same, and can tell:
 * - the keys rise, and there are as many as the table says (see iter.c): where something was written in the
 *   wrong place, they do not;
 * - the first and the last record of every leaf page are found by a search from the root. Whatever lies
 *   between two keys that lead to one page leads there too, and what lies between the last key of one page
 * and the first of the next leads to one of these, so then every lookup finds what there is;
 * - each table and its back table say the same: the sums of the hashes of what one must hold and of what it
 *   holds are equal. */
#include "index/txn.h"

#include "util/grow.h"

#include <stdlib.h>

/* Of one table: sums over hashes of its keys, each with the id that it leads to, if it has one. */
struct tally {
    uint64_t wanted; /* as other tables have it */
    uint64_t met;
};

struct check {
    struct rsw_txn *txn;
    struct tally tallies[RSW_TABLE_COUNT];
    uint64_t last_member; /* repository and blob of the last one in the table at hand */
    uint64_t *names;      /* owned: (child, kind) of the manifest at hand */
    size_t name_room;
};

static void want(struct check *check, enum rsw_table table, const struct rsw_key *key, uint32_t id) {
    check->tallies[table].wanted += XXH3_64bits_withSeed(key->bytes, key->len, id);
}

static void meet(struct check *check, enum rsw_table table, struct rsw_span key, uint32_t id) {
    check->tallies[table].met += XXH3_64bits_withSeed(key.data, key.len, id);
}

static int wrong_form(struct check *check, enum rsw_table table) {
    return rsw_txn_damaged(check->txn, table, "a key has the wrong form");
}

/* ---- what a record says about other tables; 0, or RSW_FAILED ---- */

static void digest_of_key(struct rsw_key *key, uint32_t id, uint8_t alg) {
    rsw_key_id(key, id);
    rsw_key_u8(key, alg);
}

static int take_blobs(struct check *check, struct rsw_span key, struct rsw_span value) {
    struct rsw_blobs blobs;
    if (rsw_blobs_open(check->txn, key, value, &blobs) != RSW_FOUND) {
        return RSW_FAILED;
    }
    for (uint32_t i = 0; i < RSW_BLOBS_EACH; i++) {
        struct rsw_key back;
        uint8_t alg = rsw_blobs_alg(&blobs, i);
        if (alg == 0) {
            continue;
        }
        digest_of_key(&back, blobs.first + i, alg);
        want(check, RSW_T_DIGEST_OF, &back, 0);
        if ((rsw_blobs_flags(&blobs, i) & RSW_BLOB_PARSED) != 0) {
            rsw_key_id(&back, blobs.first + i);
            want(check, RSW_T_REFS, &back, 0);
        }
    }
    return 0;
}

static int take_digests(struct check *check, struct rsw_span key, struct rsw_span value) {
    struct rsw_digests digests;
    if (rsw_digests_open(check->txn, key, value, &digests) != RSW_FOUND) {
        return RSW_FAILED;
    }
    for (uint32_t i = 0; i < RSW_DIGESTS_EACH; i++) {
        struct rsw_digest digest;
        struct rsw_key own;
        struct rsw_key back = {.len = 0};
        if (rsw_digests_get(&digests, i, &digest) != RSW_FOUND) {
            continue;
        }
        digest_of_key(&own, digests.first + i, digest.alg);
        meet(check, RSW_T_DIGEST_OF, rsw_key_span(&own), 0);
        rsw_key_u8(&back, digest.alg);
        rsw_key_bytes(&back, digest.bytes, rsw_alg_size(digest.alg));
        want(check, RSW_T_DIGEST, &back, digests.first + i);
    }
    return 0;
}

static int compare_names(const void *a, const void *b) {
    uint64_t one = *(const uint64_t *)a;
    uint64_t other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

/* A manifest may name the same blob more than once; NAMED_BY has that once. */
static int take_refs(struct check *check, struct rsw_span key, struct rsw_span value) {
    struct rsw_refs refs = rsw_refs_of(value.data);
    if (key.len != 4 || value.len != RSW_V_REFS_IDS + (size_t)refs.count * RSW_V_REFS_EACH) {
        return wrong_form(check, RSW_T_REFS);
    }
    meet(check, RSW_T_REFS, key, 0);
    uint64_t *grown = rsw_grown(check->names, &check->name_room, (size_t)refs.count + 1, sizeof *grown);
    if (grown == NULL) {
        return rsw_txn_refuse(check->txn, RSW_ENOMEM, "out of memory");
    }
    check->names = grown;
    for (uint32_t i = 0; i < refs.count; i++) {
        grown[i] = (uint64_t)rsw_refs_child(&refs, i) << 8 | (uint64_t)rsw_refs_kind(&refs, i);
    }
    qsort(grown, refs.count, sizeof *grown, compare_names);
    for (uint32_t i = 0; i < refs.count; i++) {
        if (i == 0 || grown[i] != grown[i - 1]) {
            struct rsw_key back;
            rsw_key_ids(&back, (uint32_t)(grown[i] >> 8), rsw_get_be32(key.data));
            rsw_key_u8(&back, (unsigned)(grown[i] & 0xff));
            want(check, RSW_T_NAMED_BY, &back, 0);
        }
    }
    return 0;
}

static int take_repo(struct check *check, struct rsw_span key, struct rsw_span value) {
    size_t len = value.len - RSW_V_REPO_NAME;
    struct rsw_key name = {.len = 0};
    if (key.len != 4 || len > RSW_REPO_NAME_MAX) {
        return wrong_form(check, RSW_T_REPO);
    }
    rsw_key_bytes(&name, value.data + RSW_V_REPO_NAME, len);
    want(check, RSW_T_REPO_NAME, &name, rsw_get_be32(key.data));
    return 0;
}

static void take_member(struct check *check, enum rsw_table table, const struct rsw_member *member) {
    struct rsw_key back;
    rsw_key_ids(&back, member->blob, member->repo);
    want(check, table == RSW_T_LINK ? RSW_T_LINK_IN : RSW_T_REVISION_IN, &back, 0);
    if (member->target != 0 && member->target != member->blob) {
        rsw_key_id(&back, member->target);
        rsw_key_u8(&back, table);
        rsw_key_u32(&back, member->repo);
        rsw_key_u32(&back, member->blob);
        want(check, RSW_T_ALIAS, &back, 0);
    }
}

/* Each member stands behind the one before, in whatever record, and not behind the key of its own: else a
 * lookup would not find it. */
static int take_members(struct check *check, enum rsw_table table, struct rsw_span key,
                        struct rsw_span value) {
    struct rsw_members members;
    if (rsw_members_open(check->txn, table, key, value, &members) != RSW_FOUND) {
        return RSW_FAILED;
    }
    for (uint32_t i = 0; i < members.count; i++) {
        struct rsw_member member;
        rsw_members_get(&members, i, &member);
        uint64_t place = (uint64_t)member.repo << 32 | member.blob;
        if (place <= check->last_member || member.blob > rsw_get_be32(key.data + 4)) {
            return rsw_txn_damaged(check->txn, table, "a record is out of its order");
        }
        check->last_member = place;
        take_member(check, table, &member);
    }
    return 0;
}

static int take_signature(struct check *check, struct rsw_span key) {
    if (key.len != 12) {
        return wrong_form(check, RSW_T_SIGNATURE);
    }
    uint32_t revision = rsw_get_be32(key.data + 4);
    uint32_t signature = rsw_get_be32(key.data + 8);
    for (unsigned role = 1; role <= 2; role++) { /* of the blob that the key begins with: see schema.h */
        struct rsw_key back;
        rsw_key_id(&back, role == 1 ? signature : revision);
        rsw_key_u8(&back, role);
        rsw_key_bytes(&back, key.data, 4);
        rsw_key_u32(&back, role == 1 ? revision : signature);
        want(check, RSW_T_SIGNATURE_OF, &back, 0);
    }
    return 0;
}

static int take_tag(struct check *check, struct rsw_span key, struct rsw_span value) {
    struct rsw_key back;
    uint32_t head = rsw_get_le32(value.data + RSW_V_TAG_HEAD);
    if (key.len < 5 || key.len > 4 + RSW_TAG_NAME_MAX) {
        return wrong_form(check, RSW_T_TAG);
    }
    if (head != 0) {
        rsw_key_id(&back, head);
        rsw_key_bytes(&back, key.data, key.len);
        want(check, RSW_T_HEAD_OF, &back, 0);
    }
    return 0;
}

static int take_history(struct check *check, struct rsw_span key) {
    struct rsw_key back;
    if (key.len < 10 || key.len > 9 + RSW_TAG_NAME_MAX || key.data[key.len - 5] != 0) {
        return wrong_form(check, RSW_T_HISTORY);
    }
    rsw_key_id(&back, rsw_get_be32(key.data + key.len - 4));
    rsw_key_bytes(&back, key.data, key.len - 5);
    want(check, RSW_T_HISTORY_OF, &back, 0);
    return 0;
}

static int take_item(struct check *check, struct rsw_span key) {
    struct rsw_item item;
    struct rsw_key back;
    if (rsw_item_decode_key(check->txn, RSW_T_ITEM, key, &item) != RSW_FOUND) {
        return RSW_FAILED;
    }
    if (item.kind == RSW_ITEM_TAG) {
        rsw_tag_item_key(&back, &item);
        want(check, RSW_T_TAG_ITEM, &back, 0);
    }
    return 0;
}

/* The least length of a value; of a back table: none at all. */
static int least(enum rsw_table table) {
    switch (table) {
    case RSW_T_NAMED_BY:
    case RSW_T_REVISION_IN:
    case RSW_T_LINK_IN:
    case RSW_T_ALIAS:
    case RSW_T_SIGNATURE:
    case RSW_T_SIGNATURE_OF:
    case RSW_T_HEAD_OF:
    case RSW_T_HISTORY_OF:
    case RSW_T_TAG_ITEM:
        return -1;
    case RSW_T_DIGEST:
    case RSW_T_REPO_NAME:
        return RSW_V_ID_SIZE;
    case RSW_T_REFS:
        return RSW_V_REFS_IDS;
    case RSW_T_REPO:
        return RSW_V_REPO_NAME;
    case RSW_T_TAG:
        return RSW_V_TAG_SIZE;
    default:
        return 0;
    }
}

static int take(struct check *check, enum rsw_table table, struct rsw_span key, struct rsw_span value) {
    int size = least(table);
    if (table == RSW_T_BLOB) { /* these open the value by themselves */
        return take_blobs(check, key, value);
    }
    if (table == RSW_T_DIGEST_OF) {
        return take_digests(check, key, value);
    }
    if (table == RSW_T_REVISION || table == RSW_T_LINK) {
        return take_members(check, table, key, value);
    }
    if (size < 0 && value.len != 0) {
        return rsw_txn_damaged(check->txn, table, "a record has the wrong length");
    }
    if (size >= 0 && !rsw_value_open(check->txn, table, key, &value, (size_t)size, false)) {
        return RSW_FAILED;
    }
    switch (table) {
    case RSW_T_DIGEST:
    case RSW_T_REPO_NAME:
        meet(check, table, key, rsw_get_le32(value.data + RSW_V_ID));
        return 0;
    case RSW_T_REFS:
        return take_refs(check, key, value);
    case RSW_T_REPO:
        return take_repo(check, key, value);
    case RSW_T_SIGNATURE:
        return take_signature(check, key);
    case RSW_T_TAG:
        return take_tag(check, key, value);
    case RSW_T_HISTORY:
        return take_history(check, key);
    case RSW_T_ITEM:
        return take_item(check, key);
    default:
        if (size < 0) {
            meet(check, table, key, 0);
        }
        return 0;
    }
}

/* ---- walking ---- */

struct record {
    struct rsw_span key; /* data NULL: none yet */
    struct rsw_span value;
};

/* A search from the root leads to this very record. */
static int search(struct check *check, enum rsw_table table, const struct record *record) {
    struct rsw_txn *txn = check->txn;
    struct rsw_kv_cursor *cursor; /* a new one: others know where they are, and do not search */
    struct rsw_span key;
    struct rsw_span value;
    if (rsw_kv_cursor_open(&cursor, txn->kv, (int)table, &txn->error) != 0) {
        return RSW_FAILED;
    }
    int answer = rsw_kv_seek(cursor, record->key, &key, &value, &txn->error);
    rsw_kv_cursor_close(cursor);
    if (answer == RSW_FAILED) {
        return answer;
    }
    if (answer == RSW_ABSENT || key.data != record->key.data) {
        return rsw_txn_damaged(txn, table, "a record is not found where it is");
    }
    return 0;
}

static int walk(struct check *check, enum rsw_table table) {
    struct rsw_key all = {.len = 0};
    struct record last = {.key = {.data = NULL}};
    struct record now;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_open(&iter, check->txn, table, &all);
    check->last_member = 0;
    int answer;
    while ((answer = rsw_iter_step(&iter, &now.key, &now.value)) == RSW_FOUND) {
        bool first = last.key.data == NULL;
        if ((first || !rsw_kv_one_page(check->txn->kv, last.key.data, now.key.data)) &&
            ((!first && search(check, table, &last) != 0) || search(check, table, &now) != 0)) {
            return RSW_FAILED;
        }
        if (take(check, table, now.key, now.value) != 0) {
            return RSW_FAILED;
        }
        last = now;
    }
    return answer == RSW_ABSENT && last.key.data != NULL ? search(check, table, &last)
           : answer == RSW_ABSENT                        ? 0
                                                         : RSW_FAILED;
}

static int check_all(struct check *check) {
    for (int table = 0; table < RSW_TABLE_COUNT; table++) {
        if (walk(check, (enum rsw_table)table) != 0) {
            return RSW_FAILED;
        }
    }
    for (int table = 0; table < RSW_TABLE_COUNT; table++) {
        if (check->tallies[table].wanted != check->tallies[table].met) {
            return rsw_txn_damaged(check->txn, (enum rsw_table)table, "it and another table do not agree");
        }
    }
    return 0;
}

int rsw_index_check(struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    struct check check = {.txn = txn};
    int rc = check_all(&check);
    free(check.names);
    if (rc != 0) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    return 0;
}
