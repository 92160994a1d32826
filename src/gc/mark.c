/* Mark: goes through every repository, then through every blob, and writes down what is let go. */
#include "gc/mark.h"

#include "gc/marker.h"
#include "gc/plan.h"
#include "index/deletion.h"
#include "util/cleanup.h"
#include "util/large.h"

#include <pthread.h>
#include <string.h>

#define PICK 256 /* ids */

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
}

static void take_fact(struct rsw_marker *marker, const struct rsw_blobs *blobs, uint32_t i) {
    uint32_t id = blobs->first + i;
    uint32_t flags = rsw_blobs_flags(blobs, i) & RSW_MARK_BLOB_FLAGS;
    if (id < marker->blob_count) {
        unsigned aliased = rsw_blobs_alg(blobs, i) != RSW_SHA256 ? RSW_MARK_ALIASED : 0;
        marker->flags[id] = (uint8_t)(flags | aliased);
    }
    if ((flags & RSW_BLOB_PRESENT) != 0) {
        marker->blobs_present++;
        marker->bytes_present += rsw_blobs_size(blobs, i);
    }
}

static int read_facts(struct rsw_marker *marker, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_blobs(&iter, marker->txn);
    struct rsw_blobs blobs;
    while (rsw_blobs_next(&iter, &blobs) == RSW_FOUND) {
        for (uint32_t i = 0; i < RSW_BLOBS_EACH; i++) {
            if (rsw_blobs_alg(&blobs, i) != 0) {
                take_fact(marker, &blobs, i);
            }
        }
        if (blobs.first < marker->blob_count) {
            marker->facts[blobs.first / RSW_BLOBS_EACH] = blobs;
        }
    }
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}

static bool names_subject(const struct rsw_refs *refs) {
    for (uint32_t i = 0; i < refs->count; i++) {
        if (rsw_refs_kind(refs, i) == RSW_REF_SUBJECT) {
            return true;
        }
    }
    return false;
}

static int read_refs(struct rsw_marker *marker, struct rsw_txn *txn, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_refs(&iter, txn);
    uint32_t manifest;
    struct rsw_refs refs;
    while (rsw_refs_next(&iter, &manifest, &refs) == RSW_FOUND) {
        if (manifest < marker->blob_count) {
            marker->refs[manifest] = refs.packed;
            marker->referrer[manifest] = names_subject(&refs);
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

struct refs_reader {
    struct rsw_marker *marker;
    struct rsw_txn *txn; /* owned */
    int rc;
    struct rsw_error err;
};

static void *run_refs_reader(void *arg) {
    struct refs_reader *reader = arg;
    reader->rc = read_refs(reader->marker, reader->txn, &reader->err);
    return NULL;
}

/* Facts and references, each by a thread of its own if that is worth it: they lie in different tables, and
 * fill different members. */
static int read_all(struct rsw_marker *marker, struct rsw_error *err) {
    struct refs_reader reader = {.marker = marker};
    pthread_t thread;
    bool two = rsw_marker_wants_two(marker) && rsw_txn_twin(&reader.txn, marker->txn, NULL) == RSW_FOUND &&
               pthread_create(&thread, NULL, run_refs_reader, &reader) == 0;
    int rc = read_facts(marker, err);
    if (two) {
        pthread_join(thread, NULL);
    } else if (rc == 0) {
        rc = read_refs(marker, marker->txn, err);
    }
    if (rc == 0 && reader.rc != 0) {
        rc = rsw_error_set(err, reader.err.code, reader.err.errnum, "%s", reader.err.message);
    }
    rsw_txn_abort(&reader.txn);
    return rc;
}

/* A gap may have swallowed pulls; while `serve` does not run nobody hears of any; and a registry that tells
 * of pushes may have been told to keep pulls to itself. */
static int64_t pulls_since(struct rsw_txn *txn, const struct rsw_state *state,
                           const struct rsw_mark_options *options) {
    int64_t since_ms = state->gap_ms > state->first_event_ms ? state->gap_ms : state->first_event_ms;
    int64_t silent_ms = rsw_age_ms(options->now_ms, state->beat_ms); /* below 0: a beat since, or a jump */
    bool heard = options->policy != NULL && state->first_event_ms != 0 && silent_ms <= RSW_BEAT_OLD_MS &&
                 silent_ms >= -RSW_BEAT_OLD_MS && rsw_pull_heard_since(txn, since_ms) == RSW_FOUND;
    return heard ? since_ms : 0;
}

/* In one piece, for the large pages that it may be put into. */
static bool make_arrays(struct rsw_marker *marker) {
    size_t count = marker->blob_count + (size_t)1;
    bool two = rsw_marker_wants_two(marker);
    size_t each = sizeof *marker->refs + sizeof *marker->seen + (two ? sizeof *marker->seen : 0) +
                  sizeof *marker->flags + sizeof *marker->referrer;
    marker->known = rsw_large_alloc(count * each);
    marker->facts = calloc(marker->blob_count / RSW_BLOBS_EACH + (size_t)1, sizeof *marker->facts);
    if (marker->known == NULL || marker->facts == NULL) {
        return false;
    }
    memset(marker->known, 0, count * each);
    marker->refs = marker->known;
    marker->seen = (uint32_t *)(marker->refs + count);
    marker->seen_by_second = two ? marker->seen + count : NULL;
    marker->flags = (uint8_t *)(marker->seen + (two ? 2 : 1) * count);
    marker->referrer = (bool *)(marker->flags + count);
    return true;
}

int rsw_marker_init(struct rsw_marker *marker, struct rsw_txn *txn, const struct rsw_mark_options *options,
                    struct rsw_error *err) {
    *marker = (struct rsw_marker){.txn = txn, .options = options};
    struct rsw_state state;
    if (rsw_state_get(txn, &state) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    marker->blob_count = state.next_blob;
    marker->forgets = rsw_forgotten_any(txn);
    marker->judge = (struct rsw_judge){.now_ms = options->now_ms - options->ahead_ms,
                                       .pulls_since_ms = pulls_since(txn, &state, options)};
    if (!make_arrays(marker)) {
        rsw_marker_release(marker);
        return out_of_memory(err);
    }
    if (rsw_marker_load_pins(marker, err) != 0 || read_all(marker, err) != 0 ||
        rsw_marker_find_pins(marker, err) != 0) {
        rsw_marker_release(marker);
        return -1;
    }
    return 0;
}

void rsw_marker_release(struct rsw_marker *marker) {
    free(marker->known);
    free(marker->facts);
    free(marker->pins);
    free(marker->kept_pins);
    free(marker->pinned);
    rsw_view_release(&marker->view);
    *marker = (struct rsw_marker){.txn = NULL};
}

/* Each of these goes through one part of the repository at hand, and tells through `left` whether anything of
 * it stays. */

static int plan_tags(struct rsw_marker *marker, bool *left, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    struct rsw_plan *plan = marker->plan;
    for (size_t i = 0; i < view->tag_count; i++) {
        const struct rsw_view_tag *tag = &view->tags[i];
        plan->totals[RSW_ITEM_TAG]++;
        if (rsw_marker_tag_live(marker, tag)) {
            *left = true;
            continue;
        }
        struct rsw_condemned item = {.repo = view->repo.id,
                                     .blob = tag->head,
                                     .kind = RSW_ITEM_TAG,
                                     .reason = (uint8_t)rsw_tag_reason(tag)};
        if (rsw_plan_condemn(plan, item, view->names + tag->name, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* A manifest that was deleted still stands in the history of tags, which nobody will ever read: the registry
 * leaves these entries behind. Not where one of the tags is not sure of its head. */
static bool left_in_history(struct rsw_marker *marker, const struct rsw_view_revision *revision) {
    const struct rsw_view *view = &marker->view;
    if (revision->young || (view->repo.flags & RSW_REPO_ODD) != 0 ||
        rsw_marker_manifest_live(marker, revision->blob) || rsw_view_readable(marker, revision->blob)) {
        return false;
    }
    bool stands = false;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history_of(&iter, marker->txn, view->repo.id, revision->blob);
    struct rsw_history history;
    while (rsw_history_of_next(&iter, &history) == RSW_FOUND) {
        const struct rsw_view_tag *tag = rsw_view_find_tag(view, history.tag);
        if (tag == NULL || rsw_tag_unsure(tag) || tag->head == revision->blob) {
            return false;
        }
        stands = true;
    }
    return stands;
}

static int plan_tombstone(struct rsw_marker *marker, const struct rsw_view_revision *revision,
                          struct rsw_error *err) {
    if (!left_in_history(marker, revision)) {
        return 0;
    }
    struct rsw_condemned item = {.repo = marker->view.repo.id,
                                 .blob = revision->blob,
                                 .kind = RSW_ITEM_REVISION,
                                 .reason = RSW_REASON_UNREFERENCED,
                                 .deleted = true};
    return rsw_plan_condemn(marker->plan, item, NULL, err);
}

static int plan_revisions(struct rsw_marker *marker, bool *left, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    struct rsw_plan *plan = marker->plan;
    for (size_t i = 0; i < view->revision_count; i++) {
        const struct rsw_view_revision *revision = &view->revisions[i];
        if ((revision->flags & RSW_MEMBER_PRESENT) == 0) {
            if (plan_tombstone(marker, revision, err) != 0) {
                return -1;
            }
            continue;
        }
        plan->totals[RSW_ITEM_REVISION]++;
        if (rsw_marker_manifest_live(marker, revision->blob)) {
            *left = true;
            continue;
        }
        struct rsw_condemned item = {.repo = view->repo.id,
                                     .blob = revision->blob,
                                     .kind = RSW_ITEM_REVISION,
                                     .reason = (uint8_t)rsw_marker_revision_reason(marker, revision)};
        if (rsw_plan_condemn(plan, item, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* That it goes has other reasons; but somebody asked for it. */
static bool is_forgotten_link(const struct rsw_marker *marker, const struct rsw_member *link) {
    struct rsw_forgotten forgotten = {.kind = RSW_ITEM_LINK, .repo = link->repo, .blob = link->blob};
    return marker->forgets && rsw_forgotten_get(marker->txn, &forgotten) == RSW_FOUND;
}

static int plan_link(struct rsw_marker *marker, const struct rsw_member *link, bool *left,
                     struct rsw_error *err) {
    struct rsw_plan *plan = marker->plan;
    if ((link->flags & RSW_MEMBER_PRESENT) == 0) {
        return 0;
    }
    plan->totals[RSW_ITEM_LINK]++;
    if ((link->flags & RSW_MEMBER_BAD) != 0 &&
        rsw_plan_warn(plan, link->repo, link->blob, "layer link unreadable", err) != 0) {
        return -1;
    }
    enum rsw_why_step_kind kind = rsw_marker_link_step(marker, link);
    if (kind != 0) {
        bool young = kind == RSW_STEP_YOUNG_LINK || kind == RSW_STEP_YOUNG_UPLOAD;
        rsw_marker_see(marker, link->blob, young ? RSW_EVER_YOUNG : RSW_EVER_LIVE);
        *left = true;
        return 0;
    }
    struct rsw_condemned item = {.repo = link->repo,
                                 .blob = link->blob,
                                 .kind = RSW_ITEM_LINK,
                                 .reason = is_forgotten_link(marker, link) ? RSW_REASON_FORGOTTEN
                                                                           : RSW_REASON_UNREFERENCED};
    return rsw_plan_condemn(plan, item, NULL, err);
}

/* Nearly all are: nothing is odd about it, and a live manifest names it, which keeps its bytes too. */
static bool is_plainly_kept(const struct rsw_marker *marker, const struct rsw_members *links, uint32_t at) {
    return (rsw_members_flags(links, at) & (RSW_MEMBER_PRESENT | RSW_MEMBER_BAD)) == RSW_MEMBER_PRESENT &&
           rsw_marker_named(marker, rsw_members_blob(links, at));
}

static int plan_links(struct rsw_marker *marker, bool *left, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    for (size_t i = 0; i < view->link_count; i++) {
        const struct rsw_members *links = &view->links[i];
        for (uint32_t at = 0; at < links->count; at++) {
            if (is_plainly_kept(marker, links, at)) {
                marker->plan->totals[RSW_ITEM_LINK]++;
                *left = true;
                continue;
            }
            struct rsw_member link;
            rsw_members_get(links, at, &link);
            if (plan_link(marker, &link, left, err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

static int plan_uploads(struct rsw_marker *marker, bool *left, struct rsw_error *err) {
    const struct rsw_view *view = &marker->view;
    struct rsw_plan *plan = marker->plan;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_uploads(&iter, marker->txn, view->repo.id);
    struct rsw_upload upload;
    while (rsw_upload_next(&iter, &upload) == RSW_FOUND) {
        plan->totals[RSW_ITEM_UPLOAD]++;
        if (upload.started_ms == 0 &&
            rsw_plan_warn(plan, view->repo.id, 0,
                          "an upload without a readable startedat, and with it all layer links beside it",
                          err) != 0) {
            return -1;
        }
        if (!rsw_upload_stale(marker->options, &upload) || (view->repo.flags & RSW_REPO_ODD) != 0) {
            *left = true;
            continue;
        }
        struct rsw_condemned item = {
            .repo = view->repo.id, .size = upload.size, .kind = RSW_ITEM_UPLOAD, .reason = RSW_REASON_STALE};
        if (rsw_plan_condemn(plan, item, upload.id, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int warn_of_flags(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err) {
    static const struct {
        unsigned flag;
        const char *problem;
    } problems[] = {
        {RSW_REPO_ODD, "repository name breaks the grammar"},
        {RSW_REPO_UPLOADS_UNKNOWN, "uploads could not be read"},
        {RSW_REPO_LEFTOVER, "something lies in it that is nobody's: its folders stay"},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        if ((repo->flags & problems[i].flag) != 0 &&
            rsw_plan_warn(marker->plan, repo->id, 0, problems[i].problem, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int rsw_plan_repository(struct rsw_marker *marker, const struct rsw_repo *repo, struct rsw_error *err) {
    bool left = false;
    if (rsw_marker_repository(marker, repo, err) != 0 || plan_tags(marker, &left, err) != 0 ||
        plan_revisions(marker, &left, err) != 0 || plan_links(marker, &left, err) != 0 ||
        plan_uploads(marker, &left, err) != 0) {
        return -1;
    }
    if (warn_of_flags(marker, repo, err) != 0) {
        return -1;
    }
    if ((repo->flags & RSW_REPO_PRESENT) == 0) {
        return 0;
    }
    marker->plan->totals[RSW_ITEM_REPOSITORY]++;
    const unsigned keep = RSW_REPO_ODD | RSW_REPO_UPLOADS_UNKNOWN | RSW_REPO_LEFTOVER;
    bool stays = left || (repo->flags & keep) != 0 ||
                 (!marker->options->offline && rsw_is_young(marker->options, repo->first_seen_ms));
    if (stays) {
        return 0;
    }
    struct rsw_condemned item = {.repo = repo->id,
                                 .kind = RSW_ITEM_REPOSITORY,
                                 .reason = marker->view.forgotten ? RSW_REASON_FORGOTTEN : RSW_REASON_EMPTY};
    return rsw_plan_condemn(marker->plan, item, NULL, err);
}

/* What both threads have seen, in the array of the first. */
static void join_seen(struct rsw_marker *marker) {
    uint32_t *seen = marker->seen;
    const uint32_t *seen_by_second = marker->seen_by_second;
    size_t count = seen_by_second != NULL ? marker->blob_count : 0;
    for (size_t id = 0; id < count; id++) {
        seen[id] |= seen_by_second[id];
    }
    marker->seen_by_second = NULL;
}

/* 1: present, and nothing keeps it; else 0. */
static uint32_t is_unneeded(unsigned flags, uint32_t seen) {
    return (flags & RSW_BLOB_PRESENT) != 0 && (seen & RSW_EVER_LIVE) == 0 ? 1 : 0;
}

/* A blob that no repository has linked ages from when the index first saw it; with the registry stopped
 * nobody can be about to link it. */
static bool unlinked_young(const struct rsw_marker *marker, uint32_t seen, int64_t first_seen_ms) {
    return !marker->options->offline && (seen & RSW_EVER_LINKED) == 0 &&
           rsw_is_young(marker->options, first_seen_ms);
}

/* A present blob that no manifest and no pin keeps. */
static int plan_blob(struct rsw_marker *marker, uint32_t id, struct rsw_error *err) {
    const struct rsw_blobs *facts = &marker->facts[id / RSW_BLOBS_EACH];
    uint32_t seen = marker->seen[id];
    uint32_t i = id % RSW_BLOBS_EACH;
    if ((seen & RSW_EVER_YOUNG) != 0 || unlinked_young(marker, seen, rsw_blobs_first_seen_ms(facts, i))) {
        marker->plan->kept_in_grace++;
        return 0;
    }
    struct rsw_condemned item = {.blob = id,
                                 .size = rsw_blobs_size(facts, i),
                                 .types = rsw_blobs_types(facts, i),
                                 .kind = RSW_ITEM_BLOB,
                                 .reason = RSW_REASON_UNREFERENCED};
    return rsw_plan_condemn(marker->plan, item, NULL, err);
}

/* Writes down the unneeded ones of those from `first` on. No branch: which they are cannot be foretold. */
static size_t pick(const struct rsw_marker *marker, size_t first, uint32_t ids[PICK]) {
    size_t count = 0;
    size_t end = marker->blob_count - first < PICK ? marker->blob_count : first + PICK;
    for (size_t id = first; id < end; id++) {
        ids[count] = (uint32_t)id;
        count += is_unneeded(marker->flags[id], marker->seen[id]);
    }
    for (size_t i = 0; i < count; i++) {
        rsw_blobs_fetch(&marker->facts[ids[i] / RSW_BLOBS_EACH], ids[i] % RSW_BLOBS_EACH);
    }
    return count;
}

int rsw_plan_blobs(struct rsw_marker *marker, size_t others, struct rsw_error *err) {
    struct rsw_plan *plan = marker->plan;
    uint32_t unneeded = 0;
    join_seen(marker);
    for (size_t id = 1; id < marker->blob_count; id++) {
        unneeded += is_unneeded(marker->flags[id], marker->seen[id]);
    }
    if (rsw_plan_reserve(plan, unneeded + others, err) != 0) {
        return -1;
    }
    for (size_t first = 1; first < marker->blob_count; first += PICK) {
        uint32_t ids[PICK];
        size_t count = pick(marker, first, ids);
        for (size_t i = 0; i < count; i++) {
            if (plan_blob(marker, ids[i], err) != 0) {
                return -1;
            }
        }
    }
    plan->totals[RSW_ITEM_BLOB] = marker->blobs_present;
    plan->total_bytes = marker->bytes_present;
    plan->kept_blobs = marker->blobs_present - plan->counts[RSW_ITEM_BLOB];
    return 0;
}

int rsw_mark(struct rsw_plan *out, struct rsw_txn *txn, const struct rsw_mark_options *options,
             struct rsw_error *err) {
    *out = (struct rsw_plan){.seq = rsw_txn_seq(txn)};
    RSW_AUTO_MARKER marker = {.txn = NULL};
    if (rsw_marker_init(&marker, txn, options, err) != 0) {
        return -1;
    }
    marker.plan = out;
    if (rsw_plan_all(&marker, err) != 0) {
        rsw_plan_release(out);
        return -1;
    }
    return 0;
}
