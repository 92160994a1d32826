/* The running registry, as the options and the registry's own configuration tell of it. */
#ifndef REGSWEEP_TOOLS_REGISTRY_H
#define REGSWEEP_TOOLS_REGISTRY_H

#include "cli.h"

#include "gc/replicas.h"

/* Is there anything to go by: --registry, or http.addr in --registry-config? */
bool rsw_cli_has_registry(const struct rsw_cli *cli);
/* What it caches, by --cache; `auto` goes by --registry-config, and without it is RSW_CACHE_MEMORY, which is
 * told. 0, or -1: RSW_EREFUSED for a cache that we do not know. */
int rsw_cli_cache(struct rsw_cli *cli, enum rsw_cache *out, struct rsw_error *err);
/* For whoever takes anything. A registry that caches in another way than --cache says would go on vouching
 * for what is gone; asking one that caches nothing does no harm. 0, or -1: RSW_EREFUSED. */
int rsw_cli_check_cache(struct rsw_cli *cli, struct rsw_error *err);
/* Opens all replicas, and Redis where they cache in it; each is asked whether it is there. cli->log and
 * cli->clock must outlive it. 0 and *out for rsw_replicas_close, or -1: RSW_EINVAL where options are wrong or
 * missing, RSW_EREFUSED and RSW_EUNSUPPORTED for a registry that regsweep must not or cannot work beside,
 * what the registry answers. */
int rsw_cli_open_replicas(struct rsw_replicas **out, struct rsw_cli *cli, struct rsw_error *err);
/* Is it stopped or read-only, as --offline says? Each that is known is asked, which changes nothing, and what
 * `serve` heard within ten minutes must be what was asked (tools/heard.h). The index is open. 0, or -1:
 * RSW_EREFUSED (one takes pushes, or answers without telling; or one that was heard may run), RSW_EINVAL.
 * What gives no answer of a registry's, where none was heard, is warned of. *silent_ms: the time now if all
 * that were asked refuse the connection; else 0. */
int rsw_cli_check_stopped(struct rsw_cli *cli, int64_t *silent_ms, struct rsw_error *err);
#define RSW_SMALL_MS (60 * INT64_C(1000)) /* settle and quarantine of less are for tests */
/* --settle, --quarantine and, for a command that takes it, --grace: warns of small ones. 0, or -1
 * (RSW_EINVAL: grace is shorter than settle). */
int rsw_cli_check_times(struct rsw_cli *cli, struct rsw_error *err);

#endif
