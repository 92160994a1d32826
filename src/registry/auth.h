/* Who we are to the registry: the credentials, where they may go, and the tokens that they bring.
 *
 *     unknown ──401 Basic──► basic: the credentials with every request
 *        └─────401 Bearer──► bearer: a token a scope, from the realm; kept till it expires, renewed on a 401
 *
 * The realm is pinned: the credentials go to the registry's own origin (scheme, host and port), or to the one
 * realm that the options name; and from an https registry never to anything that is not https.
 */
#ifndef REGSWEEP_REGISTRY_AUTH_H
#define REGSWEEP_REGISTRY_AUTH_H

#include "registry/http.h"
#include "registry/registry.h"
#include "registry/url.h"

#define RSW_AUTH_TOKENS 64 /* kept at once; the one that expires first makes room */

struct rsw_auth_token {
    char *scope;
    char *text;
    int64_t expires_ms;
};

/* Thread-safe. A token is fetched outside the lock: two threads may fetch the same, and one of them is kept.
 */
struct rsw_auth {
    const struct rsw_url *registry; /* borrowed */
    struct rsw_url realm;           /* as allowed by the options; text NULL: none */
    char *user;                     /* for messages; NULL: anonymous, as basic */
    char *basic;                    /* "Basic …" */
    const struct rsw_clock *clock;  /* NULL: monotonic */
    pthread_mutex_t mutex;          /* over what follows */
    struct rsw_challenge challenge; /* the last one; scheme OTHER: none so far */
    struct rsw_auth_token tokens[RSW_AUTH_TOKENS];
    size_t token_count;
};

/* `auth` is zeroed, with `registry` set. 0, or -1; it must be released in both cases. */
int rsw_auth_init(struct rsw_auth *auth, const struct rsw_registry_options *options, struct rsw_error *err);
void rsw_auth_release(struct rsw_auth *auth);

/* What to send for this scope. RSW_FOUND: *header is the value of Authorization, the caller's to free with
 * rsw_auth_free. RSW_ABSENT: nothing, as far as is known. RSW_FAILED: no token to be had, or the realm is
 * refused (RSW_EREFUSED). May ask the realm. */
int rsw_auth_header(char **header, struct rsw_auth *auth, struct rsw_http *http, const char *scope,
                    struct rsw_error *err);
/* The registry answered 401 to a request with `header` (NULL: without one). True if another try with what
 * rsw_auth_header now gives is worth it; the token in `header` is not used again. */
bool rsw_auth_challenged(struct rsw_auth *auth, const struct rsw_challenge *challenge, const char *scope,
                         const char *header);
void rsw_auth_free(char *header);

#endif
