#include "help.h"

#include <string.h>

#define HELP_COLUMN 30
#define HELP_WIDTH 96

/* Writes words from column `column` on, broken at HELP_WIDTH; the cursor is there already. */
static void print_wrapped(FILE *out, const char *text, int column) {
    int at = column;
    while (*text != 0) {
        int word = (int)strcspn(text, " ");
        if (at + word > HELP_WIDTH && at > column) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        fprintf(out, "%.*s", word, text);
        at += word;
        text += word;
        if (*text == ' ') {
            text++;
            fputs(*text != 0 && at + 1 + (int)strcspn(text, " ") <= HELP_WIDTH ? " " : "", out);
            at++;
        }
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct rsw_option *option) {
    char left[64];
    char text[512];
    int len = option->letter != 0 ? snprintf(left, sizeof left, "  -%c, --%s", option->letter, option->name)
                                  : snprintf(left, sizeof left, "      --%s", option->name);
    if (option->argument != NULL && len > 0 && (size_t)len < sizeof left) {
        len += snprintf(left + len, sizeof left - (size_t)len, " %s", option->argument);
    }
    snprintf(text, sizeof text, option->fallback != NULL ? "%s Default: %s." : "%s", option->help,
             option->fallback);
    if (len + 1 > HELP_COLUMN) {
        fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
    } else {
        fprintf(out, "%-*s", HELP_COLUMN, left);
    }
    print_wrapped(out, text, HELP_COLUMN);
}

static void print_options(FILE *out, unsigned bits, bool common) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if ((option->places & RSW_IN_FLAG) != 0 && (option->commands & bits) != 0 &&
            (option->commands == RSW_FOR_ALL) == common) {
            print_option(out, option);
        }
    }
}

static bool has_own_options(unsigned bits) {
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        if ((option->commands & bits) != 0 && option->commands != RSW_FOR_ALL &&
            (option->places & RSW_IN_FLAG) != 0) {
            return true;
        }
    }
    return false;
}

/* Where not all forms have options of their own: " of why and garbage". */
static void print_who(FILE *out, const struct rsw_command *forms) {
    size_t left = 0;
    size_t all = 0;
    for (const struct rsw_command *form = forms; form->name != NULL; form++, all++) {
        left += has_own_options(form->bit);
    }
    if (left == all) {
        return;
    }
    const char *before = " of ";
    for (const struct rsw_command *form = forms; form->name != NULL; form++) {
        if (has_own_options(form->bit)) {
            fprintf(out, "%s%s", before, form->name);
            left--;
            before = left > 1 ? ", " : " and ";
        }
    }
}

static void print_variables(FILE *out, unsigned bits) {
    const char *heading = "\nEnvironment:\n";
    for (const struct rsw_option *option = rsw_option_table; option->name != NULL; option++) {
        char name[64];
        if (option->places == RSW_IN_ENVIRONMENT && (option->commands & bits) != 0) {
            fprintf(out, "%s  %-*s ", heading, HELP_COLUMN - 3,
                    rsw_option_variable(option, name, sizeof name));
            heading = "";
            print_wrapped(out, option->help, HELP_COLUMN);
        }
    }
}

static void print_commands(FILE *out, const struct rsw_command *table) {
    for (; table->name != NULL; table++) {
        char left[64];
        snprintf(left, sizeof left, "  %s %s", table->name, table->arguments != NULL ? table->arguments : "");
        if (strlen(left) + 1 > HELP_COLUMN) {
            fprintf(out, "%s\n%*s", left, HELP_COLUMN, "");
        } else {
            fprintf(out, "%-*s", HELP_COLUMN, left);
        }
        print_wrapped(out, table->help, HELP_COLUMN);
    }
}

static void print_places(FILE *out) {
    fputs("\nAn option counts as given first on the command line, then as REGSWEEP_NAME in the environment,\n"
          "then as name: in --config FILE, then by --registry-config FILE. --confirm, --offline, --wait and\n"
          "--rebuild are taken from the command line alone.\n",
          out);
}

void rsw_help_all(FILE *out) {
    fputs("Usage: regsweep COMMAND [options] [arguments]\n\n"
          "Collects garbage of a container registry.\n\nCommands:\n",
          out);
    print_commands(out, rsw_command_table);
    fputs("\nOptions of every command:\n", out);
    print_options(out, RSW_FOR_ALL, true);
    print_places(out);
    fputs("\nregsweep COMMAND --help tells more of a command.\n", out);
}

void rsw_help_command(FILE *out, const struct rsw_command *command, const struct rsw_command *form) {
    const struct rsw_command *shown = form != NULL ? form : command;
    const char *arguments = shown->forms != NULL ? "FORM [arguments]" : shown->arguments;
    fprintf(out, "Usage: regsweep %s%s%s [options]%s%s\n\n", command->name, form != NULL ? " " : "",
            form != NULL ? form->name : "", arguments != NULL ? " " : "", arguments != NULL ? arguments : "");
    fprintf(out, "%c%s.\n", shown->help[0] - 'a' + 'A', shown->help + 1);
    if (shown->forms != NULL) {
        fputs("\nForms:\n", out);
        print_commands(out, shown->forms);
    }
    if (has_own_options(shown->bit)) {
        fputs("\nOptions", out);
        if (shown->forms != NULL) {
            print_who(out, shown->forms);
        }
        fputs(":\n", out);
        print_options(out, shown->bit, false);
    }
    fputs("\nCommon options:\n", out);
    print_options(out, shown->bit, true);
    print_variables(out, shown->bit);
    print_places(out);
}
