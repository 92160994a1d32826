/* Loading one repository into a view. */
#include "gc/marker.h"
#include "index/deletion.h"
#include "oci/reference.h"
#include "util/grow.h"

#include <string.h>

#define CHAIN_MAX                                                                                            \
    64 /* signatures of signatures of signatures: beyond this nobody knows what follows what                 \
        */

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
}

void rsw_view_release(struct rsw_view *view) {
    free(view->revisions);
    free(view->links);
    free(view->tags);
    free(view->followers);
    free(view->stack);
    free(view->names);
    *view = (struct rsw_view){.names = NULL};
}

/* First element of a sorted array whose leading uint32_t is not below `blob`. */
static size_t lower_bound(const void *array, size_t count, size_t size, uint32_t blob) {
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        uint32_t at;
        memcpy(&at, (const char *)array + (low + half) * size, sizeof at);
        if (at < blob) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

const struct rsw_view_revision *rsw_view_find_revision(const struct rsw_view *view, uint32_t blob) {
    size_t at = lower_bound(view->revisions, view->revision_count, sizeof *view->revisions, blob);
    return at < view->revision_count && view->revisions[at].blob == blob ? &view->revisions[at] : NULL;
}

bool rsw_view_find_link(const struct rsw_view *view, uint32_t blob, struct rsw_member *out) {
    size_t low = 0;
    for (size_t count = view->link_count; count > 0;) { /* the first that ends not below the blob */
        size_t half = count / 2;
        const struct rsw_members *links = &view->links[low + half];
        if (rsw_members_blob(links, links->count - 1) < blob) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    if (low == view->link_count) {
        return false;
    }
    uint32_t at = rsw_members_find(&view->links[low], blob);
    rsw_members_get(&view->links[low], at, out);
    return out->blob == blob;
}

const struct rsw_view_follower *rsw_view_find_followers(const struct rsw_view *view, uint32_t leader) {
    size_t at = lower_bound(view->followers, view->follower_count, sizeof *view->followers, leader);
    return &view->followers[at];
}

static int add_name(struct rsw_view *view, const char *name, uint32_t *offset, struct rsw_error *err) {
    size_t len = strlen(name) + 1;
    char *names = rsw_grown(view->names, &view->names_room, view->names_len + len, 1);
    if (names == NULL || view->names_len > UINT32_MAX - len) {
        return out_of_memory(err);
    }
    view->names = names;
    memcpy(names + view->names_len, name, len);
    *offset = (uint32_t)view->names_len;
    view->names_len += len;
    return 0;
}

static int add_follower(struct rsw_view *view, struct rsw_view_follower follower, struct rsw_error *err) {
    struct rsw_view_follower *followers =
        rsw_grown(view->followers, &view->follower_room, view->follower_count + 1, sizeof *followers);
    if (followers == NULL) {
        return out_of_memory(err);
    }
    view->followers = followers;
    followers[view->follower_count++] = follower;
    return 0;
}

static int load_revisions(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, marker->txn, RSW_REVISION, view->repo.id);
    struct rsw_member member;
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        struct rsw_view_revision *revisions =
            rsw_grown(view->revisions, &view->revision_room, view->revision_count + 1, sizeof *revisions);
        if (revisions == NULL) {
            return out_of_memory(err);
        }
        view->revisions = revisions;
        struct rsw_view_revision *revision = &revisions[view->revision_count++];
        *revision =
            (struct rsw_view_revision){.blob = member.blob, .target = member.target, .flags = member.flags};
        revision->touched_ms = member.touched_ms;
        revision->young = rsw_is_young(marker->options, member.touched_ms);
        if ((member.flags & RSW_MEMBER_PRESENT) != 0) {
            rsw_marker_see_here(marker, member.blob, RSW_HERE_REVISED | RSW_EVER_LINKED);
        }
    }
    return 0;
}

static void look_at_links(struct rsw_marker *marker, const struct rsw_members *links) {
    for (uint32_t i = 0; i < links->count; i++) {
        struct rsw_member link;
        rsw_members_get(links, i, &link);
        marker->view.aliased |= link.target != link.blob;
        if ((link.flags & RSW_MEMBER_PRESENT) != 0) {
            rsw_marker_see(marker, link.blob, RSW_EVER_LINKED);
        }
    }
}

static int load_links(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, marker->txn, RSW_LINK, view->repo.id);
    struct rsw_members found;
    while (rsw_members_next(&iter, &found) == RSW_FOUND) {
        struct rsw_members *links =
            rsw_grown(view->links, &view->link_room, view->link_count + 1, sizeof *links);
        if (links == NULL) {
            return out_of_memory(err);
        }
        view->links = links;
        links[view->link_count++] = found;
        look_at_links(marker, &found);
    }
    return 0;
}

/* The first subject that a manifest names; 0: none. */
static uint32_t subject_of(const struct rsw_marker *marker, uint32_t manifest) {
    if (manifest >= marker->blob_count || !marker->referrer[manifest]) {
        return 0;
    }
    struct rsw_refs refs = rsw_refs_of(rsw_marker_refs(marker, manifest));
    for (uint32_t i = 0; i < refs.count; i++) {
        if (rsw_refs_kind(&refs, i) == RSW_REF_SUBJECT) {
            return rsw_refs_child(&refs, i);
        }
    }
    return 0;
}

/* That it was in this repository: a record of it as a revision that storage was seen to have, be it a
 * tombstone. What only events told of is none. */
static bool has_evidence(const struct rsw_view *view, uint32_t subject) {
    const struct rsw_view_revision *revision = rsw_view_find_revision(view, subject);
    return revision != NULL && (revision->flags & RSW_MEMBER_SEEN) != 0;
}

/* A live subject keeps its referrers, whatever it is live through. To die with it a referrer needs evidence
 * that the subject was here. Without it the referrer is an ordinary revision. */
static int load_referrers(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    for (size_t i = 0; i < view->revision_count; i++) {
        struct rsw_view_revision *revision = &view->revisions[i];
        uint32_t subject = subject_of(marker, revision->blob);
        if (subject == 0) {
            continue;
        }
        if (has_evidence(view, subject)) {
            revision->subject = subject;
            revision->follower = true;
        }
        if ((revision->flags & RSW_MEMBER_PRESENT) != 0 &&
            add_follower(view, (struct rsw_view_follower){.leader = subject, .blob = revision->blob}, err) !=
                0) {
            return -1;
        }
    }
    return 0;
}

static int load_tags(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_tags(&iter, marker->txn, view->repo.id);
    struct rsw_tag tag;
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        struct rsw_view_tag *tags = rsw_grown(view->tags, &view->tag_room, view->tag_count + 1, sizeof *tags);
        if (tags == NULL) {
            return out_of_memory(err);
        }
        view->tags = tags;
        struct rsw_view_tag *at = &tags[view->tag_count++];
        *at = (struct rsw_view_tag){.head = tag.head, .flags = tag.flags};
        at->young = rsw_is_young(marker->options, tag.touched_ms);
        if (add_name(view, tag.name, &at->name, err) != 0) {
            return -1;
        }
        struct rsw_digest subject;
        struct rsw_blob blob;
        if (rsw_tag_weak(&subject, tag.name, strlen(tag.name)) &&
            rsw_blob_find(marker->txn, &subject, &blob) == RSW_FOUND && blob.id != tag.head &&
            has_evidence(view, blob.id)) {
            /* An image under a tag of its own digest, as mirroring tools set it, follows nobody. */
            at->subject = blob.id;
            view->weak = true;
        }
    }
    return 0;
}

const struct rsw_view_tag *rsw_view_find_tag(const struct rsw_view *view, const char *name) {
    for (size_t low = 0, high = view->tag_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(view->names + view->tags[middle].name, name);
        if (order == 0) {
            return &view->tags[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void load_pins(struct rsw_marker *marker) {
    const struct rsw_view *view = &marker->view;
    size_t count;
    const struct rsw_pinned *pins = rsw_marker_pins(marker, &count);
    for (size_t i = 0; i < count; i++) {
        const struct rsw_pin *pin = rsw_marker_pin(marker, pins[i].number);
        const struct rsw_view_tag *tag = pin->tag != NULL ? rsw_view_find_tag(view, pin->tag) : NULL;
        if (tag != NULL && tag->pin == 0) {
            view->tags[tag - view->tags].pin = pins[i].number;
        }
    }
}

struct rsw_view_revision *rsw_view_revision_of(struct rsw_view *view, uint32_t blob) {
    const struct rsw_view_revision *found = rsw_view_find_revision(view, blob);
    return found != NULL ? &view->revisions[found - view->revisions] : NULL;
}

/* Was this revision ever an ordinary tag's, or that of its own digest? Then it is no follower of a weak one.
 */
static bool ever_ordinary(struct rsw_marker *marker, const struct rsw_view_revision *revision) {
    if (revision->tagged) {
        return true;
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history_of(&iter, marker->txn, marker->view.repo.id, revision->blob);
    struct rsw_history history;
    while (rsw_history_of_next(&iter, &history) == RSW_FOUND) {
        const struct rsw_view_tag *tag = rsw_view_find_tag(&marker->view, history.tag);
        if (tag == NULL || tag->subject == 0 || tag->subject == revision->blob) {
            return true;
        }
    }
    return false;
}

static int follow_tag(struct rsw_marker *marker, const struct rsw_view_tag *tag, uint32_t manifest,
                      struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    bool leads = manifest == tag->head || rsw_tag_unsure(tag) || !marker->options->untagged_remove;
    if (leads && add_follower(view,
                              (struct rsw_view_follower){
                                  .leader = tag->subject, .blob = manifest, .tag = tag->name, .by_tag = true},
                              err) != 0) {
        return -1;
    }
    struct rsw_view_revision *revision = rsw_view_revision_of(view, manifest);
    if (revision != NULL && !revision->follower && !ever_ordinary(marker, revision)) {
        revision->follower = true;
        revision->subject = tag->subject;
    }
    return 0;
}

/* Weak tags lead from their subject to their head, and to what they carried before. */
static int load_weak_tags(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    if (!view->weak) {
        return 0;
    }
    for (size_t i = 0; i < view->tag_count; i++) {
        struct rsw_view_revision *head = rsw_view_revision_of(view, view->tags[i].head);
        if (head != NULL && view->tags[i].subject == 0) {
            head->tagged = true;
        }
    }
    for (size_t i = 0; i < view->tag_count; i++) {
        struct rsw_view_tag *tag = &view->tags[i];
        if (tag->subject == 0) {
            continue;
        }
        if (tag->head != 0 && follow_tag(marker, tag, tag->head, err) != 0) {
            return -1;
        }
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        rsw_iter_history(&iter, marker->txn, view->repo.id, view->names + tag->name);
        struct rsw_history history;
        while (rsw_history_next(&iter, &history) == RSW_FOUND) {
            if (history.manifest != tag->head && follow_tag(marker, tag, history.manifest, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Does it, from subject to subject, lead back to itself, or further than anybody would go? One that is gone
 * ends the chain: it takes its followers with it. */
static bool leads_back(struct rsw_view *view, const struct rsw_view_revision *revision) {
    const struct rsw_view_revision *at = revision;
    for (int steps = 0; at != NULL && at->follower && (at->flags & RSW_MEMBER_PRESENT) != 0; steps++) {
        at = rsw_view_revision_of(view, at->subject);
        if (at == revision || steps == CHAIN_MAX) {
            return true;
        }
    }
    return false;
}

/* Of revisions that follow each other in a ring, or one that does, none has a subject that could die before
 * it: they are ordinary ones, all of them, so each is judged before any is changed. */
static int break_rings(struct rsw_view *view, struct rsw_error *err) {
    if (view->follower_count == 0) {
        return 0;
    }
    size_t count = 0;
    uint32_t *ring = rsw_grown(view->stack, &view->stack_room, view->revision_count, sizeof *ring);
    if (ring == NULL) {
        return out_of_memory(err);
    }
    view->stack = ring; /* not in use before the marking begins */
    for (size_t i = 0; i < view->revision_count; i++) {
        if (view->revisions[i].follower && leads_back(view, &view->revisions[i])) {
            ring[count++] = (uint32_t)i;
        }
    }
    for (size_t i = 0; i < count; i++) {
        view->revisions[ring[i]].follower = false;
    }
    return 0;
}

/* What deletion records name, as the index has it now. A tag that points elsewhere by now is another one. */
static void load_forgotten(struct rsw_marker *marker) {
    struct rsw_view *view = &marker->view;
    static const enum rsw_item_kind kinds[] = {RSW_ITEM_REPOSITORY, RSW_ITEM_TAG, RSW_ITEM_REVISION};
    view->forgotten = false;
    for (size_t i = 0; marker->forgets && i < sizeof kinds / sizeof *kinds; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_forgotten forgotten;
        rsw_iter_forgotten(&iter, marker->txn, kinds[i], view->repo.id);
        while (rsw_forgotten_next(&iter, &forgotten) == RSW_FOUND) {
            const struct rsw_view_tag *tag = rsw_view_find_tag(view, forgotten.name);
            struct rsw_view_revision *revision = rsw_view_revision_of(view, forgotten.blob);
            if (kinds[i] == RSW_ITEM_REPOSITORY) {
                view->forgotten = true;
            } else if (kinds[i] == RSW_ITEM_TAG && tag != NULL && tag->head == forgotten.head) {
                view->tags[tag - view->tags].forgotten = true;
            } else if (kinds[i] == RSW_ITEM_REVISION && revision != NULL) {
                revision->forgotten = true;
            }
        }
    }
}

/* They go though what they follow stays. */
static void release_followers(struct rsw_marker *marker) {
    struct rsw_view *view = &marker->view;
    for (size_t i = 0; marker->forgets && i < view->follower_count; i++) {
        struct rsw_view_follower *follower = &view->followers[i];
        const struct rsw_view_revision *revision = rsw_view_find_revision(view, follower->blob);
        const struct rsw_view_tag *tag =
            follower->by_tag ? rsw_view_find_tag(view, view->names + follower->tag) : NULL;
        follower->forgotten =
            follower->by_tag ? tag != NULL && tag->forgotten : revision != NULL && revision->forgotten;
    }
}

static void load_uploads(struct rsw_marker *marker) {
    struct rsw_view *view = &marker->view;
    view->young_upload = (view->repo.flags & RSW_REPO_UPLOADS_UNKNOWN) != 0;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_uploads(&iter, marker->txn, view->repo.id);
    struct rsw_upload upload;
    while (!view->young_upload && rsw_upload_next(&iter, &upload) == RSW_FOUND) {
        view->young_upload = !rsw_upload_stale(marker->options, &upload);
    }
}

static int by_leader(const void *a, const void *b) {
    uint32_t left = ((const struct rsw_view_follower *)a)->leader;
    uint32_t right = ((const struct rsw_view_follower *)b)->leader;
    return left < right ? -1 : left > right;
}

int rsw_view_load(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    view->repo = *repo;
    view->revision_count = view->link_count = view->tag_count = 0;
    view->follower_count = view->stack_count = view->names_len = 0;
    view->keep_whole = view->aliased = view->weak = false;
    uint32_t empty;
    if (add_name(view, "", &empty, err) != 0 || load_revisions(marker, err) != 0 ||
        load_links(marker, err) != 0 || load_referrers(marker, err) != 0 || load_tags(marker, err) != 0 ||
        load_weak_tags(marker, err) != 0 || break_rings(view, err) != 0) {
        return -1;
    }
    load_pins(marker);
    load_forgotten(marker);
    release_followers(marker);
    load_uploads(marker);
    if (view->follower_count > 1) {
        qsort(view->followers, view->follower_count, sizeof *view->followers, by_leader);
    }
    return rsw_view_judge(marker, err) != 0 || rsw_txn_failed(marker->txn, err) ? -1 : 0;
}
