/* Image references as people and container runtimes write them in a pod: with a host, or without one.
 *
 * Grammar: distribution reference/normalize.go. What stands before the first '/' is a host if it has a dot, a
 * colon or a capital, or is "localhost"; without one the image is Docker Hub's, in `library/` if its name is
 * a single word. Runtimes put "docker-pullable://" or "docker://" in front, or give a digest alone.
 */
#ifndef REGSWEEP_WORKLOAD_NAME_H
#define REGSWEEP_WORKLOAD_NAME_H

#include "oci/reference.h"

#include <regsweep/error.h>

#define RSW_HOST_MAX 261 /* 255 of a name, ':' and a port */

struct rsw_image_name {
    char host[RSW_HOST_MAX + 1];    /* as rsw_host_parse has it; "" for a digest alone */
    struct rsw_reference reference; /* tag "latest" if there is neither; repository "" for a digest alone */
};

/* Reads HOST, HOST:PORT or [V6]:PORT of exactly `len` bytes. *out is in lower case, and without a port that
 * is the usual one of http or https: who leaves it out means the same registry. False: none. */
bool rsw_host_parse(char out[RSW_HOST_MAX + 1], const char *text, size_t len);

/* 0, or -1 (RSW_EINVAL) with a message that says which part is wrong; *out is undefined then. */
int rsw_image_name_parse(struct rsw_image_name *out, const char *text, struct rsw_error *err);

#endif
