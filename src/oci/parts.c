#include "oci/parts.h"

#include "oci/document.h"
#include "oci/fields.h"
#include "oci/manifest.h"

#include <string.h>

/* Where references stand, and what kind of manifest has them there. The registry's own list: References() in
 * distribution manifest/schema1, schema2, manifestlist, ocischema; blobs and subject: OCI image specification
 * 1.1 and its release candidates, ORAS artifact specification. `data`, `urls`, `annotations` and the history
 * of schema 1 can hold digests too; nobody asks the registry for those, and it does not hold on to them. */
static const struct part {
    const char *name;
    const char *digest; /* the field of an element */
    enum rsw_ref_kind kind;
    enum rsw_shape shape; /* whose part it is; UNKNOWN: of several */
    bool list;
} parts_known[] = {
    {"config", "digest", RSW_REF_CONFIG, RSW_SHAPE_IMAGE, false},
    {"layers", "digest", RSW_REF_LAYER, RSW_SHAPE_IMAGE, true},
    {"manifests", "digest", RSW_REF_CHILD, RSW_SHAPE_INDEX, true},
    {"fsLayers", "blobSum", RSW_REF_LAYER, RSW_SHAPE_SCHEMA1, true},
    {"blobs", "digest", RSW_REF_LAYER, RSW_SHAPE_ARTIFACT, true},
    {"subject", "digest", RSW_REF_SUBJECT, RSW_SHAPE_UNKNOWN, false},
};

#define PARTS (sizeof parts_known / sizeof *parts_known)

struct descriptor {
    json_t *object;
    const char *digest; /* name of the field that has it */
    const char *type;   /* mediaType, "" if none */
    uint32_t means;     /* what that tells */
    uint64_t size;
};

uint32_t rsw_types_of_artifact(const char *type) {
    if (rsw_media_type_image_config(type) || rsw_media_type_empty(type)) {
        return 0;
    }
    uint32_t types = rsw_types_of_media_type(type) & RSW_TYPES_SPECIAL;
    return types != 0 ? types : (uint32_t)RSW_TYPE_OTHER;
}

uint32_t rsw_types_of_annotations(json_t *object) {
    static const char *const telling[] = {
        "vnd.docker.reference.type",        /* BuildKit: "attestation-manifest" */
        "in-toto.io/predicate-type",        /* BuildKit: "https://spdx.dev/Document" */
        "predicateType",                    /* cosign attest */
        "dev.sigstore.bundle.content",      /* sigstore: "dsse-envelope", "message-signature" */
        "dev.sigstore.bundle.predicateType" /* as above */
    };
    uint32_t types = 0;
    json_t *annotations;
    RSW_FOREACH_FIELD(annotations, object, "annotations") {
        for (size_t i = 0; i < sizeof telling / sizeof *telling; i++) {
            const char *value = json_string_value(json_object_get(annotations, telling[i]));
            if (value != NULL) {
                types |= rsw_types_of_media_type(value) & RSW_TYPES_SPECIAL;
            }
        }
    }
    return types;
}

static bool digest_of(struct rsw_digest *out, const json_t *value) {
    return json_is_string(value) &&
           rsw_digest_parse(out, json_string_value(value), json_string_length(value));
}

/* Has it a digest, and nothing but digests where one should be? */
static bool well_formed(const struct descriptor *d) {
    struct rsw_digest digest;
    bool any = false;
    json_t *value;
    RSW_FOREACH_FIELD(value, d->object, d->digest) {
        if (!digest_of(&digest, value)) {
            return false;
        }
        any = true;
    }
    return any;
}

static int add(struct rsw_parts *parts, const struct descriptor *d, enum rsw_ref_kind kind, uint32_t types,
               struct rsw_error *err) {
    struct rsw_ref ref = {.kind = (uint8_t)kind, .types = types, .size = d->size};
    json_t *value;
    RSW_FOREACH_FIELD(value, d->object, d->digest) {
        if (digest_of(&ref.digest, value) && rsw_ref_list_add(&parts->refs, &ref, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static enum rsw_ref_kind layer_kind(const struct descriptor *d) {
    json_t *urls;
    RSW_FOREACH_FIELD(urls, d->object, "urls") {
        if (json_array_size(urls) > 0) {
            return RSW_REF_FOREIGN;
        }
    }
    return rsw_media_type_foreign(d->type) ? RSW_REF_FOREIGN : RSW_REF_LAYER;
}

/* A manifest may stand among the layers, or as config: the registry then asks for it in both roles. */
static int add_if_manifest(struct rsw_parts *parts, const struct descriptor *d, struct rsw_error *err) {
    uint32_t types = d->means & (RSW_TYPE_MANIFEST | RSW_TYPE_INDEX);
    return types == 0 ? 0 : add(parts, d, RSW_REF_CHILD, types, err);
}

static int add_config(struct rsw_parts *parts, const struct descriptor *d, struct rsw_error *err) {
    if (add(parts, d, RSW_REF_CONFIG, RSW_TYPE_CONFIG, err) != 0) {
        return -1;
    }
    return add_if_manifest(parts, d, err);
}

static int add_layer(struct rsw_parts *parts, const struct descriptor *d, struct rsw_error *err) {
    uint32_t means = d->means | rsw_types_of_annotations(d->object);
    parts->found |= means & RSW_TYPES_SPECIAL;
    /* The empty blob is in every kind of artifact: what one of them is says nothing about it. */
    uint32_t artifact = rsw_media_type_empty(d->type) ? 0 : parts->artifact;
    if (add(parts, d, layer_kind(d), RSW_TYPE_LAYER | means | artifact, err) != 0) {
        return -1;
    }
    return add_if_manifest(parts, d, err);
}

/* An index can name anything. BuildKit's cache is one whose children are layers: to look for manifests in
 * those would only find unreadable ones. What might be a manifest is looked at. */
static int add_child(struct rsw_parts *parts, const struct descriptor *d, struct rsw_error *err) {
    if (rsw_media_type_no_manifest(d->type)) {
        return add(parts, d, layer_kind(d), d->means, err);
    }
    uint32_t artifact = rsw_types_of_artifact(rsw_field_string(d->object, "artifactType"));
    return add(parts, d, RSW_REF_CHILD, d->means | artifact | rsw_types_of_annotations(d->object), err);
}

static int read_element(struct rsw_parts *parts, const struct part *part, json_t *element,
                        struct rsw_error *err) {
    struct descriptor d = {.object = element, .digest = part->digest};
    d.type = rsw_field_string(element, "mediaType");
    if (parts->last_type == NULL || strcmp(d.type, parts->last_type) != 0) {
        parts->last_type = d.type;
        parts->last_means = rsw_types_of_media_type(d.type);
    }
    d.means = parts->last_means;
    json_t *size;
    RSW_FOREACH_FIELD(size, element, "size") {
        d.size = json_integer_value(size) > 0 ? (uint64_t)json_integer_value(size) : 0;
    }
    switch (part->kind) {
    case RSW_REF_CONFIG:
        return add_config(parts, &d, err);
    case RSW_REF_CHILD:
        return add_child(parts, &d, err);
    case RSW_REF_SUBJECT:
        return add(parts, &d, RSW_REF_SUBJECT, 0, err);
    default:
        return add_layer(parts, &d, err);
    }
}

static int check_element(const struct part *part, json_t *element, struct rsw_error *err) {
    if (!json_is_object(element)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "'%s' has something other than objects", part->name);
    }
    struct descriptor d = {.object = element, .digest = part->digest};
    if (!well_formed(&d)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "'%s' has a descriptor without a valid '%s'", part->name,
                             part->digest);
    }
    return 0;
}

static int read_one(struct rsw_parts *parts, const struct part *part, bool own, json_t *element,
                    struct rsw_error *err) {
    if (own && check_element(part, element, err) != 0) {
        return -1;
    }
    return json_is_object(element) ? read_element(parts, part, element, err) : 0;
}

static int read_part(struct rsw_parts *parts, const struct part *part, json_t *value, struct rsw_error *err) {
    bool own = part->kind == RSW_REF_SUBJECT || part->shape == parts->shape;
    if (!part->list) {
        return read_one(parts, part, own, value, err);
    }
    if (own && !json_is_array(value)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "'%s' is no array", part->name);
    }
    size_t i;
    json_t *element;
    json_array_foreach(value, i, element) {
        if (read_one(parts, part, own, element, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_parts_read(struct rsw_parts *parts, json_t *root, struct rsw_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        for (size_t i = 0; i < PARTS && !json_is_null(value); i++) {
            const struct part *part = &parts_known[i];
            bool wanted = part->kind != RSW_REF_SUBJECT || parts->subject;
            if (wanted && rsw_field_is(key, part->name) && read_part(parts, part, value, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int add_string(struct rsw_parts *parts, const char *text, size_t len, struct rsw_error *err) {
    struct rsw_ref ref = {.kind = RSW_REF_UNKNOWN};
    return rsw_digest_parse(&ref.digest, text, len) ? rsw_ref_list_add(&parts->refs, &ref, err) : 0;
}

/* Recurses no deeper than RSW_DOCUMENT_DEPTH. */
int rsw_parts_read_strings(struct rsw_parts *parts, json_t *value, struct rsw_error *err) {
    if (json_is_string(value)) {
        return add_string(parts, json_string_value(value), json_string_length(value), err);
    }
    size_t i;
    const char *key;
    json_t *inner;
    json_array_foreach(value, i, inner) {
        if (rsw_parts_read_strings(parts, inner, err) != 0) {
            return -1;
        }
    }
    json_object_foreach(value, key, inner) {
        if (add_string(parts, key, strlen(key), err) != 0 || rsw_parts_read_strings(parts, inner, err) != 0) {
            return -1;
        }
    }
    return 0;
}
