/* regsweep inspect blob: what a blob is, where it is linked, who names it, whom it names. */
#include "inspect.h"

#include "util/cleanup.h"
#include "util/grow.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

struct place {
    enum rsw_member_kind kind;
    struct rsw_member member;
    char repo[RSW_REPO_NAME_MAX + 1];
};

struct relation {
    enum rsw_ref_kind kind;
    struct rsw_digest digest;
    uint64_t size;
};

struct relations {
    struct relation *items; /* owned */
    size_t count, room;
};

struct report {
    struct rsw_blob blob;
    struct place *places; /* owned */
    size_t place_count, place_room;
    struct relations named_by;
    struct relations names;
};

static void report_release(struct report *report) {
    free(report->places);
    free(report->named_by.items);
    free(report->names.items);
}
#define AUTO_REPORT __attribute__((cleanup(report_release))) struct report

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int add_relation(struct relations *to, struct rsw_txn *txn, uint32_t blob, enum rsw_ref_kind kind,
                        struct rsw_error *err) {
    struct relation *items = rsw_grown(to->items, &to->room, to->count + 1, sizeof *items);
    struct rsw_blob record = {.id = 0};
    if (items == NULL) {
        return no_memory(err);
    }
    to->items = items;
    if (rsw_blob_get(txn, blob, &record) == RSW_FOUND) {
        items[to->count++] = (struct relation){kind, record.digest, record.size};
    }
    return 0;
}

static int gather_places(struct report *report, struct rsw_txn *txn, enum rsw_member_kind kind,
                         struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t repo;
    for (rsw_iter_members_of(&iter, txn, kind, report->blob.id);
         rsw_member_of_next(&iter, &repo) == RSW_FOUND;) {
        struct place *places =
            rsw_grown(report->places, &report->place_room, report->place_count + 1, sizeof *places);
        if (places == NULL) {
            return no_memory(err);
        }
        report->places = places;
        struct place *place = &places[report->place_count];
        place->kind = kind;
        if (rsw_member_get(txn, kind, repo, report->blob.id, &place->member) == RSW_FOUND) {
            rsw_inspect_repo_name(txn, repo, place->repo);
            report->place_count++;
        }
    }
    return 0;
}

static int gather_relations(struct report *report, struct rsw_txn *txn, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_refs refs;
    uint32_t manifest;
    enum rsw_ref_kind kind;
    for (rsw_iter_named_by(&iter, txn, report->blob.id);
         rsw_named_by_next(&iter, &manifest, &kind) == RSW_FOUND;) {
        if (add_relation(&report->named_by, txn, manifest, kind, err) != 0) {
            return -1;
        }
    }
    if (rsw_refs_get(txn, report->blob.id, &refs) != RSW_FOUND) {
        return 0;
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        if (add_relation(&report->names, txn, rsw_refs_child(&refs, i), rsw_refs_kind(&refs, i), err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* RSW_FOUND, RSW_ABSENT, RSW_FAILED. */
static int gather(struct report *report, struct rsw_index *index, const struct rsw_digest *digest,
                  struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return RSW_FAILED;
    }
    int answer = rsw_blob_find(txn, digest, &report->blob);
    int result = 0;
    if (answer == RSW_FOUND) {
        result = gather_places(report, txn, RSW_REVISION, err) != 0 ||
                         gather_places(report, txn, RSW_LINK, err) != 0 ||
                         gather_relations(report, txn, err) != 0
                     ? -1
                     : 0;
    }
    return rsw_inspect_good(txn, result, err) ? answer : RSW_FAILED;
}

static const char *place_kind(const struct place *place) {
    return place->kind == RSW_LINK ? "link" : "revision";
}

static json_t *relations_to_json(const struct relations *from) {
    json_t *array = json_array();
    for (size_t i = 0; i < from->count; i++) {
        json_t *item = json_object();
        rsw_json_set(&item, "digest", rsw_json_digest(&from->items[i].digest));
        rsw_json_set(&item, "as", json_string(rsw_inspect_ref_kind(from->items[i].kind)));
        rsw_json_append(&array, item);
    }
    return array;
}

static json_t *to_json(const struct report *report) {
    const struct rsw_blob *blob = &report->blob;
    json_t *root = json_object();
    json_t *places = json_array();
    for (size_t i = 0; i < report->place_count; i++) {
        const struct place *place = &report->places[i];
        json_t *item = json_object();
        rsw_json_set(&item, "repo", rsw_json_text(place->repo));
        rsw_json_set(&item, "as", json_string(place_kind(place)));
        rsw_json_set(&item, "present", json_boolean((place->member.flags & RSW_MEMBER_PRESENT) != 0));
        rsw_json_set(&item, "bad", json_boolean((place->member.flags & RSW_MEMBER_BAD) != 0));
        rsw_json_set(&item, "touched", rsw_json_time(place->member.touched_ms));
        rsw_json_append(&places, item);
    }
    rsw_json_set(&root, "digest", rsw_json_digest(&blob->digest));
    rsw_json_set(&root, "types", rsw_json_types(blob->types));
    rsw_json_set(&root, "flags", rsw_inspect_blob_flags(blob->flags));
    rsw_json_set(&root, "size", rsw_json_number(blob->size));
    rsw_json_set(&root, "first_seen", rsw_json_time(blob->first_seen_ms));
    rsw_json_set(&root, "missing_since", rsw_json_time(blob->missing_since_ms));
    rsw_json_set(&root, "linked", places);
    rsw_json_set(&root, "named_by", relations_to_json(&report->named_by));
    rsw_json_set(&root, "names", relations_to_json(&report->names));
    return root;
}

static void print_relations(struct rsw_cli *cli, const char *title, const struct relations *from) {
    char digest[RSW_DIGEST_TEXT_MAX];
    rsw_cli_line(cli, "%s: %zu", title, from->count);
    for (size_t i = 0; i < from->count; i++) {
        rsw_cli_line(cli, "  %-8s %s", rsw_inspect_ref_kind(from->items[i].kind),
                     rsw_digest_format(&from->items[i].digest, digest));
    }
}

static int print_text(struct rsw_cli *cli, const struct report *report) {
    const struct rsw_blob *blob = &report->blob;
    char digest[RSW_DIGEST_TEXT_MAX];
    char text[96];
    rsw_cli_line(cli, "%s", rsw_digest_format(&blob->digest, digest));
    rsw_cli_line(cli, "type:       %s", rsw_types_format(blob->types, text, sizeof text));
    rsw_cli_line(cli, "size:       %s", rsw_size_format(blob->size, text, sizeof text));
    rsw_cli_line(cli, "state:      %s", rsw_inspect_blob_flags_text(blob->flags, text, sizeof text));
    rsw_cli_line(cli, "first seen: %s", rsw_inspect_time(blob->first_seen_ms, text, sizeof text));
    if (blob->missing_since_ms != 0) {
        rsw_cli_line(cli, "missing:    since %s",
                     rsw_inspect_time(blob->missing_since_ms, text, sizeof text));
    }
    rsw_cli_line(cli, "linked in: %zu", report->place_count);
    for (size_t i = 0; i < report->place_count; i++) {
        const struct place *place = &report->places[i];
        rsw_cli_line(cli, "  %-8s %s, touched %s%s%s", place_kind(place), place->repo,
                     rsw_inspect_time(place->member.touched_ms, text, sizeof text),
                     (place->member.flags & RSW_MEMBER_PRESENT) == 0 ? ", deleted" : "",
                     (place->member.flags & RSW_MEMBER_BAD) != 0 ? ", its link cannot be read" : "");
    }
    print_relations(cli, "named by", &report->named_by);
    print_relations(cli, "names", &report->names);
    return RSW_EXIT_DONE;
}

int rsw_inspect_blob(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_digest digest;
    const char *text = cli->arguments[0];
    AUTO_REPORT report = {.place_count = 0};
    if (!rsw_digest_parse(&digest, text, strlen(text))) {
        return rsw_cli_usage(cli, "\"%s\" is no digest (sha256: and 64 hex digits)", text);
    }
    switch (gather(&report, cli->index, &digest, &err)) {
    case RSW_FOUND:
        return cli->options.json ? rsw_cli_json(cli, to_json(&report)) : print_text(cli, &report);
    case RSW_ABSENT:
        return rsw_cli_failf(cli, "the index does not know %s", text);
    default:
        return rsw_cli_fail(cli, &err);
    }
}
