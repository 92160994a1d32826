/* Talk, for people. */
#ifndef REGSWEEP_LOG_H
#define REGSWEEP_LOG_H

#include <regsweep/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rsw_log_level { RSW_LOG_ERROR, RSW_LOG_WARNING, RSW_LOG_INFO, RSW_LOG_DEBUG };

/* The caller hands one in; NULL wherever one is taken means silence. `write` gets one line without newline,
 * already escaped, and may be called from several threads at once. */
struct rsw_log {
    enum rsw_log_level level; /* lines above it are dropped */
    void (*write)(void *arg, enum rsw_log_level level, const char *line);
    void *arg;
};

/* A `write` that puts "regsweep: warning: …" lines to stderr, each in one write(2). */
RSW_API void rsw_log_to_stderr(void *arg, enum rsw_log_level level, const char *line);

#ifdef __cplusplus
}
#endif

#endif
