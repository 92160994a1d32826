#include "workload/name.h"

#include <string.h>

#define HUB "docker.io"
#define ID_HEX 64 /* of an image that a runtime knows by no name */

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (!is_letter_or_digit(text[i]) && text[i] != '-' && text[i] != '.' && text[i] != '_') {
            return false;
        }
    }
    return len > 0 && len <= 255 && is_letter_or_digit(text[0]);
}

static bool is_v6(const char *text, size_t len) {
    for (size_t i = 1; i + 1 < len; i++) {
        if (strchr("0123456789abcdef:.", text[i]) == NULL) {
            return false;
        }
    }
    return len > 3 && len <= 64 && text[0] == '[' && text[len - 1] == ']';
}

static bool is_port(const char *text, size_t len) {
    return len > 0 && len <= 5 && strspn(text, "0123456789") == len;
}

/* Docker's other names of its own registry. */
static void take_aliases(char host[RSW_HOST_MAX + 1]) {
    if (strcmp(host, "index." HUB) == 0 || strcmp(host, "registry-1." HUB) == 0) {
        memcpy(host, HUB, sizeof HUB);
    }
}

bool rsw_host_parse(char out[RSW_HOST_MAX + 1], const char *text, size_t len) {
    if (len == 0 || len > RSW_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
    }
    out[len] = 0;
    char *port = strrchr(out, ':');
    if (port != NULL && strchr(port, ']') != NULL) { /* of an address */
        port = NULL;
    }
    size_t name_len = port != NULL ? (size_t)(port - out) : len;
    if (!is_name(out, name_len) && !is_v6(out, name_len)) {
        return false;
    }
    if (port != NULL && !is_port(port + 1, len - name_len - 1)) {
        return false;
    }
    if (port != NULL && (strcmp(port, ":443") == 0 || strcmp(port, ":80") == 0)) {
        *port = 0;
    }
    take_aliases(out);
    return true;
}

/* How much of the text is a host; 0: it begins with the repository. */
static size_t host_length(const char *text) {
    size_t len = strcspn(text, "/");
    if (text[len] == 0) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' || text[i] == ':' || text[i] == '[' || (text[i] >= 'A' && text[i] <= 'Z')) {
            return len;
        }
    }
    return len == strlen("localhost") && memcmp(text, "localhost", len) == 0 ? len : 0;
}

static const char *without_runtime(const char *text) {
    static const char *const runtimes[] = {"docker-pullable://", "docker://"};
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++) {
        size_t len = strlen(runtimes[i]);
        if (strncmp(text, runtimes[i], len) == 0) {
            return text + len;
        }
    }
    return text;
}

/* "sha256:…", or the hex digits alone. */
static bool is_digest(struct rsw_digest *out, const char *text) {
    size_t len = strlen(text);
    return rsw_digest_parse(out, text, len) ||
           (len == ID_HEX && rsw_digest_parse_parts(out, "sha256", strlen("sha256"), text, len));
}

/* A single word on Docker Hub is in `library/`. */
static int read_reference(struct rsw_image_name *out, const char *text, struct rsw_error *err) {
    char whole[RSW_REPOSITORY_MAX + RSW_TAG_MAX + RSW_DIGEST_TEXT_MAX + 16];
    bool single = strcmp(out->host, HUB) == 0 && *text != 0 && strchr(text, '/') == NULL;
    size_t len = strlen(text);
    size_t room = sizeof whole - sizeof "library/";
    if (len > room) {
        return rsw_error_set(err, RSW_EINVAL, 0, "it has %zu characters: no image has such a name", len);
    }
    size_t at = single ? strlen("library/") : 0;
    memcpy(whole, "library/", at);
    memcpy(whole + at, text, len + 1);
    if (rsw_reference_parse(&out->reference, whole, err) != 0) {
        return -1;
    }
    if (out->reference.tag[0] == 0 && !out->reference.has_digest) {
        memcpy(out->reference.tag, "latest", sizeof "latest");
    }
    return 0;
}

int rsw_image_name_parse(struct rsw_image_name *out, const char *text, struct rsw_error *err) {
    *out = (struct rsw_image_name){.host = HUB};
    text = without_runtime(text);
    if (is_digest(&out->reference.digest, text)) {
        out->host[0] = 0;
        out->reference.has_digest = true;
        return 0;
    }
    size_t len = host_length(text);
    if (len == 0) {
        return read_reference(out, text, err);
    }
    if (!rsw_host_parse(out->host, text, len)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "what stands before the first '/' is no host");
    }
    return read_reference(out, text + len + 1, err);
}
