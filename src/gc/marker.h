/* The marker: what a mark knows while it goes through the repositories, and the view of the one it is at.
 * Internal to gc: mark.c makes a plan of it, why.c a path.
 *
 * Memory: 15 bytes a blob, 4 more where two threads share the work, and what one repository holds.
 */
#ifndef REGSWEEP_GC_MARKER_H
#define REGSWEEP_GC_MARKER_H

#include "gc/mark.h"
#include "gc/why.h"
#include "oci/reference.h"
#include "policy/policy.h"

#include <string.h>

/* Why a blob is kept in the repository at hand; recorded only when somebody asks (why.c). */
struct rsw_cause {
    uint8_t kind;     /* enum rsw_why_step_kind */
    uint8_t ref_kind; /* for RSW_STEP_CHILD */
    uint32_t from;    /* blob of the step before; 0: this is a root */
    uint32_t tag;     /* offset into view.names, for steps with a tag */
    uint32_t pin;     /* number of it, for RSW_STEP_PIN */
};

struct rsw_trace {
    struct rsw_cause *manifest; /* by blob id: why it is a live manifest here, where it is one */
    struct rsw_cause *named;    /* by blob id: who names it here, where somebody does */
};

/* Of the policy. */
enum rsw_verdict {
    RSW_VERDICT_NONE = 0, /* it does not say */
    RSW_VERDICT_KEEP,
    RSW_VERDICT_LET_GO, /* unless something else keeps it */
};

/* Why a tag stays whatever the policy, or its subject, says. */
enum rsw_stay {
    RSW_STAY_NOT = 0, /* it does not */
    RSW_STAY_PIN,
    RSW_STAY_GRACE, /* it is young */
    RSW_STAY_DOUBT, /* what it points at, or the name of its repository, is not sure or cannot be read */
};

struct rsw_view_revision {
    uint32_t blob;
    uint32_t target;  /* what its link names: another blob only where the link is bad */
    uint32_t flags;   /* enum rsw_member_flag */
    uint32_t subject; /* blob id that it has as its subject and that was in this repository; 0: none */
    int64_t touched_ms;
    enum rsw_verdict verdict;
    bool young;
    bool forgotten; /* a deletion record names it: no reason of its own keeps it */
    bool tagged;    /* an ordinary tag points at it now */
    bool follower;  /* lives and dies with another revision: a referrer, or carried by weak tags alone */
};

struct rsw_view_tag {
    uint32_t head;
    uint32_t flags;
    uint32_t name;                   /* offset into names */
    uint32_t subject;                /* of a weak tag: blob id; 0: an ordinary tag */
    const struct rsw_tag_rule *rule; /* of the policy; NULL: none speaks of it */
    enum rsw_ground ground;          /* why it stays, or LET_GO */
    int64_t pushed_ms;               /* 0: not known; set where the policy speaks of the repository */
    int64_t pulled_ms;               /* likewise; 0: never, as far as we know */
    bool young;
    uint32_t pin;   /* number of one; 0: none */
    bool forgotten; /* a deletion record names it, as it is */
};

/* Leader keeps follower: subject and referrer, subject and what its weak tag points at. */
struct rsw_view_follower {
    uint32_t leader;
    uint32_t blob;
    uint32_t tag; /* offset into names, for a weak tag's */
    bool by_tag;
    bool forgotten; /* the tag, or the referrer: it is not kept for its leader */
};

/* One repository, loaded. Arrays are reused from one repository to the next. */
struct rsw_view {
    struct rsw_repo repo;
    struct rsw_view_revision *revisions; /* by blob id, tombstones included */
    size_t revision_count, revision_room;
    struct rsw_members *links; /* by blob id, tombstones included, as the index has them: many in each */
    size_t link_count, link_room;
    bool aliased; /* a link leads to another blob than its own */
    bool weak;    /* there is a weak tag */
    struct rsw_view_tag *tags;
    size_t tag_count, tag_room;
    struct rsw_view_follower *followers; /* by leader */
    size_t follower_count, follower_room;
    uint32_t *stack; /* manifests that are live and wait to be expanded */
    size_t stack_count, stack_room;
    char *names; /* of tags, each with its NUL; offset 0 is "" */
    size_t names_len, names_room;
    bool young_upload;
    bool forgotten;  /* a deletion record names the repository */
    bool keep_whole; /* something live may name anything here: every layer link and revision stays */
    struct rsw_cause keep_whole_cause;
};

/* A pin and what it hits. Pins are numbered from one, in the order of the options. */
struct rsw_pinned {
    uint32_t repo;
    uint32_t blob; /* 0: it is a tag's */
    uint32_t number;
};

/* What the mark has seen of one blob, in one number: above these bits the epoch, which is the repository in
 * which it was last seen. The first three speak of that repository, so nothing need be cleared from one to
 * the next; the others of any. */
#define RSW_HERE_LIVE 1u           /* a live manifest */
#define RSW_HERE_NAMED (1u << 1)   /* a live manifest names it */
#define RSW_HERE_REVISED (1u << 2) /* a revision */
#define RSW_EVER_LIVE (1u << 3)    /* kept, in any repository or by a pin */
#define RSW_EVER_YOUNG (1u << 4)   /* kept by a young link or upload somewhere */
#define RSW_EVER_LINKED (1u << 5)  /* some repository has a link or revision of it */
#define RSW_SEEN_BITS 6
#define RSW_EVER (RSW_EVER_LIVE | RSW_EVER_YOUNG | RSW_EVER_LINKED)
#define RSW_EPOCH_MAX (UINT32_MAX >> RSW_SEEN_BITS)

#define RSW_MARK_BLOB_FLAGS 0x1fu  /* enum rsw_blob_flag */
#define RSW_MARK_ALIASED (1u << 5) /* named by another algorithm than sha256: a link may lead elsewhere */

struct rsw_marker {
    struct rsw_txn *txn;
    const struct rsw_mark_options *options;
    struct rsw_plan *plan; /* warnings go there; NULL: nobody asked */
    uint32_t blob_count;   /* ids are below */
    uint64_t blobs_present;
    uint64_t bytes_present;
    void *known;              /* owned: the arrays that follow, by id */
    const uint8_t **refs;     /* of a manifest, packed: they belong to the transaction; NULL: not parsed */
    uint8_t *flags;           /* enum rsw_blob_flag, and RSW_MARK_ALIASED */
    bool *referrer;           /* a manifest that names a subject; apart, for another thread sets it */
    uint32_t *seen;           /* what this thread has seen of it: see above */
    uint32_t *seen_by_second; /* NULL: there is no second one */
    struct rsw_blobs *facts;  /* by id / RSW_BLOBS_EACH: they belong to the transaction */
    uint32_t epoch;           /* of the repository at hand */
    struct rsw_trace *trace;  /* NULL: nobody asked */
    bool forgets;             /* there are deletion records */
    struct rsw_pin *pins;     /* owned: of the options, and those of the index that have not run out */
    size_t pin_count;
    struct rsw_reference *kept_pins; /* owned: what the latter name */
    struct rsw_pinned *pinned; /* owned; by repository; those in none that the index knows are left out */
    size_t pinned_count, pinned_room;
    struct rsw_judge judge; /* of this moment */
    struct rsw_view view;
};

/* Reads what is known of every blob, and every manifest's references. Needs a read transaction that lives as
 * long as the marker. */
int rsw_marker_init(struct rsw_marker *marker, struct rsw_txn *txn, const struct rsw_mark_options *options,
                    struct rsw_error *err);
void rsw_marker_release(struct rsw_marker *marker);
#define RSW_AUTO_MARKER __attribute__((cleanup(rsw_marker_release))) struct rsw_marker

/* Part of rsw_marker_init: sets pins; then looks all of them up, and the bytes that they name are live from
 * then on. */
int rsw_marker_load_pins(struct rsw_marker *marker, struct rsw_error *err);
int rsw_marker_find_pins(struct rsw_marker *marker, struct rsw_error *err);
/* Those of the repository at hand. */
const struct rsw_pinned *rsw_marker_pins(const struct rsw_marker *marker, size_t *count);
/* By its number; NULL for 0. */
const struct rsw_pin *rsw_marker_pin(const struct rsw_marker *marker, uint32_t number);

/* A second thread is worth it, or asked for. */
bool rsw_marker_wants_two(const struct rsw_marker *marker);

/* Sets rule, ground and verdict of the tags and revisions in the view, where the policy speaks of them. The
 * last thing that is loaded. */
int rsw_view_judge(struct rsw_marker *marker, struct rsw_error *err);
/* What keeps a tag by itself. */
enum rsw_stay rsw_marker_stay(const struct rsw_marker *marker, const struct rsw_view_tag *tag);
/* A deletion record names this tag, and it is sure. What it pointed at is nobody's business any more. */
bool rsw_marker_forgets(const struct rsw_marker *marker, const struct rsw_view_tag *tag);
/* The policy lets this tag go, and nothing else keeps it. */
bool rsw_marker_lets_go(const struct rsw_marker *marker, const struct rsw_view_tag *tag);

/* Loads one repository into marker->view and decides what is live in it. Afterwards
 * rsw_marker_manifest_live and _named tell of its manifests and of what they name. */
int rsw_marker_repository(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err);

/* The same, and adds to marker->plan what of it is let go. */
int rsw_plan_repository(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err);
/* Once that was done of all repositories: makes room for all blobs that are let go and `others` more, and
 * adds the blobs. The last thing: what was seen is RSW_EVER_… alone from then on. */
int rsw_plan_blobs(struct rsw_marker *marker, size_t others, struct rsw_error *err);
/* All of it: what is let go of repositories, in the order of their ids, and blobs. */
int rsw_plan_all(struct rsw_marker *marker, struct rsw_error *err);

/* Questions about the repository at hand. */
/* Why a present link stays; 0: it is let go. */
enum rsw_why_step_kind rsw_marker_link_step(const struct rsw_marker *marker, const struct rsw_member *link);
/* The same, with what led there. Needs a trace. */
struct rsw_cause rsw_marker_link_cause(const struct rsw_marker *marker, const struct rsw_member *link);
/* Of one that is not live. */
enum rsw_reason rsw_marker_revision_reason(const struct rsw_marker *marker,
                                           const struct rsw_view_revision *revision);
bool rsw_marker_tag_live(const struct rsw_marker *marker, const struct rsw_view_tag *tag);
enum rsw_reason rsw_tag_reason(const struct rsw_view_tag *tag); /* of one that is not live */
const struct rsw_view_revision *rsw_view_find_revision(const struct rsw_view *view, uint32_t blob);
struct rsw_view_revision *rsw_view_revision_of(struct rsw_view *view, uint32_t blob); /* to be changed */
bool rsw_view_find_link(const struct rsw_view *view, uint32_t blob, struct rsw_member *out);
const struct rsw_view_tag *rsw_view_find_tag(const struct rsw_view *view, const char *name);
/* Can this blob be read as a manifest in the repository at hand, through a revision or a layer link? */
bool rsw_view_readable(const struct rsw_marker *marker, uint32_t blob);

/* Followers of this leader begin here; they go on while ->leader stays the same and the end of the array is
 * not reached. */
const struct rsw_view_follower *rsw_view_find_followers(const struct rsw_view *view, uint32_t leader);

int rsw_view_load(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err);
void rsw_view_release(struct rsw_view *view);

/* Flags of a blob; an id that the index should not hold has none. */
static inline unsigned rsw_marker_flags(const struct rsw_marker *marker, uint32_t blob) {
    return blob < marker->blob_count ? marker->flags[blob] : 0;
}

/* What was seen of it in any repository: RSW_EVER_… */
static inline unsigned rsw_marker_seen(const struct rsw_marker *marker, uint32_t blob) {
    return blob < marker->blob_count ? marker->seen[blob] & RSW_EVER : 0;
}
/* Only RSW_EVER_… An id that the index should not hold is not noted. */
static inline void rsw_marker_see(struct rsw_marker *marker, uint32_t blob, uint32_t ever) {
    if (blob < marker->blob_count) {
        marker->seen[blob] |= ever;
    }
}
/* Likewise, and RSW_HERE_… of the repository at hand. */
static inline void rsw_marker_see_here(struct rsw_marker *marker, uint32_t blob, uint32_t bits) {
    if (blob < marker->blob_count) {
        uint32_t seen = marker->seen[blob];
        uint32_t keep = seen >> RSW_SEEN_BITS == marker->epoch ? seen : seen & RSW_EVER;
        marker->seen[blob] = marker->epoch << RSW_SEEN_BITS | keep | bits;
    }
}

static inline bool rsw_marker_is(const struct rsw_marker *marker, uint32_t blob, uint32_t here) {
    return blob < marker->blob_count && marker->seen[blob] >> RSW_SEEN_BITS == marker->epoch &&
           (marker->seen[blob] & here) != 0;
}
static inline bool rsw_marker_manifest_live(const struct rsw_marker *marker, uint32_t blob) {
    return rsw_marker_is(marker, blob, RSW_HERE_LIVE);
}
static inline bool rsw_marker_named(const struct rsw_marker *marker, uint32_t blob) {
    return rsw_marker_is(marker, blob, RSW_HERE_NAMED);
}
static inline bool rsw_marker_revised(const struct rsw_marker *marker, uint32_t blob) {
    return rsw_marker_is(marker, blob, RSW_HERE_REVISED);
}

/* How long ago that was; times come from file systems, so any number can be met. Below zero: in the future.
 */
static inline int64_t rsw_age_ms(int64_t now_ms, int64_t then_ms) {
    int64_t age;
    if (__builtin_sub_overflow(now_ms, then_ms, &age)) {
        return then_ms > now_ms ? INT64_MIN : INT64_MAX;
    }
    return age;
}

/* What a manifest names, packed; NULL: it was not parsed. */
static inline const uint8_t *rsw_marker_refs(const struct rsw_marker *marker, uint32_t manifest) {
    return manifest < marker->blob_count ? marker->refs[manifest] : NULL;
}

static inline bool rsw_is_young(const struct rsw_mark_options *options, int64_t touched_ms) {
    return rsw_age_ms(options->now_ms, touched_ms) < options->grace_ms;
}

static inline bool rsw_upload_stale(const struct rsw_mark_options *options, const struct rsw_upload *upload) {
    return upload->started_ms != 0 &&
           rsw_age_ms(options->now_ms, upload->started_ms) > options->upload_max_age_ms;
}

/* A tag whose head is not sure: every manifest of its history may be it. */
static inline bool rsw_tag_unsure(const struct rsw_view_tag *tag) {
    return tag->head == 0 || (tag->flags & (RSW_TAG_UNSETTLED | RSW_TAG_BAD)) != 0;
}

#endif
