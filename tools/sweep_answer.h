/* What `regsweep sweep --json` prints, read back: a sweep that was done elsewhere is told as if it were done
 * here. */
#ifndef REGSWEEP_TOOLS_SWEEP_ANSWER_H
#define REGSWEEP_TOOLS_SWEEP_ANSWER_H

#include "cli.h"

/* As text, by the same printer. 0, or -1 (RSW_EIO: it is not what a sweep prints; what came before is told).
 */
int rsw_sweep_answer_tell(struct rsw_cli *cli, const json_t *result, struct rsw_error *err);

#endif
