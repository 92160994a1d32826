#include "at_server.h"

#include "secret.h"
#include "token.h"

int rsw_at_server_failed(const struct rsw_server *server, const char *method, const char *path, int status,
                         const json_t *answer, struct rsw_error *err) {
    const char *url = rsw_server_url(server);
    const char *said = json_string_value(json_object_get(answer, "error"));
    enum rsw_code code = status == 400   ? RSW_EINVAL
                         : status == 403 ? RSW_EREFUSED
                         : status == 409 ? RSW_EBUSY
                                         : RSW_EIO;
    if (status == 401) {
        return rsw_error_set(err, RSW_EACCESS, 0,
                             "%s does not take the token: give the one that serve has for sweeps, with "
                             "--sweep-token-file or REGSWEEP_SWEEP_TOKEN",
                             url);
    }
    if (status == 413) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "%s takes no request of this length: what is in use is too much to send; let the "
            "serve there ask for it (--in-use, --in-use-api)",
            url);
    }
    if (said == NULL) {
        return rsw_error_set(err, RSW_EIO, 0, "answer %d to %s %s%s: is that the URL of regsweep serve?",
                             status, method, url, path);
    }
    return rsw_error_set(err, code, 0, "%s: %s", url, said);
}

int rsw_at_server_ask(json_t **out, struct rsw_server *server, const char *method, const char *path,
                      const char *json, struct rsw_error *err) {
    RSW_AUTO_RESPONSE response = {.status = 0};
    *out = NULL;
    if (rsw_server_ask(&response, server, method, path, json, err) != 0) {
        return -1;
    }
    *out = json_loadb(response.body.data != NULL ? (const char *)response.body.data : "", response.body.len,
                      JSON_REJECT_DUPLICATES, NULL);
    return response.status;
}

static int fail(struct rsw_cli *cli, const struct rsw_error *err) {
    return err->code == RSW_EINVAL ? rsw_cli_fail_usage(cli, err) : rsw_cli_fail(cli, err);
}

int rsw_at_server_open(struct rsw_server **out, struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    RSW_AUTO_SECRET *token = NULL;
    if (rsw_sweep_token_load(&token, &cli->options, &cli->log, &err) != 0) {
        return rsw_cli_fail_options(cli, &err);
    }
    if (token == NULL) {
        return rsw_cli_usage(cli, "--server needs the token that the serve there has for sweeps: "
                                  "--sweep-token-file FILE or REGSWEEP_SWEEP_TOKEN");
    }
    return rsw_server_open(out, cli->options.server, token, cli->options.server_ca, &err) != 0
               ? fail(cli, &err)
               : RSW_EXIT_DONE;
}
