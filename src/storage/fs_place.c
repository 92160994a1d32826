/* Putting a file where none is: by a move, or written anew. */
#include "storage/fs.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Somebody may remove a folder that is empty just before we put something into it. */
#define VANISHED_TRIES 10

/* A registry's user must be able to use what we make, whoever we are. 0 or a negative errno. */
static int take_after(int fd, int dir, mode_t mask) {
    struct stat above;
    struct stat own;
    if (fstat(dir, &above) != 0 || fstat(fd, &own) != 0) {
        return -errno;
    }
    if ((own.st_uid != above.st_uid || own.st_gid != above.st_gid) &&
        fchown(fd, above.st_uid, above.st_gid) != 0) {
        return -errno;
    }
    return fchmod(fd, above.st_mode & mask) == 0 ? 0 : -errno;
}

/* A folder that fsync works on: the descriptors that rsw_fs_open_parent gives are O_PATH. 0 or a negative
 * errno. */
static int sync_dir(int dir) {
    RSW_AUTO_FD fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* Makes one folder, whole or not at all: until it has its owner nobody else can use it. The descriptor of the
 * folder, there before or not, or a negative errno. */
static int make_dir(const struct rsw_fs *fs, int dir, const char *name) {
    int fd = rsw_fs_open(fs, dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd != -ENOENT) {
        return fd;
    }
    bool made = mkdirat(dir, name, 0700) == 0;
    if (!made && errno != EEXIST) {
        return -errno;
    }
    fd = rsw_fs_open(fs, dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0 || !made) {
        return fd;
    }
    int rc = take_after(fd, dir, 07777);
    rc = rc == 0 ? sync_dir(dir) : rc;
    if (rc != 0) {
        close(fd);
        unlinkat(dir, name, AT_REMOVEDIR);
        return rc;
    }
    return fd;
}

/* As rsw_fs_open_parent, and makes the folders that are missing. */
static int make_parent(const struct rsw_fs *fs, const char *key, const char **leaf) {
    int dir = rsw_fs_open_parent(fs, key, leaf);
    if (dir != -ENOENT) {
        return dir;
    }
    dir = rsw_fs_open(fs, fs->root, ".", O_PATH | O_DIRECTORY);
    while (dir >= 0 && key != *leaf) {
        char name[NAME_MAX + 1];
        size_t len = strcspn(key, "/");
        if (len > NAME_MAX) {
            close(dir);
            return -ENAMETOOLONG;
        }
        memcpy(name, key, len);
        name[len] = 0;
        int below = make_dir(fs, dir, name);
        close(dir);
        dir = below;
        key += len + 1;
    }
    return dir;
}

/* From one name to another that is free. 0 or a negative errno, -EEXIST if it is taken. */
static int rename_free(int from_dir, const char *from, int to_dir, const char *to) {
    if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -errno;
    }
    /* A filesystem that does not know that flag. */
    if (linkat(from_dir, from, to_dir, to, 0) != 0) {
        return -errno;
    }
    return unlinkat(from_dir, from, 0) == 0 ? 0 : -errno;
}

static int move_once(const struct rsw_fs *fs, const struct rsw_move *move) {
    const char *from;
    const char *to;
    RSW_AUTO_FD from_dir = rsw_fs_open_parent(fs, move->from, &from);
    if (from_dir < 0) {
        return from_dir == -ENOTDIR ? -ENOENT : from_dir;
    }
    struct stat st;
    if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? -EISDIR : S_ISLNK(st.st_mode) ? -ELOOP : -ENXIO;
    }
    RSW_AUTO_FD to_dir = make_parent(fs, move->to, &to);
    if (to_dir < 0) {
        return to_dir == -ENOENT ? -EAGAIN : to_dir;
    }
    int rc = rename_free(from_dir, from, to_dir, to);
    if (rc == -ENOENT) {
        return fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) == 0 ? -EAGAIN : -ENOENT;
    }
    if (rc == 0) {
        rc = sync_dir(to_dir); /* first: after a power cut it is at both names rather than at none */
    }
    return rc == 0 ? sync_dir(from_dir) : rc;
}

void rsw_fs_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int rc = -EAGAIN;
        for (int tries = 0; rc == -EAGAIN && tries < VANISHED_TRIES; tries++) {
            rc = move_once((const struct rsw_fs *)storage, &moves[i]);
        }
        moves[i].errnum = -rc;
        moves[i].answer = rc == 0 ? RSW_FOUND : rc == -ENOENT ? RSW_ABSENT : RSW_FAILED;
    }
}

/* All of it, on the disk. 0 or a negative errno. */
static int fill(int fd, int dir, const struct rsw_write *write_) {
    for (size_t done = 0; done < write_->len;) {
        ssize_t put = write(fd, (const char *)write_->bytes + done, write_->len - done);
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    int rc = take_after(fd, dir, 0666);
    return rc == 0 && fsync(fd) != 0 ? -errno : rc;
}

/* By way of a file without a name, so that a kill leaves nothing behind. -EOPNOTSUPP: not on this filesystem.
 */
static int write_unnamed(int dir, const char *leaf, const struct rsw_write *write_) {
    char name[32];
    RSW_AUTO_FD fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
    }
    int rc = fill(fd, dir, write_);
    if (rc != 0) {
        return rc;
    }
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, name, dir, leaf, AT_SYMLINK_FOLLOW) == 0) {
        return 0;
    }
    /* ENOENT: no /proc, or the folder has gone meanwhile: then the other way says so too. */
    return errno == ENOENT || errno == EXDEV ? -EOPNOTSUPP : -errno;
}

/* By way of a temporary name, that the registry, and a scan, pass over. */
static int write_named(int dir, const char *leaf, const struct rsw_write *write_) {
    static atomic_uint number;
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".regsweep-%ld-%u.tmp", (long)getpid(),
             atomic_fetch_add(&number, 1));
    RSW_AUTO_FD fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == ENOENT || errno == EEXIST ? -EAGAIN : -errno;
    }
    int rc = fill(fd, dir, write_);
    rc = rc == 0 ? rename_free(dir, temporary, dir, leaf) : rc;
    if (rc != 0) {
        unlinkat(dir, temporary, 0);
    }
    return rc;
}

static int write_once(const struct rsw_fs *fs, const struct rsw_write *write_) {
    const char *leaf;
    RSW_AUTO_FD dir = make_parent(fs, write_->key, &leaf);
    if (dir < 0) {
        return dir == -ENOENT ? -EAGAIN : dir;
    }
    struct stat st;
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return -EEXIST;
    }
    int rc = write_unnamed(dir, leaf, write_);
    if (rc == -EOPNOTSUPP) {
        rc = write_named(dir, leaf, write_);
    }
    return rc == 0 ? sync_dir(dir) : rc;
}

void rsw_fs_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int rc = -EAGAIN;
        for (int tries = 0; rc == -EAGAIN && tries < VANISHED_TRIES; tries++) {
            rc = write_once((const struct rsw_fs *)storage, &writes[i]);
        }
        writes[i].errnum = -rc;
        writes[i].answer = rc == 0 ? RSW_FOUND : RSW_FAILED;
    }
}
