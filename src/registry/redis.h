/* The Redis that the registry's replicas cache in (storage.cache.blobdescriptor: redis).
 *
 * What the registry keeps there (registry/storage/cache/redis/redis.go of 2.8.2, 3.0.0 and 3.1.1):
 *
 *     repository::R::blobs       set of the digests that R is known to have
 *     repository::R::blobs::D    hash: the media type that D has in R
 *     blobs::D                   hash: digest, size and media type of D, for every repository
 *
 * {R, D} is known if D is in the set and both hashes are there. 2.8 and 3.0 never take a digest out of the
 * set, so that an entry which was cleared comes back when any other repository pushes D.
 *
 * For one thread at a time. Every call ends within the timeout, or twice that where the server had closed the
 * connection meanwhile. Errors name host and port, never a password: RSW_EACCESS (user or password), RSW_EIO
 * (errnum EAGAIN where the same may do better later), RSW_EUNSUPPORTED (TLS, a cluster), RSW_EREFUSED (a
 * server that takes no writes), RSW_EINVAL for an address that is none.
 */
#ifndef REGSWEEP_REGISTRY_REDIS_H
#define REGSWEEP_REGISTRY_REDIS_H

#include <regsweep/digest.h>

#include <stddef.h>
#include <stdint.h>

struct rsw_redis;

#define RSW_REDIS_TIMEOUT_MS 10000 /* default of timeout_ms */

/* All strings are copied. */
struct rsw_redis_options {
    const char *address;  /* "host:port", "redis://[user:password@]host[:port][/db]" */
    const char *user;     /* NULL: what the address says, or none: Redis' default user */
    const char *password; /* NULL: what the address says, or none */
    unsigned db;          /* where the address names none */
    int64_t timeout_ms;   /* of connecting, and of one exchange; 0: the default */
};

/* Connects, says who we are and asks whether it answers. 0 and *out owned by the caller, or -1. */
int rsw_redis_open(struct rsw_redis **out, const struct rsw_redis_options *options, struct rsw_error *err);
void rsw_redis_close(struct rsw_redis *redis);             /* NULL is allowed */
const char *rsw_redis_name(const struct rsw_redis *redis); /* "host:port", borrowed until close */

/* What is to be taken out, and what became of it. */
struct rsw_redis_pair {
    const char *repo;
    const struct rsw_digest *digest;
    int answer; /* RSW_FOUND: the repository had it, as far as can be told; RSW_ABSENT; RSW_FAILED */
    struct rsw_error err; /* of RSW_FAILED */
};
/* Takes out all that the registry keeps of {repo, digest}, and of the digest for every repository: what finds
 * nothing here asks storage. All of the list goes to Redis in one exchange; what it refuses of one pair is
 * that pair's answer alone. Beside a running registry; may be repeated. */
void rsw_redis_forget_all(struct rsw_redis *redis, struct rsw_redis_pair *list, size_t count);
/* One of them. Its answer. */
int rsw_redis_forget(struct rsw_redis *redis, const char *repo, const struct rsw_digest *digest,
                     struct rsw_error *err);

#endif
