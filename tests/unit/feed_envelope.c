/* Envelopes: what is read from them, what is refused and why, and that size and chunks do not matter. */
#include "feed_help.h"

#include "feed/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_MAX 64

struct seen {
    struct rsw_envelope *envelope;
    struct rsw_event events[SEEN_MAX];
    char heads[SEEN_MAX][256];
    size_t count;
    bool pause;
    bool whole;
    struct rsw_event end; /* if not whole */
};

static bool on_event(void *arg, const struct rsw_event *event) {
    struct seen *seen = arg;
    size_t len;
    const uint8_t *head = rsw_envelope_head(seen->envelope, &len);
    if (seen->count < SEEN_MAX) {
        seen->events[seen->count] = *event;
        snprintf(seen->heads[seen->count], sizeof seen->heads[0], "%.*s", (int)len, (const char *)head);
    }
    seen->count++;
    return seen->pause;
}

static void read_in(struct seen *seen, const char *text, size_t len, size_t chunk, bool pause) {
    struct rsw_envelope *envelope = malloc(sizeof *envelope);
    assert_non_null(envelope);
    memset(seen, 0, sizeof *seen);
    seen->envelope = envelope;
    seen->pause = pause;
    rsw_envelope_init(envelope, on_event, seen);
    for (size_t at = 0; at < len;) {
        size_t some = len - at < chunk ? len - at : chunk;
        char *copy = malloc(some);
        assert_non_null(copy);
        memcpy(copy, text + at, some);
        size_t taken = rsw_envelope_feed(envelope, copy, some);
        free(copy);
        assert_true(taken > 0 && (taken == some || pause));
        at += taken;
    }
    seen->whole = rsw_envelope_end(envelope, &seen->end);
    free(envelope);
}

static void read_all(struct seen *seen, const char *text) {
    read_in(seen, text, strlen(text), strlen(text) + 1, false);
}

/* One event inside an envelope. */
static const struct rsw_event *read_event(struct seen *seen, const char *event) {
    static char text[8192];
    snprintf(text, sizeof text, "{\"events\":[%s]}", event);
    read_all(seen, text);
    assert_true(seen->whole);
    assert_int_equal(seen->count, 1);
    return &seen->events[0];
}

#define HEX "433b57ff977d1ac8469a1c7522f9c913d223c9be902d3b1ec7855095022f070f"

static void a_push_of_2_8_is_read(void **state) {
    struct seen seen;
    (void)state;
    const struct rsw_event *event = read_event(
        &seen,
        "{\"id\": \"fd58bec1\", \"timestamp\": \"2026-11-23T19:11:36.230947692Z\", \"action\": \"push\", "
        "\"target\": {\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"size\": 348, "
        "\"digest\": \"sha256:" HEX "\", \"length\": 348, \"repository\": \"team/base\", "
        "\"url\": \"http://x/\", \"tag\": \"1\", \"references\": [{\"digest\": \"sha256:00\", \"size\": "
        "-1}]}, "
        "\"request\": {\"id\": \"r\", \"addr\": \"127.0.0.1:1\", \"host\": \"h\", \"method\": \"PUT\", "
        "\"useragent\": \"skopeo/1.9.3\"}, \"actor\": {}, "
        "\"source\": {\"addr\": \"registry:5002\", \"instanceID\": \"4403352e\"}}");
    assert_string_equal(event->problem, "");
    assert_int_equal(event->action, RSW_EVENT_PUSH);
    assert_string_equal(event->media_type, "application/vnd.oci.image.manifest.v1+json");
    assert_int_equal(event->size, 348);
    assert_int_equal(event->digest.alg, RSW_SHA256);
    assert_string_equal(event->repository, "team/base");
    assert_string_equal(event->tag, "1");
    assert_string_equal(event->method, "PUT");
    assert_string_equal(event->useragent, "skopeo/1.9.3");
    assert_string_equal(event->instance_id, "4403352e");
    assert_string_equal(event->addr, "registry:5002");
    assert_true(event->sent_ms == INT64_C(1795461096230));
}

static void what_is_empty_or_zero_in_3_x_is_absent(void **state) {
    struct seen seen;
    (void)state;
    const struct rsw_event *event = read_event(
        &seen, "{\"action\":\"delete\",\"target\":{\"mediaType\":\"\",\"digest\":\"\",\"size\":0,"
               "\"repository\":\"multi/arch\",\"tag\":\"v1\",\"fromRepository\":null,\"length\":null}}");
    assert_string_equal(event->problem, "");
    assert_int_equal(event->action, RSW_EVENT_DELETE);
    assert_int_equal(event->digest.alg, 0);
    assert_true(event->size == RSW_SIZE_UNKNOWN);
    assert_string_equal(event->tag, "v1");
    assert_string_equal(event->from_repository, "");
}

static void of_a_key_that_comes_twice_the_last_counts(void **state) {
    struct seen seen;
    (void)state;
    const struct rsw_event *event =
        read_event(&seen, "{\"action\":\"delete\",\"action\":\"pull\","
                          "\"target\":{\"repository\":\"a\",\"tag\":\"old\",\"digest\":\"sha256:" HEX "\"},"
                          "\"target\":{\"repository\":\"a\",\"repository\":\"b\",\"digest\":\"sha256:" HEX
                          "\",\"size\":1,\"size\":2}}");
    assert_string_equal(event->problem, "");
    assert_int_equal(event->action, RSW_EVENT_PULL);
    assert_string_equal(event->repository, "b");
    assert_string_equal(event->tag, "");
    assert_int_equal(event->size, 2);
}

static void keys_are_not_folded_and_may_be_escaped(void **state) {
    struct seen seen;
    (void)state;
    const struct rsw_event *event =
        read_event(&seen, "{\"Action\":\"push\",\"acti\\u006fn\":\"delete\",\"target\":{\"Repository\":\"b\","
                          "\"repository\":\"\\u0061\\/b\",\"tag\":\"t\"}}");
    assert_string_equal(event->problem, "");
    assert_int_equal(event->action, RSW_EVENT_DELETE);
    assert_string_equal(event->repository, "a/b");
}

#define TARGET(more) "\"target\":{\"repository\":\"a/b\",\"digest\":\"sha256:" HEX "\"" more "}"

static void an_event_that_cannot_be_used_says_why_and_where(void **state) {
    static const struct {
        const char *event;
        const char *problem;
        const char *repository;
    } cases[] = {
        {"{}", "action is missing", ""},
        {"{\"action\":\"push\"}", "target.repository is missing", ""},
        {"{\"action\":\"rename\"," TARGET("") "}", "action 'rename' is unknown", "a/b"},
        {"{\"action\":\"Push\"," TARGET("") "}", "action 'Push' is unknown", "a/b"},
        {"{\"action\":\"pu\\u0000sh\"," TARGET("") "}", "action has a NUL in it", "a/b"},
        {"{\"action\":7," TARGET("") "}", "action is no string", "a/b"},
        {"{\"action\":[\"push\"]," TARGET("") "}", "action is no string", "a/b"},
        {"{\"action\":{\"a\":1}," TARGET("") "}", "action is no string", "a/b"},
        {"{\"action\":\"push\",\"target\":[]}", "target is no object", ""},
        {"{\"action\":\"push\",\"target\":\"a/b\"}", "target is no object", ""},
        {"{\"action\":\"push\",\"target\":null}", "target.repository is missing", ""},
        {"{\"action\":\"push\",\"target\":{\"repository\":\"a/b\"}}", "target.digest is missing", "a/b"},
        {"{\"action\":\"mount\",\"target\":{\"repository\":\"a/b\",\"digest\":\"\"}}",
         "target.digest is missing", "a/b"},
        {"{\"action\":\"push\",\"target\":{\"repository\":\"a/b\",\"digest\":7}}",
         "target.digest is no string", "a/b"},
        {"{\"action\":\"push\",\"target\":{\"repository\":\"a/b\",\"digest\":\"sha256:xy\"}}",
         "target.digest is no digest", "a/b"},
        {"{\"action\":\"delete\",\"target\":{\"repository\":\"a/b\",\"digest\":\"md5:00\"}}",
         "target.digest is no digest", "a/b"},
        {"{\"action\":\"push\",\"target\":{\"repository\":\"../etc\",\"digest\":\"sha256:" HEX "\"}}",
         "target.repository breaks the grammar of names", ""},
        {"{\"action\":\"push\",\"target\":{\"repository\":\"A\",\"digest\":\"sha256:" HEX "\"}}",
         "target.repository breaks the grammar of names", ""},
        {"{\"action\":\"push\",\"target\":{\"repository\":true,\"digest\":\"sha256:" HEX "\"}}",
         "target.repository is no string", ""},
        {"{\"action\":\"push\"," TARGET(",\"tag\":\"a/../b\"") "}", "target.tag breaks the grammar of names",
         "a/b"},
        {"{\"action\":\"push\"," TARGET(",\"tag\":1") "}", "target.tag is no string", "a/b"},
        {"{\"action\":\"mount\"," TARGET(",\"fromRepository\":\"/x\"") "}",
         "target.fromRepository breaks the grammar of names", "a/b"},
        {"{\"action\":\"push\"," TARGET(",\"size\":\"1\"") "}", "target.size is no number", "a/b"},
        {"{\"action\":\"push\"," TARGET(",\"size\":-1") "}", "target.size is no size", "a/b"},
        {"{\"action\":\"push\"," TARGET(",\"size\":1.5") "}", "target.size is no size", "a/b"},
        {"{\"action\":\"push\"," TARGET(",\"length\":99999999999999999999") "}", "target.length is no size",
         "a/b"},
        {"{\"action\":\"push\"," TARGET("") ",\"source\":{\"instanceID\":{}}}",
         "source.instanceID is no string", "a/b"},
        {"{\"action\":\"push\"," TARGET("") ",\"request\":7}", "request is no object", "a/b"},
        {"7", "event is no object", ""},
        {"\"x\"", "event is no object", ""},
        {"null", "event is no object", ""},
        {"[{\"action\":\"push\"}]", "event is no object", ""},
    };
    struct seen seen;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rsw_event *event = read_event(&seen, cases[i].event);
        assert_string_equal(event->problem, cases[i].problem);
        assert_string_equal(event->repository, cases[i].repository);
    }
}

static void too_long_names_make_an_event_unusable_and_other_text_is_cut(void **state) {
    static const struct {
        const char *format;
        const char *problem;
    } cases[] = {
        {"{\"action\":\"delete\",\"target\":{\"repository\":\"a\",\"tag\":\"%s\"}}",
         "target.tag is too long"},
        {"{\"action\":\"delete\",\"target\":{\"repository\":\"%s\"}}", "target.repository is too long"},
        {"{\"action\":\"delete\",\"target\":{\"repository\":\"a\"},\"source\":{\"instanceID\":\"%s\"}}",
         "source.instanceID is too long"},
        {"{\"action\":\"%s\",\"target\":{\"repository\":\"a\"}}",
         "action 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' is unknown"},
        {"{\"action\":\"delete\",\"target\":{\"repository\":\"a\",\"mediaType\":\"%s\"}}", ""},
        {"{\"action\":\"delete\",\"target\":{\"repository\":\"a\"},\"request\":{\"useragent\":\"%s\"}}", ""},
        {"{\"id\":\"%s\",\"action\":\"delete\",\"target\":{\"repository\":\"a\"}}", ""},
    };
    struct seen seen;
    char longest[3001];
    char text[4096];
    (void)state;
    for (size_t len = 500; len <= 3000; len += 2500) {
        memset(longest, 'a', len);
        longest[len] = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof text, cases[i].format, longest);
#pragma GCC diagnostic pop
            assert_string_equal(read_event(&seen, text)->problem, cases[i].problem);
        }
    }
}

static void bodies_that_are_no_envelope_say_why(void **state) {
    static const struct {
        const char *body;
        const char *problem;
    } cases[] = {
        {"", "the body is no JSON: nothing at all"},
        {"hello", "the body is no JSON: no value where one is expected"},
        {"{\"events\":[", "the body is no JSON: it ends too early"},
        {"{\"events\":[]", "the body is no JSON: it ends too early"},
        {"{\"events\":[]} x", "the body is no JSON: something stands behind the end"},
        {"{}", "there is no 'events'"},
        {"[]", "the body is no object"},
        {"7", "the body is no object"},
        {"{\"events\":\"none\"}", "'events' is no array"},
        {"{\"events\":{\"a\":{\"b\":{}}}}", "'events' is no array"},
        {"{\"events\":null}", "'events' is no array"},
    };
    struct seen seen;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all(&seen, cases[i].body);
        assert_false(seen.whole);
        assert_int_equal(seen.count, 0);
        assert_string_equal(seen.end.problem, cases[i].problem);
        assert_string_equal(seen.end.repository, "");
    }
    read_all(&seen, "{\"events\":[],\"more\":{\"events\":[{}]}}");
    assert_true(seen.whole);
    assert_int_equal(seen.count, 0);
}

static void events_around_an_unusable_one_still_count(void **state) {
    struct seen seen;
    const char *good = "{\"action\":\"delete\",\"target\":{\"repository\":\"a\",\"tag\":\"t\"}}";
    char text[1024];
    (void)state;
    snprintf(text, sizeof text, "{\"events\":[%s, {\"action\":\"bad\"} ,[[%s]],%s]}", good, good, good);
    for (size_t chunk = 1; chunk < 30; chunk++) {
        read_in(&seen, text, strlen(text), chunk, chunk % 2 == 0);
        assert_true(seen.whole);
        assert_int_equal(seen.count, 4);
        assert_string_equal(seen.events[0].problem, "");
        assert_string_equal(seen.events[1].problem, "action 'bad' is unknown");
        assert_string_equal(seen.heads[1], "{\"action\":\"bad\"}");
        assert_string_equal(seen.events[3].problem, "");
    }
    /* Those before the place where a body breaks count too. */
    snprintf(text, sizeof text, "{\"events\":[%s,%s,{\"action\":\"pu", good, good);
    read_all(&seen, text);
    assert_false(seen.whole);
    assert_int_equal(seen.count, 2);
}

static void too_many_unusable_events_end_the_body(void **state) {
    struct seen seen;
    static char text[20000] = "{\"events\":[{}";
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        strcat(text + 3 * i, ",{}");
    }
    strcat(text, "]}");
    read_all(&seen, text);
    assert_false(seen.whole);
    assert_int_equal(seen.count, 1000);
    assert_string_equal(seen.end.problem, "too many events that cannot be used");
}

static void check_line(void *arg, const char *line, size_t len) {
    struct seen *whole = arg;
    struct seen *cut = malloc(sizeof *cut);
    assert_non_null(cut);
    read_in(whole, line, len, len, false);
    assert_true(whole->whole);
    assert_int_equal(whole->count, 1);
    assert_string_equal(whole->events[0].problem, "");
    for (size_t at = 1; at < len; at++) {
        struct rsw_envelope *envelope = malloc(sizeof *envelope);
        assert_non_null(envelope);
        memset(cut, 0, sizeof *cut);
        cut->envelope = envelope;
        rsw_envelope_init(envelope, on_event, cut);
        assert_int_equal(rsw_envelope_feed(envelope, line, at), at);
        assert_int_equal(rsw_envelope_feed(envelope, line + at, len - at), len - at);
        assert_true(rsw_envelope_end(envelope, &cut->end));
        assert_int_equal(cut->count, 1);
        assert_memory_equal(&cut->events[0], &whole->events[0], sizeof cut->events[0]);
        assert_string_equal(cut->heads[0], whole->heads[0]);
        free(envelope);
    }
    free(cut);
}

static void recorded_bodies_are_read_the_same_wherever_they_are_cut(void **state) {
    static const unsigned lines[] = {44, 44, 15, 15};
    struct seen *seen = malloc(sizeof *seen);
    (void)state;
    assert_non_null(seen);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(each_recorded(recorded[i], check_line, seen), lines[i]);
    }
    free(seen);
}

/* 64 MB of each of these, before and behind a good event. */
static void bodies_of_64_megabytes_take_no_memory(void **state) {
    static const struct {
        const char *before;
        const char *fill;
        const char *behind;
        bool whole;
    } cases[] = {
        {"{\"events\":[],\"x\":\"", "a", "\"}", true},
        {"{\"events\":[{\"action\":\"", "a", "\"}]}", true},
        {"{\"events\":[{\"target\":{\"references\":[0", ",{\"digest\":\"x\"}", "]}}]}", true},
        {"{\"events\":[{\"target\":{\"size\":1", "1", "}}]}", true},
        {"{\"events\":[]", " ", "}", true},
        {"{\"events\":[", "[", "", false},
        {"{\"events\":[{\"a\":", "{\"a\":", "", false},
        {"", "\377", "", false},
        {"{\"events\":[{}", ",{}", "]}", false},
    };
    const size_t total = 64 << 20;
    static char block[60000];
    struct seen *seen = calloc(1, sizeof *seen);
    struct rsw_envelope *envelope = malloc(sizeof *envelope);
    (void)state;
    assert_non_null(seen);
    assert_non_null(envelope);
    memset(envelope, 1, sizeof *envelope);
    seen->envelope = envelope;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t unit = strlen(cases[i].fill);
        size_t block_len = sizeof block / unit * unit;
        for (size_t at = 0; at < block_len; at += unit) {
            memcpy(block + at, cases[i].fill, unit);
        }
        uint64_t before = resident_bytes();
        rsw_envelope_init(envelope, on_event, seen);
        rsw_envelope_feed(envelope, cases[i].before, strlen(cases[i].before));
        for (size_t sent = 0; sent < total; sent += block_len) {
            assert_int_equal(rsw_envelope_feed(envelope, block, block_len), block_len);
        }
        rsw_envelope_feed(envelope, cases[i].behind, strlen(cases[i].behind));
        assert_true(rsw_envelope_end(envelope, &seen->end) == cases[i].whole);
        assert_true(resident_bytes() < before + (1 << 20));
    }
    free(envelope);
    free(seen);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_of_2_8_is_read),
        cmocka_unit_test(what_is_empty_or_zero_in_3_x_is_absent),
        cmocka_unit_test(of_a_key_that_comes_twice_the_last_counts),
        cmocka_unit_test(keys_are_not_folded_and_may_be_escaped),
        cmocka_unit_test(an_event_that_cannot_be_used_says_why_and_where),
        cmocka_unit_test(too_long_names_make_an_event_unusable_and_other_text_is_cut),
        cmocka_unit_test(bodies_that_are_no_envelope_say_why),
        cmocka_unit_test(events_around_an_unusable_one_still_count),
        cmocka_unit_test(too_many_unusable_events_end_the_body),
        cmocka_unit_test(recorded_bodies_are_read_the_same_wherever_they_are_cut),
        cmocka_unit_test(bodies_of_64_megabytes_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
