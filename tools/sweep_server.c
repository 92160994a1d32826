/* regsweep sweep --server: asks the serve there for a sweep, follows it, and tells what comes of it. Who does
 * that may go away at any time: the sweep goes on. */
#include "sweep.h"

#include "at_server.h"
#include "progress.h"
#include "sweep_answer.h"
#include "sweep_request.h"

#include "util/cleanup.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_FIRST_MS 100
#define POLL_MAX_MS 2000
#define PATIENCE_MS 30000 /* with a server that does not answer any more */
#define ID_MAX 64
#define PATH "/sweeps"

struct asked {
    struct rsw_cli *cli;
    struct rsw_server *server;
    struct rsw_progress progress;
    char path[sizeof PATH + 1 + ID_MAX]; /* of the run */
    size_t log_told;                     /* lines */
    int64_t heard_ms;                    /* monotonic; of it, last */
};

/* ---- options ---- */

/* Those of a sweep that are about this end. */
static bool is_of_here(const struct rsw_option *option) {
    static const char *const names[] = {"config",
                                        "json",
                                        "quiet",
                                        "verbose",
                                        "help",
                                        "version",
                                        "server",
                                        "server-ca",
                                        "sweep-token-file",
                                        "sweep-token",
                                        "pins",
                                        "in-use",
                                        "in-use-api",
                                        "in-use-token-file",
                                        "in-use-ca",
                                        "registry-name",
                                        "image-stream-revisions",
                                        "in-use-young",
                                        "ignore-bad-references"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(option->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What stands farther away than --server (a line of a file, say) is for sweeps that are done here. */
static int check_options(const struct rsw_cli *cli, struct rsw_error *err) {
    enum rsw_source server = rsw_option_source(&cli->options, "server");
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        enum rsw_source source = rsw_option_source(&cli->options, option->name);
        if ((option->commands & RSW_FOR_SWEEP) != 0 && (option->places & RSW_IN_REQUEST) == 0 &&
            !is_of_here(option) && source >= server) {
            return rsw_error_set(
                err, RSW_EINVAL, 0,
                "--%s does not go with --server: the serve there has its own, and its registry "
                "runs",
                option->name);
        }
    }
    return 0;
}

static int ask(json_t **out, struct asked *asked, const char *method, const char *json,
               struct rsw_error *err) {
    return rsw_at_server_ask(out, asked->server, method, asked->path, json, err);
}

static int failed(const struct asked *asked, const char *what, int status, const json_t *answer,
                  struct rsw_error *err) {
    return rsw_at_server_failed(asked->server, what, asked->path, status, answer, err);
}

/* ---- following ---- */

static uint64_t count_of(const json_t *object, const char *name) {
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static void show_progress(struct asked *asked, const json_t *seen) {
    const char *phase = json_string_value(json_object_get(seen, "phase"));
    if (phase == NULL) {
        return;
    }
    if (strcmp(phase, "scan") == 0) {
        const struct rsw_scan_progress scan = {.repositories = count_of(seen, "done"),
                                               .repositories_known = count_of(seen, "total"),
                                               .blobs = count_of(seen, "blobs"),
                                               .links = count_of(seen, "links"),
                                               .elapsed_ms = (int64_t)count_of(seen, "elapsed_ms")};
        rsw_progress_show(&asked->progress, &scan);
        return;
    }
    char clean[64];
    snprintf(clean, sizeof clean, "%s", phase);
    rsw_text_clean(clean);
    const struct rsw_sweep_progress sweep = {.phase = clean,
                                             .wait_ms = (int64_t)count_of(seen, "wait_ms"),
                                             .done = count_of(seen, "done"),
                                             .total = count_of(seen, "total"),
                                             .freed = count_of(seen, "freed_bytes")};
    rsw_progress_show_sweep(&asked->progress, &sweep);
}

static void tell_log(struct asked *asked, const json_t *log) {
    for (; asked->log_told < json_array_size(log); asked->log_told++) {
        const json_t *line = json_array_get(log, asked->log_told);
        const char *level = json_string_value(json_object_get(line, "level"));
        const char *text = json_string_value(json_object_get(line, "text"));
        if (level != NULL && text != NULL) {
            rsw_log(&asked->progress.log,
                    strcmp(level, "error") == 0     ? RSW_LOG_ERROR
                    : strcmp(level, "warning") == 0 ? RSW_LOG_WARNING
                                                    : RSW_LOG_INFO,
                    "%s", text);
        }
    }
}

/* RSW_FOUND: it has ended, and *run is the caller's; RSW_ABSENT: it has not, or nothing was heard for now. */
static int look(json_t **run, struct asked *asked, struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    RSW_AUTO_JSON *answer = NULL;
    int status = ask(&answer, asked, "GET", NULL, &why);
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (status == 200 && state != NULL) {
        asked->heard_ms = rsw_monotonic_ms();
        tell_log(asked, json_object_get(answer, "log"));
        show_progress(asked, json_object_get(answer, "progress"));
        *run = strcmp(state, "ended") == 0 ? json_incref(answer) : NULL;
        return *run != NULL ? RSW_FOUND : RSW_ABSENT;
    }
    if (status == 404 && json_object_get(answer, "error") != NULL) {
        return rsw_error_set(
            err, RSW_EIO, 0,
            "the serve at %s was started anew and knows nothing of this sweep any more; what it had "
            "taken goes on there, the next sweep begins the rest",
            rsw_server_url(asked->server));
    }
    bool passes = why.code == RSW_EIO || status >= 500;
    if (passes && rsw_monotonic_ms() - asked->heard_ms < PATIENCE_MS) {
        return RSW_ABSENT;
    }
    if (status >= 0) {
        failed(asked, "GET", status, answer, &why);
    }
    return rsw_error_set(err, why.code, why.errnum, "what becomes of the sweep could not be learned: %s",
                         why.message);
}

static int follow(json_t **run, struct asked *asked, struct rsw_error *err) {
    int64_t pause_ms = POLL_FIRST_MS;
    for (;;) {
        int answer = look(run, asked, err);
        if (answer != RSW_ABSENT) {
            return answer == RSW_FOUND ? 0 : -1;
        }
        const struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        if (rsw_cli_stopped(NULL)) {
            return rsw_error_set(err, RSW_ESTOPPED, 0,
                                 "not waited for any longer: the sweep goes on, see %s%s",
                                 rsw_server_url(asked->server), asked->path);
        }
        pause_ms = 2 * pause_ms < POLL_MAX_MS ? 2 * pause_ms : POLL_MAX_MS;
    }
}

/* ---- the whole ---- */

static int begin(struct asked *asked, struct rsw_error *err) {
    RSW_AUTO_JSON *body = rsw_sweep_request_write(&asked->cli->options);
    RSW_AUTO_JSON *answer = NULL;
    RSW_AUTO_FREE char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    if (text == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    snprintf(asked->path, sizeof asked->path, PATH);
    int status = ask(&answer, asked, "POST", text, err);
    const char *id = json_string_value(json_object_get(answer, "id"));
    if (status < 0) {
        return -1;
    }
    if (status != 202 || id == NULL || strlen(id) > ID_MAX ||
        strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-") != strlen(id)) {
        return failed(asked, "POST", status, answer, err);
    }
    snprintf(asked->path, sizeof asked->path, PATH "/%s", id);
    asked->heard_ms = rsw_monotonic_ms();
    rsw_log(&asked->cli->log, RSW_LOG_INFO, "the sweep runs at %s%s", rsw_server_url(asked->server),
            asked->path);
    return 0;
}

/* As the command would have ended there. */
static int end(struct rsw_cli *cli, const json_t *run) {
    struct rsw_error err = RSW_ERROR_INIT;
    json_t *result = json_object_get(run, "result");
    const json_t *exit = json_object_get(run, "exit");
    const char *error = json_string_value(json_object_get(run, "error"));
    int told = RSW_EXIT_DONE;
    if (!json_is_integer(exit) || json_integer_value(exit) < 0 || json_integer_value(exit) > 255) {
        return rsw_cli_failf(cli, "the server does not say how the sweep ended: is another version there?");
    }
    if (json_is_object(result) && cli->options.json) {
        told = rsw_cli_json(cli, json_incref(result));
    } else if (json_is_object(result) && rsw_sweep_answer_tell(cli, result, &err) != 0) {
        told = rsw_cli_fail(cli, &err);
    }
    int status = (int)json_integer_value(exit);
    if (status == RSW_EXIT_USAGE) {
        return rsw_cli_usage(cli, "%s", error != NULL ? error : "the server refuses the options");
    }
    if (error != NULL) {
        rsw_cli_failf(cli, "%s", error);
    }
    return status != RSW_EXIT_DONE ? status : told;
}

static int run(struct asked *asked) {
    struct rsw_cli *cli = asked->cli;
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_JSON *run = NULL;
    rsw_cli_catch_stop();
    rsw_progress_init(&asked->progress, cli);
    int rc = begin(asked, &err) == 0 ? follow(&run, asked, &err) : -1;
    rsw_progress_end(&asked->progress);
    if (rc == 0) {
        return end(cli, run);
    }
    return err.code == RSW_EINVAL ? rsw_cli_fail_usage(cli, &err) : rsw_cli_fail(cli, &err);
}

int rsw_sweep_at_server(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct asked asked = {.cli = cli};
    RSW_AUTO_SERVER *server = NULL;
    if (check_options(cli, &err) != 0) {
        return rsw_cli_fail_usage(cli, &err);
    }
    int status = rsw_at_server_open(&server, cli);
    asked.server = server;
    return status == RSW_EXIT_DONE ? run(&asked) : status;
}
