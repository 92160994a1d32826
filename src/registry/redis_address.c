#include "registry/redis_wire.h"

#include "util/text.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT "6379"

static int no_address(struct rsw_error *err) {
    return rsw_error_set(
        err, RSW_EINVAL, 0,
        "the address of Redis must be HOST:PORT or redis://[USER:PASSWORD@]HOST[:PORT][/DB]");
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A part of a URL without its %XX. 0 or -1. */
static int copy_part(char **out, const char *text, size_t len, struct rsw_error *err) {
    char *to = malloc(len + 1);
    size_t at = 0;
    *out = to;
    if (to == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            to[at++] = text[i];
            continue;
        }
        int high = i + 1 < len ? hex_digit(text[i + 1]) : -1;
        int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0) {
            to[at] = 0;
            return no_address(err);
        }
        to[at++] = (char)(high << 4 | low);
        i += 2;
    }
    to[at] = 0;
    return 0;
}

/* "user:password@", "user@", ":password@". Moves *text behind it. */
static int take_user(struct rsw_redis_address *out, const char **text, struct rsw_error *err) {
    size_t whole = strcspn(*text, "/");
    const char *end = memrchr(*text, '@', whole);
    if (end == NULL) {
        return 0;
    }
    size_t len = (size_t)(end - *text);
    const char *colon = memchr(*text, ':', len);
    size_t user_len = colon != NULL ? (size_t)(colon - *text) : len;
    if (user_len > 0 && copy_part(&out->user, *text, user_len, err) != 0) {
        return -1;
    }
    if (colon != NULL && copy_part(&out->password, colon + 1, len - user_len - 1, err) != 0) {
        return -1;
    }
    *text = end + 1;
    return 0;
}

/* "host", "host:port", "[::1]:port". */
static int take_host(struct rsw_redis_address *out, const char *text, size_t len, bool needs_port,
                     struct rsw_error *err) {
    bool bracketed = len > 0 && text[0] == '[';
    const char *end = bracketed ? memchr(text, ']', len) : memchr(text, ':', len);
    size_t skip = bracketed ? 1 : 0;
    size_t host_len = end != NULL ? (size_t)(end - text) - skip : len - skip;
    size_t used = host_len + 2 * skip;
    uint64_t port;
    if (host_len == 0 || (bracketed && end == NULL) || (used == len && needs_port) ||
        (used < len && text[used] != ':')) {
        return no_address(err);
    }
    out->host = strndup(text + skip, host_len);
    out->port = used == len ? strdup(DEFAULT_PORT) : strndup(text + used + 1, len - used - 1);
    if (out->host == NULL || out->port == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    return rsw_number_parse(&port, out->port, 65535) && port > 0 ? 0 : no_address(err);
}

static int parse(struct rsw_redis_address *out, const char *text, struct rsw_error *err) {
    static const char plain[] = "redis://";
    uint64_t db;
    bool url = strncmp(text, plain, sizeof plain - 1) == 0;
    if (strncmp(text, "rediss://", 9) == 0) {
        return rsw_error_set(err, RSW_EUNSUPPORTED, 0,
                             "regsweep does not speak TLS to Redis (rediss://): give the address of a tunnel "
                             "to it, as redis://, or sweep --offline");
    }
    if (!url && strstr(text, "://") != NULL) {
        return no_address(err);
    }
    text += url ? sizeof plain - 1 : 0;
    if (url && take_user(out, &text, err) != 0) {
        return -1;
    }
    size_t len = strcspn(text, "/");
    if (take_host(out, text, len, !url, err) != 0) {
        return -1;
    }
    text += len;
    if (text[0] == 0 || (url && text[1] == 0)) {
        return 0;
    }
    if (!url || !rsw_number_parse(&db, text + 1, UINT16_MAX)) {
        return no_address(err);
    }
    out->has_db = true;
    out->db = (unsigned)db;
    return 0;
}

int rsw_redis_address_parse(struct rsw_redis_address *out, const char *text, struct rsw_error *err) {
    *out = (struct rsw_redis_address){.host = NULL};
    if (parse(out, text, err) != 0) {
        rsw_redis_address_release(out);
        return -1;
    }
    return 0;
}

void rsw_redis_address_release(struct rsw_redis_address *address) {
    if (address->password != NULL) {
        explicit_bzero(address->password, strlen(address->password));
    }
    free(address->host);
    free(address->port);
    free(address->user);
    free(address->password);
    *address = (struct rsw_redis_address){.host = NULL};
}
