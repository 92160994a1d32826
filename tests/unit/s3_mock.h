/* A store of S3 that is none: an HTTP server on loopback that gives the answers of a script, one a request
 * and connection, byte for byte, and notes what it was asked. */
#ifndef TESTS_UNIT_S3_MOCK_H
#define TESTS_UNIT_S3_MOCK_H

#include "storage_help.h"

#include <pthread.h>
#include <stdatomic.h>

#define S3_MOCK_NOTES 32
#define S3_MOCK_NOTE_MAX 4096
#define S3_MOCK_SECRET "secret-of-the-mock"

/* Answers. */
#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
#define OK(body) ANSWER("200 OK", body)
#define ERROR(code) "<Error><Code>" code "</Code><Message>for a reason</Message></Error>"
#define SLOW_DOWN ANSWER("503 Slow Down", ERROR("SlowDown"))
#define LAST "<IsTruncated>false</IsTruncated>"

#define SCRIPT(mock, ...)                                                                                    \
    do {                                                                                                     \
        static const char *const script[] = {__VA_ARGS__, NULL};                                             \
        s3_mock_answers(mock, script);                                                                       \
    } while (0)

struct s3_mock {
    pthread_t thread;
    int listening;
    char endpoint[64];
    _Atomic(const char *const *) script; /* raw answers, ended by NULL, of which the last is repeated; "": the
                                  connection is reset */
    char notes[S3_MOCK_NOTES][S3_MOCK_NOTE_MAX]; /* requests as they came, to the end of their bodies */
    atomic_size_t count;                         /* looked at before the notes are */
    struct rsw_storage *storage;                 /* s3://bucket/root over it, three tries */
};

/* cmocka's set-up and tear-down. */
int s3_mock_setup(void **state);
int s3_mock_teardown(void **state);
/* From now on these are the answers; the notes are forgotten. */
void s3_mock_answers(struct s3_mock *mock, const char *const *script);
/* Fails the test unless that request, counted from 0, came and has this text in it. */
void s3_mock_asked(const struct s3_mock *mock, size_t number, const char *text);

#endif
