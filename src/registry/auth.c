#include "registry/auth.h"

#include "registry/token.h"
#include "util/cleanup.h"
#include "util/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int64_t now_ms(const struct rsw_auth *auth) {
    return auth->clock != NULL ? rsw_clock_now_ms(auth->clock) : rsw_monotonic_ms();
}

void rsw_auth_free(char *header) {
    if (header != NULL) {
        explicit_bzero(header, strlen(header));
        free(header);
    }
}

/* ---- credentials ---- */

#define CREDENTIAL_MAX 4096

static int make_basic(struct rsw_auth *auth, const char *user, const char *password, struct rsw_error *err) {
    static const char scheme[] = "Basic ";
    char *pair = NULL;
    if (user[0] == 0 || strchr(user, ':') != NULL || strlen(user) + strlen(password) > CREDENTIAL_MAX) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "the registry's user must be a name without a colon, and with its password at "
                             "most %d bytes",
                             CREDENTIAL_MAX);
    }
    int len = asprintf(&pair, "%s:%s", user, password);
    if (len < 0) {
        return no_memory(err);
    }
    auth->user = strdup(user);
    auth->basic = malloc(sizeof scheme + ((size_t)len + 2) / 3 * 4);
    const struct rsw_crypto *crypto = rsw_crypto(err);
    if (auth->basic != NULL && crypto != NULL) {
        memcpy(auth->basic, scheme, sizeof scheme);
        crypto->EVP_EncodeBlock((unsigned char *)auth->basic + sizeof scheme - 1, (const unsigned char *)pair,
                                len);
    }
    rsw_auth_free(pair);
    if (crypto == NULL) {
        return -1;
    }
    return auth->user != NULL && auth->basic != NULL ? 0 : no_memory(err);
}

int rsw_auth_init(struct rsw_auth *auth, const struct rsw_registry_options *options, struct rsw_error *err) {
    pthread_mutex_init(&auth->mutex, NULL);
    auth->clock = options->clock;
    if ((options->user == NULL) != (options->password == NULL)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the registry's user and password go together");
    }
    if (options->user != NULL && make_basic(auth, options->user, options->password, err) != 0) {
        return -1;
    }
    if (options->realm == NULL) {
        return 0;
    }
    if (rsw_url_parse(&auth->realm, options->realm, "the registry's realm", err) != 0) {
        return -1;
    }
    if (!auth->realm.plain || (auth->registry->secure && !auth->realm.secure)) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "the registry's realm must be a URL without a query, and https as the registry "
                             "itself if that is");
    }
    return 0;
}

/* ---- tokens; the lock is held ---- */

static void token_release(struct rsw_auth_token *token) {
    rsw_auth_free(token->text);
    free(token->scope);
    *token = (struct rsw_auth_token){0};
}

static struct rsw_auth_token *find_token(struct rsw_auth *auth, const char *scope) {
    for (size_t i = 0; i < auth->token_count; i++) {
        if (strcmp(auth->tokens[i].scope, scope) == 0) {
            return &auth->tokens[i];
        }
    }
    return NULL;
}

static void drop_token(struct rsw_auth *auth, struct rsw_auth_token *token) {
    token_release(token);
    *token = auth->tokens[--auth->token_count];
    auth->tokens[auth->token_count] = (struct rsw_auth_token){0};
}

static struct rsw_auth_token *first_to_expire(struct rsw_auth *auth) {
    struct rsw_auth_token *first = &auth->tokens[0];
    for (size_t i = 1; i < auth->token_count; i++) {
        if (auth->tokens[i].expires_ms < first->expires_ms) {
            first = &auth->tokens[i];
        }
    }
    return first;
}

/* What cannot be kept is fetched again next time: no error. */
static void keep_token(struct rsw_auth *auth, const char *scope, const char *text, int64_t expires_ms) {
    struct rsw_auth_token token = {strdup(scope), strdup(text), expires_ms};
    struct rsw_auth_token *old = find_token(auth, scope);
    if (token.scope == NULL || token.text == NULL) {
        token_release(&token);
        return;
    }
    if (old != NULL) {
        drop_token(auth, old);
    } else if (auth->token_count == RSW_AUTH_TOKENS) {
        drop_token(auth, first_to_expire(auth));
    }
    auth->tokens[auth->token_count++] = token;
}

void rsw_auth_release(struct rsw_auth *auth) {
    while (auth->token_count > 0) {
        drop_token(auth, &auth->tokens[0]);
    }
    pthread_mutex_destroy(&auth->mutex);
    rsw_auth_free(auth->basic);
    free(auth->user);
    rsw_url_release(&auth->realm);
}

/* ---- the realm ---- */

static int check_realm(struct rsw_url *out, const struct rsw_auth *auth, const char *realm,
                       struct rsw_error *err) {
    if (realm[0] == 0) {
        return rsw_error_set(err, RSW_EIO, 0, "the registry %s asks for a token and does not say from where",
                             auth->registry->text);
    }
    if (rsw_url_parse(out, realm, "the realm that the registry names", err) != 0) {
        return -1;
    }
    if (auth->registry->secure && !out->secure) {
        return rsw_error_set(err, RSW_EREFUSED, 0,
                             "the registry %s is https, and wants its tokens to be fetched from %s%s, which "
                             "is not: refused",
                             auth->registry->text, out->origin, out->path);
    }
    bool own = strcmp(out->origin, auth->registry->origin) == 0;
    bool allowed = auth->realm.text != NULL && strcmp(out->origin, auth->realm.origin) == 0 &&
                   strcmp(out->path, auth->realm.path) == 0;
    if (own || allowed) {
        return 0;
    }
    return rsw_error_set(
        err, RSW_EREFUSED, 0,
        "the registry %s wants its tokens to be fetched from another host: %s%s; credentials "
        "go there only if registry-realm names just that%s%s",
        auth->registry->text, out->origin, out->path, auth->realm.text != NULL ? ", and it names " : "",
        auth->realm.text != NULL ? auth->realm.text : "");
}

static int bearer_header(char **header, const char *token, struct rsw_error *err) {
    if (asprintf(header, "Bearer %s", token) < 0) {
        *header = NULL;
        no_memory(err);
        return RSW_FAILED;
    }
    return RSW_FOUND;
}

static int fetch_header(char **header, struct rsw_auth *auth, struct rsw_http *http,
                        const struct rsw_challenge *challenge, const char *scope, struct rsw_error *err) {
    RSW_AUTO_URL realm = RSW_URL_INIT;
    char *text = NULL;
    int64_t asked_ms = now_ms(auth);
    int64_t life_ms = 0;
    if (check_realm(&realm, auth, challenge->realm, err) != 0) {
        return RSW_FAILED;
    }
    const struct rsw_token_request request = {
        .realm = realm.text, .service = challenge->service, .scope = scope, .basic = auth->basic};
    if (rsw_token_fetch(&text, &life_ms, http, &request, err) != 0) {
        if (err != NULL && err->code == RSW_EACCESS) {
            rsw_error_prefix(err, "%s%s for the scope %s",
                             auth->user != NULL ? "as the user " : "anonymously",
                             auth->user != NULL ? auth->user : "", scope[0] != 0 ? scope : "of none");
        }
        return RSW_FAILED;
    }
    pthread_mutex_lock(&auth->mutex);
    keep_token(auth, scope, text, asked_ms + life_ms);
    pthread_mutex_unlock(&auth->mutex);
    int answer = bearer_header(header, text, err);
    rsw_auth_free(text);
    return answer;
}

/* ---- for a request ---- */

int rsw_auth_header(char **header, struct rsw_auth *auth, struct rsw_http *http, const char *scope,
                    struct rsw_error *err) {
    struct rsw_challenge challenge;
    int answer = RSW_ABSENT;
    *header = NULL;
    pthread_mutex_lock(&auth->mutex);
    challenge = auth->challenge;
    struct rsw_auth_token *token = find_token(auth, scope);
    if (token != NULL && now_ms(auth) >= token->expires_ms) {
        drop_token(auth, token);
    } else if (token != NULL) {
        answer = bearer_header(header, token->text, err);
    }
    pthread_mutex_unlock(&auth->mutex);
    if (answer != RSW_ABSENT || challenge.scheme == RSW_SCHEME_OTHER) {
        return answer;
    }
    if (challenge.scheme == RSW_SCHEME_BEARER) {
        return fetch_header(header, auth, http, &challenge, scope, err);
    }
    if (auth->basic == NULL) {
        return RSW_ABSENT;
    }
    *header = strdup(auth->basic);
    return *header != NULL ? RSW_FOUND : no_memory(err);
}

bool rsw_auth_challenged(struct rsw_auth *auth, const struct rsw_challenge *challenge, const char *scope,
                         const char *header) {
    static const char bearer[] = "Bearer ";
    pthread_mutex_lock(&auth->mutex);
    auth->challenge = *challenge;
    struct rsw_auth_token *token = find_token(auth, scope);
    if (token != NULL && header != NULL && strncmp(header, bearer, sizeof bearer - 1) == 0 &&
        strcmp(header + sizeof bearer - 1, token->text) == 0) {
        drop_token(auth, token);
    }
    pthread_mutex_unlock(&auth->mutex);
    if (challenge->scheme == RSW_SCHEME_BASIC) {
        return auth->basic != NULL && (header == NULL || strcmp(header, auth->basic) != 0);
    }
    return challenge->scheme == RSW_SCHEME_BEARER;
}
