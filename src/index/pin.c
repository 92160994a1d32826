/* Table PIN. */
#include "index/pin.h"

#include "index/txn.h"

static int decode(struct rsw_txn *txn, struct rsw_span key, struct rsw_span value, struct rsw_kept_pin *out) {
    if (key.len > RSW_PIN_TEXT_MAX) {
        return rsw_txn_damaged(txn, RSW_T_PIN, "a key has the wrong form");
    }
    if (!rsw_value_open(txn, RSW_T_PIN, key, &value, RSW_V_PIN_NOTE, false)) {
        return RSW_FAILED;
    }
    rsw_text_out(out->text, sizeof out->text, key.data, key.len);
    out->created_ms = rsw_get_time(value.data + RSW_V_PIN_CREATED);
    out->until_ms = rsw_get_time(value.data + RSW_V_PIN_UNTIL);
    rsw_text_out(out->note, sizeof out->note, value.data + RSW_V_PIN_NOTE, value.len - RSW_V_PIN_NOTE);
    return RSW_FOUND;
}

static bool pin_key(struct rsw_txn *txn, struct rsw_key *key, const char *text) {
    size_t len = rsw_txn_name_len(txn, text, RSW_PIN_TEXT_MAX, "a pin");
    rsw_key_begin(key);
    rsw_key_bytes(key, text, len);
    return len > 0;
}

int rsw_kept_pin_get(struct rsw_txn *txn, const char *text, struct rsw_kept_pin *out) {
    struct rsw_key key;
    struct rsw_span value;
    if (!pin_key(txn, &key, text)) {
        return RSW_FAILED;
    }
    int answer = rsw_txn_get(txn, RSW_T_PIN, rsw_key_span(&key), &value);
    return answer == RSW_FOUND ? decode(txn, rsw_key_span(&key), value, out) : answer;
}

void rsw_kept_pin_put(struct rsw_txn *txn, const struct rsw_kept_pin *pin) {
    struct rsw_key key;
    uint8_t value[RSW_V_PIN_NOTE + RSW_NOTE_MAX + RSW_SUM_SIZE];
    size_t note = strnlen(pin->note, RSW_NOTE_MAX);
    if (pin_key(txn, &key, pin->text)) {
        rsw_put_time(value + RSW_V_PIN_CREATED, pin->created_ms);
        rsw_put_time(value + RSW_V_PIN_UNTIL, pin->until_ms);
        memcpy(value + RSW_V_PIN_NOTE, pin->note, note);
        rsw_value_put(txn, RSW_T_PIN, &key, value, RSW_V_PIN_NOTE + note);
    }
}

void rsw_kept_pin_drop(struct rsw_txn *txn, const char *text) {
    struct rsw_key key;
    if (pin_key(txn, &key, text)) {
        rsw_txn_del(txn, RSW_T_PIN, rsw_key_span(&key));
    }
}

void rsw_iter_kept_pins(struct rsw_iter *iter, struct rsw_txn *txn) {
    struct rsw_key all = {.len = 0};
    rsw_iter_open(iter, txn, RSW_T_PIN, &all);
}

int rsw_kept_pin_next(struct rsw_iter *iter, struct rsw_kept_pin *out) {
    struct rsw_span key;
    struct rsw_span value;
    int answer = rsw_iter_step(iter, &key, &value);
    return answer == RSW_FOUND ? decode(iter->txn, key, value, out) : answer;
}
