/* Writing a file where none is: from bytes at hand, or out of another file. */
#include "storage/fs.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

bool rsw_fs_no_link(int errnum) {
    return errnum == EPERM || errnum == EMLINK || errnum == EXDEV || errnum == EOPNOTSUPP || errnum == ENOSYS;
}

/* 0 or a negative errno. */
static int put_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        if (put > 0) {
            bytes += put;
            len -= (size_t)put;
        }
    }
    return 0;
}

/* To its end, and its time. 0 or a negative errno. */
static int put_file(int fd, int from) {
    char part[32 * 1024];
    struct stat st;
    off_t at = 0; /* of our own, so that a second try begins anew */
    for (;;) {
        ssize_t got = pread(from, part, sizeof part, at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        int rc = got < 0 ? -errno : put_all(fd, part, (size_t)got);
        if (rc != 0) {
            return rc;
        }
        if (got == 0) {
            break;
        }
        at += got;
    }
    if (fstat(from, &st) != 0) {
        return -errno;
    }
    const struct timespec times[] = {st.st_atim, st.st_mtim};
    return futimens(fd, times) == 0 ? 0 : -errno;
}

/* All of it, on the disk. 0 or a negative errno. */
static int fill(int fd, int dir, const struct rsw_fs_source *source) {
    int rc = source->bytes != NULL ? put_all(fd, source->bytes, source->len) : put_file(fd, source->fd);
    rc = rc == 0 ? rsw_fs_take_after(fd, dir, 0666) : rc;
    return rc == 0 && fsync(fd) != 0 ? -errno : rc;
}

/* By way of a file without a name, so that a kill leaves nothing behind. -EOPNOTSUPP: not on this filesystem.
 */
static int write_unnamed(int dir, const char *leaf, const struct rsw_fs_source *source) {
    char name[32];
    RSW_AUTO_FD fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
    }
    int rc = fill(fd, dir, source);
    if (rc != 0) {
        return rc;
    }
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, name, dir, leaf, AT_SYMLINK_FOLLOW) == 0) {
        return 0;
    }
    /* ENOENT: no /proc, or the folder has gone meanwhile: then the other way says so too. */
    return errno == ENOENT || rsw_fs_no_link(errno) ? -EOPNOTSUPP : -errno;
}

/* By way of a temporary name, that the registry, and a scan, pass over. */
static int write_named(int dir, const char *leaf, const struct rsw_fs_source *source) {
    static atomic_uint number;
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".regsweep-%ld-%u.tmp", (long)getpid(),
             atomic_fetch_add(&number, 1));
    RSW_AUTO_FD fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == ENOENT || errno == EEXIST ? -EAGAIN : -errno;
    }
    int rc = fill(fd, dir, source);
    rc = rc == 0 ? rsw_fs_rename_free(dir, temporary, dir, leaf) : rc;
    if (rc != 0) {
        unlinkat(dir, temporary, 0);
    }
    return rc;
}

int rsw_fs_write_new(int dir, const char *leaf, const struct rsw_fs_source *source) {
    struct stat st;
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return -EEXIST;
    }
    int rc = write_unnamed(dir, leaf, source);
    return rc == -EOPNOTSUPP ? write_named(dir, leaf, source) : rc;
}

static int write_once(const struct rsw_fs *fs, const struct rsw_write *write_) {
    const char *leaf;
    RSW_AUTO_FD dir = rsw_fs_make_parent(fs, write_->key, &leaf);
    if (dir < 0) {
        return dir == -ENOENT ? -EAGAIN : dir;
    }
    const struct rsw_fs_source source = {
        .bytes = write_->len > 0 ? write_->bytes : "", .len = write_->len, .fd = -1};
    int rc = rsw_fs_write_new(dir, leaf, &source);
    return rc == 0 ? rsw_fs_sync_dir(dir) : rc;
}

void rsw_fs_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int rc = -EAGAIN;
        for (int tries = 0; rc == -EAGAIN && tries < RSW_FS_VANISHED_TRIES; tries++) {
            rc = write_once((const struct rsw_fs *)storage, &writes[i]);
        }
        writes[i].errnum = -rc;
        writes[i].answer = rc == 0 ? RSW_FOUND : RSW_FAILED;
    }
}
