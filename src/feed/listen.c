#include "feed/listen.h"

#include "util/cleanup.h"
#include "util/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define HOST_MAX 256

/* Splits at the last colon; brackets around an IPv6 address are taken off. */
static int split(char host[HOST_MAX], const char **port, const char *text, struct rsw_error *err) {
    uint64_t number;
    const char *colon = text == NULL ? NULL : strrchr(text, ':');
    const char *begin = text;
    const char *end = colon;
    bool bracket = text != NULL && text[0] == '[';
    if (bracket && colon != NULL && colon > text && colon[-1] == ']') {
        begin++;
        end--;
    } else if (bracket || colon == NULL || memchr(text, ':', (size_t)(colon - text)) != NULL) {
        colon = NULL;
    }
    if (colon == NULL || end == begin || end - begin >= HOST_MAX ||
        !rsw_number_parse(&number, colon + 1, 65535)) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "cannot listen on '%s': expected ADDRESS:PORT, such as 127.0.0.1:5050 or [::1]:5050",
            text == NULL ? "" : text);
    }
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = 0;
    *port = colon + 1;
    return 0;
}

static bool is_loopback(const struct sockaddr *address) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    memcpy(&v6, address, sizeof v6);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
}

static int tell_address(char address[RSW_ADDRESS_MAX], int fd) {
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return -1;
    }
    bool v6 = bound.ss_family == AF_INET6;
    snprintf(address, RSW_ADDRESS_MAX, "%s%.60s%s:%.5s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return 0;
}

static int open_socket(const struct addrinfo *info, int *fd) {
    const int on = 1;
    *fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) {
        return -1;
    }
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(*fd, info->ai_addr, info->ai_addrlen) == 0 && listen(*fd, SOMAXCONN) == 0 ? 0 : -1;
}

int rsw_listen(int *out, char address[RSW_ADDRESS_MAX], const char *text, bool loopback_only,
               struct rsw_error *err) {
    char host[HOST_MAX];
    const char *port = NULL;
    struct addrinfo *info;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    if (split(host, &port, text, err) != 0) {
        return -1;
    }
    int rc = getaddrinfo(host, port, &hints, &info);
    if (rc != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "cannot listen on '%s': %s", text, gai_strerror(rc));
    }
    RSW_AUTO_FD fd = -1;
    if (loopback_only && !is_loopback(info->ai_addr)) {
        freeaddrinfo(info);
        return rsw_error_set(err, RSW_EREFUSED, 0,
                             "without a token anybody who reaches '%s' could forge events: give one with "
                             "--token-file or REGSWEEP_TOKEN, or listen on 127.0.0.1",
                             text);
    }
    rc = open_socket(info, &fd);
    int errnum = errno;
    freeaddrinfo(info);
    if (rc != 0 || tell_address(address, fd) != 0) {
        errnum = rc != 0 ? errnum : errno;
        return rsw_error_set(err, errnum == EACCES ? RSW_EACCESS : RSW_EIO, errnum,
                             "cannot listen on '%s': %s", text, strerror(errnum));
    }
    *out = fd;
    fd = -1;
    return 0;
}
