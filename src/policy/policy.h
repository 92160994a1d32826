/* What a policy says, and its judgement of the tags and revisions of one repository.
 *
 * Of a repository the first section whose `match` fits counts, of a tag the first rule whose `match` fits.
 * What no section or rule speaks of stays. Nothing here is a decision to delete: mark asks other things as
 * well (grace, pins, what cannot be read), and what anything keeps stays.
 */
#ifndef REGSWEEP_POLICY_POLICY_H
#define REGSWEEP_POLICY_POLICY_H

#include <regsweep/policy.h>

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#define RSW_PATTERN_MAX 512 /* bytes; the parser takes no longer ones */

/* Names, by glob or regular expression. */
struct rsw_pattern {
    char *glob; /* owned; NULL: the expression */
    regex_t regex;
};

struct rsw_patterns {
    struct rsw_pattern *items; /* owned */
    size_t count, room;
};

/* What is kept of a group. All zero: nothing. One of them is enough. */
struct rsw_keep {
    bool all;
    uint32_t newest; /* so many … */
    bool by_pull;    /* … by when they were last pulled or pushed, else by when they were pushed */
    int64_t pushed_within_ms;
    int64_t pulled_within_ms;
};

struct rsw_tag_rule {
    struct rsw_patterns match;
    struct rsw_keep keep;
    uint32_t revisions; /* of what a tag that is kept pointed at, so many, the newest, stay and no others; 0:
                           not said */
    unsigned long line; /* of the file */
};

struct rsw_repository_rules {
    struct rsw_patterns match;
    struct rsw_patterns protect;
    int64_t younger_than_ms;   /* what was pushed within it stays */
    struct rsw_tag_rule *tags; /* owned */
    size_t tag_count, tag_room;
    bool untagged_said;
    struct rsw_keep untagged;
    unsigned long untagged_line;
    unsigned long line;
};

struct rsw_policy {
    int64_t longest_ms; /* of all times in it: what was pushed or pulled longer ago is old by any rule */
    struct rsw_patterns protect;               /* of every repository */
    int64_t younger_than_ms;                   /* where a repository does not say it */
    struct rsw_repository_rules *repositories; /* owned */
    size_t repository_count, repository_room;
};

/* '*' is any text without '/', '**' any text, '?' one byte but '/'. All of `text` must fit. */
bool rsw_glob_matches(const char *glob, const char *text);
bool rsw_patterns_match(const struct rsw_patterns *patterns, const char *text);

/* NULL: the policy does not speak of it. */
const struct rsw_repository_rules *rsw_policy_find(const struct rsw_policy *policy, const char *repository);

/* Why something stays, or that it does not. */
enum rsw_ground {
    RSW_GROUND_NO_RULE = 0, /* none speaks of it */
    RSW_GROUND_PROTECTED,
    RSW_GROUND_YOUNG,   /* younger-than */
    RSW_GROUND_NO_TIME, /* nobody knows when it was pushed, or whether it was pulled */
    RSW_GROUND_ALL,
    RSW_GROUND_NEWEST,
    RSW_GROUND_PUSHED, /* pushed-within */
    RSW_GROUND_PULLED, /* pulled-within */
    RSW_GROUND_LET_GO,
};
const char *rsw_ground_name(enum rsw_ground ground); /* "no rule", "protected", … Static storage */

/* A tag, or a revision without one. */
struct rsw_judged {
    const char *name;                /* NULL for a revision */
    int64_t pushed_ms;               /* 0: not known */
    int64_t pulled_ms;               /* 0: never, as far as anybody knows */
    const struct rsw_tag_rule *rule; /* answer: that decided; NULL: none */
    enum rsw_ground ground;          /* answer */
};

/* Of a moment: now, and since when pulls have been written down without a break (0: they are not). */
struct rsw_judge {
    int64_t now_ms;
    int64_t pulls_since_ms;
};

/* What was pushed then is within `younger-than`. 0: not known. */
bool rsw_judge_is_younger(const struct rsw_repository_rules *rules, const struct rsw_judge *judge,
                          int64_t pushed_ms);

/* Sets rule and ground of all ordinary tags of one repository. 0, or -1 (RSW_ENOMEM). */
int rsw_judge_tags(const struct rsw_policy *policy, const struct rsw_repository_rules *rules,
                   const struct rsw_judge *judge, struct rsw_judged *tags, size_t count,
                   struct rsw_error *err);
/* Sets the ground of all revisions without a tag. Not to be called where `untagged_said` is false. */
int rsw_judge_untagged(const struct rsw_repository_rules *rules, const struct rsw_judge *judge,
                       struct rsw_judged *revisions, size_t count, struct rsw_error *err);

#endif
