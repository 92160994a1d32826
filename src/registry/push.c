/* Pushes of small things: the fence's own image. */
#include "registry/call.h"
#include "util/cleanup.h"

#include <string.h>

#define MEDIA_TYPE_MAX 255

/* ---- blobs ---- */

/* Where the bytes go, on the registry's own origin: a credential goes along with them. */
static int upload_url(char **out, const struct rsw_registry *registry, const char *base, const char *location,
                      const struct rsw_digest *digest, struct rsw_error *err) {
    RSW_AUTO_URL url = RSW_URL_INIT;
    char text[RSW_DIGEST_TEXT_MAX];
    if (location == NULL) {
        return rsw_error_set(err, RSW_EIO, 0, "the registry %s begins an upload and does not say where",
                             registry->base);
    }
    if (rsw_url_join(&url, base, location, "the Location of the upload", err) != 0) {
        return -1;
    }
    if (strcmp(url.origin, registry->url.origin) != 0) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "the registry %s wants an upload at another host, %s: credentials do not go there; "
            "set http.relativeurls to true in the registry's configuration, or http.host to "
            "the URL that is used here",
            registry->base, url.origin);
    }
    return rsw_url_add_query(out, url.text, "digest", rsw_digest_format(digest, text), err);
}

static int begin_upload(char **out, struct rsw_registry *registry, const char *repo,
                        const struct rsw_digest *digest, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    RSW_AUTO_FREE char *url = NULL;
    memset(&response, 0, sizeof response);
    if (rsw_call_url(&url, registry, repo, "blobs/uploads", NULL, err) != 0) {
        return -1;
    }
    const struct rsw_call call = {
        .method = "POST", .url = url, .repo = repo, .actions = "pull,push", .body_max = RSW_ERROR_BODY_MAX};
    if (rsw_call_send(&response, registry, &call, err) != 0) {
        return -1;
    }
    if (response.status != 202 || !response.registry) {
        return rsw_call_failed(registry, &call, &response, err);
    }
    return upload_url(out, registry, url, response.location, digest, err);
}

/* What is sent to no upload is refused before anything is written, and where none can be begun by the method
 * itself. One that is begun and cancelled would leave a file that never goes (2.8.2: the state of its hash).
 * Source: distribution, registry/handlers/blobupload.go (blobUploadDispatcher, PatchBlobData). */
int rsw_registry_takes_pushes(struct rsw_registry *registry, const char *repo, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    RSW_AUTO_FREE char *url = NULL;
    struct rsw_words words;
    memset(&response, 0, sizeof response);
    if (rsw_call_url(&url, registry, repo, "blobs/uploads", NULL, err) != 0) {
        return RSW_FAILED;
    }
    const struct rsw_call call = {
        .method = "PATCH", .url = url, .repo = repo, .actions = "pull,push", .body_max = RSW_ERROR_BODY_MAX};
    if (rsw_call_send(&response, registry, &call, err) != 0) {
        return RSW_FAILED;
    }
    if (response.registry && response.status == 405) {
        return RSW_ABSENT;
    }
    if (response.registry && response.status == 404 && rsw_words_read(&words, &response) &&
        strcmp(words.code, "BLOB_UPLOAD_UNKNOWN") == 0) {
        return RSW_FOUND;
    }
    rsw_call_failed(registry, &call, &response, err);
    return RSW_FAILED;
}

static int put(struct rsw_registry *registry, const struct rsw_call *call, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    memset(&response, 0, sizeof response);
    if (rsw_call_send(&response, registry, call, err) != 0) {
        return -1;
    }
    return response.status == 201 && response.registry ? 0 : rsw_call_failed(registry, call, &response, err);
}

int rsw_registry_put_blob(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                          const void *bytes, size_t len, struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    if (begin_upload(&url, registry, repo, digest, err) != 0) {
        return -1;
    }
    const struct rsw_call call = {.method = "PUT",
                                  .url = url,
                                  .repo = repo,
                                  .actions = "pull,push",
                                  .content_type = "application/octet-stream",
                                  .body = bytes,
                                  .body_len = len,
                                  .body_max = RSW_ERROR_BODY_MAX};
    return put(registry, &call, err);
}

/* ---- manifests ---- */

static bool is_media_type(const char *text) {
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= MEDIA_TYPE_MAX;
}

int rsw_registry_put_manifest(struct rsw_registry *registry, const char *repo, const char *reference,
                              const char *media_type, const void *bytes, size_t len, struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    if (!is_media_type(media_type)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "\"%s\" is no media type", media_type);
    }
    if (rsw_call_url(&url, registry, repo, "manifests", reference, err) != 0) {
        return -1;
    }
    const struct rsw_call call = {.method = "PUT",
                                  .url = url,
                                  .repo = repo,
                                  .actions = "pull,push",
                                  .content_type = media_type,
                                  .body = bytes,
                                  .body_len = len,
                                  .body_max = RSW_ERROR_BODY_MAX};
    return put(registry, &call, err);
}
