/* What a registry wants to see: the WWW-Authenticate header (RFC 9110, 11.6.1).
 *
 *     challenge  = scheme [ 1*SP ( token68 / #( name BWS "=" BWS ( token / quoted-string ) ) ) ]
 *
 * Several challenges can stand in one header, separated by commas as their parameters are. Read leniently: an
 * unquoted value may hold anything visible but a comma or a quote, as some token servers write it.
 */
#ifndef REGSWEEP_REGISTRY_CHALLENGE_H
#define REGSWEEP_REGISTRY_CHALLENGE_H

#include <regsweep/error.h>

#include <stddef.h>

enum rsw_scheme { RSW_SCHEME_OTHER, RSW_SCHEME_BASIC, RSW_SCHEME_BEARER };

#define RSW_REALM_MAX 1024
#define RSW_SERVICE_MAX 512

struct rsw_challenge {
    enum rsw_scheme scheme;
    char realm[RSW_REALM_MAX]; /* "" if not given, here and below */
    char service[RSW_SERVICE_MAX];
};

struct rsw_challenge_reader {
    const char *at;
    const char *end;
};

/* The next challenge. RSW_FOUND; RSW_ABSENT: no more; RSW_FAILED (RSW_EINVAL): malformed, a parameter given
 * twice, too long, or with control bytes in it; what comes behind cannot be told apart then, and the reader
 * stands at the end. */
int rsw_challenge_next(struct rsw_challenge *out, struct rsw_challenge_reader *reader, struct rsw_error *err);

#endif
