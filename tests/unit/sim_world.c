#include "sim_world.h"

#include <stdio.h>
#include <string.h>

#define OCI "application/vnd.oci.image."

struct sim_content sim_contents[SIM_BLOBS] = {
    [SIM_CONFIG_1] = {.name = "config-1"},
    [SIM_CONFIG_2] = {.name = "config-2"},
    [SIM_LAYER_1] = {.name = "layer-1"},
    [SIM_LAYER_2] = {.name = "layer-2"},
    [SIM_LAYER_3] = {.name = "layer-3"},
    [SIM_LAYER_4] = {.name = "layer-4"},
    [SIM_EMPTY] = {.name = "{}"},
    [SIM_SBOM] = {.name = "sbom"},
    [SIM_PAYLOAD] = {.name = "payload"},
    [SIM_FENCE_LAYER] = {.name = "fence-layer"},
    [SIM_IMAGE_1] = {.name = "image-1"},
    [SIM_IMAGE_2] = {.name = "image-2"},
    [SIM_IMAGE_3] = {.name = "image-3"},
    [SIM_INDEX] = {.name = "index"},
    [SIM_REFERRER] = {.name = "referrer"},
    [SIM_SIGNATURE] = {.name = "signature"},
    [SIM_FENCE_IMAGE] = {.name = "fence-image"},
};

const char *const sim_repos[SIM_REPOS] = {"a", "a/b", "regsweep/fence"};

static char tag_names[SIM_TAGS][160] = {"latest", "stable", "", "fence"};

const char *sim_tag(int tag) {
    return tag < 0 ? "" : tag_names[tag];
}

int sim_blob_of(const struct rsw_digest *digest) {
    for (int i = 0; i < SIM_BLOBS; i++) {
        if (rsw_digest_equal(&sim_contents[i].digest, digest)) {
            return i;
        }
    }
    return -1;
}

int sim_repo_of(const char *name, size_t len) {
    for (int i = 0; i < SIM_REPOS; i++) {
        if (strlen(sim_repos[i]) == len && memcmp(sim_repos[i], name, len) == 0) {
            return i;
        }
    }
    return -1;
}

int sim_tag_of(const char *name, size_t len) {
    for (int i = 0; i < SIM_TAGS; i++) {
        if (strlen(tag_names[i]) == len && memcmp(tag_names[i], name, len) == 0) {
            return i;
        }
    }
    return -1;
}

static void finish(int blob) {
    struct sim_content *content = &sim_contents[blob];
    content->len = strlen(content->bytes);
    rsw_digest_of(&content->digest, RSW_SHA256, content->bytes, content->len, NULL);
    rsw_digest_format(&content->digest, content->text);
    content->needs = SIM_BIT(blob);
    content->needs_links = sim_is_manifest(blob) ? 0 : SIM_BIT(blob);
    content->needs_revisions = SIM_BIT(blob) & SIM_MANIFESTS;
    for (int i = 0; i < SIM_BLOBS; i++) {
        if ((content->parts & SIM_BIT(i)) != 0) {
            content->needs |= sim_contents[i].needs;
            content->needs_links |= sim_contents[i].needs_links;
            content->needs_revisions |= sim_contents[i].needs_revisions;
        }
    }
}

static void plain(int blob) {
    struct sim_content *content = &sim_contents[blob];
    content->media_type = "application/octet-stream";
    content->subject = -1;
    snprintf(content->bytes, sizeof content->bytes, blob == SIM_EMPTY ? "{}" : "the bytes of %s",
             content->name);
    finish(blob);
}

static void add(struct sim_content *content, const char *what, const char *type, int blob) {
    char text[512];
    int len = snprintf(text, sizeof text, "%s{\"mediaType\":\"%s\",\"digest\":\"%.80s\",\"size\":%zu}", what,
                       type, sim_contents[blob].text, sim_contents[blob].len);
    memcpy(content->bytes + strlen(content->bytes), text, (size_t)len + 1);
}

static void image(int blob, int config, int layer, int layer2, int subject) {
    struct sim_content *content = &sim_contents[blob];
    content->media_type = OCI "manifest.v1+json";
    content->parts = SIM_BIT(config) | SIM_BIT(layer) | SIM_BIT(layer2);
    content->subject = subject;
    snprintf(content->bytes, sizeof content->bytes,
             "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":", content->media_type);
    add(content, "", OCI "config.v1+json", config);
    add(content, ",\"layers\":[", OCI "layer.v1.tar+gzip", layer);
    if (layer2 != layer) {
        add(content, ",", OCI "layer.v1.tar+gzip", layer2);
    }
    strncat(content->bytes, "]", 2);
    if (subject >= 0 && blob == SIM_REFERRER) {
        add(content, ",\"subject\":", OCI "manifest.v1+json", subject);
    }
    strncat(content->bytes, "}", 2);
    finish(blob);
}

static void image_index(void) {
    struct sim_content *content = &sim_contents[SIM_INDEX];
    content->media_type = OCI "index.v1+json";
    content->parts = SIM_BIT(SIM_IMAGE_1) | SIM_BIT(SIM_IMAGE_2);
    content->subject = -1;
    snprintf(content->bytes, sizeof content->bytes,
             "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[", content->media_type);
    add(content, "", OCI "manifest.v1+json", SIM_IMAGE_1);
    add(content, ",", OCI "manifest.v1+json", SIM_IMAGE_2);
    strncat(content->bytes, "]}", 3);
    finish(SIM_INDEX);
}

void sim_world_init(void) {
    if (sim_contents[SIM_FENCE_IMAGE].len > 0) {
        return;
    }
    for (int i = 0; i < SIM_IMAGE_1; i++) {
        plain(i);
    }
    image(SIM_IMAGE_1, SIM_CONFIG_1, SIM_LAYER_1, SIM_LAYER_2, -1);
    image(SIM_IMAGE_2, SIM_CONFIG_2, SIM_LAYER_2, SIM_LAYER_3, -1);
    image(SIM_IMAGE_3, SIM_CONFIG_1, SIM_LAYER_4, SIM_LAYER_4, -1);
    image_index();
    image(SIM_REFERRER, SIM_EMPTY, SIM_SBOM, SIM_SBOM, SIM_IMAGE_1);
    image(SIM_SIGNATURE, SIM_EMPTY, SIM_PAYLOAD, SIM_PAYLOAD, SIM_IMAGE_1);
    image(SIM_FENCE_IMAGE, SIM_FENCE_LAYER, SIM_FENCE_LAYER, SIM_FENCE_LAYER, -1);
    char hex[RSW_DIGEST_TEXT_MAX];
    snprintf(tag_names[SIM_TAG_SIGNATURE], sizeof tag_names[0], "sha256-%s.sig",
             rsw_digest_hex(&sim_contents[SIM_IMAGE_1].digest, hex));
}
