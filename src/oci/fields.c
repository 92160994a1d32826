#include "oci/fields.h"

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool rsw_field_is(const char *key, const char *name) {
    const unsigned char *at = (const unsigned char *)key;
    for (; *name != 0; name++) {
        char want = lower(*name);
        if (lower((char)*at) == want) {
            at++;
        } else if (want == 's' && at[0] == 0xC5 && at[1] == 0xBF) {
            at += 2;
        } else if (want == 'k' && at[0] == 0xE2 && at[1] == 0x84 && at[2] == 0xAA) {
            at += 3;
        } else {
            return false;
        }
    }
    return *at == 0;
}

json_t *rsw_field_next(json_t *object, void **iter, const char *name) {
    while (*iter != NULL) {
        const char *key = json_object_iter_key(*iter);
        json_t *value = json_object_iter_value(*iter);
        *iter = json_object_iter_next(object, *iter);
        if (!json_is_null(value) && rsw_field_is(key, name)) {
            return value;
        }
    }
    return NULL;
}

const char *rsw_field_string(json_t *object, const char *name) {
    const char *text = "";
    json_t *value;
    RSW_FOREACH_FIELD(value, object, name) {
        if (json_is_string(value) && json_string_length(value) > 0) {
            text = json_string_value(value);
        }
    }
    return text;
}

bool rsw_field_given(json_t *object, const char *name) {
    void *iter = json_object_iter(object);
    return rsw_field_next(object, &iter, name) != NULL;
}
