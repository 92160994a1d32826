/* What the tests of the feed share: an index in a folder of its own, bodies of events, a small HTTP client.
 */
#ifndef FEED_HELP_H
#define FEED_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index/facts.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#include <regsweep/feed.h>

struct place {
    char dir[64];
    char index_dir[80];
    struct rsw_index *index;
    int64_t now_ms; /* what the place's clock says */
    struct rsw_clock clock;
};

int place_setup(void **state);    /* *state: an empty folder, the index open */
int place_teardown(void **state); /* closes the index, removes the folder */

struct rsw_txn *begin_read(struct place *place);
struct rsw_txn *begin_write(struct place *place);
void commit(struct rsw_txn **txn);

/* "sha256:…", text number i, in static storage; the last eight stay valid. */
const char *digest_text(uint64_t i);
struct rsw_digest digest_number(uint64_t i);

/* What a body says; NULL: left out. */
struct body {
    const char *action;
    const char *type;
    const char *digest;
    const char *repository;
    const char *from;
    const char *tag;
    uint64_t size;        /* 0: left out */
    const char *instance; /* NULL: "instance-1" */
};
/* One envelope, in static storage; the last four stay valid. */
const char *body_text(const struct body *body);

/* Lines of a recorded file; `each` gets them without the newline. */
unsigned each_recorded(const char *name, void (*each)(void *arg, const char *line, size_t len), void *arg);
extern const char *const recorded[4];

/* Facts of the index, in a transaction of their own. */
bool has_blob(struct place *place, uint64_t digest);
bool has_member(struct place *place, enum rsw_member_kind kind, const char *repo, uint64_t digest);
struct rsw_state state_of(struct place *place);
uint64_t count_checks(struct place *place, enum rsw_check_kind kind);

/* Bytes of memory that this process has in use. */
uint64_t resident_bytes(void);

/* ---- HTTP ---- */

struct reply {
    int status; /* 0: the connection ended without an answer */
    char head[2048];
    char body[32768];
};
/* Connects to "127.0.0.1:PORT" or "[::1]:PORT". */
int http_connect(const char *address);
void http_send(int fd, const void *bytes, size_t len);
/* As http_send, but false if the other side has gone. */
bool http_try_send(int fd, const void *bytes, size_t len);
void http_read(int fd, struct reply *reply); /* until the other side closes */
/* One request over a connection of its own; token NULL: none. */
void http_request(const char *address, const char *method, const char *path, const char *token,
                  const void *body, size_t len, struct reply *reply);
int http_post(const char *address, const char *token, const char *body);

#endif
