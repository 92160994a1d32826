/* rsw_path_parse and the key builders: whatever is understood builds back to the same key, and nothing that
 * could lead elsewhere is understood. */
#include "storage/layout.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy_text(const void *bytes, size_t len) {
    char *text = malloc(len + 1);
    if (text == NULL) {
        abort();
    }
    if (len > 0) {
        memcpy(text, bytes, len);
    }
    text[len] = 0;
    return text;
}

static const char *build_upload(char key[RSW_KEY_MAX], const char *repo, const char *upload,
                                const char *rest) {
    if (rsw_key_upload(key, repo, upload) == NULL || strlen(key) + 1 + strlen(rest) >= RSW_KEY_MAX) {
        return NULL;
    }
    strcat(key, "/");
    strcat(key, rest);
    return key;
}

static const char *build(char key[RSW_KEY_MAX], const struct rsw_path *path, const char *repo,
                         const char *tag, const char *upload) {
    switch (path->place) {
    case RSW_PLACE_BLOB_DATA:
        return rsw_key_blob(key, &path->digest);
    case RSW_PLACE_LAYER_LINK:
        return rsw_key_layer_link(key, repo, &path->digest);
    case RSW_PLACE_REVISION_LINK:
        return rsw_key_revision_link(key, repo, &path->digest);
    case RSW_PLACE_SIGNATURE_LINK:
        return rsw_key_signature_link(key, repo, &path->digest, &path->digest2);
    case RSW_PLACE_TAG_CURRENT:
        return rsw_key_tag_current(key, repo, tag);
    case RSW_PLACE_TAG_HISTORY:
        return rsw_key_tag_history(key, repo, tag, &path->digest);
    case RSW_PLACE_UPLOAD:
        return build_upload(key, repo, upload, path->rest);
    case RSW_PLACE_OTHER:
    case RSW_PLACE_BAD_DIGEST:
        break;
    }
    return NULL;
}

static void check_parse(const char *text) {
    struct rsw_path path;
    char key[RSW_KEY_MAX];
    rsw_path_parse(&path, text);
    char *repo = copy_text(path.repo, path.repo_len);
    char *tag = copy_text(path.tag, path.tag_len);
    char *upload = copy_text(path.upload, path.upload_len);
    if (path.place != RSW_PLACE_OTHER && path.place != RSW_PLACE_BAD_DIGEST) {
        const char *built = build(key, &path, repo, tag, upload);
        if (built == NULL || strcmp(built, text) != 0 || strstr(built, "/../") != NULL) {
            abort();
        }
    }
    free(repo);
    free(tag);
    free(upload);
}

/* Any text as a name and as a tag: what is built is parsed as what it was built for. */
static void check_build(const char *text) {
    struct rsw_digest digest = {.alg = RSW_SHA256};
    struct rsw_path path;
    char key[RSW_KEY_MAX];
    if (rsw_key_layer_link(key, text, &digest) != NULL) {
        rsw_path_parse(&path, key);
        if (path.place != RSW_PLACE_LAYER_LINK || path.repo_len != strlen(text) ||
            memcmp(path.repo, text, path.repo_len) != 0) {
            abort();
        }
    }
    if (rsw_key_tag_history(key, "a/b", text, &digest) != NULL) {
        rsw_path_parse(&path, key);
        if (path.place != RSW_PLACE_TAG_HISTORY || path.tag_len != strlen(text) ||
            memcmp(path.tag, text, path.tag_len) != 0 || !rsw_digest_equal(&path.digest, &digest)) {
            abort();
        }
    }
}

/* As it is; and with the head that every key of a registry has, which would take long to guess. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const heads[] = {"", RSW_LAYOUT_BLOBS "/", RSW_LAYOUT_REPOSITORIES "/"};
    char *text = copy_text(data, size);
    check_build(text);
    for (int i = 0; i < 3; i++) {
        size_t head_len = strlen(heads[i]);
        char *whole = malloc(head_len + size + 1);
        if (whole == NULL) {
            abort();
        }
        memcpy(whole, heads[i], head_len);
        memcpy(whole + head_len, text, size + 1);
        check_parse(whole);
        free(whole);
    }
    free(text);
    return 0;
}
