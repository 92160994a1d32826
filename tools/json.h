/* JSON of our own kinds of values, for jansson. A new reference each; NULL is out of memory, and goes through
 * json_object_set_new and json_pack to the end, where rsw_cli_json tells it. */
#ifndef REGSWEEP_TOOLS_JSON_H
#define REGSWEEP_TOOLS_JSON_H

#include <regsweep/digest.h>

#include <jansson.h>
#include <stdint.h>

/* A name out of storage may be any bytes: what is no UTF-8 becomes U+FFFD. */
json_t *rsw_json_text(const char *text);
json_t *rsw_json_digest(const struct rsw_digest *digest);
/* "2026-11-24T03:07:00.123Z"; null for 0, which is no time. */
json_t *rsw_json_time(int64_t ms);
/* ["layer", "config"]; [] for a blob of unknown type. */
json_t *rsw_json_types(uint32_t types);
json_t *rsw_json_number(uint64_t value);
/* As json_object_set_new and json_array_append_new, but a failure is kept: *object is freed and becomes NULL,
 * and further calls do nothing. */
void rsw_json_set(json_t **object, const char *key, json_t *value);
void rsw_json_append(json_t **array, json_t *value);

#endif
