/* Signature version 4 of AWS. libcurl has it too, but until 8.10 it puts the headers in another order than
 * AWS does where the name of one is the beginning of another's (x-amz-copy-source, x-amz-copy-source-range),
 * and the store refuses that. */
#include "storage/s3.h"

#include "util/cleanup.h"
#include "util/crypto.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_LEN 32
#define SCHEME "AWS4-HMAC-SHA256"

static void to_hex(char out[2 * HASH_LEN + 1], const unsigned char hash[HASH_LEN]) {
    for (size_t i = 0; i < HASH_LEN; i++) {
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
    }
}

int rsw_s3_hash(char out[65], const void *bytes, size_t len) {
    const struct rsw_crypto *crypto = rsw_crypto(NULL);
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (crypto == NULL ||
        crypto->EVP_Digest(len == 0 ? "" : bytes, len, hash, NULL, crypto->EVP_sha256(), NULL) != 1) {
        return -1;
    }
    to_hex(out, hash);
    return 0;
}

static int mac(unsigned char out[HASH_LEN], const void *key, size_t key_len, const char *text) {
    const struct rsw_crypto *crypto = rsw_crypto(NULL);
    return crypto != NULL && crypto->HMAC(crypto->EVP_sha256(), key, (int)key_len,
                                          (const unsigned char *)text, strlen(text), out, NULL) != NULL
               ? 0
               : -1;
}

/* ---- what is signed ---- */

static size_t name_len(const char *header) {
    return strcspn(header, ":");
}

static int by_name(const void *one, const void *other) {
    const char *a = *(const char *const *)one;
    const char *b = *(const char *const *)other;
    size_t a_len = name_len(a);
    size_t b_len = name_len(b);
    int order = strncasecmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

static int add_name(struct rsw_buf *out, const char *header) {
    size_t len = name_len(header);
    int rc = 0;
    for (size_t i = 0; i < len && rc == 0; i++) {
        char c = (char)tolower((unsigned char)header[i]);
        rc = rsw_buf_add(out, &c, 1, NULL);
    }
    return rc;
}

/* None of ours has blanks in a row, or at its end. */
static const char *value_of(const char *header) {
    const char *value = header + name_len(header) + 1;
    return value + strspn(value, " ");
}

/* The names in order, with semicolons between them. */
static int list_names(struct rsw_buf *out, const char *const *headers, size_t count) {
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = (i > 0 && rsw_buf_add(out, ";", 1, NULL) != 0) || add_name(out, headers[i]) != 0;
    }
    return rc;
}

static int make_request(struct rsw_buf *out, const struct rsw_s3_signed *what, const char *const *headers,
                        size_t count, const char *names) {
    int rc = rsw_buf_addf(out, NULL, "%s\n%s\n%s\n", what->method, what->path,
                          what->query == NULL ? "" : what->query);
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = add_name(out, headers[i]) != 0 || rsw_buf_addf(out, NULL, ":%s\n", value_of(headers[i])) != 0;
    }
    return rc == 0 ? rsw_buf_addf(out, NULL, "\n%s\n%s", names, what->payload) : -1;
}

/* ---- the signature ---- */

/* A key for one day, region and service: whoever sees a signature learns nothing of another day's. */
static int derive_key(unsigned char key[HASH_LEN], const struct rsw_s3_signed *what) {
    RSW_AUTO_S3_SECRET first = RSW_BUF_INIT;
    char day[9];
    snprintf(day, sizeof day, "%.8s", what->time);
    return rsw_buf_addf(&first, NULL, "AWS4%s", what->credentials->secret_key) == 0 &&
                   mac(key, first.data, first.len, day) == 0 && mac(key, key, HASH_LEN, what->region) == 0 &&
                   mac(key, key, HASH_LEN, "s3") == 0 && mac(key, key, HASH_LEN, "aws4_request") == 0
               ? 0
               : -1;
}

int rsw_s3_sign(struct rsw_buf *out, const struct rsw_s3_signed *what) {
    RSW_AUTO_S3_SECRET request = RSW_BUF_INIT; /* a token is in it */
    RSW_AUTO_BUF names = RSW_BUF_INIT;
    RSW_AUTO_BUF text = RSW_BUF_INIT;
    const char *headers[RSW_S3_SIGNED_MAX];
    char hash[2 * HASH_LEN + 1];
    unsigned char key[HASH_LEN];
    size_t count = 0;
    while (what->headers[count] != NULL) {
        if (count == RSW_S3_SIGNED_MAX) {
            return -1;
        }
        headers[count] = what->headers[count];
        count++;
    }
    qsort(headers, count, sizeof *headers, by_name);
    if (list_names(&names, headers, count) != 0 ||
        make_request(&request, what, headers, count, (const char *)names.data) != 0 ||
        rsw_s3_hash(hash, request.data, request.len) != 0 ||
        rsw_buf_addf(&text, NULL, SCHEME "\n%s\n%.8s/%s/s3/aws4_request\n%s", what->time, what->time,
                     what->region, hash) != 0) {
        return -1;
    }
    int rc = derive_key(key, what);
    rc = rc == 0 ? mac(key, key, HASH_LEN, (const char *)text.data) : -1;
    to_hex(hash, key);
    explicit_bzero(key, sizeof key);
    return rc == 0 ? rsw_buf_addf(out, NULL,
                                  "Authorization: " SCHEME
                                  " Credential=%s/%.8s/%s/s3/aws4_request, SignedHeaders=%s, Signature=%s",
                                  what->credentials->access_key, what->time, what->region,
                                  (const char *)names.data, hash)
                   : -1;
}
