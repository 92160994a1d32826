/* Table PULL. */
#include "index/txn.h"

int rsw_pull_get(struct rsw_txn *txn, uint32_t repo, uint32_t manifest, int64_t *at_ms) {
    struct rsw_key key;
    struct rsw_span value;
    rsw_key_ids(&key, repo, manifest);
    int answer = rsw_txn_get(txn, RSW_T_PULL, rsw_key_span(&key), &value);
    if (answer == RSW_FOUND &&
        !rsw_value_open(txn, RSW_T_PULL, rsw_key_span(&key), &value, RSW_V_PULL_SIZE, true)) {
        return RSW_FAILED;
    }
    if (answer == RSW_FOUND) {
        *at_ms = rsw_get_time(value.data + RSW_V_PULL_AT);
    }
    return answer;
}

int rsw_pull_heard_since(struct rsw_txn *txn, int64_t since_ms) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_key all = {.len = 0};
    struct rsw_span key;
    struct rsw_span value;
    int answer;
    rsw_iter_open(&iter, txn, RSW_T_PULL, &all);
    while ((answer = rsw_iter_step(&iter, &key, &value)) == RSW_FOUND) {
        if (!rsw_value_open(txn, RSW_T_PULL, key, &value, RSW_V_PULL_SIZE, true)) {
            return RSW_FAILED;
        }
        if (rsw_get_time(value.data + RSW_V_PULL_AT) >= since_ms) {
            return RSW_FOUND;
        }
    }
    return answer;
}

void rsw_pull_note(struct rsw_txn *txn, uint32_t repo, uint32_t manifest, int64_t now_ms) {
    int64_t last_ms;
    int answer = rsw_pull_get(txn, repo, manifest, &last_ms);
    if (answer == RSW_FAILED || (answer == RSW_FOUND && now_ms - last_ms < RSW_PULL_STEP_MS)) {
        return;
    }
    struct rsw_key key;
    uint8_t value[RSW_V_PULL_SIZE + RSW_SUM_SIZE];
    rsw_key_ids(&key, repo, manifest);
    rsw_put_time(value + RSW_V_PULL_AT, now_ms);
    rsw_value_put(txn, RSW_T_PULL, &key, value, RSW_V_PULL_SIZE);
}

void rsw_pull_drop(struct rsw_txn *txn, uint32_t repo, uint32_t manifest) {
    struct rsw_key key;
    rsw_key_ids(&key, repo, manifest);
    rsw_txn_del(txn, RSW_T_PULL, rsw_key_span(&key));
}
