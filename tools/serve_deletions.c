#include "serve_deletions.h"

#include "forget.h"
#include "reply.h"

#include "gc/deletions.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void answer_failure(struct rsw_feed_reply *reply, unsigned refused, const struct rsw_error *err) {
    bool theirs = err->code == RSW_EINVAL || err->code == RSW_EREFUSED;
    rsw_reply_error(reply, theirs ? refused : 500, err->message, NULL);
}

/* ---- POST ---- */

static int read_text(const char **out, const json_t *body, const char *name, bool needed,
                     struct rsw_error *err) {
    const json_t *value = json_object_get(body, name);
    *out = json_string_value(value);
    return *out != NULL || (value == NULL && !needed)
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0, "%s: expected a text", name);
}

static int check_members(json_t *body, struct rsw_error *err) {
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value) {
        if (strcmp(name, "kind") != 0 && strcmp(name, "name") != 0 && strcmp(name, "note") != 0) {
            return rsw_error_set(err, RSW_EINVAL, 0,
                                 "there is no \"%.40s\": a deletion has kind, name and note", name);
        }
    }
    return 0;
}

static int read_kind(enum rsw_deletion_kind *out, const char *text, struct rsw_error *err) {
    for (enum rsw_deletion_kind kind = RSW_DELETION_REPO; kind < RSW_DELETION_KINDS; kind++) {
        if (strcmp(text, rsw_deletion_kind_name(kind)) == 0) {
            *out = kind;
            return 0;
        }
    }
    return rsw_error_set(err, RSW_EINVAL, 0, "kind: expected repo, image, tag or blob");
}

static int read_request(struct rsw_deletion_request *out, json_t *body, struct rsw_error *err) {
    const char *kind;
    if (!json_is_object(body)) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the body is no JSON object");
    }
    return check_members(body, err) != 0 || read_text(&kind, body, "kind", true, err) != 0 ||
                   read_text(&out->target, body, "name", true, err) != 0 ||
                   read_text(&out->note, body, "note", false, err) != 0
               ? -1
               : read_kind(&out->kind, kind, err);
}

static void post(struct rsw_index *index, const struct rsw_clock *clock,
                 const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion_request asked = {.target = NULL};
    struct rsw_deletion deletion;
    struct rsw_stays stays;
    json_t *body = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (read_request(&asked, body, &err) != 0 ||
        rsw_deletion_make(&deletion, index, &asked, clock, &err) != 0 ||
        rsw_stays_find(&stays, index, deletion.id, clock, &err) != 0) {
        answer_failure(reply, 400, &err);
    } else {
        snprintf(reply->location, sizeof reply->location, RSW_DELETIONS_PATH "/%" PRIu64, deletion.id);
        json_t *made = rsw_deletion_to_json(&deletion);
        rsw_others_to_json(&made, &deletion);
        rsw_stays_to_json(&made, &stays);
        rsw_reply_json(reply, 201, made);
    }
    json_decref(body);
}

/* ---- the others ---- */

static void list(struct rsw_index *index, struct rsw_feed_reply *reply) {
    struct rsw_error err = RSW_ERROR_INIT;
    json_t *all = rsw_deletions_to_json(index, &err);
    if (err.code != RSW_OK) {
        answer_failure(reply, 500, &err);
    } else {
        rsw_reply_json(reply, 200, all);
    }
}

/* RSW_FOUND; or it has answered. */
static int get(struct rsw_deletion *out, struct rsw_index *index, const char *text,
               struct rsw_feed_reply *reply) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_TXN txn = NULL;
    uint64_t id;
    int answer = RSW_ABSENT;
    if (rsw_number_parse(&id, text, UINT64_MAX)) {
        answer = rsw_txn_begin_read(&txn, index, &err) != 0 ? RSW_FAILED : rsw_deletion_get(txn, id, out);
    }
    if (answer == RSW_ABSENT) {
        rsw_reply_error(reply, 404, "there is no such deletion", NULL);
    } else if (answer == RSW_FAILED) {
        rsw_txn_failed(txn, &err);
        answer_failure(reply, 500, &err);
    }
    return answer;
}

static void cancel(struct rsw_index *index, const struct rsw_clock *clock, uint64_t id,
                   struct rsw_feed_reply *reply) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_deletion deletion;
    if (rsw_deletion_cancel(&deletion, index, id, clock, &err) != 0) {
        answer_failure(reply, 409, &err);
    } else {
        json_t *cancelled = rsw_deletion_to_json(&deletion);
        rsw_others_to_json(&cancelled, &deletion);
        rsw_reply_json(reply, 200, cancelled);
    }
}

void rsw_serve_deletions_answer(struct rsw_index *index, const struct rsw_clock *clock,
                                const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    const char *below = request->path + strlen(RSW_DELETIONS_PATH);
    bool gets = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    bool whole = *below == 0;
    const char *other = whole ? "POST" : "DELETE";
    struct rsw_deletion deletion;
    if (!gets && strcmp(request->method, other) != 0) {
        rsw_reply_method(reply, whole ? "GET, HEAD, POST" : "GET, HEAD, DELETE");
    } else if (whole) {
        gets ? list(index, reply) : post(index, clock, request, reply);
    } else if (get(&deletion, index, below + 1, reply) == RSW_FOUND) {
        gets ? rsw_reply_json(reply, 200, rsw_deletion_to_json(&deletion))
             : cancel(index, clock, deletion.id, reply);
    }
}
