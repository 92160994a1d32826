/* What an answer of the registry means, and how an unwelcome one is told. */
#include "registry/call.h"
#include "util/text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

bool rsw_words_read(struct rsw_words *out, const struct rsw_http_response *response) {
    memset(out, 0, sizeof *out);
    if (!response->json || response->cut || response->body.len == 0) {
        return false;
    }
    json_t *body = json_loadb((const char *)response->body.data, response->body.len, 0, NULL);
    json_t *first = json_array_get(json_object_get(body, "errors"), 0);
    const char *code = json_string_value(json_object_get(first, "code"));
    const char *message = json_string_value(json_object_get(first, "message"));
    if (code != NULL) {
        snprintf(out->code, sizeof out->code, "%s", code);
        snprintf(out->message, sizeof out->message, "%s", message != NULL ? message : "");
        rsw_text_clean(out->code);
        rsw_text_clean(out->message);
    }
    json_decref(body);
    return code != NULL;
}

bool rsw_says_absent(const struct rsw_call *call, const struct rsw_http_response *response) {
    struct rsw_words words;
    /* A path that the registry does not serve at all is a 404 too, but as plain text. */
    return response->status == 404 && response->registry && response->json &&
           (strcmp(call->method, "HEAD") == 0 || rsw_words_read(&words, response));
}

/* ": CODE: message", or what the answer looks like instead. */
static void tell_words(char *text, size_t room, const struct rsw_call *call,
                       const struct rsw_http_response *response) {
    struct rsw_words words;
    if (rsw_words_read(&words, response)) {
        snprintf(text, room, ": %s%s%s", words.code, words.message[0] != 0 ? ", " : "", words.message);
    } else if (!response->registry) {
        snprintf(text, room,
                 ", which is no answer of a registry (no Docker-Distribution-Api-Version: a proxy's?)");
    } else if (strcmp(call->method, "HEAD") != 0 && response->status >= 400) {
        snprintf(text, room, ", without an error of the registry's in it");
    } else {
        text[0] = 0;
    }
}

static int denied(const struct rsw_registry *registry, const struct rsw_call *call, int status,
                  const char *words, const struct rsw_http_response *response, struct rsw_error *err) {
    char scope[400] = "";
    if (call->repo != NULL) {
        snprintf(scope, sizeof scope, ", which needs the scope repository:%s:%s", call->repo, call->actions);
    }
    const char *user = registry->auth.user;
    const char *unknown =
        status == 401 && !response->challenged ? ", and it names no way to authenticate that we know" : "";
    return rsw_error_set(err, RSW_EACCESS, 0, "the registry %s denies %s%s%s a %s%s (%d%s)%s", registry->base,
                         user != NULL ? "the user " : "access without a user", user != NULL ? user : "",
                         user != NULL ? "" : " for", call->method, scope, status, words, unknown);
}

static int redirected(const struct rsw_call *call, const struct rsw_http_response *response,
                      struct rsw_error *err) {
    RSW_AUTO_URL to = RSW_URL_INIT;
    bool known = response->location != NULL &&
                 rsw_url_join(&to, call->url, response->location, "a redirect", NULL) == 0;
    return rsw_error_set(err, RSW_EIO, 0,
                         "%s %s is redirected (%d) to %s: redirects are not followed here; is that the "
                         "registry's URL?",
                         call->method, call->url, response->status, known ? to.origin : "nowhere");
}

static bool may_pass(int status) {
    return status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
}

int rsw_call_failed(const struct rsw_registry *registry, const struct rsw_call *call,
                    const struct rsw_http_response *response, struct rsw_error *err) {
    char words[256];
    int status = response->status;
    tell_words(words, sizeof words, call, response);
    if (status == 401 || status == 403) {
        return denied(registry, call, status, words, response, err);
    }
    if (status >= 300 && status < 400) {
        return redirected(call, response, err);
    }
    return rsw_error_set(err, RSW_EIO, may_pass(status) ? EAGAIN : 0, "answer %d%s, to %s %.*s", status,
                         words, call->method, (int)strcspn(call->url, "?"), call->url);
}
