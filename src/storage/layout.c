#include "storage/layout.h"

#include <string.h>

/* A piece of a key: bytes that are not ended by a NUL. */
struct piece {
    const char *at;
    size_t len;
};

static bool piece_is(struct piece piece, const char *word) {
    return strlen(word) == piece.len && memcmp(piece.at, word, piece.len) == 0;
}

/* One component that a path can hold: not empty, not "." or "..", no slash, no control byte. */
static bool component_safe(const char *at, size_t len) {
    if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.')) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c == '/' || c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Components joined by '/'. In a repository name none starts with '_': such a name would reach into the
 * registry's own folders. */
static bool components_safe(const char *at, size_t len, bool is_name) {
    const char *end = at + len;
    for (;;) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t part = (size_t)((slash != NULL ? slash : end) - at);
        if (!component_safe(at, part) || (is_name && at[0] == '_')) {
            return false;
        }
        if (slash == NULL) {
            return true;
        }
        at = slash + 1;
    }
}

/* Parsing. The deepest place, a signature link, has 8 components after the repository name; a key with more
 * than that is no place of ours unless it belongs to an upload. */
#define PIECES_MAX 9

/* The number of components, at most PIECES_MAX (then there may be more). */
static size_t split(const char *text, struct piece pieces[PIECES_MAX]) {
    size_t count = 0;
    while (count < PIECES_MAX) {
        size_t len = strcspn(text, "/");
        pieces[count++] = (struct piece){text, len};
        if (text[len] == 0) {
            break;
        }
        text += len + 1;
    }
    return count;
}

static bool parse_digest(struct rsw_digest *out, const struct piece *alg_and_hex) {
    return rsw_digest_parse_parts(out, alg_and_hex[0].at, alg_and_hex[0].len, alg_and_hex[1].at,
                                  alg_and_hex[1].len);
}

/* blobs/<alg>/<2 hex>/<hex>/data, from <alg> on */
static void parse_blob(struct rsw_path *out, const char *text) {
    struct piece p[PIECES_MAX];
    if (split(text, p) != 4 || !piece_is(p[3], "data")) {
        return;
    }
    /* Under the wrong two digits the registry would never look for it: no blob, whatever it is called. */
    bool good = p[1].len == 2 && p[2].len > 2 && memcmp(p[1].at, p[2].at, 2) == 0 &&
                rsw_digest_parse_parts(&out->digest, p[0].at, p[0].len, p[2].at, p[2].len);
    out->place = good ? RSW_PLACE_BLOB_DATA : RSW_PLACE_BAD_DIGEST;
}

/* _manifests/revisions/…, from <alg> on */
static enum rsw_place parse_revision(struct rsw_path *out, const struct piece *p, size_t count) {
    if (count == 3 && piece_is(p[2], "link")) {
        return parse_digest(&out->digest, p) ? RSW_PLACE_REVISION_LINK : RSW_PLACE_BAD_DIGEST;
    }
    if (count == 6 && piece_is(p[2], "signatures") && piece_is(p[5], "link")) {
        bool good = parse_digest(&out->digest, p) && parse_digest(&out->digest2, p + 3);
        return good ? RSW_PLACE_SIGNATURE_LINK : RSW_PLACE_BAD_DIGEST;
    }
    return RSW_PLACE_OTHER;
}

/* _manifests/tags/…, from <tag> on */
static enum rsw_place parse_tag(struct rsw_path *out, const struct piece *p, size_t count) {
    if (!component_safe(p[0].at, p[0].len)) {
        return RSW_PLACE_OTHER;
    }
    bool current = count == 3 && piece_is(p[1], "current") && piece_is(p[2], "link");
    bool history = count == 5 && piece_is(p[1], "index") && piece_is(p[4], "link");
    if (!current && !history) {
        return RSW_PLACE_OTHER;
    }
    out->tag = p[0].at;
    out->tag_len = p[0].len;
    if (current) {
        return RSW_PLACE_TAG_CURRENT;
    }
    return parse_digest(&out->digest, p + 2) ? RSW_PLACE_TAG_HISTORY : RSW_PLACE_BAD_DIGEST;
}

/* What follows a repository's name. */
static enum rsw_place parse_inside(struct rsw_path *out, const char *text) {
    struct piece p[PIECES_MAX];
    size_t count = split(text, p);
    if (piece_is(p[0], "_layers") && count == 4 && piece_is(p[3], "link")) {
        return parse_digest(&out->digest, p + 1) ? RSW_PLACE_LAYER_LINK : RSW_PLACE_BAD_DIGEST;
    }
    if (piece_is(p[0], "_manifests") && count > 2 && piece_is(p[1], "revisions")) {
        return parse_revision(out, p + 2, count - 2);
    }
    if (piece_is(p[0], "_manifests") && count > 2 && piece_is(p[1], "tags")) {
        return parse_tag(out, p + 2, count - 2);
    }
    if (piece_is(p[0], "_uploads") && count > 2 && component_safe(p[1].at, p[1].len)) {
        const char *rest = p[2].at;
        if (!components_safe(rest, strlen(rest), false)) {
            return RSW_PLACE_OTHER;
        }
        out->upload = p[1].at;
        out->upload_len = p[1].len;
        out->rest = rest;
        return RSW_PLACE_UPLOAD;
    }
    return RSW_PLACE_OTHER;
}

/* repositories/<name>/…, from <name> on */
static void parse_repository(struct rsw_path *out, const char *text) {
    const char *at = text;
    while (*at != '_') {
        at = strchr(at, '/');
        if (at == NULL) {
            return; /* no component starts with '_': not inside a repository */
        }
        at++;
    }
    if (at == text) {
        return; /* a name has at least one component */
    }
    out->repo = text;
    out->repo_len = (size_t)(at - text) - 1;
    if (components_safe(text, out->repo_len, true)) {
        out->place = parse_inside(out, at);
    }
}

/* The text behind the folder `dir`, or NULL if `key` is not below it. */
static const char *below(const char *key, const char *dir) {
    size_t len = strlen(dir);
    return strncmp(key, dir, len) == 0 && key[len] == '/' ? key + len + 1 : NULL;
}

void rsw_path_parse(struct rsw_path *out, const char *key) {
    *out = (struct rsw_path){.place = RSW_PLACE_OTHER};
    const char *text = below(key, RSW_LAYOUT_BLOBS);
    if (text != NULL) {
        parse_blob(out, text);
    } else if ((text = below(key, RSW_LAYOUT_REPOSITORIES)) != NULL) {
        parse_repository(out, text);
    }
    if (out->place != RSW_PLACE_OTHER && strlen(key) >= RSW_KEY_MAX) {
        out->place = RSW_PLACE_OTHER; /* longer than any name that the registry accepts can make it */
    }
}

/* Building. The first thing that does not fit or is not safe leaves `ok` false; the rest then does nothing.
 */
struct builder {
    char *key;
    size_t len;
    bool ok;
};

static void add_bytes(struct builder *b, const char *bytes, size_t len) {
    if (!b->ok || len >= RSW_KEY_MAX - b->len) {
        b->ok = false;
        return;
    }
    memcpy(b->key + b->len, bytes, len);
    b->len += len;
    b->key[b->len] = 0;
}

static struct builder begin(char *key, const char *dir) {
    struct builder b = {.key = key, .ok = true};
    key[0] = 0;
    add_bytes(&b, dir, strlen(dir));
    return b;
}

static const char *finish(const struct builder *b) {
    return b->ok ? b->key : NULL;
}

static void add_components(struct builder *b, const char *text, bool is_name) {
    size_t len = text == NULL ? 0 : strlen(text);
    if (!b->ok || len == 0 || !components_safe(text, len, is_name)) {
        b->ok = false;
        return;
    }
    add_bytes(b, "/", 1);
    add_bytes(b, text, len);
}

static void add_component(struct builder *b, const char *text) {
    if (text == NULL || strchr(text, '/') != NULL) {
        b->ok = false;
        return;
    }
    add_components(b, text, false);
}

static void add_digest(struct builder *b, const struct rsw_digest *digest) {
    char hex[RSW_DIGEST_TEXT_MAX];
    if (rsw_alg_size(digest->alg) == 0) {
        b->ok = false;
        return;
    }
    add_component(b, rsw_alg_name(digest->alg));
    add_component(b, rsw_digest_hex(digest, hex));
}

static struct builder begin_repository(char *key, const char *repo) {
    struct builder b = begin(key, RSW_LAYOUT_REPOSITORIES);
    add_components(&b, repo, true);
    return b;
}

static struct builder begin_tag(char *key, const char *repo, const char *tag) {
    struct builder b = begin_repository(key, repo);
    add_components(&b, "_manifests/tags", false);
    add_component(&b, tag);
    return b;
}

const char *rsw_key_blob(char key[RSW_KEY_MAX], const struct rsw_digest *digest) {
    char hex[RSW_DIGEST_TEXT_MAX];
    if (rsw_alg_size(digest->alg) == 0) {
        return NULL;
    }
    struct builder b = begin(key, RSW_LAYOUT_BLOBS);
    rsw_digest_hex(digest, hex);
    add_component(&b, rsw_alg_name(digest->alg));
    add_bytes(&b, "/", 1);
    add_bytes(&b, hex, 2);
    add_component(&b, hex);
    add_component(&b, "data");
    return finish(&b);
}

const char *rsw_key_repository(char key[RSW_KEY_MAX], const char *repo) {
    struct builder b = begin_repository(key, repo);
    return finish(&b);
}

const char *rsw_key_repository_sub(char key[RSW_KEY_MAX], const char *repo, const char *sub) {
    struct builder b = begin_repository(key, repo);
    add_components(&b, sub, false);
    return finish(&b);
}

const char *rsw_key_layer_link(char key[RSW_KEY_MAX], const char *repo, const struct rsw_digest *digest) {
    struct builder b = begin_repository(key, repo);
    add_component(&b, "_layers");
    add_digest(&b, digest);
    add_component(&b, "link");
    return finish(&b);
}

const char *rsw_key_revision_link(char key[RSW_KEY_MAX], const char *repo, const struct rsw_digest *digest) {
    struct builder b = begin_repository(key, repo);
    add_components(&b, "_manifests/revisions", false);
    add_digest(&b, digest);
    add_component(&b, "link");
    return finish(&b);
}

const char *rsw_key_signature_link(char key[RSW_KEY_MAX], const char *repo, const struct rsw_digest *revision,
                                   const struct rsw_digest *signature) {
    struct builder b = begin_repository(key, repo);
    add_components(&b, "_manifests/revisions", false);
    add_digest(&b, revision);
    add_component(&b, "signatures");
    add_digest(&b, signature);
    add_component(&b, "link");
    return finish(&b);
}

const char *rsw_key_tag(char key[RSW_KEY_MAX], const char *repo, const char *tag) {
    struct builder b = begin_tag(key, repo, tag);
    return finish(&b);
}

const char *rsw_key_tag_current(char key[RSW_KEY_MAX], const char *repo, const char *tag) {
    struct builder b = begin_tag(key, repo, tag);
    add_components(&b, "current/link", false);
    return finish(&b);
}

const char *rsw_key_tag_history(char key[RSW_KEY_MAX], const char *repo, const char *tag,
                                const struct rsw_digest *digest) {
    struct builder b = begin_tag(key, repo, tag);
    add_component(&b, "index");
    add_digest(&b, digest);
    add_component(&b, "link");
    return finish(&b);
}

const char *rsw_key_upload(char key[RSW_KEY_MAX], const char *repo, const char *upload) {
    struct builder b = begin_repository(key, repo);
    add_component(&b, "_uploads");
    add_component(&b, upload);
    return finish(&b);
}

enum rsw_link_state rsw_link_parse(struct rsw_digest *out, const void *bytes, size_t len) {
    if (len == 0) {
        return RSW_LINK_EMPTY;
    }
    return rsw_digest_parse(out, bytes, len) ? RSW_LINK_GOOD : RSW_LINK_BAD;
}
