#include "scan/reading.h"

#include <stdio.h>
#include <string.h>

void rsw_reading_init(struct rsw_reading *reading, struct rsw_index *index, struct rsw_storage *storage) {
    memset(reading, 0, sizeof *reading);
    reading->index = index;
    reading->storage = storage;
    reading->settle_ms = RSW_SETTLE_DEFAULT_MS;
    pthread_mutex_init(&reading->lock, NULL);
    rsw_claims_init(&reading->manifests);
}

void rsw_reading_release(struct rsw_reading *reading) {
    rsw_claims_release(&reading->manifests);
    pthread_mutex_destroy(&reading->lock);
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

void rsw_reading_problem(struct rsw_reading *reading, const char *fmt, ...) {
    uint64_t before = atomic_fetch_add(&reading->problems, 1);
    if (before >= RSW_PROBLEM_LINES_MAX) {
        return;
    }
    char text[RSW_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rsw_log(reading->log, RSW_LOG_WARNING, "%s", text);
}

void rsw_reading_unread(struct rsw_reading *reading, const char *folder, const char *why) {
    uint64_t before = atomic_fetch_add(&reading->folders_unread, 1);
    if (before < RSW_PROBLEM_LINES_MAX) {
        rsw_log(
            reading->log, RSW_LOG_WARNING,
            "folder '%s' could not be read (%s): what is in it is unknown, so the scan is not complete; make "
            "it readable and scan again",
            folder, why == NULL ? "unknown" : why);
    }
}

bool rsw_reading_unseen(struct rsw_reading *reading, const struct rsw_entry *entry) {
    bool other = entry->kind == RSW_ENTRY_OTHER;
    if (!other && (entry->kind != RSW_ENTRY_DIR || entry->answer != RSW_FAILED)) {
        return false;
    }
    rsw_reading_unread(reading, entry->key,
                       other ? "a symbolic link or special file, which is not followed"
                             : strerror(entry->errnum));
    return true;
}

int rsw_reading_seq(struct rsw_index *index, uint64_t *seq, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    *seq = rsw_txn_seq(txn);
    return 0;
}
