/* What the backends share: keys, error codes, and the pages of a listing. */
#ifndef REGSWEEP_STORAGE_BACKEND_H
#define REGSWEEP_STORAGE_BACKEND_H

#include "storage/storage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key as storage.h defines it. "" (the root) only where `root` says so. NULL is none. */
bool rsw_storage_key_valid(const char *key, bool root);

/* RSW_EACCESS, RSW_EFULL, RSW_ENOMEM, RSW_EINVAL or RSW_EIO for an errno. */
enum rsw_code rsw_storage_code(int errnum);
/* Sets "cannot <verb> '<key>': <text of errnum>" and returns -1. */
int rsw_storage_fail(struct rsw_error *err, int errnum, const char *verb, const char *key);

#define RSW_PAGE_ENTRIES 1000
/* A page is handed over early when its keys and contents come to more than this. */
#define RSW_PAGE_BYTES ((size_t)4 * 1024 * 1024)

struct rsw_page_block {
    struct rsw_page_block *next;
    size_t room;
    size_t used;
    uint8_t bytes[];
};

/* The page being filled. Its bytes come from blocks that are used again, so that an entry costs no malloc. */
struct rsw_page {
    const struct rsw_listing *listing; /* borrowed */
    struct rsw_page_block *blocks;     /* owned; the one in use first */
    size_t bytes;                      /* in use, in all blocks */
    size_t count;
    struct rsw_entry entries[RSW_PAGE_ENTRIES];
};

/* NULL: out of memory, err is set. */
struct rsw_page *rsw_page_new(const struct rsw_listing *listing, struct rsw_error *err);
void rsw_page_free(struct rsw_page *page); /* NULL is allowed */
/* Bytes that live until the page is handed over. NULL: out of memory, err is set. */
void *rsw_page_alloc(struct rsw_page *page, size_t len, struct rsw_error *err);
/* Takes the entry over. 0, or -1: the listing must end. */
int rsw_page_add(struct rsw_page *page, const struct rsw_entry *entry, struct rsw_error *err);
/* Hands over what is there, if anything. 0, or -1: the listing must end. */
int rsw_page_flush(struct rsw_page *page, struct rsw_error *err);

static inline void rsw_page_cleanup(struct rsw_page **page) {
    rsw_page_free(*page);
}
#define RSW_AUTO_PAGE __attribute__((cleanup(rsw_page_cleanup))) struct rsw_page *

#endif
