/* A registry that is said to be stopped, and that `serve` heard a moment ago: was that the one that was
 * asked, and did it say so? */
#ifndef REGSWEEP_TOOLS_HEARD_H
#define REGSWEEP_TOOLS_HEARD_H

#include "cli.h"

/* One URL, and what was said there of whether pushes are taken. */
struct rsw_asked {
    char url[256]; /* cut, for messages */
    unsigned port; /* 0: not known */
    bool here;     /* nobody named a host: that it is this machine is our guess */
    int answer;    /* RSW_ABSENT: it is read-only; RSW_FAILED: `why` */
    struct rsw_error why;
};

/* Nobody answered at all: as where it is stopped. */
bool rsw_asked_refused(const struct rsw_asked *asked);
/* 0: nobody was heard within ten minutes, or those that were may well be those that were asked, and each of
 * these is read-only or refuses the connection. Or -1: RSW_EREFUSED, and what the index answers. What cannot
 * be compared is warned of. */
int rsw_heard_check(struct rsw_cli *cli, const struct rsw_asked *asked, size_t count, struct rsw_error *err);

#endif
