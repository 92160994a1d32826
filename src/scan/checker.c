/* One run over the check queue: what is due is taken in pages, each kind by itself. An entry goes only if
 * nobody renewed it while storage was asked. */
#include "scan/checker.h"

#include "index/time.h"
#include "scan/check_manifests.h"
#include "scan/reconcile.h"
#include "scan/repository.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS (5 * 60 * INT64_C(1000))
/* An empty link is one that is just being written (2.8 truncates first), unless it stays empty. */
#define EMPTY_TRIES 3

struct run {
    struct rsw_reading *reading;
    struct rsw_check_result *result;
    struct rsw_check_item *items; /* owned; a page of what is due */
    size_t count;
    struct rsw_check *needless; /* owned; as many at most: what they are about was forgotten */
    size_t needless_count;
    struct rsw_error *err;
};

/* ---- the queue ---- */

/* A repository or blob that the index knows nothing of any more: nothing depends on the answer. */
static bool is_needless(struct rsw_txn *txn, const struct rsw_check *check) {
    struct rsw_repo repo;
    struct rsw_blob blob;
    return (check->repo != 0 && rsw_repo_get(txn, check->repo, &repo) == RSW_ABSENT) ||
           (check->blob != 0 && rsw_blob_get(txn, check->blob, &blob) == RSW_ABSENT);
}

static int gather(struct run *run, int64_t now_ms) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, run->reading->index, run->err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    rsw_iter_checks(&iter, txn);
    run->count = run->needless_count = 0;
    while (run->count + run->needless_count < RSW_READING_PAGE &&
           rsw_check_next(&iter, &check) == RSW_FOUND) {
        if (check.due_ms <= now_ms && is_needless(txn, &check)) {
            run->needless[run->needless_count++] = check;
        } else if (check.due_ms <= now_ms) {
            struct rsw_check_item *item = &run->items[run->count++];
            memset(item, 0, sizeof *item);
            item->check = check;
        }
    }
    return rsw_txn_failed(txn, run->err) ? -1 : 0;
}

static int64_t pause_of(uint32_t tries) {
    return tries >= 9 ? PAUSE_MAX_MS : PAUSE_FIRST_MS << tries;
}

static bool is_about_tag(const struct rsw_check *check) {
    return check->kind == RSW_CHECK_TAG || check->kind == RSW_CHECK_TAGGING;
}

/* It came due by the clock on the wall: too early, if that was set ahead meanwhile. When that was has to be
 * written down, else it is always now. */
static int64_t tagging_again_ms(struct rsw_txn *txn, const struct run *run, const struct rsw_check *check) {
    struct rsw_apply apply = rsw_reading_apply(run->reading);
    rsw_time_keep(txn, apply.clock, NULL);
    int64_t left_ms = rsw_apply_settle_left_ms(txn, check->due_ms - apply.settle_ms, &apply);
    return left_ms > 0 ? apply.now_ms + left_ms : 0;
}

static void end_item(struct rsw_txn *txn, struct run *run, const struct rsw_check_item *item,
                     int64_t now_ms) {
    struct rsw_check check;
    const struct rsw_check *asked = &item->check;
    if (rsw_check_get(txn, asked->kind, asked->repo, asked->blob, asked->tag, &check) != RSW_FOUND ||
        check.seq != asked->seq) {
        return; /* asked for anew since, or answered by somebody else */
    }
    int64_t again_ms = check.kind == RSW_CHECK_TAGGING ? tagging_again_ms(txn, run, &check) : item->again_ms;
    if (again_ms != 0) {
        check.due_ms = again_ms;
        check.tries = 0;
    } else if (item->failed) {
        run->result->failed++;
        check.due_ms = now_ms + pause_of(check.tries);
        check.tries++;
    } else {
        run->result->done++;
        rsw_check_drop(txn, &check);
        return;
    }
    check.seq = rsw_txn_seq(txn);
    rsw_check_put(txn, &check);
}

/* Unless somebody asked for it anew. */
static void drop_needless(struct rsw_txn *txn, struct run *run) {
    for (size_t i = 0; i < run->needless_count; i++) {
        const struct rsw_check *asked = &run->needless[i];
        struct rsw_check check;
        if (rsw_check_get(txn, asked->kind, asked->repo, asked->blob, asked->tag, &check) == RSW_FOUND &&
            check.seq == asked->seq) {
            run->result->done++;
            rsw_check_drop(txn, &check);
        }
    }
}

static int end_page(struct run *run) {
    RSW_AUTO_TXN txn = NULL;
    int64_t now_ms = rsw_clock_now_ms(run->reading->clock);
    if (rsw_txn_begin_write(&txn, run->reading->index, run->err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < run->count; i++) {
        end_item(txn, run, &run->items[i], now_ms);
    }
    drop_needless(txn, run);
    return rsw_txn_commit(&txn, run->err);
}

static bool any_touched(struct rsw_txn *txn) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    uint64_t queued;
    rsw_iter_touched(&iter, txn);
    return rsw_touched_next(&iter, &item, &queued) == RSW_FOUND;
}

/* How much is left, and when the next is due. */
static int count_left(struct run *run) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, run->reading->index, run->err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    run->result->left = run->result->late = 0;
    run->result->next_due_ms = INT64_MAX;
    rsw_iter_checks(&iter, txn);
    while (rsw_check_next(&iter, &check) == RSW_FOUND) {
        run->result->left++;
        run->result->late += check.kind == RSW_CHECK_TAGGING;
        if (check.due_ms < run->result->next_due_ms) {
            run->result->next_due_ms = check.due_ms;
        }
    }
    run->result->touched = any_touched(txn);
    return rsw_txn_failed(txn, run->err) ? -1 : 0;
}

/* ---- objects: a link, a revision, or both ---- */

static int settle_members(struct run *run, struct rsw_member_item *items, size_t count) {
    for (size_t at = 0; at < count; at += RSW_READING_PAGE) {
        size_t some = count - at < RSW_READING_PAGE ? count - at : RSW_READING_PAGE;
        if (rsw_settle_members(run->reading, items + at, some, run->err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_objects(struct run *run) {
    struct rsw_member_item *items = calloc(2 * RSW_READING_PAGE, sizeof *items);
    size_t *of = calloc(2 * RSW_READING_PAGE, sizeof *of);
    size_t count = 0;
    if (items == NULL || of == NULL) {
        free(items);
        free(of);
        return rsw_error_set(run->err, RSW_ENOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < run->count; i++) {
        const struct rsw_check *check = &run->items[i].check;
        if (check->kind != RSW_CHECK_OBJECT) {
            continue;
        }
        of[count] = of[count + 1] = i;
        items[count++] = (struct rsw_member_item){.kind = RSW_LINK, .repo = check->repo, .blob = check->blob};
        items[count++] =
            (struct rsw_member_item){.kind = RSW_REVISION, .repo = check->repo, .blob = check->blob};
    }
    int rc = settle_members(run, items, count);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        run->items[of[i]].failed = run->items[of[i]].failed || items[i].failed;
    }
    free(items);
    free(of);
    return rc;
}

/* ---- tags ---- */

struct history {
    struct rsw_history_item *items; /* owned */
    size_t *of;                     /* owned: the check that each is for */
    size_t count, room, of_room;
};

static int add_history(struct run *run, struct history *h, size_t of, uint32_t repo, const char *tag,
                       uint32_t manifest) {
    struct rsw_history_item *items = rsw_grown(h->items, &h->room, h->count + 1, sizeof *items);
    h->items = items == NULL ? h->items : items;
    size_t *ofs = rsw_grown(h->of, &h->of_room, h->count + 1, sizeof *ofs);
    h->of = ofs == NULL ? h->of : ofs;
    if (items == NULL || ofs == NULL) {
        return rsw_error_set(run->err, RSW_ENOMEM, 0, "out of memory");
    }
    struct rsw_history_item *item = &h->items[h->count];
    memset(item, 0, sizeof *item);
    item->repo = repo;
    item->manifest = manifest;
    memcpy(item->tag, tag, strlen(tag) + 1);
    h->of[h->count++] = of;
    return 0;
}

/* The entries that the index knows of each tag, and the one that is asked for; with `heads`, the heads that
 * have no entry. */
static int gather_history(struct run *run, struct history *h, bool heads) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, run->reading->index, run->err) != 0) {
        return -1;
    }
    h->count = 0;
    for (size_t i = 0; i < run->count; i++) {
        const struct rsw_check *check = &run->items[i].check;
        if (!is_about_tag(check)) {
            continue;
        }
        struct rsw_history entry;
        struct rsw_tag tag;
        if (heads) {
            if (rsw_tag_get(txn, check->repo, check->tag, &tag) == RSW_FOUND && tag.head != 0 &&
                rsw_history_get(txn, check->repo, check->tag, tag.head, &entry) == RSW_ABSENT &&
                add_history(run, h, i, check->repo, check->tag, tag.head) != 0) {
                return -1;
            }
            continue;
        }
        if (check->kind == RSW_CHECK_TAGGING &&
            add_history(run, h, i, check->repo, check->tag, check->blob) != 0) {
            return -1;
        }
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        rsw_iter_history(&iter, txn, check->repo, check->tag);
        while (rsw_history_next(&iter, &entry) == RSW_FOUND) {
            if (add_history(run, h, i, check->repo, check->tag, entry.manifest) != 0) {
                return -1;
            }
        }
    }
    return rsw_txn_failed(txn, run->err) ? -1 : 0;
}

static int check_history(struct run *run, bool heads) {
    struct history h = {0};
    int rc = gather_history(run, &h, heads);
    for (size_t at = 0; rc == 0 && at < h.count; at += RSW_READING_PAGE) {
        size_t some = h.count - at < RSW_READING_PAGE ? h.count - at : RSW_READING_PAGE;
        rc = rsw_settle_history(run->reading, h.items + at, some, run->err);
    }
    for (size_t i = 0; rc == 0 && i < h.count; i++) {
        run->items[h.of[i]].failed = run->items[h.of[i]].failed || h.items[i].failed;
    }
    free(h.items);
    free(h.of);
    return rc;
}

static int check_heads(struct run *run) {
    struct rsw_tag_item *tags = calloc(RSW_READING_PAGE, sizeof *tags);
    size_t *of = calloc(RSW_READING_PAGE, sizeof *of);
    size_t count = 0;
    if (tags == NULL || of == NULL) {
        free(tags);
        free(of);
        return rsw_error_set(run->err, RSW_ENOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < run->count; i++) {
        const struct rsw_check *check = &run->items[i].check;
        if (is_about_tag(check)) {
            of[count] = i;
            tags[count].repo = check->repo;
            tags[count].wait_if_empty = check->tries < EMPTY_TRIES;
            memcpy(tags[count++].name, check->tag, sizeof check->tag);
        }
    }
    int rc = count > 0 ? rsw_settle_tags(run->reading, tags, count, run->err) : 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        run->items[of[i]].failed = run->items[of[i]].failed || tags[i].failed;
    }
    free(tags);
    free(of);
    return rc;
}

/* Entries first: whether a tag without current/link is gone depends on them. A head without an entry last:
 * the event that told of it was lost. */
static int check_tags(struct run *run) {
    return check_history(run, false) != 0 || check_heads(run) != 0 || check_history(run, true) != 0 ? -1 : 0;
}

/* ---- repositories ---- */

/* A batch goes straight into the index: nobody else reads at the same time. */
static int write_batch(void *to, struct rsw_batch *batch, struct rsw_error *err) {
    struct rsw_reading *reading = to;
    RSW_AUTO_TXN txn = NULL;
    struct rsw_apply apply = rsw_reading_apply(reading);
    int rc = rsw_txn_begin_write(&txn, reading->index, err);
    if (rc == 0) {
        rsw_batch_apply(txn, batch, &apply);
        rc = rsw_txn_commit(&txn, err);
    }
    rsw_batch_free(batch);
    return rc;
}

static int check_repository(struct run *run, struct rsw_check_item *item) {
    struct rsw_repo repo;
    uint64_t noted;
    {
        RSW_AUTO_TXN txn = NULL;
        if (rsw_txn_begin_read(&txn, run->reading->index, run->err) != 0) {
            return -1;
        }
        noted = rsw_txn_seq(txn);
        int answer = rsw_repo_get(txn, item->check.repo, &repo);
        if (answer != RSW_FOUND) {
            return rsw_txn_failed(txn, run->err) ? -1 : 0;
        }
    }
    struct rsw_repository_seen seen;
    if (rsw_repository_read(run->reading, repo.name, noted, &seen, run->err) != 0) {
        return -1;
    }
    item->failed = seen.unread;
    if (seen.unread) {
        return 0;
    }
    return rsw_reconcile_seen(run->reading, repo.name, noted, &seen, &item->failed, run->err);
}

static int check_repositories(struct run *run) {
    for (size_t i = 0; i < run->count; i++) {
        if (run->items[i].check.kind == RSW_CHECK_REPOSITORY && check_repository(run, &run->items[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- the run ---- */

static int run_page(struct run *run) {
    if (check_objects(run) != 0 || check_tags(run) != 0 || check_repositories(run) != 0 ||
        rsw_check_manifests(run->reading, run->items, run->count, run->err) != 0) {
        return -1;
    }
    return end_page(run);
}

int rsw_check_run(struct rsw_check_result *result, struct rsw_index *index, struct rsw_storage *storage,
                  const struct rsw_checker_options *options, struct rsw_error *err) {
    struct rsw_error own = RSW_ERROR_INIT;
    struct rsw_reading reading;
    struct run run = {.reading = &reading, .result = result, .err = err == NULL ? &own : err};
    memset(result, 0, sizeof *result);
    run.items = calloc(RSW_READING_PAGE, sizeof *run.items);
    run.needless = calloc(RSW_READING_PAGE, sizeof *run.needless);
    if (run.items == NULL || run.needless == NULL) {
        free(run.items);
        free(run.needless);
        return rsw_error_set(run.err, RSW_ENOMEM, 0, "out of memory");
    }
    /* What comes due while this runs is for the next run, so that this one ends. */
    int64_t now_ms = rsw_clock_now_ms(options->clock);
    int rc;
    do {
        rsw_reading_init(&reading, index, storage);
        reading.clock = options->clock;
        reading.began_ms = rsw_storage_time_ms(storage, rsw_clock_now_ms(options->clock));
        reading.log = options->log;
        reading.settle_ms = options->settle_ms > 0 ? options->settle_ms : reading.settle_ms;
        reading.emit = write_batch;
        reading.to = &reading;
        rc = rsw_reading_spare(&reading, run.err) == 0 ? gather(&run, now_ms) : -1;
        rc = rc == 0 && run.count + run.needless_count > 0 ? run_page(&run) : rc;
        rsw_reading_release(&reading);
    } while (rc == 0 && run.count + run.needless_count == RSW_READING_PAGE);
    rc = rc == 0 ? count_left(&run) : rc;
    free(run.items);
    free(run.needless);
    return rc;
}

int rsw_check_hurry(struct rsw_index *index, const struct rsw_clock *clock, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    int64_t now_ms = rsw_clock_now_ms(clock);
    rsw_iter_checks(&iter, txn);
    while (rsw_check_next(&iter, &check) == RSW_FOUND) {
        if (check.kind == RSW_CHECK_MANIFEST && check.due_ms > now_ms) {
            check.due_ms = now_ms;
            rsw_check_put(txn, &check);
        }
    }
    return rsw_txn_commit(&txn, err);
}
