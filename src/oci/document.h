/* JSON of strangers: bounded before it is parsed. */
#ifndef REGSWEEP_OCI_DOCUMENT_H
#define REGSWEEP_OCI_DOCUMENT_H

#include <regsweep/error.h>

#include <jansson.h>
#include <stddef.h>

/* Nested deeper than this, jansson refuses (JSON_PARSER_MAX_DEPTH is 2048 in every Debian build): who walks
 * through a document may recurse. */
#define RSW_DOCUMENT_DEPTH 2048

/* The most values that a document may have: 4 MiB of `{},{},…` would take a third of a gigabyte. The
 * longest honest manifest, 4 MiB of descriptors with nothing but a digest, has 100,000. */
#define RSW_DOCUMENT_VALUES 262144

/* Parses exactly `len` bytes, which must be one JSON object, no key twice. 0 and *out owned by the caller, or
 * -1: RSW_EINVAL with what is wrong, RSW_ENOMEM. */
int rsw_document_load(json_t **out, const void *bytes, size_t len, struct rsw_error *err);

#endif
