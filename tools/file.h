/* Small files that people write: configuration, tokens. */
#ifndef REGSWEEP_TOOLS_FILE_H
#define REGSWEEP_TOOLS_FILE_H

#include "util/buf.h"

#include <sys/stat.h>

/* All of a file, which may be a pipe, of at most `max` bytes. 0, or -1: RSW_EIO or RSW_EACCESS with the path,
 * RSW_EINVAL longer than that, RSW_ENOMEM. `status` may be NULL. */
int rsw_file_read(struct rsw_buf *out, const char *path, size_t max, struct stat *status,
                  struct rsw_error *err);

#endif
