/* Clients of the simulated registry, each at its own random script; and the replicas, as a sweeper sees them.
 */
#ifndef TESTS_UNIT_SIM_CLIENTS_H
#define TESTS_UNIT_SIM_CLIENTS_H

#include "sim_ledger.h"
#include "sim_schedule.h"

#define SIM_TODO_MAX 32
#define SIM_ATTEMPTS 4

struct sim_client {
    struct sim_request request; /* under way, if `busy` */
    bool busy;
    bool slow;
    uint64_t began; /* step */
    int64_t sleeps_until_ms;
    /* A push: what is still to be done, the last first. */
    struct sim_todo {
        int blob;
        int tag;
        bool looked; /* a HEAD said that it is not there, or this is another attempt: upload it */
    } todo[SIM_TODO_MAX];
    size_t todo_count;
    int repo, image, tag; /* of the push */
    int attempts;
};

#define SIM_CLIENTS 3
struct sim_clients {
    struct sim *sim;
    struct sim_ledger ledger;
    struct sim_client clients[SIM_CLIENTS];
    unsigned busy_weight[SIM_CLIENTS]; /* how often each acts */
    unsigned slow;                     /* one PUT of a manifest in so many takes up to its whole life */
    uint64_t second_from;              /* step from which on they push into the second repository too */
    bool deletes_layers;
    bool resting; /* they begin nothing new */
    uint64_t pushes, pushes_failed, pulls, deletes;
};

void sim_clients_init(struct sim_clients *clients, struct sim *sim);
/* One step of one of them. */
void sim_clients_step(struct sim_clients *clients);
bool sim_clients_idle(const struct sim_clients *clients);
/* Deletes every tag and manifest of every repository, through the registry. */
void sim_clients_delete_all(struct sim_clients *clients);

/* ---- the sweeper's side ---- */

#define SIM_ORPHANS 8
struct sim_replicas {
    struct rsw_replicas base; /* first member */
    struct sim *sim;
    struct sim_request orphans[SIM_ORPHANS]; /* of killed sweepers, still on their way */
    bool orphaned[SIM_ORPHANS];
    uint64_t deletes; /* of ours, so far */
    /* What it leaves out, for tests of tests. */
    bool forgets_nothing;
    bool fence_overtakes;
};
void sim_replicas_init(struct sim_replicas *replicas, struct sim *sim);
/* A step of requests that a killed sweeper left. */
void sim_replicas_step(struct sim_replicas *replicas);
bool sim_replicas_idle(const struct sim_replicas *replicas);

#endif
