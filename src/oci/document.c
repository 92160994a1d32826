#include "oci/document.h"

#include "oci/manifest.h"

#include <string.h>

/* An upper bound of the values, from the bytes alone: each but the first stands behind a comma or an opening
 * bracket. In text that is no JSON the figure means nothing, and the parser finds that out. */
static size_t count_values(const char *text, size_t len) {
    size_t values = 1;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            i += c == '\\';
        } else {
            values += c == ',' || c == '[' || c == '{';
        }
    }
    return values;
}

/* Keys that stand twice are refused, because readers differ: jansson keeps the last value, Go merges structs
 * and array elements field by field, so that a digest of the first can survive. With the manifest unreadable,
 * what either of them names is kept. Invalid UTF-8, lone surrogates and NUL, which Go replaces or takes, end
 * here too. */
int rsw_document_load(json_t **out, const void *bytes, size_t len, struct rsw_error *err) {
    *out = NULL;
    if (len == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0, "empty");
    }
    if (len > RSW_MANIFEST_MAX) {
        return rsw_error_set(err, RSW_EINVAL, 0, "larger than any manifest: %zu bytes", len);
    }
    if (count_values(bytes, len) > RSW_DOCUMENT_VALUES) {
        return rsw_error_set(err, RSW_EINVAL, 0, "more than %d values, which no manifest has",
                             RSW_DOCUMENT_VALUES);
    }
    json_error_t why;
    memset(&why, 0, sizeof why);
    json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL) {
        /* jansson leaves no text where an allocation failed beneath the parser. */
        if (why.text[0] == 0 || json_error_code(&why) == json_error_out_of_memory) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        return rsw_error_set(err, RSW_EINVAL, 0, "not JSON that can be read: %s (byte %d)", why.text,
                             why.position);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return rsw_error_set(err, RSW_EINVAL, 0, "JSON, but no object");
    }
    *out = root;
    return 0;
}
