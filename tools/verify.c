/* regsweep verify: the index held against storage. */
#include "cli.h"

#include <regsweep/verify.h>

#include <inttypes.h>

struct printer {
    struct rsw_cli *cli;
    json_t *findings; /* with --json */
};

static int on_finding(void *arg, const struct rsw_finding *finding) {
    struct printer *printer = arg;
    char digest[RSW_DIGEST_TEXT_MAX];
    char needs[RSW_DIGEST_TEXT_MAX] = "";
    if (!printer->cli->options.json) {
        if (finding->needs != NULL) {
            rsw_digest_format(finding->needs, needs);
        }
        rsw_cli_line(printer->cli, "%s  %s%s%s%s%s  %s%s%s", rsw_finding_name(finding->kind),
                     finding->repo != NULL ? finding->repo : "", finding->tag != NULL ? ":" : "",
                     finding->tag != NULL ? finding->tag : "", finding->repo != NULL ? "@" : "",
                     rsw_digest_format(finding->digest, digest), finding->problem, needs[0] != 0 ? ": " : "",
                     needs);
        return 0;
    }
    json_t *object = json_object();
    rsw_json_set(&object, "kind", json_string(rsw_finding_name(finding->kind)));
    rsw_json_set(&object, "repo", finding->repo != NULL ? rsw_json_text(finding->repo) : json_null());
    rsw_json_set(&object, "tag", finding->tag != NULL ? rsw_json_text(finding->tag) : json_null());
    rsw_json_set(&object, "digest", rsw_json_digest(finding->digest));
    rsw_json_set(&object, "needs", finding->needs != NULL ? rsw_json_digest(finding->needs) : json_null());
    rsw_json_set(&object, "problem", json_string(finding->problem));
    rsw_json_append(&printer->findings, object);
    return 0;
}

static json_t *to_json(struct printer *printer, const struct rsw_verify_result *result) {
    json_t *root = json_object();
    rsw_json_set(&root, "blobs", rsw_json_number(result->blobs));
    rsw_json_set(&root, "links", rsw_json_number(result->links));
    rsw_json_set(&root, "images", rsw_json_number(result->images));
    rsw_json_set(&root, "findings", printer->findings);
    printer->findings = NULL;
    return root;
}

/* An index of a scan that was cut short knows little, and all of that may be whole. */
static int warn_if_never_scanned(struct rsw_cli *cli, struct rsw_error *err) {
    struct rsw_state state;
    if (rsw_index_state(cli->index, &state, err) != 0) {
        return -1;
    }
    if (state.scan_seq == 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "there was no complete scan yet: what the index does not know is not looked at: run regsweep "
                "scan");
    }
    return 0;
}

int rsw_command_verify(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct printer printer = {.cli = cli, .findings = cli->options.json ? json_array() : NULL};
    const struct rsw_verify_options options = {
        .finding = on_finding,
        .stopped = rsw_cli_stopped,
        .arg = &printer,
    };
    rsw_cli_catch_stop();
    struct rsw_verify_result result;
    int status = RSW_EXIT_DONE;
    if (warn_if_never_scanned(cli, &err) != 0 ||
        rsw_verify(&result, cli->index, cli->storage, &options, &err) != 0) {
        status = rsw_cli_fail(cli, &err);
    } else if (cli->options.json) {
        status = rsw_cli_json(cli, to_json(&printer, &result));
    } else {
        rsw_cli_line(cli, "%" PRIu64 " blobs, %" PRIu64 " links, %" PRIu64 " images: %" PRIu64 " findings",
                     result.blobs, result.links, result.images, result.total);
    }
    json_decref(printer.findings);
    return status == RSW_EXIT_DONE && result.total > 0 ? RSW_EXIT_FAILED : status;
}
