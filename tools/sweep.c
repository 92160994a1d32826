/* regsweep sweep: shows what nothing needs; with --confirm removes it. */
#include "sweep.h"

#include "forget.h"
#include "in_use.h"
#include "progress.h"
#include "registry.h"
#include "sweep_print.h"

#include "gc/lease.h"

#include <stdlib.h>
#include <string.h>

/* ---- a run ---- */

struct talk {
    struct rsw_sweep_print print;
    struct rsw_cli *cli;
    const struct rsw_sweep_watch *watch;
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
    talk->watch->scan_progress(talk->watch->arg, seen);
}

static void on_progress(void *arg, const struct rsw_sweep_progress *seen) {
    struct talk *talk = arg;
    talk->watch->progress(talk->watch->arg, seen);
}

static bool on_stopped(void *arg) {
    struct talk *talk = arg;
    return talk->watch->stopped(talk->watch->arg);
}

static int on_pins_again(void *arg, const struct rsw_pin **pins, size_t *count, struct rsw_error *err) {
    struct talk *talk = arg;
    return rsw_in_use_again(talk->cli, pins, count, err);
}

int rsw_sweep_read_options(struct rsw_sweep_options *out, struct rsw_cli *cli, struct rsw_error *err) {
    struct rsw_mark_options mark;
    if (rsw_cli_mark_options(cli, &mark, err) != 0) {
        return -1;
    }
    *out = (struct rsw_sweep_options){
        .confirm = cli->options.confirm,
        .offline = mark.offline,
        .untagged_remove = mark.untagged_remove,
        .grace_ms = mark.grace_ms,
        .upload_max_age_ms = mark.upload_max_age_ms,
        .version_max_age_ms = cli->options.version_max_age_ms,
        .settle_ms = cli->options.settle_ms,
        .max_delete = (unsigned)cli->options.max_delete,
        .pins = mark.pins,
        .pin_count = mark.pin_count,
        .policy = mark.policy,
        .clock = cli->clock,
    };
    if (!cli->options.json && !cli->options.verbose) {
        out->item_kinds = ~(1u << RSW_ITEM_LINK); /* there are many, and they say little */
    }
    return 0;
}

/* What the printer was told is told even if the run then stopped. */
static int sweep(struct rsw_cli *cli, struct rsw_sweep_options *options, const struct rsw_sweep_watch *watch,
                 struct rsw_error *err) {
    struct talk talk = {.cli = cli, .watch = watch};
    struct rsw_sweep_result result;
    int status = RSW_EXIT_DONE;
    if (rsw_cli_warn_pins(cli, err) != 0) {
        return rsw_cli_exit_of(err);
    }
    rsw_sweep_print_init(&talk.print, cli);
    options->log = watch->log;
    options->item = on_item;
    options->warning = on_warning;
    options->scan_progress = on_scan_progress;
    options->progress = on_progress;
    options->stopped = on_stopped;
    options->pins_again = on_pins_again;
    options->arg = &talk;
    int64_t begun_ms = rsw_clock_now_ms(cli->clock);
    int rc = rsw_sweep(&result, cli->index, cli->storage, options, err);
    if (options->confirm) {
        rsw_deletions_tell_spared(cli->index, begun_ms, watch->log, NULL);
    }
    if (rc == 0 || result.generation != 0 || result.guard[0] != 0) {
        status = rsw_sweep_print_result(&talk.print, &result, options);
    }
    rsw_sweep_print_release(&talk.print);
    return rc == 0 ? status : rsw_cli_exit_of(err);
}

/* Where others sweep beside the registry one of them may be at it, though the registry is stopped. */
static int open_lease_of_others(struct rsw_cli *cli, struct rsw_sweep_options *options,
                                struct rsw_error *err) {
    bool known = false;
    if (rsw_cli_open_lease(cli, err) != 0 ||
        (cli->lease != NULL && rsw_lease_is_known(cli->lease, &known, err) != 0)) {
        return -1;
    }
    options->lease = known ? cli->lease : NULL;
    return 0;
}

/* Nobody pushes, as far as can be asked. */
static int sweep_stopped(struct rsw_cli *cli, struct rsw_sweep_options *options,
                         const struct rsw_sweep_watch *watch, struct rsw_error *err) {
    if (rsw_cli_check_stopped(cli, &options->silent_ms, err) != 0) {
        return err->code == RSW_EINVAL ? RSW_EXIT_USAGE : rsw_cli_exit_of(err);
    }
    return open_lease_of_others(cli, options, err) == 0 ? sweep(cli, options, watch, err)
                                                        : rsw_cli_exit_of(err);
}

/* Beside a running registry, all of whose replicas must be known. */
static int sweep_online(struct rsw_cli *cli, struct rsw_sweep_options *options,
                        const struct rsw_sweep_watch *watch, struct rsw_error *err) {
    if (!rsw_cli_has_registry(cli)) {
        rsw_error_set(err, RSW_EREFUSED, 0,
                      "nothing was removed: a running registry must be told of with --registry URL, once for "
                      "each replica; for one that is stopped or read-only, say so with --offline");
        return RSW_EXIT_REFUSED;
    }
    if (rsw_cli_check_times(cli, err) != 0) {
        return RSW_EXIT_USAGE;
    }
    if (rsw_cli_check_cache(cli, err) != 0 || rsw_cli_open_lease(cli, err) != 0 ||
        rsw_cli_open_replicas(&options->replicas, cli, err) != 0) {
        return err->code == RSW_EINVAL ? RSW_EXIT_USAGE : rsw_cli_exit_of(err);
    }
    options->quarantine_ms = cli->options.quarantine_ms;
    options->fence_timeout_ms = cli->options.fence_timeout_ms;
    options->wait = cli->options.wait;
    options->lease = cli->lease;
    options->swept_ms = cli->options.swept_ms;
    int status = sweep(cli, options, watch, err);
    rsw_replicas_close(options->replicas);
    return status;
}

int rsw_sweep_run(struct rsw_cli *cli, struct rsw_sweep_options *options, const struct rsw_sweep_watch *watch,
                  struct rsw_error *err) {
    if (rsw_in_use_read(cli, err) != 0) {
        return rsw_cli_exit_of(err);
    }
    options->pins = cli->pins.items;
    options->pin_count = cli->pins.count;
    if (!options->confirm) {
        return sweep(cli, options, watch, err);
    }
    char *audit = rsw_cli_audit_file(cli);
    if (audit == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return RSW_EXIT_FAILED;
    }
    options->audit_file = audit;
    int status = (options->offline ? sweep_stopped : sweep_online)(cli, options, watch, err);
    free(audit);
    return status;
}

/* ---- the command ---- */

static void show_scan(void *arg, const struct rsw_scan_progress *seen) {
    struct rsw_progress *progress = arg;
    rsw_progress_show(progress, seen);
    if (seen->finished) {
        rsw_progress_end(progress);
    }
}

static void show(void *arg, const struct rsw_sweep_progress *seen) {
    rsw_progress_show_sweep(arg, seen);
}

/* Whoever reads JSON gets an object of every refusal. */
static int fail(struct rsw_cli *cli, const struct rsw_sweep_options *options, const struct rsw_error *err) {
    int status = rsw_cli_fail(cli, err);
    if (status == RSW_EXIT_REFUSED && cli->options.json && !cli->told) {
        rsw_sweep_print_refusal(cli, options, err->message);
    }
    return status;
}

static int sweep_here(struct rsw_cli *cli, struct rsw_sweep_options *options) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_progress progress;
    rsw_progress_init(&progress, cli);
    const struct rsw_sweep_watch watch = {.log = &progress.log,
                                          .scan_progress = show_scan,
                                          .progress = show,
                                          .stopped = rsw_cli_stopped,
                                          .arg = &progress};
    int status = rsw_sweep_run(cli, options, &watch, &err);
    rsw_progress_end(&progress);
    if (err.code == RSW_OK) {
        return status;
    }
    return status == RSW_EXIT_USAGE ? rsw_cli_fail_usage(cli, &err) : fail(cli, options, &err);
}

int rsw_command_sweep(struct rsw_cli *cli) {
    static const char *const with_server[] = {"server-ca", "sweep-token-file"};
    static const char *const of_server[] = {"policy", "version-max-age"};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_sweep_options options;
    if (rsw_sweep_read_options(&options, cli, &err) != 0) {
        return rsw_cli_fail_options(cli, &err);
    }
    if (cli->options.server != NULL) {
        for (size_t i = 0; i < sizeof of_server / sizeof *of_server; i++) {
            if (rsw_option_source(&cli->options, of_server[i]) == RSW_SOURCE_FLAG) {
                return rsw_cli_usage(cli, "--%s: a server goes by its own, give it to regsweep serve",
                                     of_server[i]);
            }
        }
        if (rsw_in_use_read(cli, &err) != 0 || rsw_pins_to_options(&cli->pins, &cli->options, &err) != 0) {
            return rsw_cli_fail(cli, &err);
        }
        return rsw_sweep_at_server(cli);
    }
    for (size_t i = 0; i < sizeof with_server / sizeof *with_server; i++) {
        if (rsw_option_source(&cli->options, with_server[i]) == RSW_SOURCE_FLAG) {
            return rsw_cli_usage(cli, "--%s goes with --server", with_server[i]);
        }
    }
    /* Made only where somebody has said of which storage: an index that is there knows its own. */
    bool told_where = cli->options.storage != NULL || cli->registry_config != NULL;
    const struct rsw_index_options how = {.create = options.confirm && told_where,
                                          .read_only = !options.confirm};
    if (options.confirm) {
        rsw_cli_catch_stop();
    }
    if (rsw_cli_open_index(cli, &how, &err) != 0) {
        return fail(cli, &options, &err);
    }
    if (rsw_cli_check_storage(cli, &err) != 0) {
        return err.code == RSW_EINVAL ? rsw_cli_fail_usage(cli, &err) : fail(cli, &options, &err);
    }
    bool asks = options.confirm || options.version_max_age_ms > 0;
    int status = asks ? rsw_cli_need_storage(cli) : RSW_EXIT_DONE;
    return status == RSW_EXIT_DONE ? sweep_here(cli, &options) : status;
}
