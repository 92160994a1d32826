/* A content digest, `<algorithm>:<lower-case hex>`, as a value.
 *
 * Grammar and lengths: OCI image specification 1.1, descriptor.md "Digests"; the three algorithms are
 * those that distribution 2.8 and 3.x accept (opencontainers/go-digest).
 */
#ifndef REGSWEEP_DIGEST_H
#define REGSWEEP_DIGEST_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Stored in the index: never renumber. */
enum rsw_alg { RSW_SHA256 = 1, RSW_SHA384 = 2, RSW_SHA512 = 3 };

#define RSW_DIGEST_BYTES_MAX 64
#define RSW_DIGEST_TEXT_MAX 136 /* "sha512:" + 128 hex digits + NUL */

struct rsw_digest {
    uint8_t alg;                         /* enum rsw_alg; 0: no digest */
    uint8_t bytes[RSW_DIGEST_BYTES_MAX]; /* the first rsw_digest_size(); the rest is zero */
};

/* Bytes of a digest by this algorithm (32, 48, 64), 0 for an unknown one. */
RSW_API size_t rsw_alg_size(uint8_t alg);
/* "sha256", "sha384", "sha512"; "?" for an unknown one. Static storage. */
RSW_API const char *rsw_alg_name(uint8_t alg);

/* Exactly `len` bytes of text. True, and *out set, if they are one well-formed digest. */
RSW_API bool rsw_digest_parse(struct rsw_digest *out, const char *text, size_t len);
/* As above from an algorithm name and hex digits that stand apart, as in storage paths. */
RSW_API bool rsw_digest_parse_parts(struct rsw_digest *out, const char *alg, size_t alg_len, const char *hex,
                                    size_t hex_len);
/* Writes the text with its NUL, and returns `text`. */
RSW_API const char *rsw_digest_format(const struct rsw_digest *digest, char text[RSW_DIGEST_TEXT_MAX]);
/* Hex digits only. */
RSW_API const char *rsw_digest_hex(const struct rsw_digest *digest, char text[RSW_DIGEST_TEXT_MAX]);

RSW_API bool rsw_digest_equal(const struct rsw_digest *a, const struct rsw_digest *b);
/* By algorithm, then bytes: a total order, the order of the index. */
RSW_API int rsw_digest_compare(const struct rsw_digest *a, const struct rsw_digest *b);
/* The digest of `len` bytes. 0, or -1 (RSW_EINVAL unknown algorithm, RSW_EIO libcrypto failed). */
RSW_API int rsw_digest_of(struct rsw_digest *out, uint8_t alg, const void *bytes, size_t len,
                          struct rsw_error *err);

#ifdef __cplusplus
}
#endif
#endif
