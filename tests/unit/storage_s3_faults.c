/* A store that is overburdened, cuts short, repeats itself, or says one thing and means another. */
#include "s3_mock.h"

#include "storage/s3.h"

#include "util/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_FOUND                                                                                           \
    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 0-0/7\r\n"                    \
    "Last-Modified: Sat, 28 Nov 2026 02:20:41 GMT\r\n\r\ns"
#define KEY(name)                                                                                            \
    "<Contents><Key>root/" name "</Key><Size>7</Size><LastModified>2026-11-28T02:20:41.250Z</LastModified>"  \
    "</Contents>"
#define LIST(more, keys)                                                                                     \
    OK("<ListBucketResult><EncodingType>url</EncodingType>" more keys "</ListBucketResult>")
#define MORE "<IsTruncated>true</IsTruncated><NextContinuationToken>there+1</NextContinuationToken>"

/* ---- asking again ---- */

static void a_store_that_is_overburdened_is_asked_again(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, SLOW_DOWN, SLOW_DOWN, LOOK_FOUND);
    struct rsw_look look = help_look(mock->storage, "a/link");
    assert_int_equal(look.answer, RSW_FOUND);
    assert_int_equal(look.size, 7);
    assert_int_equal(look.mtime_ms, INT64_C(1795832441000));
    assert_int_equal(mock->count, 3);
}

static void but_not_for_ever(void **state) {
    struct s3_mock *mock = *state;
    char text[256];
    int errnum;
    SCRIPT(mock, SLOW_DOWN);
    assert_int_equal(help_look(mock->storage, "a/link").answer, RSW_FAILED);
    assert_int_equal(mock->count, 3);
    assert_int_equal(help_read(mock->storage, "a/link", text, &errnum), RSW_FAILED);
    assert_int_equal(errnum, EAGAIN);
    assert_int_equal(mock->count, 6);
    assert_int_equal(help_remove(mock->storage, "a/link", &errnum), RSW_FAILED);
    struct seen seen = {.count = 0};
    assert_int_equal(help_list(&seen, mock->storage, "a", 0), RSW_FAILED);
    assert_non_null(strstr(seen.err.message, "SlowDown: for a reason"));
}

static void a_connection_that_breaks_is_tried_again(void **state) {
    struct s3_mock *mock = *state;
    char text[256];
    SCRIPT(mock, "", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nsha", OK("sha256:ab"));
    assert_int_equal(help_read(mock->storage, "a/link", text, NULL), RSW_FOUND);
    assert_string_equal(text, "sha256:ab");
    assert_int_equal(mock->count, 3);
}

static void what_no_other_try_changes_is_asked_once(void **state) {
    struct s3_mock *mock = *state;
    char text[256];
    int errnum;
    SCRIPT(mock, ANSWER("403 Forbidden", ERROR("AccessDenied")));
    assert_int_equal(help_read(mock->storage, "a/link", text, &errnum), RSW_FAILED);
    assert_int_equal(errnum, EACCES);
    assert_int_equal(mock->count, 1);
}

/* ---- absent, or not ---- */

static void only_the_store_itself_says_that_a_key_is_absent(void **state) {
    struct s3_mock *mock = *state;
    static const struct {
        const char *body;
        int answer;
    } cases[] = {{ANSWER("404 Not Found", ERROR("NoSuchKey")), RSW_ABSENT},
                 {ANSWER("404 Not Found", ERROR("NoSuchBucket")), RSW_FAILED},
                 {ANSWER("404 Not Found", "<html>not here</html>"), RSW_FAILED},
                 {ANSWER("404 Not Found", "<Error><Code>NoSuchKey</Code>"), RSW_FAILED},
                 {ANSWER("404 Not Found", ""), RSW_FAILED},
                 {ANSWER("403 Forbidden", ERROR("AccessDenied")), RSW_FAILED},
                 {ANSWER("301 Moved", ERROR("PermanentRedirect")), RSW_FAILED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        const char *const read[] = {cases[i].body, NULL};
        s3_mock_answers(mock, read);
        assert_int_equal(help_look(mock->storage, "a/link").answer, cases[i].answer);
        assert_int_equal(help_read(mock->storage, "a/link", text, NULL), cases[i].answer);
    }
}

static void an_empty_object_is_there(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, ANSWER("416 Range Not Satisfiable", ERROR("InvalidRange")),
           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    struct rsw_look look = help_look(mock->storage, "a/link");
    assert_int_equal(look.answer, RSW_FOUND);
    assert_int_equal(look.size, 0);
    s3_mock_asked(mock, 0, "GET /bucket/root/a/link HTTP");
    s3_mock_asked(mock, 1, "HEAD /bucket/root/a/link HTTP");
}

static void a_store_without_ranges_is_looked_at_too(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nsha256:ab");
    struct rsw_look look = help_look(mock->storage, "a/link");
    assert_int_equal(look.answer, RSW_FOUND);
    assert_int_equal(look.size, 9);
}

/* ---- lists ---- */

static int list_all(struct s3_mock *mock, struct seen *seen) {
    return help_list(seen, mock->storage, "d", 0);
}

static void a_page_that_is_cut_short_is_asked_for_again_and_told_once(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST(MORE, KEY("d/1") KEY("d/2")), OK("<ListBucketResult>" LAST KEY("d/3")),
           LIST(LAST, KEY("d/3") KEY("d/%34+x")));
    struct seen seen = {.count = 0};
    assert_int_equal(list_all(mock, &seen), RSW_FOUND);
    assert_int_equal(seen.count, 4);
    assert_non_null(help_find(&seen, "d/3"));
    assert_non_null(help_find(&seen, "d/4 x"));
    assert_int_equal(help_find(&seen, "d/1")->mtime_ms, INT64_C(1795832441250));
    s3_mock_asked(mock, 0,
                  "GET /bucket/?encoding-type=url&list-type=2&max-keys=1000&prefix=root%2Fd%2F HTTP");
    s3_mock_asked(mock, 1, "?continuation-token=there%2B1&encoding-type=url&");
    s3_mock_asked(mock, 2, "?continuation-token=there%2B1&encoding-type=url&");
    help_forget(&seen);
}

static void a_list_that_is_not_whole_fails(void **state) {
    struct s3_mock *mock = *state;
    static const char *const bad[] = {
        LIST("", KEY("d/1")),                                                  /* goes on, or not? */
        LIST("<IsTruncated>true</IsTruncated>", KEY("d/1")),                   /* but where? */
        LIST(LAST "<KeyCount>2</KeyCount>", KEY("d/1")),                       /* one is missing */
        LIST(MORE, KEY("d/1")),                                                /* again and again */
        LIST(LAST, KEY("d/2") KEY("d/1")),                                     /* goes back */
        LIST(LAST, KEY("e/1")),                                                /* of another prefix */
        LIST(LAST, KEY("d/%zz")),                                              /* not encoded */
        LIST(LAST, "<Contents><Key>root/d/1</Key></Contents>"),                /* without a size */
        LIST(LAST, "<Contents><Key>root/d/1</Key><Size>-1</Size></Contents>"), /* an odd one */
        OK("<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>" LAST "</ListBucketResult>"),
        OK("<html>Welcome</html>"),
        OK(""),
        OK(ERROR("InternalError")),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const script[] = {bad[i], NULL};
        struct seen seen = {.count = 0};
        s3_mock_answers(mock, script);
        if (list_all(mock, &seen) != RSW_FAILED) {
            fail_msg("taken for a list: %s", bad[i]);
        }
        assert_true(mock->count <= 3);
        help_forget(&seen);
    }
}

static void a_folder_that_is_passed_over_is_not_listed(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST(MORE, KEY("d/a/1") KEY("d/b/1") KEY("d/b/2")), LIST(LAST, KEY("d/c/1")));
    struct seen seen = {.skip = "d/b"};
    assert_int_equal(list_all(mock, &seen), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    s3_mock_asked(
        mock, 1,
        "?encoding-type=url&list-type=2&max-keys=1000&prefix=root%2Fd%2F&start-after=root%2Fd%2Fb0 ");
    help_forget(&seen);
}

static void marks_of_folders_are_no_files_and_odd_keys_are_told(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LIST(LAST, KEY("d/") KEY("d/a//b") KEY("d/a/1")));
    struct seen seen = {.count = 0};
    assert_int_equal(list_all(mock, &seen), RSW_FOUND);
    assert_int_equal(seen.count, 2);
    assert_int_equal(help_find(&seen, "d/a//b")->kind, RSW_ENTRY_OTHER);
    help_forget(&seen);
}

/* ---- removals ---- */

#define DELETED(keys) OK("<DeleteResult>" keys "</DeleteResult>")
#define GONE(name) "<Deleted><Key>root/" name "</Key></Deleted>"
#define STAYS(name, code) "<Error><Key>root/" name "</Key><Code>" code "</Code></Error>"

static void each_key_of_a_removal_has_its_own_answer(void **state) {
    struct s3_mock *mock = *state;
    rsw_s3_set_patience(mock->storage, 4, 1, RSW_REMOVAL_SENT_MS);
    SCRIPT(mock, OK(ERROR("InternalError")),
           DELETED(GONE("a") STAYS("b", "AccessDenied") STAYS("c", "SlowDown") STAYS("e&amp;", "NoSuchKey")),
           DELETED(GONE("c")), DELETED(GONE("d")));
    struct rsw_removal removals[] = {{.key = "d"}, {.key = "c"},  {.key = "b"},
                                     {.key = "a"}, {.key = "e&"}, {.key = "f\n"}};
    rsw_storage_remove(mock->storage, removals, 6);
    assert_int_equal(removals[0].answer, RSW_FOUND); /* nobody named it at first */
    assert_int_equal(removals[1].answer, RSW_FOUND);
    assert_int_equal(removals[2].answer, RSW_FAILED);
    assert_int_equal(removals[2].errnum, EACCES);
    assert_int_equal(removals[3].answer, RSW_FOUND);
    assert_int_equal(removals[4].answer, RSW_ABSENT);
    assert_int_equal(removals[5].errnum, EINVAL);
    assert_int_equal(mock->count, 4);
    s3_mock_asked(mock, 1, "POST /bucket/?delete= HTTP");
    s3_mock_asked(mock, 1, "<Object><Key>root/e&amp;</Key></Object></Delete>");
    s3_mock_asked(
        mock, 2,
        "<Quiet>false</Quiet><Object><Key>root/c</Key></Object><Object><Key>root/d</Key></Object></Delete>");
}

static void what_the_answer_does_not_name_is_not_taken_for_removed(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, DELETED(GONE("other")));
    int errnum;
    assert_int_equal(help_remove(mock->storage, "a", &errnum), RSW_FAILED);
    assert_int_equal(errnum, EIO);
    assert_int_equal(mock->count, 3);
}

static void a_removal_that_got_no_answer_at_first_may_come_late(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_removal removal = {.key = "a"};
    SCRIPT(mock, "", DELETED(GONE("a")));
    rsw_storage_remove(mock->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FOUND);
    assert_true(removal.late);
    static const char *const definite[] = {SLOW_DOWN, DELETED(STAYS("a", "SlowDown")), DELETED(GONE("a")),
                                           NULL};
    s3_mock_answers(mock, definite);
    rsw_storage_remove(mock->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FOUND);
    assert_int_equal(mock->count, 3);
    assert_false(removal.late);
}

#define FREE ANSWER("404 Not Found", ERROR("NoSuchKey"))

static void a_store_that_is_overburdened_is_asked_for_fewer_at_once(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_removal removals[600];
    char keys[600][8];
    for (size_t i = 0; i < 600; i++) {
        snprintf(keys[i], sizeof keys[i], "%zu", i);
        removals[i] = (struct rsw_removal){.key = keys[i]};
    }
    SCRIPT(mock, SLOW_DOWN);
    rsw_storage_remove(mock->storage, removals, 600);
    assert_int_equal(removals[0].answer, RSW_FAILED);
    assert_int_equal(mock->count, 1 + 2 + 3); /* of 600, of 500, of 250 keys */
}

/* Somebody else may have the lease by then. */
static void a_removal_is_not_sent_again_for_long(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_removal removal = {.key = "a"};
    rsw_s3_set_patience(mock->storage, 10000, 10, 200);
    SCRIPT(mock, "");
    int64_t began_ms = rsw_monotonic_ms();
    rsw_storage_remove(mock->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FAILED);
    assert_true(removal.late);
    assert_true(rsw_monotonic_ms() - began_ms < 20000); /* ten thousand tries take minutes */
    SCRIPT(mock, DELETED(STAYS("a", "SlowDown")));
    rsw_storage_remove(mock->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FAILED);
    assert_true(mock->count > 1 && mock->count < 1000);
}

/* Where the store knows no condition, nothing else keeps a second try from what another has written. */
static void a_write_that_got_no_answer_is_looked_at_before_it_is_tried_again(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_write write = {.key = "a", .bytes = "ours", .len = 4};
    SCRIPT(mock, FREE, SLOW_DOWN, OK(""));
    rsw_storage_write(mock->storage, &write, 1);
    assert_int_equal(write.answer, RSW_FAILED);
    assert_int_equal(write.errnum, EEXIST);
    assert_int_equal(mock->count, 3);
    s3_mock_asked(mock, 1, "PUT ");
    SCRIPT(mock, FREE, SLOW_DOWN, FREE, OK(""));
    rsw_storage_write(mock->storage, &write, 1);
    assert_int_equal(write.answer, RSW_FOUND);
    assert_int_equal(mock->count, 4);
}

/* ---- copies ---- */

#define PART(range, body)                                                                                    \
    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes " range "\r\n\r\n" body

static struct rsw_move copy_one(struct s3_mock *mock) {
    struct rsw_move copy = {.from = "a", .to = "b"};
    rsw_storage_copy(mock->storage, &copy, 1);
    return copy;
}

static void a_copy_that_fails_after_its_200_failed(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, PART("0-4095/9000", "beginning"), FREE, OK(ERROR("InternalError")));
    struct rsw_move move = {.from = "a", .to = "b"};
    rsw_storage_move(mock->storage, &move, 1);
    assert_int_equal(move.answer, RSW_FAILED);
    assert_int_equal(mock->count, 5); /* the last three are one copy; nothing was removed */
    s3_mock_asked(mock, 4, "PUT /bucket/root/b HTTP");
    s3_mock_asked(mock, 4, "x-amz-copy-source: /bucket/root/a");
}

static void a_small_copy_overwrites_nothing_and_is_for_the_buckets_owner(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, PART("0-8/9", "sha256:ab"), FREE, OK(""));
    assert_int_equal(copy_one(mock).answer, RSW_FOUND);
    assert_int_equal(mock->count, 3);
    s3_mock_asked(mock, 2, "PUT /bucket/root/b HTTP");
    s3_mock_asked(mock, 2, "If-None-Match: *");
    s3_mock_asked(mock, 2, "x-amz-acl: bucket-owner-full-control");
    s3_mock_asked(mock, 2, "\r\n\r\nsha256:ab");
    static const char *const taken[] = {PART("0-8/9", "sha256:ab"), FREE,
                                        ANSWER("412 Precondition Failed", ERROR("PreconditionFailed")), NULL};
    s3_mock_answers(mock, taken); /* by somebody who came in between */
    assert_int_equal(copy_one(mock).errnum, EEXIST);
    static const char *const there[] = {PART("0-8/9", "sha256:ab"), PART("0-0/9", "s"), NULL};
    s3_mock_answers(mock, there);
    assert_int_equal(copy_one(mock).errnum, EEXIST);
    assert_int_equal(mock->count, 2);
    static const char *const empty[] = {ANSWER("416 Range", ERROR("InvalidRange")), FREE, OK(""), NULL};
    s3_mock_answers(mock, empty);
    assert_int_equal(copy_one(mock).answer, RSW_FOUND);
    s3_mock_asked(mock, 2, "PUT /bucket/root/b HTTP");
    static const char *const cut[] = {PART("0-8/9", "sha2"), FREE, OK(""), NULL};
    s3_mock_answers(mock, cut);
    assert_int_equal(copy_one(mock).answer, RSW_FAILED);
}

/* A store may know no condition: what a client has written since the first try is not written over. */
static void a_small_copy_is_looked_at_before_it_is_tried_again(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, PART("0-8/9", "sha256:ab"), FREE, SLOW_DOWN, PART("0-0/9", "s"), OK(""));
    assert_int_equal(copy_one(mock).errnum, EEXIST);
    assert_int_equal(mock->count, 4);
    SCRIPT(mock, PART("0-8/9", "sha256:ab"), FREE, SLOW_DOWN, FREE, OK(""));
    assert_int_equal(copy_one(mock).answer, RSW_FOUND);
    assert_int_equal(mock->count, 5);
    SCRIPT(mock, PART("0-8/9", "sha256:ab"), FREE, SLOW_DOWN, FREE, SLOW_DOWN, FREE, SLOW_DOWN, OK(""));
    assert_int_equal(copy_one(mock).errnum, EAGAIN);
    assert_int_equal(mock->count, 7);
}

static void where_nothing_can_be_said_of_owners_it_is_left_out(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, PART("0-8/9", "sha256:ab"), FREE, ANSWER("403 Forbidden", ERROR("AccessDenied")), OK(""));
    assert_int_equal(copy_one(mock).answer, RSW_FOUND);
    assert_int_equal(mock->count, 4);
    assert_null(strstr(mock->notes[3], "x-amz-acl"));
    static const char *const again[] = {PART("0-8/9", "sha256:ab"), FREE, OK(""), NULL};
    s3_mock_answers(mock, again);
    assert_int_equal(copy_one(mock).answer, RSW_FOUND);
    assert_null(strstr(mock->notes[2], "x-amz-acl"));
}

/* The number of the request that has both in it. */
static size_t asked_for(const struct s3_mock *mock, const char *one, const char *other) {
    for (size_t i = 0; i < mock->count; i++) {
        if (strstr(mock->notes[i], one) != NULL && strstr(mock->notes[i], other) != NULL) {
            return i;
        }
    }
    fail_msg("nobody asked for %s with %s", one, other);
    return 0;
}

#define BEGUN OK("<InitiateMultipartUploadResult><UploadId>up+1</UploadId></InitiateMultipartUploadResult>")
#define COPIED OK("<CopyPartResult><ETag>\"e\"</ETag></CopyPartResult>")
#define JOINED OK("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")

static void copy_in_parts(struct s3_mock *mock) {
    struct rsw_s3 *s3 = (struct rsw_s3 *)mock->storage;
    s3->copy_max = 9999;
    s3->part_size = 4000;
}

static void what_is_too_large_for_one_copy_is_copied_in_parts(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, PART("0-4095/10000", "beginning"), FREE, BEGUN, COPIED, COPIED, COPIED, JOINED);
    copy_in_parts(mock);
    assert_int_equal(copy_one(mock).answer, RSW_FOUND);
    assert_int_equal(mock->count, 7);
    s3_mock_asked(mock, 2, "POST /bucket/root/b?uploads= HTTP");
    s3_mock_asked(mock, 2, "x-amz-acl: bucket-owner-full-control");
    asked_for(mock, "PUT /bucket/root/b?partNumber=1&uploadId=up%2B1 HTTP", "source-range: bytes=0-3999");
    asked_for(mock, "PUT /bucket/root/b?partNumber=2&uploadId=up%2B1 HTTP", "source-range: bytes=4000-7999");
    asked_for(mock, "PUT /bucket/root/b?partNumber=3&uploadId=up%2B1 HTTP", "source-range: bytes=8000-9999");
    s3_mock_asked(mock, 6, "POST /bucket/root/b?uploadId=up%2B1 HTTP");
    s3_mock_asked(mock, 6, "<Part><PartNumber>3</PartNumber><ETag>\"e\"</ETag></Part></Complete");
}

static void a_copy_in_parts_that_fails_is_called_off(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, PART("0-4095/10000", "beginning"), FREE, BEGUN, COPIED, COPIED,
           ANSWER("403 Forbidden", ERROR("AccessDenied")), ANSWER("204 No Content", ""));
    copy_in_parts(mock);
    assert_int_equal(copy_one(mock).errnum, EACCES);
    assert_int_equal(mock->count, 7);
    s3_mock_asked(mock, 6, "DELETE /bucket/root/b?uploadId=up%2B1 HTTP");
}

/* ---- habits ---- */

struct heard {
    char text[512];
};

static void hear(void *arg, const struct rsw_store_rule *rule) {
    struct heard *heard = arg;
    size_t len = strlen(heard->text);
    snprintf(heard->text + len, sizeof heard->text - len, "%s of '%s':%s%s%s%s %s\n", rule->name,
             rule->prefix, rule->deletes ? " deletes" : "", rule->moves ? " moves" : "",
             rule->old_versions ? " old" : "", rule->old_moves ? " moves old" : "", rule->archive);
}

#define RULE(id, status, rest) "<Rule><ID>" id "</ID><Status>" status "</Status>" rest "</Rule>"
#define PREFIX(text) "<Filter><Prefix>" text "</Prefix></Filter>"

static void what_a_bucket_does_by_itself_is_told(void **state) {
    struct s3_mock *mock = *state;
    struct heard heard = {""};
    struct rsw_store_habits habits = {.rule = hear, .arg = &heard};
    SCRIPT(
        mock, OK("<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"),
        ANSWER("404 Not Found", ERROR("ObjectLockConfigurationNotFoundError")),
        OK("<LifecycleConfiguration>" RULE(
            "all", "Enabled",
            PREFIX("") "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>"
                       "</NoncurrentVersionExpiration>") RULE("own", "Enabled",
                                                              PREFIX("root/regsweep/") "<Expiration><Days>1</"
                                                                                       "Days></Expiration>")
               RULE("cold", "Enabled",
                    "<Prefix>ro</Prefix><Transition><Days>9</Days><StorageClass>STANDARD_IA</StorageClass></"
                    "Transition>") RULE("ice", "Enabled",
                                        "<Prefix>root/docker/</Prefix><Transition><Days>9</"
                                        "Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>")
                   RULE("late", "Enabled",
                        "<Prefix>root/</Prefix><NoncurrentVersionTransition>"
                        "<NoncurrentDays>9</NoncurrentDays></NoncurrentVersionTransition>")
                       RULE("other", "Enabled", PREFIX("rooms/") "<Expiration><Days>1</Days></Expiration>")
                           RULE("off", "Disabled", PREFIX("") "<Expiration><Days>1</Days></Expiration>")
                               RULE("tagged", "Enabled",
                                    "<Filter><Tag><Key>a</Key></Tag></Filter><Expiration><Days>1</Days>"
                                    "</Expiration>") "</LifecycleConfiguration>"));
    rsw_storage_habits(mock->storage, &habits);
    assert_int_equal(habits.versions, RSW_FOUND);
    assert_int_equal(habits.lock, RSW_ABSENT);
    assert_int_equal(habits.rules, RSW_FOUND);
    assert_string_equal(heard.text, "all of '': old \nown of 'regsweep/': deletes \ncold of '': moves \n"
                                    "ice of 'docker/': moves DEEP_ARCHIVE\nlate of '': moves old \n");
    s3_mock_asked(mock, 0, "GET /bucket/?versioning= HTTP");
    s3_mock_asked(mock, 1, "GET /bucket/?object-lock= HTTP");
    s3_mock_asked(mock, 2, "GET /bucket/?lifecycle= HTTP");
}

static void what_a_bucket_does_not_tell_is_not_taken_for_nothing(void **state) {
    struct s3_mock *mock = *state;
    struct heard heard = {""};
    struct rsw_store_habits habits = {.rule = hear, .arg = &heard};
    SCRIPT(mock, ANSWER("403 Forbidden", ERROR("AccessDenied")));
    rsw_storage_habits(mock->storage, &habits);
    assert_int_equal(habits.versions, RSW_FAILED);
    assert_int_equal(habits.lock, RSW_FAILED);
    assert_int_equal(habits.rules, RSW_FAILED);
}

/* ---- uploads in parts ---- */

#define UPLOAD(key, id, begun)                                                                               \
    "<Upload><Key>root/" key "</Key><UploadId>" id "</UploadId><Owner><ID>x</ID></Owner><Initiated>" begun   \
    "</Initiated></Upload>"
#define UPLOADS(rest) OK("<ListMultipartUploadsResult>" rest "</ListMultipartUploadsResult>")

static bool is_wanted(void *arg, const char *key, int64_t begun_ms) {
    (void)arg;
    return strstr(key, "old") != NULL && begun_ms == INT64_C(1795832441250);
}

static void what_nobody_finished_is_called_off_page_by_page(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_unfinished unfinished = {.prefix = "", .wanted = is_wanted};
    SCRIPT(
        mock,
        UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker>root/old b</NextKeyMarker>"
                "<NextUploadIdMarker>i+2</NextUploadIdMarker>" UPLOAD("new", "i1", "2026-11-28T02:20:41.250Z")
                    UPLOAD("old b", "i+2", "2026-11-28T02:20:41.250Z")),
        ANSWER("204 No Content", ""),
        UPLOADS(LAST UPLOAD("old c", "i3", "2026-11-28T02:20:41.250Z")
                    UPLOAD("old d", "i4", "2026-11-28T02:20:41.251Z")),
        ANSWER("404 Not Found", ERROR("NoSuchUpload")));
    assert_int_equal(rsw_storage_call_off(mock->storage, &unfinished, &err), 0);
    assert_int_equal(unfinished.called_off, 2);
    assert_int_equal(unfinished.failed, 0);
    assert_int_equal(mock->count, 4);
    s3_mock_asked(mock, 0, "GET /bucket/?prefix=root%2F&uploads= HTTP");
    s3_mock_asked(mock, 1, "DELETE /bucket/root/old%20b?uploadId=i%2B2 HTTP");
    s3_mock_asked(
        mock, 2,
        "GET /bucket/?key-marker=root%2Fold%20b&prefix=root%2F&upload-id-marker=i%2B2&uploads= HTTP");
    s3_mock_asked(mock, 3, "DELETE /bucket/root/old%20c?uploadId=i3 HTTP");
}

static void a_page_of_uploads_that_comes_again_ends_the_list(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_unfinished unfinished = {.prefix = "", .wanted = is_wanted};
    SCRIPT(mock, UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker>root/new</NextKeyMarker>"
                         "<NextUploadIdMarker>i1</NextUploadIdMarker>" UPLOAD("new", "i1",
                                                                              "2026-11-28T02:20:41.250Z")));
    assert_int_equal(rsw_storage_call_off(mock->storage, &unfinished, &err), -1);
    assert_int_equal(mock->count, 2);
    assert_non_null(strstr(err.message, "does not say where the list goes on"));
}

static void what_is_half_told_of_is_not_called_off(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_unfinished unfinished = {.prefix = "", .wanted = is_wanted};
    SCRIPT(mock, OK("<ListMultipartUploadsResult>" UPLOAD("old", "i1", "2026-11-28T02:20:41.250Z")));
    assert_int_equal(rsw_storage_call_off(mock->storage, &unfinished, &err), -1);
    assert_int_equal(mock->count, 1);
}

/* ---- secrets ---- */

static void requests_are_signed_and_no_message_holds_a_secret(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, ANSWER("403 Forbidden", ERROR("SignatureDoesNotMatch")));
    struct seen seen = {.count = 0};
    assert_int_equal(list_all(mock, &seen), RSW_FAILED);
    s3_mock_asked(mock, 0, "Authorization: AWS4-HMAC-SHA256 Credential=access/");
    s3_mock_asked(mock, 0,
                  "/eu-test-1/s3/aws4_request, "
                  "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token");
    s3_mock_asked(mock, 0, "x-amz-security-token: token-of-the-mock");
    assert_null(strstr(mock->notes[0], S3_MOCK_SECRET));
    assert_non_null(strstr(seen.err.message, "SignatureDoesNotMatch"));
    assert_null(strstr(seen.err.message, S3_MOCK_SECRET));
    assert_null(strstr(seen.err.message, "token-of-the-mock"));
}

/* ---- cost and clocks ---- */

static void each_try_is_counted_by_its_kind(void **state) {
    struct s3_mock *mock = *state;
    char text[256];
    struct rsw_storage_requests before;
    struct rsw_storage_requests after;
    SCRIPT(mock, SLOW_DOWN, LOOK_FOUND, OK("sha256:ab"), LIST(LAST, KEY("a/link")));
    rsw_storage_asked(mock->storage, &before);
    help_look(mock->storage, "a/link");
    help_read(mock->storage, "a/link", text, NULL);
    struct seen seen = {.count = 0};
    help_list(&seen, mock->storage, "a", 0);
    help_forget(&seen);
    rsw_storage_asked(mock->storage, &after);
    assert_int_equal(after.looks - before.looks, 2);
    assert_int_equal(after.reads - before.reads, 1);
    assert_int_equal(after.lists - before.lists, 1);
    assert_int_equal(rsw_storage_requests_sum(&after) - rsw_storage_requests_sum(&before), 4);
}

static void no_more_are_asked_a_second_than_is_allowed(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_storage *storage = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_s3_options options = {.endpoint = mock->endpoint,
                                           .region = "here",
                                           .access_key = "key",
                                           .secret_key = S3_MOCK_SECRET,
                                           .requests_per_second = 20};
    SCRIPT(mock, LIST(LAST, KEY("a/link")), OK("<VersioningConfiguration/>"), LOOK_FOUND);
    assert_int_equal(rsw_storage_open_s3(&storage, "s3://bucket/root", &options, &err), 0);
    struct rsw_look looks[11];
    for (size_t i = 0; i < 11; i++) {
        looks[i] = (struct rsw_look){.key = "a/link"};
    }
    int64_t began_ms = rsw_monotonic_ms();
    rsw_storage_look(storage, looks, 11);
    /* Two at most were saved up. */
    assert_true(rsw_monotonic_ms() - began_ms >= 400);
    for (size_t i = 0; i < 11; i++) {
        assert_int_equal(looks[i].answer, RSW_FOUND);
    }
    rsw_storage_close(storage);
}

static int open_at(struct s3_mock *mock, int64_t ahead_ms, struct rsw_error *err) {
    static char answer[512];
    static const char *script[] = {answer, NULL};
    char date[64];
    time_t then = (time_t)((rsw_clock_now_ms(NULL) + ahead_ms) / 1000);
    struct tm tm;
    gmtime_r(&then, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nConnection: close\r\nDate: %s\r\n\r\n<ListBucketResult>" LAST
             "</ListBucketResult>",
             date);
    s3_mock_answers(mock, script);
    const struct rsw_s3_options options = {
        .endpoint = mock->endpoint, .region = "here", .access_key = "key", .secret_key = S3_MOCK_SECRET};
    struct rsw_storage *storage = NULL;
    int rc = rsw_storage_open_s3(&storage, "s3://bucket/root", &options, err);
    rsw_storage_close(storage);
    return rc;
}

static void a_store_with_another_clock_is_refused(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(open_at(mock, 0, &err), 0);
    assert_int_equal(open_at(mock, 4 * 60000, &err), 0);
    assert_int_equal(open_at(mock, -4 * 60000, &err), 0);
    assert_int_equal(open_at(mock, 6 * 60000, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "ahead of ours"));
    rsw_error_clear(&err);
    assert_int_equal(open_at(mock, -6 * 60000, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    assert_non_null(strstr(err.message, "behind ours"));
}

static void the_region_of_a_bucket_elsewhere_is_told(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, "HTTP/1.1 301 Moved\r\nConnection: close\r\nx-amz-bucket-region: eu-west-3\r\n\r\n" ERROR(
                     "PermanentRedirect"));
    struct seen seen = {.count = 0};
    assert_int_equal(list_all(mock, &seen), RSW_FAILED);
    assert_non_null(strstr(seen.err.message, "the bucket is in region eu-west-3"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_mock_setup, s3_mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_store_that_is_overburdened_is_asked_again),
        TEST(but_not_for_ever),
        TEST(a_connection_that_breaks_is_tried_again),
        TEST(what_no_other_try_changes_is_asked_once),
        TEST(only_the_store_itself_says_that_a_key_is_absent),
        TEST(an_empty_object_is_there),
        TEST(a_store_without_ranges_is_looked_at_too),
        TEST(a_page_that_is_cut_short_is_asked_for_again_and_told_once),
        TEST(a_list_that_is_not_whole_fails),
        TEST(a_folder_that_is_passed_over_is_not_listed),
        TEST(marks_of_folders_are_no_files_and_odd_keys_are_told),
        TEST(each_key_of_a_removal_has_its_own_answer),
        TEST(what_the_answer_does_not_name_is_not_taken_for_removed),
        TEST(a_removal_that_got_no_answer_at_first_may_come_late),
        TEST(a_store_that_is_overburdened_is_asked_for_fewer_at_once),
        TEST(a_removal_is_not_sent_again_for_long),
        TEST(a_write_that_got_no_answer_is_looked_at_before_it_is_tried_again),
        TEST(a_copy_that_fails_after_its_200_failed),
        TEST(a_small_copy_overwrites_nothing_and_is_for_the_buckets_owner),
        TEST(a_small_copy_is_looked_at_before_it_is_tried_again),
        TEST(where_nothing_can_be_said_of_owners_it_is_left_out),
        TEST(what_is_too_large_for_one_copy_is_copied_in_parts),
        TEST(a_copy_in_parts_that_fails_is_called_off),
        TEST(what_a_bucket_does_by_itself_is_told),
        TEST(what_a_bucket_does_not_tell_is_not_taken_for_nothing),
        TEST(what_nobody_finished_is_called_off_page_by_page),
        TEST(a_page_of_uploads_that_comes_again_ends_the_list),
        TEST(what_is_half_told_of_is_not_called_off),
        TEST(requests_are_signed_and_no_message_holds_a_secret),
        TEST(the_region_of_a_bucket_elsewhere_is_told),
        TEST(each_try_is_counted_by_its_kind),
        TEST(no_more_are_asked_a_second_than_is_allowed),
        TEST(a_store_with_another_clock_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
