/* rsw_digest_parse: what is taken for a digest is that digest, byte for byte, and its parts give the same. */
#include <regsweep/digest.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct rsw_digest digest;
    if (size == 0 || !rsw_digest_parse(&digest, text, size)) {
        return 0;
    }
    char again[RSW_DIGEST_TEXT_MAX];
    rsw_digest_format(&digest, again);
    require(strlen(again) == size && memcmp(again, data, size) == 0);
    size_t bytes = rsw_alg_size(digest.alg);
    require(bytes > 0 && bytes <= RSW_DIGEST_BYTES_MAX);
    for (size_t i = bytes; i < RSW_DIGEST_BYTES_MAX; i++) {
        require(digest.bytes[i] == 0);
    }
    const char *alg = rsw_alg_name(digest.alg);
    char hex[RSW_DIGEST_TEXT_MAX];
    rsw_digest_hex(&digest, hex);
    struct rsw_digest parts;
    require(rsw_digest_parse_parts(&parts, alg, strlen(alg), hex, strlen(hex)));
    require(rsw_digest_equal(&digest, &parts) && rsw_digest_compare(&parts, &digest) == 0);
    return 0;
}
