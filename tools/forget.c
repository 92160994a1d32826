/* regsweep forget: what somebody wants to have gone. It only writes that down; the next sweep takes it. */
#include "forget.h"

#include "cli.h"
#include "forget_server.h"
#include "inspect.h"

#include "gc/deletions.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

/* ---- in words ---- */

json_t *rsw_deletion_to_json(const struct rsw_deletion *deletion) {
    json_t *object = json_object();
    rsw_json_set(&object, "id", rsw_json_number(deletion->id));
    rsw_json_set(&object, "kind", json_string(rsw_deletion_kind_name(deletion->kind)));
    rsw_json_set(&object, "name", rsw_json_text(deletion->target));
    rsw_json_set(&object, "note", deletion->note[0] != 0 ? rsw_json_text(deletion->note) : json_null());
    rsw_json_set(&object, "state", json_string(rsw_deletion_state_name(deletion->state)));
    rsw_json_set(&object, "created", rsw_json_time(deletion->created_ms));
    rsw_json_set(&object, "changed", rsw_json_time(deletion->changed_ms));
    rsw_json_set(&object, "generation",
                 deletion->generation != 0 ? rsw_json_number(deletion->generation) : json_null());
    rsw_json_set(&object, "named", rsw_json_number(deletion->named));
    rsw_json_set(&object, "gone", rsw_json_number(deletion->gone));
    rsw_json_set(&object, "spared", rsw_json_number(deletion->spared));
    rsw_json_set(&object, "needed", json_boolean(deletion->needed));
    return object;
}

static bool read_number(uint64_t *out, const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    *out = json_is_integer(value) && json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
    return json_is_integer(value);
}

static bool read_text(char *out, size_t size, const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(out, size, "%s", text != NULL ? text : "");
    return text != NULL;
}

bool rsw_deletion_from_json(struct rsw_deletion *out, const json_t *object) {
    char word[40];
    *out = (struct rsw_deletion){.needed = json_is_true(json_object_get(object, "needed"))};
    bool whole = read_number(&out->id, object, "id") && read_number(&out->named, object, "named") &&
                 read_number(&out->gone, object, "gone") && read_number(&out->spared, object, "spared") &&
                 read_text(out->target, sizeof out->target, object, "name") &&
                 read_text(word, sizeof word, object, "created") &&
                 rsw_time_parse(&out->created_ms, word, strlen(word));
    read_number(&out->elsewhere, object, "elsewhere");
    read_number(&out->other, object, "other");
    read_text(out->note, sizeof out->note, object, "note");
    read_text(word, sizeof word, object, "state");
    for (enum rsw_deletion_state state = RSW_DELETION_WAITING; state < RSW_DELETION_STATES; state++) {
        out->state = strcmp(word, rsw_deletion_state_name(state)) == 0 ? state : out->state;
    }
    read_text(word, sizeof word, object, "kind");
    for (enum rsw_deletion_kind kind = RSW_DELETION_REPO; kind < RSW_DELETION_KINDS; kind++) {
        out->kind = strcmp(word, rsw_deletion_kind_name(kind)) == 0 ? kind : out->kind;
    }
    return whole && out->state != 0 && out->kind != 0;
}

json_t *rsw_deletions_to_json(struct rsw_index *index, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return NULL;
    }
    json_t *list = json_array();
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND) {
        rsw_json_append(&list, rsw_deletion_to_json(&deletion));
    }
    json_t *root = json_object();
    rsw_json_set(&root, "deletions", list);
    if (rsw_txn_failed(txn, err)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

void rsw_deletion_print(struct rsw_cli *cli, const struct rsw_deletion *deletion) {
    char created[40];
    char spared[48] = "";
    if (deletion->spared > 0) {
        snprintf(spared, sizeof spared, ", %" PRIu64 " stay, written since", deletion->spared);
    }
    rsw_cli_line(cli, "%6" PRIu64 "  %s  %-9s  %-5s %s: %" PRIu64 " object%s, %" PRIu64 " gone%s%s%s%s",
                 deletion->id, rsw_inspect_time(deletion->created_ms, created, sizeof created),
                 rsw_deletion_state_name(deletion->state), rsw_deletion_kind_name(deletion->kind),
                 deletion->target, deletion->named, deletion->named == 1 ? "" : "s", deletion->gone, spared,
                 deletion->needed ? "; the rest is still needed, or pinned, or too young" : "",
                 deletion->note[0] != 0 ? "  # " : "", deletion->note);
}

void rsw_others_to_json(json_t **object, const struct rsw_deletion *deletion) {
    rsw_json_set(object, "elsewhere", rsw_json_number(deletion->elsewhere));
    rsw_json_set(object, "other", deletion->other != 0 ? rsw_json_number(deletion->other) : json_null());
}

void rsw_others_warn(const struct rsw_deletion *deletion, const struct rsw_log *log) {
    if (deletion->elsewhere > 0) {
        rsw_log(log, RSW_LOG_WARNING,
                "%s: %" PRIu64 " more %s in earlier deletions, the first of them deletion %" PRIu64
                ", and will go with these",
                deletion->target, deletion->elsewhere,
                deletion->elsewhere == 1 ? "object stands" : "objects stand", deletion->other);
    }
    if (deletion->state == RSW_DELETION_CANCELLED && deletion->other != 0) {
        rsw_log(log, RSW_LOG_WARNING,
                "%s: what this deletion had stays, also where a later one (deletion %" PRIu64
                ") was asked for the same: if it is to go all the same, forget it again",
                deletion->target, deletion->other);
    }
}

void rsw_stays_to_json(json_t **deletion, const struct rsw_stays *stays) {
    rsw_json_set(deletion, "pinned", rsw_json_number(stays->pinned));
    rsw_json_set(deletion, "pin", stays->pin[0] != 0 ? rsw_json_text(stays->pin) : json_null());
    rsw_json_set(deletion, "young", rsw_json_number(stays->young));
}

void rsw_stays_from_json(struct rsw_stays *out, const json_t *deletion) {
    read_number(&out->pinned, deletion, "pinned");
    read_number(&out->young, deletion, "young");
    read_text(out->pin, sizeof out->pin, deletion, "pin");
}

void rsw_stays_warn(const struct rsw_stays *stays, const struct rsw_deletion *deletion,
                    const struct rsw_log *log) {
    if (stays->pinned > 0) {
        rsw_log(log, RSW_LOG_WARNING,
                "%s: %" PRIu64 " of %" PRIu64
                " objects are pinned, and stay with what they need: regsweep unpin %s",
                deletion->target, stays->pinned, deletion->named, stays->pin);
    }
    if (stays->young > 0) {
        rsw_log(log, RSW_LOG_WARNING,
                "%s: %" PRIu64 " of %" PRIu64
                " objects were pushed, pulled or pinned so shortly before that they may stay: a sweep takes "
                "those for written since whose files were written then. If they are to go: regsweep forget "
                "cancel %" PRIu64 ", and forget them again in five minutes",
                deletion->target, stays->young, deletion->named, deletion->id);
    }
}

int rsw_deletions_tell_spared(struct rsw_index *index, int64_t since_ms, const struct rsw_log *log,
                              struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND) {
        if (deletion.state == RSW_DELETION_DONE && deletion.changed_ms >= since_ms && deletion.spared > 0) {
            rsw_log(
                log, RSW_LOG_WARNING,
                "deletion %" PRIu64 " of %s is done, but %" PRIu64 " of its %" PRIu64
                " objects stay: they were written after it was asked for, or so shortly before that nobody "
                "can tell; if they are to go, forget them again",
                deletion.id, deletion.target, deletion.spared, deletion.named);
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- the forms ---- */

/* What goes with --server alone is no slip to pass over. */
static int open_index(struct rsw_cli *cli, bool read_only) {
    static const char *const with_server[] = {"server-ca", "sweep-token-file"};
    for (size_t i = 0; i < sizeof with_server / sizeof *with_server; i++) {
        if (rsw_option_source(&cli->options, with_server[i]) == RSW_SOURCE_FLAG) {
            return rsw_cli_usage(cli, "--%s goes with --server", with_server[i]);
        }
    }
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_index_options how = {.read_only = read_only};
    return rsw_cli_open_index(cli, &how, &err) != 0 ? rsw_cli_fail(cli, &err) : RSW_EXIT_DONE;
}

static int forget(struct rsw_cli *cli, enum rsw_deletion_kind kind) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    const struct rsw_deletion_request request = {
        .kind = kind, .target = cli->arguments[0], .note = cli->options.note};
    if (cli->options.server != NULL) {
        return rsw_forget_at_server(cli, kind);
    }
    int status = open_index(cli, false);
    if (status != RSW_EXIT_DONE) {
        return status;
    }
    struct rsw_stays stays;
    if (rsw_deletion_make(&deletion, cli->index, &request, cli->clock, &err) != 0 ||
        rsw_stays_find(&stays, cli->index, deletion.id, cli->clock, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    rsw_others_warn(&deletion, &cli->log);
    rsw_stays_warn(&stays, &deletion, &cli->log);
    if (!cli->options.json) {
        rsw_deletion_print(cli, &deletion);
        return RSW_EXIT_DONE;
    }
    json_t *made = rsw_deletion_to_json(&deletion);
    rsw_others_to_json(&made, &deletion);
    rsw_stays_to_json(&made, &stays);
    return rsw_cli_json(cli, made);
}

int rsw_forget_repo(struct rsw_cli *cli) {
    return forget(cli, RSW_DELETION_REPO);
}

int rsw_forget_image(struct rsw_cli *cli) {
    return forget(cli, RSW_DELETION_IMAGE);
}

int rsw_forget_tag(struct rsw_cli *cli) {
    return forget(cli, RSW_DELETION_TAG);
}

int rsw_forget_blob(struct rsw_cli *cli) {
    return forget(cli, RSW_DELETION_BLOB);
}

int rsw_forget_list(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (cli->options.server != NULL) {
        return rsw_forget_list_at_server(cli);
    }
    int status = open_index(cli, true);
    if (status != RSW_EXIT_DONE) {
        return status;
    }
    if (cli->options.json) {
        json_t *list = rsw_deletions_to_json(cli->index, &err);
        return err.code != RSW_OK ? rsw_cli_fail(cli, &err) : rsw_cli_json(cli, list);
    }
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    if (rsw_txn_begin_read(&txn, cli->index, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    rsw_iter_deletions(&iter, txn);
    while (rsw_deletion_next(&iter, &deletion) == RSW_FOUND) {
        rsw_deletion_print(cli, &deletion);
    }
    return rsw_txn_failed(txn, &err) ? rsw_cli_fail(cli, &err) : RSW_EXIT_DONE;
}

int rsw_forget_cancel(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    uint64_t id;
    if (!rsw_number_parse(&id, cli->arguments[0], UINT64_MAX)) {
        return rsw_cli_usage(cli, "\"%s\" is no number of a deletion: regsweep forget list lists them",
                             cli->arguments[0]);
    }
    if (cli->options.server != NULL) {
        return rsw_forget_cancel_at_server(cli, id);
    }
    int status = open_index(cli, false);
    if (status != RSW_EXIT_DONE) {
        return status;
    }
    if (rsw_deletion_cancel(&deletion, cli->index, id, cli->clock, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    rsw_others_warn(&deletion, &cli->log);
    if (!cli->options.json) {
        rsw_deletion_print(cli, &deletion);
        return RSW_EXIT_DONE;
    }
    json_t *cancelled = rsw_deletion_to_json(&deletion);
    rsw_others_to_json(&cancelled, &deletion);
    return rsw_cli_json(cli, cancelled);
}
