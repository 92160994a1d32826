/* The quarantine, over both backends: what is taken, given back and purged; and its README, by following it.
 */
#include "storage_help.h"
#include "tree.h"

#include "gc/quarantine.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_MAX 100

struct place {
    struct rsw_storage *storage;
    const char *root; /* NULL: in memory */
    struct tree tree;
    struct rsw_setting files[FILES_MAX]; /* keys owned */
    size_t count;
};

static int open_memory(void **state) {
    struct place *p = calloc(1, sizeof *p);
    assert_int_equal(rsw_storage_open_memory(&p->storage, NULL), 0);
    p->tree = tree_in_memory(p->storage);
    *state = p;
    return 0;
}

static int open_store(void **state) {
    open_memory(state);
    rsw_memory_loose(((struct place *)*state)->storage);
    return 0;
}

static int open_versions(void **state) {
    open_memory(state);
    rsw_memory_versions(((struct place *)*state)->storage);
    return 0;
}

static int open_directory(void **state) {
    struct place *p = calloc(1, sizeof *p);
    p->root = help_make_root();
    assert_int_equal(rsw_storage_open(&p->storage, p->root, NULL), 0);
    p->tree = tree_in_directory(p->root);
    *state = p;
    return 0;
}

static int close_place(void **state) {
    struct place *p = *state;
    for (size_t i = 0; i < p->count; i++) {
        free((char *)(uintptr_t)p->files[i].key);
    }
    rsw_storage_close(p->storage);
    if (p->root != NULL) {
        help_remove_root(p->root);
    }
    free(p);
    return 0;
}

static void put(struct place *p, const char *key, const char *text) {
    tree_put_text(&p->tree, key, text);
}

static void add(struct place *p, const char *key) {
    assert_true(p->count < FILES_MAX);
    p->files[p->count++] = (struct rsw_setting){.key = strdup(key)};
}

static int add_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)err;
    for (size_t i = 0; i < count; i++) {
        add(arg, entries[i].key);
    }
    return 0;
}

/* An image with so many files that they do not go in one chunk; all of them become p->files. */
static void put_image(struct place *p) {
    tree_image(&p->tree, "team/app", "1.0", "seed", 20);
    struct rsw_listing listing = {.prefix = "docker", .page = add_page, .arg = p};
    assert_int_equal(rsw_storage_list(p->storage, &listing, NULL), RSW_FOUND);
    assert_true(p->count > 40);
}

static int at(struct place *p, const char *key) {
    return help_look(p->storage, key).answer;
}

static int in_quarantine(struct place *p, uint64_t generation, const char *key) {
    return rsw_quarantine_has(p->storage, generation, key);
}

static void expect_text(struct place *p, const char *key, const char *expected) {
    char text[256];
    assert_int_equal(help_read(p->storage, key, text, NULL), RSW_FOUND);
    assert_string_equal(text, expected);
}

static void expect_answers(struct place *p, int expected) {
    for (size_t i = 0; i < p->count; i++) {
        if (p->files[i].answer != expected) {
            fail_msg("%s: answer %d (%s), not %d", p->files[i].key, p->files[i].answer,
                     strerror(p->files[i].errnum), expected);
        }
    }
}

/* Both halves, where it has two. */
static void take_all(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                     size_t count) {
    rsw_quarantine_copy(storage, generation, settings, count);
    rsw_quarantine_take(storage, generation, settings, count);
}

static struct rsw_setting take(struct place *p, uint64_t generation, const char *key) {
    struct rsw_setting setting = {.key = key};
    take_all(p->storage, generation, &setting, 1);
    return setting;
}

static struct rsw_setting give_back(struct place *p, uint64_t generation, const char *key) {
    struct rsw_setting setting = {.key = key};
    rsw_quarantine_return(p->storage, generation, &setting, 1);
    return setting;
}

#define REPO "docker/registry/v2/repositories/a/"
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LINK REPO "_layers/sha256/" HEX "/link"
#define DATA "docker/registry/v2/blobs/sha256/01/" HEX "/data"
#define CURRENT REPO "_manifests/tags/1.0/current/link"

static void what_is_taken_lies_under_its_own_path_and_comes_back_whole(void **state) {
    struct place *p = *state;
    put_image(p);
    char text[256];
    char before[FILES_MAX][256];
    for (size_t i = 0; i < p->count; i++) {
        help_read(p->storage, p->files[i].key, before[i], NULL);
    }
    take_all(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_FOUND);
    for (size_t i = 0; i < p->count; i++) {
        assert_int_equal(at(p, p->files[i].key), RSW_ABSENT);
        assert_int_equal(in_quarantine(p, 7, p->files[i].key), RSW_FOUND);
    }
    for (int again = 0; again < 2; again++) {
        rsw_quarantine_return(p->storage, 7, p->files, p->count);
        expect_answers(p, RSW_FOUND);
        for (size_t i = 0; i < p->count; i++) {
            assert_int_equal(p->files[i].placed, again == 0);
        }
    }
    rsw_quarantine_purge(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_FOUND);
    for (size_t i = 0; i < p->count; i++) {
        help_read(p->storage, p->files[i].key, text, NULL); /* the head of a long one */
        assert_string_equal(text, before[i]);
        assert_true(text[0] != 0);
        assert_int_equal(help_look(p->storage, p->files[i].key).mtime_ms, TREE_MTIME_MS);
        assert_int_equal(in_quarantine(p, 7, p->files[i].key), RSW_ABSENT);
    }
    rsw_quarantine_purge(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_ABSENT);
}

static void every_call_may_be_repeated(void **state) {
    struct place *p = *state;
    put_image(p);
    for (int round = 0; round < 3; round++) {
        for (int again = 0; again < 2; again++) {
            take_all(p->storage, 7, p->files, p->count);
            expect_answers(p, RSW_FOUND);
        }
        for (int again = 0; again < 2; again++) {
            rsw_quarantine_return(p->storage, 7, p->files, p->count);
            expect_answers(p, RSW_FOUND);
        }
    }
}

/* Whichever request to storage fails, no file is gone from both places, and a second call ends the work. */
static void a_call_that_broke_off_is_made_again(void **state) {
    struct place *p = *state;
    put_image(p);
    const int errnums[] = {EIO, ENOSPC, EACCES};
    for (int step = 0; step < 4; step++) { /* take, return, take with a copy there, return */
        void (*call)(struct rsw_storage *, uint64_t, struct rsw_setting *, size_t) =
            step % 2 == 0 ? take_all : rsw_quarantine_return;
        for (int n = 0; n < 400; n += 7) {
            rsw_memory_fail_after(p->storage, n, errnums[n % 3]);
            call(p->storage, 7, p->files, p->count);
            rsw_memory_fail_after(p->storage, 0, 0);
            for (size_t i = 0; i < p->count; i++) {
                assert_true(at(p, p->files[i].key) == RSW_FOUND ||
                            in_quarantine(p, 7, p->files[i].key) == RSW_FOUND);
            }
        }
        call(p->storage, 7, p->files, p->count);
        expect_answers(p, RSW_FOUND);
        for (size_t i = 0; i < p->count; i++) {
            assert_int_equal(at(p, p->files[i].key), step % 2 == 0 ? RSW_ABSENT : RSW_FOUND);
        }
    }
}

static void what_is_at_neither_place_is_absent_and_the_others_are_not(void **state) {
    struct place *p = *state;
    put(p, LINK, "sha256:" HEX);
    struct rsw_setting settings[] = {{.key = DATA}, {.key = LINK}, {.key = "a//b"}};
    take_all(p->storage, 3, settings, 3);
    assert_int_equal(settings[0].answer, RSW_ABSENT);
    assert_int_equal(settings[1].answer, RSW_FOUND);
    assert_int_equal(settings[2].answer, RSW_FAILED);
    assert_int_equal(settings[2].errnum, EINVAL);
    rsw_quarantine_return(p->storage, 3, settings, 3);
    assert_int_equal(settings[0].answer, RSW_ABSENT);
    assert_int_equal(settings[1].answer, RSW_FOUND);
    assert_int_equal(settings[2].answer, RSW_FAILED);
    assert_int_equal(give_back(p, 4, DATA).answer, RSW_ABSENT);
}

static void a_key_that_is_too_long_fails(void **state) {
    struct place *p = *state;
    static char key[2 * RSW_KEY_MAX];
    memset(key, 'a', sizeof key - 1);
    assert_int_equal(take(p, 3, key).answer, RSW_FAILED);
    assert_int_equal(give_back(p, 3, key).answer, RSW_FAILED);
}

static void a_file_pushed_anew_is_taken_though_its_copy_is_there(void **state) {
    struct place *p = *state;
    for (int again = 0; again < 2; again++) {
        put(p, LINK, "sha256:" HEX);
        put(p, DATA, "bytes");
        assert_int_equal(take(p, 7, LINK).answer, RSW_FOUND);
        assert_int_equal(take(p, 7, DATA).answer, RSW_FOUND);
        assert_int_equal(at(p, LINK), RSW_ABSENT);
        assert_int_equal(at(p, DATA), RSW_ABSENT);
    }
    expect_text(p, "regsweep/quarantine/7/" LINK, "sha256:" HEX);
    expect_text(p, "regsweep/quarantine/7/" DATA, "bytes");
}

static void what_differs_from_its_copy_stays(void **state) {
    struct place *p = *state;
    static char large[RSW_LINK_MAX + 10];
    memset(large, 'x', sizeof large - 1);
    static const char *const others[] = {"", "sha256:abd", "sha256:ab", large};
    static const char *const keys[] = {LINK, CURRENT, DATA};
    for (size_t k = 0; k < 3; k++) {
        char copy[RSW_QUARANTINE_KEY_MAX];
        rsw_quarantine_key(copy, 7, keys[k]);
        put(p, copy, "sha256:abc");
        for (size_t i = 0; i < 4; i++) {
            if (k == 2 && i == 1) {
                continue; /* data of the same digest and size are the same */
            }
            put(p, keys[k], others[i]);
            struct rsw_setting setting = take(p, 7, keys[k]);
            assert_int_equal(setting.answer, RSW_FAILED);
            assert_int_equal(setting.errnum, i == 3 && k < 2 ? EFBIG : EEXIST);
            assert_int_equal(help_look(p->storage, keys[k]).size, strlen(others[i]));
            expect_text(p, copy, "sha256:abc");
            assert_int_equal(give_back(p, 7, keys[k]).answer, RSW_FOUND); /* it is in place: left alone */
            assert_int_equal(help_look(p->storage, keys[k]).size, strlen(others[i]));
        }
    }
}

/* Somebody may write into the link of a tag at any moment: what is in place must survive. */
static void of_a_tag_the_link_in_place_becomes_the_copy(void **state) {
    struct place *p = *state;
    put(p, CURRENT, "sha256:" HEX);
    assert_int_equal(take(p, 7, CURRENT).answer, RSW_FOUND);
    p->tree.mtime_ms += 5000;
    put(p, CURRENT, "sha256:" HEX);
    assert_int_equal(take(p, 7, CURRENT).answer, RSW_FOUND);
    assert_int_equal(at(p, CURRENT), RSW_ABSENT);
    assert_int_equal(help_look(p->storage, "regsweep/quarantine/7/" CURRENT).mtime_ms, TREE_MTIME_MS + 5000);
}

static void what_cannot_be_read_fails_alone(void **state) {
    struct place *p = *state;
    put(p, LINK, "x");
    put(p, DATA, "x");
    rsw_memory_fail_key(p->storage, LINK, EIO);
    struct rsw_setting settings[] = {{.key = LINK}, {.key = DATA}};
    take_all(p->storage, 7, settings, 2);
    assert_int_equal(settings[0].answer, RSW_FAILED);
    assert_int_equal(settings[0].errnum, EIO);
    assert_int_equal(settings[1].answer, RSW_FOUND);
    rsw_memory_fail_key(p->storage, LINK, 0);
    /* The copy is there, but cannot be looked at: nothing is known of it. */
    rsw_memory_fail_key(p->storage, "regsweep/quarantine/7/" DATA, EIO);
    assert_int_equal(take(p, 7, DATA).answer, RSW_FAILED);
    assert_int_equal(give_back(p, 7, DATA).answer, RSW_FAILED);
    put(p, DATA, "x");
    assert_int_equal(give_back(p, 7, DATA).answer, RSW_FOUND); /* it is in place, whatever the copy */
    assert_int_equal(take(p, 7, DATA).answer, RSW_FAILED);
    assert_int_equal(at(p, DATA), RSW_FOUND);
}

static void a_full_disk_fails_the_return_and_the_next_one_succeeds(void **state) {
    struct place *p = *state;
    put(p, DATA, "bytes");
    assert_int_equal(take(p, 7, DATA).answer, RSW_FOUND);
    rsw_memory_fail_after(p->storage, 0, ENOSPC);
    struct rsw_setting setting = give_back(p, 7, DATA);
    assert_int_equal(setting.answer, RSW_FAILED);
    assert_int_equal(setting.errnum, ENOSPC);
    assert_int_equal(in_quarantine(p, 7, DATA), RSW_FOUND);
    assert_int_equal(give_back(p, 7, DATA).answer, RSW_FOUND);
    expect_text(p, DATA, "bytes");
}

static void cleaning_removes_links_keeps_data_and_counts_what_is_foreign(void **state) {
    struct place *p = *state;
    uint64_t strange = 99;
    put_image(p);
    take_all(p->storage, 7, p->files, p->count);
    put(p, "regsweep/quarantine/7/notes.txt", "mine");
    put(p, "regsweep/quarantine/7/" REPO "_layers/sha256/" HEX "/link.tmp", "?");
    put(p, "regsweep/quarantine/8/" LINK, "of another generation");
    for (int again = 0; again < 2; again++) {
        assert_int_equal(rsw_quarantine_clean(p->storage, 7, &strange, NULL), 0);
        assert_int_equal(strange, 2);
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->count; i++) {
        bool data = strncmp(p->files[i].key, RSW_LAYOUT_BLOBS, strlen(RSW_LAYOUT_BLOBS)) == 0;
        assert_int_equal(in_quarantine(p, 7, p->files[i].key), data ? RSW_FOUND : RSW_ABSENT);
        kept += data;
    }
    assert_int_equal(kept, 22); /* layers, config, manifest */
    assert_int_equal(in_quarantine(p, 7, "notes.txt"), RSW_FOUND);
    assert_int_equal(in_quarantine(p, 8, LINK), RSW_FOUND);
    assert_int_equal(rsw_quarantine_clean(p->storage, 9, NULL, NULL), 0);
}

static void a_generation_without_data_leaves_no_folder(void **state) {
    struct place *p = *state;
    put_image(p);
    take_all(p->storage, 7, p->files, p->count);
    rsw_quarantine_purge(p->storage, 7, p->files, p->count);
    assert_int_equal(rsw_quarantine_clean(p->storage, 7, NULL, NULL), 0);
    assert_int_equal(at(p, "regsweep/quarantine/7"), RSW_ABSENT);
}

static void a_folder_that_cannot_be_read_is_not_clean(void **state) {
    struct place *p = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    put(p, "regsweep/quarantine/7/" LINK, "x");
    put(p, "regsweep/quarantine/7/" CURRENT, "x");
    rsw_memory_fail_key(p->storage, "regsweep/quarantine/7/" REPO "_layers", EACCES);
    assert_int_equal(rsw_quarantine_clean(p->storage, 7, NULL, &err), -1);
    assert_int_equal(err.code, RSW_EACCESS);
    assert_non_null(strstr(err.message, "regsweep/quarantine/7/" REPO "_layers"));
}

static void the_readme_is_written_once(void **state) {
    struct place *p = *state;
    assert_int_equal(rsw_quarantine_prepare(p->storage, NULL), 0);
    struct rsw_look look = help_look(p->storage, "regsweep/quarantine/README");
    assert_true(look.size > 1000);
    assert_int_equal(help_remove(p->storage, "regsweep/quarantine/README", NULL), RSW_FOUND);
    put(p, "regsweep/quarantine/README", "our own words");
    assert_int_equal(rsw_quarantine_prepare(p->storage, NULL), 0);
    expect_text(p, "regsweep/quarantine/README", "our own words");
}

static void a_quarantine_that_cannot_be_written_says_where_and_what_to_do(void **state) {
    struct place *p = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    rsw_memory_fail_key(p->storage, "regsweep/quarantine/README", EACCES);
    assert_int_equal(rsw_quarantine_prepare(p->storage, &err), -1);
    assert_int_equal(err.code, RSW_EACCESS);
    assert_non_null(strstr(err.message, "regsweep/quarantine/README"));
    assert_non_null(strstr(err.message, "let the user that runs regsweep write there"));
}

/* ---- on a filesystem ---- */

static void a_link_in_the_quarantines_place_is_not_followed(void **state) {
    struct place *p = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    put(p, DATA, "bytes");
    help_mkdir(p->root, "elsewhere");
    assert_int_equal(symlink("elsewhere", help_path(p->root, "regsweep")), 0);
    assert_int_equal(rsw_quarantine_prepare(p->storage, &err), -1);
    assert_non_null(strstr(err.message, "put a folder of the same filesystem"));
    assert_int_equal(take(p, 7, DATA).answer, RSW_FAILED);
    assert_int_equal(at(p, DATA), RSW_FOUND);
}

static void foreign_things_that_are_no_files_stay_and_are_counted(void **state) {
    struct place *p = *state;
    uint64_t strange;
    put(p, "regsweep/quarantine/7/" LINK, "x");
    assert_int_equal(symlink("/etc", help_path(p->root, "regsweep/quarantine/7/door")), 0);
    assert_int_equal(rsw_quarantine_clean(p->storage, 7, &strange, NULL), 0);
    assert_int_equal(strange, 1);
    assert_int_equal(in_quarantine(p, 7, LINK), RSW_ABSENT);
    assert_true(help_is_there(p->root, "regsweep/quarantine/7/door"));
}

/* ---- the README, followed ---- */

#define COMMANDS_MAX 8

/* Its commands are the lines that begin with blanks. */
struct commands {
    char text[8192];
    char *lines[COMMANDS_MAX];
    size_t count;
};

static void read_commands(struct commands *out, struct place *p) {
    struct rsw_read read = {.key = "regsweep/quarantine/README", .max = sizeof out->text - 1};
    assert_int_equal(rsw_quarantine_prepare(p->storage, NULL), 0);
    rsw_storage_read(p->storage, &read, 1);
    assert_int_equal(read.answer, RSW_FOUND);
    memcpy(out->text, read.content.data, read.content.len);
    out->text[read.content.len] = 0;
    rsw_buf_release(&read.content);
    out->count = 0;
    for (char *line = strtok(out->text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "    ", 4) == 0) {
            assert_true(out->count < COMMANDS_MAX);
            out->lines[out->count++] = line + 4;
        }
    }
    assert_int_equal(out->count, 5);
}

/* These lines, by a shell whose directory is the registry's root. */
static void run(struct place *p, const char *first, const char *second) {
    int status;
    RSW_AUTO_FREE char *script = NULL;
    assert_true(asprintf(&script, "%s\n%s\n", first, second) > 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (chdir(p->root) == 0) {
            execl("/bin/sh", "sh", "-e", "-c", script, (char *)NULL);
        }
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void expect_in_place(struct place *p) {
    for (size_t i = 0; i < p->count; i++) {
        assert_int_equal(at(p, p->files[i].key), RSW_FOUND);
    }
}

static void the_readme_puts_back_a_generation_and_leaves_folders_as_they_are(void **state) {
    struct place *p = *state;
    struct commands commands;
    struct stat st;
    put_image(p);
    read_commands(&commands, p);
    take_all(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_FOUND);
    put(p, "docker/registry/v2/repositories/team/app/_manifests/tags/1.0/current/link", "pushed since");
    assert_int_equal(chmod(help_path(p->root, "docker/registry/v2"), 0711), 0);
    run(p, commands.lines[0], "");
    expect_in_place(p);
    expect_text(p, "docker/registry/v2/repositories/team/app/_manifests/tags/1.0/current/link",
                "pushed since");
    assert_int_equal(stat(help_path(p->root, "docker/registry/v2"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0711);
}

static void the_readme_puts_back_all_generations_the_newest_first(void **state) {
    struct place *p = *state;
    struct commands commands;
    put_image(p);
    read_commands(&commands, p);
    for (uint64_t i = 0; i < p->count; i++) {
        take_all(p->storage, 9 + i % 3, &p->files[i], 1); /* 9, 10, 11 */
    }
    put(p, "regsweep/quarantine/9/" CURRENT, "older");
    put(p, "regsweep/quarantine/10/" CURRENT, "newer");
    run(p, commands.lines[1], "");
    expect_in_place(p);
    expect_text(p, CURRENT, "newer");
    assert_false(help_is_there(p->root, "README"));
}

static void the_readme_puts_back_one_file_and_gives_it_to_the_registrys_user(void **state) {
    struct place *p = *state;
    struct commands commands;
    struct stat st;
    put_image(p);
    read_commands(&commands, p);
    const char *key = p->files[5].key;
    take_all(p->storage, 7, p->files, p->count);
    char name[RSW_KEY_MAX + 8];
    snprintf(name, sizeof name, "f=%s", key);
    run(p, name, commands.lines[3]);
    assert_int_equal(at(p, key), RSW_FOUND);
    assert_int_equal(strncmp(commands.lines[2], "f=" RSW_LAYOUT_BLOBS "/", strlen("f=" RSW_LAYOUT_BLOBS "/")),
                     0);
    if (getuid() == 0) {
        assert_int_equal(chown(help_path(p->root, "docker"), 1234, 5678), 0);
        run(p, commands.lines[4], "");
        assert_int_equal(stat(help_path(p->root, key), &st), 0);
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 5678);
    }
}

static int note_seen(void *arg, uint64_t generation, bool claimed, struct rsw_error *err) {
    uint64_t *sums = arg;
    (void)err;
    sums[claimed ? 1 : 0] += generation;
    return 0;
}

static void folders_and_claims_are_found_whoever_made_them(void **state) {
    struct place *p = *state;
    uint64_t sums[2] = {0, 0};
    assert_int_equal(rsw_quarantine_walk(p->storage, note_seen, sums, NULL), 0);
    assert_int_equal(sums[0] + sums[1], 0);
    const char *keys[] = {"regsweep/quarantine/9/docker/registry/v2/x",
                          "regsweep/quarantine/12/docker/y",
                          "regsweep/quarantine/README",
                          "regsweep/quarantine/13.owner",
                          "regsweep/quarantine/strange/99",
                          "regsweep/quarantine/x.owner",
                          "regsweep/quarantine/14.ownerx",
                          "regsweep/lease/77"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct rsw_write write = {.key = keys[i], .bytes = "x", .len = 1};
        rsw_storage_write(p->storage, &write, 1);
        assert_int_equal(write.answer, RSW_FOUND);
    }
    assert_int_equal(rsw_quarantine_walk(p->storage, note_seen, sums, NULL), 0);
    assert_int_equal(sums[0], 9 + 12);
    assert_int_equal(sums[1], 13);
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, open_memory, close_place)
#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, open_store, close_place)
#define IN_VERSIONS(test) cmocka_unit_test_setup_teardown(test, open_versions, close_place)
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, open_directory, close_place)

/* ---- a bucket ---- */

static void what_is_only_copied_is_still_in_sight_and_a_tag_that_says_something_new_stays(void **state) {
    struct place *p = *state;
    struct rsw_setting settings[] = {{.key = LINK}, {.key = CURRENT}};
    put(p, LINK, "sha256:" HEX);
    put(p, CURRENT, "sha256:" HEX);
    rsw_quarantine_copy(p->storage, 7, settings, 2);
    assert_int_equal(at(p, LINK), RSW_FOUND);
    assert_int_equal(in_quarantine(p, 7, LINK), RSW_FOUND);
    put(p, CURRENT, "something new");
    rsw_quarantine_take(p->storage, 7, settings, 2);
    assert_int_equal(settings[0].answer, RSW_FOUND);
    assert_int_equal(at(p, LINK), RSW_ABSENT);
    assert_int_equal(settings[1].errnum, EEXIST);
    expect_text(p, CURRENT, "something new");
}

/* What came after nothing was there to copy has no copy. */
static void what_has_no_copy_is_not_removed(void **state) {
    struct place *p = *state;
    struct rsw_setting setting = {.key = LINK};
    rsw_quarantine_copy(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_ABSENT);
    put(p, LINK, "sha256:" HEX);
    rsw_quarantine_take(p->storage, 7, &setting, 1);
    assert_int_equal(at(p, LINK), RSW_FOUND);
}

/* Another index took us for dead, put all back and dropped the copies. */
static void what_has_no_copy_any_more_is_not_removed(void **state) {
    struct place *p = *state;
    put_image(p);
    rsw_quarantine_copy(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_FOUND);
    rsw_quarantine_drop(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_FOUND);
    rsw_quarantine_take(p->storage, 7, p->files, p->count);
    expect_answers(p, RSW_FAILED);
    for (size_t i = 0; i < p->count; i++) {
        assert_int_equal(at(p, p->files[i].key), RSW_FOUND);
    }
}

static void the_readme_of_a_bucket_names_its_url(void **state) {
    struct place *p = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_read read = {.key = "regsweep/quarantine/README", .max = 8192, .content = RSW_BUF_INIT};
    assert_int_equal(rsw_quarantine_prepare(p->storage, &err), 0);
    rsw_storage_read(p->storage, &read, 1);
    assert_int_equal(read.answer, RSW_FOUND);
    assert_non_null(strstr(
        (const char *)read.content.data,
        "\n    aws s3 sync --size-only --exclude '*/version' memory:/regsweep/quarantine/7/ memory:/\n"));
    rsw_buf_release(&read.content);
}

/* ---- a bucket that keeps versions ---- */

#define RECORD "regsweep/quarantine/7/docker/registry/v2/blobs/sha256/01/" HEX "/version"

static void data_is_hidden_where_it_lies_and_its_record_tells(void **state) {
    struct place *p = *state;
    put(p, DATA, "some bytes");
    assert_int_equal(take(p, 7, DATA).answer, RSW_FOUND);
    assert_int_equal(at(p, DATA), RSW_ABSENT);
    assert_int_equal(at(p, RECORD), RSW_FOUND);
    struct rsw_setting back = give_back(p, 7, DATA);
    assert_int_equal(back.answer, RSW_FOUND);
    assert_true(back.placed);
    expect_text(p, DATA, "some bytes");
}

static void data_pushed_between_note_and_hiding_stays(void **state) {
    struct place *p = *state;
    struct rsw_setting setting = {.key = DATA};
    put(p, DATA, "some bytes");
    rsw_quarantine_copy(p->storage, 7, &setting, 1);
    put(p, DATA, "some bytes");
    rsw_quarantine_take(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FAILED);
    assert_int_equal(setting.errnum, EAGAIN);
    assert_int_equal(at(p, DATA), RSW_FOUND);
}

static void what_is_pushed_while_it_is_hidden_outlives_the_purge(void **state) {
    struct place *p = *state;
    put(p, DATA, "some bytes");
    take(p, 7, DATA);
    put(p, DATA, "some bytes");
    struct rsw_setting setting = {.key = DATA};
    rsw_quarantine_purge(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
    assert_int_equal(at(p, DATA), RSW_FOUND);
    assert_int_equal(at(p, RECORD), RSW_ABSENT);
}

static void what_two_generations_hid_is_purged_by_each(void **state) {
    struct place *p = *state;
    struct rsw_setting setting = {.key = DATA};
    for (int first = 0; first < 2; first++) {
        put(p, DATA, "some bytes");
        take(p, 7, DATA);
        put(p, DATA, "some bytes");
        take(p, 8, DATA);
        rsw_quarantine_purge(p->storage, first == 0 ? 7 : 8, &setting, 1);
        assert_int_equal(setting.answer, RSW_FOUND);
        assert_int_equal(give_back(p, first == 0 ? 8 : 7, DATA).answer, first == 0 ? RSW_FOUND : RSW_ABSENT);
        rsw_quarantine_purge(p->storage, first == 0 ? 8 : 7, &setting, 1);
        assert_int_equal(setting.answer, RSW_FOUND);
        struct rsw_removal removal = {.key = DATA};
        rsw_storage_remove(p->storage, &removal, 1);
    }
}

/* It was copied when the bucket kept no versions yet. */
static void a_copy_from_before_is_given_back_and_purged(void **state) {
    struct place *p = *state;
    put(p, DATA, "some bytes");
    p->storage->versions = false;
    take(p, 7, DATA);
    p->storage->versions = true;
    assert_true(give_back(p, 7, DATA).placed);
    struct rsw_setting setting = {.key = DATA};
    rsw_quarantine_purge(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
    assert_int_equal(in_quarantine(p, 7, DATA), RSW_ABSENT);
    expect_text(p, DATA, "some bytes");
}

/* And the other way round. */
static void what_was_hidden_is_given_back_where_versions_are_kept_no_more(void **state) {
    struct place *p = *state;
    put(p, DATA, "some bytes");
    take(p, 7, DATA);
    p->storage->versions = false;
    assert_true(give_back(p, 7, DATA).placed);
    expect_text(p, DATA, "some bytes");
}

static bool lies_hidden(struct place *p) {
    struct rsw_hiding hiding = {.key = DATA, .record = RECORD};
    rsw_storage_show(p->storage, &hiding, 1);
    assert_int_not_equal(hiding.answer, RSW_FAILED);
    return hiding.answer == RSW_FOUND;
}

static void what_was_hidden_is_purged_where_versions_are_kept_no_more(void **state) {
    struct place *p = *state;
    struct rsw_setting setting = {.key = DATA};
    put(p, DATA, "some bytes");
    take(p, 7, DATA);
    p->storage->versions = false;
    rsw_memory_fail_key(p->storage, RECORD, EACCES);
    rsw_quarantine_purge(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FAILED); /* and nobody takes it for gone */
    rsw_memory_fail_key(p->storage, RECORD, 0);
    rsw_quarantine_purge(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
    assert_int_equal(in_quarantine(p, 7, DATA), RSW_ABSENT);
    assert_false(lies_hidden(p));
}

/* It was copied first, and hidden when it was taken again. */
static void copy_and_record_are_purged_together(void **state) {
    struct place *p = *state;
    struct rsw_setting setting = {.key = DATA};
    put(p, DATA, "some bytes");
    p->storage->versions = false;
    take(p, 7, DATA);
    p->storage->versions = true;
    put(p, DATA, "some bytes");
    take(p, 7, DATA);
    rsw_quarantine_purge(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
    assert_int_equal(in_quarantine(p, 7, DATA), RSW_ABSENT);
    assert_false(lies_hidden(p));
}

static void a_record_of_nothing_is_no_reason_to_wait(void **state) {
    struct place *p = *state;
    struct rsw_setting setting = {.key = DATA};
    put(p, DATA, "some bytes");
    take(p, 7, DATA);
    assert_true(lies_hidden(p));
    struct rsw_removal removal = {.key = DATA};
    rsw_storage_remove(p->storage, &removal, 1); /* all that there was */
    rsw_quarantine_drop(p->storage, 7, &setting, 1);
    assert_int_equal(setting.answer, RSW_FOUND);
    assert_int_equal(at(p, RECORD), RSW_ABSENT);
    rsw_quarantine_drop(p->storage, 7, &setting, 1);
    assert_int_equal(setting.errnum, ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_MEMORY(what_is_taken_lies_under_its_own_path_and_comes_back_whole),
        IN_STORE(what_is_taken_lies_under_its_own_path_and_comes_back_whole),
        IN_VERSIONS(what_is_taken_lies_under_its_own_path_and_comes_back_whole),
        IN_DIRECTORY(what_is_taken_lies_under_its_own_path_and_comes_back_whole),
        IN_MEMORY(every_call_may_be_repeated),
        IN_STORE(every_call_may_be_repeated),
        IN_VERSIONS(every_call_may_be_repeated),
        IN_DIRECTORY(every_call_may_be_repeated),
        IN_MEMORY(a_call_that_broke_off_is_made_again),
        IN_STORE(a_call_that_broke_off_is_made_again),
        IN_VERSIONS(a_call_that_broke_off_is_made_again),
        IN_MEMORY(what_is_at_neither_place_is_absent_and_the_others_are_not),
        IN_STORE(what_is_at_neither_place_is_absent_and_the_others_are_not),
        IN_VERSIONS(what_is_at_neither_place_is_absent_and_the_others_are_not),
        IN_DIRECTORY(what_is_at_neither_place_is_absent_and_the_others_are_not),
        IN_MEMORY(a_key_that_is_too_long_fails),
        IN_MEMORY(a_file_pushed_anew_is_taken_though_its_copy_is_there),
        IN_STORE(a_file_pushed_anew_is_taken_though_its_copy_is_there),
        IN_DIRECTORY(a_file_pushed_anew_is_taken_though_its_copy_is_there),
        IN_MEMORY(what_differs_from_its_copy_stays),
        IN_STORE(what_differs_from_its_copy_stays),
        IN_DIRECTORY(what_differs_from_its_copy_stays),
        IN_MEMORY(of_a_tag_the_link_in_place_becomes_the_copy),
        IN_DIRECTORY(of_a_tag_the_link_in_place_becomes_the_copy),
        IN_MEMORY(what_cannot_be_read_fails_alone),
        IN_MEMORY(a_full_disk_fails_the_return_and_the_next_one_succeeds),
        IN_MEMORY(cleaning_removes_links_keeps_data_and_counts_what_is_foreign),
        IN_STORE(cleaning_removes_links_keeps_data_and_counts_what_is_foreign),
        IN_VERSIONS(cleaning_removes_links_keeps_data_and_counts_what_is_foreign),
        IN_DIRECTORY(cleaning_removes_links_keeps_data_and_counts_what_is_foreign),
        IN_MEMORY(a_generation_without_data_leaves_no_folder),
        IN_DIRECTORY(a_generation_without_data_leaves_no_folder),
        IN_MEMORY(a_folder_that_cannot_be_read_is_not_clean),
        IN_MEMORY(folders_and_claims_are_found_whoever_made_them),
        IN_DIRECTORY(folders_and_claims_are_found_whoever_made_them),
        IN_MEMORY(the_readme_is_written_once),
        IN_DIRECTORY(the_readme_is_written_once),
        IN_MEMORY(a_quarantine_that_cannot_be_written_says_where_and_what_to_do),
        IN_STORE(what_is_only_copied_is_still_in_sight_and_a_tag_that_says_something_new_stays),
        IN_STORE(what_has_no_copy_is_not_removed),
        IN_VERSIONS(what_has_no_copy_is_not_removed),
        IN_STORE(what_has_no_copy_any_more_is_not_removed),
        IN_VERSIONS(what_has_no_copy_any_more_is_not_removed),
        IN_STORE(the_readme_of_a_bucket_names_its_url),
        IN_VERSIONS(data_is_hidden_where_it_lies_and_its_record_tells),
        IN_VERSIONS(data_pushed_between_note_and_hiding_stays),
        IN_VERSIONS(what_is_pushed_while_it_is_hidden_outlives_the_purge),
        IN_VERSIONS(what_two_generations_hid_is_purged_by_each),
        IN_VERSIONS(a_copy_from_before_is_given_back_and_purged),
        IN_VERSIONS(what_was_hidden_is_given_back_where_versions_are_kept_no_more),
        IN_VERSIONS(what_was_hidden_is_purged_where_versions_are_kept_no_more),
        IN_VERSIONS(copy_and_record_are_purged_together),
        IN_VERSIONS(a_record_of_nothing_is_no_reason_to_wait),
        IN_DIRECTORY(a_link_in_the_quarantines_place_is_not_followed),
        IN_DIRECTORY(foreign_things_that_are_no_files_stay_and_are_counted),
        IN_DIRECTORY(the_readme_puts_back_a_generation_and_leaves_folders_as_they_are),
        IN_DIRECTORY(the_readme_puts_back_all_generations_the_newest_first),
        IN_DIRECTORY(the_readme_puts_back_one_file_and_gives_it_to_the_registrys_user),
    };
    return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
