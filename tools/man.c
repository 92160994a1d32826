#include "man.h"

#include "exit.h"
#include "options.h"

#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"

/* Roff reads a leading dot or quote, backslashes and bare hyphens in its own way. */
static void print_escaped(FILE *out, const char *text) {
    if (*text == '.' || *text == '\'') {
        fputs("\\&", out);
    }
    for (; *text != 0; text++) {
        if (*text == '-') {
            fputs("\\-", out);
        } else if (*text == '\\') {
            fputs("\\e", out);
        } else if (strncmp(text, ELLIPSIS, strlen(ELLIPSIS)) == 0) {
            fputs("...", out); /* groff has none in the C locale */
            text += strlen(ELLIPSIS) - 1;
        } else {
            fputc(*text, out);
        }
    }
}

static void print_upper(FILE *out, const char *text) {
    for (; *text != 0; text++) {
        fputc(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text, out);
    }
}

static void print_option(FILE *out, const struct rsw_option *option) {
    fputs(".TP\n.B ", out);
    if (option->letter != 0) {
        fprintf(out, "\\-%c, ", option->letter);
    }
    fputs("\\-\\-", out);
    print_escaped(out, option->name);
    if (option->argument != NULL) {
        fputs(" \\fI", out);
        print_escaped(out, option->argument);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    print_escaped(out, option->help);
    if (option->fallback != NULL) {
        fputs(" Default: ", out);
        print_escaped(out, option->fallback);
        fputc('.', out);
    }
    fputc('\n', out);
}

static void print_options(FILE *out, unsigned bits) {
    fputs(".SH OPTIONS\n", out);
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if ((option->places & RSW_IN_FLAG) != 0 && (option->commands & bits) != 0) {
            print_option(out, option);
        }
    }
}

static void print_environment(FILE *out, unsigned bits) {
    fputs(
        ".SH ENVIRONMENT AND FILES\n"
        "An option counts as given first on the command line, then in the environment, then in the file of\n"
        ".BR \\-\\-config ,\nthen by\n.BR \\-\\-registry\\-config .\n"
        "In the file it has the name that it has here. In the environment these are read:\n",
        out);
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        char name[64];
        if ((option->places & RSW_IN_ENVIRONMENT) == 0 || (option->commands & bits) == 0) {
            continue;
        }
        fprintf(out, ".TP\n.B %s\n", rsw_option_variable(option, name, sizeof name));
        if ((option->places & RSW_IN_FLAG) != 0) {
            fputs("as \\-\\-", out);
            print_escaped(out, option->name);
        } else {
            print_escaped(out, option->help);
        }
        fputc('\n', out);
    }
}

static void print_exit_status(FILE *out) {
    fprintf(out,
            ".SH EXIT STATUS\n.TP\n.B %d\ndone\n.TP\n.B %d\n"
            "failed, or stopped by a signal, when the next run goes on; or verify or doctor found something, "
            "or a scan was\nnot complete, or the index does not know what was asked for\n.TP\n.B %d\n"
            "some deletions failed, or something could not be told yet; the next run goes on\n.TP\n.B %d\n"
            "refused for safety; nothing was deleted\n.TP\n.B %d\n"
            "the command line or a configuration is wrong, or a file that they name cannot be read (but one "
            "of\n\\-\\-in\\-use: then nobody knows what is in use, and it is %d)\n",
            RSW_EXIT_DONE, RSW_EXIT_FAILED, RSW_EXIT_PARTIAL, RSW_EXIT_REFUSED, RSW_EXIT_USAGE,
            RSW_EXIT_REFUSED);
}

static void print_commands(FILE *out, const char *title, const struct rsw_command *table) {
    fprintf(out, ".SH %s\n", title);
    for (; table->name != NULL; table++) {
        fprintf(out, ".TP\n.B %s", table->name);
        if (table->arguments != NULL) {
            fputs(" \\fI", out);
            print_escaped(out, table->arguments);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        print_escaped(out, table->help);
        fputc('\n', out);
    }
}

static void print_see_also(FILE *out, const struct rsw_command *command) {
    const char *comma = "";
    fputs(".SH SEE ALSO\n", out);
    if (command != NULL) {
        fputs(".BR regsweep (1)", out);
        comma = ",\n";
    }
    for (const struct rsw_command *other = rsw_command_table; other->name != NULL; other++) {
        if (other != command) {
            fprintf(out, "%s.BR regsweep\\-%s (1)", comma, other->name);
            comma = ",\n";
        }
    }
    fputc('\n', out);
}

void rsw_man_page(FILE *out, const struct rsw_command *command, const char *text) {
    const char *name = command != NULL ? command->name : "";
    const char *dash = command != NULL ? "-" : "";
    fputs(
        ".\\\" Made from the tables of the program; edit tools/ and docs/man/, not this page.\n.TH REGSWEEP",
        out);
    fputs(dash, out);
    print_upper(out, name);
    fprintf(out, " 1 \"\" \"regsweep %s\" \"User Commands\"\n", REGSWEEP_VERSION);
    fprintf(out, ".SH NAME\nregsweep%s%s \\- %s\n", command != NULL ? "\\-" : "", name,
            command != NULL ? command->help : "collect garbage of a container registry");
    fputs(".SH SYNOPSIS\n.B regsweep\n", out);
    if (command == NULL) {
        fputs(".I COMMAND\n[options] [arguments]\n", out);
    } else {
        fprintf(out, ".B %s\n%s[options]%s", command->name, command->forms != NULL ? ".I FORM\n" : "",
                command->forms != NULL ? " [arguments]" : "");
        if (command->arguments != NULL) {
            fputc(' ', out);
            print_escaped(out, command->arguments);
        }
        fputc('\n', out);
    }
    fputs(text, out);
    if (command == NULL) {
        print_commands(out, "COMMANDS", rsw_command_table);
    } else if (command->forms != NULL) {
        print_commands(out, "FORMS", command->forms);
    }
    print_options(out, command != NULL ? command->bit : RSW_FOR_ALL);
    print_environment(out, command != NULL ? command->bit : RSW_FOR_ALL);
    print_exit_status(out);
    print_see_also(out, command);
}
