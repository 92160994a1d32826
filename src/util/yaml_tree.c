#include "util/yaml_tree.h"

#include "util/library.h"

#include <string.h>

/* Each as yaml.h has it. */
struct libyaml {
    __typeof__(&yaml_parser_initialize) yaml_parser_initialize;
    __typeof__(&yaml_parser_set_input_string) yaml_parser_set_input_string;
    __typeof__(&yaml_parser_load) yaml_parser_load;
    __typeof__(&yaml_parser_delete) yaml_parser_delete;
    __typeof__(&yaml_document_delete) yaml_document_delete;
    __typeof__(&yaml_document_get_root_node) yaml_document_get_root_node;
    __typeof__(&yaml_document_get_node) yaml_document_get_node;
};

static const struct rsw_function functions[] = {
    RSW_FUNCTION(struct libyaml, yaml_parser_initialize),
    RSW_FUNCTION(struct libyaml, yaml_parser_set_input_string),
    RSW_FUNCTION(struct libyaml, yaml_parser_load),
    RSW_FUNCTION(struct libyaml, yaml_parser_delete),
    RSW_FUNCTION(struct libyaml, yaml_document_delete),
    RSW_FUNCTION(struct libyaml, yaml_document_get_root_node),
    RSW_FUNCTION(struct libyaml, yaml_document_get_node),
};

static struct libyaml libyaml;
static struct rsw_library library = RSW_LIBRARY(REGSWEEP_LIBYAML, libyaml, functions);

#define BRACKETS_MAX 1000 /* nobody writes so many, nor so many in texts */

static int report(struct rsw_error *err, const char *name, const yaml_parser_t *parser) {
    if (parser->error == YAML_MEMORY_ERROR) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "%s: out of memory", name);
    }
    const char *problem = parser->problem != NULL ? parser->problem : "is no YAML";
    if (parser->error == YAML_READER_ERROR) { /* knows no line: the bytes are no text */
        return rsw_error_set(err, RSW_EINVAL, 0, "%s: at byte %zu: %s", name, parser->problem_offset,
                             problem);
    }
    return rsw_error_set(err, RSW_EINVAL, 0, "%s:%zu: %s%s%s", name, parser->problem_mark.line + 1,
                         parser->context != NULL ? parser->context : "", parser->context != NULL ? ": " : "",
                         problem);
}

/* The library's time grows with the square of what is open at once. The line, or 0. */
static unsigned long line_too_deep(const char *text, size_t len) {
    unsigned long line = 1;
    size_t open = 0;
    for (size_t i = 0; i < len; i++) {
        line += text[i] == '\n';
        if (text[i] == '[' || text[i] == '{') {
            open++;
        } else if ((text[i] == ']' || text[i] == '}') && open > 0) {
            open--;
        }
        if (open > BRACKETS_MAX) {
            return line;
        }
    }
    return 0;
}

int rsw_yaml_parse(struct rsw_yaml *out, const char *name, const void *bytes, size_t len,
                   struct rsw_error *err) {
    yaml_parser_t parser;
    out->loaded = false;
    unsigned long line = line_too_deep(bytes, len);
    if (line != 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s:%lu: more than %d brackets are open", name, line,
                             BRACKETS_MAX);
    }
    if (rsw_library_load(&library, err) != 0) {
        return -1;
    }
    if (libyaml.yaml_parser_initialize(&parser) == 0) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "%s: out of memory", name);
    }
    libyaml.yaml_parser_set_input_string(&parser, len > 0 ? bytes : (const unsigned char *)"", len);
    out->loaded = libyaml.yaml_parser_load(&parser, &out->document) != 0;
    int result = out->loaded ? 0 : report(err, name, &parser);
    libyaml.yaml_parser_delete(&parser);
    return result;
}

void rsw_yaml_release(struct rsw_yaml *yaml) {
    if (yaml->loaded) {
        libyaml.yaml_document_delete(&yaml->document);
        yaml->loaded = false;
    }
}

yaml_node_t *rsw_yaml_root(struct rsw_yaml *yaml) {
    return yaml->loaded ? libyaml.yaml_document_get_root_node(&yaml->document) : NULL;
}

yaml_node_t *rsw_yaml_node(struct rsw_yaml *yaml, yaml_node_item_t item) {
    return libyaml.yaml_document_get_node(&yaml->document, item);
}

static yaml_node_pair_t *find_pair(struct rsw_yaml *yaml, yaml_node_t *mapping, const char *key) {
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
         pair++) {
        const char *text = rsw_yaml_text(rsw_yaml_node(yaml, pair->key));
        if (text != NULL && strcmp(text, key) == 0) {
            return pair;
        }
    }
    return NULL;
}

yaml_node_t *rsw_yaml_get(struct rsw_yaml *yaml, yaml_node_t *mapping, const char *key) {
    yaml_node_pair_t *pair = find_pair(yaml, mapping, key);
    return pair == NULL ? NULL : rsw_yaml_node(yaml, pair->value);
}

yaml_node_t *rsw_yaml_key(struct rsw_yaml *yaml, yaml_node_t *mapping, const char *key) {
    yaml_node_pair_t *pair = find_pair(yaml, mapping, key);
    return pair == NULL ? NULL : rsw_yaml_node(yaml, pair->key);
}

const char *rsw_yaml_text(const yaml_node_t *node) {
    if (node == NULL || node->type != YAML_SCALAR_NODE ||
        memchr(node->data.scalar.value, 0, node->data.scalar.length) != NULL) {
        return NULL;
    }
    return (const char *)node->data.scalar.value;
}

bool rsw_yaml_is_null(const yaml_node_t *node) {
    const char *text = rsw_yaml_text(node);
    if (text == NULL || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    return *text == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 ||
           strcmp(text, "NULL") == 0;
}

unsigned long rsw_yaml_line(const yaml_node_t *node) {
    return node == NULL ? 0 : (unsigned long)node->start_mark.line + 1;
}

unsigned long rsw_yaml_column(const yaml_node_t *node) {
    return node == NULL ? 0 : (unsigned long)node->start_mark.column + 1;
}
