/* regsweep inspect generations: the sweeps that deleted; with an id, one of them with all that it held. */
#include "help.h"
#include "inspect.h"

#include "gc/generation.h"
#include "index/time.h"
#include "util/grow.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct generations {
    struct rsw_generation *items; /* owned */
    size_t count, room;
};

struct item {
    struct rsw_item record;
    const char *state;        /* static */
    struct rsw_digest digest; /* algorithm 0: none */
    char repo[RSW_REPO_NAME_MAX + 1];
};

static const char *kind_name(enum rsw_item_kind kind) {
    static const char *const names[RSW_ITEM_KINDS] = {
        "unknown", "blob", "link", "revision", "tag", "repository", "upload",
    };
    return (unsigned)kind < RSW_ITEM_KINDS ? names[kind] : names[0];
}

static const char *item_state_name(enum rsw_item_state state) {
    switch (state) {
    case RSW_ITEM_PENDING:
        return "pending";
    case RSW_ITEM_DONE:
        return "done";
    case RSW_ITEM_FAILED:
        return "failed";
    case RSW_ITEM_SPARED:
        return "spared";
    case RSW_ITEM_ASIDE:
        return "aside";
    case RSW_ITEM_HELD:
        return "held";
    }
    return "unknown";
}

/* What was touched keeps its state until its generation ends. It is back, or was never taken, once it is out
 * of the queue of what was touched. */
static const char *state_of(struct rsw_txn *txn, const struct rsw_item *item) {
    if ((item->flags & RSW_ITEM_TOUCHED) == 0 || rsw_touched_get(txn, item) != RSW_ABSENT) {
        return item_state_name(item->state);
    }
    return item->state == RSW_ITEM_ASIDE || item->state == RSW_ITEM_HELD ? "put_back"
           : item->state == RSW_ITEM_PENDING                             ? "spared"
                                                                         : item_state_name(item->state);
}

/* When more is done for it, by the wall; 0: never. */
static int64_t due_of(struct rsw_cli *cli, struct rsw_txn *txn, const struct rsw_generation *of) {
    bool open = of->state != RSW_GENERATION_PURGED && of->state != RSW_GENERATION_ABANDONED && !of->offline;
    int64_t left_ms = open ? rsw_generation_left_ms(txn, of, cli->clock) : INT64_MAX;
    return left_ms == INT64_MAX ? 0 : rsw_clock_now_ms(cli->clock) + left_ms;
}

static json_t *generation_to_json(struct rsw_cli *cli, struct rsw_txn *txn,
                                  const struct rsw_generation *from) {
    static const char *const plurals[RSW_ITEM_KINDS] = {
        NULL, "blobs", "links", "revisions", "tags", "repositories", "uploads",
    };
    json_t *object = json_object();
    json_t *counts = json_object();
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        rsw_json_set(&counts, plurals[kind], rsw_json_number(from->counts[kind]));
    }
    rsw_json_set(&object, "generation", rsw_json_number(from->id));
    rsw_json_set(&object, "state", json_string(rsw_generation_state_name(from->state)));
    rsw_json_set(&object, "offline", json_boolean(from->offline));
    rsw_json_set(&object, "untagged", json_string(from->untagged ? "remove" : "keep"));
    rsw_json_set(&object, "grace_ms", json_integer(from->grace_ms));
    rsw_json_set(&object, "created", rsw_json_time(from->created_ms));
    rsw_json_set(&object, "changed", rsw_json_time(from->changed_ms));
    int64_t due_ms = due_of(cli, txn, from);
    rsw_json_set(&object, "due", due_ms != 0 ? rsw_json_time(due_ms) : json_null());
    rsw_json_set(&object, "stuck", json_boolean(rsw_generation_is_stuck(from, rsw_clock_now_ms(cli->clock))));
    rsw_json_set(&object, "condemned", counts);
    rsw_json_set(&object, "bytes", rsw_json_number(from->bytes));
    rsw_json_set(&object, "done", rsw_json_number(from->done));
    rsw_json_set(&object, "failed", rsw_json_number(from->failed));
    rsw_json_set(&object, "spared", rsw_json_number(from->spared));
    rsw_json_set(&object, "freed", rsw_json_number(from->freed));
    return object;
}

static void print_generation(struct rsw_cli *cli, const struct rsw_generation *from) {
    char created[40];
    char freed[32];
    rsw_cli_line(cli,
                 "%6" PRIu64 "  %s  %-9s  %8" PRIu64 " done  %6" PRIu64 " failed  %6" PRIu64
                 " spared  %10s freed",
                 from->id, rsw_inspect_time(from->created_ms, created, sizeof created),
                 rsw_generation_state_name(from->state), from->done, from->failed, from->spared,
                 rsw_size_format(from->freed, freed, sizeof freed));
}

/* Of one that is on its way. */
static void print_wait(struct rsw_cli *cli, struct rsw_txn *txn, const struct rsw_generation *from) {
    char since[40];
    char due[40];
    int64_t due_ms = due_of(cli, txn, from);
    if (due_ms != 0) {
        rsw_cli_line(cli, "  %s since %s, %s%s", rsw_generation_state_name(from->state),
                     rsw_inspect_time(from->changed_ms, since, sizeof since),
                     due_ms > rsw_clock_now_ms(cli->clock) ? "goes on at " : "due since ",
                     rsw_inspect_time(due_ms, due, sizeof due));
    }
    if (rsw_generation_is_stuck(from, rsw_clock_now_ms(cli->clock))) {
        rsw_cli_line(cli, "  it does not get on: what serve and the sweeps log says why");
    }
}

static int gather_all(struct generations *to, struct rsw_txn *txn, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_generation generation;
    for (rsw_iter_generations(&iter, txn); rsw_generation_next(&iter, &generation) == RSW_FOUND;) {
        struct rsw_generation *items = rsw_grown(to->items, &to->room, to->count + 1, sizeof *items);
        if (items == NULL) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        to->items = items;
        items[to->count++] = generation;
    }
    return 0;
}

static int list_all(struct rsw_cli *cli, struct rsw_txn *txn) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct generations all = {.count = 0};
    int status;
    if (!rsw_inspect_good(txn, gather_all(&all, txn, &err), &err)) {
        status = rsw_cli_fail(cli, &err);
    } else if (cli->options.json) {
        json_t *root = json_object();
        json_t *array = json_array();
        for (size_t i = 0; i < all.count; i++) {
            rsw_json_append(&array, generation_to_json(cli, txn, &all.items[i]));
        }
        rsw_json_set(&root, "generations", array);
        status = rsw_cli_json(cli, root);
    } else {
        for (size_t i = 0; i < all.count; i++) {
            print_generation(cli, &all.items[i]);
        }
        if (all.count == 0) {
            rsw_cli_line(cli, "No sweep has deleted anything yet.");
        }
        status = RSW_EXIT_DONE;
    }
    free(all.items);
    return status;
}

static void name_item(struct item *item, struct rsw_txn *txn) {
    struct rsw_blob blob;
    item->state = state_of(txn, &item->record);
    item->digest.alg = 0;
    item->repo[0] = 0;
    if (item->record.blob != 0 && rsw_blob_get(txn, item->record.blob, &blob) == RSW_FOUND) {
        item->digest = blob.digest;
    }
    if (item->record.repo != 0) {
        rsw_inspect_repo_name(txn, item->record.repo, item->repo);
    }
}

static json_t *item_to_json(const struct item *item) {
    const struct rsw_item *record = &item->record;
    json_t *object = json_object();
    rsw_json_set(&object, "kind", json_string(kind_name(record->kind)));
    rsw_json_set(&object, "state", json_string(item->state));
    rsw_json_set(&object, "reason", json_string(rsw_reason_name(record->reason)));
    rsw_json_set(&object, "size", rsw_json_number(record->size));
    if (item->repo[0] != 0) {
        rsw_json_set(&object, "repo", rsw_json_text(item->repo));
    }
    if (item->digest.alg != 0) {
        rsw_json_set(&object, "digest", rsw_json_digest(&item->digest));
    }
    if (record->name[0] != 0) {
        rsw_json_set(&object, record->kind == RSW_ITEM_TAG ? "tag" : "id", rsw_json_text(record->name));
    }
    return object;
}

static void print_item(struct rsw_cli *cli, const struct item *item) {
    char digest[RSW_DIGEST_TEXT_MAX] = "";
    if (item->digest.alg != 0) {
        rsw_digest_format(&item->digest, digest);
    }
    rsw_cli_line(cli, "  %-8s %-10s %-12s %s%s%s%s%s",
                 strcmp(item->state, "put_back") == 0 ? "put back" : item->state,
                 kind_name(item->record.kind), rsw_reason_name(item->record.reason), item->repo,
                 item->record.name[0] != 0 ? ":" : "", item->record.name,
                 digest[0] != 0 && item->repo[0] != 0 ? "@" : "", digest);
}

/* The record of a blob or repository goes with the last that needed it, and all items of an old generation go
 * with its age: then the audit alone has the names. */
static bool is_named(const struct item *item) {
    return (item->record.blob == 0 || item->digest.alg != 0) &&
           (item->record.repo == 0 || strcmp(item->repo, "?") != 0);
}

static uint64_t condemned_of(const struct rsw_generation *generation) {
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < RSW_ITEM_KINDS; kind++) {
        sum += generation->counts[kind];
    }
    return sum;
}

static void print_audit(struct rsw_cli *cli, uint64_t id, uint64_t unnamed) {
    char *audit = rsw_cli_audit_file(cli);
    char word[RSW_SHELL_WORD_MAX];
    if (unnamed > 0 && audit != NULL) {
        rsw_cli_line(cli,
                     "  %" PRIu64
                     " more: the index has their names no longer; each that was deleted has a line in the "
                     "audit, here or where --audit said",
                     unnamed);
        rsw_cli_line(cli, "  grep '\"generation\":%" PRIu64 ",' %s", id,
                     rsw_shell_word(word, sizeof word, audit));
    }
    free(audit);
}

/* Item by item: there can be millions. */
static int show_one(struct rsw_cli *cli, struct rsw_txn *txn, uint64_t id) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_generation generation;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct item item;
    int answer = rsw_generation_get(txn, id, &generation);
    if (answer == RSW_ABSENT) {
        return rsw_cli_failf(cli, "there is no generation %" PRIu64, id);
    }
    uint64_t named = 0;
    json_t *items = json_array();
    if (answer == RSW_FOUND && !cli->options.json) {
        print_generation(cli, &generation);
        print_wait(cli, txn, &generation);
    }
    for (rsw_iter_items(&iter, txn, id, 0); rsw_item_next(&iter, &item.record) == RSW_FOUND;) {
        name_item(&item, txn);
        bool known = is_named(&item);
        named += known;
        if (cli->options.json) {
            rsw_json_append(&items, item_to_json(&item));
        } else if (known) {
            print_item(cli, &item);
        }
    }
    uint64_t condemned = answer == RSW_FOUND ? condemned_of(&generation) : 0;
    uint64_t unnamed = condemned > named ? condemned - named : 0;
    if (!cli->options.json) {
        print_audit(cli, id, unnamed);
    }
    json_t *root =
        cli->options.json && answer == RSW_FOUND ? generation_to_json(cli, txn, &generation) : NULL;
    if (root == NULL) {
        json_decref(items);
    } else {
        rsw_json_set(&root, "items", items);
        rsw_json_set(&root, "unnamed", rsw_json_number(unnamed));
    }
    if (!rsw_inspect_good(txn, 0, &err)) {
        json_decref(root);
        return rsw_cli_fail(cli, &err);
    }
    return cli->options.json ? rsw_cli_json(cli, root) : RSW_EXIT_DONE;
}

int rsw_inspect_generations(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_TXN txn = NULL;
    uint64_t id = 0;
    if (cli->argument_count > 0 && !rsw_number_parse(&id, cli->arguments[0], UINT64_MAX)) {
        return rsw_cli_usage(cli, "\"%s\" is no number of a generation", cli->arguments[0]);
    }
    if (rsw_txn_begin_read(&txn, cli->index, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return cli->argument_count > 0 ? show_one(cli, txn, id) : list_all(cli, txn);
}
