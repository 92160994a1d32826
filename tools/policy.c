/* regsweep policy check, and regsweep policy explain. */
#include "cli.h"
#include "in_use.h"

#include "gc/explain.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int needs_policy(struct rsw_cli *cli, struct rsw_mark_options *mark) {
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_cli_mark_options(cli, mark, &err) != 0) {
        int status = rsw_cli_fail(cli, &err);
        return status == RSW_EXIT_FAILED ? RSW_EXIT_USAGE : status; /* of one that cannot be read, too */
    }
    return mark->policy == NULL ? rsw_cli_usage(cli, "which policy? Give --policy FILE") : RSW_EXIT_DONE;
}

/* ---- check ---- */

struct section {
    uint64_t repos, tags;
};

static void count_tags(struct rsw_txn *txn, uint32_t repo, struct section *section) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_tag tag;
    rsw_iter_tags(&iter, txn, repo);
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        section->tags++;
    }
    section->repos++;
}

/* The last of `sections` is for what no section speaks of. */
static int count_sections(struct rsw_cli *cli, const struct rsw_policy *policy, struct section *sections,
                          struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_repo repo;
    if (rsw_txn_begin_read(&txn, cli->index, err) != 0) {
        return -1;
    }
    rsw_iter_repo_names(&iter, txn);
    while (rsw_repo_name_next(&iter, &repo) == RSW_FOUND) {
        const struct rsw_repository_rules *rules = rsw_policy_find(policy, repo.name);
        size_t at = rules != NULL ? (size_t)(rules - policy->repositories) : policy->repository_count;
        if ((repo.flags & RSW_REPO_PRESENT) != 0) {
            count_tags(txn, repo.id, &sections[at]);
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static void print_check(struct rsw_cli *cli, const struct rsw_policy *policy,
                        const struct section *sections) {
    const char *path = cli->options.policy;
    rsw_cli_line(cli, "%s is a policy: %zu sections", path, policy->repository_count);
    for (size_t i = 0; sections != NULL && i < policy->repository_count; i++) {
        rsw_cli_line(cli, "%s:%lu: %" PRIu64 " repositories, %" PRIu64 " tags, %zu rules", path,
                     policy->repositories[i].line, sections[i].repos, sections[i].tags,
                     policy->repositories[i].tag_count);
    }
    if (sections != NULL) {
        rsw_cli_line(cli, "it does not speak of %" PRIu64 " repositories with %" PRIu64 " tags",
                     sections[policy->repository_count].repos, sections[policy->repository_count].tags);
    }
}

static json_t *section_to_json(unsigned long line, const struct section *section) {
    json_t *object = json_object();
    if (line != 0) {
        rsw_json_set(&object, "line", rsw_json_number(line));
    }
    rsw_json_set(&object, "repositories", rsw_json_number(section->repos));
    rsw_json_set(&object, "tags", rsw_json_number(section->tags));
    return object;
}

static json_t *check_to_json(const struct rsw_policy *policy, const struct section *sections) {
    json_t *root = json_object();
    json_t *list = json_array();
    for (size_t i = 0; sections != NULL && i < policy->repository_count; i++) {
        rsw_json_append(&list, section_to_json(policy->repositories[i].line, &sections[i]));
    }
    rsw_json_set(&root, "valid", json_true());
    rsw_json_set(&root, "sections", list);
    rsw_json_set(&root, "not_spoken_of",
                 sections != NULL ? section_to_json(0, &sections[policy->repository_count]) : json_null());
    return root;
}

/* Without an index it says whether this is a policy, which is what an editor's hook wants to know. */
int rsw_policy_check(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_mark_options mark;
    const struct rsw_index_options how = {.read_only = true};
    int status = needs_policy(cli, &mark);
    if (status != RSW_EXIT_DONE) {
        return status;
    }
    struct section *sections = NULL;
    if (rsw_cli_open_index(cli, &how, &err) == 0) {
        sections = calloc(mark.policy->repository_count + 1, sizeof *sections);
        if (sections == NULL || count_sections(cli, mark.policy, sections, &err) != 0) {
            free(sections);
            return sections == NULL ? rsw_cli_failf(cli, "out of memory") : rsw_cli_fail(cli, &err);
        }
    } else if (rsw_option_source(&cli->options, "index") > RSW_SOURCE_DEFAULT) {
        return rsw_cli_fail(cli, &err);
    }
    if (cli->options.json) {
        status = rsw_cli_json(cli, check_to_json(mark.policy, sections));
    } else {
        print_check(cli, mark.policy, sections);
    }
    free(sections);
    return status;
}

/* ---- explain ---- */

struct explanation {
    struct rsw_cli *cli;
    json_t *repos; /* with --json; owned */
    json_t *tags;  /* of the repository at hand; borrowed */
};

static const char *ground_of(const struct rsw_explained_tag *tag) {
    return tag->forgotten ? "forgotten" : tag->kept_by != NULL ? tag->kept_by : rsw_ground_name(tag->ground);
}

static const char *day_of(int64_t ms, char text[32]) {
    if (ms == 0) {
        return "-";
    }
    rsw_time_format(ms, text, 32);
    text[10] = 0; /* the day */
    return text;
}

static int on_repo_text(void *arg, const struct rsw_explained_repo *repo) {
    struct explanation *explanation = arg;
    rsw_cli_line(explanation->cli,
                 "%s (line %lu): %" PRIu64 " tags; %" PRIu64 " manifests stay, %" PRIu64 " go", repo->name,
                 repo->rules->line, repo->tags, repo->revisions_kept, repo->revisions_let_go);
    return 0;
}

static int on_tag_text(void *arg, const struct rsw_explained_tag *tag) {
    struct explanation *explanation = arg;
    char pushed[32];
    char pulled[32];
    char line[32] = "";
    char exclusive[32];
    char shared[32];
    if (tag->rule != NULL) {
        snprintf(line, sizeof line, " (line %lu)", tag->rule->line);
    }
    if (tag->kept && !tag->forgotten) {
        rsw_cli_line(explanation->cli, "  stays %-30s pushed %-10s pulled %-10s %s%s", tag->name,
                     day_of(tag->pushed_ms, pushed), day_of(tag->pulled_ms, pulled), ground_of(tag), line);
    } else {
        rsw_cli_line(explanation->cli, "  goes  %-30s pushed %-10s pulled %-10s frees %s, with others %s%s%s",
                     tag->name, day_of(tag->pushed_ms, pushed), day_of(tag->pulled_ms, pulled),
                     rsw_size_format(tag->exclusive, exclusive, sizeof exclusive),
                     rsw_size_format(tag->shared, shared, sizeof shared), tag->forgotten ? " forgotten" : "",
                     line);
    }
    return 0;
}

static int on_repo_json(void *arg, const struct rsw_explained_repo *repo) {
    struct explanation *explanation = arg;
    json_t *object = json_object();
    explanation->tags = json_array();
    rsw_json_set(&object, "repo", rsw_json_text(repo->name));
    rsw_json_set(&object, "line", rsw_json_number(repo->rules->line));
    rsw_json_set(&object, "revisions_kept", rsw_json_number(repo->revisions_kept));
    rsw_json_set(&object, "revisions_let_go", rsw_json_number(repo->revisions_let_go));
    rsw_json_set(&object, "tags", explanation->tags);
    rsw_json_append(&explanation->repos, object);
    return object == NULL;
}

static int on_tag_json(void *arg, const struct rsw_explained_tag *tag) {
    struct explanation *explanation = arg;
    json_t *object = json_object();
    rsw_json_set(&object, "tag", rsw_json_text(tag->name));
    rsw_json_set(&object, "digest", tag->digest != NULL ? rsw_json_digest(tag->digest) : json_null());
    rsw_json_set(&object, "kept", json_boolean(tag->kept && !tag->forgotten));
    rsw_json_set(&object, "ground", json_string(ground_of(tag)));
    rsw_json_set(&object, "line", tag->rule != NULL ? rsw_json_number(tag->rule->line) : json_null());
    rsw_json_set(&object, "pushed", rsw_json_time(tag->pushed_ms));
    rsw_json_set(&object, "pulled", rsw_json_time(tag->pulled_ms));
    rsw_json_set(&object, "exclusive_bytes", rsw_json_number(tag->exclusive));
    rsw_json_set(&object, "shared_bytes", rsw_json_number(tag->shared));
    return object == NULL || json_array_append_new(explanation->tags, object) != 0;
}

static int print_explained(struct explanation *explanation, const struct rsw_explain *explain) {
    char size[32];
    struct rsw_cli *cli = explanation->cli;
    if (!cli->options.json) {
        rsw_cli_line(cli,
                     "%" PRIu64 " of %" PRIu64 " tags in %" PRIu64
                     " repositories go; with all that nothing needs "
                     "%" PRIu64 " blobs, %s, come free",
                     explain->tags_let_go, explain->tags, explain->repos, explain->blobs,
                     rsw_size_format(explain->bytes, size, sizeof size));
        return RSW_EXIT_DONE;
    }
    json_t *root = json_object();
    rsw_json_set(&root, "repositories", explanation->repos);
    explanation->repos = NULL;
    rsw_json_set(&root, "tags", rsw_json_number(explain->tags));
    rsw_json_set(&root, "tags_let_go", rsw_json_number(explain->tags_let_go));
    rsw_json_set(&root, "revisions_let_go", rsw_json_number(explain->revisions_let_go));
    rsw_json_set(&root, "blobs", rsw_json_number(explain->blobs));
    rsw_json_set(&root, "bytes", rsw_json_number(explain->bytes));
    return rsw_cli_json(cli, root);
}

int rsw_policy_explain(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_mark_options mark;
    RSW_AUTO_TXN txn = NULL;
    int status = needs_policy(cli, &mark);
    if (status != RSW_EXIT_DONE) {
        return status;
    }
    if (rsw_in_use_read(cli, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    mark.pins = cli->pins.items;
    mark.pin_count = cli->pins.count;
    struct explanation explanation = {.cli = cli, .repos = cli->options.json ? json_array() : NULL};
    struct rsw_explain explain = {.repo = cli->argument_count > 0 ? cli->arguments[0] : NULL,
                                  .on_repo = cli->options.json ? on_repo_json : on_repo_text,
                                  .on_tag = cli->options.json ? on_tag_json : on_tag_text,
                                  .arg = &explanation};
    if (rsw_txn_begin_read(&txn, cli->index, &err) != 0 || rsw_explain(&explain, txn, &mark, &err) != 0) {
        status = rsw_cli_fail(cli, &err);
    } else if (explain.repo != NULL && explain.repos == 0) {
        status = rsw_cli_failf(cli, "the policy does not speak of %s, or the index does not know it",
                               explain.repo);
    } else {
        status = print_explained(&explanation, &explain);
    }
    json_decref(explanation.repos);
    return status;
}
