/* regsweep forget --server: asks the serve there to write it down. */
#ifndef REGSWEEP_TOOLS_FORGET_SERVER_H
#define REGSWEEP_TOOLS_FORGET_SERVER_H

#include "index/deletion.h"

struct rsw_cli;

/* Each prints what the command prints here, and gives the exit status. */
int rsw_forget_at_server(struct rsw_cli *cli, enum rsw_deletion_kind kind);
int rsw_forget_list_at_server(struct rsw_cli *cli);
int rsw_forget_cancel_at_server(struct rsw_cli *cli, uint64_t id);

#endif
