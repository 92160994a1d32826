/* How our own requests call themselves, and how they are known again in the registry's events. Here, because
 * src/gc writes these words and src/feed reads them, and neither includes the other. */
#ifndef REGSWEEP_UTIL_USERAGENT_H
#define REGSWEEP_UTIL_USERAGENT_H

#include <regsweep/error.h>

#include <stdbool.h>
#include <stddef.h>

/* "regsweep/VERSION (WHAT WORD)": WHAT is "run", with the nonce of the run, or "fence", with MARK-N. Finds
 * the word behind `what`. False, and "" in `out`, if the text is none of ours, says something else, or if the
 * word is empty or does not fit; what stands behind the closing bracket is not looked at. */
bool rsw_useragent_word(const char *useragent, const char *what, char *out, size_t size);

/* Fills `out` with random hexadecimal digits, NUL at the end, so that nobody guesses the word: size 2 … 64. 0
 * or -1 (RSW_EIO). */
int rsw_nonce(char *out, size_t size, struct rsw_error *err);

#endif
