/* The webhook server over real connections. */
#include "feed_help.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define OCTETS "application/octet-stream"
#define TOKEN "correct-horse"
#define OTHER "battery-staple"

static struct rsw_feed *start_with(struct place *place, const struct rsw_feed_options *options) {
    struct rsw_feed *feed = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_feed_start(&feed, place->index, options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return feed;
}

static struct rsw_feed *start(struct place *place) {
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0", .clock = &place->clock};
    return start_with(place, &options);
}

static const char *push_text(uint64_t number) {
    const struct body body = {
        .action = "push", .type = OCTETS, .repository = "a/b", .digest = digest_text(number), .size = 10};
    return body_text(&body);
}

static struct rsw_feed_stats stats_of(struct rsw_feed *feed) {
    struct rsw_feed_stats stats;
    rsw_feed_get_stats(feed, &stats);
    return stats;
}

/* Nothing was lost, as far as the feed knows: the one gap is that of a process that it met. */
static void expect_nothing_missed(struct place *place) {
    assert_memory_equal(state_of(place).gap_reason, "a registry process", 18);
}

/* ---- token and endpoints ---- */

static void only_the_right_token_is_let_in(void **state) {
    static const char *const wrong[] = {NULL, "", "correct-hors", "correct-horse1", "Correct-horse", "x"};
    struct place *place = *state;
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0", .token = TOKEN};
    struct rsw_feed *feed = start_with(place, &options);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(http_post(rsw_feed_address(feed), wrong[i], push_text(1)), 401);
    }
    struct reply reply;
    int fd = http_connect(rsw_feed_address(feed));
    const char basic[] = "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " TOKEN
                         "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    http_send(fd, basic, sizeof basic - 1);
    http_read(fd, &reply);
    close(fd);
    assert_int_equal(reply.status, 401);
    assert_non_null(strstr(reply.head, "WWW-Authenticate: Bearer"));
    assert_false(has_blob(place, 1));
    assert_int_equal(http_post(rsw_feed_address(feed), TOKEN, push_text(1)), 200);
    assert_true(has_blob(place, 1));
    assert_int_equal(stats_of(feed).refused, 7);
    assert_int_equal(stats_of(feed).events, 1);
    rsw_feed_stop(feed);
}

static void the_token_is_asked_for_before_the_body(void **state) {
    struct place *place = *state;
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0", .token = TOKEN};
    struct rsw_feed *feed = start_with(place, &options);
    struct reply reply;
    int fd = http_connect(rsw_feed_address(feed));
    /* Not a byte of the body is sent. */
    const char head[] = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 64000000\r\n\r\n";
    http_send(fd, head, sizeof head - 1);
    http_read(fd, &reply);
    close(fd);
    assert_int_equal(reply.status, 401);
    rsw_feed_stop(feed);
}

static void without_a_token_only_this_host_may_send(void **state) {
    static const char *const open_to_all[] = {"0.0.0.0:0", "[::]:0"};
    struct place *place = *state;
    for (size_t i = 0; i < 2; i++) {
        struct rsw_feed *feed = NULL;
        struct rsw_error err = RSW_ERROR_INIT;
        const struct rsw_feed_options options = {.listen = open_to_all[i]};
        assert_int_equal(rsw_feed_start(&feed, place->index, &options, &err), -1);
        assert_int_equal(err.code, RSW_EREFUSED);
        assert_non_null(strstr(err.message, "--token-file"));
    }
    const struct rsw_feed_options options = {.listen = "0.0.0.0:0", .token = TOKEN};
    rsw_feed_stop(start_with(place, &options));
}

static void addresses_that_cannot_be_listened_on_are_clear_errors(void **state) {
    static const char *const bad[] = {
        "",         "127.0.0.1", ":5050",     "127.0.0.1:",        "127.0.0.1:x", "127.0.0.1:65536",
        "::1:5050", "[::1]",     "[::1:5050", "nowhere.invalid:1", "127.0.0.1:-1"};
    struct place *place = *state;
    struct rsw_feed *feed = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        const struct rsw_feed_options options = {.listen = bad[i]};
        assert_int_equal(rsw_feed_start(&feed, place->index, &options, &err), -1);
        assert_int_equal(err.code, RSW_EINVAL);
        assert_non_null(strstr(err.message, bad[i]));
    }
    struct rsw_feed *first = start(place);
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_feed_options options = {.listen = rsw_feed_address(first)};
    assert_int_equal(rsw_feed_start(&feed, place->index, &options, &err), -1);
    assert_int_equal(err.code, RSW_EIO);
    assert_non_null(strstr(err.message, rsw_feed_address(first)));
    rsw_feed_stop(first);
}

static void ipv6_works(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_feed_options options = {.listen = "[::1]:0"};
    if (rsw_feed_start(&feed, place->index, &options, &err) != 0) {
        assert_int_equal(err.code, RSW_EIO); /* a host without IPv6 */
        skip();
    }
    assert_memory_equal(rsw_feed_address(feed), "[::1]:", 6);
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, push_text(1)), 200);
    rsw_feed_stop(feed);
}

static void expect_status(struct rsw_feed *feed, const char *method, const char *path, int status,
                          struct reply *reply) {
    http_request(rsw_feed_address(feed), method, path, NULL, "", 0, reply);
    assert_int_equal(reply->status, status);
}

static void every_endpoint_answers(void **state) {
    struct place *place = *state;
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0", .token = TOKEN};
    struct rsw_feed *feed = start_with(place, &options);
    struct reply reply;
    expect_status(feed, "GET", "/healthz", 200, &reply);
    assert_string_equal(reply.body, "ok\n");
    expect_status(feed, "HEAD", "/healthz", 200, &reply);
    assert_string_equal(reply.body, "");
    expect_status(feed, "GET", "/readyz", 200, &reply);
    expect_status(feed, "GET", "/metrics", 200, &reply);
    assert_non_null(strstr(reply.head, "text/plain; version=0.0.4"));
    expect_status(feed, "GET", "/", 404, &reply);
    expect_status(feed, "GET", "/eventss", 404, &reply);
    expect_status(feed, "POST", "/event", 404, &reply);
    expect_status(feed, "GET", "/events", 405, &reply);
    assert_non_null(strstr(reply.head, "Allow: POST"));
    expect_status(feed, "PUT", "/events", 405, &reply);
    expect_status(feed, "DELETE", "/metrics", 405, &reply);
    rsw_feed_stop(feed);
}

/* ---- further requests ---- */

static void repeat(void *arg, const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    (void)arg;
    assert_int_equal(strlen(request->body), request->body_len);
    reply->status = 202;
    int len = asprintf(&reply->json, "[%s %s %zu %.20s]", request->method, request->path, request->body_len,
                       request->body);
    reply->len = len > 0 ? (size_t)len : 0;
    snprintf(reply->location, sizeof reply->location, "/mine/7");
    reply->allow = "POST";
}

static void ask(struct rsw_feed *feed, const char *method, const char *path, const char *body,
                struct reply *reply) {
    http_request(rsw_feed_address(feed), method, path, OTHER, body, strlen(body), reply);
}

static const char *const mine[] = {"/mine", "/ours", NULL};

static void further_requests_are_answered_by_others(void **state) {
    struct place *place = *state;
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0",
                                             .token = TOKEN,
                                             .further_paths = mine,
                                             .further_token = OTHER,
                                             .further = repeat};
    struct rsw_feed *feed = start_with(place, &options);
    struct reply reply;
    ask(feed, "POST", "/mine", "hello", &reply);
    assert_int_equal(reply.status, 202);
    assert_string_equal(reply.body, "[POST /mine 5 hello]");
    assert_non_null(strstr(reply.head, "Content-Type: application/json"));
    assert_non_null(strstr(reply.head, "Location: /mine/7"));
    assert_non_null(strstr(reply.head, "Allow: POST"));
    ask(feed, "GET", "/mine/a/b", "", &reply);
    assert_string_equal(reply.body, "[GET /mine/a/b 0 ]");
    expect_status(feed, "POST", "/mine", 401, &reply);
    expect_status(feed, "GET", "/mine/7", 401, &reply);
    expect_status(feed, "GET", "/nonsense", 404, &reply);
    assert_string_equal(reply.body,
                        "there is POST /events, GET /healthz, GET /readyz, GET /metrics, /mine, /ours\n");
    http_request(rsw_feed_address(feed), "POST", "/mine", TOKEN, "", 0, &reply); /* that of events */
    assert_int_equal(reply.status, 401);
    assert_int_equal(http_post(rsw_feed_address(feed), OTHER, push_text(1)), 401);
    expect_status(feed, "GET", "/metrics", 200, &reply);
    assert_non_null(strstr(reply.body, "\nregsweep_requests_refused_total{path=\"/events\"} 1\n"));
    assert_non_null(strstr(reply.body, "\nregsweep_requests_refused_total{path=\"/mine\"} 3\n"));
    ask(feed, "GET", "/mines", "", &reply);
    assert_int_equal(reply.status, 404);
    ask(feed, "GET", "/healthz", "", &reply);
    assert_int_equal(reply.status, 200);
    rsw_feed_stop(feed);
    feed = start(place); /* where nobody else answers there is nothing */
    ask(feed, "GET", "/mine", "", &reply);
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.body, "there is POST /events, GET /healthz, GET /readyz, GET /metrics\n");
    rsw_feed_stop(feed);
}

static void who_may_send_events_may_do_nothing_else(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0",
                                             .token = TOKEN,
                                             .further_paths = mine,
                                             .further_token = TOKEN,
                                             .further = repeat,
                                             .clock = &place->clock};
    assert_int_equal(rsw_feed_start(&feed, place->index, &options, &err), -1);
    assert_int_equal(err.code, RSW_EINVAL);
    assert_non_null(strstr(err.message, "/mine"));
}

static void the_body_of_a_further_request_has_a_maximum(void **state) {
    struct place *place = *state;
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0",
                                             .token = TOKEN,
                                             .further_paths = mine,
                                             .further_token = OTHER,
                                             .further = repeat};
    struct rsw_feed *feed = start_with(place, &options);
    struct reply reply;
    char *body = calloc(1, RSW_FEED_BODY_MAX + 2);
    memset(body, 'x', RSW_FEED_BODY_MAX);
    ask(feed, "POST", "/mine", body, &reply);
    assert_string_equal(reply.body, "[POST /mine 16777216 xxxxxxxxxxxxxxxxxxxx]");
    body[RSW_FEED_BODY_MAX] = 'x';
    ask(feed, "POST", "/mine", body, &reply);
    assert_int_equal(reply.status, 413);
    free(body);
    rsw_feed_stop(feed);
}

static void without_a_token_it_is_a_small_one(void **state) {
    struct place *place = *state;
    const struct rsw_feed_options options = {
        .listen = "127.0.0.1:0", .token = TOKEN, .further_paths = mine, .further = repeat};
    struct rsw_feed *feed = start_with(place, &options);
    struct reply reply;
    char *body = calloc(1, 65536 + 2);
    memset(body, 'x', 65536);
    ask(feed, "POST", "/mine", body, &reply);
    assert_string_equal(reply.body, "[POST /mine 65536 xxxxxxxxxxxxxxxxxxxx]");
    body[65536] = 'x';
    ask(feed, "POST", "/mine", body, &reply);
    assert_int_equal(reply.status, 413);
    free(body);
    rsw_feed_stop(feed);
}

static void more_metrics(void *arg, void (*write)(void *to, const char *text), void *to) {
    (void)arg;
    write(to, "# HELP mine A number.\n# TYPE mine gauge\nmine 7\n");
}

static void metrics_tell_what_happened(void **state) {
    static const char *const lines[] = {
        "\nregsweep_events_total{action=\"push\"} 2\n",
        "\nregsweep_events_total{action=\"delete\"} 1\n",
        "\nregsweep_events_total{action=\"other\"} 1\n",
        "\nregsweep_events_unusable_total 1\n",
        "\nregsweep_events_unchanged_total 1\n",
        "\nregsweep_feed_requests_total{code=\"200\"} 4\n",
        "\nregsweep_feed_requests_total{code=\"401\"} 1\n",
        "\nregsweep_feed_ready 1\n",
        "\nregsweep_open_gap 1\n",
        "\nregsweep_feed_commit_seconds_bucket{le=\"+Inf\"} ",
        "\nregsweep_last_event_age_seconds 0\n",
        "\nregsweep_last_scan_timestamp_seconds 0\n",
        "\nregsweep_feed_queue_length 0\n",
        "\nregsweep_check_queue_length 0\n",
        "\nregsweep_index_used_bytes ",
        "\nregsweep_build_info{version=\"",
        "\nmine 7\n",
    };
    struct place *place = *state;
    const struct rsw_feed_options options = {
        .listen = "127.0.0.1:0", .token = TOKEN, .clock = &place->clock, .metrics = more_metrics};
    struct rsw_feed *feed = start_with(place, &options);
    const struct body delete = {.action = "delete", .repository = "unknown", .tag = "t"};
    const char *address = rsw_feed_address(feed);
    struct reply reply;
    assert_int_equal(http_post(address, TOKEN, push_text(1)), 200);
    assert_int_equal(http_post(address, TOKEN, push_text(2)), 200);
    assert_int_equal(http_post(address, TOKEN, body_text(&delete)), 200);
    assert_int_equal(http_post(address, TOKEN, "{"), 200);
    assert_int_equal(http_post(address, "wrong", "{"), 401);
    expect_status(feed, "GET", "/metrics", 200, &reply);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (strstr(reply.body, lines[i]) == NULL) {
            fail_msg("not there: %s in %s", lines[i], reply.body);
        }
    }
    rsw_feed_stop(feed);
}

/* ---- events ---- */

static void post_line(void *arg, const char *line, size_t len) {
    struct reply reply;
    http_request(rsw_feed_address(arg), "POST", "/events", NULL, line, len, &reply);
    assert_int_equal(reply.status, 200);
}

static void recorded_events_and_their_repeats_are_taken_in(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    unsigned count = 0;
    for (size_t i = 0; i < 8; i++) {
        count += each_recorded(recorded[i % 4], post_line, feed);
    }
    assert_int_equal(stats_of(feed).events, count);
    assert_int_equal(stats_of(feed).unusable, 0);
    rsw_feed_stop(feed);
    assert_int_equal(state_of(place).events, count);
    assert_int_equal(state_of(place).events_unusable, 0);
    expect_nothing_missed(place);
    assert_true(state_of(place).last_event_ms == place->now_ms);
    RSW_AUTO_TXN txn = begin_read(place);
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_instance instance;
    uint64_t instances = 0;
    uint64_t events = 0;
    rsw_iter_instances(&iter, txn);
    while (rsw_instance_next(&iter, &instance) == RSW_FOUND) {
        instances++;
        events += instance.events;
    }
    assert_int_equal(instances, 4);
    assert_int_equal(events, count);
}

static void what_is_known_costs_no_commit(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    const struct body pull = {
        .action = "pull", .type = OCTETS, .repository = "a/b", .digest = digest_text(1), .size = 10};
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, push_text(1)), 200);
    uint64_t commits = stats_of(feed).commits;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(http_post(rsw_feed_address(feed), NULL, body_text(&pull)), 200);
    }
    assert_int_equal(stats_of(feed).unchanged, 50);
    /* One a second for the counters, however slow this machine is. */
    assert_true(stats_of(feed).commits < commits + 25);
    rsw_feed_stop(feed);
    assert_int_equal(state_of(place).events, 51);
}

static void bodies_that_cannot_be_used_are_acknowledged_and_the_next_is_fine(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    struct reply reply;
    size_t deep_len = 200000;
    char *deep = malloc(deep_len);
    assert_non_null(deep);
    memset(deep, '[', deep_len / 2);
    memset(deep + deep_len / 2, ']', deep_len / 2);
    static const char *const bad[] = {"",
                                      "no json",
                                      "{",
                                      "{}",
                                      "[]",
                                      "\xff\x01",
                                      "{\"events\":7}",
                                      "{\"events\":[7]}",
                                      "{\"events\":[{\"action\":{}}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(http_post(rsw_feed_address(feed), NULL, bad[i]), 200);
    }
    http_request(rsw_feed_address(feed), "POST", "/events", NULL, deep, deep_len, &reply);
    free(deep);
    assert_int_equal(reply.status, 200);
    assert_int_equal(stats_of(feed).unusable, 10);
    assert_true(state_of(place).gap_seq > 0);
    assert_int_equal(state_of(place).events_unusable, 10);
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, push_text(1)), 200);
    assert_true(has_blob(place, 1));
    rsw_feed_stop(feed);
}

/* Sends a request whose body is `before`, then `fill` again and again up to `total` bytes, then `behind`. */
static int post_filled(const char *address, const char *before, const char *fill, size_t total,
                       const char *behind) {
    static char block[60000];
    char head[256];
    size_t unit = strlen(fill);
    size_t block_len = sizeof block / unit * unit;
    size_t blocks = total / block_len + 1;
    struct reply reply;
    for (size_t at = 0; at < block_len; at += unit) {
        memcpy(block + at, fill, unit);
    }
    int fd = http_connect(address);
    snprintf(head, sizeof head,
             "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
             strlen(before) + blocks * block_len + strlen(behind));
    http_send(fd, head, strlen(head));
    http_send(fd, before, strlen(before));
    for (size_t i = 0; i < blocks; i++) {
        http_send(fd, block, block_len);
    }
    http_send(fd, behind, strlen(behind));
    http_read(fd, &reply);
    close(fd);
    return reply.status;
}

static void a_body_of_64_megabytes_takes_no_memory(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    const size_t total = 64 << 20;
    char before[4096];
    char behind[4096];
    /* Warm: threads, pools and the index have their memory. */
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, push_text(100)), 200);
    uint64_t memory = resident_bytes();
    /* One event whose references are 64 MB long. */
    snprintf(
        before, sizeof before,
        "{\"events\":[{\"action\":\"push\",\"target\":{\"mediaType\":\"application/x\",\"repository\":\"a\","
        "\"references\":[0");
    snprintf(behind, sizeof behind, "],\"digest\":\"%s\"}}]}", digest_text(1));
    assert_int_equal(post_filled(rsw_feed_address(feed), before, ",{\"size\":1}", total, behind), 200);
    assert_true(has_member(place, RSW_REVISION, "a", 1));
    assert_int_equal(stats_of(feed).unusable, 0);
    assert_int_equal(post_filled(rsw_feed_address(feed), "{\"events\":[", "[", total, ""), 200);
    assert_int_equal(post_filled(rsw_feed_address(feed), "", "x", total, ""), 200);
    assert_int_equal(stats_of(feed).unusable, 3); /* the array in `events`, that body, the other */
    assert_true(resident_bytes() < memory + (4 << 20));
    rsw_feed_stop(feed);
}

static void many_events_in_one_body_are_all_taken_in(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    const unsigned count = 1000;
    RSW_AUTO_BUF body = RSW_BUF_INIT;
    struct reply reply;
    rsw_buf_addf(&body, NULL, "{\"events\":[");
    for (unsigned i = 0; i < count; i++) {
        const char *one = push_text(i + 1) + strlen("{\"events\":[");
        rsw_buf_addf(&body, NULL, "%s%.*s", i == 0 ? "" : ",", (int)strlen(one) - 2, one);
        if (i % 100 == 7) {
            rsw_buf_addf(&body, NULL, ",{\"action\":\"bad\",\"target\":{\"repository\":\"a/b\"}}");
        }
    }
    rsw_buf_addf(&body, NULL, "]}");
    http_request(rsw_feed_address(feed), "POST", "/events", NULL, body.data, body.len, &reply);
    assert_int_equal(reply.status, 200);
    assert_int_equal(stats_of(feed).events, count + 10);
    assert_int_equal(stats_of(feed).unusable, 10);
    for (unsigned i = 0; i < count; i++) {
        assert_true(has_blob(place, i + 1));
    }
    expect_nothing_missed(place);
    rsw_feed_stop(feed);
}

/* ---- several at once ---- */

struct sender {
    pthread_t thread;
    const char *address;
    uint64_t first;
    unsigned count;
    unsigned taken;
};

static void *send_events(void *arg) {
    struct sender *sender = arg;
    for (unsigned i = 0; i < sender->count; i++) {
        sender->taken += http_post(sender->address, NULL, push_text(sender->first + i)) == 200 ? 1 : 0;
    }
    return NULL;
}

static void sixteen_senders_share_commits_and_lose_nothing(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    struct sender senders[16];
    for (unsigned i = 0; i < 16; i++) {
        senders[i] = (struct sender){.address = rsw_feed_address(feed), .first = 1000 * i + 1, .count = 200};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_events, &senders[i]), 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].taken, 200);
    }
    struct rsw_feed_stats stats = stats_of(feed);
    assert_int_equal(stats.events, 3200);
    assert_true(stats.commits < 3200);
    for (unsigned i = 0; i < 16; i++) {
        for (unsigned k = 0; k < 200; k++) {
            assert_true(has_blob(place, 1000 * i + 1 + k));
        }
    }
    rsw_feed_stop(feed);
    assert_int_equal(state_of(place).events, 3200);
}

static void connections_that_say_nothing_hold_up_nobody(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    int silent[50];
    for (unsigned i = 0; i < 50; i++) {
        silent[i] = http_connect(rsw_feed_address(feed));
        assert_true(silent[i] >= 0);
        if (i % 2 == 0) {
            http_send(silent[i], "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", 54);
        }
    }
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, push_text(1)), 200);
    for (unsigned i = 0; i < 50; i++) {
        close(silent[i]);
    }
    rsw_feed_stop(feed);
    assert_int_equal(state_of(place).events, 1); /* a body that breaks off is nobody's event */
    expect_nothing_missed(place);
}

static void *stop_feed(void *arg) {
    rsw_feed_stop(arg);
    return NULL;
}

static void a_body_on_its_way_is_answered_when_the_server_stops(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    const char *text = push_text(1);
    char head[128];
    char address[64];
    struct reply reply;
    pthread_t stopper;
    snprintf(address, sizeof address, "%s", rsw_feed_address(feed));
    int fd = http_connect(address);
    snprintf(head, sizeof head,
             "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
             strlen(text));
    http_send(fd, head, strlen(head));
    http_send(fd, text, 100);
    /* Another answer tells that the server has seen what was sent before. */
    assert_int_equal(http_post(address, NULL, push_text(2)), 200);
    assert_int_equal(pthread_create(&stopper, NULL, stop_feed, feed), 0);
    http_send(fd, text + 100, strlen(text) - 100);
    http_read(fd, &reply);
    close(fd);
    pthread_join(stopper, NULL);
    assert_int_equal(reply.status, 200);
    assert_true(has_blob(place, 1));
    assert_int_equal(state_of(place).events, 2);
}

/* ---- trouble ---- */

struct told {
    pthread_mutex_t mutex;
    unsigned errors;
};

static void count_errors(void *arg, enum rsw_log_level level, const char *line) {
    struct told *told = arg;
    (void)line;
    pthread_mutex_lock(&told->mutex);
    told->errors += level == RSW_LOG_ERROR ? 1 : 0;
    pthread_mutex_unlock(&told->mutex);
}

/* A limit on the size of files stands for a full disk. */
static void a_full_disk_is_503_and_nothing_is_lost(void **state) {
    struct place *place = *state;
    struct told told = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    const struct rsw_log log = {RSW_LOG_INFO, count_errors, &told};
    const struct rsw_feed_options options = {.listen = "127.0.0.1:0", .log = &log};
    struct rsw_feed *feed = start_with(place, &options);
    const char *address = rsw_feed_address(feed);
    struct rlimit before;
    struct reply reply;
    uint64_t number = 1;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit full = {.rlim_cur = 300000, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    while (number < 5000 && http_post(address, NULL, push_text(number)) == 200) {
        number++;
    }
    assert_true(number < 5000);
    http_request(address, "POST", "/events", NULL, push_text(number), strlen(push_text(number)), &reply);
    assert_int_equal(reply.status, 503);
    assert_non_null(strstr(reply.head, "Retry-After:"));
    expect_status(feed, "GET", "/readyz", 503, &reply);
    expect_status(feed, "GET", "/healthz", 200, &reply);
    expect_status(feed, "GET", "/metrics", 200, &reply);
    assert_non_null(strstr(reply.body, "\nregsweep_feed_ready 0\n"));
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(http_post(address, NULL, push_text(number)), 503);
    }
    assert_false(has_blob(place, number));
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(http_post(address, NULL, push_text(number)), 200);
    expect_status(feed, "GET", "/readyz", 200, &reply);
    for (uint64_t i = 1; i <= number; i++) {
        assert_true(has_blob(place, i));
    }
    assert_true(stats_of(feed).failed >= 21);
    rsw_feed_stop(feed);
    assert_int_equal(state_of(place).events, number); /* refused ones do not count */
    assert_int_equal(told.errors, 1);
}

static void a_full_map_is_503(void **state) {
    struct place *place = *state;
    const struct rsw_index_options options = {.create = true, .map_size = 400000};
    char dir[128];
    struct rsw_index *index = NULL;
    struct rsw_feed *feed = NULL;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_feed_options how = {.listen = "127.0.0.1:0"};
    uint64_t number = 1;
    snprintf(dir, sizeof dir, "%s/small", place->dir);
    assert_int_equal(rsw_index_open(&index, dir, &options, &err), 0);
    assert_int_equal(rsw_feed_start(&feed, index, &how, &err), 0);
    int status;
    while ((status = http_post(rsw_feed_address(feed), NULL, push_text(number))) == 200 && number < 20000) {
        number++;
    }
    assert_int_equal(status, 503);
    assert_false(stats_of(feed).ready);
    rsw_feed_stop(feed);
    rsw_index_close(index);
}

static void the_feed_is_ready_again_by_itself(void **state) {
    struct place *place = *state;
    struct rsw_feed *feed = start(place);
    struct rlimit before;
    uint64_t number = 1;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit full = {.rlim_cur = 300000, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
    while (number < 5000 && http_post(rsw_feed_address(feed), NULL, push_text(number)) == 200) {
        number++;
    }
    assert_false(stats_of(feed).ready);
    setrlimit(RLIMIT_FSIZE, &before);
    int64_t end_ms = rsw_monotonic_ms() + 20000;
    while (!stats_of(feed).ready && rsw_monotonic_ms() < end_ms) {
        usleep(20000);
    }
    assert_true(stats_of(feed).ready);
    rsw_feed_stop(feed);
}

static void on_committed(void *arg, bool asked, bool touched) {
    assert_true(asked);
    assert_false(touched);
    (*(unsigned *)arg)++;
}

static void who_answers_checks_is_told_of_new_ones(void **state) {
    struct place *place = *state;
    unsigned told = 0;
    const struct rsw_feed_options options = {
        .listen = "127.0.0.1:0", .committed = on_committed, .arg = &told};
    struct rsw_feed *feed = start_with(place, &options);
    const struct body delete = {.action = "delete", .repository = "a/b", .digest = digest_text(1)};
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, push_text(1)), 200);
    assert_int_equal(http_post(rsw_feed_address(feed), NULL, body_text(&delete)), 200);
    rsw_feed_stop(feed);
    assert_int_equal(told, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_the_right_token_is_let_in),
        TEST(the_token_is_asked_for_before_the_body),
        TEST(without_a_token_only_this_host_may_send),
        TEST(addresses_that_cannot_be_listened_on_are_clear_errors),
        TEST(ipv6_works),
        TEST(every_endpoint_answers),
        TEST(further_requests_are_answered_by_others),
        TEST(who_may_send_events_may_do_nothing_else),
        TEST(the_body_of_a_further_request_has_a_maximum),
        TEST(without_a_token_it_is_a_small_one),
        TEST(metrics_tell_what_happened),
        TEST(recorded_events_and_their_repeats_are_taken_in),
        TEST(what_is_known_costs_no_commit),
        TEST(bodies_that_cannot_be_used_are_acknowledged_and_the_next_is_fine),
        TEST(a_body_of_64_megabytes_takes_no_memory),
        TEST(many_events_in_one_body_are_all_taken_in),
        TEST(sixteen_senders_share_commits_and_lose_nothing),
        TEST(connections_that_say_nothing_hold_up_nobody),
        TEST(a_body_on_its_way_is_answered_when_the_server_stops),
        TEST(a_full_disk_is_503_and_nothing_is_lost),
        TEST(a_full_map_is_503),
        TEST(the_feed_is_ready_again_by_itself),
        TEST(who_answers_checks_is_told_of_new_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
