#include "sim_registry.h"

#include "index/facts.h"
#include "storage/layout.h"
#include "storage/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what) {
    fprintf(stderr, "simulated registry: %s\n", what);
    abort();
}

void sim_registry_init(struct sim_registry *r, bool v3, enum rsw_cache cache, int replicas) {
    struct rsw_error err = RSW_ERROR_INIT;
    sim_world_init();
    memset(r, 0, sizeof *r);
    if (rsw_storage_open_memory(&r->files, &err) != 0) {
        die(err.message);
    }
    r->v3 = v3;
    r->cache = cache;
    r->replica_count = replicas;
    for (int i = 0; i < SIM_REPLICAS_MAX; i++) {
        r->replicas[i].end = &r->replicas[i].first;
    }
    for (int i = 0; i < SIM_REPOS; i++) {
        for (int t = 0; t < SIM_TAGS; t++) {
            r->repos[i].current[t] = r->repos[i].written[t] = -1;
        }
    }
}

static void drop_events(struct sim_registry *r, int replica) {
    while (r->replicas[replica].first != NULL) {
        sim_event_drop(r, replica);
    }
}

void sim_registry_release(struct sim_registry *r) {
    for (int i = 0; i < SIM_REPLICAS_MAX; i++) {
        drop_events(r, i);
    }
    rsw_storage_close(r->files);
}

/* ---- what storage holds ---- */

/* The content of a link: a blob; -1: there is none; -2: it is empty. */
static int link_of(struct sim_registry *r, const char *key) {
    struct rsw_read read = {.key = key, .max = RSW_LINK_MAX, .content = RSW_BUF_INIT};
    struct rsw_digest digest;
    rsw_storage_read(r->files, &read, 1);
    int blob = -1;
    if (read.answer == RSW_FOUND) {
        enum rsw_link_state state = rsw_link_parse(&digest, read.content.data, read.content.len);
        blob = state == RSW_LINK_GOOD ? sim_blob_of(&digest) : -2;
        if (state == RSW_LINK_BAD || blob == -1) {
            die("a link names what nobody wrote");
        }
    }
    rsw_buf_release(&read.content);
    return blob;
}

static bool is_there(struct sim_registry *r, const char *key) {
    struct rsw_look look = {.key = key};
    rsw_storage_look(r->files, &look, 1);
    return look.answer == RSW_FOUND;
}

static void set(uint32_t *set, int blob, bool in) {
    *set = in ? *set | SIM_BIT(blob) : *set & ~SIM_BIT(blob);
}

static void seen_in_place(struct sim_registry *r, const char *key, const struct rsw_path *path) {
    int repo = path->repo != NULL ? sim_repo_of(path->repo, path->repo_len) : -1;
    int tag = path->tag != NULL ? sim_tag_of(path->tag, path->tag_len) : -1;
    int blob = path->digest.alg != 0 ? sim_blob_of(&path->digest) : -1;
    struct sim_repo *of = repo >= 0 ? &r->repos[repo] : NULL;
    if (path->place == RSW_PLACE_BLOB_DATA && blob >= 0) {
        set(&r->data, blob, is_there(r, key));
    } else if (path->place == RSW_PLACE_LAYER_LINK && of != NULL && blob >= 0) {
        int link = link_of(r, key);
        set(&of->links, blob, link == blob);
        set(&of->cut_links, blob, link == -2);
        of->lost_links &= ~of->links;
    } else if (path->place == RSW_PLACE_REVISION_LINK && of != NULL && blob >= 0) {
        int link = link_of(r, key);
        set(&of->revisions, blob, link == blob);
        set(&of->cut_revisions, blob, link == -2);
        of->lost_revisions &= ~of->revisions;
        of->vouched &= ~of->revisions;
    } else if (path->place == RSW_PLACE_TAG_CURRENT && of != NULL && tag >= 0) {
        of->current[tag] = link_of(r, key);
    } else if (path->place == RSW_PLACE_TAG_HISTORY && of != NULL && tag >= 0 && blob >= 0) {
        set(&of->history[tag], blob, is_there(r, key));
        of->ever[tag] |= of->history[tag];
    }
}

#define QUARANTINE "regsweep/quarantine/"

/* NULL: nobody asks for them. */
static uint64_t *copies_of(struct sim_registry *r, const struct rsw_path *path) {
    int blob = path->digest.alg != 0 ? sim_blob_of(&path->digest) : -1;
    int repo = path->repo != NULL ? sim_repo_of(path->repo, path->repo_len) : -1;
    return blob < 0                                              ? NULL
           : path->place == RSW_PLACE_BLOB_DATA                  ? &r->copies[blob]
           : path->place == RSW_PLACE_REVISION_LINK && repo >= 0 ? &r->repos[repo].revision_copies[blob]
                                                                 : NULL;
}

/* The bytes that lie hidden under this key. */
static bool is_hidden(const struct sim_registry *r, const char *key) {
    const struct rsw_memory *memory = (const struct rsw_memory *)r->files;
    for (size_t i = 0; i < memory->hidden_count; i++) {
        if (strcmp(memory->hidden[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* A record stands for what is hidden. */
static void seen_record(struct sim_registry *r, const char *key, const char *inner, uint64_t bit) {
    char data[RSW_KEY_MAX + 64];
    struct rsw_path path;
    snprintf(data, sizeof data, "%.*sdata", (int)(strlen(inner) - strlen("version")), inner);
    rsw_path_parse(&path, data);
    int blob = path.place == RSW_PLACE_BLOB_DATA ? sim_blob_of(&path.digest) : -1;
    if (blob >= 0) {
        bool there = is_there(r, key) && is_hidden(r, data);
        r->copies[blob] = there ? r->copies[blob] | bit : r->copies[blob] & ~bit;
    }
}

void sim_seen(struct sim_registry *r, const char *key) {
    struct rsw_path path;
    if (strncmp(key, QUARANTINE, strlen(QUARANTINE)) != 0) {
        rsw_path_parse(&path, key);
        seen_in_place(r, key, &path);
        return;
    }
    const char *inner = strchr(key + strlen(QUARANTINE), '/');
    if (inner == NULL) {
        return;
    }
    uint64_t bit = UINT64_C(1) << (strtoull(key + strlen(QUARANTINE), NULL, 10) % 64);
    if (strcmp(strrchr(key, '/'), "/version") == 0) {
        seen_record(r, key, inner + 1, bit);
        return;
    }
    rsw_path_parse(&path, inner + 1);
    uint64_t *copies = copies_of(r, &path);
    if (copies != NULL) {
        *copies = is_there(r, key) ? *copies | bit : *copies & ~bit;
    }
}

static void move_open(struct sim_request *request, const char *from, const char *to, bool stays) {
    for (int i = 0; i < 2; i++) {
        if (strcmp(request->open[i], from) == 0) {
            char *name = request->open[stays ? 1 - i : i];
            snprintf(name, sizeof request->open[0], "%s", to == NULL ? "" : to);
            return;
        }
    }
}

void sim_moved(struct sim_registry *r, const char *from, const char *to, bool stays) {
    for (size_t i = 0; i < SIM_ACTIVE_MAX; i++) {
        if (r->active[i] != NULL && r->active[i]->half) {
            move_open(r->active[i], from, to, stays);
        }
    }
}

static void tell(struct sim_registry *r, const char *what, const char *key) {
    if (r->trace != NULL) {
        r->trace(r->trace_arg, "registry %s …%s", what, strlen(key) > 70 ? key + strlen(key) - 70 : key);
    }
}

void sim_put(struct sim_registry *r, const char *key, const void *bytes, size_t len) {
    struct rsw_error err = RSW_ERROR_INIT;
    tell(r, len == 0 ? "cuts" : "writes", key);
    /* A store has a clock of its own, which nobody sets. */
    int64_t now_ms = r->files->loose ? r->now_ms : sim_wall_ms(r);
    if (rsw_memory_put(r->files, key, bytes, len, now_ms, &err) != 0) {
        die(err.message);
    }
    sim_seen(r, key);
}

void sim_remove(struct sim_registry *r, const char *key) {
    struct rsw_removal removal = {.key = key};
    tell(r, "removes", key);
    sim_moved(r, key, NULL, false);
    rsw_storage_remove(r->files, &removal, 1);
    sim_seen(r, key);
}

/* ---- replicas, caches, events ---- */

struct sim_cache *sim_cache_of(struct sim_registry *r, int replica) {
    return r->cache == RSW_CACHE_REDIS ? &r->shared : &r->replicas[replica].cache;
}

void sim_redis_forget(struct sim_registry *r, int repo, int blob) {
    r->shared.in_repo[repo] &= ~SIM_BIT(blob);
    r->shared.blobs &= ~SIM_BIT(blob);
}

const char *sim_instance(const struct sim_registry *r, int replica, char out[32]) {
    snprintf(out, 32, "replica-%d-%u", replica, r->replicas[replica].life);
    return out;
}

void sim_replica_restart(struct sim_registry *r, int replica) {
    struct sim_replica *of = &r->replicas[replica];
    for (const struct sim_event *event = of->first; event != NULL; event = event->next) {
        r->events_lost++;
    }
    drop_events(r, replica);
    memset(&of->cache, 0, sizeof of->cache);
    of->life++;
}

const struct rsw_event *sim_event_next(const struct sim_registry *r, int replica) {
    const struct sim_event *first = r->replicas[replica].first;
    return first == NULL ? NULL : &first->event;
}

void sim_event_drop(struct sim_registry *r, int replica) {
    struct sim_replica *of = &r->replicas[replica];
    struct sim_event *event = of->first;
    of->first = event->next;
    if (of->first == NULL) {
        of->end = &of->first;
    }
    free(event);
}

static void append(struct sim_replica *to, struct sim_event *event, bool overtake) {
    if (overtake) {
        event->next = to->first;
        to->first = event;
        to->end = event->next == NULL ? &event->next : to->end;
        return;
    }
    *to->end = event;
    to->end = &event->next;
}

void sim_send(struct sim_registry *r, const struct sim_request *request, enum rsw_event_action action,
              int blob, int tag) {
    static const char *const methods[] = {"", "PUT", "POST", "GET", "DELETE"};
    struct sim_event *event = calloc(1, sizeof *event);
    if (event == NULL) {
        die("out of memory");
    }
    struct rsw_event *to = &event->event;
    to->action = action;
    to->size = RSW_SIZE_UNKNOWN;
    to->sent_ms = sim_wall_ms(r);
    snprintf(to->repository, sizeof to->repository, "%s", sim_repos[request->repo]);
    snprintf(to->tag, sizeof to->tag, "%s", sim_tag(tag));
    snprintf(to->id, sizeof to->id, "event-%llu", (unsigned long long)++r->events_sent);
    snprintf(to->method, sizeof to->method, "%s", methods[action]);
    snprintf(to->useragent, sizeof to->useragent, "%s", request->useragent);
    sim_instance(r, request->replica, to->instance_id);
    if (blob >= 0) {
        to->digest = sim_contents[blob].digest;
    }
    if (blob >= 0 && action != RSW_EVENT_DELETE) {
        bool as_manifest = request->kind == SIM_GET_MANIFEST || request->kind == SIM_PUT_MANIFEST;
        to->size = sim_contents[blob].len;
        snprintf(to->media_type, sizeof to->media_type, "%s",
                 as_manifest ? sim_contents[blob].media_type : "application/octet-stream");
    }
    if (action == RSW_EVENT_MOUNT) {
        snprintf(to->from_repository, sizeof to->from_repository, "%s", sim_repos[request->from]);
    }
    append(&r->replicas[request->replica], event, request->overtake);
}
