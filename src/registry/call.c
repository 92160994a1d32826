#include "registry/call.h"

#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

/* ---- names ---- */

static bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Wider than the registry's own grammar, which is for it to enforce: what matters is that no name reaches out
 * of its place in a path ("..", "//", '?', '%'). */
static bool is_repository(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len > NAME_MAX_BYTES || name[len - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool starts = i == 0 || name[i - 1] == '/';
        if (!is_alnum(name[i]) && (starts || strchr("._-/", name[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_reference(const char *name) {
    struct rsw_digest digest;
    size_t len = strlen(name);
    if (rsw_digest_parse(&digest, name, len)) {
        return true;
    }
    if (len == 0 || len > 128 || name[0] == '.' || name[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!is_alnum(c) && !(c >= 'A' && c <= 'Z') && strchr("._-", c) == NULL) {
            return false;
        }
    }
    return true;
}

int rsw_call_url(char **out, const struct rsw_registry *registry, const char *repo, const char *kind,
                 const char *name, struct rsw_error *err) {
    if (!is_repository(repo)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "\"%s\" is no repository's name", repo);
    }
    if (name != NULL && !is_reference(name)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "\"%s\" is neither a tag nor a digest", name);
    }
    if (asprintf(out, "%s/v2/%s/%s/%s", registry->base, repo, kind, name != NULL ? name : "") < 0) {
        *out = NULL;
        return no_memory(err);
    }
    return 0;
}

/* ---- sending ---- */

static int make_scope(char **out, const struct rsw_call *call, struct rsw_error *err) {
    int len = call->repo != NULL ? asprintf(out, "repository:%s:%s", call->repo, call->actions)
                                 : asprintf(out, "%s", "");
    if (len < 0) {
        *out = NULL;
        return no_memory(err);
    }
    return 0;
}

static void cleanup_header(char **header) {
    rsw_auth_free(*header);
}

int rsw_call_send(struct rsw_http_response *out, struct rsw_registry *registry, const struct rsw_call *call,
                  struct rsw_error *err) {
    RSW_AUTO_FREE char *scope = NULL;
    memset(out, 0, sizeof *out);
    if (make_scope(&scope, call, err) != 0) {
        return -1;
    }
    for (bool again = false;; again = true) {
        __attribute__((cleanup(cleanup_header))) char *header = NULL;
        if (rsw_auth_header(&header, &registry->auth, &registry->http, scope, err) == RSW_FAILED) {
            return -1;
        }
        const struct rsw_http_request request = {.method = call->method,
                                                 .url = call->url,
                                                 .user_agent = call->user_agent,
                                                 .authorization = header,
                                                 .accept = call->accept,
                                                 .content_type = call->content_type,
                                                 .body = call->body,
                                                 .body_len = call->body_len,
                                                 .body_max = call->body_max};
        if (rsw_http_send(out, &registry->http, &request, err) != 0) {
            return -1;
        }
        rsw_http_scrub(out, header);
        if (again || out->status != 401 || !out->challenged ||
            !rsw_auth_challenged(&registry->auth, &out->challenge, scope, header)) {
            return 0;
        }
        rsw_http_response_release(out);
    }
}
