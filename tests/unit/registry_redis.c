/* Redis as it should be and as it should not: a server of ours that answers each command with the next text
 * of a script, whatever was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/redis.h"
#include "util/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLOSE "close" /* instead of an answer */
#define FLOOD "flood" /* an answer without an end */
#define DRIP "drip"   /* a byte every 20 ms, for ever */
#define CONNECTIONS 3
#define COMMANDS 10

struct server {
    int listener;
    char address[32];
    pthread_t thread;
    const char *script[CONNECTIONS][COMMANDS]; /* NULL: silence from here on */
    char asked[CONNECTIONS][4096];             /* what came in, CR and LF as blanks */
    int connections;
    bool hang_up; /* after the first answer on the first connection */
    atomic_bool hung_up;
};

static void send_text(int fd, const char *text) {
    send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void pour(int fd, bool slowly) {
    const struct timespec pause = {.tv_nsec = 20000000};
    send_text(fd, "+");
    while (send(fd, "xxxxxxxxxxxxxxxx", slowly ? 1 : 16, MSG_NOSIGNAL) > 0) {
        if (slowly) {
            nanosleep(&pause, NULL);
        }
    }
}

/* One answer a command, and a command is what begins with '*'. */
static void converse(struct server *server, int number, int fd) {
    char bytes[1024];
    ssize_t got;
    int at = 0;
    char *log = server->asked[number];
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            size_t len = strlen(log);
            if (len + 1 < sizeof server->asked[number]) {
                log[len] = bytes[i] == '\r' || bytes[i] == '\n' ? ' ' : bytes[i];
            }
            if (bytes[i] != '*') {
                continue;
            }
            const char *answer = at < COMMANDS ? server->script[number][at++] : NULL;
            if (answer == NULL) {
                continue;
            }
            if (strcmp(answer, CLOSE) == 0) {
                return;
            }
            if (strcmp(answer, FLOOD) == 0 || strcmp(answer, DRIP) == 0) {
                pour(fd, strcmp(answer, DRIP) == 0);
                return;
            }
            send_text(fd, answer);
            if (server->hang_up && number == 0) {
                return;
            }
        }
    }
}

static void *serve(void *arg) {
    struct server *server = arg;
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        server->connections = i + 1;
        converse(server, i, fd);
        close(fd);
        atomic_store(&server->hung_up, true);
    }
    return NULL;
}

static void start(struct server *server) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&at, &size), 0);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct server *server) {
    shutdown(server->listener, SHUT_RDWR); /* ends accept */
    pthread_join(server->thread, NULL);
    close(server->listener);
}

static struct rsw_digest some_digest(void) {
    struct rsw_digest digest;
    struct rsw_error err = RSW_ERROR_INIT;
    assert_int_equal(rsw_digest_of(&digest, RSW_SHA256, "layer", 5, &err), 0);
    return digest;
}

/* Opens, and forgets once where that succeeded. */
static int open_and_forget(struct server *server, const struct rsw_redis_options *options,
                           struct rsw_error *err) {
    struct rsw_redis_options how = *options;
    struct rsw_redis *redis = NULL;
    struct rsw_digest digest = some_digest();
    how.address = server->address;
    how.timeout_ms = 300;
    int answer = RSW_FAILED;
    if (rsw_redis_open(&redis, &how, err) == 0) {
        assert_string_equal(rsw_redis_name(redis), server->address);
        answer = rsw_redis_forget(redis, "a/b", &digest, err);
    }
    rsw_redis_close(redis);
    return answer;
}

static const struct rsw_redis_options plain = {.address = NULL};

static void the_member_of_the_set_tells_whether_it_was_known(void **state) {
    static const struct {
        const char *answers[3];
        int expected;
    } table[] = {
        {{":1\r\n", ":1\r\n", ":1\r\n"}, RSW_FOUND},
        {{":1\r\n", ":0\r\n", ":0\r\n"}, RSW_FOUND},
        {{":0\r\n", ":1\r\n", ":1\r\n"}, RSW_ABSENT},
        {{":0\r\n", ":0\r\n", ":0\r\n"}, RSW_ABSENT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct server server = {
            .script = {{"+PONG\r\n", table[i].answers[0], table[i].answers[1], table[i].answers[2]}}};
        start(&server);
        int answer = open_and_forget(&server, &plain, &err);
        stop(&server);
        if (answer != table[i].expected) {
            fail_msg("%zu: %d: %s", i, answer, err.message);
        }
        assert_non_null(strstr(server.asked[0], "SREM  $22  repository::a/b::blobs  $71  sha256:"));
        assert_non_null(strstr(server.asked[0], "DEL  $95  repository::a/b::blobs::sha256:"));
        assert_non_null(strstr(server.asked[0], "DEL  $78  blobs::sha256:"));
    }
}

static void user_password_and_database_are_told_first(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct server server = {.script = {{"+OK\r\n", "+OK\r\n", "+PONG\r\n", ":1\r\n", ":1\r\n", ":1\r\n"}}};
    const struct rsw_redis_options options = {.user = "sweeper", .password = "se cret", .db = 7};
    start(&server);
    assert_int_equal(open_and_forget(&server, &options, &err), RSW_FOUND);
    stop(&server);
    assert_int_equal(
        strncmp(server.asked[0], "*3  $4  AUTH  $7  sweeper  $7  se cret  *2  $6  SELECT  $1  7", 61), 0);
}

static void expect_words(const struct rsw_error *err, enum rsw_code code, int errnum, const char *words,
                         const char *line) {
    if (err->code != code || err->errnum != errnum || strstr(err->message, words) == NULL) {
        fail_msg("to \"%s\": code %d, errno %d: %s", line, err->code, err->errnum, err->message);
    }
    assert_null(strstr(err->message, "hunter2"));
}

static void errors_of_the_server_are_told_with_the_remedy(void **state) {
    static const struct {
        const char *line;
        enum rsw_code code;
        int errnum;
        const char *words;
    } table[] = {
        {"-NOAUTH Authentication required.\r\n", RSW_EACCESS, 0, "--redis-password-file"},
        {"-NOPERM this user has no permissions to run the 'srem' command\r\n", RSW_EACCESS, 0, "allow SREM"},
        {"-LOADING Redis is loading the dataset in memory\r\n", RSW_EIO, EAGAIN, "still loading"},
        {"-READONLY You can't write against a read only replica.\r\n", RSW_EREFUSED, 0,
         "the address of the primary"},
        {"-MOVED 3999 127.0.0.1:6381\r\n", RSW_EUNSUPPORTED, 0, "it is a cluster"},
        {"-MISCONF Redis is configured to save RDB snapshots\r\n", RSW_EREFUSED, 0, "can save its data"},
        {"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", RSW_EIO, 0,
         "answers to SREM: WRONGTYPE"},
        {"+OK\r\n", RSW_EIO, 0, "with what that never gives"},
        {"$2\r\n:1\r\n", RSW_EIO, 0, "with what that never gives"},
        {"$-1\r\n", RSW_EIO, 0, "with what that never gives"},
        {":-1\r\n", RSW_EIO, 0, "with what that never gives"},
        {"*2\r\n:1\r\n:1\r\n", RSW_EIO, 0, "no Redis"},
        {"*2147483647\r\n", RSW_EIO, 0, "no Redis"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", RSW_EIO, 0, "no Redis"},
        {"$999999999\r\nx", RSW_EIO, ETIMEDOUT, "no answer"},
        {":1", RSW_EIO, ETIMEDOUT, "no answer"},
        {FLOOD, RSW_EIO, 0, "has no end"},
        {DRIP, RSW_EIO, ETIMEDOUT, "no answer"},
        {NULL, RSW_EIO, ETIMEDOUT, "no answer"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct server server = {.script = {{"+PONG\r\n", table[i].line}}};
        int64_t began_ms = rsw_monotonic_ms();
        start(&server);
        assert_int_equal(open_and_forget(&server, &plain, &err), RSW_FAILED);
        assert_true(rsw_monotonic_ms() - began_ms < 5000);
        stop(&server);
        expect_words(&err, table[i].code, table[i].errnum, table[i].words,
                     table[i].line != NULL ? table[i].line : "silence");
        assert_non_null(strstr(err.message, server.address));
        assert_int_equal(server.connections, 1);
    }
}

static void a_password_that_is_not_taken_is_not_repeated(void **state) {
    static const struct {
        const char *line;
        const char *words;
    } table[] = {
        {"-WRONGPASS invalid username-password pair or user is disabled.\r\n", "user or password are wrong"},
        {"-ERR unknown command `AUTH`, with args beginning with: `hunter2`\r\n",
         "does not take our password"},
        {"-ERR AUTH <password> called without any password configured\r\n", "has it none set"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        const struct rsw_redis_options options = {.password = "hunter2"};
        struct server server = {.script = {{table[i].line}}};
        start(&server);
        assert_int_equal(open_and_forget(&server, &options, &err), RSW_FAILED);
        stop(&server);
        expect_words(&err, RSW_EACCESS, 0, table[i].words, table[i].line);
    }
}

/* ---- connections that end ---- */

static struct rsw_redis *open_at(struct server *server) {
    const struct rsw_redis_options options = {.address = server->address, .timeout_ms = 2000};
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_redis *redis = NULL;
    if (rsw_redis_open(&redis, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return redis;
}

static int forget(struct rsw_redis *redis, struct rsw_error *err) {
    struct rsw_digest digest = some_digest();
    return rsw_redis_forget(redis, "a/b", &digest, err);
}

static void one_that_was_closed_in_between_is_made_anew(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct server server = {.script = {{"+PONG\r\n", ":1\r\n", ":1\r\n", ":1\r\n", CLOSE},
                                       {"+PONG\r\n", ":0\r\n", ":0\r\n", ":0\r\n"}}};
    start(&server);
    struct rsw_redis *redis = open_at(&server);
    assert_int_equal(forget(redis, &err), RSW_FOUND);
    /* A lost try may have taken it out already: then nobody can say that it was not known. */
    assert_int_equal(forget(redis, &err), RSW_FOUND);
    rsw_redis_close(redis);
    stop(&server);
    assert_int_equal(server.connections, 2);
}

static void all_of_a_list_go_in_one_exchange_and_each_has_its_answer(void **state) {
    (void)state;
    struct rsw_digest digest = some_digest();
    struct rsw_redis_pair list[] = {{.repo = "one", .digest = &digest},
                                    {.repo = "forbidden", .digest = &digest},
                                    {.repo = "three", .digest = &digest}};
    /* Nothing is answered before all has come in. */
    struct server server = {
        .script = {{"+PONG\r\n", "", "", "", "", "", "", "", "",
                    ":1\r\n:0\r\n:0\r\n-NOPERM no\r\n-NOPERM no\r\n:0\r\n:0\r\n:0\r\n:0\r\n"}}};
    start(&server);
    struct rsw_redis *redis = open_at(&server);
    rsw_redis_forget_all(redis, list, 3);
    rsw_redis_close(redis);
    stop(&server);
    assert_int_equal(list[0].answer, RSW_FOUND);
    assert_int_equal(list[1].answer, RSW_FAILED);
    assert_int_equal(list[1].err.code, RSW_EACCESS);
    assert_int_equal(list[2].answer, RSW_ABSENT);
    assert_int_equal(server.connections, 1);
}

static void one_that_was_idle_too_long_says_nothing_about_what_was_known(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    const struct timespec pause = {.tv_nsec = 1000000};
    struct server server = {.hang_up = true,
                            .script = {{"+PONG\r\n"}, {"+PONG\r\n", ":0\r\n", ":0\r\n", ":0\r\n"}}};
    start(&server);
    struct rsw_redis *redis = open_at(&server);
    while (!atomic_load(&server.hung_up)) {
        nanosleep(&pause, NULL);
    }
    assert_int_equal(forget(redis, &err), RSW_ABSENT);
    rsw_redis_close(redis);
    stop(&server);
}

static void one_that_ends_twice_is_an_error(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct server server = {.script = {{"+PONG\r\n", ":1\r\n", CLOSE}, {"+PONG\r\n", CLOSE}}};
    start(&server);
    struct rsw_redis *redis = open_at(&server);
    assert_int_equal(forget(redis, &err), RSW_FAILED);
    /* Which of the two the system says depends on who is faster. */
    assert_true(err.errnum == ECONNRESET || err.errnum == EPIPE);
    expect_words(&err, RSW_EIO, err.errnum, server.address, "");
    rsw_redis_close(redis);
    stop(&server);
}

static void nobody_there_is_told_with_the_address(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_redis *redis = NULL;
    struct server server = {.script = {{NULL}}};
    start(&server);
    stop(&server);
    const struct rsw_redis_options options = {.address = server.address, .timeout_ms = 2000};
    assert_int_equal(rsw_redis_open(&redis, &options, &err), -1);
    assert_null(redis);
    expect_words(&err, RSW_EIO, ECONNREFUSED, server.address, "");
}

/* ---- addresses ---- */

static void what_is_no_address_is_refused_without_a_word_of_it(void **state) {
    static const char *const bad[] = {
        "",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:6379x",
        ":6379",
        "host:6379/1",
        "http://hunter2:6379",
        "redis://",
        "redis://user:hunter2@",
        "redis://user:hunter2@:6379",
        "redis://user:hunter%2@host",
        "redis://user:hunter%00@host",
        "redis://host/x",
        "redis://host/1/2",
        "redis://[::1",
        "redis://[::1]6379",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rsw_error err = RSW_ERROR_INIT;
        struct rsw_redis *redis = NULL;
        const struct rsw_redis_options options = {.address = bad[i], .timeout_ms = 100};
        assert_int_equal(rsw_redis_open(&redis, &options, &err), -1);
        expect_words(&err, RSW_EINVAL, 0, "must be HOST:PORT", bad[i]);
    }
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_redis *redis = NULL;
    const struct rsw_redis_options options = {.address = "rediss://user:hunter2@host:6380"};
    assert_int_equal(rsw_redis_open(&redis, &options, &err), -1);
    expect_words(&err, RSW_EUNSUPPORTED, 0, "does not speak TLS to Redis", "rediss");
}

static void a_url_has_user_password_and_database(void **state) {
    (void)state;
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_redis *redis = NULL;
    char url[96];
    struct server server = {.script = {{"+OK\r\n", "+OK\r\n", "+PONG\r\n"}}};
    start(&server);
    snprintf(url, sizeof url, "redis://us%%3Aer:hun%%40ter%%2F2@%s/3", server.address);
    const struct rsw_redis_options options = {.address = url, .db = 9, .timeout_ms = 2000};
    if (rsw_redis_open(&redis, &options, &err) != 0) {
        fail_msg("%s", err.message);
    }
    rsw_redis_close(redis);
    stop(&server);
    const char expected[] = "*3  $4  AUTH  $5  us:er  $9  hun@ter/2  *2  $6  SELECT  $1  3  *1  $4  PING";
    assert_int_equal(strncmp(server.asked[0], expected, sizeof expected - 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_member_of_the_set_tells_whether_it_was_known),
        cmocka_unit_test(user_password_and_database_are_told_first),
        cmocka_unit_test(errors_of_the_server_are_told_with_the_remedy),
        cmocka_unit_test(a_password_that_is_not_taken_is_not_repeated),
        cmocka_unit_test(one_that_was_closed_in_between_is_made_anew),
        cmocka_unit_test(all_of_a_list_go_in_one_exchange_and_each_has_its_answer),
        cmocka_unit_test(one_that_was_idle_too_long_says_nothing_about_what_was_known),
        cmocka_unit_test(one_that_ends_twice_is_an_error),
        cmocka_unit_test(nobody_there_is_told_with_the_address),
        cmocka_unit_test(what_is_no_address_is_refused_without_a_word_of_it),
        cmocka_unit_test(a_url_has_user_password_and_database),
    };
    return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
