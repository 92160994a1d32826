/* Checks of the running registry, and of what its configuration says. */
#include "gc/checks.h"

#include <stdio.h>
#include <string.h>

static bool has_replicas(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (doctor->replicas == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "%s",
                doctor->replicas_error != NULL ? "the registry cannot be asked"
                                               : "no registry was named (--registry, once for each replica)");
    }
    return doctor->replicas != NULL;
}

static bool has_config(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (doctor->config == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL,
                "the registry's configuration was not given (--registry-config)");
    }
    return doctor->config != NULL;
}

/* ---- the replicas ---- */

void rsw_doctor_registry(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (doctor->replicas_error != NULL) {
        rsw_say_error(
            out, RSW_HEALTH_ERROR,
            "start it, or give the right --registry (and --registry-user, --redis, where they are needed)",
            doctor->replicas_error);
    }
    if (has_replicas(out, doctor)) {
        rsw_say(out, RSW_HEALTH_OK, NULL, "%zu %s", doctor->replicas->count,
                doctor->replicas->count == 1 ? "replica answers" : "replicas answer");
    }
}

void rsw_doctor_registry_clock(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (!has_replicas(out, doctor)) {
        return;
    }
    struct rsw_replicas *replicas = doctor->replicas;
    for (size_t i = 0; i < replicas->count; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        char name[RSW_REPLICA_NAME_MAX];
        int64_t ms = 0;
        int64_t before_ms = rsw_clock_now_ms(doctor->clock);
        if (replicas->ops->clock == NULL || replicas->ops->clock(replicas, i, &ms, &err) != 0 || ms == 0) {
            rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "%s does not say what time it has",
                    rsw_replica_name(replicas, i, name, sizeof name));
            continue;
        }
        int64_t after_ms = rsw_clock_now_ms(doctor->clock);
        int64_t skew_ms = ms + 999 < before_ms ? ms + 999 - before_ms : ms > after_ms ? ms - after_ms : 0;
        rsw_say_skew(out, rsw_replica_name(replicas, i, name, sizeof name), skew_ms);
    }
}

static const char *cache_name(enum rsw_cache cache) {
    static const char *const names[] = {"nothing", "in memory", "in Redis"};
    return names[cache];
}

void rsw_doctor_cache(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    const struct rsw_doctor_config *config = doctor->config;
    const struct rsw_replicas *replicas = doctor->replicas;
    if (config != NULL && config->cache_unknown) {
        rsw_say(
            out, RSW_HEALTH_ERROR, "take it out of the registry's configuration, or sweep --offline",
            "%s: storage.cache.blobdescriptor is neither inmemory nor redis: regsweep cannot make it forget",
            config->name);
    } else if (config != NULL && replicas != NULL && replicas->cache != config->cache &&
               (config->cache != RSW_CACHE_NONE || replicas->cache == RSW_CACHE_REDIS)) {
        rsw_say(out, RSW_HEALTH_ERROR, "leave --cache out, or let it say what the registry does",
                "regsweep was told that the registry caches %s, but %s says %s", cache_name(replicas->cache),
                config->name, cache_name(config->cache));
    }
    if (config == NULL && replicas == NULL) {
        has_replicas(out, doctor);
        return;
    }
    enum rsw_cache cache = replicas != NULL ? replicas->cache : config->cache;
    if (replicas != NULL && cache == RSW_CACHE_MEMORY && replicas->count > 1) {
        rsw_say(out, RSW_HEALTH_WARNING,
                "let them share a cache (storage.cache.blobdescriptor: redis), or have none",
                "%zu replicas cache, each for itself: what a client deletes through one the others go on "
                "remembering. regsweep asks each to forget",
                replicas->count);
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "the registry caches %s", cache_name(cache));
}

static void ask_delete(struct rsw_diagnosis *out, struct rsw_replicas *replicas, size_t number) {
    struct rsw_error err = RSW_ERROR_INIT;
    char name[RSW_REPLICA_NAME_MAX];
    int answer = replicas->ops->deletes != NULL ? replicas->ops->deletes(replicas, number, &err) : RSW_FAILED;
    rsw_replica_name(replicas, number, name, sizeof name);
    if (answer == RSW_ABSENT && replicas->cache == RSW_CACHE_NONE) {
        rsw_say(out, RSW_HEALTH_OK, NULL,
                "%s does not delete. It caches nothing, so a sweep does not need that; clients cannot delete "
                "images",
                name);
    } else if (answer == RSW_ABSENT) {
        rsw_say(out, RSW_HEALTH_ERROR,
                "set storage.delete.enabled: true in its configuration, and storage.maintenance.readonly to "
                "false, "
                "and restart it; let no proxy forbid DELETE",
                "%s does not delete (405), so its cache cannot be made to forget what a sweep takes", name);
    } else if (answer == RSW_FAILED && err.code == RSW_EACCESS && replicas->cache != RSW_CACHE_NONE) {
        rsw_say_error(out, RSW_HEALTH_ERROR,
                      "give a --registry-user who may pull, push and delete in every repository", &err);
    } else if (answer == RSW_FAILED) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "%s does not tell: %s", name,
                err.message[0] != 0 ? err.message : "it cannot be asked");
    }
}

void rsw_doctor_delete(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    const struct rsw_doctor_config *config = doctor->config;
    for (size_t i = 0; doctor->replicas != NULL && i < doctor->replicas->count; i++) {
        ask_delete(out, doctor->replicas, i);
    }
    if (doctor->replicas == NULL && config == NULL) {
        has_replicas(out, doctor);
        return;
    }
    bool deletes = doctor->replicas != NULL || config->delete_enabled;
    if (!deletes && config->cache != RSW_CACHE_NONE) {
        rsw_say(out, RSW_HEALTH_ERROR, "set storage.delete.enabled: true",
                "%s: storage.delete.enabled is not true, so the cache cannot be made to forget what a sweep "
                "takes",
                config->name);
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%s",
            deletes ? "the registry deletes"
                    : "the registry does not delete. It caches nothing, so a sweep does not need that");
}

void rsw_doctor_fence(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_fence_options how = {.clock = doctor->clock, .timeout_ms = doctor->fence_timeout_ms};
    if (doctor->index == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "there is no index to look at");
        return;
    }
    if (!has_replicas(out, doctor)) {
        return;
    }
    struct rsw_diagnosis serve = {.name = "serve"};
    rsw_doctor_serve(&serve, doctor);
    if (serve.level == RSW_HEALTH_ERROR) { /* a finding of its own */
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "nobody takes in events: %s", serve.message);
        return;
    }
    switch (rsw_fence(doctor->index, doctor->replicas, &how, &err)) {
    case RSW_FENCE_HELD:
        rsw_say(
            out, RSW_HEALTH_OK, NULL,
            "the events of a pull of layers and of manifests come in from every replica, and from no other");
        break;
    case RSW_FENCE_GAP:
        rsw_say(out, RSW_HEALTH_WARNING,
                "run regsweep scan; a sweep beside the running registry does so by itself",
                "the events come in from every replica, but some may have been lost since the last scan");
        break;
    default:
        rsw_say_error(
            out, RSW_HEALTH_ERROR,
            "let the registry send all its events to regsweep serve, and list every replica with --registry",
            &err);
    }
}

/* ---- its configuration ---- */

void rsw_doctor_notifications(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    const struct rsw_doctor_config *config = doctor->config;
    if (!has_config(out, doctor)) {
        return;
    }
    if (!config->endpoint) {
        rsw_say(out, RSW_HEALTH_ERROR,
                "add one to notifications.endpoints with url: http://ADDRESS:5050/events, where regsweep "
                "serve listens",
                "%s: no endpoint in use has a url that ends in /events: serve hears of nothing",
                config->name);
    } else if (config->deaf) {
        rsw_say(out, RSW_HEALTH_ERROR, "take ignore and ignoredmediatypes out of that endpoint",
                "%s: endpoint \"%s\" leaves out some events: serve does not hear of all that clients were "
                "promised",
                config->name, config->deaf_endpoint);
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "an endpoint leads to regsweep serve and leaves nothing out");
}

void rsw_doctor_references(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (has_config(out, doctor)) {
        rsw_say(out, RSW_HEALTH_OK, NULL, "%s",
                doctor->config->include_references ? "pushes tell what they name"
                                                   : "notifications.events.includereferences is not set: "
                                                     "recommended, not needed (serve reads each "
                                                     "manifest in any case)");
    }
}

void rsw_doctor_proxy(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (!has_config(out, doctor)) {
        return;
    }
    if (doctor->config->proxy[0] != 0) {
        rsw_say(
            out, RSW_HEALTH_ERROR,
            "a cache needs no sweeping: the registry expires what it holds (proxy.ttl)",
            "this registry is a pull-through cache of %s: it fills and empties its storage without telling",
            doctor->config->proxy);
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "it is no pull-through cache");
}

void rsw_doctor_middleware(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (!has_config(out, doctor)) {
        return;
    }
    if (doctor->config->middleware[0] != 0) {
        rsw_say(out, RSW_HEALTH_ERROR, "use the pruning of the product that this registry belongs to",
                "repository middleware \"%s\" can keep manifests elsewhere, where regsweep does not see what "
                "they "
                "need",
                doctor->config->middleware);
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "there is no repository middleware");
}
