/* Commands that let a regsweep serve elsewhere do what they are for: --server, its token, what it answers. */
#ifndef REGSWEEP_TOOLS_AT_SERVER_H
#define REGSWEEP_TOOLS_AT_SERVER_H

#include "cli.h"

#include "registry/server.h"

/* What --server and --sweep-token-file name. RSW_EXIT_DONE; or it has said what is wrong, and gives the exit
 * status. */
int rsw_at_server_open(struct rsw_server **out, struct rsw_cli *cli);
/* *out is the answer's JSON, the caller's, NULL if there is none. The status of the answer, or -1. */
int rsw_at_server_ask(json_t **out, struct rsw_server *server, const char *method, const char *path,
                      const char *json, struct rsw_error *err);
/* What an answer that is not the one wanted means: sets err, gives -1. RSW_EINVAL, RSW_EACCESS, RSW_EREFUSED,
 * RSW_EBUSY (409), RSW_EIO. */
int rsw_at_server_failed(const struct rsw_server *server, const char *method, const char *path, int status,
                         const json_t *answer, struct rsw_error *err);

static inline void rsw_json_cleanup(json_t **json) {
    json_decref(*json);
}
#define RSW_AUTO_JSON __attribute__((cleanup(rsw_json_cleanup))) json_t

#endif
