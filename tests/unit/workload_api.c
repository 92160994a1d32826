/* An API server that is none: paging, what it has not, what it forbids, and answers that are none. */
#include "workload_help.h"

#include "util/clock.h"
#include "workload/api.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASKED_MAX 100

struct server {
    struct MHD_Daemon *daemon;
    char url[64];
    struct walked *walked;
    pthread_mutex_t mutex;
    char asked[ASKED_MAX][128]; /* paths, with what they were to go on with */
    size_t count;
    /* What it is to do. */
    bool openshift;
    const char *odd_path; /* this one is answered so: */
    unsigned odd_status;
    const char *odd_body;
    unsigned odd_times;    /* and then as usual; 0: always */
    const char *odd_after; /* Retry-After; NULL: none */
};

static const struct {
    const char *path, *kind, *item;
} lists[] = {
#define POD_SPEC(name) "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" OURS "/" name ":1\"}]}"
#define OWNER(name) "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"template\":{" POD_SPEC(name) "}}}"
    {"/api/v1/pods", "PodList", "{\"metadata\":{\"name\":\"p\"}," POD_SPEC("pod") "}"},
    {"/api/v1/replicationcontrollers", "ReplicationControllerList", OWNER("rc")},
    {"/apis/apps/v1/replicasets", "ReplicaSetList", OWNER("rs")},
    {"/apis/apps/v1/deployments", "DeploymentList", OWNER("deploy")},
    {"/apis/apps/v1/daemonsets", "DaemonSetList", OWNER("ds")},
    {"/apis/apps/v1/statefulsets", "StatefulSetList", OWNER("sts")},
    {"/apis/apps/v1/controllerrevisions", "ControllerRevisionList",
     "{\"metadata\":{\"name\":\"o\"},\"data\":" OWNER("cr") "}"},
    {"/apis/batch/v1/jobs", "JobList", OWNER("job")},
    {"/apis/batch/v1/cronjobs", "CronJobList",
     "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"jobTemplate\":" OWNER("cronjob") "}}"},
    {"/apis/apps.openshift.io/v1/deploymentconfigs", "DeploymentConfigList", OWNER("dc")},
    {"/apis/build.openshift.io/v1/buildconfigs", "BuildConfigList",
     "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"strategy\":{\"dockerStrategy\":{\"from\":{\"kind\":"
     "\"DockerImage\",\"name\":\"" OURS "/bc:1\"}}}}}"},
    {"/apis/build.openshift.io/v1/builds", "BuildList", ""},
    {"/apis/image.openshift.io/v1/imagestreams", "ImageStreamList", ""},
    {"/apis/image.openshift.io/v1/images", "ImageList", ""},
};

static enum MHD_Result answer_after(struct MHD_Connection *connection, unsigned status, const char *body,
                                    const char *after) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    if (after != NULL) {
        MHD_add_response_header(response, "Retry-After", after);
    }
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *body) {
    return answer_after(connection, status, body, NULL);
}

/* Pods come in three pages, the middle one empty; all else in one. */
static enum MHD_Result answer_list(struct server *server, struct MHD_Connection *connection, const char *path,
                                   const char *from) {
    char body[2048];
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        bool paged = i == 0;
        bool last = !paged || strcmp(from, "to/3+&") == 0;
        if (strcmp(lists[i].path, path) != 0 || (strstr(path, "openshift") != NULL && !server->openshift)) {
            continue;
        }
        /* Between "/apis/" and the last '/'. */
        char version[64] = "v1";
        if (strncmp(path, "/apis/", 6) == 0) {
            snprintf(version, sizeof version, "%.*s", (int)(strrchr(path, '/') - path) - 6, path + 6);
        }
        snprintf(body, sizeof body,
                 "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"7\","
                 "\"continue\":\"%s\"},"
                 "\"items\":[%s]}",
                 lists[i].kind, version,
                 last           ? ""
                 : from[0] == 0 ? "to 2"
                                : "to/3+&",
                 strcmp(from, "to 2") == 0 ? "" : lists[i].item);
        return answer(connection, 200, body);
    }
    return answer(connection, 404, "404 page not found\n");
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **request) {
    struct server *server = arg;
    const char *from = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "continue");
    const char *limit = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "limit");
    (void)method;
    (void)version;
    (void)data;
    (void)size;
    (void)request;
    from = from != NULL ? from : "";
    pthread_mutex_lock(&server->mutex);
    if (server->count < ASKED_MAX) {
        snprintf(server->asked[server->count++], sizeof *server->asked, "%s%s%s", path,
                 from[0] != 0 ? " " : "", from);
    }
    bool odd = server->odd_path != NULL && strcmp(server->asked[server->count - 1], server->odd_path) == 0;
    if (odd && server->odd_times > 0 && --server->odd_times == 0) {
        server->odd_path = NULL;
    }
    pthread_mutex_unlock(&server->mutex);
    if (odd) {
        return answer_after(connection, server->odd_status, server->odd_body, server->odd_after);
    }
    bool group = strncmp(path, "/apis/", 6) == 0 && strchr(path + 6, '/') == NULL;
    if (group) {
        return server->openshift ? answer(connection, 200, "{}")
                                 : answer(connection, 404, "404 page not found\n");
    }
    return limit != NULL ? answer_list(server, connection, path, from) : answer(connection, 400, "no limit");
}

static int setup(void **state) {
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    void *walked;
    assert_non_null(server);
    pthread_mutex_init(&server->mutex, NULL);
    server->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, server,
                                      MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END);
    assert_non_null(server->daemon);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d",
             MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    walked_setup(&walked);
    server->walked = walked;
    *state = server;
    return 0;
}

static int teardown(void **state) {
    struct server *server = *state;
    void *walked = server->walked;
    MHD_stop_daemon(server->daemon);
    pthread_mutex_destroy(&server->mutex);
    walked_teardown(&walked);
    free(server);
    return 0;
}

static int ask(struct server *server, const char *token) {
    const struct rsw_api_options options = {.url = server->url, .token = token, .pause_ms = 1};
    rsw_error_clear(&server->walked->err);
    server->count = 0;
    return rsw_api_read(&server->walked->walk, &options, &server->walked->err);
}

static size_t times_asked(const struct server *server, const char *path) {
    size_t count = 0;
    for (size_t i = 0; i < server->count; i++) {
        count += strcmp(server->asked[i], path) == 0;
    }
    return count;
}

static void odd(struct server *server, const char *path, unsigned status, const char *body, unsigned times) {
    server->odd_path = path;
    server->odd_status = status;
    server->odd_body = body;
    server->odd_times = times;
}

static void expect_words(struct server *server, enum rsw_code code, const char *words) {
    assert_int_equal(ask(server, NULL), -1);
    if (server->walked->err.code != code || strstr(server->walked->err.message, words) == NULL) {
        fail_msg("%s", server->walked->err.message);
    }
}

#define KUBERNETES "cr:1\ncronjob:1\ndeploy:1\nds:1\njob:1\npod:1\nrc:1\nrs:1\nsts:1\n"

static void all_that_can_name_images_is_listed_in_pages(void **state) {
    struct server *server = *state;
    if (ask(server, NULL) != 0) {
        fail_msg("%s", server->walked->err.message);
    }
    assert_string_equal(found_pins(server->walked), KUBERNETES);
    assert_string_equal(server->asked[0], "/api/v1/pods");
    assert_string_equal(server->asked[1], "/api/v1/pods to 2");
    assert_string_equal(server->asked[2], "/api/v1/pods to/3+&");
    assert_int_equal(server->walked->uses.objects, 10);
    /* A group that is not there is asked for once. */
    assert_int_equal(times_asked(server, "/apis/build.openshift.io"), 1);
    assert_int_equal(times_asked(server, "/apis/build.openshift.io/v1/builds"), 0);
}

static void openshift_has_more(void **state) {
    struct server *server = *state;
    server->openshift = true;
    if (ask(server, NULL) != 0) {
        fail_msg("%s", server->walked->err.message);
    }
    assert_string_equal(found_pins(server->walked), "bc:1\ncr:1\ncronjob:1\ndc:1\n"
                                                    "deploy:1\nds:1\njob:1\npod:1\nrc:1\nrs:1\nsts:1\n");
    assert_int_equal(times_asked(server, "/apis/image.openshift.io/v1/images"), 1);
}

static void a_list_that_the_server_forgot_is_read_anew(void **state) {
    struct server *server = *state;
    odd(server, "/api/v1/pods to/3+&", 410, "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}", 1);
    assert_int_equal(ask(server, NULL), 0);
    assert_string_equal(found_pins(server->walked), KUBERNETES);
    assert_int_equal(times_asked(server, "/api/v1/pods"), 2);
    odd(server, "/api/v1/pods to/3+&", 410, "{}", 0);
    expect_words(server, RSW_EREFUSED, "forgets the list of pods before all of it is read");
    odd(server, "/api/v1/pods", 410, "{}", 0); /* it goes on with nothing */
    expect_words(server, RSW_EREFUSED, "answer 410 to the list of pods");
}

static void what_is_forbidden_names_the_rule_that_is_missing(void **state) {
    struct server *server = *state;
    odd(server, "/apis/apps/v1/deployments", 403,
        "{\"kind\":\"Status\",\"message\":\"deployments.apps is forbidden: User \\\"x\\\" cannot list\"}", 0);
    expect_words(server, RSW_EREFUSED,
                 "needs the rule apiGroups: [\"apps\"], resources: [\"deployments\"], verbs: [\"list\"]: "
                 "deployments.apps is forbidden");
    odd(server, "/api/v1/pods", 403, "", 0);
    expect_words(server, RSW_EREFUSED, "apiGroups: [\"\"], resources: [\"pods\"]");
    odd(server, "/api/v1/pods", 401, "{\"message\":\"Unauthorized\"}", 0);
    expect_words(server, RSW_EREFUSED, "the server does not take the token: Unauthorized");
}

static void an_answer_that_is_no_whole_list_is_none(void **state) {
    static const struct {
        const char *path;
        unsigned status;
        const char *body, *words;
    } cases[] = {
        {"/api/v1/pods", 404, "404 page not found", "answer 404 to the list of pods"},
        {"/apis/batch/v1/cronjobs", 404, "{}", "answer 404 to the list of cronjobs"},
        {"/api/v1/pods", 500, "{\"message\":\"etcd\"}", "answer 500 to the list of pods: etcd"},
        {"/api/v1/pods", 302, "", "answer 302"},
        {"/api/v1/pods", 200, "", "the list of pods: there is nothing in it"},
        {"/api/v1/pods", 200, "<html>sign in</html>", "it is not JSON"},
        {"/api/v1/pods", 200, "{}", "has no kind"},
        {"/api/v1/pods to 2", 200, "{\"kind\":\"PodList\",\"items\":[", "it ends too early"},
        {"/api/v1/pods", 200, "{\"kind\":\"JobList\",\"items\":[]}", "a PodList was asked for"},
        {"/api/v1/pods", 200, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"message\":\"no\"}",
         "something failed: no"},
        {"/apis/apps.openshift.io", 503, "", "answer 503 to /apis/apps.openshift.io"},
    };
    struct server *server = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        odd(server, cases[i].path, cases[i].status, cases[i].body, 0);
        expect_words(server, RSW_EREFUSED, cases[i].words);
    }
    /* Its group is there, the resource is not: that is no server without it. */
    server->openshift = true;
    odd(server, "/apis/image.openshift.io/v1/images", 404, "{}", 0);
    expect_words(server, RSW_EREFUSED, "answer 404 to the list of images");
}

static void a_server_that_is_busy_is_asked_again(void **state) {
    struct server *server = *state;
    odd(server, "/api/v1/pods to 2", 429, "{}", 4);
    assert_int_equal(ask(server, NULL), 0);
    assert_string_equal(found_pins(server->walked), KUBERNETES);
    assert_int_equal(times_asked(server, "/api/v1/pods to 2"), 5);
    assert_int_equal(times_asked(server, "/api/v1/pods"), 1);
    odd(server, "/apis/apps.openshift.io", 503, "", 1);
    assert_int_equal(ask(server, NULL), 0);
    odd(server, "/api/v1/pods", 500, "{\"message\":\"etcd\"}", 0);
    expect_words(server, RSW_EREFUSED, "answer 500 to the list of pods: etcd");
    assert_int_equal(times_asked(server, "/api/v1/pods"), 5);
}

static void it_is_not_asked_sooner_than_it_says(void **state) {
    struct server *server = *state;
    int64_t from_ms = rsw_monotonic_ms();
    odd(server, "/api/v1/pods", 429, "{}", 1);
    server->odd_after = "1";
    assert_int_equal(ask(server, NULL), 0);
    assert_true(rsw_monotonic_ms() - from_ms >= 1000);
    odd(server, "/api/v1/pods", 429, "{}", 0);
    server->odd_after = "16"; /* more than we wait for */
    expect_words(server, RSW_EREFUSED, "answer 429 to the list of pods");
    assert_int_equal(times_asked(server, "/api/v1/pods"), 1);
}

static void a_server_that_does_not_answer_is_an_error(void **state) {
    struct server *server = *state;
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:1");
    expect_words(server, RSW_EIO, "no answer to GET http://127.0.0.1:1/api/v1/pods");
    snprintf(server->url, sizeof server->url, "ftp://x");
    expect_words(server, RSW_EINVAL, "the API server's URL");
}

static void a_token_does_not_go_over_plain_http(void **state) {
    struct server *server = *state;
    assert_int_equal(ask(server, "very-secret"), -1);
    assert_int_equal(server->walked->err.code, RSW_EINVAL);
    assert_non_null(strstr(server->walked->err.message, "a token goes over https:// alone"));
    assert_int_equal(server->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(all_that_can_name_images_is_listed_in_pages),
        TEST(openshift_has_more),
        TEST(a_list_that_the_server_forgot_is_read_anew),
        TEST(what_is_forbidden_names_the_rule_that_is_missing),
        TEST(an_answer_that_is_no_whole_list_is_none),
        TEST(a_server_that_is_busy_is_asked_again),
        TEST(it_is_not_asked_sooner_than_it_says),
        TEST(a_server_that_does_not_answer_is_an_error),
        TEST(a_token_does_not_go_over_plain_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
