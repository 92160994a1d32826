#include "oci/media_type.h"

#include "oci/manifest.h"

#include <string.h>

static const struct rsw_manifest_type manifest_types[] = {
    {RSW_MEDIA_TYPE_SCHEMA1, RSW_SHAPE_SCHEMA1, false},
    {RSW_MEDIA_TYPE_SCHEMA1_SIGNED, RSW_SHAPE_SCHEMA1, false},
    {"application/vnd.docker.distribution.manifest.v2+json", RSW_SHAPE_IMAGE, false},
    {"application/vnd.docker.distribution.manifest.list.v2+json", RSW_SHAPE_INDEX, false},
    {RSW_MEDIA_TYPE_OCI_MANIFEST, RSW_SHAPE_IMAGE, true},
    {RSW_MEDIA_TYPE_OCI_INDEX, RSW_SHAPE_INDEX, true},
    {"application/vnd.oci.artifact.manifest.v1+json", RSW_SHAPE_ARTIFACT, true},
    {"application/vnd.cncf.oras.artifact.manifest.v1+json", RSW_SHAPE_ARTIFACT, true},
};

#define MANIFEST_TYPES (sizeof manifest_types / sizeof *manifest_types)

const struct rsw_manifest_type *rsw_manifest_type_find(const char *name) {
    for (size_t i = 0; i < MANIFEST_TYPES; i++) {
        if (strcmp(manifest_types[i].name, name) == 0) {
            return &manifest_types[i];
        }
    }
    return NULL;
}

/* How a row's word stands in a type. */
enum where { IS, HAS, ENDS };

/* Every row that fits counts, for a type can say several things: an SBOM in an in-toto statement.
 * Sources: OCI image specification media-types.md; distribution manifest/schema1 and schema2; cosign
 * pkg/types, pkg/oci and specs (SIGNATURE, ATTESTATION, SBOM, BUNDLE); notation signature-specification.md;
 * BuildKit docs (attestation storage, cache exporters); Helm and WebAssembly OCI layouts. */
static const struct row {
    enum where where;
    const char *word;
    uint32_t types;
} rows[] = {
    {HAS, "vnd.oci.image.layer.", RSW_TYPE_LAYER},
    {HAS, ".image.rootfs.", RSW_TYPE_LAYER},
    {ENDS, "+gzip", RSW_TYPE_LAYER},
    {ENDS, "+zstd", RSW_TYPE_LAYER},
    {ENDS, ".tar", RSW_TYPE_LAYER},
    {ENDS, "+tar", RSW_TYPE_LAYER},
    {IS, "application/gzip", RSW_TYPE_LAYER},
    {IS, "application/x-tar", RSW_TYPE_LAYER},
    {HAS, "vnd.oci.image.config.", RSW_TYPE_CONFIG},
    {IS, "application/vnd.docker.container.image.v1+json", RSW_TYPE_CONFIG},
    {IS, "application/vnd.docker.plugin.v1+json", RSW_TYPE_CONFIG},
    {HAS, "vnd.buildkit.cacheconfig.", RSW_TYPE_CONFIG},
    {HAS, "signature", RSW_TYPE_SIGNATURE},
    {HAS, "simplesigning", RSW_TYPE_SIGNATURE},
    {HAS, "cosign.artifact.sig.", RSW_TYPE_SIGNATURE},
    {HAS, "sigstore.bundle", RSW_TYPE_SIGNATURE},
    {IS, "application/jose+json", RSW_TYPE_SIGNATURE},
    {IS, "application/cose", RSW_TYPE_SIGNATURE},
    {HAS, "in-toto", RSW_TYPE_ATTESTATION},
    {HAS, "dsse", RSW_TYPE_ATTESTATION},
    {HAS, "attestation", RSW_TYPE_ATTESTATION},
    {HAS, "provenance", RSW_TYPE_ATTESTATION},
    {HAS, "spdx", RSW_TYPE_SBOM},
    {HAS, "cyclonedx", RSW_TYPE_SBOM},
    {HAS, "syft", RSW_TYPE_SBOM},
    {HAS, "sbom", RSW_TYPE_SBOM},
    {HAS, "vnd.cncf.helm.", RSW_TYPE_OTHER},
    {HAS, "vnd.cncf.flux.", RSW_TYPE_OTHER},
    {HAS, "vnd.cncf.model.", RSW_TYPE_OTHER},
    {HAS, "wasm", RSW_TYPE_OTHER},
};

#define ROWS (sizeof rows / sizeof *rows)

/* RFC 6838 has at most 127 characters on each side of the slash; what is longer is cut. */
#define TYPE_MAX 256

/* Lower case, without parameters and blanks before them. Returns the length. */
static size_t normalise(char to[TYPE_MAX], const char *type) {
    size_t len = 0;
    while (type[len] != 0 && type[len] != ';' && len < TYPE_MAX - 1) {
        char c = type[len];
        to[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    while (len > 0 && (to[len - 1] == ' ' || to[len - 1] == '\t')) {
        len--;
    }
    to[len] = 0;
    return len;
}

static bool fits(const struct row *row, const char *type, size_t len) {
    size_t word = strlen(row->word);
    switch (row->where) {
    case IS:
        return strcmp(type, row->word) == 0;
    case HAS:
        return strstr(type, row->word) != NULL;
    case ENDS:
        return len >= word && memcmp(type + len - word, row->word, word) == 0;
    }
    return false;
}

uint32_t rsw_types_of_media_type(const char *type) {
    char name[TYPE_MAX];
    size_t len = normalise(name, type);
    const struct rsw_manifest_type *manifest = rsw_manifest_type_find(name);
    if (manifest != NULL) {
        return manifest->shape == RSW_SHAPE_INDEX ? RSW_TYPE_INDEX : RSW_TYPE_MANIFEST;
    }
    uint32_t types = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (fits(&rows[i], name, len)) {
            types |= rows[i].types;
        }
    }
    return types;
}

bool rsw_media_type_foreign(const char *type) {
    char name[TYPE_MAX];
    normalise(name, type);
    return strstr(name, ".rootfs.foreign.") != NULL || strstr(name, ".layer.nondistributable.") != NULL;
}

bool rsw_media_type_empty(const char *type) {
    char name[TYPE_MAX];
    normalise(name, type);
    return strcmp(name, "application/vnd.oci.empty.v1+json") == 0;
}

bool rsw_media_type_image_config(const char *type) {
    /* Docker before 1.10.1 pushed schema 2 with a config of application/octet-stream; Windows tools and
     * BuildKit's tests say application/json. Neither is a type that anybody gave to an artifact. */
    static const char *const names[] = {"", "application/vnd.docker.container.image.v1+json",
                                        "application/octet-stream", "application/json"};
    char name[TYPE_MAX];
    normalise(name, type);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return strstr(name, "vnd.oci.image.config.") != NULL;
}

bool rsw_media_type_no_manifest(const char *type) {
    /* Words of the table are only words: what calls itself a signature, or "manifest.tar", may well be a
     * manifest. */
    static const char *const doubts[] = {"manifest", "index", "list"};
    char name[TYPE_MAX];
    normalise(name, type);
    if (strstr(name, "vnd.buildkit.cacheconfig.") != NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof doubts / sizeof *doubts; i++) {
        if (strstr(name, doubts[i]) != NULL) {
            return false;
        }
    }
    return rsw_types_of_media_type(type) == RSW_TYPE_LAYER;
}
