#include "registry_findings.h"

#include "registry_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct rsw_registry_config *config, bool refuse, unsigned long line, const char *remedy,
               struct rsw_error *err, const char *fmt, ...) RSW_PRINTF(6, 7);

static int add(struct rsw_registry_config *config, bool refuse, unsigned long line, const char *remedy,
               struct rsw_error *err, const char *fmt, ...) {
    struct rsw_registry_finding *findings =
        reallocarray(config->findings, config->finding_count + 1, sizeof *findings);
    char *what = NULL;
    va_list args;
    if (findings != NULL) {
        config->findings = findings;
        va_start(args, fmt);
        if (vasprintf(&what, fmt, args) < 0) {
            what = NULL;
        }
        va_end(args);
    }
    if (what == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    findings[config->finding_count++] =
        (struct rsw_registry_finding){.refuse = refuse, .line = line, .what = what, .remedy = remedy};
    return 0;
}

static unsigned long line_of(struct rsw_yaml *yaml, const char *section, const char *key) {
    yaml_node_t *root = rsw_yaml_root(yaml);
    yaml_node_t *inner = rsw_yaml_key(yaml, rsw_yaml_get(yaml, root, section), key);
    return rsw_yaml_line(inner != NULL ? inner : rsw_yaml_key(yaml, root, section));
}

static int judge_refusals(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    if (*config->proxy_url != 0 &&
        add(config, true, line_of(yaml, "proxy", "remoteurl"),
            "a cache needs no sweeping, the registry expires what it holds (proxy.ttl)", err,
            "this registry is a pull-through cache of %s: it fills and empties its storage without telling",
            config->proxy_url) != 0) {
        return -1;
    }
    if (*config->repository_middleware != 0 &&
        add(config, true, line_of(yaml, "middleware", "repository"),
            "use the pruning of the product that this registry belongs to", err,
            "repository middleware \"%s\" can keep manifests elsewhere, where regsweep does not see what "
            "they "
            "need",
            config->repository_middleware) != 0) {
        return -1;
    }
    return 0;
}

/* What a cache forgets online is seen to; offline nobody is there to be asked. */
static int judge_cache(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    size_t before = config->finding_count;
    unsigned long line = line_of(yaml, "storage", "cache");
    if (config->cache == RSW_CONFIG_CACHE_MEMORY &&
        add(config, false, line,
            "stop the registry for `sweep --offline`, or restart it before it takes pushes again", err,
            "the registry caches in memory what is in storage: one that goes on running after a sweep would "
            "not write again what was deleted") != 0) {
        return -1;
    }
    if (config->cache == RSW_CONFIG_CACHE_REDIS &&
        add(config, false, line,
            "delete the keys blobs::* and repository::* in Redis after `sweep --offline --confirm`, before "
            "the registry takes pushes again",
            err,
            "the registry caches in Redis%s%s what is in storage, and the cache outlives the registry: what "
            "was deleted would not be written again",
            *config->redis_address != 0 ? " at " : "", config->redis_address) != 0) {
        return -1;
    }
    if (config->cache == RSW_CONFIG_CACHE_OTHER &&
        add(config, false, line, "empty that cache after `sweep --offline --confirm`", err,
            "the registry caches what is in storage in a way that regsweep does not know") != 0) {
        return -1;
    }
    for (size_t i = before; i < config->finding_count; i++) {
        config->findings[i].offline = true;
    }
    return 0;
}

static int judge_storage(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    if (!config->delete_enabled && !config->read_only &&
        add(config, false, line_of(yaml, "storage", "delete"), "set storage.delete.enabled: true", err,
            "storage.delete.enabled is not true: nobody can delete a manifest, and sweeping beside a running "
            "registry is not possible") != 0) {
        return -1;
    }
    return judge_cache(config, yaml, err);
}

/* Commas between what is left out; false if nothing is. */
static bool list_ignored(char *text, size_t size, const struct rsw_raw_endpoint *raw) {
    const struct rsw_raw_strings none = {NULL, 0};
    enum { LISTS = 3 };
    const struct rsw_raw_strings *const lists[LISTS] = {
        &raw->ignoredmediatypes, raw->ignore != NULL ? &raw->ignore->mediatypes : &none,
        raw->ignore != NULL ? &raw->ignore->actions : &none};
    size_t at = 0;
    text[0] = 0;
    for (size_t list = 0; list < LISTS; list++) {
        for (unsigned i = 0; i < lists[list]->items_count && at < size; i++) {
            const char *item = lists[list]->items[i];
            int len = snprintf(text + at, size - at, "%s%s", at > 0 ? ", " : "", item != NULL ? item : "");
            at += len > 0 ? (size_t)len : 0;
        }
    }
    return at > 0;
}

static int judge_endpoints(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    unsigned enabled = 0;
    unsigned ours = 0;
    for (size_t i = 0; i < config->endpoint_count; i++) {
        struct rsw_registry_endpoint *endpoint = &config->endpoints[i];
        enabled += !endpoint->disabled;
        ours += !endpoint->disabled && endpoint->ours;
    }
    if (ours == 0) {
        return add(
            config, false, line_of(yaml, "notifications", "endpoints"),
            "add one with url: http://ADDRESS:5050/events and point it at `regsweep serve`", err,
            enabled == 0
                ? "no notification endpoint is in use: the index will not hear of pushes"
                : "no notification endpoint has a url that ends in /events: the index will not hear of "
                  "pushes");
    }
    for (size_t i = 0; i < config->endpoint_count; i++) {
        struct rsw_registry_endpoint *endpoint = &config->endpoints[i];
        char ignored[256];
        if (endpoint->disabled || !endpoint->ours ||
            !list_ignored(ignored, sizeof ignored, &config->raw->notifications->endpoints[i])) {
            continue;
        }
        endpoint->deaf = true;
        if (add(config, false, endpoint->line, "take ignore and ignoredmediatypes out of this endpoint", err,
                "endpoint \"%s\" leaves out %s: the index would not hear of what clients were promised",
                endpoint->name, ignored) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_registry_findings(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err) {
    if (judge_refusals(config, yaml, err) != 0 || judge_storage(config, yaml, err) != 0) {
        return -1;
    }
    return judge_endpoints(config, yaml, err);
}
