/* An API server of Kubernetes or OpenShift, asked for all objects that can name images. */
#ifndef REGSWEEP_WORKLOAD_API_H
#define REGSWEEP_WORKLOAD_API_H

#include "workload/object.h"

struct rsw_api_options {
    const char *url;     /* https://HOST:PORT; http:// only without a token (kubectl proxy) */
    const char *token;   /* NULL: none */
    const char *ca_file; /* PEM: the only authorities trusted; NULL: those of the system */
    int64_t pause_ms;    /* before a busy server is asked again, then twice as long each time; 0: a second */
};

/* Lists every resource that may name images, in pages. An API group of OpenShift that the server does not
 * have is passed over; any other answer than a whole list is none. One that is busy (429, 5xx) is asked four
 * times more, after as long as it says; not where that is over a quarter of a minute, nor for over a minute
 * in all. 0, or -1: RSW_EINVAL (the options), RSW_EREFUSED (an answer that is none; one that is forbidden,
 * and then which rule is missing), RSW_EIO (no answer), RSW_ENOMEM. No error carries the token. */
int rsw_api_read(struct rsw_walk *walk, const struct rsw_api_options *options, struct rsw_error *err);

#endif
