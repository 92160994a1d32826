#include "oci_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int parse_quoted(struct rsw_manifest *out, const char *json, struct rsw_error *err) {
    size_t len = strlen(json);
    char *bytes = malloc(len > 0 ? len : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = json[i] == '\'' ? '"' : json[i];
    }
    int rc = rsw_manifest_parse(out, bytes, len, err);
    free(bytes);
    return rc;
}

const char *types_text(uint32_t types) {
    static char text[96];
    return rsw_types_format(types, text, sizeof text);
}

const char *refs_text(const struct rsw_manifest *manifest) {
    static const char *const kinds[] = {"?", "config", "layer", "child", "subject", "unknown", "foreign"};
    static char text[4096];
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < manifest->ref_count; i++) {
        const struct rsw_ref *ref = &manifest->refs[i];
        char hex[RSW_DIGEST_TEXT_MAX];
        rsw_digest_hex(&ref->digest, hex);
        bool empty = strncmp(hex, "44136fa", 7) == 0;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s %.*s", i > 0 ? ", " : "",
                                kinds[ref->kind], empty ? 5 : 1, empty ? "empty" : hex);
        if (ref->types != 0) {
            len += (size_t)snprintf(text + len, sizeof text - len, " (%s)", types_text(ref->types));
        }
        if (ref->size != 0) {
            len += (size_t)snprintf(text + len, sizeof text - len, " %llu", (unsigned long long)ref->size);
        }
        assert_true(len < sizeof text);
    }
    return text;
}

void expect_refs(const char *json, bool known, const char *refs) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    if (parse_quoted(&manifest, json, &err) != 0) {
        fail_msg("%s\nis unreadable: %s", json, err.message);
    }
    if (manifest.known != known || strcmp(refs_text(&manifest), refs) != 0) {
        fail_msg("%s\nis %sknown and names\n%s\ninstead of\n%s", json, manifest.known ? "" : "un",
                 refs_text(&manifest), refs);
    }
}

void expect_unreadable(const char *json, const char *why) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_manifest manifest;
    memset(&manifest, 0x5a, sizeof manifest);
    if (parse_quoted(&manifest, json, &err) == 0) {
        fail_msg("%s\nwas read, and names %s", json, refs_text(&manifest));
    }
    assert_int_equal(err.code, RSW_EINVAL);
    if (strstr(err.message, why) == NULL) {
        fail_msg("%s\nis refused for '%s', not for '%s'", json, err.message, why);
    }
    assert_null(manifest.refs);
    assert_int_equal(manifest.ref_count, 0);
    assert_false(manifest.known);
    assert_false(manifest.has_subject);
}
