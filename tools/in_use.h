/* What workloads use, by --in-use and --in-use-api: it becomes pins. */
#ifndef REGSWEEP_TOOLS_IN_USE_H
#define REGSWEEP_TOOLS_IN_USE_H

#include "cli.h"

/* Are the options such that workloads can be asked? Asks none. 0, or -1 (RSW_EINVAL). */
int rsw_in_use_check(const struct rsw_options *options, struct rsw_error *err);
/* Adds to cli->pins what they use now. Says in the log which references cannot be read. 0, or -1:
 * RSW_EREFUSED (a source that cannot be read whole, references that cannot be read), RSW_ENOMEM. */
int rsw_in_use_read(struct rsw_cli *cli, struct rsw_error *err);
/* All pins of the options as they are by now, into cli->pins, of which *pins are; standard input was read
 * before, and says the same again. A pod may have been started since, from what its node has of the image: no
 * event tells of that. 0, or -1 as rsw_pins_read and rsw_in_use_read. */
int rsw_in_use_again(struct rsw_cli *cli, const struct rsw_pin **pins, size_t *count, struct rsw_error *err);

#endif
