/* What a list tells of an object besides its key, size and time. */
#include "s3_mock.h"

#include <stdio.h>
#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef"

static int take_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct rsw_md5 *out = arg;
    (void)err;
    assert_int_equal(count, 1);
    assert_int_equal(entries[0].size, 71);
    *out = entries[0].md5;
    return 0;
}

static struct rsw_md5 told_by(struct s3_mock *mock, const char *etag) {
    static char answer[2048];
    static const char *script[] = {answer, NULL};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_md5 md5 = {.known = true};
    const struct rsw_listing listing = {.prefix = "d", .page = take_page, .arg = &md5};
    snprintf(answer, sizeof answer,
             OK("<ListBucketResult>" LAST "<Contents><Key>root/d/link</Key>"
                "<LastModified>2026-11-28T02:20:41.250Z</LastModified>%s<Size>71</Size></Contents>"
                "</ListBucketResult>"),
             etag);
    s3_mock_answers(mock, script);
    assert_int_equal(rsw_storage_list(mock->storage, &listing, &err), RSW_FOUND);
    return md5;
}

static void an_etag_of_32_digits_is_told_as_an_md5(void **state) {
    static const uint8_t bytes[RSW_MD5_BYTES] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                                 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    static const char *const forms[] = {"<ETag>&quot;" HEX "&quot;</ETag>", "<ETag>&#34;" HEX "&#34;</ETag>",
                                        "<ETag>\"" HEX "\"</ETag>", "<ETag>" HEX "</ETag>"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct rsw_md5 md5 = told_by(*state, forms[i]);
        assert_true(md5.known);
        assert_memory_equal(md5.bytes, bytes, sizeof bytes);
    }
}

static void any_other_etag_tells_nothing(void **state) {
    static const char *const forms[] = {
        "",
        "<ETag></ETag>",
        "<ETag>&quot;</ETag>",
        "<ETag>&quot;&quot;</ETag>",
        "<ETag>&quot;" HEX "-2&quot;</ETag>", /* of an upload in parts */
        "<ETag>&quot;" HEX "0&quot;</ETag>",
        "<ETag>&quot;0123456789abcdef0123456789abcde&quot;</ETag>",
        "<ETag>&quot;0123456789abcdef0123456789abcdeg&quot;</ETag>",
        "<ETag>&quot;0123456789ABCDEF0123456789ABCDEF&quot;</ETag>",
        "<ETag>&quot;" HEX "</ETag>",
        "<ETag>" HEX "&quot;</ETag>",
        "<ETag> " HEX "</ETag>",
        "<ETag>W/&quot;" HEX "&quot;</ETag>",
        "<Owner><ETag>&quot;" HEX "&quot;</ETag></Owner>",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (told_by(*state, forms[i]).known) {
            fail_msg("taken for an MD5: %s", forms[i]);
        }
    }
}

static int take_any(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)arg, (void)entries, (void)count, (void)err;
    return 0;
}

/* One that was meant for somebody else, as a proxy in between may mix them up: it is in order, and empty. */
static void a_page_for_another_question_is_none(void **state) {
    struct s3_mock *mock = *state;
    static const char *const strays[] = {
        OK("<ListBucketResult><Prefix>root/e/_</Prefix>" LAST "</ListBucketResult>"),
        OK("<ListBucketResult><Prefix>root/d/</Prefix>" LAST "</ListBucketResult>"),
        OK("<ListBucketResult><Prefix></Prefix>" LAST "</ListBucketResult>"),
        OK("<ListBucketResult><Prefix>root/d/_</Prefix><StartAfter>root/d/_z</StartAfter>" LAST
           "</ListBucketResult>"),
        OK("<ListBucketResult><Prefix>root/d/_</Prefix>" LAST
           "<NextContinuationToken>more</NextContinuationToken></ListBucketResult>"),
    };
    const struct rsw_listing listing = {.prefix = "d", .start = "_", .page = take_any};
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++) {
        const char *script[] = {strays[i], NULL};
        struct rsw_error err = RSW_ERROR_INIT;
        s3_mock_answers(mock, script);
        assert_int_equal(rsw_storage_list(mock->storage, &listing, &err), RSW_FAILED);
        assert_int_equal(mock->count, 3); /* it may have been a mishap */
        assert_non_null(strstr(err.message, "another question"));
        const char *mended[] = {strays[i], OK("<ListBucketResult>" LAST "</ListBucketResult>"), NULL};
        rsw_error_clear(&err);
        s3_mock_answers(mock, mended);
        assert_int_equal(rsw_storage_list(mock->storage, &listing, &err), RSW_ABSENT);
        assert_int_equal(mock->count, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_etag_of_32_digits_is_told_as_an_md5, s3_mock_setup,
                                        s3_mock_teardown),
        cmocka_unit_test_setup_teardown(any_other_etag_tells_nothing, s3_mock_setup, s3_mock_teardown),
        cmocka_unit_test_setup_teardown(a_page_for_another_question_is_none, s3_mock_setup, s3_mock_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
