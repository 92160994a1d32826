#include "scan/reading.h"

#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A store rounds its times, its clock may be set a little, and a scan takes its time. */
#define UNCHANGED_MARGIN_MS (15 * 60 * INT64_C(1000))

/* So much may storage's time be off, as its answers tell it. */
#define BEGAN_MARGIN_MS (5 * INT64_C(1000))

void rsw_reading_init(struct rsw_reading *reading, struct rsw_index *index, struct rsw_storage *storage) {
    memset(reading, 0, sizeof *reading);
    reading->index = index;
    reading->storage = storage;
    reading->settle_ms = RSW_SETTLE_DEFAULT_MS;
    pthread_mutex_init(&reading->lock, NULL);
    rsw_claims_init(&reading->manifests);
}

int rsw_reading_spare(struct rsw_reading *reading, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    if (!reading->storage->flat) {
        return 0;
    }
    if (rsw_txn_begin_read(&txn, reading->index, err) != 0) {
        return -1;
    }
    if (rsw_state_get(txn, &state) == RSW_FOUND && state.scan_seq != 0) {
        reading->unchanged_ms = state.scan_started_ms - UNCHANGED_MARGIN_MS;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

void rsw_reading_release(struct rsw_reading *reading) {
    rsw_claims_release(&reading->manifests);
    pthread_mutex_destroy(&reading->lock);
}

struct rsw_apply rsw_reading_apply(const struct rsw_reading *reading) {
    return (struct rsw_apply){.now_ms = rsw_clock_now_ms(reading->clock),
                              .clock = reading->clock,
                              .registry_stopped = reading->registry_stopped,
                              .settle_ms = reading->settle_ms};
}

bool rsw_reading_stopped(struct rsw_reading *reading, struct rsw_error *err) {
    if (!atomic_load(&reading->cancelled) && reading->stopped != NULL) {
        pthread_mutex_lock(&reading->lock);
        bool stop = !atomic_load(&reading->cancelled) && reading->stopped(reading->stopped_arg);
        pthread_mutex_unlock(&reading->lock);
        if (stop) {
            atomic_store(&reading->cancelled, true);
        }
    }
    if (atomic_load(&reading->cancelled)) {
        rsw_error_set(err, RSW_ESTOPPED, 0, "stopped");
        return true;
    }
    return false;
}

/* Counts one more; false: there were so many that it is not said any more. */
static bool is_to_be_said(atomic_uint_fast64_t *counter) {
    return atomic_fetch_add(counter, 1) < RSW_PROBLEM_LINES_MAX;
}

void rsw_reading_problem(struct rsw_reading *reading, const char *fmt, ...) {
    if (!is_to_be_said(&reading->problems)) {
        return;
    }
    char text[RSW_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rsw_text_mark_cut(text, sizeof text, wanted);
    rsw_log(reading->log, RSW_LOG_WARNING, "%s", text);
}

void rsw_reading_unread(struct rsw_reading *reading, const char *folder, const char *why) {
    if (is_to_be_said(&reading->folders_unread)) {
        rsw_log(
            reading->log, RSW_LOG_WARNING,
            "folder '%s' could not be read (%s): what is in it is unknown, so the scan is not complete; make "
            "it readable (in place of a link put the folder itself, or a bind mount) and scan again",
            folder, why == NULL ? "unknown" : why);
    }
}

void rsw_reading_misnamed(struct rsw_reading *reading, const char *folder, const char *why) {
    if (is_to_be_said(&reading->folders_unread)) {
        rsw_log(reading->log, RSW_LOG_WARNING,
                "%s, so what is in it cannot be told, and the scan is not complete; rename or remove it, and "
                "scan again: '%s'",
                why, folder);
    }
}

bool rsw_reading_lacks(const struct rsw_reading *reading, int answer, int64_t mtime_ms) {
    return reading->storage->flat && answer == RSW_FOUND && mtime_ms != 0 &&
           mtime_ms < reading->began_ms - BEGAN_MARGIN_MS;
}

void rsw_reading_lacked(struct rsw_reading *reading, const char *folder) {
    if (is_to_be_said(&reading->folders_unread)) {
        rsw_log(reading->log, RSW_LOG_WARNING,
                "a list of '%s' left out what is there since before it was asked for: so nobody knows what "
                "else it left out, and the scan is not complete; scan again, and if this comes again, the "
                "store's lists cannot be relied on",
                folder);
    }
}

bool rsw_reading_unseen(struct rsw_reading *reading, const struct rsw_entry *entry) {
    bool other = entry->kind == RSW_ENTRY_OTHER;
    if (!other && (entry->kind != RSW_ENTRY_DIR || entry->answer != RSW_FAILED)) {
        return false;
    }
    rsw_reading_unread(reading, entry->key,
                       other ? "a symbolic link or special file, which is not followed"
                             : rsw_storage_reason(entry->errnum));
    return true;
}

void rsw_reading_leftover(struct rsw_reading *reading, const char *key) {
    rsw_reading_problem(
        reading,
        "'%s' is no file that a registry keeps: left alone, and its folder with it. A registry "
        "of version 3 that was killed leaves *.tmp: if the registry is stopped, remove it by "
        "hand",
        key);
}

struct leftovers {
    struct rsw_reading *reading;
    const char *leaf;
    bool *found;
};

static enum rsw_descend pass_over(void *arg, const char *dir_key, const char **leaf) {
    (void)arg, (void)dir_key, (void)leaf;
    return RSW_DESCEND_SKIP;
}

static int page_of_leftovers(void *arg, const struct rsw_entry *entries, size_t count,
                             struct rsw_error *err) {
    struct leftovers *l = arg;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].key, l->leaf) != 0) { /* else it has come since */
            *l->found = true;
            rsw_reading_leftover(l->reading, entries[i].key);
        }
    }
    return 0;
}

int rsw_reading_leftovers(struct rsw_reading *reading, const char *leaf, bool *found, struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    struct leftovers l = {.reading = reading, .leaf = leaf, .found = found};
    char *folder = strndup(leaf, (size_t)(strrchr(leaf, '/') - leaf));
    if (folder == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    struct rsw_listing listing = {
        .prefix = folder, .descend = pass_over, .page = page_of_leftovers, .arg = &l};
    if (rsw_storage_list(reading->storage, &listing, &why) == RSW_FAILED) {
        *found = true;
        rsw_reading_problem(reading, "folder '%s' could not be read (%s): left alone", folder, why.message);
    }
    free(folder);
    return why.code == RSW_ENOMEM ? rsw_error_set(err, RSW_ENOMEM, 0, "out of memory") : 0;
}

int rsw_reading_seq(struct rsw_index *index, uint64_t *seq, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    *seq = rsw_txn_seq(txn);
    return 0;
}
