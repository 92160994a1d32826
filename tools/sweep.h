/* One run of a sweep: for the command, for serve that is asked for one, and for who asks. */
#ifndef REGSWEEP_TOOLS_SWEEP_H
#define REGSWEEP_TOOLS_SWEEP_H

#include "cli.h"

#include <regsweep/scan.h>
#include <regsweep/sweep.h>

/* Who looks on. The members are as those of rsw_sweep_options. */
struct rsw_sweep_watch {
    const struct rsw_log *log;
    void (*scan_progress)(void *arg, const struct rsw_scan_progress *progress);
    void (*progress)(void *arg, const struct rsw_sweep_progress *progress);
    bool (*stopped)(void *arg);
    void *arg;
};

/* What cli->options say, workloads not asked yet; the pins belong to cli. 0, or -1 (RSW_EINVAL, RSW_ENOMEM).
 */
int rsw_sweep_read_options(struct rsw_sweep_options *out, struct rsw_cli *cli, struct rsw_error *err);
/* Asks what is in use, then sweeps over what is open: cli->index, with `confirm` for writing, and then
 * cli->storage too; opens the registry's replicas where it needs them. Results go to cli->out. Gives the exit
 * status; if `err` is set then, it says why, and nobody has told it yet. */
int rsw_sweep_run(struct rsw_cli *cli, struct rsw_sweep_options *options, const struct rsw_sweep_watch *watch,
                  struct rsw_error *err);

/* --server: has the serve there do it, follows it, and tells what comes of it as if it were done here. Gives
 * the exit status. */
int rsw_sweep_at_server(struct rsw_cli *cli);

#endif
