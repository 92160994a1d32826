/* Lines of talk: they go to stderr by default, never to stdout. Thread-safe. */
#ifndef REGSWEEP_UTIL_LOG_H
#define REGSWEEP_UTIL_LOG_H

#include <regsweep/log.h>

void rsw_log(const struct rsw_log *log, enum rsw_log_level level, const char *fmt, ...) RSW_PRINTF(3, 4);

#endif
