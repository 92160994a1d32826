#include "sweep_print.h"

#include "index/index.h"
#include "util/text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

const char *const rsw_sweep_plural[RSW_ITEM_KINDS] = {"",     "blobs",        "links",  "revisions",
                                                      "tags", "repositories", "uploads"};

static void flush(struct rsw_sweep_print *print) {
    fwrite_unlocked(print->lines, 1, print->lines_len, print->cli->out);
    print->lines_len = 0;
}

void rsw_sweep_print_init(struct rsw_sweep_print *print, struct rsw_cli *cli) {
    print->cli = cli;
    print->left_out = 0;
    print->lines_len = 0;
    print->watched = isatty(fileno(cli->out)) != 0;
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        print->condemned[kind] = cli->options.json ? json_array() : NULL;
    }
    print->warnings = cli->options.json ? json_array() : NULL;
}

void rsw_sweep_print_release(struct rsw_sweep_print *print) {
    flush(print);
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        json_decref(print->condemned[kind]);
    }
    json_decref(print->warnings);
}

/* Takes `value`. */
static void collect(struct rsw_sweep_print *print, json_t **list, json_t *value) {
    size_t max = print->cli->list_max;
    if (max != 0 && json_array_size(*list) >= max) {
        json_decref(value);
        print->left_out++;
        return;
    }
    rsw_json_append(list, value);
}

/* ---- items ---- */

/* Lines are put together by hand, and go out many at once: there can be millions. One holds the longest names
 * that the index can hold, also as a server gives them: three bytes for one that is no UTF-8. */
#define REPO_ROOM (3 * RSW_REPO_NAME_MAX)
#define NAME_ROOM (3 * RSW_TAG_NAME_MAX) /* no upload's is longer */
#define LINE_ROOM (REPO_ROOM + NAME_ROOM + RSW_DIGEST_TEXT_MAX + 256)
#define TYPES_ROOM 96 /* of these 256 */

/* Of ours: there is room. */
static char *put(char *at, const char *word, char end) {
    at = stpcpy(at, word);
    *at = end;
    return at + 1;
}

/* Out of an index or an answer: all of it, or nothing. */
static char *put_name(char *at, const char *name, size_t max) {
    size_t len = strlen(name);
    if (len > max) {
        return at;
    }
    memcpy(at, name, len);
    at[len] = 0;
    rsw_text_clean(at); /* control bytes in a name out of storage must not reach a terminal */
    return at + len;
}

static char *put_digest(char *at, const struct rsw_digest *digest) {
    at = put(at, rsw_alg_name(digest->alg), ':');
    rsw_digest_hex(digest, at);
    return at + 2 * rsw_alg_size(digest->alg);
}

static char *put_object(char *at, const struct rsw_sweep_item *item) {
    if (item->repo != NULL) {
        at = put_name(at, item->repo, REPO_ROOM);
    }
    if (item->name != NULL) {
        *at++ = item->kind == RSW_ITEM_TAG ? ':' : '/';
        at = put_name(at, item->name, NAME_ROOM);
    }
    if (item->digest != NULL) {
        *at = '@';
        at = put_digest(at + (item->repo != NULL ? 1 : 0), item->digest);
    }
    *at = '\t';
    return at + 1;
}

static void print_item(struct rsw_sweep_print *print, const struct rsw_sweep_item *item) {
    if (sizeof print->lines - print->lines_len < LINE_ROOM) {
        flush(print);
    }
    char *at = put(print->lines + print->lines_len, rsw_item_kind_name(item->kind), '\t');
    at = put_object(at, item);
    if (item->kind == RSW_ITEM_BLOB) {
        at += strlen(rsw_types_format(item->types, at, TYPES_ROOM));
        *at++ = '\t';
    }
    if (item->kind == RSW_ITEM_BLOB || item->kind == RSW_ITEM_UPLOAD) {
        at += rsw_size_write(item->size, at);
        *at++ = '\t';
    }
    at = put(at, rsw_reason_name(item->reason), '\n');
    print->lines_len = (size_t)(at - print->lines);
    if (print->watched) {
        flush(print);
    }
}

static json_t *item_to_json(const struct rsw_sweep_item *item) {
    if (item->kind == RSW_ITEM_REPOSITORY) {
        return rsw_json_text(item->repo);
    }
    json_t *object = json_object();
    if (item->repo != NULL) {
        rsw_json_set(&object, "repo", rsw_json_text(item->repo));
    }
    if (item->name != NULL) {
        rsw_json_set(&object, item->kind == RSW_ITEM_TAG ? "tag" : "id", rsw_json_text(item->name));
    }
    if (item->digest != NULL) {
        rsw_json_set(&object, "digest", rsw_json_digest(item->digest));
    }
    if (item->kind == RSW_ITEM_BLOB) {
        rsw_json_set(&object, "types", rsw_json_types(item->types));
    }
    if (item->kind == RSW_ITEM_BLOB || item->kind == RSW_ITEM_UPLOAD) {
        rsw_json_set(&object, "size", rsw_json_number(item->size));
    }
    rsw_json_set(&object, "reason", json_string(rsw_reason_name(item->reason)));
    return object;
}

int rsw_sweep_print_item(struct rsw_sweep_print *print, const struct rsw_sweep_item *item) {
    if (print->cli->options.json) {
        collect(print, &print->condemned[item->kind], item_to_json(item));
    } else {
        print_item(print, item);
    }
    return 0;
}

int rsw_sweep_print_warning(struct rsw_sweep_print *print, const struct rsw_sweep_warning *warning) {
    if (!print->cli->options.json) {
        char text[RSW_DIGEST_TEXT_MAX] = "";
        if (warning->digest != NULL) {
            rsw_digest_format(warning->digest, text);
        }
        rsw_log(&print->cli->log, RSW_LOG_WARNING, "%s%s%s: %s; kept",
                warning->repo != NULL ? warning->repo : "",
                warning->repo != NULL && warning->digest != NULL ? "@" : "", text, warning->problem);
        return 0;
    }
    json_t *object = json_object();
    rsw_json_set(&object, "repo", warning->repo != NULL ? rsw_json_text(warning->repo) : json_null());
    rsw_json_set(&object, "digest", warning->digest != NULL ? rsw_json_digest(warning->digest) : json_null());
    rsw_json_set(&object, "problem", json_string(warning->problem));
    collect(print, &print->warnings, object);
    return 0;
}

/* ---- totals ---- */

static void print_counts(struct rsw_cli *cli, const char *verb, const struct rsw_sweep_result *result) {
    char size[32];
    rsw_cli_line(cli,
                 "%s %" PRIu64 " blobs, %s with uploads; %" PRIu64 " links, %" PRIu64 " revisions, %" PRIu64
                 " tags, %" PRIu64 " repositories, %" PRIu64 " uploads",
                 verb, result->counts[RSW_ITEM_BLOB], rsw_size_format(result->bytes, size, sizeof size),
                 result->counts[RSW_ITEM_LINK], result->counts[RSW_ITEM_REVISION],
                 result->counts[RSW_ITEM_TAG], result->counts[RSW_ITEM_REPOSITORY],
                 result->counts[RSW_ITEM_UPLOAD]);
    rsw_cli_line(cli, "keeps %" PRIu64 " blobs, %" PRIu64 " of them for their youth alone",
                 result->kept_blobs, result->kept_in_grace);
}

/* What a generation waits for: behind its state, in words. */
static const char *wait_of(const char *state) {
    static const struct {
        const char *state, *wait;
    } waits[] = {
        {"condemned", "; once no request of a run that was cut short can be under way, it goes on"},
        {"unlinked",
         "; once no request can be under way that saw what was unlinked, and no cache knows it, its "
         "bytes are hidden"},
        {"hidden", "; once the quarantine is over it is purged"},
    };
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        if (strcmp(waits[i].state, state) == 0) {
            return waits[i].wait;
        }
    }
    return "";
}

/* Of an online one: it takes its time. */
static void print_state(struct rsw_cli *cli, const struct rsw_sweep_result *result) {
    char time[40];
    if (result->state != NULL) {
        rsw_cli_line(cli, "generation %" PRIu64 " is %s%s", result->generation, result->state,
                     result->due_ms != 0 ? wait_of(result->state) : "");
    }
    if (result->held > 0) {
        rsw_cli_line(cli, "%" PRIu64 " blobs stay in quarantine until the registry has been restarted",
                     result->held);
    }
    if (result->due_ms != 0) {
        rsw_log(&cli->log, RSW_LOG_INFO,
                "more is due at %s: run this again then, or let regsweep serve do it",
                rsw_time_format(result->due_ms, time, sizeof time));
    }
}

/* One that was begun before was in the way: nothing was decided. Else a registry beside which a sweep runs
 * keeps what its fence asks for. */
static bool has_decided(const struct rsw_sweep_result *result) {
    return result->state == NULL || result->kept_blobs > 0 || result->counts[RSW_ITEM_BLOB] > 0;
}

static void print_old(struct rsw_cli *cli, const struct rsw_old_result *old,
                      const struct rsw_sweep_options *options) {
    char size[32];
    char freed[32];
    if (options->version_max_age_ms > 0) {
        rsw_cli_line(cli,
                     "%" PRIu64 " old versions, %s, and %" PRIu64 " markers; %s %" PRIu64
                     " of them, %s; %" PRIu64 " failed",
                     old->versions, rsw_size_format(old->bytes, size, sizeof size), old->markers,
                     options->confirm ? "removed" : "would remove", old->removed,
                     rsw_size_format(old->freed, freed, sizeof freed), old->failed);
    }
}

static void print_result(struct rsw_cli *cli, const struct rsw_sweep_result *result,
                         const struct rsw_sweep_options *options) {
    char size[32];
    if (has_decided(result)) {
        print_counts(cli, options->confirm ? "condemned" : "would remove", result);
    } else {
        rsw_cli_line(cli, "began no other sweep: generation %" PRIu64 " came first", result->generation);
    }
    if (options->confirm) {
        rsw_cli_line(cli, "removed %" PRIu64 ", freed %s; %" PRIu64 " failed, %" PRIu64 " spared",
                     result->done, rsw_size_format(result->freed, size, sizeof size), result->failed,
                     result->spared);
        print_state(cli, result);
    } else if (result->counts[RSW_ITEM_BLOB] + result->counts[RSW_ITEM_LINK] +
                   result->counts[RSW_ITEM_REVISION] + result->counts[RSW_ITEM_TAG] +
                   result->counts[RSW_ITEM_REPOSITORY] + result->counts[RSW_ITEM_UPLOAD] >
               0) {
        rsw_log(&cli->log, RSW_LOG_INFO, "nothing was changed; --confirm removes it");
    }
    print_old(cli, &result->old, options);
    if (result->guard[0] != 0 && !options->confirm) { /* else it was, and the error says why */
        rsw_log(&cli->log, RSW_LOG_WARNING, "with --confirm this run would be refused: %s", result->guard);
    }
}

static json_t *old_to_json(const struct rsw_old_result *old) {
    json_t *object = json_object();
    rsw_json_set(&object, "versions", rsw_json_number(old->versions));
    rsw_json_set(&object, "bytes", rsw_json_number(old->bytes));
    rsw_json_set(&object, "markers", rsw_json_number(old->markers));
    rsw_json_set(&object, "removed", rsw_json_number(old->removed));
    rsw_json_set(&object, "freed_bytes", rsw_json_number(old->freed));
    rsw_json_set(&object, "failed", rsw_json_number(old->failed));
    return object;
}

static json_t *result_to_json(struct rsw_sweep_print *print, const struct rsw_sweep_result *result,
                              const struct rsw_sweep_options *options) {
    json_t *root = json_object();
    json_t *condemned = json_object();
    json_t *totals = json_object();
    json_t *kept = json_object();
    for (unsigned kind = 1; kind < RSW_ITEM_KINDS; kind++) {
        rsw_json_set(&condemned, rsw_sweep_plural[kind], print->condemned[kind]);
        print->condemned[kind] = NULL; /* given away */
        rsw_json_set(&totals, rsw_sweep_plural[kind], rsw_json_number(result->counts[kind]));
    }
    rsw_json_set(&totals, "bytes", rsw_json_number(result->bytes));
    rsw_json_set(&kept, "blobs", rsw_json_number(result->kept_blobs));
    rsw_json_set(&kept, "in_grace", rsw_json_number(result->kept_in_grace));
    rsw_json_set(&root, "generation",
                 result->generation != 0 ? rsw_json_number(result->generation) : json_null());
    rsw_json_set(&root, "dry_run", json_boolean(!options->confirm));
    rsw_json_set(&root, "offline", json_boolean(options->offline));
    rsw_json_set(&root, "condemned", condemned);
    if (print->left_out > 0) {
        rsw_json_set(&root, "left_out", rsw_json_number(print->left_out));
    }
    rsw_json_set(&root, "totals", totals);
    rsw_json_set(&root, "kept", kept);
    if (options->confirm) {
        json_t *done = json_object();
        rsw_json_set(&done, "removed", rsw_json_number(result->done));
        rsw_json_set(&done, "failed", rsw_json_number(result->failed));
        rsw_json_set(&done, "spared", rsw_json_number(result->spared));
        rsw_json_set(&done, "freed_bytes", rsw_json_number(result->freed));
        rsw_json_set(&root, "done", done);
        if (!options->offline) {
            rsw_json_set(&root, "state", result->state != NULL ? json_string(result->state) : json_null());
            rsw_json_set(&root, "held", rsw_json_number(result->held));
            rsw_json_set(&root, "due", result->due_ms != 0 ? rsw_json_time(result->due_ms) : json_null());
        }
    }
    if (options->version_max_age_ms > 0) {
        rsw_json_set(&root, "old_versions", old_to_json(&result->old));
    }
    rsw_json_set(&root, "refusal", result->guard[0] != 0 ? json_string(result->guard) : json_null());
    rsw_json_set(&root, "warnings", print->warnings);
    print->warnings = NULL;
    return root;
}

int rsw_sweep_print_result(struct rsw_sweep_print *print, const struct rsw_sweep_result *result,
                           const struct rsw_sweep_options *options) {
    if (print->cli->options.json) {
        return rsw_cli_json(print->cli, result_to_json(print, result, options));
    }
    flush(print);
    print_result(print->cli, result, options);
    return RSW_EXIT_DONE;
}

void rsw_sweep_print_refusal(struct rsw_cli *cli, const struct rsw_sweep_options *options, const char *why) {
    static const struct rsw_sweep_result nothing = {.generation = 0};
    struct rsw_sweep_print print;
    rsw_sweep_print_init(&print, cli);
    json_t *root = result_to_json(&print, &nothing, options);
    rsw_json_set(&root, "refusal", rsw_json_text(why));
    rsw_cli_json(cli, root);
    rsw_sweep_print_release(&print);
}
