/* What the policy says of the repository at hand. It lets tags go, and revisions: those that such tags point
 * at or once pointed at, those that a tag which stays pointed at too long ago, and those without a tag, where
 * the policy speaks of these; and with an index what it names. It keeps revisions, where a tag is to keep
 * some of what it pointed at. What it does not speak of is for the other rules; and nothing that these keep
 * goes for it. */
#include "gc/marker.h"
#include "util/grow.h"

#include <stdlib.h>

#define CHILDREN_DEPTH 2 /* indexes of indexes */

static int out_of_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while judging by the policy");
}

/* Of an index also when one of its children was: nodes ask for that of their own platform by its digest. */
static int64_t pulled_ms(struct rsw_marker *marker, uint32_t manifest, unsigned depth) {
    int64_t last_ms = 0;
    if (rsw_pull_get(marker->txn, marker->view.repo.id, manifest, &last_ms) != RSW_FOUND) {
        last_ms = 0;
    }
    const uint8_t *packed = rsw_marker_refs(marker, manifest);
    struct rsw_refs refs = packed != NULL ? rsw_refs_of(packed) : (struct rsw_refs){.count = 0};
    for (uint32_t i = 0; i < refs.count && depth > 0; i++) {
        if (rsw_refs_kind(&refs, i) == RSW_REF_CHILD) {
            int64_t child_ms = pulled_ms(marker, rsw_refs_child(&refs, i), depth - 1);
            last_ms = child_ms > last_ms ? child_ms : last_ms;
        }
    }
    return last_ms;
}

/* A tag was pushed when its head came into its history. */
static struct rsw_judged tag_to_judge(struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    const char *name = marker->view.names + tag->name;
    struct rsw_judged judged = {.name = name};
    struct rsw_history entry;
    if (tag->head != 0 &&
        rsw_history_get(marker->txn, marker->view.repo.id, name, tag->head, &entry) == RSW_FOUND) {
        judged.pushed_ms = entry.touched_ms;
        judged.pulled_ms = pulled_ms(marker, tag->head, CHILDREN_DEPTH);
    }
    return judged;
}

/* ---- tags ---- */

/* A weak tag follows its subject, and one that was forgotten goes: it takes no other's place. */
static bool is_judged(const struct rsw_marker *marker, const struct rsw_view_tag *tag) {
    return tag->subject == 0 && !rsw_marker_forgets(marker, tag);
}

/* A client was told that it is there. What is written down of a pull may be a step older than the last one.
 */
static bool is_pulled_within_grace(const struct rsw_marker *marker, const struct rsw_judged *tag) {
    return tag->pulled_ms != 0 && rsw_is_young(marker->options, tag->pulled_ms + RSW_PULL_STEP_MS);
}

static int judge_tags(struct rsw_marker *marker, const struct rsw_repository_rules *rules,
                      struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    struct rsw_judged *judged = calloc(view->tag_count + 1, sizeof *judged);
    size_t count = 0;
    if (judged == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < view->tag_count; i++) {
        if (is_judged(marker, &view->tags[i])) {
            judged[count++] = tag_to_judge(marker, &view->tags[i]);
        }
    }
    int rc = rsw_judge_tags(marker->options->policy, rules, &marker->judge, judged, count, err);
    count = 0;
    for (size_t i = 0; rc == 0 && i < view->tag_count; i++) {
        struct rsw_view_tag *tag = &view->tags[i];
        if (is_judged(marker, tag)) {
            tag->rule = judged[count].rule;
            tag->pushed_ms = judged[count].pushed_ms;
            tag->pulled_ms = judged[count].pulled_ms;
            tag->young = tag->young || is_pulled_within_grace(marker, &judged[count]);
            tag->ground = judged[count++].ground;
        }
    }
    free(judged);
    return rc;
}

/* ---- what tags pointed at ---- */

struct past {
    struct rsw_view_revision *revision;
    int64_t at_ms;
    bool head;
};

struct pasts {
    struct past *items; /* owned */
    size_t count, room;
};

static int head_then_latest(const void *a, const void *b) {
    const struct past *left = a;
    const struct past *right = b;
    if (left->head != right->head) {
        return left->head ? -1 : 1;
    }
    if (left->at_ms != right->at_ms) {
        return left->at_ms > right->at_ms ? -1 : 1;
    }
    return left->revision < right->revision ? -1 : left->revision > right->revision;
}

/* The head, and what came before it: the latest first. What is gone, or was forgotten, takes no other's
 * place. */
static int find_past(struct rsw_marker *marker, const struct rsw_view_tag *tag, struct pasts *pasts,
                     struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_history entry;
    pasts->count = 0;
    rsw_iter_history(&iter, marker->txn, view->repo.id, view->names + tag->name);
    while (rsw_history_next(&iter, &entry) == RSW_FOUND) {
        struct rsw_view_revision *revision = rsw_view_revision_of(view, entry.manifest);
        if (revision == NULL || (revision->flags & RSW_MEMBER_PRESENT) == 0 || revision->forgotten) {
            continue;
        }
        struct past *items = rsw_grown(pasts->items, &pasts->room, pasts->count + 1, sizeof *items);
        if (items == NULL) {
            return out_of_memory(err);
        }
        pasts->items = items;
        items[pasts->count++] = (struct past){
            .revision = revision, .at_ms = entry.touched_ms, .head = entry.manifest == tag->head};
    }
    if (pasts->count > 1) {
        qsort(pasts->items, pasts->count, sizeof *pasts->items, head_then_latest);
    }
    return 0;
}

/* Under whichever tag it was pushed last. */
static bool is_younger(struct rsw_marker *marker, const struct rsw_repository_rules *rules,
                       uint32_t manifest) {
    uint32_t repo = marker->view.repo.id;
    bool younger = false;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_history of;
    struct rsw_history entry;
    if (rules->younger_than_ms == 0) {
        return false;
    }
    rsw_iter_history_of(&iter, marker->txn, repo, manifest);
    while (!younger && rsw_history_of_next(&iter, &of) == RSW_FOUND) {
        younger = rsw_history_get(marker->txn, repo, of.tag, manifest, &entry) == RSW_FOUND &&
                  rsw_judge_is_younger(rules, &marker->judge, entry.touched_ms);
    }
    return younger;
}

static int judge_past(struct rsw_marker *marker, const struct rsw_repository_rules *rules,
                      const struct rsw_view_tag *tag, struct pasts *pasts, struct rsw_error *err) {
    if (find_past(marker, tag, pasts, err) != 0) {
        return -1;
    }
    size_t stay = rsw_marker_lets_go(marker, tag) ? 0 : tag->rule->revisions;
    for (size_t i = 0; i < pasts->count; i++) {
        const struct past *past = &pasts->items[i];
        bool newest = i < stay || (stay > 0 && past->at_ms == 0); /* in doubt it is one of them */
        if (newest || is_younger(marker, rules, past->revision->blob)) {
            past->revision->verdict = RSW_VERDICT_KEEP;
        } else if (past->revision->verdict != RSW_VERDICT_KEEP) { /* what one tag keeps stays */
            past->revision->verdict = RSW_VERDICT_LET_GO;
        }
    }
    return 0;
}

static int judge_pasts(struct rsw_marker *marker, const struct rsw_repository_rules *rules,
                       struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    struct pasts pasts = {.items = NULL};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < view->tag_count; i++) {
        const struct rsw_view_tag *tag = &view->tags[i];
        bool says = rsw_marker_lets_go(marker, tag) ||
                    (tag->rule != NULL && tag->rule->revisions > 0 && !rsw_tag_unsure(tag));
        rc = says ? judge_past(marker, rules, tag, &pasts, err) : 0;
    }
    free(pasts.items);
    return rc;
}

/* ---- revisions without a tag ---- */

/* Those that a tag has as its head, and the children of what is here, are not asked about. */
static void pass_over(struct rsw_marker *marker, bool *passed) {
    struct rsw_view *view = &marker->view;
    for (size_t i = 0; i < view->tag_count; i++) {
        const struct rsw_view_revision *head = rsw_view_find_revision(view, view->tags[i].head);
        if (head != NULL) {
            passed[head - view->revisions] = true;
        }
    }
    for (size_t i = 0; i < view->revision_count; i++) {
        const uint8_t *packed = rsw_marker_refs(marker, view->revisions[i].blob);
        if (packed == NULL || (view->revisions[i].flags & RSW_MEMBER_PRESENT) == 0) {
            continue;
        }
        struct rsw_refs refs = rsw_refs_of(packed);
        for (uint32_t at = 0; at < refs.count; at++) {
            const struct rsw_view_revision *child =
                rsw_refs_kind(&refs, at) == RSW_REF_SUBJECT
                    ? NULL
                    : rsw_view_find_revision(view, rsw_refs_child(&refs, at));
            if (child != NULL) {
                passed[child - view->revisions] = true;
            }
        }
    }
}

static bool is_asked_about(const struct rsw_view_revision *revision) {
    return (revision->flags & RSW_MEMBER_PRESENT) != 0 && !revision->follower && !revision->forgotten &&
           revision->verdict == RSW_VERDICT_NONE;
}

static int judge_listed(struct rsw_marker *marker, const struct rsw_repository_rules *rules,
                        const bool *passed, struct rsw_judged *judged, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    size_t count = 0;
    for (size_t i = 0; i < view->revision_count; i++) {
        const struct rsw_view_revision *revision = &view->revisions[i];
        if (is_asked_about(revision) && !passed[i]) {
            judged[count++] =
                (struct rsw_judged){.pushed_ms = revision->touched_ms,
                                    .pulled_ms = pulled_ms(marker, revision->blob, CHILDREN_DEPTH)};
        }
    }
    if (rsw_judge_untagged(rules, &marker->judge, judged, count, err) != 0) {
        return -1;
    }
    count = 0;
    for (size_t i = 0; i < view->revision_count; i++) {
        struct rsw_view_revision *revision = &view->revisions[i];
        if (is_asked_about(revision) && !passed[i]) {
            revision->verdict =
                judged[count++].ground == RSW_GROUND_LET_GO ? RSW_VERDICT_LET_GO : RSW_VERDICT_KEEP;
        }
    }
    return 0;
}

static int judge_untagged(struct rsw_marker *marker, const struct rsw_repository_rules *rules,
                          struct rsw_error *err) {
    size_t room = marker->view.revision_count + 1;
    bool *passed = calloc(room, sizeof *passed);
    struct rsw_judged *judged = calloc(room, sizeof *judged);
    int rc = -1;
    if (passed == NULL || judged == NULL) {
        out_of_memory(err);
    } else {
        pass_over(marker, passed);
        rc = judge_listed(marker, rules, passed, judged, err);
    }
    free(passed);
    free(judged);
    return rc;
}

/* ---- what indexes name ---- */

/* What an index that goes names goes with it, unless it was judged for itself. One that stays keeps it. */
static int let_children_go(struct rsw_marker *marker, struct rsw_error *err) {
    struct rsw_view *view = &marker->view;
    size_t count = 0;
    uint32_t *stack = rsw_grown(view->stack, &view->stack_room, view->revision_count + 1, sizeof *stack);
    if (stack == NULL) {
        return out_of_memory(err);
    }
    view->stack = stack; /* not in use before the marking begins */
    for (size_t i = 0; i < view->revision_count; i++) {
        if (view->revisions[i].verdict == RSW_VERDICT_LET_GO) {
            stack[count++] = (uint32_t)i;
        }
    }
    while (count > 0) {
        const uint8_t *packed = rsw_marker_refs(marker, view->revisions[stack[--count]].blob);
        struct rsw_refs refs = packed != NULL ? rsw_refs_of(packed) : (struct rsw_refs){.count = 0};
        for (uint32_t i = 0; i < refs.count; i++) {
            struct rsw_view_revision *child = rsw_refs_kind(&refs, i) == RSW_REF_CHILD
                                                  ? rsw_view_revision_of(view, rsw_refs_child(&refs, i))
                                                  : NULL;
            if (child != NULL && child->verdict == RSW_VERDICT_NONE) {
                child->verdict = RSW_VERDICT_LET_GO;
                stack[count++] = (uint32_t)(child - view->revisions); /* each once: there is room */
            }
        }
    }
    return 0;
}

int rsw_view_judge(struct rsw_marker *marker, struct rsw_error *err) {
    const struct rsw_policy *policy = marker->options->policy;
    const struct rsw_repository_rules *rules =
        policy != NULL ? rsw_policy_find(policy, marker->view.repo.name) : NULL;
    if (rules == NULL) {
        return 0;
    }
    return judge_tags(marker, rules, err) != 0 || judge_pasts(marker, rules, err) != 0 ||
                   (rules->untagged_said && judge_untagged(marker, rules, err) != 0) ||
                   let_children_go(marker, err) != 0
               ? -1
               : 0;
}
