#include "forget_server.h"

#include "at_server.h"
#include "forget.h"
#include "serve_deletions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One question; `wanted` is the status that says that it was done. RSW_EXIT_DONE with *answer the caller's,
 * or it has said what is wrong. */
static int ask(json_t **answer, struct rsw_cli *cli, const char *method, const char *path, const char *body,
               int wanted) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_SERVER *server = NULL;
    *answer = NULL;
    int opened = rsw_at_server_open(&server, cli);
    if (opened != RSW_EXIT_DONE) {
        return opened;
    }
    int status = rsw_at_server_ask(answer, server, method, path, body, &err);
    if (status == wanted && json_is_object(*answer)) {
        return RSW_EXIT_DONE;
    }
    if (status >= 0) {
        rsw_at_server_failed(server, method, path, status, *answer, &err);
    }
    return rsw_cli_fail(cli, &err);
}

/* Takes `answer`. */
static int tell(struct rsw_cli *cli, json_t *answer) {
    struct rsw_deletion deletion;
    if (cli->options.json) {
        return rsw_cli_json(cli, answer);
    }
    bool read = rsw_deletion_from_json(&deletion, answer);
    struct rsw_stays stays = {.pinned = 0};
    rsw_stays_from_json(&stays, answer);
    json_decref(answer);
    if (!read) {
        return rsw_cli_failf(cli, "the server answers something else: is another version there?");
    }
    rsw_others_warn(&deletion, &cli->log);
    rsw_stays_warn(&stays, &deletion, &cli->log);
    rsw_deletion_print(cli, &deletion);
    return RSW_EXIT_DONE;
}

int rsw_forget_at_server(struct rsw_cli *cli, enum rsw_deletion_kind kind) {
    json_t *asked = json_object();
    json_t *answer;
    rsw_json_set(&asked, "kind", json_string(rsw_deletion_kind_name(kind)));
    rsw_json_set(&asked, "name", json_string(cli->arguments[0]));
    if (cli->options.note != NULL) {
        rsw_json_set(&asked, "note", json_string(cli->options.note));
    }
    char *body = asked != NULL ? json_dumps(asked, JSON_COMPACT) : NULL;
    json_decref(asked);
    if (body == NULL) {
        return rsw_cli_failf(cli, "what is asked for is no UTF-8, or there is no memory");
    }
    int status = ask(&answer, cli, "POST", RSW_DELETIONS_PATH, body, 201);
    free(body);
    if (status == RSW_EXIT_DONE) {
        return tell(cli, answer);
    }
    json_decref(answer);
    return status;
}

int rsw_forget_list_at_server(struct rsw_cli *cli) {
    json_t *answer;
    int status = ask(&answer, cli, "GET", RSW_DELETIONS_PATH, NULL, 200);
    if (status == RSW_EXIT_DONE && cli->options.json) {
        return rsw_cli_json(cli, answer);
    }
    const json_t *list = json_object_get(answer, "deletions");
    for (size_t i = 0; status == RSW_EXIT_DONE && i < json_array_size(list); i++) {
        struct rsw_deletion deletion;
        if (rsw_deletion_from_json(&deletion, json_array_get(list, i))) {
            rsw_deletion_print(cli, &deletion);
        }
    }
    json_decref(answer);
    return status;
}

int rsw_forget_cancel_at_server(struct rsw_cli *cli, uint64_t id) {
    char path[64];
    json_t *answer;
    snprintf(path, sizeof path, RSW_DELETIONS_PATH "/%" PRIu64, id);
    int status = ask(&answer, cli, "DELETE", path, NULL, 200);
    if (status == RSW_EXIT_DONE) {
        return tell(cli, answer);
    }
    json_decref(answer);
    return status;
}
