#include "damage.h"

#include "exit.h"

#include "index/index.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

static const struct rsw_index *volatile watched;
static char message[1024]; /* made beforehand: a handler must not format */

/* The instruction that faulted; NULL where we do not know how to ask. */
static const void *instruction(const void *context) {
    const ucontext_t *machine = context;
#if defined(__x86_64__)
    return (const void *)(uintptr_t)machine->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)(uintptr_t)machine->uc_mcontext.pc;
#else
    (void)machine;
    return NULL;
#endif
}

static void on_fault(int number, siginfo_t *info, void *context) {
    const struct rsw_index *index = watched;
    if (index != NULL &&
        (rsw_index_maps(index, info->si_addr) || rsw_index_maps(index, instruction(context)))) {
        ssize_t written = write(STDERR_FILENO, message, strlen(message));
        (void)written; /* nobody is left to tell */
        _exit(RSW_EXIT_FAILED);
    }
    signal(number, SIG_DFL);
    raise(number); /* comes through when this handler returns */
}

/* LMDB aborts where a damaged file contradicts itself. The index has said so by then (src/index/kv.c); what
 * is left is to end with the status of a failure instead of a core dump. Any other abort ends as ever. */
static void on_abort(int number) {
    static const char text[] = "regsweep: aborted; the line above says why\n";
    const struct rsw_index *index = watched;
    if (index != NULL && rsw_index_absurd(index)) {
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written;
        _exit(RSW_EXIT_FAILED);
    }
    signal(number, SIG_DFL);
    raise(number);
}

void rsw_damage_watch(const struct rsw_index *index) {
    static const int numbers[] = {SIGBUS, SIGSEGV};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    const char *dir = rsw_index_dir(index);
    snprintf(message, sizeof message,
             "regsweep: the index in %.400s is damaged; build it anew with: regsweep scan --rebuild --index "
             "%.400s\n",
             dir, dir);
    watched = index;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaction(numbers[i], &action, NULL);
    }
    const struct sigaction at_abort = {.sa_handler = on_abort};
    sigaction(SIGABRT, &at_abort, NULL);
}

void rsw_damage_unwatch(void) {
    watched = NULL;
}
