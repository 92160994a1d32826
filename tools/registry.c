#include "registry.h"

#include "heard.h"
#include "registry_config.h"
#include "secret.h"

#include "registry/registry.h"
#include "registry/url.h"
#include "util/buf.h"
#include "util/text.h"
#include "util/useragent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- where it is ---- */

bool rsw_cli_has_registry(const struct rsw_cli *cli) {
    return cli->options.registry.count > 0 ||
           (cli->registry_config != NULL && cli->registry_config->http_address[0] != 0);
}

static size_t host_len(const char *address) {
    const char *port = strrchr(address, ':');
    return port != NULL ? (size_t)(port - address) : 0;
}

/* It listens at all of its addresses: ":5000", "0.0.0.0:5000". */
static bool is_any(const struct rsw_registry_config *config) {
    const char *address = config->http_address;
    size_t len = host_len(address);
    return len == 0 || (len == 7 && strncmp(address, "0.0.0.0", 7) == 0) ||
           (len == 4 && strncmp(address, "[::]", 4) == 0);
}

/* "http://HOST:PORT/PREFIX" from what it listens on; any address is this machine. */
static int url_of_config(struct rsw_buf *out, const struct rsw_registry_config *config,
                         struct rsw_error *err) {
    const char *address = config->http_address;
    const char *port = strrchr(address, ':');
    bool any = is_any(config);
    const char *prefix = config->http_prefix;
    if (port == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "%s: http.addr \"%s\" has no port; give the registry's URL with --registry",
                             config->name, address);
    }
    if (config->http_tls) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "%s: the registry speaks TLS at %s, and its certificate's name is not told there; "
            "give the registry's URL with --registry",
            config->name, address);
    }
    return rsw_buf_addf(out, err, "http://%.*s%s%s%s", any ? 9 : (int)host_len(address),
                        any ? "127.0.0.1" : address, port, prefix[0] != 0 && prefix[0] != '/' ? "/" : "",
                        prefix);
}

/* ---- what it caches ---- */

static int cache_of_config(const struct rsw_registry_config *config, enum rsw_cache *out,
                           struct rsw_error *err) {
    switch (config->cache) {
    case RSW_CONFIG_CACHE_NONE:
        *out = RSW_CACHE_NONE;
        return 0;
    case RSW_CONFIG_CACHE_MEMORY:
        *out = RSW_CACHE_MEMORY;
        return 0;
    case RSW_CONFIG_CACHE_REDIS:
        *out = RSW_CACHE_REDIS;
        return 0;
    case RSW_CONFIG_CACHE_OTHER:
        break;
    }
    return rsw_error_set(
        err, RSW_EREFUSED, 0,
        "%s: storage.cache.blobdescriptor is neither inmemory nor redis: regsweep cannot make "
        "that cache forget; take it out, or sweep --offline",
        config->name);
}

int rsw_cli_cache(struct rsw_cli *cli, enum rsw_cache *out, struct rsw_error *err) {
    const char *cache = cli->options.cache;
    *out = strcmp(cache, "none") == 0    ? RSW_CACHE_NONE
           : strcmp(cache, "redis") == 0 ? RSW_CACHE_REDIS
                                         : RSW_CACHE_MEMORY;
    if (strcmp(cache, "auto") != 0) {
        return 0;
    }
    if (cli->registry_config != NULL) {
        return cache_of_config(cli->registry_config, out, err);
    }
    rsw_log(&cli->log, RSW_LOG_INFO,
            "the registry is taken for one that caches in memory; --cache or --registry-config tells better");
    return 0;
}

int rsw_cli_check_cache(struct rsw_cli *cli, struct rsw_error *err) {
    enum rsw_cache told;
    enum rsw_cache says;
    const struct rsw_registry_config *config = cli->registry_config;
    if (config == NULL) {
        return 0;
    }
    if (rsw_cli_cache(cli, &told, err) != 0 || cache_of_config(config, &says, err) != 0) {
        return -1;
    }
    return says == told || says == RSW_CACHE_NONE
               ? 0
               : rsw_error_set(
                     err, RSW_EREFUSED, 0,
                     "nothing was removed: --cache %s, but storage.cache.blobdescriptor in %s says "
                     "otherwise, and what is cached must be forgotten: leave --cache out; or, where "
                     "the registry's environment overrides that file, give a --registry-config that "
                     "says what it does",
                     cli->options.cache, config->name);
}

/* ---- Redis ---- */

static int redis_of_config(struct rsw_replicas_options *out, const struct rsw_registry_config *config,
                           struct rsw_error *err) {
    if (config->redis_several) {
        return rsw_error_set(
            err, RSW_EUNSUPPORTED, 0,
            "%s: redis is a cluster or has sentinels: regsweep speaks to one server; give the "
            "one that has the keys with --redis, or sweep --offline",
            config->name);
    }
    if (config->redis_tls) {
        return rsw_error_set(
            err, RSW_EUNSUPPORTED, 0,
            "%s: redis speaks TLS, which regsweep does not; give a plain address with --redis "
            "(a tunnel of stunnel, say), or sweep --offline",
            config->name);
    }
    out->redis = config->redis_address[0] != 0 ? config->redis_address : NULL;
    out->redis_user = config->redis_user[0] != 0 ? config->redis_user : NULL;
    out->redis_db = config->redis_db;
    if (out->redis_password == NULL && config->redis_password[0] != 0) {
        out->redis_password = config->redis_password;
    }
    return 0;
}

static int find_redis(struct rsw_replicas_options *out, const struct rsw_cli *cli, struct rsw_error *err) {
    out->redis = cli->options.redis;
    if (out->redis == NULL && cli->registry_config != NULL &&
        redis_of_config(out, cli->registry_config, err) != 0) {
        return -1;
    }
    if (out->redis == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "the registry caches in Redis: where is that? Give --redis HOST:PORT or "
                             "--registry-config FILE");
    }
    return 0;
}

/* ---- open ---- */

static int load_secrets(char **registry, char **redis, const struct rsw_cli *cli, struct rsw_error *err) {
    const struct rsw_options *options = &cli->options;
    const struct rsw_secret of_registry = {"password", "registry-password-file",
                                           options->registry_password_file, "REGSWEEP_REGISTRY_PASSWORD",
                                           options->registry_password};
    const struct rsw_secret of_redis = {"password", "redis-password-file", options->redis_password_file,
                                        "REGSWEEP_REDIS_PASSWORD", options->redis_password};
    if (rsw_secret_load(registry, NULL, options, &of_registry, &cli->log, err) != 0 ||
        rsw_secret_load(redis, NULL, options, &of_redis, &cli->log, err) != 0) {
        return -1;
    }
    if ((options->registry_user == NULL) != (*registry == NULL)) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "--registry-user and its password go together (--registry-password-file or "
                             "REGSWEEP_REGISTRY_PASSWORD)");
    }
    return 0;
}

int rsw_cli_open_replicas(struct rsw_replicas **out, struct rsw_cli *cli, struct rsw_error *err) {
    RSW_AUTO_BUF url = RSW_BUF_INIT;
    RSW_AUTO_SECRET *password = NULL;
    RSW_AUTO_SECRET *redis_password = NULL;
    const struct rsw_options *options = &cli->options;
    *out = NULL;
    if (cli->registry_config != NULL && rsw_registry_config_allows(cli->registry_config, err) != 0) {
        return -1;
    }
    if (load_secrets(&password, &redis_password, cli, err) != 0) {
        return -1;
    }
    struct rsw_replicas_options how = {.urls = (const char *const *)options->registry.items,
                                       .count = options->registry.count,
                                       .redis_password = redis_password,
                                       .user = options->registry_user,
                                       .password = password,
                                       .realm = options->registry_realm,
                                       .ca_file = options->registry_ca,
                                       .fence_repo = options->fence_repo,
                                       .clock = cli->clock,
                                       .log = &cli->log};
    const char *only;
    bool derived = how.count == 0 && rsw_cli_has_registry(cli);
    if (derived) {
        if (url_of_config(&url, cli->registry_config, err) != 0) {
            return -1;
        }
        only = (const char *)url.data;
        how.urls = &only;
        how.count = 1;
    }
    if (rsw_cli_cache(cli, &how.cache, err) != 0 ||
        (how.cache == RSW_CACHE_REDIS && find_redis(&how, cli, err) != 0)) {
        return -1;
    }
    if (rsw_replicas_open(out, &how, err) != 0) {
        return derived
                   ? rsw_error_prefix(err, "http.addr of %s (or give --registry)", cli->registry_config->name)
                   : -1;
    }
    return 0;
}

/* ---- stopped ---- */

/* What cannot be told is told of only where nobody was heard. */
static int check_answer(const struct rsw_asked *asked, struct rsw_error *err) {
    static const char remedy[] = "stop it, or make it read-only (storage.maintenance.readonly); or sweep "
                                 "beside it, without --offline";
    if (asked->answer == RSW_FOUND) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "nothing was removed: the registry %s takes pushes: %s",
                             asked->url, remedy);
    }
    if (asked->answer == RSW_FAILED && asked->why.code != RSW_EIO) {
        return rsw_error_set(err, RSW_EREFUSED, 0,
                             "nothing was removed: a registry answers, and does not tell whether it takes "
                             "pushes (%s): give --registry-user who may push there; or %s",
                             asked->why.message, remedy);
    }
    return 0;
}

static int ask(struct rsw_asked *asked, struct rsw_cli *cli, const char *url,
               const struct rsw_registry_options *how, struct rsw_error *err) {
    RSW_AUTO_REGISTRY registry = NULL;
    RSW_AUTO_URL parts = RSW_URL_INIT;
    uint64_t port = 0;
    if (rsw_registry_open(&registry, url, how, err) != 0 ||
        rsw_url_parse(&parts, rsw_registry_url(registry), "the registry's URL", err) != 0) {
        return -1;
    }
    const char *colon = strrchr(parts.origin, ':');
    snprintf(asked->url, sizeof asked->url, "%s", rsw_registry_url(registry));
    asked->port = colon != NULL && rsw_number_parse(&port, colon + 1, UINT16_MAX) ? (unsigned)port : 0;
    asked->answer = rsw_registry_takes_pushes(registry, cli->options.fence_repo, &asked->why);
    return check_answer(asked, err);
}

static int ask_all(struct rsw_asked *asked, struct rsw_cli *cli, const char *const *urls, size_t count,
                   int64_t *silent_ms, struct rsw_error *err) {
    RSW_AUTO_SECRET *password = NULL;
    RSW_AUTO_SECRET *redis_password = NULL;
    const struct rsw_options *options = &cli->options;
    char nonce[RSW_RUN_MAX];
    if (load_secrets(&password, &redis_password, cli, err) != 0 || rsw_nonce(nonce, sizeof nonce, err) != 0) {
        return -1;
    }
    const struct rsw_registry_options how = {.nonce = nonce,
                                             .ca_file = options->registry_ca,
                                             .user = options->registry_user,
                                             .password = password,
                                             .realm = options->registry_realm,
                                             .clock = cli->clock};
    for (size_t i = 0; i < count; i++) {
        if (ask(&asked[i], cli, urls[i], &how, err) != 0) {
            return -1;
        }
    }
    if (rsw_heard_check(cli, asked, count, err) != 0) {
        return -1;
    }
    *silent_ms = rsw_clock_now_ms(cli->clock);
    for (size_t i = 0; i < count; i++) {
        if (rsw_asked_refused(&asked[i])) {
            continue;
        }
        *silent_ms = 0;
        if (asked[i].answer == RSW_FAILED) {
            rsw_log(&cli->log, RSW_LOG_WARNING, "whether the registry takes pushes cannot be told: %s",
                    asked[i].why.message);
        }
    }
    return 0;
}

int rsw_cli_check_stopped(struct rsw_cli *cli, int64_t *silent_ms, struct rsw_error *err) {
    RSW_AUTO_BUF url = RSW_BUF_INIT;
    const char *const *urls = (const char *const *)cli->options.registry.items;
    size_t count = cli->options.registry.count;
    bool derived = count == 0 && rsw_cli_has_registry(cli);
    const char *only;
    *silent_ms = 0;
    if (derived) {
        struct rsw_error why = RSW_ERROR_INIT;
        if (url_of_config(&url, cli->registry_config, &why) == 0) {
            only = (const char *)url.data;
            urls = &only;
            count = 1;
        } else {
            rsw_log(&cli->log, RSW_LOG_INFO, "nobody asks whether the registry is stopped: %s", why.message);
        }
    }
    if (count == 0) {
        return rsw_heard_check(cli, NULL, 0, err);
    }
    struct rsw_asked *asked = calloc(count, sizeof *asked);
    if (asked == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    asked[0].here = derived && is_any(cli->registry_config);
    int rc = ask_all(asked, cli, urls, count, silent_ms, err);
    free(asked);
    return rc;
}

/* ---- times ---- */

static void warn_small(const struct rsw_cli *cli, const char *option, int64_t ms, const char *what) {
    char text[32];
    if (ms < RSW_SMALL_MS) {
        rsw_log(&cli->log, RSW_LOG_WARNING, "--%s %s is for tests: %s", option,
                rsw_duration_format(ms, text, sizeof text), what);
    }
}

int rsw_cli_check_times(struct rsw_cli *cli, struct rsw_error *err) {
    const struct rsw_options *options = &cli->options;
    char grace[32];
    char settle[32];
    if ((cli->command->bit & (RSW_FOR_SWEEP | RSW_FOR_SERVE)) != 0 &&
        options->grace_ms < options->settle_ms) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "--grace %s is shorter than --settle %s: a push that is under way could lose what "
            "it was told of; give --grace at least as long as --settle",
            rsw_duration_format(options->grace_ms, grace, sizeof grace),
            rsw_duration_format(options->settle_ms, settle, sizeof settle));
    }
    warn_small(cli, "settle", options->settle_ms,
               "a request to the registry that takes longer can be told of what then goes");
    warn_small(cli, "quarantine", options->quarantine_ms, "what is deleted cannot be put back after it");
    return 0;
}
