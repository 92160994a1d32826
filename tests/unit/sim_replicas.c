/* The simulated replicas behind the sweeper's interface: what it asks for are requests like any other, and
 * others go on between their steps. */
#include "sim_clients.h"

#include <stdio.h>
#include <string.h>

#define TRIES 20
#define SIM_FORGETTING 4 /* at once */

static struct sim_replicas *of(struct rsw_replicas *replicas) {
    return (struct sim_replicas *)replicas;
}

static int killed(struct rsw_error *err) {
    rsw_error_set(err, RSW_EIO, 0, "killed");
    return -1;
}

/* Whoever asked is dead; the registry goes on. */
static void leave(struct sim_replicas *replicas, struct sim_request *request) {
    struct sim_registry *r = &replicas->sim->registry;
    for (size_t i = 0; i < SIM_ORPHANS; i++) {
        if (replicas->orphaned[i]) {
            continue;
        }
        replicas->orphaned[i] = true;
        replicas->orphans[i] = *request;
        for (size_t j = 0; j < SIM_ACTIVE_MAX; j++) {
            r->active[j] = r->active[j] == request ? &replicas->orphans[i] : r->active[j];
        }
        return;
    }
    while (request->status == 0) {
        sim_request_step(r, request);
    }
}

static int ask(struct sim_replicas *replicas, struct sim_request *request, struct rsw_error *err) {
    struct sim *sim = replicas->sim;
    request->ours = true;
    sim_request_begin(&sim->registry, request);
    while (request->status == 0) {
        sim_pause(sim);
        if (sim_self_killed(sim)) {
            leave(replicas, request);
            return killed(err);
        }
        sim_request_step(&sim->registry, request);
        sim->steps++;
        if (sim->check != NULL) {
            sim->check(sim);
        }
    }
    if (request->status == SIM_DIED || request->status == 500) {
        rsw_error_set(err, RSW_EIO, 0, "replica %d cannot be reached (%d)", request->replica,
                      request->status);
        return -1;
    }
    return request->status;
}

/* ---- forget ---- */

/* One of those that are asked for at once: at one replica after the other. */
struct forgetting {
    struct rsw_cached *cached; /* NULL: none */
    int tries;                 /* at this replica */
    struct sim_request request;
};

static void fail(struct forgetting *f, const char *why) {
    rsw_error_set(&f->cached->err, RSW_EIO, 0, "replica %d: %s", f->request.replica, why);
    f->cached->answer = RSW_FAILED;
    f->cached = NULL;
}

static void begin_head(struct sim_replicas *replicas, struct forgetting *f, int replica) {
    struct sim_request *head = &f->request;
    *head = (struct sim_request){.kind = SIM_HEAD_BLOB,
                                 .replica = replica,
                                 .repo = sim_repo_of(f->cached->repo, strlen(f->cached->repo)),
                                 .blob = sim_blob_of(f->cached->digest),
                                 .tag = -1,
                                 .ours = true};
    snprintf(head->useragent, sizeof head->useragent, "regsweep/0 (run %s)", replicas->base.run);
    sim_request_begin(&replicas->sim->registry, head);
}

static void begin_removal(struct sim_replicas *replicas, struct forgetting *f) {
    f->cached->answer = RSW_FOUND;
    f->cached->knower = (size_t)f->request.replica;
    f->request.kind = SIM_DELETE_LAYER;
    replicas->deletes++;
    sim_request_begin(&replicas->sim->registry, &f->request);
}

static void end(struct sim_replicas *replicas, struct forgetting *f) {
    struct sim_registry *r = &replicas->sim->registry;
    if (r->cache == RSW_CACHE_REDIS && (r->shared.in_repo[f->request.repo] & SIM_BIT(f->request.blob)) != 0) {
        sim_redis_forget(r, f->request.repo, f->request.blob);
        f->cached->answer = RSW_FOUND;
    }
    f->cached = NULL;
}

/* Its request was answered: the next one. */
static void go_on(struct sim_replicas *replicas, struct forgetting *f) {
    int status = f->request.status;
    if (status == SIM_DIED || status == 500) {
        fail(f, "cannot be reached");
    } else if (f->request.kind == SIM_DELETE_LAYER) {
        begin_head(replicas, f, f->request.replica);
    } else if (status == 200 && f->tries++ == TRIES) {
        fail(f, "knows it again and again");
    } else if (status == 200) {
        begin_removal(replicas, f);
    } else if (status != 404) {
        fail(f, "answers what nobody expects");
    } else if (f->request.replica + 1 < replicas->sim->registry.replica_count) {
        f->tries = 0;
        begin_head(replicas, f, f->request.replica + 1);
    } else {
        end(replicas, f);
    }
}

static void step(struct sim_replicas *replicas, struct forgetting *f) {
    struct sim *sim = replicas->sim;
    if (f->request.status == 0) {
        sim_request_step(&sim->registry, &f->request);
        sim->steps++;
    }
    if (f->request.status != 0) {
        go_on(replicas, f);
    }
    if (sim->check != NULL) {
        sim->check(sim);
    }
}

/* NULL: none of them has anything to do. */
static struct forgetting *any_of(struct sim *sim, struct forgetting *some) {
    struct forgetting *busy[SIM_FORGETTING];
    unsigned count = 0;
    for (size_t i = 0; i < SIM_FORGETTING; i++) {
        if (some[i].cached != NULL) {
            busy[count++] = &some[i];
        }
    }
    return count == 0 ? NULL : busy[sim_below(sim, count)];
}

static void start_some(struct sim_replicas *replicas, struct forgetting *some, struct rsw_cached **next,
                       const struct rsw_cached *end_of_list) {
    struct sim_registry *r = &replicas->sim->registry;
    for (size_t i = 0; i < SIM_FORGETTING && *next < end_of_list;) {
        struct rsw_cached *cached = *next;
        bool known = !replicas->forgets_nothing && (!cached->manifest || r->v3) && r->cache != RSW_CACHE_NONE;
        if (known && some[i].cached != NULL) {
            i++;
            continue;
        }
        cached->answer = RSW_ABSENT;
        if (known) {
            some[i] = (struct forgetting){.cached = cached};
            begin_head(replicas, &some[i], 0);
        }
        ++*next;
    }
}

/* Many at once, as the real one: what each of them asks comes between what the others do. */
static void sim_forget(struct rsw_replicas *base, struct rsw_cached *list, size_t count) {
    struct sim_replicas *replicas = of(base);
    struct forgetting some[SIM_FORGETTING] = {{.cached = NULL}};
    struct rsw_cached *next = list;
    struct forgetting *one;
    bool well = true;
    bool dead = false;
    do {
        if (well) {
            start_some(replicas, some, &next, list + count);
        }
        sim_pause(replicas->sim);
        dead = sim_self_killed(replicas->sim);
        one = any_of(replicas->sim, some);
        if (one != NULL && !dead) {
            struct rsw_cached *cached = one->cached;
            step(replicas, one);
            well = well && !(one->cached == NULL && cached->answer == RSW_FAILED);
        }
    } while (one != NULL && !dead);
    for (size_t i = 0; i < SIM_FORGETTING; i++) {
        if (some[i].cached != NULL) {
            leave(replicas, &some[i].request);
            fail(&some[i], "killed");
        }
    }
    for (; next < list + count; next++) {
        next->answer = killed(&next->err);
    }
}

static int sim_forget_bytes(struct rsw_replicas *base, const struct rsw_digest *digest,
                            struct rsw_error *err) {
    struct sim_replicas *replicas = of(base);
    int blob = sim_blob_of(digest);
    sim_pause(replicas->sim);
    if (sim_self_killed(replicas->sim)) {
        return killed(err);
    }
    uint32_t *blobs = &replicas->sim->registry.shared.blobs;
    bool known = (*blobs & SIM_BIT(blob)) != 0;
    *blobs &= ~SIM_BIT(blob);
    return known ? RSW_FOUND : RSW_ABSENT;
}

/* ---- the fence ---- */

static int fence_ask(struct sim_replicas *replicas, enum sim_request_kind kind, int replica, int blob,
                     int tag, const char *mark, struct rsw_error *err) {
    struct sim_request request = {
        .kind = kind, .replica = replica, .repo = SIM_FENCE_REPO, .blob = blob, .tag = tag};
    request.overtake = replicas->fence_overtakes && mark != NULL;
    if (mark == NULL) {
        snprintf(request.useragent, sizeof request.useragent, "regsweep/0 (run %s)", replicas->base.run);
    } else {
        snprintf(request.useragent, sizeof request.useragent, "regsweep/0 (fence %s-%d)", mark, replica);
    }
    return ask(replicas, &request, err);
}

static int get(struct sim_replicas *replicas, enum sim_request_kind kind, int replica, int blob,
               const char *mark, struct rsw_error *err) {
    int status = fence_ask(replicas, kind, replica, blob, -1, mark, err);
    if (status != 404) {
        return status;
    }
    if (fence_ask(replicas, SIM_UPLOAD, replica, SIM_FENCE_LAYER, -1, NULL, err) < 0 ||
        fence_ask(replicas, SIM_PUT_MANIFEST, replica, SIM_FENCE_IMAGE, SIM_TAG_FENCE, NULL, err) < 0) {
        return -1;
    }
    return fence_ask(replicas, kind, replica, blob, -1, mark, err);
}

static int sim_fence(struct rsw_replicas *base, const char *mark, const struct rsw_patience *patience,
                     struct rsw_error *err) {
    (void)patience;
    struct sim_replicas *replicas = of(base);
    int count = replicas->sim->registry.replica_count;
    for (int i = 0; i < count; i++) {
        if (get(replicas, SIM_HEAD_BLOB, i, SIM_FENCE_LAYER, mark, err) != 200) {
            return rsw_error_set(err, RSW_EIO, 0, "no fence through replica %d", i);
        }
    }
    for (int i = count - 1; i >= 0; i--) {
        if (get(replicas, SIM_GET_MANIFEST, i, SIM_FENCE_IMAGE, mark, err) != 200) {
            return rsw_error_set(err, RSW_EIO, 0, "no fence through replica %d", i);
        }
    }
    return 0;
}

static void sim_close(struct rsw_replicas *replicas) {
    (void)replicas;
}

void sim_replicas_init(struct sim_replicas *replicas, struct sim *sim) {
    static const struct rsw_replicas_ops plain = {
        .forget = sim_forget, .fence = sim_fence, .close = sim_close};
    static const struct rsw_replicas_ops shared = {
        .forget = sim_forget, .fence = sim_fence, .forget_bytes = sim_forget_bytes, .close = sim_close};
    memset(replicas, 0, sizeof *replicas);
    replicas->base.ops = sim->registry.cache == RSW_CACHE_REDIS ? &shared : &plain;
    replicas->base.cache = sim->registry.cache;
    replicas->base.count = (size_t)sim->registry.replica_count;
    replicas->sim = sim;
}

void sim_replicas_step(struct sim_replicas *replicas) {
    for (size_t i = 0; i < SIM_ORPHANS; i++) {
        struct sim_request *request = &replicas->orphans[i];
        bool late = sim_deadline(replicas->sim, request) <= replicas->sim->registry.now_ms;
        if (replicas->orphaned[i] && (late || sim_one_in(replicas->sim, 8))) {
            replicas->orphaned[i] = sim_request_step(&replicas->sim->registry, request) == 0;
        }
    }
}

bool sim_replicas_idle(const struct sim_replicas *replicas) {
    for (size_t i = 0; i < SIM_ORPHANS; i++) {
        if (replicas->orphaned[i]) {
            return false;
        }
    }
    return true;
}
