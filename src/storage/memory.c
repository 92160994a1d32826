#include "storage/memory.h"

#include "storage/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct rsw_memory *lock(struct rsw_storage *storage) {
    struct rsw_memory *memory = (struct rsw_memory *)storage;
    pthread_mutex_lock(&memory->lock);
    return memory;
}

static void unlock(struct rsw_memory *memory) {
    pthread_mutex_unlock(&memory->lock);
}

size_t rsw_memory_find(const struct rsw_memory *memory, const char *key) {
    size_t low = 0;
    size_t high = memory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(memory->files[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct rsw_memory_file *rsw_memory_get(const struct rsw_memory *memory, const char *key) {
    size_t at = rsw_memory_find(memory, key);
    return at < memory->count && strcmp(memory->files[at].key, key) == 0 ? &memory->files[at] : NULL;
}

bool rsw_memory_has_dir(const struct rsw_memory *memory, const char *dir) {
    size_t len = strlen(dir);
    /* Between "dir" and "dir/" there may be "dir-a": look from there on. */
    for (size_t at = rsw_memory_find(memory, dir); at < memory->count; at++) {
        const char *key = memory->files[at].key;
        if (strncmp(key, dir, len) != 0) {
            return false;
        }
        if (len == 0 || key[len] == '/') {
            return true;
        }
        if ((unsigned char)key[len] > '/') {
            return false;
        }
    }
    return false;
}

int rsw_memory_fault(const struct rsw_memory *memory, const char *key) {
    for (size_t i = 0; i < memory->fault_count; i++) {
        if (strcmp(memory->faults[i].key, key) == 0) {
            return memory->faults[i].errnum;
        }
    }
    return memory->all_fail;
}

int rsw_memory_count(struct rsw_memory *memory) {
    if (!memory->countdown_on || memory->countdown-- > 0) {
        return 0;
    }
    memory->countdown_on = false;
    return memory->countdown_errnum;
}

int rsw_memory_fault_of(struct rsw_memory *memory, const char *key) {
    int errnum = rsw_memory_count(memory);
    return errnum != 0 ? errnum : rsw_memory_fault(memory, key);
}

static int answer_of(int errnum) {
    return errnum == 0 ? RSW_FOUND : errnum == ENOENT ? RSW_ABSENT : RSW_FAILED;
}

/* The file, or NULL and why not: ENOENT, EISDIR, or a fault. */
static struct rsw_memory_file *open_file(struct rsw_memory *memory, const char *key, int *errnum,
                                         bool *is_fault) {
    *errnum = rsw_memory_fault_of(memory, key);
    *is_fault = *errnum != 0;
    if (*is_fault) {
        return NULL;
    }
    struct rsw_memory_file *file = rsw_memory_get(memory, key);
    if (file == NULL) {
        *errnum = !memory->base.flat && rsw_memory_has_dir(memory, key) ? EISDIR : ENOENT;
    }
    return file;
}

static void memory_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        struct rsw_look *look = &looks[i];
        bool is_fault;
        const struct rsw_memory_file *file = open_file(memory, look->key, &look->errnum, &is_fault);
        look->answer = is_fault ? RSW_FAILED : answer_of(look->errnum);
        if (file != NULL) {
            look->kind = RSW_ENTRY_FILE;
            look->size = file->len;
            look->mtime_ms = file->mtime_ms;
        } else if (!is_fault && look->errnum == EISDIR) {
            look->answer = RSW_FOUND;
            look->errnum = 0;
            look->kind = RSW_ENTRY_DIR;
        }
    }
    unlock(memory);
}

static void memory_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        struct rsw_read *read = &reads[i];
        bool is_fault;
        const struct rsw_memory_file *file = open_file(memory, read->key, &read->errnum, &is_fault);
        if (file != NULL) {
            bool is_long = file->len > read->max;
            read->errnum = is_long ? EFBIG : 0;
            read->mtime_ms = file->mtime_ms;
            if (rsw_buf_add(&read->content, file->bytes, is_long ? read->max : file->len, NULL) != 0) {
                read->errnum = ENOMEM;
            }
        }
        read->answer = is_fault ? RSW_FAILED : answer_of(read->errnum);
    }
    unlock(memory);
}

struct rsw_memory_file rsw_memory_take_out(struct rsw_memory *memory, struct rsw_memory_file *file) {
    struct rsw_memory_file taken = *file;
    memory->count--;
    memmove(file, file + 1, (memory->count - (size_t)(file - memory->files)) * sizeof *file);
    return taken;
}

static void memory_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        struct rsw_removal *removal = &removals[i];
        bool is_fault;
        struct rsw_memory_file *file = open_file(memory, removal->key, &removal->errnum, &is_fault);
        removal->answer = is_fault ? RSW_FAILED : answer_of(removal->errnum);
        if (file != NULL) {
            struct rsw_memory_file taken = rsw_memory_take_out(memory, file);
            free(taken.key);
            free(taken.bytes);
        }
        if (!is_fault) {
            rsw_memory_forget(memory, removal->key, UINT64_MAX);
        }
    }
    unlock(memory);
}

static int memory_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err) {
    struct rsw_memory *memory = lock(storage);
    int errnum = rsw_memory_fault_of(memory, dir);
    int answer = dir[0] == 0 || rsw_memory_has_dir(memory, dir) ? RSW_FOUND : RSW_ABSENT;
    if (errnum == 0 && answer == RSW_ABSENT && rsw_memory_get(memory, dir) != NULL) {
        errnum = ENOTDIR;
    }
    unlock(memory);
    if (errnum != 0) {
        rsw_storage_fail(err, errnum, "prune", dir);
        return RSW_FAILED;
    }
    return answer;
}

static void memory_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        struct rsw_removal *removal = &removals[i];
        removal->errnum = rsw_memory_fault_of(memory, removal->key);
        if (removal->errnum == 0 && rsw_memory_has_dir(memory, removal->key)) {
            removal->errnum = ENOTEMPTY;
        } else if (removal->errnum == 0 && !memory->base.flat &&
                   rsw_memory_get(memory, removal->key) != NULL) {
            removal->errnum = ENOTDIR;
        }
        removal->answer = removal->errnum == 0 ? RSW_ABSENT : RSW_FAILED;
    }
    unlock(memory);
}

/* Makes room at `at`. False: out of memory. */
static bool insert_at(struct rsw_memory *memory, size_t at) {
    if (memory->count == memory->room) {
        size_t room = memory->room == 0 ? 64 : memory->room * 2;
        struct rsw_memory_file *files = realloc(memory->files, room * sizeof *files);
        if (files == NULL) {
            return false;
        }
        memory->files = files;
        memory->room = room;
    }
    memmove(memory->files + at + 1, memory->files + at, (memory->count - at) * sizeof *memory->files);
    memory->count++;
    return true;
}

/* Why no file can be made under this key, or 0: there is one, or a folder, or one of its folders is a file.
 */
static int obstacle(const struct rsw_memory *memory, const char *key) {
    if (rsw_memory_get(memory, key) != NULL || (!memory->base.flat && rsw_memory_has_dir(memory, key))) {
        return EEXIST;
    }
    for (const char *slash = strchr(key, '/'); !memory->base.flat && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        char *above = strndup(key, (size_t)(slash - key));
        bool is_file = above == NULL || rsw_memory_get(memory, above) != NULL;
        free(above);
        if (is_file) {
            return ENOTDIR;
        }
    }
    return 0;
}

int rsw_memory_add(struct rsw_memory *memory, const struct rsw_memory_file *file) {
    size_t at = rsw_memory_find(memory, file->key);
    if (!insert_at(memory, at)) {
        return ENOMEM;
    }
    memory->files[at] = *file;
    memory->files[at].version = file->version != 0 ? file->version : ++memory->next_version;
    return 0;
}

/* The file to move or copy, and 0; or why it cannot go. */
static int open_source(struct rsw_memory *memory, const struct rsw_move *move,
                       struct rsw_memory_file **file) {
    int errnum;
    bool is_fault;
    *file = open_file(memory, move->from, &errnum, &is_fault);
    if (*file == NULL) {
        return is_fault && errnum == ENOENT ? EIO : errnum;
    }
    errnum = rsw_memory_fault(memory, move->to);
    if (errnum != 0) {
        return errnum == ENOENT ? EIO : errnum; /* a fault is no absence */
    }
    return obstacle(memory, move->to);
}

static int move_one(struct rsw_memory *memory, const struct rsw_move *move) {
    struct rsw_memory_file *file;
    int errnum = open_source(memory, move, &file);
    if (errnum != 0) {
        return errnum;
    }
    char *key = strdup(move->to);
    if (key == NULL) {
        return ENOMEM;
    }
    struct rsw_memory_file moved = rsw_memory_take_out(memory, file); /* and so there is room */
    free(moved.key);
    moved.key = key;
    moved.version = 0;
    return rsw_memory_add(memory, &moved);
}

static void memory_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        moves[i].errnum = move_one(memory, &moves[i]);
        moves[i].answer = answer_of(moves[i].errnum);
    }
    unlock(memory);
}

int rsw_memory_make(struct rsw_memory *memory, const char *key, const void *bytes, size_t len,
                    int64_t mtime_ms) {
    struct rsw_memory_file file = {.key = strdup(key), .len = len, .mtime_ms = mtime_ms};
    file.bytes = malloc(len > 0 ? len : 1);
    if (file.key != NULL && file.bytes != NULL) {
        if (len > 0) {
            memcpy(file.bytes, bytes, len);
        }
        if (rsw_memory_add(memory, &file) == 0) {
            return 0;
        }
    }
    free(file.key);
    free(file.bytes);
    return ENOMEM;
}

static void memory_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        struct rsw_memory_file *file;
        int errnum = open_source(memory, &copies[i], &file);
        copies[i].errnum =
            errnum != 0 ? errnum
                        : rsw_memory_make(memory, copies[i].to, file->bytes, file->len, file->mtime_ms);
        copies[i].answer = answer_of(copies[i].errnum);
    }
    unlock(memory);
}

static int write_one(struct rsw_memory *memory, const struct rsw_write *write) {
    int errnum = rsw_memory_fault_of(memory, write->key);
    errnum = errnum != 0 ? errnum : obstacle(memory, write->key);
    return errnum != 0 ? errnum : rsw_memory_make(memory, write->key, write->bytes, write->len, 0);
}

static void memory_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    struct rsw_memory *memory = lock(storage);
    for (size_t i = 0; i < count; i++) {
        writes[i].errnum = write_one(memory, &writes[i]);
        writes[i].answer = writes[i].errnum == 0 ? RSW_FOUND : RSW_FAILED;
    }
    unlock(memory);
}

static void memory_free(struct rsw_storage *storage) {
    struct rsw_memory *memory = (struct rsw_memory *)storage;
    for (size_t i = 0; i < memory->count; i++) {
        free(memory->files[i].key);
        free(memory->files[i].bytes);
    }
    for (size_t i = 0; i < memory->fault_count; i++) {
        free(memory->faults[i].key);
    }
    for (size_t i = 0; i < memory->hidden_count; i++) {
        free(memory->hidden[i].key);
        free(memory->hidden[i].bytes);
    }
    free(memory->hidden);
    free(memory->files);
    free(memory->faults);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

int rsw_storage_open_memory(struct rsw_storage **out, struct rsw_error *err) {
    static const struct rsw_storage_ops ops = {.list = rsw_memory_list,
                                               .look = memory_look,
                                               .read = memory_read,
                                               .remove = memory_remove,
                                               .prune = memory_prune,
                                               .rmdir = memory_rmdir,
                                               .move = memory_move,
                                               .copy = memory_copy,
                                               .write = memory_write,
                                               .note = rsw_memory_note,
                                               .hide = rsw_memory_hide,
                                               .show = rsw_memory_show,
                                               .drop = rsw_memory_drop,
                                               .free = memory_free};
    *out = NULL;
    struct rsw_memory *memory = calloc(1, sizeof *memory);
    char *url = memory == NULL ? NULL : strdup("memory://");
    if (url == NULL || pthread_mutex_init(&memory->lock, NULL) != 0) {
        free(url);
        free(memory);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    memory->base = (struct rsw_storage){.ops = &ops, .url = url};
    *out = &memory->base;
    return 0;
}

int rsw_memory_put(struct rsw_storage *storage, const char *key, const void *bytes, size_t len,
                   int64_t mtime_ms, struct rsw_error *err) {
    if (!rsw_storage_key_valid(key, false)) {
        return rsw_error_set(err, RSW_EINVAL, EINVAL, "'%s' is not a storage key", key);
    }
    struct rsw_memory_file file = {.mtime_ms = mtime_ms, .len = len};
    file.key = strdup(key);
    file.bytes = malloc(len > 0 ? len : 1);
    bool ok = file.key != NULL && file.bytes != NULL;
    if (ok && len > 0) {
        memcpy(file.bytes, bytes, len);
    }
    struct rsw_memory *memory = lock(storage);
    struct rsw_memory_file *old = rsw_memory_get(memory, key);
    if (ok && old != NULL) {
        struct rsw_memory_file swap = *old;
        *old = file;
        old->version = ++memory->next_version;
        file = swap;
    } else if (ok) {
        ok = rsw_memory_add(memory, &file) == 0;
        if (ok) {
            file = (struct rsw_memory_file){.key = NULL};
        }
    }
    unlock(memory);
    free(file.key);
    free(file.bytes);
    return ok ? 0 : rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

void rsw_memory_fail_key(struct rsw_storage *storage, const char *key, int errnum) {
    struct rsw_memory *memory = lock(storage);
    size_t at = 0;
    while (at < memory->fault_count && strcmp(memory->faults[at].key, key) != 0) {
        at++;
    }
    if (at == memory->fault_count && errnum != 0) {
        struct rsw_memory_fault *faults = realloc(memory->faults, (at + 1) * sizeof *faults);
        char *copy = strdup(key);
        if (faults != NULL) {
            memory->faults = faults;
        }
        if (faults == NULL || copy == NULL) {
            /* A test that believes in a fault that is not there would prove nothing. */
            memory->all_fail = ENOMEM;
            free(copy);
            unlock(memory);
            return;
        }
        faults[at] = (struct rsw_memory_fault){.key = copy};
        memory->fault_count++;
    }
    if (at < memory->fault_count) {
        memory->faults[at].errnum = errnum;
    }
    unlock(memory);
}

void rsw_memory_fail_after(struct rsw_storage *storage, int countdown, int errnum) {
    struct rsw_memory *memory = lock(storage);
    memory->countdown_on = countdown >= 0 && errnum != 0;
    memory->countdown = countdown;
    memory->countdown_errnum = errnum;
    unlock(memory);
}

void rsw_memory_flat(struct rsw_storage *storage, bool flat) {
    struct rsw_memory *memory = lock(storage);
    memory->base.flat = flat;
    unlock(memory);
}

void rsw_memory_sums(struct rsw_storage *storage) {
    struct rsw_memory *memory = lock(storage);
    memory->base.flat = true;
    memory->sums = true;
    unlock(memory);
}

void rsw_memory_loose(struct rsw_storage *storage) {
    struct rsw_memory *memory = lock(storage);
    memory->base.flat = true;
    memory->base.loose = true;
    unlock(memory);
}

void rsw_memory_versions(struct rsw_storage *storage) {
    struct rsw_memory *memory = lock(storage);
    memory->base.flat = true;
    memory->base.loose = true;
    memory->base.versions = true;
    unlock(memory);
}
