/* Calls that look, and the one that makes a replica forget. */
#include "registry/call.h"
#include "util/cleanup.h"

#include <string.h>

#define AGENT_MAX 256

/* All that the registry can serve: without one of these in Accept it says 404 to a manifest that it has. */
static const char manifest_types[] = "application/vnd.oci.image.manifest.v1+json, "
                                     "application/vnd.oci.image.index.v1+json, "
                                     "application/vnd.docker.distribution.manifest.v2+json, "
                                     "application/vnd.docker.distribution.manifest.list.v2+json, "
                                     "application/vnd.docker.distribution.manifest.v1+prettyjws, "
                                     "application/vnd.docker.distribution.manifest.v1+json, "
                                     "application/vnd.oci.artifact.manifest.v1+json, */*";

int rsw_registry_clock(struct rsw_registry *registry, int64_t *ms, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    RSW_AUTO_BUF url = RSW_BUF_INIT;
    *ms = 0;
    memset(&response, 0, sizeof response);
    if (rsw_buf_addf(&url, err, "%s/v2/", registry->base) != 0) {
        return -1;
    }
    const struct rsw_call call = {
        .method = "GET", .url = (const char *)url.data, .body_max = RSW_ERROR_BODY_MAX};
    if (rsw_call_send(&response, registry, &call, err) != 0) {
        return -1;
    }
    *ms = response.date_ms;
    return response.status == 200 && response.registry ? 0 : rsw_call_failed(registry, &call, &response, err);
}

int rsw_registry_ping(struct rsw_registry *registry, struct rsw_error *err) {
    int64_t ms;
    return rsw_registry_clock(registry, &ms, err);
}

/* ---- found or absent ---- */

static bool is_agent(const char *agent) {
    size_t len = strlen(agent);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)agent[i] < 0x20 || (unsigned char)agent[i] >= 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= AGENT_MAX;
}

/* To storage, where that serves blobs itself: the registry has looked before it sends anybody there. A proxy
 * that sends all the world to https answers for itself alone. */
static bool is_redirect_to_storage(const struct rsw_http_response *response) {
    return response->registry && response->location != NULL &&
           (response->status == 302 || response->status == 303 || response->status == 307);
}

static int look(struct rsw_registry *registry, const char *method, const char *repo, const char *kind,
                const char *name, const char *user_agent, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    RSW_AUTO_FREE char *url = NULL;
    bool blob = strcmp(kind, "blobs") == 0;
    memset(&response, 0, sizeof response);
    if (user_agent != NULL && !is_agent(user_agent)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "a User-Agent must be 1 to %d visible characters",
                             AGENT_MAX);
    }
    if (rsw_call_url(&url, registry, repo, kind, name, err) != 0) {
        return RSW_FAILED;
    }
    const struct rsw_call call = {.method = method,
                                  .url = url,
                                  .repo = repo,
                                  .actions = "pull",
                                  .user_agent = user_agent,
                                  .accept = blob ? NULL : manifest_types,
                                  .body_max = RSW_REGISTRY_GET_MAX};
    if (rsw_call_send(&response, registry, &call, err) != 0) {
        return RSW_FAILED;
    }
    if ((response.status == 200 && response.registry) || (blob && is_redirect_to_storage(&response))) {
        return RSW_FOUND;
    }
    if (rsw_says_absent(&call, &response)) {
        return RSW_ABSENT;
    }
    rsw_call_failed(registry, &call, &response, err);
    return RSW_FAILED;
}

int rsw_registry_head_blob(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                           struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    return look(registry, "HEAD", repo, "blobs", rsw_digest_format(digest, text), NULL, err);
}

int rsw_registry_head_manifest(struct rsw_registry *registry, const char *repo, const char *reference,
                               struct rsw_error *err) {
    return look(registry, "HEAD", repo, "manifests", reference, NULL, err);
}

int rsw_registry_get_blob(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                          const char *user_agent, struct rsw_error *err) {
    char text[RSW_DIGEST_TEXT_MAX];
    return look(registry, "GET", repo, "blobs", rsw_digest_format(digest, text), user_agent, err);
}

int rsw_registry_get_manifest(struct rsw_registry *registry, const char *repo, const char *reference,
                              const char *user_agent, struct rsw_error *err) {
    return look(registry, "GET", repo, "manifests", reference, user_agent, err);
}

/* ---- clear ---- */

static int refused(const struct rsw_call *call, const struct rsw_words *words, struct rsw_error *err) {
    if (strcmp(words->code, "UNSUPPORTED") == 0) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "the registry does not delete (405 %s): set storage.delete.enabled to true in its "
            "configuration and restart it (DELETE %s)",
            words->code, call->url);
    }
    return rsw_error_set(err, RSW_EREFUSED, 0,
                         "DELETE is not served there (405): the registry is in read-only mode "
                         "(storage.maintenance.readonly), or a proxy forbids it (DELETE %s)",
                         call->url);
}

int rsw_registry_clear(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                       int *status, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response;
    RSW_AUTO_FREE char *url = NULL;
    char text[RSW_DIGEST_TEXT_MAX];
    struct rsw_words words;
    *status = 0;
    memset(&response, 0, sizeof response);
    if (rsw_call_url(&url, registry, repo, "blobs", rsw_digest_format(digest, text), err) != 0) {
        return -1;
    }
    const struct rsw_call call = {
        .method = "DELETE", .url = url, .repo = repo, .actions = "delete", .body_max = RSW_ERROR_BODY_MAX};
    if (rsw_call_send(&response, registry, &call, err) != 0) {
        return -1;
    }
    *status = response.status;
    bool worded = rsw_words_read(&words, &response);
    if (response.status == 405) {
        return refused(&call, &words, err);
    }
    if (response.registry &&
        (response.status == 202 || (worded && (response.status == 404 || response.status == 500)))) {
        return 0;
    }
    return rsw_call_failed(registry, &call, &response, err);
}
