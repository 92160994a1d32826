#include "storage/backend.h"
#include "storage/fs.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only these two mean that nothing is there. */
static int answer_of(int errnum) {
    return errnum == ENOENT || errnum == ENOTDIR ? RSW_ABSENT : RSW_FAILED;
}

static void look_one(const struct rsw_fs *fs, struct rsw_look *look) {
    struct stat st;
    int rc = rsw_fs_stat(fs, fs->root, look->key, &st);
    look->errnum = -rc;
    if (rc < 0) {
        look->answer = answer_of(-rc);
        return;
    }
    look->answer = RSW_FOUND;
    look->mtime_ms = rsw_fs_mtime_ms(&st);
    if (S_ISREG(st.st_mode)) {
        look->kind = RSW_ENTRY_FILE;
        look->size = (uint64_t)st.st_size;
    } else if (S_ISDIR(st.st_mode)) {
        look->kind = RSW_ENTRY_DIR;
    } else {
        look->kind = RSW_ENTRY_OTHER;
        if (S_ISLNK(st.st_mode)) {
            look->answer = RSW_FAILED;
            look->errnum = ELOOP;
        }
    }
}

static void fs_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        look_one((const struct rsw_fs *)storage, &looks[i]);
    }
}

/* 0 or an errno. Reads up to one byte more than allowed, to tell a longer file; a file may grow or shrink
 * under us, so its size is only a first guess. */
static int read_content(int fd, uint64_t size, struct rsw_read *read) {
    size_t want = size < read->max ? (size_t)size + 1 : read->content.max;
    for (;;) {
        if (rsw_buf_reserve(&read->content, want, NULL) != 0) {
            return ENOMEM;
        }
        int64_t got = rsw_fs_read_full(fd, read->content.data + read->content.len, want);
        if (got < 0) {
            return (int)-got;
        }
        read->content.len += (size_t)got;
        read->content.data[read->content.len] = 0;
        if (read->content.len > read->max) {
            read->content.len = read->max;
            read->content.data[read->max] = 0;
            return EFBIG;
        }
        if ((size_t)got < want) {
            return 0;
        }
        want = read->content.max - read->content.len;
        if (want > 65536) {
            want = 65536;
        }
    }
}

static int read_one(const struct rsw_fs *fs, struct rsw_read *read) {
    /* O_NONBLOCK: a FIFO in a file's place must not stop us. */
    RSW_AUTO_FD fd = rsw_fs_open(fs, fs->root, read->key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -fd;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? EISDIR : ENXIO;
    }
    read->mtime_ms = rsw_fs_mtime_ms(&st);
    return read_content(fd, (uint64_t)st.st_size, read);
}

static void fs_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int errnum = read_one((const struct rsw_fs *)storage, &reads[i]);
        reads[i].errnum = errnum;
        reads[i].answer = errnum == 0 ? RSW_FOUND : answer_of(errnum);
        if (errnum != 0 && errnum != EFBIG) {
            rsw_buf_clear(&reads[i].content); /* half a file is no content */
        }
    }
}

static int remove_one(const struct rsw_fs *fs, const char *key) {
    const char *leaf;
    RSW_AUTO_FD dir = rsw_fs_open_parent(fs, key, &leaf);
    if (dir < 0) {
        return -dir;
    }
    struct stat st;
    if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    /* What is no file was not put there by the registry: it is not ours to remove. */
    if (!S_ISREG(st.st_mode)) {
        return S_ISDIR(st.st_mode) ? EISDIR : S_ISLNK(st.st_mode) ? ELOOP : ENXIO;
    }
    return unlinkat(dir, leaf, 0) == 0 ? 0 : errno;
}

static void fs_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int errnum = remove_one((const struct rsw_fs *)storage, removals[i].key);
        removals[i].errnum = errnum;
        removals[i].answer = errnum == 0 ? RSW_FOUND : answer_of(errnum);
    }
}

static void fs_free(struct rsw_storage *storage) {
    struct rsw_fs *fs = (struct rsw_fs *)storage;
    close(fs->root);
    free(fs);
}

int rsw_storage_open_fs(struct rsw_storage **out, const char *root, struct rsw_error *err) {
    static const struct rsw_storage_ops ops = {.list = rsw_fs_list,
                                               .look = fs_look,
                                               .read = fs_read,
                                               .remove = fs_remove,
                                               .prune = rsw_fs_prune,
                                               .rmdir = rsw_fs_rmdir,
                                               .move = rsw_fs_move,
                                               .copy = rsw_fs_copy,
                                               .write = rsw_fs_write,
                                               .survey = rsw_fs_survey,
                                               .free = fs_free};
    *out = NULL;
    if (root[0] != '/') {
        return rsw_error_set(err, RSW_EINVAL, 0, "storage root '%s' is not an absolute path", root);
    }
    /* The way to the root is the operator's, and may lead through links; below it none is followed. */
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return rsw_storage_fail(err, errno, "open storage root", root);
    }
    struct rsw_fs *fs = malloc(sizeof *fs);
    char *url = fs == NULL ? NULL : strdup(root);
    if (url == NULL) {
        free(fs);
        close(fd);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    *fs = (struct rsw_fs){
        .base = {.ops = &ops, .url = url}, .root = fd, .has_openat2 = rsw_fs_probe_openat2(fd)};
    *out = &fs->base;
    return 0;
}
