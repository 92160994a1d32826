#include <regsweep/digest.h>

#include "util/crypto.h"
#include "util/text.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} algs[] = {[RSW_SHA256] = {"sha256", 32}, [RSW_SHA384] = {"sha384", 48}, [RSW_SHA512] = {"sha512", 64}};

#define ALG_COUNT (sizeof algs / sizeof *algs)

size_t rsw_alg_size(uint8_t alg) {
    return alg < ALG_COUNT ? algs[alg].size : 0;
}

const char *rsw_alg_name(uint8_t alg) {
    return alg < ALG_COUNT && algs[alg].name != NULL ? algs[alg].name : "?";
}

static uint8_t alg_by_name(const char *name, size_t len) {
    for (size_t alg = RSW_SHA256; alg < ALG_COUNT; alg++) {
        if (strlen(algs[alg].name) == len && memcmp(algs[alg].name, name, len) == 0) {
            return (uint8_t)alg;
        }
    }
    return 0;
}

bool rsw_digest_parse_parts(struct rsw_digest *out, const char *alg, size_t alg_len, const char *hex,
                            size_t hex_len) {
    struct rsw_digest digest = {.alg = alg_by_name(alg, alg_len)};
    size_t size = rsw_alg_size(digest.alg);
    /* Upper-case digits are no digest (OCI image specification 1.1). */
    if (size == 0 || !rsw_hex_parse(digest.bytes, size, hex, hex_len)) {
        return false;
    }
    *out = digest;
    return true;
}

bool rsw_digest_parse(struct rsw_digest *out, const char *text, size_t len) {
    const char *colon = memchr(text, ':', len);
    if (colon == NULL) {
        return false;
    }
    size_t alg_len = (size_t)(colon - text);
    return rsw_digest_parse_parts(out, text, alg_len, colon + 1, len - alg_len - 1);
}

typedef uint8_t sixteen __attribute__((vector_size(16)));

/* Of values below 16. */
static sixteen hex_digits(sixteen values) {
    return values + '0' + ((sixteen)(values > 9) & ('a' - '0' - 10));
}

/* Sixteen bytes at once, for every algorithm gives a multiple of them: a sweep can write millions of
 * digests. */
static void write_hex16(const uint8_t *bytes, char *text) {
    sixteen in;
    memcpy(&in, bytes, sizeof in);
    sixteen high = hex_digits(in >> 4);
    sixteen low = hex_digits(in & 15);
    sixteen first =
        __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    sixteen second =
        __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    memcpy(text, &first, sizeof first);
    memcpy(text + sizeof first, &second, sizeof second);
}

static void write_hex(const struct rsw_digest *digest, char *text) {
    size_t size = rsw_alg_size(digest->alg);
    for (size_t i = 0; i < size; i += 16) {
        write_hex16(digest->bytes + i, text + i * 2);
    }
    text[size * 2] = 0;
}

const char *rsw_digest_hex(const struct rsw_digest *digest, char text[RSW_DIGEST_TEXT_MAX]) {
    write_hex(digest, text);
    return text;
}

const char *rsw_digest_format(const struct rsw_digest *digest, char text[RSW_DIGEST_TEXT_MAX]) {
    const char *name = rsw_alg_name(digest->alg);
    size_t len = strlen(name);
    memcpy(text, name, len);
    text[len] = ':';
    write_hex(digest, text + len + 1);
    return text;
}

bool rsw_digest_equal(const struct rsw_digest *a, const struct rsw_digest *b) {
    return rsw_digest_compare(a, b) == 0;
}

int rsw_digest_compare(const struct rsw_digest *a, const struct rsw_digest *b) {
    if (a->alg != b->alg) {
        return a->alg < b->alg ? -1 : 1;
    }
    return memcmp(a->bytes, b->bytes, rsw_alg_size(a->alg));
}

int rsw_digest_of(struct rsw_digest *out, uint8_t alg, const void *bytes, size_t len, struct rsw_error *err) {
    if (rsw_alg_size(alg) == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "unknown digest algorithm %u", alg);
    }
    const struct rsw_crypto *crypto = rsw_crypto(err);
    if (crypto == NULL) {
        return -1;
    }
    const EVP_MD *md = alg == RSW_SHA256   ? crypto->EVP_sha256()
                       : alg == RSW_SHA384 ? crypto->EVP_sha384()
                                           : crypto->EVP_sha512();
    *out = (struct rsw_digest){.alg = alg};
    unsigned size = 0;
    if (crypto->EVP_Digest(bytes, len, out->bytes, &size, md, NULL) != 1) {
        return rsw_error_set(err, RSW_EIO, 0, "libcrypto cannot compute a %s digest", rsw_alg_name(alg));
    }
    return 0;
}
