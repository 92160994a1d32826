#include "util/log.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

void rsw_log_to_stderr(void *arg, enum rsw_log_level level, const char *line) {
    (void)arg;
    static const char *const word[] = {"error: ", "warning: ", "", ""};
    char text[LINE_MAX_BYTES + 32];
    int len = snprintf(text, sizeof text, "regsweep: %s%s\n", word[level], line);
    if (len > (int)sizeof text - 1) {
        len = (int)sizeof text - 1;
        text[len - 1] = '\n';
    }
    ssize_t written = write(STDERR_FILENO, text, (size_t)len);
    (void)written; /* nobody is left to tell */
}

void rsw_log(const struct rsw_log *log, enum rsw_log_level level, const char *fmt, ...) {
    if (log == NULL || log->write == NULL || level > log->level) {
        return;
    }
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    int wanted = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    rsw_text_mark_cut(line, sizeof line, wanted);
    rsw_text_clean(line);
    log->write(log->arg, level, line);
}
