/* The simulated replicas behind the sweeper's interface: what it asks for are requests like any other, and
 * others go on between their steps. */
#include "sim_clients.h"

#include <stdio.h>
#include <string.h>

#define TRIES 20

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

static int forget_at(struct sim_replicas *replicas, int replica, int repo, int blob, struct rsw_error *err) {
    int answer = RSW_ABSENT;
    for (int i = 0; i < TRIES; i++) {
        struct sim_request head = {
            .kind = SIM_HEAD_BLOB, .replica = replica, .repo = repo, .blob = blob, .tag = -1};
        snprintf(head.useragent, sizeof head.useragent, "regsweep/0 (run %s)", replicas->base.run);
        struct sim_request removal = head;
        removal.kind = SIM_DELETE_LAYER;
        int status = ask(replicas, &head, err);
        if (status != 200) {
            return status == 404 ? answer : RSW_FAILED;
        }
        answer = RSW_FOUND;
        replicas->deletes++;
        if (ask(replicas, &removal, err) < 0) {
            return RSW_FAILED;
        }
    }
    rsw_error_set(err, RSW_EIO, 0, "replica %d knows it again and again", replica);
    return RSW_FAILED;
}

static int sim_forget(struct rsw_replicas *base, const char *repo_name, const struct rsw_digest *digest,
                      bool manifest, struct rsw_error *err) {
    struct sim_replicas *replicas = of(base);
    struct sim_registry *r = &replicas->sim->registry;
    int repo = sim_repo_of(repo_name, strlen(repo_name));
    int blob = sim_blob_of(digest);
    int answer = RSW_ABSENT;
    if (replicas->forgets_nothing || (manifest && !r->v3) || r->cache == RSW_CACHE_NONE) {
        return RSW_ABSENT;
    }
    for (int i = 0; i < r->replica_count; i++) {
        int known = forget_at(replicas, i, repo, blob, err);
        if (known == RSW_FAILED) {
            return RSW_FAILED;
        }
        answer = known == RSW_FOUND ? RSW_FOUND : answer;
    }
    sim_pause(replicas->sim);
    if (sim_self_killed(replicas->sim)) {
        return killed(err);
    }
    if (r->cache == RSW_CACHE_REDIS && (r->shared.in_repo[repo] & SIM_BIT(blob)) != 0) {
        sim_redis_forget(r, repo, blob);
        answer = RSW_FOUND;
    }
    return answer;
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

static int sim_fence(struct rsw_replicas *base, const char *mark, struct rsw_error *err) {
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
