/* A registry that is none: an HTTP server on loopback whose answer depends on the repository's name alone,
 * and which notes what it was asked. One thread a connection, so that it may be slow.
 *
 *     found absent busy broken html teapot notfound-html redirect redirect-proxy no-delete read-only denied
 *     endless slow echo elsewhere lost relative …: see answer_of in registry_mock.c
 */
#ifndef TESTS_UNIT_REGISTRY_MOCK_H
#define TESTS_UNIT_REGISTRY_MOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "registry/registry.h"

#include <pthread.h>
#include <stdbool.h>

enum mock_auth { MOCK_OPEN, MOCK_BASIC, MOCK_BEARER };

#define MOCK_NOTES 64

struct mock_note {
    char line[640]; /* "HEAD /v2/found/blobs/sha256:…?query" */
    char authorization[256];
    char agent[300];
    char accept[700];
    char type[300];
    size_t body_len;
};

struct mock {
    struct MHD_Daemon *daemon;
    char url[64];
    /* Set before requests come; the tests change them between two. */
    enum mock_auth auth;
    const char *challenge;    /* instead of the one that belongs to `auth` */
    const char *token_answer; /* body of /token instead of the usual one */
    int token_status;         /* 0: as the credentials are */
    int expires_in;
    const char *location_host; /* of Location headers; NULL: our own, "": relative */
    bool plain;                /* answers without Docker-Distribution-Api-Version */
    const char *hung_up;       /* requests by this method are not answered … */
    int pause_ms;              /* before every answer */
    pthread_mutex_t mutex;     /* over what follows */
    unsigned under_way;        /* requests … */
    unsigned most;             /* … and the most of them at once */
    unsigned hang_ups;         /* … the next so many of them */
    unsigned token_number;     /* of the last one given out, "token-N" */
    unsigned token_revoked;    /* up to this number they are not valid */
    struct mock_note notes[MOCK_NOTES];
    size_t count;
    int64_t now_ms; /* of `clock` */
    struct rsw_clock clock;
};

/* user:secret is who may do anything. `cert` and `key` in PEM, NULL for plain HTTP. */
#define MOCK_USER "user"
#define MOCK_PASSWORD "secret-password"
#define MOCK_BASIC_HEADER "Basic dXNlcjpzZWNyZXQtcGFzc3dvcmQ="

void mock_start(struct mock *mock, const char *cert, const char *key);
void mock_stop(struct mock *mock);
void mock_forget(struct mock *mock); /* the notes */
/* The tokens that were given out are not valid any more. */
void mock_revoke(struct mock *mock);
/* Requests whose line begins so. */
size_t mock_count(struct mock *mock, const char *prefix);
/* The last one; fails the test if there is none. */
const struct mock_note *mock_last(struct mock *mock, const char *prefix);

/* cmocka's set-up and tear-down: *state is a struct mock without TLS. */
int mock_setup(void **state);
int mock_teardown(void **state);

/* Opens with the mock's clock and the nonce "n1", and with the user if asked; fails the test if it cannot. */
struct rsw_registry *mock_open(struct mock *mock, bool user);
/* The digest of a text. */
struct rsw_digest mock_digest(const char *text);

#define expect_answer(call, answer, error)                                                                   \
    do {                                                                                                     \
        rsw_error_clear(error);                                                                              \
        int got = (call);                                                                                    \
        if (got != (answer)) {                                                                               \
            fail_msg("%s: %d, not %d: %s", #call, got, (answer), (error)->message);                          \
        }                                                                                                    \
    } while (0)
/* The message has these words, and no secret. */
#define expect_words(error, wanted, words) expect_words_at(error, wanted, words, __LINE__)
void expect_words_at(const struct rsw_error *err, enum rsw_code code, const char *words, int line);

#endif
