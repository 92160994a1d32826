/* Looking: what storage says about one object. Asks storage, writes nothing: see scan/batch.h for how the
 * answers come into the index. */
#ifndef REGSWEEP_SCAN_LOOK_H
#define REGSWEEP_SCAN_LOOK_H

#include "oci/manifest.h"
#include "storage/layout.h"
#include "storage/storage.h"

/* ---- links ---- */

struct rsw_seen_link {
    int answer; /* RSW_FAILED: nobody knows whether it is there; errnum says why */
    int errnum;
    enum rsw_link_state
        state; /* if RSW_FOUND. Something there that cannot be read as a file is RSW_LINK_BAD */
    struct rsw_digest target; /* for RSW_LINK_GOOD, else none (alg 0) */
    int64_t mtime_ms;
};

/* One link to be read. */
struct rsw_link_look {
    char key[RSW_KEY_MAX];
    struct rsw_seen_link seen;
};
/* Reads up to 1000 a call of storage. A key that is "" (no such key can be built) is RSW_FAILED. -1: out of
 * memory. */
int rsw_look_links(struct rsw_storage *storage, struct rsw_link_look *looks, size_t count,
                   struct rsw_error *err);
/* From an entry of a listing. False if the content is not at hand, so that the link must be read. */
bool rsw_link_of_entry(struct rsw_seen_link *out, const struct rsw_entry *entry);

/* ---- manifests ---- */

enum rsw_manifest_state {
    RSW_MANIFEST_FAILED = 0, /* nobody knows: the index is left as it is */
    RSW_MANIFEST_ABSENT,     /* storage does not have the data */
    RSW_MANIFEST_UNREADABLE, /* the data is there, but is not what the digest says, or no manifest */
    RSW_MANIFEST_READ,
};

struct rsw_seen_manifest {
    struct rsw_digest digest; /* set by the caller */
    enum rsw_manifest_state state;
    uint64_t size;                /* RSW_SIZE_UNKNOWN if it is over RSW_MANIFEST_MAX */
    struct rsw_manifest manifest; /* if READ; the caller releases it */
    char problem[160];            /* if FAILED or UNREADABLE: in words */
};

/* A manifest can have 4 MiB, so few at once. */
#define RSW_LOOK_MANIFESTS_MAX 16
/* Reads, checks against the digest, parses. count <= RSW_LOOK_MANIFESTS_MAX. -1: out of memory. */
int rsw_look_manifests(struct rsw_storage *storage, struct rsw_seen_manifest *seen, size_t count,
                       struct rsw_error *err);

#endif
