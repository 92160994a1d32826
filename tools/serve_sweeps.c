#include "serve_sweeps.h"

#include "reply.h"
#include "sweep_request.h"

#include <stdio.h>
#include <string.h>

static void set_location(struct rsw_feed_reply *reply, const char *id) {
    snprintf(reply->location, sizeof reply->location, RSW_SWEEPS_PATH "/%s", id);
}

static void answer_failure(struct rsw_feed_reply *reply, const struct rsw_error *err, const char *id) {
    switch (err->code) {
    case RSW_EINVAL:
        rsw_reply_error(reply, 400, err->message, NULL);
        return;
    case RSW_EREFUSED:
        rsw_reply_error(reply, 403, err->message, NULL);
        return;
    case RSW_EBUSY:
        set_location(reply, id);
        rsw_reply_error(reply, 409, err->message, id);
        return;
    case RSW_ESTOPPED:
        rsw_reply_error(reply, 503, err->message, NULL);
        return;
    default:
        rsw_reply_error(reply, 500, err->message, NULL);
    }
}

/* What was not asked for is as without serve; what serve allows for those who ask is not given to those who
 * do not. */
static int forget_what_is_allowed(struct rsw_options *options, struct rsw_error *err) {
    struct rsw_options usual;
    char *keep = strdup("keep");
    if (keep == NULL || rsw_options_init(&usual, err) != 0) {
        free(keep);
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    free(options->untagged);
    options->untagged = keep;
    options->grace_ms = options->grace_ms > usual.grace_ms ? options->grace_ms : usual.grace_ms;
    options->upload_max_age_ms = options->upload_max_age_ms > usual.upload_max_age_ms
                                     ? options->upload_max_age_ms
                                     : usual.upload_max_age_ms;
    options->max_delete = options->max_delete < usual.max_delete ? options->max_delete : usual.max_delete;
    rsw_options_release(&usual);
    return 0;
}

static void post(struct rsw_sweep_runs *runs, const struct rsw_options *options,
                 const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_OPTIONS asked = {.sources = NULL};
    char id[RSW_SWEEP_ID_MAX] = "";
    if (rsw_options_copy(&asked, options, &err) != 0 || forget_what_is_allowed(&asked, &err) != 0 ||
        rsw_sweep_request_read(&asked, request->body, request->body_len, &err) != 0 ||
        rsw_sweep_runs_begin(runs, &asked, (struct rsw_sweep_listener){.ended = NULL}, id, &err) != 0) {
        answer_failure(reply, &err, id);
        return;
    }
    json_t *object = json_object();
    rsw_json_set(&object, "id", json_string(id));
    set_location(reply, id);
    rsw_reply_json(reply, 202, object);
}

static void get(struct rsw_sweep_runs *runs, const char *id, struct rsw_feed_reply *reply) {
    switch (rsw_sweep_runs_tell(runs, id, &reply->json, &reply->len)) {
    case RSW_FOUND:
        reply->status = 200;
        return;
    case RSW_ABSENT:
        rsw_reply_error(
            reply, 404,
            "no such sweep is known here: the last few are, since serve was started; what earlier ones did "
            "is told by regsweep inspect generations",
            NULL);
        return;
    default:
        return; /* out of memory: so says an answer without JSON */
    }
}

void rsw_serve_sweeps_answer(struct rsw_sweep_runs *runs, const struct rsw_options *options,
                             const struct rsw_feed_request *request, struct rsw_feed_reply *reply) {
    const char *below = request->path + strlen(RSW_SWEEPS_PATH);
    bool posts = strcmp(request->method, "POST") == 0;
    bool gets = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (*below == 0) {
        posts ? post(runs, options, request, reply) : rsw_reply_method(reply, "POST");
    } else {
        gets ? get(runs, below + 1, reply) : rsw_reply_method(reply, "GET, HEAD");
    }
}

void rsw_serve_sweeps_refuse(struct rsw_feed_reply *reply) {
    rsw_reply_error(
        reply, 403,
        "this serve sweeps and forgets for nobody: to allow it, start it with a token for sweeps, "
        "--sweep-token-file or REGSWEEP_SWEEP_TOKEN",
        NULL);
}
