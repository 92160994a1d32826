/* Policy: which tags, and which revisions without a tag, nobody needs any more. docs/policy.md has the file.
 */
#ifndef REGSWEEP_POLICY_H
#define REGSWEEP_POLICY_H

#include <regsweep/error.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rsw_policy;

/* From the text of a policy file; `name` stands in messages. 0 and *out (rsw_policy_free), or -1: RSW_EINVAL
 * "<name>:<line>:<column>: <what is wrong, and what is expected there>", RSW_ENOMEM. What is not understood
 * is never passed over. A policy may be used by many threads at once. */
RSW_API int rsw_policy_parse(struct rsw_policy **out, const char *name, const void *bytes, size_t len,
                             struct rsw_error *err);
RSW_API void rsw_policy_free(struct rsw_policy *policy);

#ifdef __cplusplus
}
#endif
#endif
