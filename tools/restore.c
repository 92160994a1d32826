/* regsweep restore: puts back what a sweep has in quarantine. */
#include "cli.h"

#include "gc/restore.h"
#include "oci/reference.h"

#include <inttypes.h>
#include <string.h>

static const char *const words[RSW_RESTORED_COUNT] = {"put back", "in place", "failed", "lost"};
static const char *const names[RSW_RESTORED_COUNT] = {"put_back", "in_place", "failed", "lost"};

struct printer {
    struct rsw_cli *cli;
    json_t *lists[RSW_RESTORED_COUNT]; /* with --json */
};

static void print_item(struct rsw_cli *cli, const struct rsw_restored_item *item) {
    char digest[RSW_DIGEST_TEXT_MAX] = "?";
    bool at = item->repo != NULL && item->tag == NULL;
    if (item->outcome == RSW_RESTORED_IN_PLACE && !cli->options.verbose) {
        return;
    }
    if (item->digest != NULL) {
        rsw_digest_format(item->digest, digest);
    }
    rsw_cli_line(cli, "%-8s  %-8s  %s%s%s%s", words[item->outcome], rsw_item_kind_name(item->kind),
                 item->repo != NULL ? item->repo : "", item->tag != NULL ? ":" : "",
                 item->tag != NULL ? item->tag
                 : at              ? "@"
                                   : "",
                 item->tag != NULL ? "" : digest);
}

static void on_item(void *arg, const struct rsw_restored_item *item) {
    struct printer *printer = arg;
    if (!printer->cli->options.json) {
        print_item(printer->cli, item);
        return;
    }
    json_t *object = json_object();
    rsw_json_set(&object, "kind", json_string(rsw_item_kind_name(item->kind)));
    rsw_json_set(&object, "repo", item->repo != NULL ? rsw_json_text(item->repo) : json_null());
    rsw_json_set(&object, "digest", item->digest != NULL ? rsw_json_digest(item->digest) : json_null());
    rsw_json_set(&object, "tag", item->tag != NULL ? rsw_json_text(item->tag) : json_null());
    rsw_json_append(&printer->lists[item->outcome], object);
}

static json_t *to_json(struct printer *printer) {
    json_t *root = json_object();
    for (int i = 0; i < RSW_RESTORED_COUNT; i++) {
        rsw_json_set(&root, names[i], printer->lists[i]);
        printer->lists[i] = NULL;
    }
    return root;
}

/* What is left to do, for whoever reads the end of the output. */
static void advise(struct rsw_cli *cli, const struct rsw_restore_result *result) {
    if (result->counts[RSW_RESTORED_FAILED] > 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "what failed is still in quarantine, and regsweep serve and the next sweep try again; or run "
                "this again once the cause is gone");
    }
    if (result->counts[RSW_RESTORED_LOST] > 0) {
        rsw_log(
            &cli->log, RSW_LOG_WARNING,
            "what is lost is neither in place nor in quarantine: a client deleted it, or it is purged; push "
            "it again");
    }
}

static int print_result(struct printer *printer, const struct rsw_restore_result *result) {
    struct rsw_cli *cli = printer->cli;
    const uint64_t *counts = result->counts;
    int status = RSW_EXIT_DONE;
    if (cli->options.json) {
        status = rsw_cli_json(cli, to_json(printer));
    } else {
        rsw_cli_line(cli, "%" PRIu64 " put back, %" PRIu64 " in place, %" PRIu64 " failed, %" PRIu64 " lost",
                     counts[RSW_RESTORED_PUT_BACK], counts[RSW_RESTORED_IN_PLACE],
                     counts[RSW_RESTORED_FAILED], counts[RSW_RESTORED_LOST]);
    }
    advise(cli, result);
    bool good = counts[RSW_RESTORED_FAILED] + counts[RSW_RESTORED_LOST] == 0;
    return status == RSW_EXIT_DONE && !good ? RSW_EXIT_FAILED : status;
}

static int run(struct rsw_cli *cli, struct rsw_restore_options *options) {
    const struct rsw_index_options how = {.create = false};
    struct rsw_error err = RSW_ERROR_INIT;
    struct printer printer = {.cli = cli};
    struct rsw_restore_result result;
    int status =
        rsw_cli_open_index(cli, &how, &err) != 0 ? rsw_cli_fail(cli, &err) : rsw_cli_need_storage(cli);
    if (status != RSW_EXIT_DONE) {
        return status;
    }
    for (int i = 0; i < RSW_RESTORED_COUNT && cli->options.json; i++) {
        printer.lists[i] = json_array();
    }
    options->clock = cli->clock;
    options->log = &cli->log;
    options->item = on_item;
    options->arg = &printer;
    status = rsw_restore(&result, cli->index, cli->storage, options, &err) != 0
                 ? rsw_cli_fail(cli, &err)
                 : print_result(&printer, &result);
    for (int i = 0; i < RSW_RESTORED_COUNT; i++) {
        json_decref(printer.lists[i]);
    }
    return status;
}

static int run_image(struct rsw_cli *cli, const char *text) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_reference reference;
    if (rsw_reference_parse(&reference, text, &err) != 0) {
        return rsw_cli_fail_usage(cli, &err);
    }
    if (!reference.has_digest && reference.tag[0] == 0) {
        return rsw_cli_usage(cli, "\"%s\" names no image: give NAME:TAG or NAME@DIGEST", text);
    }
    struct rsw_restore_options options = {.repo = reference.repository};
    if (reference.has_digest) {
        options.digest = &reference.digest; /* whatever tag is beside it */
    } else {
        options.tag = reference.tag;
    }
    return run(cli, &options);
}

int rsw_command_restore(struct rsw_cli *cli) {
    struct rsw_digest digest;
    struct rsw_restore_options options = {.generation = cli->options.generation};
    const char *text = cli->argument_count > 0 ? cli->arguments[0] : NULL;
    bool by_number = rsw_option_source(&cli->options, "generation") != RSW_SOURCE_DEFAULT;
    if (by_number == (text != NULL)) {
        return rsw_cli_usage(cli, "restore takes one of DIGEST, NAME:TAG, NAME@DIGEST and --generation N");
    }
    if (by_number && options.generation == 0) {
        return rsw_cli_usage(cli, "generations count from 1: regsweep inspect generations lists them");
    }
    if (by_number) {
        return run(cli, &options);
    }
    if (!rsw_digest_parse(&digest, text, strlen(text))) {
        return run_image(cli, text);
    }
    options.digest = &digest;
    return run(cli, &options);
}
