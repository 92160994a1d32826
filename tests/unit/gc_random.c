/* Mark against a second implementation of its rules: sets and fixpoints over a few arrays, as slow as it
 * likes to be, written from the rules (docs/safety.md) and not from src/gc. Thousands of small worlds, each
 * from a seed.
 *
 * REGSWEEP_SEED=n runs that world alone, REGSWEEP_WORLDS=n so many.
 */
#include "gc_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOBS 14
#define REPOS 3
#define TAGS 4
#define REFS 5
#define UPLOADS 2
#define NONE (-1)
#define WORLDS 3000

/* ---- the world ---- */

struct ref {
    int to;
    enum rsw_ref_kind kind;
};

struct content {
    bool present, parsed, unreadable, gone, sha512;
    int64_t seen_ms;
    struct ref refs[REFS]; /* to smaller numbers only: nobody can name what is not there yet */
    int ref_count;
};

enum state { NEVER, TOMBSTONE, HERE };

struct place { /* a revision or link */
    enum state state;
    bool bad;
    int target;
    int64_t touched_ms;
};

struct tag_of_world {
    bool there;
    int subject; /* of a name that looks like a weak tag's; NONE: an ordinary name */
    int head;    /* or NONE */
    bool unsettled, bad;
    bool history[BLOBS];
    int64_t touched_ms;
};

struct repo_of_world {
    bool odd, uploads_unknown;
    int64_t seen_ms;
    struct place revisions[BLOBS];
    struct place links[BLOBS];
    bool signatures[BLOBS][BLOBS];
    struct tag_of_world tags[TAGS];
    int64_t uploads[UPLOADS]; /* -1: none there; 0: no readable beginning */
};

struct small_world {
    struct content blobs[BLOBS];
    struct repo_of_world repos[REPOS];
    int pinned[2];   /* or NONE */
    int pin_repo[2]; /* or NONE: everywhere */
    bool untagged_remove, offline;
    int64_t grace_ms;
};

/* ---- chance ---- */

static uint64_t chance_state;

static unsigned chance(unsigned below) {
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (unsigned)((chance_state * UINT64_C(2685821657736338717)) >> 33) % below;
}

static bool one_in(unsigned n) {
    return chance(n) == 0;
}

static int64_t some_time(void) {
    static const int64_t ages[] = {100 * DAY_MS, 100 * DAY_MS, 100 * DAY_MS, DAY_MS,
                                   DAY_MS - 1,   HOUR_MS,      -HOUR_MS};
    return NOW_MS - ages[chance(sizeof ages / sizeof *ages)];
}

static int64_t old_mostly(void) {
    return one_in(4) ? some_time() : LONG_AGO_MS;
}

static void make_blob(struct small_world *world, int i) {
    struct content *blob = &world->blobs[i];
    blob->present = !one_in(8);
    blob->seen_ms = old_mostly();
    blob->sha512 = one_in(10);
    if (blob->sha512) {
        blob->present = false; /* an alias: the bytes are under another name */
        return;
    }
    if (i < 4 || one_in(4)) {
        return; /* a layer, or what was never read */
    }
    if (one_in(12)) {
        blob->unreadable = blob->present;
        blob->gone = !blob->present;
        return;
    }
    blob->parsed = true;
    blob->gone = !blob->present && one_in(2);
    blob->ref_count = (int)chance(REFS + 1);
    for (int r = 0; r < blob->ref_count; r++) {
        static const enum rsw_ref_kind kinds[] = {RSW_REF_CONFIG,  RSW_REF_LAYER,  RSW_REF_LAYER,
                                                  RSW_REF_CHILD,   RSW_REF_CHILD,  RSW_REF_SUBJECT,
                                                  RSW_REF_UNKNOWN, RSW_REF_FOREIGN};
        blob->refs[r] = (struct ref){(int)chance((unsigned)i), kinds[chance(8)]};
        for (int s = 0; s < r; s++) { /* the parser gives each (blob, kind) once, and one subject */
            bool same = blob->refs[s].to == blob->refs[r].to && blob->refs[s].kind == blob->refs[r].kind;
            if (same || (blob->refs[s].kind == RSW_REF_SUBJECT && blob->refs[r].kind == RSW_REF_SUBJECT)) {
                blob->ref_count = r--;
                break;
            }
        }
    }
}

static struct place make_place(int self) {
    struct place place = {.state = one_in(5) ? TOMBSTONE : HERE, .target = self, .touched_ms = old_mostly()};
    if (place.state == HERE && one_in(20)) {
        place.bad = true;
        place.target = one_in(2) ? self : (int)chance(BLOBS);
    }
    return place;
}

static int some_sha256(const struct small_world *world) {
    for (int tries = 0; tries < 50; tries++) {
        int i = (int)chance(BLOBS);
        if (!world->blobs[i].sha512) {
            return i;
        }
    }
    return NONE;
}

static void make_tag(const struct small_world *world, struct repo_of_world *repo, int t) {
    struct tag_of_world *tag = &repo->tags[t];
    tag->there = one_in(2);
    tag->subject = t < 2 ? NONE : (int)chance(BLOBS);
    tag->head = some_sha256(world);
    tag->touched_ms = old_mostly();
    tag->history[tag->head >= 0 ? tag->head : 0] = !one_in(10);
    if (one_in(3)) {
        tag->history[chance(BLOBS)] = true;
    }
    tag->unsettled = one_in(12);
    tag->bad = one_in(20);
    if (tag->bad || one_in(25)) {
        tag->head = NONE;
    }
}

static void make_repo(struct small_world *world, struct repo_of_world *repo) {
    repo->odd = one_in(20);
    repo->uploads_unknown = one_in(25);
    repo->seen_ms = old_mostly();
    for (int b = 0; b < BLOBS; b++) {
        if (world->blobs[b].sha512) {
            int target = some_sha256(world);
            if (one_in(2) && target != NONE) {
                repo->links[b] = make_place(target);
            }
            continue;
        }
        if (one_in(2)) {
            repo->links[b] = make_place(b);
        }
        if (b >= 4 && one_in(2)) {
            repo->revisions[b] = make_place(b);
            if (one_in(8)) {
                repo->signatures[b][chance(4)] = true;
            }
        }
    }
    for (int t = 0; t < TAGS; t++) {
        make_tag(world, repo, t);
    }
    for (int u = 0; u < UPLOADS; u++) {
        repo->uploads[u] = !one_in(5) ? -1 : one_in(6) ? 0 : one_in(2) ? LONG_AGO_MS : NOW_MS - HOUR_MS;
    }
}

static void make_world(struct small_world *world, uint64_t seed) {
    chance_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    chance(2);
    *world = (struct small_world){.untagged_remove = one_in(2),
                                  .offline = one_in(2),
                                  .grace_ms = one_in(5) ? 0 : DAY_MS,
                                  .pinned = {NONE, NONE},
                                  .pin_repo = {NONE, NONE}};
    for (int b = 0; b < BLOBS; b++) {
        make_blob(world, b);
    }
    for (int r = 0; r < REPOS; r++) {
        make_repo(world, &world->repos[r]);
    }
    if (one_in(3)) {
        world->pinned[0] = (int)chance(BLOBS);
        world->pin_repo[0] = one_in(2) ? NONE : (int)chance(REPOS);
    }
}

/* ---- into the index ---- */

static const char *blob_name(const struct small_world *world, int b) {
    static char names[BLOBS][24];
    snprintf(names[b], sizeof names[b], "%sb%d", world->blobs[b].sha512 ? "512/" : "", b);
    return names[b];
}

static const char *repo_name(int r) {
    static const char *const names[REPOS] = {"a", "a/b", "c"};
    return names[r];
}

static const char *tag_name(const struct small_world *world, const struct tag_of_world *tag, int t) {
    static const char *const ordinary[] = {"v1", "v2"};
    static const char *const suffixes[] = {".sig", ""};
    return tag->subject == NONE ? ordinary[t] : weak(blob_name(world, tag->subject), suffixes[t % 2]);
}

static void put_blob(struct world *w, const struct small_world *world, int b) {
    const struct content *blob_of = &world->blobs[b];
    const char *name = blob_name(world, b);
    w->touched_ms = blob_of->seen_ms;
    if (blob_of->parsed) {
        static const char letters[] = "?clmsuf";
        char refs[128] = "";
        size_t len = 0;
        for (int r = 0; r < blob_of->ref_count; r++) {
            len += (size_t)snprintf(refs + len, sizeof refs - len, "%c:%s ", letters[blob_of->refs[r].kind],
                                    blob_name(world, blob_of->refs[r].to));
        }
        manifest(w, name, refs);
    } else {
        blob(w, name);
    }
    blob_flags(w, name,
               (blob_of->unreadable ? (unsigned)RSW_BLOB_UNREADABLE : 0) |
                   (blob_of->gone ? (unsigned)RSW_BLOB_GONE : 0),
               blob_of->present ? 0 : RSW_BLOB_PRESENT);
}

static void put_place(struct world *w, const struct small_world *world, enum rsw_member_kind kind, int r,
                      int b, const struct place *place) {
    if (place->state == NEVER) {
        return;
    }
    uint32_t flags = (place->state == HERE ? (unsigned)RSW_MEMBER_PRESENT : 0) |
                     (place->bad ? (unsigned)RSW_MEMBER_BAD : 0);
    w->touched_ms = place->touched_ms;
    member(w, kind, repo_name(r), blob_name(world, b), blob_name(world, place->target), flags);
}

static void put_tag(struct world *w, const struct small_world *world, int r, int t) {
    const struct tag_of_world *from = &world->repos[r].tags[t];
    const char *name = tag_name(world, from, t);
    if (!from->there) {
        return;
    }
    for (int b = 0; b < BLOBS; b++) {
        if (from->history[b]) {
            history(w, repo_name(r), name, blob_name(world, b));
        }
    }
    struct rsw_tag record = {.repo = repo(w, repo_name(r)), .touched_ms = from->touched_ms};
    record.head = from->head != NONE ? id_of(w, blob_name(world, from->head)) : 0;
    record.flags =
        (from->unsettled ? (unsigned)RSW_TAG_UNSETTLED : 0) | (from->bad ? (unsigned)RSW_TAG_BAD : 0);
    snprintf(record.name, sizeof record.name, "%s", name);
    rsw_tag_put(w->txn, &record);
}

static void put_repo(struct world *w, const struct small_world *world, int r) {
    const struct repo_of_world *from = &world->repos[r];
    w->touched_ms = from->seen_ms;
    repo(w, repo_name(r));
    repo_flags(w, repo_name(r),
               (from->odd ? (unsigned)RSW_REPO_ODD : 0) |
                   (from->uploads_unknown ? (unsigned)RSW_REPO_UPLOADS_UNKNOWN : 0));
    for (int b = 0; b < BLOBS; b++) {
        put_place(w, world, RSW_LINK, r, b, &from->links[b]);
        put_place(w, world, RSW_REVISION, r, b, &from->revisions[b]);
        for (int s = 0; s < BLOBS; s++) {
            if (from->signatures[b][s]) {
                signature(w, repo_name(r), blob_name(world, b), blob_name(world, s));
            }
        }
    }
    for (int t = 0; t < TAGS; t++) {
        put_tag(w, world, r, t);
    }
    for (int u = 0; u < UPLOADS; u++) {
        if (from->uploads[u] >= 0) {
            upload(w, repo_name(r), u == 0 ? "u0" : "u1", from->uploads[u]);
        }
    }
}

static void put_world(struct world *w, const struct small_world *world) {
    for (int b = 0; b < BLOBS; b++) {
        put_blob(w, world, b);
    }
    for (int r = 0; r < REPOS; r++) {
        put_repo(w, world, r);
    }
    w->options.untagged_remove = world->untagged_remove;
    w->options.offline = world->offline;
    w->options.grace_ms = world->grace_ms;
    w->options.pin_count = 0;
    for (int p = 0; p < 2; p++) {
        if (world->pinned[p] != NONE) {
            pin(w, world->pin_repo[p] != NONE ? repo_name(world->pin_repo[p]) : NULL,
                blob_name(world, world->pinned[p]));
        }
    }
}

/* ---- the rules once more ---- */

struct verdicts { /* true: stays */
    bool bytes[BLOBS];
    bool revisions[REPOS][BLOBS];
    bool links[REPOS][BLOBS];
    bool tags[REPOS][TAGS];
    bool uploads[REPOS][UPLOADS];
    bool repos[REPOS];
    bool orphan[REPOS][BLOBS];    /* for a revision that goes: its subject is gone for certain */
    bool no_orphan[REPOS][BLOBS]; /* … is not */
    bool leftover[REPOS][BLOBS];  /* its entries in the history of tags go */
};

struct sight { /* of one repository, while its fixpoint grows */
    const struct small_world *world;
    const struct repo_of_world *repo;
    int number;
    bool live[BLOBS];  /* manifests */
    bool named[BLOBS]; /* what they name */
    bool whole;        /* one of them may name anything */
    bool grew;
};

static bool young(const struct small_world *world, int64_t touched_ms) {
    return NOW_MS - touched_ms < world->grace_ms;
}

static bool evidence(const struct repo_of_world *repo, int b) {
    return repo->revisions[b].state != NEVER;
}

static bool names_as_subject(const struct small_world *world, int m, int subject) {
    for (int r = 0; world->blobs[m].parsed && r < world->blobs[m].ref_count; r++) {
        if (world->blobs[m].refs[r].kind == RSW_REF_SUBJECT && world->blobs[m].refs[r].to == subject) {
            return true;
        }
    }
    return false;
}

static int subject_of(const struct small_world *world, const struct repo_of_world *repo, int m) {
    for (int r = 0; world->blobs[m].parsed && r < world->blobs[m].ref_count; r++) {
        const struct ref *ref = &world->blobs[m].refs[r];
        if (ref->kind == RSW_REF_SUBJECT && evidence(repo, ref->to)) {
            return ref->to;
        }
    }
    return NONE;
}

static bool is_weak(const struct repo_of_world *repo, const struct tag_of_world *tag) {
    return tag->subject != NONE && evidence(repo, tag->subject) && tag->head != tag->subject;
}

static bool carries(const struct tag_of_world *tag, int m) {
    return tag->there && (tag->head == m || tag->history[m]);
}

/* A referrer, or carried by weak tags and never by another. */
static bool follows(const struct small_world *world, const struct repo_of_world *repo, int m) {
    if (subject_of(world, repo, m) != NONE) {
        return true;
    }
    bool by_weak = false;
    for (int t = 0; t < TAGS; t++) {
        if (carries(&repo->tags[t], m)) {
            if (!is_weak(repo, &repo->tags[t]) || repo->tags[t].subject == m) {
                return false;
            }
            by_weak = true;
        }
    }
    return by_weak;
}

/* Whom it follows first: its subject, else that of the weak tag whose name comes first. */
static int leader_of(const struct small_world *world, const struct repo_of_world *repo, int m) {
    int leader = subject_of(world, repo, m);
    char first[RSW_TAG_NAME_MAX + 1] = "\xff";
    for (int t = 0; leader == NONE && t < TAGS; t++) {
        const char *name = tag_name(world, &repo->tags[t], t);
        if (carries(&repo->tags[t], m) && strcmp(name, first) < 0) {
            snprintf(first, sizeof first, "%s", name);
        }
    }
    for (int t = 0; leader == NONE && t < TAGS; t++) {
        if (carries(&repo->tags[t], m) && strcmp(tag_name(world, &repo->tags[t], t), first) == 0) {
            leader = repo->tags[t].subject;
        }
    }
    return follows(world, repo, m) ? leader : NONE;
}

/* Those who follow each other in a ring follow nobody, and so do those who follow one of them: there is no
 * first to die. */
static bool in_ring(const struct small_world *world, const struct repo_of_world *repo, int m) {
    int at = m;
    int steps = 0;
    while (steps <= BLOBS && at != NONE && repo->revisions[at].state == HERE) {
        at = leader_of(world, repo, at);
        steps++;
    }
    return steps > BLOBS;
}

static bool unsure(const struct tag_of_world *tag) {
    return tag->head == NONE || tag->unsettled || tag->bad;
}

static bool lost(const struct content *blob_of) {
    return blob_of->gone && !blob_of->present;
}

static bool own_root(const struct small_world *world, const struct repo_of_world *repo,
                     const struct tag_of_world *tag) {
    if (!is_weak(repo, tag) || repo->odd || unsure(tag) || young(world, tag->touched_ms)) {
        return true;
    }
    const struct content *head = &world->blobs[tag->head];
    return !head->parsed && !lost(head);
}

static void live(struct sight *sight, int m) {
    sight->grew = sight->grew || !sight->live[m];
    sight->live[m] = true;
}

static void name(struct sight *sight, int b) {
    sight->grew = sight->grew || !sight->named[b];
    sight->named[b] = true;
}

static bool readable(const struct sight *sight, int b) {
    return sight->repo->revisions[b].state == HERE || sight->repo->links[b].state == HERE;
}

static void tag_roots(struct sight *sight) {
    for (int t = 0; t < TAGS; t++) {
        const struct tag_of_world *tag_at = &sight->repo->tags[t];
        if (!tag_at->there || !own_root(sight->world, sight->repo, tag_at)) {
            continue;
        }
        bool any = tag_at->head != NONE;
        if (any) {
            live(sight, tag_at->head);
        }
        for (int b = 0; unsure(tag_at) && b < BLOBS; b++) {
            if (tag_at->history[b]) {
                live(sight, b);
                any = true;
            }
        }
        for (int b = 0; !any && b < BLOBS; b++) {
            if (sight->repo->revisions[b].state == HERE) {
                live(sight, b);
            }
        }
    }
}

static void other_roots(struct sight *sight) {
    const struct small_world *world = sight->world;
    for (int p = 0; p < 2; p++) {
        int b = world->pinned[p];
        bool here = b != NONE && (world->pin_repo[p] == NONE || world->pin_repo[p] == sight->number);
        if (here && readable(sight, b)) {
            name(sight, b);
            if (world->blobs[b].parsed || evidence(sight->repo, b)) {
                live(sight, b);
            }
        }
    }
    for (int b = 0; b < BLOBS; b++) {
        const struct place *place = &sight->repo->revisions[b];
        if (place->state != HERE) {
            continue;
        }
        bool unread = !world->blobs[b].parsed && !lost(&world->blobs[b]);
        if (sight->repo->odd || place->bad || unread || young(world, place->touched_ms) ||
            (!world->untagged_remove &&
             (!follows(world, sight->repo, b) || in_ring(world, sight->repo, b)))) {
            live(sight, b);
        }
        if (place->bad && place->target != b) {
            name(sight, place->target);
            if (world->blobs[place->target].parsed) {
                live(sight, place->target);
            }
        }
    }
}

static void keep_whole(struct sight *sight) {
    sight->whole = true;
    for (int b = 0; b < BLOBS; b++) {
        if (sight->repo->revisions[b].state == HERE) {
            live(sight, b);
        }
    }
}

static void keep_what_it_names(struct sight *sight, int m) {
    const struct content *from = &sight->world->blobs[m];
    if (!from->parsed) {
        if (!lost(from)) {
            keep_whole(sight);
        }
        return;
    }
    for (int r = 0; r < from->ref_count; r++) {
        int child = from->refs[r].to;
        enum rsw_ref_kind kind = from->refs[r].kind;
        if (kind == RSW_REF_SUBJECT) {
            continue;
        }
        int target = child;
        if (sight->world->blobs[child].sha512 && sight->repo->links[child].state != NEVER) {
            target = sight->repo->links[child].target;
        }
        const struct place *link = &sight->repo->links[child];
        if (sight->world->blobs[child].sha512 && link->state == HERE && link->bad && link->target == child) {
            keep_whole(sight);
        }
        name(sight, child);
        name(sight, target);
        bool manifest_too = kind == RSW_REF_CHILD || sight->repo->revisions[child].state == HERE ||
                            sight->repo->revisions[target].state == HERE ||
                            (kind == RSW_REF_UNKNOWN && sight->world->blobs[target].parsed);
        if (manifest_too && (readable(sight, child) || readable(sight, target))) {
            live(sight, target);
        }
    }
}

static void keep_what_follows(struct sight *sight, int m) {
    const struct repo_of_world *repo = sight->repo;
    for (int b = 0; b < BLOBS; b++) {
        if (repo->revisions[b].state == HERE && names_as_subject(sight->world, b, m)) {
            live(sight, b);
        }
        if (repo->signatures[m][b]) {
            name(sight, b);
        }
    }
    for (int t = 0; t < TAGS; t++) {
        const struct tag_of_world *tag_at = &repo->tags[t];
        if (!tag_at->there || !is_weak(repo, tag_at) || tag_at->subject != m) {
            continue;
        }
        for (int b = 0; b < BLOBS; b++) {
            if (tag_at->head == b ||
                (tag_at->history[b] && (unsure(tag_at) || !sight->world->untagged_remove))) {
                live(sight, b);
            }
        }
    }
}

static bool upload_young(int64_t started_ms) {
    return started_ms == 0 || (started_ms > 0 && NOW_MS - started_ms <= RSW_UPLOAD_MAX_AGE_DEFAULT_MS);
}

static bool link_stays(const struct sight *sight, int b) {
    const struct repo_of_world *repo = sight->repo;
    const struct place *place = &repo->links[b];
    bool held = repo->uploads_unknown;
    for (int u = 0; u < UPLOADS; u++) {
        held = held || upload_young(repo->uploads[u]);
    }
    return place->state == HERE && (sight->named[b] || repo->odd || place->bad || sight->whole || held ||
                                    young(sight->world, place->touched_ms));
}

static void grow(struct sight *sight) {
    do {
        sight->grew = false;
        tag_roots(sight);
        other_roots(sight);
        for (int m = 0; m < BLOBS; m++) {
            if (sight->live[m]) {
                keep_what_it_names(sight, m);
                keep_what_follows(sight, m);
            }
        }
        for (int b = 0; b < BLOBS; b++) {
            if (link_stays(sight, b)) {
                name(sight, b); /* no more than its bytes and itself, which stay anyway */
                int target = sight->repo->links[b].target;
                name(sight, target);
                if (sight->world->blobs[target].sha512 && sight->repo->links[target].state != NEVER) {
                    name(sight, sight->repo->links[target].target);
                }
            }
        }
    } while (sight->grew);
}

/* Is the subject of a revision that goes alive? It can have several, as weak tags go. */
static void judge_orphan(const struct sight *sight, struct verdicts *out, int m) {
    bool any_dead = false;
    bool any_live = false;
    int subject = subject_of(sight->world, sight->repo, m);
    bool alone = in_ring(sight->world, sight->repo, m); /* it follows nobody */
    if (!alone && subject != NONE) {
        *(sight->live[subject] ? &any_live : &any_dead) = true;
    } else if (!alone && follows(sight->world, sight->repo, m)) {
        for (int t = 0; t < TAGS; t++) {
            if (carries(&sight->repo->tags[t], m)) {
                *(sight->live[sight->repo->tags[t].subject] ? &any_live : &any_dead) = true;
            }
        }
    }
    out->orphan[sight->number][m] = any_dead && !any_live;
    out->no_orphan[sight->number][m] = !any_dead;
}

/* A deleted manifest that stands in the history of tags alone, all of which are sure to point elsewhere. */
static bool is_leftover(const struct sight *sight, int m) {
    const struct repo_of_world *repo = sight->repo;
    bool stands = false;
    if (repo->revisions[m].state != TOMBSTONE || repo->odd || sight->live[m] ||
        repo->links[m].state == HERE || young(sight->world, repo->revisions[m].touched_ms)) {
        return false;
    }
    for (int t = 0; t < TAGS; t++) {
        const struct tag_of_world *tag_at = &repo->tags[t];
        if (tag_at->there && tag_at->history[m]) {
            if (unsure(tag_at) || tag_at->head == m) {
                return false;
            }
            stands = true;
        }
    }
    return stands;
}

static void judge_repo(const struct small_world *world, struct verdicts *out, int r) {
    const struct repo_of_world *repo = &world->repos[r];
    struct sight sight = {.world = world, .repo = repo, .number = r};
    grow(&sight);
    bool left = repo->odd || repo->uploads_unknown || (!world->offline && young(world, repo->seen_ms));
    for (int b = 0; b < BLOBS; b++) {
        out->revisions[r][b] = repo->revisions[b].state == HERE && sight.live[b];
        out->links[r][b] = link_stays(&sight, b);
        out->leftover[r][b] = is_leftover(&sight, b);
        out->bytes[b] = out->bytes[b] || sight.live[b] || sight.named[b];
        left = left || out->revisions[r][b] || out->links[r][b];
        judge_orphan(&sight, out, b);
    }
    for (int t = 0; t < TAGS; t++) {
        const struct tag_of_world *tag_at = &repo->tags[t];
        out->tags[r][t] = tag_at->there && (own_root(world, repo, tag_at) || sight.live[tag_at->subject]);
        left = left || out->tags[r][t];
    }
    for (int u = 0; u < UPLOADS; u++) {
        out->uploads[r][u] = repo->uploads[u] >= 0 && (upload_young(repo->uploads[u]) || repo->odd);
        left = left || out->uploads[r][u];
    }
    out->repos[r] = left;
}

static bool linked_anywhere(const struct small_world *world, int b) {
    for (int r = 0; r < REPOS; r++) {
        const struct repo_of_world *repo = &world->repos[r];
        if (repo->links[b].state == HERE || repo->revisions[b].state == HERE) {
            return true;
        }
        for (int m = 0; m < BLOBS; m++) {
            if (repo->signatures[m][b]) {
                return true;
            }
        }
    }
    return false;
}

static void judge(const struct small_world *world, struct verdicts *out) {
    *out = (struct verdicts){.bytes = {false}};
    for (int r = 0; r < REPOS; r++) {
        judge_repo(world, out, r);
    }
    for (int b = 0; b < BLOBS; b++) {
        bool pinned = world->pinned[0] == b || world->pinned[1] == b;
        bool fresh = !world->offline && !linked_anywhere(world, b) && young(world, world->blobs[b].seen_ms);
        out->bytes[b] = out->bytes[b] || pinned || fresh;
    }
}

/* ---- comparison ---- */

static uint64_t seed_at_work;

static void same(struct world *w, bool plan_lets_go, bool stays, const char *what, const char *where,
                 const char *which) {
    if (plan_lets_go == stays) {
        struct rsw_why out = {.step_count = 0};
        if (which[0] == 'b' || which[0] == '5') {
            out = why(w, where[0] != 0 ? where : NULL, which);
        }
        fail_msg("REGSWEEP_SEED=%llu: %s %s %s: the mark %s it, the rules say otherwise (%s)",
                 (unsigned long long)seed_at_work, what, where, which, plan_lets_go ? "lets go of" : "keeps",
                 path_text(&out));
    }
}

static void compare_repo(struct world *w, const struct small_world *world, const struct verdicts *want,
                         int r) {
    const struct repo_of_world *repo_at = &world->repos[r];
    for (int b = 0; b < BLOBS; b++) {
        const char *called = blob_name(world, b);
        if (repo_at->revisions[b].state == HERE) {
            const struct rsw_condemned *item = condemned(w, RSW_ITEM_REVISION, repo_name(r), called);
            bool going = item != NULL;
            same(w, going, want->revisions[r][b], "revision", repo_name(r), called);
            enum rsw_reason reason = going ? (enum rsw_reason)item->reason : 0;
            if ((going && want->orphan[r][b] && reason != RSW_REASON_SUBJECT_GONE) ||
                (going && want->no_orphan[r][b] && reason != RSW_REASON_UNTAGGED)) {
                fail_msg("REGSWEEP_SEED=%llu: revision %s %s: wrong reason %s",
                         (unsigned long long)seed_at_work, repo_name(r), called, rsw_reason_name(reason));
            }
        }
        if (repo_at->revisions[b].state == TOMBSTONE) {
            same(w, lets_go(w, RSW_ITEM_REVISION, repo_name(r), called), !want->leftover[r][b],
                 "history of deleted revision", repo_name(r), called);
        }
        if (repo_at->links[b].state == HERE) {
            same(w, lets_go(w, RSW_ITEM_LINK, repo_name(r), called), want->links[r][b], "link", repo_name(r),
                 called);
        }
    }
    for (int t = 0; t < TAGS; t++) {
        if (repo_at->tags[t].there) {
            const char *called = tag_name(world, &repo_at->tags[t], t);
            same(w, lets_go(w, RSW_ITEM_TAG, repo_name(r), called), want->tags[r][t], "tag", repo_name(r),
                 called);
        }
    }
    for (int u = 0; u < UPLOADS; u++) {
        if (repo_at->uploads[u] >= 0) {
            const char *called = u == 0 ? "u0" : "u1";
            same(w, lets_go(w, RSW_ITEM_UPLOAD, repo_name(r), called), want->uploads[r][u], "upload",
                 repo_name(r), called);
        }
    }
    same(w, lets_go(w, RSW_ITEM_REPOSITORY, repo_name(r), NULL), want->repos[r], "repository", repo_name(r),
         "");
}

static void compare(struct world *w, const struct small_world *world) {
    struct verdicts want;
    judge(world, &want);
    for (int b = 0; b < BLOBS; b++) {
        if (world->blobs[b].present) {
            same(w, lets_go(w, RSW_ITEM_BLOB, NULL, blob_name(world, b)), want.bytes[b], "blob", "",
                 blob_name(world, b));
        }
    }
    for (int r = 0; r < REPOS; r++) {
        compare_repo(w, world, &want, r);
    }
}

/* What stays needs nothing that goes. */
static void check_whole(struct world *w, const struct small_world *world) {
    for (int r = 0; r < REPOS; r++) {
        for (int m = 0; m < BLOBS; m++) {
            const struct content *from = &world->blobs[m];
            bool stays = world->repos[r].revisions[m].state == HERE && from->parsed &&
                         !lets_go(w, RSW_ITEM_REVISION, repo_name(r), blob_name(world, m));
            if (stays && lets_go(w, RSW_ITEM_BLOB, NULL, blob_name(world, m))) {
                fail_msg("REGSWEEP_SEED=%llu: a revision stays without its bytes",
                         (unsigned long long)seed_at_work);
            }
            for (int i = 0; stays && i < from->ref_count; i++) {
                const char *part = blob_name(world, from->refs[i].to);
                bool broken =
                    from->refs[i].kind != RSW_REF_SUBJECT &&
                    (lets_go(w, RSW_ITEM_BLOB, NULL, part) || lets_go(w, RSW_ITEM_LINK, repo_name(r), part) ||
                     (from->refs[i].kind == RSW_REF_CHILD &&
                      world->repos[r].revisions[from->refs[i].to].state == HERE &&
                      lets_go(w, RSW_ITEM_REVISION, repo_name(r), part)));
                if (broken) {
                    fail_msg("REGSWEEP_SEED=%llu: %s stays in %s, but what it names goes: %s",
                             (unsigned long long)seed_at_work, blob_name(world, m), repo_name(r), part);
                }
            }
        }
    }
}

static bool goes_in(const struct rsw_plan *plan, const struct rsw_condemned *item, const char *called) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct rsw_condemned *at = &plan->condemned[i];
        bool named = item->kind == RSW_ITEM_TAG || item->kind == RSW_ITEM_UPLOAD;
        if (at->kind == item->kind && at->repo == item->repo &&
            (named ? strcmp(rsw_plan_name(plan, at), called) == 0 : at->blob == item->blob)) {
            return true;
        }
    }
    return false;
}

/* One more root never lets more go. */
static void check_one_more_root(struct world *w, const struct small_world *world) {
    struct rsw_plan before;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_mark(&before, w->txn, &w->options, &err), 0);
    const char *called = blob_name(world, (int)chance(BLOBS));
    if (one_in(2)) {
        w->touched_ms = LONG_AGO_MS;
        tag(w, repo_name((int)chance(REPOS)), "one-more", called);
    } else {
        pin(w, one_in(2) ? NULL : repo_name((int)chance(REPOS)), called);
    }
    const struct rsw_plan *after = plan_of(w);
    for (size_t i = 0; i < after->count; i++) {
        const struct rsw_condemned *item = &after->condemned[i];
        if (!goes_in(&before, item, rsw_plan_name(after, item))) {
            fail_msg("REGSWEEP_SEED=%llu: one more root, and something goes that stayed: %s %u %u",
                     (unsigned long long)seed_at_work, rsw_item_kind_name(item->kind), item->repo,
                     item->blob);
        }
    }
    rsw_plan_release(&before);
}

static uint64_t from_environment(const char *variable, uint64_t otherwise) {
    const char *text = getenv(variable);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void agree_in_world(void **state, uint64_t seed) {
    static struct small_world world;
    seed_at_work = seed;
    make_world(&world, seed);
    world_begin(state);
    struct world *w = *state;
    put_world(w, &world);
    compare(w, &world);
    check_whole(w, &world);
    if (seed % 4 == 0) {
        check_why(w);
    }
    check_one_more_root(w, &world);
    world_end(state);
}

static void the_mark_agrees_with_the_rules_in_every_small_world(void **state) {
    uint64_t first = from_environment("REGSWEEP_SEED", 1);
    uint64_t count = from_environment("REGSWEEP_WORLDS", getenv("REGSWEEP_SEED") != NULL ? 1 : WORLDS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        agree_in_world(state, seed);
    }
}

/* Two threads each decide half of the repositories: of a committed index, for they need a moment that both
 * can see. */
static void expect_same_plan(const struct rsw_plan *one, const struct rsw_plan *two) {
    assert_int_equal(one->count, two->count);
    assert_int_equal(one->warning_count, two->warning_count);
    for (size_t i = 0; i < one->count; i++) {
        const struct rsw_condemned *a = &one->condemned[i];
        const struct rsw_condemned *b = &two->condemned[i];
        assert_true(a->repo == b->repo && a->blob == b->blob && a->size == b->size && a->types == b->types &&
                    a->kind == b->kind && a->reason == b->reason);
        assert_string_equal(rsw_plan_name(one, a), rsw_plan_name(two, b));
    }
    for (size_t i = 0; i < one->warning_count; i++) {
        assert_true(one->warnings[i].repo == two->warnings[i].repo &&
                    one->warnings[i].blob == two->warnings[i].blob);
        assert_string_equal(one->warnings[i].problem, two->warnings[i].problem);
    }
    assert_memory_equal(one->counts, two->counts, sizeof one->counts);
    assert_memory_equal(one->totals, two->totals, sizeof one->totals);
    assert_true(one->bytes == two->bytes && one->total_bytes == two->total_bytes &&
                one->kept_blobs == two->kept_blobs && one->kept_in_grace == two->kept_in_grace);
}

/* Worlds too rare for the first few thousand, in which mark and rules once disagreed: 105596, 203924, 213311
 * and 214200 over a manifest that cannot be read behind a link that leads nobody knows where, 216924 over the
 * reason of a revision in a ring. */
static void the_mark_agrees_with_the_rules_in_rare_worlds(void **state) {
    static const uint64_t seeds[] = {105596, 203924, 213311, 214200, 216924};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        agree_in_world(state, seeds[i]);
    }
}

static void compare_threads(struct world *w) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_plan one;
    struct rsw_plan two;
    assert_int_equal(rsw_txn_commit(&w->txn, &err), 0);
    assert_int_equal(rsw_txn_begin_read(&w->txn, w->index, &err), 0);
    w->options.threads = 1;
    assert_int_equal(rsw_mark(&one, w->txn, &w->options, &err), 0);
    w->options.threads = 2;
    assert_int_equal(rsw_mark(&two, w->txn, &w->options, &err), 0);
    expect_same_plan(&one, &two);
    rsw_plan_release(&one);
    rsw_plan_release(&two);
}

/* More than there are slices, several in each, and the last slice is not full. */
static void two_threads_make_the_plan_of_one_of_many_repositories(void **unused) {
    (void)unused;
    void *state = NULL;
    world_open(&state);
    world_begin(&state);
    struct world *w = state;
    w->options.untagged_remove = true;
    for (unsigned i = 0; i < 701; i++) {
        char name[16];
        char own[16];
        char all[32];
        snprintf(name, sizeof name, "r%u", i);
        snprintf(own, sizeof own, "m%u", i);
        snprintf(all, sizeof all, "base l%u", i % 40);
        image(w, name, i % 3 != 0 ? "v1" : NULL, own, all);
        if (i % 5 == 0) {
            tag_flags(w, name, "odd", RSW_TAG_BAD); /* with a warning */
        }
        if (i % 7 == 0) {
            upload(w, name, "stale", LONG_AGO_MS);
        }
    }
    compare_threads(w);
    world_end(&state);
    world_close(&state);
}

static void two_threads_make_the_plan_of_one(void **unused) {
    (void)unused;
    static struct small_world world;
    for (seed_at_work = 1; seed_at_work <= 60; seed_at_work++) {
        void *state = NULL;
        world_open(&state);
        world_begin(&state);
        struct world *w = state;
        make_world(&world, seed_at_work);
        put_world(w, &world);
        compare_threads(w);
        world_end(&state);
        world_close(&state);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_make_the_plan_of_one),
        cmocka_unit_test(two_threads_make_the_plan_of_one_of_many_repositories),
        cmocka_unit_test_teardown(the_mark_agrees_with_the_rules_in_every_small_world, world_end),
        cmocka_unit_test_teardown(the_mark_agrees_with_the_rules_in_rare_worlds, world_end),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
