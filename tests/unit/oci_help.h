/* Manifests for tests: JSON in single quotes, references as one line of text. */
#ifndef REGSWEEP_TESTS_OCI_HELP_H
#define REGSWEEP_TESTS_OCI_HELP_H

#include "oci/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEN(c) c c c c c c c c c c
#define SHA256(c) "sha256:" TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) c c c c
#define A SHA256("a")
#define B SHA256("b")
#define C SHA256("c")
#define D SHA256("d")
#define E SHA256("e")
#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

#define DESC(type, digest, size) "{'mediaType':'" type "','digest':'" digest "','size':" size "}"

#define DOCKER "application/vnd.docker."
#define OCI "application/vnd.oci."
#define DOCKER_MANIFEST DOCKER "distribution.manifest.v2+json"
#define DOCKER_LIST DOCKER "distribution.manifest.list.v2+json"
#define DOCKER_CONFIG DOCKER "container.image.v1+json"
#define DOCKER_LAYER DOCKER "image.rootfs.diff.tar.gzip"
#define OCI_MANIFEST OCI "image.manifest.v1+json"
#define OCI_INDEX OCI "image.index.v1+json"
#define OCI_ARTIFACT OCI "artifact.manifest.v1+json"
#define ORAS_ARTIFACT "application/vnd.cncf.oras.artifact.manifest.v1+json"
#define OCI_CONFIG OCI "image.config.v1+json"
#define OCI_LAYER OCI "image.layer.v1.tar+gzip"
#define OCI_EMPTY OCI "empty.v1+json"

/* An OCI manifest with these further fields behind an image's config. */
#define IMAGE_OF(config, layers, more)                                                                       \
    "{'schemaVersion':2,'mediaType':'" OCI_MANIFEST "','config':" config ",'layers':[" layers "]" more "}"
#define PLAIN_CONFIG DESC(OCI_CONFIG, A, "1")

/* Parses `json` with ' for ", from an exact copy on the heap. */
int parse_quoted(struct rsw_manifest *out, const char *json, struct rsw_error *err);

/* "config a (config) 3, layer b (layer) 5": kind, first hex digit of the digest (44136fa is "empty"), types
 * where there are any, size where it is not 0. Returns static storage of 4 KiB. */
const char *refs_text(const struct rsw_manifest *manifest);
const char *types_text(uint32_t types);

/* It parses, is known or not, and names just this. */
void expect_refs(const char *json, bool known, const char *refs);
/* It is unreadable, the error says `why`, and nothing is left in the object. */
void expect_unreadable(const char *json, const char *why);

#endif
