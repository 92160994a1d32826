/* The registry's storage, as a handle. */
#ifndef REGSWEEP_STORAGE_H
#define REGSWEEP_STORAGE_H

#include <regsweep/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_storage;

/* Opens `file:///absolute/rootdirectory`, the folder that contains `docker/registry/v2`. A plain absolute
 * path is taken as file://. 0 and *out owned by the caller, or -1: RSW_EINVAL (no such scheme, relative
 * path), RSW_EIO or RSW_EACCESS (root cannot be opened). Locks nothing; the registry may be running. The
 * handle may be used by any number of threads. */
RSW_API int rsw_storage_open(struct rsw_storage **out, const char *url, struct rsw_error *err);
/* NULL is allowed. No call may be under way. */
RSW_API void rsw_storage_close(struct rsw_storage *storage);
/* As opened. Borrowed from the handle. */
RSW_API const char *rsw_storage_url(const struct rsw_storage *storage);

#ifdef __cplusplus
}
#endif
#endif
