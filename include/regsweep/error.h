/* Errors, and the three answers of a lookup.
 *
 * Every function that can fail returns an int and takes a `struct rsw_error *` last. The caller owns
 * the error object and starts it as RSW_ERROR_INIT; passing NULL is allowed and loses the text only.
 * Nothing here is global or thread-local: an error object belongs to one thread at a time.
 */
#ifndef REGSWEEP_ERROR_H
#define REGSWEEP_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RSW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RSW_API __attribute__((visibility("default")))
#else
#define RSW_PRINTF(fmt, args)
#define RSW_API
#endif

/* A lookup has three answers. A failed lookup is never an absence. */
enum rsw_answer {
    RSW_FAILED = -1, /* nobody knows; the error says why */
    RSW_ABSENT = 0,  /* looked, and it is not there */
    RSW_FOUND = 1,   /* there */
};

enum rsw_code {
    RSW_OK = 0,
    RSW_ENOMEM,       /* out of memory */
    RSW_EIO,          /* storage, network or system call failed; errnum says which way */
    RSW_EINVAL,       /* what the caller or a file gave us is malformed */
    RSW_ECORRUPT,     /* index or object bytes contradict themselves */
    RSW_ESCHEMA,      /* index written by a newer regsweep, or not an index */
    RSW_EFULL,        /* disk or index map is full */
    RSW_EACCESS,      /* permission denied, or read-only */
    RSW_EBUSY,        /* another process holds the lock */
    RSW_EREFUSED,     /* refused for safety: nothing was touched */
    RSW_ESTOPPED,     /* the caller asked to stop */
    RSW_EPARTIAL,     /* done, but some deletions failed; the next run retries them */
    RSW_EUNSUPPORTED, /* valid, but not something regsweep can do, or not without a library that is missing */
};

#define RSW_MESSAGE_MAX 512

struct rsw_error {
    enum rsw_code code;
    int errnum;                    /* errno of the failing call, or 0 */
    char message[RSW_MESSAGE_MAX]; /* one line, no newline at the end; control bytes are escaped */
};

#define RSW_ERROR_INIT                                                                                       \
    {                                                                                                        \
        RSW_OK, 0, {                                                                                         \
            0                                                                                                \
        }                                                                                                    \
    }

/* Sets the error and returns -1. The first error wins: an error that is set already is left alone. */
RSW_API int rsw_error_set(struct rsw_error *err, enum rsw_code code, int errnum, const char *fmt, ...)
    RSW_PRINTF(4, 5);

/* Puts "<what was being done>: " before the message of a set error and returns -1. */
RSW_API int rsw_error_prefix(struct rsw_error *err, const char *fmt, ...) RSW_PRINTF(2, 3);

/* Back to RSW_ERROR_INIT. */
RSW_API void rsw_error_clear(struct rsw_error *err);

#ifdef __cplusplus
}
#endif
#endif
