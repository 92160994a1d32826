#include "gc/deletions.h"

#include "index/time.h"
#include "oci/reference.h"
#include "util/cleanup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHILDREN_DEPTH 8 /* indexes of indexes; what lies deeper stays */

/* ---- making one ---- */

struct making {
    struct rsw_txn *txn;
    struct rsw_deletion *deletion;
    struct rsw_error *err;
};

static int unknown(const struct making *m, const char *what) {
    return rsw_error_set(m->err, RSW_EINVAL, 0, "%s: %s", m->deletion->target, what);
}

/* The index may have failed instead; then that is the error. */
static int not_found(const struct making *m, const char *what) {
    return rsw_txn_failed(m->txn, m->err) ? -1 : unknown(m, what);
}

static void add(struct making *m, struct rsw_forgotten *forgotten) {
    struct rsw_deletion *deletion = m->deletion;
    if (rsw_forgotten_add(m->txn, forgotten)) {
        deletion->named++;
    } else if (rsw_forgotten_get(m->txn, forgotten) == RSW_FOUND && forgotten->deletion != deletion->id) {
        deletion->elsewhere++;
        deletion->other = deletion->other == 0 || forgotten->deletion < deletion->other ? forgotten->deletion
                                                                                        : deletion->other;
    }
}

static void name(struct making *m, enum rsw_item_kind kind, uint32_t repo, uint32_t blob) {
    struct rsw_forgotten forgotten = {.kind = kind, .repo = repo, .blob = blob, .deletion = m->deletion->id};
    add(m, &forgotten);
}

static void name_tag(struct making *m, const struct rsw_tag *tag) {
    struct rsw_forgotten forgotten = {
        .kind = RSW_ITEM_TAG, .repo = tag->repo, .head = tag->head, .deletion = m->deletion->id};
    memcpy(forgotten.name, tag->name, sizeof forgotten.name);
    add(m, &forgotten);
}

static int find_repo(struct making *m, const char *name, struct rsw_repo *out) {
    if (!rsw_repository_valid(name, strlen(name))) {
        return unknown(m, "this is no name of a repository");
    }
    return rsw_repo_find(m->txn, name, out) == RSW_FOUND
               ? 0
               : not_found(m, "the index does not know the repository");
}

/* Tags that point at `head`; 0: all. */
static void name_tags(struct making *m, uint32_t repo, uint32_t head) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_tag tag;
    rsw_iter_tags(&iter, m->txn, repo);
    while (rsw_tag_next(&iter, &tag) == RSW_FOUND) {
        if (head == 0 || tag.head == head) {
            name_tag(m, &tag);
        }
    }
}

static int make_repo(struct making *m) {
    struct rsw_repo repo;
    struct rsw_member member;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    if (find_repo(m, m->deletion->target, &repo) != 0) {
        return -1;
    }
    if ((repo.flags & RSW_REPO_PRESENT) == 0) {
        return unknown(m, "the repository is gone already");
    }
    name_tags(m, repo.id, 0);
    rsw_iter_members(&iter, m->txn, RSW_REVISION, repo.id);
    while (rsw_member_next(&iter, &member) == RSW_FOUND) {
        if ((member.flags & RSW_MEMBER_PRESENT) != 0) {
            name(m, RSW_ITEM_REVISION, repo.id, member.blob);
        }
    }
    name(m, RSW_ITEM_REPOSITORY, repo.id, 0);
    return 0;
}

static int parse(struct making *m, struct rsw_reference *out, struct rsw_repo *repo) {
    return rsw_reference_parse(out, m->deletion->target, m->err) == 0 ? find_repo(m, out->repository, repo)
                                                                      : -1;
}

static int find_tag(struct making *m, const struct rsw_repo *repo, const char *name, struct rsw_tag *out) {
    return rsw_tag_get(m->txn, repo->id, name, out) == RSW_FOUND
               ? 0
               : not_found(m, "the index does not know the tag");
}

static bool is_revision(struct making *m, uint32_t repo, uint32_t blob) {
    struct rsw_member member;
    return rsw_member_get(m->txn, RSW_REVISION, repo, blob, &member) == RSW_FOUND &&
           (member.flags & RSW_MEMBER_PRESENT) != 0;
}

/* Something else of the repository has this manifest: a tag, or an index that is not forgotten. */
static bool is_of_others(struct making *m, uint32_t repo, uint32_t manifest) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t parent;
    enum rsw_ref_kind kind;
    if (rsw_tag_points_at(m->txn, repo, manifest) != RSW_ABSENT) {
        return true;
    }
    rsw_iter_named_by(&iter, m->txn, manifest);
    while (rsw_named_by_next(&iter, &parent, &kind) == RSW_FOUND) {
        struct rsw_forgotten forgotten = {.kind = RSW_ITEM_REVISION, .repo = repo, .blob = parent};
        if (kind == RSW_REF_CHILD && is_revision(m, repo, parent) &&
            rsw_forgotten_get(m->txn, &forgotten) != RSW_FOUND) {
            return true;
        }
    }
    return false;
}

/* What an index alone names goes with it: nobody would ever ask for that by itself. */
static int name_children(struct making *m, uint32_t repo, uint32_t manifest, unsigned depth) {
    struct rsw_refs refs;
    if (depth == 0 || rsw_refs_get(m->txn, manifest, &refs) != RSW_FOUND) {
        return 0;
    }
    /* Copied: what is borrowed ends with the first write. */
    RSW_AUTO_FREE uint32_t *children = malloc(((size_t)refs.count + 1) * sizeof *children);
    uint32_t count = 0;
    if (children == NULL) {
        return rsw_error_set(m->err, RSW_ENOMEM, 0, "out of memory for what an index names");
    }
    for (uint32_t i = 0; i < refs.count; i++) {
        if (rsw_refs_kind(&refs, i) == RSW_REF_CHILD) {
            children[count++] = rsw_refs_child(&refs, i);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (is_revision(m, repo, children[i]) && !is_of_others(m, repo, children[i])) {
            name(m, RSW_ITEM_REVISION, repo, children[i]);
            if (name_children(m, repo, children[i], depth - 1) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* As the registry's own DELETE of a manifest, with all tags that point at it; and what it alone names. */
static int make_image(struct making *m) {
    struct rsw_reference reference;
    struct rsw_repo repo;
    struct rsw_tag tag = {.head = 0};
    struct rsw_blob blob = {.id = 0};
    if (parse(m, &reference, &repo) != 0) {
        return -1;
    }
    if (reference.has_digest == (reference.tag[0] != 0)) {
        return unknown(m, "an image is NAME:TAG or NAME@DIGEST");
    }
    if (!reference.has_digest && find_tag(m, &repo, reference.tag, &tag) != 0) {
        return -1;
    }
    if (reference.has_digest && rsw_blob_find(m->txn, &reference.digest, &blob) != RSW_FOUND) {
        return not_found(m, "the index does not know the digest");
    }
    uint32_t manifest = reference.has_digest ? blob.id : tag.head;
    if (manifest == 0) {
        return unknown(m, "nobody knows what the tag points at");
    }
    bool present = is_revision(m, repo.id, manifest);
    if (!present && reference.has_digest) {
        return not_found(m, "the repository has no such manifest");
    }
    name_tags(m, repo.id, manifest);
    if (!present) {
        return 0;
    }
    name(m, RSW_ITEM_REVISION, repo.id, manifest);
    return name_children(m, repo.id, manifest, CHILDREN_DEPTH);
}

static int make_tag(struct making *m) {
    struct rsw_reference reference;
    struct rsw_repo repo;
    struct rsw_tag tag;
    if (parse(m, &reference, &repo) != 0) {
        return -1;
    }
    if (reference.has_digest || reference.tag[0] == 0) {
        return unknown(m, "a tag is NAME:TAG");
    }
    if (find_tag(m, &repo, reference.tag, &tag) != 0) {
        return -1;
    }
    name_tag(m, &tag);
    return 0;
}

static bool has_link(struct making *m, uint32_t repo, uint32_t blob) {
    struct rsw_member member;
    return rsw_member_get(m->txn, RSW_LINK, repo, blob, &member) == RSW_FOUND &&
           (member.flags & RSW_MEMBER_PRESENT) != 0;
}

/* One repository's link to it, or all of them. */
static int make_blob(struct making *m) {
    struct rsw_reference reference = {.has_digest = true};
    struct rsw_repo repo = {.id = 0};
    struct rsw_blob blob;
    bool everywhere = rsw_digest_parse(&reference.digest, m->deletion->target, strlen(m->deletion->target));
    if (!everywhere && parse(m, &reference, &repo) != 0) {
        return -1;
    }
    if (!reference.has_digest || reference.tag[0] != 0) {
        return unknown(m, "a blob is DIGEST or NAME@DIGEST");
    }
    if (rsw_blob_find(m->txn, &reference.digest, &blob) != RSW_FOUND) {
        return not_found(m, "the index does not know the digest");
    }
    bool any = false;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    uint32_t place;
    rsw_iter_members_of(&iter, m->txn, RSW_LINK, blob.id);
    while (rsw_member_of_next(&iter, &place) == RSW_FOUND) {
        if ((everywhere || place == repo.id) && has_link(m, place, blob.id)) {
            name(m, RSW_ITEM_LINK, place, blob.id);
            any = true;
        }
    }
    return any ? 0 : not_found(m, "no layer link leads to it");
}

static int make(struct making *m) {
    switch (m->deletion->kind) {
    case RSW_DELETION_REPO:
        return make_repo(m);
    case RSW_DELETION_IMAGE:
        return make_image(m);
    case RSW_DELETION_TAG:
        return make_tag(m);
    case RSW_DELETION_BLOB:
        return make_blob(m);
    }
    return unknown(m, "nobody knows what that is");
}

static int begin(struct rsw_deletion *out, struct rsw_txn *txn, const struct rsw_deletion_request *request,
                 const struct rsw_clock *clock, struct rsw_error *err) {
    struct rsw_time time;
    const char *note = request->note != NULL ? request->note : "";
    if (strlen(request->target) > RSW_DELETION_TARGET_MAX || strlen(note) > RSW_NOTE_MAX) {
        return rsw_error_set(err, RSW_EINVAL, 0, "%s is too long: at most %d bytes",
                             strlen(note) > RSW_NOTE_MAX ? "the note" : "the name",
                             strlen(note) > RSW_NOTE_MAX ? RSW_NOTE_MAX : RSW_DELETION_TARGET_MAX);
    }
    if (rsw_time_look(txn, clock, &time) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    *out = (struct rsw_deletion){.kind = request->kind,
                                 .state = RSW_DELETION_WAITING,
                                 .created_ms = time.now_ms,
                                 .created_steady_ms = time.steady_ms,
                                 .changed_ms = time.now_ms};
    memcpy(out->target, request->target, strlen(request->target) + 1);
    memcpy(out->note, note, strlen(note) + 1);
    rsw_deletion_add(txn, out);
    return 0;
}

int rsw_deletion_write(struct rsw_deletion *out, struct rsw_txn *txn,
                       const struct rsw_deletion_request *request, const struct rsw_clock *clock,
                       struct rsw_error *err) {
    if (begin(out, txn, request, clock, err) != 0) {
        return -1;
    }
    struct making making = {.txn = txn, .deletion = out, .err = err};
    if (make(&making) != 0) {
        return -1;
    }
    if (out->named == 0) {
        return not_found(&making, "all of it stands in earlier records already");
    }
    rsw_deletion_put(txn, out);
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

int rsw_deletion_make(struct rsw_deletion *out, struct rsw_index *index,
                      const struct rsw_deletion_request *request, const struct rsw_clock *clock,
                      struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    return rsw_txn_begin_write(&txn, index, err) != 0 ||
                   rsw_deletion_write(out, txn, request, clock, err) != 0
               ? -1
               : rsw_txn_commit(&txn, err);
}

/* ---- in generations ---- */

/* As an item of that generation. */
static struct rsw_item item_of(const struct rsw_forgotten *forgotten, uint64_t generation) {
    struct rsw_item item = {.generation = generation,
                            .kind = forgotten->kind,
                            .repo = forgotten->repo,
                            .blob = forgotten->kind == RSW_ITEM_TAG ? forgotten->head : forgotten->blob};
    memcpy(item.name, forgotten->name, sizeof item.name);
    return item;
}

void rsw_deletions_carry(struct rsw_txn *txn, const struct rsw_item *item) {
    struct rsw_forgotten forgotten = {
        .kind = item->kind, .repo = item->repo, .blob = item->kind == RSW_ITEM_TAG ? 0 : item->blob};
    struct rsw_deletion deletion;
    if (item->kind == RSW_ITEM_BLOB || item->kind == RSW_ITEM_UPLOAD) {
        return;
    }
    memcpy(forgotten.name, item->name, sizeof forgotten.name);
    if (rsw_forgotten_get(txn, &forgotten) != RSW_FOUND ||
        (item->kind == RSW_ITEM_TAG && forgotten.head != item->blob) ||
        rsw_deletion_get(txn, forgotten.deletion, &deletion) != RSW_FOUND ||
        (deletion.state == RSW_DELETION_CARRIED && deletion.generation == item->generation)) {
        return;
    }
    deletion.state = RSW_DELETION_CARRIED;
    deletion.generation = item->generation;
    deletion.needed = false;
    rsw_deletion_put(txn, &deletion);
}

static bool is_there(struct rsw_txn *txn, const struct rsw_forgotten *forgotten) {
    struct rsw_member member;
    struct rsw_repo repo;
    struct rsw_tag tag;
    enum rsw_member_kind kind = forgotten->kind == RSW_ITEM_LINK ? RSW_LINK : RSW_REVISION;
    switch (forgotten->kind) {
    case RSW_ITEM_REPOSITORY:
        return rsw_repo_get(txn, forgotten->repo, &repo) == RSW_FOUND && (repo.flags & RSW_REPO_PRESENT) != 0;
    case RSW_ITEM_TAG:
        return rsw_tag_get(txn, forgotten->repo, forgotten->name, &tag) == RSW_FOUND;
    default:
        return rsw_member_get(txn, kind, forgotten->repo, forgotten->blob, &member) == RSW_FOUND &&
               (member.flags & RSW_MEMBER_PRESENT) != 0;
    }
}

/* What a generation has in quarantine is not there, and may come back. */
static bool is_gone(struct rsw_txn *txn, const struct rsw_forgotten *forgotten) {
    const struct rsw_item item = item_of(forgotten, 0);
    return !is_there(txn, forgotten) &&
           rsw_condemned_get(txn, item.kind, item.repo, item.blob, item.name, NULL) == RSW_ABSENT;
}

static bool generation_has_ended(struct rsw_txn *txn, uint64_t id) {
    struct rsw_generation generation;
    int answer = rsw_generation_get(txn, id, &generation);
    return answer == RSW_ABSENT || (answer == RSW_FOUND && (generation.state == RSW_GENERATION_PURGED ||
                                                            generation.state == RSW_GENERATION_ABANDONED));
}

static void settle_record(struct rsw_txn *txn, struct rsw_deletion *deletion, uint64_t decided,
                          int64_t now_ms) {
    bool ended = deletion->state == RSW_DELETION_CARRIED && generation_has_ended(txn, deletion->generation);
    if (ended) {
        deletion->state = RSW_DELETION_WAITING;
        deletion->changed_ms = now_ms;
    }
    if (ended || (deletion->state == RSW_DELETION_WAITING && !deletion->needed && deletion->seq <= decided)) {
        deletion->needed = true;
        rsw_deletion_put(txn, deletion);
    }
}

static void end_gone(struct rsw_txn *txn, int64_t now_ms) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_forgotten forgotten;
    rsw_iter_forgotten(&iter, txn, 0, 0);
    while (rsw_forgotten_next(&iter, &forgotten) == RSW_FOUND) {
        if (is_gone(txn, &forgotten)) {
            rsw_forgotten_end(txn, &forgotten, true, now_ms);
        }
    }
}

int rsw_deletions_settle(struct rsw_index *index, uint64_t decided, const struct rsw_clock *clock,
                         struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    int64_t now_ms = rsw_clock_now_ms(clock);
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    end_gone(txn, now_ms);
    RSW_AUTO_ITER records = RSW_ITER_INIT;
    struct rsw_deletion deletion;
    rsw_iter_deletions(&records, txn);
    while (rsw_deletion_next(&records, &deletion) == RSW_FOUND) {
        settle_record(txn, &deletion, decided, now_ms);
    }
    rsw_deletions_drop_old(txn, now_ms);
    return rsw_txn_commit(&txn, err);
}

/* ---- calling one off ---- */

struct cancelling {
    struct rsw_txn *txn;
    const struct rsw_deletion *deletion;
    uint64_t ids[RSW_GENERATIONS_OPEN_MAX];
    size_t count;
};

/* Has a generation taken this object? Then *by is its item. */
static bool is_taken(struct cancelling *c, const struct rsw_forgotten *forgotten, struct rsw_item *by) {
    for (size_t i = 0; i < c->count; i++) {
        struct rsw_generation generation;
        *by = item_of(forgotten, c->ids[i]);
        if (rsw_item_get(c->txn, by) != RSW_FOUND || (by->flags & RSW_ITEM_TOUCHED) != 0) {
            continue;
        }
        if (by->state == RSW_ITEM_DONE ||
            (by->state == RSW_ITEM_ASIDE && rsw_generation_get(c->txn, c->ids[i], &generation) == RSW_FOUND &&
             generation.state != RSW_GENERATION_CONDEMNED)) {
            return true;
        }
    }
    return false;
}

static int refuse_taken(const struct cancelling *c, const struct rsw_item *by, struct rsw_error *err) {
    return by->state == RSW_ITEM_DONE
               ? rsw_error_set(err, RSW_EREFUSED, 0,
                               "deletion %" PRIu64 ": generation %" PRIu64
                               " is at its end, and some of it is gone for good",
                               c->deletion->id, by->generation)
               : rsw_error_set(err, RSW_EREFUSED, 0,
                               "deletion %" PRIu64 ": generation %" PRIu64
                               " has taken some of it already; what it took is put back, and stays, by: "
                               "regsweep restore --generation %" PRIu64,
                               c->deletion->id, by->generation, by->generation);
}

static int check_taken(struct cancelling *c, struct rsw_error *err) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_forgotten forgotten;
    rsw_iter_forgotten(&iter, c->txn, 0, 0);
    while (rsw_forgotten_next(&iter, &forgotten) == RSW_FOUND) {
        struct rsw_item by;
        if (forgotten.deletion == c->deletion->id && is_taken(c, &forgotten, &by)) {
            return refuse_taken(c, &by, err);
        }
    }
    return rsw_txn_failed(c->txn, err) ? -1 : 0;
}

static void keep_all(struct cancelling *c) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_forgotten forgotten;
    rsw_iter_forgotten(&iter, c->txn, 0, 0);
    while (rsw_forgotten_next(&iter, &forgotten) == RSW_FOUND) {
        if (forgotten.deletion != c->deletion->id) {
            continue;
        }
        for (size_t i = 0; i < c->count; i++) {
            const struct rsw_item item = item_of(&forgotten, c->ids[i]);
            rsw_touch_item(c->txn, &item, true);
        }
        rsw_forgotten_drop(c->txn, &forgotten);
    }
}

/* "" of what is not said: a digest alone, a repository alone. */
static void read_target(struct rsw_reference *out, const struct rsw_deletion *deletion) {
    const char *target = deletion->target;
    *out = (struct rsw_reference){.has_digest = true};
    if (!rsw_digest_parse(&out->digest, target, strlen(target)) &&
        rsw_reference_parse(out, target, NULL) != 0) {
        *out = (struct rsw_reference){.has_digest = false}; /* may be anything */
    }
}

/* By their names alone: what each would name now is another question. In doubt they do. */
static bool may_name_the_same(const struct rsw_deletion *one, const struct rsw_deletion *other) {
    struct rsw_reference a;
    struct rsw_reference b;
    read_target(&a, one);
    read_target(&b, other);
    bool apart = (one->kind == RSW_DELETION_BLOB) != (other->kind == RSW_DELETION_BLOB) ||
                 (a.repository[0] != 0 && b.repository[0] != 0 && strcmp(a.repository, b.repository) != 0) ||
                 (a.tag[0] != 0 && b.tag[0] != 0 && strcmp(a.tag, b.tag) != 0) ||
                 (a.has_digest && b.has_digest && !rsw_digest_equal(&a.digest, &b.digest));
    return !apart;
}

/* What this one had is in no record now. Whoever asked for it later as well was told that it stands here;
 * which of it that was nobody has written down, and what was pushed since must not go: so it is asked for
 * again. */
static void find_later(struct cancelling *c, struct rsw_deletion *out) {
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_deletion later;
    rsw_iter_deletions(&iter, c->txn);
    while (out->other == 0 && rsw_deletion_next(&iter, &later) == RSW_FOUND) {
        if (later.id > out->id && !rsw_deletion_ended(&later) && may_name_the_same(&later, out)) {
            out->other = later.id;
        }
    }
}

static int find(struct rsw_deletion *out, struct rsw_txn *txn, uint64_t id, struct rsw_error *err) {
    struct rsw_generation generation;
    int answer = rsw_deletion_get(txn, id, out);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "there is no deletion %" PRIu64 ": regsweep forget list lists them", id);
    }
    if (answer != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return -1;
    }
    if (rsw_deletion_ended(out)) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "deletion %" PRIu64 " is %s already", id,
                             rsw_deletion_state_name(out->state));
    }
    if (out->state == RSW_DELETION_CARRIED &&
        rsw_generation_get(txn, out->generation, &generation) == RSW_FOUND && generation.offline &&
        !generation_has_ended(txn, generation.id)) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "deletion %" PRIu64 ": generation %" PRIu64
            ", with the registry stopped, has begun to delete: regsweep restore cannot help there",
            id, generation.id);
    }
    return 0;
}

int rsw_deletion_cancel(struct rsw_deletion *out, struct rsw_index *index, uint64_t id,
                        const struct rsw_clock *clock, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    int64_t now_ms = rsw_clock_now_ms(clock);
    if (rsw_txn_begin_write(&txn, index, err) != 0) {
        return -1;
    }
    end_gone(txn, now_ms); /* the run that took it may have been killed before it said so */
    if (find(out, txn, id, err) != 0) {
        return -1;
    }
    struct cancelling cancelling = {.txn = txn, .deletion = out};
    cancelling.count = rsw_generations_open(txn, cancelling.ids, RSW_GENERATIONS_OPEN_MAX);
    if (check_taken(&cancelling, err) != 0) {
        return -1;
    }
    keep_all(&cancelling);
    find_later(&cancelling, out);
    out->state = RSW_DELETION_CANCELLED;
    out->changed_ms = now_ms;
    out->needed = false;
    rsw_deletion_put(txn, out);
    return rsw_txn_commit(&txn, err);
}
