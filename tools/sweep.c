/* regsweep sweep: shows what nothing needs; with --confirm removes it. */
#include "progress.h"
#include "registry.h"
#include "sweep_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct talk {
    struct rsw_sweep_print print;
    struct rsw_progress progress;
};

static int on_item(void *arg, const struct rsw_sweep_item *item) {
    struct talk *talk = arg;
    return rsw_sweep_print_item(&talk->print, item);
}

static int on_warning(void *arg, const struct rsw_sweep_warning *warning) {
    struct talk *talk = arg;
    return rsw_sweep_print_warning(&talk->print, warning);
}

static void on_scan_progress(void *arg, const struct rsw_scan_progress *seen) {
    struct talk *talk = arg;
    rsw_progress_show(&talk->progress, seen);
    if (seen->finished) {
        rsw_progress_end(&talk->progress);
    }
}

static void on_progress(void *arg, const struct rsw_sweep_progress *seen) {
    struct talk *talk = arg;
    rsw_progress_show_sweep(&talk->progress, seen);
}

/* What the printer was told is told even if the run then stopped. */
static int finish(struct rsw_sweep_print *print, const struct rsw_sweep_result *result,
                  const struct rsw_sweep_options *options, int rc, const struct rsw_error *err) {
    int status = RSW_EXIT_DONE;
    if (rc == 0 || result->generation != 0 || result->guard[0] != 0) {
        status = rsw_sweep_print_result(print, result, options);
    }
    return rc == 0 ? status : rsw_cli_fail(print->cli, err);
}

static int run(struct rsw_cli *cli, struct rsw_sweep_options *options, struct rsw_error *err) {
    struct talk talk;
    struct rsw_sweep_result result;
    if (rsw_cli_warn_pins(cli, err) != 0) {
        return rsw_cli_fail(cli, err);
    }
    rsw_sweep_print_init(&talk.print, cli);
    rsw_progress_init(&talk.progress, cli);
    options->log = &talk.progress.log;
    options->item = on_item;
    options->warning = on_warning;
    options->scan_progress = on_scan_progress;
    options->progress = on_progress;
    options->arg = &talk;
    int rc = rsw_sweep(&result, cli->index, cli->storage, options, err);
    rsw_progress_end(&talk.progress);
    int status = finish(&talk.print, &result, options, rc, err);
    rsw_sweep_print_release(&talk.print);
    return status;
}

/* Beside a running registry, all of whose replicas must be known. */
static int run_online(struct rsw_cli *cli, struct rsw_sweep_options *options, struct rsw_error *err) {
    if (cli->storage->flat) {
        return run(cli, options, err); /* which refuses, whatever the registry may be */
    }
    if (!rsw_cli_has_registry(cli)) {
        rsw_error_set(err, RSW_EREFUSED, 0,
                      "nothing was removed: a running registry must be told of with --registry URL, once for "
                      "each replica; for one that is stopped or read-only, say so with --offline");
        return rsw_cli_fail(cli, err);
    }
    if (rsw_cli_check_times(cli, err) != 0) {
        return rsw_cli_fail_usage(cli, err);
    }
    if (rsw_cli_open_replicas(&options->replicas, cli, err) != 0) {
        return err->code == RSW_EINVAL ? rsw_cli_fail_usage(cli, err) : rsw_cli_fail(cli, err);
    }
    options->settle_ms = cli->options.settle_ms;
    options->quarantine_ms = cli->options.quarantine_ms;
    options->fence_timeout_ms = cli->options.fence_timeout_ms;
    options->wait = cli->options.wait;
    int status = run(cli, options, err);
    rsw_replicas_close(options->replicas);
    return status;
}

static int run_confirmed(struct rsw_cli *cli, struct rsw_sweep_options *options, struct rsw_error *err) {
    /* Made only where somebody has said of which storage: an index that is there knows its own. */
    bool told_where = cli->options.storage != NULL || cli->registry_config != NULL;
    const struct rsw_index_options how = {.create = told_where};
    char *audit = rsw_cli_audit_file(cli);
    if (audit == NULL) {
        return rsw_cli_failf(cli, "out of memory");
    }
    options->audit_file = audit;
    options->stopped = rsw_cli_stopped;
    rsw_cli_catch_stop();
    int status = rsw_cli_open_index(cli, &how, err) != 0 ? rsw_cli_fail(cli, err) : rsw_cli_need_storage(cli);
    if (status == RSW_EXIT_DONE) {
        status = options->offline ? run(cli, options, err) : run_online(cli, options, err);
    }
    free(audit);
    return status;
}

int rsw_command_sweep(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_mark_options mark;
    if (rsw_cli_mark_options(cli, &mark, &err) != 0) {
        return rsw_cli_fail_usage(cli, &err);
    }
    struct rsw_sweep_options options = {
        .confirm = cli->options.confirm,
        .offline = mark.offline,
        .untagged_remove = mark.untagged_remove,
        .grace_ms = mark.grace_ms,
        .upload_max_age_ms = mark.upload_max_age_ms,
        .max_delete = (unsigned)cli->options.max_delete,
        .pins = mark.pins,
        .pin_count = mark.pin_count,
        .clock = cli->clock,
    };
    if (!cli->options.json && !cli->options.verbose) {
        options.item_kinds = ~(1u << RSW_ITEM_LINK); /* there are many, and they say little */
    }
    if (options.confirm) {
        return run_confirmed(cli, &options, &err);
    }
    const struct rsw_index_options how = {.read_only = true};
    if (rsw_cli_open_index(cli, &how, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return run(cli, &options, &err);
}
