/* A `regsweep serve` elsewhere, asked over HTTP. One thread at a time. */
#ifndef REGSWEEP_REGISTRY_SERVER_H
#define REGSWEEP_REGISTRY_SERVER_H

#include "registry/http.h"

#define RSW_SERVER_BODY_MAX ((size_t)64 * 1024 * 1024) /* of an answer: what is beyond is not read */

struct rsw_server;

/* Opens, without asking anything yet: `url` is http:// or https:// with a host, a port perhaps, a path before
 * /sweeps perhaps. `ca_file`, PEM: the only authorities trusted; NULL: those of the system. Strings are
 * copied. 0, or -1: RSW_EINVAL, RSW_ENOMEM. */
int rsw_server_open(struct rsw_server **out, const char *url, const char *token, const char *ca_file,
                    struct rsw_error *err);
void rsw_server_close(struct rsw_server *server); /* NULL is allowed */
/* As given, but in its normal form and without a slash at its end. Borrowed until close. */
const char *rsw_server_url(const struct rsw_server *server);

/* One exchange; `path` begins with a slash, `json` is the body of a POST, NULL for none. 0: answered, with
 * any status; the caller releases *out. -1: RSW_EIO for no answer, RSW_EFULL for one that is too long;
 * nothing is retried. No error carries the token. */
int rsw_server_ask(struct rsw_http_response *out, struct rsw_server *server, const char *method,
                   const char *path, const char *json, struct rsw_error *err);

#define RSW_AUTO_SERVER __attribute__((cleanup(rsw_server_cleanup))) struct rsw_server
static inline void rsw_server_cleanup(struct rsw_server **server) {
    rsw_server_close(*server);
    *server = NULL;
}

#endif
