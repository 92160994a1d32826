/* The registry's files as actors see them: the world may act before and after every single request, and a
 * killed actor's fail. */
#include "sim_schedule.h"

#include "storage/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen_storage {
    struct rsw_storage base; /* first member */
    struct sim *sim;
};

static struct sim *sim_of(struct rsw_storage *storage) {
    return ((struct seen_storage *)storage)->sim;
}

/* The files; NULL: who asks is dead. */
static struct rsw_storage *ask(struct rsw_storage *storage) {
    struct sim *sim = sim_of(storage);
    sim_pause(sim);
    return sim_self_killed(sim) ? NULL : sim->registry.files;
}

static void answered(struct rsw_storage *storage) {
    struct sim *sim = sim_of(storage);
    if (sim->check != NULL) {
        sim->check(sim);
    }
    sim_pause(sim);
}

static void changed(struct rsw_storage *storage, const char *what, const char *key, const char *other) {
    struct sim *sim = sim_of(storage);
    const char *last = strlen(key) > 60 ? key + strlen(key) - 60 : key;
    sim_trace(sim, "%s …%s", what, last);
    sim_seen(&sim->registry, key);
    if (other != NULL) {
        sim_seen(&sim->registry, other);
    }
    answered(storage);
}

static int see_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err) {
    struct rsw_storage *files = ask(storage);
    return files == NULL ? (rsw_error_set(err, RSW_EIO, EIO, "killed"), RSW_FAILED)
                         : rsw_storage_list(files, listing, err);
}

static void see_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        looks[i].answer = RSW_FAILED;
        looks[i].errnum = EIO;
        if (files != NULL) {
            rsw_storage_look(files, &looks[i], 1);
        }
    }
    sim_pause(sim_of(storage));
}

static void see_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        reads[i].answer = RSW_FAILED;
        reads[i].errnum = EIO;
        if (files != NULL) {
            rsw_storage_read(files, &reads[i], 1);
        }
    }
    sim_pause(sim_of(storage));
}

/* ---- what an object store removes late ---- */

void sim_make_store(struct sim *sim) {
    rsw_memory_loose(sim->registry.files);
    sim->storage->flat = sim->storage->loose = true;
}

void sim_make_versions(struct sim *sim) {
    sim_make_store(sim);
    rsw_memory_versions(sim->registry.files);
    sim->storage->versions = true;
}

/* A marker that comes late covers whatever is there by then. */
static void hide_late(struct rsw_storage *files, const char *key) {
    struct rsw_hiding hiding = {.key = key, .record = "regsweep/late"};
    struct rsw_removal record = {.key = hiding.record};
    rsw_storage_note(files, &hiding, 1);
    if (hiding.answer == RSW_FOUND) {
        rsw_storage_hide(files, &hiding, 1);
        rsw_storage_remove(files, &record, 1);
    }
}

/* 0: there is none. */
static uint64_t version_of(struct rsw_storage *files, const char *key) {
    struct rsw_memory *memory = (struct rsw_memory *)files;
    pthread_mutex_lock(&memory->lock);
    const struct rsw_memory_file *file = rsw_memory_get(memory, key);
    uint64_t version = file == NULL ? 0 : file->version;
    pthread_mutex_unlock(&memory->lock);
    return version;
}

void sim_remove_late(struct sim *sim, bool all) {
    for (size_t i = 0; i < sim->late_count;) {
        if (!all && sim->late[i].due_ms > sim->registry.now_ms && !sim_one_in(sim, 60)) {
            i++;
            continue;
        }
        struct sim_late late = sim->late[i];
        struct rsw_removal removal = {.key = late.key};
        sim->late[i] = sim->late[--sim->late_count];
        if (late.hides) {
            hide_late(sim->registry.files, late.key);
        } else if (late.version == 0 || late.version == version_of(sim->registry.files, late.key)) {
            rsw_storage_remove(sim->registry.files, &removal, 1);
        }
        sim_trace(sim, "storage removes late …%.60s",
                  strlen(late.key) > 60 ? late.key + strlen(late.key) - 60 : late.key);
        sim_seen(&sim->registry, late.key);
    }
}

static bool goes_late(struct sim *sim, const char *key, bool hides, unsigned one_in) {
    if (!sim->storage->loose || sim->late_count == SIM_LATE_MAX || !sim_one_in(sim, one_in)) {
        return false;
    }
    struct sim_late *late = &sim->late[sim->late_count++];
    snprintf(late->key, sizeof late->key, "%s", key);
    late->hides = hides;
    late->version = hides || !sim->storage->versions ? 0 : version_of(sim->registry.files, key);
    late->due_ms = sim->registry.now_ms + (int64_t)sim_below(sim, (unsigned)sim->settle_ms - 100);
    return true;
}

/* Of the registry's, and by its version: then it is done before it is answered, or nobody has seen it done.
 */
static bool goes_unseen(struct rsw_storage *storage, const char *key) {
    return storage->versions && !sim_of(storage)->all_answered && strncmp(key, "docker/", 7) == 0 &&
           goes_late(sim_of(storage), key, false, 16);
}

static void see_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    bool dead = sim_self_killed(sim_of(storage));
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        removals[i].answer = RSW_FAILED;
        removals[i].errnum = EIO;
        if (files == NULL && !dead) { /* killed while it waited for the answer */
            goes_late(sim_of(storage), removals[i].key, false, 2);
        } else if (files != NULL && goes_unseen(storage, removals[i].key)) {
            removals[i].late = true;
        } else if (files != NULL) {
            rsw_storage_remove(files, &removals[i], 1);
            removals[i].late = !storage->versions && goes_late(sim_of(storage), removals[i].key, false, 16);
            sim_moved(&sim_of(storage)->registry, removals[i].key, NULL, false);
            changed(storage, "removes", removals[i].key, NULL);
        }
    }
}

static int see_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err) {
    struct rsw_storage *files = ask(storage);
    return files == NULL ? (rsw_error_set(err, RSW_EIO, EIO, "killed"), RSW_FAILED)
                         : rsw_storage_prune(files, dir, err);
}

static void see_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        removals[i].answer = RSW_FAILED;
        removals[i].errnum = EIO;
        if (files != NULL) {
            rsw_storage_rmdir(files, &removals[i], 1);
        }
    }
}

static void relocate(struct rsw_storage *storage, struct rsw_move *moves, size_t count, const char *what,
                     bool stays, void (*call)(struct rsw_storage *, struct rsw_move *, size_t)) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        moves[i].answer = RSW_FAILED;
        moves[i].errnum = EIO;
        if (files != NULL) {
            call(files, &moves[i], 1);
            if (moves[i].answer == RSW_FOUND) {
                sim_moved(&sim_of(storage)->registry, moves[i].from, moves[i].to, stays);
                changed(storage, what, moves[i].from, moves[i].to);
            }
        }
    }
}

static void see_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    relocate(storage, moves, count, "moves", false, rsw_storage_move);
}

static void see_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    relocate(storage, copies, count, "copies", true, rsw_storage_copy);
}

static void see_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        writes[i].answer = RSW_FAILED;
        writes[i].errnum = EIO;
        if (files != NULL) {
            rsw_storage_write(files, &writes[i], 1);
            changed(storage, "writes", writes[i].key, NULL);
        }
    }
}

/* ---- what is hidden where it lies ---- */

static void hidden(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count, const char *what,
                   void (*call)(struct rsw_storage *, struct rsw_hiding *, size_t)) {
    bool hides = call == rsw_storage_hide;
    bool dead = sim_self_killed(sim_of(storage));
    for (size_t i = 0; i < count; i++) {
        struct rsw_storage *files = ask(storage);
        hidings[i].answer = RSW_FAILED;
        hidings[i].errnum = EIO;
        if (files == NULL && hides && !dead) { /* as of a removal */
            goes_late(sim_of(storage), hidings[i].key, true, 2);
        } else if (files != NULL) {
            call(files, &hidings[i], 1);
            hidings[i].late = hides && goes_late(sim_of(storage), hidings[i].key, true, 16);
            changed(storage, what, hidings[i].key, hidings[i].record);
        }
    }
}

static void see_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hidden(storage, hidings, count, "notes", rsw_storage_note);
}

static void see_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hidden(storage, hidings, count, "hides", rsw_storage_hide);
}

static void see_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hidden(storage, hidings, count, "shows", rsw_storage_show);
}

static void see_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    hidden(storage, hidings, count, "drops", rsw_storage_drop);
}

static int64_t see_ahead(const struct rsw_storage *storage) {
    const struct seen_storage *seen = (const struct seen_storage *)storage;
    return storage->loose ? -seen->sim->registry.ahead_ms : 0;
}

static void see_free(struct rsw_storage *storage) {
    free(storage);
}

struct rsw_storage *sim_storage_open(struct sim *sim);

struct rsw_storage *sim_storage_open(struct sim *sim) {
    static const struct rsw_storage_ops ops = {.list = see_list,
                                               .look = see_look,
                                               .read = see_read,
                                               .remove = see_remove,
                                               .prune = see_prune,
                                               .rmdir = see_rmdir,
                                               .move = see_move,
                                               .copy = see_copy,
                                               .write = see_write,
                                               .note = see_note,
                                               .hide = see_hide,
                                               .show = see_show,
                                               .drop = see_drop,
                                               .ahead_ms = see_ahead,
                                               .free = see_free};
    struct seen_storage *out = calloc(1, sizeof *out);
    if (out == NULL) {
        abort();
    }
    out->base.ops = &ops;
    out->base.url = strdup(rsw_storage_url(sim->registry.files));
    out->sim = sim;
    return &out->base;
}
