#include "cli.h"

#include <fcntl.h>
#include <signal.h>
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

int main(int argc, char **argv) {
    struct rsw_cli cli;
    hold_standard_files();
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away must not end a sweep halfway */
    rsw_cli_init(&cli);
    int status = rsw_cli_main(&cli, argc, argv, environ);
    rsw_cli_release(&cli);
    return status;
}
