/* feed_load: sends events to `regsweep serve` as registries do, one a request, each over a connection of its
 * own, from several senders at once, each waiting for its answer before it sends the next.
 *
 *     feed_load 127.0.0.1:PORT [--senders N] [--events N] [--seed N]     token in REGSWEEP_TOKEN
 *
 * Every event tells of something new: nine pushed layers, then a pushed image manifest that references them,
 * and so on, over 50 repositories. Prints, as JSON, events a second and the time from connect to answer:
 * median, 99th percentile, maximum.
 */
#include "bench_util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_ROOM 8192
#define LAYERS 9

struct sender {
    pthread_t thread;
    struct bench_random random;
    unsigned long first, count; /* events of this sender */
    double *seconds;            /* by event, in the array of all */
    char layers[LAYERS][65];
    unsigned long refused; /* answers other than 200 */
};

static struct sockaddr_in server;
static const char *token;

static void random_hex(struct bench_random *random, char hex[65]) {
    for (unsigned i = 0; i < 4; i++) {
        snprintf(hex + 16 * i, 17, "%016llx", (unsigned long long)bench_next(random));
    }
}

static int add_references(const struct sender *sender, char *to, size_t room) {
    int len = 0;
    for (unsigned i = 0; i < LAYERS; i++) {
        len += snprintf(to + len, room - (size_t)len,
                        "%s{\"mediaType\":\"%s\",\"size\":%u,\"digest\":\"sha256:%s\"}", i > 0 ? "," : "",
                        i > 0 ? "application/vnd.oci.image.layer.v1.tar+gzip"
                              : "application/vnd.oci.image.config.v1+json",
                        1000 + i, sender->layers[i]);
    }
    return len;
}

/* The body of event number `number`, as distribution 3 with includereferences sends it. */
static int make_body(struct sender *sender, unsigned long number, char *body) {
    bool manifest = number % (LAYERS + 1) == LAYERS;
    unsigned repo = (unsigned)(number / (LAYERS + 1) % 50);
    char hex[65];
    random_hex(&sender->random, hex);
    if (!manifest) {
        memcpy(sender->layers[number % (LAYERS + 1)], hex, sizeof hex);
    }
    int len = snprintf(
        body, BODY_ROOM,
        "{\"events\":[{\"id\":\"%.8s-%.4s-4000-8000-%.12s\",\"timestamp\":\"2026-01-02T03:04:05.678901234Z\","
        "\"action\":\"push\",\"target\":{\"mediaType\":\"%s\",\"size\":1234,\"digest\":\"sha256:%s\","
        "\"length\":1234,\"repository\":\"load/app%u\",",
        hex, hex + 8, hex + 12,
        manifest ? "application/vnd.oci.image.manifest.v1+json" : "application/octet-stream", hex, repo);
    if (manifest) {
        len += snprintf(body + len, BODY_ROOM - (size_t)len, "\"references\":[");
        len += add_references(sender, body + len, BODY_ROOM - (size_t)len);
        len += snprintf(body + len, BODY_ROOM - (size_t)len, "],\"tag\":\"v%lu\",", number);
    }
    len += snprintf(
        body + len, BODY_ROOM - (size_t)len,
        "\"url\":\"http://registry:5000/v2/load/app%u/blobs/sha256:%s\"},\"request\":{\"id\":\"%.8s\","
        "\"addr\":\"10.0.0.1:4711\",\"host\":\"registry:5000\",\"method\":\"PUT\",\"useragent\":\"bench\"},"
        "\"actor\":{},\"source\":{\"addr\":\"registry:5000\","
        "\"instanceID\":\"11111111-2222-4333-8444-555555555555\"}}]}",
        repo, hex, hex + 20);
    if (len < 0 || len >= BODY_ROOM) {
        bench_die("an event is too long");
    }
    return len;
}

static int connect_to_server(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        connect(fd, (const struct sockaddr *)&server, sizeof server) != 0) {
        bench_die("cannot connect: %s", strerror(errno));
    }
    return fd;
}

/* Sends one request over a new connection. True if the answer is 200. */
static bool post(const char *body, int body_len) {
    char request[BODY_ROOM + 1024];
    int len = snprintf(request, sizeof request,
                       "POST /events HTTP/1.1\r\nHost: feed\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: application/vnd.docker.distribution.events.v2+json\r\n"
                       "Content-Length: %d\r\nConnection: close\r\n\r\n",
                       token, body_len);
    memcpy(request + len, body, (size_t)body_len);
    len += body_len;
    int fd = connect_to_server();
    for (ssize_t sent = 0, part; sent < len; sent += part) {
        part = write(fd, request + sent, (size_t)(len - sent));
        if (part <= 0) {
            bench_die("cannot send: %s", strerror(errno));
        }
    }
    char answer[64] = "";
    ssize_t got = read(fd, answer, sizeof answer - 1);
    close(fd);
    return got > 12 && strncmp(answer + 9, "200", 3) == 0;
}

static void *send_all(void *arg) {
    struct sender *sender = arg;
    char body[BODY_ROOM];
    for (unsigned long i = 0; i < sender->count; i++) {
        int len = make_body(sender, i, body);
        double before = bench_seconds();
        sender->refused += !post(body, len);
        sender->seconds[sender->first + i] = bench_seconds() - before;
    }
    return NULL;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void parse_address(const char *text) {
    char host[64];
    unsigned port;
    server.sin_family = AF_INET;
    if (text == NULL || sscanf(text, "%63[^:]:%u", host, &port) != 2 || port > 65535 ||
        inet_pton(AF_INET, host, &server.sin_addr) != 1) {
        bench_die("usage: feed_load 127.0.0.1:PORT [--senders N] [--events N] [--seed N]");
    }
    server.sin_port = htons((uint16_t)port);
}

static double run(struct sender *senders, unsigned long count) {
    double before = bench_seconds();
    for (unsigned long i = 0; i < count; i++) {
        if (pthread_create(&senders[i].thread, NULL, send_all, &senders[i]) != 0) {
            bench_die("cannot start a thread");
        }
    }
    for (unsigned long i = 0; i < count; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    return bench_seconds() - before;
}

int main(int argc, char **argv) {
    unsigned long count = 1, events = 10000, seed = 1;
    const struct bench_option options[] = {
        {"--senders", &count}, {"--events", &events}, {"--seed", &seed}, {NULL, NULL}};
    parse_address(bench_arguments(argc, argv, options));
    token = getenv("REGSWEEP_TOKEN") != NULL ? getenv("REGSWEEP_TOKEN") : "none";
    double *seconds = calloc(events + 1, sizeof *seconds);
    struct sender *senders = calloc(count + 1, sizeof *senders);
    if (seconds == NULL || senders == NULL || count == 0 || events < count) {
        bench_die("nothing to send, or out of memory");
    }
    for (unsigned long i = 0; i < count; i++) {
        senders[i].random.state = seed * 1000003 + i;
        senders[i].first = events * i / count;
        senders[i].count = events * (i + 1) / count - senders[i].first;
        senders[i].seconds = seconds;
    }
    double took = run(senders, count);
    unsigned long refused = 0;
    for (unsigned long i = 0; i < count; i++) {
        refused += senders[i].refused;
    }
    qsort(seconds, events, sizeof *seconds, by_value);
    printf("{\"senders\": %lu, \"events\": %lu, \"refused\": %lu, \"per_second\": %.0f, \"median_ms\": %.3f, "
           "\"p99_ms\": %.3f, "
           "\"max_ms\": %.3f}\n",
           count, events, refused, (double)events / took, seconds[events / 2] * 1e3,
           seconds[events * 99 / 100] * 1e3, seconds[events - 1] * 1e3);
    free(seconds);
    free(senders);
    return refused == 0 ? 0 : 1;
}
