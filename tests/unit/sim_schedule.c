#include "sim_schedule.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct sim *the_sim; /* of the wrapped functions, which have no argument to find it by */
static __thread struct sim_actor *self;

/* ---- chance ---- */

uint64_t sim_random(struct sim *sim) {
    uint64_t x = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

unsigned sim_below(struct sim *sim, unsigned n) {
    return (unsigned)(sim_random(sim) % n);
}

/* ---- telling ---- */

static void add_line(struct sim *sim, const char *fmt, va_list args) {
    char *line = sim->trace[sim->lines++ % SIM_TRACE_LINES];
    int len = snprintf(line, SIM_TRACE_LINE, "%7llu %8.3f %-8s ", (unsigned long long)sim->steps,
                       (double)(sim->registry.now_ms - INT64_C(1800000000000)) / 1000,
                       self == NULL ? "" : self->name);
    vsnprintf(line + len, SIM_TRACE_LINE - (size_t)len, fmt, args);
}

void sim_trace(struct sim *sim, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    add_line(sim, fmt, args);
    va_end(args);
}

static void trace_registry(void *arg, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    add_line(arg, fmt, args);
    va_end(args);
}

void sim_fail(struct sim *sim, const char *fmt, ...) {
    va_list args;
    if (sim->failed) {
        return;
    }
    sim->failed = true;
    va_start(args, fmt);
    vsnprintf(sim->failure, sizeof sim->failure, fmt, args);
    va_end(args);
    sim_trace(sim, "FAILED: %s", sim->failure);
    for (size_t i = 0; i < sim->actor_count; i++) {
        sim->actors[i]->killed = true;
    }
}

void sim_print_trace(const struct sim *sim, size_t lines) {
    size_t most = sim->lines < SIM_TRACE_LINES ? sim->lines : SIM_TRACE_LINES;
    for (size_t i = sim->lines - (lines < most ? lines : most); i < sim->lines; i++) {
        fprintf(stderr, "%s\n", sim->trace[i % SIM_TRACE_LINES]);
    }
}

/* ---- turns ---- */

struct sim_actor *sim_self(struct sim *sim) {
    (void)sim;
    return self;
}

bool sim_self_killed(struct sim *sim) {
    (void)sim;
    return self != NULL && self->killed;
}

/* Gives the turn away, and waits for it to come back. */
static void pass_turn(struct sim *sim, struct sim_actor *to) {
    pthread_mutex_lock(&sim->lock);
    sim->running = to;
    pthread_cond_signal(to == NULL ? &sim->director_turn : &to->turn);
    while (sim->running != self) {
        pthread_cond_wait(self == NULL ? &sim->director_turn : &self->turn, &sim->lock);
    }
    pthread_mutex_unlock(&sim->lock);
}

static void *act(void *arg) {
    struct sim_actor *actor = arg;
    struct sim *sim = actor->sim;
    self = actor;
    pthread_mutex_lock(&sim->lock);
    while (sim->running != actor) {
        pthread_cond_wait(&actor->turn, &sim->lock);
    }
    pthread_mutex_unlock(&sim->lock);
    while (!actor->quits) {
        if (actor->job != NULL) {
            rsw_error_clear(&actor->err);
            sim_trace(sim, "begins to %s", actor->job_name);
            actor->result = actor->job(actor, &actor->err);
            sim_trace(sim, "ends to %s: %s", actor->job_name,
                      actor->result == 0 ? "done" : actor->err.message);
            actor->job = NULL;
            actor->jobs++;
        }
        pass_turn(sim, NULL);
    }
    pthread_mutex_lock(&sim->lock);
    sim->running = NULL;
    pthread_cond_signal(&sim->director_turn);
    pthread_mutex_unlock(&sim->lock);
    return NULL;
}

void sim_actor_start(struct sim *sim, struct sim_actor *actor, const char *name) {
    actor->name = name;
    actor->sim = sim;
    pthread_cond_init(&actor->turn, NULL);
    if (pthread_create(&actor->thread, NULL, act, actor) != 0) {
        abort();
    }
    sim->actors[sim->actor_count++] = actor;
}

void sim_actor_give(struct sim_actor *actor, const char *name,
                    int (*job)(struct sim_actor *actor, struct rsw_error *err)) {
    actor->job_name = name;
    actor->job = job;
    actor->killed = actor->sim->failed;
}

static bool may_run(const struct sim *sim, const struct sim_actor *actor) {
    (void)sim;
    return actor->job != NULL;
}

bool sim_turn(struct sim *sim) {
    struct sim_actor *able[SIM_ACTORS_MAX];
    unsigned count = 0;
    for (size_t i = 0; i < sim->actor_count; i++) {
        if (may_run(sim, sim->actors[i])) {
            able[count++] = sim->actors[i];
        }
    }
    if (count == 0) {
        return false;
    }
    pass_turn(sim, able[count == 1 ? 0 : sim_below(sim, count)]);
    return true;
}

void sim_pause(struct sim *sim) {
    if (self == NULL || self->killed) {
        return;
    }
    unsigned dice = sim_below(sim, 64);
    unsigned steps = dice == 0 ? sim_below(sim, 40) : dice < 24 ? dice % 4 : 0;
    for (unsigned i = 0; i < steps && !sim->failed; i++) {
        sim->step(sim);
    }
    if (!self->killed && sim_one_in(sim, sim->turns)) {
        pass_turn(sim, NULL);
    }
}

/* ---- time ---- */

void sim_pass(struct sim *sim, int64_t ms) {
    int64_t until_ms = sim->registry.now_ms + ms;
    for (size_t i = 0; i < SIM_ACTIVE_MAX; i++) {
        const struct sim_request *request = sim->registry.active[i];
        if (request != NULL && sim_deadline(sim, request) < until_ms) {
            until_ms = sim_deadline(sim, request);
        }
    }
    for (size_t i = 0; i < sim->late_count; i++) {
        until_ms = sim->late[i].due_ms < until_ms ? sim->late[i].due_ms : until_ms;
    }
    if (until_ms > sim->registry.now_ms) {
        sim->registry.now_ms = until_ms;
    }
}

static int64_t sim_now(void *arg) {
    const struct sim *sim = arg;
    return sim_wall_ms(&sim->registry);
}

static void sim_steady(void *arg, struct rsw_steady *out) {
    const struct sim *sim = arg;
    out->ms = sim->registry.now_ms - sim->boot_ms;
    snprintf(out->boot, sizeof out->boot, "boot-%u", sim->boot);
}

static int64_t sim_now_later(void *arg) {
    sim_pause(arg);
    return sim_now(arg);
}

static void sim_steady_later(void *arg, struct rsw_steady *out) {
    sim_pause(arg);
    sim_steady(arg, out);
}

void sim_boot(struct sim *sim) {
    sim->boot++;
    sim->boot_ms = sim->registry.now_ms - (int64_t)sim_below(sim, (unsigned)(4 * sim->settle_ms));
}

int64_t __wrap_rsw_monotonic_ms(void);
int64_t __wrap_rsw_monotonic_ms(void) {
    return the_sim->registry.now_ms;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left) {
    (void)left;
    sim_pause(the_sim);
    sim_pass(the_sim, (int64_t)time->tv_sec * 1000 + time->tv_nsec / 1000000);
    if (self != NULL && !self->killed) {
        pass_turn(the_sim, NULL);
    }
    return 0;
}

/* ---- transactions ---- */

int __real_rsw_txn_begin_read(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err);
int __real_rsw_txn_begin_write(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err);
int __real_rsw_txn_commit(struct rsw_txn **ptr, struct rsw_error *err);
void __real_rsw_txn_abort(struct rsw_txn **txn);
int __wrap_rsw_txn_begin_read(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err);
int __wrap_rsw_txn_begin_write(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err);
int __wrap_rsw_txn_commit(struct rsw_txn **ptr, struct rsw_error *err);
void __wrap_rsw_txn_abort(struct rsw_txn **txn);

static __thread struct rsw_txn *written; /* the write transaction of this thread */

static int was_killed(struct rsw_error *err) {
    return rsw_error_set(err, RSW_EIO, 0, "killed");
}

int __wrap_rsw_txn_begin_read(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err) {
    sim_pause(the_sim);
    return sim_self_killed(the_sim) ? was_killed(err) : __real_rsw_txn_begin_read(out, index, err);
}

int __wrap_rsw_txn_begin_write(struct rsw_txn **out, struct rsw_index *index, struct rsw_error *err) {
    if (self == NULL) {
        return __real_rsw_txn_begin_write(out, index, err);
    }
    sim_pause(the_sim);
    while (the_sim->writer != NULL && the_sim->writer != self) {
        pass_turn(the_sim, NULL);
    }
    if (self->killed) {
        return was_killed(err);
    }
    int rc = __real_rsw_txn_begin_write(out, index, err);
    if (rc == 0) {
        the_sim->writer = self;
        written = *out;
    }
    return rc;
}

/* True if it was the write transaction of this actor. */
static bool ends_writing(const struct rsw_txn *txn) {
    if (txn == NULL || txn != written || self == NULL || the_sim->writer != self) {
        return false;
    }
    written = NULL;
    the_sim->writer = NULL;
    return true;
}

int __wrap_rsw_txn_commit(struct rsw_txn **ptr, struct rsw_error *err) {
    bool writes = ends_writing(*ptr);
    if (writes && self->killed) {
        __real_rsw_txn_abort(ptr);
        return was_killed(err);
    }
    int rc = __real_rsw_txn_commit(ptr, err);
    if (writes) {
        sim_pause(the_sim);
    }
    return rc;
}

void __wrap_rsw_txn_abort(struct rsw_txn **txn) {
    if (txn != NULL) {
        ends_writing(*txn);
    }
    __real_rsw_txn_abort(txn);
}

/* ---- the whole ---- */

struct rsw_storage *sim_storage_open(struct sim *sim); /* sim_storage.c */

void sim_init(struct sim *sim, uint64_t seed, const char *dir) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_index_options options = {.create = true};
    memset(sim, 0, sizeof *sim);
    sim->seed = sim->random = seed;
    sim->trace = calloc(SIM_TRACE_LINES, sizeof *sim->trace);
    sim->clock = (struct rsw_clock){sim_now_later, sim, sim_steady_later};
    sim->own_clock = (struct rsw_clock){sim_now, sim, sim_steady};
    sim->turns = 3;
    pthread_mutex_init(&sim->lock, NULL);
    pthread_cond_init(&sim->director_turn, NULL);
    the_sim = sim;
    if (sim->trace == NULL || rsw_index_open(&sim->index, dir, &options, &err) != 0) {
        fprintf(stderr, "%s: %s\n", dir, err.message);
        abort();
    }
    static const enum rsw_cache caches[] = {RSW_CACHE_NONE, RSW_CACHE_MEMORY, RSW_CACHE_MEMORY,
                                            RSW_CACHE_REDIS};
    bool v3 = sim_one_in(sim, 2);
    enum rsw_cache cache = caches[sim_below(sim, 4)];
    sim_registry_init(&sim->registry, v3, cache, 1 + (int)sim_below(sim, 2));
    sim->registry.tags_first = sim_one_in(sim, 2);
    sim->registry.now_ms = INT64_C(1800000000000);
    sim->registry.trace = trace_registry;
    sim->registry.trace_arg = sim;
    sim->storage = sim_storage_open(sim);
}

void sim_release(struct sim *sim) {
    for (size_t i = 0; i < sim->actor_count; i++) {
        sim->actors[i]->quits = true;
        sim->actors[i]->job = NULL;
        pass_turn(sim, sim->actors[i]);
        pthread_join(sim->actors[i]->thread, NULL);
        pthread_cond_destroy(&sim->actors[i]->turn);
    }
    rsw_storage_close(sim->storage);
    rsw_index_close(sim->index);
    sim_registry_release(&sim->registry);
    pthread_cond_destroy(&sim->director_turn);
    pthread_mutex_destroy(&sim->lock);
    free(sim->trace);
}
