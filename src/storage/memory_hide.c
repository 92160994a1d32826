/* Hiding in the memory backend: a hidden file lies in a table of its own. */
#include "storage/memory.h"

#include "storage/backend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(struct rsw_hiding *hiding, int errnum) {
    hiding->errnum = errnum;
    hiding->answer = errnum == 0 ? RSW_FOUND : errnum == ENOENT ? RSW_ABSENT : RSW_FAILED;
}

/* `one` for each, under the lock; a fault is no absence. */
static void each(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count,
                 int (*one)(struct rsw_memory *memory, struct rsw_hiding *hiding)) {
    struct rsw_memory *memory = (struct rsw_memory *)storage;
    pthread_mutex_lock(&memory->lock);
    for (size_t i = 0; i < count; i++) {
        int errnum = rsw_memory_fault_of(memory, hidings[i].key);
        if (errnum == 0) {
            errnum = rsw_memory_fault(memory, hidings[i].record);
        }
        if (errnum == 0) {
            answer(&hidings[i], one(memory, &hidings[i]));
        } else {
            answer(&hidings[i], errnum == ENOENT ? EIO : errnum);
        }
    }
    pthread_mutex_unlock(&memory->lock);
}

static void take_from_hidden(struct rsw_memory *memory, size_t at) {
    memory->hidden_count--;
    memmove(memory->hidden + at, memory->hidden + at + 1,
            (memory->hidden_count - at) * sizeof *memory->hidden);
}

void rsw_memory_forget(struct rsw_memory *memory, const char *key, uint64_t version) {
    for (size_t i = memory->hidden_count; i > 0; i--) {
        struct rsw_memory_file *file = &memory->hidden[i - 1];
        if (strcmp(file->key, key) == 0 && file->version <= version) {
            free(file->key);
            free(file->bytes);
            take_from_hidden(memory, i - 1);
        }
    }
}

static void remove_file(struct rsw_memory *memory, const char *key) {
    struct rsw_memory_file *file = rsw_memory_get(memory, key);
    if (file != NULL) {
        struct rsw_memory_file taken = rsw_memory_take_out(memory, file);
        free(taken.key);
        free(taken.bytes);
    }
}

/* What the record names; 0: there is none. */
static uint64_t noted(const struct rsw_memory *memory, const char *record) {
    const struct rsw_memory_file *file = rsw_memory_get(memory, record);
    uint64_t version = 0;
    if (file != NULL) {
        memcpy(&version, file->bytes, file->len < sizeof version ? file->len : sizeof version);
    }
    return version;
}

static int note(struct rsw_memory *memory, struct rsw_hiding *hiding) {
    const struct rsw_memory_file *file = rsw_memory_get(memory, hiding->key);
    if (file == NULL) {
        return ENOENT;
    }
    uint64_t version = file->version;
    remove_file(memory, hiding->record);
    return rsw_memory_make(memory, hiding->record, &version, sizeof version, 0);
}

static int hide(struct rsw_memory *memory, struct rsw_hiding *hiding) {
    struct rsw_memory_file *file = rsw_memory_get(memory, hiding->key);
    uint64_t version = noted(memory, hiding->record);
    if (version == 0 || file == NULL) {
        return file == NULL ? EIO : EBADMSG;
    }
    if (file->version != version) {
        return EAGAIN;
    }
    struct rsw_memory_file *grown =
        realloc(memory->hidden, (memory->hidden_count + 1) * sizeof *memory->hidden);
    if (grown == NULL) {
        return ENOMEM;
    }
    memory->hidden = grown;
    grown[memory->hidden_count++] = rsw_memory_take_out(memory, file);
    return 0;
}

static int show(struct rsw_memory *memory, struct rsw_hiding *hiding) {
    if (rsw_memory_get(memory, hiding->key) != NULL) {
        return 0;
    }
    for (size_t i = memory->hidden_count; i > 0; i--) {
        if (strcmp(memory->hidden[i - 1].key, hiding->key) == 0) {
            struct rsw_memory_file file = memory->hidden[i - 1];
            int errnum = rsw_memory_add(memory, &file);
            if (errnum == 0) {
                take_from_hidden(memory, i - 1);
                hiding->placed = true;
            }
            return errnum;
        }
    }
    return ENOENT;
}

static int drop(struct rsw_memory *memory, struct rsw_hiding *hiding) {
    uint64_t version = noted(memory, hiding->record);
    const struct rsw_memory_file *file = rsw_memory_get(memory, hiding->key);
    if (version == 0) {
        return ENOENT;
    }
    if (file == NULL || file->version != version) {
        rsw_memory_forget(memory, hiding->key, version);
    }
    remove_file(memory, hiding->record);
    return 0;
}

void rsw_memory_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    each(storage, hidings, count, note);
}

void rsw_memory_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    each(storage, hidings, count, hide);
}

void rsw_memory_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    each(storage, hidings, count, show);
}

void rsw_memory_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    each(storage, hidings, count, drop);
}
