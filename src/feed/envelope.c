#include "feed/envelope.h"

#include "index/facts.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

const char *rsw_event_action_name(enum rsw_event_action action) {
    static const char *const names[RSW_EVENT_ACTIONS] = {"other", "push", "mount", "pull", "delete"};
    return (unsigned)action < RSW_EVENT_ACTIONS ? names[action] : "other";
}

bool rsw_event_is_manifest(const struct rsw_event *event) {
    return event->tag[0] != 0 ||
           (event->media_type[0] != 0 && strcmp(event->media_type, "application/octet-stream") != 0);
}

/* ---- fields ---- */

enum field_kind {
    TEXT,   /* longer than its room: the event is unusable */
    PREFIX, /* longer than its room: cut */
    SIZE,
    LENGTH,
    SECTION,
};

struct section;
struct field {
    const char *key;
    const char *path; /* for people */
    enum field_kind kind;
    bool in_text; /* of rsw_event_text, else of rsw_event */
    size_t offset;
    size_t room;
    const struct section *section;
};
struct section {
    const struct field *fields;
    size_t count;
};

#define EVENT(member) false, offsetof(struct rsw_event, member), sizeof(((struct rsw_event *)0)->member), NULL
#define RAW(member)                                                                                          \
    true, offsetof(struct rsw_event_text, member), sizeof(((struct rsw_event_text *)0)->member), NULL
#define FIELDS(array)                                                                                        \
    { array, sizeof array / sizeof *array }

static const struct field target_fields[] = {
    {"mediaType", "target.mediaType", PREFIX, EVENT(media_type)},
    {"size", "target.size", SIZE, false, 0, 0, NULL},
    {"length", "target.length", LENGTH, false, 0, 0, NULL},
    {"digest", "target.digest", TEXT, RAW(digest)},
    {"repository", "target.repository", TEXT, EVENT(repository)},
    {"fromRepository", "target.fromRepository", TEXT, EVENT(from_repository)},
    {"tag", "target.tag", TEXT, EVENT(tag)},
};
static const struct field request_fields[] = {
    {"method", "request.method", PREFIX, EVENT(method)},
    {"useragent", "request.useragent", PREFIX, EVENT(useragent)},
};
static const struct field source_fields[] = {
    {"instanceID", "source.instanceID", TEXT, EVENT(instance_id)},
    {"addr", "source.addr", PREFIX, EVENT(addr)},
};
static const struct section target_section = FIELDS(target_fields);
static const struct section request_section = FIELDS(request_fields);
static const struct section source_section = FIELDS(source_fields);
static const struct field event_fields[] = {
    {"id", "id", PREFIX, EVENT(id)},
    {"timestamp", "timestamp", PREFIX, RAW(timestamp)},
    {"action", "action", PREFIX, RAW(action)},
    {"target", "target", SECTION, false, 0, 0, &target_section},
    {"request", "request", SECTION, false, 0, 0, &request_section},
    {"source", "source", SECTION, false, 0, 0, &source_section},
};
static const struct section event_section = FIELDS(event_fields);

static const struct field *find_field(const struct section *section, const struct rsw_json_item *key) {
    for (size_t i = 0; i < section->count; i++) {
        if (!key->cut && strlen(section->fields[i].key) == key->len &&
            memcmp(section->fields[i].key, key->text, key->len) == 0) {
            return &section->fields[i];
        }
    }
    return NULL;
}

/* ---- one event ---- */

/* The first problem is the one that is told. */
static void problem(struct rsw_event *event, const char *path, const char *what) {
    if (event->problem[0] == 0) {
        snprintf(event->problem, sizeof event->problem, "%s %s", path, what);
        rsw_text_clean(event->problem);
    }
}

static char *place_of(struct rsw_envelope *env, const struct field *field) {
    return (field->in_text ? (char *)&env->text : (char *)&env->now) + field->offset;
}

static void set_text(struct rsw_envelope *env, const struct field *field, const struct rsw_json_item *item) {
    char *place = place_of(env, field);
    size_t len = item->len < field->room ? item->len : field->room - 1;
    if (field->kind == TEXT && (item->cut || item->len >= field->room)) {
        problem(&env->now, field->path, "is too long");
        len = 0;
    }
    if (memchr(item->text, 0, item->len) != NULL) {
        problem(&env->now, field->path, "has a NUL in it");
        len = 0;
    }
    memcpy(place, item->text, len);
    place[len] = 0;
}

static void set_number(struct rsw_envelope *env, const struct field *field,
                       const struct rsw_json_item *item) {
    uint64_t value;
    if (item->cut || !rsw_number_parse(&value, item->text, INT64_MAX)) {
        problem(&env->now, field->path, "is no size");
        return;
    }
    if (field->kind == SIZE) {
        env->text.has_size = true;
        env->text.size = value;
    } else {
        env->text.has_length = true;
        env->text.length = value;
    }
}

static void set_null(struct rsw_envelope *env, const struct field *field) {
    if (field->kind == SIZE) {
        env->text.has_size = false;
    } else if (field->kind == LENGTH) {
        env->text.has_length = false;
    } else if (field->kind != SECTION) {
        place_of(env, field)[0] = 0;
    }
}

/* Of a section that comes twice the last counts, whole. */
static void clear_section(struct rsw_envelope *env, const struct section *section) {
    for (size_t i = 0; i < section->count; i++) {
        set_null(env, &section->fields[i]);
    }
}

/* `at`: where its text begins in the present chunk. */
static void begin_event(struct rsw_envelope *env, size_t at) {
    memset(&env->now, 0, sizeof env->now);
    memset(&env->text, 0, sizeof env->text);
    env->section = &event_section;
    env->head_len = 0;
    env->copied = at;
}

static enum rsw_json_next on_field(struct rsw_envelope *env, const struct rsw_json_item *item) {
    const struct field *field = env->field;
    bool is_number = field->kind == SIZE || field->kind == LENGTH;
    if (item->kind == RSW_JSON_NULL) {
        set_null(env, field);
        if (field->kind == SECTION) {
            clear_section(env, field->section);
        }
    } else if (item->kind == RSW_JSON_OBJECT && field->kind == SECTION) {
        clear_section(env, field->section);
        env->section = field->section;
    } else if (item->kind == RSW_JSON_NUMBER && is_number) {
        set_number(env, field, item);
    } else if (item->kind == RSW_JSON_STRING && !is_number && field->kind != SECTION) {
        set_text(env, field, item);
    } else {
        problem(&env->now, field->path,
                field->kind == SECTION ? "is no object"
                : is_number            ? "is no number"
                                       : "is no string");
        return RSW_JSON_SKIP;
    }
    return RSW_JSON_GO_ON;
}

/* ---- judging ---- */

static void judge_name(struct rsw_event *event, char *name, const char *path,
                       bool (*valid)(const char *name, size_t len)) {
    if (name[0] != 0 && !valid(name, strlen(name))) {
        problem(event, path, "breaks the grammar of names");
        name[0] = 0;
    }
}

static void judge_action(struct rsw_event *event, const char *text) {
    for (unsigned i = RSW_EVENT_PUSH; i < RSW_EVENT_ACTIONS; i++) {
        if (strcmp(text, rsw_event_action_name((enum rsw_event_action)i)) == 0) {
            event->action = (enum rsw_event_action)i;
            return;
        }
    }
    /* Whatever a newer registry says here may have changed storage. */
    char what[64];
    snprintf(what, sizeof what, "'%s' is unknown", text);
    problem(event, "action", text[0] == 0 ? "is missing" : what);
}

/* `size` and `length` are the same number; 2.8 and 3.x write both. 0 can mean that there is none. */
static uint64_t size_of(const struct rsw_event_text *text) {
    if (text->has_size && text->size > 0) {
        return text->size;
    }
    return text->has_length && text->length > 0 ? text->length : RSW_SIZE_UNKNOWN;
}

static void judge(struct rsw_event *event, const struct rsw_event_text *text) {
    rsw_text_clean(event->instance_id);
    rsw_text_clean(event->addr);
    judge_action(event, text->action);
    judge_name(event, event->repository, "target.repository", rsw_repository_valid);
    judge_name(event, event->from_repository, "target.fromRepository", rsw_repository_valid);
    judge_name(event, event->tag, "target.tag", rsw_tag_valid);
    event->size = size_of(text);
    if (!rsw_time_parse(&event->sent_ms, text->timestamp, strlen(text->timestamp))) {
        event->sent_ms = 0;
    }
    if (text->digest[0] != 0 && !rsw_digest_parse(&event->digest, text->digest, strlen(text->digest))) {
        memset(&event->digest, 0, sizeof event->digest);
        problem(event, "target.digest", "is no digest");
    }
    if (event->repository[0] == 0) {
        problem(event, "target.repository", "is missing");
    }
    if (event->digest.alg == 0 && event->action != RSW_EVENT_DELETE) {
        problem(event, "target.digest", "is missing");
    }
}

/* ---- the head ---- */

static void keep_head(struct rsw_envelope *env, const uint8_t *bytes, size_t to) {
    size_t room = sizeof env->head - env->head_len;
    if (to > env->copied) {
        size_t len = to - env->copied < room ? to - env->copied : room;
        memcpy(env->head + env->head_len, bytes + env->copied, len);
        env->head_len += len;
    }
    env->copied = to;
}

const uint8_t *rsw_envelope_head(const struct rsw_envelope *env, size_t *len) {
    *len = env->head_len;
    return env->head;
}

/* ---- the document ---- */

/* Of one body. Each is kept and may make work; past so many the body as a whole is unusable instead, which
 * opens a gap and so covers the rest. */
#define UNUSABLE_MAX 1000

struct feeding {
    struct rsw_envelope *env;
    const uint8_t *chunk;
};

static enum rsw_json_next hand_out(struct feeding *feeding, const struct rsw_json_item *item) {
    struct rsw_envelope *env = feeding->env;
    keep_head(env, feeding->chunk, item->at);
    if (env->now.problem[0] != 0 && ++env->unusable > UNUSABLE_MAX) {
        env->problem = "too many events that cannot be used";
        return RSW_JSON_SKIP;
    }
    return env->event(env->arg, &env->now) ? RSW_JSON_PAUSE : RSW_JSON_GO_ON;
}

/* An element of `events` that is no object. */
static enum rsw_json_next no_event(struct feeding *feeding, const struct rsw_json_item *item) {
    begin_event(feeding->env, item->at); /* its text is behind us: what follows is kept */
    problem(&feeding->env->now, "event", "is no object");
    return hand_out(feeding, item) == RSW_JSON_PAUSE ? RSW_JSON_SKIP_AND_PAUSE : RSW_JSON_SKIP;
}

static enum rsw_json_next on_top(struct rsw_envelope *env, const struct rsw_json_item *item) {
    static const char events[] = "events";
    if (item->depth == 0) {
        if (item->kind != RSW_JSON_OBJECT && item->kind != RSW_JSON_OBJECT_END) {
            env->problem = "the body is no object";
        }
        return RSW_JSON_GO_ON;
    }
    if (item->kind == RSW_JSON_KEY) {
        bool wanted = item->len == sizeof events - 1 && memcmp(item->text, events, item->len) == 0;
        return wanted ? RSW_JSON_GO_ON : RSW_JSON_SKIP;
    }
    if (item->kind == RSW_JSON_ARRAY) {
        env->has_events = true;
    } else if (item->kind != RSW_JSON_ARRAY_END) {
        env->problem = "'events' is no array";
        return RSW_JSON_SKIP;
    }
    return RSW_JSON_GO_ON;
}

static enum rsw_json_next on_item(void *arg, const struct rsw_json_item *item) {
    struct feeding *feeding = arg;
    struct rsw_envelope *env = feeding->env;
    if (env->problem != NULL) {
        return RSW_JSON_SKIP;
    }
    if (item->depth < 2) {
        return on_top(env, item);
    }
    if (item->depth == 2) {
        if (item->kind == RSW_JSON_OBJECT) {
            begin_event(env, item->at - 1);
            return RSW_JSON_GO_ON;
        }
        if (item->kind == RSW_JSON_OBJECT_END) {
            judge(&env->now, &env->text);
            return hand_out(feeding, item);
        }
        return no_event(feeding, item);
    }
    if (item->kind == RSW_JSON_OBJECT_END) {
        env->section = &event_section;
        return RSW_JSON_GO_ON;
    }
    if (item->kind == RSW_JSON_KEY) {
        env->field = find_field(env->section, item);
        return env->field == NULL ? RSW_JSON_SKIP : RSW_JSON_GO_ON;
    }
    return on_field(env, item);
}

void rsw_envelope_init(struct rsw_envelope *env, bool (*event)(void *arg, const struct rsw_event *event),
                       void *arg) {
    /* The head is left as it is: only what was written into it is ever read. */
    memset(env, 0, offsetof(struct rsw_envelope, head));
    env->event = event;
    env->arg = arg;
    rsw_json_init(&env->json, on_item, NULL);
}

size_t rsw_envelope_feed(struct rsw_envelope *env, const void *bytes, size_t len) {
    struct feeding feeding = {env, bytes};
    size_t taken = len;
    env->copied = 0;
    if (env->problem == NULL && env->json.problem == NULL) {
        env->json.arg = &feeding;
        taken = rsw_json_feed(&env->json, bytes, len);
        env->json.arg = NULL;
    }
    if (env->json.problem != NULL) {
        taken = len;
    }
    keep_head(env, bytes, taken);
    return taken;
}

bool rsw_envelope_end(struct rsw_envelope *env, struct rsw_event *out) {
    struct feeding feeding = {env, env->head};
    env->json.arg = &feeding;
    env->copied = 0;
    bool whole = rsw_json_end(&env->json);
    env->json.arg = NULL;
    const char *why = env->problem;
    if (why == NULL && !whole) {
        why = env->json.problem;
    }
    if (why == NULL && !env->has_events) {
        why = "there is no 'events'";
    }
    if (why == NULL) {
        return true;
    }
    memset(out, 0, sizeof *out);
    out->size = RSW_SIZE_UNKNOWN;
    snprintf(out->problem, sizeof out->problem, "%s%s",
             env->problem == NULL && !whole ? "the body is no JSON: " : "", why);
    return false;
}
