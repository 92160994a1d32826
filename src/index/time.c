/* Table META: the time. */
#include "index/time.h"

#include "index/txn.h"

static const char time_key[] = "time";

static int load(struct rsw_txn *txn, struct rsw_time *out) {
    struct rsw_span key = rsw_span_of(time_key, sizeof time_key - 1);
    struct rsw_span value;
    int answer = rsw_txn_get(txn, RSW_T_META, key, &value);
    if (answer == RSW_ABSENT) {
        return rsw_txn_damaged(txn, RSW_T_META, "there is no time");
    }
    if (answer != RSW_FOUND || !rsw_value_open(txn, RSW_T_META, key, &value, RSW_V_TIME_SIZE, true)) {
        return RSW_FAILED;
    }
    const uint8_t *at = value.data;
    out->now_ms = rsw_get_time(at + RSW_V_TIME_WALL);
    out->steady_ms = rsw_get_time(at + RSW_V_TIME_STEADY);
    out->clock.ms = rsw_get_time(at + RSW_V_TIME_CLOCK);
    rsw_text_out(out->clock.boot, sizeof out->clock.boot, at + RSW_V_TIME_BOOT,
                 strnlen((const char *)at + RSW_V_TIME_BOOT, RSW_BOOT_MAX - 1));
    for (size_t i = 0; i < RSW_JUMPS_MAX; i++) {
        out->jumps[i].at_ms = rsw_get_time(at + RSW_V_TIME_JUMPS + 16 * i);
        out->jumps[i].by_ms = rsw_get_time(at + RSW_V_TIME_JUMPS + 16 * i + 8);
    }
    return RSW_FOUND;
}

void rsw_time_save(struct rsw_txn *txn, const struct rsw_time *time) {
    struct rsw_key key = {.len = 0};
    uint8_t value[RSW_V_TIME_SIZE + RSW_SUM_SIZE] = {0};
    rsw_key_bytes(&key, time_key, sizeof time_key - 1);
    rsw_put_time(value + RSW_V_TIME_WALL, time->now_ms);
    rsw_put_time(value + RSW_V_TIME_STEADY, time->steady_ms);
    rsw_put_time(value + RSW_V_TIME_CLOCK, time->clock.ms);
    memcpy(value + RSW_V_TIME_BOOT, time->clock.boot, strnlen(time->clock.boot, RSW_BOOT_MAX - 1));
    for (size_t i = 0; i < RSW_JUMPS_MAX; i++) {
        rsw_put_time(value + RSW_V_TIME_JUMPS + 16 * i, time->jumps[i].at_ms);
        rsw_put_time(value + RSW_V_TIME_JUMPS + 16 * i + 8, time->jumps[i].by_ms);
    }
    rsw_value_put(txn, RSW_T_META, &key, value, RSW_V_TIME_SIZE);
}

static void add_jump(struct rsw_time *time, int64_t by_ms) {
    time->jumps[1].by_ms += time->jumps[0].by_ms;
    memmove(time->jumps, time->jumps + 1, (RSW_JUMPS_MAX - 1) * sizeof *time->jumps);
    time->jumps[RSW_JUMPS_MAX - 1] = (struct rsw_jump){.at_ms = time->steady_ms, .by_ms = by_ms};
}

/* From what was written down last to now. */
static void go_on(struct rsw_time *time, const struct rsw_clock *clock) {
    const struct rsw_time last = *time;
    rsw_clock_steady(clock, &time->clock);
    time->now_ms = rsw_clock_now_ms(clock); /* after the other: if it is set in between, that shows as well */
    bool same = last.clock.boot[0] != 0 && strcmp(last.clock.boot, time->clock.boot) == 0;
    int64_t passed_ms = same && time->clock.ms > last.clock.ms ? time->clock.ms - last.clock.ms : 0;
    int64_t by_ms = time->now_ms - last.now_ms - passed_ms;
    time->steady_ms += passed_ms;
    if (last.now_ms != 0 && by_ms > RSW_JUMP_MS) {
        add_jump(time, by_ms);
    }
}

int rsw_time_look(struct rsw_txn *txn, const struct rsw_clock *clock, struct rsw_time *out) {
    *out = (struct rsw_time){0};
    if (load(txn, out) != RSW_FOUND) {
        return RSW_FAILED;
    }
    go_on(out, clock);
    return RSW_FOUND;
}

int rsw_time_keep(struct rsw_txn *txn, const struct rsw_clock *clock, struct rsw_time *out) {
    struct rsw_time last = {0};
    if (load(txn, &last) != RSW_FOUND) {
        return RSW_FAILED;
    }
    struct rsw_time time = last;
    go_on(&time, clock);
    if (last.clock.boot[0] != 0 && strcmp(last.clock.boot, time.clock.boot) != 0) {
        rsw_state_gap(txn, time.now_ms,
                      "the machine was started anew, or the index is on another: nobody knows how long serve "
                      "did not run");
    }
    rsw_time_save(txn, &time);
    if (out != NULL) {
        *out = time;
    }
    return rsw_txn_ok(txn) ? RSW_FOUND : RSW_FAILED;
}

int rsw_time_note(struct rsw_index *index, const struct rsw_clock *clock, struct rsw_time *out,
                  struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    rsw_time_keep(txn, clock, out);
    return rsw_txn_commit(&txn, err);
}

int64_t rsw_time_ahead_ms(const struct rsw_time *time, int64_t window_ms) {
    int64_t ahead_ms = 0;
    for (size_t i = 0; i < RSW_JUMPS_MAX; i++) {
        bool lately = time->steady_ms - time->jumps[i].at_ms < window_ms;
        ahead_ms += lately ? time->jumps[i].by_ms : 0;
    }
    return ahead_ms;
}

int64_t rsw_generation_left_ms(struct rsw_txn *txn, const struct rsw_generation *generation,
                               const struct rsw_clock *clock) {
    struct rsw_time time;
    return rsw_time_look(txn, clock, &time) == RSW_FOUND ? generation->due_ms - time.steady_ms : INT64_MAX;
}
