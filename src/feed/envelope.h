/* The registry's webhook envelope, read as it arrives.
 *
 * Source: distribution notifications/event.go (`Envelope`, `Event`) of 2.8 and 3.x. Both media types,
 * application/vnd.docker.distribution.events.v1+json and …v2+json, have the same fields; 3.x writes
 * `mediaType`, `digest` and `size` always, empty or 0 where 2.8 leaves them out: empty means absent. Go
 * writes keys in one spelling, so no case is folded. Of a key that comes twice the last counts.
 *
 * Nothing here trusts a sender: an event that cannot be understood says why, and the ones behind it still
 * count. `target.references` (it never has the subject), `target.url`, `request.addr` and `request.host` (a
 * client can forge them) and unknown fields are passed over.
 */
#ifndef REGSWEEP_FEED_ENVELOPE_H
#define REGSWEEP_FEED_ENVELOPE_H

#include "feed/json_stream.h"
#include "index/index.h"
#include "oci/reference.h"

#include <regsweep/digest.h>

enum rsw_event_action {
    RSW_EVENT_OTHER = 0, /* one that we do not know: the event is unusable */
    RSW_EVENT_PUSH,
    RSW_EVENT_MOUNT,
    RSW_EVENT_PULL,
    RSW_EVENT_DELETE,
};
#define RSW_EVENT_ACTIONS 5
/* "other", "push", "mount", "pull", "delete". Static storage. */
const char *rsw_event_action_name(enum rsw_event_action action);

#define RSW_EVENT_REASON_MAX 128

struct rsw_event {
    enum rsw_event_action action;
    char problem[RSW_EVENT_REASON_MAX]; /* not "": unusable, and why, in words */
    struct rsw_digest digest;           /* alg 0: none */
    uint64_t size;                      /* RSW_SIZE_UNKNOWN: none */
    int64_t sent_ms;                    /* `timestamp`; 0: none, or not to be read */
    /* "" where absent. Names are valid by their grammar; an unusable event may still have a repository. */
    char repository[RSW_REPOSITORY_MAX + 1];
    char from_repository[RSW_REPOSITORY_MAX + 1];
    char tag[RSW_TAG_MAX + 1];
    char instance_id[RSW_INSTANCE_ID_MAX + 1];
    /* Cut where longer: they decide nothing. */
    char id[64];
    char media_type[128];
    char method[16];
    char useragent[256];
    char addr[128]; /* source.addr */
};

/* Is it about a manifest? Only manifests have tags, whatever a media type says. An event without a media type
 * is taken for one of a blob (what wrote it is then asked of storage): 2.8 and 3.x name it in every push,
 * mount and pull. */
bool rsw_event_is_manifest(const struct rsw_event *event);

/* Fields as they stand there, before they are judged. */
struct rsw_event_text {
    char action[32];
    char timestamp[48];
    char digest[RSW_DIGEST_TEXT_MAX];
    bool has_size;
    bool has_length;
    uint64_t size;
    uint64_t length;
};

struct rsw_envelope {
    /* Gets each event as soon as its object closes, borrowed. True: rsw_envelope_feed returns behind it. */
    bool (*event)(void *arg, const struct rsw_event *event);
    void *arg;
    struct rsw_json json; /* from here on the reader's own */
    const char *problem;  /* of the document; static text */
    const void *section;  /* fields that a key is looked for in */
    const void *field;    /* the key was this one */
    bool has_events;
    unsigned unusable;
    struct rsw_event now;
    struct rsw_event_text text;
    size_t copied; /* bytes of the present chunk that the head has, or does not want */
    size_t head_len;
    uint8_t head[RSW_KEPT_BYTES];
};

/* Some 20 KiB, all that an envelope of any size takes. */
void rsw_envelope_init(struct rsw_envelope *envelope, bool (*event)(void *arg, const struct rsw_event *event),
                       void *arg);
/* Takes bytes. Answers how many: fewer than `len` (none, it may be) only where `event` asked to pause. What
 * follows the place where a document breaks is taken and passed over. */
size_t rsw_envelope_feed(struct rsw_envelope *envelope, const void *bytes, size_t len);
/* The body is complete. True if it was one whole envelope; else *out is an unusable event that says why (the
 * events that were read before count all the same). */
bool rsw_envelope_end(struct rsw_envelope *envelope, struct rsw_event *out);
/* The beginning of what was read last, for people to look at: within `event` the text of that very event,
 * else that from the last event's begin on. Borrowed until the next feed. */
const uint8_t *rsw_envelope_head(const struct rsw_envelope *envelope, size_t *len);

#endif
