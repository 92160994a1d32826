/* What S3 says in XML: lists, errors, answers to deletions. A document counts only if it was read to its end:
 * one that is cut short, or of another kind, is none. */
#ifndef REGSWEEP_STORAGE_S3_XML_H
#define REGSWEEP_STORAGE_S3_XML_H

#include <regsweep/error.h>

#include "util/buf.h"
#include "util/md5.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys have at most 1024 bytes; in a list they can come with each of them as %XX. */
#define RSW_S3_KEY_MAX 1024

enum rsw_s3_document {
    RSW_S3_NONE,     /* no XML, cut short, or none of these */
    RSW_S3_ERROR,    /* <Error>: code and message are set */
    RSW_S3_LIST,     /* <ListBucketResult> */
    RSW_S3_VERSIONS, /* <ListVersionsResult>: token is the key after which it goes on, next_id the version */
    RSW_S3_DELETED,  /* <DeleteResult> */
    RSW_S3_COPIED,   /* <CopyObjectResult> */
    RSW_S3_BEGUN,    /* <InitiateMultipartUploadResult>: token is the upload's id */
    RSW_S3_PART,     /* <CopyPartResult>: token is the ETag */
    RSW_S3_JOINED,   /* <CompleteMultipartUploadResult> */
};

/* An object of a list, a version of one, or a key of an answer to a deletion. */
struct rsw_s3_object {
    const char *key; /* borrowed until the callback returns, as it stands there */
    uint64_t size;
    int64_t mtime_ms;
    struct rsw_md5 md5;  /* what its ETag is, if it looks like one */
    const char *version; /* likewise; "" if none is named */
    bool latest;         /* of a version: it is the newest of its key */
    bool marker;         /* of a version: it says that the key is deleted, and has no bytes */
    const char *code;    /* of a deletion: NULL if it is deleted, else why not */
};

struct rsw_s3_answer {
    enum rsw_s3_document kind;
    char code[64]; /* of an error, else "" */
    char message[256];
    char token[RSW_S3_KEY_MAX + 1]; /* where a list goes on, "" if it does not say; else see above */
    char next_id[RSW_S3_KEY_MAX + 1];
    char prefix[RSW_S3_KEY_MAX + 1]; /* of a list: what was asked for, as the store says it again … */
    char after[RSW_S3_KEY_MAX + 1];  /* … and behind which key; "" if it says nothing, or too much */
    bool truncated;                  /* a list that goes on */
    bool encoded;                    /* its keys must be decoded */
};

/* Gets each object in the order of the document; NULL: a document begins, forget what came before. What it is
 * told counts only once the document is read to its end. Not 0, and err set: the reading ends. */
typedef int rsw_s3_object_fn(void *arg, const struct rsw_s3_object *object, struct rsw_error *err);

/* Whoever has to read documents loads libexpat first: later, "cannot be loaded" is lost among what a store
 * can answer. 0 or -1. */
int rsw_s3_xml_load(struct rsw_error *err);

/* Reads a document; `object` may be NULL. An element that every one of its kind has and that is missing, or
 * no number or time, makes it none. 0, also for a document that is none; or -1: out of memory, libexpat
 * cannot be loaded, or `object` said so. */
int rsw_s3_xml_read(struct rsw_s3_answer *out, const void *bytes, size_t len, rsw_s3_object_fn *object,
                    void *arg, struct rsw_error *err);

/* Gets each element of a document where it begins (`text` NULL) and where it ends; the text of one that holds
 * others is what follows the last of them. */
typedef void rsw_s3_element_fn(void *arg, const char *name, const char *text);
/* RSW_FOUND; RSW_ABSENT: the document is not whole, and what was told counts for nothing; RSW_FAILED. */
int rsw_s3_xml_walk(const void *bytes, size_t len, rsw_s3_element_fn *element, void *arg,
                    struct rsw_error *err);

/* The text of the first element of that name, whatever the document is; a name has no prefix. RSW_FOUND and
 * *out filled; RSW_ABSENT: there is none, or the document is not whole; RSW_FAILED. */
int rsw_s3_xml_find(struct rsw_buf *out, const void *bytes, size_t len, const char *name,
                    struct rsw_error *err);

/* In place: %XX and, as forms have it, '+' for a blank. False: a broken escape, or one for NUL. */
bool rsw_s3_decode(char *text);

#endif
