/* What is live in one repository: the rules, one function each. docs/safety.md argues for them. */
#include "gc/marker.h"
#include "gc/plan.h"
#include "util/grow.h"

/* Storage certainly does not have these bytes: absent, which is not the same as unreadable. */
static bool gone(const struct rsw_marker *marker, uint32_t blob) {
    return (rsw_marker_flags(marker, blob) & (RSW_BLOB_PRESENT | RSW_BLOB_GONE)) == RSW_BLOB_GONE;
}

static int warn(struct rsw_marker *marker, uint32_t blob, const char *problem, struct rsw_error *err) {
    if (marker->plan == NULL) {
        return 0;
    }
    return rsw_plan_warn(marker->plan, marker->view.repo.id, blob, problem, err);
}

/* A live manifest keeps its own bytes; what it names follows when it is taken off the stack. */
static int keep_manifest(struct rsw_marker *marker, uint32_t blob, const struct rsw_cause *cause,
                         struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    if (blob == 0 || blob >= marker->blob_count || rsw_marker_manifest_live(marker, blob)) {
        return 0;
    }
    uint32_t *stack = rsw_grown(view->stack, &view->stack_room, view->stack_count + 1, sizeof *stack);
    if (stack == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
    }
    view->stack = stack;
    stack[view->stack_count++] = blob;
    rsw_marker_see_here(marker, blob, RSW_HERE_LIVE | RSW_EVER_LIVE);
    const uint8_t *refs = marker->refs[blob];
    if (refs != NULL) { /* ids say nothing of where these lie; there is time to fetch them */
        __builtin_prefetch(refs);
        __builtin_prefetch(refs + 64);
    }
    if (marker->trace != NULL) {
        marker->trace->manifest[blob] = *cause;
    }
    return 0;
}

static void keep_named(struct rsw_marker *marker, uint32_t blob, const struct rsw_cause *cause) {
    if (blob >= marker->blob_count || rsw_marker_named(marker, blob)) {
        return;
    }
    rsw_marker_see_here(marker, blob, RSW_HERE_NAMED | RSW_EVER_LIVE);
    if (marker->trace != NULL) {
        marker->trace->named[blob] = *cause;
    }
}

/* Where a name leads in this repository: a sha512 name through its alias link to the sha256 that the registry
 * stored. */
static uint32_t resolve(const struct rsw_marker *marker, uint32_t blob) {
    if ((rsw_marker_flags(marker, blob) & RSW_MARK_ALIASED) == 0) {
        return blob;
    }
    struct rsw_member link;
    return rsw_view_find_link(&marker->view, blob, &link) && link.target != 0 ? link.target : blob;
}

bool rsw_view_readable(const struct rsw_marker *marker, uint32_t blob) {
    if (rsw_marker_revised(marker, blob)) {
        return true;
    }
    struct rsw_member link;
    return rsw_view_find_link(&marker->view, blob, &link) && (link.flags & RSW_MEMBER_PRESENT) != 0;
}

/* A sha512 name whose alias link is there, but was never read: it leads nobody knows where. */
static bool leads_anywhere(const struct rsw_marker *marker, uint32_t blob) {
    if ((rsw_marker_flags(marker, blob) & RSW_MARK_ALIASED) == 0) {
        return false;
    }
    struct rsw_member link;
    return rsw_view_find_link(&marker->view, blob, &link) && link.target == blob &&
           (link.flags & RSW_MEMBER_BAD) != 0;
}

/* Something live may name anything here: every layer link of the repository stays, and, for it may name
 * manifests, every revision. */
static int keep_whole(struct rsw_marker *marker, const struct rsw_cause *cause, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    if (view->keep_whole) {
        return 0;
    }
    view->keep_whole = true;
    view->keep_whole_cause = *cause;
    for (size_t i = 0; i < view->revision_count; i++) {
        if ((view->revisions[i].flags & RSW_MEMBER_PRESENT) != 0 &&
            keep_manifest(marker, view->revisions[i].blob, cause, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Nearly all that is named is: bytes, by the name that storage has for them, and no manifest here. */
static bool is_plain(const struct rsw_marker *marker, uint32_t child, enum rsw_ref_kind kind) {
    return (kind == RSW_REF_LAYER || kind == RSW_REF_CONFIG) &&
           (marker->flags[child] & RSW_MARK_ALIASED) == 0 && !rsw_marker_revised(marker, child);
}

/* A live manifest names `child`: its bytes stay, and its layer link here. If it is a manifest that can be
 * read here, through a revision or, as the registry allows, through a layer link, it is live in turn. */
static int keep_child(struct rsw_marker *marker, uint32_t parent, uint32_t child, enum rsw_ref_kind kind,
                      struct rsw_error *err) {
    if (child >= marker->blob_count) {
        return 0;
    }
    struct rsw_cause cause = {.kind = RSW_STEP_CHILD, .ref_kind = (uint8_t)kind, .from = parent};
    keep_named(marker, child, &cause);
    if (is_plain(marker, child, kind)) {
        return 0;
    }
    uint32_t target = resolve(marker, child);
    if (target != child) {
        keep_named(marker, target, &(struct rsw_cause){.kind = RSW_STEP_ALIAS, .from = child});
    }
    if (leads_anywhere(marker, child) &&
        keep_whole(marker, &(struct rsw_cause){.kind = RSW_STEP_BAD_LINK}, err) != 0) {
        return -1;
    }
    /* Whatever type the name gives it: what is a revision here is read as a manifest. */
    unsigned flags = rsw_marker_flags(marker, target);
    bool manifest = kind == RSW_REF_CHILD || rsw_marker_revised(marker, target) ||
                    rsw_marker_revised(marker, child) ||
                    (kind == RSW_REF_UNKNOWN && (flags & RSW_BLOB_PARSED) != 0);
    if (manifest && (rsw_view_readable(marker, child) || rsw_view_readable(marker, target))) {
        return keep_manifest(marker, target, &cause, err);
    }
    return 0;
}

/* A manifest that cannot be read, be it for one failed look, may name anything. Bytes that storage certainly
 * does not have can name nothing. */
static int keep_unread(struct rsw_marker *marker, uint32_t blob, struct rsw_error *err) {
    unsigned flags = rsw_marker_flags(marker, blob);
    if (gone(marker, blob)) {
        return warn(marker, blob, "manifest bytes missing", err);
    }
    if (keep_whole(marker, &(struct rsw_cause){.kind = RSW_STEP_UNREADABLE, .from = blob}, err) != 0) {
        return -1;
    }
    const char *problem = "manifest not read yet";
    if ((flags & RSW_BLOB_UNREADABLE) != 0) {
        problem = "manifest unreadable";
    } else if ((flags & RSW_BLOB_PRESENT) == 0) {
        problem = "manifest bytes missing at one look";
    }
    return warn(marker, blob, problem, err);
}

static int keep_followers(struct rsw_marker *marker, uint32_t leader, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    if (view->follower_count == 0) {
        return 0;
    }
    const struct rsw_view_follower *end = view->followers + view->follower_count;
    for (const struct rsw_view_follower *at = rsw_view_find_followers(view, leader);
         at < end && at->leader == leader; at++) {
        if (at->forgotten) {
            continue;
        }
        struct rsw_cause cause = {
            .kind = at->by_tag ? RSW_STEP_WEAK_TAG : RSW_STEP_REFERRER,
            .from = leader,
            .tag = at->tag,
        };
        if (keep_manifest(marker, at->blob, &cause, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What one live manifest keeps. */
static int expand(struct rsw_marker *marker, uint32_t blob, struct rsw_error *err) {
    const uint8_t *packed = rsw_marker_refs(marker, blob);
    if (packed == NULL) {
        if (keep_unread(marker, blob, err) != 0) {
            return -1;
        }
        return keep_followers(marker, blob, err);
    }
    if ((rsw_marker_flags(marker, blob) & RSW_BLOB_PRESENT) == 0 &&
        warn(marker, blob, "manifest bytes missing", err) != 0) {
        return -1;
    }
    struct rsw_refs refs = rsw_refs_of(packed);
    for (uint32_t i = 0; i < refs.count; i++) {
        enum rsw_ref_kind kind = rsw_refs_kind(&refs, i);
        if (kind != RSW_REF_SUBJECT && keep_child(marker, blob, rsw_refs_child(&refs, i), kind, err) != 0) {
            return -1;
        }
    }
    return keep_followers(marker, blob, err);
}

static int expand_all(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    while (view->stack_count > 0) {
        if (expand(marker, view->stack[--view->stack_count], err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* A tag that was not settled yet, or whose link cannot be read, may point at anything in its history; with no
 * history known, at any revision. */
static int keep_unsure_tag(struct rsw_marker *marker, const struct rsw_view_tag *tag, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    struct rsw_cause cause = {.kind = RSW_STEP_TAG_HISTORY, .tag = tag->name};
    bool any = tag->head != 0;
    if (keep_manifest(marker, tag->head, &cause, err) != 0) {
        return -1;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history(&iter, marker->txn, view->repo.id, view->names + tag->name);
    struct rsw_history history;
    while (rsw_history_next(&iter, &history) == RSW_FOUND) {
        any = true;
        if (keep_manifest(marker, history.manifest, &cause, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; !any && i < view->revision_count; i++) {
        if ((view->revisions[i].flags & RSW_MEMBER_PRESENT) != 0 &&
            keep_manifest(marker, view->revisions[i].blob, &cause, err) != 0) {
            return -1;
        }
    }
    if ((tag->flags & RSW_TAG_BAD) != 0) {
        return warn(marker, tag->head, "tag unreadable", err);
    }
    return tag->head == 0 ? warn(marker, 0, "tag without a current link", err) : 0;
}

/* A weak tag follows its subject; but it is a root while it is young or pinned, and where what it points at
 * is not sure or cannot be read. Of one that was forgotten somebody has said that it goes, young or not,
 * whatever it points at. */
enum rsw_stay rsw_marker_stay(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    if (tag->pin != 0) {
        return RSW_STAY_PIN;
    }
    if ((marker->view.repo.flags & RSW_REPO_ODD) != 0 || rsw_tag_unsure(tag)) {
        return RSW_STAY_DOUBT;
    }
    if (tag->forgotten) {
        return RSW_STAY_NOT;
    }
    if (tag->young) {
        return RSW_STAY_GRACE;
    }
    bool read = (rsw_marker_flags(marker, tag->head) & RSW_BLOB_PARSED) != 0;
    return read || gone(marker, tag->head) ? RSW_STAY_NOT : RSW_STAY_DOUBT;
}

static bool stays_by_itself(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    return rsw_marker_stay(marker, tag) != RSW_STAY_NOT;
}

/* Those that are pinned, or those that are not. */
static int root_tags(struct rsw_marker *marker, bool pinned, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    for (size_t i = 0; i < view->tag_count; i++) {
        const struct rsw_view_tag *tag = &view->tags[i];
        bool root = tag->subject == 0 && tag->ground != RSW_GROUND_LET_GO && !tag->forgotten;
        if ((tag->pin != 0) != pinned || (!root && !stays_by_itself(marker, tag))) {
            continue;
        }
        struct rsw_cause cause = {
            .kind = pinned ? RSW_STEP_PIN : RSW_STEP_TAG, .tag = tag->name, .pin = tag->pin};
        int rc = rsw_tag_unsure(tag) ? keep_unsure_tag(marker, tag, err)
                                     : keep_manifest(marker, tag->head, &cause, err);
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

static int root_pins(struct rsw_marker *marker, struct rsw_error *err) {
    size_t count;
    const struct rsw_pinned *pins = rsw_marker_pins(marker, &count);
    for (size_t i = 0; i < count; i++) {
        uint32_t blob = pins[i].blob;
        if (blob == 0 || !rsw_view_readable(marker, blob)) {
            continue;
        }
        struct rsw_cause cause = {.kind = RSW_STEP_PIN, .pin = pins[i].number};
        keep_named(marker, blob, &cause);
        bool revision = rsw_view_find_revision(&marker->view, blob) != NULL;
        if ((revision || (rsw_marker_flags(marker, blob) & RSW_BLOB_PARSED) != 0) &&
            keep_manifest(marker, blob, &cause, err) != 0) {
            return -1;
        }
    }
    return root_tags(marker, true, err);
}

/* Why a revision is a root by itself; kind 0: it is none. One that was forgotten is none for its youth, nor
 * for what nobody can read in it. */
static struct rsw_cause revision_root(const struct rsw_marker *marker,
                                      const struct rsw_view_revision *revision) {
    struct rsw_cause cause = {0};
    if ((marker->view.repo.flags & RSW_REPO_ODD) != 0) {
        cause.kind = RSW_STEP_ODD_REPOSITORY;
    } else if ((revision->flags & RSW_MEMBER_BAD) != 0) {
        cause.kind = RSW_STEP_BAD_LINK;
    } else if (revision->forgotten) {
        return cause;
    } else if (rsw_marker_refs(marker, revision->blob) == NULL && !gone(marker, revision->blob)) {
        cause.kind = RSW_STEP_UNREADABLE;
    } else if (revision->young) {
        cause.kind = RSW_STEP_YOUNG_REVISION;
    } else if (revision->verdict == RSW_VERDICT_KEEP) {
        cause.kind = RSW_STEP_POLICY;
    } else if (!marker->options->untagged_remove && !revision->follower &&
               revision->verdict != RSW_VERDICT_LET_GO) {
        cause.kind = RSW_STEP_UNTAGGED_KEPT;
    }
    return cause;
}

/* The link of a revision is damaged: what it may lead to stays as well. */
static int keep_bad_revision(struct rsw_marker *marker, const struct rsw_view_revision *revision,
                             struct rsw_error *err) {
    if (revision->target != revision->blob && revision->target != 0) {
        struct rsw_cause cause = {.kind = RSW_STEP_ALIAS, .from = revision->blob};
        keep_named(marker, revision->target, &cause);
        if ((rsw_marker_flags(marker, revision->target) & RSW_BLOB_PARSED) != 0 &&
            keep_manifest(marker, revision->target, &cause, err) != 0) {
            return -1;
        }
    }
    return warn(marker, revision->blob, "revision link unreadable", err);
}

static int root_revisions(struct rsw_marker *marker, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    for (size_t i = 0; i < view->revision_count; i++) {
        const struct rsw_view_revision *revision = &view->revisions[i];
        if ((revision->flags & RSW_MEMBER_PRESENT) == 0) {
            continue;
        }
        struct rsw_cause cause = revision_root(marker, revision);
        if (cause.kind != 0 && keep_manifest(marker, revision->blob, &cause, err) != 0) {
            return -1;
        }
        if ((revision->flags & RSW_MEMBER_BAD) != 0 && keep_bad_revision(marker, revision, err) != 0) {
            return -1;
        }
    }
    return 0;
}

enum rsw_why_step_kind rsw_marker_link_step(const struct rsw_marker *marker, const struct rsw_member *link) {
    const struct rsw_view *view = &marker->view;
    if ((link->flags & RSW_MEMBER_PRESENT) == 0) {
        return 0;
    }
    if (rsw_marker_named(marker, link->blob)) {
        return RSW_STEP_CHILD;
    }
    if ((view->repo.flags & RSW_REPO_ODD) != 0) {
        return RSW_STEP_ODD_REPOSITORY;
    }
    if ((link->flags & RSW_MEMBER_BAD) != 0) {
        return RSW_STEP_BAD_LINK;
    }
    if (view->keep_whole) {
        return view->keep_whole_cause.kind;
    }
    if (rsw_is_young(marker->options, link->touched_ms)) {
        return RSW_STEP_YOUNG_LINK;
    }
    return view->young_upload ? RSW_STEP_YOUNG_UPLOAD : 0;
}

struct rsw_cause rsw_marker_link_cause(const struct rsw_marker *marker, const struct rsw_member *link) {
    enum rsw_why_step_kind kind = rsw_marker_link_step(marker, link);
    if (kind == RSW_STEP_CHILD) {
        return marker->trace->named[link->blob];
    }
    if (kind == RSW_STEP_UNREADABLE) {
        return marker->view.keep_whole_cause;
    }
    return (struct rsw_cause){.kind = (uint8_t)kind};
}

/* An alias link that stays for a reason of its own keeps the canonical link and bytes with it. */
static void keep_alias_target(struct rsw_marker *marker, const struct rsw_member *link) {
    if (link->target != link->blob && link->target != 0 && rsw_marker_link_step(marker, link) != 0) {
        keep_named(marker, link->target, &(struct rsw_cause){.kind = RSW_STEP_ALIAS, .from = link->blob});
        uint32_t target = resolve(marker, link->target); /* a damaged link may name an alias */
        keep_named(marker, target, &(struct rsw_cause){.kind = RSW_STEP_ALIAS, .from = link->target});
    }
}

static void keep_alias_targets(struct rsw_marker *marker) {
    const struct rsw_view *view = &marker->view;
    for (size_t i = 0; view->aliased && i < view->link_count; i++) {
        for (uint32_t at = 0; at < view->links[i].count; at++) {
            struct rsw_member link;
            rsw_members_get(&view->links[i], at, &link);
            keep_alias_target(marker, &link);
        }
    }
}

/* Schema 1 signatures stay with their revision. */
static void keep_signatures(struct rsw_marker *marker) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_signatures(&iter, marker->txn, marker->view.repo.id, 0);
    uint32_t revision;
    uint32_t signature;
    while (rsw_signature_next(&iter, &revision, &signature) == RSW_FOUND) {
        if (rsw_marker_manifest_live(marker, revision)) {
            keep_named(marker, signature, &(struct rsw_cause){.kind = RSW_STEP_SIGNATURE, .from = revision});
        }
        rsw_marker_see(marker, signature, RSW_EVER_LINKED);
    }
}

bool rsw_marker_forgets(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    return tag->forgotten && !stays_by_itself(marker, tag);
}

bool rsw_marker_lets_go(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    return tag->ground == RSW_GROUND_LET_GO && !stays_by_itself(marker, tag);
}

bool rsw_marker_tag_live(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    if (tag->subject == 0 || tag->forgotten) {
        return !rsw_marker_lets_go(marker, tag) && !rsw_marker_forgets(marker, tag);
    }
    return rsw_marker_manifest_live(marker, tag->subject) || stays_by_itself(marker, tag);
}

enum rsw_reason rsw_tag_reason(const struct rsw_view_tag *tag) {
    if (tag->forgotten) {
        return RSW_REASON_FORGOTTEN;
    }
    return tag->subject != 0 ? RSW_REASON_SUBJECT_GONE : RSW_REASON_POLICY;
}

enum rsw_reason rsw_marker_revision_reason(const struct rsw_marker *marker,
                                           const struct rsw_view_revision *revision) {
    if (revision->forgotten) {
        return RSW_REASON_FORGOTTEN;
    }
    if (revision->follower && !rsw_marker_manifest_live(marker, revision->subject)) {
        return RSW_REASON_SUBJECT_GONE;
    }
    return revision->verdict == RSW_VERDICT_LET_GO ? RSW_REASON_POLICY : RSW_REASON_UNTAGGED;
}

static void begin_epoch(struct rsw_marker *marker) {
    if (marker->epoch == RSW_EPOCH_MAX) { /* what is noted from the first ones must not pass for the next */
        for (uint32_t id = 0; id < marker->blob_count; id++) {
            marker->seen[id] &= RSW_EVER;
        }
        marker->epoch = 0;
    }
    marker->epoch++;
}

int rsw_marker_repository(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err) {
    begin_epoch(marker);
    /* Pins first: who asks why is told of them. */
    if (rsw_view_load(marker, repo, err) != 0 || root_pins(marker, err) != 0 ||
        root_tags(marker, false, err) != 0 || root_revisions(marker, err) != 0 ||
        expand_all(marker, err) != 0) {
        return -1;
    }
    keep_signatures(marker);
    keep_alias_targets(marker); /* the last: whatever kept the alias */
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}
