/* The lease: where several regsweep work on one storage, each with an index of its own, one sweeps at a time.
 *
 * It is a row of small files with ascending numbers below regsweep/lease. Who makes the next one has it:
 * storage lets nobody make a file that is there. Who has it makes another before its time is over, again and
 * again. Who finds that a record of somebody else has been the last for as long as a lease, by a clock of its
 * own, takes that one for dead, and makes the next. So no two clocks are compared, and nothing is ever
 * overwritten. Holders are told apart by their index, so that another process on the same index goes on at
 * once. Whoever takes over from another index has to read storage first, for that one may have swept: a gap.
 *
 * A holder that could not renew it knows by itself when its time is over: a sweep that is given a lease
 * (sweep.h) takes it, looks before each deletion whether it is still held, and gives it back.
 */
#ifndef REGSWEEP_LEASE_H
#define REGSWEEP_LEASE_H

#include <regsweep/error.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_index;
struct rsw_log;
struct rsw_storage;

#define RSW_LEASE_DEFAULT_MS (300 * INT64_C(1000))

struct rsw_lease_options {
    struct rsw_index *index;     /* borrowed; NULL, in tests: no gap is written down */
    struct rsw_storage *storage; /* borrowed */
    const char *holder;          /* of whoever may go on with it; NULL: those who have this index. Copied */
    int64_t length_ms;
    int64_t (*steady_ms)(void); /* NULL: the system's, which also counts while the machine sleeps */
    const struct rsw_log *log;  /* NULL: silence */
};

struct rsw_lease;

/* Asks nobody yet. 0 or -1 (RSW_ENOMEM, or an index error). */
RSW_API int rsw_lease_open(struct rsw_lease **out, const struct rsw_lease_options *options,
                           struct rsw_error *err);
/* Takes it or renews it, if it is ours, was given back, or its holder is dead. 0; or -1: RSW_EBUSY (who has
 * it, and how long it can take at most until it is taken for dead), or what storage answers; then it is held
 * for as long as it was before. Any thread. */
RSW_API int rsw_lease_take(struct rsw_lease *lease, struct rsw_error *err);
/* Others may take it at once. Nothing, if we do not have it. Under the index's lock "sweep", as taking, where
 * other processes on the same index may take it too. */
RSW_API void rsw_lease_give_back(struct rsw_lease *lease);
/* A thread that renews it in good time for as long as it is held. 0 or -1. */
RSW_API int rsw_lease_keep(struct rsw_lease *lease, struct rsw_error *err);
/* Ends the thread; does not give it back. NULL is allowed. */
RSW_API void rsw_lease_close(struct rsw_lease *lease);

#ifdef __cplusplus
}
#endif

#endif
