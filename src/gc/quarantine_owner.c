/* The folders of the quarantine, and whose they are. */
#include "gc/quarantine.h"

#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OWNER ".owner"

struct naming {
    int (*seen)(void *arg, uint64_t generation, bool claimed, struct rsw_error *err);
    void *arg;
    int rc;
    struct rsw_error *err;
};

static enum rsw_descend name_folder(void *arg, const char *dir_key, const char **leaf) {
    struct naming *naming = arg;
    uint64_t number;
    (void)leaf;
    if (naming->rc == 0 && rsw_number_parse(&number, dir_key + strlen(RSW_QUARANTINE) + 1, UINT64_MAX - 1)) {
        naming->rc = naming->seen(naming->arg, number, false, naming->err);
    }
    return RSW_DESCEND_SKIP;
}

/* The number in "N.owner". */
static bool is_claim(const char *key, uint64_t *number) {
    char text[32];
    const char *name = key + strlen(RSW_QUARANTINE) + 1;
    const char *dot = strchr(name, '.');
    if (dot == NULL || strcmp(dot, OWNER) != 0 || (size_t)(dot - name) >= sizeof text) {
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)(dot - name), name);
    return rsw_number_parse(number, text, UINT64_MAX - 1);
}

static int name_claims(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct naming *naming = arg;
    for (size_t i = 0; i < count && naming->rc == 0; i++) {
        uint64_t number;
        if (entries[i].kind == RSW_ENTRY_DIR) {
            return rsw_error_set(err, RSW_EIO, entries[i].errnum, "'%s' cannot be read", entries[i].key);
        }
        if (is_claim(entries[i].key, &number)) {
            naming->rc = naming->seen(naming->arg, number, true, err);
        }
    }
    return naming->rc;
}

int rsw_quarantine_walk(struct rsw_storage *storage,
                        int (*seen)(void *arg, uint64_t generation, bool claimed, struct rsw_error *err),
                        void *arg, struct rsw_error *err) {
    struct naming naming = {.seen = seen, .arg = arg, .err = err};
    const struct rsw_listing listing = {
        .prefix = RSW_QUARANTINE, .descend = name_folder, .page = name_claims, .arg = &naming};
    return rsw_storage_list(storage, &listing, err) == RSW_FAILED ? -1 : naming.rc;
}

static void owner_key(char key[RSW_QUARANTINE_KEY_MAX], uint64_t generation) {
    snprintf(key, RSW_QUARANTINE_KEY_MAX, RSW_QUARANTINE "/%" PRIu64 OWNER, generation);
}

int rsw_quarantine_claim(struct rsw_storage *storage, uint64_t generation, const char *owner,
                         struct rsw_error *err) {
    char key[RSW_QUARANTINE_KEY_MAX];
    owner_key(key, generation);
    struct rsw_write write = {.key = key, .bytes = owner, .len = strlen(owner)};
    rsw_storage_write(storage, &write, 1);
    if (write.answer == RSW_FOUND) {
        return RSW_FOUND;
    }
    struct rsw_read read = {.key = key, .max = RSW_LINK_MAX, .content = RSW_BUF_INIT};
    if (write.errnum == EEXIST) {
        rsw_storage_read(storage, &read, 1);
    }
    bool ours = read.answer == RSW_FOUND && read.content.len == write.len &&
                memcmp(read.content.data, owner, write.len) == 0;
    rsw_buf_release(&read.content);
    if (write.errnum == EEXIST) {
        return ours ? RSW_FOUND : RSW_ABSENT;
    }
    rsw_error_set(err, RSW_EIO, write.errnum, "cannot use the quarantine: cannot write '%s'", key);
    return RSW_FAILED;
}

static int count_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)entries;
    (void)err;
    *(size_t *)arg += count;
    return 0;
}

void rsw_quarantine_leave(struct rsw_storage *storage, uint64_t generation) {
    char key[RSW_QUARANTINE_KEY_MAX];
    struct rsw_error ignored = RSW_ERROR_INIT;
    size_t count = 0;
    snprintf(key, sizeof key, RSW_QUARANTINE "/%" PRIu64, generation);
    const struct rsw_listing listing = {.prefix = key, .page = count_page, .arg = &count};
    if (rsw_storage_list(storage, &listing, &ignored) == RSW_FAILED || count > 0) {
        return;
    }
    owner_key(key, generation);
    struct rsw_removal removal = {.key = key};
    rsw_storage_remove(storage, &removal, 1);
}
