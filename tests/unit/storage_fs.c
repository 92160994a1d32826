/* What only a filesystem can do to us: links, pipes, permissions, depth, names, and changes under our feet.
 */
#include "storage_help.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* The registry's root is `in` below the test's folder, so that there is an outside. */
static const char *top;
static char in[80];

static int set_up(void **state) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = NULL;
    top = help_make_root();
    snprintf(in, sizeof in, "%s/in", top);
    assert_int_equal(mkdir(in, 0755), 0);
    assert_int_equal(rsw_storage_open(&storage, in, &err), 0);
    assert_string_equal(rsw_storage_url(storage), in);
    *state = storage;
    return 0;
}

static void put(const char *key, const char *text) {
    help_put(in, key, text, strlen(text), 0);
}

static void link_to(const char *target, const char *key) {
    assert_int_equal(symlink(target, help_path(in, key)), 0);
}

static void set_mode(const char *key, mode_t mode) {
    assert_int_equal(chmod(help_path(in, key), mode), 0);
}

/* Root may do everything: be somebody else. Undone by tear_down, too. */
static void drop_privileges(void) {
    if (getuid() == 0) {
        assert_int_equal(seteuid(65534), 0);
    }
}

static void regain_privileges(void) {
    if (getuid() == 0) {
        assert_int_equal(seteuid(0), 0);
    }
}

static int tear_down(void **state) {
    regain_privileges();
    rsw_storage_close(*state);
    help_remove_root(top);
    return 0;
}

static void refused_in_every_call(struct rsw_storage *s, const char *key, int wanted) {
    char text[256];
    int errnum;
    struct rsw_look look = help_look(s, key);
    assert_int_equal(look.answer, RSW_FAILED);
    assert_int_equal(look.errnum, wanted);
    assert_int_equal(help_read(s, key, text, &errnum), RSW_FAILED);
    assert_int_equal(errnum, wanted);
    assert_string_equal(text, "");
    assert_int_equal(help_remove(s, key, &errnum), RSW_FAILED);
    assert_int_equal(errnum, wanted);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, key, 100), RSW_FAILED);
    assert_int_equal(seen.err.errnum, wanted);
    assert_int_equal(seen.count, 0);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_storage_prune(s, key, &err), RSW_FAILED);
    assert_int_equal(err.errnum, wanted);
    struct rsw_removal dir = {.key = key};
    rsw_storage_rmdir(s, &dir, 1);
    assert_int_equal(dir.answer, RSW_FAILED);
    assert_int_equal(dir.errnum, wanted);
}

static void a_symbolic_link_is_followed_at_no_component(void **state) {
    struct rsw_storage *s = *state;
    help_put(top, "out/dir/link", "secret", 6, 0);
    help_mkdir(top, "out/empty");
    put("real/dir/link", "x");
    link_to("../out", "l");
    link_to("real", "inside");
    help_mkdir(in, "a");
    link_to("../../out/dir", "a/l");
    link_to("../../out/dir/link", "a/file");
    link_to("/nowhere", "a/dangling");
    link_to("a/dangling", "a/loop");
    static const char *const keys[] = {"l/dir/link", "l/dir",  "l/empty",   "l",           "inside/dir/link",
                                       "inside/dir", "inside", "a/l/link",  "a/l",         "a/file",
                                       "a/dangling", "a/loop", "a/loop/no", "a/dangling/x"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        refused_in_every_call(s, keys[i], ELOOP);
    }
    assert_true(help_is_there(top, "out/dir/link"));
    assert_true(help_is_there(top, "out/empty"));
    assert_true(help_is_there(in, "a/file"));
    assert_true(help_is_there(in, "a/dangling"));
}

static void a_listing_shows_links_without_following_them(void **state) {
    struct rsw_storage *s = *state;
    help_put(top, "out/link", "secret", 6, 0);
    put("d/x/link", "x");
    help_mkdir(in, "d/y");
    link_to("../../out", "d/l");
    link_to("../../out/link", "d/y/link");
    struct seen seen = {.probe = "d/l", .leaf = "link"}; /* a link is no directory: nobody is asked */
    assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.dirs, 2);
    const char *const links[] = {"d/l", "d/y/link"};
    for (int i = 0; i < 2; i++) {
        const struct seen_entry *entry = help_find(&seen, links[i]);
        assert_int_equal(entry->kind, RSW_ENTRY_OTHER);
        assert_int_equal(entry->answer, RSW_FOUND);
        assert_false(entry->has_content);
    }
    help_forget(&seen);
    for (size_t content_max = 0; content_max <= 100; content_max += 100) {
        seen = (struct seen){.probe = "d/y", .leaf = "link"};
        assert_int_equal(help_list(&seen, s, "d", content_max), RSW_FOUND);
        const struct seen_entry *entry = help_find(&seen, "d/y/link");
        assert_int_equal(entry->kind, RSW_ENTRY_OTHER);
        assert_false(entry->has_content);
        assert_int_equal(entry->size, 0);
        help_forget(&seen);
    }
}

static void the_way_to_the_root_may_lead_through_a_link(void **state) {
    (void)state;
    put("a/link", "x");
    assert_int_equal(symlink("in", help_path(top, "way")), 0);
    struct rsw_storage *s = NULL;
    assert_int_equal(rsw_storage_open(&s, help_path(top, "way"), NULL), 0);
    assert_int_equal(help_look(s, "a/link").answer, RSW_FOUND);
    rsw_storage_close(s);
}

static void a_pipe_or_socket_blocks_nobody_and_stays(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(in, "d/p");
    assert_int_equal(mkfifo(help_path(in, "d/p/link"), 0666), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/d/socket", in);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    static const char *const keys[] = {"d/p/link", "d/socket"};
    for (int i = 0; i < 2; i++) {
        char text[256];
        int errnum;
        struct rsw_look look = help_look(s, keys[i]);
        assert_int_equal(look.answer, RSW_FOUND);
        assert_int_equal(look.kind, RSW_ENTRY_OTHER);
        assert_int_equal(help_read(s, keys[i], text, &errnum), RSW_FAILED);
        assert_int_equal(errnum, ENXIO);
        assert_int_equal(help_remove(s, keys[i], &errnum), RSW_FAILED);
        assert_int_equal(errnum, ENXIO);
        assert_true(help_is_there(in, keys[i]));
        for (int probe = 0; probe < 2; probe++) {
            struct seen seen = {.probe = probe != 0 ? "d/p" : NULL, .leaf = "link"};
            assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
            assert_int_equal(help_find(&seen, keys[i])->kind, RSW_ENTRY_OTHER);
            assert_false(help_find(&seen, keys[i])->has_content);
            help_forget(&seen);
        }
    }
    assert_int_equal(rsw_storage_prune(s, "d", NULL), RSW_FOUND);
}

static void an_unreadable_file_is_found_but_its_content_is_not(void **state) {
    struct rsw_storage *s = *state;
    char text[256];
    int errnum;
    put("d/a/link", "secret");
    set_mode("d/a/link", 0);
    drop_privileges();
    assert_int_equal(help_look(s, "d/a/link").answer, RSW_FOUND);
    assert_int_equal(help_read(s, "d/a/link", text, &errnum), RSW_FAILED);
    assert_int_equal(errnum, EACCES);
    for (int probe = 0; probe < 2; probe++) {
        struct seen seen = {.probe = probe != 0 ? "d/a" : NULL, .leaf = "link"};
        assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
        const struct seen_entry *entry = help_find(&seen, "d/a/link");
        assert_int_equal(entry->answer, RSW_FOUND);
        assert_int_equal(entry->errnum, EACCES);
        assert_int_equal(entry->size, 6);
        assert_false(entry->has_content);
        help_forget(&seen);
    }
}

static void an_unreadable_directory_fails_and_the_walk_goes_on(void **state) {
    struct rsw_storage *s = *state;
    put("d/a/link", "x");
    put("d/locked/sub/link", "x");
    put("d/z/link", "x");
    set_mode("d/locked", 0);
    drop_privileges();
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
    assert_int_equal(seen.count, 3);
    const struct seen_entry *entry = help_find(&seen, "d/locked");
    assert_int_equal(entry->kind, RSW_ENTRY_DIR);
    assert_int_equal(entry->answer, RSW_FAILED);
    assert_int_equal(entry->errnum, EACCES);
    help_forget(&seen);
    for (size_t content_max = 0; content_max <= 100; content_max += 100) {
        seen = (struct seen){.probe = "d/locked", .leaf = "link"};
        assert_int_equal(help_list(&seen, s, "d", content_max), RSW_FOUND);
        assert_int_equal(help_find(&seen, "d/locked/link")->answer, RSW_FAILED);
        assert_int_equal(help_find(&seen, "d/locked/link")->errnum, EACCES);
        help_forget(&seen);
    }
    refused_in_every_call(s, "d/locked/sub", EACCES);
    assert_int_equal(help_look(s, "d/locked/not-there").answer, RSW_FAILED); /* nobody knows */
    assert_int_equal(help_list(&seen, s, "d/locked", 0), RSW_FAILED);
    assert_int_equal(seen.err.code, RSW_EACCESS);
    assert_int_equal(rsw_storage_prune(s, "d/locked", NULL), RSW_FAILED);
    regain_privileges();
    set_mode("d/locked", 0755);
}

static void what_may_not_be_removed_is_said_to_be_still_there(void **state) {
    struct rsw_storage *s = *state;
    int errnum;
    put("d/fixed/link", "x");
    help_mkdir(in, "d/fixed/empty");
    set_mode("d/fixed", 0555);
    drop_privileges();
    assert_int_equal(help_remove(s, "d/fixed/link", &errnum), RSW_FAILED);
    assert_int_equal(errnum, EACCES);
    assert_int_equal(help_remove(s, "d/fixed/none", &errnum), RSW_ABSENT);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_storage_prune(s, "d/fixed/empty", &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_EACCESS);
    rsw_error_clear(&err);
    assert_int_equal(rsw_storage_prune(s, "d", &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_EACCESS);
    assert_non_null(strstr(err.message, "empty"));
    assert_true(help_is_there(in, "d/fixed/empty"));
    assert_true(help_is_there(in, "d/fixed/link"));
    regain_privileges();
    set_mode("d/fixed", 0755);
}

static void pruning_one_that_may_not_go_takes_the_others(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(in, "d/fixed/empty");
    help_mkdir(in, "d/free/a/b");
    help_mkdir(in, "d/free/c");
    set_mode("d", 0777);
    set_mode("d/free", 0777);
    set_mode("d/free/a", 0777);
    set_mode("d/fixed", 0555);
    drop_privileges();
    assert_int_equal(rsw_storage_prune(s, "d", NULL), RSW_FAILED);
    assert_true(help_is_there(in, "d/fixed/empty"));
    assert_false(help_is_there(in, "d/free"));
    regain_privileges();
    set_mode("d/fixed", 0755);
}

static void pruning_keeps_every_kind_of_thing_that_is_no_directory(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(top, "out");
    help_mkdir(in, "d/with-link");
    link_to("../../../out", "d/with-link/l");
    put("d/with-file/f", "");
    help_mkdir(in, "d/empty/a/b/c");
    help_mkdir(in, "d/with-hidden");
    put("d/with-hidden/.nfs0001", "");
    assert_int_equal(rsw_storage_prune(s, "d", NULL), RSW_FOUND);
    assert_false(help_is_there(in, "d/empty"));
    assert_true(help_is_there(in, "d/with-link/l"));
    assert_true(help_is_there(in, "d/with-file/f"));
    assert_true(help_is_there(in, "d/with-hidden/.nfs0001"));
    assert_true(help_is_there(top, "out"));
}

static void pruning_a_file_is_refused(void **state) {
    struct rsw_error err = RSW_ERROR_INIT;
    put("d/file", "x");
    assert_int_equal(rsw_storage_prune(*state, "d/file", &err), RSW_FAILED);
    assert_int_equal(err.errnum, ENOTDIR);
    assert_true(help_is_there(in, "d/file"));
}

/* "<head>/d/d/…" */
static char *deep_key(const char *head, size_t levels) {
    size_t len = strlen(head);
    char *key = malloc(len + 2 * levels + 1);
    assert_non_null(key);
    memcpy(key, head, len);
    for (size_t i = 0; i < levels; i++) {
        memcpy(key + len + 2 * i, "/d", 2);
    }
    key[len + 2 * levels] = 0;
    return key;
}

static void two_hundred_levels_are_listed_and_pruned(void **state) {
    struct rsw_storage *s = *state;
    char *deep = deep_key("deep", 200);
    help_mkdir(in, deep);
    put("deep/link", "x");
    char file[512];
    snprintf(file, sizeof file, "%s/link", deep);
    put(file, "bottom");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "deep", 100), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    assert_string_equal(help_find(&seen, file)->content, "bottom");
    help_forget(&seen);
    assert_int_equal(rsw_storage_prune(s, "deep", NULL), RSW_FOUND);
    assert_true(help_is_there(in, file));
    assert_int_equal(help_remove(s, file, NULL), RSW_FOUND);
    assert_int_equal(help_remove(s, "deep/link", NULL), RSW_FOUND);
    assert_int_equal(rsw_storage_prune(s, "deep", NULL), RSW_ABSENT);
    free(deep);
}

static void what_is_too_deep_is_said_to_be_unknown(void **state) {
    struct rsw_storage *s = *state;
    char *deep = deep_key("deep", 400);
    help_mkdir(in, deep);
    put("deep/z/link", "x");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "deep", 0), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    assert_non_null(help_find(&seen, "deep/z/link"));
    const struct seen_entry *unknown = &seen.entries[strcmp(seen.entries[0].key, "deep/z/link") == 0 ? 1 : 0];
    assert_int_equal(unknown->kind, RSW_ENTRY_DIR);
    assert_int_equal(unknown->answer, RSW_FAILED);
    help_forget(&seen);
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_storage_prune(s, "deep/d", &err), RSW_FAILED);
    assert_true(help_is_there(in, deep));
    free(deep);
}

static void a_key_that_no_system_call_takes_fails(void **state) {
    struct rsw_storage *s = *state;
    char name[NAME_MAX + 3];
    memset(name, 'n', sizeof name);
    name[NAME_MAX] = 0;
    put(name, "x");
    assert_int_equal(help_look(s, name).answer, RSW_FOUND);
    name[NAME_MAX] = 'n';
    name[NAME_MAX + 1] = 0;
    assert_int_equal(help_look(s, name).answer, RSW_FAILED);
    assert_int_equal(help_remove(s, name, NULL), RSW_FAILED);
    char *deep = deep_key("none", 3000);
    help_mkdir(in, "none");
    assert_int_equal(help_remove(s, deep, NULL), RSW_FAILED);
    free(deep);
}

static void a_listing_of_a_path_longer_than_paths_can_be_says_so(void **state) {
    struct rsw_storage *s = *state;
    char name[NAME_MAX + 1];
    int fds[20];
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = 0;
    fds[0] = open(in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 1; i < 20; i++) { /* 19 * 256 bytes */
        assert_int_equal(mkdirat(fds[i - 1], name, 0755), 0);
        fds[i] = openat(fds[i - 1], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    put("link", "x");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "", 0), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    assert_int_equal(help_find(&seen, "link")->answer, RSW_FOUND);
    const struct seen_entry *unknown = &seen.entries[strcmp(seen.entries[0].key, "link") == 0 ? 1 : 0];
    assert_int_equal(unknown->kind, RSW_ENTRY_DIR);
    assert_int_equal(unknown->answer, RSW_FAILED);
    assert_int_equal(unknown->errnum, ENAMETOOLONG);
    help_forget(&seen);
    /* Descriptors and names, not paths: that can be removed. */
    assert_int_equal(rsw_storage_prune(s, "", NULL), RSW_FOUND);
    assert_int_equal(unlinkat(fds[0], name, AT_REMOVEDIR), -1);
    assert_int_equal(errno, ENOENT);
    for (int i = 0; i < 20; i++) {
        close(fds[i]);
    }
}

static void names_come_as_they_are_on_disk(void **state) {
    struct rsw_storage *s = *state;
    static const char *const keys[] = {"d/new\nline", "d/\x1b[31m", "d/sp ace", "d/\xff\xfe", "d/%2e%2e",
                                       "d/...",       "d/.hidden",  "d/a\\b",   "d/*",        "d/~"};
    for (size_t i = 0; i < 10; i++) {
        put(keys[i], "x");
    }
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "d", 100), RSW_FOUND);
    assert_int_equal(seen.count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_non_null(help_find(&seen, keys[i]));
        assert_int_equal(help_look(s, keys[i]).answer, RSW_FOUND);
    }
    help_forget(&seen);
    assert_int_equal(help_remove(s, "d/*", NULL), RSW_FOUND); /* a name, not a pattern */
    assert_int_equal(help_list(&seen, s, "d", 0), RSW_FOUND);
    assert_int_equal(seen.count, 9);
    help_forget(&seen);
}

/* What somebody else does to a directory at the worst moment: after its name was read, before it is opened.
 */
struct meddler {
    enum { VANISH, BECOME_LINK, BECOME_FILE } deed;
    enum rsw_descend then;
    size_t count;
    struct seen_entry last;
    char last_key[64];
};

static enum rsw_descend meddle(void *arg, const char *dir_key, const char **leaf) {
    struct meddler *meddler = arg;
    assert_int_equal(unlink(help_path(help_path(in, dir_key), "link")), 0);
    assert_int_equal(rmdir(help_path(in, dir_key)), 0);
    if (meddler->deed == BECOME_LINK) {
        assert_int_equal(symlink("../../out", help_path(in, dir_key)), 0);
    } else if (meddler->deed == BECOME_FILE) {
        put(dir_key, "a file now");
    }
    *leaf = "link";
    return meddler->then;
}

static int take_last(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)err;
    struct meddler *meddler = arg;
    meddler->count += count;
    meddler->last = (struct seen_entry){.kind = entries[0].kind,
                                        .answer = entries[0].answer,
                                        .size = entries[0].size,
                                        .has_content = entries[0].content != NULL};
    snprintf(meddler->last_key, sizeof meddler->last_key, "%s", entries[0].key);
    return 0;
}

static void a_directory_that_changes_under_the_walk_leads_nowhere(void **state) {
    help_put(top, "out/link", "secret", 6, 0);
    for (int deed = VANISH; deed <= BECOME_FILE; deed++) {
        for (int probe = 0; probe < 2; probe++) {
            for (size_t content_max = 0; content_max <= 100; content_max += 100) {
                struct meddler meddler = {.then = probe != 0 ? RSW_DESCEND_PROBE : RSW_DESCEND};
                meddler.deed = deed == VANISH ? VANISH : deed == BECOME_LINK ? BECOME_LINK : BECOME_FILE;
                put("d/x/link", "before");
                struct rsw_listing listing = {.prefix = "d",
                                              .content_max = content_max,
                                              .descend = meddle,
                                              .page = take_last,
                                              .arg = &meddler};
                assert_int_equal(rsw_storage_list(*state, &listing, NULL), RSW_FOUND);
                assert_false(meddler.last.has_content);
                assert_int_equal(meddler.last.size, 0);
                if (deed == VANISH && probe == 0) {
                    assert_int_equal(meddler.count, 0); /* simply not there */
                } else if (probe != 0) {
                    assert_int_equal(meddler.count, 1);
                    assert_string_equal(meddler.last_key, "d/x/link");
                    assert_int_equal(meddler.last.answer, deed == BECOME_LINK ? RSW_FAILED : RSW_ABSENT);
                } else {
                    assert_int_equal(meddler.count, 1);
                    assert_string_equal(meddler.last_key, "d/x");
                    assert_int_equal(meddler.last.answer, RSW_FAILED);
                }
                unlink(help_path(in, "d/x"));
            }
        }
    }
}

static void open_fails(const char *url, enum rsw_code code, const char *word) {
    struct rsw_storage *s = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_storage_open(&s, url, &err), -1);
    assert_null(s);
    assert_int_equal(err.code, code);
    if (strstr(err.message, word) == NULL) {
        fail_msg("%s: '%s' does not say '%s'", url, err.message, word);
    }
    assert_int_equal(rsw_storage_open(&s, url, NULL), -1);
}

static void a_url_that_cannot_be_opened_gets_a_clear_word(void **state) {
    (void)state;
    char url[256];
    put("file", "x");
    open_fails("s3://", RSW_EINVAL, "s3://bucket");
    open_fails("s3://no", RSW_EINVAL, "s3://bucket");
    open_fails("s3://key:secret@bucket/path", RSW_EINVAL, "s3://bucket");
    open_fails("http://localhost/", RSW_EINVAL, "file:///");
    open_fails("relative/path", RSW_EINVAL, "absolute");
    open_fails("", RSW_EINVAL, "absolute");
    open_fails("file://host/var", RSW_EINVAL, "file:///");
    open_fails("file://", RSW_EINVAL, "file:///");
    open_fails("file:///var/100%", RSW_EINVAL, "%25");
    open_fails("file:///var/%00", RSW_EINVAL, "%25");
    open_fails("/no/such/folder", RSW_EIO, "No such file");
    snprintf(url, sizeof url, "file://%s/file", in);
    open_fails(url, RSW_EIO, "Not a directory");
    rsw_storage_close(NULL);
}

static void a_file_url_is_unescaped_and_a_plain_path_is_not(void **state) {
    (void)state;
    char url[256];
    struct rsw_storage *s = NULL;
    put("with space/link", "x");
    put("100%20/link", "x");
    snprintf(url, sizeof url, "file://%s/with%%20space", in);
    assert_int_equal(rsw_storage_open(&s, url, NULL), 0);
    assert_string_equal(rsw_storage_url(s), url);
    assert_int_equal(help_look(s, "link").answer, RSW_FOUND);
    rsw_storage_close(s);
    snprintf(url, sizeof url, "%s/100%%20/", in);
    assert_int_equal(rsw_storage_open(&s, url, NULL), 0);
    assert_int_equal(help_look(s, "link").answer, RSW_FOUND);
    rsw_storage_close(s);
}

static void a_place_is_the_same_as_a_path_and_as_a_url(void **state) {
    (void)state;
    assert_true(rsw_storage_is_same("file:///srv/registry/", "/srv/registry"));
    assert_true(rsw_storage_is_same("file:///srv/my%20registry", "/srv/my registry/"));
    assert_true(rsw_storage_is_same("/srv/100%25", "file:///srv/100%2525"));
    assert_false(rsw_storage_is_same("/srv/100%25", "file:///srv/100%25"));
    assert_false(rsw_storage_is_same("s3://registry/a%20b", "s3://registry/a b"));
}

static void a_root_that_may_not_be_entered_fails_and_is_never_empty(void **state) {
    struct rsw_storage *s = *state;
    put("a/link", "x");
    assert_int_equal(chmod(in, 0), 0);
    drop_privileges();
    assert_int_equal(help_look(s, "a/link").answer, RSW_FAILED);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "", 0), RSW_FAILED);
    assert_int_equal(help_list(&seen, s, "a", 0), RSW_FAILED);
    regain_privileges();
    assert_int_equal(chmod(in, 0755), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_symbolic_link_is_followed_at_no_component),
        TEST(a_listing_shows_links_without_following_them),
        TEST(the_way_to_the_root_may_lead_through_a_link),
        TEST(a_pipe_or_socket_blocks_nobody_and_stays),
        TEST(an_unreadable_file_is_found_but_its_content_is_not),
        TEST(an_unreadable_directory_fails_and_the_walk_goes_on),
        TEST(what_may_not_be_removed_is_said_to_be_still_there),
        TEST(pruning_one_that_may_not_go_takes_the_others),
        TEST(pruning_keeps_every_kind_of_thing_that_is_no_directory),
        TEST(pruning_a_file_is_refused),
        TEST(two_hundred_levels_are_listed_and_pruned),
        TEST(what_is_too_deep_is_said_to_be_unknown),
        TEST(a_key_that_no_system_call_takes_fails),
        TEST(a_listing_of_a_path_longer_than_paths_can_be_says_so),
        TEST(names_come_as_they_are_on_disk),
        TEST(a_directory_that_changes_under_the_walk_leads_nowhere),
        TEST(a_url_that_cannot_be_opened_gets_a_clear_word),
        TEST(a_file_url_is_unescaped_and_a_plain_path_is_not),
        TEST(a_place_is_the_same_as_a_path_and_as_a_url),
        TEST(a_root_that_may_not_be_entered_fails_and_is_never_empty),
    };
    int failed = cmocka_run_group_tests_name("filesystem", tests, NULL, NULL);
    if (help_forbid(SYS_openat2, ENOSYS)) {
        failed += cmocka_run_group_tests_name("filesystem without openat2", tests, NULL, NULL);
    }
    return failed;
}
