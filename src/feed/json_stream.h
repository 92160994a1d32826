/* A push reader of JSON: takes a document chunk by chunk and reports its parts as they go by.
 *
 * Why not jansson, which reads manifests elsewhere: it builds the whole tree of a document, and an event of
 * 32 MB is legal. This reader has a fixed size whatever comes: it allocates nothing, a string is held up to
 * RSW_JSON_TEXT_MAX bytes and counted as cut beyond, and nesting has a limit.
 *
 * Grammar: RFC 8259. Stricter in nothing, laxer in two things: bytes above 0x7f are taken as they are
 * (whether they are UTF-8 is for the caller), and a lone surrogate becomes U+FFFD, as Go reads it.
 */
#ifndef REGSWEEP_FEED_JSON_STREAM_H
#define REGSWEEP_FEED_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest text that is held; fields of an event that we use are far shorter. */
#define RSW_JSON_TEXT_MAX 1024
/* Deeper documents are refused. An event has five levels, and Go itself refuses more than 10,000. */
#define RSW_JSON_DEPTH_MAX 1024

enum rsw_json_kind {
    RSW_JSON_OBJECT,
    RSW_JSON_OBJECT_END,
    RSW_JSON_ARRAY,
    RSW_JSON_ARRAY_END,
    RSW_JSON_KEY,
    RSW_JSON_STRING,
    RSW_JSON_NUMBER, /* as written */
    RSW_JSON_TRUE,
    RSW_JSON_FALSE,
    RSW_JSON_NULL,
};

struct rsw_json_item {
    enum rsw_json_kind kind;
    unsigned depth; /* objects and arrays around it, not counting itself */
    const char
        *text; /* KEY, STRING (unescaped), NUMBER: with a NUL behind; borrowed until the call returns */
    size_t len;
    bool cut;  /* there was more than RSW_JSON_TEXT_MAX of it */
    size_t at; /* bytes of the present chunk up to the end of this item */
};

/* What the caller answers to an item. */
enum rsw_json_next {
    RSW_JSON_GO_ON,
    RSW_JSON_SKIP,  /* to a key: do not report its value; to an object or array: neither what is in it nor its
                       end. To others as GO_ON */
    RSW_JSON_PAUSE, /* rsw_json_feed returns behind this item */
    RSW_JSON_SKIP_AND_PAUSE,
};

struct rsw_json {
    enum rsw_json_next (*item)(void *arg, const struct rsw_json_item *item);
    void *arg;
    const char *problem; /* static text; set: the document is broken here */
    unsigned state;      /* the rest is the reader's own */
    unsigned depth;
    unsigned skip; /* depth below which nothing is reported; 0: everything is */
    bool skip_value;
    bool pause;
    bool is_key;
    bool text_cut;
    unsigned hex_left;
    unsigned code;
    unsigned surrogate; /* first half of a pair that waits for its second */
    const char *literal;
    uint64_t is_object[RSW_JSON_DEPTH_MAX / 64];
    size_t at;
    size_t text_len;
    char text[RSW_JSON_TEXT_MAX + 1];
};

void rsw_json_init(struct rsw_json *json,
                   enum rsw_json_next (*item)(void *arg, const struct rsw_json_item *item), void *arg);
/* Takes bytes. Answers how many: fewer than `len` after RSW_JSON_PAUSE, or where the document breaks (then
 * json->problem is set and nothing more is taken). */
size_t rsw_json_feed(struct rsw_json *json, const void *bytes, size_t len);
/* No more bytes will come. True if they were one whole document; else json->problem is set. */
bool rsw_json_end(struct rsw_json *json);

#endif
