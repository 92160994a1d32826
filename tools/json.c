#include "json.h"

#include "util/text.h"

#include <regsweep/types.h>

#include <stdlib.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_length(const unsigned char *at) {
    unsigned char lead = at[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* the NUL at the end too */
            return 0;
        }
    }
    if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f) || (lead == 0xf0 && at[1] < 0x90) ||
        (lead == 0xf4 && at[1] > 0x8f)) {
        return 0;
    }
    return len;
}

json_t *rsw_json_text(const char *text) {
    char *clean = malloc(3 * strlen(text) + 1);
    if (clean == NULL) {
        return NULL;
    }
    char *to = clean;
    for (const unsigned char *at = (const unsigned char *)text; *at != 0;) {
        size_t len = utf8_length(at);
        memcpy(to, len > 0 ? (const char *)at : "\xef\xbf\xbd", len > 0 ? len : 3);
        to += len > 0 ? len : 3;
        at += len > 0 ? len : 1;
    }
    *to = 0;
    json_t *value = json_string(clean);
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
