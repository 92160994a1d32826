#include "oci/reference.h"

#include <string.h>
#include <strings.h>

static bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* How many bytes at `text` are one separator: '.', '_', '__' or any number of '-'; 0: none. */
static size_t separator(const char *text, size_t len) {
    if (text[0] == '.') {
        return 1;
    }
    if (text[0] == '_') {
        return len > 1 && text[1] == '_' ? 2 : 1;
    }
    size_t dashes = 0;
    while (dashes < len && text[dashes] == '-') {
        dashes++;
    }
    return dashes;
}

bool rsw_repository_valid(const char *name, size_t len) {
    if (len == 0 || len > RSW_REPOSITORY_MAX) {
        return false;
    }
    size_t i = 0;
    for (;;) {
        size_t start = i;
        while (i < len && is_alphanumeric(name[i])) {
            i++;
        }
        if (i == start) {
            return false;
        }
        if (i == len) {
            return true;
        }
        size_t step = name[i] == '/' ? 1 : separator(name + i, len - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
}

bool rsw_tag_valid(const char *tag, size_t len) {
    if (len == 0 || len > RSW_TAG_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = tag[i];
        bool word = is_alphanumeric(c) || (c >= 'A' && c <= 'Z') || c == '_';
        if (!word && (i == 0 || (c != '.' && c != '-'))) {
            return false;
        }
    }
    return true;
}

bool rsw_tag_weak(struct rsw_digest *subject, const char *tag, size_t len) {
    static const char *const endings[] = {".sig", ".att", ".sbom"};
    const char *dash = len > RSW_TAG_MAX ? NULL : memchr(tag, '-', len);
    if (dash == NULL) {
        return false;
    }
    const char *hex = dash + 1;
    size_t hex_len = len - (size_t)(hex - tag);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (hex_len > ending && memcmp(hex + hex_len - ending, endings[i], ending) == 0) {
            hex_len -= ending;
            break;
        }
    }
    return rsw_digest_parse_parts(subject, tag, (size_t)(dash - tag), hex, hex_len);
}

/* What a message shows of a text that may be of any length. */
#define SHOWN(len) ((len) < 100 ? (int)(len) : 100)

/* Docker's own rule (distribution/reference, splitDockerDomain): a first component with a dot or a port, or
 * "localhost", is a host. */
static bool begins_with_host(const char *name, size_t len) {
    if (memmem(name, len, "://", 3) != NULL) {
        return true;
    }
    const char *slash = memchr(name, '/', len);
    if (slash == NULL) {
        return false;
    }
    size_t first = (size_t)(slash - name);
    return memchr(name, ':', first) != NULL || memchr(name, '.', first) != NULL ||
           (first == 9 && memcmp(name, "localhost", 9) == 0);
}

static int bad_repository(const char *name, size_t len, struct rsw_error *err) {
    if (len == 0) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "no repository is named: give NAME, NAME:TAG or NAME@DIGEST, as in library/app:1.0");
    }
    if (len > RSW_REPOSITORY_MAX) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "repository '%.*s...' has %zu characters: a name has at most %d, check where it ends", SHOWN(len),
            name, len, RSW_REPOSITORY_MAX);
    }
    if (begins_with_host(name, len)) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "repository '%.*s' seems to begin with a host: leave it out and give the name as the "
            "registry's catalog has it, as in library/app",
            SHOWN(len), name);
    }
    return rsw_error_set(
        err, RSW_EINVAL, 0,
        "repository '%.*s' is no valid name: use lower-case letters and digits, between them "
        "'.', '_', '__' or '-', and '/' between components, as in library/my-app",
        SHOWN(len), name);
}

static int read_repository(struct rsw_reference *out, const char *name, size_t len, struct rsw_error *err) {
    if (!rsw_repository_valid(name, len)) {
        return bad_repository(name, len, err);
    }
    memcpy(out->repository, name, len);
    return 0;
}

static int read_tag(struct rsw_reference *out, const char *tag, size_t len, struct rsw_error *err) {
    if (!rsw_tag_valid(tag, len)) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "tag '%.*s' is no valid tag: give 1 to %d letters, digits, '_', '.' or '-', not "
                             "beginning with '.' or '-', or leave out the ':'",
                             SHOWN(len), tag, RSW_TAG_MAX);
    }
    memcpy(out->tag, tag, len);
    return 0;
}

static int read_digest(struct rsw_reference *out, const char *text, struct rsw_error *err) {
    size_t len = strlen(text);
    if (!rsw_digest_parse(&out->digest, text, len)) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "digest '%.*s' is no valid digest: give it whole, 'sha256:' and 64 lower-case hex digits "
            "(sha384: 96, sha512: 128)",
            SHOWN(len), text);
    }
    out->has_digest = true;
    return 0;
}

/* A digest, or some of one, in capitals perhaps, with dots for the rest: nobody calls a repository "sha256",
 * with such a tag. */
static bool begins_a_digest(const char *text) {
    static const char *const algorithms[] = {"sha256:", "sha384:", "sha512:"};
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
        size_t len = strlen(algorithms[i]);
        if (strncasecmp(text, algorithms[i], len) == 0) {
            size_t hex = strspn(text + len, "0123456789abcdefABCDEF");
            return text[len + hex + strspn(text + len + hex, ".")] == 0;
        }
    }
    return false;
}

static int read_parts(struct rsw_reference *out, const char *text, struct rsw_error *err) {
    if (begins_a_digest(text)) {
        return read_digest(out, text, err) != 0
                   ? -1
                   : rsw_error_set(err, RSW_EINVAL, 0, "no repository is named: give NAME@%.*s",
                                   SHOWN(strlen(text)), text);
    }
    size_t len = strcspn(text, "@");
    bool digest = text[len] == '@';
    size_t name = len;
    while (name > 0 && text[name - 1] != ':' && text[name - 1] != '/') {
        name--;
    }
    bool tag = name > 0 && text[name - 1] == ':';
    size_t name_len = tag ? name - 1 : len;
    if (read_repository(out, text, name_len, err) != 0 ||
        (tag && read_tag(out, text + name, len - name, err) != 0) ||
        (digest && read_digest(out, text + len + 1, err) != 0)) {
        return -1;
    }
    return 0;
}

int rsw_reference_parse(struct rsw_reference *out, const char *text, struct rsw_error *err) {
    *out = (struct rsw_reference){.has_digest = false};
    if (read_parts(out, text, err) != 0) {
        *out = (struct rsw_reference){.has_digest = false};
        return -1;
    }
    return 0;
}
