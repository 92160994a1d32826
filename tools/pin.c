/* regsweep pin, regsweep unpin: what no sweep may take, written down in the index. */
#include "cli.h"
#include "inspect.h"

#include "index/facts.h"
#include "index/pin.h"
#include "oci/reference.h"
#include "util/text.h"

#include <string.h>

/* ---- what is pinned is touched: nothing that is under way takes it ---- */

static void touch_member(struct rsw_txn *txn, enum rsw_member_kind kind, uint32_t repo, uint32_t blob,
                         int64_t now_ms) {
    struct rsw_member member;
    if (rsw_member_get(txn, kind, repo, blob, &member) == RSW_FOUND &&
        (member.flags & RSW_MEMBER_PRESENT) != 0) {
        rsw_fact_touch(txn, kind, repo, blob, now_ms, 0);
    }
}

static void touch_in(struct rsw_txn *txn, uint32_t repo, uint32_t blob, int64_t now_ms) {
    touch_member(txn, RSW_LINK, repo, blob, now_ms);
    touch_member(txn, RSW_REVISION, repo, blob, now_ms);
    rsw_touch(txn, repo, blob);
}

static void touch_everywhere(struct rsw_txn *txn, uint32_t blob, int64_t now_ms) {
    for (enum rsw_member_kind kind = RSW_LINK; kind <= RSW_REVISION; kind++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        uint32_t repo;
        rsw_iter_members_of(&iter, txn, kind, blob);
        while (rsw_member_of_next(&iter, &repo) == RSW_FOUND) {
            touch_in(txn, repo, blob, now_ms);
        }
    }
    rsw_touch_kind(txn, RSW_ITEM_BLOB, 0, blob, true);
}

static void touch_tag(struct rsw_txn *txn, uint32_t repo, const char *name, int64_t now_ms) {
    struct rsw_tag tag;
    if (rsw_tag_get(txn, repo, name, &tag) == RSW_FOUND) {
        tag.touched_ms = tag.touched_ms > now_ms ? tag.touched_ms : now_ms;
        tag.seq = rsw_txn_seq(txn);
        rsw_tag_put(txn, &tag);
        touch_in(txn, repo, tag.head, now_ms);
    }
    rsw_touch_tag(txn, repo, name);
}

static void touch_pinned(struct rsw_txn *txn, const struct rsw_pin *pin, int64_t now_ms) {
    struct rsw_repo repo = {.id = 0};
    struct rsw_blob blob;
    if (pin->repo != NULL && rsw_repo_find(txn, pin->repo, &repo) != RSW_FOUND) {
        return;
    }
    if (pin->tag != NULL) {
        touch_tag(txn, repo.id, pin->tag, now_ms);
    } else if (rsw_blob_find(txn, &pin->digest, &blob) == RSW_FOUND && repo.id != 0) {
        touch_in(txn, repo.id, blob.id, now_ms);
        rsw_touch_kind(txn, RSW_ITEM_BLOB, 0, blob.id, true);
    } else if (repo.id == 0 && rsw_blob_find(txn, &pin->digest, &blob) == RSW_FOUND) {
        touch_everywhere(txn, blob.id, now_ms);
    }
}

/* ---- the commands ---- */

static json_t *to_json(const struct rsw_kept_pin *pin) {
    json_t *object = json_object();
    rsw_json_set(&object, "pin", rsw_json_text(pin->text));
    rsw_json_set(&object, "note", pin->note[0] != 0 ? rsw_json_text(pin->note) : json_null());
    rsw_json_set(&object, "created", rsw_json_time(pin->created_ms));
    rsw_json_set(&object, "until", rsw_json_time(pin->until_ms));
    return object;
}

static void print(struct rsw_cli *cli, const struct rsw_kept_pin *pin) {
    char until[40];
    bool over = pin->until_ms != 0 && pin->until_ms <= rsw_clock_now_ms(cli->clock);
    rsw_cli_line(cli, "%s%s%s%s%s", pin->text,
                 pin->until_ms == 0 ? ""
                 : over             ? "  ran out "
                                    : "  until ",
                 pin->until_ms == 0 ? "" : rsw_inspect_time(pin->until_ms, until, sizeof until),
                 pin->note[0] != 0 ? "  # " : "", pin->note);
}

static int list(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_index_options how = {.read_only = true};
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_pin pin;
    if (rsw_cli_open_index(cli, &how, &err) != 0 || rsw_txn_begin_read(&txn, cli->index, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    json_t *pins = cli->options.json ? json_array() : NULL;
    rsw_iter_kept_pins(&iter, txn);
    while (rsw_kept_pin_next(&iter, &pin) == RSW_FOUND) {
        if (cli->options.json) {
            rsw_json_append(&pins, to_json(&pin));
        } else {
            print(cli, &pin);
        }
    }
    if (rsw_txn_failed(txn, &err)) {
        json_decref(pins);
        return rsw_cli_fail(cli, &err);
    }
    if (!cli->options.json) {
        return RSW_EXIT_DONE;
    }
    json_t *root = json_object();
    rsw_json_set(&root, "pins", pins);
    return rsw_cli_json(cli, root);
}

/* 0, or -1: it is neither, or lies in the past. */
static int read_until(const struct rsw_cli *cli, int64_t *out) {
    const char *text = cli->options.until;
    int64_t now_ms = rsw_clock_now_ms(cli->clock);
    int64_t for_ms;
    *out = 0;
    if (text == NULL) {
        return 0;
    }
    if (rsw_duration_parse(&for_ms, text)) {
        return __builtin_add_overflow(now_ms, for_ms, out) || for_ms == 0 ? -1 : 0;
    }
    return rsw_time_parse(out, text, strlen(text)) && *out > now_ms ? 0 : -1;
}

static int write_pin(struct rsw_cli *cli, const struct rsw_kept_pin *pin, const struct rsw_pins *names,
                     struct rsw_error *err) {
    const struct rsw_index_options how = {.create = false};
    RSW_AUTO_TXN txn = NULL;
    if (rsw_cli_open_index(cli, &how, err) != 0 || rsw_txn_begin_write(&txn, cli->index, err) != 0) {
        return -1;
    }
    rsw_kept_pin_put(txn, pin);
    touch_pinned(txn, &names->items[0], pin->created_ms);
    return rsw_pins_warn(names, txn, &cli->log, err) != 0 ? -1 : rsw_txn_commit(&txn, err);
}

static int pin_one(struct rsw_cli *cli, struct rsw_pins *names) {
    struct rsw_error err = RSW_ERROR_INIT;
    const char *text = cli->arguments[0];
    const char *note = cli->options.note != NULL ? cli->options.note : "";
    struct rsw_kept_pin pin = {.created_ms = rsw_clock_now_ms(cli->clock)};
    if (rsw_pins_add(names, "pin", text, &err) != 0) {
        return rsw_cli_fail_usage(cli, &err);
    }
    if (strlen(note) > RSW_NOTE_MAX) {
        return rsw_cli_usage(cli, "--note: at most %d bytes", RSW_NOTE_MAX);
    }
    if (read_until(cli, &pin.until_ms) != 0) {
        return rsw_cli_usage(
            cli,
            "--until: \"%s\" is neither a duration, such as 30d, nor a time to come, such as "
            "2030-03-01T00:00:00Z",
            cli->options.until);
    }
    memcpy(pin.text, text, strlen(text) + 1);
    memcpy(pin.note, note, strlen(note) + 1);
    if (write_pin(cli, &pin, names, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    if (cli->options.json) {
        return rsw_cli_json(cli, to_json(&pin));
    }
    print(cli, &pin);
    return RSW_EXIT_DONE;
}

int rsw_command_pin(struct rsw_cli *cli) {
    if (cli->argument_count == 0) {
        return cli->options.note == NULL && cli->options.until == NULL
                   ? list(cli)
                   : rsw_cli_usage(cli, "--note and --until go with a PIN");
    }
    struct rsw_pins names = {.count = 0};
    int status = pin_one(cli, &names);
    rsw_pins_release(&names);
    return status;
}

int rsw_command_unpin(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_index_options how = {.create = false};
    const char *text = cli->arguments[0];
    RSW_AUTO_TXN txn = NULL;
    struct rsw_kept_pin pin;
    if (cli->options.note != NULL || cli->options.until != NULL) {
        return rsw_cli_usage(cli, "--note and --until are for pin");
    }
    if (strlen(text) > RSW_PIN_TEXT_MAX) {
        return rsw_cli_usage(cli, "no pin is as long as that");
    }
    if (rsw_cli_open_index(cli, &how, &err) != 0 || rsw_txn_begin_write(&txn, cli->index, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    int answer = rsw_kept_pin_get(txn, text, &pin);
    if (answer == RSW_ABSENT) {
        return rsw_cli_failf(cli, "%s is not pinned in the index: regsweep pin lists what is", text);
    }
    rsw_kept_pin_drop(txn, text);
    return rsw_txn_commit(&txn, &err) != 0 ? rsw_cli_fail(cli, &err) : RSW_EXIT_DONE;
}
