/* Fields of a JSON object, found as the registry finds them. */
#ifndef REGSWEEP_OCI_FIELDS_H
#define REGSWEEP_OCI_FIELDS_H

#include <jansson.h>
#include <stdbool.h>

/* Does Go's encoding/json take `key` for the field `name`? It compares without regard to case and folds by
 * Unicode's simple rules, in which U+017F (long s) is an `s` and U+212A (Kelvin) a `k`. The registry checks
 * what a manifest names through that reader, so "LAYERS" are layers. `name` is ASCII. */
bool rsw_field_is(const char *key, const char *name);

/* The first field of this name that is not null, at or behind *iter; NULL: no more. Start with *iter =
 * json_object_iter(object). Several can differ in case alone: Go lets a later one overwrite or fill up an
 * earlier one; who wants to miss nothing takes all. A null says nothing to Go. */
json_t *rsw_field_next(json_t *object, void **iter, const char *name);

#define RSW_FOREACH_FIELD(value, object, name)                                                               \
    for (void *field_iter = json_object_iter(object);                                                        \
         ((value) = rsw_field_next(object, &field_iter, name)) != NULL;)

/* The last of this name that is a string and not "", as Go has it; "" if there is none. Borrowed. */
const char *rsw_field_string(json_t *object, const char *name);
bool rsw_field_given(json_t *object, const char *name);

#endif
