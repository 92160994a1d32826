/* A YAML document as a tree that knows its lines. */
#ifndef REGSWEEP_UTIL_YAML_TREE_H
#define REGSWEEP_UTIL_YAML_TREE_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

struct rsw_yaml {
    yaml_document_t document;
    bool loaded;
};

/* The first document of these bytes. Aliases are shared nodes, not copies, so a small file stays small. 0, or
 * -1: RSW_EINVAL "<name>:<line>: <what is wrong>", RSW_ENOMEM. */
int rsw_yaml_parse(struct rsw_yaml *out, const char *name, const void *bytes, size_t len,
                   struct rsw_error *err);
void rsw_yaml_release(struct rsw_yaml *yaml);

/* NULL for a file without content. Nodes are borrowed. */
yaml_node_t *rsw_yaml_root(struct rsw_yaml *yaml);
yaml_node_t *rsw_yaml_node(struct rsw_yaml *yaml, yaml_node_item_t item);
/* The value under a key; NULL if the node is NULL, no mapping, or has no such key. */
yaml_node_t *rsw_yaml_get(struct rsw_yaml *yaml, yaml_node_t *mapping, const char *key);
/* The key itself, or NULL: its line is where people look, not that of a value that begins below it. */
yaml_node_t *rsw_yaml_key(struct rsw_yaml *yaml, yaml_node_t *mapping, const char *key);
/* The text of a scalar; NULL for anything else, and for one with a NUL byte in it. */
const char *rsw_yaml_text(const yaml_node_t *node);
/* Nothing written, `~` or `null`. */
bool rsw_yaml_is_null(const yaml_node_t *node);
/* From 1; 0 for no node. */
unsigned long rsw_yaml_line(const yaml_node_t *node);
unsigned long rsw_yaml_column(const yaml_node_t *node);

#define RSW_AUTO_YAML __attribute__((cleanup(rsw_yaml_release))) struct rsw_yaml

#endif
