/* Small readers and writers of text: durations, times, sizes. */
#ifndef REGSWEEP_UTIL_TEXT_H
#define REGSWEEP_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Replaces control bytes by '?', in place, so that no name out of storage can steer a terminal. */
void rsw_text_clean(char *text);

/* Ends text by "…" if snprintf, which wanted to write so many bytes, had to cut it; `size` is above 3. */
void rsw_text_mark_cut(char *text, size_t size, int wanted);

/* Undoes %XX, in place (RFC 3986, 2.1). False: a broken escape, or one that stands for NUL. */
bool rsw_text_unescape(char *text);

/* Copies text; what is no UTF-8 in it becomes U+FFFD. Returns `out`, which has RSW_UTF8_ROOM(text) bytes. */
#define RSW_UTF8_ROOM(text) (3 * strlen(text) + 1)
char *rsw_text_to_utf8(char *out, const char *text);

/* "90s", "10m", "24h", "7d", "0"; sums such as "1h30m"; a bare number other than 0 is refused. */
bool rsw_duration_parse(int64_t *out_ms, const char *text);
/* The shortest exact form: "7d", "90m", "1500ms" for what is no whole second. Returns `text`. */
const char *rsw_duration_format(int64_t ms, char *text, size_t size);

/* RFC 3339 as Go's time package writes it, any fraction, `Z` or an offset. Exactly `len` bytes. */
bool rsw_time_parse(int64_t *out_ms, const char *text, size_t len);
/* "2026-11-24T03:07:00.123Z"; 32 bytes hold it. Returns `text`. */
const char *rsw_time_format(int64_t ms, char *text, size_t size);

/* "0 B", "999 B", "1.5 KiB", … Returns `text`; 24 bytes hold it. */
const char *rsw_size_format(uint64_t bytes, char *text, size_t size);
/* The same. Returns its length without the NUL. */
#define RSW_SIZE_TEXT_MAX 16
size_t rsw_size_write(uint64_t bytes, char text[RSW_SIZE_TEXT_MAX]);
/* "64M", "1GiB", "4096": powers of 1024. */
bool rsw_size_parse(uint64_t *out, const char *text);

/* Exactly twice as many digits, of which none is upper-case. What is in *out otherwise is of no use. */
bool rsw_hex_parse(uint8_t *out, size_t size, const char *text, size_t len);

/* Decimal digits only, no sign, no blank, at most `max`. */
bool rsw_number_parse(uint64_t *out, const char *text, uint64_t max);

#endif
