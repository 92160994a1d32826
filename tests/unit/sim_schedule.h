/* Random interleavings of real code with a simulated registry, in simulated time, each given by a seed.
 *
 * Actors are threads that run real code: a sweeper, the reviver, the checker, a scan. One thread runs at a
 * time. An actor can lose its turn wherever the rest of the world could have acted: before and after every
 * request to storage and every transaction of the index, where it looks at the clock, and where it sleeps.
 * Small steps of the world (a step of a request, an event delivered, time) are taken inline, in whichever
 * thread has the turn. A write transaction of the index makes other writers wait, and nobody else.
 *
 * To have these places, a test program that uses this is linked with --wrap for the functions of a
 * transaction, the monotonic clock and nanosleep, and brings its own scan/pool.h, without threads.
 *
 * An actor is killed by letting everything that it asks for fail from then on: storage, replicas, and the
 * index too.
 */
#ifndef TESTS_UNIT_SIM_SCHEDULE_H
#define TESTS_UNIT_SIM_SCHEDULE_H

#include "index/index.h"
#include "sim_registry.h"
#include "util/clock.h"

#include <pthread.h>

struct sim;

struct sim_actor {
    const char *name;
    struct sim *sim;
    int (*job)(struct sim_actor *actor, struct rsw_error *err); /* NULL: idle */
    const char *job_name;
    bool killed;
    bool quits;
    uint64_t jobs; /* done */
    int result;    /* of the last job */
    struct rsw_error err;
    void *arg;
    pthread_t thread;
    pthread_cond_t turn;
};

#define SIM_ACTORS_MAX 4
#define SIM_LATE_MAX 32

/* A removal that was asked for and not answered: an object store carries it out within a settle. */
struct sim_late {
    char key[RSW_KEY_MAX + 64];
    int64_t due_ms;   /* by then it is done */
    bool hides;       /* it takes out of sight only */
    uint64_t version; /* all that it takes; 0: whatever is there by then */
};
#define SIM_TRACE_LINES 4096
#define SIM_TRACE_LINE 120

struct sim {
    uint64_t seed;
    uint64_t random;
    uint64_t steps;
    struct sim_registry registry;
    struct rsw_storage *storage; /* the registry's files, as actors see them */
    struct rsw_index *index;
    struct rsw_clock clock;     /* of actors: who looks at it may lose the turn */
    struct rsw_clock own_clock; /* of steps of the world */
    unsigned boot;              /* how often the machine was started that actors run on */
    int64_t boot_ms;            /* when it was */
    int64_t settle_ms;          /* no request lives longer */
    int64_t pace_ms;            /* a step takes up to so long */
    unsigned turns;             /* an actor loses its turn at one place in so many */
    struct sim_actor *actors[SIM_ACTORS_MAX];
    size_t actor_count;
    /* A step of the world; never takes an actor's turn. */
    void (*step)(struct sim *sim);
    /* After everything that may have changed storage. */
    void (*check)(struct sim *sim);
    void *arg;
    bool failed;
    char failure[512];
    struct sim_late late[SIM_LATE_MAX];
    size_t late_count;
    bool all_answered;        /* every removal is done when it is answered */
    struct sim_actor *writer; /* holds the write transaction of the index */
    pthread_mutex_t lock;
    pthread_cond_t director_turn;
    struct sim_actor *running; /* NULL: the director */
    size_t lines;
    char (*trace)[SIM_TRACE_LINE]; /* a ring */
};

/* One at a time in a process; the index is in `dir`. */
void sim_init(struct sim *sim, uint64_t seed, const char *dir);
void sim_release(struct sim *sim);

/* ---- chance ---- */
uint64_t sim_random(struct sim *sim);
unsigned sim_below(struct sim *sim, unsigned n); /* 0 … n - 1 */
static inline bool sim_one_in(struct sim *sim, unsigned n) {
    return sim_below(sim, n) == 0;
}

/* ---- actors ---- */
void sim_actor_start(struct sim *sim, struct sim_actor *actor, const char *name);
void sim_actor_give(struct sim_actor *actor, const char *name,
                    int (*job)(struct sim_actor *actor, struct rsw_error *err));
static inline bool sim_actor_idle(const struct sim_actor *actor) {
    return actor->job == NULL;
}
/* Gives an actor its turn until it loses it; false: none can go on. Director only. */
bool sim_turn(struct sim *sim);
/* The actor that has the turn; NULL: the director. */
struct sim_actor *sim_self(struct sim *sim);
bool sim_self_killed(struct sim *sim);
/* A place where the world may act. */
void sim_pause(struct sim *sim);

/* ---- time ---- */
/* Time goes on by up to so much: never beyond the end of a request's life. */
void sim_pass(struct sim *sim, int64_t ms);
/* The machine that the actors run on starts anew: its steady clock begins at another number. */
void sim_boot(struct sim *sim);
/* When it must have been answered; a little before a settle is over, for a restart takes a moment too. */
static inline int64_t sim_deadline(const struct sim *sim, const struct sim_request *request) {
    return request->began_ms + sim->settle_ms - 100;
}

/* ---- an object store ---- */
/* Its files have keys alone, moves are copies and removals, and removals can come late. */
void sim_make_store(struct sim *sim);
/* The same, and what is deleted stays hidden: markers can come late. */
void sim_make_versions(struct sim *sim);
/* Some of those removals, by chance and by time; or all of them. */
void sim_remove_late(struct sim *sim, bool all);

/* ---- telling ---- */
void sim_trace(struct sim *sim, const char *fmt, ...) RSW_PRINTF(2, 3);
/* The run has failed; the first time counts. */
void sim_fail(struct sim *sim, const char *fmt, ...) RSW_PRINTF(2, 3);
void sim_print_trace(const struct sim *sim, size_t lines);

#endif
