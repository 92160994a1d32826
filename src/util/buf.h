/* A growable byte buffer with a hard maximum, for everything that network or disk feeds. */
#ifndef REGSWEEP_UTIL_BUF_H
#define REGSWEEP_UTIL_BUF_H

#include <regsweep/error.h>

#include <stddef.h>
#include <stdint.h>

struct rsw_buf {
    uint8_t *data; /* owned; NUL behind the last byte once anything was added */
    size_t len;
    size_t room; /* allocated */
    size_t max;  /* never more than this many bytes; 0: RSW_BUF_MAX_DEFAULT */
};

#define RSW_BUF_MAX_DEFAULT ((size_t)256 * 1024 * 1024)
#define RSW_BUF_INIT                                                                                         \
    { NULL, 0, 0, 0 }

void rsw_buf_release(struct rsw_buf *buf); /* frees, back to RSW_BUF_INIT (keeps max) */
void rsw_buf_clear(struct rsw_buf *buf);   /* empty, keeps the memory */

/* 0, or -1: RSW_ENOMEM, or RSW_EFULL past the maximum. On error the buffer is as before. */
int rsw_buf_add(struct rsw_buf *buf, const void *bytes, size_t len, struct rsw_error *err);
int rsw_buf_addf(struct rsw_buf *buf, struct rsw_error *err, const char *fmt, ...) RSW_PRINTF(3, 4);
/* Makes room for `len` more bytes behind the end. */
int rsw_buf_reserve(struct rsw_buf *buf, size_t len, struct rsw_error *err);

#define RSW_AUTO_BUF __attribute__((cleanup(rsw_buf_release))) struct rsw_buf

#endif
