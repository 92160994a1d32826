#include "reply.h"

#include <stdio.h>
#include <string.h>

void rsw_reply_json(struct rsw_feed_reply *reply, unsigned status, json_t *object) {
    reply->status = status;
    reply->json = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    reply->len = reply->json != NULL ? strlen(reply->json) : 0;
    json_decref(object);
}

void rsw_reply_error(struct rsw_feed_reply *reply, unsigned status, const char *message, const char *id) {
    json_t *object = json_object();
    rsw_json_set(&object, "error", rsw_json_text(message));
    if (id != NULL) {
        rsw_json_set(&object, "id", json_string(id));
    }
    rsw_reply_json(reply, status, object);
}

void rsw_reply_method(struct rsw_feed_reply *reply, const char *allow) {
    char message[64];
    snprintf(message, sizeof message, "use %s", allow);
    reply->allow = allow;
    rsw_reply_error(reply, 405, message, NULL);
}
