/* What commands work on: index, storage, the options of a mark. */
#include "cli.h"
#include "config.h"
#include "damage.h"
#include "file.h"
#include "help.h"
#include "in_use.h"
#include "registry.h"
#include "registry_config.h"
#include "registry_schema.h"

#include "gc/lease.h"
#include "gc/online.h"
#include "storage/storage.h"
#include "util/log.h"
#include "util/text.h"
#include "util/worker.h"

#include <regsweep/policy.h>

#include <stdlib.h>
#include <string.h>

int rsw_cli_open_index(struct rsw_cli *cli, const struct rsw_index_options *how, struct rsw_error *err) {
    struct rsw_index_options options = *how;
    options.map_size = cli->options.map_size;
    if (rsw_index_open(&cli->index, cli->options.index, &options, err) != 0) {
        cli->index = NULL;
        return -1;
    }
    rsw_damage_watch(cli->index);
    return 0;
}

int rsw_cli_state(struct rsw_cli *cli, struct rsw_state *out, struct rsw_error *err) {
    return rsw_index_state(cli->index, out, err);
}

static const char *or_none(const char *text) {
    return text != NULL && text[0] != 0 ? text : NULL;
}

/* As the driver keeps what it writes. */
static void add_registry_kept(struct rsw_s3_options *out, const struct rsw_registry_config *config) {
    if (out->storage_class == NULL) {
        out->storage_class = or_none(config->s3_class);
    }
    if (out->encryption == NULL && out->kms_key == NULL && config->s3_encrypts) {
        out->kms_key = or_none(config->s3->keyid);
        out->encryption = out->kms_key != NULL ? "aws:kms" : "AES256";
    } else if (out->kms_key == NULL && out->encryption != NULL &&
               strncmp(out->encryption, "aws:kms", strlen("aws:kms")) == 0) {
        out->kms_key = or_none(config->s3->keyid);
    }
    if (out->acl == NULL) {
        out->acl = or_none(config->s3->objectacl);
    }
}

/* What --registry-config says of S3, where no option says it. `endpoint` is for the one with a scheme. */
static int add_registry_s3(struct rsw_s3_options *out, const struct rsw_registry_config *config,
                           struct rsw_buf *endpoint, struct rsw_error *err) {
    const struct rsw_raw_s3 *s3 = config->s3;
    const char *said = s3->regionendpoint;
    if (out->endpoint == NULL && said != NULL && *said != 0) {
        const char *scheme = strstr(said, "://") != NULL ? "" : config->s3_plain ? "http://" : "https://";
        if (rsw_buf_addf(endpoint, err, "%s%s", scheme, said) != 0) {
            return -1;
        }
        out->endpoint = (const char *)endpoint->data;
    }
    if (out->region == NULL && s3->region != NULL && *s3->region != 0) {
        out->region = s3->region;
    }
    if (out->style == RSW_S3_STYLE_AUTO && config->s3_path) {
        out->style = RSW_S3_STYLE_PATH;
    }
    out->insecure = config->s3_unverified;
    add_registry_kept(out, config);
    bool told = or_none(getenv("AWS_ACCESS_KEY_ID")) != NULL || or_none(getenv("AWS_PROFILE")) != NULL ||
                or_none(getenv("AWS_DEFAULT_PROFILE")) != NULL;
    if (!told && s3->accesskey != NULL && *s3->accesskey != 0 && s3->secretkey != NULL) {
        out->access_key = s3->accesskey;
        out->secret_key = s3->secretkey;
        out->session_token = s3->sessiontoken;
    }
    return 0;
}

#define TRYING_MS 2000

/* A store that does not answer is asked again for a while, and people should not wonder what is going on. */
struct trying {
    struct rsw_worker worker;
    const struct rsw_log *log;
    const char *url;
    const char *endpoint; /* NULL: that of AWS */
};

static void *tell_trying(void *arg) {
    struct trying *trying = arg;
    if (!rsw_worker_pause(&trying->worker, TRYING_MS)) {
        rsw_log(trying->log, RSW_LOG_INFO, "still trying to reach %s%s%s", trying->url,
                trying->endpoint != NULL ? " at " : "", trying->endpoint != NULL ? trying->endpoint : "");
    }
    return NULL;
}

static int open_s3(struct rsw_cli *cli, const char *url, const struct rsw_s3_options *s3,
                   struct rsw_error *err) {
    struct trying trying = {.log = &cli->log, .url = url, .endpoint = s3->endpoint};
    bool told = rsw_worker_start(&trying.worker, tell_trying, &trying, NULL) == 0; /* else nobody is told */
    int rc = rsw_storage_open_s3(&cli->storage, url, s3, err);
    if (told) {
        rsw_worker_stop(&trying.worker);
        rsw_worker_release(&trying.worker);
    }
    return rc;
}

static int open_url(struct rsw_cli *cli, const char *url, struct rsw_error *err) {
    RSW_AUTO_BUF endpoint = RSW_BUF_INIT;
    const struct rsw_options *options = &cli->options;
    struct rsw_s3_options s3 = {
        .endpoint = options->s3_endpoint,
        .region = options->s3_region,
        .style = strcmp(options->s3_style, "host") == 0   ? RSW_S3_STYLE_HOST
                 : strcmp(options->s3_style, "path") == 0 ? RSW_S3_STYLE_PATH
                                                          : RSW_S3_STYLE_AUTO,
        .ca_file = options->s3_ca,
        .proxy = options->s3_proxy,
        .storage_class = options->s3_storage_class,
        .encryption = strcmp(options->s3_encryption, "auto") == 0 ? NULL : options->s3_encryption,
        .kms_key = options->s3_kms_key,
        .acl = options->s3_acl,
        .log = &cli->log,
        .requests_per_second = (unsigned)options->s3_requests_per_second};
    if (strncmp(url, "s3://", strlen("s3://")) != 0) {
        return rsw_storage_open(&cli->storage, url, err);
    }
    if (cli->registry_config != NULL && cli->registry_config->s3 != NULL &&
        add_registry_s3(&s3, cli->registry_config, &endpoint, err) != 0) {
        return -1;
    }
    if (open_s3(cli, url, &s3, err) != 0) {
        return -1;
    }
    if (cli->storage->remark != NULL) {
        rsw_log(&cli->log, RSW_LOG_WARNING, "%s", cli->storage->remark);
    }
    return 0;
}

void rsw_cli_close_index(struct rsw_cli *cli) {
    rsw_lease_close(cli->lease); /* its thread uses index and storage */
    cli->lease = NULL;
    rsw_damage_unwatch();
    rsw_index_close(cli->index);
    cli->index = NULL;
}

/* The storage that the index is of, before anybody has opened it; "" if there is no index yet, or none that
 * can be read: who needs it says so. */
static void look_up_storage(struct rsw_cli *cli, struct rsw_state *state) {
    const struct rsw_index_options look = {.read_only = true, .older = true};
    state->storage_url[0] = 0;
    if (rsw_cli_open_index(cli, &look, NULL) == 0 && rsw_cli_state(cli, state, NULL) != 0) {
        state->storage_url[0] = 0;
    }
    rsw_cli_close_index(cli);
}

#define URL_MAX 4200

/* What --storage, or the registry's configuration, names; `url` is room for it. RSW_FOUND; RSW_ABSENT:
 * neither does; RSW_FAILED. */
static int told_storage(const char **out, const struct rsw_cli *cli, char url[URL_MAX],
                        struct rsw_error *err) {
    const struct rsw_registry_config *config = cli->registry_config;
    *out = cli->options.storage;
    if (config != NULL && rsw_registry_config_allows(config, err) != 0) {
        return RSW_FAILED;
    }
    if (*out == NULL && config != NULL) {
        if (rsw_registry_config_storage(config, url, URL_MAX, err) != 0) {
            return RSW_FAILED;
        }
        *out = url;
    }
    if (*out != NULL && rsw_storage_check_url(*out, err) != 0) {
        return RSW_FAILED;
    }
    return *out != NULL ? RSW_FOUND : RSW_ABSENT;
}

int rsw_cli_check_storage(struct rsw_cli *cli, struct rsw_error *err) {
    char url[URL_MAX];
    const char *told;
    struct rsw_state state;
    int answer = told_storage(&told, cli, url, err);
    if (answer != RSW_FOUND || rsw_cli_state(cli, &state, err) != 0) {
        return answer == RSW_ABSENT ? 0 : -1;
    }
    return state.storage_url[0] == 0 || rsw_storage_is_same(state.storage_url, told)
               ? 0
               : rsw_error_set(err, RSW_EREFUSED, 0,
                               "the index %s is of the storage %s, not of %s: name that storage, or its own "
                               "index with --index",
                               cli->options.index, state.storage_url, told);
}

int rsw_cli_open_storage(struct rsw_cli *cli, struct rsw_error *err) {
    char url[URL_MAX];
    struct rsw_state state;
    const char *from;
    if (told_storage(&from, cli, url, err) == RSW_FAILED) {
        return -1;
    }
    if (from == NULL && cli->index != NULL) {
        if (rsw_cli_state(cli, &state, err) != 0) {
            return -1;
        }
        from = state.storage_url[0] != 0 ? state.storage_url : NULL;
    } else if (from == NULL) {
        look_up_storage(cli, &state);
        from = state.storage_url[0] != 0 ? state.storage_url : NULL;
    }
    if (from == NULL) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "where is the registry's storage? Give --storage file:///PATH (the directory that "
            "contains docker/registry/v2), --storage s3://BUCKET/PATH, or --registry-config FILE");
    }
    if (open_url(cli, from, err) != 0) {
        cli->storage = NULL;
        return -1;
    }
    return 0;
}

/* An upload that is under way keeps what its client was told of. One that counts as stale keeps nothing, so
 * none may before its client's grace is over. Where a server does it, its own values count, and it looks. */
static int check_upload_age(const struct rsw_options *options, struct rsw_error *err) {
    char age[32];
    char grace[32];
    return !options->confirm || options->server != NULL || options->upload_max_age_ms >= options->grace_ms
               ? 0
               : rsw_error_set(
                     err, RSW_EINVAL, 0,
                     "--upload-max-age %s is shorter than --grace %s: what an upload under way keeps "
                     "could go; give --upload-max-age at least as long as --grace",
                     rsw_duration_format(options->upload_max_age_ms, age, sizeof age),
                     rsw_duration_format(options->grace_ms, grace, sizeof grace));
}

/* A deletion that came late covers what is needed until a settle is over. */
static int check_version_age(const struct rsw_options *options, struct rsw_error *err) {
    char age[32];
    char settle[32];
    return options->version_max_age_ms == 0 || options->version_max_age_ms >= options->settle_ms
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0, "--version-max-age %s is shorter than --settle %s",
                               rsw_duration_format(options->version_max_age_ms, age, sizeof age),
                               rsw_duration_format(options->settle_ms, settle, sizeof settle));
}

static int read_policy(struct rsw_cli *cli, struct rsw_error *err) {
    RSW_AUTO_BUF bytes = RSW_BUF_INIT;
    const char *path = cli->options.policy;
    rsw_policy_free(cli->policy);
    cli->policy = NULL;
    return path == NULL ? 0
           : rsw_file_read(&bytes, path, RSW_CONFIG_MAX, NULL, err) != 0
               ? -1
               : rsw_policy_parse(&cli->policy, path, bytes.data, bytes.len, err);
}

int rsw_cli_mark_options(struct rsw_cli *cli, struct rsw_mark_options *out, struct rsw_error *err) {
    rsw_pins_release(&cli->pins);
    if (rsw_pins_read(&cli->pins, &cli->options, err) != 0 || read_policy(cli, err) != 0 ||
        check_upload_age(&cli->options, err) != 0 || check_version_age(&cli->options, err) != 0 ||
        rsw_in_use_check(&cli->options, err) != 0) {
        return -1;
    }
    *out = (struct rsw_mark_options){
        .now_ms = rsw_clock_now_ms(cli->clock),
        .grace_ms = cli->options.grace_ms,
        .upload_max_age_ms = cli->options.upload_max_age_ms,
        .untagged_remove = strcmp(cli->options.untagged, "remove") == 0,
        .offline = cli->options.offline,
        .pins = cli->pins.items,
        .pin_count = cli->pins.count,
        .policy = cli->policy,
    };
    return 0;
}

int rsw_cli_warn_pins(struct rsw_cli *cli, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    return rsw_txn_begin_read(&txn, cli->index, err) != 0 ||
                   rsw_pins_warn(&cli->pins, txn, &cli->log, err) != 0 ||
                   rsw_pins_warn_kept(txn, rsw_clock_now_ms(cli->clock), &cli->log, err) != 0
               ? -1
               : 0;
}

static int check_lease(const struct rsw_cli *cli, struct rsw_error *err) {
    char lease[32];
    if (cli->options.lease_ms >= RSW_LEASE_LEAST_MS) {
        return 0;
    }
    rsw_duration_format(cli->options.lease_ms, lease, sizeof lease);
    if (cli->options.settle_ms >= RSW_SMALL_MS) {
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "--lease %s is shorter than 1m: who sees storage over a network may see it as it was a "
            "minute ago, and take one that works for dead; 0 is for one that is alone",
            lease);
    }
    rsw_log(&cli->log, RSW_LOG_WARNING, "--lease %s is for tests: one that works may be taken for dead",
            lease);
    return 0;
}

int rsw_cli_open_lease(struct rsw_cli *cli, struct rsw_error *err) {
    if (cli->options.lease_ms == 0 || cli->lease != NULL) {
        return 0;
    }
    if (check_lease(cli, err) != 0) {
        return -1;
    }
    const struct rsw_lease_options options = {
        .index = cli->index, .storage = cli->storage, .length_ms = cli->options.lease_ms, .log = &cli->log};
    return rsw_lease_open(&cli->lease, &options, err) == 0 ? rsw_lease_keep(cli->lease, err) : -1;
}

void rsw_cli_settle_lease(const struct rsw_cli *cli) {
    RSW_AUTO_LOCK lock = RSW_LOCK_INIT;
    struct rsw_error err = RSW_ERROR_INIT;
    if (cli->lease != NULL && rsw_lock_take(&lock, cli->index, "sweep", &err) == 0) {
        rsw_online_settle_lease(cli->index, cli->lease, &err);
    } /* who has the lock gives it back */
}

static void write_log(void *arg, enum rsw_log_level level, const char *line) {
    const struct rsw_cli *cli = arg;
    char hinted[RSW_MESSAGE_MAX * 3];
    rsw_log_to_stderr(NULL, level, rsw_hint_index(hinted, sizeof hinted, line, &cli->options));
}

void rsw_cli_init(struct rsw_cli *cli) {
    *cli = (struct rsw_cli){
        .log = {RSW_LOG_INFO, write_log, cli},
        .clock = rsw_clock_system(),
        .out = stdout,
        .talk = stderr,
    };
}

void rsw_cli_release_options(struct rsw_cli *cli) {
    rsw_pins_release(&cli->pins);
    rsw_policy_free(cli->policy);
    cli->policy = NULL;
    rsw_options_release(&cli->options);
}

void rsw_cli_release(struct rsw_cli *cli) {
    rsw_cli_close_index(cli);
    rsw_storage_close(cli->storage);
    rsw_registry_config_free(cli->registry_config);
    rsw_cli_release_options(cli);
    cli->storage = NULL;
    cli->registry_config = NULL;
}

char *rsw_cli_audit_file(const struct rsw_cli *cli) {
    if (cli->options.audit != NULL) {
        return strdup(cli->options.audit);
    }
    char *path = NULL;
    return asprintf(&path, "%s/audit.jsonl", cli->options.index) < 0 ? NULL : path;
}
