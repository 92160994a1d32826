/* MD5, for what S3 uses it for: to say what an object holds, and that nothing was lost of a request. */
#ifndef REGSWEEP_UTIL_MD5_H
#define REGSWEEP_UTIL_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSW_MD5_BYTES 16

struct rsw_md5 {
    bool known;
    uint8_t bytes[RSW_MD5_BYTES]; /* zero if it is not */
};

/* Not known if libcrypto does not compute it, as where only what FIPS 140 allows is computed. */
struct rsw_md5 rsw_md5_of(const void *bytes, size_t len);

#endif
