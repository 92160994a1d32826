#include "in_use.h"

#include "secret.h"

#include "util/cleanup.h"
#include "workload/api.h"
#include "workload/documents.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"
#define IN_CLUSTER "in-cluster"

/* ---- options ---- */

static bool is_asked_for(const struct rsw_options *options) {
    return options->in_use.count > 0 || options->in_use_api != NULL;
}

static int add_hosts(struct rsw_uses *uses, const struct rsw_options *options, struct rsw_error *err) {
    for (size_t i = 0; i < options->registry_name.count; i++) {
        if (rsw_uses_add_host(uses, options->registry_name.items[i], err) != 0) {
            return rsw_error_prefix(err, "--registry-name");
        }
    }
    return 0;
}

int rsw_in_use_check(const struct rsw_options *options, struct rsw_error *err) {
    RSW_AUTO_USES uses = {.hosts = NULL};
    if (is_asked_for(options) && options->registry_name.count == 0) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "which of the images that workloads name are of this registry? Give "
                             "--registry-name HOST[:PORT], what stands before the first / of them, once for "
                             "each name that they use");
    }
    return add_hosts(&uses, options, err);
}

/* ---- sources ---- */

static ssize_t read_file(void *arg, void *bytes, size_t size, struct rsw_error *err) {
    const int *fd = arg;
    for (;;) {
        ssize_t got = read(*fd, bytes, size);
        if (got >= 0) {
            return got;
        }
        if (errno != EINTR) {
            return rsw_error_set(err, RSW_EIO, errno, "%s", strerror(errno));
        }
    }
}

static int walk_file(struct rsw_walk *walk, const char *path, struct rsw_error *err) {
    bool standard = strcmp(path, "-") == 0;
    RSW_AUTO_FD fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    const struct rsw_document_source source = {read_file, &fd};
    int rc = fd < 0 ? rsw_error_set(err, RSW_EIO, errno, "%s", strerror(errno))
                    : rsw_documents_read(walk, &source, NULL, err);
    return rc == 0 ? 0 : rsw_error_prefix(err, "--in-use %s", path);
}

/* *url is the caller's. The cluster tells every pod where its API server is. */
static int find_server(char **url, struct rsw_api_options *out, const struct rsw_options *options,
                       struct rsw_error *err) {
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    bool in_cluster = strcmp(options->in_use_api, IN_CLUSTER) == 0;
    *out = (struct rsw_api_options){.url = options->in_use_api, .ca_file = options->in_use_ca};
    if (!in_cluster) {
        return 0;
    }
    if (host == NULL || port == NULL) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "this runs in no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
            "set");
    }
    bool v6 = strchr(host, ':') != NULL;
    if (asprintf(url, "https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port) < 0) {
        *url = NULL;
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    out->url = *url;
    out->ca_file = out->ca_file != NULL ? out->ca_file : ACCOUNT "/ca.crt";
    return 0;
}

static int ask_server(struct rsw_walk *walk, const struct rsw_cli *cli, struct rsw_error *err) {
    const struct rsw_options *options = &cli->options;
    RSW_AUTO_FREE char *url = NULL;
    RSW_AUTO_SECRET *token = NULL;
    struct rsw_api_options api;
    bool of_account = options->in_use_token_file == NULL && strcmp(options->in_use_api, IN_CLUSTER) == 0;
    const struct rsw_secret secret = {
        .name = "token",
        .file_option = "in-use-token-file",
        .file = of_account ? ACCOUNT "/token" : options->in_use_token_file,
    };
    /* Every container of a pod may read its account's. */
    if (find_server(&url, &api, options, err) != 0 ||
        rsw_secret_load(&token, NULL, options, &secret, of_account ? NULL : &cli->log, err) != 0) {
        return rsw_error_prefix(err, "--in-use-api %s", options->in_use_api);
    }
    api.token = token;
    return rsw_api_read(walk, &api, err) == 0 ? 0 : rsw_error_prefix(err, "--in-use-api %s", api.url);
}

static int walk_all(struct rsw_walk *walk, const struct rsw_cli *cli, struct rsw_error *err) {
    for (size_t i = 0; i < cli->options.in_use.count; i++) {
        if (walk_file(walk, cli->options.in_use.items[i], err) != 0) {
            return -1;
        }
    }
    return cli->options.in_use_api != NULL ? ask_server(walk, cli, err) : 0;
}

/* ---- what comes of it ---- */

static int judge_bad(const struct rsw_cli *cli, const struct rsw_uses *uses, struct rsw_error *err) {
    bool ignored = cli->options.ignore_bad_references;
    uint64_t told = uses->bad_count < RSW_BAD_TOLD_MAX ? uses->bad_count : RSW_BAD_TOLD_MAX;
    for (uint64_t i = 0; i < told; i++) {
        rsw_log(&cli->log, ignored ? RSW_LOG_WARNING : RSW_LOG_ERROR, "%s", uses->bad[i]);
    }
    if (told < uses->bad_count) {
        rsw_log(&cli->log, RSW_LOG_WARNING, "and %" PRIu64 " more", uses->bad_count - told);
    }
    return uses->bad_count == 0 || ignored
               ? 0
               : rsw_error_set(err, RSW_EREFUSED, 0,
                               "%" PRIu64 " references of workloads cannot be read, so what they use is not "
                               "known; nothing was removed. Put them right, or give --ignore-bad-references",
                               uses->bad_count);
}

static int add_pins(struct rsw_cli *cli, const struct rsw_uses *uses, struct rsw_error *err) {
    for (size_t i = 0; i < uses->count; i++) {
        const struct rsw_pin *pin = &uses->pins[i];
        char digest[RSW_DIGEST_TEXT_MAX];
        char text[RSW_REPOSITORY_MAX + RSW_TAG_MAX + RSW_DIGEST_TEXT_MAX];
        snprintf(text, sizeof text, "%s%s%s", pin->repo != NULL ? pin->repo : "",
                 pin->tag != NULL    ? ":"
                 : pin->repo != NULL ? "@"
                                     : "",
                 pin->tag != NULL ? pin->tag : rsw_digest_format(&pin->digest, digest));
        rsw_log(&cli->log, RSW_LOG_DEBUG, "in use: %s, by %s", text, pin->why);
        if (rsw_pins_add_used(&cli->pins, pin->why, text, err) != 0) {
            return -1;
        }
    }
    cli->pins.objects += uses->objects;
    if (uses->count == 0 && uses->foreign > 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "%" PRIu64 " references of workloads are to other registries, and none to this one: is "
                "--registry-name how they name it?",
                uses->foreign);
    } else if (uses->count == 0) {
        rsw_log(&cli->log, RSW_LOG_WARNING,
                "%" PRIu64 " objects name no image at all: are these the lists of the cluster that uses this "
                "registry?",
                uses->objects);
    }
    return 0;
}

/* Whatever goes wrong on the way: nobody knows then what is in use. */
static int read_all(struct rsw_cli *cli, struct rsw_error *err) {
    RSW_AUTO_USES uses = {.hosts = NULL};
    struct rsw_walk walk = {.uses = &uses,
                            .now_ms = rsw_clock_now_ms(cli->clock),
                            .young_ms = cli->options.in_use_young_ms,
                            .revisions = cli->options.image_stream_revisions};
    if (add_hosts(&uses, &cli->options, err) != 0 || walk_all(&walk, cli, err) != 0 ||
        judge_bad(cli, &uses, err) != 0) {
        return -1;
    }
    rsw_uses_settle(&uses);
    return add_pins(cli, &uses, err);
}

int rsw_in_use_read(struct rsw_cli *cli, struct rsw_error *err) {
    struct rsw_error why = RSW_ERROR_INIT;
    if (!is_asked_for(&cli->options) || read_all(cli, &why) == 0) {
        return 0;
    }
    return rsw_error_set(err, why.code == RSW_ENOMEM ? RSW_ENOMEM : RSW_EREFUSED, why.errnum, "%s",
                         why.message);
}

static bool reads_standard_input(const struct rsw_options *options) {
    for (size_t i = 0; i < options->in_use.count; i++) {
        if (strcmp(options->in_use.items[i], "-") == 0) {
            return true;
        }
    }
    return false;
}

int rsw_in_use_again(struct rsw_cli *cli, const struct rsw_pin **pins, size_t *count, struct rsw_error *err) {
    if (!reads_standard_input(&cli->options)) {
        rsw_pins_release(&cli->pins);
        if (rsw_pins_read(&cli->pins, &cli->options, err) != 0 || rsw_in_use_read(cli, err) != 0) {
            return -1;
        }
    }
    *pins = cli->pins.items;
    *count = cli->pins.count;
    return 0;
}
