#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* A file that we open must never become 0, 1 or 2: a message would be written into the index. */
static void hold_standard_files(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

/* Keys and tokens are in our memory. The smallest core has more than one byte; and with a limit of one,
 * unlike none, the kernel pipes nothing to a program either (do_coredump). */
static void leave_no_core(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max > 0 ? 1 : 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

int main(int argc, char **argv) {
    struct rsw_cli cli;
    hold_standard_files();
    leave_no_core();
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away must not end a sweep halfway */
    rsw_cli_init(&cli);
    int status = rsw_cli_main(&cli, argc, argv, environ);
    rsw_cli_release(&cli);
    return status;
}
