#include "workload/api.h"

#include "registry/http.h"
#include "registry/url.h"
#include "util/cleanup.h"
#include "workload/documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS 10000
#define TOTAL_MS 120000 /* of a page */
#define PAGE_OBJECTS "200"
#define PAGE_BYTES_MAX ((size_t)256 << 20)
#define TRIES_MAX 5 /* of one page, of a server that is busy */
#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS 15000
#define PAUSES_MAX_MS 60000 /* all together */
#define RESTARTS_MAX 5      /* of one list, whose pages are forgotten before all are read */

struct resource {
    const char *group; /* "" for core */
    const char *version;
    const char *name;
    const char *list_kind;
    bool openshift; /* a server may be without the group */
};

/* Pods first: one that comes after them stands in what starts it, which is listed then. */
static const struct resource resources[] = {
    {"", "v1", "pods", "PodList", false},
    {"", "v1", "replicationcontrollers", "ReplicationControllerList", false},
    {"apps", "v1", "replicasets", "ReplicaSetList", false},
    {"apps", "v1", "deployments", "DeploymentList", false},
    {"apps", "v1", "daemonsets", "DaemonSetList", false},
    {"apps", "v1", "statefulsets", "StatefulSetList", false},
    {"apps", "v1", "controllerrevisions", "ControllerRevisionList", false},
    {"batch", "v1", "jobs", "JobList", false},
    {"batch", "v1", "cronjobs", "CronJobList", false},
    {"apps.openshift.io", "v1", "deploymentconfigs", "DeploymentConfigList", true},
    {"build.openshift.io", "v1", "buildconfigs", "BuildConfigList", true},
    {"build.openshift.io", "v1", "builds", "BuildList", true},
    {"image.openshift.io", "v1", "imagestreams", "ImageStreamList", true},
    {"image.openshift.io", "v1", "images", "ImageList", true},
};

struct server {
    struct rsw_http http;
    char *base;          /* owned */
    char *authorization; /* owned; NULL: none */
    int64_t pause_ms;    /* the first */
    int64_t paused_ms;   /* all together */
};

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

/* ---- answers ---- */

static int failed(const struct resource *of, const struct rsw_http_response *response,
                  struct rsw_error *err) {
    json_t *status = json_loadb(response->body.data != NULL ? (const char *)response->body.data : "",
                                response->body.len, 0, NULL);
    const char *words = rsw_walk_text(status, "message"); /* of the server's own; "" if it has none */
    const char *colon = words[0] != 0 ? ": " : "";
    if (response->status == 401) {
        rsw_error_set(err, RSW_EREFUSED, 0, "the server does not take the token%s%.200s", colon, words);
    } else if (response->status == 403) {
        rsw_error_set(err, RSW_EREFUSED, 0,
                      "listing %s is forbidden; the ClusterRole of the account needs the rule apiGroups: "
                      "[\"%s\"], resources: [\"%s\"], verbs: [\"list\"]%s%.150s",
                      of->name, of->group, of->name, colon, words);
    } else {
        rsw_error_set(err, RSW_EREFUSED, 0, "answer %d to the list of %s%s%.200s", response->status, of->name,
                      colon, words);
    }
    json_decref(status);
    return -1;
}

static int get_once(struct rsw_http_response *out, struct server *server, const char *url,
                    struct rsw_error *err) {
    const struct rsw_http_request request = {.method = "GET",
                                             .url = url,
                                             .authorization = server->authorization,
                                             .accept = "application/json",
                                             .body_max = PAGE_BYTES_MAX,
                                             .body_kept = PAGE_BYTES_MAX};
    if (rsw_http_send(out, &server->http, &request, err) != 0) {
        return -1;
    }
    if (out->cut) {
        rsw_http_response_release(out);
        return rsw_error_set(err, RSW_EREFUSED, 0, "a page is longer than %zu MiB", PAGE_BYTES_MAX >> 20);
    }
    if (out->status != 200) {
        rsw_http_scrub(out, server->authorization);
    }
    return 0;
}

/* How long to wait before it is asked again; -1: this is its answer. Never sooner than it says. */
static int64_t pause_after(const struct server *server, const struct rsw_http_response *response,
                           unsigned tries) {
    bool busy = response->status == 429 || (response->status >= 500 && response->status <= 599);
    int64_t own_ms = server->pause_ms << (tries - 1);
    int64_t pause_ms = response->retry_after_ms > own_ms ? response->retry_after_ms : own_ms;
    return busy && tries < TRIES_MAX && pause_ms <= PAUSE_MAX_MS &&
                   server->paused_ms + pause_ms <= PAUSES_MAX_MS
               ? pause_ms
               : -1;
}

static int get(struct rsw_http_response *out, struct server *server, const char *url, struct rsw_error *err) {
    for (unsigned tries = 1;; tries++) {
        if (get_once(out, server, url, err) != 0) {
            return -1;
        }
        int64_t pause_ms = pause_after(server, out, tries);
        if (pause_ms < 0) {
            return 0;
        }
        rsw_http_response_release(out);
        const struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        server->paused_ms += pause_ms;
    }
}

/* ---- one list ---- */

struct body {
    const struct rsw_buf *buf;
    size_t at;
};

static ssize_t read_body(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    struct body *body = arg;
    size_t left = body->buf->len - body->at;
    size_t len = size < left ? size : left;
    (void)err;
    if (len > 0) {
        memcpy(bytes, body->buf->data + body->at, len);
    }
    body->at += len;
    return (ssize_t)len;
}

/* "/api/v1/pods" or "/apis/apps/v1/deployments", from `next` on if that is not "". */
static int page_url(char **out, const struct server *server, const struct resource *of, const char *next,
                    struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    if (asprintf(&url, "%s/%s%s%s/%s/%s?limit=" PAGE_OBJECTS, server->base,
                 of->group[0] != 0 ? "apis" : "api", of->group[0] != 0 ? "/" : "", of->group, of->version,
                 of->name) < 0) {
        url = NULL;
        return no_memory(err);
    }
    if (next[0] != 0) {
        return rsw_url_add_query(out, url, "continue", next, err);
    }
    *out = strdup(url);
    return *out != NULL ? 0 : no_memory(err);
}

/* The page after page->next. RSW_FOUND; RSW_ABSENT: the server has forgotten the list that it belongs to. */
static int read_page(struct rsw_walk *walk, struct server *server, const struct resource *of,
                     struct rsw_page *page, struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_RESPONSE response = {.status = 0};
    if (page_url(&url, server, of, page->next, err) != 0 || get(&response, server, url, err) != 0) {
        return RSW_FAILED;
    }
    if (response.status == 410 && page->next[0] != 0) {
        return RSW_ABSENT;
    }
    if (response.status != 200) {
        return failed(of, &response, err);
    }
    struct body body = {.buf = &response.body};
    const struct rsw_document_source source = {read_body, &body};
    if (rsw_documents_read(walk, &source, page, err) != 0) {
        return rsw_error_prefix(err, "the list of %s", of->name);
    }
    return RSW_FOUND;
}

/* What was found on pages of a list that is then read anew stays found: it was in use a moment ago. */
static int read_list(struct rsw_walk *walk, struct server *server, const struct resource *of,
                     struct rsw_error *err) {
    struct rsw_page *page = calloc(1, sizeof *page);
    unsigned restarts = 0;
    int answer = RSW_FOUND;
    if (page == NULL) {
        return no_memory(err);
    }
    page->kind = of->list_kind;
    do {
        answer = read_page(walk, server, of, page, err);
        if (answer == RSW_ABSENT) {
            page->next[0] = 0;
            restarts++;
        }
    } while (answer != RSW_FAILED && restarts <= RESTARTS_MAX &&
             (answer == RSW_ABSENT || page->next[0] != 0));
    free(page);
    if (answer == RSW_ABSENT) {
        return rsw_error_set(err, RSW_EREFUSED, 0,
                             "the server forgets the list of %s before all of it is read, %u times over",
                             of->name, restarts);
    }
    return answer == RSW_FOUND ? 0 : -1;
}

/* Does the server have this group at all? RSW_FOUND, RSW_ABSENT or RSW_FAILED. */
static int has_group(struct server *server, const struct resource *of, struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_RESPONSE response = {.status = 0};
    if (asprintf(&url, "%s/apis/%s", server->base, of->group) < 0) {
        url = NULL;
        return no_memory(err);
    }
    if (get(&response, server, url, err) != 0) {
        return RSW_FAILED;
    }
    if (response.status == 200) {
        return RSW_FOUND;
    }
    return response.status == 404
               ? RSW_ABSENT
               : rsw_error_set(err, RSW_EREFUSED, 0, "answer %d to /apis/%s", response.status, of->group);
}

static int read_all(struct rsw_walk *walk, struct server *server, struct rsw_error *err) {
    bool there = true; /* the group */
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++) {
        const struct resource *of = &resources[i];
        bool new_group = i == 0 || strcmp(of->group, resources[i - 1].group) != 0;
        if (of->openshift && new_group) {
            int answer = has_group(server, of, err);
            if (answer == RSW_FAILED) {
                return -1;
            }
            there = answer == RSW_FOUND;
        }
        if (there && read_list(walk, server, of, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- the server ---- */

static int fill(struct server *server, const struct rsw_api_options *options, struct rsw_error *err) {
    struct rsw_http *http = &server->http;
    RSW_AUTO_URL parsed = RSW_URL_INIT;
    if (rsw_url_parse_base(&parsed, &server->base, options->url, "the API server's URL", err) != 0) {
        return -1;
    }
    if (options->token != NULL && !parsed.secure) {
        return rsw_error_set(err, RSW_EINVAL, 0, "the API server's URL: a token goes over https:// alone");
    }
    http->connect_timeout_ms = CONNECT_MS;
    http->total_timeout_ms = TOTAL_MS;
    http->proxy = strdup("");
    http->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    http->user_agent = strdup("regsweep/" REGSWEEP_VERSION);
    if (options->token != NULL && asprintf(&server->authorization, "Bearer %s", options->token) < 0) {
        server->authorization = NULL;
    }
    return http->proxy == NULL || http->user_agent == NULL ||
                   (options->ca_file != NULL && http->ca_file == NULL) ||
                   (options->token != NULL && server->authorization == NULL)
               ? no_memory(err)
               : 0;
}

int rsw_api_read(struct rsw_walk *walk, const struct rsw_api_options *options, struct rsw_error *err) {
    struct server server = {.base = NULL,
                            .pause_ms = options->pause_ms > 0 ? options->pause_ms : PAUSE_FIRST_MS};
    if (rsw_http_init(&server.http, err) != 0) {
        return -1;
    }
    int rc = fill(&server, options, err) == 0 ? read_all(walk, &server, err) : -1;
    rsw_http_release(&server.http);
    if (server.authorization != NULL) {
        explicit_bzero(server.authorization, strlen(server.authorization));
    }
    free(server.authorization);
    free(server.base);
    return rc;
}
