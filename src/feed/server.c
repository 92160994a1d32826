/* The webhook server: start and stop. One request is in request.c, one transaction in writer.c. */
#include "feed/server.h"

#include "feed/tls.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTION_LIMIT 1000u
#define CONNECTION_MEMORY ((size_t)32 * 1024)
#define IDLE_SECONDS 30u
#define STOP_SECONDS 10 /* for bodies that are on their way when the server stops */
#define FLUSH_SECONDS 2 /* for answers to get out */
/* GnuTLS priorities: what is secure by default, but nothing before TLS 1.2. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- MHD's own words ---- */

static void on_mhd_log(void *cls, const char *fmt, va_list args) RSW_PRINTF(2, 0);
static void on_mhd_log(void *cls, const char *fmt, va_list args) {
    struct rsw_feed *feed = cls;
    char line[256];
    vsnprintf(line, sizeof line, fmt, args);
    line[strcspn(line, "\n")] = 0;
    if (feed->starting) {
        memcpy(feed->said, line, sizeof feed->said);
        return;
    }
    /* Mostly about one connection that a client broke: not worth a warning each, and who breaks thousands
     * fills no disk. */
    int64_t now_ms = rsw_monotonic_ms();
    if (feed->heard_ms != 0 && now_ms - feed->heard_ms < RSW_FEED_TELL_MS) {
        feed->unheard++;
        return;
    }
    rsw_log(feed->log, RSW_LOG_INFO, "HTTP server: %s (%u more since the last such line)", line,
            feed->unheard);
    feed->heard_ms = now_ms;
    feed->unheard = 0;
}

/* ---- start ---- */

static int start_daemon(struct rsw_feed *feed, int fd, const struct rsw_tls *tls, bool v6) {
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->cert.data},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key.data},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    flags |= tls->cert.len > 0 ? MHD_USE_TLS : 0;
    flags |= v6 ? MHD_USE_IPv6 : 0;
    feed->starting = true;
    /* The logger comes first, so that it hears of the others. */
    feed->daemon = feed->mhd->MHD_start_daemon(
        flags, 0, NULL, NULL, rsw_feed_handle, feed, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, feed,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, rsw_feed_completed, feed,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTION_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_ARRAY,
        tls->cert.len > 0 ? secure : none, MHD_OPTION_END);
    feed->starting = false;
    return feed->daemon != NULL ? 0 : -1;
}

static int start_server(struct rsw_feed *feed, const struct rsw_feed_options *options,
                        struct rsw_error *err) {
    RSW_AUTO_TLS tls = RSW_TLS_INIT;
    RSW_AUTO_FD fd = -1;
    if (rsw_tls_read(&tls, options->tls_cert_file, options->tls_key_file, err) != 0) {
        return -1;
    }
    if (rsw_listen(&fd, feed->address, options->listen, !feed->token.asked, err) != 0) {
        return -1;
    }
    /* MHD gets a descriptor of its own: where it fails to start it closes it in some cases and not in others.
     */
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        return rsw_error_set(err, RSW_EIO, errno, "cannot listen on %s: %s", feed->address, strerror(errno));
    }
    if (start_daemon(feed, own, &tls, feed->address[0] == '[') != 0) {
        if (options->tls_cert_file != NULL) {
            return rsw_error_set(err, RSW_EINVAL, 0, "cannot use the TLS certificate %s with the key %s: %s",
                                 options->tls_cert_file, options->tls_key_file, feed->said);
        }
        return rsw_error_set(err, RSW_EIO, 0, "cannot start the HTTP server on %s: %s", feed->address,
                             feed->said);
    }
    return 0;
}

static int set_tokens(struct rsw_feed *feed, const struct rsw_feed_options *options, struct rsw_error *err) {
    if (rsw_feed_token_set(&feed->token, options->token, err) != 0 ||
        rsw_feed_token_set(&feed->further_token, options->further_token, err) != 0) {
        return -1;
    }
    return !rsw_feed_token_equal(&feed->token, &feed->further_token)
               ? 0
               : rsw_error_set(err, RSW_EINVAL, 0,
                               "the token for %s is the one that events carry; it must be another, for who "
                               "may send events may not do more",
                               options->further_paths[0]);
}

static void feed_free(struct rsw_feed *feed) {
    rsw_feed_answers_release(feed);
    pthread_cond_destroy(&feed->idle);
    pthread_mutex_destroy(&feed->mutex);
    free(feed);
}

int rsw_feed_start(struct rsw_feed **out, struct rsw_index *index, const struct rsw_feed_options *options,
                   struct rsw_error *err) {
    struct rsw_feed *feed = calloc(1, sizeof *feed);
    pthread_condattr_t monotonic;
    const struct rsw_writer_options writer = {
        .clock = options->clock, .log = options->log, .committed = options->committed, .arg = options->arg};
    if (feed == NULL) {
        return rsw_error_set(err, RSW_ENOMEM, 0, "out of memory");
    }
    feed->index = index;
    feed->clock = options->clock;
    feed->log = options->log;
    feed->metrics = options->metrics;
    feed->further_paths = options->further_paths;
    feed->further = options->further;
    feed->arg = options->arg;
    pthread_mutex_init(&feed->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&feed->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if ((feed->mhd = rsw_mhd(err)) == NULL || rsw_feed_answers_init(feed, err) != 0 ||
        set_tokens(feed, options, err) != 0 || rsw_writer_start(&feed->writer, index, &writer, err) != 0) {
        feed_free(feed);
        return -1;
    }
    if (start_server(feed, options, err) != 0) {
        rsw_writer_close(feed->writer);
        rsw_writer_free(feed->writer);
        feed_free(feed);
        return -1;
    }
    *out = feed;
    return 0;
}

const char *rsw_feed_address(const struct rsw_feed *feed) {
    return feed->address;
}

/* ---- stop ---- */

static void wait_idle(struct rsw_feed *feed, int seconds) {
    struct timespec until;
    int rc = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&feed->mutex);
    while (feed->active > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&feed->idle, &feed->mutex, &until);
    }
    pthread_mutex_unlock(&feed->mutex);
}

void rsw_feed_stop(struct rsw_feed *feed) {
    if (feed == NULL) {
        return;
    }
    MHD_socket fd = feed->mhd->MHD_quiesce_daemon(feed->daemon);
    wait_idle(feed, STOP_SECONDS);
    /* What the writer has taken it stores, however long that takes; then no connection sleeps any more, as
     * MHD wants it before it stops, and whoever still sends is told to come back. */
    rsw_writer_close(feed->writer);
    wait_idle(feed, FLUSH_SECONDS);
    feed->mhd->MHD_stop_daemon(feed->daemon);
    if (fd != MHD_INVALID_SOCKET) {
        close(fd);
    }
    rsw_writer_free(feed->writer);
    feed_free(feed);
}

void rsw_feed_get_stats(struct rsw_feed *feed, struct rsw_feed_stats *out) {
    struct rsw_writer_stats stats;
    rsw_writer_stats(feed->writer, &stats);
    memset(out, 0, sizeof *out);
    out->refused = atomic_load(&feed->answered[RSW_ANSWER_UNAUTHORIZED]);
    out->failed =
        atomic_load(&feed->answered[RSW_ANSWER_LATER]) + atomic_load(&feed->answered[RSW_ANSWER_BUSY]);
    for (unsigned i = 0; i < RSW_ANSWER_KINDS; i++) {
        out->requests += atomic_load(&feed->answered[i]);
    }
    out->events = stats.events;
    out->unusable = stats.unusable;
    out->unchanged = stats.unchanged;
    out->commits = stats.commits;
    out->ready = stats.ready;
}
