#include <regsweep/error.h>

#include "util/text.h"

#include <stdio.h>
#include <string.h>

int rsw_error_set(struct rsw_error *err, enum rsw_code code, int errnum, const char *fmt, ...) {
    if (err == NULL || err->code != RSW_OK) {
        return -1;
    }
    err->code = code;
    err->errnum = errnum;
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    rsw_text_clean(err->message);
    return -1;
}

int rsw_error_prefix(struct rsw_error *err, const char *fmt, ...) {
    if (err == NULL || err->code == RSW_OK) {
        return -1;
    }
    char head[RSW_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(head, sizeof head - 2, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof head - 2) {
        return -1;
    }
    memcpy(head + len, ": ", 2);
    size_t head_len = (size_t)len + 2;
    size_t tail_len = strlen(err->message);
    if (tail_len > sizeof err->message - 1 - head_len) {
        tail_len = sizeof err->message - 1 - head_len; /* the end of a long message is what can be missed */
    }
    memmove(err->message + head_len, err->message, tail_len);
    memcpy(err->message, head, head_len);
    err->message[head_len + tail_len] = 0;
    rsw_text_clean(err->message);
    return -1;
}

void rsw_error_clear(struct rsw_error *err) {
    *err = (struct rsw_error)RSW_ERROR_INIT;
}
