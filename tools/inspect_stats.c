/* regsweep inspect stats, and inspect types. */
#include "inspect.h"

#include "util/text.h"

#include <inttypes.h>
#include <string.h>

struct type_sum {
    uint64_t blobs;
    uint64_t bytes;
};

struct stats {
    uint64_t blobs; /* that storage has */
    uint64_t bytes;
    uint64_t missing; /* named by something, and storage does not have it */
    uint64_t manifests;
    uint64_t unreadable;
    uint64_t references;
    struct type_sum types[RSW_TYPE_COUNT + 1]; /* the last: of no known type */
    uint64_t repositories;
    uint64_t tags;
    uint64_t members[RSW_REVISION + 1];    /* links and revisions, by kind */
    uint64_t tombstones[RSW_REVISION + 1]; /* of these, known to have been there once */
    uint64_t uploads;
    uint64_t upload_bytes;
    uint64_t checks;
    uint64_t late_tags; /* asked for once more; not among the checks */
    uint64_t instances;
    uint64_t kept_events;
    uint64_t generations;
    struct rsw_state state;
    struct rsw_index_stat index;
};

static void add_blob(struct stats *stats, struct rsw_txn *txn, const struct rsw_blob *blob) {
    struct rsw_refs refs;
    if ((blob->flags & RSW_BLOB_PARSED) != 0 && rsw_refs_get(txn, blob->id, &refs) == RSW_FOUND) {
        stats->references += refs.count;
    }
    stats->missing += blob->missing_since_ms != 0 && (blob->flags & RSW_BLOB_PRESENT) == 0;
    if ((blob->flags & RSW_BLOB_PRESENT) == 0) {
        return;
    }
    stats->blobs++;
    stats->bytes += blob->size;
    stats->manifests += (blob->types & (RSW_TYPE_MANIFEST | RSW_TYPE_INDEX)) != 0;
    stats->unreadable += (blob->flags & RSW_BLOB_UNREADABLE) != 0;
    for (unsigned bit = 0; bit <= RSW_TYPE_COUNT; bit++) {
        if (bit < RSW_TYPE_COUNT ? (blob->types >> bit & 1) != 0 : (blob->types & RSW_TYPES_ALL) == 0) {
            stats->types[bit].blobs++;
            stats->types[bit].bytes += blob->size;
        }
    }
}

static void gather_blobs(struct stats *stats, struct rsw_txn *txn) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_blob blob;
    for (rsw_iter_blobs(&iter, txn); rsw_blob_next(&iter, &blob) == RSW_FOUND;) {
        add_blob(stats, txn, &blob);
    }
}

static void gather_members(struct stats *stats, struct rsw_txn *txn, enum rsw_member_kind kind) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_member member;
    for (rsw_iter_members(&iter, txn, kind, 0); rsw_member_next(&iter, &member) == RSW_FOUND;) {
        bool present = (member.flags & RSW_MEMBER_PRESENT) != 0;
        stats->members[kind] += present;
        stats->tombstones[kind] += !present;
    }
}

static void gather_repositories(struct stats *stats, struct rsw_txn *txn) {
    RSW_AUTO_ITER repos = RSW_ITER_INIT;
    RSW_AUTO_ITER tags = RSW_ITER_INIT;
    RSW_AUTO_ITER uploads = RSW_ITER_INIT;
    struct rsw_repo repo;
    struct rsw_tag tag;
    struct rsw_upload upload;
    for (rsw_iter_repos(&repos, txn); rsw_repo_next(&repos, &repo) == RSW_FOUND;) {
        stats->repositories += (repo.flags & RSW_REPO_PRESENT) != 0;
    }
    for (rsw_iter_tags(&tags, txn, 0); rsw_tag_next(&tags, &tag) == RSW_FOUND;) {
        stats->tags += tag.head != 0 || (tag.flags & RSW_TAG_BAD) != 0;
    }
    for (rsw_iter_uploads(&uploads, txn, 0); rsw_upload_next(&uploads, &upload) == RSW_FOUND;) {
        stats->uploads++;
        stats->upload_bytes += upload.size;
    }
}

static void gather_feed(struct stats *stats, struct rsw_txn *txn) {
    RSW_AUTO_ITER checks = RSW_ITER_INIT;
    RSW_AUTO_ITER instances = RSW_ITER_INIT;
    RSW_AUTO_ITER events = RSW_ITER_INIT;
    RSW_AUTO_ITER generations = RSW_ITER_INIT;
    struct rsw_check check;
    struct rsw_instance instance;
    struct rsw_kept_event event;
    struct rsw_generation generation;
    for (rsw_iter_checks(&checks, txn); rsw_check_next(&checks, &check) == RSW_FOUND;) {
        bool late = check.kind == RSW_CHECK_TAGGING;
        stats->late_tags += late;
        stats->checks += !late;
    }
    for (rsw_iter_instances(&instances, txn); rsw_instance_next(&instances, &instance) == RSW_FOUND;) {
        stats->instances++;
    }
    for (rsw_iter_kept_events(&events, txn); rsw_kept_event_next(&events, &event) == RSW_FOUND;) {
        stats->kept_events++;
    }
    for (rsw_iter_generations(&generations, txn);
         rsw_generation_next(&generations, &generation) == RSW_FOUND;) {
        stats->generations++;
    }
}

static int gather(struct stats *stats, struct rsw_index *index, bool all, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return -1;
    }
    gather_blobs(stats, txn);
    if (all) {
        gather_members(stats, txn, RSW_LINK);
        gather_members(stats, txn, RSW_REVISION);
        gather_repositories(stats, txn);
        gather_feed(stats, txn);
        rsw_state_get(txn, &stats->state);
        rsw_index_stat(txn, &stats->index);
    }
    return rsw_inspect_good(txn, 0, err) ? 0 : -1;
}

static const char *type_name(unsigned bit) {
    return bit < RSW_TYPE_COUNT ? rsw_type_name(bit) : "unknown";
}

static uint64_t table_bytes(const struct stats *stats, const char *name) {
    for (size_t i = 0; i < stats->index.table_count; i++) {
        if (strcmp(stats->index.tables[i].name, name) == 0) {
            return stats->index.tables[i].bytes;
        }
    }
    return 0;
}

static double per(uint64_t bytes, uint64_t count) {
    return count == 0 ? 0 : (double)bytes / (double)count;
}

static double per_blob(const struct stats *stats) {
    uint64_t bytes =
        table_bytes(stats, "digest") + table_bytes(stats, "digest_of") + table_bytes(stats, "blob");
    return per(bytes, stats->blobs);
}

static double per_reference(const struct stats *stats) {
    return per(table_bytes(stats, "refs") + table_bytes(stats, "named_by"), stats->references);
}

static bool gap_open(const struct rsw_state *state) {
    return state->gap_seq > state->scan_seq;
}

static json_t *index_to_json(const struct stats *stats) {
    json_t *index = json_object();
    json_t *tables = json_array();
    for (size_t i = 0; i < stats->index.table_count; i++) {
        const struct rsw_table_stat *from = &stats->index.tables[i];
        json_t *table = json_object();
        rsw_json_set(&table, "name", json_string(from->name));
        rsw_json_set(&table, "entries", rsw_json_number(from->entries));
        rsw_json_set(&table, "bytes", rsw_json_number(from->bytes));
        rsw_json_append(&tables, table);
    }
    rsw_json_set(&index, "schema", rsw_json_number(stats->index.schema));
    rsw_json_set(&index, "used_bytes", rsw_json_number(stats->index.used));
    rsw_json_set(&index, "file_bytes", rsw_json_number(stats->index.file_size));
    rsw_json_set(&index, "map_bytes", rsw_json_number(stats->index.map_size));
    rsw_json_set(&index, "bytes_per_blob", json_real(per_blob(stats)));
    rsw_json_set(&index, "bytes_per_reference", json_real(per_reference(stats)));
    rsw_json_set(&index, "created", rsw_json_time(stats->state.created_ms));
    rsw_json_set(&index, "tables", tables);
    return index;
}

static json_t *feed_to_json(const struct stats *stats) {
    const struct rsw_state *state = &stats->state;
    json_t *feed = json_object();
    json_t *gap = gap_open(state) ? json_object() : NULL;
    rsw_json_set(&feed, "events", rsw_json_number(state->events));
    rsw_json_set(&feed, "unusable", rsw_json_number(state->events_unusable));
    rsw_json_set(&feed, "kept_events", rsw_json_number(stats->kept_events));
    rsw_json_set(&feed, "first_event", rsw_json_time(state->first_event_ms));
    rsw_json_set(&feed, "last_event", rsw_json_time(state->last_event_ms));
    rsw_json_set(&feed, "instances", rsw_json_number(stats->instances));
    rsw_json_set(&feed, "checks_waiting", rsw_json_number(stats->checks));
    rsw_json_set(&feed, "late_tags_waiting", rsw_json_number(stats->late_tags));
    if (!gap_open(state)) {
        rsw_json_set(&feed, "gap", json_null());
        return feed;
    }
    rsw_json_set(&gap, "since", rsw_json_time(state->gap_ms));
    rsw_json_set(&gap, "reason", rsw_json_text(state->gap_reason));
    rsw_json_set(&feed, "gap", gap);
    return feed;
}

static json_t *types_to_json(const struct stats *stats) {
    json_t *types = json_object();
    for (unsigned bit = 0; bit <= RSW_TYPE_COUNT; bit++) {
        json_t *type = json_object();
        rsw_json_set(&type, "blobs", rsw_json_number(stats->types[bit].blobs));
        rsw_json_set(&type, "bytes", rsw_json_number(stats->types[bit].bytes));
        rsw_json_set(&types, type_name(bit), type);
    }
    return types;
}

static json_t *to_json(const struct stats *stats) {
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {{"blobs", stats->blobs},
                  {"bytes", stats->bytes},
                  {"missing", stats->missing},
                  {"manifests", stats->manifests},
                  {"unreadable", stats->unreadable},
                  {"references", stats->references},
                  {"repositories", stats->repositories},
                  {"tags", stats->tags},
                  {"revisions", stats->members[RSW_REVISION]},
                  {"links", stats->members[RSW_LINK]},
                  {"revision_tombstones", stats->tombstones[RSW_REVISION]},
                  {"link_tombstones", stats->tombstones[RSW_LINK]},
                  {"uploads", stats->uploads},
                  {"upload_bytes", stats->upload_bytes},
                  {"generations", stats->generations}};
    json_t *root = json_object();
    json_t *scan = json_object();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        rsw_json_set(&root, counts[i].key, rsw_json_number(counts[i].value));
    }
    rsw_json_set(&scan, "complete", json_boolean(stats->state.scan_seq != 0));
    rsw_json_set(&scan, "started", rsw_json_time(stats->state.scan_started_ms));
    rsw_json_set(&scan, "ended", rsw_json_time(stats->state.scan_ended_ms));
    rsw_json_set(&scan, "storage", rsw_json_text(stats->state.storage_url));
    rsw_json_set(&root, "types", types_to_json(stats));
    rsw_json_set(&root, "last_scan", scan);
    rsw_json_set(&root, "feed", feed_to_json(stats));
    rsw_json_set(&root, "index", index_to_json(stats));
    return root;
}

static void print_count(struct rsw_cli *cli, const char *what, uint64_t count, uint64_t bytes) {
    char size[32];
    if (bytes == 0) {
        rsw_cli_line(cli, "%-20s %12" PRIu64, what, count);
    } else {
        rsw_cli_line(cli, "%-20s %12" PRIu64 "  %12s", what, count,
                     rsw_size_format(bytes, size, sizeof size));
    }
}

static void print_index(struct rsw_cli *cli, const struct stats *stats) {
    char used[32];
    char file[32];
    rsw_cli_line(cli, "%s", "");
    rsw_cli_line(cli, "index: schema %u, %s used of %s; %.0f bytes a blob, %.0f bytes a reference",
                 stats->index.schema, rsw_size_format(stats->index.used, used, sizeof used),
                 rsw_size_format(stats->index.file_size, file, sizeof file), per_blob(stats),
                 per_reference(stats));
    for (size_t i = 0; i < stats->index.table_count; i++) {
        const struct rsw_table_stat *table = &stats->index.tables[i];
        rsw_cli_line(cli, "  %-18s %12" PRIu64 "  %12s", table->name, table->entries,
                     rsw_size_format(table->bytes, used, sizeof used));
    }
}

static int print_text(struct rsw_cli *cli, const struct stats *stats) {
    const struct rsw_state *state = &stats->state;
    char time[40];
    print_count(cli, "blobs", stats->blobs, stats->bytes);
    print_count(cli, "missing blobs", stats->missing, 0);
    print_count(cli, "manifests", stats->manifests, 0);
    print_count(cli, "unreadable manifests", stats->unreadable, 0);
    print_count(cli, "references", stats->references, 0);
    print_count(cli, "repositories", stats->repositories, 0);
    print_count(cli, "tags", stats->tags, 0);
    print_count(cli, "revisions", stats->members[RSW_REVISION], 0);
    print_count(cli, "layer links", stats->members[RSW_LINK], 0);
    print_count(cli, "uploads", stats->uploads, stats->upload_bytes);
    print_count(cli, "generations", stats->generations, 0);
    rsw_cli_line(cli, "%s", "");
    rsw_cli_line(cli, "last complete scan: %s%s%s", rsw_inspect_time(state->scan_ended_ms, time, sizeof time),
                 state->storage_url[0] != 0 ? ", of " : "", state->storage_url);
    rsw_cli_line(cli, "events: %" PRIu64 ", %" PRIu64 " of them unusable; the last one: %s", state->events,
                 state->events_unusable, rsw_inspect_time(state->last_event_ms, time, sizeof time));
    rsw_cli_line(cli,
                 "instances of the registry heard: %" PRIu64 "; checks waiting: %" PRIu64
                 "; late tags waited for: %" PRIu64,
                 stats->instances, stats->checks, stats->late_tags);
    if (gap_open(state)) {
        rsw_cli_line(cli, "the feed has a gap since %s (%s); a scan closes it",
                     rsw_inspect_time(state->gap_ms, time, sizeof time), state->gap_reason);
    }
    print_index(cli, stats);
    return RSW_EXIT_DONE;
}

int rsw_inspect_stats(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct stats stats = {.blobs = 0};
    if (gather(&stats, cli->index, true, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return cli->options.json ? rsw_cli_json(cli, to_json(&stats)) : print_text(cli, &stats);
}

int rsw_inspect_types(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct stats stats = {.blobs = 0};
    if (gather(&stats, cli->index, false, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    if (cli->options.json) {
        json_t *root = json_object();
        rsw_json_set(&root, "blobs", rsw_json_number(stats.blobs));
        rsw_json_set(&root, "bytes", rsw_json_number(stats.bytes));
        rsw_json_set(&root, "types", types_to_json(&stats));
        return rsw_cli_json(cli, root);
    }
    for (unsigned bit = 0; bit <= RSW_TYPE_COUNT; bit++) {
        print_count(cli, type_name(bit), stats.types[bit].blobs, stats.types[bit].bytes);
    }
    print_count(cli, "all blobs", stats.blobs, stats.bytes);
    rsw_cli_line(cli, "A blob with several types counts in each.");
    return RSW_EXIT_DONE;
}
