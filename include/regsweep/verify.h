/* Verify: the index held against storage, to find images that cannot be pulled before their users do. */
#ifndef REGSWEEP_VERIFY_H
#define REGSWEEP_VERIFY_H

#include <regsweep/digest.h>
#include <regsweep/error.h>
#include <regsweep/index.h>
#include <regsweep/storage.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum rsw_finding_kind {
    RSW_FINDING_MISSING_BYTES = 1, /* the index has a blob that storage has not */
    RSW_FINDING_WRONG_SIZE,        /* storage has another number of bytes: cut short, or replaced */
    RSW_FINDING_MISSING_LINK,      /* the index has a link or revision that storage has not */
    RSW_FINDING_DANGLING_LINK,     /* a layer link without bytes behind it */
    RSW_FINDING_BROKEN_IMAGE, /* a revision that cannot be pulled: `needs` is missing, of another number of
                                 bytes than its manifest says, or not linked here */
    RSW_FINDING_UNREADABLE,   /* storage could not tell, or a manifest or link is damaged */
};
#define RSW_FINDING_KINDS 7
/* "missing_bytes", … Static storage. */
RSW_API const char *rsw_finding_name(enum rsw_finding_kind kind);

/* Borrowed until the callback returns. */
struct rsw_finding {
    enum rsw_finding_kind kind;
    const char *repo; /* NULL for bytes */
    const char *tag;  /* of a broken image, one that points at it; NULL: none does */
    const struct rsw_digest *digest;
    const struct rsw_digest *needs; /* for a broken image: what is missing; NULL: its own bytes */
    const char *problem;            /* in words, without names */
};

struct rsw_verify_options {
    int (*finding)(void *arg,
                   const struct rsw_finding *finding);          /* non-zero ends the run with RSW_ESTOPPED */
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* objects looked at; may be NULL */
    bool (*stopped)(void *arg);                                 /* may be NULL */
    void *arg;
};

struct rsw_verify_result {
    uint64_t blobs;  /* looked at */
    uint64_t links;  /* links and revisions looked at */
    uint64_t images; /* revisions whose parts were looked for */
    uint64_t findings[RSW_FINDING_KINDS];
    uint64_t total; /* findings */
};

/* Looks at every object, and reads the manifest of every image. Reads index and storage, changes neither;
 * pushes may run beside it (what is pushed meanwhile is not looked at; what is deleted meanwhile can be found
 * missing: run regsweep scan and look again). 0, whatever was found, or -1. */
RSW_API int rsw_verify(struct rsw_verify_result *result, struct rsw_index *index, struct rsw_storage *storage,
                       const struct rsw_verify_options *options, struct rsw_error *err);

#ifdef __cplusplus
}
#endif
#endif
