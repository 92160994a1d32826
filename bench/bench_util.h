/* What the benchmark programs share: random numbers from a seed, clocks, arguments, giving up. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* splitmix64, by Sebastiano Vigna (public domain). */
struct bench_random {
    uint64_t state;
};

static inline uint64_t bench_next(struct bench_random *random) {
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 … bound - 1; the bias is far below what a benchmark could notice. */
static inline uint64_t bench_below(struct bench_random *random, uint64_t bound) {
    return bench_next(random) % bound;
}

__attribute__((noreturn, format(printf, 1, 2))) static inline void bench_die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static inline double bench_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct bench_option {
    const char *name; /* NULL ends the table */
    unsigned long *value;
};

/* Reads `--name N` pairs and at most one other argument, which is returned (NULL: none). */
static inline const char *bench_arguments(int argc, char **argv, const struct bench_option *options) {
    const char *plain = NULL;
    for (int i = 1; i < argc; i++) {
        const struct bench_option *option = options;
        while (option->name != NULL && strcmp(option->name, argv[i]) != 0) {
            option++;
        }
        if (option->name == NULL && argv[i][0] != '-' && plain == NULL) {
            plain = argv[i];
            continue;
        }
        char *end = NULL;
        errno = 0;
        if (option->name == NULL || i + 1 == argc) {
            bench_die("%s: not understood", argv[i]);
        }
        *option->value = strtoul(argv[++i], &end, 10);
        if (errno != 0 || end == argv[i] || *end != 0) {
            bench_die("%s %s: not a number", argv[i - 1], argv[i]);
        }
    }
    return plain;
}

#endif
