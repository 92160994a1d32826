#include "registry/token.h"

#include "registry/url.h"
#include "util/cleanup.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- the answer ---- */

static int read_token(char **text, json_t *object, const char *realm, struct rsw_error *err) {
    const char *token = json_string_value(json_object_get(object, "token"));
    if (token == NULL || token[0] == 0) {
        token = json_string_value(json_object_get(object, "access_token"));
    }
    size_t len = token != NULL ? strlen(token) : 0;
    if (len == 0 || len > RSW_TOKEN_MAX) {
        return rsw_error_set(err, RSW_EIO, 0, "the token server %s sent no token that could be used", realm);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)token[i] <= 0x20 || (unsigned char)token[i] >= 0x7f) {
            return rsw_error_set(err, RSW_EIO, 0, "the token server %s sent a token that fits in no header",
                                 realm);
        }
    }
    *text = strdup(token);
    return *text != NULL ? 0 : rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int64_t read_life_ms(json_t *object) {
    json_t *given = json_object_get(object, "expires_in");
    double life_s = json_is_number(given) ? json_number_value(given) : 0;
    if (life_s <= 0) {
        life_s = RSW_TOKEN_LIFE_S;
    } else if (life_s > RSW_TOKEN_LIFE_MAX_S) {
        life_s = RSW_TOKEN_LIFE_MAX_S;
    }
    return (int64_t)(life_s * 900);
}

static int read_answer(char **text, int64_t *life_ms, const struct rsw_http_response *response,
                       const char *realm, struct rsw_error *err) {
    if (response->status == 401 || response->status == 403) {
        return rsw_error_set(err, RSW_EACCESS, 0, "the token server %s answers %d: it gives us no token",
                             realm, response->status);
    }
    if (response->status != 200) {
        int errnum = response->status == 429 || response->status >= 500 ? EAGAIN : 0;
        return rsw_error_set(err, RSW_EIO, errnum, "the token server %s answers %d", realm, response->status);
    }
    json_t *object = response->cut ? NULL
                                   : json_loadb((const char *)response->body.data, response->body.len,
                                                JSON_REJECT_DUPLICATES, NULL);
    int rc = read_token(text, object, realm, err); /* of NULL there is no token */
    *life_ms = read_life_ms(object);
    json_decref(object);
    return rc;
}

/* ---- the request ---- */

static int add_query(char **url, const char *name, const char *value, struct rsw_error *err) {
    char *longer = NULL;
    if (value[0] == 0) {
        return 0;
    }
    if (rsw_url_add_query(&longer, *url, name, value, err) != 0) {
        return -1;
    }
    free(*url);
    *url = longer;
    return 0;
}

int rsw_token_fetch(char **text, int64_t *life_ms, struct rsw_http *http,
                    const struct rsw_token_request *request, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    RSW_AUTO_FREE char *url = strdup(request->realm);
    memset(&response, 0, sizeof response);
    if (url == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    if (add_query(&url, "service", request->service, err) != 0 ||
        add_query(&url, "scope", request->scope, err) != 0) {
        return -1;
    }
    const struct rsw_http_request get = {.method = "GET",
                                         .url = url,
                                         .authorization = request->basic,
                                         .accept = "application/json",
                                         .body_max = RSW_HTTP_KEEP_MAX};
    if (rsw_http_send(&response, http, &get, err) != 0) {
        return rsw_error_prefix(err, "cannot get a token");
    }
    return read_answer(text, life_ms, &response, request->realm, err);
}
