/* All repositories of a mark. Where they are many, a second thread takes half of them: each repository is
 * decided by itself, so the two need nothing of each other until both are done. */
#include "gc/marker.h"
#include "gc/plan.h"
#include "util/grow.h"
#include "util/large.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define BLOBS_MIN 16384 /* with fewer a thread costs more than it saves */

struct repos {
    uint32_t *ids; /* owned */
    size_t count, room;
};

/* The half of the second thread. */
struct half {
    struct rsw_marker marker; /* its own blobs and view; facts are those of the other */
    struct rsw_plan plan;
    const uint32_t *ids;
    size_t count;
    int rc;
    struct rsw_error err;
};

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
}

/* In one walk, which notices if one is lost. */
static int list_repos(struct rsw_marker *marker, struct repos *out, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_repos(&iter, marker->txn);
    struct rsw_repo repo;
    while (rsw_repo_next(&iter, &repo) == RSW_FOUND) {
        uint32_t *ids = rsw_grown(out->ids, &out->room, out->count + 1, sizeof *ids);
        if (ids == NULL) {
            return out_of_memory(err);
        }
        out->ids = ids;
        ids[out->count++] = repo.id;
    }
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}

static int plan_some(struct rsw_marker *marker, const uint32_t *ids, size_t count, struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_repo repo;
        if (rsw_repo_get(marker->txn, ids[i], &repo) != RSW_FOUND) {
            rsw_txn_failed(marker->txn, err);
            return rsw_error_set(
                err, RSW_ECORRUPT, 0,
                "the index has lost repository %u: build it anew with: regsweep scan --rebuild", ids[i]);
        }
        if (rsw_plan_repository(marker, &repo, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static void *run_half(void *arg) {
    struct half *half = arg;
    half->rc = plan_some(&half->marker, half->ids, half->count, &half->err);
    return NULL;
}

/* False: there cannot be a second thread, or it would have to look at another moment of the index. */
static bool prepare(struct half *half, const struct rsw_marker *whole, const struct repos *repos,
                    size_t from) {
    size_t size = (whole->blob_count + (size_t)1) * sizeof *whole->blobs;
    *half = (struct half){.marker = *whole, .ids = repos->ids + from, .count = repos->count - from};
    half->marker.view = (struct rsw_view){.names = NULL};
    half->marker.txn = NULL;
    half->marker.blobs = rsw_large_alloc(size);
    half->marker.plan = &half->plan;
    if (half->marker.blobs == NULL || rsw_txn_twin(&half->marker.txn, whole->txn, NULL) != RSW_FOUND) {
        free(half->marker.blobs);
        return false;
    }
    memcpy(half->marker.blobs, whole->blobs, size);
    return true;
}

static void release(struct half *half) {
    rsw_view_release(&half->marker.view);
    free(half->marker.blobs);
    rsw_txn_abort(&half->marker.txn);
    rsw_plan_release(&half->plan);
}

static int take_over(struct rsw_marker *whole, const struct half *half, struct rsw_error *err) {
    if (half->rc != 0) {
        return rsw_error_set(err, half->err.code, half->err.errnum, "%s", half->err.message);
    }
    for (uint32_t id = 0; id < whole->blob_count; id++) {
        rsw_marker_flag(whole, id,
                        half->marker.blobs[id].flags & (RSW_MARK_LIVE | RSW_MARK_YOUNG | RSW_MARK_LINKED));
    }
    return rsw_plan_append(whole->plan, &half->plan, err);
}

bool rsw_marker_wants_two(const struct rsw_marker *marker) {
    unsigned threads = marker->options->threads;
    return threads == 0 ? marker->blob_count >= BLOBS_MIN && sysconf(_SC_NPROCESSORS_ONLN) > 1 : threads > 1;
}

static int plan_all(struct rsw_marker *marker, const struct repos *repos, struct rsw_error *err) {
    size_t first = repos->count / 2;
    struct half half;
    pthread_t thread;
    if (!rsw_marker_wants_two(marker) || repos->count < 2 || !prepare(&half, marker, repos, first)) {
        return plan_some(marker, repos->ids, repos->count, err);
    }
    if (pthread_create(&thread, NULL, run_half, &half) != 0) {
        release(&half);
        return plan_some(marker, repos->ids, repos->count, err);
    }
    int rc = plan_some(marker, repos->ids, first, err);
    pthread_join(thread, NULL);
    if (rc == 0) {
        rc = take_over(marker, &half, err);
    }
    release(&half);
    return rc;
}

int rsw_plan_repositories(struct rsw_marker *marker, struct rsw_error *err) {
    struct repos repos = {.ids = NULL};
    int rc = list_repos(marker, &repos, err);
    if (rc == 0) {
        rc = plan_all(marker, &repos, err);
    }
    free(repos.ids);
    return rc;
}
