/* Table GENERATION. */
#include "index/txn.h"

#define VALUE_SIZE ((size_t)RSW_V_GENERATION_COUNTS + 8 * RSW_ITEM_KINDS)

const char *rsw_generation_state_name(enum rsw_generation_state state) {
    static const char *const names[] = {"unknown", "condemned", "unlinked", "hidden", "purged", "abandoned"};
    return (size_t)state < sizeof names / sizeof *names ? names[state] : names[0];
}

static void generation_key(struct rsw_key *key, uint64_t id) {
    rsw_key_begin(key);
    rsw_key_u64(key, id);
}

static int decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value,
                  struct rsw_generation *out) {
    if (key.len != 8) {
        return rsw_txn_damaged(txn, RSW_T_GENERATION, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_GENERATION, key, &value, VALUE_SIZE, true)) {
        return RSW_FAILED;
    }
    const uint8_t *at = value.data;
    out->id = rsw_get_be64(key.data);
    out->state = (enum rsw_generation_state)at[RSW_V_GENERATION_STATE];
    out->offline = at[RSW_V_GENERATION_OFFLINE] != 0;
    out->untagged = at[RSW_V_GENERATION_UNTAGGED] != 0;
    out->clearing = (at[RSW_V_GENERATION_FLAGS] & RSW_GENERATION_CLEARING) != 0;
    out->settling = (at[RSW_V_GENERATION_FLAGS] & RSW_GENERATION_SETTLING) != 0;
    out->grace_ms = rsw_get_time(at + RSW_V_GENERATION_GRACE);
    out->created_ms = rsw_get_time(at + RSW_V_GENERATION_CREATED);
    out->changed_ms = rsw_get_time(at + RSW_V_GENERATION_CHANGED);
    out->seq = rsw_get_le64(at + RSW_V_GENERATION_SEQ);
    out->bytes = rsw_get_le64(at + RSW_V_GENERATION_BYTES);
    out->done = rsw_get_le64(at + RSW_V_GENERATION_DONE);
    out->failed = rsw_get_le64(at + RSW_V_GENERATION_FAILED);
    out->spared = rsw_get_le64(at + RSW_V_GENERATION_SPARED);
    out->freed = rsw_get_le64(at + RSW_V_GENERATION_FREED);
    out->hidden_seq = rsw_get_le64(at + RSW_V_GENERATION_HIDDEN_SEQ);
    out->due_ms = rsw_get_time(at + RSW_V_GENERATION_DUE);
    out->settle_ms = rsw_get_time(at + RSW_V_GENERATION_SETTLE);
    out->quarantine_ms = rsw_get_time(at + RSW_V_GENERATION_QUARANTINE);
    rsw_text_out(out->run, sizeof out->run, at + RSW_V_GENERATION_RUN,
                 strnlen((const char *)at + RSW_V_GENERATION_RUN, RSW_RUN_MAX - 1));
    for (size_t kind = 0; kind < RSW_ITEM_KINDS; kind++) {
        out->counts[kind] = rsw_get_le64(at + RSW_V_GENERATION_COUNTS + 8 * kind);
    }
    return RSW_FOUND;
}

static void encode(struct rsw_txn *txn, const struct rsw_generation *generation) {
    struct rsw_key key;
    uint8_t value[VALUE_SIZE + RSW_SUM_SIZE];
    generation_key(&key, generation->id);
    value[RSW_V_GENERATION_STATE] = (uint8_t)generation->state;
    value[RSW_V_GENERATION_OFFLINE] = generation->offline ? 1 : 0;
    value[RSW_V_GENERATION_UNTAGGED] = generation->untagged ? 1 : 0;
    value[RSW_V_GENERATION_FLAGS] = (uint8_t)((generation->clearing ? RSW_GENERATION_CLEARING : 0) |
                                              (generation->settling ? RSW_GENERATION_SETTLING : 0));
    rsw_put_time(value + RSW_V_GENERATION_GRACE, generation->grace_ms);
    rsw_put_time(value + RSW_V_GENERATION_CREATED, generation->created_ms);
    rsw_put_time(value + RSW_V_GENERATION_CHANGED, generation->changed_ms);
    rsw_put_le64(value + RSW_V_GENERATION_SEQ, generation->seq);
    rsw_put_le64(value + RSW_V_GENERATION_BYTES, generation->bytes);
    rsw_put_le64(value + RSW_V_GENERATION_DONE, generation->done);
    rsw_put_le64(value + RSW_V_GENERATION_FAILED, generation->failed);
    rsw_put_le64(value + RSW_V_GENERATION_SPARED, generation->spared);
    rsw_put_le64(value + RSW_V_GENERATION_FREED, generation->freed);
    rsw_put_le64(value + RSW_V_GENERATION_HIDDEN_SEQ, generation->hidden_seq);
    rsw_put_time(value + RSW_V_GENERATION_DUE, generation->due_ms);
    rsw_put_time(value + RSW_V_GENERATION_SETTLE, generation->settle_ms);
    rsw_put_time(value + RSW_V_GENERATION_QUARANTINE, generation->quarantine_ms);
    memset(value + RSW_V_GENERATION_RUN, 0, RSW_RUN_MAX);
    memcpy(value + RSW_V_GENERATION_RUN, generation->run, strnlen(generation->run, RSW_RUN_MAX - 1));
    for (size_t kind = 0; kind < RSW_ITEM_KINDS; kind++) {
        rsw_put_le64(value + RSW_V_GENERATION_COUNTS + 8 * kind, generation->counts[kind]);
    }
    rsw_value_put(txn, RSW_T_GENERATION, &key, value, VALUE_SIZE);
}

static bool is_open(const struct rsw_generation *generation) {
    return !generation->offline && generation->state != RSW_GENERATION_PURGED &&
           generation->state != RSW_GENERATION_ABANDONED;
}

/* Those that ended are not looked at again. */
static void close_ended(struct rsw_txn *txn) {
    struct rsw_generation first;
    while (txn->counters.first_open < txn->counters.next_generation) {
        int answer = rsw_generation_get(txn, txn->counters.first_open, &first);
        if (answer == RSW_FAILED || (answer == RSW_FOUND && is_open(&first))) {
            return;
        }
        txn->counters.first_open++;
        txn->handed_out = true;
    }
}

size_t rsw_generations_open(struct rsw_txn *txn, uint64_t *ids, size_t max) {
    size_t count = 0;
    for (uint64_t id = txn->counters.first_open; id < txn->counters.next_generation && count < max; id++) {
        struct rsw_generation generation;
        if (rsw_generation_get(txn, id, &generation) == RSW_FOUND && is_open(&generation)) {
            ids[count++] = id;
        }
    }
    return count;
}

bool rsw_run_is_ours(struct rsw_txn *txn, const char *run) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    for (size_t i = 0; i < count; i++) {
        struct rsw_generation generation;
        if (rsw_generation_get(txn, ids[i], &generation) == RSW_FOUND && generation.run[0] != 0 &&
            strcmp(generation.run, run) == 0) {
            return true;
        }
    }
    return false;
}

void rsw_generation_skip(struct rsw_txn *txn, uint64_t id) {
    if (id >= txn->counters.next_generation && id < UINT64_MAX) {
        txn->counters.next_generation = id + 1;
        txn->handed_out = true;
    }
}

void rsw_generation_add(struct rsw_txn *txn, struct rsw_generation *generation) {
    generation->id = txn->counters.next_generation++;
    txn->handed_out = true;
    encode(txn, generation);
}

int rsw_generation_get(struct rsw_txn *txn, uint64_t id, struct rsw_generation *out) {
    struct rsw_key key;
    struct rsw_span value;
    generation_key(&key, id);
    int answer = rsw_txn_get(txn, RSW_T_GENERATION, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_generation_put(struct rsw_txn *txn, const struct rsw_generation *generation) {
    if (generation->id == 0 || generation->id >= txn->counters.next_generation) {
        rsw_txn_refuse(txn, RSW_EINVAL, "generation %llu was never handed out",
                       (unsigned long long)generation->id);
        return;
    }
    encode(txn, generation);
    close_ended(txn);
}

void rsw_iter_generations(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_GENERATION, &all);
}

int rsw_generation_next(struct rsw_iter *iter, struct rsw_generation *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode(iter->txn, key, value, out) : answer;
}
