/* Signatures: the examples that AWS gives in "Authenticating Requests: Using the Authorization Header"; and
 * what is sent with them. */
#include "s3_mock.h"

#include "storage/s3.h"

#include <string.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define TEXT "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
/* One literal each: clang-tidy takes two in a row for a forgotten comma. */
#define SHA_OF_EMPTY "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA_OF_TEXT "x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
#define HOST "Host: examplebucket.s3.amazonaws.com"
#define DATE "x-amz-date: 20130524T000000Z"

static void signed_as(struct rsw_s3_signed what, const char *end) {
    static char access[] = "AKIAIOSFODNN7EXAMPLE";
    static char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const struct rsw_s3_credentials credentials = {.access_key = access, .secret_key = secret};
    RSW_AUTO_S3_SECRET line = RSW_BUF_INIT;
    what.region = "us-east-1";
    what.time = "20130524T000000Z";
    what.credentials = &credentials;
    assert_int_equal(rsw_s3_sign(&line, &what), 0);
    const char *text = (const char *)line.data;
    const char *begin = "Authorization: AWS4-HMAC-SHA256 "
                        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=";
    assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
    assert_string_equal(text + strlen(begin), end);
    assert_null(strstr(text, secret));
}

static void an_object_that_is_read(void **state) {
    static const char *const headers[] = {HOST, "Range: bytes=0-9", SHA_OF_EMPTY, DATE, NULL};
    (void)state;
    signed_as(
        (struct rsw_s3_signed){.method = "GET", .path = "/test.txt", .headers = headers, .payload = EMPTY},
        "host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void an_object_that_is_written(void **state) {
    static const char *const headers[] = {DATE,
                                          "x-amz-storage-class: REDUCED_REDUNDANCY",
                                          "Date: Fri, 24 May 2013 00:00:00 GMT",
                                          HOST,
                                          SHA_OF_TEXT,
                                          NULL};
    char hash[65];
    (void)state;
    assert_int_equal(rsw_s3_hash(hash, "Welcome to Amazon S3.", strlen("Welcome to Amazon S3.")), 0);
    assert_string_equal(hash, TEXT);
    signed_as(
        (struct rsw_s3_signed){
            .method = "PUT", .path = "/test%24file.text", .headers = headers, .payload = TEXT},
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void a_list(void **state) {
    static const char *const headers[] = {HOST, SHA_OF_EMPTY, DATE, NULL};
    (void)state;
    signed_as((struct rsw_s3_signed){.method = "GET",
                                     .path = "/",
                                     .query = "max-keys=2&prefix=J",
                                     .headers = headers,
                                     .payload = EMPTY},
              "host;x-amz-content-sha256;x-amz-date, "
              "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void headers_stand_in_the_order_of_their_names_alone(void **state) {
    static const char *const headers[] = {"x-amz-copy-source-range: bytes=0-9", "x-amz-copy-source: /b/k",
                                          "x-amz-server-side-encryption-aws-kms-key-id: k",
                                          "x-amz-server-side-encryption: aws:kms", NULL};
    const struct rsw_s3_credentials credentials = {.access_key = (char[]){"a"}, .secret_key = (char[]){"s"}};
    RSW_AUTO_BUF line = RSW_BUF_INIT;
    const struct rsw_s3_signed what = {.method = "PUT",
                                       .path = "/",
                                       .headers = headers,
                                       .payload = EMPTY,
                                       .region = "here",
                                       .time = "20130524T000000Z",
                                       .credentials = &credentials};
    (void)state;
    assert_int_equal(rsw_s3_sign(&line, &what), 0);
    assert_non_null(strstr((const char *)line.data,
                           "SignedHeaders=x-amz-copy-source;x-amz-copy-source-range;"
                           "x-amz-server-side-encryption;x-amz-server-side-encryption-aws-kms-key-id,"));
}

/* The store stands behind a proxy, so it can have any name. */
static int open_behind(const struct s3_mock *mock, const char *endpoint, const char *ca_file,
                       struct rsw_error *err) {
    struct rsw_storage *storage = NULL;
    const struct rsw_s3_options options = {.endpoint = endpoint,
                                           .region = "here",
                                           .access_key = "key",
                                           .secret_key = S3_MOCK_SECRET,
                                           .proxy = mock->endpoint,
                                           .ca_file = ca_file};
    int rc = rsw_storage_open_s3(&storage, "s3://bucket/root", &options, err);
    rsw_storage_close(storage);
    return rc;
}

static void the_usual_port_is_not_in_the_name_of_the_host(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    SCRIPT(mock, OK("<ListBucketResult>" LAST "</ListBucketResult>"), OK("<VersioningConfiguration/>"));
    if (open_behind(mock, "http://store.example:80/", NULL, &err) != 0) {
        fail_msg("%s", err.message);
    }
    s3_mock_asked(mock, 0, "GET http://store.example/bucket/?");
    s3_mock_asked(mock, 0, "\r\nHost: store.example\r\n");
    SCRIPT(mock, OK("<ListBucketResult>" LAST "</ListBucketResult>"), OK("<VersioningConfiguration/>"));
    if (open_behind(mock, "http://store.example:443", NULL, &err) != 0) {
        fail_msg("%s", err.message);
    }
    s3_mock_asked(mock, 0, "\r\nHost: store.example:443\r\n");
    SCRIPT(mock, "HTTP/1.1 200 OK\r\n\r\n");
    assert_int_equal(open_behind(mock, "https://store.example:443", "/nowhere/ca", &err), -1);
    assert_non_null(strstr(err.message, "no answer from https://store.example: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_that_is_read),
        cmocka_unit_test(an_object_that_is_written),
        cmocka_unit_test(a_list),
        cmocka_unit_test(headers_stand_in_the_order_of_their_names_alone),
        cmocka_unit_test_setup_teardown(the_usual_port_is_not_in_the_name_of_the_host, s3_mock_setup,
                                        s3_mock_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
