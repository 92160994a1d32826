#include <regsweep/verify.h>

#include "index/index.h"
#include "scan/look.h"
#include "storage/layout.h"
#include "storage/storage.h"
#include "util/bitmap.h"

#include <stdlib.h>
#include <string.h>

#define LOOKS 1000

const char *rsw_finding_name(enum rsw_finding_kind kind) {
    static const char *const names[RSW_FINDING_KINDS] = {
        "?", "missing_bytes", "wrong_size", "missing_link", "dangling_link", "broken_image", "unreadable"};
    return kind > 0 && kind < RSW_FINDING_KINDS ? names[kind] : names[0];
}

struct verifier {
    struct rsw_txn *txn;
    struct rsw_storage *storage;
    const struct rsw_verify_options *options;
    struct rsw_verify_result *result;
    struct rsw_error *err;
    struct rsw_bitmap there;   /* blobs whose bytes storage has */
    struct rsw_bitmap wrong;   /* of these: in another number than the index knows */
    struct rsw_bitmap unknown; /* storage could not tell */
    uint64_t done, total;
    /* A batch of looks: */
    struct rsw_look looks[LOOKS];
    char keys[LOOKS][RSW_KEY_MAX];
    struct rsw_blob blobs[LOOKS];
    size_t count;
    /* Images of which the manifests are to be read: */
    uint32_t images[RSW_LOOK_MANIFESTS_MAX];
    struct rsw_seen_manifest seen[RSW_LOOK_MANIFESTS_MAX];
    size_t image_count;
};

static int tell(struct verifier *v, const struct rsw_finding *finding) {
    v->result->findings[finding->kind]++;
    v->result->total++;
    if (v->options->finding != NULL && v->options->finding(v->options->arg, finding) != 0) {
        return rsw_error_set(v->err, RSW_ESTOPPED, 0, "stopped");
    }
    return 0;
}

static int look_batch(struct verifier *v) {
    rsw_storage_look(v->storage, v->looks, v->count);
    v->done += v->count;
    if (v->options->progress != NULL) {
        v->options->progress(v->options->arg, v->done, v->total);
    }
    if (v->options->stopped != NULL && v->options->stopped(v->options->arg)) {
        return rsw_error_set(v->err, RSW_ESTOPPED, 0, "stopped");
    }
    return 0;
}

/* ---- bytes ---- */

static int judge_blob(struct verifier *v, const struct rsw_blob *blob, const struct rsw_look *look) {
    struct rsw_finding finding = {.digest = &blob->digest};
    if (look->answer == RSW_ABSENT) {
        if ((blob->flags & RSW_BLOB_PRESENT) == 0) {
            return 0; /* known to be missing: told where an image needs it */
        }
        finding.kind = RSW_FINDING_MISSING_BYTES;
        finding.problem = "the index has it, storage has not";
        return tell(v, &finding);
    }
    if (look->answer == RSW_FAILED || look->kind != RSW_ENTRY_FILE) {
        rsw_bitmap_add(&v->unknown, blob->id);
        finding.kind = RSW_FINDING_UNREADABLE;
        finding.problem = look->answer == RSW_FAILED ? rsw_storage_reason(look->errnum) : "not a file";
        return tell(v, &finding);
    }
    rsw_bitmap_add(&v->there, blob->id);
    if ((blob->flags & RSW_BLOB_PRESENT) != 0 && blob->size != look->size) {
        rsw_bitmap_add(&v->wrong, blob->id);
        finding.kind = RSW_FINDING_WRONG_SIZE;
        finding.problem = "storage has another number of bytes";
        return tell(v, &finding);
    }
    return 0;
}

static int judge_blobs(struct verifier *v) {
    if (look_batch(v) != 0) {
        return -1;
    }
    for (size_t i = 0; i < v->count; i++) {
        v->result->blobs++;
        if (judge_blob(v, &v->blobs[i], &v->looks[i]) != 0) {
            return -1;
        }
    }
    v->count = 0;
    return 0;
}

static int verify_blobs(struct verifier *v) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_blobs(&iter, v->txn);
    while (rsw_blob_next(&iter, &v->blobs[v->count]) == RSW_FOUND) {
        v->looks[v->count] =
            (struct rsw_look){.key = rsw_key_blob(v->keys[v->count], &v->blobs[v->count].digest)};
        if (++v->count == LOOKS && judge_blobs(v) != 0) {
            return -1;
        }
    }
    return judge_blobs(v);
}

/* ---- links and revisions ---- */

struct holding { /* of a batch of members */
    struct rsw_member members[LOOKS];
    enum rsw_member_kind kind;
    struct rsw_repo repo;
};

static int judge_member(struct verifier *v, const struct holding *holding, size_t i) {
    const struct rsw_member *member = &holding->members[i];
    const struct rsw_look *look = &v->looks[i];
    struct rsw_finding finding = {.repo = holding->repo.name, .digest = &v->blobs[i].digest};
    if (look->answer == RSW_ABSENT) {
        finding.kind = RSW_FINDING_MISSING_LINK;
        finding.problem =
            holding->kind == RSW_LINK ? "layer link missing in storage" : "revision missing in storage";
        return tell(v, &finding);
    }
    if (look->answer == RSW_FAILED || look->kind != RSW_ENTRY_FILE || (member->flags & RSW_MEMBER_BAD) != 0) {
        finding.kind = RSW_FINDING_UNREADABLE;
        finding.problem = look->answer == RSW_FAILED  ? rsw_storage_reason(look->errnum)
                          : holding->kind == RSW_LINK ? "layer link damaged"
                                                      : "revision link damaged";
        return tell(v, &finding);
    }
    uint32_t target = member->target != 0 ? member->target : member->blob;
    if (holding->kind == RSW_LINK && !rsw_bitmap_has(&v->there, target) &&
        !rsw_bitmap_has(&v->unknown, target)) {
        finding.kind = RSW_FINDING_DANGLING_LINK;
        finding.problem = "a layer link without bytes behind it";
        return tell(v, &finding);
    }
    return 0;
}

static int judge_members(struct verifier *v, const struct holding *holding) {
    if (look_batch(v) != 0) {
        return -1;
    }
    for (size_t i = 0; i < v->count; i++) {
        v->result->links++;
        if (judge_member(v, holding, i) != 0) {
            return -1;
        }
    }
    v->count = 0;
    return 0;
}

static int verify_members(struct verifier *v, struct holding *holding) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, v->txn, holding->kind, holding->repo.id);
    struct rsw_member *member = &holding->members[v->count];
    while (rsw_member_next(&iter, member) == RSW_FOUND) {
        if ((member->flags & RSW_MEMBER_PRESENT) == 0 ||
            rsw_blob_get(v->txn, member->blob, &v->blobs[v->count]) != RSW_FOUND) {
            continue;
        }
        const struct rsw_digest *digest = &v->blobs[v->count].digest;
        v->looks[v->count].key = holding->kind == RSW_LINK
                                     ? rsw_key_layer_link(v->keys[v->count], holding->repo.name, digest)
                                     : rsw_key_revision_link(v->keys[v->count], holding->repo.name, digest);
        if (++v->count == LOOKS && judge_members(v, holding) != 0) {
            return -1;
        }
        member = &holding->members[v->count];
    }
    return judge_members(v, holding);
}

/* ---- images ---- */

/* A tag that points at this revision, for the reader's sake. */
static const char *tag_of(struct verifier *v, uint32_t repo, uint32_t manifest, struct rsw_tag *tag) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_history_of(&iter, v->txn, repo, manifest);
    struct rsw_history history;
    while (rsw_history_of_next(&iter, &history) == RSW_FOUND) {
        if (rsw_tag_get(v->txn, repo, history.tag, tag) == RSW_FOUND && tag->head == manifest) {
            return tag->name;
        }
    }
    return NULL;
}

/* The registry gives out a blob through a layer link alone; a manifest through a revision too. */
static bool linked_here(struct verifier *v, uint32_t repo, uint32_t blob, enum rsw_ref_kind kind) {
    struct rsw_member member;
    bool blob_only = kind == RSW_REF_CONFIG || kind == RSW_REF_LAYER;
    return (rsw_member_get(v->txn, RSW_LINK, repo, blob, &member) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) != 0) ||
           (!blob_only && rsw_member_get(v->txn, RSW_REVISION, repo, blob, &member) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) != 0);
}

/* Are these bytes of another number than `promised`, which the manifest says (0: it does not)? Where a scan
 * has seen them cut short, the index knows them as storage has them. */
static bool is_short(struct verifier *v, uint32_t bytes, uint64_t promised) {
    struct rsw_blob blob;
    return rsw_bitmap_has(&v->wrong, bytes) ||
           (promised != 0 && rsw_blob_get(v->txn, bytes, &blob) == RSW_FOUND &&
            (blob.flags & RSW_BLOB_PRESENT) != 0 && blob.size != promised);
}

/* What is wrong with one part of an image; NULL if nothing, or if nobody can say. */
static const char *part_problem(struct verifier *v, uint32_t repo, uint32_t child,
                                const struct rsw_ref *ref) {
    struct rsw_member link;
    uint32_t bytes = child;
    if (rsw_member_get(v->txn, RSW_LINK, repo, child, &link) == RSW_FOUND && link.target != 0) {
        bytes = link.target; /* an alias */
    }
    if (rsw_bitmap_has(&v->unknown, bytes)) {
        return NULL;
    }
    if (!rsw_bitmap_has(&v->there, bytes)) {
        return "needs bytes that storage does not have";
    }
    if (is_short(v, bytes, ref->size)) {
        return "needs bytes of which storage has another number";
    }
    return linked_here(v, repo, child, (enum rsw_ref_kind)ref->kind)
               ? NULL
               : "needs a blob that is not linked in its repository";
}

/* Of what the manifest names, the first part that is not as it says. */
static const char *parts_problem(struct verifier *v, uint32_t repo, const struct rsw_manifest *manifest,
                                 const struct rsw_digest **needs) {
    for (size_t i = 0; i < manifest->ref_count; i++) {
        const struct rsw_ref *ref = &manifest->refs[i];
        bool part = ref->kind == RSW_REF_CONFIG || ref->kind == RSW_REF_LAYER || ref->kind == RSW_REF_CHILD;
        struct rsw_blob child;
        *needs = &ref->digest;
        if (part && rsw_blob_find(v->txn, &ref->digest, &child) == RSW_FOUND) {
            const char *problem = part_problem(v, repo, child.id, ref);
            if (problem != NULL) {
                return problem;
            }
        }
    }
    *needs = NULL;
    return NULL;
}

/* One finding an image. */
static int judge_image(struct verifier *v, const struct rsw_repo *repo, uint32_t manifest,
                       const struct rsw_seen_manifest *seen) {
    struct rsw_blob blob;
    struct rsw_tag tag;
    if (rsw_blob_get(v->txn, manifest, &blob) != RSW_FOUND) {
        return 0; /* the transaction's error tells */
    }
    v->result->images++;
    struct rsw_finding finding = {
        .repo = repo->name, .digest = &blob.digest, .kind = RSW_FINDING_BROKEN_IMAGE};
    if (rsw_bitmap_has(&v->unknown, manifest)) {
        return 0; /* told already */
    }
    if (seen->state == RSW_MANIFEST_ABSENT || !rsw_bitmap_has(&v->there, manifest)) {
        finding.problem = "its manifest's bytes are missing";
    } else if (seen->state == RSW_MANIFEST_READ) {
        finding.problem = parts_problem(v, repo->id, &seen->manifest, &finding.needs);
    } else {
        finding.kind = RSW_FINDING_UNREADABLE;
        finding.problem = seen->state == RSW_MANIFEST_FAILED ? "its manifest cannot be read"
                                                             : "its manifest cannot be understood";
    }
    if (finding.problem == NULL) {
        return 0;
    }
    finding.tag = tag_of(v, repo->id, manifest, &tag);
    return tell(v, &finding);
}

/* What is read is checked against its digest. */
static int judge_images(struct verifier *v, const struct rsw_repo *repo) {
    int rc = rsw_look_manifests(v->storage, v->seen, v->image_count, v->err);
    for (size_t i = 0; i < v->image_count; i++) {
        rc = rc == 0 ? judge_image(v, repo, v->images[i], &v->seen[i]) : rc;
        rsw_manifest_release(&v->seen[i].manifest);
    }
    v->image_count = 0;
    return rc;
}

static int verify_images(struct verifier *v, const struct rsw_repo *repo) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_members(&iter, v->txn, RSW_REVISION, repo->id);
    struct rsw_member member;
    struct rsw_blob blob;
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        if ((member.flags & RSW_MEMBER_PRESENT) == 0 ||
            rsw_blob_get(v->txn, member.blob, &blob) != RSW_FOUND) {
            continue;
        }
        v->images[v->image_count] = member.blob;
        v->seen[v->image_count] = (struct rsw_seen_manifest){.digest = blob.digest};
        if (++v->image_count == RSW_LOOK_MANIFESTS_MAX && judge_images(v, repo) != 0) {
            return -1;
        }
    }
    return judge_images(v, repo);
}

/* A tag that leads to nothing that can be read here, or whose own link is damaged: then the finding names a
 * manifest of its history, which it may have pointed at. */
static int verify_tag(struct verifier *v, const struct rsw_repo *repo, const struct rsw_tag *tag) {
    struct rsw_blob blob;
    struct rsw_finding finding = {.repo = repo->name, .tag = tag->name, .digest = &blob.digest};
    uint32_t head = tag->head;
    if ((tag->flags & RSW_TAG_BAD) != 0) {
        finding.kind = RSW_FINDING_UNREADABLE;
        finding.problem = "its tag cannot be read";
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        rsw_iter_history(&iter, v->txn, repo->id, tag->name);
        struct rsw_history history;
        while (head == 0 && rsw_history_next(&iter, &history) == RSW_FOUND) {
            head = history.manifest;
        }
    } else if (head != 0 && (tag->flags & RSW_TAG_UNSETTLED) == 0 &&
               !linked_here(v, repo->id, head, RSW_REF_CHILD)) {
        finding.kind = RSW_FINDING_BROKEN_IMAGE;
        finding.problem = "its tag points at a manifest that is not linked in its repository";
    } else {
        return 0;
    }
    return head != 0 && rsw_blob_get(v->txn, head, &blob) == RSW_FOUND ? tell(v, &finding) : 0;
}

static int verify_tags(struct verifier *v, const struct rsw_repo *repo) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_tags(&iter, v->txn, repo->id);
    struct rsw_tag tag;
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        if (verify_tag(v, repo, &tag) != 0) {
            return -1;
        }
    }
    return 0;
}

static int verify_repositories(struct verifier *v) {
    struct holding *holding = malloc(sizeof *holding);
    if (holding == NULL) {
        return rsw_error_set(v->err, RSW_ENOMEM, 0, "out of memory");
    }
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    rsw_iter_repos(&iter, v->txn);
    int rc = 0;
    while (rc == 0 && rsw_repo_next(&iter, &holding->repo) == RSW_FOUND) {
        holding->kind = RSW_LINK;
        rc = verify_members(v, holding);
        holding->kind = RSW_REVISION;
        if (rc == 0) {
            rc = verify_members(v, holding);
        }
        if (rc == 0) {
            rc = verify_images(v, &holding->repo);
        }
        if (rc == 0) {
            rc = verify_tags(v, &holding->repo);
        }
    }
    free(holding);
    return rc;
}

static int verify_all(struct verifier *v) {
    struct rsw_state state;
    struct rsw_index_stat stat;
    if (rsw_state_get(v->txn, &state) != RSW_FOUND || rsw_index_stat(v->txn, &stat) != RSW_FOUND) {
        return -1;
    }
    for (size_t i = 0; i < stat.table_count; i++) {
        const char *name = stat.tables[i].name;
        if (strcmp(name, "blob") == 0 || strcmp(name, "link") == 0 || strcmp(name, "revision") == 0) {
            v->total += stat.tables[i].entries;
        }
    }
    if (!rsw_bitmap_init(&v->there, state.next_blob) || !rsw_bitmap_init(&v->wrong, state.next_blob) ||
        !rsw_bitmap_init(&v->unknown, state.next_blob)) {
        return rsw_error_set(v->err, RSW_ENOMEM, 0, "out of memory");
    }
    return verify_blobs(v) == 0 ? verify_repositories(v) : -1;
}

int rsw_verify(struct rsw_verify_result *result, struct rsw_index *index, struct rsw_storage *storage,
               const struct rsw_verify_options *options, struct rsw_error *err) {
    *result = (struct rsw_verify_result){.total = 0};
    RSW_AUTO_TXN txn = NULL;
    struct verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    int rc = rsw_txn_begin_read(&txn, index, err);
    if (rc == 0) {
        v->txn = txn;
        v->storage = storage;
        v->options = options;
        v->result = result;
        v->err = err;
        rc = verify_all(v);
        if (rsw_txn_failed(txn, err)) {
            rc = -1;
        }
    }
    rsw_bitmap_release(&v->there);
    rsw_bitmap_release(&v->wrong);
    rsw_bitmap_release(&v->unknown);
    free(v);
    return rc;
}
