/* From a path to a descriptor without leaving the root: openat2(2) where the kernel has it (5.6), else one
 * component after the other. */
#include "storage/fs.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel answers EAGAIN when a rename anywhere raced with the walk; it is not our file that is wrong. */
#define RACE_TRIES 1000

static int open_beneath(int dir, const char *path, int flags) {
    struct open_how how = {.flags = (uint64_t)(unsigned)flags,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    if ((flags & O_DIRECTORY) != 0) {
        /* With both, a link is answered ENOTDIR, and that would read as absent. */
        how.flags &= ~(uint64_t)O_NOFOLLOW;
    }
    for (int tries = 0;;) {
        long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno != EINTR && (errno != EAGAIN || ++tries >= RACE_TRIES)) {
            return -errno;
        }
    }
}

/* A name without a slash: O_NOFOLLOW is all it takes. */
static int open_component(int dir, const char *name, int flags) {
    int fd;
    do {
        fd = openat(dir, name, flags | O_NOFOLLOW);
    } while (fd < 0 && errno == EINTR);
    if (fd >= 0) {
        return fd;
    }
    int errnum = errno;
    struct stat st;
    if (errnum == ENOTDIR && (flags & O_DIRECTORY) != 0 &&
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
        errnum = ELOOP; /* a link is no absence */
    }
    return -errnum;
}

static int open_by_components(int dir, const char *path, int flags) {
    RSW_AUTO_FD above = -1; /* owned, once we are below `dir` */
    int at = dir;
    for (;;) {
        size_t len = strcspn(path, "/");
        if (path[len] == 0) {
            return open_component(at, path, flags);
        }
        char name[NAME_MAX + 1];
        if (len > NAME_MAX) {
            return -ENAMETOOLONG;
        }
        memcpy(name, path, len);
        name[len] = 0;
        int next = open_component(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (next < 0) {
            return next;
        }
        if (above >= 0) {
            close(above);
        }
        at = above = next;
        path += len + 1;
    }
}

bool rsw_fs_probe_openat2(int root) {
    int fd = open_beneath(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

int rsw_fs_open(const struct rsw_fs *fs, int dir, const char *path, int flags) {
    flags |= O_CLOEXEC;
    if (fs->has_openat2) {
        return open_beneath(dir, path, flags);
    }
    return open_by_components(dir, path, flags);
}

int rsw_fs_open_parent(const struct rsw_fs *fs, const char *key, const char **leaf) {
    char dir[PATH_MAX] = ".";
    const char *slash = strrchr(key, '/');
    *leaf = slash == NULL ? key : slash + 1;
    if (slash != NULL) {
        size_t len = (size_t)(slash - key);
        if (len >= sizeof dir) {
            return -ENAMETOOLONG;
        }
        memcpy(dir, key, len);
        dir[len] = 0;
    }
    return rsw_fs_open(fs, fs->root, dir, O_PATH | O_DIRECTORY);
}

int rsw_fs_stat(const struct rsw_fs *fs, int dir, const char *path, struct stat *out) {
    RSW_AUTO_FD fd = rsw_fs_open(fs, dir, path, O_PATH | O_NOFOLLOW);
    if (fd < 0) {
        return fd;
    }
    return fstat(fd, out) == 0 ? 0 : -errno;
}

int64_t rsw_fs_read_full(int fd, void *bytes, size_t len) {
    size_t have = 0;
    while (have < len) {
        ssize_t got = read(fd, (char *)bytes + have, len - have);
        if (got >= 0) {
            have += (size_t)got;
            /* Just what fstat said, and no more to be had: a second read to see the end would double the
             * cost of a link. */
            if (got == 0 || have == len - 1) {
                break;
            }
        } else if (errno != EINTR) {
            return -(int64_t)errno;
        }
    }
    return (int64_t)have;
}
