/* Tables META: counters and the state of the whole. */
#include "index/txn.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

static const char counters_key[] = "counters";
static const char state_key[] = "state";
static const char identity_key[] = "identity";

int rsw_counters_load(struct rsw_txn *txn) {
    struct rsw_span key = rsw_span_of(counters_key, sizeof counters_key - 1);
    struct rsw_span value;
    int answer = rsw_txn_get(txn, RSW_T_META, key, &value);
    if (answer == RSW_ABSENT) {
        return rsw_txn_damaged(txn, RSW_T_META, "there are no counters");
    }
    if (answer != RSW_FOUND || !rsw_value_open(txn, RSW_T_META, key, &value, RSW_V_COUNTERS_SIZE, true)) {
        return RSW_FAILED;
    }
    if (rsw_get_le64(value.data + RSW_V_COUNTERS_MOMENT) < rsw_kv_moment(txn->kv)) {
        return rsw_txn_damaged(txn, RSW_T_META, "it is older than LMDB believes");
    }
    txn->counters.seq = rsw_get_le64(value.data + RSW_V_COUNTERS_SEQ);
    txn->counters.next_generation = rsw_get_le64(value.data + RSW_V_COUNTERS_NEXT_GENERATION);
    txn->counters.next_event = rsw_get_le64(value.data + RSW_V_COUNTERS_NEXT_EVENT);
    txn->counters.next_blob = rsw_get_le32(value.data + RSW_V_COUNTERS_NEXT_BLOB);
    txn->counters.next_repo = rsw_get_le32(value.data + RSW_V_COUNTERS_NEXT_REPO);
    txn->counters.first_open = rsw_get_le64(value.data + RSW_V_COUNTERS_OPEN);
    txn->counters.next_deletion = rsw_get_le64(value.data + RSW_V_COUNTERS_NEXT_DELETION);
    return RSW_FOUND;
}

void rsw_counters_save(struct rsw_txn *txn) {
    struct rsw_key key = {.len = 0};
    uint8_t value[RSW_V_COUNTERS_SIZE + RSW_SUM_SIZE];
    rsw_key_bytes(&key, counters_key, sizeof counters_key - 1);
    rsw_put_le64(value + RSW_V_COUNTERS_SEQ, txn->counters.seq);
    rsw_put_le64(value + RSW_V_COUNTERS_NEXT_GENERATION, txn->counters.next_generation);
    rsw_put_le64(value + RSW_V_COUNTERS_NEXT_EVENT, txn->counters.next_event);
    rsw_put_le32(value + RSW_V_COUNTERS_NEXT_BLOB, txn->counters.next_blob);
    rsw_put_le32(value + RSW_V_COUNTERS_NEXT_REPO, txn->counters.next_repo);
    rsw_put_le64(value + RSW_V_COUNTERS_MOMENT, rsw_kv_moment(txn->kv) + 1);
    rsw_put_le64(value + RSW_V_COUNTERS_OPEN, txn->counters.first_open);
    rsw_put_le64(value + RSW_V_COUNTERS_NEXT_DELETION, txn->counters.next_deletion);
    rsw_value_put(txn, RSW_T_META, &key, value, RSW_V_COUNTERS_SIZE);
}

static int decode_state(struct rsw_txn *txn, struct rsw_span value, struct rsw_state *out) {
    const uint8_t *at = value.data;
    size_t reason = rsw_get_le32(at + RSW_V_STATE_REASON_LEN);
    size_t url = rsw_get_le32(at + RSW_V_STATE_URL_LEN);
    if (reason >= sizeof out->gap_reason || url >= sizeof out->storage_url ||
        value.len != RSW_V_STATE_TEXT + reason + url) {
        return rsw_txn_damaged(txn, RSW_T_META, "the state contradicts itself");
    }
    out->created_ms = rsw_get_time(at + RSW_V_STATE_CREATED);
    out->scan_seq = rsw_get_le64(at + RSW_V_STATE_SCAN_SEQ);
    out->scan_started_ms = rsw_get_time(at + RSW_V_STATE_SCAN_STARTED);
    out->scan_ended_ms = rsw_get_time(at + RSW_V_STATE_SCAN_ENDED);
    out->gap_seq = rsw_get_le64(at + RSW_V_STATE_GAP_SEQ);
    out->gap_ms = rsw_get_time(at + RSW_V_STATE_GAP_MS);
    out->events = rsw_get_le64(at + RSW_V_STATE_EVENTS);
    out->events_unusable = rsw_get_le64(at + RSW_V_STATE_UNUSABLE);
    out->first_event_ms = rsw_get_time(at + RSW_V_STATE_FIRST_EVENT);
    out->last_event_ms = rsw_get_time(at + RSW_V_STATE_LAST_EVENT);
    out->beat_ms = rsw_get_time(at + RSW_V_STATE_BEAT);
    out->beat_steady_ms = rsw_get_time(at + RSW_V_STATE_BEAT_STEADY);
    rsw_text_out(out->gap_reason, sizeof out->gap_reason, at + RSW_V_STATE_TEXT, reason);
    rsw_text_out(out->storage_url, sizeof out->storage_url, at + RSW_V_STATE_TEXT + reason, url);
    return RSW_FOUND;
}

int rsw_state_get(struct rsw_txn *txn, struct rsw_state *out) {
    struct rsw_span key = rsw_span_of(state_key, sizeof state_key - 1);
    struct rsw_span value;
    *out = (struct rsw_state){0};
    int answer = rsw_txn_get(txn, RSW_T_META, key, &value);
    if (answer == RSW_ABSENT) {
        return rsw_txn_damaged(txn, RSW_T_META, "there is no state");
    }
    if (answer != RSW_FOUND || !rsw_value_open(txn, RSW_T_META, key, &value, RSW_V_STATE_TEXT, false)) {
        return RSW_FAILED;
    }
    out->next_blob = txn->counters.next_blob;
    out->next_repo = txn->counters.next_repo;
    out->next_generation = txn->counters.next_generation;
    return decode_state(txn, value, out);
}

void rsw_state_put(struct rsw_txn *txn, const struct rsw_state *state) {
    struct rsw_key key = {.len = 0};
    uint8_t value[RSW_V_STATE_TEXT + sizeof state->gap_reason + sizeof state->storage_url + RSW_SUM_SIZE];
    size_t reason = strnlen(state->gap_reason, sizeof state->gap_reason - 1);
    size_t url = strnlen(state->storage_url, sizeof state->storage_url - 1);
    rsw_key_bytes(&key, state_key, sizeof state_key - 1);
    rsw_put_time(value + RSW_V_STATE_CREATED, state->created_ms);
    rsw_put_le64(value + RSW_V_STATE_SCAN_SEQ, state->scan_seq);
    rsw_put_time(value + RSW_V_STATE_SCAN_STARTED, state->scan_started_ms);
    rsw_put_time(value + RSW_V_STATE_SCAN_ENDED, state->scan_ended_ms);
    rsw_put_le64(value + RSW_V_STATE_GAP_SEQ, state->gap_seq);
    rsw_put_time(value + RSW_V_STATE_GAP_MS, state->gap_ms);
    rsw_put_le64(value + RSW_V_STATE_EVENTS, state->events);
    rsw_put_le64(value + RSW_V_STATE_UNUSABLE, state->events_unusable);
    rsw_put_time(value + RSW_V_STATE_FIRST_EVENT, state->first_event_ms);
    rsw_put_time(value + RSW_V_STATE_LAST_EVENT, state->last_event_ms);
    rsw_put_time(value + RSW_V_STATE_BEAT, state->beat_ms);
    rsw_put_time(value + RSW_V_STATE_BEAT_STEADY, state->beat_steady_ms);
    rsw_put_le32(value + RSW_V_STATE_REASON_LEN, (uint32_t)reason);
    rsw_put_le32(value + RSW_V_STATE_URL_LEN, (uint32_t)url);
    memcpy(value + RSW_V_STATE_TEXT, state->gap_reason, reason);
    memcpy(value + RSW_V_STATE_TEXT + reason, state->storage_url, url);
    rsw_value_put(txn, RSW_T_META, &key, value, RSW_V_STATE_TEXT + reason + url);
}

int rsw_index_state(struct rsw_index *index, struct rsw_state *out, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, out) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    return 0;
}

bool rsw_state_lacks_blobs(const struct rsw_state *state) {
    return state->gap_seq > state->scan_seq &&
           (strcmp(state->gap_reason, RSW_LEASE_GAP) == 0 || strcmp(state->gap_reason, RSW_LATE_GAP) == 0);
}

void rsw_state_gap(struct rsw_txn *txn, int64_t now_ms, const char *reason) {
    struct rsw_state state;
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        return;
    }
    if (!rsw_state_lacks_blobs(&state)) {
        rsw_text_out(state.gap_reason, sizeof state.gap_reason, (const uint8_t *)reason, strlen(reason));
    }
    state.gap_seq = rsw_txn_seq(txn);
    state.gap_ms = now_ms;
    rsw_state_put(txn, &state);
}

int rsw_index_gap(struct rsw_index *index, int64_t now_ms, const char *reason, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    rsw_state_gap(txn, now_ms, reason);
    return rsw_txn_commit(&txn, err);
}

/* ---- identity ---- */

int rsw_identity_get(struct rsw_txn *txn, char out[RSW_IDENTITY_MAX]) {
    struct rsw_span key = rsw_span_of(identity_key, sizeof identity_key - 1);
    struct rsw_span value;
    int answer = rsw_txn_get(txn, RSW_T_META, key, &value);
    if (answer == RSW_FOUND && !rsw_value_open(txn, RSW_T_META, key, &value, RSW_IDENTITY_MAX - 1, true)) {
        return RSW_FAILED;
    }
    if (answer == RSW_FOUND) {
        rsw_text_out(out, RSW_IDENTITY_MAX, value.data, RSW_IDENTITY_MAX - 1);
    }
    return answer;
}

void rsw_identity_put(struct rsw_txn *txn, const char *identity) {
    uint8_t value[RSW_IDENTITY_MAX - 1 + RSW_SUM_SIZE];
    struct rsw_key key = {.len = 0};
    memcpy(value, identity, RSW_IDENTITY_MAX - 1);
    rsw_key_bytes(&key, identity_key, sizeof identity_key - 1);
    rsw_value_put(txn, RSW_T_META, &key, value, RSW_IDENTITY_MAX - 1);
}

int rsw_index_identity(struct rsw_index *index, char out[RSW_IDENTITY_MAX], struct rsw_error *err) {
    uint8_t bytes[(RSW_IDENTITY_MAX - 1) / 2];
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    if (rsw_identity_get(txn, out) == RSW_ABSENT) {
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
            return rsw_error_set(err, RSW_EIO, errno, "no random bytes for the name of the index");
        }
        for (size_t i = 0; i < sizeof bytes; i++) {
            snprintf(out + 2 * i, 3, "%02x", bytes[i]);
        }
        rsw_identity_put(txn, out);
    }
    return rsw_txn_commit(&txn, err);
}
