#include "options.h"

#include "util/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t rsw_option_count(void) {
    size_t count = 0;
    while (rsw_option_table[count].name != NULL) {
        count++;
    }
    return count;
}

const struct rsw_option *rsw_option_find(const char *name) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

const char *rsw_option_variable(const struct rsw_option *option, char *text, size_t size) {
    static const char prefix[] = RSW_VARIABLE_PREFIX;
    size_t at = 0;
    for (const char *c = prefix; *c != 0 && at + 1 < size; c++) {
        text[at++] = *c;
    }
    for (const char *c = option->name; *c != 0 && at + 1 < size; c++) {
        text[at++] = *c == '-' ? '_' : (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
    text[at] = 0;
    return text;
}

const void *rsw_option_value(const struct rsw_options *options, const struct rsw_option *option) {
    return (const char *)options + option->offset;
}

static void *place_of(struct rsw_options *options, const struct rsw_option *option) {
    return (char *)options + option->offset;
}

static void release_strings(struct rsw_strings *strings) {
    for (size_t i = 0; i < strings->count; i++) {
        free(strings->items[i]);
    }
    free(strings->items);
    *strings = (struct rsw_strings){NULL, 0};
}

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int set_string(char **to, const char *text, struct rsw_error *err) {
    char *copy = strdup(text);
    if (copy == NULL) {
        return no_memory(err);
    }
    free(*to);
    *to = copy;
    return 0;
}

static int add_string(struct rsw_strings *to, const char *text, bool anew, struct rsw_error *err) {
    if (anew) {
        release_strings(to);
    }
    char **items = reallocarray(to->items, to->count + 1, sizeof *items);
    if (items == NULL) {
        return no_memory(err);
    }
    to->items = items;
    items[to->count] = NULL;
    if (set_string(&items[to->count], text, err) != 0) {
        return -1;
    }
    to->count++;
    return 0;
}

/* True if `text` is one of the words of "keep|remove". */
static bool is_choice(const char *words, const char *text) {
    size_t len = strcspn(text, "|");
    if (text[len] != 0) {
        return false;
    }
    for (const char *at = words; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (len > 0 && strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == 0)) {
            return true;
        }
    }
    return false;
}

static bool read_flag(bool *out, const char *text) {
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool read_percent(uint64_t *out, const char *text) {
    char digits[8];
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof digits) {
        return false;
    }
    memcpy(digits, text, len + 1);
    if (digits[len - 1] == '%') {
        digits[len - 1] = 0;
    }
    return rsw_number_parse(out, digits, 100);
}

union value {
    bool flag;
    int64_t duration;
    uint64_t number;
};

/* Reads what is no text. NULL if it is good, else what would have been. */
static const char *read_value(union value *out, const struct rsw_option *option, const char *text) {
    switch (option->kind) {
    case RSW_OPTION_FLAG:
        if (text == NULL) {
            out->flag = true;
            return NULL;
        }
        return read_flag(&out->flag, text) ? NULL : "true or false";
    case RSW_OPTION_DURATION:
        return rsw_duration_parse(&out->duration, text) ? NULL : "a duration such as 90s, 10m, 24h or 7d";
    case RSW_OPTION_SIZE:
        return rsw_size_parse(&out->number, text) ? NULL : "a size such as 512M or 4G";
    case RSW_OPTION_PERCENT:
        return read_percent(&out->number, text) ? NULL : "a percentage from 0 to 100";
    case RSW_OPTION_NUMBER:
        return rsw_number_parse(&out->number, text, option->max) ? NULL : "a whole number";
    case RSW_OPTION_CHOICE:
        return is_choice(option->argument, text) ? NULL : option->argument;
    case RSW_OPTION_STRING:
    case RSW_OPTION_STRINGS:
        break;
    }
    return *text != 0 ? NULL : "a text that is not empty";
}

static int store(struct rsw_options *options, const struct rsw_option *option, const union value *value,
                 const char *text, bool anew, struct rsw_error *err) {
    void *place = place_of(options, option);
    switch (option->kind) {
    case RSW_OPTION_FLAG:
        *(bool *)place = value->flag;
        return 0;
    case RSW_OPTION_DURATION:
        *(int64_t *)place = value->duration;
        return 0;
    case RSW_OPTION_SIZE:
    case RSW_OPTION_PERCENT:
    case RSW_OPTION_NUMBER:
        *(uint64_t *)place = value->number;
        return 0;
    case RSW_OPTION_STRING:
    case RSW_OPTION_CHOICE:
        return set_string(place, text, err);
    case RSW_OPTION_STRINGS:
        return add_string(place, text, anew, err);
    }
    return -1;
}

int rsw_option_set(struct rsw_options *options, const struct rsw_option *option, enum rsw_source source,
                   const char *where, const char *text, struct rsw_error *err) {
    unsigned char *given = &options->sources[option - rsw_option_table];
    union value value = {0};
    const char *expected = read_value(&value, option, text);
    if (expected != NULL && option->kind == RSW_OPTION_NUMBER) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: \"%s\" is not a whole number from 0 to %llu", where,
                             text, (unsigned long long)option->max);
    }
    if (expected != NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: \"%s\" is not %s%s", where, text,
                             option->kind == RSW_OPTION_CHOICE ? "one of " : "", expected);
    }
    if (source < *given) {
        return 0;
    }
    if (store(options, option, &value, text, source > *given, err) != 0) {
        return -1;
    }
    *given = (unsigned char)source;
    return 0;
}

int rsw_options_init(struct rsw_options *out, struct rsw_error *err) {
    *out = (struct rsw_options){.sources = calloc(rsw_option_count() + 1, 1)};
    if (out->sources == NULL) {
        return no_memory(err);
    }
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if (option->fallback != NULL &&
            rsw_option_set(out, option, RSW_SOURCE_DEFAULT, option->name, option->fallback, err) != 0) {
            rsw_options_release(out);
            return -1;
        }
    }
    return 0;
}

/* What `to` has of `from` only borrowed it owns now; what could not be copied is NULL. */
static int copy_owned(struct rsw_options *to, const struct rsw_options *from, const struct rsw_option *option,
                      struct rsw_error *err) {
    void *place = place_of(to, option);
    if (option->kind == RSW_OPTION_STRING || option->kind == RSW_OPTION_CHOICE) {
        const char *text = *(char *const *)rsw_option_value(from, option);
        *(char **)place = NULL;
        return text != NULL ? set_string(place, text, err) : 0;
    }
    if (option->kind != RSW_OPTION_STRINGS) {
        return 0;
    }
    const struct rsw_strings *texts = rsw_option_value(from, option);
    *(struct rsw_strings *)place = (struct rsw_strings){NULL, 0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < texts->count; i++) {
        rc = add_string(place, texts->items[i], false, err);
    }
    return rc;
}

int rsw_options_copy(struct rsw_options *out, const struct rsw_options *from, struct rsw_error *err) {
    int rc = 0;
    *out = *from;
    out->sources = malloc(rsw_option_count() + 1);
    if (out->sources != NULL) {
        memcpy(out->sources, from->sources, rsw_option_count() + 1);
    } else {
        rc = no_memory(err);
    }
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        /* All of them, so that nothing stays borrowed. */
        rc = copy_owned(out, from, option, err) != 0 ? -1 : rc;
    }
    if (rc != 0) {
        rsw_options_release(out);
    }
    return rc;
}

void rsw_options_release(struct rsw_options *options) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        void *place = place_of(options, option);
        if (option->kind == RSW_OPTION_STRING || option->kind == RSW_OPTION_CHOICE) {
            free(*(char **)place);
        } else if (option->kind == RSW_OPTION_STRINGS) {
            release_strings(place);
        }
    }
    free(options->sources);
    *options = (struct rsw_options){.sources = NULL};
}

enum rsw_source rsw_option_source(const struct rsw_options *options, const char *name) {
    const struct rsw_option *option = rsw_option_find(name);
    return option == NULL ? RSW_SOURCE_DEFAULT : (enum rsw_source)options->sources[option - rsw_option_table];
}
