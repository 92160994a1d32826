#include "file.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int rsw_file_read(struct rsw_buf *out, const char *path, size_t max, struct stat *status,
                  struct rsw_error *err) {
    RSW_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat seen;
    if (fd < 0 || fstat(fd, &seen) != 0) {
        return rsw_error_set(err, errno == EACCES ? RSW_EACCESS : RSW_EIO, errno, "cannot read %s: %s", path,
                             strerror(errno));
    }
    for (;;) {
        uint8_t bytes[4096];
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return rsw_error_set(err, RSW_EIO, errno, "cannot read %s: %s", path, strerror(errno));
        }
        if (got == 0) {
            break;
        }
        if (out->len + (size_t)got > max) {
            return rsw_error_set(err, RSW_EINVAL, 0, "%s is longer than %zu bytes", path, max);
        }
        if (rsw_buf_add(out, bytes, (size_t)got, err) != 0) {
            return -1;
        }
    }
    if (status != NULL) {
        *status = seen;
    }
    return 0;
}
