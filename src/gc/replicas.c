/* The real registry behind replicas.h. */
#include "gc/replicas.h"

#include "gc/beacon.h"
#include "gc/caches.h"
#include "registry/redis.h"
#include "registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FENCE_REPO "regsweep/fence"

struct real {
    struct rsw_replicas replicas;
    struct rsw_registry **registries; /* owned, `count` of them */
    const char **urls;                /* owned, the texts are the registries' */
    struct rsw_redis *redis;          /* owned; NULL unless they cache there */
    char *fence_repo;                 /* owned */
    struct rsw_beacon beacon;
    const struct rsw_log *log;
};

static struct real *real_of(struct rsw_replicas *replicas) {
    return (struct real *)replicas; /* its first member */
}

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

/* ---- forget ---- */

static void forget(struct rsw_replicas *replicas, struct rsw_cached *list, size_t count) {
    struct real *real = real_of(replicas);
    const struct rsw_caches caches = {.registries = real->registries,
                                      .count = replicas->cache == RSW_CACHE_NONE ? 0 : replicas->count,
                                      .redis = real->redis,
                                      .log = real->log};
    rsw_caches_forget(&caches, list, count);
}

/* ---- fence ---- */

struct fence_step {
    int (*get)(const struct rsw_beacon *beacon, struct rsw_registry *registry, const char *user_agent,
               struct rsw_error *err);
    const char *what;
};

/* One GET through one replica. What is not there is pushed, once, through the first. */
static int ask_for(struct real *real, const struct fence_step *step, size_t number, const char *mark,
                   struct rsw_error *err) {
    char agent[128];
    struct rsw_registry *registry = real->registries[number];
    snprintf(agent, sizeof agent, "regsweep/%s (fence %s-%zu)", REGSWEEP_VERSION, mark, number);
    int answer = step->get(&real->beacon, registry, agent, err);
    if (answer == RSW_ABSENT) {
        rsw_log(real->log, RSW_LOG_INFO, "pushing %s:" RSW_BEACON_TAG " through %s", real->fence_repo,
                rsw_registry_url(real->registries[0]));
        if (rsw_beacon_push(&real->beacon, real->registries[0], err) != 0) {
            return -1;
        }
        answer = step->get(&real->beacon, registry, agent, err);
    }
    if (answer == RSW_ABSENT) {
        return rsw_error_set(
            err, RSW_EIO, 0,
            "%s does not have the %s of %s:" RSW_BEACON_TAG " that was pushed through %s: %s",
            rsw_registry_url(registry), step->what, real->fence_repo, rsw_registry_url(real->registries[0]),
            number != 0 ? "do both serve the same storage?"
                        : "it may remember bytes that are gone; restart it");
    }
    return answer == RSW_FOUND ? 0 : -1;
}

static int ask_each(struct real *real, const char *mark, struct rsw_error *err) {
    static const struct fence_step layer = {rsw_beacon_get_layer, "layer"};
    static const struct fence_step manifest = {rsw_beacon_get_manifest, "manifest"};
    size_t count = real->replicas.count;
    int rc = 0;
    for (size_t i = 0; i < 2 * count; i++) {
        struct rsw_error why = RSW_ERROR_INIT;
        bool back = i >= count;
        if (ask_for(real, back ? &manifest : &layer, back ? 2 * count - 1 - i : i, mark, &why) != 0) {
            rc = rsw_error_set(err, why.code, why.errnum, "no fence: %s", why.message);
        }
        if (why.code == RSW_ESTOPPED) {
            break;
        }
    }
    return rc;
}

static int fence(struct rsw_replicas *replicas, const char *mark, const struct rsw_patience *patience,
                 struct rsw_error *err) {
    struct real *real = real_of(replicas);
    for (size_t i = 0; i < replicas->count; i++) {
        rsw_registry_patience(real->registries[i], patience);
    }
    int rc = ask_each(real, mark, err);
    for (size_t i = 0; i < replicas->count; i++) {
        rsw_registry_patience(real->registries[i], NULL);
    }
    return rc;
}

/* ---- what one replica tells of itself ---- */

static int clock_of(struct rsw_replicas *replicas, size_t number, int64_t *ms, struct rsw_error *err) {
    return rsw_registry_clock(real_of(replicas)->registries[number], ms, err);
}

static int deletes(struct rsw_replicas *replicas, size_t number, struct rsw_error *err) {
    struct real *real = real_of(replicas);
    struct rsw_digest nobodys;
    char word[64];
    int status;
    if (rsw_nonce(word, sizeof word, err) != 0 ||
        rsw_digest_of(&nobodys, RSW_SHA256, word, strlen(word), err) != 0) {
        return RSW_FAILED;
    }
    if (rsw_registry_clear(real->registries[number], real->fence_repo, &nobodys, &status, err) == 0) {
        return RSW_FOUND;
    }
    return status == 405 ? RSW_ABSENT : RSW_FAILED;
}

/* ---- open and close ---- */

/* What Redis keeps of a digest for every repository goes with what it keeps for any of them: our own. */
static int forget_bytes(struct rsw_replicas *replicas, const struct rsw_digest *digest,
                        struct rsw_error *err) {
    struct real *real = real_of(replicas);
    return real->redis != NULL ? rsw_redis_forget(real->redis, real->fence_repo, digest, err) : RSW_ABSENT;
}

static void close_real(struct rsw_replicas *replicas) {
    struct real *real = real_of(replicas);
    for (size_t i = 0; real->registries != NULL && i < replicas->count; i++) {
        rsw_registry_close(real->registries[i]);
    }
    rsw_redis_close(real->redis);
    free(real->registries);
    free(real->urls);
    free(real->fence_repo);
    free(real);
}

static const struct rsw_replicas_ops real_ops = {.forget = forget,
                                                 .fence = fence,
                                                 .forget_bytes = forget_bytes,
                                                 .clock = clock_of,
                                                 .deletes = deletes,
                                                 .close = close_real};

static int open_registry(struct real *real, size_t number, const struct rsw_replicas_options *options,
                         struct rsw_error *err) {
    const struct rsw_registry_options how = {.nonce = real->replicas.run,
                                             .ca_file = options->ca_file,
                                             .user = options->user,
                                             .password = options->password,
                                             .realm = options->realm,
                                             .clock = options->clock};
    struct rsw_registry **registry = &real->registries[number];
    if (rsw_registry_open(registry, options->urls[number], &how, err) != 0) {
        return -1;
    }
    real->urls[number] = rsw_registry_url(*registry);
    for (size_t i = 0; i < number; i++) {
        if (strcmp(real->urls[i], real->urls[number]) == 0) {
            return rsw_error_set(err, RSW_EINVAL, 0, "the registry's URL %s is given twice",
                                 real->urls[number]);
        }
    }
    return rsw_registry_ping(*registry, err);
}

static int open_redis(struct real *real, const struct rsw_replicas_options *options, struct rsw_error *err) {
    const struct rsw_redis_options how = {.address = options->redis,
                                          .user = options->redis_user,
                                          .password = options->redis_password,
                                          .db = options->redis_db};
    if (options->cache != RSW_CACHE_REDIS) {
        return 0;
    }
    if (options->redis == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "where is the registry's Redis? Give --redis HOST:PORT");
    }
    return rsw_redis_open(&real->redis, &how, err);
}

static int open_all(struct real *real, const struct rsw_replicas_options *options, struct rsw_error *err) {
    const char *repo = options->fence_repo != NULL ? options->fence_repo : FENCE_REPO;
    real->replicas.count = options->count;
    real->registries = calloc(options->count, sizeof(void *));
    real->urls = calloc(options->count, sizeof *real->urls);
    real->fence_repo = strdup(repo);
    if (real->registries == NULL || real->urls == NULL || real->fence_repo == NULL) {
        return no_memory(err);
    }
    real->replicas.urls = real->urls;
    if (rsw_nonce(real->replicas.run, 25, err) != 0 ||
        rsw_beacon_init(&real->beacon, real->fence_repo, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < options->count; i++) {
        if (open_registry(real, i, options, err) != 0) {
            return -1;
        }
    }
    return open_redis(real, options, err);
}

int rsw_replicas_open(struct rsw_replicas **out, const struct rsw_replicas_options *options,
                      struct rsw_error *err) {
    *out = NULL;
    if (options->count == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "where is the registry? Give --registry URL, one a replica");
    }
    struct real *real = calloc(1, sizeof *real);
    if (real == NULL) {
        return no_memory(err);
    }
    real->replicas.ops = &real_ops;
    real->replicas.cache = options->cache;
    real->log = options->log;
    if (open_all(real, options, err) != 0) {
        close_real(&real->replicas);
        return -1;
    }
    *out = &real->replicas;
    return 0;
}

const char *rsw_replica_name(const struct rsw_replicas *replicas, size_t number, char *text, size_t size) {
    if (number == replicas->count) {
        snprintf(text, size, "the shared cache");
    } else if (replicas->urls != NULL) {
        snprintf(text, size, "%s", replicas->urls[number]);
    } else {
        snprintf(text, size, "replica %zu", number + 1);
    }
    return text;
}

void rsw_replicas_close(struct rsw_replicas *replicas) {
    if (replicas != NULL) {
        replicas->ops->close(replicas);
    }
}
