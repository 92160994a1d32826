/* One repository, read whole. */
#ifndef REGSWEEP_SCAN_REPOSITORY_H
#define REGSWEEP_SCAN_REPOSITORY_H

#include "scan/reading.h"

struct rsw_repository_seen {
    bool found;    /* storage has something of it */
    bool unread;   /* a folder in it could not be read: nothing in it may be taken back */
    bool leftover; /* something lies in it that is nobody's */
};

/* Lists links, revisions, tags and uploads of `name`, reads the manifests, emits it all in batches that say
 * they saw storage at `looked` (note it before the call: rsw_reading_seq). A repository that is not there, or
 * goes while it is read, is no error. -1: stopped, out of memory, index error. No transaction may be open. */
int rsw_repository_read(struct rsw_reading *reading, const char *name, uint64_t looked,
                        struct rsw_repository_seen *seen, struct rsw_error *err);

#endif
