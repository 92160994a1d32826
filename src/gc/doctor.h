/* Doctor: what would make sweeping unsafe, or the feed deaf, each with its remedy.
 *
 * Every check is asked, whatever the others found; what a check needs and cannot have makes it "unknown".
 * What can be told in milliseconds and must never be passed over is a guard as well: a sweep asks it by
 * itself.
 */
#ifndef REGSWEEP_GC_DOCTOR_H
#define REGSWEEP_GC_DOCTOR_H

#include "gc/replicas.h"
#include "index/index.h"
#include "storage/storage.h"

enum rsw_health { /* from good to bad */
                  RSW_HEALTH_OK,
                  RSW_HEALTH_UNKNOWN, /* it could not be told: no finding */
                  RSW_HEALTH_WARNING, /* sweeping goes on, or nothing is lost by it; still to be looked after
                                       */
                  RSW_HEALTH_ERROR,   /* sweeping refuses, or must not be done */
};
/* "ok", "unknown", "warning", "error". Static storage. */
const char *rsw_health_name(enum rsw_health level);

struct rsw_diagnosis {
    const char *name; /* of the check. Static storage */
    enum rsw_health level;
    char message[RSW_MESSAGE_MAX];
    char remedy[RSW_MESSAGE_MAX]; /* "" where there is none to give */
};

/* What the registry's own configuration says; text borrowed, "" for what it does not say. */
struct rsw_doctor_config {
    const char *name; /* of the file */
    bool delete_enabled;
    enum rsw_cache cache;
    bool cache_unknown; /* neither of these: `cache` says nothing */
    bool include_references;
    bool endpoint;             /* one is in use that leads to a serve */
    const char *deaf_endpoint; /* the name of one that leaves out something, as the next says it */
    bool deaf;
    const char *proxy;      /* URL, of a pull-through cache */
    const char *middleware; /* of repositories */
};

/* What there is to look at. All is borrowed; what is NULL makes the checks that need it "unknown", or, with
 * an error beside it, the one that tells of that an error. */
struct rsw_doctor {
    struct rsw_index *index; /* for writing, if there are replicas: a fence may find a gap */
    const struct rsw_error *index_error;
    uint64_t map_limit; /* that was set for the index, in bytes; 0: none */
    struct rsw_storage *storage;
    const struct rsw_error *storage_error;
    struct rsw_replicas *replicas;
    const struct rsw_error *replicas_error;
    const struct rsw_doctor_config *config;
    const struct rsw_clock *clock; /* NULL: the system's */
    int64_t fence_timeout_ms;
    void (*tell)(void *arg, const struct rsw_diagnosis *diagnosis); /* borrowed until it returns */
    void *arg;
};

/* Asks all checks, in the order of the table; gives how many are warnings or errors. Changes nothing in the
 * registry and the index but what a fence does (replicas.h); writes a small file beside the quarantine, looks
 * at its time, and removes it (on an object store some more, rsw_storage_rights). Pushes, serve and a sweep
 * may run beside it. No transaction may be open. */
size_t rsw_doctor(const struct rsw_doctor *doctor);

/* Must a sweep not begin? 0, or -1 with RSW_EREFUSED, what is wrong, and the remedy: clocks of a replica, of
 * storage and of the index that are too far from ours; a quarantine on another filesystem; live bytes that
 * vanished without us; a registry with a cache that does not delete. Costs a request or two for each replica,
 * and some looks at storage. What cannot be told is no reason to refuse. `replicas` may be NULL. No
 * transaction may be open. */
int rsw_doctor_guard(struct rsw_index *index, struct rsw_storage *storage, struct rsw_replicas *replicas,
                     const struct rsw_clock *clock, struct rsw_error *err);

#endif
