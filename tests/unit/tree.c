#include "tree.h"

#include "storage/layout.h"
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *detail) {
    fprintf(stderr, "tree: %s: %s (%s)\n", what, detail, strerror(errno));
    abort();
}

struct tree tree_in_memory(struct rsw_storage *memory) {
    struct tree tree = {.memory = memory, .mtime_ms = TREE_MTIME_MS};
    return tree;
}

struct tree tree_in_directory(const char *root) {
    struct tree tree = {.memory = NULL, .mtime_ms = TREE_MTIME_MS};
    if (strlen(root) >= sizeof tree.root) {
        die("root too long", root);
    }
    strcpy(tree.root, root);
    return tree;
}

/* ---- files ---- */

static void path_of(const struct tree *tree, const char *key, char *path, size_t size) {
    int len = snprintf(path, size, "%s/%s", tree->root, key);
    if (len < 0 || (size_t)len >= size) {
        die("path too long", key);
    }
}

static void make_directories(const struct tree *tree, const char *path) {
    char part[2048];
    for (size_t i = strlen(tree->root) + 1; path[i] != 0; i++) {
        if (path[i] == '/') {
            memcpy(part, path, i);
            part[i] = 0;
            if (mkdir(part, 0755) != 0 && errno != EEXIST) {
                die("mkdir", part);
            }
        }
    }
}

static void put_file(const struct tree *tree, const char *key, const void *bytes, size_t len) {
    char path[2048];
    path_of(tree, key, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT) {
        make_directories(tree, path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) {
        die("write", path);
    }
    struct timespec time = {.tv_sec = (time_t)(tree->mtime_ms / 1000),
                            .tv_nsec = (long)(tree->mtime_ms % 1000) * 1000000};
    struct timespec times[2] = {time, time};
    if (futimens(fd, times) != 0 || close(fd) != 0) {
        die("close", path);
    }
}

void tree_put(struct tree *tree, const char *key, const void *bytes, size_t len) {
    if (key == NULL) {
        die("put", "a key that cannot be built");
    }
    if (tree->memory == NULL) {
        put_file(tree, key, bytes, len);
        return;
    }
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_memory_put(tree->memory, key, bytes, len, tree->mtime_ms, &err) != 0) {
        die(key, err.message);
    }
}

void tree_put_text(struct tree *tree, const char *key, const char *text) {
    tree_put(tree, key, text, strlen(text));
}

void tree_remove(struct tree *tree, const char *key) {
    if (key == NULL) {
        die("remove", "a key that cannot be built");
    }
    if (tree->memory == NULL) {
        char path[2048];
        path_of(tree, key, path, sizeof path);
        if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR) {
            die("unlink", path);
        }
        return;
    }
    struct rsw_removal removal = {.key = key};
    rsw_storage_remove(tree->memory, &removal, 1);
    if (removal.answer == RSW_FAILED) {
        die("remove", key);
    }
}

void tree_mkdir(struct tree *tree, const char *key) {
    if (tree->memory == NULL) {
        char path[2048];
        path_of(tree, key, path, sizeof path - 1);
        strcat(path, "/");
        make_directories(tree, path);
    }
}

/* ---- parts ---- */

static struct rsw_digest digest_of(const void *bytes, size_t len) {
    struct rsw_digest digest;
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_digest_of(&digest, RSW_SHA256, bytes, len, &err) != 0) {
        die("digest", err.message);
    }
    return digest;
}

struct rsw_digest tree_digest_of(const char *text) {
    return digest_of(text, strlen(text));
}

struct rsw_digest tree_blob_bytes(struct tree *tree, const void *bytes, size_t len) {
    struct rsw_digest digest = digest_of(bytes, len);
    tree_blob_as(tree, &digest, bytes, len);
    return digest;
}

struct rsw_digest tree_blob(struct tree *tree, const char *text) {
    return tree_blob_bytes(tree, text, strlen(text));
}

void tree_blob_as(struct tree *tree, const struct rsw_digest *digest, const void *bytes, size_t len) {
    char key[RSW_KEY_MAX];
    tree_put(tree, rsw_key_blob(key, digest), bytes, len);
}

void tree_blob_remove(struct tree *tree, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    tree_remove(tree, rsw_key_blob(key, digest));
}

static void put_link(struct tree *tree, const char *key, const struct rsw_digest *target) {
    char text[RSW_DIGEST_TEXT_MAX];
    tree_put_text(tree, key, rsw_digest_format(target, text));
}

void tree_link_alias(struct tree *tree, const char *repo, const struct rsw_digest *digest,
                     const struct rsw_digest *target) {
    char key[RSW_KEY_MAX];
    put_link(tree, rsw_key_layer_link(key, repo, digest), target);
}

void tree_link(struct tree *tree, const char *repo, const struct rsw_digest *digest) {
    tree_link_alias(tree, repo, digest, digest);
}

void tree_link_remove(struct tree *tree, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    tree_remove(tree, rsw_key_layer_link(key, repo, digest));
}

void tree_revision(struct tree *tree, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    put_link(tree, rsw_key_revision_link(key, repo, digest), digest);
}

void tree_revision_remove(struct tree *tree, const char *repo, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    tree_remove(tree, rsw_key_revision_link(key, repo, digest));
}

void tree_signature(struct tree *tree, const char *repo, const struct rsw_digest *revision,
                    const struct rsw_digest *signature) {
    char key[RSW_KEY_MAX];
    put_link(tree, rsw_key_signature_link(key, repo, revision, signature), signature);
}

void tree_tag(struct tree *tree, const char *repo, const char *tag, const struct rsw_digest *manifest) {
    char key[RSW_KEY_MAX];
    put_link(tree, rsw_key_tag_history(key, repo, tag, manifest), manifest);
    put_link(tree, rsw_key_tag_current(key, repo, tag), manifest);
}

/* The registry removes the tag's directory as a whole, so no empty one stays behind. */
void tree_tag_remove(struct tree *tree, const char *repo, const char *tag, const struct rsw_digest *manifests,
                     size_t count) {
    char key[RSW_KEY_MAX];
    tree_remove(tree, rsw_key_tag_current(key, repo, tag));
    for (size_t i = 0; i < count; i++) {
        tree_remove(tree, rsw_key_tag_history(key, repo, tag, &manifests[i]));
    }
    if (tree->memory == NULL) {
        struct rsw_storage *storage = NULL;
        struct rsw_error err = RSW_ERROR_INIT;
        if (rsw_storage_open_fs(&storage, tree->root, &err) != 0 ||
            rsw_storage_prune(storage, rsw_key_tag(key, repo, tag), &err) == RSW_FAILED) {
            die("prune", err.message);
        }
        rsw_storage_close(storage);
    }
}

void tree_upload(struct tree *tree, const char *repo, const char *id, const char *started_at, size_t size) {
    char dir[RSW_KEY_MAX];
    char key[RSW_KEY_MAX + 16];
    if (rsw_key_upload(dir, repo, id) == NULL) {
        die("upload", id);
    }
    char *bytes = calloc(1, size + 1);
    if (bytes == NULL) {
        die("calloc", "upload");
    }
    snprintf(key, sizeof key, "%s/data", dir);
    tree_put(tree, key, bytes, size);
    free(bytes);
    if (started_at != NULL) {
        snprintf(key, sizeof key, "%s/startedat", dir);
        tree_put_text(tree, key, started_at);
    }
}

/* ---- manifests ---- */

/* JSON grows in a buffer that is large enough for all that tests write. */
struct text {
    char bytes[32768];
    size_t len;
};

static void add(struct text *text, const char *fmt, ...) RSW_PRINTF(2, 3);
static void add(struct text *text, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text->bytes + text->len, sizeof text->bytes - text->len, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text->bytes - text->len) {
        die("manifest", "too large");
    }
    text->len += (size_t)len;
}

/* Of a blob that is there; else 0, which promises nothing. */
static uint64_t size_of(const struct tree *tree, const struct rsw_digest *digest) {
    char key[RSW_KEY_MAX];
    char path[2048];
    struct stat stat_of;
    struct rsw_look look = {.key = rsw_key_blob(key, digest)};
    if (tree->memory != NULL) {
        rsw_storage_look(tree->memory, &look, 1);
        return look.answer == RSW_FOUND ? look.size : 0;
    }
    path_of(tree, key, path, sizeof path);
    return stat(path, &stat_of) == 0 ? (uint64_t)stat_of.st_size : 0;
}

static void add_descriptor(struct text *text, const struct tree *tree, const char *media_type,
                           const struct rsw_digest *digest) {
    char hex[RSW_DIGEST_TEXT_MAX];
    add(text, "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%llu}", media_type,
        rsw_digest_format(digest, hex), (unsigned long long)size_of(tree, digest));
}

struct rsw_digest tree_manifest_json(struct tree *tree, const char *repo, const char *tag, const char *json) {
    struct rsw_digest digest = tree_blob(tree, json);
    tree_revision(tree, repo, &digest);
    if (tag != NULL) {
        tree_tag(tree, repo, tag, &digest);
    }
    return digest;
}

#define OCI "application/vnd.oci.image."

struct rsw_digest tree_manifest(struct tree *tree, const char *repo, const char *tag,
                                const struct rsw_digest *config, const struct rsw_digest *layers,
                                size_t layer_count) {
    struct text json = {.len = 0};
    add(&json, "{\"schemaVersion\":2,\"mediaType\":\"" OCI "manifest.v1+json\",\"config\":");
    add_descriptor(&json, tree, OCI "config.v1+json", config);
    add(&json, ",\"layers\":[");
    for (size_t i = 0; i < layer_count; i++) {
        add(&json, i == 0 ? "" : ",");
        add_descriptor(&json, tree, OCI "layer.v1.tar+gzip", &layers[i]);
        tree_link(tree, repo, &layers[i]);
    }
    add(&json, "]}");
    tree_link(tree, repo, config);
    return tree_manifest_json(tree, repo, tag, json.bytes);
}

struct tree_image tree_image(struct tree *tree, const char *repo, const char *tag, const char *seed,
                             size_t layer_count) {
    struct tree_image image = {.layer_count = layer_count};
    if (layer_count > TREE_LAYERS_MAX) {
        die("image", "too many layers");
    }
    char text[256];
    for (size_t i = 0; i < layer_count; i++) {
        snprintf(text, sizeof text, "layer %s %zu", seed, i);
        image.layers[i] = tree_blob(tree, text);
    }
    snprintf(text, sizeof text, "{\"seed\":\"%s\"}", seed);
    image.config = tree_blob(tree, text);
    image.manifest = tree_manifest(tree, repo, tag, &image.config, image.layers, layer_count);
    return image;
}

struct rsw_digest tree_index(struct tree *tree, const char *repo, const char *tag,
                             const struct rsw_digest *children, size_t count) {
    struct text json = {.len = 0};
    add(&json, "{\"schemaVersion\":2,\"mediaType\":\"" OCI "index.v1+json\",\"manifests\":[");
    for (size_t i = 0; i < count; i++) {
        add(&json, i == 0 ? "" : ",");
        add_descriptor(&json, tree, OCI "manifest.v1+json", &children[i]);
    }
    add(&json, "]}");
    return tree_manifest_json(tree, repo, tag, json.bytes);
}

struct rsw_digest tree_referrer(struct tree *tree, const char *repo, const char *tag,
                                const struct rsw_digest *subject, const char *type, const char *content) {
    struct rsw_digest empty = tree_blob(tree, "{}");
    struct rsw_digest layer = tree_blob(tree, content);
    tree_link(tree, repo, &empty);
    tree_link(tree, repo, &layer);
    struct text json = {.len = 0};
    add(&json,
        "{\"schemaVersion\":2,\"mediaType\":\"" OCI "manifest.v1+json\",\"artifactType\":\"%s\",\"config\":",
        type);
    add_descriptor(&json, tree, "application/vnd.oci.empty.v1+json", &empty);
    add(&json, ",\"layers\":[");
    add_descriptor(&json, tree, type, &layer);
    add(&json, "],\"subject\":");
    add_descriptor(&json, tree, OCI "manifest.v1+json", subject);
    add(&json, "}");
    return tree_manifest_json(tree, repo, tag, json.bytes);
}

const char *tree_weak_tag(char text[256], const struct rsw_digest *subject, const char *suffix) {
    char hex[RSW_DIGEST_TEXT_MAX];
    snprintf(text, 256, "%s-%s%s", rsw_alg_name(subject->alg), rsw_digest_hex(subject, hex), suffix);
    return text;
}

struct rsw_digest tree_cosign(struct tree *tree, const char *repo, const struct rsw_digest *subject) {
    char hex[RSW_DIGEST_TEXT_MAX];
    char payload[256];
    snprintf(payload, sizeof payload, "{\"critical\":\"%s\"}", rsw_digest_format(subject, hex));
    struct rsw_digest layer = tree_blob(tree, payload);
    snprintf(payload, sizeof payload, "{\"cosign\":\"%s\"}", hex);
    struct rsw_digest config = tree_blob(tree, payload);
    tree_link(tree, repo, &layer);
    tree_link(tree, repo, &config);
    struct text json = {.len = 0};
    add(&json, "{\"schemaVersion\":2,\"mediaType\":\"" OCI "manifest.v1+json\",\"config\":");
    add_descriptor(&json, tree, OCI "config.v1+json", &config);
    add(&json, ",\"layers\":[");
    add_descriptor(&json, tree, "application/vnd.dev.cosign.simplesigning.v1+json", &layer);
    add(&json, "]}");
    char tag[256];
    return tree_manifest_json(tree, repo, tree_weak_tag(tag, subject, ".sig"), json.bytes);
}

struct rsw_digest tree_schema1(struct tree *tree, const char *repo, const char *tag,
                               const struct rsw_digest *layers, size_t layer_count,
                               struct rsw_digest *signature) {
    char hex[RSW_DIGEST_TEXT_MAX];
    struct text json = {.len = 0};
    add(&json,
        "{\"schemaVersion\":1,\"name\":\"%s\",\"tag\":\"%s\",\"architecture\":\"amd64\",\"fsLayers\":[", repo,
        tag == NULL ? "" : tag);
    for (size_t i = 0; i < layer_count; i++) {
        add(&json, "%s{\"blobSum\":\"%s\"}", i == 0 ? "" : ",", rsw_digest_format(&layers[i], hex));
        tree_link(tree, repo, &layers[i]);
    }
    add(&json, "],\"history\":[");
    for (size_t i = 0; i < layer_count; i++) {
        add(&json, "%s{\"v1Compatibility\":\"{}\"}", i == 0 ? "" : ",");
    }
    add(&json, "]}");
    struct rsw_digest digest = tree_manifest_json(tree, repo, tag, json.bytes);
    char text[256];
    snprintf(text, sizeof text, "{\"signature of\":\"%s\"}", rsw_digest_format(&digest, hex));
    *signature = tree_blob(tree, text);
    tree_signature(tree, repo, &digest, signature);
    return digest;
}
