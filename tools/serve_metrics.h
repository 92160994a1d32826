/* What `serve` adds to the feed's metrics: Prometheus text of its other threads. */
#ifndef REGSWEEP_TOOLS_SERVE_METRICS_H
#define REGSWEEP_TOOLS_SERVE_METRICS_H

#include "serve_callback.h"
#include "serve_schedule.h"
#include "sweep_runs.h"

#include "gc/reviver.h"
#include "gc/sweeper.h"
#include "scan/checker.h"

typedef void rsw_serve_write(void *to, const char *text);

void rsw_serve_checks(const struct rsw_check_result *checks, rsw_serve_write *write, void *to);
void rsw_serve_revived(const struct rsw_reviver_stats *revived, rsw_serve_write *write, void *to);
/* Of the index, so whoever works on them. An index that cannot be read tells nothing here. */
void rsw_serve_generations(struct rsw_index *index, const struct rsw_clock *clock, rsw_serve_write *write,
                           void *to);
void rsw_serve_deletions(struct rsw_index *index, rsw_serve_write *write, void *to); /* likewise */
void rsw_serve_told(const struct rsw_callback_stats *told, rsw_serve_write *write, void *to);
void rsw_serve_runs(const struct rsw_sweep_runs_stats *runs, rsw_serve_write *write, void *to);
void rsw_serve_scheduled(const struct rsw_schedule_stats *tried, rsw_serve_write *write, void *to);
void rsw_serve_swept(const struct rsw_sweeper_stats *swept, rsw_serve_write *write, void *to);

#endif
