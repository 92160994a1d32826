/* OpenShift's image objects. Where its registry keeps manifests in etcd, storage has their layers and
 * configurations alone, and only these objects tell that they are needed. */
#include "workload/object.h"

#include "oci/manifest.h"
#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

static int add_digest_text(struct rsw_walk *walk, const char *what, const char *text, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    struct rsw_digest digest;
    rsw_walk_where(walk, where, "%s", what);
    return rsw_digest_parse(&digest, text, strlen(text))
               ? rsw_uses_add_digest(walk->uses, where, &digest, err)
               : rsw_uses_add_bad(walk->uses, where, err, "\"%.200s\" is no digest", text);
}

static int add_bytes(struct rsw_walk *walk, const char *what, const void *bytes, size_t len,
                     struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    struct rsw_digest digest;
    rsw_walk_where(walk, where, "%s", what);
    return rsw_digest_of(&digest, RSW_SHA256, bytes, len, err) != 0
               ? -1
               : rsw_uses_add_digest(walk->uses, where, &digest, err);
}

static int walk_layer(struct rsw_walk *walk, const json_t *layer, const char *key, struct rsw_error *err) {
    (void)key;
    return add_digest_text(walk, "layer", rsw_walk_text(layer, "name"), err);
}

static int walk_child(struct rsw_walk *walk, const json_t *child, const char *key, struct rsw_error *err) {
    (void)key;
    return add_digest_text(walk, "manifest", rsw_walk_text(child, "digest"), err);
}

/* The manifest itself, as a text. */
static int walk_manifest(struct rsw_walk *walk, const json_t *text, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    struct rsw_error why = RSW_ERROR_INIT;
    RSW_AUTO_MANIFEST manifest = RSW_MANIFEST_INIT;
    rsw_walk_where(walk, where, "manifest");
    if (rsw_manifest_parse(&manifest, json_string_value(text), json_string_length(text), &why) != 0) {
        return rsw_uses_add_bad(walk->uses, where, err, "dockerImageManifest: %s", why.message);
    }
    for (size_t i = 0; i < manifest.ref_count; i++) {
        if (rsw_uses_add_digest(walk->uses, where, &manifest.refs[i].digest, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int letter_value(char c) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != 0 ? strchr(letters, c) : NULL;
    return at != NULL ? (int)(at - letters) : -1;
}

/* Base64 (RFC 4648, 4). False: it is none. `out` has room for three quarters of the text. */
static bool decode(uint8_t *out, size_t *len, const char *text) {
    size_t letters = strcspn(text, "=");
    uint32_t bits = 0;
    *len = 0;
    for (size_t i = 0; i < letters; i++) {
        int value = letter_value(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) {
            out[(*len)++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    return strlen(text) % 4 == 0 && letters % 4 != 1 && strspn(text + letters, "=") == (4 - letters % 4) % 4;
}

/* Of schema 1: the registry keeps each as a blob. */
static int walk_signature(struct rsw_walk *walk, const json_t *signature, struct rsw_error *err) {
    char where[RSW_WHERE_MAX];
    const char *text = json_string_value(signature);
    RSW_AUTO_FREE uint8_t *bytes = text != NULL ? malloc(strlen(text) + 1) : NULL;
    size_t len;
    if (text != NULL && bytes == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    return text != NULL && decode(bytes, &len, text)
               ? add_bytes(walk, "signature", bytes, len, err)
               : rsw_uses_add_bad(walk->uses, rsw_walk_where(walk, where, "signature"), err,
                                  "it is no base64");
}

static int walk_signatures(struct rsw_walk *walk, const json_t *signatures, struct rsw_error *err) {
    for (size_t i = 0; i < json_array_size(signatures); i++) {
        if (walk_signature(walk, json_array_get(signatures, i), err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What is there in words of its own: manifest, configuration, signatures. The bytes of the configuration tell
 * its digest, as the metadata made of it do. */
static int walk_contents(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    const json_t *manifest = rsw_walk_at(object, "dockerImageManifest");
    const json_t *config = rsw_walk_at(object, "dockerImageConfig");
    const json_t *signatures = rsw_walk_at(object, "dockerImageSignatures");
    const char *id = rsw_walk_text(object, "dockerImageMetadata.Id");
    struct rsw_digest digest;
    if ((manifest != NULL && !json_is_string(manifest)) || (config != NULL && !json_is_string(config)) ||
        (signatures != NULL && !json_is_array(signatures))) {
        return rsw_uses_add_bad(walk->uses, walk->who, err, "it is not as image.openshift.io/v1 has it");
    }
    if (json_string_length(manifest) > 0 && walk_manifest(walk, manifest, err) != 0) {
        return -1;
    }
    if (json_string_length(config) > 0 &&
        add_bytes(walk, "config", json_string_value(config), json_string_length(config), err) != 0) {
        return -1;
    }
    if (rsw_digest_parse(&digest, id, strlen(id)) && add_digest_text(walk, "config", id, err) != 0) {
        return -1;
    }
    return walk_signatures(walk, signatures, err);
}

int rsw_walk_image_object(struct rsw_walk *walk, const json_t *object, struct rsw_error *err) {
    if (add_digest_text(walk, "manifest", walk->name, err) != 0 ||
        rsw_walk_image(walk, walk->who, object, "dockerImageReference", false, err) != 0 ||
        rsw_walk_list(walk, object, "dockerImageLayers", false, walk_layer, err) != 0 ||
        rsw_walk_list(walk, object, "dockerImageManifests", false, walk_child, err) != 0) {
        return -1;
    }
    return walk_contents(walk, object, err);
}
