/* What a sweep over HTTP reads: the body that asks for one, and the answer that tells of it. */
#include "sweep_answer.h"
#include "sweep_request.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_cli cli;
    rsw_cli_init(&cli);
    cli.log.write = NULL;
    cli.out = fopen("/dev/null", "we");
    if (cli.out == NULL || rsw_options_init(&cli.options, &err) != 0) {
        return 0;
    }
    rsw_sweep_request_read(&cli.options, (const char *)data, size, &err);
    json_decref(rsw_sweep_request_write(&cli.options));
    rsw_error_clear(&err);
    json_t *answer = json_loadb((const char *)data, size, 0, NULL);
    cli.options.verbose = true;
    rsw_sweep_answer_tell(&cli, answer, &err);
    json_decref(answer);
    fclose(cli.out);
    rsw_cli_release_options(&cli);
    return 0;
}
