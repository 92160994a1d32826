#include "sweep_request.h"

#include "json.h"

#include "util/text.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 40

static const char *member_name(const struct rsw_option *option, char name[NAME_MAX_BYTES]) {
    snprintf(name, NAME_MAX_BYTES, "%s", option->name);
    for (char *c = name; *c != 0; c++) {
        *c = *c == '-' ? '_' : *c;
    }
    return name;
}

/* ---- reading ---- */

static const struct rsw_option *find_member(const char *asked) {
    char name[NAME_MAX_BYTES];
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if ((option->places & RSW_IN_REQUEST) != 0 && strcmp(member_name(option, name), asked) == 0) {
            return option;
        }
    }
    return NULL;
}

static int wrong_type(const char *name, const char *expected, struct rsw_error *err) {
    return rsw_error_set(err, RSW_EINVAL, 0, "%s: expected %s", name, expected);
}

static int set_text(struct rsw_options *options, const struct rsw_option *option, const char *name,
                    const json_t *value, struct rsw_error *err) {
    const char *text = json_string_value(value);
    if (text == NULL) {
        return wrong_type(name,
                          option->kind == RSW_OPTION_STRINGS    ? "a list of texts"
                          : option->kind == RSW_OPTION_DURATION ? "a text such as \"24h\""
                                                                : option->argument,
                          err);
    }
    return rsw_option_set(options, option, RSW_SOURCE_FLAG, name, text, err);
}

static int set_number(struct rsw_options *options, const struct rsw_option *option, const char *name,
                      const json_t *value, struct rsw_error *err) {
    char text[32];
    if (!json_is_integer(value)) {
        return wrong_type(name, "a number", err);
    }
    snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return rsw_option_set(options, option, RSW_SOURCE_FLAG, name, text, err);
}

static int set_list(struct rsw_options *options, const struct rsw_option *option, const char *name,
                    const json_t *value, struct rsw_error *err) {
    if (!json_is_array(value)) {
        return wrong_type(name, "a list of texts", err);
    }
    /* As if it were given by the same source, so that nothing is dropped that is there already. */
    options->sources[option - rsw_option_table] = RSW_SOURCE_FLAG;
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (set_text(options, option, name, json_array_get(value, i), err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int set_member(struct rsw_options *options, const char *asked, const json_t *value,
                      struct rsw_error *err) {
    char name[NAME_MAX_BYTES];
    const struct rsw_option *option = find_member(asked);
    if (option == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "unknown member \"%.100s\"", asked);
    }
    member_name(option, name);
    switch (option->kind) {
    case RSW_OPTION_FLAG:
        return json_is_boolean(value) ? rsw_option_set(options, option, RSW_SOURCE_FLAG, name,
                                                       json_is_true(value) ? "true" : "false", err)
                                      : wrong_type(name, "true or false", err);
    case RSW_OPTION_PERCENT:
    case RSW_OPTION_NUMBER:
        return set_number(options, option, name, value, err);
    case RSW_OPTION_STRINGS:
        return set_list(options, option, name, value, err);
    case RSW_OPTION_STRING:
    case RSW_OPTION_CHOICE:
    case RSW_OPTION_DURATION:
    case RSW_OPTION_SIZE:
        break;
    }
    return set_text(options, option, name, value, err);
}

int rsw_sweep_request_read(struct rsw_options *options, const char *body, size_t len, struct rsw_error *err) {
    json_error_t where;
    const char *name;
    json_t *value;
    if (len == 0) {
        return 0;
    }
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the body is not JSON, line %d: %s", where.line, where.text);
    }
    int rc = json_is_object(root) ? 0 : rsw_error_set(err, RSW_EINVAL, 0, "the body is no JSON object");
    json_object_foreach(root, name, value) {
        rc = rc == 0 ? set_member(options, name, value, err) : rc;
    }
    json_decref(root);
    return rc;
}

/* ---- writing ---- */

static json_t *list_of(const struct rsw_strings *texts) {
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++) {
        rsw_json_append(&list, rsw_json_text(texts->items[i]));
    }
    return list;
}

static json_t *value_of(const struct rsw_options *options, const struct rsw_option *option) {
    char text[64];
    const void *value = rsw_option_value(options, option);
    switch (option->kind) {
    case RSW_OPTION_FLAG:
        return json_boolean(*(const bool *)value);
    case RSW_OPTION_DURATION:
        return json_string(rsw_duration_format(*(const int64_t *)value, text, sizeof text));
    case RSW_OPTION_PERCENT:
    case RSW_OPTION_NUMBER:
        return rsw_json_number(*(const uint64_t *)value);
    case RSW_OPTION_SIZE:
        snprintf(text, sizeof text, "%llu", (unsigned long long)*(const uint64_t *)value);
        return json_string(text);
    case RSW_OPTION_STRINGS:
        return list_of(value);
    case RSW_OPTION_STRING:
    case RSW_OPTION_CHOICE:
        break;
    }
    return rsw_json_text(*(char *const *)value);
}

json_t *rsw_sweep_request_write(const struct rsw_options *options) {
    json_t *root = json_object();
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        char name[NAME_MAX_BYTES];
        if ((option->places & RSW_IN_REQUEST) != 0 &&
            rsw_option_source(options, option->name) > RSW_SOURCE_DEFAULT) {
            rsw_json_set(&root, member_name(option, name), value_of(options, option));
        }
    }
    return root;
}
