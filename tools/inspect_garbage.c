/* regsweep inspect garbage: what nothing needs, summed up by type of blob and by repository. */
#include "cli.h"
#include "in_use.h"

#include "util/grow.h"
#include "util/text.h"

#include <regsweep/sweep.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct repo_sum {
    char *name; /* owned */
    uint64_t counts[RSW_ITEM_KINDS];
};

struct garbage {
    uint64_t type_blobs[RSW_TYPE_COUNT + 1]; /* the last: of unknown type */
    uint64_t type_bytes[RSW_TYPE_COUNT + 1];
    struct repo_sum
        *repos; /* owned; a repository has one entry for each kind that it comes up under in a row */
    size_t repo_count, repo_room;
};

static void garbage_release(struct garbage *garbage) {
    for (size_t i = 0; i < garbage->repo_count; i++) {
        free(garbage->repos[i].name);
    }
    free(garbage->repos);
}

static void add_blob(struct garbage *garbage, const struct rsw_sweep_item *item) {
    for (unsigned bit = 0; bit <= RSW_TYPE_COUNT; bit++) {
        bool is = bit < RSW_TYPE_COUNT ? (item->types >> bit & 1) != 0 : item->types == 0;
        garbage->type_blobs[bit] += is;
        garbage->type_bytes[bit] += is ? item->size : 0;
    }
}

static int on_item(void *arg, const struct rsw_sweep_item *item) {
    struct garbage *garbage = arg;
    if (item->repo == NULL) {
        add_blob(garbage, item);
        return 0;
    }
    struct repo_sum *last = garbage->repo_count > 0 ? &garbage->repos[garbage->repo_count - 1] : NULL;
    if (last == NULL || strcmp(last->name, item->repo) != 0) {
        last = rsw_grown(garbage->repos, &garbage->repo_room, garbage->repo_count + 1, sizeof *last);
        char *name = strdup(item->repo);
        if (last == NULL || name == NULL) {
            free(name);
            return -1;
        }
        garbage->repos = last;
        last = &garbage->repos[garbage->repo_count++];
        *last = (struct repo_sum){.name = name};
    }
    last->counts[item->kind]++;
    return 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct repo_sum *)a)->name, ((const struct repo_sum *)b)->name);
}

static void merge_repos(struct garbage *garbage) {
    if (garbage->repo_count == 0) {
        return;
    }
    qsort(garbage->repos, garbage->repo_count, sizeof *garbage->repos, by_name);
    size_t to = 0;
    for (size_t i = 1; i < garbage->repo_count; i++) {
        struct repo_sum *from = &garbage->repos[i];
        if (strcmp(garbage->repos[to].name, from->name) != 0) {
            garbage->repos[++to] = *from;
            continue;
        }
        for (unsigned kind = 0; kind < RSW_ITEM_KINDS; kind++) {
            garbage->repos[to].counts[kind] += from->counts[kind];
        }
        free(from->name);
    }
    garbage->repo_count = to + 1;
}

static const char *type_name(unsigned bit) {
    return bit < RSW_TYPE_COUNT ? rsw_type_name(bit) : "unknown";
}

static int print_text(struct rsw_cli *cli, const struct garbage *garbage,
                      const struct rsw_sweep_result *result) {
    char size[32];
    rsw_cli_line(cli, "%" PRIu64 " blobs, %s, that nothing needs", result->counts[RSW_ITEM_BLOB],
                 rsw_size_format(result->bytes, size, sizeof size));
    for (unsigned bit = 0; bit <= RSW_TYPE_COUNT; bit++) {
        if (garbage->type_blobs[bit] > 0) {
            rsw_cli_line(cli, "  %-12s %10" PRIu64 "  %12s", type_name(bit), garbage->type_blobs[bit],
                         rsw_size_format(garbage->type_bytes[bit], size, sizeof size));
        }
    }
    for (size_t i = 0; i < garbage->repo_count; i++) {
        const uint64_t *counts = garbage->repos[i].counts;
        rsw_cli_line(
            cli, "%s: %" PRIu64 " links, %" PRIu64 " revisions, %" PRIu64 " tags, %" PRIu64 " uploads%s",
            garbage->repos[i].name, counts[RSW_ITEM_LINK], counts[RSW_ITEM_REVISION], counts[RSW_ITEM_TAG],
            counts[RSW_ITEM_UPLOAD], counts[RSW_ITEM_REPOSITORY] > 0 ? ", empty then" : "");
    }
    return RSW_EXIT_DONE;
}

/* What a sweep that is under way has is garbage no more, and may be looked for. */
static void tell_generations(struct rsw_cli *cli) {
    RSW_AUTO_TXN txn = NULL;
    uint64_t oldest;
    size_t open = rsw_txn_begin_read(&txn, cli->index, NULL) == 0 ? rsw_generations_open(txn, &oldest, 1) : 0;
    if (open > 0) {
        rsw_log(&cli->log, RSW_LOG_INFO,
                "what sweeps that are under way have already is not among it: regsweep inspect generations "
                "%" PRIu64 "%s",
                oldest, open > 1 ? ", and others" : "");
    }
}

static json_t *to_json(const struct garbage *garbage, const struct rsw_sweep_result *result) {
    json_t *root = json_object();
    json_t *types = json_object();
    json_t *repos = json_array();
    for (unsigned bit = 0; bit <= RSW_TYPE_COUNT; bit++) {
        json_t *type = json_object();
        rsw_json_set(&type, "blobs", rsw_json_number(garbage->type_blobs[bit]));
        rsw_json_set(&type, "bytes", rsw_json_number(garbage->type_bytes[bit]));
        rsw_json_set(&types, type_name(bit), type);
    }
    for (size_t i = 0; i < garbage->repo_count; i++) {
        const struct repo_sum *from = &garbage->repos[i];
        json_t *repo = json_object();
        rsw_json_set(&repo, "repo", rsw_json_text(from->name));
        rsw_json_set(&repo, "links", rsw_json_number(from->counts[RSW_ITEM_LINK]));
        rsw_json_set(&repo, "revisions", rsw_json_number(from->counts[RSW_ITEM_REVISION]));
        rsw_json_set(&repo, "tags", rsw_json_number(from->counts[RSW_ITEM_TAG]));
        rsw_json_set(&repo, "uploads", rsw_json_number(from->counts[RSW_ITEM_UPLOAD]));
        rsw_json_set(&repo, "empty", json_boolean(from->counts[RSW_ITEM_REPOSITORY] > 0));
        rsw_json_append(&repos, repo);
    }
    rsw_json_set(&root, "blobs", rsw_json_number(result->counts[RSW_ITEM_BLOB]));
    rsw_json_set(&root, "bytes", rsw_json_number(result->bytes));
    rsw_json_set(&root, "types", types);
    rsw_json_set(&root, "repositories", repos);
    return root;
}

int rsw_inspect_garbage(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_mark_options mark;
    if (rsw_cli_mark_options(cli, &mark, &err) != 0) {
        return rsw_cli_fail_options(cli, &err);
    }
    if (rsw_in_use_read(cli, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    struct garbage garbage = {.repo_count = 0};
    const struct rsw_sweep_options options = {
        .offline = mark.offline,
        .untagged_remove = mark.untagged_remove,
        .grace_ms = mark.grace_ms,
        .upload_max_age_ms = mark.upload_max_age_ms,
        .max_delete = 100,
        .pins = cli->pins.items,
        .pin_count = cli->pins.count,
        .policy = mark.policy,
        .clock = cli->clock,
        .item = on_item,
        .arg = &garbage,
    };
    struct rsw_sweep_result result;
    int status;
    if (rsw_sweep(&result, cli->index, NULL, &options, &err) != 0) {
        status = rsw_cli_fail(cli, &err);
    } else {
        merge_repos(&garbage);
        tell_generations(cli);
        status = cli->options.json ? rsw_cli_json(cli, to_json(&garbage, &result))
                                   : print_text(cli, &garbage, &result);
    }
    garbage_release(&garbage);
    return status;
}
