/* regsweep doctor: what would make sweeping unsafe, or the feed deaf. */
#include "cli.h"

#include "help.h"
#include "registry.h"
#include "registry_config.h"

#include "gc/doctor.h"

#include <limits.h>

/* Everything that is looked at, and why it could not be opened. */
struct patient {
    struct rsw_cli *cli;
    struct rsw_replicas *replicas; /* owned */
    struct rsw_doctor_config config;
    struct rsw_error index_error;
    struct rsw_error storage_error;
    struct rsw_error replicas_error;
    json_t *checks; /* owned; with --json */
};

static void read_config(struct rsw_doctor_config *out, const struct rsw_registry_config *config) {
    *out = (struct rsw_doctor_config){.name = config->name,
                                      .delete_enabled = config->delete_enabled,
                                      .cache = config->cache == RSW_CONFIG_CACHE_MEMORY  ? RSW_CACHE_MEMORY
                                               : config->cache == RSW_CONFIG_CACHE_REDIS ? RSW_CACHE_REDIS
                                                                                         : RSW_CACHE_NONE,
                                      .cache_unknown = config->cache == RSW_CONFIG_CACHE_OTHER,
                                      .include_references = config->include_references,
                                      .deaf_endpoint = "",
                                      .proxy = config->proxy_url,
                                      .middleware = config->repository_middleware};
    for (size_t i = 0; i < config->endpoint_count; i++) {
        const struct rsw_registry_endpoint *endpoint = &config->endpoints[i];
        out->endpoint = out->endpoint || (endpoint->ours && !endpoint->disabled);
        if (endpoint->deaf && !out->deaf) {
            out->deaf = true;
            out->deaf_endpoint = endpoint->name;
        }
    }
}

/* What cannot be opened is a finding like any other. */
static void open_all(struct patient *patient, struct rsw_doctor *doctor) {
    struct rsw_cli *cli = patient->cli;
    bool asks = rsw_cli_has_registry(cli);
    const struct rsw_index_options how = {.read_only =
                                              !asks}; /* a fence can find a gap, and writes it down */
    if (rsw_cli_open_index(cli, &how, &patient->index_error) == 0) {
        doctor->index = cli->index;
    } else {
        doctor->index_error = &patient->index_error;
    }
    if (cli->registry_config != NULL) {
        read_config(&patient->config, cli->registry_config);
        doctor->config = &patient->config;
        if (rsw_registry_config_allows(cli->registry_config, NULL) != 0) {
            return; /* its check says so; there is nothing to look for beside such a registry */
        }
    }
    if (rsw_cli_open_storage(cli, &patient->storage_error) == 0) {
        doctor->storage = cli->storage;
    } else {
        doctor->storage_error = &patient->storage_error;
    }
    if (asks && rsw_cli_open_replicas(&patient->replicas, cli, &patient->replicas_error) == 0) {
        doctor->replicas = patient->replicas;
    } else if (asks) {
        doctor->replicas_error = &patient->replicas_error;
    }
}

static void tell(void *arg, const struct rsw_diagnosis *diagnosis) {
    struct patient *patient = arg;
    struct rsw_cli *cli = patient->cli;
    const char *level = rsw_health_name(diagnosis->level);
    char message[sizeof diagnosis->message + PATH_MAX];
    char remedy[sizeof diagnosis->remedy + PATH_MAX];
    rsw_hint_index(message, sizeof message, diagnosis->message, &cli->options);
    rsw_hint_index(remedy, sizeof remedy, diagnosis->remedy, &cli->options);
    if (cli->options.json) {
        json_t *check = json_object();
        rsw_json_set(&check, "name", json_string(diagnosis->name));
        rsw_json_set(&check, "level", json_string(level));
        rsw_json_set(&check, "message", rsw_json_text(message));
        rsw_json_set(&check, "remedy", remedy[0] != 0 ? rsw_json_text(remedy) : json_null());
        rsw_json_append(&patient->checks, check);
        return;
    }
    rsw_cli_line(cli, "%-8s %-18s %s", level, diagnosis->name, message);
    if (remedy[0] != 0) {
        rsw_cli_line(cli, "%27s remedy: %s", "", remedy);
    }
}

static int finish(struct patient *patient, size_t findings) {
    struct rsw_cli *cli = patient->cli;
    int status = RSW_EXIT_DONE;
    if (cli->options.json) {
        json_t *root = json_object();
        rsw_json_set(&root, "checks", patient->checks);
        rsw_json_set(&root, "findings", rsw_json_number(findings));
        status = rsw_cli_json(cli, root);
    } else {
        rsw_cli_line(cli, "%zu %s", findings, findings == 1 ? "finding" : "findings");
    }
    return status == RSW_EXIT_DONE && findings > 0 ? RSW_EXIT_FAILED : status;
}

int rsw_command_doctor(struct rsw_cli *cli) {
    struct patient patient = {.cli = cli, .checks = cli->options.json ? json_array() : NULL};
    struct rsw_doctor doctor = {.map_limit = cli->options.map_size,
                                .clock = cli->clock,
                                .fence_timeout_ms = cli->options.fence_timeout_ms,
                                .tell = tell,
                                .arg = &patient};
    open_all(&patient, &doctor);
    int status = finish(&patient, rsw_doctor(&doctor));
    rsw_replicas_close(patient.replicas);
    return status;
}
