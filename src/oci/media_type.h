/* Media types and artifact types: the one table that says what each of them means to us. */
#ifndef REGSWEEP_OCI_MEDIA_TYPE_H
#define REGSWEEP_OCI_MEDIA_TYPE_H

#include <stdbool.h>
#include <stdint.h>

/* How a manifest is read, which is less than what it is called: Docker schema 2 and OCI name their parts in
 * the same fields. */
enum rsw_shape {
    RSW_SHAPE_UNKNOWN = 0,
    RSW_SHAPE_SCHEMA1,  /* fsLayers */
    RSW_SHAPE_IMAGE,    /* config, layers */
    RSW_SHAPE_INDEX,    /* manifests */
    RSW_SHAPE_ARTIFACT, /* blobs */
};

#define RSW_MEDIA_TYPE_SCHEMA1 "application/vnd.docker.distribution.manifest.v1+json"
#define RSW_MEDIA_TYPE_SCHEMA1_SIGNED "application/vnd.docker.distribution.manifest.v1+prettyjws"
#define RSW_MEDIA_TYPE_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define RSW_MEDIA_TYPE_OCI_INDEX "application/vnd.oci.image.index.v1+json"

struct rsw_manifest_type {
    const char *name;
    enum rsw_shape shape;
    bool subject; /* its specification has the field `subject` */
};

/* The manifest type of exactly this name, as the registry compares it; NULL: none that we know. Static. */
const struct rsw_manifest_type *rsw_manifest_type_find(const char *name);

/* Clients fetch such a layer elsewhere: Docker's foreign layers, OCI's non-distributable ones. */
bool rsw_media_type_foreign(const char *type);
/* `{}`, which stands in for a config or layer where an artifact has none. */
bool rsw_media_type_empty(const char *type);
/* The configuration of a container image, or nothing that says otherwise: not the type of an artifact. */
bool rsw_media_type_image_config(const char *type);
/* The type of a layer, or of BuildKit's description of a cache, which stand in an index for BuildKit's cache:
 * nobody need try to read one as a manifest. False when in doubt. */
bool rsw_media_type_no_manifest(const char *type);

#endif
