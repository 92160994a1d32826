/* Finding the repositories: a walk over folders that stops at the first '_', and never looks into one. */
#include "scan/blobs.h"

#include "index/index.h"
#include "storage/layout.h"

#include <string.h>

struct discovery {
    struct rsw_reading *reading;
    struct rsw_names *found;
    struct rsw_error *err;
    unsigned folders;
    bool failed;
};

#define PREFIX RSW_LAYOUT_REPOSITORIES "/"

/* A repository shows as several folders (or many keys) in a row: once is enough, and a name that comes again
 * later is found again when names are sorted. */
static void add(struct discovery *d, const char *key, const char *name, size_t len) {
    char built[RSW_KEY_MAX];
    char text[RSW_REPO_NAME_MAX + 1];
    if (d->failed) {
        return;
    }
    if (d->found->count > 0) {
        const char *last = d->found->names[d->found->count - 1];
        if (strlen(last) == len && memcmp(last, name, len) == 0) {
            return;
        }
    }
    if (len <= RSW_REPO_NAME_MAX) {
        memcpy(text, name, len);
        text[len] = 0;
    }
    if (len > RSW_REPO_NAME_MAX || rsw_key_repository(built, text) == NULL) {
        rsw_reading_unread(d->reading, key,
                           "the repository's name is too long, or no name: rename or remove the folder");
        return;
    }
    d->failed = rsw_names_add(d->found, name, len, d->err) != 0;
}

/* The length of the repository's name in a path below `repositories`, if the path goes into one; else 0. */
static size_t name_length(const char *path) {
    if (path[0] == '_') {
        return 0;
    }
    const char *mark = strstr(path, "/_");
    return mark == NULL ? 0 : (size_t)(mark - path);
}

/* Folders that the registry has in a repository. Others with a '_' are none of ours, and make no repository.
 */
static bool is_known(const char *sub) {
    static const char *const known[] = {"_layers", "_manifests", "_uploads"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t len = strlen(known[i]);
        if (strncmp(sub, known[i], len) == 0 && (sub[len] == 0 || sub[len] == '/')) {
            return true;
        }
    }
    return false;
}

static enum rsw_descend descend(void *arg, const char *dir_key, const char **leaf) {
    struct discovery *d = arg;
    (void)leaf;
    /* Folders alone fill no page, so a stop is looked for here. */
    if (++d->folders % 256 == 0 && rsw_reading_stopped(d->reading, d->err)) {
        d->failed = true;
    }
    if (d->failed) {
        return RSW_DESCEND_SKIP;
    }
    const char *path = dir_key + strlen(PREFIX);
    size_t len = name_length(path);
    if (len == 0) {
        return path[0] == '_' ? RSW_DESCEND_SKIP : RSW_DESCEND;
    }
    if (is_known(path + len + 1)) {
        add(d, dir_key, path, len);
    }
    return RSW_DESCEND_SKIP;
}

static void take_entry(struct discovery *d, const struct rsw_entry *entry) {
    const char *path = entry->key + strlen(PREFIX);
    if (strncmp(entry->key, PREFIX, strlen(PREFIX)) != 0) {
        return;
    }
    size_t len = name_length(path);
    if (entry->kind == RSW_ENTRY_FILE) {
        if (len > 0 && is_known(path + len + 1)) {
            add(d, entry->key, path, len); /* a store without folders */
        }
        return;
    }
    if (len == 0 || is_known(path + len + 1)) {
        rsw_reading_unseen(d->reading, entry);
    }
}

static int page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct discovery *d = arg;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        take_entry(d, &entries[i]);
    }
    d->failed = d->failed || rsw_reading_stopped(d->reading, d->err);
    return d->failed ? -1 : 0;
}

int rsw_repositories_find(struct rsw_reading *reading, struct rsw_names *found, bool *any,
                          struct rsw_error *err) {
    struct discovery d = {.reading = reading, .found = found, .err = err};
    struct rsw_error why = RSW_ERROR_INIT;
    struct rsw_listing listing = {
        .prefix = RSW_LAYOUT_REPOSITORIES, .descend = descend, .page = page, .arg = &d};
    int answer = rsw_storage_list(reading->storage, &listing, &why);
    *any = answer != RSW_ABSENT;
    if (answer == RSW_FAILED && !d.failed) {
        if (why.code == RSW_ENOMEM) {
            return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        }
        rsw_reading_unread(reading, RSW_LAYOUT_REPOSITORIES, why.message);
    }
    return d.failed ? -1 : 0;
}
