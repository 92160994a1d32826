/* The folder of an index: its files, their locks, and what can be told of them from outside. */
#ifndef REGSWEEP_INDEX_DIR_H
#define REGSWEEP_INDEX_DIR_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RSW_DAMAGED "the index is damaged; build it anew with: regsweep scan --rebuild"
#define RSW_NO_INDEX                                                                                         \
    "data.mdb is no index of regsweep, or a damaged one: if it was one, build it anew with: regsweep scan "  \
    "--rebuild"

/* Makes the folder and those above it; an existing one is no error. */
int rsw_dir_make(const char *dir, struct rsw_error *err);
/* open(2) of a file of our own in a folder that may belong to somebody else, where root must not be led to
 * another file: errno is ELOOP if a link or what is no regular file stands in its place. */
int rsw_dir_open(const char *path, int flags, mode_t mode);
/* Such a file for a lock, made if it is not there; it takes the owner of the folder. Its descriptor or -1:
 * RSW_EREFUSED for a link. */
int rsw_dir_open_lock(const char *dir, const char *name, struct rsw_error *err);
/* Before LMDB opens data.mdb and lock.mdb by their names: neither is a link. 0, or -1: RSW_EREFUSED. */
int rsw_dir_own(const char *dir, struct rsw_error *err);
/* Opens and locks index.lock: shared, as every open handle holds it, or alone, as rebuilding needs it (then
 * RSW_EBUSY instead of waiting). *fd is -1 where reading alone does without: the file is not there, or the
 * folder is on a read-only filesystem. */
int rsw_dir_lock(int *out, const char *dir, bool read_only, bool alone, struct rsw_error *err);
/* From alone to shared. */
int rsw_dir_share(int fd, const char *dir, struct rsw_error *err);
/* Removes data.mdb and lock.mdb. Only under the lock, alone. */
int rsw_dir_empty(const char *dir, struct rsw_error *err);
/* A file that root makes in the folder of an index takes the owner of the folder, so that one run as root
 * locks nobody out. What cannot be given away stays as it is. By name: to open lock.mdb once more and close
 * it would drop all the locks that LMDB holds on it in this process (fcntl(2)). */
void rsw_dir_give(const char *dir, const char *name);
/* Makes the names in the folder durable. */
int rsw_dir_sync(const char *dir, struct rsw_error *err);
/* Whether LMDB may be let near data.mdb: it trusts what stands there. RSW_FOUND, and the bytes of disk that
 * it takes; RSW_ABSENT if there is none or it is empty; RSW_FAILED: RSW_ECORRUPT truncated or contradicting
 * itself, RSW_ESCHEMA no LMDB file, RSW_EIO, RSW_EACCESS. */
int rsw_dir_inspect(uint64_t *size, const char *dir, struct rsw_error *err);
/* Makes data.mdb as long as the map, by a hole that takes no disk, where the limit of file size allows. LMDB
 * never writes a page that one transaction took and gave back, so without this a sound file may end before
 * its last page, as a truncated one does. Needs LMDB's write transaction: other processes do the same. */
void rsw_dir_lengthen(int fd, uint64_t map_size);
/* True if reading must do without LMDB's lock file, because we may not write to it and nobody else has the
 * index open. `lock_fd` as from rsw_dir_lock. RSW_EACCESS if somebody has. */
int rsw_dir_lockless(const char *dir, int lock_fd, struct rsw_error *err);
/* True if a file that ends at `used` cannot get some `need` bytes more: disk, quota of blocks, or the limit
 * of file size. */
bool rsw_dir_is_full(const char *dir, uint64_t used, uint64_t need);

#endif
