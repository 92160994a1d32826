/* What others have left in the quarantine: folders of generations that this index does not go on with. They
 * are those of another index, which sweeps this storage as well and is dead or busy with something else; or
 * of one of ours, before it was built anew. Their owner knew what of it was touched, and we do not; to us
 * what their manifests name can look like garbage. So before we begin, or go on, all of it is put back in its
 * place, as if nobody had swept, and decided on by our own rules. An owner that comes back finds everything
 * in its place.
 */
#ifndef REGSWEEP_GC_OTHERS_H
#define REGSWEEP_GC_OTHERS_H

#include "gc/online.h"

/* Puts back what lies in such folders, and removes the copies of what is in place then; the index has a gap
 * afterwards, so that storage is read. Bytes go first from the folder, names last. Where all that is left is
 * what something else is in place of (a link that was cut short), it stays, and there is no gap. A folder of
 * bytes alone is what a cache may still know of a generation that is over: it stays where it is, for its
 * owner may live; but with `options->offline`, or if it is of this index, which has lost it, it is put back
 * too. Where storage is `loose`, or a replica
 * caches, the owner may have asked for a removal that comes yet: then this waits for a settle, and puts back
 * again, before any copy goes. 0, or -1: RSW_EREFUSED or RSW_EPARTIAL (something could not be put back:
 * nothing may be taken), RSW_ESTOPPED, RSW_EIO. Needs the lock "sweep", the lease where there is one, and no
 * transaction. */
int rsw_others_give_back(struct rsw_online *online, struct rsw_error *err);

/* Puts back, out of those folders of bytes alone, what a repository has by now, as far as the index knows: a
 * stale cache made the registry take a push of it without writing it, and what it names nobody knows. Their
 * copies stay, for their owner may live. If anything was missing storage is read. As above. */
int rsw_others_return_linked(struct rsw_online *online, struct rsw_error *err);

/* How many such folders there are. 0 or -1. Needs no transaction. */
int rsw_others_count(size_t *folders, struct rsw_index *index, struct rsw_storage *storage,
                     struct rsw_error *err);

/* Gives the next generation of this index a folder of its own: *number is the number that rsw_generation_add
 * will hand out. 0 or -1. Needs the lock "sweep" and no transaction. */
int rsw_others_pass_by(struct rsw_online *online, struct rsw_error *err);

#endif
