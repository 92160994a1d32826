/* A growing list of references, from which repetitions are taken at the end. */
#ifndef REGSWEEP_OCI_REF_LIST_H
#define REGSWEEP_OCI_REF_LIST_H

#include <regsweep/error.h>
#include <regsweep/types.h>

#include <stddef.h>

struct rsw_ref_list {
    struct rsw_ref *refs; /* owned */
    size_t count;
    size_t room;
};

void rsw_ref_list_release(struct rsw_ref_list *list);
/* 0, or -1 (RSW_ENOMEM). */
int rsw_ref_list_add(struct rsw_ref_list *list, const struct rsw_ref *ref, struct rsw_error *err);
/* Leaves each (digest, kind) once, where it came first, with the types of all of them and the first size that
 * is not 0. 0, or -1 (RSW_ENOMEM). */
int rsw_ref_list_unique(struct rsw_ref_list *list, struct rsw_error *err);

#endif
