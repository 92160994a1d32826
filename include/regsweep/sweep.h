/* Sweep: what nothing needs, shown or removed. */
#ifndef REGSWEEP_SWEEP_H
#define REGSWEEP_SWEEP_H

#include <regsweep/error.h>
#include <regsweep/index.h>
#include <regsweep/storage.h>
#include <regsweep/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_clock;
struct rsw_lease;
struct rsw_log;
struct rsw_policy;
struct rsw_replicas;
struct rsw_scan_progress;

/* What an operator or a running workload names: it stays, with all that it needs. */
struct rsw_pin {
    const char *repo;         /* NULL: wherever the digest is; never NULL with a tag */
    const char *tag;          /* this tag, whatever it points at; NULL: the digest */
    struct rsw_digest digest; /* where there is no tag */
    bool image;      /* the digest may be of an image's configuration: what has it as such stays too */
    const char *why; /* who names it, in words, for rsw_why; NULL: nobody in particular */
};

/* One object that is let go, in words. Everything is borrowed until the callback returns. */
struct rsw_sweep_item {
    enum rsw_item_kind kind;
    enum rsw_reason reason;
    const char *repo;                /* NULL for a blob */
    const struct rsw_digest *digest; /* NULL for repository and upload */
    const char *name;                /* tag, or id of an upload; NULL for others */
    uint32_t types;                  /* enum rsw_type, of a blob */
    uint64_t size;                   /* of a blob or upload */
};

/* Something that was kept because it could not be understood. Borrowed likewise. */
struct rsw_sweep_warning {
    const char *repo;                /* NULL: none in particular */
    const struct rsw_digest *digest; /* NULL: none in particular */
    const char *problem;
};

struct rsw_sweep_progress {
    enum rsw_item_kind kind; /* that is being removed */
    const char *phase;       /* online: what is being done, in words; NULL offline. Static storage */
    int64_t wait_ms;         /* time left until the generation goes on; 0: it is being worked on */
    uint64_t done;           /* items done, of all kinds */
    uint64_t total;
    uint64_t freed; /* bytes */
    int64_t elapsed_ms;
};

struct rsw_sweep_options {
    bool confirm;         /* remove; else change nothing at all */
    bool offline;         /* the registry is stopped or read-only: that is the caller's to know */
    int64_t silent_ms;    /* offline: since when the registry is known to be stopped, not read-only; an event
                             that came in later refuses the run before anything is deleted. 0: not known */
    bool untagged_remove; /* let revisions go that no tag keeps */
    int64_t grace_ms;     /* below 0: the default of 24 hours */
    int64_t
        upload_max_age_ms; /* below 0: the default of 168 hours; beside a running registry not below grace */
    int64_t version_max_age_ms; /* where storage keeps versions: those that are not current for longer go; 0:
                                   they stay. Not below settle */
    int64_t settle_ms; /* no request of a client lives longer, and no deletion that was asked for comes
                          later; below 0: the default of 10 minutes */
    unsigned
        max_delete; /* percent of blobs, bytes, tags or revisions that may go in one run; 100: no limit */
    const char *audit_file; /* JSON lines are added to it, one a deletion; NULL: none. Needed with confirm */
    unsigned threads;       /* of the scan, as there */
    /* Beside a running registry (confirm without offline) */
    struct rsw_replicas *replicas; /* all of it (registry.h); borrowed */
    int64_t quarantine_ms;         /* what is hidden can be given back for so long; below 0: 24 hours */
    int64_t fence_timeout_ms;      /* below 0: 60 seconds */
    bool wait;                     /* until the generation is purged */
    int64_t swept_ms; /* of a run by a schedule, that others have too: when it began, written into the lease
                         once it has gone well; 0: of any other */
    struct rsw_lease *
        lease; /* of the storage (lease.h), where others may sweep it too; NULL: nobody else does. Borrowed */
    const struct rsw_pin *pins;
    size_t pin_count;
    /* With `wait`: what is pinned by now, asked before what has become due is done; what was taken of it is
     * given back. *pins stay good until the next call. 0; or -1, nobody knows: that ends the run. NULL: as
     * above. */
    int (*pins_again)(void *arg, const struct rsw_pin **pins, size_t *count, struct rsw_error *err);
    const struct rsw_policy *policy; /* NULL: none; what it lets go goes too */
    const struct rsw_clock *clock;   /* NULL: the system's */
    const struct rsw_log *log;       /* NULL: silence */
    unsigned item_kinds;             /* which are told to `item`: bits 1 << kind; 0: all */
    /* Each may be NULL. Items come by kind in the order of the enum, before anything is removed; non-zero
     * from item or warning ends the run with RSW_ESTOPPED. */
    int (*item)(void *arg, const struct rsw_sweep_item *item);
    int (*warning)(void *arg, const struct rsw_sweep_warning *warning);
    void (*scan_progress)(void *arg, const struct rsw_scan_progress *progress);
    void (*progress)(void *arg, const struct rsw_sweep_progress *progress);
    bool (*stopped)(
        void *arg); /* true ends the run between two batches with RSW_ESTOPPED; the next goes on */
    void *arg;
};

/* The defaults: a dry run, as careful as the command. What is left out of an initialiser without it is zero,
 * and zero is no time at all. Every member is named, for C++ (from C++20 on) warns of what is not. */
#define RSW_SWEEP_OPTIONS_INIT                                                                               \
    {                                                                                                        \
        .confirm = false, .offline = false, .silent_ms = 0, .untagged_remove = false, .grace_ms = -1,        \
        .upload_max_age_ms = -1, .version_max_age_ms = 0, .settle_ms = -1, .max_delete = 30,                 \
        .audit_file = NULL, .threads = 0, .replicas = NULL, .quarantine_ms = -1, .fence_timeout_ms = -1,     \
        .wait = false, .swept_ms = 0, .lease = NULL, .pins = NULL, .pin_count = 0, .pins_again = NULL,       \
        .policy = NULL, .clock = NULL, .log = NULL, .item_kinds = 0, .item = NULL, .warning = NULL,          \
        .scan_progress = NULL, .progress = NULL, .stopped = NULL, .arg = NULL                                \
    }

/* What a store keeps of what was written over or deleted; with version_max_age_ms alone. */
struct rsw_old_result {
    uint64_t versions; /* there were, that are not current */
    uint64_t bytes;    /* of these */
    uint64_t markers;  /* that only say that something is deleted */
    uint64_t removed;  /* versions and markers; without confirm: would be */
    uint64_t freed;    /* bytes */
    uint64_t failed;
};

struct rsw_sweep_result {
    uint64_t generation; /* 0: none was made */
    const char *state;   /* of it, online: "condemned", "unlinked", "hidden", "purged"; else NULL */
    int64_t due_ms;      /* online: when it, or an older one, goes on; 0: nothing is left to do */
    uint64_t held;       /* online: blobs whose bytes stay in quarantine for stale caches */
    uint64_t counts[RSW_ITEM_KINDS]; /* condemned, by kind */
    uint64_t totals[RSW_ITEM_KINDS]; /* what there was, by kind */
    uint64_t bytes;                  /* condemned */
    uint64_t total_bytes;            /* of the blobs that there were */
    uint64_t kept_blobs;
    uint64_t kept_in_grace; /* of these: kept by their youth alone */
    uint64_t warnings;
    char guard[256]; /* why --confirm would refuse this run, in words; "" if it would not */
    uint64_t done;   /* removed, or found gone */
    uint64_t failed; /* could not be removed: the next run tries again */
    uint64_t spared; /* needed after all, or not empty */
    uint64_t freed;  /* bytes */
    struct rsw_old_result old;
};

/* Without confirm: reads the index alone (it may be open for reading only), storage may be NULL; it is asked
 * for its old versions alone, with version_max_age_ms. With confirm
 * the index is open for writing, and the lock "sweep" is taken.
 * Offline: scans storage first, for a stopped registry has lost the events that it had not sent; then removes
 * in batches, each durable in the index before the next. Online: goes on with every open generation as far as
 * is due; begins another if none is on its way to being hidden; with `wait` sees that through. `serve` must
 * be running on the same index. docs/safety.md has the protocol. 0, or -1: RSW_EREFUSED (the message says why
 * and what to do: no complete scan yet, too much would go, a fence that failed, a gap, offline though pushes
 * arrive), RSW_EBUSY (another sweep or scan runs), RSW_EPARTIAL (done, but some deletions failed),
 * RSW_ESTOPPED, or what storage, registry and index answer. *result is filled as far as it got. */
RSW_API int rsw_sweep(struct rsw_sweep_result *result, struct rsw_index *index, struct rsw_storage *storage,
                      const struct rsw_sweep_options *options, struct rsw_error *err);

#ifdef __cplusplus
}
#endif
#endif
