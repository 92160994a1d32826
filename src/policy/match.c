/* Patterns of names. */
#include "policy/policy.h"

#include <string.h>

/* Which places of the glob can be reached by the text so far. */
struct places {
    bool at[RSW_PATTERN_MAX + 1];
};

/* A place at a star may go on behind it without taking anything. */
static void add(struct places *places, const char *glob, size_t place) {
    places->at[place] = true;
    while (glob[place] == '*') {
        place += glob[place + 1] == '*' ? 2 : 1;
        places->at[place] = true;
    }
}

static void take(struct places *next, const struct places *now, const char *glob, size_t len, char c) {
    for (size_t place = 0; place < len; place++) {
        if (!now->at[place]) {
            continue;
        }
        if (glob[place] == '*') {
            if (c != '/' || glob[place + 1] == '*') {
                add(next, glob, place);
            }
        } else if (glob[place] == '?' ? c != '/' : glob[place] == c) {
            add(next, glob, place + 1);
        }
    }
}

bool rsw_glob_matches(const char *glob, const char *text) {
    size_t len = strlen(glob);
    struct places places[2];
    if (len > RSW_PATTERN_MAX) {
        return false;
    }
    struct places *now = &places[0];
    struct places *next = &places[1];
    memset(now->at, 0, len + 1);
    add(now, glob, 0);
    for (; *text != 0; text++) {
        memset(next->at, 0, len + 1);
        take(next, now, glob, len, *text);
        struct places *last = now;
        now = next;
        next = last;
    }
    return now->at[len];
}

bool rsw_patterns_match(const struct rsw_patterns *patterns, const char *text) {
    for (size_t i = 0; i < patterns->count; i++) {
        const struct rsw_pattern *pattern = &patterns->items[i];
        if (pattern->glob != NULL ? rsw_glob_matches(pattern->glob, text)
                                  : regexec(&pattern->regex, text, 0, NULL, 0) == 0) {
            return true;
        }
    }
    return false;
}

const struct rsw_repository_rules *rsw_policy_find(const struct rsw_policy *policy, const char *repository) {
    for (size_t i = 0; i < policy->repository_count; i++) {
        if (rsw_patterns_match(&policy->repositories[i].match, repository)) {
            return &policy->repositories[i];
        }
    }
    return NULL;
}
