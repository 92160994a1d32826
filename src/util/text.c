#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void rsw_text_clean(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c != 0; c++) {
        if (*c < 0x20 || *c == 0x7f) {
            *c = '?';
        } else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) { /* U+0080 … U+009F in UTF-8 */
            *c++ = '?';
            *c = '?';
        }
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int small_hex_digit(char c) {
    return c >= 'A' && c <= 'F' ? -1 : hex_digit(c);
}

void rsw_text_mark_cut(char *text, size_t size, int wanted) {
    static const char ellipsis[] = "\xe2\x80\xa6";
    if (wanted < 0 || (size_t)wanted < size) {
        return;
    }
    size_t at = size - sizeof ellipsis;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80) {
        at--; /* no half of a letter */
    }
    memcpy(text + at, ellipsis, sizeof ellipsis);
}

bool rsw_text_unescape(char *text) {
    char *to = text;
    for (const char *at = text; *at != 0; at++, to++) {
        *to = *at;
        if (*at == '%') {
            int high = hex_digit(at[1]);
            int low = high < 0 ? -1 : hex_digit(at[2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            *to = (char)(high << 4 | low);
            at += 2;
        }
    }
    *to = 0;
    return true;
}

/* Bytes of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_length(const unsigned char *at) {
    unsigned char lead = at[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* the NUL at the end too */
            return 0;
        }
    }
    if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f) || (lead == 0xf0 && at[1] < 0x90) ||
        (lead == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    return len;
}

char *rsw_text_to_utf8(char *out, const char *text) {
    char *to = out;
    for (const unsigned char *at = (const unsigned char *)text; *at != 0;) {
        size_t len = utf8_length(at);
        memcpy(to, len > 0 ? (const char *)at : "\xef\xbf\xbd", len > 0 ? len : 3);
        to += len > 0 ? len : 3;
        at += len > 0 ? len : 1;
    }
    *to = 0;
    return out;
}

static const char *read_digits(const char *text, const char *end, uint64_t *out) {
    uint64_t value = 0;
    const char *at = text;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return NULL;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return at == text ? NULL : at;
}

bool rsw_number_parse(uint64_t *out, const char *text, uint64_t max) {
    const char *end = text + strlen(text);
    return read_digits(text, end, out) == end && *out <= max;
}

bool rsw_hex_parse(uint8_t *out, size_t size, const char *text, size_t len) {
    bool good = len == size * 2;
    for (size_t i = 0; good && i < size; i++) {
        int high = small_hex_digit(text[i * 2]);
        int low = small_hex_digit(text[i * 2 + 1]);
        good = high >= 0 && low >= 0;
        out[i] = (uint8_t)((unsigned)high << 4 | (unsigned)low);
    }
    return good;
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

static const char *read_unit(const char *at, int64_t *out_ms) {
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(at, units[i].name, len) == 0) {
            *out_ms = units[i].ms;
            return at + len;
        }
    }
    return NULL;
}

bool rsw_duration_parse(int64_t *out_ms, const char *text) {
    const char *end = text + strlen(text);
    int64_t sum = 0;
    if (strcmp(text, "0") == 0) {
        *out_ms = 0;
        return true;
    }
    if (text == end) {
        return false;
    }
    for (const char *at = text; at < end;) {
        uint64_t count;
        int64_t unit;
        at = read_digits(at, end, &count);
        if (at == NULL || (at = read_unit(at, &unit)) == NULL) {
            return false;
        }
        if (count > (uint64_t)(INT64_MAX / 4 / unit) || sum > INT64_MAX / 2) {
            return false;
        }
        sum += (int64_t)count * unit;
    }
    *out_ms = sum;
    return true;
}

const char *rsw_duration_format(int64_t ms, char *text, size_t size) {
    size_t best = 0;
    for (size_t i = 1; i < sizeof units / sizeof *units; i++) {
        if (ms != 0 && ms % units[i].ms == 0) {
            best = i;
        }
    }
    if (ms == 0) {
        best = 1;
    }
    snprintf(text, size, "%" PRId64 "%s", ms / units[best].ms, units[best].name);
    return text;
}

/* "+01:00", "-07:30" or "Z" in minutes; NULL if it is none of them. */
static const char *read_zone(const char *at, const char *end, int *minutes) {
    if (at < end && (*at == 'Z' || *at == 'z')) {
        *minutes = 0;
        return at + 1;
    }
    if (end - at != 6 || (*at != '+' && *at != '-') || at[3] != ':') {
        return NULL;
    }
    for (int i = 1; i < 6; i++) {
        if (i != 3 && (at[i] < '0' || at[i] > '9')) {
            return NULL;
        }
    }
    int hour = (at[1] - '0') * 10 + at[2] - '0';
    int minute = (at[4] - '0') * 10 + at[5] - '0';
    if (hour > 23 || minute > 59) {
        return NULL;
    }
    *minutes = *at == '-' ? -(hour * 60 + minute) : hour * 60 + minute;
    return end;
}

static int days_in(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

/* Two or four digits at a fixed place. */
static bool fixed_digits(const char *at, int count, int *out) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        value = value * 10 + at[i] - '0';
    }
    *out = value;
    return true;
}

bool rsw_time_parse(int64_t *out_ms, const char *text, size_t len) {
    struct tm tm = {0};
    const char *end = text + len;
    if (len < 20 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':') {
        return false;
    }
    if (!fixed_digits(text, 4, &tm.tm_year) || !fixed_digits(text + 5, 2, &tm.tm_mon) ||
        !fixed_digits(text + 8, 2, &tm.tm_mday) || !fixed_digits(text + 11, 2, &tm.tm_hour) ||
        !fixed_digits(text + 14, 2, &tm.tm_min) || !fixed_digits(text + 17, 2, &tm.tm_sec)) {
        return false;
    }
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > days_in(tm.tm_year, tm.tm_mon) ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const char *at = text + 19;
    int64_t fraction = 0;
    if (*at == '.') {
        int64_t scale = 100;
        const char *first = ++at;
        for (; at < end && *at >= '0' && *at <= '9'; at++, scale /= 10) {
            fraction += (*at - '0') * scale;
        }
        if (at == first) {
            return false;
        }
    }
    int zone;
    if (read_zone(at, end, &zone) != end) {
        return false;
    }
    *out_ms = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * 1000 + fraction;
    return true;
}

const char *rsw_time_format(int64_t ms, char *text, size_t size) {
    int64_t seconds = ms / 1000;
    int64_t rest = ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds -= 1;
    }
    time_t when = (time_t)seconds;
    struct tm tm;
    char head[64];
    if (gmtime_r(&when, &tm) == NULL || strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        snprintf(text, size, "(no time)");
        return text;
    }
    snprintf(text, size, "%s.%03dZ", head, (int)rest);
    return text;
}

static const char size_units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

/* Whole numbers alone, and no loop over units: a sweep can write millions of these. */
size_t rsw_size_write(uint64_t bytes, char text[RSW_SIZE_TEXT_MAX]) {
    unsigned unit = bytes < 1024 ? 0 : (63 - (unsigned)__builtin_clzll(bytes)) / 10;
    uint64_t whole = bytes >> unit * 10;
    uint64_t tenth = unit == 0 ? 0 : ((bytes >> (unit - 1) * 10 & 1023) * 10 + 512) / 1024;
    if (tenth == 10) {
        tenth = 0;
        whole++;
    }
    if (whole == 1024 && unit + 1 < sizeof size_units / sizeof *size_units) {
        whole = 1; /* 1023.96 KiB is 1.0 MiB */
        unit++;
    }
    char *at = text;
    for (uint64_t digit = 1000; digit > 0; digit /= 10) {
        *at = (char)('0' + whole / digit % 10);
        at += whole >= digit || digit == 1 ? 1 : 0;
    }
    if (unit > 0) {
        *at++ = '.';
        *at++ = (char)('0' + tenth);
    }
    *at++ = ' ';
    memcpy(at, size_units[unit], sizeof *size_units);
    at += unit == 0 ? 1 : 3;
    return (size_t)(at - text);
}

const char *rsw_size_format(uint64_t bytes, char *text, size_t size) {
    char whole[RSW_SIZE_TEXT_MAX];
    size_t len = rsw_size_write(bytes, whole);
    if (len >= size) {
        len = 0;
    }
    memcpy(text, whole, len);
    text[len] = 0;
    return text;
}

bool rsw_size_parse(uint64_t *out, const char *text) {
    const char *end = text + strlen(text);
    uint64_t value;
    const char *at = read_digits(text, end, &value);
    if (at == NULL) {
        return false;
    }
    unsigned shift = 0;
    if (at < end && *at != 'B') {
        static const char letters[] = "KMGTPE";
        const char *letter = strchr(letters, *at);
        if (letter == NULL) {
            return false;
        }
        shift = 10 * (unsigned)(letter - letters + 1);
        at++;
        if (at < end && *at == 'i') {
            at++;
        }
    }
    if (at < end && *at == 'B') {
        at++;
    }
    if (at != end || (shift > 0 && value > UINT64_MAX >> shift)) {
        return false;
    }
    *out = value << shift;
    return true;
}
