/* The frame that every command stands in: options, arguments, what is open, and how to talk.
 *
 * A command is one function, `int rsw_command_x(struct rsw_cli *cli)`, that gives the exit status
 * (tools/exit.h). Results go to stdout (rsw_cli_line, rsw_cli_json), talk goes to stderr (rsw_cli_fail,
 * rsw_log with &cli->log). A typical one:
 *
 *     int rsw_inspect_stats(struct rsw_cli *cli) {
 *         struct rsw_error err = RSW_ERROR_INIT;
 *         struct stats stats;
 *         if (gather(&stats, cli->index, &err) != 0) {
 *             return rsw_cli_fail(cli, &err);
 *         }
 *         return cli->options.json ? rsw_cli_json(cli, to_json(&stats)) : print(cli, &stats);
 *     }
 *
 * What a command leaves open in cli (index, storage) is closed by the frame.
 */
#ifndef REGSWEEP_TOOLS_CLI_H
#define REGSWEEP_TOOLS_CLI_H

#include "commands.h"
#include "exit.h"
#include "json.h"
#include "options.h"
#include "pins.h"

#include "gc/mark.h"
#include "storage/storage.h"
#include "util/clock.h"
#include "util/log.h"

#include <regsweep/index.h>

#include <stdbool.h>
#include <stdio.h>

struct rsw_registry_config; /* tools/registry_config.h */

struct rsw_cli {
    const struct rsw_command *command; /* the form, for a command that has forms */
    const char *command_name;          /* "inspect" for all of its forms; NULL until known */
    struct rsw_options options;
    int argument_count;
    char **arguments; /* borrowed from argv; checked to be as many as the command takes */
    struct rsw_registry_config *registry_config; /* owned; NULL without --registry-config */
    struct rsw_log log;
    const struct rsw_clock *clock;
    FILE *out;                   /* stdout; tests put another one here */
    FILE *talk;                  /* stderr */
    struct rsw_index *index;     /* owned; NULL until opened */
    struct rsw_storage *storage; /* owned; NULL until opened */
    size_t list_max;             /* of each list in the JSON of a sweep; 0: all */
    bool lost_output;            /* a line of the result could not even be made */
    bool told;                   /* an object of the result was */
    struct rsw_pins pins;        /* what rsw_cli_mark_options pointed to */
    struct rsw_lease *lease;     /* owned; NULL: none */
    struct rsw_policy *policy;   /* likewise, owned; NULL without --policy */
};

/* Opens what --index names into cli->index. `how` as for rsw_index_open; its map_size is filled in from the
 * options. If the index turns out damaged later (SIGBUS, SIGSEGV), the user is told so. 0 or -1. */
int rsw_cli_open_index(struct rsw_cli *cli, const struct rsw_index_options *how, struct rsw_error *err);
void rsw_cli_close_index(struct rsw_cli *cli);
/* The state of the index that is open. 0 or -1. */
int rsw_cli_state(struct rsw_cli *cli, struct rsw_state *out, struct rsw_error *err);
/* Opens what --storage, or the registry's configuration, names into cli->storage; without either, what the
 * index that is open was scanned from. 0, or -1: RSW_EINVAL if neither was given (the message says how to),
 * RSW_EREFUSED and RSW_EUNSUPPORTED for a registry that regsweep must not or cannot work beside. */
int rsw_cli_open_storage(struct rsw_cli *cli, struct rsw_error *err);
/* The same for a command that cannot do without, and where an index is open, only if it is of that storage:
 * RSW_EXIT_DONE, or it has said what is wrong and gives the exit status. */
int rsw_cli_need_storage(struct rsw_cli *cli);
/* Is what --storage, or the registry's configuration, names the storage of the index that is open? Told by
 * its name alone: nothing is asked of it. 0, also where neither names one, or -1: RSW_EREFUSED. */
int rsw_cli_check_storage(struct rsw_cli *cli, struct rsw_error *err);
/* --audit, or audit.jsonl in the index's directory. NULL: out of memory. The caller owns it. */
char *rsw_cli_audit_file(const struct rsw_cli *cli);
/* --untagged, --grace, --upload-max-age, --offline, --pin, --pins and --policy, as mark wants them, now by
 * cli->clock. Pins and policy belong to cli; what
 * workloads use is not asked for yet (rsw_in_use_read). 0, or -1 (RSW_EINVAL: a pin or the policy is none, or
 * with
 * --confirm uploads are stale within grace; RSW_ENOMEM). */
int rsw_cli_mark_options(struct rsw_cli *cli, struct rsw_mark_options *out, struct rsw_error *err);

/* Opens the lease of the storage, by --lease, into cli->lease, and a thread that keeps it. The index is open
 * for writing, storage too. 0 or -1 (RSW_EINVAL: it is too short, and this is no test, which a short settle
 * tells). */
int rsw_cli_open_lease(struct rsw_cli *cli, struct rsw_error *err);
/* Gives it back unless a generation is open, which goes on by it. */
void rsw_cli_settle_lease(const struct rsw_cli *cli);

/* A pin that keeps nothing is a slip of the pen that costs an image: a warning each. After
 * rsw_cli_mark_options, with the index open. 0, or -1 on an index error. */
int rsw_cli_warn_pins(struct rsw_cli *cli, struct rsw_error *err);

/* One line of result: what fmt makes, with control bytes (names out of storage can hold some) replaced, and a
 * newline. */
void rsw_cli_line(struct rsw_cli *cli, const char *fmt, ...) RSW_PRINTF(2, 3);
/* The result as one JSON object on a line. Takes the reference. NULL means that memory ran out on the way.
 * Gives the exit status. */
int rsw_cli_json(struct rsw_cli *cli, json_t *root);

/* The exit status that goes with an error: RSW_EREFUSED and RSW_EBUSY RSW_EXIT_REFUSED, RSW_EPARTIAL
 * RSW_EXIT_PARTIAL, all else RSW_EXIT_FAILED. */
int rsw_cli_exit_of(const struct rsw_error *err);
/* "regsweep: <message>" on stderr; gives that. */
int rsw_cli_fail(struct rsw_cli *cli, const struct rsw_error *err);
/* The same for what is wrong with an argument: RSW_EXIT_USAGE, with a hint at --help. */
int rsw_cli_fail_usage(struct rsw_cli *cli, const struct rsw_error *err);
/* While options and the files that they name are read: one that cannot be read is wrong usage too. */
int rsw_cli_fail_options(struct rsw_cli *cli, const struct rsw_error *err);
int rsw_cli_usage(struct rsw_cli *cli, const char *fmt, ...) RSW_PRINTF(2, 3);
/* RSW_EXIT_FAILED with a message of one's own. */
int rsw_cli_failf(struct rsw_cli *cli, const char *fmt, ...) RSW_PRINTF(2, 3);

/* True once SIGINT or SIGTERM came, after rsw_cli_catch_stop. Fits rsw_scan_options.stopped. */
void rsw_cli_catch_stop(void);
bool rsw_cli_stopped(void *unused);

/* All of the program: parses, dispatches, cleans up. `environment` as environ. Gives the exit status. */
int rsw_cli_main(struct rsw_cli *cli, int argc, char **argv, char **environment);
/* Everything NULL or default, talking to stdout and stderr. */
void rsw_cli_init(struct rsw_cli *cli);
void rsw_cli_release(struct rsw_cli *cli);
/* Of a copy that works on what is open in the other: its own options and pins alone. */
void rsw_cli_release_options(struct rsw_cli *cli);

#endif
