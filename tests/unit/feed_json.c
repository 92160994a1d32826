/* The streaming JSON reader: what it reports, where it breaks, and that no chunk boundary matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed/json_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Items as text: "{", "}", "[", "]", "k:key", "s:string", "n:1", "t", "f", "0", each with its depth. */
struct trace {
    char text[8192];
    size_t len;
    const char *skip; /* key whose value is passed over, or "[" or "{": any such */
    bool cut;
};

static enum rsw_json_next on_item(void *arg, const struct rsw_json_item *item) {
    static const char *const marks[] = {"{", "}", "[", "]", "k:", "s:", "n:", "t", "f", "0"};
    struct trace *trace = arg;
    int len =
        snprintf(trace->text + trace->len, sizeof trace->text - trace->len, "%u%s%.*s ", item->depth,
                 marks[item->kind], item->cut ? 3 : (int)item->len, item->text == NULL ? "" : item->text);
    assert_true(len > 0 && (size_t)len < sizeof trace->text - trace->len);
    trace->len += (size_t)len;
    trace->cut = trace->cut || item->cut;
    bool skip = trace->skip != NULL &&
                ((item->kind == RSW_JSON_KEY && strcmp(trace->skip, item->text) == 0) ||
                 (item->kind <= RSW_JSON_ARRAY_END && strcmp(trace->skip, marks[item->kind]) == 0));
    return skip ? RSW_JSON_SKIP : RSW_JSON_GO_ON;
}

/* True if it is one whole document. Fed in chunks of this size, each a copy of its own so that a sanitizer
 * sees a read past its end. */
static bool read_in(struct trace *trace, const char *text, size_t len, size_t chunk) {
    struct rsw_json *json = malloc(sizeof *json);
    const char *skip = trace->skip;
    assert_non_null(json);
    memset(trace, 0, sizeof *trace);
    trace->skip = skip;
    rsw_json_init(json, on_item, trace);
    for (size_t at = 0; at < len && json->problem == NULL;) {
        size_t some = len - at < chunk ? len - at : chunk;
        char *copy = malloc(some);
        assert_non_null(copy);
        memcpy(copy, text + at, some);
        size_t taken = rsw_json_feed(json, copy, some);
        free(copy);
        assert_true(taken == some || json->problem != NULL);
        at += taken;
    }
    bool whole = rsw_json_end(json);
    assert_true(whole == (json->problem == NULL));
    free(json);
    return whole;
}

static void expect(const char *text, const char *skip, const char *want) {
    struct trace trace = {.skip = skip};
    for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
        assert_true(read_in(&trace, text, strlen(text), chunk));
        assert_string_equal(trace.text, want);
    }
}

static void every_kind_of_value_is_reported_with_its_depth(void **state) {
    (void)state;
    expect("{}", NULL, "0{ 0} ");
    expect(" [ ] ", NULL, "0[ 0] ");
    expect("{\"a\":[1,-2.5e+3,\"x\",true,false,null,{}],\"b\":\"\"}", NULL,
           "0{ 1k:a 1[ 2n:1 2n:-2.5e+3 2s:x 2t 2f 20 2{ 2} 1] 1k:b 1s: 0} ");
    expect("12", NULL, "0n:12 ");
    expect("\"top\"\n", NULL, "0s:top ");
    expect("[[[0]]]", NULL, "0[ 1[ 2[ 3n:0 2] 1] 0] ");
}

static void escapes_are_decoded(void **state) {
    (void)state;
    expect("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", NULL, "0s:\"\\/\b\f\n\r\t ");
    expect("\"\\u0041\\u00e9\\u20AC\"", NULL, "0s:A\xc3\xa9\xe2\x82\xac ");
    expect("\"\\ud83d\\ude00\"", NULL, "0s:\xf0\x9f\x98\x80 ");
    expect("{\"\\u0061\":1}", NULL, "0{ 1k:a 1n:1 0} ");
    /* Half a pair is replaced, as Go does it. */
    expect("\"\\ud83d\"", NULL, "0s:\xef\xbf\xbd ");
    expect("\"\\ude00x\"", NULL, "0s:\xef\xbf\xbdx ");
    expect("\"\\ud83dx\\ude00\"", NULL, "0s:\xef\xbf\xbdx\xef\xbf\xbd ");
    expect("\"\\ud83d\\ud83d\\ude00\"", NULL, "0s:\xef\xbf\xbd\xf0\x9f\x98\x80 ");
    expect("\"\\ud83d\\n\"", NULL, "0s:\xef\xbf\xbd\n ");
}

static void what_is_skipped_is_not_reported(void **state) {
    (void)state;
    expect("{\"a\":{\"x\":[1,{}]},\"b\":2}", "a", "0{ 1k:a 1k:b 1n:2 0} ");
    expect("{\"a\":\"x\",\"b\":2}", "a", "0{ 1k:a 1k:b 1n:2 0} ");
    expect("{\"a\":7,\"b\":2}", "a", "0{ 1k:a 1k:b 1n:2 0} ");
    expect("{\"a\":true,\"b\":[{\"a\":[]}]}", "a", "0{ 1k:a 1k:b 1[ 2{ 3k:a 2} 1] 0} ");
    expect("{\"a\":[1,[2]],\"b\":2}", "[", "0{ 1k:a 1[ 1k:b 1n:2 0} ");
}

static void broken_documents_are_refused_at_any_chunk_size(void **state) {
    static const char *const bad[] = {
        "",           " ",
        "{",          "[",
        "}",          "]",
        "{]",         "[}",
        "{\"a\"",     "{\"a\":",
        "{\"a\":1",   "{\"a\":1,}",
        "{a:1}",      "{\"a\" 1}",
        "{1:2}",      "[1,]",
        "[,1]",       "[1 2]",
        "tru",        "trux",
        "nul",        "True",
        "01",         "-",
        "1.",         ".5",
        "1e",         "1e+",
        "+1",         "--1",
        "0x1",        "\"",
        "\"\\",       "\"\\x\"",
        "\"\\u12\"",  "\"\\u12g4\"",
        "\"a\nb\"",   "{} {}",
        "[] x",       "1 2",
        "\xff",       "NaN",
        "{\"a\":1}}", "[1]]",
        "'a'",        "{\"a\":1 \"b\":2}",
        "\"a\"\"b\"", "//",
    };
    struct trace trace = {.skip = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (size_t chunk = 1; chunk <= strlen(bad[i]) + 1; chunk++) {
            if (read_in(&trace, bad[i], strlen(bad[i]), chunk)) {
                fail_msg("taken for JSON: %s", bad[i]);
            }
        }
    }
    assert_false(read_in(&trace, "\"a\0b\"", 5, 5));
}

static void every_beginning_of_a_document_is_too_short(void **state) {
    static const char text[] = "{\"a\":[1.5,\"\\u0041b\",true,null,{\"c\":{}}]}";
    struct trace trace = {.skip = NULL};
    (void)state;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_false(read_in(&trace, text, len, len + 1));
    }
    assert_true(read_in(&trace, text, sizeof text - 1, 100));
}

static void nesting_has_a_limit_and_below_it_is_read(void **state) {
    struct trace trace = {.skip = "["};
    static char text[2 * RSW_JSON_DEPTH_MAX + 2];
    (void)state;
    for (size_t depth = RSW_JSON_DEPTH_MAX; depth <= RSW_JSON_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_true(read_in(&trace, text, 2 * depth, 100) == (depth == RSW_JSON_DEPTH_MAX));
    }
}

static void long_text_is_cut_and_says_so(void **state) {
    static char text[3 * RSW_JSON_TEXT_MAX];
    struct trace trace = {.skip = NULL};
    (void)state;
    for (size_t len = RSW_JSON_TEXT_MAX - 2; len <= RSW_JSON_TEXT_MAX + 2; len++) {
        memset(text, 'a', len + 2);
        text[0] = text[len + 1] = '"';
        assert_true(read_in(&trace, text, len + 2, 7));
        assert_true(trace.cut == (len > RSW_JSON_TEXT_MAX));
    }
    memset(text, '1', RSW_JSON_TEXT_MAX + 1);
    assert_true(read_in(&trace, text, RSW_JSON_TEXT_MAX + 1, 100));
    assert_true(trace.cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_reported_with_its_depth),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(what_is_skipped_is_not_reported),
        cmocka_unit_test(broken_documents_are_refused_at_any_chunk_size),
        cmocka_unit_test(every_beginning_of_a_document_is_too_short),
        cmocka_unit_test(nesting_has_a_limit_and_below_it_is_read),
        cmocka_unit_test(long_text_is_cut_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
