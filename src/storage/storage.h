/* Storage: the one way to the registry's bytes. Backends: filesystem, S3, memory (tests).
 *
 * Keys are '/'-separated paths relative to the registry's root directory (for a filesystem
 * `rootdirectory`, the folder that contains `docker/`), without a leading or trailing slash, without
 * empty, "." or ".." components. A key that breaks this is RSW_FAILED with RSW_EINVAL, in every call.
 *
 * Contract of every backend:
 * - Never leaves its root: no "..", no symbolic link is followed at any component; one met on the way is
 *   RSW_FAILED (ELOOP), in a listing an entry of kind OTHER.
 * - Three answers: RSW_ABSENT only if storage itself said that nothing is there (ENOENT or ENOTDIR on a
 *   filesystem; on S3 404 NoSuchKey, or a list that leaves it out). Everything else that is not success is
 *   RSW_FAILED.
 * - Calls that take many requests give each its own answer; one bad request never fails its neighbours, so
 *   they return nothing. A backend may have many under way at once, and does them in any order.
 * - Nothing is ever overwritten: a move or write to a key that is taken is RSW_FAILED with EEXIST.
 * - Removals are by known key, never by pattern, and may be repeated: what is gone already is no failure.
 * - Thread-safe: any number of calls at once on one handle. Pushes may run beside every call.
 */
#ifndef REGSWEEP_STORAGE_STORAGE_H
#define REGSWEEP_STORAGE_STORAGE_H

#include <regsweep/error.h>
#include <regsweep/storage.h>

#include "util/buf.h"
#include "util/md5.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The errnum of an object that its store keeps in an archive: it is there, but can be neither read nor copied
 * until somebody has asked for it. */
#define RSW_EARCHIVED EREMOTE
/* The errnum where the store wants an MD5 of a request, which is not computed here. */
#define RSW_ENOMD5 ELIBACC
/* An errnum of storage in words. Static, or as strerror's. */
const char *rsw_storage_reason(int errnum);

enum rsw_entry_kind {
    RSW_ENTRY_FILE,  /* a file or object */
    RSW_ENTRY_DIR,   /* only with answer RSW_FAILED (this directory could not be read: what is below it
                        is unknown), or where a file was expected (a probed leaf that is a directory) */
    RSW_ENTRY_OTHER, /* symbolic link, device, socket: never followed, never read; no size or time */
};

struct rsw_entry {
    const char *key; /* borrowed until the page function returns */
    enum rsw_entry_kind kind;
    int answer; /* enum rsw_answer. RSW_ABSENT: a probed directory without its leaf. RSW_FAILED: see errnum.
                   A file whose size and time are known but whose content could not be read is
                   RSW_FOUND with content NULL. */
    int errnum;
    uint64_t size;
    int64_t mtime_ms;
    const uint8_t *content; /* borrowed; the whole file, if content_max asked for it and allowed it, and
                               this backend has it at hand without another request (filesystem,
                               memory), not NULL even for an empty file; NULL otherwise: use read */
    size_t content_len;
    struct rsw_md5 md5; /* of a file's bytes, where the store's list tells it. Some tell something else that
                           looks the same, so only one that is that of known bytes means anything */
};

enum rsw_descend {
    RSW_DESCEND,       /* list what is in it */
    RSW_DESCEND_SKIP,  /* pass over it */
    RSW_DESCEND_PROBE, /* report just the one file *leaf in it (found, absent or failed), without listing it;
                        *leaf may have several components, such as "current/link" */
};

/* A recursive listing. Backends that know no directories (S3) report keys only. They ask `descend` of the
 * directories that keys show, and pass over those that are to be passed over; a probe is for them like
 * RSW_DESCEND. So a caller must draw the same conclusions from keys alone. */
struct rsw_listing {
    const char *prefix; /* a directory; everything below it, in any order. "" is the root */
    const char *start;  /* only what is in it under a name that begins so; NULL: all. For an object store
                           several directories are one list in this way */
    size_t content_max; /* bring the content of files up to this size along; 0: no content */
    /* Asked for every directory below the prefix before it is read (not for the prefix itself). NULL: all.
     * For PROBE, set *leaf to a static string. */
    enum rsw_descend (*descend)(void *arg, const char *dir_key, const char **leaf);
    /* Gets entries in pages of 1 … 1000. Non-zero (with err set) ends the listing. */
    int (*page)(void *arg, const struct rsw_entry *entries, size_t count, struct rsw_error *err);
    void *arg;
};

/* Looking: is it there, how large, how old. */
struct rsw_look {
    const char *key;
    int answer;
    int errnum;
    enum rsw_entry_kind kind; /* a directory under this key is RSW_FOUND with kind DIR, size 0; object
                                 stores have none */
    uint64_t size;
    int64_t mtime_ms;
};

struct rsw_read {
    const char *key;
    size_t max; /* a longer file is RSW_FAILED with errnum EFBIG, its first `max` bytes are in content */
    int answer; /* something that is no file: RSW_FAILED, errnum EISDIR, ELOOP or (device, socket) ENXIO */
    int errnum;
    int64_t mtime_ms;
    struct rsw_buf content; /* starts as RSW_BUF_INIT; the caller releases it */
};

/* A removal that an object store does not answer is sent again for so long, and not later: whoever it was for
 * may have lost the right to it by then. */
#define RSW_REMOVAL_SENT_MS (30 * INT64_C(1000))

struct rsw_removal {
    const char *key; /* a file; what is none stays: RSW_FAILED with EISDIR, ELOOP or ENXIO */
    int answer; /* RSW_FOUND: removed; RSW_ABSENT: was gone already, as far as storage tells (S3 does not, and
                   says RSW_FOUND); RSW_FAILED: still there or unknown */
    int errnum;
    bool late; /* a request to remove it went without an answer: storage may carry it out yet, also after it
                  was removed and is there again. Only where storage is `loose` */
};

/* Moving a file from one key to another, or copying it. */
struct rsw_move {
    const char *from;
    const char *to;
    bool ours;  /* in: nobody else writes at `to`, so that it is of no matter when it is looked at */
    int answer; /* RSW_FOUND: done; RSW_ABSENT: there is nothing at `from`, and nothing happened; RSW_FAILED:
                   EEXIST: something is at `to`, and both stay; EISDIR, ELOOP or ENXIO: `from` is no file;
                   EXDEV: `to` is on another filesystem. Of a copy likewise, but EXDEV is no obstacle to it */
    int errnum;
};

/* Writing a small file that is not there yet. */
struct rsw_write {
    const char *key;
    const void *bytes;
    size_t len;
    int answer; /* RSW_FOUND: written; RSW_FAILED: nothing is there that was not before. EEXIST: something is,
                   and stays as it is */
    int errnum;
};

/* A file that goes out of sight under its own key, where storage keeps what is deleted (`versions`). */
struct rsw_hiding {
    const char *key;
    const char *record; /* key of a small file that says what is hidden: by rsw_storage_note */
    int answer;         /* see each call */
    int errnum;
    bool placed; /* by rsw_storage_show: it was not in place before */
    bool late;   /* by rsw_storage_hide and _drop: as of a removal */
};

/* What can be told of a folder without changing anything. */
struct rsw_survey {
    const char *dir; /* a key; "" for the root */
    int answer;      /* RSW_ABSENT: there is no such folder (object stores have none) */
    int errnum;
    uint64_t volume[2]; /* a file can be moved in one step between folders in which both are the same */
    uint64_t room;      /* bytes that we could still write there */
    int refused; /* errno of putting something into it and taking it out again, 0: we may. EPERM: it is sticky
                    and another's, so that what others put into it can only be taken by them */
    uint32_t owner; /* its user */
    uint32_t mode;  /* its permission bits */
};

/* A rule by which a store removes or moves what lies in it, all by itself. Borrowed until the callback
 * returns. */
struct rsw_store_rule {
    const char *name;
    const char *prefix; /* of keys that it is for; "" for all of the registry's root directory */
    bool deletes;
    bool moves;          /* to another class of storage */
    const char *archive; /* the class, if it must be asked for there before it can be read; else "" */
    bool old_versions;   /* it deletes versions that are not the current ones … */
    bool old_moves;      /* … or moves them, as above */
};

/* What a store keeps, deletes or moves by itself. Each of the answers: RSW_FOUND, RSW_ABSENT: it does not;
 * RSW_FAILED: it does not tell, or not us. */
struct rsw_store_habits {
    int versions; /* what is deleted stays as a version */
    int lock;     /* what is written cannot be deleted for a while */
    int rules;    /* there are some, and each was told of */
    void (*rule)(void *arg, const struct rsw_store_rule *rule);
    void *arg;
};

/* One of the things that a sweep does, and whether we may. */
struct rsw_right {
    const char *name;    /* as whoever allows it knows it: "s3:PutObject" */
    const char *purpose; /* "to put aside what is taken" */
    bool needed;         /* without it no sweep beside the registry works; else it frees nothing */
    int answer;          /* RSW_FOUND: we may; RSW_ABSENT: we may not; RSW_FAILED: nobody knows */
    const char *reason;  /* of the store, if it is not RSW_FOUND; else "" */
};

struct rsw_rights {
    void (*tell)(void *arg, const struct rsw_right *right); /* borrowed until it returns */
    void *arg;
};

/* Writes in parts that were begun and neither ended nor called off: no listing shows them, and they cost. */
struct rsw_unfinished {
    const char *prefix; /* a directory */
    /* Asked of each: is it to be called off? */
    bool (*wanted)(void *arg, const char *key, int64_t begun_ms);
    void *arg;
    uint64_t called_off; /* out */
    uint64_t failed;     /* out: wanted, and still there */
};

/* What lies under a key without being what the key shows: a version that is not the newest, or a marker that
 * says that the key is deleted. Borrowed until the callback returns. */
struct rsw_old_version {
    const char *key;
    const char *id; /* of the version */
    uint64_t size;  /* 0 for a marker */
    int64_t
        since_ms; /* so long it is no more what the key shows; of the newest marker: so long it is there */
    bool marker;
    bool deleted; /* its key shows nothing */
};

struct rsw_old_versions {
    const char *prefix; /* a directory */
    /* Asked of each, of one key the oldest first: may it go? It goes if all that is older goes too; the
     * marker by which a key is deleted, with all that it covers. NULL: nothing goes. */
    bool (*wanted)(void *arg, const struct rsw_old_version *version);
    /* Told of each that goes, then, before they do, of NULL. Not 0 (with err set) ends it. NULL: nothing is
     * deleted, only counted. */
    int (*going)(void *arg, const struct rsw_old_version *version, struct rsw_error *err);
    /* Asked after each page of the list: not 0 (with err set) ends it. NULL: nobody is. */
    int (*page)(void *arg, struct rsw_error *err);
    void *arg;
    uint64_t limit;                    /* look at about so many versions at most; 0: at all */
    uint64_t versions, bytes, markers; /* out: so many are old */
    uint64_t removed, removed_bytes;   /* out: so many went, markers among them, or would go */
    uint64_t failed;                   /* out: wanted, and perhaps still there */
    bool cut;                          /* out: there are more than the limit */
};

struct rsw_storage_ops {
    /* RSW_FOUND: listed, to the end (single entries may still be RSW_FAILED). RSW_ABSENT: no such
     * prefix. RSW_FAILED: the listing could not be begun or was cut short, err says why. */
    int (*list)(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err);
    void (*look)(struct rsw_storage *storage, struct rsw_look *looks, size_t count);
    /* The same, for many keys that may lie close together: out of pages of a list where those cost less. Then
     * FOUND and ABSENT are what the list says, which is what was there at some moment of the call, as of a
     * look; no two answers need be of one moment. NULL: `look` does. */
    void (*look_listed)(struct rsw_storage *storage, struct rsw_look *looks, size_t count);
    void (*read)(struct rsw_storage *storage, struct rsw_read *reads, size_t count);
    void (*remove)(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);
    /* Removes every empty directory at or below `dir`, deepest first, by rmdir alone: never a file, never
     * a directory that holds one. Where there are no directories: nothing to do. Returns RSW_ABSENT if
     * `dir` is gone now (or was), RSW_FOUND if something keeps it, RSW_FAILED (err) if that is unknown or an
     * empty directory could not be removed; the others are removed all the same. The root ("") stays. */
    int (*prune)(struct rsw_storage *storage, const char *dir, struct rsw_error *err);
    /* Removes these directories, each only if it is empty, by rmdir alone. RSW_FOUND: removed; RSW_ABSENT:
     * was gone (where there are no directories: nothing is below the key); RSW_FAILED with ENOTEMPTY:
     * something is in it; with ENOTDIR or ELOOP: a file or a link, which stays. */
    void (*rmdir)(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);
    /* All three replace nothing, and are durable when they answer. Folders that are missing are made; these,
     * and what is written, take owner and mode from the folder that they are in, as the registry's user must
     * be able to use them. A file is moved in one step: whoever looks meanwhile finds it at one of the two
     * keys (where a filesystem cannot move without replacing, for a moment at both). Where storage is `loose`
     * it is copied, then removed. */
    void (*move)(struct rsw_storage *storage, struct rsw_move *moves, size_t count);
    /* `from` stays; the copy has its time (on S3 what is copied, moved or written is of now), and appears
     * whole. Where a filesystem has hard links it is the same file under a second name: it costs no room, and
     * what somebody still writes into the one is in the other. Where storage is `loose`, and knows no
     * condition "if there is none", what somebody writes to `to` at that very moment can be replaced.
     */
    void (*copy)(struct rsw_storage *storage, struct rsw_move *copies, size_t count);
    void (*write)(struct rsw_storage *storage, struct rsw_write *writes, size_t count);
    /* These four take, give back and purge a file without a copy of its bytes. NULL: storage cannot.
     *
     * note: writes `record`, which names what is at `key` now, in place of one that is there. RSW_ABSENT:
     * nothing is at `key`, and nothing was written.
     * hide: takes what the record names out of sight. RSW_FAILED with EAGAIN: something was written to `key`
     * since it was noted; it is in place again. With another errno it may be out of sight or not.
     * show: brings what lies hidden under `key` back into its place, by whomever it was hidden; `record` is
     * not asked for. What is in place stays. RSW_FOUND: it is in place. RSW_ABSENT: storage has nothing of
     * it. drop: removes for good what the record names, and what was there before it, then the record. What
     * came to `key` later stays, and so does what is in place again; the record goes all the same.
     * RSW_ABSENT: there is no record. */
    void (*note)(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
    void (*hide)(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
    void (*show)(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
    void (*drop)(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
    /* Looks at folders from outside. NULL: a backend that has none; rsw_storage_survey then says RSW_ABSENT.
     */
    void (*survey)(struct rsw_storage *storage, struct rsw_survey *surveys, size_t count);
    /* 0, or -1: they could not all be listed. NULL: there are none. */
    int (*call_off)(struct rsw_storage *storage, struct rsw_unfinished *unfinished, struct rsw_error *err);
    /* 0, or -1: they could not all be listed, or `going` or `page` said so. NULL: there are none. */
    int (*old_versions)(struct rsw_storage *storage, struct rsw_old_versions *old, struct rsw_error *err);
    /* Asked before files are hidden, where storage keeps `versions`: does it still? 0, or -1: it does not, or
     * does not tell. NULL: it always does. */
    int (*still_versions)(struct rsw_storage *storage, struct rsw_error *err);
    /* NULL: it has none. */
    void (*habits)(struct rsw_storage *storage, struct rsw_store_habits *habits);
    /* Tells of each. What it tries is below regsweep/, and removed again, but for reading. NULL: there is
     * nothing to ask. */
    void (*rights)(struct rsw_storage *storage, struct rsw_rights *rights);
    /* By so much storage's clock, which gives files their times, is ahead of ours, as of its last answer.
     * NULL: it is ours, as far as anybody knows. */
    int64_t (*ahead_ms)(const struct rsw_storage *storage);
    /* NULL: nothing is counted. */
    void (*requests)(const struct rsw_storage *storage, struct rsw_storage_requests *out);
    void (*free)(struct rsw_storage *storage);
};

/* A backend embeds this as its first member. */
struct rsw_storage {
    const struct rsw_storage_ops *ops;
    char *url;     /* owned: as given, for messages */
    bool flat;     /* keys alone: there are no directories that would stay empty, and must be removed */
    bool loose;    /* an object store: what somebody writes between the two halves of a move is lost with the
                      second, and a removal that got no answer can be carried out later */
    bool versions; /* what is deleted stays under its key as an older version: so files are hidden there, and
                      a removal takes all that the key had until it was asked for */
    const char *remark; /* static: what whoever opened it should know, or NULL */
};

int rsw_storage_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err);
void rsw_storage_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count);
void rsw_storage_look_listed(struct rsw_storage *storage, struct rsw_look *looks, size_t count);
void rsw_storage_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count);
void rsw_storage_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);
int rsw_storage_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err);
void rsw_storage_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);
void rsw_storage_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count);
void rsw_storage_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count);
void rsw_storage_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count);
/* Of a backend that cannot, each is RSW_FAILED with ENOTSUP. */
void rsw_storage_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_storage_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_storage_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_storage_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
int rsw_storage_call_off(struct rsw_storage *storage, struct rsw_unfinished *unfinished,
                         struct rsw_error *err);
int rsw_storage_old_versions(struct rsw_storage *storage, struct rsw_old_versions *old,
                             struct rsw_error *err);
int rsw_storage_still_versions(struct rsw_storage *storage, struct rsw_error *err);
/* All RSW_ABSENT where storage has none. */
void rsw_storage_habits(struct rsw_storage *storage, struct rsw_store_habits *habits);
/* Nothing is told where storage has no such thing. */
void rsw_storage_rights(struct rsw_storage *storage, struct rsw_rights *rights);
/* The time on storage's clock, by ours. */
int64_t rsw_storage_time_ms(const struct rsw_storage *storage, int64_t now_ms);
void rsw_storage_survey(struct rsw_storage *storage, struct rsw_survey *surveys, size_t count);

/* Backends. `root` need not contain `docker/` yet. */
int rsw_storage_open_fs(struct rsw_storage **out, const char *root, struct rsw_error *err);
int rsw_storage_open_memory(struct rsw_storage **out, struct rsw_error *err);

/* For tests, S3 only: how often a request is made, the pause before the second time, and how long a removal
 * is tried again. */
void rsw_s3_set_patience(struct rsw_storage *storage, unsigned tries, int64_t pause_ms, int64_t removal_ms);

/* For tests, memory backend only: puts or replaces a file; makes a key answer RSW_FAILED with `errnum`
 * (0: normal again; in a listing a directory under this key is one that cannot be read); fails request
 * number `countdown` from now, once (0: the very next; looks, reads, removals, moves, copies, writes,
 * prunings and listings count one each a request; a listing is cut short after its first entry; `errnum` 0:
 * normal again).
 */
int rsw_memory_put(struct rsw_storage *storage, const char *key, const void *bytes, size_t len,
                   int64_t mtime_ms, struct rsw_error *err);
void rsw_memory_fail_key(struct rsw_storage *storage, const char *key, int errnum);
void rsw_memory_fail_after(struct rsw_storage *storage, int countdown, int errnum);
/* Behaves as an object store: no directories, no probes, listings bring no content. */
void rsw_memory_flat(struct rsw_storage *storage, bool flat);
/* Flat, and lists tell the MD5 of what is small enough to come along. */
void rsw_memory_sums(struct rsw_storage *storage);
/* Flat, and `loose`. */
void rsw_memory_loose(struct rsw_storage *storage);
/* The same, and `versions`: what is hidden stays under its key. */
void rsw_memory_versions(struct rsw_storage *storage);

#define RSW_AUTO_STORAGE __attribute__((cleanup(rsw_storage_cleanup))) struct rsw_storage *
static inline void rsw_storage_cleanup(struct rsw_storage **storage) {
    rsw_storage_close(*storage);
    *storage = NULL;
}

/* Could this be the URL of a storage, by its text? 0, or -1 with RSW_EINVAL. */
int rsw_storage_check_url(const char *url, struct rsw_error *err);
/* Do two URLs name the same storage, by their text? */
bool rsw_storage_is_same(const char *one, const char *other);

#endif
