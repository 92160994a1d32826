/* regsweep scan: storage into the index. */
#include "cli.h"

#include "forget.h"
#include "progress.h"
#include "rebuild.h"

#include "util/text.h"

#include <inttypes.h>

static void on_progress(void *arg, const struct rsw_scan_progress *seen) {
    rsw_progress_show(arg, seen);
}

/* NULL where storage is a filesystem. */
static json_t *requests_to_json(const struct rsw_storage *storage) {
    struct rsw_storage_requests asked;
    rsw_storage_asked(storage, &asked);
    if (rsw_storage_requests_sum(&asked) == 0) {
        return json_null();
    }
    json_t *object = json_object();
    rsw_json_set(&object, "lists", rsw_json_number(asked.lists));
    rsw_json_set(&object, "reads", rsw_json_number(asked.reads));
    rsw_json_set(&object, "looks", rsw_json_number(asked.looks));
    rsw_json_set(&object, "writes", rsw_json_number(asked.writes));
    rsw_json_set(&object, "removals", rsw_json_number(asked.removals));
    return object;
}

static json_t *to_json(const struct rsw_cli *cli, const struct rsw_scan_result *result) {
    json_t *root = json_object();
    rsw_json_set(&root, "complete", json_boolean(result->complete));
    rsw_json_set(&root, "whole", json_boolean(result->whole));
    rsw_json_set(&root, "index", rsw_json_text(rsw_index_dir(cli->index)));
    rsw_json_set(&root, "storage", rsw_json_text(rsw_storage_url(cli->storage)));
    rsw_json_set(&root, "blobs", rsw_json_number(result->blobs));
    rsw_json_set(&root, "bytes", rsw_json_number(result->bytes));
    rsw_json_set(&root, "repositories", rsw_json_number(result->repositories));
    rsw_json_set(&root, "revisions", rsw_json_number(result->revisions));
    rsw_json_set(&root, "links", rsw_json_number(result->links));
    rsw_json_set(&root, "tags", rsw_json_number(result->tags));
    rsw_json_set(&root, "uploads", rsw_json_number(result->uploads));
    rsw_json_set(&root, "manifests_read", rsw_json_number(result->manifests_read));
    rsw_json_set(&root, "appeared", rsw_json_number(result->appeared));
    rsw_json_set(&root, "vanished", rsw_json_number(result->vanished));
    rsw_json_set(&root, "problems", rsw_json_number(result->problems));
    rsw_json_set(&root, "folders_unread", rsw_json_number(result->folders_unread));
    rsw_json_set(&root, "requests", requests_to_json(cli->storage));
    rsw_json_set(&root, "elapsed_ms", json_integer(result->elapsed_ms));
    return root;
}

static void print_text(struct rsw_cli *cli, const struct rsw_scan_result *result) {
    char size[32];
    const struct {
        const char *what;
        uint64_t count;
    } rows[] = {{"repositories", result->repositories}, {"tags", result->tags},
                {"revisions", result->revisions},       {"layer links", result->links},
                {"uploads", result->uploads},           {"manifests read", result->manifests_read},
                {"appeared", result->appeared},         {"vanished", result->vanished},
                {"problems", result->problems}};
    rsw_cli_line(cli, "%s in %.1f s: %s", result->complete ? "Complete" : "Not complete",
                 (double)result->elapsed_ms / 1000, rsw_storage_url(cli->storage));
    if (result->whole) {
        rsw_cli_line(cli, "  %-16s %12" PRIu64 "  %s", "blobs", result->blobs,
                     rsw_size_format(result->bytes, size, sizeof size));
    } else {
        rsw_cli_line(cli, "  %-16s   not listed", "blobs");
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rsw_cli_line(cli, "  %-16s %12" PRIu64, rows[i].what, rows[i].count);
    }
}

static int finish(struct rsw_cli *cli, const struct rsw_scan_result *result) {
    int status = RSW_EXIT_DONE;
    if (cli->options.json) {
        status = rsw_cli_json(cli, to_json(cli, result));
    } else {
        print_text(cli, result);
    }
    if (status == RSW_EXIT_DONE && !result->complete) {
        return rsw_cli_failf(cli,
                             "the scan is not complete: %" PRIu64
                             " %s could not be read, and nothing is swept until a scan can read all; the "
                             "lines above say what to do, then run it again",
                             result->folders_unread, result->folders_unread == 1 ? "folder" : "folders");
    }
    return status;
}

/* Storage answers in no order, and so the index was filled. */
static void pack(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    rsw_cli_close_index(cli);
    if (rsw_index_pack(cli->options.index, cli->options.map_size, &err) == RSW_FAILED) {
        rsw_log(&cli->log, RSW_LOG_WARNING, "the index is as good, but not as fast as it could be: %s",
                err.message);
    }
}

int rsw_command_scan(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_scan_result result = {.complete = false};
    struct rsw_progress progress;
    const struct rsw_index_options how = {.create = true, .rebuild = cli->options.rebuild};
    if ((how.rebuild ? rsw_rebuild_index : rsw_cli_open_index)(cli, &how, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    rsw_progress_init(&progress, cli);
    const struct rsw_scan_options options = {
        .threads = (unsigned)cli->options.threads,
        .settle_ms = cli->options.settle_ms,
        .links_only = cli->options.links_only,
        .clock = cli->clock,
        .log = &progress.log,
        .progress = on_progress,
        .stopped = rsw_cli_stopped,
        .arg = &progress,
    };
    rsw_cli_catch_stop();
    int64_t begun_ms = rsw_clock_now_ms(cli->clock);
    int failed = rsw_scan(&result, cli->index, cli->storage, &options, &err);
    rsw_deletions_tell_spared(cli->index, begun_ms, &progress.log, NULL);
    rsw_progress_end(&progress);
    if (failed != 0 && err.code == RSW_ESTOPPED) {
        return rsw_cli_failf(cli, "stopped; run it again");
    }
    if (failed != 0) {
        return rsw_cli_fail(cli, &err);
    }
    int status = finish(cli, &result);
    if (result.first && result.complete) {
        pack(cli);
    }
    return status;
}
