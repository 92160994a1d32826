/* Talks to systemd, or whatever stands behind NOTIFY_SOCKET: sd_notify(3), "Notes", has the protocol. */
#ifndef REGSWEEP_TOOLS_NOTIFY_H
#define REGSWEEP_TOOLS_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1" and the like. `socket_path` as in NOTIFY_SOCKET: a path, or '@' and an abstract name; NULL
 * or
 * "": nobody listens, nothing to do. 0, or -1 with errno: worth a note, never a reason to stop. */
int rsw_notify(const char *socket_path, const char *state);

/* How often "WATCHDOG=1" is due, in milliseconds: half of what WATCHDOG_USEC says, as sd_watchdog_enabled(3)
 * advises. 0: never (no such text, or `pid` is not ours). */
int64_t rsw_notify_watchdog_ms(const char *usec, const char *pid, int64_t own_pid);

#endif
