/* Cleanup attributes for what the C library hands out. Those of our own types stand beside the type. */
#ifndef REGSWEEP_UTIL_CLEANUP_H
#define REGSWEEP_UTIL_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void rsw_cleanup_free(void *pointer) {
    free(*(void **)pointer);
}
static inline void rsw_cleanup_fd(const int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}
static inline void rsw_cleanup_file(FILE **file) {
    if (*file != NULL) {
        fclose(*file);
    }
}
static inline void rsw_cleanup_dir(DIR **dir) {
    if (*dir != NULL) {
        closedir(*dir);
    }
}

#define RSW_AUTO_FREE __attribute__((cleanup(rsw_cleanup_free)))
#define RSW_AUTO_FD __attribute__((cleanup(rsw_cleanup_fd))) int
#define RSW_AUTO_FILE __attribute__((cleanup(rsw_cleanup_file))) FILE
#define RSW_AUTO_DIR __attribute__((cleanup(rsw_cleanup_dir))) DIR

#endif
