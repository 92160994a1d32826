/* What was answered with 200 outlives a server that is killed. */
#include "feed_help.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A server in a process of its own, over the place's index, which this process must not have open. */
static pid_t start_server(struct place *place, char address[64]) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rsw_index *index = NULL;
        struct rsw_feed *feed = NULL;
        const struct rsw_index_options options = {.create = true};
        const struct rsw_feed_options how = {.listen = "127.0.0.1:0"};
        if (rsw_index_open(&index, place->index_dir, &options, NULL) != 0 ||
            rsw_feed_start(&feed, index, &how, NULL) != 0) {
            _exit(1);
        }
        const char *text = rsw_feed_address(feed);
        if (write(pipes[1], text, strlen(text) + 1) < 0) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(pipes[1]);
    ssize_t got = read(pipes[0], address, 64);
    close(pipes[0]);
    assert_true(got > 0 && address[got - 1] == 0);
    return pid;
}

static void kill_server(pid_t pid) {
    int status;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void reopen(struct place *place) {
    const struct rsw_index_options options = {.create = false};
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_index_open(&place->index, place->index_dir, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
}

struct sender {
    pthread_t thread;
    const char *address;
    uint64_t first;
    uint64_t taken; /* events first … first + taken - 1 were answered 200 */
    atomic_uint *all;
};

static void *send_until_it_fails(void *arg) {
    struct sender *sender = arg;
    for (;;) {
        const struct body body = {.action = "push",
                                  .type = "application/octet-stream",
                                  .repository = "a/b",
                                  .digest = digest_text(sender->first + sender->taken)};
        if (http_post(sender->address, NULL, body_text(&body)) != 200) {
            return NULL;
        }
        sender->taken++;
        atomic_fetch_add(sender->all, 1);
    }
}

/* The server is killed in the midst of work, after so many answers. */
static void kill_after(struct place *place, unsigned answers, uint64_t first) {
    char address[64];
    struct sender senders[8];
    atomic_uint all = 0;
    rsw_index_close(place->index);
    place->index = NULL;
    pid_t pid = start_server(place, address);
    for (unsigned i = 0; i < 8; i++) {
        senders[i] = (struct sender){.address = address, .first = first + 100000 * i, .all = &all};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_until_it_fails, &senders[i]), 0);
    }
    while (atomic_load(&all) < answers) {
        usleep(100);
    }
    kill_server(pid);
    for (unsigned i = 0; i < 8; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    reopen(place);
    for (unsigned i = 0; i < 8; i++) {
        for (uint64_t k = 0; k < senders[i].taken; k++) {
            assert_true(has_blob(place, senders[i].first + k));
            assert_true(has_member(place, RSW_LINK, "a/b", senders[i].first + k));
        }
    }
}

static void what_was_acknowledged_is_there_after_a_kill(void **state) {
    struct place *place = *state;
    for (unsigned round = 0; round < 12; round++) {
        kill_after(place, 1 + 37 * round, 1 + 1000000 * round);
    }
}

static void one_event_is_there_as_soon_as_it_is_answered(void **state) {
    struct place *place = *state;
    char address[64];
    rsw_index_close(place->index);
    place->index = NULL;
    for (uint64_t number = 1; number <= 10; number++) {
        const struct body body = {.action = "push",
                                  .type = "application/octet-stream",
                                  .repository = "a/b",
                                  .digest = digest_text(number)};
        pid_t pid = start_server(place, address);
        int status = http_post(address, NULL, body_text(&body));
        kill_server(pid);
        assert_int_equal(status, 200);
        reopen(place);
        assert_true(has_blob(place, number));
        rsw_index_close(place->index);
        place->index = NULL;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_event_is_there_as_soon_as_it_is_answered),
        TEST(what_was_acknowledged_is_there_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
