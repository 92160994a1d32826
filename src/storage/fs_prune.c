/* Removal of empty directories: depth first, by rmdir alone, one open directory a level. */
#include "storage/backend.h"
#include "storage/fs.h"

#include "util/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct level {
    DIR *dir;
    bool kept;               /* holds something that stays */
    char name[NAME_MAX + 1]; /* in the level above */
};

struct pruning {
    struct rsw_error failure; /* the first; the rest goes on */
    const char *top;          /* for messages */
    bool top_kept;
    size_t depth;
    struct level *levels; /* owned, RSW_FS_DEPTH_MAX of them; `depth` in use */
};

static void pruning_release(struct pruning *pruning) {
    while (pruning->depth > 0) {
        closedir(pruning->levels[--pruning->depth].dir);
    }
    free(pruning->levels);
}
#define AUTO_PRUNING __attribute__((cleanup(pruning_release))) struct pruning

enum removal { REMOVED, NOT_EMPTY, NO_DIRECTORY, REFUSED };

/* rmdir, and what its errno means. REFUSED leaves errno, and does not tell whether the directory is empty:
 * permissions are checked first. */
static enum removal remove_dir(int above, const char *name) {
    if (unlinkat(above, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return REMOVED;
    }
    switch (errno) {
    case ENOTEMPTY:
    case EEXIST:
        return NOT_EMPTY;
    case ENOTDIR:
        return NO_DIRECTORY;
    default:
        return REFUSED;
    }
}

static void note_failure(struct pruning *pruning, const char *name, int errnum) {
    if (pruning->failure.code == RSW_OK) {
        rsw_storage_fail(&pruning->failure, errnum, "remove directory", name);
        rsw_error_prefix(&pruning->failure, "pruning '%s'", pruning->top);
    }
}

/* 0 or an errno. */
static int enter(struct pruning *pruning, int above, const char *name) {
    if (pruning->depth == RSW_FS_DEPTH_MAX) {
        return ENAMETOOLONG;
    }
    int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int errnum = errno;
        close(fd);
        return errnum;
    }
    struct level *level = &pruning->levels[pruning->depth++];
    level->dir = dir;
    level->kept = false;
    snprintf(level->name, sizeof level->name, "%s", name);
    return 0;
}

/* One name in the deepest open directory. Most directories are empty at once and need not be opened. */
static void visit(struct pruning *pruning, const struct dirent *entry) {
    struct level *level = &pruning->levels[pruning->depth - 1];
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return;
    }
    if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) {
        level->kept = true;
        return;
    }
    enum removal removal = remove_dir(dirfd(level->dir), name);
    if (removal == NO_DIRECTORY) {
        level->kept = true;
    }
    if (removal == REMOVED || removal == NO_DIRECTORY) {
        return;
    }
    int errnum = enter(pruning, dirfd(level->dir), name);
    if (errnum != 0 && errnum != ENOENT) {
        level->kept = true;
        note_failure(pruning, name, errnum);
    }
}

/* The deepest open directory is at its end: it goes, if nothing in it stays. */
static void leave(struct pruning *pruning) {
    struct level level = pruning->levels[--pruning->depth];
    closedir(level.dir);
    if (pruning->depth == 0) {
        pruning->top_kept = level.kept;
        return;
    }
    struct level *above = &pruning->levels[pruning->depth - 1];
    enum removal removal = level.kept ? NOT_EMPTY : remove_dir(dirfd(above->dir), level.name);
    if (removal == REFUSED) {
        note_failure(pruning, level.name, errno);
    }
    if (removal != REMOVED) {
        above->kept = true;
    }
}

static void run(struct pruning *pruning) {
    while (pruning->depth > 0) {
        struct level *level = &pruning->levels[pruning->depth - 1];
        errno = 0;
        const struct dirent *entry = readdir(level->dir);
        if (entry != NULL) {
            visit(pruning, entry);
            continue;
        }
        if (errno != 0 && errno != ENOENT) {
            level->kept = true;
            note_failure(pruning, level->name, errno);
        }
        leave(pruning);
    }
}

/* Below `name` in `above`: everything that is empty goes. */
static void prune_below(struct pruning *pruning, int above, const char *name) {
    pruning->levels = malloc(RSW_FS_DEPTH_MAX * sizeof *pruning->levels);
    int errnum = pruning->levels == NULL ? ENOMEM : enter(pruning, above, name);
    if (errnum == 0) {
        run(pruning);
    } else if (errnum != ENOENT) {
        rsw_storage_fail(&pruning->failure, errnum, "prune", pruning->top);
    }
}

/* What stands where a directory was expected decides: a link must not be taken for an absence. */
static int no_directory(const struct rsw_fs *fs, const char *dir, struct rsw_error *err) {
    struct stat st;
    int rc = rsw_fs_stat(fs, fs->root, dir, &st);
    if (rc == -ENOENT) {
        return RSW_ABSENT;
    }
    rsw_storage_fail(err, rc == 0 && S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR, "prune", dir);
    return RSW_FAILED;
}

int rsw_fs_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err) {
    const struct rsw_fs *fs = (const struct rsw_fs *)storage;
    bool is_root = dir[0] == 0;
    const char *leaf;
    RSW_AUTO_FD above = rsw_fs_open_parent(fs, dir, &leaf);
    if (above == -ENOENT || above == -ENOTDIR) {
        return RSW_ABSENT;
    }
    if (above < 0) {
        rsw_storage_fail(err, -above, "prune", dir);
        return RSW_FAILED;
    }
    AUTO_PRUNING pruning = {.failure = RSW_ERROR_INIT, .top = dir};
    enum removal removal = is_root ? NOT_EMPTY : remove_dir(above, leaf);
    if (removal == NOT_EMPTY || removal == REFUSED) {
        prune_below(&pruning, above, is_root ? "." : leaf);
        /* The root itself always stays. */
        removal = is_root || pruning.top_kept ? NOT_EMPTY : remove_dir(above, leaf);
    }
    if (removal == REMOVED) {
        return RSW_ABSENT;
    }
    if (removal == NO_DIRECTORY) {
        return no_directory(fs, dir, err);
    }
    if (removal == REFUSED) {
        note_failure(&pruning, leaf, errno);
    }
    if (pruning.failure.code == RSW_OK) {
        return RSW_FOUND;
    }
    rsw_error_set(err, pruning.failure.code, pruning.failure.errnum, "%s", pruning.failure.message);
    return RSW_FAILED;
}

static int rmdir_one(const struct rsw_fs *fs, const char *key) {
    const char *leaf;
    RSW_AUTO_FD above = rsw_fs_open_parent(fs, key, &leaf);
    if (above < 0) {
        return above == -ENOTDIR ? ENOENT : -above; /* below a file there is nothing */
    }
    if (unlinkat(above, leaf, AT_REMOVEDIR) == 0) {
        return 0;
    }
    int errnum = errno;
    struct stat st;
    if (errnum == ENOTDIR && fstatat(above, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
        return ELOOP;
    }
    return errnum == EEXIST ? ENOTEMPTY : errnum;
}

void rsw_fs_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int errnum = rmdir_one((const struct rsw_fs *)storage, removals[i].key);
        removals[i].errnum = errnum;
        removals[i].answer = errnum == 0 ? RSW_FOUND : errnum == ENOENT ? RSW_ABSENT : RSW_FAILED;
    }
}
