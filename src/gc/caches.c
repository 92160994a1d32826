/* What a replica remembers. In 2.8 and 3.x there is one descriptor cache, and its keys are {repository,
 * digest} and {digest}. Layers are looked up through it in both; revisions in 3.x alone, under the very same
 * key {repository, digest}. So a HEAD as a blob tells of the key for layers and for manifests, and needs no
 * bytes but a descriptor; a HEAD as a manifest reads the bytes, and in 2.8 goes by the link in storage.
 * Asking a manifest so as well tells whether it is a revision again. DELETE of the blob clears {repository,
 * digest} in that replica, though it answers 404 or 500 for a revision; a DELETE of the manifest would untag
 * as well. Nothing clears {digest}: bytes that may be a manifest's are held for that (index.h,
 * RSW_ITEM_HELD).
 * In Redis all of it is for us to take out, and is; 2.8 and 3.0 would leave the digest in the repository's
 * set, where another repository's push makes it count again. Then each replica is asked as if it had a cache
 * of its own: one that does not look there after all is so found. Source: distribution v2.8.2, v3.0.0,
 * v3.1.1: registry/storage/registry.go (Manifests, Blobs), linkedblobstore.go (Delete, Clear),
 * cache/cachedblobdescriptorstore.go.
 *
 * Pairs know nothing of each other, so a few threads go through the list, each with a pair at a time; of one
 * pair one replica is asked after the other. */
#include "gc/caches.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* A client that asks for the same object all the time can make a replica remember it again in between; what
 * is still known after so many rounds is not forgotten by asking. */
#define ROUNDS 5
#define LOOKS 6           /* at a replica that cannot be reached … */
#define LOOK_FIRST_MS 100 /* … with a pause twice as long each time: three seconds in all */

/* One list, and those who go through it. */
struct round {
    const struct rsw_caches *caches;
    struct rsw_cached *list;
    size_t count;
    pthread_mutex_t redis; /* is for one at a time */
    pthread_mutex_t lock;  /* over what follows */
    size_t next;
    struct rsw_error failed; /* the first that ends it */
};

/* ---- one replica ---- */

static int head(struct rsw_registry *registry, const struct rsw_cached *pair, bool manifest,
                struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    return manifest
               ? rsw_registry_head_manifest(registry, pair->repo, rsw_digest_format(pair->digest, text), err)
               : rsw_registry_head_blob(registry, pair->repo, pair->digest, err);
}

/* It is being restarted, or too busy. What ran into a timeout has waited long enough. */
static bool may_pass(const struct rsw_error *err) {
    return err->code == RSW_EIO &&
           (err->errnum == EAGAIN || err->errnum == ECONNREFUSED || err->errnum == ECONNRESET);
}

/* Asked again if there was no answer, for it changes nothing. A DELETE is not: the one without an answer may
 * still be under way, and then a settle must follow before anything is asked again (online.c). */
static int look(struct rsw_registry *registry, const struct rsw_cached *pair, bool manifest,
                struct rsw_error *err) {
    int64_t pause_ms = LOOK_FIRST_MS;
    for (int i = 1;; i++) {
        struct rsw_error why = RSW_ERROR_INIT;
        int answer = head(registry, pair, manifest, &why);
        if (answer != RSW_FAILED) {
            return answer;
        }
        if (i == LOOKS || !may_pass(&why)) {
            *err = why;
            return RSW_FAILED;
        }
        nanosleep(&(struct timespec){pause_ms / 1000, pause_ms % 1000 * 1000000}, NULL);
        pause_ms *= 2;
    }
}

/* Does this replica know it in any way? */
static int knows(struct rsw_registry *registry, const struct rsw_cached *pair, struct rsw_error *err) {
    int answer = look(registry, pair, false, err);
    return answer == RSW_ABSENT && pair->manifest ? look(registry, pair, true, err) : answer;
}

static int take_out_of_redis(struct round *round, const struct rsw_cached *pair, struct rsw_error *err) {
    if (round->caches->redis == NULL) {
        return 0;
    }
    pthread_mutex_lock(&round->redis);
    int answer = rsw_redis_forget(round->caches->redis, pair->repo, pair->digest, err);
    pthread_mutex_unlock(&round->redis);
    return answer == RSW_FAILED ? -1 : 0;
}

static int forget_at(struct round *round, struct rsw_registry *registry, const struct rsw_cached *pair,
                     struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    int status = 0;
    int answer = knows(registry, pair, err);
    if (answer != RSW_FOUND) {
        return answer;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (rsw_registry_clear(registry, pair->repo, pair->digest, &status, err) != 0 ||
            take_out_of_redis(round, pair, err) != 0) {
            return RSW_FAILED;
        }
        /* The last look is at the cache: one at the manifest would fill it, if the revision is there again.
         */
        answer = look(registry, pair, false, err);
        rsw_log(round->caches->log, RSW_LOG_DEBUG, "%s: DELETE of %s in %s: %d, then %s",
                rsw_registry_url(registry), rsw_digest_format(pair->digest, text), pair->repo, status,
                answer == RSW_ABSENT  ? "unknown"
                : answer == RSW_FOUND ? "still known"
                                      : "no answer");
        if (answer != RSW_FOUND) {
            return answer == RSW_ABSENT ? RSW_FOUND : RSW_FAILED;
        }
    }
    return rsw_error_set(
        err, RSW_EIO, 0,
        "%s still knows %s in %s after it was deleted %d times (answer %d): is --cache right, "
        "and does nobody push it all the time? Restarting that replica empties its cache",
        rsw_registry_url(registry), rsw_digest_format(pair->digest, text), pair->repo, ROUNDS, status);
}

/* ---- one pair, at all of them ---- */

/* It begins with what Redis said of it. */
static void forget_pair(struct round *round, struct rsw_cached *pair) {
    for (size_t i = 0; i < round->caches->count && pair->answer != RSW_FAILED; i++) {
        int answer = forget_at(round, round->caches->registries[i], pair, &pair->err);
        if (answer != RSW_ABSENT) {
            pair->answer = answer;
            pair->knower = i;
        }
    }
}

/* ---- all pairs ---- */

/* The next one. NULL: there is none left, or one has failed, and so the run will. */
static struct rsw_cached *next(struct round *round) {
    pthread_mutex_lock(&round->lock);
    bool more = round->next < round->count && round->failed.code == RSW_OK;
    struct rsw_cached *pair = more ? &round->list[round->next++] : NULL;
    pthread_mutex_unlock(&round->lock);
    return pair;
}

static void ended(struct round *round, const struct rsw_cached *pair) {
    if (pair->answer == RSW_FAILED && pair->err.code != RSW_EACCESS) {
        pthread_mutex_lock(&round->lock);
        rsw_error_set(&round->failed, pair->err.code, pair->err.errnum, "%s", pair->err.message);
        pthread_mutex_unlock(&round->lock);
    }
}

static void *work(void *arg) {
    struct round *round = arg;
    struct rsw_cached *pair;
    while ((pair = next(round)) != NULL) {
        forget_pair(round, pair);
        ended(round, pair);
    }
    return NULL;
}

/* What Redis has of all pairs, in one go. */
static void forget_in_redis(const struct rsw_caches *caches, struct rsw_cached *list, size_t count) {
    struct rsw_redis_pair *pairs = calloc(count + 1, sizeof *pairs);
    for (size_t i = 0; i < count; i++) {
        if (pairs == NULL) {
            list[i].answer = rsw_error_set(&list[i].err, RSW_ENOMEM, 0, "out of memory");
        } else {
            pairs[i] = (struct rsw_redis_pair){.repo = list[i].repo, .digest = list[i].digest};
        }
    }
    if (pairs != NULL) {
        rsw_redis_forget_all(caches->redis, pairs, count);
    }
    for (size_t i = 0; pairs != NULL && i < count; i++) {
        list[i].answer = pairs[i].answer;
        list[i].err = pairs[i].err;
    }
    free(pairs);
}

static void begin(const struct rsw_caches *caches, struct rsw_cached *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        list[i].answer = RSW_ABSENT;
        list[i].knower = caches->count;
        rsw_error_clear(&list[i].err);
    }
    if (caches->redis != NULL) {
        forget_in_redis(caches, list, count);
    }
}

void rsw_caches_forget(const struct rsw_caches *caches, struct rsw_cached *list, size_t count) {
    struct round round = {.caches = caches, .list = list, .count = count};
    pthread_t threads[RSW_CACHES_AT_ONCE - 1]; /* and the caller's own */
    size_t started = 0;
    begin(caches, list, count);
    pthread_mutex_init(&round.redis, NULL);
    pthread_mutex_init(&round.lock, NULL);
    while (started < RSW_CACHES_AT_ONCE - 1 && started + 1 < count &&
           pthread_create(&threads[started], NULL, work, &round) == 0) {
        started++; /* with fewer it only takes longer */
    }
    work(&round);
    while (started > 0) {
        pthread_join(threads[--started], NULL);
    }
    for (size_t i = round.next; i < count; i++) {
        list[i].answer = RSW_FAILED;
        list[i].err = round.failed;
    }
    pthread_mutex_destroy(&round.redis);
    pthread_mutex_destroy(&round.lock);
}
