/* The filesystem backend: its handle, and the one way in which it turns a path into a descriptor. */
#ifndef REGSWEEP_STORAGE_FS_H
#define REGSWEEP_STORAGE_FS_H

#include "storage/storage.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct rsw_fs {
    struct rsw_storage base; /* first member */
    int root;                /* O_PATH descriptor of the root directory, owned */
    bool has_openat2;        /* found out once, when opened */
};

/* One descriptor is held per level, and paths stay below PATH_MAX: a registry's own tree, with the longest
 * repository name of one-letter components, is 140 deep. */
#define RSW_FS_DEPTH_MAX 256
/* Room for the entries of one getdents64(2) call. */
#define RSW_FS_DIR_BYTES ((size_t)64 * 1024)

/* Whether this kernel (and a seccomp filter over us) lets us use openat2(2). */
bool rsw_fs_probe_openat2(int root);

/* Opens `path` (a key, or "." for `dir` itself) below the directory `dir`, with O_CLOEXEC added. No symbolic
 * link is followed at any component, and nothing outside `dir` can be reached. With O_PATH | O_NOFOLLOW a
 * link as the last component is opened itself. The descriptor, or a negative errno: -ELOOP for a link. */
int rsw_fs_open(const struct rsw_fs *fs, int dir, const char *path, int flags);

/* Opens the directory that holds `key`, and points *leaf at its name. The descriptor (O_PATH, the caller's)
 * or a negative errno. */
int rsw_fs_open_parent(const struct rsw_fs *fs, const char *key, const char **leaf);

/* Looks without opening the thing itself, which needs no permission on it. 0 or a negative errno. A link as
 * the last component is described itself. */
int rsw_fs_stat(const struct rsw_fs *fs, int dir, const char *path, struct stat *out);

static inline int64_t rsw_fs_mtime_ms(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* read(2) up to `len` bytes, one more than are expected, going on after a short read. The count (less only at
 * the end of the file) or a negative errno. */
int64_t rsw_fs_read_full(int fd, void *bytes, size_t len);

/* ---- putting something where nothing is ---- */

/* Somebody may remove a folder that is empty just before we put something into it: then again, so often. */
#define RSW_FS_VANISHED_TRIES 10

/* As rsw_fs_open_parent, and makes the folders that are missing. */
int rsw_fs_make_parent(const struct rsw_fs *fs, const char *key, const char **leaf);
/* A registry's user must be able to use what we make, whoever we are: `fd` gets owner and mode (what `mask`
 * leaves of it) of the folder `dir`. 0 or a negative errno. */
int rsw_fs_take_after(int fd, int dir, mode_t mask);
/* 0 or a negative errno. */
int rsw_fs_sync_dir(int dir);
/* From one name to another that is free. 0 or a negative errno, -EEXIST if it is taken. */
int rsw_fs_rename_free(int from_dir, const char *from, int to_dir, const char *to);
/* Says this errno of linkat(2) that no hard link can be had here? */
bool rsw_fs_no_link(int errnum);

struct rsw_fs_source {
    const void *bytes; /* borrowed; NULL: out of `fd` */
    size_t len;
    int fd; /* a file, all of it, with its time */
};
/* Writes a file that is not there yet, whole or not at all; the folder is the caller's to sync. 0 or a
 * negative errno: -EEXIST; -EAGAIN: the folder vanished. */
int rsw_fs_write_new(int dir, const char *leaf, const struct rsw_fs_source *source);

int rsw_fs_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err);
int rsw_fs_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err);
void rsw_fs_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count);
void rsw_fs_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count);
void rsw_fs_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count);
void rsw_fs_survey(struct rsw_storage *storage, struct rsw_survey *surveys, size_t count);
void rsw_fs_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);

#endif
