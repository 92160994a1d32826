#include "util/md5.h"

#include "util/crypto.h"

#include <string.h>

struct rsw_md5 rsw_md5_of(const void *bytes, size_t len) {
    const struct rsw_crypto *crypto = rsw_crypto(NULL);
    struct rsw_md5 md5 = {.known = false};
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (crypto != NULL && crypto->EVP_Digest(bytes, len, hash, &size, crypto->EVP_md5(), NULL) == 1 &&
        size == sizeof md5.bytes) {
        md5.known = true;
        memcpy(md5.bytes, hash, sizeof md5.bytes);
    }
    return md5;
}
