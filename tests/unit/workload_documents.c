/* Lists and documents: whole, cut, broken, deep, huge. */
#include "workload_help.h"

#include "util/buf.h"
#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define SPEC(tag) "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" OURS "/a:" tag "\"}]}"
#define POD(tag) "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p" tag "\"}," SPEC(tag) "}"
#define BARE(tag) "{\"metadata\":{\"name\":\"p" tag "\"}," SPEC(tag) "}"
#define POD_LIST "\"apiVersion\":\"v1\",\"kind\":\"PodList\""

static void every_shape_of_a_list_is_read(void **state) {
    static const struct {
        const char *text;
        uint64_t objects;
    } cases[] = {
        {"{\"apiVersion\":\"v1\",\"items\":[" POD("1") "," POD("2") "],\"kind\":\"List\",\"metadata\":{}}",
         2},
        {"{" POD_LIST ",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[" BARE("1") "," BARE("2") "]}\n",
         2},
        {"{" POD_LIST ",\"metadata\":{\"continue\":\"\"},\"items\":[" BARE("1") "]}", 1},
        {" { " POD_LIST " , \"items\" : [ " BARE("1") " , " BARE("2") " ] , \"n\" : 12 , \"b\":true}", 2},
        {POD("1"), 1},
        {POD("1") POD("2") "\n{\"kind\":\"List\",\"items\":[" POD("3") "]}\n", 3},
        {"[" POD("1") "," POD("2") "]", 2},
        {"{\"kind\":\"List\",\"items\":[{" POD_LIST ",\"items\":[" BARE("1") "]}," POD("2") "]}", 2},
        {"{\"kind\":\"List\",\"items\":[]}", 0},
        {"{" POD_LIST ",\"items\":null}", 0},
        {"{\"apiVersion\":\"x.io/v1\",\"kind\":\"AllowList\",\"metadata\":{\"name\":\"n\"}}", 1},
        {"{\"apiVersion\":\"x.io/v1\",\"kind\":\"X\",\"n\":18446744073709551616,\"m\":-1,\"o\":1e3}", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t step = 0; step <= 7; step++) {
            void *other;
            walked_setup(&other);
            struct walked *walked = other;
            if (read_text(walked, cases[i].text, strlen(cases[i].text), step, NULL) != 0 ||
                walked->uses.objects != cases[i].objects || walked->uses.bad_count != 0) {
                fail_msg("%s by %zu: %s", cases[i].text, step, walked->err.message);
            }
            walked_teardown(&other);
        }
    }
}

/* Wherever a list ends too early, that is noticed. */
static void a_list_that_is_cut_anywhere_is_refused(void **state) {
    static const char *const whole[] = {
        "{\"apiVersion\":\"v1\",\"items\":[" POD("1") "," POD("2") "],\"kind\":\"List\",\"n\":12}",
        POD("1"),
        "[" POD("1") "]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t len = 0; len < strlen(whole[i]); len++) {
            void *other;
            walked_setup(&other);
            struct walked *walked = other;
            if (read_text(walked, whole[i], len, 0, NULL) != -1 || walked->err.code != RSW_EREFUSED) {
                fail_msg("%.*s: %s", (int)len, whole[i], walked->err.message);
            }
            walked_teardown(&other);
        }
    }
}

static void what_is_no_list_is_refused(void **state) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "there is nothing in it"},
        {" \n", "there is nothing in it"},
        {"null", "it is not JSON as kubectl"},
        {"<html>", "it is not JSON as kubectl"},
        {"NAMESPACE NAME READY", "it is not JSON as kubectl"},
        {"apiVersion: v1", "it is not JSON as kubectl"},
        {POD("1") "x", "it is not JSON as kubectl"},
        {"{'kind':1}", "it is not JSON"},
        {"{\"kind\" \"List\"}", "it is not JSON"},
        {"{\"items\":[" POD("1") " " POD("2") "]}", "it is not JSON"},
        {"{\"items\":[" POD("1") ",]}", "it is not JSON"},
        {"{\"items\":[{\"a\":1,\"a\":2}]}", "it is not JSON: duplicate object key"},
        {"{\"kind\":\"X\",\"kind\":\"Y\"}", "a key stands twice"},
        {"{\"items\":[],\"items\":[]}", "a key stands twice"},
        {"{\"items\":[7]}", "something in it is no object"},
        {"{\"items\":[" BARE("1") "],\"kind\":\"PodList\"}", "object p1 has no kind"},
        {"{}", "object without a name has no kind"},
        {"{" POD_LIST "}", "a list has no items"},
        {"{" POD_LIST ",\"items\":{}}", "a list has no items"},
        {"{" POD_LIST ",\"metadata\":{\"continue\":\"abc\"},\"items\":[]}", "a PodList is not whole"},
        {"{" POD_LIST ",\"items\":[],\"metadata\":{\"continue\":\"abc\"}}", "a PodList is not whole"},
        {"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"pods is "
         "forbidden\"}",
         "that something failed: pods is forbidden"},
        {"{\"kind\":\"X\",\"n\":\"\xff\"}", "it is not JSON: unable to decode byte"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *other;
        walked_setup(&other);
        struct walked *walked = other;
        if (read_words(walked, cases[i].text) != -1 || walked->err.code != RSW_EREFUSED ||
            strstr(walked->err.message, cases[i].words) == NULL) {
            fail_msg("%s: %s", cases[i].text, walked->err.message);
        }
        walked_teardown(&other);
    }
}

static void a_page_must_be_of_its_kind_and_tells_the_next(void **state) {
    struct walked *walked = *state;
    static struct rsw_page page;
    const char *first = "{" POD_LIST ",\"metadata\":{\"continue\":\"abc\"},\"items\":[" BARE("1") "]}";
    const char *last = "{" POD_LIST ",\"metadata\":{},\"items\":[" BARE("2") "]}";
    const char *other = "{\"kind\":\"JobList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[]}";
    page.kind = "PodList";
    assert_int_equal(read_text(walked, first, strlen(first), 0, &page), 0);
    assert_string_equal(page.next, "abc");
    assert_int_equal(read_text(walked, last, strlen(last), 0, &page), 0);
    assert_string_equal(page.next, "");
    assert_int_equal(read_text(walked, other, strlen(other), 0, &page), -1);
    assert_non_null(strstr(walked->err.message, "a PodList was asked for, the answer has \"JobList\""));
    assert_int_equal(read_text(walked, POD("1"), strlen(POD("1")), 0, &page), -1);
    assert_int_equal(read_text(walked, "[]", 2, 0, &page), -1);
}

static void nesting_has_an_end(void **state) {
    struct walked *walked = *state;
    RSW_AUTO_BUF text = RSW_BUF_INIT;
    assert_int_equal(rsw_buf_addf(&text, NULL, "{\"kind\":\"List\",\"items\":["), 0);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(rsw_buf_add(&text, "{\"a\":[", 6, NULL), 0);
    }
    assert_int_equal(read_text(walked, (char *)text.data, text.len, 0, NULL), -1);
    assert_non_null(strstr(walked->err.message, "maximum parsing depth"));
}

/* A list that is written as it is read: of any length, and nowhere whole. */
struct endless {
    size_t sent, total;
    char pad[1 << 20];
};

static ssize_t read_endless(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    struct endless *endless = arg;
    (void)err;
    if (endless->sent == SIZE_MAX) {
        return 0;
    }
    int len = endless->sent == 0 ? snprintf(bytes, size, "{\"kind\":\"List\",\"items\":[" POD("1"))
              : endless->sent < endless->total
                  ? snprintf(bytes, size, ",{\"kind\":\"X\",\"pad\":\"%.60000s\"}", endless->pad)
                  : snprintf(bytes, size, "," POD("2") "]}");
    endless->sent = endless->sent < endless->total ? endless->sent + (size_t)len : SIZE_MAX;
    return len;
}

static void memory_does_not_grow_with_the_list(void **state) {
    struct walked *walked = *state;
    static struct endless endless = {.total = (size_t)100 << 20};
    const struct rsw_document_source source = {read_endless, &endless};
    struct rusage before;
    struct rusage after;
    memset(endless.pad, 'x', sizeof endless.pad - 1);
    getrusage(RUSAGE_SELF, &before);
    if (rsw_documents_read(&walked->walk, &source, NULL, &walked->err) != 0) {
        fail_msg("%s", walked->err.message);
    }
    getrusage(RUSAGE_SELF, &after);
    expect_found(walked, "a:1 <- Pod p1 container c\na:2 <- Pod p2 container c\n");
    assert_true(walked->uses.objects > 1000);
    /* In KiB. The sanitizer keeps what was freed for a while, 256 MiB of it at most. */
    assert_true(after.ru_maxrss - before.ru_maxrss < 300 * 1024);
}

static ssize_t read_one_string(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    size_t *sent = arg;
    (void)err;
    memset(bytes, 'x', size);
    if (*sent == 0) {
        memcpy(bytes, "[{\"kind\":\"", 10);
    }
    *sent += size;
    return (ssize_t)size;
}

static void one_object_without_end_is_refused(void **state) {
    struct walked *walked = *state;
    size_t sent = 0;
    const struct rsw_document_source source = {read_one_string, &sent};
    assert_int_equal(rsw_documents_read(&walked->walk, &source, NULL, &walked->err), -1);
    assert_non_null(strstr(walked->err.message, "one object is longer than any that a cluster has"));
    assert_true(sent < 2 * RSW_OBJECT_BYTES_MAX);
}

static ssize_t read_failing(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    unsigned *calls = arg;
    static const char begin[] = "{\"kind\":\"List\",\"items\":[";
    if ((*calls)++ > 0 || size < sizeof begin) {
        return rsw_error_set(err, RSW_EIO, 5, "the disk is broken");
    }
    memcpy(bytes, begin, sizeof begin - 1);
    return sizeof begin - 1;
}

static void a_source_that_fails_says_why(void **state) {
    struct walked *walked = *state;
    unsigned calls = 0;
    const struct rsw_document_source source = {read_failing, &calls};
    assert_int_equal(rsw_documents_read(&walked->walk, &source, NULL, &walked->err), -1);
    assert_int_equal(walked->err.code, RSW_EIO);
    assert_string_equal(walked->err.message, "the disk is broken");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, walked_setup, walked_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_a_list_is_read),
        cmocka_unit_test(a_list_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(what_is_no_list_is_refused),
        TEST(a_page_must_be_of_its_kind_and_tells_the_next),
        TEST(nesting_has_an_end),
        TEST(memory_does_not_grow_with_the_list),
        TEST(one_object_without_end_is_refused),
        TEST(a_source_that_fails_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
