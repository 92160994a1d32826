/* The server's certificate and key, read and looked at before they are used. */
#ifndef REGSWEEP_FEED_TLS_H
#define REGSWEEP_FEED_TLS_H

#include "util/buf.h"

struct rsw_tls {
    struct rsw_buf cert; /* PEM, with a NUL behind; empty: no TLS */
    struct rsw_buf key;
};
#define RSW_TLS_INIT                                                                                         \
    { RSW_BUF_INIT, RSW_BUF_INIT }

/* Reads both files; both NULL: no TLS. -1 (RSW_EINVAL, the message names the file): only one of them, not
 * readable, not PEM, a key with a pass phrase, or the two do not belong together. */
int rsw_tls_read(struct rsw_tls *tls, const char *cert_file, const char *key_file, struct rsw_error *err);
/* Wipes the key. */
void rsw_tls_release(struct rsw_tls *tls);

#define RSW_AUTO_TLS __attribute__((cleanup(rsw_tls_release))) struct rsw_tls

#endif
