/* What a sweep lets go, told as text or as JSON. */
#ifndef REGSWEEP_TOOLS_SWEEP_PRINT_H
#define REGSWEEP_TOOLS_SWEEP_PRINT_H

#include "cli.h"

#include <regsweep/sweep.h>

/* "blobs", "links", … by kind: names in the JSON. */
extern const char *const rsw_sweep_plural[RSW_ITEM_KINDS];

struct rsw_sweep_print {
    struct rsw_cli *cli;
    json_t *condemned[RSW_ITEM_KINDS]; /* with --json: arrays, owned; else NULL */
    json_t *warnings;
    uint64_t left_out; /* of these lists */
    bool watched;      /* by somebody at a terminal: each line at once */
    size_t lines_len;  /* else they go out when there are many */
    char lines[32 * 1024];
};

/* Ready for the callbacks of rsw_sweep_options. */
void rsw_sweep_print_init(struct rsw_sweep_print *print, struct rsw_cli *cli);
void rsw_sweep_print_release(struct rsw_sweep_print *print);

/* Text goes out as it comes; JSON is collected, as much of each list as cli->list_max allows. */
int rsw_sweep_print_item(struct rsw_sweep_print *print, const struct rsw_sweep_item *item);
int rsw_sweep_print_warning(struct rsw_sweep_print *print, const struct rsw_sweep_warning *warning);
/* The end of it: totals. Gives RSW_EXIT_DONE, or RSW_EXIT_FAILED if memory ran out. */
int rsw_sweep_print_result(struct rsw_sweep_print *print, const struct rsw_sweep_result *result,
                           const struct rsw_sweep_options *options);
/* With --json, of a run that was refused before it decided anything: the same object, with `why` in it. */
void rsw_sweep_print_refusal(struct rsw_cli *cli, const struct rsw_sweep_options *options, const char *why);

#endif
