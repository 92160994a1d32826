#include "util/crypto.h"

#include "util/library.h"

static const struct rsw_function list[] = {
    RSW_FUNCTION(struct rsw_crypto, EVP_Digest),
    RSW_FUNCTION(struct rsw_crypto, EVP_EncodeBlock),
    RSW_FUNCTION(struct rsw_crypto, EVP_md5),
    RSW_FUNCTION(struct rsw_crypto, EVP_sha256),
    RSW_FUNCTION(struct rsw_crypto, EVP_sha384),
    RSW_FUNCTION(struct rsw_crypto, EVP_sha512),
    RSW_FUNCTION(struct rsw_crypto, HMAC),
    RSW_FUNCTION(struct rsw_crypto, CRYPTO_memcmp),
    RSW_FUNCTION(struct rsw_crypto, BIO_new_mem_buf),
    RSW_FUNCTION(struct rsw_crypto, BIO_free),
    RSW_FUNCTION(struct rsw_crypto, PEM_read_bio_X509),
    RSW_FUNCTION(struct rsw_crypto, PEM_read_bio_PrivateKey),
    RSW_FUNCTION(struct rsw_crypto, X509_check_private_key),
    RSW_FUNCTION(struct rsw_crypto, X509_free),
    RSW_FUNCTION(struct rsw_crypto, EVP_PKEY_free),
};

static struct rsw_crypto crypto;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBCRYPTO, crypto, list);

const struct rsw_crypto *rsw_crypto(struct rsw_error *err) {
    return rsw_library_load(&library, err) == 0 ? &crypto : NULL;
}
