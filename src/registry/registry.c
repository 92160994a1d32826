#include "registry/call.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_MAX 128
#define TIMEOUT_MAX_MS (INT64_C(24) * 3600 * 1000)

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static bool is_nonce(const char *nonce) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = nonce != NULL ? strlen(nonce) : 0;
    return len > 0 && len <= NONCE_MAX && strspn(nonce, allowed) == len;
}

static int set_times(struct rsw_http *http, const struct rsw_registry_options *options,
                     struct rsw_error *err) {
    http->connect_timeout_ms =
        options->connect_timeout_ms != 0 ? options->connect_timeout_ms : RSW_REGISTRY_CONNECT_MS;
    http->total_timeout_ms =
        options->total_timeout_ms != 0 ? options->total_timeout_ms : RSW_REGISTRY_TOTAL_MS;
    if (http->connect_timeout_ms < 0 || http->connect_timeout_ms > TIMEOUT_MAX_MS ||
        http->total_timeout_ms < 0 || http->total_timeout_ms > TIMEOUT_MAX_MS) {
        return rsw_error_set(err, RSW_EINVAL, 0, "a timeout of the registry must be between 1 ms and 24 h");
    }
    return 0;
}

static int fill(struct rsw_registry *registry, const char *url, const struct rsw_registry_options *options,
                struct rsw_error *err) {
    struct rsw_http *http = &registry->http;
    if (!is_nonce(options->nonce)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the run's nonce must be 1 to %d letters and digits",
                             NONCE_MAX);
    }
    if (rsw_url_parse_base(&registry->url, &registry->base, url, "the registry's URL", err) != 0 ||
        set_times(http, options, err) != 0) {
        return -1;
    }
    http->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    http->proxy = strdup(options->proxy != NULL ? options->proxy : "");
    if (asprintf(&http->user_agent, "regsweep/%s (run %s)", REGSWEEP_VERSION, options->nonce) < 0) {
        http->user_agent = NULL;
        return no_memory(err);
    }
    if (http->proxy == NULL || (options->ca_file != NULL && http->ca_file == NULL)) {
        return no_memory(err);
    }
    return 0;
}

int rsw_registry_open(struct rsw_registry **out, const char *url, const struct rsw_registry_options *options,
                      struct rsw_error *err) {
    *out = NULL;
    struct rsw_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        return no_memory(err);
    }
    if (rsw_http_init(&registry->http, err) != 0) {
        free(registry);
        return -1;
    }
    registry->auth.registry = &registry->url;
    int rc = fill(registry, url, options, err);
    /* The credentials come last and in any case, so that there is one way to close. */
    if (rsw_auth_init(&registry->auth, options, err) != 0 || rc != 0) {
        rsw_registry_close(registry);
        return -1;
    }
    *out = registry;
    return 0;
}

void rsw_registry_close(struct rsw_registry *registry) {
    if (registry == NULL) {
        return;
    }
    rsw_auth_release(&registry->auth);
    rsw_http_release(&registry->http);
    rsw_url_release(&registry->url);
    free(registry->base);
    free(registry);
}

void rsw_registry_patience(struct rsw_registry *registry, const struct rsw_patience *patience) {
    registry->http.patience = patience;
}

const char *rsw_registry_url(const struct rsw_registry *registry) {
    return registry->base;
}
