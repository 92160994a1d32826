#include "policy/policy.h"

#include <stdlib.h>

const char *rsw_ground_name(enum rsw_ground ground) {
    switch (ground) {
    case RSW_GROUND_NO_RULE:
        return "no rule";
    case RSW_GROUND_PROTECTED:
        return "protected";
    case RSW_GROUND_YOUNG:
        return "younger-than";
    case RSW_GROUND_NO_TIME:
        return "time unknown";
    case RSW_GROUND_ALL:
        return "keep all";
    case RSW_GROUND_NEWEST:
        return "newest";
    case RSW_GROUND_PUSHED:
        return "pushed-within";
    case RSW_GROUND_PULLED:
        return "pulled-within";
    case RSW_GROUND_LET_GO:
        break;
    }
    return "let go";
}

static bool is_within(const struct rsw_judge *judge, int64_t at_ms, int64_t within_ms) {
    return within_ms > 0 && at_ms != 0 && at_ms > judge->now_ms - within_ms;
}

bool rsw_judge_is_younger(const struct rsw_repository_rules *rules, const struct rsw_judge *judge,
                          int64_t pushed_ms) {
    return is_within(judge, pushed_ms, rules->younger_than_ms);
}

/* That nobody pulled it is known only if pulls have been written down for as long as that. */
static bool pulls_are_known(const struct rsw_judge *judge, int64_t within_ms) {
    return judge->pulls_since_ms != 0 && judge->pulls_since_ms <= judge->now_ms - within_ms;
}

/* By itself, without regard to the others of its group. */
static enum rsw_ground judge_one(const struct rsw_keep *keep, const struct rsw_judge *judge,
                                 const struct rsw_judged *one) {
    if (keep->all) {
        return RSW_GROUND_ALL;
    }
    if (one->pushed_ms == 0) {
        return RSW_GROUND_NO_TIME;
    }
    if (is_within(judge, one->pushed_ms, keep->pushed_within_ms)) {
        return RSW_GROUND_PUSHED;
    }
    if (is_within(judge, one->pulled_ms, keep->pulled_within_ms)) {
        return RSW_GROUND_PULLED;
    }
    return keep->pulled_within_ms > 0 && !pulls_are_known(judge, keep->pulled_within_ms) ? RSW_GROUND_NO_TIME
                                                                                         : RSW_GROUND_LET_GO;
}

struct place {
    int64_t at_ms;
    size_t index;
};

/* The newest first; of the same time the one that came first. */
static int by_age(const void *a, const void *b) {
    const struct place *left = a;
    const struct place *right = b;
    if (left->at_ms != right->at_ms) {
        return left->at_ms > right->at_ms ? -1 : 1;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

/* The n newest of a group stay. One of which nobody knows the time stays anyway, and does not count. */
static void keep_newest(const struct rsw_keep *keep, const struct rsw_tag_rule *rule, struct rsw_judged *all,
                        size_t count, struct place *places) {
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rsw_judged *one = &all[i];
        if (one->rule == rule && one->ground != RSW_GROUND_PROTECTED && one->pushed_ms != 0) {
            bool pulled = keep->by_pull && one->pulled_ms > one->pushed_ms;
            places[known++] = (struct place){.at_ms = pulled ? one->pulled_ms : one->pushed_ms, .index = i};
        }
    }
    qsort(places, known, sizeof *places, by_age);
    for (size_t i = 0; i < known && i < keep->newest; i++) {
        struct rsw_judged *one = &all[places[i].index];
        if (one->ground == RSW_GROUND_LET_GO) {
            one->ground = RSW_GROUND_NEWEST;
        }
    }
}

/* Nobody knows which were pulled last: any of them may be among the newest. */
static void keep_unknown(const struct rsw_tag_rule *rule, struct rsw_judged *all, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (all[i].rule == rule && all[i].ground == RSW_GROUND_LET_GO) {
            all[i].ground = RSW_GROUND_NO_TIME;
        }
    }
}

/* Of what is within a group already: one rule's tags, or all revisions (rule NULL). */
static int judge_group(const struct rsw_keep *keep, const struct rsw_tag_rule *rule,
                       const struct rsw_judge *judge, struct rsw_judged *all, size_t count,
                       struct rsw_error *err) {
    if (count == 0) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (all[i].rule == rule && all[i].ground == RSW_GROUND_LET_GO) {
            all[i].ground = judge_one(keep, judge, &all[i]);
        }
    }
    if (keep->newest == 0) {
        return 0;
    }
    struct place *places = calloc(count + 1, sizeof *places);
    if (places == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while judging %zu tags", count);
    }
    keep_newest(keep, rule, all, count, places);
    free(places);
    if (keep->by_pull && judge->pulls_since_ms == 0) {
        keep_unknown(rule, all, count);
    }
    return 0;
}

static const struct rsw_tag_rule *rule_for(const struct rsw_repository_rules *rules, const char *tag) {
    for (size_t i = 0; i < rules->tag_count; i++) {
        if (rsw_patterns_match(&rules->tags[i].match, tag)) {
            return &rules->tags[i];
        }
    }
    return NULL;
}

static enum rsw_ground stays_anyway(const struct rsw_policy *policy, const struct rsw_repository_rules *rules,
                                    const struct rsw_judge *judge, const struct rsw_judged *tag) {
    if (rsw_patterns_match(&policy->protect, tag->name) || rsw_patterns_match(&rules->protect, tag->name)) {
        return RSW_GROUND_PROTECTED;
    }
    if (tag->rule == NULL) {
        return RSW_GROUND_NO_RULE;
    }
    return rsw_judge_is_younger(rules, judge, tag->pushed_ms) ? RSW_GROUND_YOUNG : RSW_GROUND_LET_GO;
}

int rsw_judge_tags(const struct rsw_policy *policy, const struct rsw_repository_rules *rules,
                   const struct rsw_judge *judge, struct rsw_judged *tags, size_t count,
                   struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        tags[i].rule = rule_for(rules, tags[i].name);
        tags[i].ground = stays_anyway(policy, rules, judge, &tags[i]);
    }
    for (size_t i = 0; i < rules->tag_count; i++) {
        if (judge_group(&rules->tags[i].keep, &rules->tags[i], judge, tags, count, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_judge_untagged(const struct rsw_repository_rules *rules, const struct rsw_judge *judge,
                       struct rsw_judged *revisions, size_t count, struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_judged *revision = &revisions[i];
        bool young = rsw_judge_is_younger(rules, judge, revision->pushed_ms);
        revision->rule = NULL;
        revision->ground = young ? RSW_GROUND_YOUNG : RSW_GROUND_LET_GO;
    }
    return judge_group(&rules->untagged, NULL, judge, revisions, count, err);
}
