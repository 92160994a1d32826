#include "gc/explain.h"

#include "gc/marker.h"
#include "util/bitmap.h"
#include "util/grow.h"

#include <stdlib.h>
#include <string.h>

/* How many images that are let go have a blob. */
enum { NOBODY = 0, ONE = 1, SEVERAL = 2 };

struct explaining {
    struct rsw_explain *out;
    struct rsw_marker marker;
    struct rsw_plan plan;
    uint8_t *users;         /* owned; by blob id */
    uint64_t *sizes;        /* owned; by blob id: what goes, else 0 */
    struct rsw_bitmap seen; /* owned: of the image at hand */
    uint32_t *images;       /* owned: heads that are let go, sorted, each once */
    size_t image_count, image_room;
    uint32_t *stack; /* owned */
    size_t stack_count, stack_room;
    struct rsw_error *err;
};

static void release(struct explaining *e) {
    rsw_marker_release(&e->marker);
    rsw_plan_release(&e->plan);
    rsw_bitmap_release(&e->seen);
    free(e->users);
    free(e->sizes);
    free(e->images);
    free(e->stack);
}

static int out_of_memory(struct explaining *e) {
    return rsw_error_set(e->err, RSW_ENOMEM, 0, "out of memory while explaining the policy");
}

/* ---- images ---- */

static int push(struct explaining *e, uint32_t blob) {
    if (blob >= e->marker.blob_count || rsw_bitmap_has(&e->seen, blob)) {
        return 0;
    }
    uint32_t *stack = rsw_grown(e->stack, &e->stack_room, e->stack_count + 1, sizeof *stack);
    if (stack == NULL) {
        return out_of_memory(e);
    }
    e->stack = stack;
    stack[e->stack_count++] = blob;
    rsw_bitmap_add(&e->seen, blob);
    return 0;
}

/* All blobs that an image has, each once; they stay in e->stack. */
static int collect(struct explaining *e, uint32_t head) {
    e->stack_count = 0;
    if (push(e, head) != 0) {
        return -1;
    }
    for (size_t i = 0; i < e->stack_count; i++) {
        const uint8_t *packed = rsw_marker_refs(&e->marker, e->stack[i]);
        struct rsw_refs refs = packed != NULL ? rsw_refs_of(packed) : (struct rsw_refs){.count = 0};
        for (uint32_t at = 0; at < refs.count; at++) {
            if (rsw_refs_kind(&refs, at) != RSW_REF_SUBJECT && push(e, rsw_refs_child(&refs, at)) != 0) {
                return -1;
            }
        }
    }
    for (size_t i = 0; i < e->stack_count; i++) {
        rsw_bitmap_drop(&e->seen, e->stack[i]);
    }
    return 0;
}

static int count_users(struct explaining *e) {
    for (size_t i = 0; i < e->image_count; i++) {
        if (collect(e, e->images[i]) != 0) {
            return -1;
        }
        for (size_t at = 0; at < e->stack_count; at++) {
            uint8_t *users = &e->users[e->stack[at]];
            *users = *users == NOBODY ? ONE : SEVERAL;
        }
    }
    return 0;
}

static int add_image(struct explaining *e, uint32_t head) {
    uint32_t *images = rsw_grown(e->images, &e->image_room, e->image_count + 1, sizeof *images);
    if (images == NULL) {
        return out_of_memory(e);
    }
    e->images = images;
    images[e->image_count++] = head;
    return 0;
}

static int by_id(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* Whoever has an index has its children. */
static bool is_child(struct explaining *e, uint32_t blob) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t parent;
    enum rsw_ref_kind kind;
    rsw_iter_named_by(&iter, e->marker.txn, blob);
    while (rsw_named_by_next(&iter, &parent, &kind) == RSW_FOUND) {
        if (kind == RSW_REF_CHILD) {
            return true;
        }
    }
    return false;
}

/* Somebody wants it gone: the policy, or whoever had it forgotten. */
static bool is_image(struct explaining *e, const struct rsw_condemned *item) {
    return (item->reason == RSW_REASON_POLICY || item->reason == RSW_REASON_FORGOTTEN) &&
           (item->kind == RSW_ITEM_TAG || (item->kind == RSW_ITEM_REVISION && !is_child(e, item->blob)));
}

/* What the plan lets go: images are the heads of tags, and revisions. */
static int read_plan(struct explaining *e) {
    for (size_t i = 0; i < e->plan.count; i++) {
        const struct rsw_condemned *item = &e->plan.condemned[i];
        if (item->kind == RSW_ITEM_BLOB && item->blob < e->marker.blob_count) {
            e->sizes[item->blob] = item->size;
        } else if (is_image(e, item) && add_image(e, item->blob) != 0) {
            return -1;
        }
        bool by_policy = item->kind == RSW_ITEM_REVISION && item->reason == RSW_REASON_POLICY;
        e->out->revisions_let_go += by_policy ? 1 : 0;
    }
    if (e->image_count > 1) {
        qsort(e->images, e->image_count, sizeof *e->images, by_id);
    }
    size_t kept = 0;
    for (size_t i = 0; i < e->image_count; i++) {
        if (kept == 0 || e->images[kept - 1] != e->images[i]) {
            e->images[kept++] = e->images[i];
        }
    }
    e->image_count = kept;
    return 0;
}

/* ---- telling ---- */

static int stopped(struct explaining *e) {
    return rsw_error_set(e->err, RSW_ESTOPPED, 0, "stopped");
}

static int weigh(struct explaining *e, struct rsw_explained_tag *tag, uint32_t head) {
    if (collect(e, head) != 0) {
        return -1;
    }
    for (size_t i = 0; i < e->stack_count; i++) {
        uint32_t blob = e->stack[i];
        *(e->users[blob] == ONE ? &tag->exclusive : &tag->shared) += e->sizes[blob];
    }
    return 0;
}

static const char *kept_by(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    static const char *const names[] = {
        [RSW_STAY_PIN] = "pin", [RSW_STAY_GRACE] = "grace", [RSW_STAY_DOUBT] = "doubt"};
    return tag->ground == RSW_GROUND_LET_GO ? names[rsw_marker_stay(marker, tag)] : NULL;
}

static int tell_tag(struct explaining *e, const struct rsw_view_tag *tag) {
    struct rsw_explained_tag told = {.name = e->marker.view.names + tag->name,
                                     .rule = tag->rule,
                                     .ground = tag->ground,
                                     .kept = !rsw_marker_lets_go(&e->marker, tag),
                                     .kept_by = kept_by(&e->marker, tag),
                                     .forgotten = rsw_marker_forgets(&e->marker, tag),
                                     .pushed_ms = tag->pushed_ms,
                                     .pulled_ms = tag->pulled_ms};
    struct rsw_digest digest;
    if (tag->head != 0 && rsw_blob_digest(e->marker.txn, tag->head, &digest) == RSW_FOUND) {
        told.digest = &digest;
    }
    bool goes = !told.kept || told.forgotten;
    if (goes && weigh(e, &told, tag->head) != 0) {
        return -1;
    }
    e->out->tags++;
    e->out->tags_let_go += goes ? 1 : 0;
    return e->out->on_tag(e->out->arg, &told) != 0 ? stopped(e) : 0;
}

static int tell_repo(struct explaining *e, const struct rsw_repository_rules *rules) {
    const struct rsw_view *view = &e->marker.view;
    struct rsw_explained_repo told = {.name = view->repo.name, .rules = rules};
    for (size_t i = 0; i < view->tag_count; i++) {
        told.tags += view->tags[i].subject == 0 ? 1 : 0;
    }
    for (size_t i = 0; i < view->revision_count; i++) {
        if ((view->revisions[i].flags & RSW_MEMBER_PRESENT) != 0) {
            bool live = rsw_marker_manifest_live(&e->marker, view->revisions[i].blob);
            (*(live ? &told.revisions_kept : &told.revisions_let_go))++;
        }
    }
    e->out->repos++;
    if (e->out->on_repo(e->out->arg, &told) != 0) {
        return stopped(e);
    }
    for (size_t i = 0; i < view->tag_count; i++) {
        if (view->tags[i].subject == 0 && tell_tag(e, &view->tags[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int tell_all(struct explaining *e) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_repo repo;
    rsw_iter_repo_names(&iter, e->marker.txn);
    while (rsw_repo_name_next(&iter, &repo) == RSW_FOUND) {
        const struct rsw_repository_rules *rules = rsw_policy_find(e->marker.options->policy, repo.name);
        if (rules == NULL || (repo.flags & RSW_REPO_PRESENT) == 0 ||
            (e->out->repo != NULL && strcmp(e->out->repo, repo.name) != 0)) {
            continue;
        }
        if (rsw_marker_repository(&e->marker, &repo, e->err) != 0 || tell_repo(e, rules) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(e->marker.txn, e->err) ? -1 : 0;
}

static int prepare(struct explaining *e, struct rsw_txn *txn, const struct rsw_mark_options *options) {
    if (rsw_marker_init(&e->marker, txn, options, e->err) != 0) {
        return -1;
    }
    e->users = calloc(e->marker.blob_count + (size_t)1, sizeof *e->users);
    e->sizes = calloc(e->marker.blob_count + (size_t)1, sizeof *e->sizes);
    if (e->users == NULL || e->sizes == NULL || !rsw_bitmap_init(&e->seen, e->marker.blob_count)) {
        out_of_memory(e);
        return -1;
    }
    return 0;
}

int rsw_explain(struct rsw_explain *explain, struct rsw_txn *txn, const struct rsw_mark_options *options,
                struct rsw_error *err) {
    struct explaining e = {.out = explain, .err = err};
    if (rsw_mark(&e.plan, txn, options, err) != 0) {
        return -1;
    }
    explain->blobs = e.plan.counts[RSW_ITEM_BLOB];
    explain->bytes = e.plan.bytes;
    int rc = prepare(&e, txn, options) != 0 || read_plan(&e) != 0 || count_users(&e) != 0 || tell_all(&e) != 0
                 ? -1
                 : 0;
    release(&e);
    return rc;
}
