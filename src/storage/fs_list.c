/* The recursive listing of a directory tree.
 *
 * A frame a level, each with its directory open: names are resolved from the directory that they are in, so
 * a deep tree costs no more per file than a flat one, and a folder that is renamed under us does no harm.
 */
#include "storage/backend.h"
#include "storage/fs.h"

#include "util/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct frame {
    int fd;
    size_t key_len; /* of this directory's key in walk.key */
    uint8_t *names; /* owned; what getdents64 gave. Kept for the next directory at this level. */
    size_t len;
    size_t at;
};

struct walk {
    const struct rsw_fs *fs;
    const struct rsw_listing *listing;
    struct rsw_page *page; /* owned */
    struct rsw_error *err;
    size_t depth;                          /* frames in use */
    char key[PATH_MAX];                    /* of the directory or entry at hand */
    struct frame frames[RSW_FS_DEPTH_MAX]; /* those past `depth` may still own names */
};

static struct walk *walk_new(const struct rsw_fs *fs, const struct rsw_listing *listing,
                             struct rsw_error *err) {
    struct walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return NULL;
    }
    walk->fs = fs;
    walk->listing = listing;
    walk->err = err;
    walk->page = rsw_page_new(listing, err);
    if (walk->page == NULL) {
        free(walk);
        return NULL;
    }
    return walk;
}

static void walk_free(struct walk **walk_at) {
    struct walk *walk = *walk_at;
    if (walk == NULL) {
        return;
    }
    for (size_t i = 0; i < RSW_FS_DEPTH_MAX; i++) {
        if (i < walk->depth) {
            close(walk->frames[i].fd);
        }
        free(walk->frames[i].names);
    }
    rsw_page_free(walk->page);
    free(walk);
}
#define AUTO_WALK __attribute__((cleanup(walk_free))) struct walk *

/* Every function below returns 0, or -1 when the listing must end (out of memory, or the caller said so). */

static int add(struct walk *walk, struct rsw_entry *entry, const char *key, size_t key_len) {
    char *copy = rsw_page_alloc(walk->page, key_len + 1, walk->err);
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, key, key_len);
    copy[key_len] = 0;
    entry->key = copy;
    return rsw_page_add(walk->page, entry, walk->err);
}

/* What is below this directory is unknown, and the caller must hear of it. */
static int add_failed_dir(struct walk *walk, const char *key, size_t key_len, int errnum) {
    struct rsw_entry entry = {.kind = RSW_ENTRY_DIR, .answer = RSW_FAILED, .errnum = errnum};
    return add(walk, &entry, key, key_len);
}

static void set_kind(struct rsw_entry *entry, const struct stat *st) {
    entry->answer = RSW_FOUND;
    if (S_ISREG(st->st_mode)) {
        entry->kind = RSW_ENTRY_FILE;
        entry->size = (uint64_t)st->st_size;
        entry->mtime_ms = rsw_fs_mtime_ms(st);
    } else {
        entry->kind = S_ISDIR(st->st_mode) ? RSW_ENTRY_DIR : RSW_ENTRY_OTHER;
    }
}

/* Brings the content along, if it is small enough. That it cannot be had is no failure of the entry. */
static int add_content(struct walk *walk, int fd, struct rsw_entry *entry) {
    if (entry->kind != RSW_ENTRY_FILE || entry->size > walk->listing->content_max) {
        return 0;
    }
    size_t size = (size_t)entry->size;
    uint8_t *bytes = rsw_page_alloc(walk->page, size + 1, walk->err);
    if (bytes == NULL) {
        return -1;
    }
    int64_t got = rsw_fs_read_full(fd, bytes, size + 1);
    if (got < 0) {
        entry->errnum = (int)-got;
    } else if ((size_t)got <= size) { /* else it grew since fstat: whoever needs it reads it */
        entry->content = bytes;
        entry->content_len = (size_t)got;
        entry->size = (uint64_t)got;
    }
    return 0;
}

/* The failed open of a file: perhaps it can still be said what it is. */
static void describe_unopened(const struct walk *walk, int dir, const char *path, int errnum,
                              struct rsw_entry *entry) {
    struct stat st;
    bool is_gone = errnum == ENOENT || errnum == ENOTDIR;
    int rc = is_gone ? -errnum : rsw_fs_stat(walk->fs, dir, path, &st);
    if (rc == 0) {
        set_kind(entry, &st);
        entry->errnum = entry->kind == RSW_ENTRY_FILE ? errnum : 0;
    } else {
        entry->kind = -rc == ELOOP ? RSW_ENTRY_OTHER : RSW_ENTRY_FILE;
        entry->answer = -rc == ENOENT || -rc == ENOTDIR ? RSW_ABSENT : RSW_FAILED;
        entry->errnum = -rc;
    }
}

/* A file by its path from `dir`: one name, or a probed directory and its leaf. */
static int observe(struct walk *walk, int dir, const char *path, bool one_name, struct rsw_entry *entry) {
    struct stat st;
    if (walk->listing->content_max == 0) {
        int rc = one_name ? (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno)
                          : rsw_fs_stat(walk->fs, dir, path, &st);
        if (rc == 0) {
            set_kind(entry, &st);
        } else {
            describe_unopened(walk, dir, path, -rc, entry);
        }
        return 0;
    }
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    RSW_AUTO_FD fd =
        one_name ? openat(dir, path, flags | O_CLOEXEC) : rsw_fs_open(walk->fs, dir, path, flags);
    if (fd < 0) {
        int errnum = one_name ? errno : -fd;
        describe_unopened(walk, dir, path, errnum, entry);
        return 0;
    }
    if (fstat(fd, &st) != 0) {
        entry->answer = RSW_FAILED;
        entry->errnum = errno;
        return 0;
    }
    set_kind(entry, &st);
    return add_content(walk, fd, entry);
}

/* Puts `name` behind the first `len` bytes of walk->key. The new length, or 0 if it is too long. */
static size_t append(struct walk *walk, size_t len, const char *name) {
    size_t name_len = strlen(name);
    size_t slash = len > 0 ? 1 : 0;
    if (name_len >= sizeof walk->key - len - slash) {
        return 0;
    }
    if (slash != 0) {
        walk->key[len++] = '/';
    }
    memcpy(walk->key + len, name, name_len + 1);
    return len + name_len;
}

/* The part of walk->key that is relative to this frame's directory. */
static const char *relative(const struct walk *walk, const struct frame *frame) {
    return walk->key + frame->key_len + (frame->key_len > 0 ? 1 : 0);
}

static int visit_file(struct walk *walk, const struct frame *frame, size_t key_len) {
    struct rsw_entry entry = {.kind = RSW_ENTRY_FILE, .answer = RSW_FAILED};
    if (observe(walk, frame->fd, relative(walk, frame), true, &entry) != 0) {
        return -1;
    }
    if (entry.answer == RSW_ABSENT) {
        return 0; /* gone since its name was read */
    }
    return add(walk, &entry, walk->key, key_len);
}

static int probe(struct walk *walk, const struct frame *frame, size_t dir_len, const char *leaf) {
    size_t key_len = rsw_storage_key_valid(leaf, false) ? append(walk, dir_len, leaf) : 0;
    if (key_len == 0) {
        return add_failed_dir(walk, walk->key, dir_len, leaf == NULL ? EINVAL : ENAMETOOLONG);
    }
    struct rsw_entry entry = {.kind = RSW_ENTRY_FILE, .answer = RSW_FAILED};
    if (observe(walk, frame->fd, relative(walk, frame), false, &entry) != 0) {
        return -1;
    }
    return add(walk, &entry, walk->key, key_len);
}

static int push(struct walk *walk, int fd, size_t key_len) {
    struct frame *frame = &walk->frames[walk->depth];
    if (frame->names == NULL) {
        frame->names = malloc(RSW_FS_DIR_BYTES);
        if (frame->names == NULL) {
            close(fd);
            return rsw_error_set(walk->err, RSW_ENOMEM, 0, "out of memory");
        }
    }
    frame->fd = fd;
    frame->key_len = key_len;
    frame->len = 0;
    frame->at = 0;
    walk->depth++;
    return 0;
}

static int visit_dir(struct walk *walk, const struct frame *frame, size_t key_len) {
    const char *leaf = NULL;
    enum rsw_descend what = RSW_DESCEND;
    if (walk->listing->descend != NULL) {
        what = walk->listing->descend(walk->listing->arg, walk->key, &leaf);
    }
    if (what == RSW_DESCEND_SKIP) {
        return 0;
    }
    if (what == RSW_DESCEND_PROBE) {
        return probe(walk, frame, key_len, leaf);
    }
    if (walk->depth == RSW_FS_DEPTH_MAX) {
        return add_failed_dir(walk, walk->key, key_len, ENAMETOOLONG);
    }
    int fd = openat(frame->fd, relative(walk, frame), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        return push(walk, fd, key_len);
    }
    return errno == ENOENT ? 0 : add_failed_dir(walk, walk->key, key_len, errno);
}

/* What the directory did not say (DT_UNKNOWN) the inode does. */
static int type_of(const struct frame *frame, const struct dirent64 *name, unsigned char *type) {
    struct stat st;
    *type = name->d_type;
    if (*type == DT_UNKNOWN) {
        if (fstatat(frame->fd, name->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            return errno;
        }
        *type = (unsigned char)IFTODT(st.st_mode);
    }
    return 0;
}

static int visit(struct walk *walk, const struct frame *frame, const struct dirent64 *name) {
    size_t key_len = append(walk, frame->key_len, name->d_name);
    if (key_len == 0) {
        walk->key[frame->key_len] = 0;
        return add_failed_dir(walk, walk->key, frame->key_len, ENAMETOOLONG);
    }
    unsigned char type;
    int errnum = type_of(frame, name, &type);
    if (errnum != 0) {
        return errnum == ENOENT ? 0 : add_failed_dir(walk, walk->key, key_len, errnum);
    }
    if (type == DT_REG) {
        return visit_file(walk, frame, key_len);
    }
    if (type == DT_DIR) {
        return visit_dir(walk, frame, key_len);
    }
    struct rsw_entry entry = {.kind = RSW_ENTRY_OTHER, .answer = RSW_FOUND};
    return add(walk, &entry, walk->key, key_len);
}

static bool is_dot(const char *name) {
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

static bool is_wanted(const struct walk *walk, const char *name) {
    const char *start = walk->depth == 1 ? walk->listing->start : NULL;
    return !is_dot(name) && (start == NULL || strncmp(name, start, strlen(start)) == 0);
}

/* The next batch of names. 1, 0 at the end of the directory, or -1 with errno set. */
static int refill(struct frame *frame) {
    ssize_t got;
    do {
        got = getdents64(frame->fd, frame->names, RSW_FS_DIR_BYTES);
    } while (got < 0 && errno == EINTR);
    frame->at = 0;
    frame->len = got > 0 ? (size_t)got : 0;
    if (got < 0) {
        return errno == ENOENT ? 0 : -1; /* removed while we were in it: it is empty */
    }
    return got > 0 ? 1 : 0;
}

/* The directory on top of the stack is at its end, or cannot be read further. */
static int leave(struct walk *walk, int errnum) {
    size_t key_len = walk->frames[--walk->depth].key_len;
    close(walk->frames[walk->depth].fd);
    if (errnum == 0) {
        return 0;
    }
    walk->key[key_len] = 0;
    if (walk->depth == 0) {
        return rsw_storage_fail(walk->err, errnum, "list", walk->listing->prefix);
    }
    return add_failed_dir(walk, walk->key, key_len, errnum);
}

static int run(struct walk *walk) {
    while (walk->depth > 0) {
        struct frame *frame = &walk->frames[walk->depth - 1];
        if (frame->at >= frame->len) {
            int more = refill(frame);
            if (more <= 0 && leave(walk, more < 0 ? errno : 0) != 0) {
                return -1;
            }
            continue;
        }
        const struct dirent64 *name = (const struct dirent64 *)(const void *)(frame->names + frame->at);
        frame->at += name->d_reclen;
        if (is_wanted(walk, name->d_name) && visit(walk, frame, name) != 0) {
            return -1;
        }
    }
    return rsw_page_flush(walk->page, walk->err);
}

int rsw_fs_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err) {
    const struct rsw_fs *fs = (const struct rsw_fs *)storage;
    bool is_root = listing->prefix[0] == 0;
    int fd = rsw_fs_open(fs, fs->root, is_root ? "." : listing->prefix, O_RDONLY | O_DIRECTORY);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        return RSW_ABSENT;
    }
    if (fd < 0) {
        rsw_storage_fail(err, -fd, "list", listing->prefix);
        return RSW_FAILED;
    }
    AUTO_WALK walk = walk_new(fs, listing, err);
    if (walk == NULL) {
        close(fd);
        return RSW_FAILED;
    }
    size_t key_len = is_root ? 0 : append(walk, 0, listing->prefix);
    if (push(walk, fd, key_len) != 0 || run(walk) != 0) {
        return RSW_FAILED;
    }
    return RSW_FOUND;
}
