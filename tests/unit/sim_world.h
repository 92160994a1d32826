/* What the simulated registry is about: a few blobs and manifests, the same in every run, each with a small
 * number, so that sets of them are bits of a word.
 *
 *     image 1: config 1, layers 1 2      image 2: config 2, layers 2 3      image 3: config 1, layer 4
 *     index: images 1 and 2              referrer: subject image 1          signature: the cosign tag of
 * image 1
 *
 * The last repository is the fence's own.
 */
#ifndef TESTS_UNIT_SIM_WORLD_H
#define TESTS_UNIT_SIM_WORLD_H

#include <regsweep/digest.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_blob {
    SIM_CONFIG_1,
    SIM_CONFIG_2,
    SIM_LAYER_1,
    SIM_LAYER_2,
    SIM_LAYER_3,
    SIM_LAYER_4,
    SIM_EMPTY, /* config of the referrer */
    SIM_SBOM,
    SIM_PAYLOAD, /* layer of the signature */
    SIM_FENCE_LAYER,
    SIM_IMAGE_1,
    SIM_IMAGE_2,
    SIM_IMAGE_3,
    SIM_INDEX,
    SIM_REFERRER,
    SIM_SIGNATURE,
    SIM_FENCE_IMAGE,
    SIM_BLOBS
};

#define SIM_BIT(blob) (UINT32_C(1) << (blob))
#define SIM_MANIFESTS (SIM_BIT(SIM_BLOBS) - SIM_BIT(SIM_IMAGE_1))

#define SIM_REPOS 3
#define SIM_FENCE_REPO 2
#define SIM_TAGS 4
#define SIM_TAG_LET_GO 0 /* by the policy, where there is one */
#define SIM_TAG_SIGNATURE 2
#define SIM_TAG_FENCE 3

struct sim_content {
    const char *name; /* for people */
    const char *media_type;
    struct rsw_digest digest;
    char text[RSW_DIGEST_TEXT_MAX]; /* of the digest */
    char bytes[1024];
    size_t len;
    uint32_t parts; /* what it names, without its subject */
    int subject;    /* -1: none */
    /* All that it needs to be whole, itself included: their data, the layer links and the revisions. */
    uint32_t needs;
    uint32_t needs_links;
    uint32_t needs_revisions;
};
extern struct sim_content sim_contents[SIM_BLOBS];
extern const char *const sim_repos[SIM_REPOS];

void sim_world_init(void); /* once; later calls do nothing */
const char *sim_tag(int tag);
static inline bool sim_is_manifest(int blob) {
    return (SIM_MANIFESTS & SIM_BIT(blob)) != 0;
}
/* The number of this digest or tag name; -1: it is none of ours. */
int sim_blob_of(const struct rsw_digest *digest);
int sim_repo_of(const char *name, size_t len);
int sim_tag_of(const char *name, size_t len);

#endif
