/* Lists of objects as kubectl, oc and the API server write them: JSON documents one after the other, each a
 * list or one object. They are read object by object, so that memory does not grow with the whole. */
#ifndef REGSWEEP_WORKLOAD_DOCUMENTS_H
#define REGSWEEP_WORKLOAD_DOCUMENTS_H

#include "workload/object.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* One object, or any other part of a list. etcd takes no more than a few MiB. */
#define RSW_OBJECT_BYTES_MAX ((size_t)16 << 20)
#define RSW_CONTINUE_MAX 16384

struct rsw_document_source {
    /* Up to `size` bytes. 0: that was all; -1: the error says why. */
    ssize_t (*read)(void *arg, void *bytes, size_t size, struct rsw_error *err);
    void *arg;
};

/* One page of an API server. */
struct rsw_page {
    const char *kind;
    char next[RSW_CONTINUE_MAX];
};

/* Walks over all objects. `page` is NULL for what must be whole. Else
 * page->kind is the kind that the list must have ("PodList"), and page->next becomes what the next page is to
 * be asked for with, "" if it was the last.
 * 0, or -1: RSW_EREFUSED (not JSON, cut short, nothing in it, not all of a list), RSW_ENOMEM, or what `read`
 * answers. */
int rsw_documents_read(struct rsw_walk *walk, const struct rsw_document_source *source, struct rsw_page *page,
                       struct rsw_error *err);

#endif
