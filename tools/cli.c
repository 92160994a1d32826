/* From the command line to the function of a command. */
#include "cli.h"

#include "config.h"
#include "help.h"
#include "parse.h"
#include "registry_config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stop_asked;

static void on_stop(int number) {
    (void)number;
    stop_asked = 1;
}

void rsw_cli_catch_stop(void) {
    /* Once: whoever asks a second time wants it at once. Every state that this leaves is a good one. */
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool rsw_cli_stopped(void *unused) {
    (void)unused;
    return stop_asked != 0;
}

static int unknown_command(struct rsw_cli *cli, const struct rsw_command *table, const char *what,
                           const char *name) {
    const char *close = rsw_closest_command(table, name);
    return rsw_cli_usage(cli, "unknown %s \"%s\"%s%s%s", what, name, close != NULL ? "; did you mean \"" : "",
                         close != NULL ? close : "", close != NULL ? "\"?" : "");
}

/* Finds command and form, and leaves the rest of the words as arguments. RSW_EXIT_DONE with cli->command
 * NULL: help was asked for, and given. */
static int choose(struct rsw_cli *cli, struct rsw_words *words) {
    const struct rsw_command *form = NULL;
    int at = 0;
    bool help = cli->options.help;
    if (words->count > 0 && strcmp(words->items[0], "help") == 0) {
        help = true;
        at = 1;
    }
    if (at == words->count) {
        if (help) {
            rsw_help_all(cli->out);
            return RSW_EXIT_DONE;
        }
        return rsw_cli_usage(cli, "no command was given");
    }
    const struct rsw_command *command = rsw_command_find(rsw_command_table, words->items[at]);
    if (command == NULL) {
        return unknown_command(cli, rsw_command_table, "command", words->items[at]);
    }
    cli->command_name = command->name;
    at++;
    if (command->forms != NULL && at < words->count) {
        form = rsw_command_find(command->forms, words->items[at]);
        if (form == NULL) {
            return unknown_command(cli, command->forms, "form", words->items[at]);
        }
        at++;
    }
    if (help) {
        rsw_help_command(cli->out, command, form);
        return RSW_EXIT_DONE;
    }
    if (command->forms != NULL && form == NULL) {
        return rsw_cli_usage(cli, "%s needs a form, such as \"%s\"", command->name, command->forms[0].name);
    }
    cli->command = form != NULL ? form : command;
    cli->arguments = words->items + at;
    cli->argument_count = words->count - at;
    return RSW_EXIT_DONE;
}

static int check_arguments(struct rsw_cli *cli) {
    const struct rsw_command *command = cli->command;
    if (cli->argument_count < command->min_arguments) {
        return rsw_cli_usage(cli, "%s needs %s", command->name, command->arguments);
    }
    if (cli->argument_count > command->max_arguments) {
        return rsw_cli_usage(cli, "%s takes %s, and \"%s\" is too much", command->name,
                             command->max_arguments == 0 ? "no argument" : command->arguments,
                             cli->arguments[command->max_arguments]);
    }
    for (int i = 0; i < cli->argument_count; i++) {
        if (cli->arguments[i][0] == 0) {
            return rsw_cli_usage(cli, "an argument is empty; %s takes %s", command->name, command->arguments);
        }
    }
    return RSW_EXIT_DONE;
}

static void tell_findings(struct rsw_cli *cli) {
    const struct rsw_registry_config *config = cli->registry_config;
    for (size_t i = 0; config != NULL && i < config->finding_count; i++) {
        const struct rsw_registry_finding *finding = &config->findings[i];
        if (finding->refuse || (finding->offline && !cli->options.offline)) {
            continue; /* comes as an error, or does not concern this run */
        }
        if (finding->line > 0) {
            rsw_log(&cli->log, RSW_LOG_WARNING, "%s:%lu: %s; %s", config->name, finding->line, finding->what,
                    finding->remedy);
        } else {
            rsw_log(&cli->log, RSW_LOG_WARNING, "%s: %s; %s", config->name, finding->what, finding->remedy);
        }
    }
}

/* Environment, --config and --registry-config, in that order: the first two can name the third. */
static int read_sources(struct rsw_cli *cli, char **environment) {
    struct rsw_error err = RSW_ERROR_INIT;
    struct rsw_options *options = &cli->options;
    if (rsw_check_flags(options, cli->command->name, cli->command->bit, &err) != 0 ||
        rsw_parse_environment(options, cli->command->bit, environment, &err) != 0 ||
        (options->config != NULL && rsw_config_load(options, options->config, &err) != 0) ||
        (options->registry_config != NULL &&
         rsw_registry_config_load(&cli->registry_config, options->registry_config, &err) != 0)) {
        return rsw_cli_fail_options(cli, &err);
    }
    cli->log.level = options->verbose ? RSW_LOG_DEBUG : options->quiet ? RSW_LOG_WARNING : RSW_LOG_INFO;
    rsw_warn_environment(environment, &cli->log);
    /* Looking at the index hurts nobody, and doctor tells all in its own way; whatever works towards a
     * deletion says, or refuses, what is wrong. */
    unsigned looks = RSW_FOR_INSPECT | RSW_FOR_WHY | RSW_FOR_GARBAGE | RSW_FOR_DOCTOR;
    if (cli->registry_config == NULL || (cli->command->bit & looks) != 0) {
        return RSW_EXIT_DONE;
    }
    if (rsw_registry_config_allows(cli->registry_config, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    tell_findings(cli);
    return RSW_EXIT_DONE;
}

int rsw_cli_need_storage(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    if ((cli->index == NULL || rsw_cli_check_storage(cli, &err) == 0) &&
        rsw_cli_open_storage(cli, &err) == 0) {
        return RSW_EXIT_DONE;
    }
    return err.code == RSW_EINVAL ? rsw_cli_fail_usage(cli, &err) : rsw_cli_fail(cli, &err);
}

static int open_needs(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    const struct rsw_index_options look = {.read_only = true};
    if ((cli->command->needs & RSW_NEEDS_INDEX) != 0 && rsw_cli_open_index(cli, &look, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    return (cli->command->needs & RSW_NEEDS_STORAGE) != 0 ? rsw_cli_need_storage(cli) : RSW_EXIT_DONE;
}

/* What could not be written is no result. A reader that has gone away (`| head`) has seen enough: no message.
 */
static int finish_output(struct rsw_cli *cli, int status) {
    errno = 0;
    if (fflush(cli->out) == 0 && !ferror(cli->out) && !cli->lost_output) {
        return status;
    }
    if (errno != EPIPE) {
        rsw_cli_failf(cli, "cannot write the result: %s",
                      errno != 0 ? strerror(errno) : "some of it was lost on the way");
    }
    return status != RSW_EXIT_DONE ? status : RSW_EXIT_FAILED;
}

/* Of an object store: they cost. */
static void tell_requests(struct rsw_cli *cli) {
    struct rsw_storage_requests asked = {.lists = 0};
    if (cli->storage != NULL) {
        rsw_storage_asked(cli->storage, &asked);
    }
    uint64_t sum = rsw_storage_requests_sum(&asked);
    if (sum > 0) {
        rsw_log(&cli->log, RSW_LOG_INFO,
                "asked %s %" PRIu64 " times: %" PRIu64 " pages of lists, %" PRIu64 " reads, %" PRIu64
                " looks, %" PRIu64 " writes and copies, %" PRIu64 " removals",
                rsw_storage_url(cli->storage), sum, asked.lists, asked.reads, asked.looks, asked.writes,
                asked.removals);
    }
}

static int dispatch(struct rsw_cli *cli, struct rsw_words *words, char **environment) {
    if (cli->options.version) {
        fprintf(cli->out, "regsweep %s\n", REGSWEEP_VERSION);
        return RSW_EXIT_DONE;
    }
    int status = choose(cli, words);
    if (status != RSW_EXIT_DONE || cli->command == NULL) {
        return status;
    }
    if ((status = check_arguments(cli)) != RSW_EXIT_DONE ||
        (status = read_sources(cli, environment)) != RSW_EXIT_DONE ||
        (status = open_needs(cli)) != RSW_EXIT_DONE) {
        return status;
    }
    status = cli->command->run(cli);
    tell_requests(cli);
    return status;
}

int rsw_cli_main(struct rsw_cli *cli, int argc, char **argv, char **environment) {
    RSW_AUTO_WORDS words = {NULL, 0};
    struct rsw_error err = RSW_ERROR_INIT;
    if (rsw_options_init(&cli->options, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    int status = rsw_parse_flags(&cli->options, &words, argc, argv, &err) != 0
                     ? rsw_cli_fail_usage(cli, &err)
                     : dispatch(cli, &words, environment);
    cli->arguments = NULL; /* they were the words' */
    cli->argument_count = 0;
    return finish_output(cli, status);
}
