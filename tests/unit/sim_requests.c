/* What each request of the simulated registry does, a step at a time. Source: distribution registry/handlers
 * and registry/storage (linkedblobstore.go, blobstore.go, blobwriter.go, manifeststore.go, tagstore.go,
 * cache/). */
#include "sim_registry.h"

#include <stdio.h>
#include <string.h>

#define GOING 2 /* of a look: not answered yet */

static const char *const kind_names[] = {"HEAD blob",    "upload",       "mount",           "DELETE layer",
                                         "GET manifest", "PUT manifest", "DELETE manifest", "DELETE tag"};

const char *sim_request_text(const struct sim_request *request, char out[160]) {
    snprintf(out, 160, "%s %s %s%s%s by replica %d%s", kind_names[request->kind], sim_repos[request->repo],
             request->blob >= 0 ? sim_contents[request->blob].name : "", request->tag >= 0 ? ":" : "",
             request->tag == SIM_TAG_SIGNATURE ? "signature" : sim_tag(request->tag), request->replica,
             request->ours ? " (ours)" : "");
    return out;
}

/* ---- caches ---- */

static bool caches(const struct sim_registry *r, bool manifest) {
    return r->cache != RSW_CACHE_NONE && (!manifest || r->v3);
}

static bool repo_hit(struct sim_registry *r, const struct sim_request *q, int repo, int blob) {
    const struct sim_cache *cache = sim_cache_of(r, q->replica);
    return (cache->in_repo[repo] & SIM_BIT(blob)) != 0 &&
           (r->cache != RSW_CACHE_REDIS || (cache->blobs & SIM_BIT(blob)) != 0);
}

/* What a DELETE clears. Redis: the key of the blob, never its place in the repository's set. */
static void clear_cache(struct sim_registry *r, const struct sim_request *q) {
    struct sim_cache *cache = sim_cache_of(r, q->replica);
    if (r->cache != RSW_CACHE_REDIS) {
        cache->in_repo[q->repo] &= ~SIM_BIT(q->blob);
    } else if ((cache->in_repo[q->repo] & SIM_BIT(q->blob)) != 0) {
        cache->blobs &= ~SIM_BIT(q->blob);
    }
}

static void fill_blob(struct sim_registry *r, const struct sim_request *q, int blob) {
    if (r->cache != RSW_CACHE_NONE) {
        sim_cache_of(r, q->replica)->blobs |= SIM_BIT(blob);
    }
}

static void fill_repo(struct sim_registry *r, const struct sim_request *q, int repo, int blob,
                      bool manifest) {
    if (caches(r, manifest)) {
        struct sim_cache *cache = sim_cache_of(r, q->replica);
        cache->in_repo[repo] |= SIM_BIT(blob);
        cache->blobs |= SIM_BIT(blob);
    }
}

/* ---- looking ---- */

static void look_begin(struct sim_request *q, bool manifest, int blob) {
    q->look = (struct sim_look){.manifest = manifest, .blob = blob};
}

/* A manifest is read through its revision, or through a layer link. A link that is empty is an error, not an
 * absence. */
static int look_at_link(const struct sim_repo *repo, const struct sim_look *look) {
    uint32_t bit = SIM_BIT(look->blob);
    if (look->manifest && ((repo->revisions | repo->cut_revisions) & bit) != 0) {
        return (repo->revisions & bit) != 0 ? GOING : RSW_FAILED;
    }
    if (((repo->links | repo->cut_links) & bit) == 0) {
        return RSW_ABSENT;
    }
    return (repo->links & bit) != 0 ? GOING : RSW_FAILED;
}

/* One step of a Stat in `repo`: GOING, or an answer. */
static int look_step(struct sim_registry *r, struct sim_request *q, int repo) {
    struct sim_look *look = &q->look;
    bool cached = caches(r, look->manifest);
    switch (look->at++) {
    case 0:
        return cached && repo_hit(r, q, repo, look->blob) ? RSW_FOUND : GOING;
    case 1:
        return look_at_link(&r->repos[repo], look);
    case 2:
        if (r->cache != RSW_CACHE_NONE && (sim_cache_of(r, q->replica)->blobs & SIM_BIT(look->blob)) != 0) {
            look->at = 4;
        }
        return GOING;
    case 3:
        if ((r->data & SIM_BIT(look->blob)) == 0) {
            return RSW_ABSENT;
        }
        fill_blob(r, q, look->blob);
        return GOING;
    default:
        fill_repo(r, q, repo, look->blob, look->manifest);
        return RSW_FOUND;
    }
}

/* The same, going on to the next step of the request where it is there, else answering with a status. */
static void look_on(struct sim_registry *r, struct sim_request *q, int repo, int absent) {
    int answer = look_step(r, q, repo);
    if (answer == RSW_FOUND) {
        q->at++;
    } else if (answer != GOING) {
        q->status = answer == RSW_ABSENT ? absent : 500;
    }
}

/* ---- writing ---- */

static void own_loss(uint32_t *lost, int blob, bool is_lost) {
    *lost = is_lost ? *lost | SIM_BIT(blob) : *lost & ~SIM_BIT(blob);
}

/* One step of writing a link; true: it is written. 2.8 opens it, which cuts it, and writes what it has open,
 * wherever that is. */
static bool write_link(struct sim_registry *r, struct sim_request *q, const char *key, int blob) {
    const struct sim_content *content = &sim_contents[blob];
    if (r->v3 || r->files->loose) { /* an object store writes nothing in place */
        sim_put(r, key, content->text, strlen(content->text));
        return true;
    }
    if (!q->half) {
        sim_put(r, key, "", 0);
        q->half = true;
        q->unlinked = false;
        q->open[1][0] = 0;
        snprintf(q->open[0], sizeof q->open[0], "%s", key);
        return false;
    }
    for (int i = 0; i < 2; i++) {
        if (q->open[i][0] != 0) {
            sim_put(r, q->open[i], content->text, strlen(content->text));
        }
    }
    q->half = false;
    return true;
}

static void write_layer_link(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    rsw_key_layer_link(key, sim_repos[q->repo], &sim_contents[q->blob].digest);
    bool done = write_link(r, q, key, q->blob);
    struct sim_repo *of = &r->repos[q->repo];
    own_loss(&of->lost_links, q->blob, (of->links & SIM_BIT(q->blob)) == 0 && (!done || q->unlinked));
    q->at += done ? 1 : 0;
}

static void write_revision(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    rsw_key_revision_link(key, sim_repos[q->repo], &sim_contents[q->blob].digest);
    bool done = write_link(r, q, key, q->blob);
    struct sim_repo *of = &r->repos[q->repo];
    own_loss(&of->lost_revisions, q->blob, (of->revisions & SIM_BIT(q->blob)) == 0 && (!done || q->unlinked));
    q->at += done ? 1 : 0;
}

/* Whoever has it open writes it nowhere. */
static void remove_link(struct sim_registry *r, const struct sim_request *q, const char *key) {
    for (size_t i = 0; i < SIM_ACTIVE_MAX; i++) {
        struct sim_request *other = r->active[i];
        if (other != NULL && other->half && strcmp(other->open[0], key) == 0) {
            other->unlinked = !q->ours;
        }
    }
    sim_remove(r, key);
}

static void remove_layer_link(struct sim_registry *r, const struct sim_request *q) {
    char key[RSW_KEY_MAX];
    bool there = (r->repos[q->repo].links & SIM_BIT(q->blob)) != 0;
    remove_link(r, q, rsw_key_layer_link(key, sim_repos[q->repo], &sim_contents[q->blob].digest));
    if (there) {
        own_loss(&r->repos[q->repo].lost_links, q->blob, !q->ours);
    }
}

static void remove_revision(struct sim_registry *r, const struct sim_request *q) {
    char key[RSW_KEY_MAX];
    remove_link(r, q, rsw_key_revision_link(key, sim_repos[q->repo], &sim_contents[q->blob].digest));
    own_loss(&r->repos[q->repo].lost_revisions, q->blob, true);
}

/* ---- blobs ---- */

static void head_blob(struct sim_registry *r, struct sim_request *q) {
    switch (q->at) {
    case 0:
        look_on(r, q, q->repo, 404);
        return;
    default:
        sim_send(r, q, RSW_EVENT_PULL, q->blob, -1);
        q->status = 200;
    }
}

static const char *upload_key(const struct sim_request *q, const char *file, char key[RSW_KEY_MAX]) {
    char id[32];
    char folder[RSW_KEY_MAX];
    snprintf(id, sizeof id, "upload-%llu", (unsigned long long)q->upload);
    rsw_key_upload(folder, sim_repos[q->repo], id);
    snprintf(key, RSW_KEY_MAX, "%.900s/%s", folder, file);
    return key;
}

static void begin_upload(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    q->upload = ++r->uploads;
    /* Long ago: what a killed replica leaves behind is stale once the test is over. */
    sim_put(r, upload_key(q, "startedat", key), "2020-01-01T00:00:00Z", 20);
    q->at++;
}

/* Whether the data is there is asked of storage, never of the cache. */
static void commit_data(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    const struct sim_content *content = &sim_contents[q->blob];
    if (q->at == 2) {
        q->at = (r->data & SIM_BIT(q->blob)) != 0 ? 4 : 3;
        return;
    }
    sim_put(r, rsw_key_blob(key, &content->digest), content->bytes, content->len);
    sim_remove(r, upload_key(q, "data", key));
    q->at++;
}

static void upload(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    const struct sim_content *content = &sim_contents[q->blob];
    switch (q->at) {
    case 0:
        begin_upload(r, q);
        return;
    case 1:
        sim_put(r, upload_key(q, "data", key), content->bytes, content->len);
        q->at++;
        return;
    case 2:
    case 3:
        commit_data(r, q);
        return;
    case 4:
        write_layer_link(r, q);
        return;
    case 5:
        sim_remove(r, upload_key(q, "data", key));
        sim_remove(r, upload_key(q, "startedat", key));
        q->at++;
        return;
    case 6:
        fill_repo(r, q, q->repo, q->blob, false);
        q->at++;
        return;
    default:
        sim_send(r, q, RSW_EVENT_PUSH, q->blob, -1);
        q->status = 201;
    }
}

static void mount(struct sim_registry *r, struct sim_request *q) {
    switch (q->at) {
    case 0:
        look_on(r, q, q->from, 202);
        return;
    case 1:
        write_layer_link(r, q);
        return;
    default:
        sim_send(r, q, RSW_EVENT_MOUNT, q->blob, -1);
        q->status = 201;
    }
}

static void delete_layer(struct sim_registry *r, struct sim_request *q) {
    switch (q->at) {
    case 0:
        look_on(r, q, q->repo, 404);
        return;
    case 1:
        clear_cache(r, q);
        q->at++;
        return;
    case 2:
        remove_layer_link(r, q);
        q->at++;
        return;
    default:
        sim_send(r, q, RSW_EVENT_DELETE, q->blob, -1);
        q->status = 202;
    }
}

/* ---- manifests ---- */

static void get_manifest(struct sim_registry *r, struct sim_request *q) {
    switch (q->at) {
    case 0:
        if (q->tag >= 0) {
            q->blob = r->repos[q->repo].current[q->tag];
        }
        if (q->blob < 0) {
            q->status = q->blob == -1 ? 404 : 500;
            return;
        }
        look_begin(q, true, q->blob);
        q->at++;
        return;
    case 1:
        look_on(r, q, q->repo, 404);
        return;
    case 2:
        if ((r->data & SIM_BIT(q->blob)) == 0) {
            q->status = 404;
        }
        q->at++;
        return;
    default:
        sim_send(r, q, RSW_EVENT_PULL, q->blob, q->tag);
        q->status = 200;
    }
}

static int lowest(uint32_t set) {
    return __builtin_ctz(set);
}

/* Each blob that it names must be known, its subject need not. */
static void check_parts(struct sim_registry *r, struct sim_request *q) {
    if (q->at == 0) {
        if (q->left == 0) {
            q->at = 2;
            return;
        }
        look_begin(q, sim_is_manifest(lowest(q->left)), lowest(q->left));
        q->at = 1;
        return;
    }
    look_on(r, q, q->repo, 400);
    if (q->at == 2) {
        q->left &= q->left - 1;
        q->at = 0;
    }
}

/* Bytes that "exist" are not written again, whether storage says so or the cache. */
static void put_bytes(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    const struct sim_content *content = &sim_contents[q->blob];
    const struct sim_cache *cache = sim_cache_of(r, q->replica);
    switch (q->at++) {
    case 2:
        q->at = r->cache != RSW_CACHE_NONE && (cache->blobs & SIM_BIT(q->blob)) != 0 ? 5 : 3;
        return;
    case 3:
        if ((r->data & SIM_BIT(q->blob)) != 0) {
            fill_blob(r, q, q->blob);
            q->at = 5;
        }
        return;
    default:
        sim_put(r, rsw_key_blob(key, &content->digest), content->bytes, content->len);
    }
}

/* The tag comes after the event that tells of it. */
static void put_tag(struct sim_registry *r, struct sim_request *q) {
    char key[RSW_KEY_MAX];
    struct sim_repo *repo = &r->repos[q->repo];
    if (q->tag < 0) {
        q->status = 201;
    } else if (q->at == 8) {
        rsw_key_tag_history(key, sim_repos[q->repo], sim_tag(q->tag), &sim_contents[q->blob].digest);
        q->at += write_link(r, q, key, q->blob) ? 1 : 0;
    } else if (q->at == 9) {
        rsw_key_tag_current(key, sim_repos[q->repo], sim_tag(q->tag));
        bool done = write_link(r, q, key, q->blob);
        repo->written[q->tag] = done && !q->unlinked ? q->blob : -1;
        q->at += done ? 1 : 0;
    } else {
        q->status = 201;
    }
}

/* 3.x, before it writes the revision (linkedblobstore.go, Put). */
static void vouch(struct sim_registry *r, struct sim_request *q) {
    struct sim_repo *of = &r->repos[q->repo];
    fill_repo(r, q, q->repo, q->blob, true);
    if (caches(r, true)) {
        of->vouched |= SIM_BIT(q->blob) & ~of->revisions;
    }
}

static void put_manifest(struct sim_registry *r, struct sim_request *q) {
    switch (q->at) {
    case 0:
    case 1:
        check_parts(r, q);
        return;
    case 2:
    case 3:
    case 4:
        put_bytes(r, q);
        return;
    case 5:
        vouch(r, q);
        q->at++;
        return;
    case 6:
        write_revision(r, q);
        return;
    case 7:
        sim_send(r, q, RSW_EVENT_PUSH, q->blob, q->tag);
        q->at++;
        return;
    default:
        put_tag(r, q);
    }
}

/* ---- deleting manifests and tags ---- */

static void remove_tag(struct sim_registry *r, const struct sim_request *q, int tag) {
    char key[RSW_KEY_MAX];
    struct sim_repo *repo = &r->repos[q->repo];
    repo->written[tag] = -1;
    remove_link(r, q, rsw_key_tag_current(key, sim_repos[q->repo], sim_tag(tag)));
}

static void remove_history(struct sim_registry *r, const struct sim_request *q, int tag) {
    char key[RSW_KEY_MAX];
    for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
        if ((r->repos[q->repo].history[tag] & SIM_BIT(i)) != 0) {
            sim_remove(r,
                       rsw_key_tag_history(key, sim_repos[q->repo], sim_tag(tag), &sim_contents[i].digest));
        }
    }
}

/* Which tags point at it is looked at before any of them goes. True: done. */
static bool untag_all(struct sim_registry *r, struct sim_request *q) {
    if (q->look.at == 0) {
        q->left = 0;
        for (int t = 0; t < SIM_TAGS; t++) {
            q->left |= r->repos[q->repo].current[t] == q->blob ? SIM_BIT(t) : 0;
        }
        q->look.at = 1;
        return false;
    }
    if (q->left == 0) {
        return true;
    }
    if (q->look.at++ == 1) {
        remove_tag(r, q, lowest(q->left));
    } else if (q->look.at == 3) {
        remove_history(r, q, lowest(q->left));
    } else {
        sim_send(r, q, RSW_EVENT_DELETE, -1, lowest(q->left));
        q->left &= q->left - 1;
        q->look.at = 1;
    }
    return false;
}

static void delete_revision(struct sim_registry *r, struct sim_request *q) {
    switch (q->at++) {
    case 2:
        clear_cache(r, q);
        return;
    case 3:
        remove_revision(r, q);
        return;
    case 4:
        remove_layer_link(r, q);
        return;
    default:
        sim_send(r, q, RSW_EVENT_DELETE, q->blob, -1);
        q->look.at = 0;
    }
}

static void delete_manifest(struct sim_registry *r, struct sim_request *q) {
    switch (q->at) {
    case 0:
        look_on(r, q, q->repo, 404);
        q->look.at = q->at == 1 ? 0 : q->look.at;
        return;
    case 1:
        q->at += !r->tags_first || untag_all(r, q) ? 1 : 0;
        return;
    case 2:
    case 3:
    case 4:
    case 5:
        delete_revision(r, q);
        return;
    default:
        q->status = r->tags_first || untag_all(r, q) ? 202 : 0;
    }
}

void sim_registry_drop_tag(struct sim_registry *r, int repo, int tag) {
    struct sim_request q = {.kind = SIM_DELETE_TAG, .repo = repo, .blob = -1, .tag = tag};
    remove_tag(r, &q, tag);
    remove_history(r, &q, tag);
    sim_send(r, &q, RSW_EVENT_DELETE, -1, tag);
}

static void delete_tag(struct sim_registry *r, struct sim_request *q) {
    switch (q->at++) {
    case 0:
        if (r->repos[q->repo].current[q->tag] == -1) {
            q->status = 404;
        }
        return;
    case 1:
        remove_tag(r, q, q->tag);
        return;
    case 2:
        remove_history(r, q, q->tag);
        return;
    default:
        sim_send(r, q, RSW_EVENT_DELETE, -1, q->tag);
        q->status = 202;
    }
}

/* ---- any ---- */

void sim_request_begin(struct sim_registry *r, struct sim_request *request) {
    size_t i = 0;
    while (i < SIM_ACTIVE_MAX && r->active[i] != NULL) {
        i++;
    }
    if (i < SIM_ACTIVE_MAX) {
        r->active[i] = request;
    }
    request->status = i < SIM_ACTIVE_MAX ? 0 : SIM_DIED;
    request->began_ms = r->now_ms;
    request->at = 0;
    request->life = r->replicas[request->replica].life;
    request->half = request->unlinked = false;
    request->left = request->kind == SIM_PUT_MANIFEST ? sim_contents[request->blob].parts : 0;
    bool manifest = request->kind == SIM_GET_MANIFEST || request->kind == SIM_DELETE_MANIFEST;
    look_begin(request, manifest, request->blob);
}

static void answered(struct sim_registry *r, const struct sim_request *request) {
    for (size_t i = 0; i < SIM_ACTIVE_MAX; i++) {
        if (r->active[i] == request) {
            r->active[i] = NULL;
        }
    }
    if (r->trace != NULL) {
        char text[160];
        r->trace(r->trace_arg, "%d %s", request->status, sim_request_text(request, text));
    }
}

int sim_request_step(struct sim_registry *r, struct sim_request *request) {
    static void (*const steps[])(struct sim_registry *, struct sim_request *) = {
        head_blob, upload, mount, delete_layer, get_manifest, put_manifest, delete_manifest, delete_tag};
    if (request->status == 0 && request->life != r->replicas[request->replica].life) {
        request->status = SIM_DIED;
    } else if (request->status == 0) {
        steps[request->kind](r, request);
    }
    if (request->status != 0) {
        answered(r, request);
    }
    return request->status;
}

int sim_request_run(struct sim_registry *r, struct sim_request *request) {
    sim_request_begin(r, request);
    while (request->status == 0) {
        sim_request_step(r, request);
    }
    return request->status;
}
