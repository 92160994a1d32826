/* Talk, for people: goes to stderr by default, never to stdout. Thread-safe. */
#ifndef REGSWEEP_UTIL_LOG_H
#define REGSWEEP_UTIL_LOG_H

#include <regsweep/error.h>

enum rsw_log_level { RSW_LOG_ERROR, RSW_LOG_WARNING, RSW_LOG_INFO, RSW_LOG_DEBUG };

/* A library caller hands one in; NULL wherever one is taken means silence. `write` gets one line
 * without newline, already escaped, and may be called from several threads at once. */
struct rsw_log {
    enum rsw_log_level level; /* lines above it are dropped */
    void (*write)(void *arg, enum rsw_log_level level, const char *line);
    void *arg;
};

/* Writes "regsweep: warning: …" lines to stderr, each in one write(2). */
void rsw_log_to_stderr(void *arg, enum rsw_log_level level, const char *line);

void rsw_log(const struct rsw_log *log, enum rsw_log_level level, const char *fmt, ...) RSW_PRINTF(3, 4);

#endif
