/* The checker: answers the check queue by asking storage. `serve` runs one as a thread; a scan answers every
 * entry by itself. Takes back what events claimed wrongly, and settles what events cannot tell (heads of
 * tags, what a delete deleted, what a pushed manifest names). */
#ifndef REGSWEEP_SCAN_CHECKER_H
#define REGSWEEP_SCAN_CHECKER_H

#include "index/index.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

struct rsw_check_result {
    uint64_t done;       /* answered and removed from the queue */
    uint64_t failed;     /* storage could not tell: tried again later, with growing pauses up to 5 minutes */
    uint64_t left;       /* still in the queue, due or not */
    uint64_t late;       /* of these, tags that may yet be written (RSW_CHECK_TAGGING) */
    int64_t next_due_ms; /* of the earliest that is left; INT64_MAX if none */
    bool touched;        /* something waits to be given back (index.h), perhaps from what this run found */
};

struct rsw_checker_options {
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    int64_t settle_ms; /* no request of a client lives longer; not above 0: the default of 10 minutes */
    void (*touched)(void *arg); /* of the thread, may be NULL: after a run that answered something, if
                                   something waits to be given back; from the checker's thread */
    void *arg;
};

/* Answers what is due now, in batches: a read transaction, storage, a write transaction. No transaction of
 * the caller may be open in this thread. 0, or -1 on an index error. */
int rsw_check_run(struct rsw_check_result *result, struct rsw_index *index, struct rsw_storage *storage,
                  const struct rsw_checker_options *options, struct rsw_error *err);

/* Makes due what the queue has of manifests that are to be read, whatever the clock said when that was asked:
 * it may have been set back since. For who must know what they name. No transaction may be open. 0 or -1. */
int rsw_check_hurry(struct rsw_index *index, const struct rsw_clock *clock, struct rsw_error *err);

struct rsw_checker; /* a thread around rsw_check_run */
int rsw_checker_start(struct rsw_checker **out, struct rsw_index *index, struct rsw_storage *storage,
                      const struct rsw_checker_options *options, struct rsw_error *err);
void rsw_checker_wake(struct rsw_checker *checker); /* something may be due; any thread, cheap */
/* Sum of all runs so far. Any thread. */
void rsw_checker_result(struct rsw_checker *checker, struct rsw_check_result *out);
/* Ends the batch under way, then the thread. NULL is allowed. */
void rsw_checker_stop(struct rsw_checker *checker);

#endif
