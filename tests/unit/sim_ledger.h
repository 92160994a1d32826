/* What clients were promised: an image whose PUT was answered 201, and that was not deleted since, is whole.
 */
#ifndef TESTS_UNIT_SIM_LEDGER_H
#define TESTS_UNIT_SIM_LEDGER_H

#include "sim_registry.h"

struct sim_promise {
    bool on;
    int64_t made_ms;
};

struct sim_ledger {
    const struct sim_registry *registry;
    bool untagged_remove; /* what no tag keeps is promised for `grace_ms` only */
    int64_t grace_ms;
    bool policy; /* lets SIM_TAG_LET_GO go, with all that it ever pointed at: promised for `grace_ms` only */
    int64_t tag_made_ms[SIM_REPOS][SIM_TAGS];
    uint64_t forgotten_at[SIM_REPOS][SIM_TAGS]; /* step at which somebody asked for the tag to go, and nobody
                                                   has written it since; 0: nobody did */
    int forgotten[SIM_REPOS][SIM_TAGS];         /* … and the image it was to go with */
    struct sim_promise promises[SIM_REPOS][SIM_BLOBS];
    bool tags[SIM_REPOS][SIM_TAGS];            /* the tag as the registry wrote it last is promised */
    unsigned deleting[SIM_REPOS][SIM_BLOBS];   /* DELETEs under way, of a manifest or a layer link */
    uint64_t deleted_at[SIM_REPOS][SIM_BLOBS]; /* step at which the last one was under way */
    uint64_t tag_deleted_at[SIM_REPOS][SIM_TAGS];
    uint64_t made; /* promises made */
};

void sim_ledger_delete_begins(struct sim_ledger *ledger, const struct sim_request *request, uint64_t step);
void sim_ledger_delete_ends(struct sim_ledger *ledger, const struct sim_request *request, uint64_t step);
/* Somebody asks regsweep to forget this image; `tags` are those that go along. */
void sim_ledger_forget(struct sim_ledger *ledger, int repo, int blob, uint32_t tags, uint64_t step);
/* A PUT that began at a step was answered 201. What the registry itself broke, by its own cache or a DELETE
 * at the same time, is not promised. */
void sim_ledger_put(struct sim_ledger *ledger, const struct sim_request *request, uint64_t began);

/* The first promise that is broken. `forever`: only bytes count, and one that is in quarantine is not lost.
 * False: none. */
struct sim_breach {
    int repo, blob, part;
    const char *what; /* static: "bytes", "layer link", "revision", "tag" */
};
bool sim_ledger_breach(struct sim_ledger *ledger, bool forever, struct sim_breach *out);

#endif
