/* Mark: what is live, what is let go, over one moment of the index. Reads nothing but the index.
 *
 * Each repository by itself, then globally; what any root keeps stays; in doubt, keep and say so. The rules
 * stand, with their reasons, in docs/safety.md; src/gc/mark.c has them one function each.
 */
#ifndef REGSWEEP_GC_MARK_H
#define REGSWEEP_GC_MARK_H

#include "index/index.h"

#include <regsweep/sweep.h>

struct rsw_mark_options {
    int64_t now_ms;
    int64_t grace_ms;          /* links and revisions touched within it stay */
    int64_t upload_max_age_ms; /* older uploads are stale */
    bool untagged_remove;      /* let revisions go that no tag keeps; else they stay */
    bool offline;              /* the registry is stopped: unlinked blobs have no grace */
    unsigned threads;          /* 1 or 2; 0: as suits. The plan is the same */
    const struct rsw_pin *pins;
    size_t pin_count;
    const struct rsw_policy *policy; /* NULL: none */
    int64_t
        ahead_ms; /* what the clock on the wall gained within the policy's times: by so much all is younger */
};

#define RSW_GRACE_DEFAULT_MS (24 * 3600 * INT64_C(1000))
#define RSW_UPLOAD_MAX_AGE_DEFAULT_MS (168 * 3600 * INT64_C(1000))

/* One object that is let go. 32 bytes, for there can be millions. */
struct rsw_condemned {
    uint32_t repo; /* 0 for a blob */
    uint32_t blob; /* blob id; the head for a tag; 0 for repository and upload */
    uint64_t size; /* of a blob or upload */
    uint32_t name; /* tag or upload id: offset into plan->names; 0 for others */
    uint32_t types;
    uint8_t kind;   /* enum rsw_item_kind */
    uint8_t reason; /* enum rsw_reason */
    bool deleted;   /* a revision that is not there any more: what stands of it in the history of tags goes */
};

struct rsw_warning {
    uint32_t repo;       /* 0: none */
    uint32_t blob;       /* 0: none */
    const char *problem; /* static storage */
};

struct rsw_plan {
    uint64_t seq;                    /* of the sight that it was made from */
    struct rsw_condemned *condemned; /* owned; by kind in the order of enum rsw_item_kind */
    size_t count, room;
    char *names; /* owned */
    size_t names_len, names_room;
    struct rsw_warning *warnings; /* owned */
    size_t warning_count, warning_room;
    uint64_t counts[RSW_ITEM_KINDS]; /* condemned, by kind */
    uint64_t totals[RSW_ITEM_KINDS]; /* all that there is, by kind: for the guard against deleting too much */
    uint64_t bytes;                  /* condemned blobs and uploads */
    uint64_t total_bytes;            /* blobs present */
    uint64_t kept_blobs;
    uint64_t kept_in_grace; /* of these: kept by nothing but their youth */
};

/* 0 and *out filled (release it), or -1: RSW_ENOMEM, or an index error. Needs a read transaction, which it
 * keeps for as long as it runs. Does not ask whether the index is complete: see rsw_sweep. */
int rsw_mark(struct rsw_plan *out, struct rsw_txn *txn, const struct rsw_mark_options *options,
             struct rsw_error *err);
void rsw_plan_release(struct rsw_plan *plan);
/* A tag or upload. */
static inline bool rsw_condemned_is_named(const struct rsw_condemned *item) {
    return item->kind == RSW_ITEM_TAG || item->kind == RSW_ITEM_UPLOAD;
}
/* Of one that is named; "" for others. */
static inline const char *rsw_plan_name(const struct rsw_plan *plan, const struct rsw_condemned *item) {
    return rsw_condemned_is_named(item) ? plan->names + item->name : "";
}
#define RSW_AUTO_PLAN __attribute__((cleanup(rsw_plan_release))) struct rsw_plan

#endif
