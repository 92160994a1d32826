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
