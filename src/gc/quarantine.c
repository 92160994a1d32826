#include "gc/quarantine.h"

#include "util/cleanup.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define README RSW_QUARANTINE "/README"

/* For whoever finds it without us: every line that begins with blanks is a command, and the tests run them.
 */
static const char readme[] =
    "regsweep's quarantine\n"
    "=====================\n"
    "\n"
    "regsweep removes from this registry what nothing needs. Before it goes for good it lies here for a "
    "while, so\n"
    "that it can be put back. Each folder with a number is a generation: what one sweep took. In it every "
    "file\n"
    "lies under the very path that it was taken from. The registry does not look in here. `7.owner` names "
    "the\n"
    "index of regsweep that began generation 7.\n"
    "\n"
    "Leave all of it alone while a sweep is under way (`regsweep inspect generations` says condemned, "
    "unlinked or\n"
    "hidden): what a client asks for meanwhile is put back from here. regsweep removes it by itself when it "
    "is\n"
    "due. What stays longer are manifests that a cache of the registry may still know.\n"
    "\n"
    "Putting back with regsweep\n"
    "--------------------------\n"
    "\n"
    "`regsweep restore NAME:TAG`, `regsweep restore DIGEST`, `regsweep restore --generation 7`. It may be "
    "done at\n"
    "any time, and a sweep that is under way knows of it.\n"
    "\n"
    "Putting back without regsweep\n"
    "-----------------------------\n"
    "\n"
    "Go to the registry's root directory, the one that has `docker` and `regsweep` in it. Be the user that "
    "the\n"
    "registry runs as; for root see below. No sweep must be under way. All of generation 7, as hard links, "
    "which\n"
    "need no room; nothing that is there is overwritten (some versions of cp complain of what they pass "
    "over):\n"
    "\n"
    "    cp -rln regsweep/quarantine/7/. .\n"
    "\n"
    "All generations, the newest first:\n"
    "\n"
    "    for n in $(ls regsweep/quarantine | grep -x '[0-9]*' | sort -rn); do cp -rln "
    "regsweep/quarantine/$n/. .; done\n"
    "\n"
    "One file, by its path in here:\n"
    "\n"
    "    f=docker/registry/v2/blobs/sha256/ab/abcd/data\n"
    "    mkdir -p \"$(dirname $f)\" && ln regsweep/quarantine/7/$f $f\n"
    "\n"
    "An image is many files: a revision, layer links and a tag below `repositories`, and the data of each of "
    "its\n"
    "parts below `blobs`. Putting back all of a generation does no harm: the next sweep finds what nothing "
    "needs.\n"
    "\n"
    "Done by root, what is new must be given to the registry's user, here the one who has `docker`:\n"
    "\n"
    "    chown -R --reference=docker docker\n"
    "\n"
    "On a filesystem without hard links leave the l out of cp's options. Do not use `cp -a`: it gives the "
    "folders\n"
    "of the registry the owner and mode of those in here. The registry need not be restarted. Afterwards "
    "run\n"
    "`regsweep scan`, so that its index knows of it.\n";

/* The same for a bucket. %s: its URL, with the registry's prefix. */
static const char bucket_readme[] =
    "regsweep's quarantine\n"
    "=====================\n"
    "\n"
    "regsweep removes from this registry what nothing needs. Before it goes for good it lies here for a "
    "while, so\n"
    "that it can be put back. Each number is a generation: what one sweep took. In it every object has the "
    "very key\n"
    "that it was taken from. The registry does not look in here. `7.owner` names the index of regsweep that "
    "began\n"
    "generation 7.\n"
    "\n"
    "Leave all of it alone while a sweep is under way (`regsweep inspect generations` says condemned, "
    "unlinked or\n"
    "hidden): what a client asks for meanwhile is put back from here. regsweep removes it by itself when it "
    "is\n"
    "due. What stays longer are manifests that a cache of the registry may still know.\n"
    "\n"
    "Putting back with regsweep\n"
    "--------------------------\n"
    "\n"
    "`regsweep restore NAME:TAG`, `regsweep restore DIGEST`, `regsweep restore --generation 7`. It may be "
    "done at\n"
    "any time, and a sweep that is under way knows of it.\n"
    "\n"
    "Putting back without regsweep\n"
    "-----------------------------\n"
    "\n"
    "With the command line of AWS, and as somebody who may read and write this bucket (another store than "
    "AWS wants\n"
    "--endpoint-url as well). No sweep must be under way. All of generation 7; with --size-only nothing that "
    "is there\n"
    "is overwritten:\n"
    "\n"
    "    aws s3 sync --size-only %s/regsweep/quarantine/7/ %s/\n"
    "\n"
    "Of several generations take the newest first. One object, by its key in here:\n"
    "\n"
    "    f=docker/registry/v2/blobs/sha256/ab/abcd/data\n"
    "    aws s3 cp %s/regsweep/quarantine/7/$f %s/$f\n"
    "\n"
    "An image is many objects: a revision, layer links and a tag below `repositories`, and the data of each "
    "of its\n"
    "parts below `blobs`. Putting back all of a generation does no harm: the next sweep finds what nothing "
    "needs.\n"
    "The registry need not be restarted. Afterwards run `regsweep scan`, so that its index knows of it.\n";

char *rsw_quarantine_key(char out[RSW_QUARANTINE_KEY_MAX], uint64_t generation, const char *key) {
    int len = snprintf(out, RSW_QUARANTINE_KEY_MAX, RSW_QUARANTINE "/%" PRIu64 "/%s", generation, key);
    if (len < 0 || len >= RSW_QUARANTINE_KEY_MAX) {
        out[0] = 0;
    }
    return out;
}

static const char *remedy(int errnum) {
    switch (errnum) {
    case EACCES:
    case EPERM:
        return "; let the user that runs regsweep write there, or make the folder 'regsweep' for it";
    case EROFS:
        return "; mount it writable";
    case ENOSPC:
    case EDQUOT:
        return "; make some room there";
    case ELOOP:
    case ENOTDIR:
        return "; in place of what stands in the way put a folder of the same filesystem";
    default:
        return "";
    }
}

static enum rsw_code code_of(int errnum) {
    return errnum == EACCES || errnum == EPERM || errnum == EROFS ? RSW_EACCESS : RSW_EIO;
}

/* What is to be written there. 0 or -1. */
static int make_readme(struct rsw_buf *out, const struct rsw_storage *storage, struct rsw_error *err) {
    const char *url = rsw_storage_url(storage);
    int len = (int)strlen(url);
    while (len > 0 && url[len - 1] == '/') {
        len--;
    }
    RSW_AUTO_FREE char *bare = strndup(url, (size_t)len);
    if (bare == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    return storage->flat ? rsw_buf_addf(out, err, bucket_readme, bare, bare, bare, bare)
                         : rsw_buf_add(out, readme, sizeof readme - 1, err);
}

int rsw_quarantine_prepare(struct rsw_storage *storage, struct rsw_error *err) {
    char text[128];
    RSW_AUTO_BUF said = RSW_BUF_INIT;
    if (make_readme(&said, storage, err) != 0) {
        return -1;
    }
    struct rsw_write write = {.key = README, .bytes = said.data, .len = said.len};
    rsw_storage_write(storage, &write, 1);
    if (write.answer == RSW_FOUND || write.errnum == EEXIST) {
        return 0;
    }
    return rsw_error_set(err, code_of(write.errnum), write.errnum,
                         "cannot use the quarantine: cannot write '" README "' in %s: %s%s",
                         rsw_storage_url(storage), strerror_r(write.errnum, text, sizeof text),
                         remedy(write.errnum));
}

/* ---- many files, some at a time ---- */

#define CHUNK 32

struct chunk {
    struct rsw_storage *storage;
    struct rsw_setting *settings;
    size_t count;
    char copies[CHUNK][RSW_QUARANTINE_KEY_MAX]; /* their keys in quarantine */
};

static void in_chunks(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                      size_t count, void (*call)(struct chunk *chunk)) {
    struct chunk chunk = {.storage = storage};
    for (size_t done = 0; done < count; done += chunk.count) {
        chunk.settings = settings + done;
        chunk.count = count - done < CHUNK ? count - done : CHUNK;
        for (size_t i = 0; i < chunk.count; i++) {
            rsw_quarantine_key(chunk.copies[i], generation, chunk.settings[i].key);
        }
        call(&chunk);
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
        moves[i] = (struct rsw_move){.from = chunk->settings[i].key, .to = chunk->copies[i]};
    }
    rsw_storage_move(chunk->storage, moves, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = &chunk->settings[i];
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
        copies[i] = (struct rsw_move){.from = chunk->settings[i].key, .to = chunk->copies[i]};
    }
    rsw_storage_copy(chunk->storage, copies, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = &chunk->settings[i];
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

void rsw_quarantine_copy(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count) {
    if (storage->loose) {
        in_chunks(storage, generation, settings, count, copy_chunk);
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

static void remove_chunk(struct chunk *chunk) {
    struct rsw_removal removals[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (may_remove(chunk->storage, &chunk->settings[i], chunk->copies[i])) {
            owners[count] = &chunk->settings[i];
            removals[count++] = (struct rsw_removal){.key = chunk->settings[i].key};
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
    in_chunks(storage, generation, settings, count, storage->loose ? remove_chunk : take_chunk);
}

/* ---- return ---- */

static void return_chunk(struct chunk *chunk) {
    struct rsw_move copies[CHUNK];
    for (size_t i = 0; i < chunk->count; i++) {
        copies[i] = (struct rsw_move){.from = chunk->copies[i], .to = chunk->settings[i].key};
    }
    rsw_storage_copy(chunk->storage, copies, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        struct rsw_setting *setting = &chunk->settings[i];
        answer(setting, copies[i].answer, copies[i].errnum);
        setting->placed = copies[i].answer == RSW_FOUND;
        if (setting->placed) {
            continue;
        }
        /* No copy, or none that could be used: then it must be in place, as it is where that was taken. */
        struct rsw_look look = look_at(chunk->storage, setting->key);
        if (look.answer == RSW_FOUND || copies[i].answer == RSW_ABSENT) {
            set_from_look(setting, &look);
        }
    }
}

void rsw_quarantine_return(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                           size_t count) {
    in_chunks(storage, generation, settings, count, return_chunk);
}

/* ---- purge ---- */

static void purge_chunk(struct chunk *chunk) {
    struct rsw_removal removals[CHUNK];
    for (size_t i = 0; i < chunk->count; i++) {
        removals[i] = (struct rsw_removal){.key = chunk->copies[i]};
    }
    rsw_storage_remove(chunk->storage, removals, chunk->count);
    for (size_t i = 0; i < chunk->count; i++) {
        answer(&chunk->settings[i], removals[i].answer, removals[i].errnum);
    }
}

void rsw_quarantine_purge(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                          size_t count) {
    in_chunks(storage, generation, settings, count, purge_chunk);
}

/* ---- drop ---- */

/* A tag's link may say something new by now. Of the others what they say follows from their key: one that
 * says something else was cut short, and its copy is all that there is. */
static bool may_drop(struct rsw_storage *storage, struct rsw_setting *setting, const char *copy) {
    struct rsw_path path;
    rsw_path_parse(&path, setting->key);
    int errnum = compare(storage, setting->key, copy);
    if (errnum == EEXIST && path.place == RSW_PLACE_TAG_CURRENT) {
        errnum = 0;
    }
    answer(setting, errnum == 0 ? RSW_FOUND : RSW_FAILED, errnum);
    return errnum == 0;
}

static void drop_chunk(struct chunk *chunk) {
    struct rsw_removal removals[CHUNK];
    struct rsw_setting *owners[CHUNK];
    size_t count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        if (may_drop(chunk->storage, &chunk->settings[i], chunk->copies[i])) {
            owners[count] = &chunk->settings[i];
            removals[count++] = (struct rsw_removal){.key = chunk->copies[i]};
        }
    }
    rsw_storage_remove(chunk->storage, removals, count);
    for (size_t i = 0; i < count; i++) {
        answer(owners[i], removals[i].answer, removals[i].errnum);
    }
}

void rsw_quarantine_drop(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count) {
    in_chunks(storage, generation, settings, count, drop_chunk);
}

/* ---- clean ---- */

struct cleaning {
    struct rsw_storage *storage;
    size_t prefix_len; /* of the generation's folder and its slash, in every key */
    uint64_t strange;
};

static bool is_link(enum rsw_place place) {
    return place == RSW_PLACE_LAYER_LINK || place == RSW_PLACE_REVISION_LINK ||
           place == RSW_PLACE_SIGNATURE_LINK || place == RSW_PLACE_TAG_CURRENT ||
           place == RSW_PLACE_TAG_HISTORY;
}

static int cannot_clean(const char *key, int errnum, struct rsw_error *err) {
    char text[128];
    return rsw_error_set(err, code_of(errnum), errnum, "cannot clean the quarantine: '%s': %s%s", key,
                         strerror_r(errnum, text, sizeof text), remedy(errnum));
}

/* The links of a page, at once. */
static int remove_links(struct cleaning *cleaning, struct rsw_removal *removals, size_t count,
                        struct rsw_error *err) {
    rsw_storage_remove(cleaning->storage, removals, count);
    for (size_t i = 0; i < count; i++) {
        if (removals[i].answer == RSW_FAILED) {
            return cannot_clean(removals[i].key, removals[i].errnum, err);
        }
    }
    return 0;
}

static int clean_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct cleaning *cleaning = arg;
    RSW_AUTO_FREE struct rsw_removal *removals = calloc(count + 1, sizeof *removals);
    size_t links = 0;
    if (removals == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory while cleaning the quarantine");
    }
    for (size_t i = 0; i < count; i++) {
        const struct rsw_entry *entry = &entries[i];
        struct rsw_path path;
        if (entry->kind == RSW_ENTRY_DIR) {
            return cannot_clean(entry->key, entry->errnum, err);
        }
        rsw_path_parse(&path, entry->key + cleaning->prefix_len);
        if (entry->kind == RSW_ENTRY_FILE && is_link(path.place)) {
            removals[links++].key = entry->key;
        } else if (entry->kind != RSW_ENTRY_FILE || path.place != RSW_PLACE_BLOB_DATA) {
            cleaning->strange++;
        }
    }
    return remove_links(cleaning, removals, links, err);
}

int rsw_quarantine_clean(struct rsw_storage *storage, uint64_t generation, uint64_t *strange,
                         struct rsw_error *err) {
    char dir[RSW_QUARANTINE_KEY_MAX];
    int len = snprintf(dir, sizeof dir, RSW_QUARANTINE "/%" PRIu64, generation);
    struct cleaning cleaning = {.storage = storage, .prefix_len = (size_t)len + 1};
    const struct rsw_listing listing = {.prefix = dir, .page = clean_page, .arg = &cleaning};
    int listed = rsw_storage_list(storage, &listing, err);
    if (strange != NULL) {
        *strange = cleaning.strange;
    }
    if (listed == RSW_ABSENT) {
        return 0;
    }
    return listed == RSW_FAILED || (!storage->flat && rsw_storage_prune(storage, dir, err) == RSW_FAILED) ? -1
                                                                                                          : 0;
}
