/* Iterators. A cursor lives in a slot that transaction and iterator both know: whichever ends last frees it,
 * so that an iterator may outlive its transaction, and a forgotten one harms nobody. */
#include "index/txn.h"

#include <errno.h>
#include <stdlib.h>

struct rsw_slot {
    struct rsw_slot *next;
    struct rsw_txn *txn; /* NULL: has ended */
    struct rsw_kv_cursor *cursor;
    enum rsw_table table;
    const struct rsw_iter *owner;
    uint8_t
        key[RSW_KEY_MAX]; /* where the walk begins; then, while writing, the last key. The prefix in front */
    uint8_t held[RSW_HELD_MAX];
};

/* An iterator that is opened anew without having been ended. Its old contents say nothing: it may be fresh
 * from the stack. */
static void end_earlier(struct rsw_iter *iter, struct rsw_txn *txn) {
    for (struct rsw_slot *slot = txn->slots; slot != NULL; slot = slot->next) {
        if (slot->owner == iter) {
            struct rsw_iter earlier = {.cursor = slot};
            rsw_iter_end(&earlier);
            return;
        }
    }
}

/* A walk through the next part of a table begins where the one before has ended, so its cursor is worth
 * keeping. */
static struct rsw_slot *take_slot(struct rsw_txn *txn, enum rsw_table table) {
    struct rsw_slot *slot = txn->spare[table];
    if (slot != NULL) {
        txn->spare[table] = NULL;
        return slot;
    }
    slot = malloc(sizeof *slot);
    if (slot == NULL) {
        rsw_txn_refuse(txn, RSW_ENOMEM, "out of memory");
        return NULL;
    }
    if (rsw_kv_cursor_open(&slot->cursor, txn->kv, (int)table, &txn->error) != 0) {
        free(slot);
        return NULL;
    }
    slot->txn = txn;
    slot->table = table;
    return slot;
}

static void give_slot(struct rsw_slot *slot) {
    struct rsw_slot **spare = &slot->txn->spare[slot->table];
    if (*spare == NULL) {
        *spare = slot;
        return;
    }
    rsw_kv_cursor_close(slot->cursor);
    free(slot);
}

void rsw_iter_open(struct rsw_iter *iter, struct rsw_txn *txn, enum rsw_table table,
                   const struct rsw_key *prefix) {
    end_earlier(iter, txn);
    iter->txn = txn;
    iter->cursor = NULL;
    iter->table = (int)table;
    iter->placed = false;
    iter->behind = false;
    iter->writes = 0;
    iter->met = 0;
    iter->last = NULL;
    iter->entries = 0;
    iter->members.count = 0;
    iter->blobs.packed = NULL;
    iter->digests.packed = NULL;
    iter->at = 0;
    iter->key_len = iter->prefix_len = prefix->len;
    if (!rsw_txn_ok(txn)) {
        return;
    }
    struct rsw_slot *slot = take_slot(txn, table);
    if (slot == NULL) {
        return;
    }
    struct rsw_kv_stat stat;
    if (prefix->len == 0 && rsw_kv_writes(txn->kv, (int)table) == 0 &&
        rsw_kv_stat(txn->kv, (int)table, &stat, &txn->error) == 0) {
        iter->entries = stat.entries;
    }
    memcpy(slot->key, prefix->bytes, prefix->len);
    slot->owner = iter;
    slot->next = txn->slots;
    txn->slots = slot;
    iter->cursor = slot;
}

void rsw_iter_end(struct rsw_iter *iter) {
    struct rsw_slot *slot = iter->cursor;
    if (slot == NULL) {
        return;
    }
    iter->cursor = NULL;
    if (slot->txn != NULL) {
        struct rsw_slot **link = &slot->txn->slots;
        while (*link != slot) {
            link = &(*link)->next;
        }
        *link = slot->next;
        give_slot(slot);
    } else {
        free(slot);
    }
}

void rsw_iter_end_all(struct rsw_txn *txn) {
    for (struct rsw_slot *slot = txn->slots; slot != NULL; slot = slot->next) {
        rsw_kv_cursor_close(slot->cursor);
        slot->txn = NULL;
    }
    txn->slots = NULL;
    for (int table = 0; table < RSW_TABLE_COUNT; table++) {
        if (txn->spare[table] != NULL) {
            rsw_kv_cursor_close(txn->spare[table]->cursor);
            free(txn->spare[table]);
        }
    }
}

/* Where the table was written to since the last step, the cursor may have been moved about: the place is
 * found again by the last key. */
static int advance(struct rsw_iter *iter, struct rsw_slot *slot, struct rsw_span *key,
                   struct rsw_span *value) {
    struct rsw_txn *txn = slot->txn;
    if (iter->placed && (!txn->write || iter->writes == rsw_kv_writes(txn->kv, iter->table))) {
        return rsw_kv_next(slot->cursor, key, value, &txn->error);
    }
    struct rsw_span last = rsw_span_of(slot->key, iter->key_len);
    int answer = rsw_kv_seek(slot->cursor, last, key, value, &txn->error);
    if (iter->behind && answer == RSW_FOUND && key->len == last.len &&
        memcmp(key->data, last.data, last.len) == 0) {
        answer = rsw_kv_next(slot->cursor, key, value, &txn->error);
    }
    iter->placed = true;
    iter->behind = true;
    return answer;
}

/* LMDB counts the entries of a table beside its pages. Where a damaged page hides entries, or leads in a
 * circle, the count tells; an entry that is not seen could be the one that keeps something alive. */
static bool count_fits(const struct rsw_iter *iter, const struct rsw_txn *txn, int answer) {
    if (iter->prefix_len != 0 || rsw_kv_writes(txn->kv, iter->table) != 0) {
        return true;
    }
    return answer == RSW_FOUND ? iter->met <= iter->entries : iter->met == iter->entries;
}

/* As memcmp, of keys that mostly differ, or not, in their first id. */
static int compare_keys(const uint8_t *a, const uint8_t *b, size_t len) {
    if (len >= 4) {
        uint32_t one = rsw_get_be32(a);
        uint32_t other = rsw_get_be32(b);
        if (one != other) {
            return one < other ? -1 : 1;
        }
    }
    return len == 4 ? 0 : memcmp(a, b, len);
}

/* A key that is not above the one before it was led to by a damaged page, past others. */
static bool order_fits(const struct rsw_iter *iter, struct rsw_span key) {
    if (iter->last == NULL) {
        return true;
    }
    int order = compare_keys(iter->last, key.data, iter->key_len < key.len ? iter->key_len : key.len);
    return order < 0 || (order == 0 && iter->key_len < key.len);
}

int rsw_iter_step(struct rsw_iter *iter, struct rsw_span *key, struct rsw_span *value) {
    struct rsw_slot *slot = iter->cursor;
    if (slot == NULL || slot->txn == NULL || !rsw_txn_ok(slot->txn)) {
        return RSW_FAILED; /* ended or never opened is no end of the table */
    }
    struct rsw_txn *txn = slot->txn;
    int answer = advance(iter, slot, key, value);
    if (answer == RSW_FAILED) {
        return answer;
    }
    iter->met += answer == RSW_FOUND ? 1 : 0;
    if (!count_fits(iter, txn, answer) || (answer == RSW_FOUND && !order_fits(iter, *key))) {
        return rsw_txn_damaged(txn, (enum rsw_table)iter->table, "records are lost");
    }
    if (answer == RSW_ABSENT || key->len < iter->prefix_len ||
        (iter->prefix_len != 0 && compare_keys(key->data, slot->key, iter->prefix_len) != 0)) {
        return RSW_ABSENT;
    }
    if (key->len > sizeof slot->key) {
        return rsw_iter_damaged(iter);
    }
    iter->last = key->data;
    iter->key_len = key->len;
    if (txn->write) {
        iter->writes = rsw_kv_writes(txn->kv, iter->table);
        iter->last = slot->key;
        memcpy(slot->key, key->data, key->len);
    }
    return RSW_FOUND;
}

void rsw_iter_go_to(struct rsw_iter *iter, const struct rsw_key *key, bool behind) {
    iter->placed = false;
    iter->behind = behind;
    iter->last = NULL;
    iter->key_len = key->len;
    struct rsw_slot *slot = iter->cursor;
    if (slot != NULL) {
        memcpy(slot->key, key->bytes, key->len);
    }
}

bool rsw_iter_overtaken(const struct rsw_iter *iter) {
    const struct rsw_slot *slot = iter->cursor;
    return slot != NULL && slot->txn != NULL && slot->txn->write &&
           iter->writes != rsw_kv_writes(slot->txn->kv, iter->table);
}

const uint8_t *rsw_iter_hold(struct rsw_iter *iter, size_t at, const uint8_t *value, size_t len) {
    struct rsw_slot *slot = iter->cursor;
    return slot->txn->write ? memcpy(slot->held + at, value, len) : value;
}

int rsw_iter_damaged(struct rsw_iter *iter) {
    return rsw_txn_damaged(iter->txn, (enum rsw_table)iter->table, "a key has the wrong form");
}
