#include "gc_registry.h"

#include "util/grow.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum backend in_memory = IN_MEMORY, in_directory = IN_DIRECTORY, in_store = IN_STORE,
             with_versions = WITH_VERSIONS;

/* ---- a storage that tells of every call ---- */

struct telling {
    struct rsw_storage base; /* first member */
    struct registry *registry;
};

static struct rsw_storage *told(struct rsw_storage *storage, const char *call, const char *key) {
    struct registry *r = ((struct telling *)storage)->registry;
    if (r->before_call != NULL) {
        r->before_call(r, call, key);
    }
    return r->real;
}

static int telling_list(struct rsw_storage *storage, const struct rsw_listing *listing,
                        struct rsw_error *err) {
    return rsw_storage_list(told(storage, "list", listing->prefix), listing, err);
}

static void telling_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count) {
    rsw_storage_look(told(storage, "look", ""), looks, count);
    for (size_t i = 0; i < count; i++) {
        if (looks[i].answer == RSW_FOUND && strcmp(looks[i].key, "regsweep/probe") == 0) {
            looks[i].mtime_ms =
                rsw_clock_now_ms(&((struct telling *)storage)->registry->clock); /* it is that of the test */
        }
    }
}

static void telling_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count) {
    rsw_storage_read(told(storage, "read", ""), reads, count);
}

static void telling_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_remove(told(storage, "remove", removals[i].key), removals + i, 1);
        removals[i].late = ((struct telling *)storage)->registry->late;
    }
}

static int telling_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err) {
    return rsw_storage_prune(told(storage, "prune", dir), dir, err);
}

static void telling_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_rmdir(told(storage, "rmdir", removals[i].key), removals + i, 1);
    }
}

static void telling_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_move(told(storage, "move", moves[i].from), moves + i, 1);
    }
}

static void telling_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_copy(told(storage, "copy", copies[i].from), copies + i, 1);
    }
}

static void telling_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_write(told(storage, "write", writes[i].key), writes + i, 1);
    }
}

/* Told of as what stands for it elsewhere. */
static void telling_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_note(told(storage, "copy", hidings[i].key), hidings + i, 1);
    }
}

static void telling_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_hide(told(storage, "remove", hidings[i].key), hidings + i, 1);
        hidings[i].late = ((struct telling *)storage)->registry->late;
    }
}

static void telling_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_show(told(storage, "copy", hidings[i].record), hidings + i, 1);
    }
}

static void telling_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        rsw_storage_drop(told(storage, "remove", hidings[i].record), hidings + i, 1);
        hidings[i].late = ((struct telling *)storage)->registry->late && hidings[i].answer == RSW_FAILED;
    }
}

static int telling_still_versions(struct rsw_storage *storage, struct rsw_error *err) {
    return ((struct telling *)storage)->registry->suspended
               ? rsw_error_set(err, RSW_EREFUSED, 0, "versions are kept no more")
               : 0;
}

static int telling_old_versions(struct rsw_storage *storage, struct rsw_old_versions *old,
                                struct rsw_error *err) {
    const struct rsw_old_version version = {
        .key = ((struct telling *)storage)->registry->old_key, .id = "v", .deleted = true};
    if (old->page != NULL && old->page(old->arg, err) != 0) {
        return -1;
    }
    size_t len = strlen(old->prefix);
    if (version.key != NULL && strncmp(version.key, old->prefix, len) == 0 && version.key[len] == '/') {
        old->versions++;
        old->removed += old->wanted(old->arg, &version) ? 1 : 0;
    }
    return 0;
}

static void telling_free(struct rsw_storage *storage) {
    free(storage);
}

static struct rsw_storage *telling(struct registry *r) {
    static const struct rsw_storage_ops ops = {.list = telling_list,
                                               .look = telling_look,
                                               .read = telling_read,
                                               .remove = telling_remove,
                                               .prune = telling_prune,
                                               .rmdir = telling_rmdir,
                                               .move = telling_move,
                                               .copy = telling_copy,
                                               .write = telling_write,
                                               .note = telling_note,
                                               .hide = telling_hide,
                                               .show = telling_show,
                                               .drop = telling_drop,
                                               .old_versions = telling_old_versions,
                                               .still_versions = telling_still_versions,
                                               .free = telling_free};
    struct telling *out = calloc(1, sizeof *out);
    assert_non_null(out);
    out->base.ops = &ops;
    out->base.url = strdup(rsw_storage_url(r->real));
    out->base.flat = r->real->flat;
    out->base.loose = r->real->loose;
    out->base.versions = r->real->versions;
    out->registry = r;
    return &out->base;
}

/* ---- fixtures ---- */

static int64_t registry_now(void *arg) {
    return ((struct registry *)arg)->now_ms;
}

static int count_item(void *arg, const struct rsw_sweep_item *item) {
    (void)item;
    ((struct registry *)arg)->items++;
    return 0;
}

static int note_warning(void *arg, const struct rsw_sweep_warning *warning) {
    struct registry *r = arg;
    size_t len = strlen(r->warnings);
    snprintf(r->warnings + len, sizeof r->warnings - len, "%s: %s\n",
             warning->repo != NULL ? warning->repo : "", warning->problem);
    return 0;
}

void reopen_index(struct registry *r) {
    char dir[192];
    snprintf(dir, sizeof dir, "%s/index", r->dir);
    rsw_index_close(r->index);
    struct rsw_index_options options = {.create = true};
    if (rsw_index_open(&r->index, dir, &options, &r->err) != 0) {
        fail_msg("%s", r->err.message);
    }
}

int registry_setup(void **state) {
    struct registry *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->backend = *state != NULL ? *(enum backend *)*state : IN_MEMORY;
    /* In memory where there is such a place: these tests kill processes, not the machine, and sync often. */
    snprintf(r->dir, sizeof r->dir, "%s/regsweep-sweep-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->root, sizeof r->root, "%s/registry", r->dir);
    snprintf(r->audit, sizeof r->audit, "%s/audit.jsonl", r->dir);
    if (r->backend != IN_DIRECTORY) {
        assert_int_equal(rsw_storage_open_memory(&r->real, &r->err), 0);
        if (r->backend == IN_STORE) {
            rsw_memory_loose(r->real);
        } else if (r->backend == WITH_VERSIONS) {
            rsw_memory_versions(r->real);
        }
        r->tree = tree_in_memory(r->real);
    } else {
        assert_int_equal(mkdir(r->root, 0755), 0);
        assert_int_equal(rsw_storage_open_fs(&r->real, r->root, &r->err), 0);
        r->tree = tree_in_directory(r->root);
    }
    r->storage = telling(r);
    reopen_index(r);
    r->now_ms = NOW_MS;
    r->clock = (struct rsw_clock){registry_now, r, NULL};
    r->options = (struct rsw_sweep_options){
        .confirm = true,
        .offline = true,
        .untagged_remove = true,
        .grace_ms = -1,
        .upload_max_age_ms = -1,
        .max_delete = 100,
        .audit_file = r->audit,
        .threads = 1,
        .clock = &r->clock,
        .item = count_item,
        .warning = note_warning,
        .arg = r,
    };
    *state = r;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    chmod(path, 0755);
    return remove(path);
}

int registry_teardown(void **state) {
    struct registry *r = *state;
    rsw_index_close(r->index);
    rsw_storage_close(r->storage);
    rsw_storage_close(r->real);
    int rc = nftw(r->dir, remove_one, 32, FTW_DEPTH | FTW_PHYS);
    free(r);
    return rc;
}

/* ---- runs ---- */

int sweep(struct registry *r) {
    rsw_error_clear(&r->err);
    r->warnings[0] = 0;
    r->items = 0;
    return rsw_sweep(&r->result, r->index, r->storage, &r->options, &r->err);
}

void sweep_well(struct registry *r) {
    if (sweep(r) != 0) {
        fail_msg("%s", r->err.message);
    }
}

static void scan_into(struct registry *r, struct rsw_index *index) {
    struct rsw_scan_options options = {.threads = 1, .registry_stopped = true, .clock = &r->clock};
    struct rsw_scan_result result;
    if (rsw_scan(&result, index, r->real, &options, &r->err) != 0) {
        fail_msg("%s", r->err.message);
    }
    assert_true(result.complete);
}

void scan_registry(struct registry *r) {
    scan_into(r, r->index);
}

/* ---- what is there ---- */

/* Everything that makes up one image of each kind that must stay. */
void put_what_stays(struct tree *tree) {
    struct tree_image app = tree_image(tree, "library/app", "v1", "one", 3);
    tree_image(tree, "library/app", "v2", "two", 2);
    tree_cosign(tree, "library/app", &app.manifest);
    tree_referrer(tree, "library/app", NULL, &app.manifest, "application/spdx+json", "an sbom");
    struct tree_image amd64 = tree_image(tree, "a/b", NULL, "amd64", 2);
    struct tree_image arm64 = tree_image(tree, "a/b", NULL, "arm64", 2);
    struct rsw_digest children[] = {amd64.manifest, arm64.manifest};
    tree_index(tree, "a/b", "multi", children, 2);
    struct rsw_digest layer = tree_blob(tree, "an old layer");
    struct rsw_digest jws;
    tree_schema1(tree, "old/one", "v1", &layer, 1, &jws);
    tree_upload(tree, "pushing", "young", "2023-12-25T00:00:00Z", 10);
    struct rsw_digest lone = tree_blob(tree, "a layer just pushed");
    tree->mtime_ms = NOW_MS - HOUR_MS;
    tree_link(tree, "pushing", &lone);
    tree->mtime_ms = TREE_MTIME_MS;
}

static void put_bad_company(struct tree *tree) {
    struct tree_image gone = tree_image(tree, "library/app", "v0", "gone", 2);
    tree_cosign(tree, "library/app", &gone.manifest);
    struct rsw_digest ref =
        tree_referrer(tree, "library/app", NULL, &gone.manifest, "application/spdx+json", "another sbom");
    tree_referrer(tree, "library/app", NULL, &ref, "application/spdx+json", "an sbom of an sbom");
    tree_tag_remove(tree, "library/app", "v0", &gone.manifest, 1);
}

void put_what_goes(struct tree *tree) {
    tree_blob(tree, "linked nowhere");
    put_bad_company(tree);
    struct rsw_digest lone = tree_blob(tree, "a layer of nobody");
    tree_link(tree, "a/b", &lone);
    struct rsw_digest never = tree_digest_of("a layer that never came");
    tree_link(tree, "a/b", &never);
    tree_image(tree, "a", NULL, "only one", 2); /* the repository above a/b */
    struct rsw_digest layer = tree_blob(tree, "another old layer");
    struct rsw_digest jws;
    tree_schema1(tree, "old/deep/name", NULL, &layer, 1, &jws);
    struct rsw_digest one[] = {tree_image(tree, "gone", NULL, "amd64", 2).manifest};
    tree_index(tree, "gone", NULL, one, 1);
    tree_upload(tree, "gone", "stale", "2023-11-20T00:00:00Z", 1000);
    tree_upload(tree, "old/one", "stale too", "2023-11-20T00:00:00Z", 0);
    tree_mkdir(tree, RSW_LAYOUT_REPOSITORIES "/empty/_manifests/tags");
    tree_mkdir(tree, RSW_LAYOUT_REPOSITORIES "/empty/_layers/sha256");
}

/* ---- pictures ---- */

static void add_line(struct picture *picture, const char *line) {
    char **lines = rsw_grown(picture->lines, &picture->room, picture->count + 1, sizeof *lines);
    assert_non_null(lines);
    picture->lines = lines;
    lines[picture->count] = strdup(line);
    assert_non_null(lines[picture->count++]);
}

struct listed {
    struct picture *picture;
    struct rsw_storage *storage;
};

static int add_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    const struct listed *list = arg;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        char line[2048];
        char text[RSW_DIGEST_TEXT_MAX];
        struct rsw_digest digest;
        assert_int_equal(entries[i].answer, RSW_FOUND);
        struct rsw_read read = {.key = entries[i].key, .max = SIZE_MAX, .content = RSW_BUF_INIT};
        rsw_storage_read(list->storage, &read, 1); /* not every listing brings content */
        assert_int_equal(read.answer, RSW_FOUND);
        rsw_digest_of(&digest, RSW_SHA256, read.content.data, read.content.len, NULL);
        rsw_buf_release(&read.content);
        snprintf(line, sizeof line, "%s %s", entries[i].key, rsw_digest_format(&digest, text));
        add_line(list->picture, line);
    }
    return 0;
}

static struct picture *folders_of; /* nftw has no argument */
static size_t root_len;

static int add_folder(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)ftw;
    if (type == FTW_D && strlen(path) > root_len) {
        char line[2048];
        snprintf(line, sizeof line, "%s/", path + root_len + 1);
        add_line(folders_of, line);
    }
    return 0;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void picture_take(struct picture *out, struct registry *r, bool folders) {
    *out = (struct picture){.count = 0};
    struct listed listed = {out, r->real};
    struct rsw_listing listing = {.prefix = "", .page = add_page, .arg = &listed};
    assert_int_equal(rsw_storage_list(r->real, &listing, &r->err), RSW_FOUND);
    if (folders && r->backend == IN_DIRECTORY) {
        folders_of = out;
        root_len = strlen(r->root);
        assert_int_equal(nftw(r->root, add_folder, 32, FTW_PHYS), 0);
        folders_of = NULL;
    }
    if (out->count == 0) {
        return;
    }
    qsort(out->lines, out->count, sizeof *out->lines, by_text);
}

void picture_release(struct picture *picture) {
    for (size_t i = 0; i < picture->count; i++) {
        free(picture->lines[i]);
    }
    free(picture->lines);
    *picture = (struct picture){.count = 0};
}

void picture_of_what_stays(struct picture *out, enum backend backend, bool folders) {
    void *state = backend == IN_MEMORY ? &in_memory : backend == IN_DIRECTORY ? &in_directory : &in_store;
    registry_setup(&state);
    struct registry *r = state;
    put_what_stays(&r->tree);
    picture_take(out, r, folders);
    registry_teardown(&state);
}

static int missing_in(const struct picture *want, const struct picture *have, const char *what) {
    int differences = 0;
    for (size_t i = 0; i < want->count; i++) {
        if (have->count == 0 ||
            bsearch(&want->lines[i], have->lines, have->count, sizeof *have->lines, by_text) == NULL) {
            print_error("%s: %s\n", what, want->lines[i]);
            differences++;
        }
    }
    return differences;
}

void part_of_picture(const struct picture *want, const struct picture *have) {
    if (missing_in(want, have, "lost or changed") != 0) {
        fail_msg("storage has lost what must stay");
    }
}

void same_pictures(const struct picture *want, const struct picture *have) {
    if (missing_in(want, have, "lost or changed") + missing_in(have, want, "left over") != 0) {
        fail_msg("storage is not as it should be");
    }
}

void expect_nothing_lost(struct registry *r) {
    struct picture want, have;
    picture_of_what_stays(&want, r->backend, false);
    picture_take(&have, r, false);
    part_of_picture(&want, &have);
    picture_release(&want);
    picture_release(&have);
}

void expect_swept_clean(struct registry *r) {
    struct picture want, have;
    picture_of_what_stays(&want, r->backend, true);
    picture_take(&have, r, true);
    same_pictures(&want, &have);
    picture_release(&want);
    picture_release(&have);
}

void expect_index_equals_fresh_scan(struct registry *r) {
    char dir[192];
    snprintf(dir, sizeof dir, "%s/fresh", r->dir);
    struct rsw_index *fresh = NULL;
    struct rsw_index_options options = {.create = true};
    assert_int_equal(rsw_index_open(&fresh, dir, &options, &r->err), 0);
    scan_into(r, fresh);
    int differences = compare_indexes(r->index, fresh, stderr, 20, &r->err);
    rsw_index_close(fresh);
    if (differences != 0) {
        fail_msg("the index (-) and a fresh scan (+) differ in %d objects", differences);
    }
}
