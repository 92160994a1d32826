#include "gc/beacon.h"

#include <stdio.h>
#include <string.h>

/* Never to be changed: with other bytes it would be another object, and the old one garbage. An artifact by
 * its config's type, so that nobody takes it for an image that could run. */
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE "application/vnd.regsweep.fence.v1+json"
#define LAYER_TYPE "text/plain"
static const char config_bytes[] = "{\"regsweep\":\"fence\"}\n";
static const char layer_bytes[] =
    "This is regsweep's own. It asks for it to learn whether the registry's events arrive; see the manual\n"
    "page regsweep-sweep(1). Deleting it does no harm: it is pushed again.\n";

static int add_text(struct rsw_beacon *beacon, struct rsw_error *err) {
    char config[RSW_DIGEST_TEXT_MAX];
    char layer[RSW_DIGEST_TEXT_MAX];
    int len = snprintf(beacon->manifest_bytes, sizeof beacon->manifest_bytes,
                       "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE
                       "\",\"config\":{\"mediaType\":\"" CONFIG_TYPE
                       "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"" LAYER_TYPE
                       "\",\"digest\":\"%s\",\"size\":%zu}]}",
                       rsw_digest_format(&beacon->config, config), sizeof config_bytes - 1,
                       rsw_digest_format(&beacon->layer, layer), sizeof layer_bytes - 1);
    if (len < 0 || (size_t)len >= sizeof beacon->manifest_bytes) {
        return rsw_error_set(err, RSW_EFULL, 0, "the manifest of the fence's object has no room");
    }
    beacon->manifest_len = (size_t)len;
    return 0;
}

int rsw_beacon_init(struct rsw_beacon *beacon, const char *repo, struct rsw_error *err) {
    *beacon = (struct rsw_beacon){.repo = repo};
    if (rsw_digest_of(&beacon->config, RSW_SHA256, config_bytes, sizeof config_bytes - 1, err) != 0 ||
        rsw_digest_of(&beacon->layer, RSW_SHA256, layer_bytes, sizeof layer_bytes - 1, err) != 0 ||
        add_text(beacon, err) != 0) {
        return -1;
    }
    return rsw_digest_of(&beacon->manifest, RSW_SHA256, beacon->manifest_bytes, beacon->manifest_len, err);
}

int rsw_beacon_push(const struct rsw_beacon *beacon, struct rsw_registry *registry, struct rsw_error *err) {
    if (rsw_registry_put_blob(registry, beacon->repo, &beacon->config, config_bytes, sizeof config_bytes - 1,
                              err) != 0 ||
        rsw_registry_put_blob(registry, beacon->repo, &beacon->layer, layer_bytes, sizeof layer_bytes - 1,
                              err) != 0 ||
        rsw_registry_put_manifest(registry, beacon->repo, RSW_BEACON_TAG, MANIFEST_TYPE,
                                  beacon->manifest_bytes, beacon->manifest_len, err) != 0) {
        return rsw_error_prefix(err, "cannot push %s:" RSW_BEACON_TAG ", which a fence asks for",
                                beacon->repo);
    }
    return 0;
}

int rsw_beacon_get_layer(const struct rsw_beacon *beacon, struct rsw_registry *registry,
                         const char *user_agent, struct rsw_error *err) {
    return rsw_registry_get_blob(registry, beacon->repo, &beacon->layer, user_agent, err);
}

int rsw_beacon_get_manifest(const struct rsw_beacon *beacon, struct rsw_registry *registry,
                            const char *user_agent, struct rsw_error *err) {
    char digest[RSW_DIGEST_TEXT_MAX];
    return rsw_registry_get_manifest(registry, beacon->repo, rsw_digest_format(&beacon->manifest, digest),
                                     user_agent, err);
}
