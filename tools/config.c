#include "config.h"

#include "file.h"
#include "help.h"
#include "util/yaml_tree.h"

#include <stdio.h>
#include <string.h>

static int set_one(struct rsw_options *options, const struct rsw_option *option, const char *name,
                   const yaml_node_t *value, struct rsw_error *err) {
    char where[512];
    const char *text = rsw_yaml_text(value);
    snprintf(where, sizeof where, "%s:%lu: %s", name, rsw_yaml_line(value), option->name);
    if (text == NULL) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: expected %s", where,
                             option->kind == RSW_OPTION_STRINGS ? "a text, or a list of texts"
                                                                : "a single value");
    }
    return rsw_option_set(options, option, RSW_SOURCE_CONFIG, where, text, err);
}

static int set_value(struct rsw_options *options, const struct rsw_option *option, const char *name,
                     struct rsw_yaml *yaml, const yaml_node_t *value, struct rsw_error *err) {
    if (rsw_yaml_is_null(value)) {
        return 0; /* `grace:` with nothing behind it: as if it were not there */
    }
    if (option->kind != RSW_OPTION_STRINGS || value->type != YAML_SEQUENCE_NODE) {
        return set_one(options, option, name, value, err);
    }
    for (yaml_node_item_t *item = value->data.sequence.items.start; item < value->data.sequence.items.top;
         item++) {
        if (set_one(options, option, name, rsw_yaml_node(yaml, *item), err) != 0) {
            return -1;
        }
    }
    return 0;
}

static const struct rsw_option *find_key(const char *name, const yaml_node_t *key, struct rsw_error *err) {
    const char *text = rsw_yaml_text(key);
    unsigned long line = rsw_yaml_line(key);
    if (text == NULL) {
        rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: expected the name of an option", name, line);
        return NULL;
    }
    const struct rsw_option *option = rsw_option_find(text);
    if (option == NULL || option->places == RSW_IN_REQUEST) {
        const char *close = rsw_closest_option(text);
        rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: unknown option \"%s\"%s%s%s", name, line, text,
                      close != NULL ? "; did you mean \"" : "", close != NULL ? close : "",
                      close != NULL ? "\"?" : "");
        return NULL;
    }
    if ((option->places & RSW_IN_CONFIG) == 0) {
        rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: %s cannot be set in a file, only %s", name, line, text,
                      (option->places & RSW_IN_FLAG) != 0 ? "on the command line" : "in the environment");
        return NULL;
    }
    return option;
}

/* YAML forbids a key that is there twice; which of the two would count is anybody's guess. */
static bool stands_before(struct rsw_yaml *yaml, const yaml_node_pair_t *first,
                          const yaml_node_pair_t *pair) {
    const char *text = rsw_yaml_text(rsw_yaml_node(yaml, pair->key));
    for (; first < pair; first++) {
        const char *other = rsw_yaml_text(rsw_yaml_node(yaml, first->key));
        if (other != NULL && text != NULL && strcmp(other, text) == 0) {
            return true;
        }
    }
    return false;
}

int rsw_config_parse(struct rsw_options *options, const char *name, const void *bytes, size_t len,
                     struct rsw_error *err) {
    RSW_AUTO_YAML yaml = {.loaded = false};
    if (rsw_yaml_parse(&yaml, name, bytes, len, err) != 0) {
        return -1;
    }
    yaml_node_t *root = rsw_yaml_root(&yaml);
    if (root == NULL || rsw_yaml_is_null(root)) {
        return 0;
    }
    if (root->type != YAML_MAPPING_NODE) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: expected lines of \"option: value\"", name,
                             rsw_yaml_line(root));
    }
    yaml_node_pair_t *pairs = root->data.mapping.pairs.start;
    for (yaml_node_pair_t *pair = pairs; pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = rsw_yaml_node(&yaml, pair->key);
        const struct rsw_option *option = find_key(name, key, err);
        if (option == NULL) {
            return -1;
        }
        if (stands_before(&yaml, pairs, pair)) {
            return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: %s is there twice", name, rsw_yaml_line(key),
                                 option->name);
        }
        if (set_value(options, option, name, &yaml, rsw_yaml_node(&yaml, pair->value), err) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_config_load(struct rsw_options *options, const char *path, struct rsw_error *err) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    if (rsw_file_read(&bytes, path, RSW_CONFIG_MAX, NULL, err) != 0) {
        return -1;
    }
    return rsw_config_parse(options, path, bytes.data, bytes.len, err);
}
