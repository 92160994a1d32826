#include "json.h"

#include "util/text.h"

#include <regsweep/types.h>

#include <stdlib.h>

json_t *rsw_json_text(const char *text) {
    char *clean = malloc(RSW_UTF8_ROOM(text));
    if (clean == NULL) {
        return NULL;
    }
    json_t *value = json_string(rsw_text_to_utf8(clean, text));
    free(clean);
    return value;
}

json_t *rsw_json_digest(const struct rsw_digest *digest) {
    char text[RSW_DIGEST_TEXT_MAX];
    return json_string(rsw_digest_format(digest, text));
}

json_t *rsw_json_time(int64_t ms) {
    char text[40];
    return ms == 0 ? json_null() : json_string(rsw_time_format(ms, text, sizeof text));
}

json_t *rsw_json_types(uint32_t types) {
    json_t *array = json_array();
    for (unsigned bit = 0; bit < RSW_TYPE_COUNT; bit++) {
        if ((types >> bit & 1) != 0) {
            rsw_json_append(&array, json_string(rsw_type_name(bit)));
        }
    }
    return array;
}

json_t *rsw_json_number(uint64_t value) {
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

void rsw_json_set(json_t **object, const char *key, json_t *value) {
    /* The library frees the value when it fails. */
    if (*object == NULL) {
        json_decref(value);
    } else if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

void rsw_json_append(json_t **array, json_t *value) {
    if (*array == NULL) {
        json_decref(value);
    } else if (json_array_append_new(*array, value) != 0) {
        json_decref(*array);
        *array = NULL;
    }
}
