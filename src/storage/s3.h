/* The S3 backend: its handle, requests and how they are sent, and what its parts share.
 *
 * One thread of its own drives one multi handle of libcurl, with many transfers at once over connections that
 * stay open. Callers hand it requests and wait; what an answer means, and whether to ask again, is judged by
 * whoever asked. */
#ifndef REGSWEEP_STORAGE_S3_H
#define REGSWEEP_STORAGE_S3_H

#include "storage/s3_credentials.h"
#include "storage/s3_xml.h"
#include "storage/storage.h"
#include "util/curl.h"
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Requests under way at once, of all callers; fewer while the store asks us to slow down. */
#define RSW_S3_AT_ONCE 64
/* What the store takes in one DeleteObjects, and gives in one page of a list. */
#define RSW_S3_KEYS_MAX 1000
#define RSW_S3_HEADERS_MAX 8
/* With those that all requests have. */
#define RSW_S3_SIGNED_MAX 16
/* Of an answer in XML. A page of a list has a thousand keys of at most 3 KiB, and some more about each. */
#define RSW_S3_XML_MAX ((size_t)8 * 1024 * 1024)

/* How the store keeps an object, as headers of whoever writes one; "" for what is not said. */
struct rsw_s3_kept {
    char storage_class[128];
    char encryption[64];
    char key[2112]; /* of KMS: an id has 2,048 characters at most */
};

struct rsw_s3_request {
    /* What is asked; borrowed until it is answered. */
    const char *method;
    const char *key;   /* as in storage.h; NULL: the bucket itself */
    const char *query; /* encoded, sorted by name, each name with an equals sign; NULL: none */
    const char *headers[RSW_S3_HEADERS_MAX + 1]; /* "name: value", ended by NULL */
    const void *body;                            /* of PUT and POST; NULL: empty */
    size_t body_len;
    enum rsw_s3_document expected; /* of a success; RSW_S3_NONE: bytes, or nothing */
    size_t max;                    /* of those bytes: more are not read, `cut` */
    const char *prefix; /* of a list: what the query says, which the store must say again; NULL: no list */
    const char *after;  /* likewise, where it says anything: behind which key; NULL: whatever it says */
    rsw_s3_object_fn *object; /* of that document, in the caller's thread; may be NULL */
    void *arg;
    struct rsw_s3_kept *kept; /* borrowed, may be NULL. Of a read: takes what the store says of it; of a
                                 write: how its source is kept */
    char *version; /* borrowed, may be NULL: room for RSW_S3_KEY_MAX + 1. Takes the id of what was written, or
                      of the marker that a deletion put; "" if none is said */
    bool looks;    /* it is counted as a look */
    bool patient;  /* the store works for long before it answers */
    bool once;     /* who asks decides whether it is asked again */

    /* What was answered. */
    int errnum; /* 0: it was done. ENOENT: the store says that there is no such key. EEXIST: it says that the
                   condition of the request does not hold. Else why nobody knows */
    int status; /* of HTTP; 0: no answer */
    bool cut;
    bool late;            /* one try at least got no answer: the store may carry it out yet */
    struct rsw_buf bytes; /* the body of a success; its maximum is of no matter. The caller releases it */
    uint64_t size;        /* Content-Length; of a part of an object, what Content-Range says of the whole */
    int64_t mtime_ms;     /* Last-Modified; 0: none */
    int64_t date_ms;      /* by the store's clock, to the second; 0: it does not say */
    struct rsw_s3_answer answer; /* an error, or the document that was expected */
    char region[64];             /* of the bucket, if the store says that it is another one; else "" */
    char said[CURL_ERROR_SIZE];  /* by libcurl, if there is no answer */

    /* Of the sender. */
    bool again; /* to be asked again */
    struct rsw_s3_round *round;
    struct rsw_s3_request *next;
    CURL *curl;
    struct curl_slist *list;
    char payload[65]; /* sha256 of the body, in hex */
};

/* What a request is counted as: rsw_storage_requests has the same. */
enum rsw_s3_cost { RSW_S3_LISTS, RSW_S3_READS, RSW_S3_LOOKS, RSW_S3_WRITES, RSW_S3_REMOVALS, RSW_S3_COSTS };

/* What is lent is asked for again so long before it ends, and no more often than that. */
#define RSW_S3_RENEW_MS (5 * 60 * INT64_C(1000))
#define RSW_S3_RENEW_AGAIN_MS (30 * INT64_C(1000))

/* The thread and its handle. */
struct rsw_s3_io {
    pthread_t thread;
    unsigned per_second; /* requests begun, at most; 0: no limit */
    int64_t next_ns;     /* by the monotonic clock, the thread's alone: none is begun before */
    atomic_uint_fast64_t asked[RSW_S3_COSTS];
    atomic_int_fast64_t ahead_ms; /* by so much the store's clock was ahead of ours, as of its last answer */
    pthread_mutex_t lock; /* over all below, but for `multi` and `active`, which are the thread's alone */
    pthread_cond_t done;
    CURLM *multi;
    struct rsw_s3_request *first, *last; /* waiting to be sent */
    struct rsw_s3_request *active;
    unsigned active_count;
    unsigned limit; /* of active_count */
    bool stopping;
    CURL *idle[RSW_S3_AT_ONCE];
    size_t idle_count;
};

struct rsw_s3 {
    struct rsw_storage base; /* first member */
    struct rsw_s3_io io;
    struct rsw_s3_credentials credentials; /* once it runs, the thread's alone */
    int64_t renewed_ms;                    /* monotonic, the thread's alone: last tried */
    char *bucket;                          /* owned, as the other strings */
    char *prefix;                          /* of every key, with a slash at its end; or "" */
    char *origin;                          /* "https://host:port": of the bucket, or of the endpoint */
    char *bucket_path;                     /* "/bucket", or "" where the host names it */
    char *region;
    char *ca_file; /* NULL: the system's */
    char *proxy;   /* "" for none */
    bool insecure; /* the certificate is not looked at */
    unsigned tries;
    int64_t pause_ms;             /* before the second try; then twice as long each time */
    int64_t removal_ms;           /* how long a removal is tried again: RSW_REMOVAL_SENT_MS */
    struct rsw_s3_kept kept;      /* what we were told to say of all that we write */
    bool classless;               /* no class of storage is named */
    char acl[64];                 /* a header, of who may read what we write */
    bool acl_told;                /* it is what we were told; else only useful */
    _Atomic(const char *) no_acl; /* static: the word with which the store refuses it, while it takes what
                                     comes without; NULL: it does not */
    struct rsw_log log;           /* `write` NULL: silence */
    uint64_t copy_max;            /* larger objects are copied in parts … */
    uint64_t part_size;           /* … of so many bytes */
};

/* ---- asking (s3_send.c) ---- */

int rsw_s3_io_start(struct rsw_s3_io *io, unsigned per_second, struct rsw_error *err);
void rsw_s3_io_stop(struct rsw_s3_io *io);
/* Any number, at once as far as the limit allows; each is asked again where that may help, as often as
 * s3->tries, unless the first of them says `once`, which is for all. Each has its answer when this returns.
 * For any number of threads. */
void rsw_s3_send(struct rsw_s3 *s3, struct rsw_s3_request *requests, size_t count);
/* Before try number `attempt`, 1 for the second. */
void rsw_s3_pause(const struct rsw_s3 *s3, unsigned attempt);
/* Sets "cannot <verb> '<key>': <what the store said>" and returns -1. */
int rsw_s3_fail(const struct rsw_s3 *s3, const struct rsw_s3_request *request, const char *verb,
                const char *key, struct rsw_error *err);
/* `count` requests, cleared; NULL: out of memory, or none are wanted. Freed with what was answered. */
struct rsw_s3_request *rsw_s3_requests_new(size_t count);
void rsw_s3_requests_free(struct rsw_s3_request *requests, size_t count); /* NULL is allowed */

/* ---- one request (s3_request.c) ---- */

/* Fills in request->curl. 0, or an errno. */
int rsw_s3_request_prepare(const struct rsw_s3 *s3, struct rsw_s3_request *request);
/* After the transfer: takes the answer out of request->curl. */
void rsw_s3_request_take(struct rsw_s3_request *request, CURLcode rc);
/* What the answer means: errnum, answer, again. */
void rsw_s3_request_judge(struct rsw_s3_request *request);
/* What a code of S3's is as an errno, EIO if we know none; *again: another try may help. */
int rsw_s3_errno_of(const char *code, bool *again);

/* ---- writing (s3_kept.c) ---- */

/* As rsw_s3_send, for requests that begin to write an object: says how it is to be kept, as the options have
 * it, else as its source is; and that it is for the bucket's owner too, as the registry must be able to read
 * it, whoever we are. What the store refuses over the latter is sent again without it; once that was taken
 * nothing more is said of it. */
void rsw_s3_send_writes(struct rsw_s3 *s3, struct rsw_s3_request *requests, size_t count);
/* Takes what the options say of that. 0, or -1: RSW_EINVAL. */
int rsw_s3_kept_set(struct rsw_s3 *s3, const struct rsw_s3_options *options, struct rsw_error *err);
/* Who may read what we write is left to the store, which refuses to be told, and it matters: its word; else
 * NULL. */
const char *rsw_s3_acl_missed(const struct rsw_s3 *s3);
/* A class of storage where all must be asked for, hours before, until it can be read. */
bool rsw_s3_is_archive(const char *name);
/* What an answer says. Of an archive no class is taken: a copy there could not be read. */
void rsw_s3_kept_take(struct rsw_s3_kept *out, CURL *curl);

/* ---- signatures (s3_sign.c) ---- */

struct rsw_s3_signed {
    const char *method;
    const char *path;  /* encoded, as it is sent */
    const char *query; /* as in the request; NULL: none */
    const char *const
        *headers;        /* "Name: value", ended by NULL: all that are signed, at most RSW_S3_SIGNED_MAX */
    const char *payload; /* sha256 of the body, in hex */
    const char *region;
    const char *time; /* as in x-amz-date: 20130524T000000Z */
    const struct rsw_s3_credentials *credentials;
};
/* Appends the header Authorization. 0, or -1: out of memory, or too many headers. */
int rsw_s3_sign(struct rsw_buf *out, const struct rsw_s3_signed *what);
/* sha256, in hex. 0, or -1. */
int rsw_s3_hash(char out[65], const void *bytes, size_t len);

/* ---- deletions (s3_remove.c) ---- */

/* A key to be deleted (where the bucket keeps versions a marker is put on it), or one version of it. */
struct rsw_s3_victim {
    const char *key;     /* borrowed; as the bucket has it */
    const char *version; /* borrowed; "": the key */
    size_t owner;        /* the caller's: they are put in another order */
    int errnum;          /* 0: deleted. ENOENT: the store says that there is none */
    bool late;           /* one try at least got no answer: the store may carry it out yet */
    bool told, again;    /* of the sender */
};
/* Any number, by the thousand; each has its answer when this returns. */
void rsw_s3_delete(struct rsw_s3 *s3, struct rsw_s3_victim *victims, size_t count);
/* The two kinds of rsw_s3_remove: keys alone, or with all versions that they have (s3_versions.c). */
void rsw_s3_remove_keys(struct rsw_s3 *s3, struct rsw_removal *removals, size_t count);
void rsw_s3_remove_versions(struct rsw_s3 *s3, struct rsw_removal *removals, size_t count);

/* ---- the operations ---- */

/* Appends the header that names the source of a copy. 0, or -1: out of memory. */
int rsw_s3_name_source(struct rsw_buf *out, const struct rsw_s3 *s3, const char *key);
/* Copies an object of that size, which is kept like that, in parts (s3_parts.c). `source`: a header. 0, or an
 * errno: then nothing of it is left, as far as the store lets us. */
int rsw_s3_copy_parts(struct rsw_s3 *s3, const char *to, const char *source, uint64_t size,
                      struct rsw_s3_kept *kept);

int rsw_s3_list(struct rsw_storage *storage, const struct rsw_listing *listing, struct rsw_error *err);
void rsw_s3_look(struct rsw_storage *storage, struct rsw_look *looks, size_t count);
void rsw_s3_look_listed(struct rsw_storage *storage, struct rsw_look *looks, size_t count);
void rsw_s3_read(struct rsw_storage *storage, struct rsw_read *reads, size_t count);
void rsw_s3_remove(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);
int rsw_s3_prune(struct rsw_storage *storage, const char *dir, struct rsw_error *err);
void rsw_s3_rmdir(struct rsw_storage *storage, struct rsw_removal *removals, size_t count);
void rsw_s3_move(struct rsw_storage *storage, struct rsw_move *moves, size_t count);
void rsw_s3_copy(struct rsw_storage *storage, struct rsw_move *copies, size_t count);
int rsw_s3_call_off(struct rsw_storage *storage, struct rsw_unfinished *unfinished, struct rsw_error *err);
int rsw_s3_old_versions(struct rsw_storage *storage, struct rsw_old_versions *old, struct rsw_error *err);
int rsw_s3_still_versions(struct rsw_storage *storage, struct rsw_error *err);
void rsw_s3_habits(struct rsw_storage *storage, struct rsw_store_habits *habits);
void rsw_s3_rights(struct rsw_storage *storage, struct rsw_rights *rights);
void rsw_s3_write(struct rsw_storage *storage, struct rsw_write *writes, size_t count);
void rsw_s3_note(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_s3_hide(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_s3_show(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
void rsw_s3_drop(struct rsw_storage *storage, struct rsw_hiding *hidings, size_t count);
/* Sets storage->versions: whether files are hidden and removed by their versions. 0, or -1: nobody knows. */
int rsw_s3_ask_versions(struct rsw_s3 *s3, struct rsw_error *err);

/* RSW_ABSENT only for ENOENT. */
static inline int rsw_s3_answer_of(int errnum) {
    return errnum == 0 ? RSW_FOUND : errnum == ENOENT ? RSW_ABSENT : RSW_FAILED;
}

/* Loaded since rsw_s3_io_start. */
static inline const struct rsw_curl *rsw_s3_curl(void) {
    return rsw_curl(NULL);
}

#endif
