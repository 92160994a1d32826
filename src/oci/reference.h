/* Names: repositories, tags, weak tags, image references.
 *
 * Grammar: distribution reference/regexp.go (2.8) and distribution/reference (3.x): a repository is
 * components `[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*` joined by '/', at most 255 bytes; a tag is
 * `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`. No host name: regsweep speaks of one registry.
 */
#ifndef REGSWEEP_OCI_REFERENCE_H
#define REGSWEEP_OCI_REFERENCE_H

#include <regsweep/digest.h>

#include <stdbool.h>
#include <stddef.h>

#define RSW_REPOSITORY_MAX 255
#define RSW_TAG_MAX 128

bool rsw_repository_valid(const char *name, size_t len);
bool rsw_tag_valid(const char *tag, size_t len);

/* A weak tag lives while its subject does: `sha256-<64 hex>` (OCI 1.1 fallback), and the same with ".sig",
 * ".att" or ".sbom" behind it (cosign); sha384 likewise. True, and *subject set, for one. A name with a
 * sha512 digest would be longer than any tag; OCI cuts it to 64 digits, which name no subject that could be
 * found: an ordinary tag. */
bool rsw_tag_weak(struct rsw_digest *subject, const char *tag, size_t len);

struct rsw_reference {
    char repository[RSW_REPOSITORY_MAX + 1];
    char tag[RSW_TAG_MAX + 1]; /* "" if none */
    bool has_digest;
    struct rsw_digest digest;
};

/* NAME:TAG, NAME@DIGEST, NAME:TAG@DIGEST or NAME alone. 0, or -1 (RSW_EINVAL) with a message that says which
 * part is wrong and what is expected there. */
int rsw_reference_parse(struct rsw_reference *out, const char *text, struct rsw_error *err);

#endif
