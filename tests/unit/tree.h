/* A small builder of registry trees, for tests: puts blobs, links, tags, images where the registry would put
 * them, into a memory backend or below a directory of the filesystem.
 *
 * Everything is named by what it holds: `tree_blob(&t, "hello")` is the blob of these five bytes, and gives
 * its digest. Two images with the same seed and repository are the same image. Something that cannot be
 * written ends the test program with a message: a builder that half works tests nothing.
 *
 *     struct tree tree = tree_in_memory(storage);
 *     struct tree_image image = tree_image(&tree, "library/app", "1.0", "seed", 3);
 *     struct rsw_digest all = tree_index(&tree, "library/app", "all", &image.manifest, 1);
 */
#ifndef TESTS_UNIT_TREE_H
#define TESTS_UNIT_TREE_H

#include <regsweep/digest.h>
#include <regsweep/storage.h>

#include <stddef.h>
#include <stdint.h>

struct tree {
    struct rsw_storage *memory; /* borrowed; NULL: below `root` */
    char root[512];             /* a directory: the registry's rootdirectory */
    int64_t mtime_ms;           /* of every file put from now on; starts at TREE_MTIME_MS */
};

#define TREE_MTIME_MS INT64_C(1700000000000)

struct tree tree_in_memory(struct rsw_storage *memory);
/* `root` must exist. */
struct tree tree_in_directory(const char *root);

/* ---- single files; keys are as in storage/layout.h ---- */
void tree_put(struct tree *tree, const char *key, const void *bytes, size_t len);
void tree_put_text(struct tree *tree, const char *key, const char *text);
/* Removes one file; that it is not there is no error. Its directory stays, as after a delete through the API.
 */
void tree_remove(struct tree *tree, const char *key);
/* An empty directory. Nothing in memory, which has none without files. */
void tree_mkdir(struct tree *tree, const char *key);

/* ---- parts ---- */
struct rsw_digest tree_digest_of(const char *text); /* sha256; writes nothing */
/* Data under its sha256 digest, linked nowhere. */
struct rsw_digest tree_blob(struct tree *tree, const char *text);
struct rsw_digest tree_blob_bytes(struct tree *tree, const void *bytes, size_t len);
/* These bytes as the data of that digest, right or wrong. */
void tree_blob_as(struct tree *tree, const struct rsw_digest *digest, const void *bytes, size_t len);
void tree_blob_remove(struct tree *tree, const struct rsw_digest *digest);

void tree_link(struct tree *tree, const char *repo, const struct rsw_digest *digest);
/* Link under `digest` that names `target`: an alias. */
void tree_link_alias(struct tree *tree, const char *repo, const struct rsw_digest *digest,
                     const struct rsw_digest *target);
void tree_link_remove(struct tree *tree, const char *repo, const struct rsw_digest *digest);
void tree_revision(struct tree *tree, const char *repo, const struct rsw_digest *digest);
void tree_revision_remove(struct tree *tree, const char *repo, const struct rsw_digest *digest);
/* A schema 1 signature link; the signature's data is the caller's (tree_blob). */
void tree_signature(struct tree *tree, const char *repo, const struct rsw_digest *revision,
                    const struct rsw_digest *signature);
/* Points the tag there: history entry and current/link. */
void tree_tag(struct tree *tree, const char *repo, const char *tag, const struct rsw_digest *manifest);
/* Removes current/link and the history entries of these manifests. */
void tree_tag_remove(struct tree *tree, const char *repo, const char *tag, const struct rsw_digest *manifests,
                     size_t count);
/* An upload with `startedat` (skipped where started_at is NULL) and `size` bytes of data. */
void tree_upload(struct tree *tree, const char *repo, const char *id, const char *started_at, size_t size);

/* ---- whole manifests: data, revision, and the tag where `tag` is not NULL ---- */
#define TREE_LAYERS_MAX 32
struct tree_image {
    struct rsw_digest manifest;
    struct rsw_digest config;
    struct rsw_digest layers[TREE_LAYERS_MAX];
    size_t layer_count;
};
/* Blobs of config and layers, their layer links, an OCI manifest. The content of layer i is "layer <seed>
 * <i>", that of the config {"seed":"<seed>"}. */
struct tree_image tree_image(struct tree *tree, const char *repo, const char *tag, const char *seed,
                             size_t layer_count);
/* An OCI manifest of blobs that exist already; links them too. */
struct rsw_digest tree_manifest(struct tree *tree, const char *repo, const char *tag,
                                const struct rsw_digest *config, const struct rsw_digest *layers,
                                size_t layer_count);
/* Any JSON as a manifest. */
struct rsw_digest tree_manifest_json(struct tree *tree, const char *repo, const char *tag, const char *json);
/* An OCI index of these children, which must have been put by the caller (as revisions, or not). */
struct rsw_digest tree_index(struct tree *tree, const char *repo, const char *tag,
                             const struct rsw_digest *children, size_t count);
/* An OCI 1.1 artifact with `subject`: empty config, one layer of `content`, artifactType `type`. */
struct rsw_digest tree_referrer(struct tree *tree, const char *repo, const char *tag,
                                const struct rsw_digest *subject, const char *type, const char *content);
/* A cosign signature of `subject` under the tag sha256-<hex>.sig. */
struct rsw_digest tree_cosign(struct tree *tree, const char *repo, const struct rsw_digest *subject);
/* A signed schema 1 manifest with these layers, and one signature link, whose digest goes to *signature. */
struct rsw_digest tree_schema1(struct tree *tree, const char *repo, const char *tag,
                               const struct rsw_digest *layers, size_t layer_count,
                               struct rsw_digest *signature);
/* "sha256-<hex>" with `suffix` (".sig", ".att", ".sbom", "") behind it. Returns `text`. */
const char *tree_weak_tag(char text[256], const struct rsw_digest *subject, const char *suffix);

#endif
