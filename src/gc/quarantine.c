#include "gc/quarantine.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *rsw_quarantine_key(char out[RSW_QUARANTINE_KEY_MAX], uint64_t generation, const char *key) {
    int len = snprintf(out, RSW_QUARANTINE_KEY_MAX, RSW_QUARANTINE "/%" PRIu64 "/%s", generation, key);
    if (len < 0 || len >= RSW_QUARANTINE_KEY_MAX) {
        out[0] = 0;
    }
    return out;
}

void rsw_quarantine_sibling(char out[RSW_QUARANTINE_KEY_MAX], const char *key, const char *name) {
    const char *slash = strrchr(key, '/');
    int len =
        slash == NULL ? -1 : snprintf(out, RSW_QUARANTINE_KEY_MAX, "%.*s/%s", (int)(slash - key), key, name);
    if (len < 0 || len >= RSW_QUARANTINE_KEY_MAX) {
        out[0] = 0;
    }
}

/* Of data that is hidden: what says so lies beside the place of a copy. */
static void record_key(char out[RSW_QUARANTINE_KEY_MAX], uint64_t generation, const char *key) {
    char copy[RSW_QUARANTINE_KEY_MAX];
    rsw_quarantine_sibling(out, rsw_quarantine_key(copy, generation, key), RSW_QUARANTINE_RECORD);
}

/* ---- many files, some at a time ---- */

#define CHUNK 32

struct chunk {
    struct rsw_storage *storage;
    struct rsw_setting *settings[CHUNK];
    size_t count;
    char copies[CHUNK]
               [RSW_QUARANTINE_KEY_MAX]; /* their keys in quarantine; of hidden ones those of records */
};

/* Bytes that can lie hidden under their own key; all else is small. */
static bool is_data(const char *key) {
    struct rsw_path path;
    rsw_path_parse(&path, key);
    return path.place == RSW_PLACE_BLOB_DATA;
}

/* `call` for files that are copied or moved, `hidden` for those that storage can hide. */
static void in_chunks(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                      size_t count, void (*call)(struct chunk *chunk), void (*hidden)(struct chunk *chunk)) {
    struct chunk chunks[2] = {{.storage = storage}, {.storage = storage}};
    for (size_t i = 0; i < count; i++) {
        bool hides = storage->versions && is_data(settings[i].key);
        struct chunk *chunk = &chunks[hides];
        if (hides) {
            record_key(chunk->copies[chunk->count], generation, settings[i].key);
        } else {
            rsw_quarantine_key(chunk->copies[chunk->count], generation, settings[i].key);
        }
        chunk->settings[chunk->count++] = &settings[i];
        if (chunk->count == CHUNK) {
            (hides ? hidden : call)(chunk);
            chunk->count = 0;
        }
    }
    if (chunks[0].count > 0) {
        call(&chunks[0]);
    }
    if (chunks[1].count > 0) {
        hidden(&chunks[1]);
    }
}

static void answer(struct rsw_setting *setting, int result, int errnum) {
    setting->answer = result;
    setting->errnum = result == RSW_FAILED ? errnum : 0;
}

static struct rsw_look look_at(struct rsw_storage *storage, const char *key) {
    struct rsw_look look = {.key = key};
    rsw_storage_look(storage, &look, 1);
    if (look.answer == RSW_FOUND && look.kind != RSW_ENTRY_FILE) {
        look.answer = RSW_FAILED;
        look.errnum = look.kind == RSW_ENTRY_DIR ? EISDIR : ENXIO;
    }
    return look;
}

static void set_from_look(struct rsw_setting *setting, const struct rsw_look *look) {
    answer(setting, look->answer, look->errnum);
}

/* ---- take ---- */

/* Both are there. Are they the same? 0, or an errno: EEXIST for a difference, ENOENT for one that has gone.
 */
static int compare_data(struct rsw_storage *storage, const char *key, const char *copy) {
    struct rsw_look looks[] = {look_at(storage, key), look_at(storage, copy)};
    for (int i = 0; i < 2; i++) {
        if (looks[i].answer != RSW_FOUND) {
            return looks[i].answer == RSW_ABSENT ? ENOENT : looks[i].errnum;
        }
    }
    return looks[0].size == looks[1].size ? 0 : EEXIST; /* of one digest: then they are */
}

static int compare_text(struct rsw_storage *storage, const char *key, const char *copy) {
    struct rsw_read reads[] = {{.key = key, .max = RSW_LINK_MAX, .content = RSW_BUF_INIT},
                               {.key = copy, .max = RSW_LINK_MAX, .content = RSW_BUF_INIT}};
    rsw_storage_read(storage, reads, 2);
    int errnum = 0;
    for (int i = 0; i < 2 && errnum == 0; i++) {
        errnum = reads[i].answer == RSW_ABSENT ? ENOENT : reads[i].errnum;
    }
    if (errnum == 0) {
        const struct rsw_buf *in_place = &reads[0].content;
        const struct rsw_buf *aside = &reads[1].content;
        bool same = in_place->len == aside->len &&
                    (in_place->len == 0 || memcmp(in_place->data, aside->data, in_place->len) == 0);
        errnum = same ? 0 : EEXIST;
    }
    rsw_buf_release(&reads[0].content);
    rsw_buf_release(&reads[1].content);
    return errnum;
}

static struct rsw_removal remove_key(struct rsw_storage *storage, const char *key) {
    struct rsw_removal removal = {.key = key};
    rsw_storage_remove(storage, &removal, 1);
    return removal;
}

/* A tag's link may say something new the moment after it was compared: it must not be removed, so the copy
 * is, and it takes the copy's place. */
static void replace_copy(struct rsw_storage *storage, struct rsw_setting *setting, const char *copy) {
    struct rsw_removal removal = remove_key(storage, copy);
    if (removal.answer == RSW_FAILED) {
        answer(setting, RSW_FAILED, removal.errnum);
        return;
    }
    struct rsw_move move = {.from = setting->key, .to = copy};
    rsw_storage_move(storage, &move, 1);
    answer(setting, move.answer, move.errnum);
}

/* Both are there: 0 if they are the same, or as above. */
static int compare(struct rsw_storage *storage, const char *key, const char *copy) {
    struct rsw_path path;
    rsw_path_parse(&path, key);
    return path.place == RSW_PLACE_BLOB_DATA ? compare_data(storage, key, copy)
                                             : compare_text(storage, key, copy);
}

/* There is a copy already. What the other files say follows from their key, so one of two can be removed. */
static void take_again(struct rsw_storage *storage, struct rsw_setting *setting, const char *copy) {
    struct rsw_path path;
    rsw_path_parse(&path, setting->key);
    int errnum = compare(storage, setting->key, copy);
    if (errnum == ENOENT) {
        answer(setting, RSW_FAILED, EAGAIN); /* somebody else is at it; whoever asks again gets an answer */
    } else if (errnum != 0) {
        answer(setting, RSW_FAILED, errnum);
    } else if (path.place == RSW_PLACE_TAG_CURRENT) {
        replace_copy(storage, setting, copy);
    } else {
        struct rsw_removal removal = remove_key(storage, setting->key);
        answer(setting, removal.answer == RSW_ABSENT ? RSW_FOUND : removal.answer, removal.errnum);
    }
}

static void take_chunk(struct chunk *chunk) {
    struct rsw_move moves[CHUNK];
    for (size_t i = 0; i < chunk->count; i++) {
        moves[i] = (struct rsw_move){.from = chunk->settings[i]->key, .to = chunk->copies[i]};
    }
    rsw_storage_move(chunk->storage, moves, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = chunk->settings[i];
        if (moves[i].answer == RSW_ABSENT) {
            struct rsw_look look = look_at(chunk->storage, chunk->copies[i]);
            set_from_look(setting, &look);
        } else if (moves[i].answer == RSW_FAILED && moves[i].errnum == EEXIST) {
            take_again(chunk->storage, setting, chunk->copies[i]);
        } else {
            answer(setting, moves[i].answer, moves[i].errnum);
        }
    }
}

/* ---- take, where a move is two steps ---- */

static void copy_chunk(struct chunk *chunk) {
    struct rsw_move copies[CHUNK];
    for (size_t i = 0; i < chunk->count; i++) {
        copies[i] = (struct rsw_move){.from = chunk->settings[i]->key, .to = chunk->copies[i], .ours = true};
    }
    rsw_storage_copy(chunk->storage, copies, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = chunk->settings[i];
        int errnum = copies[i].errnum;
        setting->copied = false;
        if (copies[i].answer == RSW_ABSENT) {
            struct rsw_look look = look_at(chunk->storage, chunk->copies[i]);
            set_from_look(setting, &look);
            continue;
        }
        if (copies[i].answer == RSW_FAILED && errnum == EEXIST) {
            errnum = compare(chunk->storage, setting->key, chunk->copies[i]);
        }
        answer(setting, errnum == 0 ? RSW_FOUND : RSW_FAILED, errnum == ENOENT ? EAGAIN : errnum);
        setting->copied = errnum == 0;
    }
}

/* ---- take, where data is hidden ---- */

static void set_from_hiding(struct rsw_setting *setting, const struct rsw_hiding *hiding) {
    answer(setting, hiding->answer, hiding->errnum);
}

static void name_hidings(struct rsw_hiding hidings[CHUNK], const struct chunk *chunk) {
    for (size_t i = 0; i < chunk->count; i++) {
        hidings[i] = (struct rsw_hiding){.key = chunk->settings[i]->key, .record = chunk->copies[i]};
    }
}

static void note_chunk(struct chunk *chunk) {
    struct rsw_hiding hidings[CHUNK];
    name_hidings(hidings, chunk);
    rsw_storage_note(chunk->storage, hidings, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = chunk->settings[i];
        set_from_hiding(setting, &hidings[i]);
        setting->copied = hidings[i].answer == RSW_FOUND;
        if (hidings[i].answer == RSW_ABSENT) { /* taken already, by a run that was killed */
            struct rsw_look look = look_at(chunk->storage, chunk->copies[i]);
            char copy[RSW_QUARANTINE_KEY_MAX];
            if (look.answer == RSW_ABSENT) {
                rsw_quarantine_sibling(copy, chunk->copies[i], RSW_QUARANTINE_DATA);
                look = look_at(chunk->storage, copy);
            }
            set_from_look(setting, &look);
        }
    }
}

static void hide_chunk(struct chunk *chunk) {
    struct rsw_hiding hidings[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (chunk->settings[i]->copied) {
            owners[count] = chunk->settings[i];
            hidings[count++] =
                (struct rsw_hiding){.key = chunk->settings[i]->key, .record = chunk->copies[i]};
        }
    }
    rsw_storage_hide(chunk->storage, hidings, count);
    for (size_t i = 0; i < count; i++) {
        owners[i]->late = hidings[i].late;
        set_from_hiding(owners[i], &hidings[i]);
    }
}

void rsw_quarantine_copy(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count) {
    if (storage->loose) {
        in_chunks(storage, generation, settings, count, copy_chunk, note_chunk);
    }
}

/* What a key says follows from it, so the copy is still the same; but a tag can have been written anew. */
static bool may_remove(struct rsw_storage *storage, struct rsw_setting *setting, const char *copy) {
    struct rsw_path path;
    rsw_path_parse(&path, setting->key);
    if (setting->copied && path.place == RSW_PLACE_TAG_CURRENT) {
        int errnum = compare(storage, setting->key, copy);
        setting->copied = errnum == 0;
        answer(setting, errnum == 0 ? RSW_FOUND : RSW_FAILED, errnum == ENOENT ? EAGAIN : errnum);
    }
    return setting->copied;
}

/* Who took us for dead may have put all back and dropped the copies: then what is in place must stay. */
static void look_for_copies(struct chunk *chunk) {
    struct rsw_look looks[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (chunk->settings[i]->copied) {
            owners[count] = chunk->settings[i];
            looks[count++] = (struct rsw_look){.key = chunk->copies[i]};
        }
    }
    rsw_storage_look(chunk->storage, looks, count);
    for (size_t i = 0; i < count; i++) {
        if (looks[i].answer != RSW_FOUND) {
            owners[i]->copied = false;
            answer(owners[i], RSW_FAILED, looks[i].answer == RSW_ABSENT ? EAGAIN : looks[i].errnum);
        }
    }
}

static void remove_chunk(struct chunk *chunk) {
    struct rsw_removal removals[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    look_for_copies(chunk);
    for (size_t i = 0; i < chunk->count; i++) {
        if (may_remove(chunk->storage, chunk->settings[i], chunk->copies[i])) {
            owners[count] = chunk->settings[i];
            removals[count++] = (struct rsw_removal){.key = chunk->settings[i]->key};
        }
    }
    rsw_storage_remove(chunk->storage, removals, count);
    for (size_t i = 0; i < count; i++) {
        owners[i]->late = removals[i].late;
        answer(owners[i], removals[i].answer == RSW_FAILED ? RSW_FAILED : RSW_FOUND, removals[i].errnum);
    }
}

void rsw_quarantine_take(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count) {
    in_chunks(storage, generation, settings, count, storage->loose ? remove_chunk : take_chunk, hide_chunk);
}

/* ---- return ---- */

/* No copy, or none that could be used: then it must be in place, as it is where that was taken. Or it was
 * hidden when the bucket still kept versions, and its record tells. */
static void look_without_copy(struct chunk *chunk, size_t i, bool absent) {
    struct rsw_setting *setting = chunk->settings[i];
    char record[RSW_QUARANTINE_KEY_MAX];
    struct rsw_look look = look_at(chunk->storage, setting->key);
    if (look.answer == RSW_FOUND || absent) {
        set_from_look(setting, &look);
    }
    if (setting->answer != RSW_ABSENT || !chunk->storage->flat || !is_data(setting->key)) {
        return;
    }
    rsw_quarantine_sibling(record, chunk->copies[i], RSW_QUARANTINE_RECORD);
    look = look_at(chunk->storage, record);
    if (look.answer == RSW_FOUND) {
        struct rsw_hiding hiding = {.key = setting->key, .record = record};
        rsw_storage_show(chunk->storage, &hiding, 1);
        set_from_hiding(setting, &hiding);
        setting->placed = hiding.placed;
    } else {
        set_from_look(setting, &look);
    }
}

static void return_chunk(struct chunk *chunk) {
    struct rsw_move copies[CHUNK];
    for (size_t i = 0; i < chunk->count; i++) {
        copies[i] = (struct rsw_move){.from = chunk->copies[i], .to = chunk->settings[i]->key};
    }
    rsw_storage_copy(chunk->storage, copies, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = chunk->settings[i];
        answer(setting, copies[i].answer, copies[i].errnum);
        setting->placed = copies[i].answer == RSW_FOUND;
        if (!setting->placed) {
            look_without_copy(chunk, i, copies[i].answer == RSW_ABSENT);
        }
    }
}

/* Those of which storage hides nothing: they may have been copied when it could not. */
static void gather_unhidden(struct chunk *copies, const struct chunk *chunk) {
    copies->storage = chunk->storage;
    copies->count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (chunk->settings[i]->answer == RSW_ABSENT) {
            rsw_quarantine_sibling(copies->copies[copies->count], chunk->copies[i], RSW_QUARANTINE_DATA);
            copies->settings[copies->count++] = chunk->settings[i];
        }
    }
}

static void show_chunk(struct chunk *chunk) {
    struct rsw_hiding hidings[CHUNK];
    struct chunk copies;
    name_hidings(hidings, chunk);
    rsw_storage_show(chunk->storage, hidings, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        set_from_hiding(chunk->settings[i], &hidings[i]);
        chunk->settings[i]->placed = hidings[i].placed;
    }
    gather_unhidden(&copies, chunk);
    return_chunk(&copies);
}

void rsw_quarantine_return(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                           size_t count) {
    in_chunks(storage, generation, settings, count, return_chunk, show_chunk);
}

/* ---- purge ---- */

/* Of several files that stand for one: it is found if one was, and failed if one did. */
static void add_answer(struct rsw_setting *setting, int result, int errnum) {
    if (result == RSW_FAILED || (setting->answer == RSW_ABSENT && result == RSW_FOUND)) {
        answer(setting, result, errnum);
    }
}

static void begin_chunk(struct chunk *chunk) {
    for (size_t i = 0; i < chunk->count; i++) {
        answer(chunk->settings[i], RSW_ABSENT, 0);
    }
}

/* The copies, or the files of this name beside them; of those of which nothing has failed yet. */
static void remove_files(struct chunk *chunk, const char *name) {
    char keys[CHUNK][RSW_QUARANTINE_KEY_MAX];
    struct rsw_removal removals[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (chunk->settings[i]->answer != RSW_FAILED) {
            if (name != NULL) {
                rsw_quarantine_sibling(keys[count], chunk->copies[i], name);
            }
            owners[count] = chunk->settings[i];
            removals[count] = (struct rsw_removal){.key = name != NULL ? keys[count] : chunk->copies[i]};
            count++;
        }
    }
    rsw_storage_remove(chunk->storage, removals, count);
    for (size_t i = 0; i < count; i++) {
        add_answer(owners[i], removals[i].answer, removals[i].errnum);
    }
}

/* Data that was hidden by somebody who knew that the bucket keeps versions, of those of which nothing has
 * failed yet. */
static void drop_hidden(struct chunk *chunk) {
    char records[CHUNK][RSW_QUARANTINE_KEY_MAX];
    struct rsw_look looks[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; chunk->storage->flat && i < chunk->count; i++) {
        if (is_data(chunk->settings[i]->key) && chunk->settings[i]->answer != RSW_FAILED) {
            rsw_quarantine_sibling(records[count], chunk->copies[i], RSW_QUARANTINE_RECORD);
            owners[count] = chunk->settings[i];
            looks[count] = (struct rsw_look){.key = records[count]};
            count++;
        }
    }
    rsw_storage_look_listed(chunk->storage, looks, count);
    for (size_t i = 0; i < count; i++) {
        struct rsw_hiding hiding = {.key = owners[i]->key,
                                    .record = records[i],
                                    .answer = looks[i].answer,
                                    .errnum = looks[i].errnum};
        if (hiding.answer == RSW_FOUND) {
            rsw_storage_drop(chunk->storage, &hiding, 1);
        }
        owners[i]->late = hiding.late;
        add_answer(owners[i], hiding.answer, hiding.errnum);
    }
}

static void purge_chunk(struct chunk *chunk) {
    begin_chunk(chunk);
    remove_files(chunk, NULL);
    drop_hidden(chunk);
}

/* And what was copied when the bucket kept no versions yet, unless it may be all that there is. */
static void drop_chunk(struct chunk *chunk) {
    struct rsw_hiding hidings[CHUNK];
    name_hidings(hidings, chunk);
    rsw_storage_drop(chunk->storage, hidings, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        set_from_hiding(chunk->settings[i], &hidings[i]);
        chunk->settings[i]->late = hidings[i].late;
    }
    remove_files(chunk, RSW_QUARANTINE_DATA);
}

void rsw_quarantine_purge(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                          size_t count) {
    in_chunks(storage, generation, settings, count, purge_chunk, drop_chunk);
}

static void leave_to_younger(struct chunk *chunk) {
    begin_chunk(chunk);
    remove_files(chunk, RSW_QUARANTINE_RECORD);
    remove_files(chunk, RSW_QUARANTINE_DATA);
}

void rsw_quarantine_leave_to_younger(struct rsw_storage *storage, uint64_t generation,
                                     struct rsw_setting *settings, size_t count) {
    in_chunks(storage, generation, settings, count, purge_chunk, leave_to_younger);
}

int rsw_quarantine_has(struct rsw_storage *storage, uint64_t generation, const char *key) {
    char copy[RSW_QUARANTINE_KEY_MAX];
    struct rsw_look look = {.key = rsw_quarantine_key(copy, generation, key)};
    rsw_storage_look(storage, &look, 1);
    if (look.answer == RSW_ABSENT && storage->flat && is_data(key)) {
        record_key(copy, generation, key);
        rsw_storage_look(storage, &look, 1);
    }
    return look.answer;
}

/* ---- drop ---- */

/* A tag's link may say something new by now. Of the others what they say follows from their key: one that
 * says something else was cut short, and its copy is all that there is. As compare. */
static int compare_to_drop(struct rsw_storage *storage, const char *key, const char *copy) {
    struct rsw_path path;
    rsw_path_parse(&path, key);
    int errnum = compare(storage, key, copy);
    return errnum == EEXIST && path.place == RSW_PLACE_TAG_CURRENT ? 0 : errnum;
}

bool rsw_quarantine_differs(struct rsw_storage *storage, uint64_t generation, const char *key) {
    char copy[RSW_QUARANTINE_KEY_MAX];
    return compare_to_drop(storage, key, rsw_quarantine_key(copy, generation, key)) == EEXIST;
}

static bool may_drop(struct rsw_storage *storage, struct rsw_setting *setting, const char *copy) {
    int errnum = compare_to_drop(storage, setting->key, copy);
    answer(setting, errnum == 0 ? RSW_FOUND : RSW_FAILED, errnum);
    return errnum == 0;
}

/* What is in its place was hidden when the bucket still kept versions: there is no copy, but a record. */
static bool names_record(struct rsw_storage *storage, const struct rsw_setting *setting,
                         char copy[RSW_QUARANTINE_KEY_MAX]) {
    char record[RSW_QUARANTINE_KEY_MAX];
    if (setting->errnum != ENOENT || !storage->flat || !is_data(setting->key) ||
        look_at(storage, setting->key).answer != RSW_FOUND) {
        return false;
    }
    rsw_quarantine_sibling(record, copy, RSW_QUARANTINE_RECORD);
    if (look_at(storage, record).answer != RSW_FOUND) {
        return false;
    }
    memcpy(copy, record, sizeof record);
    return true;
}

static void leave_chunk(struct chunk *chunk) {
    struct rsw_removal removals[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (may_drop(chunk->storage, chunk->settings[i], chunk->copies[i]) ||
            names_record(chunk->storage, chunk->settings[i], chunk->copies[i])) {
            owners[count] = chunk->settings[i];
            removals[count++] = (struct rsw_removal){.key = chunk->copies[i]};
        }
    }
    rsw_storage_remove(chunk->storage, removals, count);
    for (size_t i = 0; i < count; i++) {
        answer(owners[i], removals[i].answer, removals[i].errnum);
    }
}

/* Of what lies hidden the record goes; and what it names, if something newer is in place. */
static void leave_hidden_chunk(struct chunk *chunk) {
    struct rsw_hiding hidings[CHUNK];
    struct rsw_setting *owners[CHUNK];
    struct chunk copies;
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_hiding hiding = {.key = chunk->settings[i]->key, .record = chunk->copies[i]};
        struct rsw_look look = look_at(chunk->storage, hiding.key);
        int errnum = look.errnum;
        if (look.answer == RSW_ABSENT) { /* may storage have nothing of it any more? */
            rsw_storage_show(chunk->storage, &hiding, 1);
            errnum = hiding.errnum;
        }
        if (look.answer == RSW_FAILED || hiding.answer == RSW_FAILED) {
            answer(chunk->settings[i], RSW_FAILED, errnum);
        } else {
            owners[count] = chunk->settings[i];
            hidings[count++] = hiding;
        }
    }
    rsw_storage_drop(chunk->storage, hidings, count);
    for (size_t i = 0; i < count; i++) {
        set_from_hiding(owners[i], &hidings[i]);
    }
    gather_unhidden(&copies, chunk);
    leave_chunk(&copies);
}

void rsw_quarantine_drop(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count) {
    in_chunks(storage, generation, settings, count, leave_chunk, leave_hidden_chunk);
}
