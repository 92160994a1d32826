/* Putting a file that is there at a second place, or another: moves and copies. */
#include "storage/fs.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int rsw_fs_take_after(int fd, int dir, mode_t mask) {
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

int rsw_fs_sync_dir(int dir) {
    /* One that fsync works on: the descriptors that rsw_fs_open_parent gives are O_PATH. */
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
    int rc = rsw_fs_take_after(fd, dir, 07777);
    rc = rc == 0 ? rsw_fs_sync_dir(dir) : rc;
    if (rc != 0) {
        close(fd);
        unlinkat(dir, name, AT_REMOVEDIR);
        return rc;
    }
    return fd;
}

int rsw_fs_make_parent(const struct rsw_fs *fs, const char *key, const char **leaf) {
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

int rsw_fs_rename_free(int from_dir, const char *from, int to_dir, const char *to) {
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

/* The two places of a move or copy, opened. */
struct places {
    int from_dir; /* owned; O_PATH */
    int to_dir;   /* likewise */
    const char *from;
    const char *to;
};
#define PLACES_INIT                                                                                          \
    { .from_dir = -1, .to_dir = -1 }

static void places_close(struct places *places) {
    rsw_cleanup_fd(&places->from_dir);
    rsw_cleanup_fd(&places->to_dir);
}
#define AUTO_PLACES __attribute__((cleanup(places_close))) struct places

/* 0 or a negative errno; -ENOENT: there is nothing at `from`; -EAGAIN: a folder vanished, to be tried again.
 */
static int places_open(struct places *out, const struct rsw_fs *fs, const struct rsw_move *move) {
    out->from_dir = rsw_fs_open_parent(fs, move->from, &out->from);
    if (out->from_dir < 0) {
        return out->from_dir == -ENOTDIR ? -ENOENT : out->from_dir;
    }
    struct stat st;
    if (fstatat(out->from_dir, out->from, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? -EISDIR : S_ISLNK(st.st_mode) ? -ELOOP : -ENXIO;
    }
    out->to_dir = rsw_fs_make_parent(fs, move->to, &out->to);
    return out->to_dir == -ENOENT ? -EAGAIN : out->to_dir < 0 ? out->to_dir : 0;
}

/* -ENOENT of a call that needs both places: which is it that has gone? */
static int who_vanished(const struct places *at) {
    struct stat st;
    return fstatat(at->from_dir, at->from, &st, AT_SYMLINK_NOFOLLOW) == 0 ? -EAGAIN : -ENOENT;
}

static int move_once(const struct rsw_fs *fs, const struct rsw_move *move) {
    AUTO_PLACES at = PLACES_INIT;
    int rc = places_open(&at, fs, move);
    if (rc != 0) {
        return rc;
    }
    rc = rsw_fs_rename_free(at.from_dir, at.from, at.to_dir, at.to);
    if (rc == -ENOENT) {
        return who_vanished(&at);
    }
    if (rc == 0) {
        rc =
            rsw_fs_sync_dir(at.to_dir); /* first: after a power cut it is at both names rather than at none */
    }
    return rc == 0 ? rsw_fs_sync_dir(at.from_dir) : rc;
}

/* The bytes once more, as a file of its own. */
static int copy_bytes(const struct rsw_fs *fs, const struct places *at) {
    RSW_AUTO_FD fd = rsw_fs_open(fs, at->from_dir, at->from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return fd;
    }
    const struct rsw_fs_source source = {.fd = fd};
    return rsw_fs_write_new(at->to_dir, at->to, &source);
}

static int copy_once(const struct rsw_fs *fs, const struct rsw_move *copy) {
    AUTO_PLACES at = PLACES_INIT;
    int rc = places_open(&at, fs, copy);
    if (rc != 0) {
        return rc;
    }
    if (linkat(at.from_dir, at.from, at.to_dir, at.to, 0) != 0) {
        rc = rsw_fs_no_link(errno) ? copy_bytes(fs, &at) : -errno;
    }
    return rc == -ENOENT ? who_vanished(&at) : rc == 0 ? rsw_fs_sync_dir(at.to_dir) : rc;
}

static void move_each(struct rsw_storage *storage, struct rsw_move *moves, size_t count,
                      int (*once)(const struct rsw_fs *, const struct rsw_move *)) {
    for (size_t i = 0; i < count; i++) {
        int rc = -EAGAIN;
        for (int tries = 0; rc == -EAGAIN && tries < RSW_FS_VANISHED_TRIES; tries++) {
            rc = once((const struct rsw_fs *)storage, &moves[i]);
        }
        moves[i].errnum = -rc;
        moves[i].answer = rc == 0 ? RSW_FOUND : rc == -ENOENT ? RSW_ABSENT : RSW_FAILED;
    }
}

void rsw_fs_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    move_each(storage, moves, count, move_once);
}

void rsw_fs_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    move_each(storage, copies, count, copy_once);
}
