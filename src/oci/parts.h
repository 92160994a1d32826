/* The parts of a manifest that name blobs: config, layers, manifests, fsLayers, blobs, subject. */
#ifndef REGSWEEP_OCI_PARTS_H
#define REGSWEEP_OCI_PARTS_H

#include "oci/media_type.h"
#include "oci/ref_list.h"

#include <jansson.h>
#include <stdbool.h>

/* What can be said of a blob besides the role in which it is named. */
#define RSW_TYPES_SPECIAL (RSW_TYPE_SIGNATURE | RSW_TYPE_ATTESTATION | RSW_TYPE_SBOM | RSW_TYPE_OTHER)

struct rsw_parts {
    enum rsw_shape shape; /* in: what the manifest is read as */
    bool subject;         /* in: `subject` is a field of its type */
    uint32_t artifact;    /* in: what its artifact type tells about its layers */
    uint32_t found;       /* out: what its layers tell about itself */
    struct rsw_ref_list refs;
    const char
        *last_type; /* own: the layers of an image are of one type, which need not be looked up for each */
    uint32_t last_means;
};

/* Adds all that the parts of `root` name, in the order in which they stand there. Parts that belong to the
 * shape must be right in every descriptor; of parts that belong to another (the type says one thing, the
 * fields another) what can be read is taken, so that what any reader may see in them is kept. 0, or -1:
 * RSW_EINVAL (says which part), RSW_ENOMEM. */
int rsw_parts_read(struct rsw_parts *parts, json_t *root, struct rsw_error *err);
/* Adds every string at any depth, keys too, that is a digest. 0, or -1 (RSW_ENOMEM). */
int rsw_parts_read_strings(struct rsw_parts *parts, json_t *value, struct rsw_error *err);

/* Special types that the annotations of a manifest or descriptor tell. */
uint32_t rsw_types_of_annotations(json_t *object);
/* What an artifact of this type is: special types, OTHER if we have no word for it, 0 if it is no artifact.
 */
uint32_t rsw_types_of_artifact(const char *type);

#endif
