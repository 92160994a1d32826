#include "util/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rsw_buf_release(struct rsw_buf *buf) {
    free(buf->data);
    *buf = (struct rsw_buf){.max = buf->max};
}

void rsw_buf_clear(struct rsw_buf *buf) {
    buf->len = 0;
    if (buf->data != NULL) {
        buf->data[0] = 0;
    }
}

int rsw_buf_reserve(struct rsw_buf *buf, size_t len, struct rsw_error *err) {
    size_t max = buf->max != 0 ? buf->max : RSW_BUF_MAX_DEFAULT;
    if (buf->len > max || len > max - buf->len) {
        return rsw_error_set(err, RSW_EFULL, 0, "more than the %zu bytes allowed here", max);
    }
    if (len > SIZE_MAX / 4 - buf->len) { /* beyond any machine, and the sums below must not wrap */
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory (%zu bytes)", len);
    }
    size_t need = buf->len + len + 1;
    if (need <= buf->room) {
        return 0;
    }
    size_t room = buf->room < 64 ? 64 : buf->room;
    while (room < need) {
        room *= 2;
    }
    uint8_t *data = realloc(buf->data, room);
    if (data == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory (%zu bytes)", room);
    }
    buf->data = data;
    buf->room = room;
    return 0;
}

int rsw_buf_add(struct rsw_buf *buf, const void *bytes, size_t len, struct rsw_error *err) {
    if (rsw_buf_reserve(buf, len, err) != 0) {
        return -1;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = 0;
    return 0;
}

int rsw_buf_addf(struct rsw_buf *buf, struct rsw_error *err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    int rc = -1;
    if (len < 0) {
        rsw_error_set(err, RSW_EINVAL, 0, "cannot format text");
    } else if (rsw_buf_reserve(buf, (size_t)len, err) == 0) {
        vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
        rc = 0;
    }
    va_end(again);
    return rc;
}
