/* What a restore comes to: the objects that an operator's words mean, out of the index. Internal to gc. */
#ifndef REGSWEEP_GC_WANTED_H
#define REGSWEEP_GC_WANTED_H

#include "gc/restore.h"

struct rsw_wanted {
    enum rsw_item_kind kind; /* BLOB, LINK, REVISION or TAG */
    uint32_t repo;
    uint32_t blob;
    uint64_t generation; /* that condemned it, or holds it; 0: none did */
    char *name;          /* of a tag, owned */
    int before;          /* enum rsw_answer: was it in place? For the restore to fill in */
};

struct rsw_wanted_list {
    struct rsw_wanted *items; /* owned */
    size_t count, room;
    bool condemned; /* at least one of them is, or is held */
};

/* Fills *out, empty before. Takes a read transaction of its own. 0, or -1: RSW_EINVAL (there is nothing of
 * that name), RSW_ENOMEM, or an error of the index. */
int rsw_wanted_find(struct rsw_wanted_list *out, struct rsw_index *index,
                    const struct rsw_restore_options *options, struct rsw_error *err);
void rsw_wanted_release(struct rsw_wanted_list *list);

#define RSW_AUTO_WANTED __attribute__((cleanup(rsw_wanted_release))) struct rsw_wanted_list

#endif
