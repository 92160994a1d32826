/* A bucket that keeps versions: what is hidden, given back and purged by their ids, whatever the store
 * answers. */
#include "s3_mock.h"

#include "storage/s3.h"

#include <errno.h>
#include <string.h>

#define TIME "<LastModified>2026-11-28T02:20:41.250Z</LastModified>"
#define VERSION(id, latest)                                                                                  \
    "<Version><Key>root/a/data</Key><VersionId>" id "</VersionId><IsLatest>" latest "</IsLatest>" TIME       \
    "<Size>7</Size></Version>"
#define MARKER(id, latest)                                                                                   \
    "<DeleteMarker><Key>root/a/data</Key><VersionId>" id "</VersionId><IsLatest>" latest "</IsLatest>" TIME  \
    "</DeleteMarker>"
#define OF_ANOTHER                                                                                           \
    "<Version><Key>root/a/data.tmp</Key><VersionId>x</VersionId><IsLatest>true</IsLatest>" TIME              \
    "<Size>7</Size></Version>"
#define VERSIONS(rest) OK("<ListVersionsResult>" rest "</ListVersionsResult>")
#define GOES_ON(key, id)                                                                                     \
    "<IsTruncated>true</IsTruncated><NextKeyMarker>" key "</NextKeyMarker><NextVersionIdMarker>" id          \
    "</NextVersionIdMarker>"
#define DELETED(rest) OK("<DeleteResult>" rest "</DeleteResult>")
#define GONE(id) "<Deleted><Key>root/a/data</Key><VersionId>" id "</VersionId></Deleted>"
#define STAYS(id, code)                                                                                      \
    "<Error><Key>root/a/data</Key><VersionId>" id "</VersionId><Code>" code "</Code></Error>"
#define MARKED                                                                                               \
    DELETED("<Deleted><Key>root/a/data</Key><DeleteMarker>true</DeleteMarker>"                               \
            "<DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>")
#define RECORD(key, id)                                                                                      \
    OK("regsweep: the data with this key is out of sight, as an older version of the bucket's\nkey: " key    \
       "\nversion: " id "\nsize: 7\n")
#define RECORDED RECORD("a/data", "v1")
#define NO_SUCH_KEY ANSWER("404 Not Found", ERROR("NoSuchKey"))

/* What is left of the record, deleted. */
#define RECORD_GOES                                                                                          \
    VERSIONS(LAST "<Version><Key>root/q/version</Key><VersionId>r</VersionId><IsLatest>true</IsLatest>" TIME \
                  "<Size>7</Size></Version>"),                                                               \
        DELETED("<Deleted><Key>root/q/version</Key><VersionId>r</VersionId></Deleted>")

typedef void call_fn(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);

static struct rsw_hiding ask(struct s3_mock *mock, call_fn *call) {
    struct rsw_hiding hiding = {.key = "a/data", .record = "q/version"};
    mock->storage->versions = true;
    call(mock->storage, &hiding, 1);
    return hiding;
}

static void asked_not(const struct s3_mock *mock, const char *text) {
    for (size_t i = 0; i < mock->count; i++) {
        if (strstr(mock->notes[i], text) != NULL) {
            fail_msg("\"%s\" in: %s", text, mock->notes[i]);
        }
    }
}

/* ---- opening ---- */

#define LISTED OK("<ListBucketResult>" LAST "</ListBucketResult>")

/* Taken for one that keeps none it would be swept by copies, and nothing that goes would be freed. */
static void where_nobody_knows_whether_a_bucket_keeps_versions_it_is_not_opened(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_storage *storage = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_s3_options options = {
        .endpoint = mock->endpoint, .region = "here", .access_key = "key", .secret_key = S3_MOCK_SECRET};
    SCRIPT(mock, LISTED, OK("<VersioningConfiguration><Status>Enab"));
    assert_int_equal(rsw_storage_open_s3(&storage, "s3://bucket/root", &options, &err), -1);
    assert_null(storage);
    assert_non_null(strstr(err.message, "versions"));
    rsw_error_clear(&err);
    SCRIPT(mock, SLOW_DOWN);
    assert_int_equal(rsw_s3_ask_versions((struct rsw_s3 *)mock->storage, &err), -1);
    assert_int_equal(mock->count, 3);
    assert_non_null(strstr(err.message, "versions"));
    rsw_error_clear(&err);
    SCRIPT(mock, "");
    assert_int_equal(rsw_s3_ask_versions((struct rsw_s3 *)mock->storage, &err), -1);
    assert_false(mock->storage->versions);
}

static struct rsw_storage *open_it(struct s3_mock *mock) {
    struct rsw_storage *storage = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_s3_options options = {
        .endpoint = mock->endpoint, .region = "here", .access_key = "key", .secret_key = S3_MOCK_SECRET};
    if (rsw_storage_open_s3(&storage, "s3://bucket/root", &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return storage;
}

#define STATUS(text) OK("<VersioningConfiguration>" text "</VersioningConfiguration>")
#define ENABLED STATUS("<Status>Enabled</Status>")
#define NO_LOCK ANSWER("404 Not Found", ERROR("ObjectLockConfigurationNotFoundError"))
#define DENIED ANSWER("403 Forbidden", ERROR("AccessDenied"))
#define DONE ANSWER("204 No Content", "")
#define LOCK OK("<ObjectLockConfiguration><Mode>GOVERNANCE</Mode></ObjectLockConfiguration>")
#define NO_RULES ANSWER("404 Not Found", ERROR("NoSuchLifecycleConfiguration"))
#define RULE(prefix)                                                                                         \
    OK("<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Prefix>" prefix                     \
       "</Prefix><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></"                          \
       "NoncurrentVersionExpiration>"                                                                        \
       "</Rule></LifecycleConfiguration>")

#define MOVING_RULE(prefix)                                                                                  \
    OK("<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Prefix>" prefix                     \
       "</Prefix><NoncurrentVersionTransition><NoncurrentDays>3</NoncurrentDays><StorageClass>GLACIER"       \
       "</StorageClass></NoncurrentVersionTransition></Rule></LifecycleConfiguration>")

static void versions_are_gone_by_only_where_they_are_kept_and_we_may(void **state) {
    struct s3_mock *mock = *state;
    static const struct {
        const char *const script[7];
        bool versions;
        bool remark;
    } cases[] = {
        {{LISTED, ENABLED, NO_RULES, NO_LOCK, VERSIONS(LAST), DONE, NULL}, true, false},
        {{LISTED, ENABLED, NO_RULES, DENIED, VERSIONS(LAST), DONE, NULL}, true, false},
        {{LISTED, ENABLED, RULE("other/"), NO_LOCK, VERSIONS(LAST), DONE, NULL}, true, false},
        {{LISTED, ENABLED, RULE("root/"), NO_LOCK, VERSIONS(LAST), DONE, NULL}, false, false},
        {{LISTED, ENABLED, RULE("root/docker/registry/v2/blobs/sha256"), NO_LOCK, VERSIONS(LAST), DONE, NULL},
         false,
         false},
        {{LISTED, ENABLED, MOVING_RULE("other/"), NO_LOCK, VERSIONS(LAST), DONE, NULL}, true, false},
        {{LISTED, ENABLED, MOVING_RULE("root/"), NO_LOCK, VERSIONS(LAST), DONE, NULL}, false, true},
        {{LISTED, ENABLED, DENIED, NO_LOCK, VERSIONS(LAST), DONE, NULL}, false, true},
        {{LISTED, ENABLED, NO_RULES, NO_LOCK, VERSIONS(LAST), DENIED, NULL}, false, true},
        {{LISTED, ENABLED, NO_RULES, NO_LOCK, DENIED, NULL}, false, true},
        {{LISTED, ENABLED, NO_RULES, LOCK, NULL}, false, true},
        {{LISTED, STATUS("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"), NO_RULES, NULL},
         false,
         true},
        {{LISTED, STATUS("<Status>Suspended</Status>"), NULL}, false, false},
        {{LISTED, STATUS(""), NULL}, false, false},
        {{LISTED, DENIED, NULL}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        s3_mock_answers(mock, cases[i].script);
        struct rsw_storage *storage = open_it(mock);
        if (storage->versions != cases[i].versions || (storage->remark != NULL) != cases[i].remark) {
            fail_msg("case %zu: %d, %s", i, storage->versions, storage->remark);
        }
        rsw_storage_close(storage);
    }
}

static void may_be_told_without_deleting_anything(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, LISTED, ENABLED, NO_RULES, NO_LOCK, VERSIONS(LAST), DONE);
    rsw_storage_close(open_it(mock));
    assert_int_equal(mock->count, 6);
    s3_mock_asked(mock, 5, "DELETE /bucket/root/regsweep/nothing?versionId=null HTTP");
}

static void it_is_asked_again_whether_versions_are_kept(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    SCRIPT(mock, ENABLED);
    assert_int_equal(rsw_storage_still_versions(mock->storage, &err), 0);
    SCRIPT(mock, STATUS("<Status>Suspended</Status>"));
    assert_int_equal(rsw_storage_still_versions(mock->storage, &err), -1);
    assert_int_equal(err.code, RSW_EREFUSED);
    rsw_error_clear(&err);
    SCRIPT(mock, SLOW_DOWN);
    assert_int_equal(rsw_storage_still_versions(mock->storage, &err), -1);
    assert_int_equal(err.code, RSW_EIO);
}

/* ---- removing ---- */

static struct rsw_removal remove_it(struct s3_mock *mock) {
    struct rsw_removal removal = {.key = "a/data"};
    mock->storage->versions = true;
    rsw_storage_remove(mock->storage, &removal, 1);
    return removal;
}

static void a_removal_takes_all_versions_the_newest_last(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST VERSION("v2", "true") MARKER("m", "false") VERSION("v1", "false") OF_ANOTHER),
           "", DELETED(GONE("v1") GONE("m")), DELETED(GONE("v2")));
    struct rsw_removal removal = remove_it(mock);
    assert_int_equal(removal.answer, RSW_FOUND);
    assert_false(removal.late); /* it was done: if it comes once more it finds nothing */
    assert_int_equal(mock->count, 4);
    s3_mock_asked(mock, 0, "GET /bucket/?max-keys=1000&prefix=root%2Fa%2Fdata&versions= HTTP");
    s3_mock_asked(mock, 2,
                  "<Object><Key>root/a/data</Key><VersionId>m</VersionId></Object><Object><Key>root/a/"
                  "data</Key><VersionId>v1</VersionId></Object></Delete>");
    s3_mock_asked(mock, 3, "<Object><Key>root/a/data</Key><VersionId>v2</VersionId></Object></Delete>");
}

/* What it names is in place yet, and not written anew by whoever gives it back. */
/* It would say that there is nothing to remove. */
static void a_page_of_versions_for_another_question_is_none(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_removal removal = {.key = "k"};
    mock->storage->versions = true;
    SCRIPT(mock, OK("<ListVersionsResult><Prefix>root/other</Prefix>" LAST "</ListVersionsResult>"));
    rsw_storage_remove(mock->storage, &removal, 1);
    assert_int_equal(removal.answer, RSW_FAILED);
    assert_int_equal(mock->count, 3);
}

static void a_removal_that_nobody_saw_done_may_come_late(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST VERSION("v1", "true")), "");
    struct rsw_removal removal = remove_it(mock);
    assert_int_equal(removal.answer, RSW_FAILED);
    assert_true(removal.late);
    SCRIPT(mock, VERSIONS(LAST VERSION("v1", "true")), DELETED(STAYS("v1", "AccessDenied")));
    removal = remove_it(mock);
    assert_int_equal(removal.answer, RSW_FAILED);
    assert_false(removal.late); /* it was answered */
}

/* Else the older one would be what the registry sees. */
static void the_newest_stays_where_an_older_one_does(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST VERSION("v2", "true") VERSION("v1", "false")),
           DELETED(STAYS("v1", "AccessDenied")));
    struct rsw_removal removal = remove_it(mock);
    assert_int_equal(removal.answer, RSW_FAILED);
    assert_int_equal(removal.errnum, EACCES);
    assert_int_equal(mock->count, 2);
}

static void what_has_only_markers_was_gone(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")), DELETED(GONE("v1")),
           DELETED(STAYS("m", "NoSuchVersion")));
    assert_int_equal(remove_it(mock).answer, RSW_ABSENT);
    SCRIPT(mock, VERSIONS(LAST OF_ANOTHER));
    assert_int_equal(remove_it(mock).answer, RSW_ABSENT);
    assert_int_equal(mock->count, 1);
}

static void versions_are_read_to_the_end_of_their_key(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(GOES_ON("root/a/data", "v+2") VERSION("v3", "true") VERSION("v+2", "false")),
           OK("<ListVersionsResult>"),
           VERSIONS(GOES_ON("root/a/data.tmp", "x") VERSION("v1", "false") OF_ANOTHER),
           DELETED(GONE("v1") GONE("v+2")), DELETED(GONE("v3")));
    assert_int_equal(remove_it(mock).answer, RSW_FOUND);
    assert_int_equal(mock->count, 5);
    s3_mock_asked(mock, 2,
                  "?key-marker=root%2Fa%2Fdata&max-keys=1000&prefix=root%2Fa%2Fdata&version-id-marker=v%2B2&"
                  "versions= HTTP");
}

static void nothing_goes_by_a_list_that_nobody_understands(void **state) {
    struct s3_mock *mock = *state;
    static const char *const bad[] = {
        VERSIONS(VERSION("v1", "true")),                             /* goes on, or not? */
        VERSIONS(LAST VERSION("v2", "false") VERSION("v1", "true")), /* the wrong way round */
        VERSIONS(GOES_ON("", "") VERSION("v1", "true")),             /* but where? */
        VERSIONS(LAST VERSION("", "true")),                          /* which? */
        VERSIONS(LAST "<Version><Key>root/a/data</Key></Version>"),  /* likewise */
        LISTED,
        OK(ERROR("InternalError")),
        SLOW_DOWN,
        DENIED,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const script[] = {bad[i], NULL};
        s3_mock_answers(mock, script);
        if (remove_it(mock).answer != RSW_FAILED) {
            fail_msg("taken for a list: %s", bad[i]);
        }
        assert_int_equal(ask(mock, rsw_storage_show).answer, RSW_FAILED);
        asked_not(mock, "POST ");
    }
}

/* ---- hiding ---- */

static void what_is_there_is_noted_before_it_is_hidden(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST VERSION("v1", "true")), "", DONE);
    assert_int_equal(ask(mock, rsw_storage_note).answer, RSW_FOUND);
    assert_int_equal(mock->count, 3);
    s3_mock_asked(mock, 2, "PUT /bucket/root/q/version HTTP");
    s3_mock_asked(mock, 2, "\nkey: a/data\nversion: v1\nsize: 7\n");
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")));
    assert_int_equal(ask(mock, rsw_storage_note).answer, RSW_ABSENT);
    assert_int_equal(mock->count, 1);
    SCRIPT(mock, VERSIONS(LAST VERSION("v1", "true")), SLOW_DOWN);
    assert_int_equal(ask(mock, rsw_storage_note).answer, RSW_FAILED);
}

static void a_marker_hides_and_one_without_an_answer_may_come_late(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, MARKED, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")));
    struct rsw_hiding hiding = ask(mock, rsw_storage_hide);
    assert_int_equal(hiding.answer, RSW_FOUND);
    assert_false(hiding.late);
    s3_mock_asked(mock, 1, "<Object><Key>root/a/data</Key></Object>");
    SCRIPT(mock, RECORDED, "", MARKED,
           VERSIONS(LAST MARKER("m2", "true") MARKER("m", "false") VERSION("v1", "false")));
    hiding = ask(mock, rsw_storage_hide);
    assert_int_equal(hiding.answer, RSW_FOUND);
    assert_true(hiding.late);
}

static void what_was_pushed_between_note_and_marker_is_put_back_at_once(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, MARKED,
           VERSIONS(LAST MARKER("m", "true") VERSION("v2", "false") VERSION("v1", "false")),
           DELETED(GONE("m")));
    struct rsw_hiding hiding = ask(mock, rsw_storage_hide);
    assert_int_equal(hiding.answer, RSW_FAILED);
    assert_int_equal(hiding.errnum, EAGAIN);
    assert_int_equal(mock->count, 4);
    s3_mock_asked(mock, 3,
                  "<Quiet>false</Quiet><Object><Key>root/a/data</Key><VersionId>m</VersionId></Object></D");
}

static void what_is_pushed_after_the_marker_is_in_place(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, MARKED,
           VERSIONS(LAST VERSION("v2", "true") MARKER("m", "false") VERSION("v1", "false")));
    assert_int_equal(ask(mock, rsw_storage_hide).answer, RSW_FOUND);
    assert_int_equal(mock->count, 3);
}

static void nothing_is_hidden_without_a_record(void **state) {
    struct s3_mock *mock = *state;
    static const char *const bad[] = {
        NO_SUCH_KEY, DENIED, RECORD("b/data", "v1"),         RECORD("a/data", ""),
        OK("sha"),   OK(""), RECORD("a/data-and-more", "v1")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const script[] = {bad[i], VERSIONS(LAST VERSION("v1", "true")), NULL};
        s3_mock_answers(mock, script);
        assert_int_equal(ask(mock, rsw_storage_hide).answer, RSW_FAILED);
        asked_not(mock, "POST ");
    }
}

static void what_nobody_could_look_at_after_the_marker_failed(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, MARKED, SLOW_DOWN);
    assert_int_equal(ask(mock, rsw_storage_hide).answer, RSW_FAILED);
    SCRIPT(mock, RECORDED, DELETED("<Error><Key>root/a/data</Key><Code>AccessDenied</Code></Error>"),
           VERSIONS(LAST VERSION("v1", "true")));
    assert_int_equal(ask(mock, rsw_storage_hide).errnum, EACCES);
}

/* ---- back ---- */

static void every_marker_on_top_goes_when_it_is_shown(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST MARKER("m2", "true") MARKER("m", "false") VERSION("v1", "false")), "",
           DELETED(GONE("m2") GONE("m")));
    struct rsw_hiding hiding = ask(mock, rsw_storage_show);
    assert_int_equal(hiding.answer, RSW_FOUND);
    assert_true(hiding.placed);
    asked_not(mock, "<VersionId>v1<");
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")), DELETED(STAYS("m", "SlowDown")));
    assert_int_equal(ask(mock, rsw_storage_show).answer, RSW_FAILED);
}

static void what_is_in_place_is_not_shown_and_what_is_purged_cannot_be(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, VERSIONS(LAST VERSION("v2", "true") MARKER("m", "false") VERSION("v1", "false")));
    struct rsw_hiding hiding = ask(mock, rsw_storage_show);
    assert_int_equal(hiding.answer, RSW_FOUND);
    assert_false(hiding.placed);
    assert_int_equal(mock->count, 1);
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true")));
    assert_int_equal(ask(mock, rsw_storage_show).answer, RSW_ABSENT);
    SCRIPT(mock, VERSIONS(LAST OF_ANOTHER));
    assert_int_equal(ask(mock, rsw_storage_show).answer, RSW_ABSENT);
}

/* ---- gone for good ---- */

static void what_is_older_goes_first_then_what_was_hidden_its_marker_last(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false") VERSION("v0", "false")),
           DELETED(GONE("v0")), DELETED(GONE("v1")), DELETED(GONE("m")), RECORD_GOES);
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FOUND);
    assert_int_equal(mock->count, 7);
    s3_mock_asked(mock, 2,
                  "<Quiet>false</Quiet><Object><Key>root/a/data</Key><VersionId>v0</VersionId></Object></D");
    s3_mock_asked(mock, 3,
                  "<Quiet>false</Quiet><Object><Key>root/a/data</Key><VersionId>v1</VersionId></Object></D");
}

/* Killed, or failed, wherever: the next run finds what it was about. */
static void a_purge_that_was_cut_short_is_gone_on_with(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false") VERSION("v0", "false")),
           DELETED(STAYS("v0", "AccessDenied")));
    assert_int_equal(ask(mock, rsw_storage_drop).errnum, EACCES);
    assert_int_equal(mock->count, 3);
    SCRIPT(mock, RECORDED, VERSIONS(LAST MARKER("m2", "true") MARKER("m", "false")),
           DELETED(GONE("m2") GONE("m")), RECORD_GOES);
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FOUND);
    s3_mock_asked(mock, 2, "<VersionId>m</VersionId></Object><Object><Key>root/a/data</Key><VersionId>m2<");
}

/* It may be given back meanwhile, and go then. */
static void a_purge_that_nobody_saw_done_may_come_late(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")), "");
    struct rsw_hiding hiding = ask(mock, rsw_storage_drop);
    assert_int_equal(hiding.answer, RSW_FAILED);
    assert_true(hiding.late);
    SCRIPT(mock, RECORDED, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")),
           DELETED(STAYS("v1", "AccessDenied")));
    assert_false(ask(mock, rsw_storage_drop).late);
}

static void what_was_pushed_since_stays(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, VERSIONS(LAST VERSION("v9", "true") MARKER("m", "false") VERSION("v1", "false")),
           DELETED(GONE("v1")), DELETED(GONE("m")), RECORD_GOES);
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FOUND);
    asked_not(mock, "<VersionId>v9<");
    SCRIPT(mock, RECORDED,
           VERSIONS(LAST MARKER("m9", "true") VERSION("v9", "false") MARKER("m", "false")
                        VERSION("v1", "false")),
           DELETED(GONE("v1")), DELETED(GONE("m")), RECORD_GOES);
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FOUND);
    asked_not(mock, "<VersionId>v9<");
    asked_not(mock, "<VersionId>m9<");
}

static void what_is_in_place_again_stays_and_its_record_goes(void **state) {
    struct s3_mock *mock = *state;
    SCRIPT(mock, RECORDED, VERSIONS(LAST VERSION("v1", "true") VERSION("v0", "false")), RECORD_GOES);
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FOUND);
    asked_not(mock, "<VersionId>v");
    SCRIPT(mock, RECORDED, VERSIONS(LAST VERSION("v8", "true")), RECORD_GOES); /* purged before */
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FOUND);
    asked_not(mock, "<VersionId>v");
}

static void a_purge_that_fails_leaves_record_and_marker(void **state) {
    struct s3_mock *mock = *state;
    static const char *const bad[] = {SLOW_DOWN, OK(ERROR("InternalError")),           "",
                                      DENIED,    DELETED(STAYS("v1", "AccessDenied")), DELETED("")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const script[] = {RECORDED, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")),
                                      bad[i], NULL};
        s3_mock_answers(mock, script);
        assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_FAILED);
        asked_not(mock, "<VersionId>m</VersionId>");
        asked_not(mock, "<Key>root/q/version");
    }
    SCRIPT(mock, NO_SUCH_KEY, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")));
    assert_int_equal(ask(mock, rsw_storage_drop).answer, RSW_ABSENT);
    asked_not(mock, "POST ");
}

/* ---- old versions ---- */

struct gone {
    char text[256]; /* ids of those that go */
    int batches;
    const char *keep; /* this version is not wanted */
};

static bool is_wanted(void *arg, const struct rsw_old_version *version) {
    const struct gone *gone = arg;
    return gone->keep == NULL || strcmp(gone->keep, version->id) != 0;
}

static int going(void *arg, const struct rsw_old_version *version, struct rsw_error *err) {
    struct gone *gone = arg;
    (void)err;
    if (version == NULL) {
        gone->batches++;
        return 0;
    }
    strcat(strcat(gone->text, version->id), " ");
    return 0;
}

#define B_VERSION(id, latest)                                                                                \
    "<Version><Key>root/b/link</Key><VersionId>" id "</VersionId><IsLatest>" latest "</IsLatest>" TIME       \
    "<Size>70</Size></Version>"
#define B_GONE(id) "<Deleted><Key>root/b/link</Key><VersionId>" id "</VersionId></Deleted>"

static struct rsw_old_versions purge_old(struct s3_mock *mock, struct gone *gone, int expected) {
    struct rsw_old_versions old = {.prefix = "", .wanted = is_wanted, .going = going, .arg = gone};
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_storage_old_versions(mock->storage, &old, &err), expected);
    return old;
}

static void old_versions_go_and_the_current_ones_stay_page_by_page(void **state) {
    struct s3_mock *mock = *state;
    struct gone gone = {.batches = 0};
    SCRIPT(mock, VERSIONS(GOES_ON("root/a/data", "v1") MARKER("m", "true") VERSION("v1", "false")),
           VERSIONS(LAST VERSION("v0", "false") B_VERSION("b2", "true") B_VERSION("b1", "false")),
           DELETED(GONE("v1") GONE("v0") B_GONE("b1")), DELETED(GONE("m")));
    struct rsw_old_versions old = purge_old(mock, &gone, 0);
    assert_int_equal(mock->count, 4);
    assert_string_equal(gone.text, "m v1 v0 b1 ");
    assert_int_equal(gone.batches, 1);
    assert_int_equal(old.versions, 3);
    assert_int_equal(old.markers, 1);
    assert_int_equal(old.bytes, 84);
    assert_int_equal(old.removed, 4);
    assert_int_equal(old.removed_bytes, 84);
    s3_mock_asked(mock, 1,
                  "?key-marker=root%2Fa%2Fdata&max-keys=1000&prefix=root%2F&version-id-marker=v1&versions=");
    asked_not(mock, "<VersionId>b2<");
}

/* What lies below a marker would come to sight. */
static void a_marker_stays_with_what_it_covers(void **state) {
    struct s3_mock *mock = *state;
    struct gone gone = {.keep = "v1"};
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false") VERSION("v0", "false")),
           DELETED(GONE("v0")));
    struct rsw_old_versions old = purge_old(mock, &gone, 0);
    assert_string_equal(gone.text, "v0 ");
    assert_int_equal(old.removed, 1);
    assert_int_equal(old.versions, 2);
    gone = (struct gone){.keep = "v0"};
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false") VERSION("v0", "false")));
    assert_int_equal(purge_old(mock, &gone, 0).removed, 0);
    assert_int_equal(mock->count, 1);
    gone = (struct gone){.batches = 0};
    SCRIPT(mock, VERSIONS(LAST MARKER("m", "true") VERSION("v1", "false")),
           DELETED(STAYS("v1", "AccessDenied")));
    old = purge_old(mock, &gone, 0);
    assert_int_equal(old.removed, 0);
    assert_int_equal(old.failed, 2);
    assert_int_equal(mock->count, 2);
}

static void old_versions_that_are_half_told_of_stay(void **state) {
    struct s3_mock *mock = *state;
    static const char *const bad[] = {VERSIONS(VERSION("v2", "true") VERSION("v1", "false")),
                                      VERSIONS(LAST VERSION("v2", "false") VERSION("v1", "true")),
                                      VERSIONS(GOES_ON("", "") VERSION("v2", "true") VERSION("v1", "false")),
                                      OK(ERROR("InternalError")),
                                      SLOW_DOWN,
                                      DENIED};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gone gone = {.batches = 0};
        const char *const script[] = {bad[i], NULL};
        s3_mock_answers(mock, script);
        purge_old(mock, &gone, -1);
        asked_not(mock, "POST ");
    }
}

static int end_it(void *arg, struct rsw_error *err) {
    (void)arg;
    return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped");
}

static void a_list_of_versions_ends_at_any_page(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_old_versions old = {.prefix = "", .page = end_it};
    SCRIPT(mock, VERSIONS(GOES_ON("root/a/data", "v1") VERSION("v1", "true")), VERSIONS(LAST));
    assert_int_equal(rsw_storage_old_versions(mock->storage, &old, &err), -1);
    assert_int_equal(err.code, RSW_ESTOPPED);
    assert_int_equal(mock->count, 1);
}

static void old_versions_are_counted_without_a_deletion(void **state) {
    struct s3_mock *mock = *state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_old_versions old = {.prefix = "", .limit = 2};
    SCRIPT(mock, VERSIONS(GOES_ON("root/b/link", "b2") MARKER("m", "true") VERSION("v1", "false")
                              B_VERSION("b2", "true")));
    assert_int_equal(rsw_storage_old_versions(mock->storage, &old, &err), 0);
    assert_true(old.cut);
    assert_int_equal(old.versions, 1);
    assert_int_equal(old.markers, 1);
    assert_int_equal(mock->count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, s3_mock_setup, s3_mock_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(where_nobody_knows_whether_a_bucket_keeps_versions_it_is_not_opened),
        TEST(versions_are_gone_by_only_where_they_are_kept_and_we_may),
        TEST(may_be_told_without_deleting_anything),
        TEST(it_is_asked_again_whether_versions_are_kept),
        TEST(a_removal_takes_all_versions_the_newest_last),
        TEST(a_page_of_versions_for_another_question_is_none),
        TEST(a_removal_that_nobody_saw_done_may_come_late),
        TEST(the_newest_stays_where_an_older_one_does),
        TEST(what_has_only_markers_was_gone),
        TEST(versions_are_read_to_the_end_of_their_key),
        TEST(nothing_goes_by_a_list_that_nobody_understands),
        TEST(what_is_there_is_noted_before_it_is_hidden),
        TEST(a_marker_hides_and_one_without_an_answer_may_come_late),
        TEST(what_was_pushed_between_note_and_marker_is_put_back_at_once),
        TEST(what_is_pushed_after_the_marker_is_in_place),
        TEST(nothing_is_hidden_without_a_record),
        TEST(what_nobody_could_look_at_after_the_marker_failed),
        TEST(every_marker_on_top_goes_when_it_is_shown),
        TEST(what_is_in_place_is_not_shown_and_what_is_purged_cannot_be),
        TEST(what_is_older_goes_first_then_what_was_hidden_its_marker_last),
        TEST(a_purge_that_was_cut_short_is_gone_on_with),
        TEST(a_purge_that_nobody_saw_done_may_come_late),
        TEST(what_was_pushed_since_stays),
        TEST(what_is_in_place_again_stays_and_its_record_goes),
        TEST(a_purge_that_fails_leaves_record_and_marker),
        TEST(old_versions_go_and_the_current_ones_stay_page_by_page),
        TEST(a_marker_stays_with_what_it_covers),
        TEST(old_versions_that_are_half_told_of_stay),
        TEST(a_list_of_versions_ends_at_any_page),
        TEST(old_versions_are_counted_without_a_deletion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
