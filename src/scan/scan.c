/* A scan in three steps: find the folders, read them all, look again at what was not seen. */
#include <regsweep/scan.h>

#include "index/time.h"
#include "scan/blobs.h"
#include "scan/checker.h"
#include "scan/pool.h"
#include "scan/reconcile.h"
#include "scan/repository.h"
#include "storage/layout.h"
#include "util/grow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 64
/* At least, where storage answers over a network: readers mostly wait for it. */
#define THREADS_REMOTE 16
#define PROGRESS_MS 250
/* Ids that one task of the last step goes through. */
#define IDS_PER_TASK 65536

struct found_repo {
    const char *name; /* borrowed from scan.names */
    uint64_t noted;   /* seq noted before it was listed */
    bool listed;      /* a list of all has it */
    struct rsw_repository_seen seen;
};

struct scan {
    struct rsw_reading reading;
    const struct rsw_scan_options *options;
    struct rsw_pool *pool;
    uint64_t noted; /* seq at which the scan began */
    int64_t started_ms;
    int64_t began;            /* monotonic */
    int64_t told;             /* monotonic: progress was told */
    struct rsw_names folders; /* of blobs */
    struct rsw_names names; /* of repositories: those found, in order, and then others that the index knows */
    size_t found;           /* so many of them */
    struct found_repo *repos; /* owned */
    bool blobs_found, repositories_found;
    bool first;         /* there was no complete scan before */
    bool whole;         /* blobs are listed too */
    uint32_t next_blob; /* for the last step */
    bool finished;
};

/* ---- progress ---- */

static void tell_progress(struct scan *scan) {
    if (scan->options->progress == NULL) {
        return;
    }
    struct rsw_storage_requests requests;
    rsw_storage_asked(scan->reading.storage, &requests);
    struct rsw_scan_progress progress = {
        .blobs = atomic_load(&scan->reading.blobs),
        .repositories = atomic_load(&scan->reading.repositories),
        .repositories_known = scan->repos == NULL ? 0 : scan->names.count,
        .links = atomic_load(&scan->reading.links) + atomic_load(&scan->reading.revisions),
        .manifests = atomic_load(&scan->reading.manifests_read),
        .requests = rsw_storage_requests_sum(&requests),
        .elapsed_ms = rsw_monotonic_ms() - scan->began,
        .finished = scan->finished,
    };
    scan->options->progress(scan->options->arg, &progress);
}

static void tick(void *arg) {
    struct scan *scan = arg;
    rsw_reading_stopped(&scan->reading, NULL);
    int64_t now = rsw_monotonic_ms();
    if (now - scan->told >= PROGRESS_MS) {
        scan->told = now;
        tell_progress(scan);
    }
}

/* ---- first step: what is there to be read ---- */

static int find_task(void *arg, size_t i, struct rsw_error *err) {
    struct scan *scan = arg;
    if (i == 0) {
        scan->blobs_found = true; /* unless a listing says otherwise */
        return !scan->whole
                   ? 0
                   : rsw_blobs_find(&scan->reading, scan->noted, &scan->folders, &scan->blobs_found, err);
    }
    return rsw_repositories_find(&scan->reading, &scan->names, &scan->repositories_found, err);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_names(struct rsw_names *names) {
    if (names->count < 2) {
        return;
    }
    qsort(names->names, names->count, sizeof *names->names, compare_names);
    size_t kept = 1;
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->names[i], names->names[kept - 1]) == 0) {
            free(names->names[i]);
        } else {
            names->names[kept++] = names->names[i];
        }
    }
    names->count = kept;
}

/* A repository that the index knows and the listing did not show is read like any other: that it is not there
 * is said by its own folders. */
static int add_known_repos(struct scan *scan, bool *any_present, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, scan->reading.index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_repo repo;
    rsw_iter_repos(&iter, txn);
    while (rsw_repo_next(&iter, &repo) == RSW_FOUND) {
        *any_present = *any_present || (repo.flags & RSW_REPO_PRESENT) != 0;
        const char *name = repo.name;
        bool known = scan->found > 0 && bsearch(&name, scan->names.names, scan->found,
                                                sizeof *scan->names.names, compare_names) != NULL;
        if (!known && rsw_names_add(&scan->names, repo.name, strlen(repo.name), err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int any_blob_present(struct scan *scan, bool *present, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, scan->reading.index, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_blob blob;
    rsw_iter_blobs(&iter, txn);
    while (!*present && rsw_blob_next(&iter, &blob) == RSW_FOUND) {
        *present = (blob.flags & RSW_BLOB_PRESENT) != 0;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* A storage that is not mounted looks empty. What the index holds is not given up for that. */
static int refuse_empty(struct scan *scan, bool any_repo, struct rsw_error *err) {
    bool any_blob = false;
    if (!scan->blobs_found && any_blob_present(scan, &any_blob, err) != 0) {
        return -1;
    }
    if ((!scan->blobs_found && any_blob) || (!scan->repositories_found && any_repo)) {
        return rsw_error_set(
            err, RSW_EIO, 0,
            "%s has no '%s', though the index knows what was in it: is it mounted? If it really was "
            "emptied, throw the index away and build it anew",
            rsw_storage_url(scan->reading.storage), any_blob ? RSW_LAYOUT_BLOBS : RSW_LAYOUT_REPOSITORIES);
    }
    if (!scan->blobs_found && !scan->repositories_found) {
        rsw_log(scan->reading.log, RSW_LOG_WARNING,
                "%s has no '%s': an empty registry, or not the right folder",
                rsw_storage_url(scan->reading.storage), RSW_LAYOUT_ROOT);
    }
    return 0;
}

static int find(struct scan *scan, struct rsw_error *err) {
    struct rsw_look look = {.key = RSW_LAYOUT_ROOT};
    rsw_storage_look(scan->reading.storage, &look, 1);
    if (look.answer == RSW_FAILED) {
        return rsw_error_set(err, RSW_EIO, look.errnum, "cannot read '%s' of %s: %s", RSW_LAYOUT_ROOT,
                             rsw_storage_url(scan->reading.storage), rsw_storage_reason(look.errnum));
    }
    /* Storage has just told its time. */
    scan->started_ms = rsw_storage_time_ms(scan->reading.storage, rsw_clock_now_ms(scan->reading.clock));
    scan->reading.began_ms = scan->started_ms;
    bool any_repo = false;
    if (rsw_pool_run(scan->pool, find_task, scan, 2, err) != 0) {
        return -1;
    }
    sort_names(&scan->folders);
    sort_names(&scan->names);
    scan->found = scan->names.count;
    if (add_known_repos(scan, &any_repo, err) != 0 || refuse_empty(scan, any_repo, err) != 0) {
        return -1;
    }
    scan->repos = calloc(scan->names.count + 1, sizeof *scan->repos);
    if (scan->repos == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < scan->names.count; i++) {
        scan->repos[i].name = scan->names.names[i];
        scan->repos[i].listed = i < scan->found;
    }
    return 0;
}

/* ---- second step: read ---- */

static int read_repository(struct scan *scan, struct found_repo *repo, struct rsw_error *err) {
    if (rsw_reading_seq(scan->reading.index, &repo->noted, err) != 0 ||
        rsw_repository_read(&scan->reading, repo->name, repo->noted, &repo->seen, err) != 0) {
        return -1;
    }
    if (repo->seen.found) {
        rsw_count(&scan->reading.repositories, 1);
    } else if (repo->listed && scan->reading.storage->flat && !repo->seen.unread) {
        repo->seen.unread = true; /* one list or the other is wrong */
        rsw_reading_lacked(&scan->reading, repo->name);
    }
    return 0;
}

/* Repositories first: so what is together in one of them gets ids, and a place in the index, side by side. */
static int read_task(void *arg, size_t i, struct rsw_error *err) {
    struct scan *scan = arg;
    if (rsw_reading_stopped(&scan->reading, err)) {
        return -1;
    }
    size_t repos = scan->names.count;
    return i < repos ? read_repository(scan, &scan->repos[i], err)
                     : rsw_blobs_read(&scan->reading, scan->noted, scan->folders.names[i - repos], err);
}

/* ---- third step: look again ---- */

static int reconcile_task(void *arg, size_t i, struct rsw_error *err) {
    struct scan *scan = arg;
    if (rsw_reading_stopped(&scan->reading, err)) {
        return -1;
    }
    if (i >= scan->names.count) {
        uint32_t first = (uint32_t)(i - scan->names.count) * IDS_PER_TASK + 1;
        uint32_t left = scan->next_blob - first;
        return rsw_reconcile_blobs(&scan->reading, first, first + (left < IDS_PER_TASK ? left : IDS_PER_TASK),
                                   scan->noted, err);
    }
    struct found_repo *repo = &scan->repos[i];
    if (repo->seen.unread) {
        return 0;
    }
    bool lacked; /* counted by the reading */
    return rsw_reconcile_seen(&scan->reading, repo->name, repo->noted, &repo->seen, &lacked, err);
}

/* Links lead to blobs. Where all blobs are away, and no folder refused to be read, something else than the
 * registry took them: before anything is taken for absent because of that, the scan ends. */
static int refuse_without_blobs(struct scan *scan, struct rsw_error *err) {
    const struct rsw_reading *reading = &scan->reading;
    uint64_t links = atomic_load(&reading->links) + atomic_load(&reading->revisions);
    if (!scan->whole || links == 0 || atomic_load(&reading->blobs) > 0 ||
        atomic_load(&reading->folders_unread) > 0) {
        return 0;
    }
    return rsw_error_set(err, RSW_EREFUSED, 0,
                         "%s has %" PRIu64 " links and revisions, but not one blob below '%s': is the volume "
                         "of the blobs mounted? Mount it, and scan again",
                         rsw_storage_url(reading->storage), links, RSW_LAYOUT_BLOBS);
}

static int reconcile(struct scan *scan, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    if (rsw_txn_begin_read(&txn, scan->reading.index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    rsw_txn_abort(&txn);
    scan->next_blob = state.next_blob;
    size_t ranges = state.next_blob <= 1 ? 0 : (state.next_blob - 2) / IDS_PER_TASK + 1;
    return rsw_pool_run(scan->pool, reconcile_task, scan, scan->names.count + ranges, err);
}

/* ---- the whole ---- */

/* From its first scan on an index belongs to one storage, even if that scan is never finished. */
static int begin(struct scan *scan, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    const char *url = rsw_storage_url(scan->reading.storage);
    if (rsw_txn_begin_write(&txn, scan->reading.index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    scan->first = state.scan_seq == 0;
    scan->whole = scan->first || rsw_state_lacks_blobs(&state) || !scan->options->links_only;
    scan->reading.blobs_listed = scan->whole;
    if (state.storage_url[0] != 0) {
        if (!rsw_storage_is_same(state.storage_url, url)) {
            return rsw_error_set(
                err, RSW_EREFUSED, 0,
                "the index %s is of the storage %s, not of %s: use another index, or throw this one "
                "away and build it anew",
                rsw_index_dir(scan->reading.index), state.storage_url, url);
        }
    } else {
        strncpy(state.storage_url, url, sizeof state.storage_url - 1);
        rsw_state_put(txn, &state);
    }
    rsw_time_keep(txn, scan->reading.clock, NULL); /* what was found absent is looked for again later */
    if (rsw_txn_commit(&txn, err) != 0) {
        return -1;
    }
    return rsw_reading_seq(scan->reading.index, &scan->noted, err);
}

static bool is_answered(struct scan *scan, const struct rsw_check *check) {
    switch (check->kind) {
    case RSW_CHECK_MANIFEST:
        return !atomic_load(&scan->reading.manifests_failed);
    case RSW_CHECK_TAGGING:
        return scan->reading.registry_stopped; /* else it may yet be written */
    case RSW_CHECK_TAG:
    case RSW_CHECK_OBJECT:
    case RSW_CHECK_REPOSITORY:
        break;
    }
    return true;
}

/* What was to be asked of storage before this scan has been answered by it. */
static void drop_answered(struct scan *scan, struct rsw_txn *txn) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    rsw_iter_checks(&iter, txn);
    while (rsw_check_next(&iter, &check) == RSW_FOUND) {
        if (check.seq <= scan->noted && is_answered(scan, &check)) {
            rsw_check_drop(txn, &check);
        }
    }
}

static int finish(struct scan *scan, struct rsw_error *err) {
    if (atomic_load(&scan->reading.folders_unread) == 0) {
        RSW_AUTO_TXN txn = NULL;
        struct rsw_state state;
        if (rsw_txn_begin_write(&txn, scan->reading.index, err) != 0) {
            return -1;
        }
        if (rsw_state_get(txn, &state) == RSW_FOUND) {
            state.scan_seq = scan->noted;
            state.scan_started_ms = scan->started_ms;
            state.scan_ended_ms = scan->whole ? rsw_clock_now_ms(scan->reading.clock) : state.scan_ended_ms;
            rsw_state_put(txn, &state);
            drop_answered(scan, txn);
        }
        if (rsw_txn_commit(&txn, err) != 0) {
            return -1;
        }
    }
    struct rsw_check_result checked; /* what came up on the way */
    const struct rsw_checker_options options = {
        .clock = scan->reading.clock, .log = scan->reading.log, .settle_ms = scan->reading.settle_ms};
    return rsw_check_run(&checked, scan->reading.index, scan->reading.storage, &options, err);
}

static int run(struct scan *scan, struct rsw_error *err) {
    if (begin(scan, err) != 0 || rsw_reading_spare(&scan->reading, err) != 0 || find(scan, err) != 0 ||
        rsw_pool_run(scan->pool, read_task, scan, scan->folders.count + scan->names.count, err) != 0 ||
        refuse_without_blobs(scan, err) != 0 || reconcile(scan, err) != 0) {
        return -1;
    }
    return finish(scan, err);
}

static void fill_result(struct rsw_scan_result *result, struct scan *scan, int rc) {
    struct rsw_reading *reading = &scan->reading;
    result->blobs = atomic_load(&reading->blobs);
    result->bytes = atomic_load(&reading->bytes);
    result->repositories = atomic_load(&reading->repositories);
    result->revisions = atomic_load(&reading->revisions);
    result->links = atomic_load(&reading->links);
    result->tags = atomic_load(&reading->tags);
    result->uploads = atomic_load(&reading->uploads);
    result->manifests_read = atomic_load(&reading->manifests_read);
    result->appeared = atomic_load(&reading->appeared);
    result->vanished = atomic_load(&reading->vanished);
    result->problems = atomic_load(&reading->problems);
    result->folders_unread = atomic_load(&reading->folders_unread);
    result->complete = rc == 0 && result->folders_unread == 0;
    result->first = scan->first;
    result->whole = scan->whole;
    result->elapsed_ms = rsw_monotonic_ms() - scan->began;
    if (result->problems > RSW_PROBLEM_LINES_MAX) {
        rsw_log(reading->log, RSW_LOG_WARNING, "%llu more problems of this kind are not shown",
                (unsigned long long)(result->problems - RSW_PROBLEM_LINES_MAX));
    }
}

static unsigned thread_count(const struct rsw_scan_options *options, const struct rsw_storage *storage) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = options->threads != 0 ? options->threads
                       : processors > 0      ? (unsigned)processors * 2
                                             : 4;
    if (options->threads == 0 && storage->flat && threads < THREADS_REMOTE) {
        threads = THREADS_REMOTE;
    }
    return threads > THREADS_MAX ? THREADS_MAX : threads;
}

static int scan_locked(struct rsw_scan_result *result, struct rsw_index *index, struct rsw_storage *storage,
                       const struct rsw_scan_options *options, struct rsw_error *err) {
    struct scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    rsw_reading_init(&scan->reading, index, storage);
    scan->options = options;
    scan->reading.clock = options->clock;
    scan->reading.log = options->log;
    scan->reading.registry_stopped = options->registry_stopped;
    scan->reading.settle_ms = options->settle_ms > 0 ? options->settle_ms : RSW_SETTLE_DEFAULT_MS;
    scan->reading.stopped = options->stopped;
    scan->reading.stopped_arg = options->arg;
    scan->began = rsw_monotonic_ms();
    scan->told = scan->began;
    scan->started_ms = rsw_clock_now_ms(options->clock);
    scan->pool = rsw_pool_new(&scan->reading, thread_count(options, storage), tick, scan, err);
    int rc = scan->pool == NULL ? -1 : run(scan, err);
    scan->finished = rc == 0;
    fill_result(result, scan, rc);
    tell_progress(scan);
    rsw_pool_free(scan->pool);
    rsw_names_release(&scan->folders);
    rsw_names_release(&scan->names);
    free(scan->repos);
    rsw_reading_release(&scan->reading);
    free(scan);
    return rc;
}

int rsw_scan(struct rsw_scan_result *result, struct rsw_index *index, struct rsw_storage *storage,
             const struct rsw_scan_options *options, struct rsw_error *err) {
    static const struct rsw_scan_options defaults = {0};
    struct rsw_error own = RSW_ERROR_INIT;
    err = err == NULL ? &own : err;
    memset(result, 0, sizeof *result);
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    if (rsw_lock_take(&lock, index, "scan", err) != 0) {
        return -1;
    }
    return scan_locked(result, index, storage, options == NULL ? &defaults : options, err);
}
