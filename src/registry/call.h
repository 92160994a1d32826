/* One call of the API: the request with what authentication it takes, and what its answer means. */
#ifndef REGSWEEP_REGISTRY_CALL_H
#define REGSWEEP_REGISTRY_CALL_H

#include "registry/auth.h"
#include "registry/http.h"
#include "registry/registry.h"
#include "registry/url.h"

#define RSW_ERROR_BODY_MAX ((size_t)65536)

struct rsw_registry {
    struct rsw_url url;
    char *base; /* owned: url without a slash at its end */
    struct rsw_http http;
    struct rsw_auth auth;
};

struct rsw_call {
    const char *method;
    const char *url;        /* whole; its origin is the registry's */
    const char *repo;       /* of the scope; NULL: no scope */
    const char *actions;    /* of the scope: "pull", "pull,push", "delete" */
    const char *user_agent; /* NULL: the usual */
    const char *accept;
    const char *content_type;
    const void *body;
    size_t body_len;
    size_t body_max;
};

/* "BASE/v2/REPO/KIND/NAME" (NAME NULL: nothing behind the slash), the caller's to free. RSW_EINVAL if a part
 * could steer the URL elsewhere. */
int rsw_call_url(char **out, const struct rsw_registry *registry, const char *repo, const char *kind,
                 const char *name, struct rsw_error *err);

/* 0: the answer, of any status; a 401 has had its second try. -1: no answer, or no token. */
int rsw_call_send(struct rsw_http_response *out, struct rsw_registry *registry, const struct rsw_call *call,
                  struct rsw_error *err);

/* ---- answers ---- */

/* The registry's own error, from its JSON body. True if there is one. */
struct rsw_words {
    char code[48];     /* BLOB_UNKNOWN, … */
    char message[160]; /* its beginning */
};
bool rsw_words_read(struct rsw_words *out, const struct rsw_http_response *response);

/* The registry itself says that this is not there: by JSON, for a HEAD by the type that it would have. */
bool rsw_says_absent(const struct rsw_call *call, const struct rsw_http_response *response);
/* Sets the error that an answer amounts to which is none of those that the call wants. -1. */
int rsw_call_failed(const struct rsw_registry *registry, const struct rsw_call *call,
                    const struct rsw_http_response *response, struct rsw_error *err);

#endif
