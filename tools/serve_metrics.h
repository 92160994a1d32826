/* What `serve` adds to the feed's metrics: Prometheus text of its other threads. */
#ifndef REGSWEEP_TOOLS_SERVE_METRICS_H
#define REGSWEEP_TOOLS_SERVE_METRICS_H

#include "gc/reviver.h"
#include "scan/checker.h"

typedef void rsw_serve_write(void *to, const char *text);

void rsw_serve_checks(const struct rsw_check_result *checks, rsw_serve_write *write, void *to);
void rsw_serve_revived(const struct rsw_reviver_stats *revived, rsw_serve_write *write, void *to);

#endif
