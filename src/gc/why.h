/* Why: through which path from which root something is kept, or by which rule it is let go. */
#ifndef REGSWEEP_GC_WHY_H
#define REGSWEEP_GC_WHY_H

#include "gc/mark.h"

enum rsw_why_verdict {
    RSW_WHY_UNKNOWN = 1, /* the index has never seen it */
    RSW_WHY_KEPT = 2,
    RSW_WHY_LET_GO = 3,
    RSW_WHY_ABSENT = 4, /* named by something, but storage does not have it */
};

/* One step on the way from a root to what was asked for. */
enum rsw_why_step_kind {
    RSW_STEP_TAG = 1,        /* tag `tag` of `repo` points at `blob` */
    RSW_STEP_TAG_HISTORY,    /* the tag's head is not settled or cannot be read: it may point at `blob` */
    RSW_STEP_PIN,            /* pinned; by its tag `tag` of `repo`, if there is one */
    RSW_STEP_POLICY,         /* the policy keeps revision `blob` of `repo` */
    RSW_STEP_UNTAGGED_KEPT,  /* untagged revision `blob` of `repo`; untagged revisions are kept */
    RSW_STEP_YOUNG_REVISION, /* touched within grace */
    RSW_STEP_UNREADABLE, /* manifest `blob` of `repo` cannot be read: kept, with every link of the repository
                          */
    RSW_STEP_ODD_REPOSITORY, /* the repository's name breaks the grammar: all of it is kept */
    RSW_STEP_CHILD,          /* the manifest of the step before names `blob` (ref_kind says how) */
    RSW_STEP_REFERRER,       /* `blob` has the one of the step before as its subject */
    RSW_STEP_WEAK_TAG,       /* weak tag `tag` of the one of the step before points at `blob` */
    RSW_STEP_SIGNATURE,      /* schema 1 signature of the one of the step before */
    RSW_STEP_YOUNG_LINK,     /* its layer link in `repo` was touched within grace */
    RSW_STEP_YOUNG_UPLOAD,   /* `repo` has a young upload */
    RSW_STEP_BAD_LINK,       /* its link in `repo` cannot be read */
    RSW_STEP_ALIAS,          /* the link of the step before names `blob` under another algorithm */
    RSW_STEP_YOUNG_BLOB,     /* linked nowhere, first seen within grace */
};

struct rsw_why_step {
    enum rsw_why_step_kind kind;
    uint32_t repo;
    uint32_t blob;
    enum rsw_ref_kind ref_kind; /* for CHILD */
    const char *pinned_by;      /* for PIN: who names it, as its pin says; NULL: nobody in particular */
    char tag[RSW_TAG_NAME_MAX + 1];
};

#define RSW_WHY_STEPS_MAX 64

struct rsw_why {
    enum rsw_why_verdict verdict;
    enum rsw_reason reason; /* for LET_GO */
    struct rsw_blob blob;   /* what was asked for; id 0 if unknown */
    size_t step_count;      /* for KEPT: from the root (first) to the blob (last) */
    struct rsw_why_step steps[RSW_WHY_STEPS_MAX];
    uint32_t also_repos; /* further repositories that keep it too */
    /* What a generation took: its number, 0: none did. The bytes; a revision or layer link, of the repository
     * asked for or any. */
    uint64_t aside_bytes;
    uint64_t aside_links;
};

/* What keeps this digest anywhere (repo NULL) or in one repository. Needs a read transaction. 0 or -1 (index
 * error, RSW_ENOMEM). An unknown digest is a verdict, not an error. */
int rsw_why(struct rsw_why *out, struct rsw_txn *txn, const struct rsw_mark_options *options,
            const char *repo, const struct rsw_digest *digest, struct rsw_error *err);

/* Of a tag itself: that it goes does not mean that what it points at does. */
struct rsw_why_tag {
    enum rsw_why_verdict verdict; /* UNKNOWN, KEPT, LET_GO */
    enum rsw_reason reason;       /* for LET_GO */
    uint32_t head;                /* blob id of what it points at; 0: unknown */
};
/* As rsw_why. A tag or repository that the index does not have is UNKNOWN, no error. */
int rsw_why_tag(struct rsw_why_tag *out, struct rsw_txn *txn, const struct rsw_mark_options *options,
                const char *repo, const char *tag, struct rsw_error *err);

#endif
