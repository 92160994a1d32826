/* What we may do at a store: each thing is done once, and told of. */
#include "s3_mock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DENIED ANSWER("403 Forbidden", ERROR("AccessDenied"))
#define LIST_OF_ONE                                                                                          \
    OK("<ListBucketResult>" LAST "<Contents><Key>root/docker/registry/v2/x</Key><Size>7</Size>"              \
       "<LastModified>2026-11-28T02:20:41.250Z</LastModified></Contents></ListBucketResult>")
#define BYTE "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 0-0/7\r\n\r\ns"
#define NO_UPLOADS OK("<ListMultipartUploadsResult>" LAST "</ListMultipartUploadsResult>")
#define COPIED OK("<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>")
#define BEGUN OK("<InitiateMultipartUploadResult><UploadId>up+1</UploadId></InitiateMultipartUploadResult>")
#define CALLED_OFF ANSWER("204 No Content", "")
#define REMOVED                                                                                              \
    OK("<DeleteResult><Deleted><Key>root/regsweep/rights</Key></Deleted>"                                    \
       "<Deleted><Key>root/regsweep/rights-copied</Key></Deleted></DeleteResult>")
#define NO_VERSIONS OK("<VersioningConfiguration></VersioningConfiguration>")

struct heard {
    char text[1024];
};

static void hear(void *arg, const struct rsw_right *right) {
    struct heard *heard = arg;
    size_t len = strlen(heard->text);
    int room = (int)strcspn(right->name, " ");
    snprintf(heard->text + len, sizeof heard->text - len, "%.*s%s%s\n", room, right->name,
             right->answer == RSW_FOUND    ? ""
             : right->answer == RSW_ABSENT ? " no: "
                                           : " unknown: ",
             right->reason);
}

static void told(struct s3_mock *mock, const char *text) {
    struct heard heard = {""};
    struct rsw_rights rights = {.tell = hear, .arg = &heard};
    rsw_storage_rights(mock->storage, &rights);
    assert_string_equal(heard.text, text);
}

static void what_is_allowed_is_done_below_regsweep_and_undone(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, OK(""), COPIED, BEGUN, CALLED_OFF, REMOVED, NO_VERSIONS);
    told(mock, "s3:ListBucket\ns3:GetObject\ns3:ListBucketMultipartUploads\ns3:PutObject\na\n"
               "s3:AbortMultipartUpload\ns3:DeleteObject\n");
    assert_int_equal(mock->count, 9);
    s3_mock_asked(mock, 0, "&prefix=root%2Fdocker%2Fregistry%2Fv2%2F HTTP");
    s3_mock_asked(mock, 1, "GET /bucket/root/docker/registry/v2/x HTTP");
    s3_mock_asked(mock, 3, "PUT /bucket/root/regsweep/rights HTTP");
    s3_mock_asked(mock, 4, "x-amz-copy-source: /bucket/root/regsweep/rights\r\n");
    s3_mock_asked(mock, 6, "DELETE /bucket/root/regsweep/quarantine/rights-in-parts?uploadId=up%2B1 HTTP");
    s3_mock_asked(mock, 7,
                  "<Object><Key>root/regsweep/rights</Key></Object>"
                  "<Object><Key>root/regsweep/rights-copied</Key></Object></Delete>");
}

#define READING "s3:ListBucket\ns3:GetObject\ns3:ListBucketMultipartUploads\n"

static void what_is_refused_is_told_in_the_words_of_the_store(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, DENIED, DENIED, DENIED, DENIED, NO_VERSIONS);
    told(mock, READING
         "s3:PutObject no: AccessDenied: for a reason\n"
         "s3:AbortMultipartUpload unknown: not tried, as none could be begun: AccessDenied: for a reason\n"
         "s3:DeleteObject unknown: not tried, as nothing could be written\n");
    assert_int_equal(mock->count, 8);
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, OK(""), DENIED, DENIED, BEGUN, DENIED, DENIED, NO_VERSIONS);
    told(mock, READING "s3:PutObject\na no: AccessDenied: for a reason\n"
                       "s3:AbortMultipartUpload no: AccessDenied: for a reason\n"
                       "s3:DeleteObject no: Permission denied\n");
    assert_null(strstr(mock->notes[8], "rights-copied")); /* it was not written */
}

#define ENABLED OK("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
#define NO_RULES ANSWER("404 Not Found", ERROR("NoSuchLifecycleConfiguration"))
#define RULES                                                                                                \
    OK("<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Prefix></Prefix>"                 \
       "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration>"       \
       "</Rule></LifecycleConfiguration>")
#define USUAL                                                                                                \
    "s3:ListBucket\ns3:GetObject\ns3:ListBucketMultipartUploads\ns3:PutObject\na\n"                          \
    "s3:AbortMultipartUpload\ns3:DeleteObject\n"

static void where_versions_are_kept_and_no_rule_deletes_them_we_must_be_able_to(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, OK(""), COPIED, BEGUN, CALLED_OFF, REMOVED, ENABLED, NO_RULES,
           DENIED);
    told(mock, USUAL "s3:ListBucketVersions no: Permission denied\n"
                     "s3:DeleteObjectVersion no: AccessDenied: for a reason\n");
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, OK(""), COPIED, BEGUN, CALLED_OFF, REMOVED, ENABLED, RULES,
           DENIED);
    told(mock, USUAL);
}

#define WITH_VERSION(status, id, body)                                                                       \
    "HTTP/1.1 " status "\r\nConnection: close\r\nx-amz-version-id: " id "\r\n\r\n" body
#define VERSIONS_REMOVED                                                                                     \
    OK("<DeleteResult><Deleted><Key>root/regsweep/rights</Key><VersionId>v1</VersionId></Deleted>"           \
       "<Deleted><Key>root/regsweep/rights</Key><VersionId>m3</VersionId></Deleted>"                         \
       "<Deleted><Key>root/regsweep/rights-copied</Key><VersionId>v2</VersionId></Deleted></DeleteResult>")

static void what_the_bucket_made_versions_of_goes_by_their_ids(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, WITH_VERSION("200 OK", "v1", ""),
           WITH_VERSION("200 OK", "v2", "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"), BEGUN,
           CALLED_OFF, WITH_VERSION("204 No Content", "m3", ""), VERSIONS_REMOVED, ENABLED, RULES);
    told(mock, USUAL);
    s3_mock_asked(mock, 7, "DELETE /bucket/root/regsweep/rights HTTP");
    s3_mock_asked(
        mock, 8,
        "<Object><Key>root/regsweep/rights</Key><VersionId>m3</VersionId></Object>"
        "<Object><Key>root/regsweep/rights</Key><VersionId>v1</VersionId></Object>"
        "<Object><Key>root/regsweep/rights-copied</Key><VersionId>v2</VersionId></Object></Delete>");
}

static void the_version_of_a_copy_is_read_where_the_copy_does_not_name_it(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, WITH_VERSION("200 OK", "v1", ""), COPIED,
           WITH_VERSION("206 Partial Content", "v2", "?"), BEGUN, CALLED_OFF,
           WITH_VERSION("204 No Content", "m3", ""), VERSIONS_REMOVED, ENABLED, RULES);
    told(mock, USUAL);
    s3_mock_asked(mock, 5, "GET /bucket/root/regsweep/rights-copied HTTP");
    s3_mock_asked(mock, 9, "<Key>root/regsweep/rights-copied</Key><VersionId>v2</VersionId>");
}

static void a_definite_no_is_one_whatever_its_word(void **state) {
    struct s3_mock *mock = *state;
    struct heard heard = {""};
    struct rsw_rights rights = {.tell = hear, .arg = &heard};
    SCRIPT(mock, LIST_OF_ONE, ANSWER("403 Forbidden", ERROR("InvalidObjectState")), NO_UPLOADS,
           ANSWER("400 Bad Request", ERROR("InvalidStorageClass")));
    rsw_storage_rights(mock->storage, &rights);
    assert_non_null(strstr(heard.text, "s3:GetObject\n")); /* we may, but an archive has it */
    assert_non_null(strstr(heard.text, "s3:PutObject no: InvalidStorageClass: for a reason\n"));
}

static void an_acl_that_is_left_out_is_told(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS,
           ANSWER("400 Bad Request", ERROR("AccessControlListNotSupported")), OK(""), COPIED, BEGUN,
           CALLED_OFF, REMOVED, NO_VERSIONS);
    told(mock, USUAL);
    s3_mock_teardown(state);
    s3_mock_setup(state);
    mock = *state;
    SCRIPT(mock, LIST_OF_ONE, BYTE, NO_UPLOADS, DENIED, OK(""), COPIED, BEGUN, CALLED_OFF, REMOVED,
           NO_VERSIONS);
    told(mock, READING "s3:PutObject\ns3:PutObjectAcl no: AccessDenied\na\ns3:AbortMultipartUpload\n"
                       "s3:DeleteObject\n");
}

/* Nobody's word for a refusal. */
static void a_store_that_is_overburdened_refuses_nothing(void **state) {
    struct s3_mock *mock = *state;
    struct heard heard = {""};
    struct rsw_rights rights = {.tell = hear, .arg = &heard};
    SCRIPT(mock, SLOW_DOWN);
    rsw_storage_rights(mock->storage, &rights);
    assert_null(strstr(heard.text, " no: "));
    assert_non_null(strstr(heard.text, "s3:GetObject unknown: SlowDown"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_mock_setup, s3_mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_allowed_is_done_below_regsweep_and_undone),
        TEST(what_is_refused_is_told_in_the_words_of_the_store),
        TEST(where_versions_are_kept_and_no_rule_deletes_them_we_must_be_able_to),
        TEST(what_the_bucket_made_versions_of_goes_by_their_ids),
        TEST(the_version_of_a_copy_is_read_where_the_copy_does_not_name_it),
        TEST(a_definite_no_is_one_whatever_its_word),
        TEST(an_acl_that_is_left_out_is_told),
        TEST(a_store_that_is_overburdened_refuses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
