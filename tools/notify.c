#include "notify.h"

#include "util/cleanup.h"
#include "util/text.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int rsw_notify(const char *socket_path, const char *state) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (socket_path == NULL || *socket_path == 0) {
        return 0;
    }
    size_t len = strlen(socket_path);
    if ((socket_path[0] != '/' && socket_path[0] != '@') || len >= sizeof to.sun_path) {
        errno = EINVAL;
        return -1;
    }
    memcpy(to.sun_path, socket_path, len);
    if (socket_path[0] == '@') {
        to.sun_path[0] = 0;
    }
    RSW_AUTO_FD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, to_len);
    return sent < 0 ? -1 : 0;
}

int64_t rsw_notify_watchdog_ms(const char *usec, const char *pid, int64_t own_pid) {
    uint64_t number;
    if (usec == NULL || !rsw_number_parse(&number, usec, INT64_MAX) || number == 0) {
        return 0;
    }
    uint64_t meant;
    if (pid != NULL && (!rsw_number_parse(&meant, pid, INT64_MAX) || (int64_t)meant != own_pid)) {
        return 0;
    }
    int64_t half_ms = (int64_t)(number / 2000);
    return half_ms > 0 ? half_ms : 1;
}
