/* registry_probe URL COMMAND …: calls of src/registry, for the end-to-end tests.
 *
 *     ping                                  nothing
 *     image REPO TAG                        pushes an image of one layer; prints the digests of layer and
 * manifest head-blob | get-blob REPO DIGEST      prints "found" or "absent" head-manifest | get-manifest REPO
 * REFERENCE clear REPO DIGEST                     prints the status
 *
 * PROBE_NONCE, PROBE_CA, PROBE_USER, PROBE_PASSWORD, PROBE_REALM are the options, PROBE_AGENT is what a GET
 * calls itself. What fails is told on stderr, with status 1. */
#include "registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char manifest_type[] = "application/vnd.docker.distribution.manifest.v2+json";

static int tell(int answer) {
    if (answer != RSW_FAILED) {
        puts(answer == RSW_FOUND ? "found" : "absent");
    }
    return answer == RSW_FAILED ? -1 : 0;
}

static int push_blob(struct rsw_digest *digest, struct rsw_registry *registry, const char *repo,
                     const char *bytes, struct rsw_error *err) {
    return rsw_digest_of(digest, RSW_SHA256, bytes, strlen(bytes), err) != 0
               ? -1
               : rsw_registry_put_blob(registry, repo, digest, bytes, strlen(bytes), err);
}

static int push_image(struct rsw_registry *registry, const char *repo, const char *tag,
                      struct rsw_error *err) {
    static const char config_bytes[] = "{\"architecture\":\"amd64\",\"os\":\"linux\"}";
    struct rsw_digest config;
    struct rsw_digest layer;
    struct rsw_digest manifest;
    char config_text[RSW_DIGEST_TEXT_MAX];
    char layer_text[RSW_DIGEST_TEXT_MAX];
    char manifest_text[RSW_DIGEST_TEXT_MAX];
    char bytes[1024];
    if (push_blob(&config, registry, repo, config_bytes, err) != 0 ||
        push_blob(&layer, registry, repo, tag, err) != 0) {
        return -1;
    }
    int len = snprintf(
        bytes, sizeof bytes,
        "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":"
        "\"application/vnd.docker.container.image.v1+json\",\"size\":%zu,\"digest\":\"%s\"},\"layers\":["
        "{\"mediaType\":\"application/"
        "vnd.docker.image.rootfs.diff.tar.gzip\",\"size\":%zu,\"digest\":\"%s\"}]}",
        manifest_type, sizeof config_bytes - 1, rsw_digest_format(&config, config_text), strlen(tag),
        rsw_digest_format(&layer, layer_text));
    if (rsw_digest_of(&manifest, RSW_SHA256, bytes, (size_t)len, err) != 0 ||
        rsw_registry_put_manifest(registry, repo, tag, manifest_type, bytes, (size_t)len, err) != 0) {
        return -1;
    }
    printf("%s\n%s\n", layer_text, rsw_digest_format(&manifest, manifest_text));
    return 0;
}

static int of_blob(struct rsw_registry *registry, const char *command, const char *repo, const char *text,
                   struct rsw_error *err) {
    struct rsw_digest digest;
    int status = 0;
    if (!rsw_digest_parse(&digest, text, strlen(text))) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is no digest", text);
    }
    if (strcmp(command, "head-blob") == 0) {
        return tell(rsw_registry_head_blob(registry, repo, &digest, err));
    }
    if (strcmp(command, "get-blob") == 0) {
        return tell(rsw_registry_get_blob(registry, repo, &digest, getenv("PROBE_AGENT"), err));
    }
    if (rsw_registry_clear(registry, repo, &digest, &status, err) != 0) {
        return -1;
    }
    printf("%d\n", status);
    return 0;
}

static int run(struct rsw_registry *registry, int argc, char **argv, struct rsw_error *err) {
    const char *command = argv[2];
    if (strcmp(command, "ping") == 0 && argc == 3) {
        return rsw_registry_ping(registry, err);
    }
    if (argc != 5) {
        return rsw_error_set(err, RSW_EINVAL, 0, "usage: registry_probe URL COMMAND REPO REFERENCE");
    }
    if (strcmp(command, "image") == 0) {
        return push_image(registry, argv[3], argv[4], err);
    }
    if (strcmp(command, "head-manifest") == 0) {
        return tell(rsw_registry_head_manifest(registry, argv[3], argv[4], err));
    }
    if (strcmp(command, "get-manifest") == 0) {
        return tell(rsw_registry_get_manifest(registry, argv[3], argv[4], getenv("PROBE_AGENT"), err));
    }
    return of_blob(registry, command, argv[3], argv[4], err);
}

int main(int argc, char **argv) {
    RSW_AUTO_REGISTRY registry = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const char *nonce = getenv("PROBE_NONCE");
    const struct rsw_registry_options options = {.nonce = nonce != NULL ? nonce : "probe",
                                                 .ca_file = getenv("PROBE_CA"),
                                                 .user = getenv("PROBE_USER"),
                                                 .password = getenv("PROBE_PASSWORD"),
                                                 .realm = getenv("PROBE_REALM")};
    if (argc < 3) {
        fputs("usage: registry_probe URL COMMAND [REPO REFERENCE]\n", stderr);
        return 64;
    }
    if (rsw_registry_open(&registry, argv[1], &options, &err) != 0 || run(registry, argc, argv, &err) != 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
