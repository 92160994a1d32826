/* Where the registry keeps what: the only code that knows the paths below `docker/registry/v2`.
 *
 * Source: distribution registry/storage/paths.go (the same in 2.8.2 and 3.0.0):
 *     blobs/<alg>/<2 hex>/<hex>/data
 *     repositories/<name>/_layers/<alg>/<hex>/link
 *     repositories/<name>/_manifests/revisions/<alg>/<hex>/link
 *     repositories/<name>/_manifests/revisions/<alg>/<hex>/signatures/<alg>/<hex>/link      (schema 1)
 *     repositories/<name>/_manifests/tags/<tag>/current/link
 *     repositories/<name>/_manifests/tags/<tag>/index/<alg>/<hex>/link
 *     repositories/<name>/_uploads/<id>/startedat                        (and data, hashstates/…)
 * No component of a repository name starts with '_', so the first that does ends the name; from there on
 * everything is known by its position (a tag may be called `_uploads`).
 */
#ifndef REGSWEEP_STORAGE_LAYOUT_H
#define REGSWEEP_STORAGE_LAYOUT_H

#include <regsweep/digest.h>

#include <stdbool.h>
#include <stddef.h>

#define RSW_LAYOUT_ROOT "docker/registry/v2"
#define RSW_LAYOUT_BLOBS RSW_LAYOUT_ROOT "/blobs"
#define RSW_LAYOUT_REPOSITORIES RSW_LAYOUT_ROOT "/repositories"

/* Keys are built in a buffer of this size: root, a name of 255, a tag of 128, two sha512 digests fit. Names
 * out of storage that do not fit make the builder return NULL. */
#define RSW_KEY_MAX 1024

enum rsw_place {
    RSW_PLACE_OTHER = 0,      /* nothing the registry reads: left alone, always */
    RSW_PLACE_BLOB_DATA,      /* digest */
    RSW_PLACE_LAYER_LINK,     /* repo, digest */
    RSW_PLACE_REVISION_LINK,  /* repo, digest */
    RSW_PLACE_SIGNATURE_LINK, /* repo, digest (revision), digest2 (signature) */
    RSW_PLACE_TAG_CURRENT,    /* repo, tag */
    RSW_PLACE_TAG_HISTORY,    /* repo, tag, digest */
    RSW_PLACE_UPLOAD,         /* repo, upload: any file of an upload; `rest` is what follows its id, e.g.
                                 "startedat" or "hashstates/sha256/0" */
    RSW_PLACE_BAD_DIGEST,     /* at the place of a digest stands something that is none, or a blob under the
                                 wrong two digits; repo and tag may be set */
};

/* A key taken apart. The pointers borrow from the key; lengths count, there is no NUL. */
struct rsw_path {
    enum rsw_place place;
    const char *repo;
    size_t repo_len;
    const char *tag;
    size_t tag_len;
    const char *upload;
    size_t upload_len;
    const char *rest;
    struct rsw_digest digest;
    struct rsw_digest digest2;
};

/* Never fails: what is not understood is RSW_PLACE_OTHER (`link.<uuid>.tmp`, as 3.x writes them on the way to
 * a link, too; below an upload they are files of it like any other). `key` as storage gives it, from
 * `docker/` on. For files inside a repository, repo and repo_len are set whatever the place is. Does not
 * check the grammar of names and tags, but what no builder below would build is OTHER. So every place but
 * OTHER and BAD_DIGEST builds back to the same key. */
void rsw_path_parse(struct rsw_path *out, const char *key);

/* Builders: write into `key` and return it, or NULL where it does not fit or a component is not safe (empty,
 * ".", "..", holds '/' where none may be, or a control byte; in a repository name also one that starts with
 * '_'), or the digest is none. What they build parses back to the same parts. */
const char *rsw_key_blob(char key[RSW_KEY_MAX], const struct rsw_digest *digest);
const char *rsw_key_repository(char key[RSW_KEY_MAX], const char *repo);
/* `sub`: "_layers", "_manifests", "_manifests/revisions", "_manifests/tags", "_uploads" */
const char *rsw_key_repository_sub(char key[RSW_KEY_MAX], const char *repo, const char *sub);
const char *rsw_key_layer_link(char key[RSW_KEY_MAX], const char *repo, const struct rsw_digest *digest);
const char *rsw_key_revision_link(char key[RSW_KEY_MAX], const char *repo, const struct rsw_digest *digest);
const char *rsw_key_signature_link(char key[RSW_KEY_MAX], const char *repo, const struct rsw_digest *revision,
                                   const struct rsw_digest *signature);
const char *rsw_key_tag(char key[RSW_KEY_MAX], const char *repo, const char *tag); /* its directory */
const char *rsw_key_tag_current(char key[RSW_KEY_MAX], const char *repo, const char *tag);
const char *rsw_key_tag_history(char key[RSW_KEY_MAX], const char *repo, const char *tag,
                                const struct rsw_digest *digest);
const char *rsw_key_upload(char key[RSW_KEY_MAX], const char *repo, const char *upload); /* its directory */

/* What a `link` file says. */
enum rsw_link_state {
    RSW_LINK_GOOD,  /* one digest, nothing else */
    RSW_LINK_EMPTY, /* no byte: a writer of 2.8 is in between truncate and write, or died there */
    RSW_LINK_BAD,   /* anything else: newline, spaces, cut short, too long, no digest */
};
/* Sets *out only for RSW_LINK_GOOD. */
enum rsw_link_state rsw_link_parse(struct rsw_digest *out, const void *bytes, size_t len);
#define RSW_LINK_MAX 256 /* read no more than this of a link */

#endif
