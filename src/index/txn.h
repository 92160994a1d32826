/* What the files of this folder share: the handle, the transaction with its sticky error, and records as
 * bytes with a checksum. Not for other folders. */
#ifndef REGSWEEP_INDEX_TXN_H
#define REGSWEEP_INDEX_TXN_H

#include "index/index.h"
#include "index/kv.h"
#include "index/schema.h"
#include "util/bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct rsw_index {
    struct rsw_kv *kv;
    char *dir;
    int lock_fd; /* -1: none */
    bool read_only;
    bool older; /* may be of an older schema */
    bool fresh; /* made by this handle */
};

struct rsw_counters {
    uint64_t seq;
    uint64_t next_generation;
    uint64_t next_event;
    uint64_t next_deletion;
    uint32_t next_blob;
    uint32_t next_repo;
    uint64_t first_open; /* no generation below it is open */
};

struct rsw_slot; /* an iterator's cursor, see iter.c */

struct rsw_txn {
    struct rsw_index *index;
    struct rsw_kv_txn *kv;
    bool write;
    bool handed_out; /* a counter went up: an aborted transaction gives the numbers back */
    struct rsw_counters counters;
    struct rsw_error error;
    struct rsw_digests digests; /* the last that were read, while nothing can change */
    struct rsw_slot *slots;     /* of the iterators that are open */
    struct rsw_slot *spare[RSW_TABLE_COUNT];
};

/* Names of all tables by number. */
extern const char *const rsw_table_names[RSW_TABLE_COUNT];

/* ---- sticky access ---- */

static inline bool rsw_txn_ok(const struct rsw_txn *txn) {
    return txn->error.code == RSW_OK;
}
static inline int rsw_txn_get(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key,
                              struct rsw_span *value) {
    return rsw_txn_ok(txn) ? rsw_kv_get(txn->kv, (int)table, key, value, &txn->error) : RSW_FAILED;
}
/* The first entry whose key is not below `key`. */
static inline int rsw_txn_get_from(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key,
                                   struct rsw_span *found, struct rsw_span *value) {
    return rsw_txn_ok(txn) ? rsw_kv_get_from(txn->kv, (int)table, key, found, value, &txn->error)
                           : RSW_FAILED;
}
/* RSW_ABSENT if the key was new, RSW_FOUND if it was there. */
int rsw_txn_put(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value);
/* The key is above all others of the table. */
int rsw_txn_append(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value);
int rsw_txn_del(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key);
/* Any entry that begins so? */
int rsw_txn_has_prefix(struct rsw_txn *txn, enum rsw_table table, struct rsw_span prefix);

/* Both make the error stick and give RSW_FAILED. */
int rsw_txn_damaged(struct rsw_txn *txn, enum rsw_table table, const char *what);
int rsw_txn_refuse(struct rsw_txn *txn, enum rsw_code code, const char *fmt, ...) RSW_PRINTF(3, 4);

/* ---- keys ---- */

struct rsw_key {
    size_t len;
    uint8_t bytes[RSW_KEY_MAX];
};
static inline struct rsw_span rsw_key_span(const struct rsw_key *key) {
    return (struct rsw_span){.data = key->bytes, .len = key->len};
}
static inline void rsw_key_u8(struct rsw_key *key, unsigned value) {
    key->bytes[key->len++] = (uint8_t)value;
}
static inline void rsw_key_u32(struct rsw_key *key, uint32_t value) {
    rsw_put_be32(key->bytes + key->len, value);
    key->len += 4;
}
static inline void rsw_key_u64(struct rsw_key *key, uint64_t value) {
    rsw_put_be64(key->bytes + key->len, value);
    key->len += 8;
}
static inline void rsw_key_bytes(struct rsw_key *key, const void *bytes, size_t len) {
    memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}
static inline void rsw_key_begin(struct rsw_key *key) {
    key->len = 0;
}
static inline void rsw_key_id(struct rsw_key *key, uint32_t id) {
    rsw_key_begin(key);
    rsw_key_u32(key, id);
}
static inline void rsw_key_ids(struct rsw_key *key, uint32_t first, uint32_t second) {
    rsw_key_id(key, first);
    rsw_key_u32(key, second);
}
/* Checks the length of a name from a caller: 1 to max bytes. Else RSW_EINVAL sticks, and the answer is 0. */
size_t rsw_txn_name_len(struct rsw_txn *txn, const char *name, size_t max, const char *what);

/* ---- values ---- */

static inline struct rsw_span rsw_span_of(const void *data, size_t len) {
    return (struct rsw_span){.data = data, .len = len};
}
/* What outlives a rebuild stays readable from schema to schema: it has the checksum that all records once
 * had. */
static inline bool rsw_table_outlives(enum rsw_table table) {
    return table == RSW_T_META || table == RSW_T_PIN || table == RSW_T_DELETION;
}
static inline uint32_t rsw_sum(enum rsw_table table, struct rsw_span key, struct rsw_span value) {
    if (rsw_table_outlives(table)) {
        XXH64_hash_t seed = XXH3_64bits_withSeed(key.data, key.len, (XXH64_hash_t)table);
        return (uint32_t)XXH3_64bits_withSeed(value.data, value.len, seed);
    }
    return (uint32_t)(XXH3_64bits_withSeed(key.data, key.len, (XXH64_hash_t)table) ^
                      XXH3_64bits(value.data, value.len));
}
/* The value without its checksum, after length (at least `least`, and exactly that if `exact`) and checksum
 * have been found right. Else the error sticks and the answer is false. */
static inline bool rsw_value_open(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key,
                                  struct rsw_span *value, size_t least, bool exact) {
    size_t len = value->len - RSW_SUM_SIZE;
    if (value->len < least + RSW_SUM_SIZE || (exact && len != least)) {
        rsw_txn_damaged(txn, table, "a record has the wrong length");
        return false;
    }
    value->len = len;
    if (rsw_get_le32(value->data + len) != rsw_sum(table, key, *value)) {
        rsw_txn_damaged(txn, table, "a record has the wrong checksum");
        return false;
    }
    return true;
}
/* Adds the checksum behind `len` bytes of value: the buffer has room for it. */
static inline struct rsw_span rsw_value_close(enum rsw_table table, const struct rsw_key *key, uint8_t *value,
                                              size_t len) {
    rsw_put_le32(value + len, rsw_sum(table, rsw_key_span(key), rsw_span_of(value, len)));
    return rsw_span_of(value, len + RSW_SUM_SIZE);
}
/* The same, and puts the record. Answers as rsw_txn_put. */
static inline int rsw_value_put(struct rsw_txn *txn, enum rsw_table table, const struct rsw_key *key,
                                uint8_t *value, size_t len) {
    return rsw_txn_put(txn, table, rsw_key_span(key), rsw_value_close(table, key, value, len));
}
static inline void rsw_put_time(uint8_t *to, int64_t ms) {
    rsw_put_le64(to, (uint64_t)ms);
}
static inline int64_t rsw_get_time(const uint8_t *from) {
    return (int64_t)rsw_get_le64(from);
}
/* Copies text out of a value or key into a record: at most `room` - 1 bytes, NUL behind. */
static inline void rsw_text_out(char *to, size_t room, const uint8_t *from, size_t len) {
    len = len < room ? len : room - 1;
    memcpy(to, from, len);
    to[len] = 0;
}

/* ---- iterators ---- */

/* Begins with this prefix; an empty one is all of the table. */
void rsw_iter_open(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_table table,
                   const struct rsw_key *prefix);
/* Goes on at this key, or behind it, which begins with the prefix and need not exist. */
void rsw_iter_go_to(struct rsw_iter *iter, const struct rsw_key *key, bool behind);
/* Was the table written to since the last step? Then what that gave may be another thing by now. */
bool rsw_iter_overtaken(const struct rsw_iter *iter);
/* A value that stays as it is until the next step, whatever is written: itself while reading, a copy while
 * writing. There is room for RSW_HELD_MAX bytes; the value comes to stand at `at`. */
#define RSW_HELD_MAX 1088
const uint8_t *rsw_iter_hold(struct rsw_iter *iter, size_t at, const uint8_t *value, size_t len);
int rsw_iter_step(struct rsw_iter *iter, struct rsw_span *key, struct rsw_span *value);
/* What a typed next answers for a key of the wrong form. */
int rsw_iter_damaged(struct rsw_iter *iter);
/* Closes the cursors of all iterators of a transaction that ends. */
void rsw_iter_end_all(struct rsw_txn *txn);

/* ---- records that more than one file reads ---- */

int rsw_blobs_open(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_blobs *out);
int rsw_digests_open(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                     struct rsw_digests *out);
/* RSW_ABSENT: there is no such blob. */
int rsw_digests_get(const struct rsw_digests *digests, uint32_t i, struct rsw_digest *out);
int rsw_members_open(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_span value,
                     struct rsw_members *out);
/* The key as a record; all else of it is 0. */
int rsw_item_decode_key(struct rsw_txn *txn, enum rsw_table table, struct rsw_span key, struct rsw_item *out);
void rsw_tag_item_key(struct rsw_key *key, const struct rsw_item *item); /* TAG_ITEM */
int rsw_counters_load(struct rsw_txn *txn);
void rsw_counters_save(struct rsw_txn *txn);
struct rsw_time;
void rsw_time_save(struct rsw_txn *txn, const struct rsw_time *time);

#endif
