/* "Did you mean": the closest name by edit distance. And what a remedy leaves out. */
#include "help.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 40

/* Edits (insert, remove, replace a letter, swap two neighbours) between two short words. */
static unsigned distance(const char *a, const char *b) {
    unsigned rows[NAME_MAX_BYTES + 1][NAME_MAX_BYTES + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > NAME_MAX_BYTES || b_len > NAME_MAX_BYTES) {
        return NAME_MAX_BYTES;
    }
    for (size_t i = 0; i <= a_len; i++) {
        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = rows[i - 1][j] + 1 < best ? rows[i - 1][j] + 1 : best;
            best = rows[i][j - 1] + 1 < best ? rows[i][j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < best) {
                best = rows[i - 2][j - 2] + 1;
            }
            rows[i][j] = best;
        }
    }
    return rows[a_len][b_len];
}

void rsw_closest_consider(struct rsw_closest *closest, const char *name) {
    unsigned here = distance(closest->asked, name);
    size_t len = strlen(closest->asked);
    /* A word that someone began to write counts as close. */
    if (!closest->whole && len >= 3 && strncmp(closest->asked, name, len) == 0) {
        here = 0;
    }
    if (here <= 1 + len / 4 && (closest->best == NULL || here < closest->distance)) {
        closest->best = name;
        closest->distance = here;
    }
}

static const char *closest_option(const char *asked, bool whole, unsigned places) {
    struct rsw_closest closest = {.asked = asked, .whole = whole};
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if ((option->places & places) != 0) {
            rsw_closest_consider(&closest, option->name);
        }
    }
    return closest.best;
}

const char *rsw_closest_option(const char *asked) {
    return closest_option(asked, false, RSW_IN_FLAG);
}

const char *rsw_closest_variable(const char *asked) {
    return closest_option(asked, true, RSW_IN_FLAG | RSW_IN_ENVIRONMENT);
}

const char *rsw_closest_command(const struct rsw_command *table, const char *asked) {
    struct rsw_closest closest = {.asked = asked};
    for (; table->name != NULL; table++) {
        rsw_closest_consider(&closest, table->name);
    }
    return closest.best;
}

/* Where a command in it ends; NULL if there is none. What only talks of `regsweep scan` is none. *anew: it
 * builds an index, where none can tell of its storage. */
static const char *end_of_scan(const char *text, bool *anew) {
    static const char *const commands[] = {"with: regsweep scan", "run regsweep scan"};
    static const char rebuild[] = " --rebuild";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *at = strstr(text, commands[i]);
        if (at != NULL) {
            *anew = i == 0;
            at += strlen(commands[i]);
            return strncmp(at, rebuild, sizeof rebuild - 1) == 0 ? at + sizeof rebuild - 1 : at;
        }
    }
    return NULL;
}

const char *rsw_shell_word(char *to, size_t size, const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
    size_t quotes = 0;
    for (const char *at = text; *at != 0; at++) {
        quotes += *at == '\'';
    }
    if ((text[0] != 0 && text[strspn(text, plain)] == 0) || strlen(text) + 3 * quotes + 3 > size) {
        return text;
    }
    char *end = stpcpy(to, "'");
    for (; *text != 0; text++) {
        if (*text == '\'') {
            end = stpcpy(end, "'\\''");
        } else {
            *end++ = *text;
        }
    }
    stpcpy(end, "'");
    return to;
}

const char *rsw_hint_index(char *to, size_t size, const char *text, const struct rsw_options *options) {
    bool anew = false;
    const char *end = end_of_scan(text, &anew);
    char index[RSW_SHELL_WORD_MAX];
    char where[RSW_SHELL_WORD_MAX];
    if (end == NULL || strncmp(end, " --index", 8) == 0) {
        snprintf(to, size, "%s", text);
        return to;
    }
    bool elsewhere =
        options->index != NULL && strcmp(options->index, rsw_option_find("index")->fallback) != 0;
    bool configured = anew && rsw_option_source(options, "registry-config") == RSW_SOURCE_FLAG;
    bool named = anew && !configured && rsw_option_source(options, "storage") == RSW_SOURCE_FLAG;
    const char *storage = configured ? options->registry_config : named ? options->storage : "";
    snprintf(to, size, "%.*s%s%s%s%s%s", (int)(end - text), text, elsewhere ? " --index " : "",
             elsewhere ? rsw_shell_word(index, sizeof index, options->index) : "",
             configured ? " --registry-config "
             : named    ? " --storage "
                        : "",
             storage[0] != 0 ? rsw_shell_word(where, sizeof where, storage) : "", end);
    return to;
}
