/* All repositories of a mark, and then its blobs. Where they are many, two threads share the repositories, a
 * slice at a time: each repository is decided by itself, so they need nothing of each other until both are
 * done, and the plan is that of one. */
#include "gc/marker.h"
#include "gc/plan.h"
#include "util/grow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define BLOBS_MIN 16384 /* with fewer a thread costs more than it saves */
#define SLICE_MAX 8     /* repositories; of few repositories smaller ones, so that both have some */
#define SLICES 64
#define WORKERS 2

/* What one worker let go of one slice: a part of its plan. */
struct slice {
    unsigned worker;
    size_t from, to;
    size_t warnings_from, warnings_to;
};

struct worker {
    struct rsw_marker *marker; /* borrowed; `own` for the second */
    struct rsw_marker own;     /* its own sight, view and epoch; the rest is that of the first */
    struct rsw_plan plan;
    struct work *work;
    unsigned number;
    int rc;
    struct rsw_error err;
};

struct work {
    uint32_t *repos; /* owned: ids, ascending */
    size_t count, room;
    size_t each;          /* repositories of a slice */
    struct slice *slices; /* owned */
    size_t slice_count;
    atomic_size_t next; /* slice that nobody has begun */
    struct worker workers[WORKERS];
};

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
}

/* In one walk, which notices if one is lost. */
static int list_repos(struct work *work, struct rsw_txn *txn, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_repos(&iter, txn);
    struct rsw_repo repo;
    while (rsw_repo_next(&iter, &repo) == RSW_FOUND) {
        uint32_t *repos = rsw_grown(work->repos, &work->room, work->count + 1, sizeof *repos);
        if (repos == NULL) {
            return out_of_memory(err);
        }
        work->repos = repos;
        repos[work->count++] = repo.id;
    }
    if (rsw_txn_failed(txn, err)) {
        return -1;
    }
    work->each = work->count / SLICES < SLICE_MAX ? work->count / SLICES + 1 : SLICE_MAX;
    work->slice_count = (work->count + work->each - 1) / work->each;
    work->slices = calloc(work->slice_count + 1, sizeof *work->slices);
    return work->slices == NULL ? out_of_memory(err) : 0;
}

static int plan_slice(struct worker *worker, size_t at) {
    const struct work *work = worker->work;
    for (size_t i = at * work->each; i < work->count && i < (at + 1) * work->each; i++) {
        struct rsw_repo repo;
        if (rsw_repo_get(worker->marker->txn, work->repos[i], &repo) != RSW_FOUND) {
            rsw_txn_failed(worker->marker->txn, &worker->err);
            return rsw_error_set(
                &worker->err, RSW_ECORRUPT, 0,
                "the index has lost repository %u: build it anew with: regsweep scan --rebuild",
                work->repos[i]);
        }
        if (rsw_plan_repository(worker->marker, &repo, &worker->err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(worker->marker->txn, &worker->err) ? -1 : 0;
}

/* Each has the slice of its number for certain. */
static void *run_worker(void *arg) {
    struct worker *worker = arg;
    struct work *work = worker->work;
    size_t at = worker->number;
    while (worker->rc == 0 && at < work->slice_count) {
        struct slice slice = {.worker = worker->number,
                              .from = worker->plan.count,
                              .warnings_from = worker->plan.warning_count};
        worker->rc = plan_slice(worker, at);
        slice.to = worker->plan.count;
        slice.warnings_to = worker->plan.warning_count;
        work->slices[at] = slice;
        at = atomic_fetch_add(&work->next, 1);
    }
    return NULL;
}

/* False: there cannot be a second one, or it would have to look at another moment of the index. */
static bool prepare_second(struct worker *second, struct rsw_marker *first) {
    second->own = *first;
    second->own.view = (struct rsw_view){.names = NULL};
    second->own.seen = first->seen_by_second;
    second->own.plan = &second->plan;
    second->own.txn = NULL;
    second->marker = &second->own;
    return first->seen_by_second != NULL && rsw_txn_twin(&second->own.txn, first->txn, NULL) == RSW_FOUND;
}

static int run(struct work *work, struct rsw_marker *marker, struct rsw_error *err) {
    struct worker *first = &work->workers[0];
    struct worker *second = &work->workers[1];
    pthread_t thread;
    marker->plan = &first->plan;
    first->marker = marker;
    atomic_init(&work->next, WORKERS);
    bool two = work->slice_count > 1 && prepare_second(second, marker) &&
               pthread_create(&thread, NULL, run_worker, second) == 0;
    if (!two) {
        atomic_store(&work->next, 1);
    }
    run_worker(first);
    if (two) {
        pthread_join(thread, NULL);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        if (work->workers[i].rc != 0) {
            const struct rsw_error *why = &work->workers[i].err;
            return rsw_error_set(err, why->code, why->errnum, "%s", why->message);
        }
    }
    return 0;
}

/* Names of both behind each other. */
static int gather_names(struct rsw_plan *plan, const struct work *work, struct rsw_error *err) {
    for (size_t i = 0; i < WORKERS; i++) {
        const struct rsw_plan *from = &work->workers[i].plan;
        char *names = rsw_grown(plan->names, &plan->names_room, plan->names_len + from->names_len, 1);
        if (names == NULL || plan->names_len + from->names_len > UINT32_MAX) {
            return out_of_memory(err);
        }
        plan->names = names;
        if (from->names_len > 0) {
            memcpy(names + plan->names_len, from->names, from->names_len);
        }
        plan->names_len += from->names_len;
    }
    return 0;
}

static void gather_totals(struct rsw_plan *plan, const struct work *work) {
    for (size_t i = 0; i < WORKERS; i++) {
        const struct rsw_plan *from = &work->workers[i].plan;
        for (unsigned kind = RSW_ITEM_BLOB + 1; kind < RSW_ITEM_KINDS; kind++) {
            plan->counts[kind] += from->counts[kind];
            plan->totals[kind] += from->totals[kind];
        }
        plan->bytes += from->bytes;
    }
}

/* Behind the blobs: by kind, and within one in the order of repositories. There is room. */
static int gather(struct rsw_plan *plan, const struct work *work, struct rsw_error *err) {
    size_t at[RSW_ITEM_KINDS] = {0};
    for (unsigned kind = RSW_ITEM_BLOB + 1; kind < RSW_ITEM_KINDS; kind++) {
        at[kind] = at[kind - 1] + plan->counts[kind - 1];
        plan->count += plan->counts[kind];
    }
    for (size_t i = 0; i < work->slice_count; i++) {
        const struct slice *slice = &work->slices[i];
        const struct rsw_plan *from = &work->workers[slice->worker].plan;
        size_t names = slice->worker != 0 ? work->workers[0].plan.names_len : 0;
        for (size_t item = slice->from; item < slice->to; item++) {
            struct rsw_condemned *to = &plan->condemned[at[from->condemned[item].kind]++];
            *to = from->condemned[item];
            to->name += rsw_condemned_is_named(to) ? (uint32_t)names : 0;
        }
        for (size_t warning = slice->warnings_from; warning < slice->warnings_to; warning++) {
            const struct rsw_warning *told = &from->warnings[warning];
            if (rsw_plan_warn(plan, told->repo, told->blob, told->problem, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static void release(struct work *work) {
    struct worker *second = &work->workers[1];
    rsw_view_release(&second->own.view);
    rsw_txn_abort(&second->own.txn);
    for (size_t i = 0; i < WORKERS; i++) {
        rsw_plan_release(&work->workers[i].plan);
    }
    free(work->repos);
    free(work->slices);
}

bool rsw_marker_wants_two(const struct rsw_marker *marker) {
    unsigned threads = marker->options->threads;
    return threads == 0 ? marker->blob_count >= BLOBS_MIN && sysconf(_SC_NPROCESSORS_ONLN) > 1 : threads > 1;
}

int rsw_plan_all(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_plan *plan = marker->plan;
    struct work work = {.repos = NULL};
    for (unsigned i = 0; i < WORKERS; i++) {
        work.workers[i] = (struct worker){.work = &work, .number = i};
    }
    int rc = list_repos(&work, marker->txn, err) != 0 ? -1 : run(&work, marker, err);
    marker->plan = plan;
    if (rc == 0) {
        size_t others = work.workers[0].plan.count + work.workers[1].plan.count;
        rc = rsw_plan_blobs(marker, others, err) != 0 || gather_names(plan, &work, err) != 0 ? -1 : 0;
    }
    if (rc == 0) {
        gather_totals(plan, &work);
        rc = gather(plan, &work, err);
    }
    release(&work);
    return rc;
}
