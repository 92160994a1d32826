/* Why: marks again, this time noting for every blob what kept it first, and follows the notes back. */
#include "gc/why.h"

#include "gc/marker.h"

#include <stdlib.h>
#include <string.h>

/* What keeps a blob in the repository at hand; kind 0: nothing. */
static struct rsw_cause cause_of(const struct rsw_marker *marker, uint32_t blob) {
    if (rsw_marker_manifest_live(marker, blob)) {
        return marker->trace->manifest[blob];
    }
    if (rsw_marker_named(marker, blob)) {
        return marker->trace->named[blob];
    }
    struct rsw_member link;
    return rsw_view_find_link(&marker->view, blob, &link) ? rsw_marker_link_cause(marker, &link)
                                                          : (struct rsw_cause){0};
}

static const char *who(const struct rsw_pin *pin) {
    return pin != NULL ? pin->why : NULL;
}

static void add_step(struct rsw_why *out, const struct rsw_marker *marker, struct rsw_cause cause,
                     uint32_t blob) {
    struct rsw_why_step *step = &out->steps[out->step_count++];
    *step = (struct rsw_why_step){
        .kind = (enum rsw_why_step_kind)cause.kind,
        .repo = marker->view.repo.id,
        .blob = blob,
        .ref_kind = (enum rsw_ref_kind)cause.ref_kind,
        .pinned_by = who(rsw_marker_pin(marker, cause.pin)),
    };
    const char *tag = marker->view.names + cause.tag;
    size_t len = strnlen(tag, sizeof step->tag - 1);
    memcpy(step->tag, tag, len);
}

static void follow_back(struct rsw_why *out, const struct rsw_marker *marker, struct rsw_cause cause,
                        uint32_t blob) {
    add_step(out, marker, cause, blob);
    while (cause.from != 0 && out->step_count < RSW_WHY_STEPS_MAX) {
        blob = cause.from;
        cause = cause_of(marker, blob);
        if (cause.kind == 0) {
            break;
        }
        add_step(out, marker, cause, blob);
    }
    for (size_t i = 0, j = out->step_count - 1; i < j; i++, j--) {
        struct rsw_why_step swap = out->steps[i];
        out->steps[i] = out->steps[j];
        out->steps[j] = swap;
    }
}

/* The reason for which this repository would let it go, if it has it; UNREFERENCED is the weakest. */
static enum rsw_reason reason_here(const struct rsw_marker *marker, uint32_t blob) {
    const struct rsw_view_revision *revision = rsw_view_find_revision(&marker->view, blob);
    if (revision == NULL || (revision->flags & RSW_MEMBER_PRESENT) == 0) {
        return RSW_REASON_UNREFERENCED;
    }
    return rsw_marker_revision_reason(marker, revision);
}

static bool has_record(const struct rsw_marker *marker, uint32_t blob) {
    struct rsw_member link;
    return rsw_view_find_revision(&marker->view, blob) != NULL ||
           rsw_view_find_link(&marker->view, blob, &link);
}

/* True if the repository at hand knows the blob at all. */
static bool ask_repository(struct rsw_why *out, const struct rsw_marker *marker) {
    uint32_t blob = out->blob.id;
    struct rsw_cause cause = cause_of(marker, blob);
    if (cause.kind == 0) {
        enum rsw_reason reason = reason_here(marker, blob);
        if (out->reason == 0 || reason != RSW_REASON_UNREFERENCED) {
            out->reason = reason;
        }
        return has_record(marker, blob);
    }
    if (out->verdict == RSW_WHY_KEPT) {
        out->also_repos++;
    } else {
        out->verdict = RSW_WHY_KEPT;
        follow_back(out, marker, cause, blob);
    }
    return true;
}

static int ask_repositories(struct rsw_why *out, struct rsw_marker *marker, const char *name, bool *seen,
                            struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_repos(&iter, marker->txn);
    struct rsw_repo repo;
    while (rsw_repo_next(&iter, &repo) == RSW_FOUND) {
        if (name != NULL && strcmp(name, repo.name) != 0) {
            continue;
        }
        if (rsw_marker_repository(marker, &repo, err) != 0) {
            return -1;
        }
        *seen = ask_repository(out, marker) || *seen;
    }
    return rsw_txn_failed(marker->txn, err) ? -1 : 0;
}

static const struct rsw_pin *pin_of(const struct rsw_marker *marker, const struct rsw_digest *digest) {
    for (size_t i = 0; i < marker->pin_count; i++) {
        if (marker->pins[i].tag == NULL && rsw_digest_equal(&marker->pins[i].digest, digest)) {
            return &marker->pins[i];
        }
    }
    return NULL;
}

/* What keeps bytes that no repository keeps. */
static void ask_globally(struct rsw_why *out, const struct rsw_marker *marker) {
    struct rsw_cause cause = {0};
    unsigned seen = rsw_marker_seen(marker, out->blob.id);
    if ((seen & RSW_EVER_LIVE) != 0) {
        cause.kind = RSW_STEP_PIN;
    } else if (!marker->options->offline && (seen & RSW_EVER_LINKED) == 0 &&
               rsw_is_young(marker->options, out->blob.first_seen_ms)) {
        cause.kind = RSW_STEP_YOUNG_BLOB;
    }
    if (cause.kind != 0) {
        out->verdict = RSW_WHY_KEPT;
        out->steps[out->step_count++] = (struct rsw_why_step){
            .kind = (enum rsw_why_step_kind)cause.kind,
            .blob = out->blob.id,
            .pinned_by = cause.kind == RSW_STEP_PIN ? who(pin_of(marker, &out->blob.digest)) : NULL};
    }
}

static int ask(struct rsw_why *out, struct rsw_marker *marker, const char *repo, struct rsw_error *err) {
    bool seen = false;
    if (ask_repositories(out, marker, repo, &seen, err) != 0) {
        return -1;
    }
    if (repo != NULL && !seen) {
        return 0; /* unknown to that repository */
    }
    if (out->verdict != RSW_WHY_KEPT && repo == NULL) {
        ask_globally(out, marker);
    }
    if ((out->blob.flags & RSW_BLOB_PRESENT) == 0) {
        out->verdict = RSW_WHY_ABSENT;
    } else if (out->verdict != RSW_WHY_KEPT) {
        out->verdict = RSW_WHY_LET_GO;
        if (out->reason == 0) {
            out->reason = RSW_REASON_UNREFERENCED;
        }
    }
    return 0;
}

/* What open generations took of it, and bytes that are held. */
static int ask_quarantine(struct rsw_why *out, struct rsw_txn *txn, const char *name, struct rsw_error *err) {
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count = rsw_generations_open(txn, ids, RSW_GENERATIONS_OPEN_MAX);
    struct rsw_repo repo = {.id = 0};
    struct rsw_held held;
    if (name != NULL && rsw_repo_find(txn, name, &repo) != RSW_FOUND) {
        return rsw_txn_failed(txn, err) ? -1 : 0;
    }
    if (rsw_held_get(txn, out->blob.id, &held) == RSW_FOUND) {
        out->aside_bytes = held.generation;
    }
    for (size_t i = 0; i < count; i++) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_item item;
        rsw_iter_items(&iter, txn, ids[i], 0);
        while (rsw_item_next(&iter, &item) == RSW_FOUND) {
            bool link = item.kind == RSW_ITEM_LINK || item.kind == RSW_ITEM_REVISION;
            if (item.blob != out->blob.id || item.state != RSW_ITEM_ASIDE ||
                (item.flags & RSW_ITEM_TOUCHED) != 0) {
                continue;
            }
            if (item.kind == RSW_ITEM_BLOB) {
                out->aside_bytes = item.generation;
            } else if (link && (repo.id == 0 || item.repo == repo.id)) {
                out->aside_links = item.generation;
            }
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_why(struct rsw_why *out, struct rsw_txn *txn, const struct rsw_mark_options *options,
            const char *repo, const struct rsw_digest *digest, struct rsw_error *err) {
    *out = (struct rsw_why){.verdict = RSW_WHY_UNKNOWN};
    switch (rsw_blob_find(txn, digest, &out->blob)) {
    case RSW_FAILED:
        rsw_txn_failed(txn, err);
        return -1;
    case RSW_ABSENT:
        return 0;
    default:
        break;
    }
    RSW_AUTO_MARKER marker = {.txn = NULL};
    if (rsw_marker_init(&marker, txn, options, err) != 0) {
        return -1;
    }
    struct rsw_trace trace = {
        .manifest = calloc(marker.blob_count + (size_t)1, sizeof *trace.manifest),
        .named = calloc(marker.blob_count + (size_t)1, sizeof *trace.named),
    };
    int rc = -1;
    if (trace.manifest == NULL || trace.named == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while marking");
    } else {
        marker.trace = &trace;
        rc = ask(out, &marker, repo, err) == 0 ? ask_quarantine(out, txn, repo, err) : -1;
    }
    free(trace.manifest);
    free(trace.named);
    return rc;
}

static void ask_tag(struct rsw_why_tag *out, const struct rsw_marker *marker, const char *name) {
    const struct rsw_view_tag *tag = rsw_view_find_tag(&marker->view, name);
    if (tag == NULL) {
        return;
    }
    out->head = tag->head;
    out->verdict = rsw_marker_tag_live(marker, tag) ? RSW_WHY_KEPT : RSW_WHY_LET_GO;
    if (out->verdict == RSW_WHY_LET_GO) {
        out->reason = rsw_tag_reason(tag);
    }
}

int rsw_why_tag(struct rsw_why_tag *out, struct rsw_txn *txn, const struct rsw_mark_options *options,
                const char *repo, const char *tag, struct rsw_error *err) {
    struct rsw_repo found;
    *out = (struct rsw_why_tag){.verdict = RSW_WHY_UNKNOWN};
    switch (rsw_repo_find(txn, repo, &found)) {
    case RSW_FAILED:
        rsw_txn_failed(txn, err);
        return -1;
    case RSW_ABSENT:
        return 0;
    default:
        break;
    }
    RSW_AUTO_MARKER marker = {.txn = NULL};
    if (rsw_marker_init(&marker, txn, options, err) != 0 ||
        rsw_marker_repository(&marker, &found, err) != 0) {
        return -1;
    }
    ask_tag(out, &marker, tag);
    return 0;
}
