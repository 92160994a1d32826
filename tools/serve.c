/* regsweep serve: takes the registry's events into the index, until SIGTERM or SIGINT. */
#include "cli.h"

#include "in_use.h"
#include "notify.h"
#include "pins.h"
#include "registry.h"
#include "secret.h"
#include "serve_callback.h"
#include "serve_deletions.h"
#include "serve_metrics.h"
#include "serve_schedule.h"
#include "serve_sweeps.h"
#include "token.h"

#include "feed/beat.h"
#include "gc/reviver.h"
#include "gc/sweeper.h"
#include "scan/checker.h"
#include "util/cleanup.h"

#include <regsweep/feed.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct server {
    struct rsw_cli *cli;
    struct rsw_reviver *reviver;
    struct rsw_checker *checker; /* uses the reviver */
    struct rsw_feed *feed;       /* uses both */
    struct rsw_beat *beat;
    struct rsw_sweep_runs *runs; /* fence through the feed, which answers for them */
    /* Fences through the feed, whose threads look at it, also before it runs. NULL: no registry was named. */
    _Atomic(struct rsw_sweeper *) sweeper;
    _Atomic(struct rsw_schedule *) schedule; /* asks for runs, and hears of their end; NULL: none */
    struct rsw_callback *callback; /* NULL: nobody is told. Before the feed, which asks for its stats */
    struct rsw_cli asking;         /* the sweeper's: serve's, with pins of its own, as they are by now */
    char *audit_file;              /* owned */
    const char *notify_socket;
};

struct tokens { /* owned; NULL: none */
    char *feed;
    char *sweeps;
    char *callback;
};

static void on_committed(void *arg, bool asked, bool touched) {
    struct server *server = arg;
    if (touched) {
        rsw_reviver_wake(server->reviver);
    }
    if (asked) {
        rsw_checker_wake(server->checker);
    }
}

static void on_touched(void *arg) {
    struct server *server = arg;
    rsw_reviver_wake(server->reviver);
}

static void on_metrics(void *arg, void (*write)(void *to, const char *text), void *to) {
    struct server *server = arg;
    struct rsw_check_result checks;
    struct rsw_reviver_stats revived;
    rsw_checker_result(server->checker, &checks);
    rsw_reviver_stats(server->reviver, &revived);
    rsw_serve_checks(&checks, write, to);
    rsw_serve_revived(&revived, write, to);
    rsw_serve_generations(server->cli->index, server->cli->clock, write, to);
    rsw_serve_deletions(server->cli->index, write, to);
    if (server->callback != NULL) {
        struct rsw_callback_stats told;
        rsw_callback_stats(server->callback, &told);
        rsw_serve_told(&told, write, to);
    }
    struct rsw_sweep_runs_stats runs;
    rsw_sweep_runs_stats(server->runs, &runs);
    rsw_serve_runs(&runs, write, to);
    struct rsw_schedule *schedule = atomic_load(&server->schedule);
    if (schedule != NULL) {
        struct rsw_schedule_stats tried;
        rsw_schedule_stats(schedule, &tried);
        rsw_serve_scheduled(&tried, write, to);
    }
    struct rsw_sweeper *sweeper = atomic_load(&server->sweeper);
    if (sweeper != NULL) {
        struct rsw_sweeper_stats swept;
        rsw_sweeper_stats(sweeper, &swept);
        rsw_serve_swept(&swept, write, to);
    }
}

static void on_further(void *arg, const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    struct server *server = arg;
    if (strncmp(request->path, RSW_DELETIONS_PATH, strlen(RSW_DELETIONS_PATH)) == 0) {
        rsw_serve_deletions_answer(server->cli->index, server->cli->clock, request, reply);
        return;
    }
    rsw_serve_sweeps_answer(server->runs, &server->cli->options, request, reply);
}

/* Without a token of their own there are none: whoever can send events, or shows a page to a browser of this
 * machine, could ask for one. */
static void on_no_further(void *arg, const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    (void)arg;
    (void)request;
    rsw_serve_sweeps_refuse(reply);
}

static int on_open(void *arg, struct rsw_replicas **out, struct rsw_error *err) {
    struct server *server = arg;
    return rsw_cli_check_cache(server->cli, err) == 0 ? rsw_cli_open_replicas(out, server->cli, err) : -1;
}

static int on_pins(void *arg, const struct rsw_pin **pins, size_t *count, struct rsw_error *err) {
    struct server *server = arg;
    return rsw_in_use_again(&server->asking, pins, count, err);
}

/* A note if the index is not fit to sweep from yet. 0 or -1. */
static int tell_state(struct rsw_cli *cli, struct rsw_error *err) {
    struct rsw_state state;
    if (rsw_cli_state(cli, &state, err) != 0) {
        return -1;
    }
    const char *why = state.scan_seq == 0 ? "there was no complete scan yet"
                      : state.gap_seq > state.scan_seq
                          ? "the feed may have missed something since the last scan"
                          : NULL;
    if (why != NULL) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "%s: nothing is swept before one; run, beside this: regsweep scan --index %s --storage %s",
                why, cli->options.index, rsw_storage_url(cli->storage));
    }
    return 0;
}

/* Only where the registry is named: all its replicas take part in a sweep. */
static int start_sweeper(struct server *server, struct rsw_error *err) {
    struct rsw_cli *cli = server->cli;
    if (!rsw_cli_has_registry(cli)) {
        return 0;
    }
    server->audit_file = rsw_cli_audit_file(cli);
    if (server->audit_file == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    const struct rsw_sweeper_options options = {
        .index = cli->index,
        .storage = cli->storage,
        .open = on_open,
        .pins = on_pins,
        .arg = server,
        .lease = cli->lease,
        .audit_file = server->audit_file,
        .settle_ms = cli->options.settle_ms,
        .fence_timeout_ms = cli->options.fence_timeout_ms,
        .clock = cli->clock,
        .log = &cli->log,
    };
    server->asking = *cli;
    server->asking.pins = (struct rsw_pins){.count = 0};
    struct rsw_sweeper *sweeper = NULL;
    if (rsw_sweeper_start(&sweeper, &options, err) != 0) {
        return -1;
    }
    atomic_store(&server->sweeper, sweeper);
    return 0;
}

static const char *const further_paths[] = {RSW_SWEEPS_PATH, RSW_DELETIONS_PATH, NULL};

static int start(struct server *server, const struct tokens *tokens, struct rsw_error *err) {
    struct rsw_cli *cli = server->cli;
    const struct rsw_checker_options checks = {.clock = cli->clock,
                                               .log = &cli->log,
                                               .settle_ms = cli->options.settle_ms,
                                               .touched = on_touched,
                                               .arg = server};
    const struct rsw_feed_options options = {
        .listen = cli->options.listen,
        .token = tokens->feed,
        .tls_cert_file = cli->options.tls_cert,
        .tls_key_file = cli->options.tls_key,
        .clock = cli->clock,
        .log = &cli->log,
        .committed = on_committed,
        .metrics = on_metrics,
        .further_paths = further_paths,
        .further_token = tokens->sweeps,
        .further = tokens->sweeps != NULL ? on_further : on_no_further,
        .arg = server,
    };
    if (rsw_cli_has_registry(cli) && rsw_cli_open_lease(cli, err) != 0) {
        return -1;
    }
    if (rsw_reviver_start(&server->reviver, cli->index, cli->storage, cli->clock, &cli->log, err) != 0 ||
        rsw_checker_start(&server->checker, cli->index, cli->storage, &checks, err) != 0 ||
        rsw_sweep_runs_start(&server->runs, cli, err) != 0 ||
        rsw_callback_start(&server->callback, cli, tokens->callback, err) != 0 ||
        rsw_feed_start(&server->feed, cli->index, &options, err) != 0) {
        return -1;
    }
    /* A serve that cannot listen must not say that it runs. */
    if (rsw_beat_first(cli->index, cli->clock, &cli->log, err) != 0 || tell_state(cli, err) != 0) {
        return -1;
    }
    if (rsw_beat_start(&server->beat, cli->index, cli->clock, &cli->log, err) != 0 ||
        start_sweeper(server, err) != 0) {
        return -1;
    }
    struct rsw_schedule *schedule = NULL;
    if (cli->options.schedule != NULL && rsw_schedule_start(&schedule, cli, server->runs, err) != 0) {
        return -1;
    }
    atomic_store(&server->schedule, schedule);
    return 0;
}

/* Each uses those behind it. Metrics and sweeps may be asked for until the feed has stopped. */
static void stop(struct server *server) {
    rsw_callback_stop(server->callback);
    rsw_sweep_runs_stop(server->runs);
    rsw_schedule_stop(atomic_load(&server->schedule));
    rsw_sweeper_stop(atomic_load(&server->sweeper));
    rsw_feed_stop(server->feed);
    rsw_checker_stop(server->checker);
    rsw_reviver_stop(server->reviver);
    rsw_beat_stop(server->beat);
    rsw_sweeper_free(atomic_load(&server->sweeper));
    rsw_pins_release(&server->asking.pins);
    rsw_schedule_free(atomic_load(&server->schedule));
    rsw_sweep_runs_free(server->runs);
    rsw_callback_free(server->callback);
    free(server->audit_file);
}

static void notify(struct server *server, const char *state) {
    if (rsw_notify(server->notify_socket, state) != 0) {
        rsw_log(&server->cli->log, RSW_LOG_WARNING, "cannot tell the service manager %s: %s", state,
                strerror(errno));
        server->notify_socket = NULL; /* once is enough */
    }
}

/* Sleeps until one of the signals comes; pats the watchdog meanwhile. */
static void wait_for_end(struct server *server, const sigset_t *signals) {
    int64_t every_ms = rsw_notify_watchdog_ms(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), getpid());
    const struct timespec pause = {every_ms / 1000, every_ms % 1000 * 1000000};
    int number;
    do {
        number = every_ms > 0 ? sigtimedwait(signals, NULL, &pause) : sigwaitinfo(signals, NULL);
        if (number < 0 && errno == EAGAIN) {
            notify(server, "WATCHDOG=1");
        }
    } while (number < 0);
    rsw_log(&server->cli->log, RSW_LOG_INFO, "%s: stopping", number == SIGINT ? "interrupted" : "terminated");
}

static int run(struct server *server, const struct tokens *tokens) {
    struct rsw_cli *cli = server->cli;
    struct rsw_error err = RSW_ERROR_INIT;
    sigset_t signals;
    sigset_t before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    /* Before any thread starts, so that all of them inherit it and the wait below gets the signals. */
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    int status = RSW_EXIT_DONE;
    if (start(server, tokens, &err) != 0) {
        status = err.code == RSW_EINVAL ? rsw_cli_fail_usage(cli, &err) : rsw_cli_fail(cli, &err);
    } else {
        rsw_log(&cli->log, RSW_LOG_INFO, "listening on %s://%s/events",
                cli->options.tls_cert != NULL ? "https" : "http", rsw_feed_address(server->feed));
        notify(server, "READY=1");
        wait_for_end(server, &signals);
        notify(server, "STOPPING=1");
    }
    stop(server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* What a sweep could not be asked for with would only be told to whoever asks. */
static int load(struct tokens *tokens, struct rsw_cli *cli, struct rsw_error *err) {
    struct rsw_mark_options mark;
    for (size_t i = 0; i < cli->options.in_use.count; i++) {
        if (strcmp(cli->options.in_use.items[i], "-") == 0) {
            return rsw_error_set(err, RSW_EINVAL, 0,
                                 "--in-use -: each sweep asks anew what is in use, and standard input can be "
                                 "read once; give a file or --in-use-api");
        }
    }
    return rsw_cli_mark_options(cli, &mark, err) != 0 ||
                   rsw_token_load(&tokens->feed, &cli->options, &cli->log, err) != 0 ||
                   rsw_sweep_token_load(&tokens->sweeps, &cli->options, &cli->log, err) != 0 ||
                   rsw_callback_token_load(&tokens->callback, &cli->options, &cli->log, err) != 0
               ? -1
               : 0;
}

static int serve(struct rsw_cli *cli, struct tokens *tokens) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct server server = {.cli = cli, .notify_socket = getenv("NOTIFY_SOCKET")};
    const struct rsw_index_options how = {.create = true};
    if ((cli->options.tls_cert == NULL) != (cli->options.tls_key == NULL)) {
        return rsw_cli_usage(cli, "--tls-cert and --tls-key go together");
    }
    if (cli->options.schedule != NULL && !rsw_cli_has_registry(cli)) {
        return rsw_cli_usage(
            cli, "--schedule needs the running registry: give --registry URL, once for each replica");
    }
    if (load(tokens, cli, &err) != 0 ||
        (cli->options.schedule != NULL && rsw_cli_check_times(cli, &err) != 0)) {
        return rsw_cli_fail_options(cli, &err);
    }
    /* Two would mask each other's silence: a heart that beats says that all events were heard. */
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    if (rsw_cli_open_index(cli, &how, &err) != 0 || rsw_cli_check_storage(cli, &err) != 0 ||
        rsw_lock_take(&lock, cli->index, "serve", &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return run(&server, tokens);
}

int rsw_command_serve(struct rsw_cli *cli) {
    struct tokens tokens = {.feed = NULL};
    int status = serve(cli, &tokens);
    rsw_secret_free(&tokens.feed);
    rsw_secret_free(&tokens.sweeps);
    rsw_secret_free(&tokens.callback);
    return status;
}
