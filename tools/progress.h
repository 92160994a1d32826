/* How far a scan or a sweep has come, on stderr: one line that is written over on a terminal, else one every
 * 30 s. */
#ifndef REGSWEEP_TOOLS_PROGRESS_H
#define REGSWEEP_TOOLS_PROGRESS_H

#include "cli.h"

#include <regsweep/scan.h>
#include <regsweep/sweep.h>

#include <stdatomic.h>

struct rsw_progress {
    FILE *talk;
    bool terminal;
    bool silent;
    atomic_bool shown; /* the cursor stands behind a progress line */
    int64_t last_ms;   /* of elapsed time, when a plain line was last written */
    int64_t begun_ms;  /* monotonic */
    struct rsw_log below;
    struct rsw_log log; /* hand this one on: it wipes the progress line before each line of its own */
};

/* Must stay where it is: `log` points to it. */
void rsw_progress_init(struct rsw_progress *progress, const struct rsw_cli *cli);
void rsw_progress_show(struct rsw_progress *progress, const struct rsw_scan_progress *seen);
void rsw_progress_show_sweep(struct rsw_progress *progress, const struct rsw_sweep_progress *seen);
void rsw_progress_end(struct rsw_progress *progress);
/* "1234 of 5000 repositories, 93000 blobs, 12000/s, 3m left". Returns `text`. */
const char *rsw_progress_format(const struct rsw_scan_progress *seen, char *text, size_t size);

#endif
