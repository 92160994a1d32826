/* The contract over a bucket of a real store: S3_ENDPOINT, S3_ACCESS, S3_SECRET and S3_BUCKET say which. Run
 * by tests/e2e/s3.bats; without them there is nothing to test. */
#include "storage_contract.h"

#include "storage/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each storage is a prefix of its own, and so empty. */
static struct rsw_storage *s3_open(void) {
    static unsigned number;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = NULL;
    char url[256];
    const struct rsw_s3_options options = {.endpoint = getenv("S3_ENDPOINT"),
                                           .access_key = getenv("S3_ACCESS"),
                                           .secret_key = getenv("S3_SECRET")};
    snprintf(url, sizeof url, "s3://%s/contract+%d/%u/", getenv("S3_BUCKET"), (int)getpid(), number++);
    if (rsw_storage_open_s3(&storage, url, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return storage;
}

static void s3_put(struct rsw_storage *storage, const char *key, const void *bytes, size_t len,
                   int64_t mtime_ms) {
    struct rsw_s3_request request = {.method = "PUT", .key = key, .body = bytes, .body_len = len};
    (void)mtime_ms;
    rsw_s3_send((struct rsw_s3 *)storage, &request, 1);
    assert_int_equal(request.errnum, 0);
    rsw_buf_release(&request.bytes);
}

static void s3_put_all(struct rsw_storage *storage, char (*keys)[64], size_t count) {
    struct rsw_s3_request *requests = rsw_s3_requests_new(count);
    assert_non_null(requests);
    for (size_t i = 0; i < count; i++) {
        requests[i] = (struct rsw_s3_request){
            .method = "PUT", .key = keys[i], .body = keys[i], .body_len = strlen(keys[i])};
    }
    rsw_s3_send((struct rsw_s3 *)storage, requests, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(requests[i].errnum, 0);
    }
    rsw_s3_requests_free(requests, count);
}

/* Where the store must take our word for each part, or refuse it. */
static void what_is_too_large_for_one_copy_is_copied_by_the_store_in_parts(void **state) {
    enum { SIZE = 11 * 1024 * 1024 };
    struct rsw_storage *storage = s3_open();
    struct rsw_s3 *s3 = (struct rsw_s3 *)storage;
    char *bytes = malloc(SIZE);
    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)(i * 31 + i / 4096);
    }
    s3_put(storage, "large", bytes, SIZE, 0);
    s3->copy_max = SIZE - 1;
    s3->part_size = 5 * 1024 * 1024; /* the least that a store takes */
    struct rsw_move copy = {.from = "large", .to = "copy"};
    rsw_storage_copy(storage, &copy, 1);
    assert_int_equal(copy.errnum, 0);
    struct rsw_read read = {.key = "copy", .max = SIZE, .content = {.max = SIZE + 1}};
    rsw_storage_read(storage, &read, 1);
    assert_int_equal(read.content.len, SIZE);
    assert_memory_equal(read.content.data, bytes, SIZE);
    rsw_buf_release(&read.content);
    rsw_storage_close(storage);
    free(bytes);
}

static struct rsw_storage *open_kept(const char *kms_key) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = NULL;
    char url[256];
    const struct rsw_s3_options options = {.endpoint = getenv("S3_ENDPOINT"),
                                           .access_key = getenv("S3_ACCESS"),
                                           .secret_key = getenv("S3_SECRET"),
                                           .storage_class = kms_key != NULL ? "REDUCED_REDUNDANCY" : NULL,
                                           .kms_key = kms_key};
    snprintf(url, sizeof url, "s3://%s/kept+%d", getenv("S3_BUCKET"), (int)getpid());
    if (rsw_storage_open_s3(&storage, url, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return storage;
}

static void is_kept(struct rsw_storage *storage, const char *key) {
    struct rsw_s3_kept kept;
    struct rsw_s3_request request = {.method = "GET", .key = key, .max = 256, .kept = &kept};
    rsw_s3_send((struct rsw_s3 *)storage, &request, 1);
    assert_int_equal(request.errnum, 0);
    rsw_buf_release(&request.bytes);
    assert_string_equal(kept.storage_class, "x-amz-storage-class: REDUCED_REDUNDANCY");
    assert_string_equal(kept.encryption, "x-amz-server-side-encryption: aws:kms");
    assert_string_equal(kept.key, "x-amz-server-side-encryption-aws-kms-key-id: key-of-tests");
}

/* Ceph copies nothing itself that is encrypted; what is small is read and written. The key and the class are
 * those of tests/e2e/ceph.sh. */
static void what_is_encrypted_stays_so_in_its_copies(void **state) {
    struct rsw_storage *storage = open_kept("key-of-tests");
    struct rsw_write write = {.key = "one", .bytes = "ours", .len = 4};
    struct rsw_move copy = {.from = "one", .to = "two"};
    char text[256];
    (void)state;
    rsw_storage_write(storage, &write, 1);
    assert_int_equal(write.errnum, 0);
    is_kept(storage, "one");
    rsw_storage_close(storage);
    storage = open_kept(NULL);
    rsw_storage_copy(storage, &copy, 1);
    assert_int_equal(copy.errnum, 0);
    is_kept(storage, "two");
    assert_int_equal(help_read(storage, "two", text, NULL), RSW_FOUND);
    assert_string_equal(text, "ours");
    rsw_storage_close(storage);
}

int main(void) {
    static const struct contract_backend s3 = {
        .name = "S3", .open = s3_open, .put = s3_put, .close = rsw_storage_close, .put_all = s3_put_all};
    if (getenv("S3_ENDPOINT") == NULL) {
        fprintf(stderr, "no S3_ENDPOINT: nothing is tested\n");
        return 0;
    }
    const struct CMUnitTest own[] = {
        cmocka_unit_test(what_is_too_large_for_one_copy_is_copied_by_the_store_in_parts),
        cmocka_unit_test(what_is_encrypted_stays_so_in_its_copies),
    };
    int failed = cmocka_run_group_tests(own, NULL, NULL);
    return contract_run(&s3) + failed;
}
