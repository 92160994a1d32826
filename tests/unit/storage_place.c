/* What a filesystem adds to moves and writes: owners and modes, links, full disks, other filesystems. */
#include "storage_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *top;
static char in[80]; /* the registry's root, below the test's folder, so that there is an outside */

static int set_up(void **state) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_storage *storage = NULL;
    top = help_make_root();
    snprintf(in, sizeof in, "%s/in", top);
    assert_int_equal(mkdir(in, 0755), 0);
    assert_int_equal(rsw_storage_open(&storage, in, &err), 0);
    *state = storage;
    return 0;
}

static int tear_down(void **state) {
    rsw_storage_close(*state);
    help_remove_root(top);
    return 0;
}

static void put(const char *key, const char *text) {
    help_put(in, key, text, strlen(text), 0);
}

static struct rsw_move move_one(struct rsw_storage *s, const char *from, const char *to) {
    struct rsw_move move = {.from = from, .to = to};
    rsw_storage_move(s, &move, 1);
    return move;
}

static struct rsw_move copy_one(struct rsw_storage *s, const char *from, const char *to) {
    struct rsw_move copy = {.from = from, .to = to};
    rsw_storage_copy(s, &copy, 1);
    return copy;
}

static struct rsw_write write_one(struct rsw_storage *s, const char *key, const char *text) {
    struct rsw_write write = {.key = key, .bytes = text, .len = strlen(text)};
    rsw_storage_write(s, &write, 1);
    return write;
}

static struct stat stat_of(const char *key) {
    struct stat st;
    assert_int_equal(lstat(help_path(in, key), &st), 0);
    return st;
}

static void what_is_made_takes_owner_and_mode_from_its_folder(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(in, "r/_layers");
    uid_t owner = getuid() == 0 ? 1234 : getuid(); /* only root can give things away */
    gid_t group = getuid() == 0 ? 5678 : getgid();
    assert_int_equal(chown(help_path(in, "r/_layers"), owner, group), 0);
    assert_int_equal(chmod(help_path(in, "r/_layers"), 02770), 0);
    assert_int_equal(write_one(s, "r/_layers/sha256/ab/link", "x").answer, RSW_FOUND);
    static const char *const folders[] = {"r/_layers/sha256", "r/_layers/sha256/ab"};
    for (size_t i = 0; i < 2; i++) {
        struct stat st = stat_of(folders[i]);
        assert_int_equal(st.st_uid, owner);
        assert_int_equal(st.st_gid, group);
        assert_int_equal(st.st_mode & 07777, 02770);
    }
    struct stat st = stat_of("r/_layers/sha256/ab/link");
    assert_int_equal(st.st_uid, owner);
    assert_int_equal(st.st_gid, group);
    assert_int_equal(st.st_mode & 07777, 0660);
}

static void a_moved_file_keeps_owner_mode_and_inode(void **state) {
    struct rsw_storage *s = *state;
    put("blobs/data", "x");
    assert_int_equal(chmod(help_path(in, "blobs/data"), 0640), 0);
    struct stat before = stat_of("blobs/data");
    assert_int_equal(move_one(s, "blobs/data", "away/data").answer, RSW_FOUND);
    struct stat after = stat_of("away/data");
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_nlink, 1);
}

static void a_copy_is_the_same_file_under_a_second_name(void **state) {
    struct rsw_storage *s = *state;
    put("away/data", "x");
    assert_int_equal(chmod(help_path(in, "away/data"), 0640), 0);
    assert_int_equal(copy_one(s, "away/data", "blobs/data").answer, RSW_FOUND);
    struct stat from = stat_of("away/data");
    struct stat to = stat_of("blobs/data");
    assert_int_equal(from.st_ino, to.st_ino);
    assert_int_equal(to.st_nlink, 2);
    assert_int_equal(to.st_mode & 07777, 0640);
}

/* From another filesystem there is no hard link: the bytes are copied. */
static void a_copy_by_bytes_takes_owner_and_mode_from_its_folder(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(in, "other");
    help_mkdir(in, "r");
    if (mount("regsweep-test", help_path(in, "other"), "tmpfs", 0, "size=1m") != 0) {
        skip(); /* not root */
    }
    put("other/data", "bytes");
    assert_int_equal(chown(help_path(in, "r"), 1234, 5678), 0);
    assert_int_equal(chmod(help_path(in, "r"), 02770), 0);
    struct rsw_move copy = copy_one(s, "other/data", "r/new/data");
    struct rsw_move again = copy_one(s, "other/data", "r/new/data");
    assert_int_equal(umount2(help_path(in, "other"), MNT_DETACH), 0);
    assert_int_equal(copy.answer, RSW_FOUND);
    assert_int_equal(again.errnum, EEXIST);
    struct stat st = stat_of("r/new/data");
    assert_int_equal(st.st_size, 5);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 5678);
    assert_int_equal(st.st_mode & 07777, 0660);
}

/* ---- surveys ---- */

static struct rsw_survey survey_one(struct rsw_storage *s, const char *dir) {
    struct rsw_survey survey = {.dir = dir};
    rsw_storage_survey(s, &survey, 1);
    return survey;
}

static bool same_volume(const struct rsw_survey *one, const struct rsw_survey *other) {
    return memcmp(one->volume, other->volume, sizeof one->volume) == 0;
}

/* A survey says so where a move would. */
static void expect_no_way(struct rsw_storage *s, const char *dir, const char *to) {
    struct rsw_survey here = survey_one(s, "here");
    struct rsw_survey there = survey_one(s, dir);
    struct rsw_move move = move_one(s, "here/data", to);
    assert_int_equal(umount2(help_path(in, dir), MNT_DETACH), 0);
    assert_int_equal(move.errnum, EXDEV);
    assert_int_equal(there.answer, RSW_FOUND);
    assert_false(same_volume(&here, &there));
    there = survey_one(s, dir);
    assert_true(same_volume(&here, &there));
}

static void a_survey_tells_other_filesystems_and_other_mounts_of_the_same(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(in, "here");
    help_mkdir(in, "there");
    put("here/data", "x");
    if (mount("regsweep-test", help_path(in, "there"), "tmpfs", 0, "size=1m") != 0) {
        skip(); /* not root */
    }
    expect_no_way(s, "there", "there/data");
    char from[128];
    snprintf(from, sizeof from, "%s", help_path(in, "here"));
    assert_int_equal(mount(from, help_path(in, "there"), NULL, MS_BIND, NULL), 0);
    expect_no_way(s, "there", "there/other");
}

static void a_survey_tells_whether_files_can_be_taken_out(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(in, "mine");
    help_mkdir(in, "everybodys");
    help_mkdir(in, "sticky");
    assert_int_equal(chmod(help_path(in, "mine"), 0755), 0);
    assert_int_equal(chmod(help_path(in, "everybodys"), 0777), 0);
    assert_int_equal(chmod(help_path(in, "sticky"), 01777), 0);
    assert_int_equal(symlink("mine", help_path(in, "link")), 0);
    assert_int_equal(survey_one(s, "mine").refused, 0);
    assert_int_equal(survey_one(s, "sticky").refused, 0);
    assert_int_equal(survey_one(s, "sticky").mode, 01777);
    assert_int_equal(survey_one(s, "link").answer, RSW_FAILED);
    assert_int_equal(survey_one(s, "link").errnum, ELOOP);
    put("file", "x");
    assert_int_equal(survey_one(s, "file").answer, RSW_ABSENT);
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(top, 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    int refused[] = {survey_one(s, "mine").refused, survey_one(s, "everybodys").refused,
                     survey_one(s, "sticky").refused};
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(refused[0], EACCES);
    assert_int_equal(refused[1], 0);
    assert_int_equal(refused[2], EPERM);
}

static void nothing_is_moved_or_written_through_a_symbolic_link(void **state) {
    struct rsw_storage *s = *state;
    help_mkdir(top, "outside");
    help_put(top, "outside/secret", "s", 1, 0);
    put("a/data", "x");
    assert_int_equal(symlink("../outside", help_path(in, "door")), 0);
    assert_int_equal(symlink("../../outside/secret", help_path(in, "a/link")), 0);
    assert_int_equal(move_one(s, "a/data", "door/data").errnum, ELOOP);
    assert_int_equal(move_one(s, "door/secret", "a/stolen").errnum, ELOOP);
    assert_int_equal(move_one(s, "a/link", "a/other").errnum, ELOOP);
    assert_int_equal(move_one(s, "a/data", "a/link").errnum, EEXIST);
    assert_int_equal(copy_one(s, "a/data", "door/data").errnum, ELOOP);
    assert_int_equal(copy_one(s, "door/secret", "a/stolen").errnum, ELOOP);
    assert_int_equal(copy_one(s, "a/link", "a/other").errnum, ELOOP);
    assert_int_equal(copy_one(s, "a/data", "a/link").errnum, EEXIST);
    assert_int_equal(write_one(s, "door/new", "x").errnum, ELOOP);
    assert_int_equal(write_one(s, "door/deep/new", "x").errnum, ELOOP);
    assert_int_equal(write_one(s, "a/link", "x").errnum, EEXIST);
    assert_true(help_is_there(in, "a/data"));
    assert_false(help_is_there(top, "outside/data"));
    assert_false(help_is_there(top, "outside/new"));
    assert_true(help_is_there(top, "outside/secret"));
}

static void a_full_disk_leaves_no_half_a_file(void **state) {
    static char large[3 * 1024 * 1024];
    struct rsw_storage *s = *state;
    help_mkdir(in, "small");
    if (mount("regsweep-test", help_path(in, "small"), "tmpfs", 0, "size=1m") != 0) {
        skip(); /* not root */
    }
    struct rsw_write write = {.key = "small/file", .bytes = large, .len = sizeof large};
    rsw_storage_write(s, &write, 1);
    put("data", "x");
    struct rsw_move move = move_one(s, "data", "small/data");
    help_put(in, "large", large, sizeof large, 0);
    struct rsw_move copy = copy_one(s, "large", "small/copy");
    struct seen seen = {.count = 0};
    int listed = help_list(&seen, s, "small", 0);
    assert_int_equal(umount2(help_path(in, "small"), MNT_DETACH), 0);
    assert_int_equal(write.answer, RSW_FAILED);
    assert_int_equal(write.errnum, ENOSPC);
    assert_int_equal(move.answer, RSW_FAILED); /* and to another filesystem nothing is moved */
    assert_int_equal(move.errnum, EXDEV);
    assert_int_equal(copy.answer, RSW_FAILED);
    assert_int_equal(copy.errnum, ENOSPC);
    assert_int_equal(listed, RSW_FOUND);
    assert_int_equal(seen.count, 0);
    assert_true(help_is_there(in, "data"));
    help_forget(&seen);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_made_takes_owner_and_mode_from_its_folder),
        TEST(a_moved_file_keeps_owner_mode_and_inode),
        TEST(a_copy_is_the_same_file_under_a_second_name),
        TEST(a_copy_by_bytes_takes_owner_and_mode_from_its_folder),
        TEST(a_survey_tells_other_filesystems_and_other_mounts_of_the_same),
        TEST(a_survey_tells_whether_files_can_be_taken_out),
        TEST(nothing_is_moved_or_written_through_a_symbolic_link),
        TEST(a_full_disk_leaves_no_half_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
