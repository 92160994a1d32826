/* The beginning of a generation beside a running registry. */
#include "gc/online.h"

#include "gc/decide.h"
#include "gc/doctor.h"
#include "gc/generation.h"
#include "gc/lease.h"
#include "gc/others.h"
#include "gc/purge.h"
#include "gc/quarantine.h"
#include "gc/tidy.h"
#include "gc/uploads.h"
#include "index/time.h"
#include "policy/policy.h"
#include "util/log.h"
#include "util/text.h"

#include <string.h>

/* What is young stays so if the clock on the wall goes ahead of time, by the policy too. */
static void lengthen_grace(struct rsw_online *online, struct rsw_mark_options *mark,
                           const struct rsw_time *time) {
    char text[32];
    int64_t ahead_ms = rsw_time_ahead_ms(time, mark->grace_ms);
    if (ahead_ms > 0) {
        rsw_log(
            online->options->log, RSW_LOG_INFO,
            "grace is %s longer: by so much the clock was set ahead lately, or nobody saw how long it was",
            rsw_duration_format(ahead_ms / 1000 * 1000, text, sizeof text));
    }
    mark->grace_ms += ahead_ms;
    if (mark->policy != NULL) {
        mark->ahead_ms = rsw_time_ahead_ms(time, mark->policy->longest_ms);
    }
}

/* What another index let go is missing from ours, and nobody else took it. */
static int scan_after_others(struct rsw_online *online, struct rsw_error *err) {
    struct rsw_state state;
    if (rsw_index_state(online->index, &state, err) != 0) {
        return -1;
    }
    if (!rsw_state_lacks_blobs(&state)) {
        return 0;
    }
    rsw_log(online->options->log, RSW_LOG_INFO, "%s: reading storage", state.gap_reason);
    return rsw_decide_scan(online->index, online->storage, online->options, RSW_SCAN_WHOLE, err);
}

int rsw_online_begin(struct rsw_online *online, int64_t *left_ms, struct rsw_error *err) {
    struct rsw_mark_options mark;
    struct rsw_time time;
    RSW_AUTO_PLAN plan = {.count = 0};
    if (rsw_quarantine_prepare(online->storage, err) != 0 || rsw_others_give_back(online, err) != 0 ||
        scan_after_others(online, err) != 0 ||
        rsw_doctor_guard(online->index, online->storage, online->replicas, online->options->clock, err) !=
            0 ||
        rsw_online_drain(online, err) != 0 || rsw_others_return_linked(online, err) != 0 ||
        rsw_purge_held(online, false, &online->result->held, err) != 0 ||
        rsw_uploads_forget_ended(online->index, online->storage, err) != 0 ||
        rsw_index_check(online->index, err) != 0 ||
        rsw_time_note(online->index, online->options->clock, &time, err) != 0) {
        return -1;
    }
    rsw_decide_options(&mark, online->options);
    mark.now_ms = time.now_ms;
    lengthen_grace(online, &mark, &time);
    if (rsw_decide(&plan, online->result, online->index, &mark, online->options, err) != 0) {
        return -1;
    }
    if (online->result->guard[0] != 0) {
        return rsw_error_set(err, RSW_EREFUSED, 0, "nothing was removed: %s", online->result->guard);
    }
    if (rsw_uploads_call_off(online->storage, mark.now_ms - mark.upload_max_age_ms, online->audit,
                             online->options, err) != 0) {
        return -1;
    }
    if (plan.count == 0) {
        return rsw_tidy(online->index, online->storage, plan.seq, online->options->clock, err);
    }
    struct rsw_run run = {.index = online->index,
                          .storage = online->storage,
                          .options = online->options,
                          .audit = online->audit,
                          .result = online->result};
    memcpy(run.generation.run, online->replicas->run, sizeof run.generation.run);
    return rsw_others_pass_by(online, err) == 0 && rsw_generation_begin(&run, &plan, &mark, err) == 0
               ? rsw_online_advance_one(online, run.generation.id, left_ms, err)
               : -1;
}
