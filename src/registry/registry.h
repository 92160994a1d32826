/* One replica of the registry, through its HTTP API: what the online sweep asks of it.
 *
 * Contract of every call:
 * - Thread-safe: any number of calls at once on one handle, from any thread. Each blocks for at most some
 *   exchanges (a call, its token, once more with the token; a push has two calls), each of which ends within
 *   the total timeout. Pushes may run beside every call. Nothing is retried but what a 401 asks for, and
 *   what went out on a kept connection that the registry had closed meanwhile.
 * - Three answers: RSW_ABSENT only if the registry itself said 404: an answer counts as the registry's if it
 *   carries Docker-Distribution-Api-Version, and, where it is an error, JSON. A proxy's page is RSW_FAILED.
 * - Every request has the User-Agent "regsweep/VERSION (run NONCE)", so that its events are known as ours;
 *   token requests have it too. No request takes part in HTTP redirection.
 * - Errors: RSW_EACCESS (401, 403: the message names the scope that is missing), RSW_EREFUSED (405: what to
 *   set), RSW_EIO for any other answer, with errnum EAGAIN where the same request may do better later (408,
 *   429, 502, 503, 504), and for no answer, with errnum ETIMEDOUT, ECONNREFUSED, … where that is known;
 *   RSW_EINVAL for arguments that would not make a URL. Messages carry the registry's own error code and
 *   words, never a password, a token or an upload's state.
 * - Bodies have a maximum. What is beyond it is not read.
 */
#ifndef REGSWEEP_REGISTRY_REGISTRY_H
#define REGSWEEP_REGISTRY_REGISTRY_H

#include <regsweep/digest.h>

#include "util/clock.h"

#include <stdbool.h>
#include <stddef.h>

struct rsw_registry;

#define RSW_REGISTRY_CONNECT_MS 10000                  /* default of connect_timeout_ms */
#define RSW_REGISTRY_TOTAL_MS 60000                    /* default of total_timeout_ms */
#define RSW_REGISTRY_GET_MAX ((size_t)4 * 1024 * 1024) /* a GET reads no more of a body */

/* All strings are copied. */
struct rsw_registry_options {
    const char *nonce;   /* of this run: 1 … 128 letters, digits, '-', '_', '.' */
    const char *ca_file; /* PEM: the only authorities trusted; NULL: those of the system */
    const char *user; /* with password: Basic credentials, for the registry and its realm; NULL: anonymous */
    const char *password; /* NULL where user is */
    const char
        *realm; /* the token server that may get the credentials too; NULL: the registry's host alone */
    const char *proxy;             /* URL of an HTTP proxy; NULL: none, whatever the environment says */
    int64_t connect_timeout_ms;    /* 0: the default */
    int64_t total_timeout_ms;      /* of one exchange; 0: the default */
    const struct rsw_clock *clock; /* when tokens expire; NULL: one that never jumps. Borrowed until close */
};

/* Opens, without asking anything yet: `url` is http:// or https:// with a host, a port perhaps, a path before
 * /v2/ perhaps; no user, query or fragment. 0, or -1: RSW_EINVAL, RSW_ENOMEM. */
int rsw_registry_open(struct rsw_registry **out, const char *url, const struct rsw_registry_options *options,
                      struct rsw_error *err);
/* No call may be under way. NULL is allowed. */
void rsw_registry_close(struct rsw_registry *registry);
/* As given, but in its normal form and without a slash at its end. Borrowed until close. */
const char *rsw_registry_url(const struct rsw_registry *registry);

/* From now on no exchange of any call takes longer; one that is cut short so is RSW_EIO with ETIMEDOUT, or
 * RSW_ESTOPPED. Borrowed until it is set anew; NULL: the timeouts alone. No call may be under way. */
void rsw_registry_patience(struct rsw_registry *registry, const struct rsw_patience *patience);

/* GET /v2/: is it there, is it a registry, does it know us? 0 or -1. */
int rsw_registry_ping(struct rsw_registry *registry, struct rsw_error *err);
/* The same, and what its clock says: *ms to the second, cut off; 0: it does not say. */
int rsw_registry_clock(struct rsw_registry *registry, int64_t *ms, struct rsw_error *err);

/* Is this known to the registry, its cache asked first as for any client? Needs the scope `pull`. `reference`
 * of a manifest: a tag, or a digest as text. RSW_FOUND: 200, or for a blob a redirect to storage. The
 * registry sends a `pull` event for what it finds. */
int rsw_registry_head_blob(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                           struct rsw_error *err);
int rsw_registry_head_manifest(struct rsw_registry *registry, const char *repo, const char *reference,
                               struct rsw_error *err);
/* The same by GET; the body is thrown away. `user_agent` instead of the usual one, for a fence; NULL: the
 * usual. Visible ASCII and blanks, at most 256. */
int rsw_registry_get_blob(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                          const char *user_agent, struct rsw_error *err);
int rsw_registry_get_manifest(struct rsw_registry *registry, const char *repo, const char *reference,
                              const char *user_agent, struct rsw_error *err);

/* DELETE /v2/REPO/blobs/DIGEST: makes the replica forget its cache entry {repo, digest}, of a manifest too,
 * and removes the layer link if there is one; touches no tag. Needs the scope `delete`. 0: the registry
 * answered, with *status 202, 404 or (3.0.0, for a manifest) 500: whether it forgot is for a HEAD to tell.
 * -1: it did not, or refused; *status is then the status of what did answer, 0 if nothing did. May be
 * repeated. */
int rsw_registry_clear(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                       int *status, struct rsw_error *err);

/* Pushes, of small things: one request starts the upload, one has the bytes. 0: stored (201), or -1; a failed
 * push can leave an upload behind, and may be repeated. Needs the scope `pull,push`. */
int rsw_registry_put_blob(struct rsw_registry *registry, const char *repo, const struct rsw_digest *digest,
                          const void *bytes, size_t len, struct rsw_error *err);
int rsw_registry_put_manifest(struct rsw_registry *registry, const char *repo, const char *reference,
                              const char *media_type, const void *bytes, size_t len, struct rsw_error *err);

/* Does it take pushes? Asks it to go on with an upload in `repo` that there is not, which changes nothing.
 * RSW_FOUND: it would; RSW_ABSENT: it is read-only (405); RSW_FAILED: no answer, or one that does not tell.
 * Needs the scope `pull,push`. */
int rsw_registry_takes_pushes(struct rsw_registry *registry, const char *repo, struct rsw_error *err);

#define RSW_AUTO_REGISTRY __attribute__((cleanup(rsw_registry_cleanup))) struct rsw_registry *
static inline void rsw_registry_cleanup(struct rsw_registry **registry) {
    rsw_registry_close(*registry);
    *registry = NULL;
}

#endif
