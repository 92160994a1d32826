#include "pins.h"

#include "file.h"
#include "options.h"

#include "index/pin.h"
#include "oci/reference.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PINS_BYTES_MAX ((size_t)64 << 20)

void rsw_pins_release(struct rsw_pins *pins) {
    for (size_t i = 0; i < pins->count; i++) {
        free((void *)(uintptr_t)pins->items[i].repo); /* const for mark, ours to free */
        free((void *)(uintptr_t)pins->items[i].tag);
        free(pins->words[i].where);
        free(pins->words[i].text);
    }
    free(pins->items);
    free(pins->words);
    *pins = (struct rsw_pins){.count = 0};
}

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for what is pinned");
}

static int copy_names(struct rsw_pin *out, const struct rsw_reference *from, struct rsw_error *err) {
    out->repo = strdup(from->repository);
    out->tag = out->repo != NULL && from->tag[0] != 0 ? strdup(from->tag) : NULL;
    return out->repo == NULL || (from->tag[0] != 0 && out->tag == NULL) ? no_memory(err) : 0;
}

static int read_pin(struct rsw_pin *out, const char *where, const char *text, struct rsw_error *err) {
    struct rsw_reference reference;
    struct rsw_error why = RSW_ERROR_INIT;
    if (rsw_digest_parse(&out->digest, text, strlen(text))) {
        return 0;
    }
    int rc = rsw_reference_parse(&reference, text, &why);
    if (rc != 0 || reference.has_digest == (reference.tag[0] != 0)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: \"%s\" is not a digest, NAME@DIGEST or NAME:TAG%s%s",
                             where, text, why.message[0] != 0 ? ": " : "", why.message);
    }
    out->digest = reference.digest;
    return copy_names(out, &reference, err);
}

int rsw_pins_add(struct rsw_pins *pins, const char *where, const char *text, struct rsw_error *err) {
    struct rsw_pin *items = rsw_grown(pins->items, &pins->room, pins->count + 1, sizeof *items);
    pins->items = items != NULL ? items : pins->items;
    struct rsw_pin_words *words = rsw_grown(pins->words, &pins->words_room, pins->count + 1, sizeof *words);
    pins->words = words != NULL ? words : pins->words;
    if (items == NULL || words == NULL) {
        return no_memory(err);
    }
    size_t at = pins->count++;
    words[at] = (struct rsw_pin_words){.where = strdup(where), .text = strdup(text)};
    items[at] = (struct rsw_pin){.repo = NULL, .why = words[at].where};
    return words[at].where == NULL || words[at].text == NULL ? no_memory(err)
                                                             : read_pin(&items[at], where, text, err);
}

int rsw_pins_add_used(struct rsw_pins *pins, const char *where, const char *text, struct rsw_error *err) {
    if (rsw_pins_add(pins, where, text, err) != 0) {
        return -1;
    }
    pins->words[pins->count - 1].used = true;
    pins->items[pins->count - 1].image = true; /* nodes may know what they run by its configuration alone */
    return 0;
}

/* As rsw_pins_to_options wrote it. */
static int add_sent(struct rsw_pins *pins, const char *sent, struct rsw_error *err) {
    char text[RSW_REPOSITORY_MAX + RSW_DIGEST_TEXT_MAX + 2];
    size_t len = strcspn(sent, " ");
    if (sent[len] == 0 || len >= sizeof text) {
        return rsw_error_set(err, RSW_EINVAL, 0, "used: \"%.200s\" is not a pin and who names it", sent);
    }
    memcpy(text, sent, len);
    text[len] = 0;
    return rsw_pins_add_used(pins, sent + len + 1, text, err);
}

int rsw_pins_parse(struct rsw_pins *pins, const char *name, const char *bytes, size_t len,
                   struct rsw_error *err) {
    const char *end = bytes + len;
    for (unsigned long line = 1; bytes < end; line++) {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t length = (size_t)((stop != NULL ? stop : end) - bytes);
        char where[512];
        char text[RSW_REPOSITORY_MAX + RSW_TAG_MAX + RSW_DIGEST_TEXT_MAX];
        size_t skip = strspn(bytes, " \t") < length ? strspn(bytes, " \t") : length;
        const char *word = bytes + skip;
        size_t rest = length - skip;
        while (rest > 0 && strchr(" \t\r", word[rest - 1]) != NULL && word[rest - 1] != 0) {
            rest--;
        }
        snprintf(where, sizeof where, "%s:%lu", name, line);
        if (rest >= sizeof text || memchr(word, 0, rest) != NULL) {
            return rsw_error_set(err, RSW_EINVAL, 0, "%s: no digest, NAME@DIGEST or NAME:TAG looks like this",
                                 where);
        }
        memcpy(text, word, rest);
        text[rest] = 0;
        if (rest > 0 && text[0] != '#' && rsw_pins_add(pins, where, text, err) != 0) {
            return -1;
        }
        bytes += length + 1;
    }
    return 0;
}

static int read_file(struct rsw_pins *out, const char *path, struct rsw_error *err) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    return rsw_file_read(&bytes, path, PINS_BYTES_MAX, NULL, err) != 0 || rsw_buf_add(&bytes, "", 1, err) != 0
               ? -1
               : rsw_pins_parse(out, path, (const char *)bytes.data, bytes.len - 1, err);
}

int rsw_pins_read(struct rsw_pins *out, const struct rsw_options *options, struct rsw_error *err) {
    for (size_t i = 0; i < options->pins.count; i++) {
        if (rsw_pins_add(out, "--pin", options->pins.items[i], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < options->pin_files.count; i++) {
        if (read_file(out, options->pin_files.items[i], err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < options->used.count; i++) {
        if (add_sent(out, options->used.items[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int send_one(struct rsw_options *options, const struct rsw_pin_words *words, struct rsw_error *err) {
    const struct rsw_option *option = rsw_option_find(words->used ? "used" : "pin");
    RSW_AUTO_FREE char *sent = NULL;
    if (asprintf(&sent, "%s%s%s", words->text, words->used ? " " : "", words->used ? words->where : "") < 0) {
        sent = NULL;
        return no_memory(err);
    }
    options->sources[option - rsw_option_table] = RSW_SOURCE_FLAG;
    return rsw_option_set(options, option, RSW_SOURCE_FLAG, words->where, sent, err);
}

int rsw_pins_to_options(const struct rsw_pins *pins, struct rsw_options *options, struct rsw_error *err) {
    for (size_t i = options->pins.count; i < pins->count; i++) { /* those of --pin come first */
        if (send_one(options, &pins->words[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool hits(struct rsw_txn *txn, const struct rsw_pin *pin) {
    struct rsw_repo repo;
    struct rsw_blob blob;
    struct rsw_member member;
    struct rsw_tag tag;
    if (pin->repo != NULL && rsw_repo_find(txn, pin->repo, &repo) != RSW_FOUND) {
        return false;
    }
    if (pin->tag != NULL) {
        return rsw_tag_get(txn, repo.id, pin->tag, &tag) == RSW_FOUND;
    }
    return rsw_blob_find(txn, &pin->digest, &blob) == RSW_FOUND &&
           (pin->repo == NULL || rsw_member_get(txn, RSW_REVISION, repo.id, blob.id, &member) == RSW_FOUND ||
            rsw_member_get(txn, RSW_LINK, repo.id, blob.id, &member) == RSW_FOUND);
}

int rsw_pins_warn(const struct rsw_pins *pins, struct rsw_txn *txn, const struct rsw_log *log,
                  struct rsw_error *err) {
    uint64_t used = 0;
    uint64_t unknown = 0;
    for (size_t i = 0; i < pins->count; i++) {
        bool hit = hits(txn, &pins->items[i]);
        used += pins->words[i].used;
        unknown += pins->words[i].used && !hit;
        if (!pins->words[i].used && !hit) {
            rsw_log(log, RSW_LOG_WARNING, "%s: %s keeps nothing: the index does not know it",
                    pins->words[i].where, pins->words[i].text);
        }
    }
    if (pins->objects > 0) {
        rsw_log(log, RSW_LOG_INFO,
                "%" PRIu64 " objects name %" PRIu64 " images of this registry; %" PRIu64
                " of them are not in the index",
                pins->objects, used, unknown);
    } else if (used > 0) {
        rsw_log(log, RSW_LOG_INFO, "%" PRIu64 " images are in use; %" PRIu64 " of them are not in the index",
                used, unknown);
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int warn_kept(const struct rsw_kept_pin *kept, struct rsw_txn *txn, int64_t now_ms,
                     const struct rsw_log *log, struct rsw_error *err) {
    struct rsw_pins one = {.count = 0};
    char until[32];
    if (kept->until_ms != 0 && kept->until_ms <= now_ms) {
        rsw_log(log, RSW_LOG_WARNING,
                "the pin %s ran out at %s, and keeps nothing any more: take it away with regsweep "
                "unpin",
                kept->text, rsw_time_format(kept->until_ms, until, sizeof until));
        return 0;
    }
    int rc =
        rsw_pins_add(&one, "regsweep pin", kept->text, err) == 0 ? rsw_pins_warn(&one, txn, log, err) : -1;
    rsw_pins_release(&one);
    return rc;
}

int rsw_pins_warn_kept(struct rsw_txn *txn, int64_t now_ms, const struct rsw_log *log,
                       struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_kept_pin kept;
    rsw_iter_kept_pins(&iter, txn);
    while (rsw_kept_pin_next(&iter, &kept) == RSW_FOUND) {
        if (warn_kept(&kept, txn, now_ms, log, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}
