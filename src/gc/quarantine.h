/* The quarantine: where what a generation takes out of the registry's sight lies until it is purged. Its
 * layout is part of what users rely on: it must be readable without the index and without regsweep.
 *
 *     regsweep/quarantine/README                  says what this is, and how to put all of it back by hand
 *     regsweep/quarantine/<generation>.owner      says which index began it
 *     regsweep/quarantine/<generation>/<key>      a file, under the very key that it was taken from
 *     regsweep/quarantine/<generation>/…/version  in place of a blob's …/data, where storage can hide that
 * under its own key (`versions`): says what is hidden
 *
 * So everything of a generation is put back by copying its folder over the root, without overwriting. It is
 * on the same storage, beside `docker/`, where no registry looks; no key in it has a registry's data path as
 * its beginning.
 *
 * Nothing in here needs a transaction, and nothing is asked for longer than storage takes.
 */
#ifndef REGSWEEP_GC_QUARANTINE_H
#define REGSWEEP_GC_QUARANTINE_H

#include "storage/layout.h"
#include "storage/storage.h"

#define RSW_QUARANTINE "regsweep/quarantine"

/* "regsweep/quarantine/18446744073709551615/" in front of the longest key. */
#define RSW_QUARANTINE_KEY_MAX (RSW_KEY_MAX + 48)

/* The key in quarantine of a file with this key; "", which is none, for a longer one than RSW_KEY_MAX.
 * Returns `out`. */
char *rsw_quarantine_key(char out[RSW_QUARANTINE_KEY_MAX], uint64_t generation, const char *key);

/* Makes sure that the quarantine can be used: writes its README where there is none. 0, or -1 (RSW_EACCESS,
 * RSW_EIO; the message names folder and remedy). */
int rsw_quarantine_prepare(struct rsw_storage *storage, struct rsw_error *err);

struct rsw_setting {
    const char *key; /* as the registry knows it */
    int answer;      /* see each call */
    int errnum;
    bool placed; /* by rsw_quarantine_return: it was not in place before */
    bool copied; /* by rsw_quarantine_copy: there is a copy of what is in place, which may be removed */
    bool late;   /* by rsw_quarantine_take, and _purge of what is hidden: its removal may be carried out yet
                    (storage.h) */
};
/* The first half of taking files where storage cannot move them in one step (`loose`): what is in place, and
 * has no copy yet, is copied, which can last; or, where it is hidden, noted. Nothing is out of sight yet.
 * Elsewhere nothing happens. */
void rsw_quarantine_copy(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count);
/* Takes files out of the registry's sight, each in one step; where storage is `loose`, those that
 * rsw_quarantine_copy has just copied, and whose copy is still there (else RSW_FAILED with EAGAIN).
 * RSW_FOUND: it is in quarantine now. RSW_ABSENT: it was at neither place. If there is a copy in quarantine
 * already (an earlier run was killed, or it was given back and is taken again) the one in place is removed,
 * for its copy is the same; RSW_FOUND. Of a tag's `current` the copy goes instead, and the one in place is
 * moved there: what is written into it that very moment is not lost. A link whose contents differ from those
 * of the copy, and data of another size, stay: RSW_FAILED with EEXIST. */
void rsw_quarantine_take(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count);
/* Puts files back that are not in place; their copies stay (where there are hard links, it is the same file).
 * What is in place is left alone. RSW_FOUND: it is in place now, or was. RSW_ABSENT: it is at neither place.
 */
void rsw_quarantine_return(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                           size_t count);
/* Is there a copy of it, or a record of its being hidden? Three answers. */
int rsw_quarantine_has(struct rsw_storage *storage, uint64_t generation, const char *key);
/* Removes copies, and what is hidden. RSW_FOUND: removed. RSW_ABSENT: there was none. */
void rsw_quarantine_purge(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                          size_t count);
/* The same, but what is hidden stays so, and only its record goes: for a younger generation has one too, and
 * its purge deletes what it names with all that is older. */
void rsw_quarantine_leave_to_younger(struct rsw_storage *storage, uint64_t generation,
                                     struct rsw_setting *settings, size_t count);
/* Removes the copies of what is in its place. RSW_FOUND; RSW_FAILED: EEXIST (what is in its place says
 * something else; of a tag's `current` that is no matter), ENOENT (nothing is), or what storage answers. */
void rsw_quarantine_drop(struct rsw_storage *storage, uint64_t generation, struct rsw_setting *settings,
                         size_t count);
/* Is what is in its place certainly something else than its copy, so that rsw_quarantine_drop keeps it? */
bool rsw_quarantine_differs(struct rsw_storage *storage, uint64_t generation, const char *key);
/* Removes what a generation has in quarantine besides blobs' data (links: what they said is in the audit),
 * and its folders as far as that empties them. What is no file of the layout stays, and is told of in
 * *strange (it may be NULL). 0 or -1. */
int rsw_quarantine_clean(struct rsw_storage *storage, uint64_t generation, uint64_t *strange,
                         struct rsw_error *err);

/* The numbers of the generations that have a folder in the quarantine, and of those that are claimed, in any
 * order; what `seen` answers other than 0 ends it. 0 or -1. */
int rsw_quarantine_walk(struct rsw_storage *storage,
                        int (*seen)(void *arg, uint64_t generation, bool claimed, struct rsw_error *err),
                        void *arg, struct rsw_error *err);

/* Claims the folder of a generation for an owner: the file `<generation>.owner` beside it says whose it is,
 * as soon as it may have files. RSW_FOUND: it is this owner's now, or was; RSW_ABSENT: it is another one's;
 * RSW_FAILED. */
int rsw_quarantine_claim(struct rsw_storage *storage, uint64_t generation, const char *owner,
                         struct rsw_error *err);

/* Its generation has ended: nobody's, unless files are left in it. What cannot be removed stays. */
void rsw_quarantine_leave(struct rsw_storage *storage, uint64_t generation);

/* The key of what a file in quarantine stands for: for the record of a blob's data that is hidden, of the
 * data; else the key itself. `key` is without the generation. The caller frees it; NULL: out of memory. */
char *rsw_quarantine_data_of(const char *key);
/* Calls `hidden` with the key of each blob's data that lies hidden under it, for any generation, ours or
 * another's. 0, or -1: they could not all be listed, or `hidden` said so. */
int rsw_quarantine_each_hidden(struct rsw_storage *storage,
                               int (*hidden)(void *arg, const char *key, struct rsw_error *err), void *arg,
                               struct rsw_error *err);

/* The key beside `key` that ends with this name; "" if it is too long. The leaf of a record, and of what it
 * stands for. Internal to the quarantine. */
#define RSW_QUARANTINE_RECORD "version"
#define RSW_QUARANTINE_DATA "data"
void rsw_quarantine_sibling(char out[RSW_QUARANTINE_KEY_MAX], const char *key, const char *name);

/* The text of the README. Internal to the quarantine. 0 or -1. */
int rsw_quarantine_readme(struct rsw_buf *out, const struct rsw_storage *storage, struct rsw_error *err);

#endif
