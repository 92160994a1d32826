#include "feed/tls.h"

#include "util/cleanup.h"
#include "util/crypto.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PEM_MAX ((size_t)1024 * 1024)

static int read_file(struct rsw_buf *out, const char *path, const char *what, struct rsw_error *err) {
    RSW_AUTO_FILE *file = fopen(path, "re");
    char bytes[4096];
    size_t got;
    if (file == NULL) {
        return rsw_error_set(err, RSW_EINVAL, errno, "cannot read the %s %s: %s", what, path,
                             strerror(errno));
    }
    setvbuf(file, NULL, _IONBF, 0); /* no second copy of a key */
    out->max = PEM_MAX;
    int rc = 0;
    while (rc == 0 && (got = fread(bytes, 1, sizeof bytes, file)) > 0) {
        rc = rsw_buf_add(out, bytes, got, err);
    }
    explicit_bzero(bytes, sizeof bytes);
    if (rc != 0) {
        return rsw_error_prefix(err, "%s %s", what, path);
    }
    if (ferror(file)) {
        return rsw_error_set(err, RSW_EINVAL, errno, "cannot read the %s %s: %s", what, path,
                             strerror(errno));
    }
    return 0;
}

/* libcrypto would ask the terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *arg) {
    (void)buf;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* GnuTLS, which MHD uses, says little of what is wrong with them, and leaks some of what it had read. */
static int check(const struct rsw_tls *tls, const char *cert_file, const char *key_file,
                 struct rsw_error *err) {
    const struct rsw_crypto *crypto = rsw_crypto(err);
    if (crypto == NULL) {
        return -1;
    }
    BIO *cert_bio = crypto->BIO_new_mem_buf(tls->cert.data, (int)tls->cert.len);
    BIO *key_bio = crypto->BIO_new_mem_buf(tls->key.data, (int)tls->key.len);
    X509 *cert = cert_bio == NULL ? NULL : crypto->PEM_read_bio_X509(cert_bio, NULL, no_pass_phrase, NULL);
    EVP_PKEY *key =
        key_bio == NULL ? NULL : crypto->PEM_read_bio_PrivateKey(key_bio, NULL, no_pass_phrase, NULL);
    int rc = 0;
    if (cert == NULL) {
        rc = rsw_error_set(err, RSW_EINVAL, 0, "the TLS certificate %s is no certificate in PEM form",
                           cert_file);
    } else if (key == NULL) {
        rc = rsw_error_set(err, RSW_EINVAL, 0,
                           "the TLS key %s is no private key in PEM form without a pass phrase", key_file);
    } else if (crypto->X509_check_private_key(cert, key) != 1) {
        rc = rsw_error_set(err, RSW_EINVAL, 0, "the TLS key %s is not the key of the certificate %s",
                           key_file, cert_file);
    }
    crypto->EVP_PKEY_free(key);
    crypto->X509_free(cert);
    crypto->BIO_free(key_bio);
    crypto->BIO_free(cert_bio);
    return rc;
}

int rsw_tls_read(struct rsw_tls *tls, const char *cert_file, const char *key_file, struct rsw_error *err) {
    if (cert_file == NULL && key_file == NULL) {
        return 0;
    }
    if (cert_file == NULL || key_file == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "a TLS certificate needs its key, and a key its certificate");
    }
    if (read_file(&tls->cert, cert_file, "TLS certificate", err) != 0 ||
        read_file(&tls->key, key_file, "TLS key", err) != 0) {
        return -1;
    }
    return check(tls, cert_file, key_file, err);
}

void rsw_tls_release(struct rsw_tls *tls) {
    if (tls->key.data != NULL) {
        explicit_bzero(tls->key.data, tls->key.len);
    }
    rsw_buf_release(&tls->cert);
    rsw_buf_release(&tls->key);
}
