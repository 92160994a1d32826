#include "parse.h"

#include "help.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* getopt_long tells options apart by these numbers: above every letter. */
#define FIRST_NUMBER 256

struct getopt_tables {
    struct option *longs; /* owned */
    char letters[64];
};

static int build_tables(struct getopt_tables *tables, struct rsw_error *err) {
    size_t count = rsw_option_count();
    size_t at = 0;
    tables->longs = calloc(count + 1, sizeof *tables->longs);
    if (tables->longs == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    tables->letters[at++] = '-'; /* words come in their order among the flags */
    tables->letters[at++] = ':'; /* no messages of its own */
    struct option *to = tables->longs;
    for (size_t i = 0; i < count; i++) {
        const struct rsw_option *option = &rsw_option_table[i];
        if ((option->places & RSW_IN_FLAG) == 0) {
            continue;
        }
        bool flag = option->kind == RSW_OPTION_FLAG;
        *to++ = (struct option){option->name, flag ? optional_argument : required_argument, NULL,
                                FIRST_NUMBER + (int)i};
        if (option->letter != 0 && at + 3 < sizeof tables->letters) {
            tables->letters[at++] = option->letter;
            if (!flag) {
                tables->letters[at++] = ':';
            }
        }
    }
    tables->letters[at] = 0;
    return 0;
}

static const struct rsw_option *find_letter(int letter) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if (option->letter != 0 && option->letter == letter) {
            return option;
        }
    }
    return NULL;
}

static int refuse_unknown(const char *text, int letter, struct rsw_error *err) {
    char name[128];
    if (strncmp(text, "--", 2) != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "unknown option -%c",
                             letter > 0 && letter < FIRST_NUMBER ? letter : '?');
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text + 2, "="), text + 2);
    const char *close = rsw_closest_option(name);
    return rsw_error_set(err, RSW_EINVAL, 0, "unknown option --%s%s%s%s", name,
                         close != NULL ? "; did you mean --" : "", close != NULL ? close : "",
                         close != NULL ? "?" : "");
}

/* The element of argv that the flag stands in. */
static const char *flag_text(char **argv, const char *value) {
    return value != NULL && optind >= 2 && value == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];
}

static int take_flag(struct rsw_options *options, const struct rsw_option *option, const char *text,
                     const char *value, struct rsw_error *err) {
    char where[80];
    size_t name = strlen(option->name);
    bool in_full = strncmp(text, "--", 2) == 0 && strncmp(text + 2, option->name, name) == 0 &&
                   (text[2 + name] == 0 || text[2 + name] == '=');
    if (strncmp(text, "--", 2) == 0 && !in_full) {
        return refuse_unknown(text, 0, err);
    }
    snprintf(where, sizeof where, "--%s", option->name);
    return rsw_option_set(options, option, RSW_SOURCE_FLAG, where, value, err);
}

static int take_one(struct rsw_options *options, struct rsw_words *words, int found, char **argv,
                    struct rsw_error *err) {
    if (found == 1) {
        words->items[words->count++] = optarg;
        return 0;
    }
    if (found == ':') {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s needs a value", argv[optind - 1]);
    }
    if (found == '?') {
        if (optopt >= FIRST_NUMBER) { /* --json=… is fine, so this cannot be; but who knows what comes */
            return rsw_error_set(err, RSW_EINVAL, 0, "%s takes no value", argv[optind - 1]);
        }
        return refuse_unknown(optopt != 0 ? "-" : argv[optind - 1], optopt, err);
    }
    const struct rsw_option *option =
        found >= FIRST_NUMBER ? &rsw_option_table[found - FIRST_NUMBER] : find_letter(found);
    if (option == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "unknown option");
    }
    const char *text = found >= FIRST_NUMBER ? flag_text(argv, optarg) : "-";
    return take_flag(options, option, text, optarg, err);
}

int rsw_parse_flags(struct rsw_options *options, struct rsw_words *words, int argc, char **argv,
                    struct rsw_error *err) {
    struct getopt_tables tables;
    *words = (struct rsw_words){calloc((size_t)argc + 1, sizeof *words->items), 0};
    if (words->items == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    if (build_tables(&tables, err) != 0) {
        return -1;
    }
    int result = 0;
    int found;
    optind = 0; /* begin anew, also in a process that parsed before */
    opterr = 0;
    while (result == 0 && (found = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
        result = take_one(options, words, found, argv, err);
    }
    for (; result == 0 && optind < argc; optind++) { /* behind "--" */
        words->items[words->count++] = argv[optind];
    }
    free(tables.longs);
    return result;
}

int rsw_check_flags(const struct rsw_options *options, const char *command, unsigned bit,
                    struct rsw_error *err) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if (options->sources[option - rsw_option_table] == RSW_SOURCE_FLAG && (option->commands & bit) == 0) {
            return rsw_error_set(err, RSW_EINVAL, 0, "%s takes no --%s", command, option->name);
        }
    }
    return 0;
}

static const char *lookup(char **environment, const char *name) {
    size_t len = strlen(name);
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=') {
            return *environment + len + 1;
        }
    }
    return NULL;
}

int rsw_parse_environment(struct rsw_options *options, unsigned bit, char **environment,
                          struct rsw_error *err) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        char name[64];
        const char *value = lookup(environment, rsw_option_variable(option, name, sizeof name));
        if (value == NULL || *value == 0 || (option->commands & bit) == 0 ||
            option->places == RSW_IN_REQUEST) {
            continue;
        }
        if ((option->places & RSW_IN_ENVIRONMENT) == 0) {
            if (option->commands == RSW_FOR_ALL) {
                continue; /* REGSWEEP_VERSION, as images like to have it, is none of ours */
            }
            return rsw_error_set(err, RSW_EINVAL, 0,
                                 "%s: --%s cannot be set in the environment, only on the command line", name,
                                 option->name);
        }
        if (rsw_option_set(options, option, RSW_SOURCE_ENVIRONMENT, name, value, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* As the option would be called; "" if it is no variable of ours, or Kubernetes puts it into every pod beside
 * a service of our name. */
static const char *option_of(char *to, size_t size, const char *entry) {
    size_t len = strcspn(entry, "=");
    size_t at = 0;
    if (strncmp(entry, RSW_VARIABLE_PREFIX, sizeof RSW_VARIABLE_PREFIX - 1) == 0 && entry[len] == '=' &&
        entry[len + 1] != 0) {
        for (size_t i = sizeof RSW_VARIABLE_PREFIX - 1; i < len && at + 1 < size; i++) {
            to[at++] = entry[i] == '_' ? '-' : (char)tolower((unsigned char)entry[i]);
        }
    }
    to[at] = 0;
    if (strstr(to, "service-") != NULL || strstr(to, "port") != NULL) {
        to[0] = 0;
    }
    return to;
}

void rsw_warn_environment(char **environment, const struct rsw_log *log) {
    for (; environment != NULL && *environment != NULL; environment++) {
        char asked[64];
        char name[64];
        option_of(asked, sizeof asked, *environment);
        const char *best =
            asked[0] != 0 && rsw_option_find(asked) == NULL ? rsw_closest_variable(asked) : NULL;
        if (best != NULL) {
            rsw_log(log, RSW_LOG_WARNING,
                    "%.*s counts for nothing: there is no such option; did you mean %s?",
                    (int)strcspn(*environment, "="), *environment,
                    rsw_option_variable(rsw_option_find(best), name, sizeof name));
        }
    }
}

void rsw_words_release(struct rsw_words *words) {
    free(words->items);
    *words = (struct rsw_words){NULL, 0};
}
