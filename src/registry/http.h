/* One HTTP exchange over libcurl: limits, timeouts, TLS, and no redirects. Knows no registry. */
#ifndef REGSWEEP_REGISTRY_HTTP_H
#define REGSWEEP_REGISTRY_HTTP_H

#include "registry/challenge.h"
#include "util/buf.h"
#include "util/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define RSW_HTTP_IDLE_MAX 16              /* connections kept for the next call */
#define RSW_HTTP_KEEP_MAX ((size_t)65536) /* of a body, as a rule */

/* Thread-safe. A connection serves one thread at a time; idle ones are kept. */
struct rsw_http {
    char *ca_file; /* owned, as the other strings */
    char *proxy;   /* "" for none */
    char *user_agent;
    int64_t connect_timeout_ms;
    int64_t total_timeout_ms;
    const struct rsw_patience *patience; /* borrowed; NULL: the timeouts alone end an exchange. Not while one
                                            is under way */
    pthread_mutex_t mutex;               /* over the two below */
    void *idle[RSW_HTTP_IDLE_MAX];
    size_t idle_count;
};

struct rsw_http_request {
    const char *method; /* HEAD, GET, POST, PUT, PATCH, DELETE */
    const char *url;
    const char *user_agent;    /* NULL: that of rsw_http */
    const char *authorization; /* value of the header, NULL: none */
    const char *accept;        /* NULL: anything */
    const char *content_type;  /* of the body; NULL: no such header */
    const void *body;          /* of POST and PUT */
    size_t body_len;
    size_t body_max;  /* of the answer: what is beyond is not read */
    size_t body_kept; /* of that: what is beyond is thrown away; 0: RSW_HTTP_KEEP_MAX */
};

struct rsw_http_response {
    int status;
    bool registry; /* Docker-Distribution-Api-Version: registry/2.0 */
    bool json;     /* Content-Type: application/json */
    bool cut;      /* the body was longer than what is kept of it */
    struct rsw_buf body;
    char *location;         /* owned, NULL: no such header */
    int64_t retry_after_ms; /* of the header Retry-After in seconds; -1: none, or a date */
    int64_t date_ms;        /* of the header Date, to the second; 0: none, or none that can be read */
    bool challenged;
    struct rsw_challenge challenge; /* the one to follow, if challenged: Bearer before Basic */
};

/* The strings and times are the caller's to fill in, the rest is set up here. 0 or -1. */
int rsw_http_init(struct rsw_http *http, struct rsw_error *err);
void rsw_http_release(struct rsw_http *http);

/* 0: answered, with any status; the caller releases *out. -1: no answer; *out is empty (RSW_ESTOPPED: who
 * asked is to stop). A DELETE is sent
 * once; what else gets no answer on a connection that was kept open can be sent again on a new one. */
int rsw_http_send(struct rsw_http_response *out, struct rsw_http *http,
                  const struct rsw_http_request *request, struct rsw_error *err);
/* A server that sends back what it was given must not bring it into a message: what stands behind the blank
 * of `authorization` (NULL: nothing) is struck out of the body. */
void rsw_http_scrub(struct rsw_http_response *response, const char *authorization);
void rsw_http_response_release(struct rsw_http_response *response);

#define RSW_AUTO_RESPONSE __attribute__((cleanup(rsw_http_response_release))) struct rsw_http_response

#endif
