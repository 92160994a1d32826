/* regsweep inspect repo: tags, manifests, layers and uploads of a repository. */
#include "inspect.h"

#include "util/grow.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>

struct member {
    struct rsw_member record;
    struct rsw_blob blob; /* id 0 where the index does not know it */
};

struct members {
    struct member *items; /* owned */
    size_t count, room;
    uint64_t bytes; /* of those that are there */
};

struct report {
    struct rsw_repo repo;
    struct rsw_tag *tags;     /* owned */
    struct rsw_digest *heads; /* owned; one a tag, algorithm 0 where it is not known */
    size_t tag_count, tag_room, head_room;
    struct members members[RSW_REVISION + 1]; /* by kind */
    struct rsw_upload *uploads;               /* owned */
    size_t upload_count, upload_room;
};

static void report_release(struct report *report) {
    free(report->tags);
    free(report->heads);
    free(report->members[RSW_LINK].items);
    free(report->members[RSW_REVISION].items);
    free(report->uploads);
}
#define AUTO_REPORT __attribute__((cleanup(report_release))) struct report

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int gather_tags(struct report *report, struct rsw_txn *txn, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_tag tag;
    struct rsw_blob head;
    for (rsw_iter_tags(&iter, txn, report->repo.id); rsw_tag_next(&iter, &tag) == RSW_FOUND;) {
        size_t need = report->tag_count + 1;
        struct rsw_tag *tags = rsw_grown(report->tags, &report->tag_room, need, sizeof *tags);
        report->tags = tags != NULL ? tags : report->tags;
        struct rsw_digest *heads = rsw_grown(report->heads, &report->head_room, need, sizeof *heads);
        report->heads = heads != NULL ? heads : report->heads;
        if (tags == NULL || heads == NULL) {
            return no_memory(err);
        }
        bool known = tag.head != 0 && rsw_blob_get(txn, tag.head, &head) == RSW_FOUND;
        heads[report->tag_count] = known ? head.digest : (struct rsw_digest){.alg = 0};
        tags[report->tag_count++] = tag;
    }
    return 0;
}

static int gather_members(struct report *report, struct rsw_txn *txn, enum rsw_member_kind kind,
                          struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct members *to = &report->members[kind];
    struct rsw_member member;
    for (rsw_iter_members(&iter, txn, kind, report->repo.id); rsw_member_next(&iter, &member) == RSW_FOUND;) {
        struct member *items = rsw_grown(to->items, &to->room, to->count + 1, sizeof *items);
        if (items == NULL) {
            return no_memory(err);
        }
        to->items = items;
        struct member *item = &items[to->count++];
        *item = (struct member){.record = member};
        if (rsw_blob_get(txn, member.blob, &item->blob) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) != 0) {
            to->bytes += item->blob.size;
        }
    }
    return 0;
}

static int gather_uploads(struct report *report, struct rsw_txn *txn, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_upload upload;
    for (rsw_iter_uploads(&iter, txn, report->repo.id); rsw_upload_next(&iter, &upload) == RSW_FOUND;) {
        struct rsw_upload *uploads =
            rsw_grown(report->uploads, &report->upload_room, report->upload_count + 1, sizeof *uploads);
        if (uploads == NULL) {
            return no_memory(err);
        }
        report->uploads = uploads;
        uploads[report->upload_count++] = upload;
    }
    return 0;
}

static int gather(struct report *report, struct rsw_index *index, const char *name, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, index, err) != 0) {
        return RSW_FAILED;
    }
    int answer = rsw_repo_find(txn, name, &report->repo);
    int result = 0;
    if (answer == RSW_FOUND) {
        result = gather_tags(report, txn, err) != 0 || gather_members(report, txn, RSW_REVISION, err) != 0 ||
                         gather_members(report, txn, RSW_LINK, err) != 0 ||
                         gather_uploads(report, txn, err) != 0
                     ? -1
                     : 0;
    }
    return rsw_inspect_good(txn, result, err) ? answer : RSW_FAILED;
}

static json_t *members_to_json(const struct members *from) {
    json_t *array = json_array();
    for (size_t i = 0; i < from->count; i++) {
        const struct member *member = &from->items[i];
        json_t *item = json_object();
        rsw_json_set(&item, "digest", rsw_json_digest(&member->blob.digest));
        rsw_json_set(&item, "types", rsw_json_types(member->blob.types));
        rsw_json_set(&item, "size", rsw_json_number(member->blob.size));
        rsw_json_set(&item, "present", json_boolean((member->record.flags & RSW_MEMBER_PRESENT) != 0));
        rsw_json_set(&item, "bad", json_boolean((member->record.flags & RSW_MEMBER_BAD) != 0));
        rsw_json_set(&item, "touched", rsw_json_time(member->record.touched_ms));
        rsw_json_append(&array, item);
    }
    return array;
}

static json_t *tags_to_json(const struct report *report) {
    json_t *array = json_array();
    for (size_t i = 0; i < report->tag_count; i++) {
        const struct rsw_tag *tag = &report->tags[i];
        json_t *item = json_object();
        rsw_json_set(&item, "tag", rsw_json_text(tag->name));
        rsw_json_set(&item, "digest",
                     report->heads[i].alg != 0 ? rsw_json_digest(&report->heads[i]) : json_null());
        rsw_json_set(&item, "settled", json_boolean((tag->flags & RSW_TAG_UNSETTLED) == 0));
        rsw_json_set(&item, "bad", json_boolean((tag->flags & RSW_TAG_BAD) != 0));
        rsw_json_set(&item, "touched", rsw_json_time(tag->touched_ms));
        rsw_json_append(&array, item);
    }
    return array;
}

static json_t *uploads_to_json(const struct report *report) {
    json_t *array = json_array();
    for (size_t i = 0; i < report->upload_count; i++) {
        json_t *item = json_object();
        rsw_json_set(&item, "id", rsw_json_text(report->uploads[i].id));
        rsw_json_set(&item, "size", rsw_json_number(report->uploads[i].size));
        rsw_json_set(&item, "started", rsw_json_time(report->uploads[i].started_ms));
        rsw_json_append(&array, item);
    }
    return array;
}

static json_t *to_json(const struct report *report) {
    json_t *root = json_object();
    rsw_json_set(&root, "repo", rsw_json_text(report->repo.name));
    rsw_json_set(&root, "present", json_boolean((report->repo.flags & RSW_REPO_PRESENT) != 0));
    rsw_json_set(&root, "odd", json_boolean((report->repo.flags & RSW_REPO_ODD) != 0));
    rsw_json_set(&root, "first_seen", rsw_json_time(report->repo.first_seen_ms));
    rsw_json_set(&root, "tags", tags_to_json(report));
    rsw_json_set(&root, "revisions", members_to_json(&report->members[RSW_REVISION]));
    rsw_json_set(&root, "revision_bytes", rsw_json_number(report->members[RSW_REVISION].bytes));
    rsw_json_set(&root, "links", members_to_json(&report->members[RSW_LINK]));
    rsw_json_set(&root, "link_bytes", rsw_json_number(report->members[RSW_LINK].bytes));
    rsw_json_set(&root, "uploads", uploads_to_json(report));
    return root;
}

static void print_members(struct rsw_cli *cli, const char *title, const struct members *from) {
    char digest[RSW_DIGEST_TEXT_MAX];
    char size[32];
    char types[96];
    rsw_cli_line(cli, "%s: %zu, %s", title, from->count, rsw_size_format(from->bytes, size, sizeof size));
    for (size_t i = 0; i < from->count; i++) {
        const struct member *member = &from->items[i];
        rsw_cli_line(cli, "  %s  %10s  %s%s%s", rsw_digest_format(&member->blob.digest, digest),
                     rsw_size_format(member->blob.size, size, sizeof size),
                     rsw_types_format(member->blob.types, types, sizeof types),
                     (member->record.flags & RSW_MEMBER_PRESENT) == 0 ? ", deleted" : "",
                     (member->record.flags & RSW_MEMBER_BAD) != 0 ? ", its link cannot be read" : "");
    }
}

static int print_text(struct rsw_cli *cli, const struct report *report) {
    char digest[RSW_DIGEST_TEXT_MAX];
    char time[40];
    char size[32];
    rsw_cli_line(
        cli, "%s%s%s", report->repo.name, (report->repo.flags & RSW_REPO_PRESENT) == 0 ? " (gone)" : "",
        (report->repo.flags & RSW_REPO_ODD) != 0 ? " (no name that the registry would take: kept whole)"
                                                 : "");
    rsw_cli_line(cli, "tags: %zu", report->tag_count);
    for (size_t i = 0; i < report->tag_count; i++) {
        const struct rsw_tag *tag = &report->tags[i];
        rsw_cli_line(cli, "  %-20s  %s%s%s", tag->name,
                     report->heads[i].alg != 0 ? rsw_digest_format(&report->heads[i], digest) : "?",
                     (tag->flags & RSW_TAG_UNSETTLED) != 0 ? ", storage not asked yet" : "",
                     (tag->flags & RSW_TAG_BAD) != 0 ? ", its link cannot be read" : "");
    }
    print_members(cli, "revisions", &report->members[RSW_REVISION]);
    print_members(cli, "layer links", &report->members[RSW_LINK]);
    rsw_cli_line(cli, "uploads: %zu", report->upload_count);
    for (size_t i = 0; i < report->upload_count; i++) {
        const struct rsw_upload *upload = &report->uploads[i];
        rsw_cli_line(cli, "  %s  %10s  started %s", upload->id,
                     rsw_size_format(upload->size, size, sizeof size),
                     rsw_inspect_time(upload->started_ms, time, sizeof time));
    }
    return RSW_EXIT_DONE;
}

int rsw_inspect_repo(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    const char *name = cli->arguments[0];
    AUTO_REPORT report = {.tag_count = 0};
    if (strlen(name) > RSW_REPO_NAME_MAX) {
        return rsw_cli_failf(cli, "no repository has a name as long as this");
    }
    switch (gather(&report, cli->index, name, &err)) {
    case RSW_FOUND:
        return cli->options.json ? rsw_cli_json(cli, to_json(&report)) : print_text(cli, &report);
    case RSW_ABSENT:
        return rsw_cli_failf(cli, "the index does not know a repository %s", name);
    default:
        return rsw_cli_fail(cli, &err);
    }
}
