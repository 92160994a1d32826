/* Checks of storage that change nothing in it but a small file beside the quarantine. */
#include "gc/checks.h"

#include "gc/others.h"
#include "gc/quarantine.h"
#include "storage/layout.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES_MAX 5
#define SAMPLE 64 /* folders of each kind whose permissions are looked at */

static const char root[] = RSW_LAYOUT_ROOT;

static bool has_storage(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (doctor->storage == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "there is no storage to look at");
    }
    return doctor->storage != NULL;
}

static struct rsw_survey survey_of(struct rsw_storage *storage, const char *dir) {
    struct rsw_survey survey = {.dir = dir};
    rsw_storage_survey(storage, &survey, 1);
    return survey;
}

static void cannot_look(struct rsw_diagnosis *out, const char *dir, int errnum) {
    rsw_say(out, RSW_HEALTH_ERROR,
            "let the user that runs regsweep into that folder; run it as the registry's user",
            "'%s' cannot be looked at: %s", dir, rsw_storage_reason(errnum));
}

/* ---- is it there ---- */

/* RSW_FOUND, RSW_ABSENT; RSW_FAILED, and *errnum. An object store has no folder, but what would be in it: to
 * prune there is to ask for that, and removes nothing. */
static int look_for_root(struct rsw_storage *storage, int *errnum) {
    struct rsw_look look = {.key = root};
    struct rsw_error err = RSW_ERROR_INIT;
    if (!storage->flat) {
        rsw_storage_look(storage, &look, 1);
        *errnum = look.errnum;
        return look.answer;
    }
    int answer = rsw_storage_prune(storage, root, &err);
    *errnum = err.errnum;
    return answer;
}

static bool get_url(char *url, size_t size, const struct rsw_doctor *doctor) {
    struct rsw_state state;
    if (doctor->index == NULL || rsw_index_state(doctor->index, &state, NULL) != 0) {
        return false;
    }
    snprintf(url, size, "%s", state.storage_url);
    return true;
}

void rsw_doctor_storage(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    char url[sizeof((struct rsw_state *)NULL)->storage_url];
    int errnum;
    if (doctor->storage_error != NULL) {
        rsw_say_error(out, RSW_HEALTH_ERROR, "name the registry's root directory with --storage",
                      doctor->storage_error);
    }
    if (!has_storage(out, doctor)) {
        return;
    }
    int answer = look_for_root(doctor->storage, &errnum);
    if (answer == RSW_FAILED) {
        cannot_look(out, root, errnum);
    } else if (answer == RSW_ABSENT) {
        rsw_say(
            out, RSW_HEALTH_WARNING,
            "is that the registry's root directory, the one that has docker in it, and is it mounted? Before "
            "the first push there is nothing",
            "nothing of a registry is in %s", rsw_storage_url(doctor->storage));
    }
    if (get_url(url, sizeof url, doctor) && url[0] != 0 &&
        !rsw_storage_is_same(url, rsw_storage_url(doctor->storage))) {
        rsw_say(out, RSW_HEALTH_ERROR,
                "name the storage as it was named to regsweep scan, or another --index",
                "the index is that of %s, not of %s", url, rsw_storage_url(doctor->storage));
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%s", rsw_storage_url(doctor->storage));
}

void rsw_doctor_storage_room(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    if (!has_storage(out, doctor)) {
        return;
    }
    struct rsw_survey survey = survey_of(doctor->storage, "");
    if (survey.answer == RSW_FOUND) {
        rsw_say_room(
            out, survey.room, "storage",
            "make some room there: a sweep needs little, but pushes need more. If a sweep is to make it, "
            "a short --quarantine frees it sooner");
    } else {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "storage does not tell how much room it has");
    }
}

/* ---- writing beside the quarantine ---- */

/* Writes a small file and removes it. RSW_FOUND, and what time storage gave it; RSW_FAILED. */
static int write_probe(struct rsw_storage *storage, int64_t *mtime_ms, struct rsw_error *err) {
    static const char key[] =
        "regsweep/probe"; /* always the same: what a killed run left goes with the next. Removed only where
                             it is, for a bucket that keeps versions keeps a marker of each removal */
    int errnum = 0;
    if (rsw_quarantine_prepare(storage, err) != 0) {
        return RSW_FAILED;
    }
    for (int i = 0; i < PROBES_MAX; i++) {
        struct rsw_removal removal = {.key = key};
        struct rsw_write write = {.key = key, .bytes = "?", .len = 1};
        struct rsw_look look = {.key = key};
        rsw_storage_write(storage, &write, 1);
        if (write.answer == RSW_FOUND) {
            rsw_storage_look(storage, &look, 1);
        }
        if (write.answer == RSW_FOUND || write.errnum == EEXIST) {
            rsw_storage_remove(storage, &removal, 1);
        }
        errnum = removal.answer == RSW_FAILED ? removal.errnum
                 : write.answer != RSW_FOUND  ? write.errnum
                 : look.answer == RSW_FAILED  ? look.errnum
                                              : 0;
        *mtime_ms = look.mtime_ms;
        if (errnum == 0 && look.answer == RSW_FOUND) {
            return RSW_FOUND;
        }
        if (errnum != 0 && errnum != EEXIST) {
            break;
        } /* else a killed run left it, or another one writes and removes it at this moment */
    }
    rsw_error_set(
        err, RSW_EIO, errnum,
        "a small file '%s' could not be written, seen and removed: %s; let the user that runs regsweep "
        "write in the folder 'regsweep'",
        key, errnum != 0 ? rsw_storage_reason(errnum) : "it vanished");
    return RSW_FAILED;
}

void rsw_doctor_storage_clock(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t mtime_ms = 0;
    if (!has_storage(out, doctor)) {
        return;
    }
    int64_t before_ms = rsw_clock_now_ms(doctor->clock);
    int answer = write_probe(doctor->storage, &mtime_ms, &err);
    int64_t after_ms = rsw_clock_now_ms(doctor->clock);
    if (answer != RSW_FOUND || mtime_ms == 0) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL,
                "storage does not tell times, or nothing can be written there");
        return;
    }
    rsw_say_skew(out, "storage",
                 mtime_ms < before_ms  ? mtime_ms - before_ms
                 : mtime_ms > after_ms ? mtime_ms - after_ms
                                       : 0);
}

static bool same_volume(const struct rsw_survey *one, const struct rsw_survey *other) {
    return one->volume[0] == other->volume[0] && one->volume[1] == other->volume[1];
}

/* No finding: their owner may live. Each of them is looked at. */
static void tell_others(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    size_t folders = 0;
    struct rsw_error err = RSW_ERROR_INIT;
    if (doctor->index != NULL && rsw_others_count(&folders, doctor->index, doctor->storage, &err) == 0 &&
        folders > 0) {
        rsw_say(out, RSW_HEALTH_OK, NULL,
                "it can be written; %zu folders in it are of another index: the next sweep puts back what is "
                "not held for a cache",
                folders);
    }
}

/* What is there of the registry's folders, but for the first, must be where the first is. */
void rsw_doctor_quarantine_works(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    enum { FOLDERS = 4 };
    struct rsw_error err = RSW_ERROR_INIT;
    int64_t mtime_ms;
    struct rsw_survey surveys[FOLDERS] = {{.dir = RSW_QUARANTINE},
                                          {.dir = RSW_LAYOUT_BLOBS},
                                          {.dir = RSW_LAYOUT_BLOBS "/sha256"},
                                          {.dir = RSW_LAYOUT_REPOSITORIES}};
    if (!has_storage(out, doctor)) {
        return;
    }
    if (write_probe(doctor->storage, &mtime_ms, &err) != RSW_FOUND) {
        rsw_say_error(out, RSW_HEALTH_ERROR, "let the user that runs regsweep write in the folder 'regsweep'",
                      &err);
        return;
    }
    rsw_storage_survey(doctor->storage, surveys, FOLDERS);
    for (size_t i = 0; i < FOLDERS; i++) {
        if (surveys[i].answer == RSW_FAILED) {
            cannot_look(out, surveys[i].dir, surveys[i].errnum);
        } else if (surveys[i].answer == RSW_FOUND && surveys[0].answer == RSW_FOUND &&
                   !same_volume(&surveys[0], &surveys[i])) {
            rsw_say(out, RSW_HEALTH_ERROR,
                    "put the folder 'regsweep' and all of 'docker' on one filesystem, within one mount: "
                    "nothing can "
                    "be moved from one to another",
                    "'" RSW_QUARANTINE "' is on another filesystem than '%s'", surveys[i].dir);
        }
    }
}

void rsw_doctor_quarantine(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    rsw_doctor_quarantine_works(out, doctor);
    if (out->level == RSW_HEALTH_OK && out->message[0] == 0) {
        tell_others(out, doctor);
        rsw_say(out, RSW_HEALTH_OK, NULL, "it can be written%s",
                doctor->storage->flat ? "" : ", and is on the filesystem of the registry's files");
    }
}

/* ---- permissions ---- */

struct folders {
    size_t count;
    struct rsw_survey surveys[2 * SAMPLE + 4];
    char keys[2 * SAMPLE + 4][RSW_KEY_MAX];
};

/* The folder that a file is in. */
static void add_folder_of(struct folders *folders, const char *key) {
    const char *slash = key != NULL ? strrchr(key, '/') : NULL;
    if (slash == NULL || folders->count == sizeof folders->surveys / sizeof *folders->surveys) {
        return;
    }
    char *to = folders->keys[folders->count];
    memcpy(to, key, (size_t)(slash - key));
    to[slash - key] = 0;
    folders->surveys[folders->count++] = (struct rsw_survey){.dir = to};
}

/* Some blobs and links that the index has, spread over all ids. */
static void sample_folders(struct folders *folders, const struct rsw_doctor *doctor) {
    RSW_AUTO_TXN txn = NULL;
    struct rsw_state state;
    char key[RSW_KEY_MAX];
    if (doctor->index == NULL || rsw_txn_begin_read(&txn, doctor->index, NULL) != 0 ||
        rsw_state_get(txn, &state) != RSW_FOUND) {
        return;
    }
    uint32_t step = state.next_blob / SAMPLE + 1;
    for (uint32_t id = 1; id < state.next_blob; id += step) {
        RSW_AUTO_ITER iter = RSW_ITER_INIT;
        struct rsw_blob blob;
        struct rsw_repo repo;
        struct rsw_member member;
        uint32_t in;
        if (rsw_blob_get(txn, id, &blob) != RSW_FOUND) {
            continue;
        }
        if ((blob.flags & RSW_BLOB_PRESENT) != 0) {
            add_folder_of(folders, rsw_key_blob(key, &blob.digest));
        }
        rsw_iter_members_of(&iter, txn, RSW_LINK, id);
        if (rsw_member_of_next(&iter, &in) == RSW_FOUND && rsw_repo_get(txn, in, &repo) == RSW_FOUND &&
            rsw_member_get(txn, RSW_LINK, in, id, &member) == RSW_FOUND &&
            (member.flags & RSW_MEMBER_PRESENT) != 0) {
            add_folder_of(folders, rsw_key_layer_link(key, repo.name, &blob.digest));
        }
    }
}

/* What was told of the rights on an object store. */
struct missing {
    char names[RSW_MESSAGE_MAX / 2];
    char first[RSW_MESSAGE_MAX / 2]; /* what for, and what the store says */
};

struct rights {
    size_t asked;
    struct missing refused, unknown;
    bool needed; /* one that was refused is */
};

static void hear_right(void *arg, const struct rsw_right *right) {
    struct rights *rights = arg;
    struct missing *missing = right->answer == RSW_ABSENT ? &rights->refused : &rights->unknown;
    size_t len = strlen(missing->names);
    rights->asked++;
    if (right->answer == RSW_FOUND) {
        return;
    }
    rights->needed |= right->answer == RSW_ABSENT && right->needed;
    snprintf(missing->names + len, sizeof missing->names - len, "%s%s", len > 0 ? ", " : "", right->name);
    if (len == 0) {
        snprintf(missing->first, sizeof missing->first, "%s: %s", right->purpose, right->reason);
    }
}

static void judge_rights(struct rsw_diagnosis *out, struct rsw_storage *storage) {
    struct rights told = {.asked = 0};
    struct rsw_rights rights = {.tell = hear_right, .arg = &told};
    rsw_storage_rights(storage, &rights);
    if (told.refused.names[0] != 0) {
        rsw_say(out, told.needed ? RSW_HEALTH_ERROR : RSW_HEALTH_WARNING,
                "allow it to whoever regsweep is for the store: docs/operation.md has a policy with all that "
                "it needs",
                "the store does not allow %s (%s)", told.refused.names, told.refused.first);
    }
    if (told.unknown.names[0] != 0) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "the store does not tell whether it allows %s (%s)",
                told.unknown.names, told.unknown.first);
    }
    rsw_say(out, told.asked > 0 ? RSW_HEALTH_OK : RSW_HEALTH_UNKNOWN, NULL,
            told.asked > 0 ? "what a sweep does is allowed below 'regsweep'"
                           : "the store says only when something is done whether that is allowed");
}

void rsw_doctor_permissions(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct folders *folders = calloc(1, sizeof *folders);
    size_t looked = 0;
    size_t refused = 0;
    char text[128];
    const struct rsw_survey *first = NULL;
    if (!has_storage(out, doctor) || doctor->storage->flat) {
        free(folders);
        if (doctor->storage != NULL) {
            judge_rights(out, doctor->storage);
        }
        return;
    }
    if (folders == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "out of memory");
        return;
    }
    add_folder_of(folders, RSW_LAYOUT_BLOBS "/x");
    add_folder_of(folders, RSW_LAYOUT_REPOSITORIES "/x");
    sample_folders(folders, doctor);
    rsw_storage_survey(doctor->storage, folders->surveys, folders->count);
    for (size_t i = 0; i < folders->count; i++) {
        const struct rsw_survey *survey = &folders->surveys[i];
        looked += survey->answer != RSW_ABSENT;
        if (survey->answer == RSW_FAILED || survey->refused != 0) {
            refused++;
            first = first == NULL ? survey : first;
        }
    }
    if (first != NULL) {
        rsw_say(out, RSW_HEALTH_ERROR, "run regsweep as the registry's user, or let its user write there",
                "nothing can be taken out of %zu of %zu folders that were looked at: '%s' (of user %u, mode "
                "%04o): %s",
                refused, looked, first->dir, first->owner, first->mode,
                strerror_r(first->answer == RSW_FAILED ? first->errnum : first->refused, text, sizeof text));
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%zu folders were looked at: files can be taken out of them", looked);
    free(folders);
}
