#include "gc/others.h"

#include "gc/decide.h"
#include "gc/lease.h"
#include "gc/quarantine.h"
#include "index/time.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/log.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE_MS 200

/* ---- whose it is ---- */

struct numbers {
    uint64_t *items; /* owned */
    size_t count, room;
};

/* Folders, and claims. */
static void numbers_release(struct numbers (*numbers)[2]) {
    free((*numbers)[0].items);
    free((*numbers)[1].items);
}

static int add_number(void *arg, uint64_t number, bool claimed, struct rsw_error *err) {
    struct numbers *numbers = &((struct numbers *)arg)[claimed ? 1 : 0];
    uint64_t *items = rsw_grown(numbers->items, &numbers->room, numbers->count + 1, sizeof *items);
    if (items == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for the folders of the quarantine");
    }
    numbers->items = items;
    items[numbers->count++] = number;
    return 0;
}

static int compare(const void *a, const void *b) {
    uint64_t one = *(const uint64_t *)a;
    uint64_t other = *(const uint64_t *)b;
    return one < other ? -1 : one > other ? 1 : 0;
}

/* We go on with it. */
static bool is_open(struct rsw_txn *txn, uint64_t number) {
    struct rsw_generation generation;
    return rsw_generation_get(txn, number, &generation) == RSW_FOUND && !generation.offline &&
           generation.state != RSW_GENERATION_PURGED && generation.state != RSW_GENERATION_ABANDONED;
}

/* Those of which we hold something, too, are ours. `ours` stands beside the numbers, which are in order. */
static void find_ours(bool *ours, struct rsw_txn *txn, const struct numbers *numbers) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_held held;
    for (size_t i = 0; i < numbers->count; i++) {
        ours[i] = is_open(txn, numbers->items[i]);
    }
    rsw_iter_held(&iter, txn);
    while (rsw_held_next(&iter, &held) == RSW_FOUND) {
        const uint64_t *at =
            bsearch(&held.generation, numbers->items, numbers->count, sizeof *numbers->items, compare);
        if (at != NULL) {
            ours[at - numbers->items] = true;
        }
    }
}

static int keep_others(struct rsw_index *index, struct numbers *numbers, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_FREE bool *ours = calloc(numbers->count + 1, sizeof *ours);
    size_t kept = 0;
    if (ours == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for the folders of the quarantine");
    }
    if (numbers->count == 0) {
        return 0;
    }
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    qsort(numbers->items, numbers->count, sizeof *numbers->items, compare);
    find_ours(ours, txn, numbers);
    for (size_t i = 0; i < numbers->count; i++) {
        if (!ours[i]) {
            numbers->items[kept++] = numbers->items[i];
        }
    }
    numbers->count = kept;
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_others_count(size_t *folders, struct rsw_index *index, struct rsw_storage *storage,
                     struct rsw_error *err) {
    __attribute__((cleanup(numbers_release))) struct numbers numbers[2] = {{.count = 0}, {.count = 0}};
    if (rsw_quarantine_walk(storage, add_number, numbers, err) != 0 ||
        keep_others(index, &numbers[0], err) != 0) {
        return -1;
    }
    *folders = numbers[0].count;
    return 0;
}

/* ---- what is in it ---- */

/* What a client can name comes back after what it leads to. */
enum turn { BYTES, LINKS, HISTORY, REVISIONS, TAGS, TURNS };

static enum turn turn_of(const char *key) {
    struct rsw_path path;
    rsw_path_parse(&path, key);
    switch (path.place) {
    case RSW_PLACE_BLOB_DATA:
        return BYTES;
    case RSW_PLACE_LAYER_LINK:
    case RSW_PLACE_SIGNATURE_LINK:
        return LINKS;
    case RSW_PLACE_TAG_HISTORY:
        return HISTORY;
    case RSW_PLACE_REVISION_LINK:
        return REVISIONS;
    case RSW_PLACE_TAG_CURRENT:
        return TAGS;
    default:
        return TURNS; /* none of a registry's */
    }
}

struct folder {
    struct rsw_online *online;
    uint64_t number;
    char dir[RSW_QUARANTINE_KEY_MAX];
    enum turn turn;         /* of those that are asked for; TURNS: all */
    uint64_t counts[TURNS]; /* of what was seen */
    uint64_t placed, left;
    bool same; /* as what is in its place */
    int (*act)(struct folder *folder, struct rsw_setting *settings, size_t count, struct rsw_error *err);
};

/* The files of a page that are asked for, by their keys in the registry, which are owned. 0 or -1. */
static int choose(struct folder *folder, const struct rsw_entry *entries, size_t count,
                  struct rsw_setting *settings, size_t *files, struct rsw_error *err) {
    size_t prefix_len = strlen(folder->dir) + 1;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].answer == RSW_FAILED) {
            return rsw_error_set(err, RSW_EIO, entries[i].errnum, "%s cannot be read", entries[i].key);
        }
        char *key = rsw_quarantine_data_of(entries[i].key + prefix_len);
        if (key == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for what lies in quarantine");
        }
        enum turn turn = entries[i].kind == RSW_ENTRY_FILE ? turn_of(key) : TURNS;
        if (turn != TURNS && (folder->turn == TURNS || folder->turn == turn)) {
            settings[(*files)++].key = key;
            folder->counts[turn]++;
        } else {
            free(key);
        }
    }
    return 0;
}

static int on_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct folder *folder = arg;
    RSW_AUTO_FREE struct rsw_setting *settings = calloc(count + 1, sizeof *settings);
    size_t files = 0;
    if (settings == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for what lies in quarantine");
    }
    int rc = choose(folder, entries, count, settings, &files, err);
    if (rc == 0 && rsw_sweep_go_on(folder->online->options, err) != 0) {
        rc = -1;
    }
    rc = rc == 0 ? folder->act(folder, settings, files, err) : rc;
    for (size_t i = 0; i < files; i++) {
        free((void *)(uintptr_t)settings[i].key);
    }
    return rc;
}

static int each_file(struct folder *folder, enum turn turn,
                     int (*act)(struct folder *folder, struct rsw_setting *settings, size_t count,
                                struct rsw_error *err),
                     struct rsw_error *err) {
    const struct rsw_listing listing = {.prefix = folder->dir, .page = on_page, .arg = folder};
    folder->turn = turn;
    folder->act = act;
    return rsw_storage_list(folder->online->storage, &listing, err) == RSW_FAILED ? -1 : 0;
}

static int count_only(struct folder *folder, struct rsw_setting *settings, size_t count,
                      struct rsw_error *err) {
    (void)folder;
    (void)settings;
    (void)count;
    (void)err;
    return 0;
}

static int put_back(struct folder *folder, struct rsw_setting *settings, size_t count,
                    struct rsw_error *err) {
    rsw_quarantine_return(folder->online->storage, folder->number, settings, count);
    for (size_t i = 0; i < count; i++) {
        folder->placed += settings[i].placed ? 1 : 0;
        if (settings[i].answer == RSW_FAILED) {
            return rsw_error_set(err, RSW_EPARTIAL, settings[i].errnum,
                                 "'%s' cannot be put back out of '%s', which is of another index; nothing is "
                                 "taken until it is",
                                 settings[i].key, folder->dir);
        }
    }
    return 0;
}

/* Is there one whose copy can go? Then a run of ours may have put it back, and was killed before it said so.
 */
static int look_for_same(struct folder *folder, struct rsw_setting *settings, size_t count,
                         struct rsw_error *err) {
    (void)err;
    for (size_t i = 0; i < count && !folder->same; i++) {
        folder->same = !rsw_quarantine_differs(folder->online->storage, folder->number, settings[i].key);
    }
    return 0;
}

/* Nothing to put back: it is at neither place, and no more than a note tells of it. */
static bool is_lost(struct folder *folder, struct rsw_setting *setting) {
    struct rsw_setting again = {.key = setting->key};
    rsw_quarantine_return(folder->online->storage, folder->number, &again, 1);
    return again.answer == RSW_ABSENT;
}

static int drop(struct folder *folder, struct rsw_setting *settings, size_t count, struct rsw_error *err) {
    rsw_quarantine_drop(folder->online->storage, folder->number, settings, count);
    for (size_t i = 0; i < count; i++) {
        if (settings[i].answer != RSW_FAILED) {
            continue;
        }
        bool differs = settings[i].errnum == EEXIST;
        if (!differs && !is_lost(folder, &settings[i])) {
            return rsw_error_set(err, RSW_EPARTIAL, settings[i].errnum,
                                 "the copy of '%s' in '%s', which is of another index, cannot be removed; "
                                 "nothing is taken until it is",
                                 settings[i].key, folder->dir);
        }
        folder->left++;
        rsw_log(folder->online->options->log, RSW_LOG_WARNING,
                "'%s' stays in '%s', which is of another index: %s", settings[i].key, folder->dir,
                differs ? "what is in its place is something else" : "there is nothing to put back");
    }
    return 0;
}

/* ---- a folder ---- */

static int put_all_back(struct folder *folder, struct rsw_error *err) {
    for (enum turn turn = 0; turn < TURNS; turn++) {
        if (each_file(folder, turn, put_back, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* In the same order: bytes alone would be taken for held ones, and stay. */
static int drop_all(struct folder *folder, struct rsw_error *err) {
    for (enum turn turn = 0; turn < TURNS; turn++) {
        if (each_file(folder, turn, drop, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What its owner asked storage to remove, and got no answer, can go for a settle; and so can what it asked a
 * registry to delete, so that a cache forgets it. */
static bool can_go_yet(const struct rsw_online *online) {
    return online->storage->loose || (online->replicas != NULL && online->replicas->cache != RSW_CACHE_NONE);
}

static int wait_for_owner(struct rsw_online *online, struct rsw_error *err) {
    const struct rsw_sweep_options *options = online->options;
    int64_t settle_ms = rsw_sweep_settle_ms(options);
    int64_t sent_ms = settle_ms < RSW_REMOVAL_SENT_MS ? settle_ms : RSW_REMOVAL_SENT_MS; /* after its lease */
    int64_t until_ms = rsw_monotonic_ms() + settle_ms + sent_ms;
    const struct timespec pause = {0, PAUSE_MS * 1000000};
    while (rsw_monotonic_ms() < until_ms) {
        if (rsw_sweep_go_on(options, err) != 0) {
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* A scan that was under way has not seen it. */
static int note_gap(struct rsw_online *online, struct rsw_error *err) {
    return rsw_index_gap(online->index, rsw_clock_now_ms(online->options->clock), RSW_LEASE_GAP, err);
}

/* All of it is in place. */
static int end_folder(struct folder *folder, struct rsw_error *err) {
    struct rsw_online *online = folder->online;
    if ((can_go_yet(online) && (wait_for_owner(online, err) != 0 || put_all_back(folder, err) != 0)) ||
        note_gap(online, err) != 0 || drop_all(folder, err) != 0) {
        return -1;
    }
    rsw_log(online->options->log, RSW_LOG_INFO, "%" PRIu64 " files of '%s' were put back", folder->placed,
            folder->dir);
    if (!online->storage->flat && folder->left == 0) {
        rsw_storage_prune(online->storage, folder->dir, NULL);
    }
    return 0;
}

/* Does a repository have it, as far as the index knows? */
static bool is_linked(struct rsw_txn *txn, const char *key) {
    struct rsw_path path;
    struct rsw_blob blob;
    rsw_path_parse(&path, key);
    return rsw_blob_find(txn, &path.digest, &blob) == RSW_FOUND &&
           (rsw_member_anywhere(txn, RSW_REVISION, blob.id, RSW_MEMBER_PRESENT) == RSW_FOUND ||
            rsw_member_anywhere(txn, RSW_LINK, blob.id, RSW_MEMBER_PRESENT) == RSW_FOUND);
}

static int put_back_linked(struct folder *folder, struct rsw_setting *settings, size_t count,
                           struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    size_t linked = 0;
    if (rsw_txn_begin_read(&txn, folder->online->index, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_linked(txn, settings[i].key)) {
            struct rsw_setting other = settings[linked];
            settings[linked++] = settings[i];
            settings[i] = other;
        }
    }
    if (rsw_txn_failed(txn, err)) {
        return -1;
    }
    rsw_txn_abort(&txn);
    return put_back(folder, settings, linked, err);
}

/* `orphan`: its owner has lost it, so that bytes alone are nobody's. */
static int give_back(struct rsw_online *online, uint64_t number, bool orphan, struct rsw_error *err) {
    struct folder folder = {.online = online, .number = number};
    snprintf(folder.dir, sizeof folder.dir, RSW_QUARANTINE "/%" PRIu64, number);
    if (each_file(&folder, TURNS, count_only, err) != 0) {
        return -1;
    }
    uint64_t names =
        folder.counts[LINKS] + folder.counts[HISTORY] + folder.counts[REVISIONS] + folder.counts[TAGS];
    if (names + folder.counts[BYTES] == 0 && !online->storage->flat) {
        rsw_storage_prune(online->storage, folder.dir, NULL); /* empty folders of a run that was killed */
    }
    if (names == 0 && !(orphan && folder.counts[BYTES] > 0)) {
        return 0;
    }
    rsw_log(online->options->log, RSW_LOG_WARNING,
            "'%s' is of another index, or of one that was built anew: %" PRIu64
            " files in it are put back where they are missing, and decided on anew",
            folder.dir, names + folder.counts[BYTES]);
    if (put_all_back(&folder, err) != 0 ||
        (folder.placed == 0 && each_file(&folder, TURNS, look_for_same, err) != 0)) {
        return -1;
    }
    if (folder.placed == 0 && !folder.same) {
        rsw_log(online->options->log, RSW_LOG_WARNING,
                "what is in '%s' stays there: in its place is something else", folder.dir);
        return 0;
    }
    return end_folder(&folder, err);
}

/* Of those that we do not go on with, by their claims: RSW_FOUND: it is of this index. */
static int is_claimed(struct rsw_online *online, uint64_t number, const struct numbers *claims,
                      const char *owner, struct rsw_error *err) {
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->items[i] == number) {
            return rsw_quarantine_claim(online->storage, number, owner, err);
        }
    }
    return RSW_ABSENT;
}

/* Of a run that was killed before it had begun its generation, or after it had ended. */
static int leave_ended(struct rsw_online *online, const struct numbers *claims, const char *owner,
                       struct rsw_error *err) {
    for (size_t i = 0; i < claims->count; i++) {
        int answer = rsw_quarantine_claim(online->storage, claims->items[i], owner, err);
        if (answer == RSW_FAILED) {
            return -1;
        }
        if (answer == RSW_FOUND) {
            rsw_quarantine_leave(online->storage, claims->items[i]);
        }
    }
    return 0;
}

/* Of a folder of this index that it knows nothing of, for it was built anew, nobody will take care; nor of
 * any with the registry stopped. */
int rsw_others_give_back(struct rsw_online *online, struct rsw_error *err) {
    __attribute__((cleanup(numbers_release))) struct numbers numbers[2] = {{.count = 0}, {.count = 0}};
    char owner[RSW_IDENTITY_MAX];
    if (rsw_quarantine_walk(online->storage, add_number, numbers, err) != 0 ||
        keep_others(online->index, &numbers[0], err) != 0 ||
        keep_others(online->index, &numbers[1], err) != 0 ||
        rsw_index_identity(online->index, owner, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < numbers[0].count; i++) {
        uint64_t number = numbers[0].items[i];
        int ours = is_claimed(online, number, &numbers[1], owner, err);
        if (ours == RSW_FAILED ||
            give_back(online, number, online->options->offline || ours == RSW_FOUND, err) != 0) {
            return -1;
        }
    }
    return leave_ended(online, &numbers[1], owner, err);
}

int rsw_others_return_linked(struct rsw_online *online, struct rsw_error *err) {
    __attribute__((cleanup(numbers_release))) struct numbers numbers[2] = {{.count = 0}, {.count = 0}};
    uint64_t placed = 0;
    if (rsw_quarantine_walk(online->storage, add_number, numbers, err) != 0 ||
        keep_others(online->index, &numbers[0], err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < numbers[0].count; i++) {
        struct folder folder = {.online = online, .number = numbers[0].items[i]};
        snprintf(folder.dir, sizeof folder.dir, RSW_QUARANTINE "/%" PRIu64, folder.number);
        if (each_file(&folder, BYTES, put_back_linked, err) != 0) {
            return -1;
        }
        placed += folder.placed;
    }
    if (placed == 0) {
        return 0;
    }
    rsw_log(online->options->log, RSW_LOG_WARNING,
            "%" PRIu64 " manifests that were pushed lay in the quarantine of another index: a cache had made "
            "the registry take them without writing them; they are back, and storage is read",
            placed);
    return note_gap(online, err) == 0
               ? rsw_decide_scan(online->index, online->storage, online->options, RSW_SCAN_WHOLE, err)
               : -1;
}

/* ---- a folder of our own ---- */

static int note_highest(void *arg, uint64_t number, bool claimed, struct rsw_error *err) {
    uint64_t *highest = arg;
    (void)err;
    *highest = !claimed && number > *highest ? number : *highest;
    return 0;
}

static int first_number(struct rsw_online *online, uint64_t *number, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    uint64_t highest = 0;
    if (rsw_quarantine_walk(online->storage, note_highest, &highest, err) != 0 ||
        rsw_txn_begin_read(&txn, online->index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    *number = state.next_generation > highest ? state.next_generation : highest + 1;
    return 0;
}

int rsw_others_pass_by(struct rsw_online *online, struct rsw_error *err) {
    char owner[RSW_IDENTITY_MAX];
    uint64_t number;
    int answer;
    if (first_number(online, &number, err) != 0 || rsw_index_identity(online->index, owner, err) != 0) {
        return -1;
    }
    while ((answer = rsw_quarantine_claim(online->storage, number, owner, err)) == RSW_ABSENT) {
        number++;
    }
    RSW_AUTO_TXN txn = NULL;
    if (answer == RSW_FAILED || rsw_txn_begin_write(&txn, online->index, err) != 0) {
        return -1;
    }
    rsw_generation_skip(txn, number - 1);
    return rsw_txn_commit(&txn, err);
}
