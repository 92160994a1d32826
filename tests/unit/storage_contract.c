#include "storage_contract.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MS INT64_C(1700000000123)

static const struct contract_backend *backend;

static int set_up(void **state) {
    *state = backend->open();
    return 0;
}

static int tear_down(void **state) {
    backend->close(*state);
    return 0;
}

/* Its own time, where it has one. */
static void time_is(int64_t mtime_ms) {
    if (backend->keeps_time) {
        assert_int_equal(mtime_ms, TIME_MS);
    } else {
        assert_true(mtime_ms > TIME_MS);
    }
}

/* Of a removal of what is not there. */
static void was_gone(int answer) {
    assert_true(answer == RSW_ABSENT || (answer == RSW_FOUND && !backend->tells_removed));
}

static void put(struct rsw_storage *storage, const char *key, const char *text) {
    backend->put(storage, key, text, strlen(text), TIME_MS);
}

/* `count` files, each with its key as content. `name` writes the key of number i. */
static void put_many(struct rsw_storage *storage, size_t count, void (*name)(char key[64], size_t i)) {
    char(*keys)[64] = calloc(count, sizeof *keys);
    assert_non_null(keys);
    for (size_t i = 0; i < count; i++) {
        name(keys[i], i);
        if (backend->put_all == NULL) {
            put(storage, keys[i], keys[i]);
        }
    }
    if (backend->put_all != NULL) {
        backend->put_all(storage, keys, count);
    }
    free(keys);
}

static void a_key_that_is_none_fails_in_every_call_and_alone(void **state) {
    static const char *const bad[] = {"/a",     "a/",  "a//b", ".", "..", "a/..", "../a",
                                      "a/../a", "./a", "a/.",  "/", "",   NULL,   "a/./link"};
    struct rsw_storage *s = *state;
    put(s, "a/link", "here");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rsw_look looks[3] = {{.key = "a/link"}, {.key = bad[i]}, {.key = "a/link"}};
        rsw_storage_look(s, looks, 3);
        struct rsw_read reads[3] = {
            {.key = "a/link", .max = 9}, {.key = bad[i], .max = 9}, {.key = "a/link", .max = 9}};
        rsw_storage_read(s, reads, 3);
        struct rsw_removal removals[3] = {{.key = "a/no"}, {.key = bad[i]}, {.key = "a/no"}};
        rsw_storage_remove(s, removals, 3);
        assert_int_equal(looks[1].answer, RSW_FAILED);
        assert_int_equal(looks[1].errnum, EINVAL);
        assert_int_equal(reads[1].answer, RSW_FAILED);
        assert_int_equal(reads[1].errnum, EINVAL);
        assert_int_equal(removals[1].answer, RSW_FAILED);
        assert_int_equal(removals[1].errnum, EINVAL);
        for (int n = 0; n < 3; n += 2) {
            assert_int_equal(looks[n].answer, RSW_FOUND);
            assert_int_equal(reads[n].answer, RSW_FOUND);
            was_gone(removals[n].answer);
        }
        for (int n = 0; n < 3; n++) {
            rsw_buf_release(&reads[n].content);
        }
        if (bad[i] != NULL && bad[i][0] == 0) {
            continue; /* the root can be listed and pruned */
        }
        struct seen seen = {.count = 0};
        assert_int_equal(help_list(&seen, s, bad[i], 0), RSW_FAILED);
        assert_int_equal(seen.err.code, RSW_EINVAL);
        struct rsw_error err = RSW_ERROR_INIT;
        assert_int_equal(rsw_storage_prune(s, bad[i], &err), RSW_FAILED);
        assert_int_equal(err.code, RSW_EINVAL);
        assert_int_equal(rsw_storage_prune(s, bad[i], NULL), RSW_FAILED);
    }
}

static void a_look_tells_size_and_time_or_that_nothing_is_there(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/b/data", "seven..");
    put(s, "a/empty", "");
    struct rsw_look looks[] = {
        {.key = "a/b/data"}, {.key = "a/b/none"}, {.key = "no/such/folder"}, {.key = "a/empty"}};
    rsw_storage_look(s, looks, 4);
    assert_int_equal(looks[0].answer, RSW_FOUND);
    assert_int_equal(looks[0].kind, RSW_ENTRY_FILE);
    assert_int_equal(looks[0].size, 7);
    time_is(looks[0].mtime_ms);
    assert_int_equal(looks[1].answer, RSW_ABSENT);
    assert_int_equal(looks[2].answer, RSW_ABSENT);
    assert_int_equal(looks[3].answer, RSW_FOUND);
    assert_int_equal(looks[3].size, 0);
    struct rsw_look dir = help_look(s, "a/b");
    assert_int_equal(dir.answer, backend->has_directories ? RSW_FOUND : RSW_ABSENT);
    if (backend->has_directories) {
        assert_int_equal(dir.kind, RSW_ENTRY_DIR);
        assert_int_equal(dir.size, 0);
    }
}

static void name_every_other(char key[64], size_t i) {
    snprintf(key, 64, "m/%04zu/link%s", 2 * i, i == 7 ? ".tmp" : i == 8 ? "/link" : "");
}

/* Whatever it costs to ask: all of a folder, some of it, what lies between, before and behind. */
static void many_looks_at_once_say_what_each_alone_does(void **state) {
    static const size_t steps[] = {1, 7, 211};
    struct rsw_storage *s = *state;
    put_many(s, 1300, name_every_other);
    put(s, "l/link", "");
    put(s, "m/0003/link.tmp", "no link");
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        static char keys[2704][64];
        static struct rsw_look looks[2704];
        static struct rsw_look alone[2704];
        size_t count = 0;
        for (size_t i = 0; i < 2700; i += steps[k]) {
            snprintf(keys[count], sizeof keys[count], "m/%04zu/link", (i * 7) % 2700);
            looks[count] = (struct rsw_look){.key = keys[count]};
            count++;
        }
        looks[count++] = (struct rsw_look){.key = "l/link"};
        looks[count++] = (struct rsw_look){.key = "n/link"};
        looks[count++] = (struct rsw_look){.key = "m//link"};
        looks[count++] = (struct rsw_look){.key = "m/0004/link"};
        memcpy(alone, looks, sizeof looks);
        rsw_storage_look_listed(s, looks, count);
        rsw_storage_look(s, alone, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(looks[i].answer, alone[i].answer);
            assert_int_equal(looks[i].errnum, alone[i].errnum);
            assert_int_equal(looks[i].size, alone[i].size);
            assert_int_equal(looks[i].mtime_ms / 1000, alone[i].mtime_ms / 1000);
        }
        assert_int_equal(looks[count - 4].answer, RSW_FOUND);
        assert_int_equal(looks[count - 3].answer, RSW_ABSENT);
        assert_int_equal(looks[count - 2].answer, RSW_FAILED);
        assert_int_equal(looks[count - 1].answer, RSW_FOUND);
    }
}

static void nothing_is_below_a_file(void **state) {
    struct rsw_storage *s = *state;
    char text[256];
    put(s, "a/file", "x");
    assert_int_equal(help_look(s, "a/file/link").answer, RSW_ABSENT);
    assert_int_equal(help_read(s, "a/file/link", text, NULL), RSW_ABSENT);
    was_gone(help_remove(s, "a/file/link", NULL));
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "a/file", 0), RSW_ABSENT);
    assert_int_equal(seen.count, 0);
    assert_int_equal(rsw_storage_prune(s, "a/file/dir", NULL), RSW_ABSENT);
    assert_int_equal(help_look(s, "a/file").answer, RSW_FOUND);
}

static void a_read_brings_the_whole_file(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/link", "sha256:abc");
    put(s, "a/empty", "");
    struct rsw_read reads[] = {
        {.key = "a/link", .max = 10}, {.key = "a/empty", .max = 0}, {.key = "a/none", .max = 10}};
    for (int round = 0; round < 2; round++) { /* the same requests can be made again */
        rsw_storage_read(s, reads, 3);
        assert_int_equal(reads[0].answer, RSW_FOUND);
        time_is(reads[0].mtime_ms);
        assert_int_equal(reads[0].content.len, 10);
        assert_string_equal((char *)reads[0].content.data, "sha256:abc");
        assert_int_equal(reads[1].answer, RSW_FOUND);
        assert_int_equal(reads[1].content.len, 0);
        assert_int_equal(reads[2].answer, RSW_ABSENT);
        assert_int_equal(reads[2].content.len, 0);
    }
    for (int n = 0; n < 3; n++) {
        rsw_buf_release(&reads[n].content);
    }
}

static void a_file_that_is_too_long_fails_but_shows_its_head(void **state) {
    struct rsw_storage *s = *state;
    size_t len = 300000;
    char *big = malloc(len);
    assert_non_null(big);
    memset(big, 'b', len);
    backend->put(s, "a/big", big, len, TIME_MS);
    const size_t limits[] = {0, 1, 9, 65536, len - 1, len, len + 1, SIZE_MAX / 4, SIZE_MAX};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rsw_read read = {.key = "a/big", .max = limits[i]};
        rsw_storage_read(s, &read, 1);
        bool fits = limits[i] >= len;
        assert_int_equal(read.answer, fits ? RSW_FOUND : RSW_FAILED);
        assert_int_equal(read.errnum, fits ? 0 : EFBIG);
        assert_int_equal(read.content.len, fits ? len : limits[i]);
        assert_true(read.content.len == 0 || memcmp(read.content.data, big, read.content.len) == 0);
        rsw_buf_release(&read.content);
    }
    free(big);
}

static void a_directory_is_neither_read_nor_removed(void **state) {
    struct rsw_storage *s = *state;
    char text[256];
    int errnum;
    put(s, "a/b/link", "x");
    assert_int_equal(help_read(s, "a/b", text, &errnum), backend->has_directories ? RSW_FAILED : RSW_ABSENT);
    assert_int_equal(errnum, backend->has_directories ? EISDIR : ENOENT);
    int removed = help_remove(s, "a/b", &errnum);
    if (backend->has_directories) {
        assert_int_equal(removed, RSW_FAILED);
        assert_int_equal(errnum, EISDIR);
    } else {
        was_gone(removed);
    }
    assert_int_equal(help_look(s, "a/b/link").answer, RSW_FOUND);
}

static void a_removal_takes_one_file_and_may_be_repeated(void **state) {
    struct rsw_storage *s = *state;
    static const char *const neighbours[] = {"a/link.tmp", "a/lin", "a/link2", "b/link"};
    put(s, "a/link", "x");
    for (size_t i = 0; i < 4; i++) {
        put(s, neighbours[i], "x");
    }
    assert_int_equal(help_remove(s, "a/link", NULL), RSW_FOUND);
    assert_int_equal(help_look(s, "a/link").answer, RSW_ABSENT);
    was_gone(help_remove(s, "a/link", NULL));
    was_gone(help_remove(s, "never/was", NULL));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(help_look(s, neighbours[i]).answer, RSW_FOUND);
    }
}

static void of_two_removals_of_one_key_in_one_call_one_finds_it(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/link", "x");
    struct rsw_removal removals[] = {{.key = "a/link"}, {.key = "a/link"}};
    rsw_storage_remove(s, removals, 2);
    int expected = backend->tells_removed ? RSW_FOUND + RSW_ABSENT : RSW_FOUND + RSW_FOUND;
    assert_int_equal(removals[0].answer + removals[1].answer, expected);
    assert_int_equal(help_look(s, "a/link").answer, RSW_ABSENT);
}

static void pruning_takes_what_is_empty_and_keeps_what_is_not(void **state) {
    struct rsw_storage *s = *state;
    put(s, "r/a/_layers/x/link", "x");
    put(s, "r/a/_layers/y/link", "x");
    put(s, "r/a/b/_layers/x/link", "x");
    put(s, "r/ab/link", "x");
    assert_int_equal(rsw_storage_prune(s, "r/a", NULL), RSW_FOUND);
    assert_int_equal(help_look(s, "r/a/_layers/x/link").answer, RSW_FOUND);
    assert_int_equal(help_remove(s, "r/a/_layers/x/link", NULL), RSW_FOUND);
    assert_int_equal(rsw_storage_prune(s, "r/a/_layers/x", NULL), RSW_ABSENT);
    assert_int_equal(help_remove(s, "r/a/_layers/y/link", NULL), RSW_FOUND);
    /* The repository `a` is empty now, but it holds `a/b`. */
    assert_int_equal(rsw_storage_prune(s, "r/a", NULL), RSW_FOUND);
    assert_int_equal(help_look(s, "r/a/_layers").answer, RSW_ABSENT);
    assert_int_equal(help_look(s, "r/a/b/_layers/x/link").answer, RSW_FOUND);
    assert_int_equal(help_remove(s, "r/a/b/_layers/x/link", NULL), RSW_FOUND);
    assert_int_equal(rsw_storage_prune(s, "r/a", NULL), RSW_ABSENT);
    assert_int_equal(rsw_storage_prune(s, "r/a", NULL), RSW_ABSENT);
    assert_int_equal(rsw_storage_prune(s, "never/was", NULL), RSW_ABSENT);
    assert_int_equal(help_look(s, "r/ab/link").answer, RSW_FOUND);
}

static int remove_dir(struct rsw_storage *s, const char *key, int *errnum) {
    struct rsw_removal removal = {.key = key};
    rsw_storage_rmdir(s, &removal, 1);
    *errnum = removal.errnum;
    return removal.answer;
}

static void one_directory_is_removed_only_when_it_is_empty(void **state) {
    struct rsw_storage *s = *state;
    int errnum;
    put(s, "a/b/link", "x");
    assert_int_equal(remove_dir(s, "a/b", &errnum), RSW_FAILED);
    assert_int_equal(errnum, ENOTEMPTY);
    assert_int_equal(help_remove(s, "a/b/link", NULL), RSW_FOUND);
    assert_true(remove_dir(s, "a/b", &errnum) != RSW_FAILED);
    assert_int_equal(help_look(s, "a/b").answer, RSW_ABSENT);
    assert_int_equal(remove_dir(s, "a/b", &errnum), RSW_ABSENT);
    assert_int_equal(remove_dir(s, "never/was", &errnum), RSW_ABSENT);
    assert_int_equal(remove_dir(s, "a/../a", &errnum), RSW_FAILED);
    assert_int_equal(errnum, EINVAL);
    put(s, "a/file", "x");
    assert_int_equal(remove_dir(s, "a/file/below", &errnum), RSW_ABSENT);
    assert_int_equal(remove_dir(s, "a/file", &errnum), backend->has_directories ? RSW_FAILED : RSW_ABSENT);
    assert_int_equal(help_look(s, "a/file").answer, RSW_FOUND);
}

static void the_root_is_never_pruned_away(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/b/link", "x");
    assert_int_equal(rsw_storage_prune(s, "", NULL), RSW_FOUND);
    assert_int_equal(help_look(s, "a/b/link").answer, RSW_FOUND);
    assert_int_equal(help_remove(s, "a/b/link", NULL), RSW_FOUND);
    assert_int_equal(rsw_storage_prune(s, "", NULL), RSW_FOUND);
    assert_int_equal(help_look(s, "a").answer, RSW_ABSENT);
    put(s, "a/b/link", "again");
    assert_int_equal(help_look(s, "a/b/link").answer, RSW_FOUND);
}

static void a_listing_shows_what_is_below_its_prefix_and_nothing_else(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/b/link", "in");
    put(s, "a/b/c/link", "deeper");
    put(s, "a/bc/link", "beside");
    put(s, "a/b-c/link", "beside");
    put(s, "z", "top");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "a/b", 0), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    const struct seen_entry *entry = help_find(&seen, "a/b/c/link");
    assert_non_null(entry);
    assert_int_equal(entry->kind, RSW_ENTRY_FILE);
    assert_int_equal(entry->answer, RSW_FOUND);
    assert_int_equal(entry->size, 6);
    time_is(entry->mtime_ms);
    assert_false(entry->has_content);
    assert_non_null(help_find(&seen, "a/b/link"));
    help_forget(&seen);
    assert_int_equal(help_list(&seen, s, "", 0), RSW_FOUND);
    assert_int_equal(seen.count, 5);
    assert_non_null(help_find(&seen, "z"));
    help_forget(&seen);
    assert_int_equal(help_list(&seen, s, "a/none", 0), RSW_ABSENT);
    assert_int_equal(help_list(&seen, s, "none/none", 0), RSW_ABSENT);
    assert_int_equal(seen.pages, 0);
}

static void a_listing_can_be_of_names_that_begin_alike(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/_b/link", "in");
    put(s, "a/_c/d/_e/link", "in");
    put(s, "a/_f", "in");
    put(s, "a/b/_b/link", "beside");
    put(s, "a/z", "beside");
    put(s, "a_/link", "beside");
    struct seen seen = {.start = "_"};
    assert_int_equal(help_list(&seen, s, "a", 0), RSW_FOUND);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.dirs, 4); /* _b, _c, _c/d, _c/d/_e */
    assert_non_null(help_find(&seen, "a/_b/link"));
    assert_non_null(help_find(&seen, "a/_c/d/_e/link"));
    assert_non_null(help_find(&seen, "a/_f"));
    help_forget(&seen);
    seen.start = "none";
    assert_int_not_equal(help_list(&seen, s, "a", 0), RSW_FAILED);
    assert_int_equal(seen.count, 0);
    help_forget(&seen);
}

static void an_empty_root_lists_as_found_and_empty(void **state) {
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, *state, "", 0), RSW_FOUND);
    assert_int_equal(seen.pages, 0);
}

static void a_listing_brings_contents_that_are_small_enough(void **state) {
    struct rsw_storage *s = *state;
    put(s, "d/exact", "12345678");
    put(s, "d/long", "123456789");
    put(s, "d/empty", "");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "d", 8), RSW_FOUND);
    assert_int_equal(seen.count, 3);
    const struct seen_entry *exact = help_find(&seen, "d/exact");
    const struct seen_entry *empty = help_find(&seen, "d/empty");
    assert_int_equal(exact->has_content, backend->brings_content);
    assert_int_equal(empty->has_content, backend->brings_content);
    assert_int_equal(empty->content_len, 0);
    if (backend->brings_content) {
        assert_int_equal(exact->content_len, 8);
        assert_string_equal(exact->content, "12345678");
    }
    const struct seen_entry *longer = help_find(&seen, "d/long");
    assert_int_equal(longer->answer, RSW_FOUND);
    assert_int_equal(longer->size, 9);
    assert_false(longer->has_content);
    help_forget(&seen);
}

static void name_in_seven(char key[64], size_t i) {
    snprintf(key, 64, "d/%zu/%zu/link", i % 7, i);
}

static void a_long_listing_comes_in_pages_with_every_file_once(void **state) {
    struct rsw_storage *s = *state;
    char key[64];
    put_many(s, 1700, name_in_seven);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "d", 64), RSW_FOUND);
    assert_int_equal(seen.count, 1700);
    assert_true(seen.pages >= 2);
    assert_true(seen.largest_page <= 1000);
    for (size_t i = 0; i < 1700; i++) {
        name_in_seven(key, i);
        const struct seen_entry *entry = help_find(&seen, key);
        assert_non_null(entry);
        if (backend->brings_content) {
            assert_string_equal(entry->content, key); /* contents do not run into each other */
        }
    }
    help_forget(&seen);
}

static void name_flat(char key[64], size_t i) {
    snprintf(key, 64, "d/%zu", i);
}

static void the_caller_can_end_a_listing(void **state) {
    struct rsw_storage *s = *state;
    put_many(s, 1100, name_flat);
    struct seen seen = {.stop_after = 1};
    assert_int_equal(help_list(&seen, s, "d", 0), RSW_FAILED);
    assert_int_equal(seen.pages, 1);
    assert_int_equal(seen.err.code, RSW_EFULL);
    assert_string_equal(seen.err.message, "the caller has enough");
    help_forget(&seen);
}

static int stop_silently(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)arg;
    (void)entries;
    (void)count;
    (void)err;
    return 1;
}

static void a_caller_that_ends_a_listing_without_a_word_gets_one(void **state) {
    put(*state, "d/link", "");
    struct rsw_listing listing = {.prefix = "d", .page = stop_silently};
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_storage_list(*state, &listing, &err), RSW_FAILED);
    assert_int_equal(err.code, RSW_ESTOPPED);
    assert_int_equal(rsw_storage_list(*state, &listing, NULL), RSW_FAILED);
}

static void every_directory_below_the_prefix_is_asked_for_once(void **state) {
    struct rsw_storage *s = *state;
    put(s, "p/a/b/link", "");
    put(s, "p/a/link", "");
    put(s, "p/a/c/link", "");
    put(s, "p/a-b/link", "");
    put(s, "p/z/link", "");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "p", 0), RSW_FOUND);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.dirs, 5); /* a, a/b, a/c, a-b, z */
    help_forget(&seen);
}

static void a_directory_can_be_passed_over(void **state) {
    struct rsw_storage *s = *state;
    put(s, "p/a/b/link", "");
    put(s, "p/a-b/link", "");
    put(s, "p/ab/link", "");
    struct seen seen = {.skip = "p/a"};
    assert_int_equal(help_list(&seen, s, "p", 0), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    assert_null(help_find(&seen, "p/a/b/link"));
    assert_int_equal(seen.dirs, 3);
    help_forget(&seen);
}

static void probe_is(struct rsw_storage *s, const char *leaf, size_t content_max, const char *key,
                     enum rsw_entry_kind kind, int answer) {
    struct seen seen = {.probe = "p/a", .leaf = leaf};
    assert_int_equal(help_list(&seen, s, "p", content_max), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    assert_non_null(help_find(&seen, "p/z/link"));
    const struct seen_entry *entry = help_find(&seen, key);
    assert_non_null(entry);
    assert_int_equal(entry->kind, kind);
    assert_int_equal(entry->answer, answer);
    if (kind == RSW_ENTRY_FILE && answer == RSW_FOUND) {
        assert_int_equal(entry->size, 7);
        time_is(entry->mtime_ms);
        assert_int_equal(entry->has_content, content_max > 0);
        assert_string_equal(entry->content, content_max > 0 ? "content" : "");
    }
    help_forget(&seen);
}

static void a_probe_reports_the_one_file_without_listing(void **state) {
    struct rsw_storage *s = *state;
    if (!backend->has_directories) {
        skip();
    }
    put(s, "p/a/link", "content");
    put(s, "p/a/other", "not asked for");
    put(s, "p/a/current/link", "content");
    put(s, "p/z/link", "content");
    for (size_t content_max = 0; content_max <= 100; content_max += 100) {
        probe_is(s, "link", content_max, "p/a/link", RSW_ENTRY_FILE, RSW_FOUND);
        probe_is(s, "none", content_max, "p/a/none", RSW_ENTRY_FILE, RSW_ABSENT);
        probe_is(s, "link/below", content_max, "p/a/link/below", RSW_ENTRY_FILE, RSW_ABSENT);
        probe_is(s, "current", content_max, "p/a/current", RSW_ENTRY_DIR, RSW_FOUND);
        probe_is(s, "current/link", content_max, "p/a/current/link", RSW_ENTRY_FILE, RSW_FOUND);
        probe_is(s, "../a/link", content_max, "p/a", RSW_ENTRY_DIR, RSW_FAILED);
        probe_is(s, NULL, content_max, "p/a", RSW_ENTRY_DIR, RSW_FAILED);
    }
}

static int look_at_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    struct rsw_look *looks = calloc(count, sizeof *looks);
    struct rsw_removal *removals = calloc(count, sizeof *removals);
    assert_non_null(looks);
    assert_non_null(removals);
    (void)err;
    for (size_t i = 0; i < count; i++) {
        looks[i].key = removals[i].key = entries[i].key;
    }
    rsw_storage_look(arg, looks, count);
    rsw_storage_remove(arg, removals, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(looks[i].answer, RSW_FOUND);
        assert_int_equal(removals[i].answer, RSW_FOUND);
    }
    free(looks);
    free(removals);
    return 0;
}

static void name_in_own(char key[64], size_t i) {
    snprintf(key, 64, "d/%zu/link", i);
}

static void storage_can_be_used_while_a_page_is_handed_over(void **state) {
    struct rsw_storage *s = *state;
    put_many(s, 1100, name_in_own);
    struct rsw_listing listing = {.prefix = "d", .page = look_at_page, .arg = s};
    assert_int_equal(rsw_storage_list(s, &listing, NULL), RSW_FOUND);
    assert_int_equal(rsw_storage_prune(s, "d", NULL), RSW_ABSENT);
}

/* Threads. cmocka's assertions belong to the main one: the others count what is wrong. */
struct storm {
    struct rsw_storage *storage;
    atomic_int wrong;
    atomic_bool stop;
};

#define STORM 100

static void *remove_and_prune(void *arg) {
    struct storm *storm = arg;
    for (int i = 0; i < STORM; i++) {
        char key[64];
        char dir[64];
        snprintf(dir, sizeof dir, "d/go/%d", i);
        snprintf(key, sizeof key, "d/go/%d/link", i);
        storm->wrong += help_remove(storm->storage, key, NULL) == RSW_FAILED;
        storm->wrong += rsw_storage_prune(storm->storage, dir, NULL) != RSW_ABSENT;
    }
    return NULL;
}

static int count_page(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err) {
    (void)err;
    int *stay = arg;
    for (size_t i = 0; i < count; i++) {
        *stay += strncmp(entries[i].key, "d/stay/", 7) == 0 ? 1 : 0;
        if (entries[i].answer == RSW_FAILED) {
            *stay -= 100000;
        }
    }
    return 0;
}

static void *list_and_look(void *arg) {
    struct storm *storm = arg;
    for (int round = 0; round < 5; round++) {
        int stay = 0;
        struct rsw_listing listing = {.prefix = "d", .content_max = 64, .page = count_page, .arg = &stay};
        storm->wrong += rsw_storage_list(storm->storage, &listing, NULL) != RSW_FOUND;
        storm->wrong += stay != STORM;
        storm->wrong += help_look(storm->storage, "d/stay/7/link").answer != RSW_FOUND;
    }
    return NULL;
}

static void name_of_storm(char key[64], size_t i) {
    snprintf(key, 64, "d/%s/%zu/link", i % 2 == 0 ? "go" : "stay", i / 2);
}

static void listings_see_all_that_stays_while_others_remove(void **state) {
    struct storm storm = {.storage = *state};
    put_many(*state, (size_t)2 * STORM, name_of_storm);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? remove_and_prune : list_and_look, &storm),
                         0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(storm.wrong, 0);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, *state, "d", 0), RSW_FOUND);
    assert_int_equal(seen.count, STORM);
    help_forget(&seen);
}

static struct rsw_move move_one(struct rsw_storage *s, const char *from, const char *to) {
    struct rsw_move move = {.from = from, .to = to};
    rsw_storage_move(s, &move, 1);
    return move;
}

static struct rsw_write write_one(struct rsw_storage *s, const char *key, const char *text) {
    struct rsw_write write = {.key = key, .bytes = text, .len = strlen(text)};
    rsw_storage_write(s, &write, 1);
    return write;
}

static void expect_text(struct rsw_storage *s, const char *key, const char *expected) {
    char text[256];
    assert_int_equal(help_read(s, key, text, NULL), RSW_FOUND);
    assert_string_equal(text, expected);
}

static void a_move_takes_a_file_to_a_new_place_with_its_time(void **state) {
    struct rsw_storage *s = *state;
    put(s, "blobs/ab/data", "bytes");
    put(s, "blobs/cd/data", "others");
    struct rsw_move moves[] = {{.from = "blobs/ab/data", .to = "hidden/7/ab"},
                               {.from = "blobs/none", .to = "hidden/7/none"},
                               {.from = "blobs/cd/data", .to = "hidden/7/deep/er/cd"},
                               {.from = "blobs/ab/", .to = "hidden/7/bad"},
                               {.from = "blobs/ab/data", .to = "../out"}};
    rsw_storage_move(s, moves, 5);
    assert_int_equal(moves[0].answer, RSW_FOUND);
    assert_int_equal(moves[1].answer, RSW_ABSENT);
    assert_int_equal(moves[2].answer, RSW_FOUND);
    assert_int_equal(moves[3].errnum, EINVAL);
    assert_int_equal(moves[4].answer, RSW_FAILED);
    assert_int_equal(moves[4].errnum, EINVAL);
    assert_int_equal(help_look(s, "blobs/ab/data").answer, RSW_ABSENT);
    time_is(help_look(s, "hidden/7/ab").mtime_ms);
    expect_text(s, "hidden/7/ab", "bytes");
    expect_text(s, "hidden/7/deep/er/cd", "others");
    assert_int_equal(help_look(s, "hidden/7/none").answer, RSW_ABSENT);
    assert_int_equal(move_one(s, "blobs/ab/data", "hidden/7/again").answer, RSW_ABSENT); /* repeated */
    assert_int_equal(move_one(s, "hidden/7/ab", "blobs/ab/data").answer, RSW_FOUND);
    expect_text(s, "blobs/ab/data", "bytes");
}

static void a_move_to_a_place_that_is_taken_leaves_both(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/one", "1");
    put(s, "a/two", "2");
    put(s, "b/c/three", "3");
    struct rsw_move move = move_one(s, "a/one", "a/two");
    assert_int_equal(move.answer, RSW_FAILED);
    assert_int_equal(move.errnum, EEXIST);
    assert_int_equal(move_one(s, "a/one", "a/one").errnum, EEXIST);
    expect_text(s, "a/one", "1");
    expect_text(s, "a/two", "2");
    if (backend->has_directories) {
        assert_int_equal(move_one(s, "a/one", "b/c").errnum, EEXIST);
        assert_int_equal(move_one(s, "b/c", "b/d").errnum, EISDIR);
        assert_int_equal(move_one(s, "a/one", "a/two/under").answer, RSW_FAILED);
    }
    expect_text(s, "a/one", "1");
    expect_text(s, "b/c/three", "3");
}

static struct rsw_move copy_one(struct rsw_storage *s, const char *from, const char *to) {
    struct rsw_move copy = {.from = from, .to = to};
    rsw_storage_copy(s, &copy, 1);
    return copy;
}

static void a_copy_is_a_second_file_with_the_same_bytes_and_time(void **state) {
    struct rsw_storage *s = *state;
    static char large[100000];
    memset(large, 'x', sizeof large);
    put(s, "hidden/7/ab", "bytes");
    put(s, "hidden/7/empty", "");
    backend->put(s, "hidden/7/large", large, sizeof large, TIME_MS);
    struct rsw_move copies[] = {{.from = "hidden/7/ab", .to = "blobs/ab/data"},
                                {.from = "hidden/7/none", .to = "blobs/none/data"},
                                {.from = "hidden/7/empty", .to = "blobs/deep/er/empty"},
                                {.from = "hidden/7/ab", .to = "blobs//ab"},
                                {.from = "../hidden", .to = "blobs/out"},
                                {.from = "hidden/7/large", .to = "blobs/large"}};
    rsw_storage_copy(s, copies, 6);
    assert_int_equal(copies[0].answer, RSW_FOUND);
    assert_int_equal(copies[1].answer, RSW_ABSENT);
    assert_int_equal(copies[2].answer, RSW_FOUND);
    assert_int_equal(copies[3].errnum, EINVAL);
    assert_int_equal(copies[4].answer, RSW_FAILED);
    assert_int_equal(copies[4].errnum, EINVAL);
    assert_int_equal(copies[5].answer, RSW_FOUND);
    expect_text(s, "blobs/ab/data", "bytes");
    expect_text(s, "hidden/7/ab", "bytes");
    expect_text(s, "blobs/deep/er/empty", "");
    time_is(help_look(s, "blobs/ab/data").mtime_ms);
    assert_int_equal(help_look(s, "blobs/large").size, sizeof large);
    assert_int_equal(help_look(s, "blobs/none").answer, RSW_ABSENT);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "blobs", 0), RSW_FOUND);
    assert_int_equal(seen.count, 3); /* nothing else was left there */
    help_forget(&seen);
    /* Neither needs the other. */
    assert_int_equal(help_remove(s, "hidden/7/ab", NULL), RSW_FOUND);
    expect_text(s, "blobs/ab/data", "bytes");
    assert_int_equal(copy_one(s, "hidden/7/ab", "blobs/cd/data").answer, RSW_ABSENT);
}

static void a_copy_to_a_place_that_is_taken_leaves_both(void **state) {
    struct rsw_storage *s = *state;
    put(s, "a/one", "1");
    put(s, "a/two", "2");
    put(s, "b/c/three", "3");
    struct rsw_move copy = copy_one(s, "a/one", "a/two");
    assert_int_equal(copy.answer, RSW_FAILED);
    assert_int_equal(copy.errnum, EEXIST);
    assert_int_equal(copy_one(s, "a/one", "a/one").errnum, EEXIST);
    if (backend->has_directories) {
        assert_int_equal(copy_one(s, "a/one", "b/c").errnum, EEXIST);
        assert_int_equal(copy_one(s, "b/c", "b/d").errnum, EISDIR);
        assert_int_equal(copy_one(s, "a/one", "a/two/under").answer, RSW_FAILED);
    }
    expect_text(s, "a/one", "1");
    expect_text(s, "a/two", "2");
    expect_text(s, "b/c/three", "3");
}

static void a_write_makes_a_file_and_replaces_none(void **state) {
    struct rsw_storage *s = *state;
    put(s, "r/old/link", "sha256:old");
    assert_int_equal(write_one(s, "r/new/deep/link", "sha256:new").answer, RSW_FOUND);
    assert_int_equal(write_one(s, "r/empty", "").answer, RSW_FOUND);
    struct rsw_write write = write_one(s, "r/old/link", "sha256:new");
    assert_int_equal(write.answer, RSW_FAILED);
    assert_int_equal(write.errnum, EEXIST);
    assert_int_equal(write_one(s, "../out", "x").errnum, EINVAL);
    expect_text(s, "r/old/link", "sha256:old");
    expect_text(s, "r/new/deep/link", "sha256:new");
    expect_text(s, "r/empty", "");
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, s, "r", 0), RSW_FOUND);
    assert_int_equal(seen.count, 3); /* nothing else was left there */
    help_forget(&seen);
}

static void a_survey_tells_of_folders_where_there_are_some(void **state) {
    struct rsw_storage *s = *state;
    put(s, "r/a/link", "sha256:a");
    struct rsw_survey surveys[] = {{.dir = ""}, {.dir = "../out"}, {.dir = "r/a"}, {.dir = "r/b"}};
    rsw_storage_survey(s, surveys, 4);
    assert_int_equal(surveys[0].answer, surveys[2].answer); /* a backend without folders knows of none */
    assert_true(surveys[2].answer == RSW_FOUND || surveys[2].answer == RSW_ABSENT);
    assert_int_equal(surveys[1].answer, RSW_FAILED);
    assert_int_equal(surveys[1].errnum, EINVAL);
    assert_int_equal(surveys[3].answer, RSW_ABSENT);
    if (surveys[2].answer == RSW_FOUND) {
        assert_int_equal(surveys[2].refused, 0);
        assert_true(surveys[2].room > 0);
        assert_memory_equal(surveys[0].volume, surveys[2].volume, sizeof surveys[0].volume);
    }
}

static void *write_many(void *storage) {
    for (int i = 0; i < 100; i++) {
        char key[64];
        snprintf(key, sizeof key, "race/%d/link", i);
        struct rsw_write write = {.key = key, .bytes = "whole", .len = 5};
        rsw_storage_write(storage, &write, 1);
        assert_true(write.answer == RSW_FOUND || write.errnum == EEXIST);
    }
    return NULL;
}

static void of_two_writers_one_wins_and_the_file_is_whole(void **state) {
    struct rsw_storage *s = *state;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, write_many, s), 0);
    write_many(s);
    assert_int_equal(pthread_join(other, NULL), 0);
    for (int i = 0; i < 100; i++) {
        char key[64];
        snprintf(key, sizeof key, "race/%d/link", i);
        expect_text(s, key, "whole");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int contract_run(const struct contract_backend *over) {
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_is_none_fails_in_every_call_and_alone),
        TEST(a_look_tells_size_and_time_or_that_nothing_is_there),
        TEST(many_looks_at_once_say_what_each_alone_does),
        TEST(nothing_is_below_a_file),
        TEST(a_read_brings_the_whole_file),
        TEST(a_file_that_is_too_long_fails_but_shows_its_head),
        TEST(a_directory_is_neither_read_nor_removed),
        TEST(a_removal_takes_one_file_and_may_be_repeated),
        TEST(of_two_removals_of_one_key_in_one_call_one_finds_it),
        TEST(pruning_takes_what_is_empty_and_keeps_what_is_not),
        TEST(one_directory_is_removed_only_when_it_is_empty),
        TEST(the_root_is_never_pruned_away),
        TEST(a_move_takes_a_file_to_a_new_place_with_its_time),
        TEST(a_move_to_a_place_that_is_taken_leaves_both),
        TEST(a_copy_is_a_second_file_with_the_same_bytes_and_time),
        TEST(a_copy_to_a_place_that_is_taken_leaves_both),
        TEST(a_write_makes_a_file_and_replaces_none),
        TEST(a_survey_tells_of_folders_where_there_are_some),
        TEST(of_two_writers_one_wins_and_the_file_is_whole),
        TEST(a_listing_shows_what_is_below_its_prefix_and_nothing_else),
        TEST(a_listing_can_be_of_names_that_begin_alike),
        TEST(an_empty_root_lists_as_found_and_empty),
        TEST(a_listing_brings_contents_that_are_small_enough),
        TEST(a_long_listing_comes_in_pages_with_every_file_once),
        TEST(the_caller_can_end_a_listing),
        TEST(a_caller_that_ends_a_listing_without_a_word_gets_one),
        TEST(every_directory_below_the_prefix_is_asked_for_once),
        TEST(a_directory_can_be_passed_over),
        TEST(a_probe_reports_the_one_file_without_listing),
        TEST(storage_can_be_used_while_a_page_is_handed_over),
        TEST(listings_see_all_that_stays_while_others_remove),
    };
    backend = over;
    return cmocka_run_group_tests_name(over->name, tests, NULL, NULL);
}
