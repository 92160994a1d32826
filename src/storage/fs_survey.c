/* What a filesystem tells of a folder without being changed. */
#include "storage/fs.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Two mounts of one device can be told apart by the kernel's number of the mount alone, and a rename from one
 * to the other fails all the same (EXDEV). Before Linux 5.8 there is no such number: 0. */
static int find_volume(int fd, struct rsw_survey *survey) {
    struct statx stx;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) != 0) {
        return errno;
    }
    survey->volume[0] = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
    survey->volume[1] = (stx.stx_mask & STATX_MNT_ID) != 0 ? stx.stx_mnt_id : 0;
    survey->owner = stx.stx_uid;
    survey->mode = stx.stx_mode & 07777u;
    return 0;
}

static int find_refusal(int fd, const struct rsw_survey *survey) {
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return errno;
    }
    uid_t user = geteuid();
    return (survey->mode & S_ISVTX) != 0 && user != 0 && user != survey->owner ? EPERM : 0;
}

/* 0 or an errno. */
static int survey_one(const struct rsw_fs *fs, struct rsw_survey *survey) {
    struct statvfs room;
    RSW_AUTO_FD fd =
        rsw_fs_open(fs, fs->root, survey->dir[0] != 0 ? survey->dir : ".", O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) {
        return -fd;
    }
    int errnum = find_volume(fd, survey);
    if (errnum == 0 && fstatvfs(fd, &room) != 0) {
        errnum = errno;
    }
    if (errnum == 0) {
        survey->room = (uint64_t)room.f_bavail * room.f_frsize;
        survey->refused = find_refusal(fd, survey);
    }
    return errnum;
}

void rsw_fs_survey(struct rsw_storage *storage, struct rsw_survey *surveys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int errnum = survey_one((const struct rsw_fs *)storage, &surveys[i]);
        surveys[i].errnum = errnum;
        surveys[i].answer = errnum == 0                             ? RSW_FOUND
                            : errnum == ENOENT || errnum == ENOTDIR ? RSW_ABSENT
                                                                    : RSW_FAILED;
    }
}
