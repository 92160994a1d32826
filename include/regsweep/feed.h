/* The feed: the registry's webhook, an HTTP server that takes its events into the index. */
#ifndef REGSWEEP_FEED_H
#define REGSWEEP_FEED_H

#include <regsweep/error.h>
#include <regsweep/index.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_clock;
struct rsw_log;
struct rsw_feed;

#define RSW_FEED_BODY_MAX ((size_t)16 << 20) /* of a further request that needs a token; else 64 KiB */

/* A request that others than the feed answer, whole. Everything is borrowed until the call returns. */
struct rsw_feed_request {
    const char *method;
    const char *path;
    const char *body; /* NUL behind it */
    size_t body_len;
};

struct rsw_feed_reply {
    unsigned status;
    char *json; /* from malloc, the feed frees it; NULL: out of memory, which is answered 500 */
    size_t len;
    char location[80]; /* value of that header; "": none */
    const char *allow; /* likewise, static; NULL: none */
};

struct rsw_feed_options {
    const char *listen; /* "ADDR:PORT", "[v6]:PORT"; port 0: any free one */
    const char *token;  /* bearer token that POST /events must carry; compared in constant time. NULL: none
                           asked, allowed for loopback addresses only (RSW_EREFUSED otherwise) */
    const char *tls_cert_file; /* PEM; both or neither */
    const char *tls_key_file;
    const struct rsw_clock *clock;
    const struct rsw_log *log;
    /* May be NULL: called after events became durable that left something in the check queue (`asked`), or
     * told of something that an open generation holds condemned (`touched`: it must be given back at once).
     * From the feed's own thread. */
    void (*committed)(void *arg, bool asked, bool touched);
    /* Further Prometheus text for /metrics (gauges of others); may be NULL. Appends to what `write` is given.
     */
    void (*metrics)(void *arg, void (*write)(void *to, const char *text), void *to);
    /* Further requests: what is for one of `further_paths` ("/sweeps", …, ended by NULL; NULL: there are
     * none) or below it, and carries `further_token`, which must not be `token`: who sends events may do
     * nothing else. NULL: none asked, so `further` is for everybody. From the thread that takes events, so it
     * must not wait for more than its turn to write. */
    const char *const *further_paths; /* borrowed for as long as it runs */
    const char *further_token;
    void (*further)(void *arg, const struct rsw_feed_request *request, struct rsw_feed_reply *reply);
    void *arg;
};

/* Starts the server's threads; the index must be open for writing. 0, or -1: RSW_EINVAL (address,
 * certificate, tokens), RSW_EIO (cannot listen; the message names the address), RSW_EREFUSED. */
RSW_API int rsw_feed_start(struct rsw_feed **out, struct rsw_index *index,
                           const struct rsw_feed_options *options, struct rsw_error *err);
/* "127.0.0.1:5050" with the port in use. Borrowed. */
RSW_API const char *rsw_feed_address(const struct rsw_feed *feed);
/* Takes no new connection, answers what it has taken in, makes it durable, frees. NULL is allowed. */
RSW_API void rsw_feed_stop(struct rsw_feed *feed);

struct rsw_feed_stats {
    uint64_t requests;  /* POST /events answered */
    uint64_t events;    /* taken in */
    uint64_t unusable;  /* of these: acknowledged, counted, kept, not understood */
    uint64_t unchanged; /* of these: told nothing new, cost no write */
    uint64_t refused;   /* requests without the right token */
    uint64_t commits;
    uint64_t failed; /* requests answered 503 because the index could not be written */
    bool ready;      /* the last write to the index succeeded */
};
RSW_API void rsw_feed_get_stats(struct rsw_feed *feed, struct rsw_feed_stats *out);

#ifdef __cplusplus
}
#endif
#endif
