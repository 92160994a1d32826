/* What the exit status of regsweep says. Part of the interface: documented in the manual, never renumbered.
 */
#ifndef REGSWEEP_TOOLS_EXIT_H
#define REGSWEEP_TOOLS_EXIT_H

enum rsw_exit {
    RSW_EXIT_DONE = 0,
    RSW_EXIT_FAILED =
        1, /* also: verify found something, a scan was not complete, the index does not know a name */
    RSW_EXIT_PARTIAL = 2, /* some deletions failed; the next run retries them */
    RSW_EXIT_REFUSED = 3, /* refused for safety; nothing was touched */
    RSW_EXIT_USAGE = 64, /* EX_USAGE of sysexits.h: the command line, environment or configuration is wrong */
};

#endif
