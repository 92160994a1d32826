#include "heard.h"

#include "index/index.h"
#include "util/buf.h"
#include "util/grow.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEARD_MS (10 * 60 * INT64_C(1000))
#define PORT_MAX 65535
#define REMEDY "or wait until it has not been heard for 10m"

struct heard {
    struct rsw_instance *items; /* owned: one a replica, as far as that can be told */
    size_t count, room;
    int64_t last_ms;
};

static void heard_release(struct heard *heard) {
    free(heard->items);
}

/* ---- who was heard ---- */

/* A start of the same replica: it has the same address, and the one fell silent before the other was heard.
 */
static bool is_restart(const struct rsw_instance *one, const struct rsw_instance *other) {
    return one->addr[0] != 0 && strcmp(one->addr, other->addr) == 0 &&
           (one->first_seq >= other->last_seq || other->first_seq >= one->last_seq);
}

static int add(struct heard *heard, const struct rsw_instance *instance, struct rsw_error *err) {
    for (size_t i = 0; i < heard->count; i++) {
        if (is_restart(&heard->items[i], instance)) {
            if (instance->last_seq > heard->items[i].last_seq) {
                heard->items[i] = *instance;
            }
            return 0;
        }
    }
    struct rsw_instance *items = rsw_grown(heard->items, &heard->room, heard->count + 1, sizeof *items);
    if (items == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    heard->items = items;
    items[heard->count++] = *instance;
    return 0;
}

static int find_heard(struct heard *out, struct rsw_cli *cli, struct rsw_error *err) {
    RSW_AUTO_TXN txn = NULL;
    RSW_AUTO_ITER iter = RSW_ITER_INIT;
    struct rsw_state state;
    struct rsw_instance instance;
    int64_t since_ms = rsw_clock_now_ms(cli->clock) - HEARD_MS;
    if (rsw_txn_begin_read(&txn, cli->index, err) != 0) {
        return -1;
    }
    rsw_iter_instances(&iter, txn);
    while (rsw_instance_next(&iter, &instance) == RSW_FOUND) {
        if (instance.last_ms > since_ms && add(out, &instance, err) != 0) {
            return -1;
        }
    }
    /* An event need not say from whom it is. */
    if (rsw_state_get(txn, &state) == RSW_FOUND && state.last_event_ms > since_ms) {
        out->last_ms = state.last_event_ms;
        instance = (struct rsw_instance){.last_ms = state.last_event_ms};
        if (out->count == 0 && add(out, &instance, err) != 0) {
            return -1;
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

/* ---- was it asked ---- */

/* Of "HOST:PORT", as a registry calls itself: its machine's name, and the port of its http.addr. 0: none that
 * tells anything. */
static unsigned port_of(const struct rsw_instance *instance) {
    const char *port = strrchr(instance->addr, ':');
    uint64_t number = 0;
    return port != NULL && rsw_number_parse(&number, port + 1, PORT_MAX) ? (unsigned)number : 0;
}

static bool is_this_machine(const struct rsw_instance *instance) {
    char name[256] = "";
    size_t len = strcspn(instance->addr, ":");
    return gethostname(name, sizeof name - 1) != 0 ||
           (strlen(name) == len && strncmp(name, instance->addr, len) == 0);
}

/* A port may be published as another one, and a machine have many names: then nobody can tell. But where we
 * go by a guess, it must be right. */
static bool may_be(const struct rsw_instance *instance, const struct rsw_asked *asked) {
    unsigned port = port_of(instance);
    return (port == 0 || port == asked->port) && (!asked->here || is_this_machine(instance));
}

static bool was_asked(const struct rsw_instance *instance, const struct rsw_asked *asked, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (may_be(instance, &asked[i])) {
            return true;
        }
    }
    return false;
}

/* ---- in words ---- */

/* A message has room for the first few. */
#define NAMED_MAX 4

static bool has_name(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* "HOST:5000, HOST:5001" of those heard; with `asked`, of those alone that cannot be among them. */
static int name_heard(struct rsw_buf *out, const struct heard *heard, const struct rsw_asked *asked,
                      size_t count, struct rsw_error *err) {
    const char *named[NAMED_MAX];
    size_t names = 0;
    size_t more = 0;
    for (size_t i = 0; i < heard->count; i++) {
        const struct rsw_instance *instance = &heard->items[i];
        const char *name = instance->addr[0] != 0 ? instance->addr : "an address that it does not tell";
        if ((asked != NULL && was_asked(instance, asked, count)) || has_name(named, names, name)) {
            continue;
        }
        if (names == NAMED_MAX) {
            more++;
            continue;
        }
        if (rsw_buf_addf(out, err, "%s%s", names > 0 ? ", " : "", name) != 0) {
            return -1;
        }
        named[names++] = name;
    }
    return more > 0 ? rsw_buf_addf(out, err, " and %zu more", more) : 0;
}

static int name_asked(struct rsw_buf *out, const struct rsw_asked *asked, size_t count,
                      struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (rsw_buf_addf(out, err, "%s%s", i > 0 ? ", " : "", asked[i].url) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- the judgement ---- */

bool rsw_asked_refused(const struct rsw_asked *asked) {
    return asked->answer == RSW_FAILED && asked->why.errnum == ECONNREFUSED;
}

/* The first that was asked and does not tell; NULL: each does. */
static const struct rsw_asked *find_untold(const struct rsw_asked *asked, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (asked[i].answer != RSW_ABSENT && !rsw_asked_refused(&asked[i])) {
            return &asked[i];
        }
    }
    return NULL;
}

struct comparison {
    size_t read_only;                     /* of those asked */
    size_t strangers;                     /* of those heard: none of those asked */
    bool portless;                        /* one heard does not tell its port */
    struct rsw_buf heard, strange, asked; /* names; strange: all that were heard if nobody is a stranger */
};

static void comparison_release(struct comparison *of) {
    rsw_buf_release(&of->heard);
    rsw_buf_release(&of->strange);
    rsw_buf_release(&of->asked);
}

static int compare(struct comparison *out, const struct heard *heard, const struct rsw_asked *asked,
                   size_t count, struct rsw_error *err) {
    for (size_t i = 0; i < count; i++) {
        out->read_only += asked[i].answer == RSW_ABSENT;
    }
    for (size_t i = 0; i < heard->count; i++) {
        out->strangers += !was_asked(&heard->items[i], asked, count);
        out->portless |= port_of(&heard->items[i]) == 0;
    }
    return name_heard(&out->heard, heard, NULL, 0, err) != 0 ||
                   name_heard(&out->strange, heard, out->strangers > 0 ? asked : NULL, count, err) != 0 ||
                   name_asked(&out->asked, asked, count, err) != 0
               ? -1
               : 0;
}

/* All that were asked tell. Is anybody heard who was not asked? One that answers may have any address, and
 * stand for several that pulls go to. */
static int judge(struct rsw_cli *cli, const struct comparison *of, const struct heard *heard, size_t count,
                 const char *ago, struct rsw_error *err) {
    const char *names = (const char *)of->heard.data;
    const char *urls = (const char *)of->asked.data;
    if (of->read_only == count) {
        if (heard->count > count) {
            rsw_log(
                &cli->log, RSW_LOG_WARNING,
                "the registry was heard %s ago, and within 10m at %s; what was asked is read-only (%s), and "
                "so must all of these be",
                ago, names, urls);
        }
        return 0;
    }
    if (of->strangers > of->read_only || heard->count > count) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "nothing was removed: the registry was heard %s ago, and nobody asked at %s whether it has been "
            "stopped since, but at %s: give the registry's own URL with --registry, once for each "
            "replica; " REMEDY,
            ago, (const char *)of->strange.data, urls);
    }
    if (of->portless) {
        rsw_log(
            &cli->log, RSW_LOG_WARNING,
            "the registry was heard %s ago, at %s, and asked was %s, which refuses the connection: whether "
            "that is the same, and stopped, cannot be told",
            ago, names, urls);
    } else {
        rsw_log(&cli->log, RSW_LOG_INFO,
                "the registry was heard %s ago, at %s; %s refuses the connection, so it is taken for stopped",
                ago, names, urls);
    }
    return 0;
}

int rsw_heard_check(struct rsw_cli *cli, const struct rsw_asked *asked, size_t count, struct rsw_error *err) {
    __attribute__((cleanup(heard_release))) struct heard heard = {.count = 0};
    char ago[32];
    if (find_heard(&heard, cli, err) != 0) {
        return -1;
    }
    if (heard.count == 0) {
        return 0;
    }
    for (size_t i = 0; i < heard.count; i++) {
        heard.last_ms = heard.items[i].last_ms > heard.last_ms ? heard.items[i].last_ms : heard.last_ms;
    }
    int64_t age_ms = rsw_clock_now_ms(cli->clock) - heard.last_ms;
    rsw_duration_format(age_ms > 0 ? age_ms / 1000 * 1000 : 0, ago, sizeof ago);
    if (count == 0) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "nothing was removed: the registry was heard %s ago, and nobody asked whether it "
            "has been stopped since: say where it is, with --registry URL or "
            "--registry-config FILE, so that it is asked; " REMEDY,
            ago);
    }
    const struct rsw_asked *untold = find_untold(asked, count);
    if (untold != NULL) {
        return rsw_error_set(
            err, RSW_EREFUSED, 0,
            "nothing was removed: the registry was heard %s ago, and what was asked does not "
            "tell whether it has been stopped since, or is read-only: give the registry's own "
            "URL with --registry; " REMEDY ": %s",
            ago, untold->why.message);
    }
    __attribute__((cleanup(comparison_release))) struct comparison comparison = {.read_only = 0};
    return compare(&comparison, &heard, asked, count, err) == 0
               ? judge(cli, &comparison, &heard, count, ago, err)
               : -1;
}
