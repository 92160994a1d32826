#include "gc/online.h"

#include "gc/aside.h"
#include "gc/decide.h"
#include "gc/forget.h"
#include "gc/generation.h"
#include "gc/lease.h"
#include "gc/others.h"
#include "gc/purge.h"
#include "gc/recheck.h"
#include "gc/repin.h"
#include "gc/revive.h"
#include "index/time.h"
#include "scan/checker.h"
#include "util/log.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

#define FENCE_TRIES 3 /* each gap costs a scan */
#define LOOKS_MAX 8   /* rounds of giving back and asking again, before a step waits for the next run */
#define NAME_AFTER 3  /* settles: then the log tells what it is that caches learn of again … */
#define NAMED_MAX 3   /* … and of so many */

/* ---- the record of a generation ---- */

static int get(struct rsw_online *online, uint64_t id, struct rsw_generation *out, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    if (rsw_generation_get(txn, id, out) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return rsw_error_set(err, RSW_ECORRUPT, 0, "the index has no record of generation %" PRIu64, id);
    }
    return 0;
}

static int put(struct rsw_online *online, const struct rsw_generation *generation, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_generation_put(txn, generation);
    return rsw_txn_commit(&txn, err);
}

/* The wait begins behind all that was done before: within this transaction. */
static int enter(struct rsw_online *online, struct rsw_generation *generation,
                 enum rsw_generation_state state, int64_t wait_ms, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_time time;
    struct rsw_generation entered = *generation;
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    if (rsw_time_keep(txn, online->options->clock, &time) == RSW_FOUND) {
        entered.changed_ms = state != entered.state ? time.now_ms : entered.changed_ms;
        entered.hidden_seq = state == RSW_GENERATION_HIDDEN ? rsw_txn_seq(txn) : 0;
        entered.state = state;
        entered.due_ms = time.steady_ms + wait_ms;
        rsw_generation_put(txn, &entered);
    }
    if (rsw_txn_commit(&txn, err) != 0) {
        return -1;
    }
    *generation = entered;
    return 0;
}

static int settle_anew(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err) {
    return enter(online, generation, generation->state, generation->settle_ms, err);
}

static void tell(struct rsw_online *online, const struct rsw_generation *generation, const char *phase) {
    const struct rsw_sweep_options *options = online->options;
    if (options->progress == NULL) {
        return;
    }
    struct rsw_sweep_progress progress = {
        .phase = phase, .done = generation->done + generation->spared, .freed = generation->freed};
    for (unsigned i = 0; i < RSW_ITEM_KINDS; i++) {
        progress.total += generation->counts[i];
    }
    options->progress(options->arg, &progress);
}

/* ---- giving back ---- */

int rsw_online_give_back(struct rsw_online *online, struct rsw_error *err) {
    struct rsw_revive_result result;
    if (rsw_revive(&result, online->index, online->storage, online->options->clock, online->options->log,
                   err) != 0) {
        return -1;
    }
    if (result.failed > 0) {
        return rsw_error_set(err, RSW_EPARTIAL, 0,
                             "%" PRIu64
                             " objects that were touched cannot be put back yet: see the warnings; nothing "
                             "more is taken until they are",
                             result.failed);
    }
    return 0;
}

/* Touches everything of this generation that was ever touched, again, for a DELETE of ours may have come
 * since; or `all` of it. */
static int touch_again(struct rsw_online *online, uint64_t id, bool all, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_iter_items(&iter, txn, id, 0);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        if (all || (item.flags & RSW_ITEM_TOUCHED) != 0) {
            rsw_touch_item(txn, &item, true);
        }
    }
    return rsw_txn_commit(&txn, err);
}

/* Pushed manifests whose contents storage could not tell. */
static int unread_manifests(struct rsw_online *online, uint64_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_check check;
    *count = 0;
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_iter_checks(&iter, txn);
    while (rsw_check_next(&iter, &check) == RSW_FOUND) {
        *count += check.kind == RSW_CHECK_MANIFEST && check.tries > 0;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* The fence brought in the events of all pushes; what a pushed manifest names is known once it was read,
 * which serve may not have come to yet. Reading it touches what it names. */
static int read_pushed(struct rsw_online *online, struct rsw_error *err) {
    struct rsw_check_result answered;
    uint64_t unread;
    const struct rsw_sweep_options *options = online->options;
    const struct rsw_checker_options checking = {
        .clock = options->clock, .log = options->log, .settle_ms = options->settle_ms};
    if (rsw_check_hurry(online->index, options->clock, err) != 0 ||
        rsw_check_run(&answered, online->index, online->storage, &checking, err) != 0 ||
        unread_manifests(online, &unread, err) != 0) {
        return -1;
    }
    return unread == 0 ? 0
                       : rsw_error_set(err, RSW_EPARTIAL, 0,
                                       "%" PRIu64
                                       " manifests that were pushed cannot be read yet, so nobody knows what "
                                       "they need: see the warnings; nothing more is taken until they are",
                                       unread);
}

/* Gives back, reads what was pushed (its bytes may have just come back), asks storage again, and gives back
 * what all that found, until it finds nothing. */
static int look_again(struct rsw_online *online, const struct rsw_generation *generation,
                      struct rsw_error *err) {
    for (int i = 0; i < LOOKS_MAX; i++) {
        uint64_t found;
        if (rsw_online_give_back(online, err) != 0 || rsw_others_return_linked(online, err) != 0 ||
            read_pushed(online, err) != 0 || rsw_online_give_back(online, err) != 0 ||
            rsw_recheck(&found, online->index, online->storage, generation->id, online->options->clock,
                        online->options->log, err) != 0) {
            return -1;
        }
        if (found == 0) {
            return rsw_online_give_back(online, err);
        }
    }
    return rsw_error_set(err, RSW_EPARTIAL, 0,
                         "generation %" PRIu64
                         ": storage has something else at every look; the next run tries "
                         "again",
                         generation->id);
}

/* ---- caches ---- */

/* Makes every replica forget what was unlinked. Adds to *known what one of them still knew. While it runs the
 * generation says so: after a kill a DELETE of ours may still be on its way. */
static int forget(struct rsw_online *online, struct rsw_generation *generation, struct rsw_known *known,
                  struct rsw_error *err) {
    if (online->replicas->cache == RSW_CACHE_NONE) {
        return 0;
    }
    bool before = generation->clearing;
    generation->clearing = true;
    if (put(online, generation, err) != 0 ||
        rsw_forget(online, generation->id, RSW_ITEM_REVISION, known, err) != 0 ||
        rsw_forget(online, generation->id, RSW_ITEM_LINK, known, err) != 0) {
        return -1;
    }
    generation->clearing = before;
    return put(online, generation, err);
}

/* ---- the feed ---- */

/* The feed is drained, and nothing was lost since the last complete scan. */
int rsw_online_drain(struct rsw_online *online, struct rsw_error *err) {
    const struct rsw_sweep_options *options = online->options;
    const struct rsw_fence_options fence = {.clock = options->clock,
                                            .timeout_ms = options->fence_timeout_ms < 0
                                                              ? RSW_FENCE_TIMEOUT_DEFAULT_MS
                                                              : options->fence_timeout_ms,
                                            .stopped = options->stopped,
                                            .arg = options->arg};
    for (int i = 0; i < FENCE_TRIES; i++) {
        int held = rsw_fence(online->index, online->replicas, &fence, err);
        if (held == RSW_FENCE_HELD) {
            return 0;
        }
        if (held != RSW_FENCE_GAP) {
            /* Whatever kept it from holding: nothing was taken for it. */
            err->code = err->code == RSW_EIO || err->code == RSW_EACCESS ? RSW_EREFUSED : err->code;
            return -1;
        }
        rsw_log(options->log, RSW_LOG_INFO, "the feed may have missed something: reading storage");
        if (rsw_decide_scan(online->index, online->storage, options, RSW_SCAN_LINKS, err) != 0) {
            return -1;
        }
    }
    return rsw_error_set(err, RSW_EREFUSED, 0,
                         "the feed had a gap after each of %d scans: does a replica of the registry restart "
                         "again and again, or is one not listed with --registry? Nothing more is taken",
                         FENCE_TRIES);
}

/* An upload that failed after linking can have left a link that nobody told of, and that a cache vouches for;
 * an event can be lost on its way. A scan begun after the bytes were hidden finds both. */
static int scan_since_hidden(struct rsw_online *online, const struct rsw_generation *generation,
                             struct rsw_error *err) {
    struct rsw_state state;
    if (rsw_index_state(online->index, &state, err) != 0) {
        return -1;
    }
    return state.scan_seq >= generation->hidden_seq
               ? 0
               : rsw_decide_scan(online->index, online->storage, online->options, RSW_SCAN_LINKS, err);
}

/* ---- the states ---- */

/* Where storage can carry out a removal late, the generation says so while it is asked, and as long as one
 * was not answered: after a settle all that was given back is looked at again. */
static int take(struct rsw_online *online, struct rsw_generation *generation, enum rsw_item_kind kind,
                struct rsw_error *err) {
    struct rsw_aside aside = {.index = online->index,
                              .storage = online->storage,
                              .audit = online->audit,
                              .options = online->options,
                              .generation = generation->id};
    bool before = generation->clearing;
    generation->clearing = before || online->storage->loose;
    if (generation->clearing != before && put(online, generation, err) != 0) {
        return -1;
    }
    int rc = rsw_aside_take(&aside, kind, err);
    generation->clearing = before || aside.late;
    generation->failed += aside.failed;
    if (!online->storage->loose && aside.failed == 0) {
        return rc; /* nothing new to write down */
    }
    return put(online, generation, rc == 0 ? err : NULL) == 0 ? rc : -1;
}

/* Before anything is DELETEd: what was pushed again, and whose event was still on its way, stays. */
static int hear_all(struct rsw_online *online, const struct rsw_generation *generation,
                    struct rsw_error *err) {
    if (online->replicas->cache == RSW_CACHE_NONE) { /* nothing ever is */
        return rsw_online_give_back(online, err);
    }
    return rsw_online_drain(online, err) == 0 ? look_again(online, generation, err) : -1;
}

/* Asks for a look at every repository that loses something of this kind; then, with `spare`, keeps it where
 * the repository could not be read. */
static void each_losing(struct rsw_txn *txn, uint64_t id, enum rsw_item_kind kind, int64_t now_ms,
                        bool spare) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_item item;
    struct rsw_check check = {.kind = RSW_CHECK_REPOSITORY, .due_ms = now_ms, .seq = rsw_txn_seq(txn)};
    rsw_iter_items(&iter, txn, id, kind);
    while (rsw_item_next(&iter, &item) == RSW_FOUND) {
        struct rsw_check left;
        if (spare && rsw_check_get(txn, RSW_CHECK_REPOSITORY, item.repo, 0, "", &left) != RSW_ABSENT) {
            rsw_touch_item(txn, &item, false);
        } else if (!spare && item.repo != check.repo) {
            check.repo = item.repo;
            rsw_check_put(txn, &check);
        }
    }
}

static int mark_losing(struct rsw_online *online, uint64_t id, bool spare, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    int64_t now_ms = rsw_clock_now_ms(online->options->clock);
    if (rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    each_losing(txn, id, RSW_ITEM_REVISION, now_ms, spare);
    each_losing(txn, id, RSW_ITEM_LINK, now_ms, spare);
    return rsw_txn_commit(&txn, err);
}

/* What the index knows may be older than grace: a tag is written after its event, and an event can be lost.
 * So before anything of a repository goes, its tags, revisions and links are read. */
static int read_losing(struct rsw_online *online, const struct rsw_generation *generation,
                       struct rsw_error *err) {
    return mark_losing(online, generation->id, false, err) != 0 || read_pushed(online, err) != 0
               ? -1
               : mark_losing(online, generation->id, true, err);
}

/* What a client can name goes before what it leads to. */
static int unlink_all(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err) {
    struct rsw_known known = {.count = 0};
    tell(online, generation, "unlinking");
    if (read_losing(online, generation, err) != 0 || look_again(online, generation, err) != 0 ||
        take(online, generation, RSW_ITEM_TAG, err) != 0 ||
        take(online, generation, RSW_ITEM_REVISION, err) != 0 ||
        take(online, generation, RSW_ITEM_LINK, err) != 0) {
        return -1;
    }
    tell(online, generation, "clearing caches");
    return hear_all(online, generation, err) == 0 && forget(online, generation, &known, err) == 0
               ? enter(online, generation, RSW_GENERATION_UNLINKED, generation->settle_ms, err)
               : -1;
}

/* It can go on like that for ever, and loses nothing; but somebody should know. */
static void tell_known(const struct rsw_online *online, const struct rsw_generation *generation,
                       uint64_t known, bool again) {
    char since[32];
    if (!again) {
        rsw_log(online->options->log, RSW_LOG_INFO,
                "generation %" PRIu64 ": a cache had learnt of %" PRIu64 " objects again: settling anew",
                generation->id, known);
        return;
    }
    rsw_log(
        online->options->log, RSW_LOG_WARNING,
        "generation %" PRIu64 ": a cache had learnt of %" PRIu64
        " objects again: settling anew. It is unlinked since %s, and goes on only once no cache learns of "
        "them for a settle: does a client push or ask for them again and again, a proxy in front of that "
        "replica answer for it, or does it serve another storage?",
        generation->id, known, rsw_time_format(generation->changed_ms, since, sizeof since));
}

static int hide_all(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err) {
    int64_t age_ms = rsw_clock_now_ms(online->options->clock) - generation->changed_ms;
    bool again = age_ms >= NAME_AFTER * generation->settle_ms;
    struct rsw_known known = {.to_name = again ? NAMED_MAX : 0};
    tell(online, generation, "asking caches again");
    if (hear_all(online, generation, err) != 0 || forget(online, generation, &known, err) != 0) {
        return -1;
    }
    if (known.count > 0) {
        /* Somebody may have pushed it, and we not have heard of it: then storage has it again. */
        if (look_again(online, generation, err) != 0) {
            return -1;
        }
        tell_known(online, generation, known.count, again);
        return settle_anew(online, generation, err);
    }
    tell(online, generation, "fence and recheck");
    if (rsw_online_drain(online, err) != 0 || look_again(online, generation, err) != 0) {
        return -1;
    }
    tell(online, generation, "hiding");
    if (take(online, generation, RSW_ITEM_BLOB, err) != 0 ||
        rsw_forget_hidden(online, generation->id, err) != 0) {
        return -1;
    }
    int64_t wait_ms =
        generation->quarantine_ms > generation->settle_ms ? generation->quarantine_ms : generation->settle_ms;
    return enter(online, generation, RSW_GENERATION_HIDDEN, wait_ms, err);
}

static int purge_all(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err) {
    tell(online, generation, "fence and recheck");
    if (scan_since_hidden(online, generation, err) != 0 || rsw_online_drain(online, err) != 0 ||
        look_again(online, generation, err) != 0 || rsw_forget_hidden(online, generation->id, err) != 0) {
        return -1;
    }
    tell(online, generation, "purging");
    return rsw_purge(online, generation, err);
}

/* A run was killed, or failed, with DELETEs under way: when none can be any more, what they took is given
 * back; then all is asked again. */
static int settle_after_kill(struct rsw_online *online, struct rsw_generation *generation,
                             struct rsw_error *err) {
    if (touch_again(online, generation->id, false, err) != 0) {
        return -1;
    }
    generation->clearing = false;
    generation->settling = true;
    return settle_anew(online, generation, err);
}

/* Where bytes are purged under their own key, those that were given back meanwhile can be gone with them. */
static int note_late(const struct rsw_online *online, struct rsw_error *err) {
    return online->storage->versions
               ? rsw_index_gap(online->index, rsw_clock_now_ms(online->options->clock), RSW_LATE_GAP, err)
               : 0;
}

static int work(struct rsw_online *online, struct rsw_generation *generation, struct rsw_error *err) {
    if (generation->clearing) {
        return settle_after_kill(online, generation, err);
    }
    if (generation->settling) { /* over */
        if (touch_again(online, generation->id, false, err) != 0 || note_late(online, err) != 0) {
            return -1;
        }
        generation->settling = false;
        if (put(online, generation, err) != 0) {
            return -1;
        }
    }
    switch (generation->state) {
    case RSW_GENERATION_CONDEMNED:
        return unlink_all(online, generation, err);
    case RSW_GENERATION_UNLINKED:
        return hide_all(online, generation, err);
    case RSW_GENERATION_HIDDEN:
        return purge_all(online, generation, err);
    case RSW_GENERATION_PURGED:
    case RSW_GENERATION_ABANDONED:
        return 0;
    }
    return 0;
}

static void fill(struct rsw_online *online, const struct rsw_generation *generation) {
    struct rsw_sweep_result *result = online->result;
    result->generation = generation->id;
    result->state = rsw_generation_state_name(generation->state);
    result->done = generation->done;
    result->failed = generation->failed;
    result->spared = generation->spared;
    result->freed = generation->freed;
}

static int left_of(struct rsw_online *online, const struct rsw_generation *generation, int64_t *left_ms,
                   struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    *left_ms = INT64_MAX;
    if (generation->state == RSW_GENERATION_PURGED || generation->state == RSW_GENERATION_ABANDONED) {
        return 0;
    }
    if (rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    *left_ms = rsw_generation_left_ms(txn, generation, online->options->clock);
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* As far as is due. Requests of ours are known by the nonce of whoever works on it. */
int rsw_online_advance_one(struct rsw_online *online, uint64_t id, int64_t *left_ms, struct rsw_error *err) {
    struct rsw_generation generation;
    if (get(online, id, &generation, err) != 0) {
        return -1;
    }
    if (strcmp(generation.run, online->replicas->run) != 0) {
        memcpy(generation.run, online->replicas->run, sizeof generation.run);
        if (put(online, &generation, err) != 0) {
            return -1;
        }
    }
    int64_t own_ms;
    int rc = left_of(online, &generation, &own_ms, err);
    while (rc == 0 && own_ms <= 0) {
        rc = work(online, &generation, err);
        rc = rc == 0 ? left_of(online, &generation, &own_ms, err) : rc;
    }
    fill(online, &generation);
    *left_ms = own_ms < *left_ms ? own_ms : *left_ms;
    return rc == 0 ? 0 : rsw_error_prefix(err, "generation %" PRIu64, id);
}

static int open_ids(struct rsw_index *index, uint64_t *ids, size_t *count, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    *count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* Who needs it now may have found it gone: it does not wait for what is due. */
static int give_back_pinned(struct rsw_online *online, struct rsw_error *err) {
    const struct rsw_sweep_options *options = online->options;
    uint64_t count;
    if (rsw_repin(&count, online->index, options->pins, options->pin_count, err) != 0) {
        return -1;
    }
    if (count == 0) {
        return 0;
    }
    rsw_log(options->log, RSW_LOG_INFO,
            "%" PRIu64 " pins name what a sweep has taken before: it is given back", count);
    return rsw_online_give_back(online, err);
}

int rsw_online_advance(struct rsw_online *online, int64_t *left_ms, struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count;
    *left_ms = INT64_MAX;
    if (rsw_time_note(online->index, online->options->clock, NULL, err) != 0 ||
        give_back_pinned(online, err) != 0 || open_ids(online->index, ids, &count, err) != 0 ||
        (count > 0 && rsw_others_give_back(online, err) != 0)) { /* it may have swept since */
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (rsw_online_advance_one(online, ids[i], left_ms, err) != 0) {
            return -1;
        }
    }
    return rsw_purge_held(online, false, &online->result->held, err);
}

int rsw_online_look(struct rsw_online *online, struct rsw_error *err) {
    struct rsw_generation generation;
    if (online->result->generation == 0) {
        return 0;
    }
    if (get(online, online->result->generation, &generation, err) != 0) {
        return -1;
    }
    fill(online, &generation);
    return 0;
}

int rsw_online_is_open(struct rsw_index *index, bool *open, struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count;
    if (open_ids(index, ids, &count, err) != 0) {
        return -1;
    }
    *open = count > 0;
    return 0;
}

int rsw_online_settle_lease(struct rsw_index *index, struct rsw_lease *lease, struct rsw_error *err) {
    bool open;
    if (lease == NULL) {
        return 0;
    }
    if (rsw_online_is_open(index, &open, err) != 0) {
        return -1;
    }
    if (!open) {
        rsw_lease_give_back(lease);
    }
    return 0;
}

int rsw_online_is_busy(struct rsw_index *index, bool *busy, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    *busy = count == RSW_GENERATIONS_OPEN_MAX;
    for (size_t i = 0; i < count; i++) {
        struct rsw_generation generation;
        *busy = *busy || rsw_generation_get(txn, ids[i], &generation) != RSW_FOUND ||
                generation.state != RSW_GENERATION_HIDDEN;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- the registry was stopped ---- */

/* A run was cut short, and storage may yet remove what it asked for: the copies stay until it cannot any
 * more. */
static int wait_for_removals(struct rsw_online *online, struct rsw_generation *generation,
                             struct rsw_error *err) {
    char text[32];
    int64_t left_ms;
    if (!online->storage->loose || !(generation->clearing || generation->settling)) {
        return 0;
    }
    if ((generation->clearing && settle_after_kill(online, generation, err) != 0) ||
        left_of(online, generation, &left_ms, err) != 0) {
        return -1;
    }
    return left_ms <= 0
               ? 0
               : rsw_error_set(
                     err, RSW_EREFUSED, 0,
                     "generation %" PRIu64 " was cut short while storage was asked to remove "
                     "something, which it may do yet; what was taken is back in its place. Run this "
                     "again in %s",
                     generation->id, rsw_duration_format((left_ms + 999) / 1000 * 1000, text, sizeof text));
}

int rsw_online_undo(struct rsw_online *online, struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count;
    if (open_ids(online->index, ids, &count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        struct rsw_generation generation;
        if (touch_again(online, ids[i], true, err) != 0 || rsw_online_give_back(online, err) != 0 ||
            get(online, ids[i], &generation, err) != 0 || wait_for_removals(online, &generation, err) != 0 ||
            rsw_purge(online, &generation, err) != 0 ||
            (generation.clearing && wait_for_removals(online, &generation, err) != 0)) {
            return -1;
        }
    }
    return rsw_purge_held(online, true, &online->result->held, err);
}
