/* The policy file. docs/policy.md describes it; what it does not describe is an error. */
#include "policy/policy.h"
#include "util/grow.h"
#include "util/text.h"
#include "util/yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 100000 /* of all kinds: a file can name one value at many places by aliases */
#define SIZE_LIMIT 512    /* of an expression, as it is compiled */
#define NEWEST_MAX 1000000000

struct reader {
    const char *name;
    struct rsw_yaml yaml;
    size_t values;
    int64_t longest_ms; /* duration so far */
    struct rsw_error *err;
};

struct field {
    const char *key;
    int (*read)(struct reader *reader, yaml_node_t *node, void *out);
    bool needed;
};

static int wrong(const struct reader *reader, const yaml_node_t *node, const char *fmt, ...) RSW_PRINTF(3, 4);
static int wrong(const struct reader *reader, const yaml_node_t *node, const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rsw_text_clean(text);
    return rsw_error_set(reader->err, RSW_EINVAL, 0, "%s:%lu:%lu: %s", reader->name, rsw_yaml_line(node),
                         rsw_yaml_column(node), text);
}

static int no_memory(const struct reader *reader) {
    return rsw_error_set(reader->err, RSW_ENOMEM, 0, "%s: out of memory", reader->name);
}

static int count_value(struct reader *reader, const yaml_node_t *node) {
    return ++reader->values <= VALUES_MAX ? 0 : wrong(reader, node, "more than %d values", VALUES_MAX);
}

/* ---- mappings and lists ---- */

static const struct field *find_field(const struct reader *reader, const struct field *fields,
                                      const yaml_node_t *key) {
    char known[256] = "";
    const char *text = rsw_yaml_text(key);
    for (const struct field *field = fields; field->key != NULL; field++) {
        if (text != NULL && strcmp(field->key, text) == 0) {
            return field;
        }
        size_t len = strlen(known);
        snprintf(known + len, sizeof known - len, "%s%s", len > 0 ? ", " : "", field->key);
    }
    wrong(reader, key, "%.100s: expected one of: %s", text != NULL ? text : "this", known);
    return NULL;
}

static int read_mapping(struct reader *reader, yaml_node_t *node, const struct field *fields, void *out) {
    unsigned seen = 0;
    if (node->type != YAML_MAPPING_NODE) {
        return wrong(reader, node, "expected lines of \"name: value\"");
    }
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *key = rsw_yaml_node(&reader->yaml, pair->key);
        yaml_node_t *value = rsw_yaml_node(&reader->yaml, pair->value);
        const struct field *field = find_field(reader, fields, key);
        if (field == NULL) {
            return -1;
        }
        unsigned bit = 1u << (field - fields);
        if ((seen & bit) != 0) {
            return wrong(reader, key, "%s is there twice", field->key);
        }
        seen |= bit;
        if (rsw_yaml_is_null(value)) {
            return wrong(reader, key, "%s: nothing is said behind it", field->key);
        }
        if (count_value(reader, value) != 0 || field->read(reader, value, out) != 0) {
            return -1;
        }
    }
    for (const struct field *field = fields; field->key != NULL; field++) {
        if (field->needed && (seen & 1u << (field - fields)) == 0) {
            return wrong(reader, node, "%s is missing here", field->key);
        }
    }
    return 0;
}

static int read_list(struct reader *reader, yaml_node_t *node,
                     int (*read)(struct reader *reader, yaml_node_t *node, void *out), void *out) {
    if (node->type != YAML_SEQUENCE_NODE) {
        return wrong(reader, node, "expected a list");
    }
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++) {
        yaml_node_t *value = rsw_yaml_node(&reader->yaml, *item);
        if (count_value(reader, value) != 0 || read(reader, value, out) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- single values ---- */

static int read_duration(struct reader *reader, yaml_node_t *node, int64_t *out) {
    const char *text = rsw_yaml_text(node);
    if (text == NULL || !rsw_duration_parse(out, text) || *out <= 0) {
        return wrong(reader, node, "expected a duration such as 90s, 10m, 24h or 7d");
    }
    reader->longest_ms = *out > reader->longest_ms ? *out : reader->longest_ms;
    return 0;
}

static int read_number(struct reader *reader, yaml_node_t *node, uint32_t *out) {
    uint64_t number;
    const char *text = rsw_yaml_text(node);
    if (text == NULL || !rsw_number_parse(&number, text, NEWEST_MAX) || number == 0) {
        return wrong(reader, node, "expected a number from 1");
    }
    *out = (uint32_t)number;
    return 0;
}

/* ---- patterns ---- */

/* How large the C library makes it: '+' doubles what it stands behind, {m,n} makes n of it, and in groups
 * within groups that multiplies. More than SIZE_LIMIT: not to be compiled. */
struct measure {
    const char *at;
    bool repeated; /* behind a '*', '?', '+' or {…} */
    bool group;    /* behind a ')' */
};

static size_t bound_of(struct measure *m) {
    size_t most = 1;
    for (; *m->at != 0 && *m->at != '}'; m->at++) {
        if (m->at[-1] == '{' || m->at[-1] == ',') {
            size_t bound = strtoul(m->at, NULL, 10);
            most = bound > most ? bound : most;
        }
    }
    return most;
}

static void skip_bracket(struct measure *m) {
    m->at += *m->at == '^' ? 1 : 0;
    m->at += *m->at == ']' ? 1 : 0;
    m->at += strcspn(m->at, "]");
    m->at += *m->at == ']' ? 1 : 0;
}

static size_t measure(struct measure *m);

static size_t measure_one(struct measure *m, char c) {
    size_t size = 1;
    m->repeated = m->group = false;
    if (c == '(') {
        size = measure(m);
        m->at += *m->at == ')' ? 1 : 0;
        m->repeated = false;
        m->group = true;
    } else if (c == '[') {
        skip_bracket(m);
    } else if (c == '\\' && *m->at != 0) {
        m->at++;
    }
    return size;
}

/* Up to a ')' or the end. */
static size_t measure(struct measure *m) {
    size_t total = 0;
    size_t last = 0;
    while (*m->at != 0 && *m->at != ')' && total <= SIZE_LIMIT) {
        char c = *m->at++;
        if (strchr("*?+{", c) == NULL) {
            last = measure_one(m, c);
            total += last;
            continue;
        }
        size_t times = c == '{' ? bound_of(m) : c == '+' ? 2 : 1;
        if (m->repeated || (c == '{' && m->group) || times > SIZE_LIMIT) {
            return SIZE_LIMIT + 1;
        }
        total += last * (times - 1);
        m->at += c == '{' && *m->at == '}' ? 1 : 0;
        m->repeated = true;
    }
    return total;
}

static bool has_back_reference(const char *expression) {
    for (const char *at = strchr(expression, '\\'); at != NULL && at[1] != 0; at = strchr(at + 2, '\\')) {
        if (at[1] >= '1' && at[1] <= '9') {
            return true;
        }
    }
    return false;
}

static int compile(const struct reader *reader, const yaml_node_t *node, struct rsw_pattern *out,
                   const char *expression) {
    char whole[RSW_PATTERN_MAX + 8];
    char why[128];
    struct measure m = {.at = expression};
    if (measure(&m) > SIZE_LIMIT) {
        return wrong(reader, node,
                     "this expression repeats too much: {m,n} can stand behind a character or "
                     "bracket, and up to %d in all; no repetition behind another",
                     SIZE_LIMIT);
    }
    /* To the C library it is a character like others: what stands behind was not measured, and between
     * "^(" and ")$" it would be another expression. */
    if (*m.at == ')') {
        return wrong(reader, node, "a ')' without its '(': write \\) for the character");
    }
    if (has_back_reference(expression)) {
        return wrong(reader, node, "back references are not taken");
    }
    int rc = regcomp(&out->regex, expression, REG_EXTENDED | REG_NOSUB); /* alone first: "a)(b" is none */
    if (rc == 0) {
        regfree(&out->regex);
        snprintf(whole, sizeof whole, "^(%s)$", expression);
        rc = regcomp(&out->regex, whole, REG_EXTENDED | REG_NOSUB);
    }
    if (rc != 0) {
        regerror(rc, &out->regex, why, sizeof why);
        return wrong(reader, node, "no regular expression (POSIX, extended): %s", why);
    }
    return 0;
}

static int add_pattern(struct reader *reader, const yaml_node_t *node, struct rsw_patterns *patterns,
                       bool is_regex) {
    const char *text = rsw_yaml_text(node);
    if (text == NULL || *text == 0) {
        return wrong(reader, node, "expected a name, which may have * and ? in it");
    }
    if (strlen(text) > RSW_PATTERN_MAX) {
        return wrong(reader, node, "longer than %d bytes", RSW_PATTERN_MAX);
    }
    struct rsw_pattern *items =
        rsw_grown(patterns->items, &patterns->room, patterns->count + 1, sizeof *items);
    if (items == NULL) {
        return no_memory(reader);
    }
    patterns->items = items;
    struct rsw_pattern *pattern = &items[patterns->count];
    *pattern = (struct rsw_pattern){.glob = NULL};
    if (is_regex) {
        if (compile(reader, node, pattern, text) != 0) {
            return -1;
        }
    } else if ((pattern->glob = strdup(text)) == NULL) {
        return no_memory(reader);
    }
    patterns->count++;
    return 0;
}

static int read_expression(struct reader *reader, yaml_node_t *node, void *out) {
    return add_pattern(reader, node, out, true);
}

static int read_pattern(struct reader *reader, yaml_node_t *node, void *out) {
    static const struct field fields[] = {{"regex", read_expression, true}, {NULL, NULL, false}};
    return node->type == YAML_MAPPING_NODE ? read_mapping(reader, node, fields, out)
                                           : add_pattern(reader, node, out, false);
}

static int read_patterns(struct reader *reader, yaml_node_t *node, struct rsw_patterns *out) {
    if (node->type != YAML_SEQUENCE_NODE) {
        return read_pattern(reader, node, out);
    }
    return node->data.sequence.items.start == node->data.sequence.items.top
               ? wrong(reader, node, "an empty list fits nothing")
               : read_list(reader, node, read_pattern, out);
}

/* ---- keep ---- */

static int read_newest(struct reader *reader, yaml_node_t *node, void *out) {
    return read_number(reader, node, &((struct rsw_keep *)out)->newest);
}

static int read_by(struct reader *reader, yaml_node_t *node, void *out) {
    const char *text = rsw_yaml_text(node);
    if (text == NULL || (strcmp(text, "push") != 0 && strcmp(text, "pull") != 0)) {
        return wrong(reader, node, "expected push or pull");
    }
    ((struct rsw_keep *)out)->by_pull = strcmp(text, "pull") == 0;
    return 0;
}

static int read_pushed_within(struct reader *reader, yaml_node_t *node, void *out) {
    return read_duration(reader, node, &((struct rsw_keep *)out)->pushed_within_ms);
}

static int read_pulled_within(struct reader *reader, yaml_node_t *node, void *out) {
    return read_duration(reader, node, &((struct rsw_keep *)out)->pulled_within_ms);
}

static int read_keep(struct reader *reader, yaml_node_t *node, struct rsw_keep *out) {
    static const struct field fields[] = {{"newest", read_newest, false},
                                          {"by", read_by, false},
                                          {"pushed-within", read_pushed_within, false},
                                          {"pulled-within", read_pulled_within, false},
                                          {NULL, NULL, false}};
    const char *text = rsw_yaml_text(node);
    if (text != NULL && (strcmp(text, "all") == 0 || strcmp(text, "none") == 0)) {
        out->all = strcmp(text, "all") == 0;
        return 0;
    }
    if (node->type != YAML_MAPPING_NODE) {
        return wrong(reader, node,
                     "expected all, none, or what is kept: newest, by, pushed-within, pulled-within");
    }
    if (read_mapping(reader, node, fields, out) != 0) {
        return -1;
    }
    if (out->by_pull && out->newest == 0) {
        return wrong(reader, node, "by says nothing without newest");
    }
    return out->newest == 0 && out->pushed_within_ms == 0 && out->pulled_within_ms == 0
               ? wrong(reader, node, "nothing is kept by this: say none if that is meant")
               : 0;
}

/* ---- rules ---- */

static int read_rule_match(struct reader *reader, yaml_node_t *node, void *out) {
    return read_patterns(reader, node, &((struct rsw_tag_rule *)out)->match);
}

static int read_rule_keep(struct reader *reader, yaml_node_t *node, void *out) {
    return read_keep(reader, node, &((struct rsw_tag_rule *)out)->keep);
}

static int read_rule_revisions(struct reader *reader, yaml_node_t *node, void *out) {
    return read_number(reader, node, &((struct rsw_tag_rule *)out)->revisions);
}

static int read_rule(struct reader *reader, yaml_node_t *node, void *out) {
    static const struct field fields[] = {{"match", read_rule_match, true},
                                          {"keep", read_rule_keep, true},
                                          {"revisions", read_rule_revisions, false},
                                          {NULL, NULL, false}};
    struct rsw_repository_rules *rules = out;
    struct rsw_tag_rule *tags = rsw_grown(rules->tags, &rules->tag_room, rules->tag_count + 1, sizeof *tags);
    if (tags == NULL) {
        return no_memory(reader);
    }
    rules->tags = tags;
    struct rsw_tag_rule *rule = &tags[rules->tag_count++];
    *rule = (struct rsw_tag_rule){.line = rsw_yaml_line(node)};
    return read_mapping(reader, node, fields, rule);
}

/* ---- repositories ---- */

static int read_match(struct reader *reader, yaml_node_t *node, void *out) {
    return read_patterns(reader, node, &((struct rsw_repository_rules *)out)->match);
}

static int read_protect(struct reader *reader, yaml_node_t *node, void *out) {
    return read_patterns(reader, node, &((struct rsw_repository_rules *)out)->protect);
}

static int read_younger_than(struct reader *reader, yaml_node_t *node, void *out) {
    return read_duration(reader, node, &((struct rsw_repository_rules *)out)->younger_than_ms);
}

static int read_tags(struct reader *reader, yaml_node_t *node, void *out) {
    return read_list(reader, node, read_rule, out);
}

static int read_untagged(struct reader *reader, yaml_node_t *node, void *out) {
    struct rsw_repository_rules *rules = out;
    rules->untagged_said = true;
    rules->untagged_line = rsw_yaml_line(node);
    return read_keep(reader, node, &rules->untagged);
}

static int read_repository(struct reader *reader, yaml_node_t *node, void *out) {
    static const struct field fields[] = {{"match", read_match, true},
                                          {"protect", read_protect, false},
                                          {"younger-than", read_younger_than, false},
                                          {"tags", read_tags, false},
                                          {"untagged", read_untagged, false},
                                          {NULL, NULL, false}};
    struct rsw_policy *policy = out;
    struct rsw_repository_rules *all =
        rsw_grown(policy->repositories, &policy->repository_room, policy->repository_count + 1, sizeof *all);
    if (all == NULL) {
        return no_memory(reader);
    }
    policy->repositories = all;
    struct rsw_repository_rules *rules = &all[policy->repository_count++];
    *rules = (struct rsw_repository_rules){.line = rsw_yaml_line(node)};
    return read_mapping(reader, node, fields, rules);
}

/* ---- the whole ---- */

static int read_all_protect(struct reader *reader, yaml_node_t *node, void *out) {
    return read_patterns(reader, node, &((struct rsw_policy *)out)->protect);
}

static int read_all_younger_than(struct reader *reader, yaml_node_t *node, void *out) {
    return read_duration(reader, node, &((struct rsw_policy *)out)->younger_than_ms);
}

static int read_repositories(struct reader *reader, yaml_node_t *node, void *out) {
    return read_list(reader, node, read_repository, out);
}

static int read_policy(struct reader *reader, struct rsw_policy *policy) {
    static const struct field fields[] = {{"protect", read_all_protect, false},
                                          {"younger-than", read_all_younger_than, false},
                                          {"repositories", read_repositories, true},
                                          {NULL, NULL, false}};
    yaml_node_t *root = rsw_yaml_root(&reader->yaml);
    if (root == NULL || rsw_yaml_is_null(root)) {
        return rsw_error_set(reader->err, RSW_EINVAL, 0,
                             "%s: there is nothing in it; a policy has at least \"repositories:\"",
                             reader->name);
    }
    if (read_mapping(reader, root, fields, policy) != 0) {
        return -1;
    }
    for (size_t i = 0; i < policy->repository_count; i++) {
        struct rsw_repository_rules *rules = &policy->repositories[i];
        rules->younger_than_ms =
            rules->younger_than_ms != 0 ? rules->younger_than_ms : policy->younger_than_ms;
    }
    return 0;
}

static void release_patterns(struct rsw_patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++) {
        if (patterns->items[i].glob == NULL) {
            regfree(&patterns->items[i].regex);
        }
        free(patterns->items[i].glob);
    }
    free(patterns->items);
}

void rsw_policy_free(struct rsw_policy *policy) {
    if (policy == NULL) {
        return;
    }
    for (size_t i = 0; i < policy->repository_count; i++) {
        struct rsw_repository_rules *rules = &policy->repositories[i];
        for (size_t at = 0; at < rules->tag_count; at++) {
            release_patterns(&rules->tags[at].match);
        }
        release_patterns(&rules->match);
        release_patterns(&rules->protect);
        free(rules->tags);
    }
    release_patterns(&policy->protect);
    free(policy->repositories);
    free(policy);
}

int rsw_policy_parse(struct rsw_policy **out, const char *name, const void *bytes, size_t len,
                     struct rsw_error *err) {
    struct reader reader = {.name = name, .err = err};
    struct rsw_policy *policy = calloc(1, sizeof *policy);
    *out = NULL;
    if (policy == NULL) {
        return no_memory(&reader);
    }
    int rc = rsw_yaml_parse(&reader.yaml, name, bytes, len, err);
    if (rc == 0) {
        rc = read_policy(&reader, policy);
        policy->longest_ms = reader.longest_ms;
        rsw_yaml_release(&reader.yaml);
    }
    if (rc != 0) {
        rsw_policy_free(policy);
        return -1;
    }
    *out = policy;
    return 0;
}
