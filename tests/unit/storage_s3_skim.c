/* Many keys out of few pages of a list, whatever the store answers. */
#include "s3_mock.h"

#include "storage/s3.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TIME "<LastModified>2026-11-28T02:20:41.250Z</LastModified>"
#define URL "<EncodingType>url</EncodingType>"
#define KEY(name) "<Contents><Key>root/" name "</Key><Size>7</Size>" TIME "</Contents>"
#define PAGE(after, rest)                                                                                    \
    OK("<ListBucketResult>" URL "<Prefix>root/a/</Prefix><StartAfter>" after "</StartAfter>" rest            \
       "</ListBucketResult>")
#define FIRST(rest) PAGE("root/a/00/lin", rest)
#define MORE "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
#define LOOK_FOUND                                                                                           \
    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 0-0/9\r\n"                    \
    "Last-Modified: Sat, 28 Nov 2026 02:20:41 GMT\r\n\r\ns"
#define SOURCE                                                                                               \
    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 0-8/9\r\n\r\nsha256:ab"
#define NO_SUCH_KEY ANSWER("404 Not Found", ERROR("NoSuchKey"))
#define DENIED ANSWER("403 Forbidden", ERROR("AccessDenied"))

/* What a look out of a page brings, and one of its own. */
#define LISTED 7
#define LOOKED 9

/* "a/00/link", "a/01/link", … are looked at, the last first. */
#define ASKED_MAX 64
static struct rsw_look looks[ASKED_MAX];
static char keys[ASKED_MAX][16];

static void look_at(struct s3_mock *mock, size_t count) {
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "a/%02zu/link", i);
        looks[count - 1 - i] = (struct rsw_look){.key = keys[i]};
    }
    rsw_storage_look_listed(mock->storage, looks, count);
    for (size_t i = 0; i < count / 2; i++) {
        struct rsw_look swap = looks[i];
        looks[i] = looks[count - 1 - i];
        looks[count - 1 - i] = swap;
    }
}

static void all_are(size_t from, size_t end, int answer, uint64_t size) {
    for (size_t i = from; i < end; i++) {
        if (looks[i].answer != answer || looks[i].size != size) {
            fail_msg("%s: %d, of %d bytes", looks[i].key, looks[i].answer, (int)looks[i].size);
        }
    }
}

static void a_page_tells_what_is_there_and_what_is_not(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, FIRST(LAST KEY("a/00/link") KEY("a/00/link%01%2B+odd") KEY("a/01%2Fdata") KEY("a/03")
                           KEY("a/03/link.tmp") KEY("a/07/lin") KEY("a/07/link") KEY("a/07/link/link")
                               KEY("a/19/link")));
    look_at(mock, 20);
    assert_int_equal(mock->count, 1);
    s3_mock_asked(mock, 0,
                  "GET "
                  "/bucket/"
                  "?encoding-type=url&list-type=2&max-keys=1000&prefix=root%2Fa%2F&start-after=root%2Fa%2F00%"
                  "2Flin HTTP");
    for (size_t i = 0; i < 20; i++) {
        bool there = i == 0 || i == 7 || i == 19;
        assert_int_equal(looks[i].answer, there ? RSW_FOUND : RSW_ABSENT);
        assert_int_equal(looks[i].mtime_ms, there ? INT64_C(1795832441250) : 0);
    }
    assert_int_equal(looks[7].size, LISTED);
    assert_int_equal(looks[7].kind, RSW_ENTRY_FILE);
}

static void what_has_nothing_at_all_is_told_by_one_page(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, FIRST(LAST "<KeyCount>0</KeyCount>"));
    look_at(mock, 40);
    all_are(0, 40, RSW_ABSENT, 0);
    assert_int_equal(mock->count, 1);
}

/* Of its last key, and what comes behind, a page that goes on tells nothing. */
static void a_list_goes_on_where_the_page_before_ended(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, FIRST(MORE KEY("a/00/link") KEY("a/20/link")),
           PAGE("root/a/20/lin", MORE KEY("a/20/link") KEY("a/21/link") KEY("a/36/x")), LOOK_FOUND);
    look_at(mock, 40);
    assert_int_equal(mock->count, 2 + 3); /* three are not worth a page */
    s3_mock_asked(mock, 1, "&start-after=root%2Fa%2F20%2Flin HTTP");
    assert_int_equal(looks[0].size, LISTED);
    all_are(1, 20, RSW_ABSENT, 0);
    all_are(20, 22, RSW_FOUND, LISTED);
    all_are(22, 37, RSW_ABSENT, 0);
    all_are(37, 40, RSW_FOUND, LOOKED);
}

static void keys_that_lie_far_apart_are_looked_at_each(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, NO_SUCH_KEY);
    look_at(mock, 12);
    all_are(0, 12, RSW_ABSENT, 0);
    assert_int_equal(mock->count, 12);
    s3_mock_asked(mock, 0, "GET /bucket/root/a/");
    /* One page tells of one key: so the next 13 are passed over, the next 26 after another one. */
    SCRIPT(mock, FIRST(MORE KEY("a/00/link") KEY("a/00/x")),
           PAGE("root/a/14/lin", MORE KEY("a/14/link") KEY("a/15/link")),
           PAGE("root/a/41/lin", LAST KEY("a/59/link")), LOOK_FOUND);
    look_at(mock, 60);
    assert_int_equal(mock->count, 3 + 39);
    all_are(1, 14, RSW_FOUND, LOOKED);
    all_are(14, 15, RSW_FOUND, LISTED);
    all_are(15, 41, RSW_FOUND, LOOKED);
    all_are(41, 59, RSW_ABSENT, 0);
    all_are(59, 60, RSW_FOUND, LISTED);
}

/* Nothing is taken for absent by any of these, nor is one asked for again: each key is looked at. */
static void a_page_that_nobody_can_trust_tells_nothing(void **state) {
    struct s3_mock *mock = *state;
    static const char *const cases[] = {
        OK("<ListBucketResult>" URL "<Prefix>root/a/</Prefix><StartAfter>root/a/00/lin</StartAfter>" LAST),
        FIRST(LAST "<KeyCount>2</KeyCount>" KEY("a/01/link")),          /* one was left out */
        FIRST(KEY("a/01/link")),                                        /* does it go on? */
        FIRST(MORE),                                                    /* but from where? */
        FIRST(LAST "<NextContinuationToken>t</NextContinuationToken>"), /* or does it after all? */
        PAGE("root/a/05/lin", LAST KEY("a/07/link")), /* the answer to another question … */
        OK("<ListBucketResult>" URL "<Prefix>root/a/0</Prefix><StartAfter>root/a/00/lin</StartAfter>" LAST
           "</ListBucketResult>"), /* … or to half of it … */
        OK("<ListBucketResult>" URL "<Prefix>root/a/</Prefix>" LAST
           "</ListBucketResult>"), /* … or who knows */
        OK("<ListBucketResult><Prefix>root/a/</Prefix><StartAfter>root/a/00/lin</StartAfter>" LAST
           "</ListBucketResult>"),   /* are its keys as they are? */
        FIRST(LAST KEY("a/00/lin")), /* from before the start */
        FIRST(LAST KEY("a/00/a")),
        FIRST(LAST KEY("a/03/link") KEY("a/02/link")), /* goes back */
        FIRST(LAST KEY("a/03/link") KEY("a/03/link")), /* repeats itself */
        FIRST(LAST KEY("b/00/link")),                  /* from elsewhere */
        FIRST(LAST KEY("a/03/%0link")),                /* is no text */
        OK(ERROR("AccessDenied")),
        DENIED,
        NO_SUCH_KEY,
        SLOW_DOWN,
        "",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const script[] = {cases[i], LOOK_FOUND, NULL};
        s3_mock_answers(mock, script);
        look_at(mock, 15);
        if (mock->count != 1 + 15) {
            fail_msg("case %zu: %zu requests", i, (size_t)mock->count);
        }
        all_are(0, 15, RSW_FOUND, LOOKED);
    }
}

static void a_look_that_fails_is_no_absence(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, DENIED);
    look_at(mock, 15);
    all_are(0, 15, RSW_FAILED, 0);
    assert_int_equal(looks[3].errnum, EACCES);
}

static void one_key_can_be_asked_for_many_times(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, OK("<ListBucketResult>" URL
                    "<Prefix>root/a/7/</Prefix><StartAfter>root/a/7/lin</StartAfter>" LAST KEY(
                        "a/7/link") "</ListBucketResult>"));
    for (size_t i = 0; i < 20; i++) {
        looks[i] = (struct rsw_look){.key = "a/7/link"};
    }
    rsw_storage_look_listed(mock->storage, looks, 20);
    all_are(0, 20, RSW_FOUND, LISTED);
    assert_int_equal(mock->count, 1);
}

static void a_list_begins_before_a_whole_character(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, OK("<ListBucketResult>" URL "<Prefix>root/</Prefix><StartAfter>root/a</StartAfter>" LAST KEY(
                     "a%C3%A9") "</ListBucketResult>"));
    for (size_t i = 0; i < 14; i++) {
        looks[i] = (struct rsw_look){.key = i == 0 ? "a\xC3\xA9" : "b"};
    }
    rsw_storage_look_listed(mock->storage, looks, 14);
    assert_int_equal(mock->count, 1);
    assert_int_equal(looks[0].answer, RSW_FOUND);
    all_are(1, 14, RSW_ABSENT, 0);
}

/* ---- versions ---- */

#define VERSION(key, id, latest)                                                                             \
    "<Version><Key>root/" key "</Key><VersionId>" id "</VersionId><IsLatest>" latest "</IsLatest>" TIME      \
    "<Size>7</Size></Version>"
#define VERSIONS(after, rest)                                                                                \
    OK("<ListVersionsResult>" URL "<Prefix>root/a/</Prefix><KeyMarker>" after "</KeyMarker>" rest            \
       "</ListVersionsResult>")
#define GOES_ON                                                                                              \
    "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>v"                  \
    "</NextVersionIdMarker>"
#define GONE(key, id) "<Deleted><Key>root/" key "</Key><VersionId>" id "</VersionId></Deleted>"
#define DELETED(rest) OK("<DeleteResult>" rest "</DeleteResult>")

static struct rsw_removal removals[ASKED_MAX];

static void remove_all(struct s3_mock *mock) {
    for (size_t i = 0; i < ASKED_MAX; i++) {
        snprintf(keys[i], sizeof keys[i], "a/%02zu/link", i);
        removals[i] = (struct rsw_removal){.key = keys[i]};
    }
    mock->storage->versions = true;
    rsw_storage_remove(mock->storage, removals, ASKED_MAX);
}

static void a_page_of_versions_tells_which_go(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock,
           VERSIONS("root/a/00/lin",
                    LAST VERSION("a/00/link", "v2", "true") VERSION("a/00/link", "v1", "false")
                        VERSION("a/01/other", "x", "true") VERSION("a/03/link", "v3", "true")
                            VERSION("a/03/link.tmp", "y", "true")),
           DELETED(GONE("a/00/link", "v1")), DELETED(GONE("a/00/link", "v2") GONE("a/03/link", "v3")));
    remove_all(mock);
    assert_int_equal(mock->count, 3);
    s3_mock_asked(
        mock, 0,
        "GET "
        "/bucket/"
        "?encoding-type=url&key-marker=root%2Fa%2F00%2Flin&max-keys=1000&prefix=root%2Fa%2F&versions= HTTP");
    s3_mock_asked(
        mock, 1,
        "<Quiet>false</Quiet><Object><Key>root/a/00/link</Key><VersionId>v1</VersionId></Object></D");
    s3_mock_asked(mock, 2,
                  "<Quiet>false</Quiet><Object><Key>root/a/00/link</Key><VersionId>v2</VersionId></Object>"
                  "<Object><Key>root/a/03/link</Key><VersionId>v3</VersionId></Object></D");
    for (size_t i = 0; i < ASKED_MAX; i++) {
        assert_int_equal(removals[i].answer, i == 0 || i == 3 ? RSW_FOUND : RSW_ABSENT);
    }
}

/* There may be more of its last key: that is asked for from its beginning. */
static void a_page_that_ends_within_a_key_does_not_tell_of_it(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock,
           VERSIONS("root/a/00/lin",
                    GOES_ON VERSION("a/00/link", "v1", "true") VERSION("a/63/link", "v9", "true")),
           OK("<ListVersionsResult>" LAST VERSION("a/63/link", "v9", "true")
                  VERSION("a/63/link", "v8", "false") "</ListVersionsResult>"),
           DELETED(GONE("a/63/link", "v8")), DELETED(GONE("a/00/link", "v1") GONE("a/63/link", "v9")));
    remove_all(mock);
    assert_int_equal(mock->count, 4);
    s3_mock_asked(mock, 1, "GET /bucket/?max-keys=1000&prefix=root%2Fa%2F63%2Flink&versions= HTTP");
    for (size_t i = 0; i < ASKED_MAX; i++) {
        assert_int_equal(removals[i].answer, i == 0 || i == 63 ? RSW_FOUND : RSW_ABSENT);
    }
}

static void nothing_goes_by_a_page_of_versions_that_nobody_can_trust(void **state) {
    struct s3_mock *mock = *state;
    static const char *const bad[] = {
        VERSIONS("root/a/03/lin", LAST VERSION("a/04/link", "v1", "true")),
        VERSIONS("root/a/00/lin",
                 LAST VERSION("a/04/link", "v2", "false") VERSION("a/04/link", "v1", "true")),
        VERSIONS("root/a/00/lin", LAST VERSION("a/04/link", "v1", "true") VERSION("a/03/link", "v1", "true")),
        VERSIONS("root/a/00/lin", LAST VERSION("a/00/lin", "v1", "true")),
        DENIED,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const script[] = {bad[i], DENIED, NULL};
        s3_mock_answers(mock, script);
        remove_all(mock);
        assert_int_equal(mock->count, 1 + ASKED_MAX); /* each alone, and no deletion */
        for (size_t k = 0; k < ASKED_MAX; k++) {
            assert_int_equal(removals[k].answer, RSW_FAILED);
        }
    }
}

/* ---- copies ---- */

/* Each source is read; one page tells which keys are free, and the others are left alone. */
static void where_only_we_write_a_page_tells_what_is_there(void **state) {
    enum { COUNT = 14, TAKEN = 2 };
    struct s3_mock *mock = *state;
    struct rsw_move copies[COUNT];
    static const char *script[COUNT + 3];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "a/%02zu/link", i);
        copies[i] = (struct rsw_move){.from = "source", .to = keys[i], .ours = true};
        script[i] = SOURCE;
    }
    script[COUNT] = FIRST(LAST KEY("a/03/link") KEY("a/13/link") KEY("a/14/link"));
    script[COUNT + 1] = OK("");
    s3_mock_answers(mock, script);
    rsw_storage_copy(mock->storage, copies, COUNT);
    assert_int_equal(mock->count, COUNT + 1 + COUNT - TAKEN);
    for (size_t i = 0; i < COUNT; i++) {
        bool taken = i == 3 || i == 13;
        assert_int_equal(copies[i].answer, taken ? RSW_FAILED : RSW_FOUND);
        assert_int_equal(copies[i].errnum, taken ? EEXIST : 0);
    }
    for (size_t i = COUNT + 1; i < mock->count; i++) {
        s3_mock_asked(mock, i, "If-None-Match: *");
        assert_null(strstr(mock->notes[i], "a/03/link"));
        assert_null(strstr(mock->notes[i], "a/13/link"));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_mock_setup, s3_mock_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_page_tells_what_is_there_and_what_is_not),
        TEST(what_has_nothing_at_all_is_told_by_one_page),
        TEST(a_list_goes_on_where_the_page_before_ended),
        TEST(keys_that_lie_far_apart_are_looked_at_each),
        TEST(a_page_that_nobody_can_trust_tells_nothing),
        TEST(a_look_that_fails_is_no_absence),
        TEST(one_key_can_be_asked_for_many_times),
        TEST(a_list_begins_before_a_whole_character),
        TEST(a_page_of_versions_tells_which_go),
        TEST(a_page_that_ends_within_a_key_does_not_tell_of_it),
        TEST(nothing_goes_by_a_page_of_versions_that_nobody_can_trust),
        TEST(where_only_we_write_a_page_tells_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
