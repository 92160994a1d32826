/* What is pinned: by --pin, by the lines of --pins, and by workloads (tools/in_use.h). */
#ifndef REGSWEEP_TOOLS_PINS_H
#define REGSWEEP_TOOLS_PINS_H

#include "index/index.h"
#include "util/log.h"

#include <regsweep/sweep.h>

struct rsw_options;

/* As it was given. */
struct rsw_pin_words {
    char *where; /* "--pin", "FILE:3", "Pod shop/web container app" */
    char *text;
    bool used; /* a workload names it */
};

struct rsw_pins {
    struct rsw_pin *items;       /* owned, with their names */
    struct rsw_pin_words *words; /* owned, with what they point to */
    size_t count, room, words_room;
    uint64_t objects; /* workloads that were looked at; 0: elsewhere, or none */
};

/* DIGEST, NAME@DIGEST or NAME:TAG. `where` stands in front of messages. 0, or -1: RSW_EINVAL, RSW_ENOMEM. */
int rsw_pins_add(struct rsw_pins *pins, const char *where, const char *text, struct rsw_error *err);
/* The same for what a workload names: it may be an image that this registry has not. */
int rsw_pins_add_used(struct rsw_pins *pins, const char *where, const char *text, struct rsw_error *err);
/* One a line; blank lines, and what begins with '#', say nothing. */
int rsw_pins_parse(struct rsw_pins *pins, const char *name, const char *bytes, size_t len,
                   struct rsw_error *err);
/* All that the options name, but for what is to be asked of workloads. A file that cannot be read is an
 * error: what it would have kept could go. */
int rsw_pins_read(struct rsw_pins *out, const struct rsw_options *options, struct rsw_error *err);
void rsw_pins_release(struct rsw_pins *pins);
/* Makes --pin of all of them, and of those in use what a request has for that: for a server, which does not
 * have our files. 0, or -1. */
int rsw_pins_to_options(const struct rsw_pins *pins, struct rsw_options *options, struct rsw_error *err);
/* A pin that keeps nothing is a slip of the pen that costs an image: a warning each. What is in use and not
 * here is counted. 0, or -1 on an index error. */
int rsw_pins_warn(const struct rsw_pins *pins, struct rsw_txn *txn, const struct rsw_log *log,
                  struct rsw_error *err);
/* The same of the pins that are kept in the index; and those that have run out are told of. */
int rsw_pins_warn_kept(struct rsw_txn *txn, int64_t now_ms, const struct rsw_log *log, struct rsw_error *err);

#endif
