#include "registry/challenge.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct word {
    const char *text;
    size_t len;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* tchar of RFC 9110, 5.6.2. */
static bool is_token(char c) {
    return is_letter_or_digit(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token68(char c) {
    return is_letter_or_digit(c) || (c != 0 && strchr("-._~+/", c) != NULL);
}

static bool is_bare(char c) {
    return c > 0x20 && c < 0x7f && c != ',' && c != '"';
}

static void skip_blanks(struct rsw_challenge_reader *reader) {
    while (reader->at < reader->end && is_blank(*reader->at)) {
        reader->at++;
    }
}

/* True if a comma was among what was skipped. */
static bool skip_commas(struct rsw_challenge_reader *reader) {
    bool seen = false;
    while (reader->at < reader->end && (is_blank(*reader->at) || *reader->at == ',')) {
        seen |= *reader->at == ',';
        reader->at++;
    }
    return seen;
}

static struct word take(struct rsw_challenge_reader *reader, bool (*belongs)(char)) {
    struct word word = {reader->at, 0};
    while (reader->at < reader->end && belongs(*reader->at)) {
        reader->at++;
    }
    word.len = (size_t)(reader->at - word.text);
    return word;
}

static bool word_is(struct word word, const char *name) {
    return word.len == strlen(name) && strncasecmp(word.text, name, word.len) == 0;
}

/* Credentials-like text right behind the scheme ("Negotiate YII…=="): passed over. */
static bool skip_token68(struct rsw_challenge_reader *reader) {
    struct rsw_challenge_reader ahead = *reader;
    if (take(&ahead, is_token68).len == 0) {
        return false;
    }
    while (ahead.at < ahead.end && *ahead.at == '=') {
        ahead.at++;
    }
    skip_blanks(&ahead);
    if (ahead.at < ahead.end && *ahead.at != ',') {
        return false;
    }
    *reader = ahead;
    return true;
}

/* A value that nobody asked for has `to` NULL. False: malformed or too long. */
static bool put(char *to, size_t room, size_t *len, char c) {
    if ((unsigned char)c < 0x20 || c == 0x7f || *len + 1 >= room) {
        return false;
    }
    if (to != NULL) {
        to[*len] = c;
    }
    (*len)++;
    return true;
}

static bool take_quoted(struct rsw_challenge_reader *reader, char *to, size_t room) {
    size_t len = 0;
    for (reader->at++; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' && ++reader->at == reader->end) {
            return false;
        }
        if (!put(to, room, &len, *reader->at)) {
            return false;
        }
    }
    if (reader->at == reader->end) {
        return false;
    }
    reader->at++;
    if (to != NULL) {
        to[len] = 0;
    }
    return true;
}

static bool take_value(struct rsw_challenge_reader *reader, char *to, size_t room) {
    if (reader->at < reader->end && *reader->at == '"') {
        return take_quoted(reader, to, room);
    }
    struct word bare = take(reader, is_bare);
    if (bare.len == 0 || bare.len >= room) {
        return false;
    }
    if (to != NULL) {
        memcpy(to, bare.text, bare.len);
        to[bare.len] = 0;
    }
    return true;
}

/* One name=value. RSW_ABSENT, and nothing read, if what stands here is the next challenge. */
static int take_parameter(struct rsw_challenge *out, unsigned *given, struct rsw_challenge_reader *reader) {
    static const char *const names[] = {"realm", "service"};
    char *const to[] = {out->realm, out->service};
    static const size_t rooms[] = {sizeof out->realm, sizeof out->service};
    struct rsw_challenge_reader ahead = *reader;
    struct word name = take(&ahead, is_token);
    skip_blanks(&ahead);
    if (name.len == 0) {
        return RSW_FAILED;
    }
    if (ahead.at == ahead.end || *ahead.at != '=') {
        return RSW_ABSENT;
    }
    ahead.at++;
    skip_blanks(&ahead);
    *reader = ahead;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (word_is(name, names[i])) {
            bool again = (*given & 1u << i) != 0;
            *given |= 1u << i;
            return !again && take_value(reader, to[i], rooms[i]) ? RSW_FOUND : RSW_FAILED;
        }
    }
    return take_value(reader, NULL, (size_t)-1) ? RSW_FOUND : RSW_FAILED;
}

/* From behind the scheme to the next challenge or the end. */
static bool take_parameters(struct rsw_challenge *out, struct rsw_challenge_reader *reader) {
    unsigned given = 0;
    bool comma = skip_commas(reader);
    if (!comma && skip_token68(reader)) {
        return true;
    }
    for (bool first = true; reader->at < reader->end; first = false) {
        if (!first && !comma) {
            return false; /* two things with no comma between them */
        }
        int answer = take_parameter(out, &given, reader);
        if (answer != RSW_FOUND) {
            return answer == RSW_ABSENT && comma;
        }
        comma = skip_commas(reader);
    }
    return true;
}

int rsw_challenge_next(struct rsw_challenge *out, struct rsw_challenge_reader *reader,
                       struct rsw_error *err) {
    memset(out, 0, sizeof *out);
    skip_commas(reader);
    if (reader->at == reader->end) {
        return RSW_ABSENT;
    }
    struct word scheme = take(reader, is_token);
    bool apart = reader->at == reader->end || is_blank(*reader->at) || *reader->at == ',';
    out->scheme = word_is(scheme, "Bearer")  ? RSW_SCHEME_BEARER
                  : word_is(scheme, "Basic") ? RSW_SCHEME_BASIC
                                             : RSW_SCHEME_OTHER;
    if (scheme.len == 0 || !apart || !take_parameters(out, reader)) {
        memset(out, 0, sizeof *out);
        reader->at = reader->end;
        return rsw_error_set(err, RSW_EINVAL, 0, "the WWW-Authenticate header is malformed");
    }
    return RSW_FOUND;
}
