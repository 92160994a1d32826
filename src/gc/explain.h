/* What a policy makes of every tag that it speaks of, and what would come free. */
#ifndef REGSWEEP_GC_EXPLAIN_H
#define REGSWEEP_GC_EXPLAIN_H

#include "gc/mark.h"
#include "policy/policy.h"

/* Of one repository, before its tags. */
struct rsw_explained_repo {
    const char *name;
    const struct rsw_repository_rules *rules;
    uint64_t tags;             /* ordinary ones */
    uint64_t revisions_let_go; /* without a tag that stays */
    uint64_t revisions_kept;
};

/* One tag. Borrowed until the callback returns. */
struct rsw_explained_tag {
    const char *name;
    const struct rsw_digest *digest; /* of its head; NULL: not known */
    const struct rsw_tag_rule *rule; /* NULL: none speaks of it */
    enum rsw_ground ground;
    bool kept;
    const char *kept_by; /* though its ground is LET_GO: "pin", "grace" (its age) or "doubt" (something is not
                            sure, or cannot be read); NULL: nothing, or it is another ground */
    bool forgotten;      /* it goes, though not by the policy: a deletion record names it */
    int64_t pushed_ms;   /* 0: not known */
    int64_t pulled_ms;   /* 0: never, as far as we know */
    /* Of one that goes, also where it was forgotten: */
    uint64_t exclusive; /* bytes that come free, and that no other image that goes has */
    uint64_t shared;    /* bytes that come free once all that goes and has them is gone */
};

struct rsw_explain {
    const char *repo; /* this one alone; NULL: all that the policy speaks of */
    int (*on_repo)(void *arg, const struct rsw_explained_repo *repo);
    int (*on_tag)(void *arg, const struct rsw_explained_tag *tag);
    void *arg;
    /* Answers. Bytes and blobs each counted once, those that are garbage without the policy too. */
    uint64_t repos, tags, tags_let_go; /* those that go, forgotten ones too */
    uint64_t revisions_let_go;         /* by the policy */
    uint64_t blobs, bytes;
};

/* By `options`, whose policy is not NULL. A callback that gives other than 0 ends it (RSW_ESTOPPED). 0 or -1
 * (index error, RSW_ENOMEM). Needs a read transaction. */
int rsw_explain(struct rsw_explain *explain, struct rsw_txn *txn, const struct rsw_mark_options *options,
                struct rsw_error *err);

#endif
