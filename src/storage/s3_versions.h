/* The versions that a bucket has of its keys, and deleting them: internal to the S3 backend. */
#ifndef REGSWEEP_STORAGE_S3_VERSIONS_H
#define REGSWEEP_STORAGE_S3_VERSIONS_H

#include "storage/s3.h"

struct rsw_s3_version {
    char *id; /* owned */
    bool marker;
    uint64_t size;
    int64_t mtime_ms;
};

/* All that the bucket has of one key, the newest first. */
struct rsw_s3_history {
    const char *key;                 /* borrowed; as in storage.h */
    int errnum;                      /* 0; or why nobody knows */
    struct rsw_s3_version *versions; /* owned */
    size_t count, room;
    char *full;           /* owned: the key as the bucket has it */
    struct rsw_buf query; /* of the page at hand */
    size_t page_from;     /* the first version of that page */
    bool behind;          /* that page has keys that follow */
    bool more;            /* the next page may have more of this key */
    bool told;            /* by rsw_s3_skim: all of it is known */
};

/* Asks for all of them at once; only `key` is set before. Released by rsw_s3_histories_release, whatever came
 * of it. */
void rsw_s3_histories(struct rsw_s3 *s3, struct rsw_s3_history *histories, size_t count);
void rsw_s3_histories_release(struct rsw_s3_history *histories, size_t count);
/* Nothing is known of `key` yet. Sets errnum if there is no memory for that. */
void rsw_s3_history_begin(struct rsw_s3_history *history, const struct rsw_s3 *s3, const char *key);
/* The next older one, of this key. 0, or -1: out of memory. */
int rsw_s3_history_add(struct rsw_s3_history *history, const struct rsw_s3_object *object);
/* Forgets all but the first `count`. */
void rsw_s3_history_cut(struct rsw_s3_history *history, size_t count);

/* Asks for those that lie close together by pages of one list (s3_skim.c), RSW_S3_LIST or RSW_S3_VERSIONS:
 * those that it tells of are `told`, as of some moment of this call, each by itself. Of RSW_S3_LIST what is
 * there has one version, without an id. The others, and all where it went wrong, are as they were. */
void rsw_s3_skim(struct rsw_s3 *s3, struct rsw_s3_history *histories, size_t count,
                 enum rsw_s3_document kind);

/* The query for a page of versions of all keys that begin with `prefix`, as the bucket has it, behind `key`
 * and `id` ("": from the beginning). Replaces what is in *out. 0, or -1: out of memory. */
int rsw_s3_versions_query(struct rsw_buf *out, const char *prefix, const char *key, const char *id);

/* The newest ones that are markers. */
static inline size_t rsw_s3_markers_on_top(const struct rsw_s3_history *history) {
    size_t count = 0;
    while (count < history->count && history->versions[count].marker) {
        count++;
    }
    return count;
}

/* Deletes some of a key's versions in two turns, so that nothing that lies below comes to sight: first those
 * from `from` to before `end`, then, if all of these went, those from `upto` to before `from`. */
struct rsw_s3_erasure {
    const struct rsw_s3_history *history;
    size_t upto, from, end;
    int errnum; /* 0: all went */
    bool late;  /* not all did, and the store may carry it out yet: what went is no more there to be taken */
};
void rsw_s3_erase(struct rsw_s3 *s3, struct rsw_s3_erasure *erasures, size_t count);

/* ---- what a bucket keeps, and we may (s3_habits.c, s3_rights.c) ---- */

/* It keeps versions, or did, and no rule of its own deletes old ones of blobs. Whoever is not told that it
 * does takes it for one that does not. */
bool rsw_s3_frees_versions(struct rsw_s3 *s3);
bool rsw_s3_may_list_versions(struct rsw_s3 *s3);
bool rsw_s3_may_delete_versions(struct rsw_s3 *s3);

#endif
