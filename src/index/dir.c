#include "index/dir.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static int name_in(char path[PATH_MAX], const char *dir, const char *name, struct rsw_error *err) {
    int len = snprintf(path, PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < PATH_MAX ? 0 : rsw_error_set(err, RSW_EINVAL, ENAMETOOLONG, "%s: too long", dir);
}

static int fail(struct rsw_error *err, const char *path, const char *doing) {
    int errnum = errno;
    enum rsw_code code = RSW_EIO;
    if (errnum == EACCES || errnum == EPERM || errnum == EROFS) {
        code = RSW_EACCESS;
    } else if (errnum == ENOSPC || errnum == EDQUOT) {
        code = RSW_EFULL;
    } else if (errnum == ELOOP) {
        return rsw_error_set(
            err, RSW_EREFUSED, errnum,
            "%s: a link, or no file at all, and regsweep follows none here: whoever put it there could "
            "have another file overwritten; remove it",
            path);
    }
    return rsw_error_set(err, code, errnum, "%s: cannot %s: %s%s", path, doing, strerror(errnum),
                         errnum == EACCES || errnum == EPERM ? "; run regsweep as the user whose index it is"
                                                             : "");
}

int rsw_dir_make(const char *dir, struct rsw_error *err) {
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len == 0 || len >= sizeof path) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the name of the index folder is empty or too long");
    }
    memcpy(path, dir, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0) {
            continue;
        }
        char end = path[i];
        path[i] = 0;
        if (mkdir(path, 0770) != 0 && errno != EEXIST) {
            return fail(err, path, "make the folder");
        }
        path[i] = end;
    }
    return 0;
}

static int lock_fd(int fd, int how) {
    int rc;
    do {
        rc = flock(fd, how);
    } while (rc != 0 && errno == EINTR);
    return rc;
}

void rsw_dir_give(const char *dir, const char *name) {
    struct stat own;
    struct stat above;
    RSW_AUTO_FD fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (geteuid() == 0 && fd >= 0 && fstat(fd, &above) == 0 && above.st_uid != 0 &&
        fstatat(fd, name, &own, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(own.st_mode) && own.st_uid == 0) {
        (void)!fchownat(fd, name, above.st_uid, above.st_gid, AT_SYMLINK_NOFOLLOW);
    }
}

int rsw_dir_open(const char *path, int flags, mode_t mode) {
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);
    struct stat stat;
    if (fd >= 0 && fstat(fd, &stat) == 0 && !S_ISREG(stat.st_mode)) {
        close(fd);
        errno = ELOOP;
        return -1;
    }
    return fd;
}

int rsw_dir_open_lock(const char *dir, const char *name, struct rsw_error *err) {
    char path[PATH_MAX];
    if (name_in(path, dir, name, err) != 0) {
        return -1;
    }
    int fd = rsw_dir_open(path, O_RDWR | O_CREAT, 0660);
    if (fd < 0) {
        return fail(err, path, "open");
    }
    rsw_dir_give(dir, name);
    return fd;
}

int rsw_dir_own(const char *dir, struct rsw_error *err) {
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX];
        struct stat stat;
        if (name_in(path, dir, names[i], err) != 0) {
            return -1;
        }
        if (lstat(path, &stat) == 0 && !S_ISREG(stat.st_mode)) {
            errno = ELOOP;
            return fail(err, path, "open");
        }
    }
    return 0;
}

int rsw_dir_lock(int *out, const char *dir, bool read_only, bool alone, struct rsw_error *err) {
    char path[PATH_MAX];
    *out = -1;
    if (name_in(path, dir, "index.lock", err) != 0) {
        return -1;
    }
    int fd = read_only ? rsw_dir_open(path, O_RDONLY, 0) : rsw_dir_open_lock(dir, "index.lock", err);
    if (fd < 0 && read_only && (errno == ENOENT || errno == EROFS)) {
        return 0;
    }
    if (fd < 0) {
        return read_only ? fail(err, path, "open") : -1;
    }
    if (lock_fd(fd, alone ? LOCK_EX | LOCK_NB : LOCK_SH) != 0) {
        int errnum = errno;
        close(fd);
        if (errnum == EWOULDBLOCK) {
            return rsw_error_set(err, RSW_EBUSY, errnum,
                                 "%s: another process has the index open: stop it before rebuilding", dir);
        }
        errno = errnum;
        return fail(err, path, "lock");
    }
    *out = fd;
    return 0;
}

int rsw_dir_share(int fd, const char *dir, struct rsw_error *err) {
    return lock_fd(fd, LOCK_SH) == 0 ? 0 : fail(err, dir, "lock");
}

int rsw_dir_empty(const char *dir, struct rsw_error *err) {
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PATH_MAX];
        if (name_in(path, dir, names[i], err) != 0) {
            return -1;
        }
        if (unlink(path) != 0 && errno != ENOENT) {
            return fail(err, path, "remove");
        }
    }
    return rsw_dir_sync(dir, err);
}

int rsw_dir_sync(const char *dir, struct rsw_error *err) {
    RSW_AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : fail(err, dir, "sync the folder");
}

/* Layout of an LMDB 0.9 file (mdb.c: MDB_page, MDB_meta), in the byte order of the machine: two meta pages,
 * each a page header of 16 bytes, then these. */
enum {
    META_FLAGS = 10, /* u16, of the page header */
    META_MAGIC = 16,
    META_VERSION = 20,
    META_PAGE_SIZE = 40,
    META_ROOT_FREE = 80,
    META_ROOT_MAIN = 128,
    META_LAST_PAGE = 136,
    META_TXN = 144,
    META_SIZE = 152,
};
#define LMDB_MAGIC 0xBEEFC0DEu
#define LMDB_VERSION 1

struct meta {
    uint32_t version;
    uint32_t page_size;
    uint64_t roots[2];
    uint64_t last_page;
    uint64_t txn;
};

/* RSW_ABSENT: no meta page. */
static int read_meta(struct meta *out, int fd, off_t at, const char *path, struct rsw_error *err) {
    uint8_t page[META_SIZE];
    ssize_t got = pread(fd, page, sizeof page, at);
    if (got < 0) {
        return fail(err, path, "read");
    }
    uint32_t magic = 0;
    uint16_t flags = 0;
    memcpy(&magic, page + META_MAGIC, sizeof magic);
    memcpy(&flags, page + META_FLAGS, sizeof flags);
    if (got != (ssize_t)sizeof page || magic != LMDB_MAGIC || (flags & 8) == 0) {
        return RSW_ABSENT;
    }
    memcpy(&out->version, page + META_VERSION, sizeof out->version);
    memcpy(&out->page_size, page + META_PAGE_SIZE, sizeof out->page_size);
    memcpy(&out->roots[0], page + META_ROOT_FREE, sizeof out->roots[0]);
    memcpy(&out->roots[1], page + META_ROOT_MAIN, sizeof out->roots[1]);
    memcpy(&out->last_page, page + META_LAST_PAGE, sizeof out->last_page);
    memcpy(&out->txn, page + META_TXN, sizeof out->txn);
    return RSW_FOUND;
}

static bool plausible(const struct meta *meta, uint64_t file_size) {
    uint32_t page = meta->page_size;
    if (page < 512 || page > 65536 || (page & (page - 1)) != 0) {
        return false;
    }
    if (meta->last_page == 0 || meta->last_page >= file_size / page) {
        return meta->last_page == 1; /* as made: the two meta pages, their size checked by their being read */
    }
    for (int i = 0; i < 2; i++) {
        if (meta->roots[i] != UINT64_MAX && (meta->roots[i] < 2 || meta->roots[i] > meta->last_page)) {
            return false;
        }
    }
    return true;
}

/* LMDB writes its two meta pages in turn, page n for transactions of that parity, and believes the one with
 * the higher number. */
static bool in_turn(const struct meta metas[2]) {
    uint64_t a = metas[0].txn;
    uint64_t b = metas[1].txn;
    bool fresh = a == 0 && b == 0;
    return fresh || (a % 2 == 0 && b % 2 == 1 && (a + 1 == b || b + 1 == a));
}

/* A writer that commits twice between the two reads makes them look out of turn: then they are read again. */
#define META_READS 5

static int read_metas(struct meta metas[2], int fd, const char *path, struct rsw_error *err) {
    for (int i = 0; i < META_READS; i++) {
        int answer = read_meta(&metas[0], fd, 0, path, err);
        if (answer != RSW_FOUND || metas[0].version != LMDB_VERSION) {
            return answer;
        }
        answer = read_meta(&metas[1], fd, (off_t)metas[0].page_size, path, err);
        if (answer != RSW_FOUND || in_turn(metas)) {
            return answer;
        }
    }
    return RSW_FOUND;
}

static int inspect_metas(int fd, const char *path, struct rsw_error *err) {
    struct meta metas[2] = {0};
    int answer = read_metas(metas, fd, path, err);
    if (answer != RSW_FOUND || metas[0].version != LMDB_VERSION) {
        return answer; /* of another version LMDB itself has the right words, and looks no further */
    }
    struct stat stat; /* after the metas: a writer first makes the file longer, then writes its meta page */
    if (fstat(fd, &stat) != 0) {
        return fail(err, path, "look at");
    }
    bool sound = in_turn(metas) && metas[0].page_size == metas[1].page_size;
    for (int i = 0; i < 2; i++) {
        sound = sound && plausible(&metas[i], (uint64_t)stat.st_size);
    }
    if (!sound) {
        return rsw_error_set(err, RSW_ECORRUPT, 0, "%s: truncated or overwritten: %s", path, RSW_DAMAGED);
    }
    return RSW_FOUND;
}

int rsw_dir_inspect(uint64_t *size, const char *dir, struct rsw_error *err) {
    char path[PATH_MAX];
    *size = 0;
    if (name_in(path, dir, "data.mdb", err) != 0) {
        return RSW_FAILED;
    }
    RSW_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return RSW_ABSENT;
    }
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) != 0) {
        return fail(err, path, "open");
    }
    if (!S_ISREG(stat.st_mode)) {
        return rsw_error_set(err, RSW_ESCHEMA, 0, "%s: not a regular file", path);
    }
    if (stat.st_size == 0) {
        return RSW_ABSENT;
    }
    int answer = inspect_metas(fd, path, err);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_ESCHEMA, 0,
                             "%s: not an index of regsweep, or its beginning is lost: %s", path, RSW_DAMAGED);
    }
    *size = (uint64_t)stat.st_blocks * 512;
    return answer;
}

static bool above_limit(uint64_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
           size >= (uint64_t)limit.rlim_cur;
}

void rsw_dir_lengthen(int fd, uint64_t map_size) {
    struct stat stat;
    if (fstat(fd, &stat) == 0 && (uint64_t)stat.st_size < map_size && !above_limit(map_size)) {
        (void)!ftruncate(fd, (off_t)map_size); /* where it fails the file stays sound, only not provably so */
    }
}

int rsw_dir_lockless(const char *dir, int fd, struct rsw_error *err) {
    char path[PATH_MAX];
    if (name_in(path, dir, "lock.mdb", err) != 0) {
        return RSW_FAILED;
    }
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0) {
        return RSW_ABSENT;
    }
    bool can_make = errno == ENOENT && faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0;
    if (errno == EROFS || can_make) {
        return errno == EROFS ? RSW_FOUND : RSW_ABSENT;
    }
    if (fd >= 0 && lock_fd(fd, LOCK_EX | LOCK_NB) != 0) {
        return rsw_error_set(
            err, RSW_EACCESS, EACCES,
            "%s: another process has the index open, and reading beside it needs write access to "
            "lock.mdb",
            dir);
    }
    if (fd >= 0 && lock_fd(fd, LOCK_SH) != 0) {
        return fail(err, dir, "lock");
    }
    return RSW_FOUND;
}

bool rsw_dir_is_full(const char *dir, uint64_t used, uint64_t need) {
    struct statvfs fs;
    if (above_limit(used + need)) {
        return true;
    }
    return statvfs(dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < need + (UINT64_C(1) << 20);
}
