/* rsw_manifest_parse: whatever comes in, what comes out keeps the promises of its header. */
#include "oci/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fact) {
    if (!fact) {
        abort();
    }
}

/* Does the digest stand in the input, letter by letter? It must, but where JSON writes letters as escapes. */
static bool stands_in(const struct rsw_digest *digest, const uint8_t *data, size_t size) {
    char text[RSW_DIGEST_TEXT_MAX];
    rsw_digest_format(digest, text);
    return memchr(data, '\\', size) != NULL || memmem(data, size, text, strlen(text)) != NULL;
}

static void check_refs(const struct rsw_manifest *manifest, const uint8_t *data, size_t size) {
    size_t subjects = 0;
    for (size_t i = 0; i < manifest->ref_count; i++) {
        const struct rsw_ref *ref = &manifest->refs[i];
        require(ref->kind >= RSW_REF_CONFIG && ref->kind <= RSW_REF_FOREIGN);
        require((ref->types & ~RSW_TYPES_ALL) == 0);
        require(ref->kind != RSW_REF_UNKNOWN || (!manifest->known && ref->types == 0));
        require(rsw_alg_size(ref->digest.alg) > 0);
        require(stands_in(&ref->digest, data, size));
        if (ref->kind == RSW_REF_SUBJECT) {
            subjects++;
            require(manifest->has_subject && rsw_digest_equal(&ref->digest, &manifest->subject));
        }
        for (size_t j = i + 1; j < manifest->ref_count && j < i + 50; j++) {
            const struct rsw_ref *other = &manifest->refs[j];
            require(ref->kind != other->kind || !rsw_digest_equal(&ref->digest, &other->digest));
        }
    }
    require(subjects == (manifest->has_subject ? 1 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_manifest manifest;
    if (rsw_manifest_parse(&manifest, data, size, &err) != 0) {
        require(err.code == RSW_EINVAL && err.message[0] != 0); /* an input is never "out of memory" */
        require(manifest.refs == NULL && manifest.ref_count == 0 && !manifest.has_subject);
        return 0;
    }
    require((manifest.types & (RSW_TYPE_MANIFEST | RSW_TYPE_INDEX)) != 0);
    require((manifest.types & ~RSW_TYPES_ALL) == 0);
    require(strlen(manifest.media_type) < sizeof manifest.media_type);
    require(strlen(manifest.artifact_type) < sizeof manifest.artifact_type);
    check_refs(&manifest, data, size);
    rsw_manifest_release(&manifest);
    return 0;
}
