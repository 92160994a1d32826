/* The checks of doctor, and what they say it with. Each fills a diagnosis that is good and says nothing yet.
 * None may be called with a transaction open. */
#ifndef REGSWEEP_GC_CHECKS_H
#define REGSWEEP_GC_CHECKS_H

#include "gc/doctor.h"

#define RSW_SKEW_MAX_MS (5 * 60 * INT64_C(1000)) /* of two clocks: beyond it nothing is swept */
#define RSW_SKEW_LOW_MS (30 * INT64_C(1000))     /* beyond it people are told */
#define RSW_ROOM_MIN ((uint64_t)16 << 20)        /* of a disk, in bytes */
#define RSW_ROOM_LOW ((uint64_t)256 << 20)

typedef void rsw_doctor_check(struct rsw_diagnosis *out, const struct rsw_doctor *doctor);

/* Says something, unless something as bad was said before: the first of the worst stays. */
void rsw_say(struct rsw_diagnosis *out, enum rsw_health level, const char *remedy, const char *fmt, ...)
    RSW_PRINTF(4, 5);
/* The same with an error's words; what stands behind "; " in them is the remedy, else `remedy`. */
void rsw_say_error(struct rsw_diagnosis *out, enum rsw_health level, const char *remedy,
                   const struct rsw_error *err);
/* One clock that is `ms` ahead of ours (negative: behind); `whose` as in "the clock of %s". */
void rsw_say_skew(struct rsw_diagnosis *out, const char *whose, int64_t ms);
/* "3m", "2h", "5d": rounded, for people. Returns `text`. */
const char *rsw_age_format(int64_t ms, char *text, size_t size);
/* How a disk with so much room left is. */
void rsw_say_room(struct rsw_diagnosis *out, uint64_t room, const char *where, const char *remedy);

/* The index, and what it says: doctor_index.c */
rsw_doctor_check rsw_doctor_index, rsw_doctor_index_room, rsw_doctor_index_clock, rsw_doctor_scan,
    rsw_doctor_gap, rsw_doctor_serve, rsw_doctor_events, rsw_doctor_generations, rsw_doctor_held,
    rsw_doctor_touched;
/* Storage: doctor_storage.c */
rsw_doctor_check rsw_doctor_storage, rsw_doctor_storage_clock, rsw_doctor_storage_room, rsw_doctor_quarantine,
    rsw_doctor_permissions;
/* Of the former what must not be so for a sweep: it asks no more than that takes. */
rsw_doctor_check rsw_doctor_quarantine_works;
/* The same, what an object store does by itself: doctor_store.c */
rsw_doctor_check rsw_doctor_store;
/* Bytes: doctor_bytes.c */
rsw_doctor_check rsw_doctor_vanished, rsw_doctor_missing;
/* The registry and its configuration: doctor_registry.c */
rsw_doctor_check rsw_doctor_registry, rsw_doctor_registry_clock, rsw_doctor_cache, rsw_doctor_delete,
    rsw_doctor_notifications, rsw_doctor_references, rsw_doctor_proxy, rsw_doctor_middleware,
    rsw_doctor_fence;

#endif
