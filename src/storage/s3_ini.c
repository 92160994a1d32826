/* A file of profiles, as the tools of AWS read it: they have Python's configparser for it, and shlex for what
 * stands behind "profile" in a title. */
#include "storage/s3_credentials.h"

#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t len;
};

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}

static struct span trim(struct span text) {
    while (text.len > 0 && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.at[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool equals(struct span text, const char *word) {
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

/* ---- lines ---- */

struct reader {
    const char *at;
    const char *end;
    size_t line;   /* from 1 */
    size_t indent; /* of the last line that did not go on with a value */
    bool titled;   /* there was a title */
    bool open;     /* a deeper line goes on with the value */
};

enum kind {
    END,
    TITLE,   /* value: what stands in the brackets */
    SETTING, /* name and value */
    MORE,    /* value: of the setting before */
    ODD,     /* none of these */
};

static struct reader begin(const struct rsw_s3_ini *ini) {
    static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8 */
    bool marked = ini->len >= 3 && memcmp(ini->bytes, mark, 3) == 0;
    return (struct reader){.at = ini->bytes + (marked ? 3 : 0), .end = ini->bytes + ini->len};
}

static enum kind judge(struct reader *reader, struct span line, struct span *name, struct span *value) {
    const char *close = line.at[0] == '[' ? memrchr(line.at, ']', line.len) : NULL;
    size_t len = 0;
    if (close != NULL && close > line.at + 1) {
        *value = trim((struct span){line.at + 1, (size_t)(close - line.at) - 1});
        reader->titled = true;
        reader->open = false;
        return TITLE;
    }
    while (len < line.len && line.at[len] != '=' && line.at[len] != ':') {
        len++;
    }
    *name = trim((struct span){line.at, len});
    if (!reader->titled || len == line.len || name->len == 0) {
        return ODD;
    }
    *value = trim((struct span){line.at + len + 1, line.len - len - 1});
    reader->open = true;
    return SETTING;
}

static enum kind next(struct reader *reader, struct span *name, struct span *value) {
    while (reader->at < reader->end) {
        const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
        struct span whole = {reader->at, (size_t)((newline == NULL ? reader->end : newline) - reader->at)};
        struct span line = trim(whole);
        reader->at = newline == NULL ? reader->end : newline + 1;
        reader->line++;
        if (line.len == 0 || line.at[0] == '#' || line.at[0] == ';') {
            continue;
        }
        size_t indent = (size_t)(line.at - whole.at);
        if (reader->open && indent > reader->indent) {
            *value = line;
            return MORE;
        }
        reader->indent = indent;
        return judge(reader, line, name, value);
    }
    return END;
}

/* ---- profiles ---- */

/* Whether text is that word and no other, in quotes or not. */
static bool is_word(struct span text, const char *word) {
    char quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool last = i + 1 == text.len;
        if (quote == 0 ? c == '"' || c == '\'' : c == quote) {
            quote = quote == 0 ? c : 0;
            continue;
        }
        if (quote == 0 && is_blank(c)) {
            return false;
        }
        if (c == '\\' && !last && (quote == 0 || (quote == '"' && strchr("\"\\", text.at[i + 1]) != NULL))) {
            c = text.at[++i];
        }
        if (*word != c || c == 0) {
            return false;
        }
        word++;
    }
    return quote == 0 && *word == 0;
}

static bool is_profile(const struct rsw_s3_ini *ini, struct span title, const char *profile) {
    static const char word[] = "profile";
    size_t len = sizeof word - 1;
    if (!ini->config || equals(title, "default")) {
        return equals(title, profile);
    }
    return title.len > len && memcmp(title.at, word, len) == 0 && is_blank(title.at[len]) &&
           is_word(trim((struct span){title.at + len, title.len - len}), profile);
}

int rsw_s3_ini_check(const struct rsw_s3_ini *ini, const char *profile, struct rsw_error *err) {
    struct reader reader = begin(ini);
    struct span name;
    struct span value;
    int answer = RSW_ABSENT;
    if (memchr(ini->bytes, 0, ini->len) != NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "not a file of profiles: there are zero bytes in it");
    }
    for (enum kind kind; (kind = next(&reader, &name, &value)) != END;) {
        if (kind == ODD) {
            return rsw_error_set(err, RSW_EINVAL, 0,
                                 "line %zu is neither a [title] nor, below one, NAME = VALUE", reader.line);
        }
        if (kind == TITLE && is_profile(ini, value, profile)) {
            if (answer == RSW_FOUND) {
                return rsw_error_set(err, RSW_EINVAL, 0, "line %zu begins profile \"%s\" a second time",
                                     reader.line, profile);
            }
            answer = RSW_FOUND;
        }
    }
    return answer;
}

int rsw_s3_ini_get(struct rsw_buf *out, const struct rsw_s3_ini *ini, const char *profile, const char *name,
                   struct rsw_error *err) {
    struct reader reader = begin(ini);
    struct span found = {NULL, 0};
    struct span called;
    struct span value;
    bool inside = false;
    bool here = false; /* the last setting was the one */
    for (enum kind kind; (kind = next(&reader, &called, &value)) != END;) {
        if (kind == TITLE) {
            inside = is_profile(ini, value, profile);
        } else if (kind == MORE && here) {
            found.len = (size_t)(value.at + value.len - found.at);
        } else if (kind == SETTING) {
            here = inside && called.len == strlen(name) && strncasecmp(called.at, name, called.len) == 0;
            if (here && found.at != NULL) {
                return rsw_error_set(err, RSW_EINVAL, 0, "line %zu: profile \"%s\" has %s twice", reader.line,
                                     profile, name);
            }
            found = here ? value : found;
        }
    }
    found = trim(found); /* nothing but blanks may stand in its first line */
    if (found.len == 0) {
        return RSW_ABSENT;
    }
    return rsw_buf_add(out, found.at, found.len, err) == 0 ? RSW_FOUND : RSW_FAILED;
}
