/* What is in use: images of our registry that a cluster's objects name, gathered as pins. */
#ifndef REGSWEEP_WORKLOAD_USES_H
#define REGSWEEP_WORKLOAD_USES_H

#include "workload/name.h"

#include <regsweep/sweep.h>

#include <stdint.h>

#define RSW_BAD_TOLD_MAX 100 /* references that cannot be read, told one by one; the rest is counted */

struct rsw_uses {
    char (*hosts)[RSW_HOST_MAX + 1]; /* owned: the names by which workloads know our registry */
    size_t host_count;
    struct rsw_pin *pins; /* owned, with their texts; once settled each is there once */
    size_t count, room;
    size_t settle_at; /* so many pins are looked through for twins */
    char **bad;       /* owned: "Pod shop/web container app: image \"App\": why", the first of them */
    size_t bad_room;
    uint64_t bad_count;
    uint64_t objects;     /* looked at */
    uint64_t passed_over; /* of these: of a kind that names no image */
    uint64_t finished;    /* of these: pods that ran long enough ago */
    uint64_t foreign;     /* references to images elsewhere */
};

void rsw_uses_release(struct rsw_uses *uses);
/* HOST or HOST:PORT. 0, or -1: RSW_EINVAL, RSW_ENOMEM. */
int rsw_uses_add_host(struct rsw_uses *uses, const char *text, struct rsw_error *err);

/* Each of these: `where` says who names it, in words, and is copied. What cannot be read is no error here but
 * noted as bad. 0, or -1 (RSW_ENOMEM).
 *
 * A reference as rsw_image_name_parse reads it: by tag it is a pin of the tag, by digest one of the digest in
 * that repository, by both both; a digest alone is a pin wherever that is. */
int rsw_uses_add(struct rsw_uses *uses, const char *where, const char *text, struct rsw_error *err);
/* NAME:TAG or NAME@DIGEST in our registry. */
int rsw_uses_add_own(struct rsw_uses *uses, const char *where, const char *text, struct rsw_error *err);
int rsw_uses_add_digest(struct rsw_uses *uses, const char *where, const struct rsw_digest *digest,
                        struct rsw_error *err);
int rsw_uses_add_bad(struct rsw_uses *uses, const char *where, struct rsw_error *err, const char *fmt, ...)
    RSW_PRINTF(4, 5);

/* Sorts the pins and throws twins away: who else names the same. */
void rsw_uses_settle(struct rsw_uses *uses);

#define RSW_AUTO_USES __attribute__((cleanup(rsw_uses_release))) struct rsw_uses

#endif
