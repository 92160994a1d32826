/* Both readers of YAML: --config and --registry-config. */
#include "config.h"
#include "registry_config.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_options options;
    struct rsw_registry_config *config = NULL;
    char url[256];
    if (rsw_options_init(&options, &err) == 0) {
        rsw_config_parse(&options, "config", data, size, &err);
        rsw_options_release(&options);
    }
    rsw_error_clear(&err);
    if (rsw_registry_config_parse(&config, "registry", data, size, &err) == 0) {
        rsw_registry_config_storage(config, url, sizeof url, &err);
        rsw_error_clear(&err);
        rsw_registry_config_allows(config, &err);
        rsw_registry_config_free(config);
    }
    return 0;
}
