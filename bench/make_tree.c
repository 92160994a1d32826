/* make_tree: writes the storage tree of a registry, as the filesystem driver of distribution lays it out,
 * without a registry. The same seed gives the same tree, byte for byte.
 *
 *     make_tree ROOT [--pushes N] [--repositories N] [--seed N] [--garbage PERCENT]
 *
 * A repository is a history of pushes: most images get a tag of their own, some take the tag of the one
 * before (which leaves that one untagged), now and then one moves `latest`, now and then an index joins the
 * two images before it. Every image stands on base layers that are shared by all repositories. Afterwards
 * some images were deleted through the API: their revision link is gone (its directory stays, as on a real
 * filesystem), tags that pointed at them are gone, layer links and all bytes remain. Some blobs were uploaded
 * and never used. With --garbage 0 there is nothing of that kind. Everything is dated 2024, so that nothing
 * is young. Prints what it wrote as JSON.
 */
#include "bench_util.h"

#include <openssl/sha.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX (2 * SHA256_DIGEST_LENGTH + 1)
#define BASES 60         /* base images, each of BASE_LAYERS layers */
#define BASE_LAYERS 3    /* shared layers that an image stands on */
#define OWN_LAYERS_MAX 3 /* layers that only this image has: two or three */
#define MANIFEST_ROOM 4096

static const time_t old_time = 1704067200; /* 2024-01-01T00:00:00Z */

struct blob {
    char hex[HEX];
    unsigned size;
};

struct image {
    struct blob manifest;
    struct blob blobs[1 + BASE_LAYERS + OWN_LAYERS_MAX]; /* config, then layers; none for an index */
    unsigned blob_count;
    unsigned tag; /* number of its tag: v<tag> */
    bool index;
    bool latest; /* moved the tag `latest` */
    bool deleted;
};

struct totals {
    uint64_t images, indexes, blobs, deleted, untagged, tags, links, lone, bytes;
};

static struct blob bases[BASES][BASE_LAYERS];
static struct totals totals;
static const char *top;

/* ---- files ---- */

static void make_parents(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            bench_die("mkdir %s: %s", path, strerror(errno));
        }
        *slash = '/';
    }
}

static void write_file(char *path, const void *data, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT) {
        make_parents(path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    struct timespec times[2] = {{.tv_sec = old_time}, {.tv_sec = old_time}};
    if (fd < 0 || write(fd, data, len) != (ssize_t)len || futimens(fd, times) != 0 || close(fd) != 0) {
        bench_die("%s: %s", path, strerror(errno));
    }
}

__attribute__((format(printf, 3, 4))) static void put(const void *data, size_t len, const char *format, ...) {
    char path[2048];
    int start = snprintf(path, sizeof path, "%s/docker/registry/v2/", top);
    va_list args;
    va_start(args, format);
    vsnprintf(path + start, sizeof path - (size_t)start, format, args);
    va_end(args);
    write_file(path, data, len);
}

static void put_link(const struct blob *blob, const char *repo, const char *where) {
    char text[HEX + 8];
    int len = snprintf(text, sizeof text, "sha256:%s", blob->hex);
    put(text, (size_t)len, "repositories/%s/%s/link", repo, where);
    totals.links++;
}

static struct blob put_blob(const void *data, size_t len) {
    static const char digits[] = "0123456789abcdef";
    struct blob blob = {.size = (unsigned)len};
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256(data, len, hash);
    for (size_t i = 0; i < sizeof hash; i++) {
        blob.hex[2 * i] = digits[hash[i] >> 4];
        blob.hex[2 * i + 1] = digits[hash[i] & 15];
    }
    put(data, len, "blobs/sha256/%.2s/%s/data", blob.hex, blob.hex);
    totals.blobs++;
    totals.bytes += len;
    return blob;
}

static struct blob random_blob(struct bench_random *random) {
    unsigned char bytes[256];
    size_t len = 64 + bench_below(random, sizeof bytes - 64);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)bench_next(random);
    }
    return put_blob(bytes, len);
}

/* ---- images ---- */

static void put_layer_link(const char *repo, const struct blob *blob) {
    char where[HEX + 32];
    snprintf(where, sizeof where, "_layers/sha256/%s", blob->hex);
    put_link(blob, repo, where);
}

static size_t add_descriptor(char *to, size_t room, const char *type, const struct blob *blob) {
    int len = snprintf(to, room, "{\"mediaType\":\"%s\",\"size\":%u,\"digest\":\"sha256:%s\"}", type,
                       blob->size, blob->hex);
    if (len < 0 || (size_t)len >= room) {
        bench_die("a manifest is too long");
    }
    return (size_t)len;
}

static struct image make_image(struct bench_random *random, const char *repo) {
    static const char layer_type[] = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    struct image image = {0};
    char text[MANIFEST_ROOM];
    int config_len =
        snprintf(text, sizeof text, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"id\":\"%016llx%016llx\"}",
                 (unsigned long long)bench_next(random), (unsigned long long)bench_next(random));
    image.blobs[image.blob_count++] = put_blob(text, (size_t)config_len);
    const struct blob *base = bases[bench_below(random, BASES)];
    for (unsigned i = 0; i < BASE_LAYERS; i++) {
        image.blobs[image.blob_count++] = base[i];
    }
    for (uint64_t own = 2 + bench_below(random, OWN_LAYERS_MAX - 1); own > 0; own--) {
        image.blobs[image.blob_count++] = random_blob(random);
    }
    size_t len = (size_t)snprintf(text, sizeof text,
                                  "{\"schemaVersion\":2,\"mediaType\":"
                                  "\"application/vnd.docker.distribution.manifest.v2+json\",\"config\":");
    len += add_descriptor(text + len, sizeof text - len, "application/vnd.docker.container.image.v1+json",
                          &image.blobs[0]);
    len += (size_t)snprintf(text + len, sizeof text - len, ",\"layers\":[");
    for (unsigned i = 1; i < image.blob_count; i++) {
        len += add_descriptor(text + len, sizeof text - len, layer_type, &image.blobs[i]);
        text[len++] = i + 1 < image.blob_count ? ',' : ']';
    }
    text[len++] = '}';
    image.manifest = put_blob(text, len);
    for (unsigned i = 0; i < image.blob_count; i++) {
        put_layer_link(repo, &image.blobs[i]);
    }
    totals.images++;
    return image;
}

static struct image make_index(const struct image *a, const struct image *b) {
    static const char child_type[] = "application/vnd.docker.distribution.manifest.v2+json";
    struct image image = {.index = true};
    char text[MANIFEST_ROOM];
    size_t len =
        (size_t)snprintf(text, sizeof text,
                         "{\"schemaVersion\":2,\"mediaType\":"
                         "\"application/vnd.docker.distribution.manifest.list.v2+json\",\"manifests\":[");
    len += add_descriptor(text + len, sizeof text - len, child_type, &a->manifest);
    text[len++] = ',';
    len += add_descriptor(text + len, sizeof text - len, child_type, &b->manifest);
    len += (size_t)snprintf(text + len, sizeof text - len, "]}");
    image.manifest = put_blob(text, len);
    totals.indexes++;
    return image;
}

/* ---- repositories ---- */

/* Its tag was not taken by a later image. */
static bool has_tag(const struct image *images, unsigned count, unsigned at) {
    return at + 1 == count || images[at + 1].tag != images[at].tag;
}

static void put_tag(const char *repo, const struct image *image, const char *tag, bool current) {
    char where[HEX + 300];
    if (current && !image->deleted) {
        snprintf(where, sizeof where, "_manifests/tags/%s/current", tag);
        put_link(&image->manifest, repo, where);
        totals.tags++;
    }
    snprintf(where, sizeof where, "_manifests/tags/%s/index/sha256/%s", tag, image->manifest.hex);
    put_link(&image->manifest, repo, where);
}

static void put_revision(const char *repo, const struct image *image) {
    char where[HEX + 64];
    snprintf(where, sizeof where, "_manifests/revisions/sha256/%s", image->manifest.hex);
    put_link(&image->manifest, repo, where);
    if (image->deleted) {
        char path[2048];
        snprintf(path, sizeof path, "%s/docker/registry/v2/repositories/%s/%s/link", top, repo, where);
        if (unlink(path) != 0) {
            bench_die("%s: %s", path, strerror(errno));
        }
        totals.links--;
        totals.deleted++;
    }
}

/* A tag of which the current image was deleted is gone with its history. */
static void put_tags(const char *repo, const struct image *images, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        unsigned last = i;
        while (!has_tag(images, count, last)) {
            last++;
        }
        char tag[32];
        snprintf(tag, sizeof tag, "v%u", images[i].tag);
        if (!images[last].deleted) {
            put_tag(repo, &images[i], tag, i == last);
        }
        totals.untagged += i != last && !images[i].deleted;
    }
    unsigned newest = count;
    for (unsigned i = 0; i < count; i++) {
        newest = images[i].latest ? i : newest;
    }
    for (unsigned i = 0; newest < count && !images[newest].deleted && i <= newest; i++) {
        if (images[i].latest) {
            put_tag(repo, &images[i], "latest", i == newest);
        }
    }
}

static void make_repository(struct bench_random *random, const char *repo, unsigned count, unsigned garbage) {
    struct image *images = calloc(count + 1, sizeof *images);
    if (images == NULL) {
        bench_die("out of memory");
    }
    for (unsigned i = 0; i < count; i++) {
        bool index = i % 21 == 20 && !images[i - 1].index && !images[i - 2].index;
        images[i] = index ? make_index(&images[i - 2], &images[i - 1]) : make_image(random, repo);
        bool moved = i > 0 && !index && bench_below(random, 100) < 12;
        images[i].tag = i == 0 ? 0 : images[i - 1].tag + !moved;
        images[i].latest = bench_below(random, 5) == 0;
        images[i].deleted = bench_below(random, 100) < garbage;
        if (index) {
            images[i - 1].deleted = images[i - 2].deleted = false;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        put_revision(repo, &images[i]);
    }
    put_tags(repo, images, count);
    if (bench_below(random, 4) == 0 && garbage > 0) {
        struct blob lone = random_blob(random);
        put_layer_link(repo, &lone);
        totals.lone++;
    }
    free(images);
}

static void make_bases(struct bench_random *random) {
    for (unsigned i = 0; i < BASES; i++) {
        for (unsigned layer = 0; layer < BASE_LAYERS; layer++) {
            /* Images of one family share their lowest layer. */
            bases[i][layer] = layer == 0 && i % 4 != 0 ? bases[i - 1][0] : random_blob(random);
        }
    }
}

static void name_repository(char *name, size_t size, unsigned number) {
    switch (number % 4) {
    case 0:
        snprintf(name, size, "app%u", number);
        break;
    case 1:
        snprintf(name, size, "team%u/web", number);
        break;
    case 2:
        snprintf(name, size, "org/team%u/service", number);
        break;
    default:
        snprintf(name, size, "mirror/library/image%u", number);
        break;
    }
}

int main(int argc, char **argv) {
    unsigned long pushes = 21000, repositories = 500, seed = 1, garbage = 15;
    struct bench_option options[] = {{"--pushes", &pushes},
                                     {"--repositories", &repositories},
                                     {"--seed", &seed},
                                     {"--garbage", &garbage},
                                     {NULL, NULL}};
    top = bench_arguments(argc, argv, options);
    if (top == NULL || repositories == 0 || pushes < repositories) {
        bench_die("usage: make_tree ROOT [--pushes N] [--repositories N] [--seed N] [--garbage PERCENT]");
    }
    struct bench_random random = {seed};
    make_bases(&random);
    for (unsigned long i = 0; i < repositories; i++) {
        char name[64];
        name_repository(name, sizeof name, (unsigned)i);
        unsigned long count = pushes * (i + 1) / repositories - pushes * i / repositories;
        make_repository(&random, name, (unsigned)count, (unsigned)garbage);
    }
    printf("{\"seed\": %lu, \"repositories\": %lu, \"images\": %llu, \"indexes\": %llu, \"blobs\": %llu, "
           "\"bytes\": %llu, \"links\": %llu, \"tags\": %llu, \"untagged\": %llu, \"deleted\": %llu, "
           "\"lone\": %llu}\n",
           seed, repositories, (unsigned long long)totals.images, (unsigned long long)totals.indexes,
           (unsigned long long)totals.blobs, (unsigned long long)totals.bytes,
           (unsigned long long)totals.links, (unsigned long long)totals.tags,
           (unsigned long long)totals.untagged, (unsigned long long)totals.deleted,
           (unsigned long long)totals.lone);
    return 0;
}
