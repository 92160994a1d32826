/* Locks between processes, by name. */
#include "index/dir.h"
#include "index/txn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static int busy(int fd, const char *dir, const char *name, struct rsw_error *err) {
    char pid[16] = "";
    ssize_t len = pread(fd, pid, sizeof pid - 1, 0);
    pid[len > 0 ? strspn(pid, "0123456789") : 0] = 0;
    return rsw_error_set(err, RSW_EBUSY, EWOULDBLOCK, "%s/%s.lock: another %s is running (process %s)", dir,
                         name, name, pid[0] != 0 ? pid : "unknown");
}

int rsw_lock_take(struct rsw_lock *lock, struct rsw_index *index, const char *name, struct rsw_error *err) {
    char file[NAME_MAX + 1];
    int len = snprintf(file, sizeof file, "%s.lock", name);
    if (len < 0 || (size_t)len >= sizeof file || strchr(name, '/') != NULL || strcmp(name, "index") == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: no name for a lock", name);
    }
    int fd = rsw_dir_open_lock(index->dir, file, err);
    if (fd < 0) {
        return -1;
    }
    int rc;
    do {
        rc = flock(fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    if (rc != 0) {
        int errnum = errno;
        errnum == EWOULDBLOCK ? busy(fd, index->dir, name, err)
                              : rsw_error_set(err, RSW_EIO, errnum, "%s/%s: cannot lock: %s", index->dir,
                                              file, strerror(errnum));
        close(fd);
        return -1;
    }
    /* For the message of who comes next; the lock itself is the kernel's, so a full disk does no harm. */
    char pid[16];
    int pid_len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pid_len > 0) {
        ssize_t written = pwrite(fd, pid, (size_t)pid_len, 0);
        (void)written;
    }
    lock->fd = fd;
    return 0;
}

void rsw_lock_release(struct rsw_lock *lock) {
    if (lock->fd >= 0) {
        close(lock->fd);
        lock->fd = -1;
    }
}
