/* The object of our own that a fence asks for: a tiny artifact, the same everywhere, in a reserved
 * repository. */
#ifndef REGSWEEP_GC_BEACON_H
#define REGSWEEP_GC_BEACON_H

#include "registry/registry.h"

#define RSW_BEACON_TAG "fence"

struct rsw_beacon {
    const char *repo; /* borrowed */
    struct rsw_digest config;
    struct rsw_digest layer;
    struct rsw_digest manifest;
    char manifest_bytes[1024];
    size_t manifest_len;
};

/* Works out bytes and digests; asks nobody. 0 or -1. */
int rsw_beacon_init(struct rsw_beacon *beacon, const char *repo, struct rsw_error *err);
/* Pushes it, tag and all; may be repeated. 0 or -1. */
int rsw_beacon_push(const struct rsw_beacon *beacon, struct rsw_registry *registry, struct rsw_error *err);
/* Asks for its layer, or its manifest, by GET with this User-Agent. RSW_FOUND, RSW_ABSENT, RSW_FAILED. */
int rsw_beacon_get_layer(const struct rsw_beacon *beacon, struct rsw_registry *registry,
                         const char *user_agent, struct rsw_error *err);
int rsw_beacon_get_manifest(const struct rsw_beacon *beacon, struct rsw_registry *registry,
                            const char *user_agent, struct rsw_error *err);

#endif
