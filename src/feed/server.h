/* What the files of the webhook server share. See <regsweep/feed.h> for what it does. */
#ifndef REGSWEEP_FEED_SERVER_H
#define REGSWEEP_FEED_SERVER_H

#include "feed/listen.h"
#include "feed/mhd.h"
#include "feed/writer.h"
#include "util/buf.h"

#include <regsweep/feed.h>

#include <pthread.h>
#include <stdatomic.h>

/* Answers whose text never changes are made once. */
enum rsw_answer_kind {
    RSW_ANSWER_OK,
    RSW_ANSWER_UNAUTHORIZED,
    RSW_ANSWER_NOT_FOUND,
    RSW_ANSWER_METHOD_GET,  /* 405: there is GET here */
    RSW_ANSWER_METHOD_POST, /* 405: there is POST here */
    RSW_ANSWER_LATER,       /* 503: the index cannot be written */
    RSW_ANSWER_BUSY,        /* 503: too many wait */
    RSW_ANSWER_TOO_LONG,    /* 413: the body of a further request */
    RSW_ANSWER_FAULT,       /* 500: out of memory */
    RSW_ANSWER_KINDS,
};

#define RSW_TOKEN_SUM 32 /* SHA-256 */

struct rsw_feed_token {
    bool asked;
    uint8_t sum[RSW_TOKEN_SUM];   /* the token itself is not kept */
    atomic_uint_fast64_t refused; /* requests that did not carry it */
    atomic_int_fast64_t told_ms;  /* monotonic; when one of them was last told of */
};

struct rsw_feed {
    struct rsw_index *index;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    void (*metrics)(void *arg, void (*write)(void *to, const char *text), void *to);
    const char *const *further_paths; /* NULL: none */
    void (*further)(void *arg, const struct rsw_feed_request *request, struct rsw_feed_reply *reply);
    void *arg;
    struct rsw_feed_token token;
    struct rsw_feed_token further_token;
    char address[RSW_ADDRESS_MAX];
    struct rsw_writer *writer;
    const struct rsw_mhd *mhd;
    struct MHD_Daemon *daemon;
    struct MHD_Response *answers[RSW_ANSWER_KINDS];
    atomic_uint_fast64_t answered[RSW_ANSWER_KINDS]; /* POST /events, by answer */
    pthread_mutex_t mutex;
    pthread_cond_t idle;  /* active became 0 */
    unsigned active;      /* requests between their first line and their end; under the mutex */
    atomic_bool starting; /* MHD's words are for `said` yet */
    char said[256];       /* by MHD while it starts */
    int64_t heard_ms;     /* monotonic, MHD's thread alone: when it last had a word that was logged … */
    unsigned unheard;     /* … and how many it had since */
};

/* request.c */
enum MHD_Result rsw_feed_handle(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **ptr);
void rsw_feed_completed(void *cls, struct MHD_Connection *connection, void **ptr,
                        enum MHD_RequestTerminationCode how);
int rsw_feed_answers_init(struct rsw_feed *feed, struct rsw_error *err);
void rsw_feed_answers_release(struct rsw_feed *feed);
/* token.c */
int rsw_feed_token_set(struct rsw_feed_token *out, const char *token, struct rsw_error *err);
bool rsw_feed_token_equal(const struct rsw_feed_token *a, const struct rsw_feed_token *b);
/* Takes the value of the header Authorization, NULL if there is none. In constant time of the token. */
bool rsw_feed_token_right(const struct rsw_feed_token *token, const char *authorization);
/* metrics.c: Prometheus text, with a NUL behind. */
int rsw_feed_metrics(struct rsw_feed *feed, struct rsw_buf *out, struct rsw_error *err);

#endif
