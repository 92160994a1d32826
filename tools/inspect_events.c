/* regsweep inspect events: events that could not be used, as they came. */
#include "inspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 400 /* bytes of a body, for people */

/* The body as a text: it may hold anything, a NUL too, which ends no text here. */
static char *body_text(const struct rsw_kept_event *event) {
    char *text = malloc(event->body_len + 1);
    if (text != NULL) {
        for (size_t i = 0; i < event->body_len; i++) {
            text[i] = (char)(event->body[i] != 0 ? event->body[i] : '?');
        }
        text[event->body_len] = 0;
    }
    return text;
}

static json_t *to_json(const struct rsw_kept_event *event, const char *body) {
    json_t *object = json_object();
    rsw_json_set(&object, "number", rsw_json_number(event->number));
    rsw_json_set(&object, "received", rsw_json_time(event->received_ms));
    rsw_json_set(&object, "reason", rsw_json_text(event->reason));
    rsw_json_set(&object, "body", rsw_json_text(body));
    return object;
}

static void print(struct rsw_cli *cli, const struct rsw_kept_event *event, const char *body) {
    char time[40];
    rsw_cli_line(cli, "%" PRIu64 "  %s  %s", event->number,
                 rsw_inspect_time(event->received_ms, time, sizeof time), event->reason);
    rsw_cli_line(cli, strlen(body) > SHOWN_MAX ? "    %.*s... (--json has all of it)" : "    %.*s", SHOWN_MAX,
                 body);
}

int rsw_inspect_events(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_event event;
    if (rsw_txn_begin_read(&txn, cli->index, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    json_t *events = json_array();
    uint64_t count = 0;
    for (rsw_iter_kept_events(&iter, txn); rsw_kept_event_next(&iter, &event) == RSW_FOUND; count++) {
        char *body = body_text(&event);
        if (body == NULL) {
            json_decref(events);
            return rsw_cli_failf(cli, "out of memory");
        }
        if (cli->options.json) {
            rsw_json_append(&events, to_json(&event, body));
        } else {
            print(cli, &event, body);
        }
        free(body);
    }
    if (!rsw_inspect_good(txn, 0, &err)) {
        json_decref(events);
        return rsw_cli_fail(cli, &err);
    }
    if (cli->options.json) {
        json_t *root = json_object();
        rsw_json_set(&root, "events", events);
        return rsw_cli_json(cli, root);
    }
    json_decref(events);
    if (count == 0) {
        rsw_cli_line(cli, "Every event could be used.");
    }
    return RSW_EXIT_DONE;
}
