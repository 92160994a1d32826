/* The address that the feed listens on. */
#ifndef REGSWEEP_FEED_LISTEN_H
#define REGSWEEP_FEED_LISTEN_H

#include <regsweep/error.h>

#include <stdbool.h>

#define RSW_ADDRESS_MAX 72 /* "[" + IPv6 with scope + "]:65535" + NUL */

/* Listens on "ADDR:PORT" or "[v6]:PORT"; ADDR may be a name of this host. With `loopback_only` any other
 * address is RSW_EREFUSED. Sets *fd (the caller closes it) and `address` as people write it, with the port in
 * use. -1: RSW_EINVAL (no such address), RSW_EIO (in use, not ours; the message names it). */
int rsw_listen(int *out, char address[RSW_ADDRESS_MAX], const char *text, bool loopback_only,
               struct rsw_error *err);

#endif
