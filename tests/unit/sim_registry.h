/* A registry simulated over the memory backend, with the semantics of distribution 2.8 and 3.x: what a
 * request looks at, in which order it writes, what it caches, which events it sends and when. A request goes
 * on by one step a call: a look into the cache, a look at storage, a write. Whoever steps several requests in
 * turns gets what a registry under load does.
 *
 * What is simulated: 2.8 writes a link by truncating it first; its cache (none, one a replica, one shared as
 * Redis) knows {digest} and {repository, digest} and is believed without asking storage; 3.x knows revisions
 * in the same way, and before it writes them; DELETE clears the second kind alone, of one replica (Redis: the
 * first kind alone, membership stays); bytes that "exist" are not written again; a push by tag is told before
 * the tag is written. Events wait in the replica and die with it.
 *
 * One thread at a time.
 */
#ifndef TESTS_UNIT_SIM_REGISTRY_H
#define TESTS_UNIT_SIM_REGISTRY_H

#include "feed/envelope.h"
#include "gc/replicas.h"
#include "sim_world.h"
#include "storage/layout.h"
#include "storage/storage.h"

#define SIM_REPLICAS_MAX 2
#define SIM_ACTIVE_MAX 16

struct sim_cache {
    uint32_t in_repo[SIM_REPOS]; /* {repository, digest}; Redis: members of the repository's set */
    uint32_t blobs;              /* {digest} */
};

struct sim_event {
    struct rsw_event event;
    struct sim_event *next;
};

struct sim_replica {
    unsigned life; /* how often it was started */
    struct sim_cache cache;
    struct sim_event *first;
    struct sim_event **end;
};

/* What storage holds of one repository, as sets of blobs. */
struct sim_repo {
    uint32_t links, revisions;           /* whole */
    uint32_t cut_links, cut_revisions;   /* there, but empty */
    uint32_t lost_links, lost_revisions; /* not whole, and the registry itself removed or cut it last */
    uint32_t vouched;                    /* revisions that a PUT made a cache know of before it wrote them */
    uint64_t revision_copies[SIM_BLOBS]; /* in quarantine: bit of the generation, modulo 64 */
    int current[SIM_TAGS];               /* -1: none; -2: empty */
    int written[SIM_TAGS];               /* what the registry itself last made of it */
    uint32_t history[SIM_TAGS];
    uint32_t ever[SIM_TAGS]; /* all that was ever in it */
};

struct sim_request;

struct sim_registry {
    struct rsw_storage *files; /* owned */
    bool v3;                   /* distribution 3.x, else 2.8 */
    bool tags_first;           /* a manifest's DELETE removes the tags before the revision */
    enum rsw_cache cache;
    int replica_count;
    struct sim_replica replicas[SIM_REPLICAS_MAX];
    struct sim_cache shared;
    int64_t now_ms;   /* time that goes by */
    int64_t ahead_ms; /* so far the clock on the wall is ahead of it: it can be set */
    uint64_t uploads; /* begun so far: their ids */
    uint64_t events_sent;
    uint64_t events_lost;
    struct sim_request *active[SIM_ACTIVE_MAX];
    /* What storage holds: kept by sim_seen. */
    struct sim_repo repos[SIM_REPOS];
    uint32_t data;
    uint64_t copies[SIM_BLOBS]; /* of data in quarantine: bit of the generation, modulo 64 */
    void (*trace)(void *arg, const char *fmt, ...) RSW_PRINTF(2, 3); /* may be NULL */
    void *trace_arg;
};

static inline int64_t sim_wall_ms(const struct sim_registry *r) {
    return r->now_ms + r->ahead_ms;
}

void sim_registry_init(struct sim_registry *r, bool v3, enum rsw_cache cache, int replicas);
void sim_registry_release(struct sim_registry *r);

/* Somebody wrote, moved or removed this key. */
void sim_seen(struct sim_registry *r, const char *key);
/* The sweeper moved a file, gave it a second name, or (`to` NULL) removed it: what a registry has open goes
 * with it. */
void sim_moved(struct sim_registry *r, const char *from, const char *to, bool stays);
/* Revisions that a cache vouches for and storage never had since, not even in a quarantine. 3.x has the cache
 * know of a revision before it writes it: a PUT that dies in between leaves that lie, whether somebody sweeps
 * or not, and what is pushed on it is not whole. One that lies in quarantine is ours to give back. */
static inline uint32_t sim_only_vouched(const struct sim_repo *repo) {
    uint32_t only = repo->vouched;
    for (int i = 0; i < SIM_BLOBS; i++) {
        only &= repo->revision_copies[i] != 0 ? ~SIM_BIT(i) : UINT32_MAX;
    }
    return only;
}
/* Data is somewhere: in place or in a quarantine. */
static inline bool sim_has_copy(const struct sim_registry *r, int blob) {
    return (r->data & SIM_BIT(blob)) != 0 || r->copies[blob] != 0;
}

/* The replica ends, and starts anew: what it had cached and not sent is gone, its requests are not answered.
 */
void sim_replica_restart(struct sim_registry *r, int replica);
/* "replica-life" */
const char *sim_instance(const struct sim_registry *r, int replica, char out[32]);
/* The next event of a replica, NULL: none; stays in the queue until dropped. */
const struct rsw_event *sim_event_next(const struct sim_registry *r, int replica);
void sim_event_drop(struct sim_registry *r, int replica);
/* With Redis, as an administrator would: set and keys of {repo, digest} go. */
void sim_redis_forget(struct sim_registry *r, int repo, int blob);

enum sim_request_kind {
    SIM_HEAD_BLOB,       /* 200, 404, 500 */
    SIM_UPLOAD,          /* 201 */
    SIM_MOUNT,           /* 201, or 202: upload it */
    SIM_DELETE_LAYER,    /* 202, 404, 500 */
    SIM_GET_MANIFEST,    /* by tag, or by digest; 200, 404, 500 */
    SIM_PUT_MANIFEST,    /* by tag, or by digest; 201; 400: something that it names is unknown; 500 */
    SIM_DELETE_MANIFEST, /* 202, 404, 500 */
    SIM_DELETE_TAG,      /* 202, 404 */
};
#define SIM_DIED (-1) /* status: the replica was killed */

struct sim_look {
    bool manifest;
    int blob;
    int at;
};

struct sim_request {
    enum sim_request_kind kind;
    int replica;
    int repo;
    int from;      /* SIM_MOUNT: repository */
    int blob;      /* not for SIM_GET_MANIFEST by tag: filled in */
    int tag;       /* -1: none */
    bool ours;     /* of the sweeper */
    bool overtake; /* its event does not queue up: for a broken fence */
    char useragent[96];
    int status; /* 0: under way */
    int64_t began_ms;
    /* Its own. */
    int at;
    unsigned life;
    /* A link that is cut and not yet written: where the open file is by now, for it may be moved, removed, or
     * have a second name. "": nowhere. */
    bool half;
    char open[2][RSW_KEY_MAX + 64];
    bool unlinked; /* a DELETE of a client's removed what is open */
    uint64_t upload;
    uint32_t left; /* parts or tags still to be looked at */
    struct sim_look look;
};

/* Every field but kind to useragent is set. The request belongs to the caller and must stay where it is until
 * it is answered. */
void sim_request_begin(struct sim_registry *r, struct sim_request *request);
/* One step. Answers its status. */
int sim_request_step(struct sim_registry *r, struct sim_request *request);
/* All steps. */
int sim_request_run(struct sim_registry *r, struct sim_request *request);
const char *sim_request_text(const struct sim_request *request, char out[160]);

/* A DELETE of a tag at once, its history too where it has no head. */
void sim_registry_drop_tag(struct sim_registry *r, int repo, int tag);

/* For sim_requests.c. */
void sim_put(struct sim_registry *r, const char *key, const void *bytes, size_t len);
void sim_remove(struct sim_registry *r, const char *key);
void sim_send(struct sim_registry *r, const struct sim_request *request, enum rsw_event_action action,
              int blob, int tag);
struct sim_cache *sim_cache_of(struct sim_registry *r, int replica);

#endif
