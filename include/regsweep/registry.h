/* The running registry, which a sweep beside it must be able to ask: all of its replicas, and what they
 * cache. */
#ifndef REGSWEEP_REGISTRY_H
#define REGSWEEP_REGISTRY_H

#include <regsweep/error.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_clock;
struct rsw_log;
struct rsw_replicas; /* from one thread at a time */

/* What the registry remembers of blobs (storage.cache.blobdescriptor of its configuration). */
enum rsw_cache {
    RSW_CACHE_NONE,   /* nothing: every look goes to storage */
    RSW_CACHE_MEMORY, /* each replica for itself, until it ends */
    RSW_CACHE_REDIS,  /* shared, outlives all of them */
};

/* Strings are copied where they must outlive the call. */
struct rsw_replicas_options {
    const char *const *urls; /* one a replica; no load balancer */
    size_t count;
    enum rsw_cache cache;
    const char *redis;      /* RSW_CACHE_REDIS: "host:port", "redis://[user:password@]host:port/db" (rediss:
                               is RSW_EUNSUPPORTED) */
    const char *redis_user; /* NULL: the default one, and what the URL says */
    const char *redis_password;  /* NULL: what the URL says */
    unsigned redis_db;           /* where the URL names none */
    const char *user, *password; /* of the registry; NULL: anonymous */
    const char *realm;           /* pinned token server; NULL: the registry's own host */
    const char *ca_file;
    const char *fence_repo;        /* NULL: "regsweep/fence" */
    const struct rsw_clock *clock; /* of tokens' lives; NULL: one that never jumps */
    const struct rsw_log *log;     /* NULL: silence */
};
/* Opens and asks each replica whether it is there and a registry. 0 and *out owned by the caller, or -1. */
RSW_API int rsw_replicas_open(struct rsw_replicas **out, const struct rsw_replicas_options *options,
                              struct rsw_error *err);
RSW_API void rsw_replicas_close(struct rsw_replicas *replicas); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
