/* The index, as a handle: one LMDB environment in a directory of its own, shared by daemon and commands. */
#ifndef REGSWEEP_INDEX_H
#define REGSWEEP_INDEX_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_index;

struct rsw_index_options {
    bool read_only; /* open for reading alone; works on a read-only filesystem */
    bool older; /* with read_only: one of an older schema too. Only what a rebuild carries over may be read */
    bool create;  /* make directory and index if there is none; without it that is RSW_EINVAL */
    bool rebuild; /* with create: throw an existing index away first (refused, RSW_EBUSY, while another
                     process has it open) */
    uint64_t
        map_size; /* upper limit of the index in bytes, 0: grows by itself as long as the disk has room */
};

/* 0 and *out owned by the caller, or -1: RSW_EINVAL no index there, RSW_ESCHEMA newer schema or another kind
 * of file, RSW_ECORRUPT damaged (the message names the remedy), RSW_EACCESS, RSW_EFULL, RSW_EIO, RSW_ENOMEM.
 * One handle a directory and process; it may be used by any number of threads. */
RSW_API int rsw_index_open(struct rsw_index **out, const char *dir, const struct rsw_index_options *options,
                           struct rsw_error *err);
/* NULL is allowed. No transaction may be open. */
RSW_API void rsw_index_close(struct rsw_index *index);
RSW_API const char *rsw_index_dir(const struct rsw_index *index);
/* Writes the index in this directory anew, table by table and without free pages: who reads whole tables, as
 * a sweep does, then touches few others. It takes as much disk again meanwhile. No handle of this process may
 * be open on it. RSW_FOUND; RSW_ABSENT: another process has it open; RSW_FAILED: as of rsw_index_open. Unless
 * it is RSW_FOUND nothing has changed. */
RSW_API int rsw_index_pack(const char *dir, uint64_t map_size, struct rsw_error *err);
/* Damage. Every record has a checksum, and walks notice lost records: that is RSW_ECORRUPT with the remedy.
 * The pages around the records have none, and LMDB trusts them: a damaged one can make it read outside of the
 * map (SIGSEGV, SIGBUS), or fail an assertion, upon which the library writes what is wrong and the remedy to
 * stderr and LMDB calls abort(). A program tells the first kind from a bug of its own by this: */
/* True if this address lies in the mapped index, or where a damaged length in it leads, or in LMDB's own
 * code: for a handler of SIGBUS and SIGSEGV that wants to tell a damaged index from a bug by the address that
 * was asked for and the instruction that asked. Async-signal-safe. */
RSW_API bool rsw_index_maps(const struct rsw_index *index, const void *address);

#ifdef __cplusplus
}
#endif
#endif
