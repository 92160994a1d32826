/* Bearer tokens: one request to a token server (distribution's token specification). */
#ifndef REGSWEEP_REGISTRY_TOKEN_H
#define REGSWEEP_REGISTRY_TOKEN_H

#include "registry/http.h"

#include <stddef.h>
#include <stdint.h>

#define RSW_TOKEN_MAX ((size_t)16384)
#define RSW_TOKEN_LIFE_S 60        /* where the server does not say */
#define RSW_TOKEN_LIFE_MAX_S 86400 /* whatever it says */

struct rsw_token_request {
    const char *realm;
    const char *service; /* "": none */
    const char *scope;   /* "": none */
    const char *basic;   /* value of an Authorization header, NULL: anonymous */
};

/* *text: the token, the caller's to free, visible ASCII that can stand in a header. *life_ms: how long it may
 * be used, counted from before the request, a tenth less than the server allows. 0, or -1: RSW_EACCESS if the
 * server answers 401 or 403, RSW_EIO otherwise. */
int rsw_token_fetch(char **text, int64_t *life_ms, struct rsw_http *http,
                    const struct rsw_token_request *request, struct rsw_error *err);

#endif
