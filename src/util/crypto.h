/* libcrypto, of OpenSSL, as far as we need it; see util/library.h. */
#ifndef REGSWEEP_UTIL_CRYPTO_H
#define REGSWEEP_UTIL_CRYPTO_H

#include <regsweep/error.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* Each as openssl(3) has it. */
struct rsw_crypto {
    __typeof__(&EVP_Digest) EVP_Digest;
    __typeof__(&EVP_EncodeBlock) EVP_EncodeBlock;
    __typeof__(&EVP_md5) EVP_md5;
    __typeof__(&EVP_sha256) EVP_sha256;
    __typeof__(&EVP_sha384) EVP_sha384;
    __typeof__(&EVP_sha512) EVP_sha512;
    __typeof__(&HMAC) HMAC;
    __typeof__(&CRYPTO_memcmp) CRYPTO_memcmp;
    __typeof__(&BIO_new_mem_buf) BIO_new_mem_buf;
    __typeof__(&BIO_free) BIO_free;
    __typeof__(&PEM_read_bio_X509) PEM_read_bio_X509;
    __typeof__(&PEM_read_bio_PrivateKey) PEM_read_bio_PrivateKey;
    __typeof__(&X509_check_private_key) X509_check_private_key;
    __typeof__(&X509_free) X509_free;
    __typeof__(&EVP_PKEY_free) EVP_PKEY_free;
};

/* NULL, and the error: it cannot be loaded. For any number of threads. */
const struct rsw_crypto *rsw_crypto(struct rsw_error *err);

#endif
