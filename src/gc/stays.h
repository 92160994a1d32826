/* What of a deletion record a sweep may leave, as far as that can be told when it is made. */
#ifndef REGSWEEP_GC_STAYS_H
#define REGSWEEP_GC_STAYS_H

#include "index/deletion.h"
#include "index/pin.h"
#include "util/clock.h"

struct rsw_stays {
    uint64_t pinned;                /* objects that a pin of the index names, which has not run out */
    char pin[RSW_PIN_TEXT_MAX + 1]; /* the first of these; "" */
    uint64_t young; /* touched so shortly before that a scan may take them for written after it
                       (rsw_apply_is_anew): then they leave the record, and stay. It goes by the time of the
                       file, which the index does not keep; a pull or a pin is a touch that writes nothing */
};

/* Looks at what the record names; changes nothing. 0, or -1 on an index error. No transaction may be open. */
int rsw_stays_find(struct rsw_stays *out, struct rsw_index *index, uint64_t deletion,
                   const struct rsw_clock *clock, struct rsw_error *err);

#endif
