/* The fence, over replicas that are none: what they would have sent is written into the index, as serve does
 * it.
 *
 * Minutes count from the world's begin. The last complete scan began at minute 10, now is minute 60. */
#include "index_support.h"

#include "gc/replicas.h"
#include "index/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BEGIN_MS INT64_C(1800000000000)
#define MINUTE(n) (BEGIN_MS + (n)*INT64_C(60000))
#define REPLICAS_MAX 4

struct fake {
    struct rsw_replicas replicas; /* first: ops get this one */
    struct place *place;
    struct rsw_index *index;
    struct rsw_clock clock;
    int64_t now_ms;
    /* Which instance the requests through a replica come to; NULL: its events never arrive. */
    const char *layer_at[REPLICAS_MAX];
    const char *manifest_at[REPLICAS_MAX];
    const char *also_heard; /* sends an event of its own while the fence is under way */
    char mark[RSW_FENCE_MAX];
    int sent;                                     /* how often requests were asked for */
    int (*before)(struct fake *fake, int number); /* may be NULL; before they are sent the number-th time,
                                                     from 1; not 0: they cannot be */
    const struct rsw_patience *patience;          /* of who asked last */
    int looks;                                    /* of who waits, at whether it is to stop */
};

static int64_t fake_now(void *arg) {
    return ((struct fake *)arg)->now_ms;
}

/* The tests tell of minutes; in the index a transaction stands for each of those in which something was
 * heard.
 */
static uint64_t seq_of(int64_t ms) {
    static const int minutes[] = {1, 2, 5, 8, 9, 10, 12, 20, 29, 30, 31, 40, 41, 50};
    uint64_t seq = 0;
    while (seq < sizeof minutes / sizeof *minutes && MINUTE(minutes[seq]) <= ms) {
        seq++;
    }
    return seq;
}

static void pass_minutes(struct fake *fake) {
    for (uint64_t seq = 0; seq < seq_of(fake->now_ms);) {
        RSW_AUTO_TXN txn = begin_write(fake->index);
        struct rsw_state state;
        seq = rsw_txn_seq(txn);
        assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
        state.events++;
        rsw_state_put(txn, &state);
        commit(&txn);
    }
}

/* An instance heard from one minute to another. */
static void heard(struct fake *fake, const char *id, int64_t first_ms, int64_t last_ms) {
    RSW_AUTO_TXN txn = begin_write(fake->index);
    struct rsw_instance instance;
    memset(&instance, 0, sizeof instance);
    snprintf(instance.id, sizeof instance.id, "%s", id);
    snprintf(instance.addr, sizeof instance.addr, "%s.example:5000", id);
    instance.first_ms = first_ms;
    instance.last_ms = last_ms;
    instance.first_seq = seq_of(first_ms);
    instance.last_seq = seq_of(last_ms);
    instance.events = 2;
    rsw_instance_put(txn, &instance);
    commit(&txn);
}

static void take_event(struct fake *fake, const char *id, const char *word, bool layer) {
    RSW_AUTO_TXN txn = begin_write(fake->index);
    struct rsw_instance instance;
    if (id != NULL) {
        memset(&instance, 0, sizeof instance);
        if (rsw_instance_get(txn, id, &instance) == RSW_ABSENT) {
            snprintf(instance.id, sizeof instance.id, "%s", id);
            instance.first_ms = fake->now_ms;
            instance.first_seq = rsw_txn_seq(txn);
        }
        instance.last_ms = fake->now_ms;
        instance.last_seq = rsw_txn_seq(txn);
        if (word != NULL) {
            snprintf(layer ? instance.fence_layer : instance.fence_manifest, RSW_FENCE_MAX, "%s", word);
        }
        rsw_instance_put(txn, &instance);
    }
    commit(&txn);
}

static int fake_fence(struct rsw_replicas *replicas, const char *mark, const struct rsw_patience *patience,
                      struct rsw_error *err) {
    struct fake *fake = (struct fake *)replicas;
    fake->patience = patience;
    char word[RSW_FENCE_MAX + 8];
    snprintf(fake->mark, sizeof fake->mark, "%s", mark);
    fake->now_ms += 5;
    fake->sent++;
    if (fake->before != NULL && fake->before(fake, fake->sent) != 0) {
        return rsw_error_set(err, RSW_EIO, 0, "no answer: connection refused");
    }
    for (size_t i = 0; i < replicas->count; i++) {
        snprintf(word, sizeof word, "%s-%zu", mark, i);
        take_event(fake, fake->layer_at[i], word, true);
    }
    for (size_t i = replicas->count; i-- > 0;) {
        snprintf(word, sizeof word, "%s-%zu", mark, i);
        take_event(fake, fake->manifest_at[i], word, false);
    }
    take_event(fake, fake->also_heard, NULL, false);
    return 0;
}

static const struct rsw_replicas_ops fake_ops = {.fence = fake_fence};
static const char *const urls[REPLICAS_MAX] = {"http://one:5000", "http://two:5000", "http://three:5000",
                                               "http://four:5000"};

static void set_state(struct fake *fake, int64_t beat_ms) {
    RSW_AUTO_TXN txn = begin_write(fake->index);
    struct rsw_state state;
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    state.scan_seq = seq_of(MINUTE(10));
    state.scan_started_ms = MINUTE(10);
    state.scan_ended_ms = MINUTE(11);
    state.beat_ms = beat_ms;
    rsw_state_put(txn, &state);
    commit(&txn);
}

static int fake_setup(void **state) {
    struct fake *fake = calloc(1, sizeof *fake);
    void *place = NULL;
    assert_non_null(fake);
    assert_int_equal(place_setup(&place), 0);
    fake->place = place;
    fake->index = open_index(fake->place);
    fake->clock = (struct rsw_clock){fake_now, fake, NULL};
    fake->now_ms = MINUTE(60);
    fake->replicas = (struct rsw_replicas){.ops = &fake_ops, .count = 1, .urls = urls};
    set_state(fake, MINUTE(60));
    pass_minutes(fake);
    *state = fake;
    return 0;
}

static int fake_teardown(void **state) {
    struct fake *fake = *state;
    void *place = fake->place;
    rsw_index_close(fake->index);
    place_teardown(&place);
    free(fake);
    return 0;
}

/* Replica number `i` is this instance, heard since before the scan. */
static void replica(struct fake *fake, size_t i, const char *id) {
    fake->layer_at[i] = fake->manifest_at[i] = id;
    fake->replicas.count = i + 1;
    heard(fake, id, MINUTE(1), MINUTE(50));
}

static struct rsw_state state_of(struct fake *fake) {
    RSW_AUTO_TXN txn = begin_read(fake->index);
    struct rsw_state state;
    assert_int_equal(rsw_state_get(txn, &state), RSW_FOUND);
    return state;
}

static int fence(struct fake *fake, int64_t timeout_ms, struct rsw_error *err) {
    const struct rsw_fence_options options = {.clock = &fake->clock, .timeout_ms = timeout_ms};
    return rsw_fence(fake->index, &fake->replicas, &options, err);
}

static void expect_held(struct fake *fake) {
    struct rsw_error err = RSW_ERROR_INIT;
    int answer = fence(fake, 2000, &err);
    if (answer != RSW_FENCE_HELD) {
        fail_msg("%d: %s; gap: %s", answer, err.message, state_of(fake).gap_reason);
    }
    assert_true(state_of(fake).gap_seq <= state_of(fake).scan_seq);
}

static void expect_gap(struct fake *fake, const char *words) {
    struct rsw_error err = RSW_ERROR_INIT;
    int answer = fence(fake, 2000, &err);
    struct rsw_state state = state_of(fake);
    if (answer != RSW_FENCE_GAP) {
        fail_msg("%d: %s", answer, err.message);
    }
    assert_true(state.gap_seq > state.scan_seq);
    if (strstr(state.gap_reason, words) == NULL) {
        fail_msg("the gap's reason says: %s", state.gap_reason);
    }
}

/* Nothing is recorded. */
static void expect_refused_within(struct fake *fake, int64_t timeout_ms, const char *words) {
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(fence(fake, timeout_ms, &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_EREFUSED);
    if (strstr(err.message, words) == NULL) {
        fail_msg("it says: %s", err.message);
    }
    assert_true(state_of(fake).gap_seq <= state_of(fake).scan_seq);
}

/* Within some tens of milliseconds, where nothing comes. */
static void expect_refused(struct fake *fake, const char *words) {
    expect_refused_within(fake, 40, words);
}

static void it_holds_when_every_replica_answers(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    replica(fake, 1, "b");
    replica(fake, 2, "c");
    expect_held(fake);
    assert_true(strlen(fake->mark) >= 20 && strlen(fake->mark) + 8 < RSW_FENCE_MAX);
    char first[RSW_FENCE_MAX];
    memcpy(first, fake->mark, sizeof first);
    expect_held(fake); /* what the first one left behind is no answer to the second */
    assert_string_not_equal(first, fake->mark);
}

static void an_answer_to_an_earlier_fence_is_none(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    expect_held(fake);
    fake->layer_at[0] = fake->manifest_at[0] = NULL;
    expect_refused(fake, "http://one:5000 did not answer");
}

static void what_is_missing_tells_where_to_look(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    replica(fake, 1, "b");
    fake->layer_at[1] = NULL;
    expect_refused(fake, "http://two:5000 did not answer within 40ms: the event of its layer did not come");
    fake->layer_at[1] = "b";
    fake->manifest_at[1] = NULL;
    expect_refused(fake,
                   "http://two:5000 did not answer within 40ms: the event of its manifest did not come");
    fake->layer_at[1] = NULL;
    expect_refused(fake, "none of its events came");
}

static void a_heart_that_does_not_beat_is_told_first(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    fake->layer_at[0] = fake->manifest_at[0] = NULL;
    set_state(fake, MINUTE(57));
    expect_refused(fake, "regsweep serve is not running on this index: it was heard of last 3m ago");
    set_state(fake, 0);
    expect_refused(fake, "never was");
}

static void an_instance_newer_than_the_scan_is_a_gap(void **state) {
    struct fake *fake = *state;
    fake->layer_at[0] = fake->manifest_at[0] = "a";
    heard(fake, "a", MINUTE(20), MINUTE(50));
    expect_gap(fake, "a.example:5000 is newer than the last scan");
}

static void one_never_heard_before_is_a_gap(void **state) {
    struct fake *fake = *state;
    fake->layer_at[0] = fake->manifest_at[0] = "a";
    expect_gap(fake, "newer than the last scan");
}

static void an_instance_that_ended_since_the_scan_is_a_gap(void **state) {
    struct fake *fake = *state;
    heard(fake, "old", MINUTE(1), MINUTE(30));
    fake->layer_at[0] = fake->manifest_at[0] = "new";
    heard(fake, "new", MINUTE(31), MINUTE(50));
    expect_gap(fake, "has ended since the last scan");
}

static void one_that_ended_before_the_scan_is_none(void **state) {
    struct fake *fake = *state;
    heard(fake, "old", MINUTE(1), MINUTE(8));
    fake->layer_at[0] = fake->manifest_at[0] = "new";
    heard(fake, "new", MINUTE(9), MINUTE(50));
    expect_held(fake);
}

static void a_gap_that_is_open_stays_as_it_was(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    RSW_AUTO_TXN txn = begin_write(fake->index);
    rsw_state_gap(txn, MINUTE(40), "serve was down");
    commit(&txn);
    uint64_t seq = state_of(fake).gap_seq;
    expect_gap(fake, "serve was down");
    assert_int_equal(state_of(fake).gap_seq, seq);
}

static void more_at_once_than_are_listed_is_refused(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a"); /* since minute 1, so "b" is no earlier start of it */
    heard(fake, "b", MINUTE(2), MINUTE(30));
    expect_refused(fake, "instance b at b.example:5000");
}

static void restarts_of_one_of_two_explain_any_number(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    fake->layer_at[1] = fake->manifest_at[1] = "b3";
    fake->replicas.count = 2;
    heard(fake, "b1", MINUTE(2), MINUTE(30));
    heard(fake, "b2", MINUTE(31), MINUTE(40));
    heard(fake, "b3", MINUTE(41), MINUTE(50));
    expect_gap(fake, "has ended since the last scan");
    heard(fake, "b2", MINUTE(29), MINUTE(40)); /* beside b1 and a: three at once */
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(fence(fake, 40, &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "not listed"));
}

static void one_heard_while_the_fence_is_under_way_is_refused(void **state) {
    struct fake *fake = *state;
    fake->layer_at[0] = fake->manifest_at[0] =
        "a"; /* heard for the first time: "b" might be its earlier start */
    fake->also_heard = "b";
    heard(fake, "b", MINUTE(1), MINUTE(9));
    expect_refused(fake, "not listed: instance b");
}

/* Who was heard before whom is not told by a clock that may have been set in between. */
static void times_that_a_set_clock_gave_decide_nothing(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    RSW_AUTO_TXN txn = begin_write(fake->index);
    struct rsw_instance instance;
    assert_int_equal(rsw_instance_get(txn, "a", &instance), RSW_FOUND);
    instance.first_ms = MINUTE(300); /* before the scan, by a clock that was ahead then */
    rsw_instance_put(txn, &instance);
    commit(&txn);
    expect_held(fake);
    heard(fake, "old", MINUTE(12), MINUTE(30)); /* after the scan … */
    struct rsw_txn *again = begin_write(fake->index);
    assert_int_equal(rsw_instance_get(again, "old", &instance), RSW_FOUND);
    instance.first_ms = instance.last_ms = MINUTE(5); /* … by a clock that was set back */
    rsw_instance_put(again, &instance);
    assert_int_equal(rsw_instance_get(again, "a", &instance), RSW_FOUND);
    instance.first_seq = seq_of(MINUTE(40));
    rsw_instance_put(again, &instance);
    commit(&again);
    expect_gap(fake, "old.example:5000 has ended since the last scan");
}

static void two_urls_of_one_replica_are_refused(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    replica(fake, 1, "a");
    expect_refused(fake, "http://two:5000 and http://one:5000 lead to one and the same replica");
}

static void a_load_balancer_is_refused(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    heard(fake, "b", MINUTE(1), MINUTE(50));
    fake->manifest_at[0] = "b";
    expect_refused(fake, "http://one:5000 leads to more than one replica");
}

/* ---- while it waits ---- */

static int lose_the_first(struct fake *fake, int number) {
    fake->layer_at[0] = number == 1 ? NULL : "a";
    fake->manifest_at[0] = number == 1 ? NULL : "a";
    return 0;
}

static void what_was_lost_is_sent_anew(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    replica(fake, 1, "b");
    fake->before = lose_the_first;
    expect_held(fake);
    assert_int_equal(fake->sent, 2);
}

static int answer_too_late(struct fake *fake, int number) {
    char word[RSW_FENCE_MAX + 8];
    if (number == 2) {
        snprintf(word, sizeof word, "%s-0", fake->mark);
        take_event(fake, "a", word, true);
        take_event(fake, "a", word, false);
    }
    return 0;
}

/* A queue that is longer than the pause between two: the first ones are still answers. */
static void an_answer_counts_whichever_it_was_sent_for(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    fake->layer_at[0] = fake->manifest_at[0] = NULL;
    fake->before = answer_too_late;
    expect_held(fake);
}

/* Killed when one event was out, and told of something else by then; away; then back as another instance. */
static int be_killed(struct fake *fake, int number) {
    fake->layer_at[0] = number == 1 ? "a" : "a2";
    fake->manifest_at[0] = number == 1 ? NULL : "a2";
    fake->also_heard = number == 1 ? "a" : NULL;
    return number == 2 ? -1 : 0;
}

static void a_replica_killed_in_a_fence_is_a_gap(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    replica(fake, 1, "b");
    fake->before = be_killed;
    expect_gap(fake, "a.example:5000 has ended since the last scan");
    assert_int_equal(fake->sent, 3);
}

static int answer_then_be_killed(struct fake *fake, int number) {
    fake->layer_at[0] = fake->manifest_at[0] = number == 1 ? "a" : "a2";
    fake->layer_at[1] = fake->manifest_at[1] = number < 3 ? NULL : "b";
    return 0;
}

static void one_killed_once_it_has_answered_is_a_gap(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    replica(fake, 1, "b");
    fake->before = answer_then_be_killed;
    expect_gap(fake, "has ended since the last scan");
}

static int never_come_back(struct fake *fake, int number) {
    (void)fake;
    return number == 1 ? 0 : -1;
}

static int be_away_once(struct fake *fake, int number) {
    (void)fake;
    return number == 2 ? -1 : 0;
}

static void one_that_does_not_come_back_is_told_as_that(void **state) {
    struct fake *fake = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    replica(fake, 0, "a");
    fake->layer_at[0] = NULL;
    fake->before = never_come_back;
    assert_int_equal(fence(fake, 400, &err), RSW_FAILED);
    assert_string_equal(err.message, "no answer: connection refused");
    fake->sent = 0;
    fake->before = be_away_once; /* then it is there, but silent */
    expect_refused_within(fake, 400, "one:5000 did not answer");
}

static int alternate(struct fake *fake, int number) {
    fake->layer_at[0] = number % 2 == 1 ? "a" : "b";
    fake->manifest_at[0] = number % 2 == 1 ? NULL : "b";
    return 0;
}

/* "b" looks like a later start of "a", until "a" is heard again. */
static void a_load_balancer_is_no_restart(void **state) {
    struct fake *fake = *state;
    replica(fake, 0, "a");
    fake->replicas.count = 2;
    fake->before = alternate;
    expect_refused_within(fake, 4000, "http://one:5000 leads to more than one replica");
    assert_int_equal(fake->sent, 3);
}

static bool stop_at_the_third_look(void *arg) {
    return ++((struct fake *)arg)->looks == 3;
}

static void it_ends_when_it_is_told_to_stop(void **state) {
    struct fake *fake = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t began_ms = rsw_monotonic_ms();
    const struct rsw_fence_options options = {
        .clock = &fake->clock, .timeout_ms = 60000, .stopped = stop_at_the_third_look, .arg = fake};
    replica(fake, 0, "a");
    fake->layer_at[0] = NULL;
    assert_int_equal(rsw_fence(fake->index, &fake->replicas, &options, &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_ESTOPPED);
    assert_true(rsw_monotonic_ms() - began_ms < 1000);
}

/* As a replica does that takes a connection and never answers: whoever asks goes when its patience ends. */
static int hang(struct fake *fake) {
    const struct rsw_patience *patience = fake->patience;
    int64_t began_ms = rsw_monotonic_ms();
    int64_t each_ms = patience->each_ms > 0 ? patience->each_ms : INT64_MAX / 2;
    while (rsw_monotonic_ms() < patience->until_ms && rsw_monotonic_ms() - began_ms < each_ms) {
        if (patience->stopped != NULL && patience->stopped(patience->arg)) {
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return -1;
}

static int hang_always(struct fake *fake, int number) {
    (void)number;
    return hang(fake);
}

static int hang_the_second_time(struct fake *fake, int number) {
    fake->layer_at[0] = fake->manifest_at[0] = number == 1 ? NULL : "a";
    return number == 2 ? hang(fake) : 0;
}

static void a_replica_that_hangs_does_not_outlast_the_timeout(void **state) {
    struct fake *fake = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t began_ms = rsw_monotonic_ms();
    replica(fake, 0, "a");
    fake->before = hang_always;
    assert_int_equal(fence(fake, 200, &err), RSW_FAILED);
    int64_t took_ms = rsw_monotonic_ms() - began_ms;
    assert_true(took_ms >= 200 && took_ms < 2000);
}

/* Nobody waits for one for so long that the next round does not come. */
static void one_that_hangs_for_a_moment_is_asked_again(void **state) {
    struct fake *fake = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    replica(fake, 0, "a");
    fake->before = hang_the_second_time;
    if (fence(fake, 4000, &err) != RSW_FENCE_HELD) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(fake->sent, 3);
}

static bool stop_when_sent_anew(void *arg) {
    return ((struct fake *)arg)->sent > 1;
}

static void one_that_hangs_is_left_when_it_is_told_to_stop(void **state) {
    struct fake *fake = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t began_ms = rsw_monotonic_ms();
    const struct rsw_fence_options options = {
        .clock = &fake->clock, .timeout_ms = 8000, .stopped = stop_when_sent_anew, .arg = fake};
    replica(fake, 0, "a");
    fake->before = hang_the_second_time;
    assert_int_equal(rsw_fence(fake->index, &fake->replicas, &options, &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_ESTOPPED);
    assert_true(rsw_monotonic_ms() - began_ms < 3500);
}

/* ---- the words in a User-Agent ---- */

static void words_are_found_in_our_own_user_agents_alone(void **state) {
    static const struct {
        const char *useragent;
        const char *what;
        const char *word; /* NULL: none */
    } table[] = {
        {"regsweep/0.1.0 (run 00ff)", "run", "00ff"},
        {"regsweep/0.1.0 (fence 00ff-0)", "fence", "00ff-0"},
        {"regsweep/0.1.0 (run 00ff) proxied", "run", "00ff"},
        {"regsweep/0.1.0 (run 00ff)", "fence", NULL},
        {"regsweep/0.1.0 (run 00ff)", "ru", NULL},
        {"regsweep/0.1.0 (run )", "run", NULL},
        {"regsweep/0.1.0 (run 00ff", "run", NULL},
        {"regsweep/0.1.0 (run 00 ff)", "run", NULL},
        {"regsweep/0.1.0 (run", "run", NULL},
        {"regsweep/0.1.0 (", "run", NULL},
        {"regsweep/0.1.0", "run", NULL},
        {"regsweep/", "run", NULL},
        {"docker/1 (run 00ff)", "run", NULL},
        {"evil regsweep/0.1.0 (run 00ff)", "run", NULL},
        {"", "run", NULL},
        {"regsweep/0.1.0 (run 0123456789abcde)", "run", "0123456789abcde"},
        {"regsweep/0.1.0 (run 0123456789abcdef)", "run", NULL}, /* no room */
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char word[16] = "before";
        bool found = rsw_useragent_word(table[i].useragent, table[i].what, word, sizeof word);
        if (found != (table[i].word != NULL) || strcmp(word, found ? table[i].word : "") != 0) {
            fail_msg("\"%s\", %s: \"%s\"", table[i].useragent, table[i].what, word);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_holds_when_every_replica_answers),
        TEST(an_answer_to_an_earlier_fence_is_none),
        TEST(what_is_missing_tells_where_to_look),
        TEST(a_heart_that_does_not_beat_is_told_first),
        TEST(an_instance_newer_than_the_scan_is_a_gap),
        TEST(one_never_heard_before_is_a_gap),
        TEST(an_instance_that_ended_since_the_scan_is_a_gap),
        TEST(one_that_ended_before_the_scan_is_none),
        TEST(a_gap_that_is_open_stays_as_it_was),
        TEST(more_at_once_than_are_listed_is_refused),
        TEST(restarts_of_one_of_two_explain_any_number),
        TEST(one_heard_while_the_fence_is_under_way_is_refused),
        TEST(times_that_a_set_clock_gave_decide_nothing),
        TEST(two_urls_of_one_replica_are_refused),
        TEST(a_load_balancer_is_refused),
        TEST(what_was_lost_is_sent_anew),
        TEST(an_answer_counts_whichever_it_was_sent_for),
        TEST(a_replica_killed_in_a_fence_is_a_gap),
        TEST(one_killed_once_it_has_answered_is_a_gap),
        TEST(one_that_does_not_come_back_is_told_as_that),
        TEST(a_load_balancer_is_no_restart),
        TEST(it_ends_when_it_is_told_to_stop),
        TEST(a_replica_that_hangs_does_not_outlast_the_timeout),
        TEST(one_that_hangs_for_a_moment_is_asked_again),
        TEST(one_that_hangs_is_left_when_it_is_told_to_stop),
        cmocka_unit_test(words_are_found_in_our_own_user_agents_alone),
    };
    return cmocka_run_group_tests_name("fence", tests, NULL, NULL);
}
