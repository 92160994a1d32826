/* The fence: has every event that was on its way come in, and from whom do they come?
 *
 * Each replica has a queue of its own, first in, first out. So once `serve` has taken in the event of a
 * request that we sent through a replica, it has taken in all that this replica had to tell before. What a
 * process had in its queue when it ended is lost, also our own event; that shows in who answers: a new start
 * has a new id. So the requests are sent anew while answers are missing, under the same mark: whichever of
 * them an instance answers, it was sent after the fence began. */
#include "gc/replicas.h"

#include "util/grow.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_FIRST_MS 5
#define WAIT_MOST_MS 100
#define AGAIN_MS 3000 /* the requests are sent anew; after a quarter of a timeout that is short */
#define MARK_SIZE 25  /* with "-NUMBER" behind it, it fits RSW_FENCE_MAX */

/* Who sent the events of one replica's two requests, and which have come in: of its youngest start. */
struct answer {
    struct rsw_instance instance; /* id "": nobody yet */
    bool layer;
    bool manifest;
};

struct heard {
    struct rsw_instance instance;
    bool answered;
};

struct fence {
    struct rsw_index *index;
    struct rsw_replicas *replicas;
    const struct rsw_fence_options *options;
    char mark[MARK_SIZE];
    int64_t until_ms;       /* by a clock that does not jump */
    struct answer *answers; /* owned, one a replica */
    size_t answered;        /* with both */
    /* As the last look saw the index. */
    struct rsw_state state;
    struct heard *heard; /* owned: instances heard since the last complete scan began, or in this fence */
    size_t heard_count;
    size_t heard_room;
};

static void fence_release(struct fence *fence) {
    free(fence->answers);
    free(fence->heard);
}

static const char *addr_of(const struct rsw_instance *instance) {
    return instance->addr[0] != 0 ? instance->addr : "address unknown";
}

/* ---- looking ---- */

/* The number in "MARK-NUMBER". False if that is not of this fence. */
static bool number_of(const struct fence *fence, const char *word, size_t *out) {
    size_t len = strlen(fence->mark);
    uint64_t number;
    if (strncmp(word, fence->mark, len) != 0 || word[len] != '-' ||
        !rsw_number_parse(&number, word + len + 1, fence->replicas->count - 1)) {
        return false;
    }
    *out = (size_t)number;
    return true;
}

static int doubled(const struct fence *fence, size_t one, size_t other, struct rsw_error *err) {
    char name[RSW_REPLICA_NAME_MAX];
    char name_2[RSW_REPLICA_NAME_MAX];
    return rsw_error_set(err, RSW_EREFUSED, 0,
                         "%s and %s lead to one and the same replica: give each replica's own URL once, none "
                         "of a load balancer",
                         rsw_replica_name(fence->replicas, one, name, sizeof name),
                         rsw_replica_name(fence->replicas, other, name_2, sizeof name_2));
}

static int balanced(const struct fence *fence, size_t number, struct rsw_error *err) {
    char name[RSW_REPLICA_NAME_MAX];
    return rsw_error_set(err, RSW_EREFUSED, 0,
                         "%s leads to more than one replica: give each replica's own URL, none of a load "
                         "balancer (or it was restarted just now: run this again)",
                         rsw_replica_name(fence->replicas, number, name, sizeof name));
}

/* Both sent events of the requests through one replica. Is the one a later start of the other? Then it was
 * not heard before the other fell silent. */
static bool follows(const struct rsw_instance *younger, const struct rsw_instance *older) {
    return younger->first_seq >= older->last_seq;
}

/* Takes over what one instance says. 0 or -1: it stands behind two URLs, or is one of two behind one URL. */
static int take_answer(struct fence *fence, const struct rsw_instance *instance, struct rsw_error *err) {
    size_t layer = 0;
    size_t manifest = 0;
    bool has_layer = number_of(fence, instance->fence_layer, &layer);
    bool has_manifest = number_of(fence, instance->fence_manifest, &manifest);
    if (!has_layer && !has_manifest) {
        return 0;
    }
    if (has_layer && has_manifest && layer != manifest) {
        return doubled(fence, layer, manifest, err);
    }
    size_t number = has_layer ? layer : manifest;
    struct answer *answer = &fence->answers[number];
    if (strcmp(answer->instance.id, instance->id) != 0) {
        if (follows(&answer->instance, instance)) {
            return 0;
        }
        if (!follows(instance, &answer->instance)) {
            return balanced(fence, number, err);
        }
        *answer = (struct answer){.layer = false};
    }
    answer->instance = *instance;
    answer->layer = answer->layer || has_layer;
    answer->manifest = answer->manifest || has_manifest;
    return 0;
}

static bool has_answered(const struct fence *fence, const struct rsw_instance *instance) {
    for (size_t i = 0; i < fence->replicas->count; i++) {
        if (strcmp(fence->answers[i].instance.id, instance->id) == 0) {
            return true;
        }
    }
    return false;
}

static int add_heard(struct fence *fence, const struct rsw_instance *instance, struct rsw_error *err) {
    if (take_answer(fence, instance, err) != 0) {
        return -1;
    }
    if (instance->last_seq <= fence->state.scan_seq && !has_answered(fence, instance)) {
        return 0;
    }
    struct heard *heard =
        rsw_grown(fence->heard, &fence->heard_room, fence->heard_count + 1, sizeof *fence->heard);
    if (heard == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    fence->heard = heard;
    heard[fence->heard_count++] = (struct heard){.instance = *instance};
    return 0;
}

/* One look at the index. 0 or -1. */
static int look(struct fence *fence, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_instance instance;
    if (rsw_txn_begin_read(&txn, fence->index, err) != 0) {
        return -1;
    }
    fence->heard_count = 0;
    rsw_state_get(txn, &fence->state);
    rsw_iter_instances(&iter, txn);
    while (rsw_instance_next(&iter, &instance) == RSW_FOUND) {
        if (add_heard(fence, &instance, err) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < fence->heard_count; i++) { /* now that the youngest is known */
        fence->heard[i].answered = has_answered(fence, &fence->heard[i].instance);
    }
    fence->answered = 0;
    for (size_t i = 0; i < fence->replicas->count; i++) {
        fence->answered += fence->answers[i].layer && fence->answers[i].manifest;
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- waiting ---- */

static int no_serve(const struct fence *fence, int64_t now_ms, struct rsw_error *err) {
    char ago[32];
    if (fence->state.beat_ms == 0) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "no fence: regsweep serve is not running on this index, and never was; start it, "
            "and let the registry send its events there");
    }
    return rsw_error_set(
        err, RSW_EREFUSED, 0,
        "no fence: regsweep serve is not running on this index: it was heard of last %s ago; "
        "start it",
        rsw_duration_format((now_ms - fence->state.beat_ms) / 1000 * 1000, ago, sizeof ago));
}

/* The first replica that did not answer, and what that looks like. */
static int no_answer(const struct fence *fence, struct rsw_error *err) {
    char waited[32];
    char name[RSW_REPLICA_NAME_MAX];
    size_t number = 0;
    while (fence->answers[number].layer && fence->answers[number].manifest) {
        number++;
    }
    const struct answer *answer = &fence->answers[number];
    const char *cause =
        answer->layer ? "the event of its manifest did not come, that of its layer did: take ignore and "
                        "ignoredmediatypes out of the registry's endpoint"
        : answer->manifest
            ? "the event of its layer did not come, that of its manifest did: application/octet-stream is in "
              "ignore.mediatypes or ignoredmediatypes of the registry's endpoint; take it out"
            : "none of its events came: is regsweep serve running? The notifications.endpoints of that "
              "replica must name serve's url and token, and must not ignore pull; is it another URL of a "
              "replica given before? If it has much to send, give --fence-timeout more time";
    return rsw_error_set(err, RSW_EREFUSED, 0, "no fence: %s did not answer within %s: %s",
                         rsw_replica_name(fence->replicas, number, name, sizeof name),
                         rsw_duration_format(fence->options->timeout_ms, waited, sizeof waited), cause);
}

/* `unsent`: why the requests could not be sent anew. */
static int timed_out(const struct fence *fence, const struct rsw_error *unsent, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(fence->options->clock);
    if (now_ms - fence->state.beat_ms > RSW_BEAT_OLD_MS) {
        return no_serve(fence, now_ms, err);
    }
    if (unsent->code != RSW_OK) {
        *err = *unsent;
        return -1;
    }
    return no_answer(fence, err);
}

static bool is_stopped(const struct fence *fence) {
    return fence->options->stopped != NULL && fence->options->stopped(fence->options->arg);
}

static int stopped(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ESTOPPED, 0, "stopped; the next sweep goes on with what is left");
}

static int send(const struct fence *fence, int64_t each_ms, struct rsw_error *err) {
    const struct rsw_patience patience = {.until_ms = fence->until_ms,
                                          .each_ms = each_ms,
                                          .stopped = fence->options->stopped,
                                          .arg = fence->options->arg};
    return fence->replicas->ops->fence(fence->replicas, fence->mark, &patience, err);
}

/* The first time whoever does not answer ends it. */
static int send_first(const struct fence *fence, struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    if (send(fence, 0, &why) == 0) {
        return 0;
    }
    return why.code == RSW_ESTOPPED ? stopped(err)
                                    : rsw_error_set(err, why.code, why.errnum, "%s", why.message);
}

/* A replica that is being restarted cannot be asked, and is again a little later. */
static void send_anew(const struct fence *fence, int64_t each_ms, struct rsw_error *unsent) {
    rsw_error_clear(unsent);
    send(fence, each_ms, unsent);
}

/* Until all have answered. 0 or -1. */
static int wait_for_answers(struct fence *fence, struct rsw_error *err) {
    const struct rsw_fence_options *options = fence->options;
    int64_t every_ms = options->timeout_ms / 4 < AGAIN_MS ? options->timeout_ms / 4 : AGAIN_MS;
    int64_t sent_ms = rsw_monotonic_ms();
    int64_t pause_ms = WAIT_FIRST_MS;
    struct rsw_error unsent = RSW_ERROR_INIT;
    for (;;) {
        if (look(fence, err) != 0) {
            return -1;
        }
        if (fence->answered == fence->replicas->count) {
            return 0;
        }
        if (is_stopped(fence)) {
            return stopped(err);
        }
        int64_t now_ms = rsw_monotonic_ms();
        if (now_ms >= fence->until_ms) {
            return timed_out(fence, &unsent, err);
        }
        /* What is sent at the very end has no time to be answered. */
        if (now_ms - sent_ms >= every_ms && fence->until_ms - now_ms >= every_ms / 2) {
            send_anew(fence, every_ms, &unsent);
            sent_ms = rsw_monotonic_ms();
        }
        nanosleep(&(struct timespec){.tv_nsec = (long)pause_ms * 1000000}, NULL);
        pause_ms = 2 * pause_ms < WAIT_MOST_MS ? 2 * pause_ms : WAIT_MOST_MS;
    }
}

/* ---- judging ---- */

/* No two replicas are the same instance. */
static int check_answers(const struct fence *fence, struct rsw_error *err) {
    for (size_t i = 0; i < fence->replicas->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(fence->answers[i].instance.id, fence->answers[j].instance.id) == 0) {
                return doubled(fence, j, i, err);
            }
        }
    }
    return 0;
}

/* At a transaction: what came in by one and the same may have come in any order. */
static bool lived_at(const struct heard *heard, uint64_t seq) {
    return heard->instance.first_seq < seq && (heard->answered || heard->instance.last_seq >= seq);
}

/* A restart explains two instances of one replica only if the one fell silent before the other was heard. So
 * no more may have been alive at any moment than there are replicas. */
static bool explained(const struct fence *fence, const struct heard *one) {
    size_t others = 0;
    for (size_t i = 0; i < fence->heard_count; i++) {
        others += &fence->heard[i] != one && lived_at(&fence->heard[i], one->instance.last_seq);
    }
    return others < fence->replicas->count;
}

static int unlisted(const struct rsw_instance *instance, struct rsw_error *err) {
    char when[32];
    return rsw_error_set(err, RSW_EREFUSED, 0,
                         "events came from a replica that is not listed: instance %s at %s, last at %s; give "
                         "its URL with --registry too, or, if it has ended for good, run regsweep scan",
                         instance->id, addr_of(instance),
                         rsw_time_format(instance->last_ms, when, sizeof when));
}

/* Is one heard that is none of ours? 0 or -1. */
static int check_strangers(const struct fence *fence, struct rsw_error *err) {
    for (size_t i = 0; i < fence->heard_count; i++) {
        const struct heard *heard = &fence->heard[i];
        if (!heard->answered && !explained(fence, heard)) {
            return unlisted(&heard->instance, err);
        }
    }
    return 0;
}

/* What may have been lost, in words; false: nothing. An end is told rather than the start that followed it.
 */
static bool find_gap(const struct fence *fence, char *reason, size_t size) {
    const struct rsw_instance *ended = NULL;
    const struct rsw_instance *newer = NULL;
    for (size_t i = 0; i < fence->heard_count; i++) {
        const struct rsw_instance *instance = &fence->heard[i].instance;
        if (!fence->heard[i].answered) {
            ended = instance;
        } else if (instance->first_seq > fence->state.scan_seq) {
            newer = instance;
        }
    }
    if (ended != NULL) {
        snprintf(reason, size, "the registry's instance at %.60s has ended since the last scan",
                 addr_of(ended));
    } else if (newer != NULL) {
        snprintf(reason, size, "the registry's instance at %.60s is newer than the last scan",
                 addr_of(newer));
    }
    return ended != NULL || newer != NULL;
}

static int record_gap(const struct fence *fence, const char *reason, struct rsw_error *err) {
    int64_t now_ms = rsw_clock_now_ms(fence->options->clock);
    return rsw_index_gap(fence->index, now_ms, reason, err) != 0 ? RSW_FAILED : RSW_FENCE_GAP;
}

static int judge(const struct fence *fence, struct rsw_error *err) {
    char reason[sizeof fence->state.gap_reason];
    if (check_answers(fence, err) != 0 || check_strangers(fence, err) != 0) {
        return RSW_FAILED;
    }
    if (fence->state.gap_seq > fence->state.scan_seq) {
        return RSW_FENCE_GAP; /* it is in the index already, and a scan under way may be closing it */
    }
    return find_gap(fence, reason, sizeof reason) ? record_gap(fence, reason, err) : RSW_FENCE_HELD;
}

static uint64_t oldest_answer(const struct fence *fence) {
    uint64_t oldest_seq = UINT64_MAX;
    for (size_t i = 0; i < fence->heard_count; i++) {
        if (fence->heard[i].answered && fence->heard[i].instance.first_seq < oldest_seq) {
            oldest_seq = fence->heard[i].instance.first_seq;
        }
    }
    return oldest_seq;
}

int rsw_fence(struct rsw_index *index, struct rsw_replicas *replicas, const struct rsw_fence_options *options,
              struct rsw_error *err) {
    __attribute__((cleanup(fence_release))) struct fence fence = {.index = index,
                                                                  .replicas = replicas,
                                                                  .options = options,
                                                                  .until_ms = rsw_monotonic_ms() +
                                                                              options->timeout_ms};
    fence.answers = calloc(replicas->count, sizeof *fence.answers);
    if (fence.answers == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    if (rsw_nonce(fence.mark, sizeof fence.mark, err) != 0 || send_first(&fence, err) != 0 ||
        wait_for_answers(&fence, err) != 0) {
        return RSW_FAILED;
    }
    int result = judge(&fence, err);
    if (result == RSW_FENCE_HELD) {
        replicas->oldest_seq = oldest_answer(&fence);
    }
    return result;
}
