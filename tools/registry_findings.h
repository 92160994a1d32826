/* What in a registry's configuration would hurt. */
#ifndef REGSWEEP_TOOLS_REGISTRY_FINDINGS_H
#define REGSWEEP_TOOLS_REGISTRY_FINDINGS_H

#include "registry_config.h"
#include "util/yaml_tree.h"

/* Fills config->findings and the endpoints' `deaf`. 0, or -1 (RSW_ENOMEM). */
int rsw_registry_findings(struct rsw_registry_config *config, struct rsw_yaml *yaml, struct rsw_error *err);

#endif
