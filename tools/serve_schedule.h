/* Sweeps of serve's own, by --schedule: at a time of day or every so often, each a little later by chance.
 * One that is refused, or fails, is tried again a few times before the next is due. Where several share a
 * storage, whoever has the lease of it first sweeps for all. */
#ifndef REGSWEEP_TOOLS_SERVE_SCHEDULE_H
#define REGSWEEP_TOOLS_SERVE_SCHEDULE_H

#include "cli.h"
#include "sweep_runs.h"

struct rsw_schedule_time {
    int64_t every_ms; /* 0: at a time of day */
    int hour, minute; /* local time */
};

/* "03:00", or a duration of a minute at least. 0, or -1 (RSW_EINVAL). */
int rsw_schedule_parse(struct rsw_schedule_time *out, const char *text, struct rsw_error *err);
/* When the next is, behind `after_ms`, on the wall. A day on which the clocks are set has that time once. A
 * duration counts from 1970 on: whoever has it, and whenever he started, has the same times. */
int64_t rsw_schedule_next_ms(const struct rsw_schedule_time *time, int64_t after_ms);

/* That time is none of the next: the clock was set back since it was found. */
bool rsw_schedule_is_astray(const struct rsw_schedule_time *time, int64_t slot_ms, int64_t now_ms);

/* After so many tries (from 1) that failed: how long until the next; 0: none comes. A settle at first, for
 * most of what refuses a sweep is over by then. */
int64_t rsw_schedule_pause_ms(int64_t settle_ms, unsigned tries);

struct rsw_schedule_stats {
    uint64_t tries;
    uint64_t failures; /* of these: nobody has swept */
    bool failing;      /* the last one */
};

struct rsw_schedule;
/* The thread; `serve` has its lease open, if there is one, and outlives it, as `runs`. 0 or -1. */
int rsw_schedule_start(struct rsw_schedule **out, struct rsw_cli *serve, struct rsw_sweep_runs *runs,
                       struct rsw_error *err);
void rsw_schedule_stats(struct rsw_schedule *schedule, struct rsw_schedule_stats *out); /* any thread */
/* Ends the thread. NULL is allowed, here and below. */
void rsw_schedule_stop(struct rsw_schedule *schedule);
/* After that, after `runs` have stopped, which tell it of theirs, and when nobody asks for stats any more. */
void rsw_schedule_free(struct rsw_schedule *schedule);

#endif
