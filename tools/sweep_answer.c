#include "sweep_answer.h"

#include "sweep_print.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool read_count(uint64_t *out, const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    *out = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

/* A text, or null. */
static bool read_text(const char **out, const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    *out = json_string_value(value);
    return json_is_string(value) || json_is_null(value);
}

static bool read_digest(struct rsw_digest *out, const json_t *object) {
    const char *text = json_string_value(json_object_get(object, "digest"));
    return text != NULL && rsw_digest_parse(out, text, strlen(text));
}

/* ---- items ---- */

static bool read_types(uint32_t *out, const json_t *list) {
    *out = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        unsigned bit = 0;
        while (bit < RSW_TYPE_COUNT && (name == NULL || strcmp(rsw_type_name(bit), name) != 0)) {
            bit++;
        }
        if (bit == RSW_TYPE_COUNT) {
            return false;
        }
        *out |= 1u << bit;
    }
    return json_is_array(list);
}

static bool read_reason(enum rsw_reason *out, const json_t *value) {
    const char *name = json_string_value(value);
    for (int reason = RSW_REASON_UNREFERENCED; name != NULL && reason <= RSW_REASON_STALE; reason++) {
        if (strcmp(rsw_reason_name((enum rsw_reason)reason), name) == 0) {
            *out = (enum rsw_reason)reason;
            return true;
        }
    }
    return false;
}

/* `digest` is room for the item's. */
static bool read_item(struct rsw_sweep_item *out, struct rsw_digest *digest, const json_t *from) {
    enum rsw_item_kind kind = out->kind;
    if (kind == RSW_ITEM_REPOSITORY) {
        out->repo = json_string_value(from);
        out->reason = RSW_REASON_EMPTY;
        return out->repo != NULL;
    }
    bool good = read_reason(&out->reason, json_object_get(from, "reason"));
    if (kind != RSW_ITEM_BLOB) {
        good = good && read_text(&out->repo, from, "repo") && out->repo != NULL;
    }
    if (kind == RSW_ITEM_TAG || kind == RSW_ITEM_UPLOAD) {
        good = good && read_text(&out->name, from, kind == RSW_ITEM_TAG ? "tag" : "id") && out->name != NULL;
    }
    if (json_object_get(from, "digest") != NULL) {
        good = good && read_digest(digest, from);
        out->digest = digest;
    }
    if (kind == RSW_ITEM_BLOB) {
        good = good && out->digest != NULL && read_types(&out->types, json_object_get(from, "types"));
    }
    if (kind == RSW_ITEM_BLOB || kind == RSW_ITEM_UPLOAD) {
        good = good && read_count(&out->size, from, "size");
    }
    return good;
}

static bool tell_items(struct rsw_sweep_print *print, const json_t *condemned) {
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        const json_t *list = json_object_get(condemned, rsw_sweep_plural[kind]);
        if (!json_is_array(list)) {
            return false;
        }
        if (kind == RSW_ITEM_LINK && !print->cli->options.verbose) {
            continue; /* as where it is done here */
        }
        for (size_t i = 0; i < json_array_size(list); i++) {
            struct rsw_digest digest;
            struct rsw_sweep_item item = {.kind = (enum rsw_item_kind)kind};
            if (!read_item(&item, &digest, json_array_get(list, i))) {
                return false;
            }
            rsw_sweep_print_item(print, &item);
        }
    }
    return true;
}

static bool tell_warnings(struct rsw_sweep_print *print, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *from = json_array_get(list, i);
        struct rsw_digest digest;
        struct rsw_sweep_warning warning = {.problem = NULL};
        bool has_digest = json_is_string(json_object_get(from, "digest"));
        if (!read_text(&warning.repo, from, "repo") || !read_text(&warning.problem, from, "problem") ||
            warning.problem == NULL || (has_digest && !read_digest(&digest, from))) {
            return false;
        }
        warning.digest = has_digest ? &digest : NULL;
        rsw_sweep_print_warning(print, &warning);
    }
    return json_is_array(list);
}

/* ---- totals ---- */

static bool read_done(struct rsw_sweep_result *out, const json_t *root) {
    const json_t *done = json_object_get(root, "done");
    const char *due;
    return read_count(&out->done, done, "removed") && read_count(&out->failed, done, "failed") &&
           read_count(&out->spared, done, "spared") && read_count(&out->freed, done, "freed_bytes") &&
           read_text(&out->state, root, "state") && read_count(&out->held, root, "held") &&
           read_text(&due, root, "due") && (due == NULL || rsw_time_parse(&out->due_ms, due, strlen(due)));
}

/* Only where old versions were asked for. */
static bool read_old(struct rsw_sweep_result *out, struct rsw_sweep_options *options, const json_t *root) {
    const json_t *from = json_object_get(root, "old_versions");
    struct rsw_old_result *old = &out->old;
    options->version_max_age_ms = from != NULL ? 1 : 0;
    return from == NULL ||
           (read_count(&old->versions, from, "versions") && read_count(&old->bytes, from, "bytes") &&
            read_count(&old->markers, from, "markers") && read_count(&old->removed, from, "removed") &&
            read_count(&old->freed, from, "freed_bytes") && read_count(&old->failed, from, "failed"));
}

static bool read_result(struct rsw_sweep_result *out, struct rsw_sweep_options *options, const json_t *root) {
    const json_t *totals = json_object_get(root, "totals");
    const json_t *kept = json_object_get(root, "kept");
    const json_t *dry_run = json_object_get(root, "dry_run");
    const char *refusal;
    bool good = json_is_boolean(dry_run) && read_text(&refusal, root, "refusal");
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        good = good && read_count(&out->counts[kind], totals, rsw_sweep_plural[kind]);
    }
    good = good && read_count(&out->bytes, totals, "bytes") && read_count(&out->kept_blobs, kept, "blobs") &&
           read_count(&out->kept_in_grace, kept, "in_grace") &&
           (json_is_null(json_object_get(root, "generation")) ||
            read_count(&out->generation, root, "generation"));
    options->confirm = !json_is_true(dry_run);
    if (good && refusal != NULL) {
        snprintf(out->guard, sizeof out->guard, "%s", refusal);
    }
    return good && read_old(out, options, root) && (!options->confirm || read_done(out, root));
}

/* A server has no room for lists of any length. */
static void tell_left_out(struct rsw_cli *cli, const json_t *root, const struct rsw_sweep_result *result) {
    uint64_t left_out;
    if (!read_count(&left_out, root, "left_out") || left_out == 0) {
        return;
    }
    if (result->generation != 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "%" PRIu64
                " more are not listed here; where the index is: regsweep inspect generations %" PRIu64,
                left_out, result->generation);
    } else {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "%" PRIu64 " more are not listed here; where the index is: regsweep inspect garbage",
                left_out);
    }
}

int rsw_sweep_answer_tell(struct rsw_cli *cli, const json_t *result, struct rsw_error *err) {
    struct rsw_sweep_print print;
    struct rsw_sweep_result read = {.generation = 0};
    struct rsw_sweep_options options = {.confirm = false};
    rsw_sweep_print_init(&print, cli);
    int rc = read_result(&read, &options, result) &&
                     tell_items(&print, json_object_get(result, "condemned")) &&
                     tell_warnings(&print, json_object_get(result, "warnings"))
                 ? 0
                 : rsw_error_set(err, RSW_EIO, 0, "the result is not understood: is another version there?");
    if (rc == 0) {
        tell_left_out(cli, result, &read);
        rsw_sweep_print_result(&print, &read, &options);
    }
    rsw_sweep_print_release(&print);
    return rc;
}
