/* How what we write is kept: as the registry would, or as the source of a copy is. */
#include "s3_mock.h"

#include "storage/backend.h"
#include "storage/s3.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEPT_PART(range, headers, body)                                                                      \
    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes " range "\r\n" headers        \
    "\r\n" body
#define COLD "x-amz-storage-class: STANDARD_IA\r\n"
#define CIPHER                                                                                               \
    "x-amz-server-side-encryption: aws:kms\r\n"                                                              \
    "x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:eu-test-1:1:key/its-own\r\n"
#define FREE ANSWER("404 Not Found", ERROR("NoSuchKey"))
#define COPIED OK("<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>")
#define BEGUN OK("<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>")
#define PART_COPIED OK("<CopyPartResult><ETag>\"e\"</ETag></CopyPartResult>")
#define JOINED OK("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
#define EMPTY_LIST OK("<ListBucketResult>" LAST "<KeyCount>0</KeyCount></ListBucketResult>")

static struct rsw_move copy_one(struct rsw_storage *storage) {
    struct rsw_move copy = {.from = "a", .to = "b"};
    rsw_storage_copy(storage, &copy, 1);
    return copy;
}

static bool says(const struct s3_mock *mock, size_t number, const char *text) {
    return strstr(mock->notes[number], text) != NULL;
}

static void is_said_of_the_source(const struct s3_mock *mock, size_t number) {
    s3_mock_asked(mock, number, "\r\nx-amz-storage-class: STANDARD_IA\r\n");
    s3_mock_asked(mock, number, "\r\nx-amz-server-side-encryption: aws:kms\r\n");
    s3_mock_asked(mock, number,
                  "\r\nx-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:eu-test-1:1:key/its-own\r\n");
}

static void a_copy_is_kept_as_its_source_is(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_s3 *s3 = (struct rsw_s3 *)mock->storage;
    SCRIPT(mock, KEPT_PART("0-4095/9000", COLD CIPHER, "beginning"), FREE, COPIED);
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    assert_int_equal(mock->count, 3);
    is_said_of_the_source(mock, 2);
    SCRIPT(mock, KEPT_PART("0-8/9", COLD CIPHER, "sha256:ab"), FREE, OK(""));
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    is_said_of_the_source(mock, 2);
    SCRIPT(mock, KEPT_PART("0-4095/9000", COLD CIPHER, "beginning"), FREE, BEGUN, PART_COPIED, JOINED);
    s3->copy_max = 8999;
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    s3_mock_asked(mock, 2, "POST /bucket/root/b?uploads= ");
    is_said_of_the_source(mock, 2);
    assert_false(says(mock, 3, "x-amz-storage-class")); /* of parts nothing is said */
}

/* S3 keeps it with the object; the registry writes the same. */
static void is_said_of_bytes(const struct s3_mock *mock, size_t number) {
    s3_mock_asked(mock, number, "\r\nContent-Type: application/octet-stream\r\n");
    assert_false(says(mock, number, "x-www-form-urlencoded"));
    s3_mock_asked(mock, number, "SignedHeaders=content-type;");
}

static void what_is_written_is_of_the_type_that_bytes_have(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_s3 *s3 = (struct rsw_s3 *)mock->storage;
    SCRIPT(mock, KEPT_PART("0-4095/9000", "", "beginning"), FREE, COPIED);
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    is_said_of_bytes(mock, 2);
    SCRIPT(mock, KEPT_PART("0-4095/9000", "", "beginning"), FREE, BEGUN, PART_COPIED, JOINED);
    s3->copy_max = 8999;
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    for (size_t i = 2; i < 4; i++) {
        is_said_of_bytes(mock, i);
    }
}

/* Each of many has its own. */
static void neighbours_are_kept_apart(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_move copies[] = {{.from = "gone", .to = "x"}, {.from = "plain", .to = "y"}};
    SCRIPT(mock, FREE, KEPT_PART("0-8/9", COLD, "sha256:ab"), FREE, OK(""));
    rsw_storage_copy(mock->storage, copies, 2);
    assert_int_equal((copies[0].answer == RSW_FOUND) + (copies[1].answer == RSW_FOUND), 1);
    s3_mock_asked(mock, 3, "x-amz-storage-class: STANDARD_IA");
}

static void what_came_out_of_an_archive_is_not_copied_into_it(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, KEPT_PART("0-4095/9000", "x-amz-storage-class: GLACIER\r\n", "beginning"), FREE, COPIED);
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    assert_false(says(mock, 2, "x-amz-storage-class"));
}

static void what_lies_in_an_archive_is_asked_for_once(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, ANSWER("403 Forbidden", ERROR("InvalidObjectState")));
    struct rsw_move copy = copy_one(mock->storage);
    assert_int_equal(copy.answer, RSW_FAILED);
    assert_int_equal(copy.errnum, RSW_EARCHIVED);
    assert_int_equal(mock->count, 1);
    assert_non_null(strstr(rsw_storage_reason(copy.errnum), "archive"));
    struct rsw_error err = RSW_ERROR_INIT;
    rsw_storage_fail(&err, copy.errnum, "copy", "a");
    assert_non_null(strstr(err.message, "cannot copy 'a': the store keeps it in an archive"));
    SCRIPT(mock, ANSWER("403 Forbidden", ERROR("InvalidObjectState")),
           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n");
    struct rsw_look look = help_look(mock->storage, "a"); /* it is there */
    assert_int_equal(look.answer, RSW_FOUND);
    assert_int_equal(look.size, 9000);
    assert_int_equal(mock->count, 2);
}

/* ---- as we are told ---- */

static struct rsw_storage *open_told(struct s3_mock *mock, struct rsw_s3_options options,
                                     struct rsw_error *err) {
    struct rsw_storage *storage = NULL;
    options.endpoint = mock->endpoint;
    options.region = "here";
    options.access_key = "key";
    options.secret_key = S3_MOCK_SECRET;
    SCRIPT(mock, EMPTY_LIST);
    return rsw_storage_open_s3(&storage, "s3://bucket/root", &options, err) == 0 ? storage : NULL;
}

static void what_we_are_told_is_said_of_all_that_we_write(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = open_told(
        mock, (struct rsw_s3_options){.storage_class = "ONEZONE_IA", .kms_key = "ours", .acl = "public-read"},
        &err);
    struct rsw_write write = {.key = "a", .bytes = "ours", .len = 4};
    assert_non_null(storage);
    SCRIPT(mock, KEPT_PART("0-4095/9000", COLD CIPHER, "beginning"), FREE, COPIED, FREE, OK(""));
    assert_int_equal(copy_one(storage).answer, RSW_FOUND);
    rsw_storage_write(storage, &write, 1);
    assert_int_equal(write.answer, RSW_FOUND);
    for (size_t i = 2; i <= 4; i += 2) {
        s3_mock_asked(mock, i, "PUT ");
        s3_mock_asked(mock, i, "\r\nx-amz-storage-class: ONEZONE_IA\r\n");
        s3_mock_asked(mock, i, "\r\nx-amz-server-side-encryption: aws:kms\r\n");
        s3_mock_asked(mock, i, "\r\nx-amz-server-side-encryption-aws-kms-key-id: ours\r\n");
        s3_mock_asked(mock, i, "\r\nx-amz-acl: public-read\r\n");
        assert_false(says(mock, i, "STANDARD_IA"));
        assert_false(says(mock, i, "its-own"));
    }
    rsw_storage_close(storage);
}

static void a_key_of_the_source_is_not_said_with_another_encryption(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage =
        open_told(mock, (struct rsw_s3_options){.storage_class = "NONE", .encryption = "AES256"}, &err);
    assert_non_null(storage);
    SCRIPT(mock, KEPT_PART("0-4095/9000", COLD CIPHER, "beginning"), FREE, COPIED);
    assert_int_equal(copy_one(storage).answer, RSW_FOUND);
    s3_mock_asked(mock, 2, "\r\nx-amz-server-side-encryption: AES256\r\n");
    assert_false(says(mock, 2, "kms"));
    assert_false(says(mock, 2, "x-amz-storage-class"));
    rsw_storage_close(storage);
}

static void an_acl_that_we_are_told_is_left_out_only_where_there_is_none(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = open_told(mock, (struct rsw_s3_options){.acl = "authenticated-read"}, &err);
    assert_non_null(storage);
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, ANSWER("403 Forbidden", ERROR("AccessDenied")));
    assert_int_equal(copy_one(storage).errnum, EACCES);
    assert_int_equal(mock->count, 3);
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE,
           ANSWER("400 Bad Request", ERROR("AccessControlListNotSupported")), OK(""));
    assert_int_equal(copy_one(storage).answer, RSW_FOUND);
    assert_false(says(mock, 3, "x-amz-acl"));
    rsw_storage_close(storage);
    /* What is private to us no registry could read. */
    storage = open_told(mock, (struct rsw_s3_options){.acl = "private"}, &err);
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, OK(""));
    assert_int_equal(copy_one(storage).answer, RSW_FOUND);
    s3_mock_asked(mock, 2, "x-amz-acl: bucket-owner-full-control");
    rsw_storage_close(storage);
}

#define REFUSED(code) ANSWER("400 Bad Request", ERROR(code))

static void the_owners_acl_that_we_are_told_is_told(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage =
        open_told(mock, (struct rsw_s3_options){.acl = "bucket-owner-full-control"}, &err);
    assert_non_null(storage);
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, ANSWER("403 Forbidden", ERROR("AccessDenied")),
           OK(""));
    assert_int_equal(copy_one(storage).errnum, EACCES);
    assert_int_equal(mock->count, 3);
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, REFUSED("AccessControlListNotSupported"), OK(""));
    assert_int_equal(copy_one(storage).answer, RSW_FOUND);
    rsw_storage_close(storage);
}

/* In another account's bucket the registry could read nothing of what follows. */
static void what_passes_does_not_end_the_owners_acl(void **state) {
    struct s3_mock *mock = *state;
    static const char *const passing[] = {
        ANSWER("403 Forbidden", ERROR("ExpiredToken")),
        ANSWER("403 Forbidden", ERROR("RequestTimeTooSkewed")),
        ANSWER("403 Forbidden", "<html>ask your administrator</html>"),
        ANSWER("400 Bad Request", ""),
        ANSWER("501 Not Implemented", "<html>what?</html>"),
        ANSWER("400 Bad Request", ERROR("RequestTimeout")),
    };
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        const char *answers[] = {KEPT_PART("0-8/9", "", "sha256:ab"), FREE, passing[i], FREE, OK(""), NULL};
        struct rsw_move copy;
        s3_mock_answers(mock, answers);
        copy = copy_one(mock->storage);
        if (mock->count > 3) { /* it was asked again */
            s3_mock_asked(mock, 4, "\r\nx-amz-acl: bucket-owner-full-control\r\n");
        } else {
            assert_int_equal(copy.answer, RSW_FAILED);
        }
        SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, OK(""));
        assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
        s3_mock_asked(mock, 2, "\r\nx-amz-acl: bucket-owner-full-control\r\n");
    }
}

static void a_refusal_that_stands_without_the_acl_was_not_about_it(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, ANSWER("403 Forbidden", ERROR("AccessDenied")));
    assert_int_equal(copy_one(mock->storage).errnum, EACCES);
    assert_int_equal(mock->count, 4);
    assert_false(says(mock, 3, "x-amz-acl"));
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, OK(""));
    assert_int_equal(copy_one(mock->storage).answer, RSW_FOUND);
    s3_mock_asked(mock, 2, "\r\nx-amz-acl: bucket-owner-full-control\r\n");
}

struct talk {
    char line[512];
    int count;
};

static void take_line(void *arg, enum rsw_log_level level, const char *line) {
    struct talk *talk = arg;
    (void)level;
    snprintf(talk->line, sizeof talk->line, "%s", line);
    talk->count++;
}

static const char *key_of(const struct s3_mock *mock, size_t number) {
    return strstr(mock->notes[number], "/bucket/root/") + strlen("/bucket/root/");
}

static void what_is_refused_over_the_acl_is_sent_again_together_and_told_once(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct talk talk = {.count = 0};
    const struct rsw_log log = {RSW_LOG_INFO, take_line, &talk};
    struct rsw_storage *storage = open_told(mock, (struct rsw_s3_options){.log = &log}, &err);
    struct rsw_move copies[] = {{.from = "a", .to = "x"}, {.from = "b", .to = "y"}};
    assert_non_null(storage);
    rsw_s3_set_patience(storage, 3, 1, 1000);
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), KEPT_PART("0-8/9", "", "sha256:ab"), FREE, FREE,
           REFUSED("InvalidArgument"), REFUSED("InvalidArgument"), SLOW_DOWN, SLOW_DOWN, FREE, FREE,
           REFUSED("InvalidArgument"), REFUSED("InvalidArgument"), OK(""));
    rsw_storage_copy(storage, copies, 2);
    assert_int_equal(copies[0].answer, RSW_FOUND);
    assert_int_equal(copies[1].answer, RSW_FOUND);
    assert_int_equal(mock->count, 14);
    assert_int_not_equal(key_of(mock, 6)[0], key_of(mock, 7)[0]);
    assert_int_not_equal(key_of(mock, 12)[0], key_of(mock, 13)[0]);
    assert_int_equal(talk.count, 1);
    assert_non_null(strstr(talk.line, "bucket-owner-full-control"));
    assert_non_null(strstr(talk.line, "InvalidArgument"));
    SCRIPT(mock, KEPT_PART("0-8/9", "", "sha256:ab"), FREE, OK(""));
    assert_int_equal(copy_one(storage).answer, RSW_FOUND);
    assert_false(says(mock, 2, "x-amz-acl"));
    assert_int_equal(talk.count, 1);
    rsw_storage_close(storage);
}

static void what_cannot_be_is_refused_at_once(void **state) {
    struct s3_mock *mock = *state;
    static const struct rsw_s3_options bad[] = {{.storage_class = "DEEP_ARCHIVE"},
                                                {.storage_class = "A\r\nX: B"},
                                                {.encryption = "AES256", .kms_key = "k"},
                                                {.acl = "public read"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        assert_null(open_told(mock, bad[i], &err));
        assert_int_equal(err.code, RSW_EINVAL);
        assert_int_equal(mock->count, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_mock_setup, s3_mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_kept_as_its_source_is),
        TEST(what_is_written_is_of_the_type_that_bytes_have),
        TEST(neighbours_are_kept_apart),
        TEST(what_came_out_of_an_archive_is_not_copied_into_it),
        TEST(what_lies_in_an_archive_is_asked_for_once),
        TEST(what_we_are_told_is_said_of_all_that_we_write),
        TEST(a_key_of_the_source_is_not_said_with_another_encryption),
        TEST(an_acl_that_we_are_told_is_left_out_only_where_there_is_none),
        TEST(the_owners_acl_that_we_are_told_is_told),
        TEST(what_passes_does_not_end_the_owners_acl),
        TEST(a_refusal_that_stands_without_the_acl_was_not_about_it),
        TEST(what_is_refused_over_the_acl_is_sent_again_together_and_told_once),
        TEST(what_cannot_be_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
