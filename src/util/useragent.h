/* Words that regsweep puts into the User-Agent of its own requests, and finds again in the events that the
 * registry sends of them: "(run NONCE)", "(fence MARK-N)". */
#ifndef REGSWEEP_UTIL_USERAGENT_H
#define REGSWEEP_UTIL_USERAGENT_H

#include <stdbool.h>
#include <stddef.h>

/* The word behind `what`: of "regsweep/1.0 (run 12ab) (fence 7f-0)" that of "run" is "12ab". False, and `out`
 * is "", if there is none, or it is empty or has no room. */
bool rsw_useragent_word(const char *useragent, const char *what, char *out, size_t size);

#endif
