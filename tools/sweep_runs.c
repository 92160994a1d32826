#include "sweep_runs.h"

#include "registry.h"
#include "sweep.h"

#include "util/text.h"
#include "util/useragent.h"
#include "util/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_MS 3600000 /* it is woken */

struct line {
    enum rsw_log_level level;
    char *text; /* owned */
};

struct run {
    char id[RSW_SWEEP_ID_MAX]; /* "": none */
    uint64_t number;
    int64_t begun_ms;
    int64_t ended_ms; /* 0: it runs */
    struct line log[RSW_SWEEP_LOG_MAX];
    size_t log_count;
    /* Where it is; of a scan if that has begun and not finished. */
    struct rsw_sweep_progress progress;
    struct rsw_scan_progress scan;
    bool has_progress;
    bool scans;
    /* What came of it. */
    int exit;
    struct rsw_error err;
    char *result; /* owned; NULL: none */
    size_t result_len;
};

struct rsw_sweep_runs {
    struct rsw_worker worker;
    struct rsw_log log;                 /* of a run: noted, and written to that of serve */
    struct rsw_cli cli;                 /* of the run: serve's, with options of its own */
    struct rsw_sweep_listener listener; /* of the run */
    struct run *current;                /* under the worker's lock, as what follows; NULL: none runs */
    struct run runs[RSW_SWEEP_RUNS];
    struct rsw_sweep_runs_stats stats;
    const struct rsw_cli *serve;
};

/* ---- looking on, from the threads of a run ---- */

static void on_log(void *arg, enum rsw_log_level level, const char *line) {
    struct rsw_sweep_runs *runs = arg;
    rsw_log(&runs->serve->log, level, "%s", line);
    pthread_mutex_lock(&runs->worker.lock);
    struct run *run = runs->current;
    if (level <= RSW_LOG_INFO && run->log_count < RSW_SWEEP_LOG_MAX) {
        bool last = run->log_count + 1 == RSW_SWEEP_LOG_MAX;
        char *text = strdup(last ? "there is more: see the log of serve" : line);
        if (text != NULL) {
            run->log[run->log_count++] = (struct line){level, text};
        }
    }
    pthread_mutex_unlock(&runs->worker.lock);
}

static void on_scan_progress(void *arg, const struct rsw_scan_progress *seen) {
    struct rsw_sweep_runs *runs = arg;
    pthread_mutex_lock(&runs->worker.lock);
    runs->current->scan = *seen;
    runs->current->scans = !seen->finished;
    pthread_mutex_unlock(&runs->worker.lock);
}

static void on_progress(void *arg, const struct rsw_sweep_progress *seen) {
    struct rsw_sweep_runs *runs = arg;
    pthread_mutex_lock(&runs->worker.lock);
    runs->current->progress = *seen;
    runs->current->has_progress = true;
    pthread_mutex_unlock(&runs->worker.lock);
}

static bool on_stopped(void *arg) {
    struct rsw_sweep_runs *runs = arg;
    return rsw_worker_is_stopping(&runs->worker);
}

/* ---- a run ---- */

static void run_clear(struct run *run) {
    for (size_t i = 0; i < run->log_count; i++) {
        free(run->log[i].text);
    }
    free(run->result);
    memset(run, 0, sizeof *run);
}

/* As the command would, with its results in memory. */
static int sweep(struct rsw_sweep_runs *runs, char **result, size_t *len, struct rsw_error *err) {
    struct rsw_cli *cli = &runs->cli;
    struct rsw_sweep_options options;
    const struct rsw_sweep_watch watch = {.log = &runs->log,
                                          .scan_progress = on_scan_progress,
                                          .progress = on_progress,
                                          .stopped = on_stopped,
                                          .arg = runs};
    cli->out = open_memstream(result, len);
    if (cli->out == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return RSW_EXIT_FAILED;
    }
    int status = rsw_sweep_read_options(&options, cli, err) != 0 ? RSW_EXIT_USAGE
                                                                 : rsw_sweep_run(cli, &options, &watch, err);
    bool lost = ferror(cli->out) != 0 || (status != RSW_EXIT_DONE && err->code == RSW_OK);
    if (fclose(cli->out) != 0 || lost) {
        free(*result);
        *result = NULL;
        *len = 0;
        rsw_error_set(err, RSW_ENOMEM, 0, "no memory for the result of the sweep");
        return status != RSW_EXIT_DONE ? status : RSW_EXIT_FAILED;
    }
    return status;
}

/* The older ones give up their results while all together are too long. */
static void forget_results(struct rsw_sweep_runs *runs) {
    for (;;) {
        struct run *oldest = NULL;
        size_t sum = 0;
        for (size_t i = 0; i < RSW_SWEEP_RUNS; i++) {
            struct run *run = &runs->runs[i];
            sum += run->result_len;
            if (run->result != NULL && run != runs->current &&
                (oldest == NULL || run->number < oldest->number)) {
                oldest = run;
            }
        }
        if (sum <= RSW_SWEEP_RESULTS_MAX || oldest == NULL) {
            return;
        }
        run_clear(oldest);
    }
}

static void carry_out(struct rsw_sweep_runs *runs) {
    struct run *run = runs->current;
    struct rsw_error err = RSW_ERROR_INIT;
    char *result = NULL;
    size_t len = 0;
    rsw_log(&runs->serve->log, RSW_LOG_INFO, "sweep %s, which was asked for, begins%s", run->id,
            runs->cli.options.confirm ? "" : "; it changes nothing");
    int status = sweep(runs, &result, &len, &err);
    rsw_log(&runs->serve->log, status == RSW_EXIT_DONE ? RSW_LOG_INFO : RSW_LOG_ERROR,
            "sweep %s ended with status %d%s%s", run->id, status, err.message[0] != 0 ? ": " : "",
            err.message);
    if (runs->listener.ended != NULL) {
        runs->listener.ended(runs->listener.arg, status);
    }
    rsw_cli_settle_lease(runs->serve); /* taken for it, and it may have ended before it began */
    pthread_mutex_lock(&runs->worker.lock);
    run->exit = status;
    run->err = err;
    run->result = result;
    run->result_len = len > 0 && result[len - 1] == '\n' ? len - 1 : len; /* of a line */
    run->ended_ms = rsw_clock_now_ms(runs->serve->clock);
    forget_results(runs);
    runs->stats.failed += status != RSW_EXIT_DONE;
    runs->stats.last_failed = status != RSW_EXIT_DONE;
    rsw_cli_release_options(&runs->cli);
    runs->current = NULL;
    pthread_mutex_unlock(&runs->worker.lock);
}

static bool is_waiting(struct rsw_sweep_runs *runs) {
    pthread_mutex_lock(&runs->worker.lock);
    bool waiting = runs->current != NULL;
    pthread_mutex_unlock(&runs->worker.lock);
    return waiting;
}

static void *work(void *arg) {
    struct rsw_sweep_runs *runs = arg;
    while (!rsw_worker_wait(&runs->worker, IDLE_MS)) {
        if (is_waiting(runs)) {
            carry_out(runs);
        }
    }
    return NULL;
}

/* ---- asking for one ---- */

/* What serve was started with is what its operator vouches for: how long a request can take, for how long
 * what was taken can be restored, how much may go. Whoever has no more than the token gets no more. */
static int check_not_shorter(const char *name, int64_t asked_ms, int64_t serve_ms, struct rsw_error *err) {
    char asked[32];
    char serve[32];
    return asked_ms >= serve_ms
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0,
                               "%s: %s is shorter than the %s of serve; it can only be longer", name,
                               rsw_duration_format(asked_ms, asked, sizeof asked),
                               rsw_duration_format(serve_ms, serve, sizeof serve));
}

static int check_limits(const struct rsw_options *asked, const struct rsw_options *serve,
                        struct rsw_error *err) {
    if (check_not_shorter("settle", asked->settle_ms, serve->settle_ms, err) != 0 ||
        check_not_shorter("quarantine", asked->quarantine_ms, serve->quarantine_ms, err) != 0 ||
        check_not_shorter("grace", asked->grace_ms, serve->grace_ms, err) != 0 ||
        check_not_shorter("upload_max_age", asked->upload_max_age_ms, serve->upload_max_age_ms, err) != 0) {
        return -1;
    }
    if (asked->max_delete > serve->max_delete) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "max_delete: %" PRIu64 " is more than the %" PRIu64
                             " of serve; it can only be less",
                             asked->max_delete, serve->max_delete);
    }
    return strcmp(asked->untagged, "remove") == 0 && strcmp(serve->untagged, "remove") != 0
               ? rsw_error_set(err, RSW_EINVAL, 0,
                               "untagged: serve keeps them; start it with --untagged remove to allow that")
               : 0;
}

/* What the command would refuse before it begins is refused before it is begun. */
static int check(struct rsw_cli *cli, const struct rsw_options *serve, struct rsw_error *err) {
    struct rsw_sweep_options options;
    if ((cli->options.confirm && check_limits(&cli->options, serve, err) != 0) ||
        rsw_sweep_read_options(&options, cli, err) != 0) {
        return -1;
    }
    if (!options.confirm) {
        return 0;
    }
    if (!rsw_cli_has_registry(cli)) {
        return rsw_error_set(err, RSW_EREFUSED, 0,
                             "nothing was removed: serve does not know the running registry; start it with "
                             "--registry URL, once for each replica");
    }
    cli->log = (struct rsw_log){.write = NULL}; /* the run warns */
    return rsw_cli_check_times(cli, err);
}

/* Under the lock: the place of the oldest. */
static struct run *place_of_next(struct rsw_sweep_runs *runs) {
    struct run *oldest = &runs->runs[0];
    for (size_t i = 1; i < RSW_SWEEP_RUNS; i++) {
        oldest = runs->runs[i].number < oldest->number ? &runs->runs[i] : oldest;
    }
    run_clear(oldest);
    return oldest;
}

/* Under the lock. */
static int begin(struct rsw_sweep_runs *runs, struct rsw_cli *cli, struct rsw_sweep_listener listener,
                 char id[RSW_SWEEP_ID_MAX], struct rsw_error *err) {
    if (runs->worker.stopping) {
        return rsw_error_set(err, RSW_ESTOPPED, 0, "serve is being stopped");
    }
    if (runs->current != NULL) {
        memcpy(id, runs->current->id, RSW_SWEEP_ID_MAX);
        return rsw_error_set(err, RSW_EBUSY, 0, "the sweep %s, which was asked for before, is running", id);
    }
    if (check(cli, &runs->serve->options, err) != 0 || rsw_nonce(id, RSW_SWEEP_ID_MAX, err) != 0) {
        return -1;
    }
    struct run *run = place_of_next(runs);
    memcpy(run->id, id, RSW_SWEEP_ID_MAX);
    run->number = ++runs->stats.begun;
    run->begun_ms = rsw_clock_now_ms(runs->serve->clock);
    cli->log = runs->log;
    runs->cli = *cli;
    runs->listener = listener;
    runs->current = run;
    return 0;
}

int rsw_sweep_runs_begin(struct rsw_sweep_runs *runs, struct rsw_options *options,
                         struct rsw_sweep_listener listener, char id[RSW_SWEEP_ID_MAX],
                         struct rsw_error *err) {
    struct rsw_cli cli = *runs->serve;
    cli.command = rsw_command_find(rsw_command_table, "sweep");
    cli.options = *options;
    cli.options.json = true;
    cli.list_max = RSW_SWEEP_LIST_MAX;
    cli.pins = (struct rsw_pins){.count = 0};
    cli.policy = NULL;
    *options = (struct rsw_options){.sources = NULL};
    pthread_mutex_lock(&runs->worker.lock);
    int rc = begin(runs, &cli, listener, id, err);
    pthread_mutex_unlock(&runs->worker.lock);
    if (rc != 0) {
        rsw_cli_release_options(&cli);
        return -1;
    }
    rsw_worker_wake(&runs->worker);
    return 0;
}

/* ---- telling ---- */

static json_t *log_of(const struct run *run) {
    static const char *const levels[] = {"error", "warning", "info"};
    json_t *log = json_array();
    for (size_t i = 0; i < run->log_count; i++) {
        json_t *line = json_object();
        rsw_json_set(&line, "level", json_string(levels[run->log[i].level]));
        rsw_json_set(&line, "text", rsw_json_text(run->log[i].text));
        rsw_json_append(&log, line);
    }
    return log;
}

static json_t *scan_of(const struct rsw_scan_progress *seen) {
    json_t *told = json_object();
    rsw_json_set(&told, "phase", json_string("scan"));
    rsw_json_set(&told, "done", rsw_json_number(seen->repositories));
    rsw_json_set(&told, "total", rsw_json_number(seen->repositories_known));
    rsw_json_set(&told, "blobs", rsw_json_number(seen->blobs));
    rsw_json_set(&told, "links", rsw_json_number(seen->links));
    rsw_json_set(&told, "elapsed_ms", json_integer(seen->elapsed_ms));
    return told;
}

static json_t *progress_of(const struct run *run) {
    const struct rsw_sweep_progress *seen = &run->progress;
    if (run->ended_ms != 0 || (!run->scans && !run->has_progress)) {
        return json_null();
    }
    if (run->scans) {
        return scan_of(&run->scan);
    }
    json_t *told = json_object();
    rsw_json_set(&told, "phase", json_string(seen->phase));
    rsw_json_set(&told, "done", rsw_json_number(seen->done));
    rsw_json_set(&told, "total", rsw_json_number(seen->total));
    rsw_json_set(&told, "freed_bytes", rsw_json_number(seen->freed));
    rsw_json_set(&told, "wait_ms", json_integer(seen->wait_ms));
    return told;
}

static json_t *head_of(const struct run *run) {
    json_t *head = json_object();
    rsw_json_set(&head, "id", json_string(run->id));
    rsw_json_set(&head, "state", json_string(run->ended_ms == 0 ? "running" : "ended"));
    rsw_json_set(&head, "begun", rsw_json_time(run->begun_ms));
    rsw_json_set(&head, "ended", rsw_json_time(run->ended_ms));
    rsw_json_set(&head, "log", log_of(run));
    rsw_json_set(&head, "progress", progress_of(run));
    if (run->ended_ms != 0) {
        rsw_json_set(&head, "exit", json_integer(run->exit));
        rsw_json_set(&head, "error",
                     run->err.message[0] != 0 ? rsw_json_text(run->err.message) : json_null());
    }
    return head;
}

/* The result goes in as it is: it can be long. */
static int write_run(FILE *out, const struct run *run) {
    json_t *head = head_of(run);
    int rc = head == NULL ? -1 : 0;
    fputc('{', out);
    rc = rc == 0 ? json_dumpf(head, out, JSON_COMPACT | JSON_EMBED) : rc;
    json_decref(head);
    if (run->ended_ms != 0) {
        fputs(",\"result\":", out);
        fwrite(run->result_len > 0 ? run->result : "null", 1, run->result_len > 0 ? run->result_len : 4, out);
    }
    fputs("}\n", out);
    return rc != 0 || ferror(out) ? -1 : 0;
}

static int tell(const struct run *run, char **json, size_t *len) {
    FILE *out = open_memstream(json, len);
    if (out == NULL) {
        return -1;
    }
    int rc = write_run(out, run);
    if (fclose(out) != 0 || rc != 0) {
        free(*json);
        *json = NULL;
        return -1;
    }
    return 0;
}

int rsw_sweep_runs_tell(struct rsw_sweep_runs *runs, const char *id, char **json, size_t *len) {
    int answer = RSW_ABSENT;
    *json = NULL;
    pthread_mutex_lock(&runs->worker.lock);
    for (size_t i = 0; i < RSW_SWEEP_RUNS; i++) {
        if (id[0] != 0 && strcmp(runs->runs[i].id, id) == 0) {
            answer = tell(&runs->runs[i], json, len) == 0 ? RSW_FOUND : RSW_FAILED;
        }
    }
    pthread_mutex_unlock(&runs->worker.lock);
    return answer;
}

void rsw_sweep_runs_stats(struct rsw_sweep_runs *runs, struct rsw_sweep_runs_stats *out) {
    pthread_mutex_lock(&runs->worker.lock);
    *out = runs->stats;
    out->running = runs->current != NULL;
    pthread_mutex_unlock(&runs->worker.lock);
}

/* ---- start and stop ---- */

int rsw_sweep_runs_start(struct rsw_sweep_runs **out, const struct rsw_cli *serve, struct rsw_error *err) {
    struct rsw_sweep_runs *runs = calloc(1, sizeof *runs);
    if (runs == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    runs->serve = serve;
    runs->log = (struct rsw_log){serve->log.level, on_log, runs};
    if (rsw_worker_start(&runs->worker, work, runs, err) != 0) {
        free(runs);
        return -1;
    }
    *out = runs;
    return 0;
}

void rsw_sweep_runs_stop(struct rsw_sweep_runs *runs) {
    if (runs != NULL) {
        rsw_worker_stop(&runs->worker);
    }
}

void rsw_sweep_runs_free(struct rsw_sweep_runs *runs) {
    if (runs == NULL) {
        return;
    }
    if (runs->current != NULL) { /* it was not begun any more */
        rsw_cli_release_options(&runs->cli);
    }
    for (size_t i = 0; i < RSW_SWEEP_RUNS; i++) {
        run_clear(&runs->runs[i]);
    }
    rsw_worker_release(&runs->worker);
    free(runs);
}
