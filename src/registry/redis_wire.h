/* A connection to Redis: commands out, answers in, within a time. hiredis writes the one and reads the other;
 * the socket is ours, so that there is one deadline, a maximum, and no SIGPIPE. */
#ifndef REGSWEEP_REGISTRY_REDIS_WIRE_H
#define REGSWEEP_REGISTRY_REDIS_WIRE_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- where ---- */

struct rsw_redis_address {
    char *host;     /* owned, as the next ones; an IPv6 address without its brackets */
    char *port;     /* "6379" */
    char *user;     /* NULL: none */
    char *password; /* NULL: none */
    bool has_db;
    unsigned db;
};
/* 0, or -1: RSW_EINVAL, RSW_EUNSUPPORTED (rediss://), RSW_ENOMEM. Messages have nothing of the text. */
int rsw_redis_address_parse(struct rsw_redis_address *out, const char *text, struct rsw_error *err);
void rsw_redis_address_release(struct rsw_redis_address *address);

/* ---- the connection ---- */

struct rsw_redis_wire {
    int fd; /* -1: not connected */
    void *reader;
    const char *name; /* "host:port" for messages; borrowed */
};
#define RSW_REDIS_WIRE_INIT(name)                                                                            \
    { -1, NULL, name }

/* 0 or -1 (RSW_EIO). `until_ms` by rsw_monotonic_ms, here and below. */
int rsw_redis_wire_connect(struct rsw_redis_wire *wire, const struct rsw_redis_address *address,
                           int64_t until_ms, struct rsw_error *err);
void rsw_redis_wire_close(struct rsw_redis_wire *wire);
/* Connected, and the server has neither closed it nor said anything unasked since. */
bool rsw_redis_wire_is_open(const struct rsw_redis_wire *wire);

/* Sends one command. 0, or -1 (RSW_EIO, and then the connection is of no use any more). */
int rsw_redis_wire_send(struct rsw_redis_wire *wire, int argc, const char **argv, int64_t until_ms,
                        struct rsw_error *err);

enum rsw_redis_kind {
    RSW_REDIS_TEXT,    /* a status or a string */
    RSW_REDIS_INTEGER, /* number */
    RSW_REDIS_NIL,
    RSW_REDIS_ERROR, /* text: "CODE what is wrong" */
};
struct rsw_redis_reply {
    enum rsw_redis_kind kind;
    long long number;
    char text[256]; /* cut where longer */
};
/* The next answer. 0, or -1 (RSW_EIO: none in time, too long, no answer of Redis; then as above). */
int rsw_redis_wire_read(struct rsw_redis_wire *wire, struct rsw_redis_reply *out, int64_t until_ms,
                        struct rsw_error *err);

#endif
