#include "registry/server.h"

#include "registry/url.h"
#include "util/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000
#define TOTAL_MS 300000 /* what a large sweep found takes its time over a thin line */

struct rsw_server {
    char *base; /* owned, as what follows */
    char *authorization;
    struct rsw_http http;
};

static int no_memory(struct rsw_error *err) {
    return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
}

static int fill(struct rsw_server *server, const char *url, const char *token, const char *ca_file,
                struct rsw_error *err) {
    struct rsw_http *http = &server->http;
    RSW_AUTO_URL parsed = RSW_URL_INIT;
    if (rsw_url_parse_base(&parsed, &server->base, url, "the server's URL", err) != 0) {
        return -1;
    }
    http->connect_timeout_ms = CONNECT_MS;
    http->total_timeout_ms = TOTAL_MS;
    http->proxy = strdup("");
    http->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
    http->user_agent = strdup("regsweep/" REGSWEEP_VERSION);
    if (asprintf(&server->authorization, "Bearer %s", token) < 0) {
        server->authorization = NULL;
    }
    return http->proxy == NULL || http->user_agent == NULL || server->authorization == NULL ||
                   (ca_file != NULL && http->ca_file == NULL)
               ? no_memory(err)
               : 0;
}

int rsw_server_open(struct rsw_server **out, const char *url, const char *token, const char *ca_file,
                    struct rsw_error *err) {
    *out = NULL;
    struct rsw_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return no_memory(err);
    }
    if (rsw_http_init(&server->http, err) != 0) {
        free(server);
        return -1;
    }
    if (fill(server, url, token, ca_file, err) != 0) {
        rsw_server_close(server);
        return -1;
    }
    *out = server;
    return 0;
}

void rsw_server_close(struct rsw_server *server) {
    if (server == NULL) {
        return;
    }
    rsw_http_release(&server->http);
    if (server->authorization != NULL) {
        explicit_bzero(server->authorization, strlen(server->authorization));
    }
    free(server->authorization);
    free(server->base);
    free(server);
}

const char *rsw_server_url(const struct rsw_server *server) {
    return server->base;
}

int rsw_server_ask(struct rsw_http_response *out, struct rsw_server *server, const char *method,
                   const char *path, const char *json, struct rsw_error *err) {
    RSW_AUTO_FREE char *url = NULL;
    if (asprintf(&url, "%s%s", server->base, path) < 0) {
        url = NULL;
        return no_memory(err);
    }
    const struct rsw_http_request request = {.method = method,
                                             .url = url,
                                             .authorization = server->authorization,
                                             .accept = "application/json",
                                             .content_type = json != NULL ? "application/json" : NULL,
                                             .body = json,
                                             .body_len = json != NULL ? strlen(json) : 0,
                                             .body_max = RSW_SERVER_BODY_MAX,
                                             .body_kept = RSW_SERVER_BODY_MAX};
    if (rsw_http_send(out, &server->http, &request, err) != 0) {
        return -1;
    }
    if (out->cut) {
        rsw_http_response_release(out);
        return rsw_error_set(err, RSW_EFULL, 0, "the answer to %s %s is longer than %zu MiB", method, url,
                             RSW_SERVER_BODY_MAX >> 20);
    }
    if (out->status >= 300) {
        rsw_http_scrub(out, server->authorization);
    }
    return 0;
}
