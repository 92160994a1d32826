#include "storage/backend.h"

#include <stdlib.h>

/* Holds a full page of links with their contents. */
#define BLOCK_ROOM ((size_t)512 * 1024)
#define ALIGNMENT ((size_t)8)

struct rsw_page *rsw_page_new(const struct rsw_listing *listing, struct rsw_error *err) {
    struct rsw_page *page = malloc(sizeof *page);
    if (page == NULL) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
        return NULL;
    }
    page->listing = listing;
    page->blocks = NULL;
    page->bytes = 0;
    page->count = 0;
    return page;
}

static void free_blocks(struct rsw_page_block *block) {
    while (block != NULL) {
        struct rsw_page_block *next = block->next;
        free(block);
        block = next;
    }
}

void rsw_page_free(struct rsw_page *page) {
    if (page != NULL) {
        free_blocks(page->blocks);
        free(page);
    }
}

void *rsw_page_alloc(struct rsw_page *page, size_t len, struct rsw_error *err) {
    if (len > SIZE_MAX / 2) {
        rsw_error_set(err, RSW_ENOMEM, 0, "out of memory (%zu bytes)", len);
        return NULL;
    }
    len = (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct rsw_page_block *block = page->blocks;
    if (block == NULL || len > block->room - block->used) {
        size_t room = len > BLOCK_ROOM ? len : BLOCK_ROOM;
        block = malloc(sizeof *block + room);
        if (block == NULL) {
            rsw_error_set(err, RSW_ENOMEM, 0, "out of memory (%zu bytes)", room);
            return NULL;
        }
        block->room = room;
        block->used = 0;
        block->next = page->blocks;
        page->blocks = block;
    }
    void *bytes = block->bytes + block->used;
    block->used += len;
    page->bytes += len;
    return bytes;
}

/* Keeps one block of the usual size for the next page. */
static void reset(struct rsw_page *page) {
    struct rsw_page_block *block = page->blocks;
    if (block != NULL) {
        free_blocks(block->next);
        block->next = NULL;
        block->used = 0;
        if (block->room > BLOCK_ROOM) {
            free(block);
            page->blocks = NULL;
        }
    }
    page->bytes = 0;
    page->count = 0;
}

int rsw_page_flush(struct rsw_page *page, struct rsw_error *err) {
    int rc = 0;
    if (page->count > 0 && page->listing->page(page->listing->arg, page->entries, page->count, err) != 0) {
        rc = rsw_error_set(err, RSW_ESTOPPED, 0, "the listing was stopped");
    }
    reset(page);
    return rc;
}

int rsw_page_add(struct rsw_page *page, const struct rsw_entry *entry, struct rsw_error *err) {
    page->entries[page->count++] = *entry;
    if (page->count == RSW_PAGE_ENTRIES || page->bytes >= RSW_PAGE_BYTES) {
        return rsw_page_flush(page, err);
    }
    return 0;
}
