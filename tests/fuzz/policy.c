/* rsw_policy_parse, and the judgement of some tags by what came of it. */
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

#define NOW_MS INT64_C(1800000000000)
#define DAY_MS INT64_C(86400000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

static void judge(const struct rsw_policy *policy, const char *repository) {
    const struct rsw_judge when = {.now_ms = NOW_MS, .pulls_since_ms = NOW_MS - 30 * DAY_MS};
    struct rsw_judged tags[] = {{.name = "latest", .pushed_ms = NOW_MS - DAY_MS},
                                {.name = "pr-12", .pushed_ms = NOW_MS - 40 * DAY_MS, .pulled_ms = NOW_MS - 1},
                                {.name = "v1.2.3", .pushed_ms = NOW_MS - 90 * DAY_MS},
                                {.name = "unknown"}};
    const size_t count = sizeof tags / sizeof *tags;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_repository_rules *rules = rsw_policy_find(policy, repository);
    if (rules == NULL) {
        return;
    }
    require(rsw_judge_tags(policy, rules, &when, tags, count, &err) == 0);
    for (size_t i = 0; i < count; i++) {
        require(tags[i].ground != RSW_GROUND_LET_GO || (tags[i].rule != NULL && tags[i].pushed_ms != 0));
    }
    if (rules->untagged_said) {
        require(rsw_judge_untagged(rules, &when, tags, count, &err) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_policy *policy;
    if (rsw_policy_parse(&policy, "fuzz", data, size, &err) != 0) {
        require(policy == NULL && err.message[0] != 0);
        return 0;
    }
    judge(policy, "team/app");
    judge(policy, "library");
    rsw_policy_free(policy);
    return 0;
}
