/* Manifests: what kind one is, what it names, and what that tells about the blobs it names.
 *
 * Reads every kind that registries hold: Docker schema 1 (plain and signed), Docker schema 2, Docker
 * manifest list, OCI image manifest and index (1.0, 1.1, nested), OCI artifact manifest (1.1 release
 * candidates), ORAS artifact manifest, and JSON of any other type.
 * Source: OCI image specification 1.1 (manifest.md, image-index.md, descriptor.md, artifacts guidance),
 * distribution docs/spec (manifest-v2-1, manifest-v2-2), cosign and notation signature specifications.
 */
#ifndef REGSWEEP_OCI_MANIFEST_H
#define REGSWEEP_OCI_MANIFEST_H

#include <regsweep/error.h>
#include <regsweep/types.h>

#include <stdbool.h>
#include <stddef.h>

/* The registry takes no manifest above 4 MiB (distribution registry/handlers/manifests.go). */
#define RSW_MANIFEST_MAX ((size_t)4 * 1024 * 1024)

struct rsw_manifest {
    uint32_t types; /* what the manifest itself is: INDEX, or MANIFEST, or both if it names children although
                       it is no index; and SIGNATURE, ATTESTATION, SBOM or OTHER where artifactType, config,
                       layers or well-known annotations say so */
    bool known;     /* false: JSON of a type that we do not know; every string in it (keys too) that is
                       a digest is a reference of kind RSW_REF_UNKNOWN */
    bool has_subject;
    struct rsw_digest subject;
    char media_type[128];    /* by its own words or, where it says nothing, by its shape; cut if longer */
    char artifact_type[128]; /* artifactType, else the config's media type where that is no image
                                configuration; "" if neither */
    struct rsw_ref *refs; /* owned; each (digest, kind) once, in order of first mention; the subject is one of
                             them (RSW_REF_SUBJECT) */
    size_t ref_count;
};

/* Parses exactly `len` bytes. The content alone decides; an event's mediaType is not asked (it can be
 * forged, and a scan has none).
 *
 * Generous with references, strict with shapes: fields are found in any case, as Go's encoding/json finds
 * them, and one that stands there in several cases counts in each; parts that do not belong to the manifest's
 * type (`layers` in an index) count where they can be read. In a manifest of a type that we know, digests
 * elsewhere (`data`, `annotations`, `urls`, schema 1 `history`, unknown fields) are no references: the
 * registry does not check them, and no client asks it for them. `subject` is a field of OCI and ORAS types
 * only. What stands in an index as BuildKit's cache has it there (layers, and what describes them) is
 * RSW_REF_LAYER; anything else is RSW_REF_CHILD. A manifest that stands among layers is both. Foreign layers
 * are RSW_REF_FOREIGN.
 *
 * 0, or -1: RSW_EINVAL "unreadable": empty, not JSON (as jansson reads it: UTF-8 must be valid, no NUL), a
 * key that stands twice in one object, nested too deep, over RSW_MANIFEST_MAX or of more values than any
 * manifest has, no JSON object, or of a known type but with a part of the wrong shape (a descriptor without a
 * valid digest, `layers` that is no array, an image without `config`, two subjects): such a manifest may name
 * things that we cannot see, so its caller keeps everything. A list that is missing or null is empty, as in
 * Go. Unknown fields are ignored. RSW_ENOMEM. On error *out is empty. A fresh object: call
 * rsw_manifest_release when done. Thread-safe. */
int rsw_manifest_parse(struct rsw_manifest *out, const void *bytes, size_t len, struct rsw_error *err);
void rsw_manifest_release(struct rsw_manifest *manifest);

#define RSW_MANIFEST_INIT                                                                                    \
    { 0 }
#define RSW_AUTO_MANIFEST __attribute__((cleanup(rsw_manifest_release))) struct rsw_manifest

/* What the media type or artifact type `type` tells about the blob it describes, as a layer or as the type of
 * an artifact: bits of enum rsw_type, 0 if nothing. Parameters after ';' are ignored, case too. */
uint32_t rsw_types_of_media_type(const char *type);

#endif
