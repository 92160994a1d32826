/* S3 where libcrypto computes no MD5, as in FIPS mode. */
#include "s3_mock.h"

#include "util/md5.h"

#include <string.h>

/* In place of rsw_md5_of, for the linker says so. */
struct rsw_md5 __wrap_rsw_md5_of(const void *bytes, size_t len);  // NOLINT(bugprone-reserved-identifier)
struct rsw_md5 __wrap_rsw_md5_of(const void *bytes, size_t len) { // NOLINT(bugprone-reserved-identifier)
    (void)bytes;
    (void)len;
    return (struct rsw_md5){.known = false};
}

static void a_list_of_what_to_delete_has_its_sha256_instead_signed(void **state) {
    struct s3_mock *mock = *state;
    int errnum = 0;
    SCRIPT(mock, OK("<DeleteResult><Deleted><Key>root/a</Key></Deleted></DeleteResult>"));
    assert_int_equal(help_remove(mock->storage, "a", &errnum), RSW_FOUND);
    s3_mock_asked(mock, 0, "x-amz-checksum-sha256: ");
    s3_mock_asked(mock, 0, ";x-amz-checksum-sha256;");
    assert_null(strcasestr(mock->notes[0], "content-md5"));
}

static void a_store_that_wants_an_md5_is_told_of(void **state) {
    struct s3_mock *mock = *state;
    int errnum = 0;
    SCRIPT(mock, ANSWER("400 Bad Request", ERROR("MissingContentMD5")));
    assert_int_equal(help_remove(mock->storage, "a", &errnum), RSW_FAILED);
    assert_int_equal(errnum, RSW_ENOMD5);
    assert_non_null(strstr(rsw_storage_reason(errnum), "wants an MD5"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_of_what_to_delete_has_its_sha256_instead_signed, s3_mock_setup,
                                        s3_mock_teardown),
        cmocka_unit_test_setup_teardown(a_store_that_wants_an_md5_is_told_of, s3_mock_setup,
                                        s3_mock_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
