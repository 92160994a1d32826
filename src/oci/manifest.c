#include "oci/manifest.h"

#include "oci/document.h"
#include "oci/fields.h"
#include "oci/media_type.h"
#include "oci/parts.h"

#include <stdlib.h>
#include <string.h>

static void cleanup_json(json_t **json) {
    json_decref(*json);
}
#define AUTO_JSON __attribute__((cleanup(cleanup_json))) json_t

static void cleanup_parts(struct rsw_parts *parts) {
    rsw_ref_list_release(&parts->refs);
}
#define AUTO_PARTS __attribute__((cleanup(cleanup_parts))) struct rsw_parts

/* Copies what fits, and cuts between two characters of UTF-8. */
static void copy_cut(char *to, size_t room, const char *from) {
    size_t len = strlen(from);
    if (len >= room) {
        len = room - 1;
        while (len > 0 && ((unsigned char)from[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    memcpy(to, from, len);
    to[len] = 0;
}

static bool has_array(json_t *root, const char *name) {
    json_t *value;
    RSW_FOREACH_FIELD(value, root, name) {
        if (json_is_array(value)) {
            return true;
        }
    }
    return false;
}

static bool has_object(json_t *root, const char *name) {
    json_t *value;
    RSW_FOREACH_FIELD(value, root, name) {
        if (json_is_object(value)) {
            return true;
        }
    }
    return false;
}

static bool is_version_2(json_t *root) {
    json_t *value;
    RSW_FOREACH_FIELD(value, root, "schemaVersion") {
        if (json_is_integer(value) && json_integer_value(value) == 2) {
            return true;
        }
    }
    return false;
}

/* A manifest without a mediaType. As distribution registry/storage/manifeststore.go (Get) has it: an index if
 * it has `manifests`, else a manifest; but JSON that has none of the parts is left to the reading that misses
 * nothing (an image's configuration has a `config`, BuildKit's cache description has `layers`). */
static const char *type_by_shape(json_t *root) {
    if (has_array(root, "fsLayers")) {
        return has_array(root, "signatures") ? RSW_MEDIA_TYPE_SCHEMA1_SIGNED : RSW_MEDIA_TYPE_SCHEMA1;
    }
    if (has_array(root, "manifests")) {
        return RSW_MEDIA_TYPE_OCI_INDEX;
    }
    if (has_object(root, "config") && (has_array(root, "layers") || is_version_2(root))) {
        return RSW_MEDIA_TYPE_OCI_MANIFEST;
    }
    return "";
}

/* The type that the manifest gives itself; where it gives several, by keys that differ in case, one that we
 * know. */
static int identify(struct rsw_manifest *out, const struct rsw_manifest_type **type, json_t *root,
                    struct rsw_error *err) {
    const char *name = "";
    *type = NULL;
    json_t *value;
    RSW_FOREACH_FIELD(value, root, "mediaType") {
        if (!json_is_string(value)) {
            return rsw_error_set(err, RSW_EINVAL, 0, "'mediaType' is no string");
        }
        const struct rsw_manifest_type *known = rsw_manifest_type_find(json_string_value(value));
        if (known != NULL || (*type == NULL && json_string_length(value) > 0)) {
            name = json_string_value(value);
            *type = known;
        }
    }
    if (name[0] == 0) {
        name = type_by_shape(root);
        *type = rsw_manifest_type_find(name);
    }
    copy_cut(out->media_type, sizeof out->media_type, name);
    return 0;
}

/* OCI image specification 1.1, manifest.md: artifactType, else the config's type where that is no image's. */
static const char *artifact_type(json_t *root) {
    const char *type = rsw_field_string(root, "artifactType");
    json_t *config;
    RSW_FOREACH_FIELD(config, root, "config") {
        const char *other = rsw_field_string(config, "mediaType");
        if (type[0] == 0 && !rsw_media_type_image_config(other) && !rsw_media_type_empty(other)) {
            type = other;
        }
    }
    return type;
}

/* One subject at most: with two, by keys that differ in case, nobody can say with which it lives. */
static int find_subject(struct rsw_manifest *out, struct rsw_error *err) {
    for (size_t i = 0; i < out->ref_count; i++) {
        if (out->refs[i].kind != RSW_REF_SUBJECT) {
            continue;
        }
        if (out->has_subject) {
            return rsw_error_set(err, RSW_EINVAL, 0, "more than one subject");
        }
        out->has_subject = true;
        out->subject = out->refs[i].digest;
    }
    return 0;
}

static uint32_t own_types(const struct rsw_manifest *out, const struct rsw_parts *parts) {
    uint32_t types = parts->shape == RSW_SHAPE_INDEX ? RSW_TYPE_INDEX : RSW_TYPE_MANIFEST;
    for (size_t i = 0; i < out->ref_count; i++) {
        types |= out->refs[i].kind == RSW_REF_CHILD ? RSW_TYPE_INDEX : 0u;
    }
    return types | parts->artifact | parts->found;
}

static int parse(struct rsw_manifest *out, json_t *root, struct rsw_error *err) {
    const struct rsw_manifest_type *type;
    if (identify(out, &type, root, err) != 0) {
        return -1;
    }
    out->known = type != NULL;
    AUTO_PARTS parts = {.shape = RSW_SHAPE_UNKNOWN};
    if (type != NULL) {
        parts.shape = type->shape;
        parts.subject = type->subject;
    }
    if (parts.shape == RSW_SHAPE_IMAGE && !rsw_field_given(root, "config")) {
        return rsw_error_set(err, RSW_EINVAL, 0, "an image manifest without 'config'");
    }
    if (parts.shape != RSW_SHAPE_SCHEMA1) {
        const char *artifact = artifact_type(root);
        copy_cut(out->artifact_type, sizeof out->artifact_type, artifact);
        parts.artifact = rsw_types_of_artifact(artifact) | rsw_types_of_annotations(root);
    }
    if (rsw_parts_read(&parts, root, err) != 0 ||
        (type == NULL && rsw_parts_read_strings(&parts, root, err) != 0) ||
        rsw_ref_list_unique(&parts.refs, err) != 0) {
        return -1;
    }
    out->refs = parts.refs.refs;
    out->ref_count = parts.refs.count;
    parts.refs = (struct rsw_ref_list){NULL, 0, 0};
    out->types = own_types(out, &parts);
    return find_subject(out, err);
}

int rsw_manifest_parse(struct rsw_manifest *out, const void *bytes, size_t len, struct rsw_error *err) {
    *out = (struct rsw_manifest)RSW_MANIFEST_INIT;
    AUTO_JSON *root = NULL;
    if (rsw_document_load(&root, bytes, len, err) != 0) {
        return -1;
    }
    if (parse(out, root, err) != 0) {
        rsw_manifest_release(out);
        return -1;
    }
    return 0;
}

void rsw_manifest_release(struct rsw_manifest *manifest) {
    free(manifest->refs);
    *manifest = (struct rsw_manifest)RSW_MANIFEST_INIT;
}
