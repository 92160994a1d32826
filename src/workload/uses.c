#include "workload/uses.h"

#include "util/grow.h"
#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_FIRST 4096

static void pin_release(struct rsw_pin *pin) {
    free((void *)(uintptr_t)pin->repo); /* const for mark, ours to free */
    free((void *)(uintptr_t)pin->tag);
    free((void *)(uintptr_t)pin->why);
}

void rsw_uses_release(struct rsw_uses *uses) {
    for (size_t i = 0; i < uses->count; i++) {
        pin_release(&uses->pins[i]);
    }
    for (size_t i = 0; i < uses->bad_count && i < RSW_BAD_TOLD_MAX; i++) {
        free(uses->bad[i]);
    }
    free(uses->pins);
    free(uses->bad);
    free(uses->hosts);
    *uses = (struct rsw_uses){.hosts = NULL};
}

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory for what is in use");
}

/* ---- hosts ---- */

int rsw_uses_add_host(struct rsw_uses *uses, const char *text, struct rsw_error *err) {
    void *hosts = reallocarray(uses->hosts, uses->host_count + 1, sizeof *uses->hosts);
    if (hosts == NULL) {
        return no_memory(err);
    }
    uses->hosts = hosts;
    if (!rsw_host_parse(uses->hosts[uses->host_count], text, strlen(text))) {
        return rsw_error_set(err, RSW_EINVAL, 0, "\"%s\" is not HOST or HOST:PORT", text);
    }
    uses->host_count++;
    return 0;
}

static bool is_ours(const struct rsw_uses *uses, const char *host) {
    for (size_t i = 0; i < uses->host_count; i++) {
        if (strcmp(uses->hosts[i], host) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- twins ---- */

static int compare_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? (a != NULL) - (b != NULL) : strcmp(a, b);
}

static int compare(const struct rsw_pin *a, const struct rsw_pin *b) {
    int order = compare_text(a->repo, b->repo);
    order = order != 0 ? order : compare_text(a->tag, b->tag);
    return order != 0 ? order : rsw_digest_compare(&a->digest, &b->digest);
}

static int by_pin(const void *a, const void *b) {
    int order = compare(a, b);
    return order != 0 ? order : strcmp(((const struct rsw_pin *)a)->why, ((const struct rsw_pin *)b)->why);
}

void rsw_uses_settle(struct rsw_uses *uses) {
    if (uses->count == 0) {
        return;
    }
    qsort(uses->pins, uses->count, sizeof *uses->pins, by_pin);
    size_t last = 0;
    for (size_t i = 1; i < uses->count; i++) {
        if (compare(&uses->pins[last], &uses->pins[i]) == 0) {
            pin_release(&uses->pins[i]);
        } else {
            uses->pins[++last] = uses->pins[i];
        }
    }
    uses->count = last + 1;
}

/* ---- adding ---- */

static int add(struct rsw_uses *uses, const char *where, const char *repo, const char *tag,
               const struct rsw_digest *digest, struct rsw_error *err) {
    if (uses->count >= uses->settle_at) {
        rsw_uses_settle(uses);
        uses->settle_at = 2 * uses->count > SETTLE_FIRST ? 2 * uses->count : SETTLE_FIRST;
    }
    struct rsw_pin *pins = rsw_grown(uses->pins, &uses->room, uses->count + 1, sizeof *pins);
    if (pins == NULL) {
        return no_memory(err);
    }
    uses->pins = pins;
    struct rsw_pin *pin = &pins[uses->count++];
    *pin = (struct rsw_pin){.repo = repo != NULL ? strdup(repo) : NULL,
                            .tag = tag != NULL ? strdup(tag) : NULL,
                            .why = strdup(where)};
    if (digest != NULL) {
        pin->digest = *digest;
    }
    bool whole =
        pin->why != NULL && (repo == NULL) == (pin->repo == NULL) && (tag == NULL) == (pin->tag == NULL);
    return whole ? 0 : no_memory(err);
}

static int add_reference(struct rsw_uses *uses, const char *where, const struct rsw_reference *reference,
                         struct rsw_error *err) {
    const char *repo = reference->repository[0] != 0 ? reference->repository : NULL;
    if (reference->tag[0] != 0 && add(uses, where, repo, reference->tag, NULL, err) != 0) {
        return -1;
    }
    return reference->has_digest ? add(uses, where, repo, NULL, &reference->digest, err) : 0;
}

int rsw_uses_add(struct rsw_uses *uses, const char *where, const char *text, struct rsw_error *err) {
    struct rsw_image_name name;
    struct rsw_error why = RSW_ERROR_INIT;
    if (rsw_image_name_parse(&name, text, &why) != 0) {
        return rsw_uses_add_bad(uses, where, err, "image \"%.300s\": %s", text, why.message);
    }
    if (name.host[0] != 0 && !is_ours(uses, name.host)) {
        uses->foreign++;
        return 0;
    }
    return add_reference(uses, where, &name.reference, err);
}

int rsw_uses_add_own(struct rsw_uses *uses, const char *where, const char *text, struct rsw_error *err) {
    struct rsw_reference reference;
    struct rsw_error why = RSW_ERROR_INIT;
    if (rsw_reference_parse(&reference, text, &why) != 0) {
        return rsw_uses_add_bad(uses, where, err, "\"%.300s\": %s", text, why.message);
    }
    return add_reference(uses, where, &reference, err);
}

int rsw_uses_add_digest(struct rsw_uses *uses, const char *where, const struct rsw_digest *digest,
                        struct rsw_error *err) {
    return add(uses, where, NULL, NULL, digest, err);
}

int rsw_uses_add_bad(struct rsw_uses *uses, const char *where, struct rsw_error *err, const char *fmt, ...) {
    char why[RSW_MESSAGE_MAX];
    if (uses->bad_count >= RSW_BAD_TOLD_MAX) {
        uses->bad_count++;
        return 0;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    char **bad = rsw_grown(uses->bad, &uses->bad_room, (size_t)uses->bad_count + 1, sizeof *bad);
    char *line = NULL;
    if (bad == NULL || asprintf(&line, "%s: %s", where, why) < 0) {
        uses->bad = bad != NULL ? bad : uses->bad;
        return no_memory(err);
    }
    rsw_text_clean(line);
    uses->bad = bad;
    bad[uses->bad_count++] = line;
    return 0;
}
