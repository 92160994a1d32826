/* regsweep serve: takes the registry's events into the index, until SIGTERM or SIGINT. */
#include "cli.h"

#include "notify.h"
#include "token.h"

#include "scan/checker.h"
#include "util/cleanup.h"

#include <regsweep/feed.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

struct server {
    struct rsw_cli *cli;
    _Atomic(struct rsw_checker *) checker; /* the feed's threads look at it, also before it runs */
    struct rsw_feed *feed;
    const char *notify_socket;
};

static void on_committed(void *arg, bool asked, bool touched) {
    struct server *server = arg;
    struct rsw_checker *checker = atomic_load(&server->checker);
    (void)touched;
    if (asked && checker != NULL) {
        rsw_checker_wake(checker);
    }
}

static void on_metrics(void *arg, void (*write)(void *to, const char *text), void *to) {
    struct server *server = arg;
    struct rsw_checker *checker = atomic_load(&server->checker);
    struct rsw_check_result result = {0};
    char text[1024];
    if (checker == NULL) {
        return;
    }
    rsw_checker_result(checker, &result);
    snprintf(text, sizeof text,
             "# HELP regsweep_checks_total Questions of the feed that storage has answered.\n"
             "# TYPE regsweep_checks_total counter\n"
             "regsweep_checks_total %" PRIu64 "\n"
             "# HELP regsweep_check_failures_total Times that storage could not tell; asked again later.\n"
             "# TYPE regsweep_check_failures_total counter\n"
             "regsweep_check_failures_total %" PRIu64 "\n"
             "# HELP regsweep_checks_waiting Questions that storage has yet to answer.\n"
             "# TYPE regsweep_checks_waiting gauge\n"
             "regsweep_checks_waiting %" PRIu64 "\n",
             result.done, result.failed, result.left);
    write(to, text);
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

static int start(struct server *server, const char *token, struct rsw_error *err) {
    struct rsw_cli *cli = server->cli;
    struct rsw_checker *checker = NULL;
    const struct rsw_feed_options options = {
        .listen = cli->options.listen,
        .token = token,
        .tls_cert_file = cli->options.tls_cert,
        .tls_key_file = cli->options.tls_key,
        .clock = cli->clock,
        .log = &cli->log,
        .committed = on_committed,
        .metrics = on_metrics,
        .arg = server,
    };
    if (tell_state(cli, err) != 0 ||
        rsw_checker_start(&checker, cli->index, cli->storage, cli->clock, &cli->log, err) != 0) {
        return -1;
    }
    atomic_store(&server->checker, checker);
    return rsw_feed_start(&server->feed, cli->index, &options, err);
}

static void stop(struct server *server) {
    rsw_feed_stop(server->feed); /* first: it wakes the checker */
    rsw_checker_stop(atomic_exchange(&server->checker, NULL));
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

static int run(struct server *server, const char *token) {
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
    if (start(server, token, &err) != 0) {
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

int rsw_command_serve(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct server server = {.cli = cli, .notify_socket = getenv("NOTIFY_SOCKET")};
    const struct rsw_index_options how = {.create = true};
    RSW_AUTO_FREE char *token = NULL;
    if ((cli->options.tls_cert == NULL) != (cli->options.tls_key == NULL)) {
        return rsw_cli_usage(cli, "--tls-cert and --tls-key go together");
    }
    if (rsw_token_load(&token, &cli->options, &cli->log, &err) != 0) {
        return err.code == RSW_EINVAL ? rsw_cli_fail_usage(cli, &err) : rsw_cli_fail(cli, &err);
    }
    if (rsw_cli_open_index(cli, &how, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return run(&server, token);
}
