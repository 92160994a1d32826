/* The sweeps that serve was asked for: one at a time, in a thread of its own, and what became of the last
 * few.
 *
 * A run is told of as JSON. While it runs:
 *
 *     {"id": "…", "state": "running", "begun": TIME, "ended": null, "log": [{"level": "warning", "text":
 * "…"}], "progress": null | {"phase": "unlinking", "done": N, "total": N, "freed_bytes": N, "wait_ms": N} |
 * {"phase": "scan", "done": REPOSITORIES, "total": N, "blobs": N, "links": N, "elapsed_ms": N}}
 *
 * and when it has ended, "progress" is null and there follow
 *
 *      "exit": STATUS, "error": null | "…", "result": null | what `regsweep sweep --json` prints
 *
 * A list in the result has RSW_SWEEP_LIST_MAX entries at most; "left_out" in the result then says how many
 * more there are. `log` has the first lines, those for debugging left out; the rest is in serve's own log. */
#ifndef REGSWEEP_TOOLS_SWEEP_RUNS_H
#define REGSWEEP_TOOLS_SWEEP_RUNS_H

#include "cli.h"

#define RSW_SWEEP_ID_MAX 17      /* 16 hexadecimal digits that nobody guesses; NUL */
#define RSW_SWEEP_RUNS 8         /* remembered, the one that runs included */
#define RSW_SWEEP_LIST_MAX 20000 /* of each list in a result: so many objects of a kind */
/* Bytes of the results of ended runs; the last one is kept whatever its length. */
#define RSW_SWEEP_RESULTS_MAX ((size_t)64 * 1024 * 1024)
#define RSW_SWEEP_LOG_MAX 100 /* lines of one run */

struct rsw_sweep_runs;

struct rsw_sweep_runs_stats {
    uint64_t begun;
    uint64_t failed; /* of these: ended with another status than RSW_EXIT_DONE */
    bool running;
    bool last_failed;
};

/* The thread. `serve` has index and storage open, and outlives it. 0 or -1 (RSW_ENOMEM). */
int rsw_sweep_runs_start(struct rsw_sweep_runs **out, const struct rsw_cli *serve, struct rsw_error *err);
/* Hears of the end of a run, from its thread, before the lease is given back: with the exit status. A run
 * that was stopped before it began has none. */
struct rsw_sweep_listener {
    void (*ended)(void *arg, int status); /* NULL: nobody listens */
    void *arg;
};
/* Begins one; none of these waits for anything. `options` are those of serve with what was asked for on top;
 * they are taken over, whatever is answered. 0; or -1: RSW_EBUSY (`id` is that of the one that runs),
 * RSW_EINVAL (more than serve's own options allow, too), RSW_EREFUSED (serve does not know the
 * registry), RSW_ESTOPPED (it is being stopped), RSW_EIO, RSW_ENOMEM. */
int rsw_sweep_runs_begin(struct rsw_sweep_runs *runs, struct rsw_options *options,
                         struct rsw_sweep_listener listener, char id[RSW_SWEEP_ID_MAX],
                         struct rsw_error *err);
/* RSW_FOUND: *json, of *len bytes, is the caller's to free; RSW_ABSENT: no such run is remembered;
 * RSW_FAILED: out of memory. */
int rsw_sweep_runs_tell(struct rsw_sweep_runs *runs, const char *id, char **json, size_t *len);
void rsw_sweep_runs_stats(struct rsw_sweep_runs *runs, struct rsw_sweep_runs_stats *out);
/* Ends the run at the next moment at which that is safe, then the thread; what takes part in a fence (the
 * feed) must still run. NULL is allowed. */
void rsw_sweep_runs_stop(struct rsw_sweep_runs *runs);
/* After that, and when nobody asks any more. NULL is allowed. */
void rsw_sweep_runs_free(struct rsw_sweep_runs *runs);

#endif
