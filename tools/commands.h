/* The table of commands. */
#ifndef REGSWEEP_TOOLS_COMMANDS_H
#define REGSWEEP_TOOLS_COMMANDS_H

struct rsw_cli;

/* One bit a command or form of one: says in the table of options who takes them. */
enum rsw_command_bit {
    RSW_FOR_SCAN = 1 << 0,
    RSW_FOR_SERVE = 1 << 1,
    RSW_FOR_SWEEP = 1 << 2,
    RSW_FOR_VERIFY = 1 << 3,
    RSW_FOR_INSPECT = 1 << 4, /* the forms that only look things up */
    RSW_FOR_WHY = 1 << 5,
    RSW_FOR_GARBAGE = 1 << 6,
    RSW_FOR_RESTORE = 1 << 7,
    RSW_FOR_DOCTOR = 1 << 8,
    RSW_FOR_POLICY = 1 << 9,
    RSW_FOR_FORGET = 1 << 10,
    RSW_FOR_PIN = 1 << 11,
    RSW_FOR_UNPIN = 1 << 12,
    RSW_FOR_ALL = (1 << 13) - 1,
};

/* What is opened before a command's function is called. Commands that open the index for writing, or need
 * storage only sometimes, say nothing here and open for themselves (tools/cli.h). */
enum rsw_command_needs {
    RSW_NEEDS_INDEX = 1 << 0, /* cli->index, for reading alone */
    RSW_NEEDS_STORAGE = 1 << 1,
};

struct rsw_command {
    const char *name;
    int (*run)(struct rsw_cli *cli); /* gives the exit status; NULL if there are forms */
    const char *help;                /* a line, as in the list of commands */
    const char *arguments;           /* "NAME:TAG|NAME@DIGEST"; NULL: takes none */
    int min_arguments;
    int max_arguments;
    unsigned bit;   /* enum rsw_command_bit; for a command with forms, those of all of them */
    unsigned needs; /* enum rsw_command_needs */
    const struct rsw_command *forms; /* ended by one without name; NULL: none */
};

/* Ended by an entry without name. */
extern const struct rsw_command rsw_command_table[];
/* In the table, or in one of forms. NULL: there is none of that name. */
const struct rsw_command *rsw_command_find(const struct rsw_command *table, const char *name);

/* One file a command, one a form of `inspect`. */
int rsw_command_scan(struct rsw_cli *cli);
int rsw_command_serve(struct rsw_cli *cli);
int rsw_command_sweep(struct rsw_cli *cli);
int rsw_command_verify(struct rsw_cli *cli);
int rsw_command_restore(struct rsw_cli *cli);
int rsw_command_doctor(struct rsw_cli *cli);
int rsw_forget_repo(struct rsw_cli *cli);
int rsw_forget_image(struct rsw_cli *cli);
int rsw_forget_tag(struct rsw_cli *cli);
int rsw_forget_blob(struct rsw_cli *cli);
int rsw_forget_list(struct rsw_cli *cli);
int rsw_forget_cancel(struct rsw_cli *cli);
int rsw_command_pin(struct rsw_cli *cli);
int rsw_command_unpin(struct rsw_cli *cli);
int rsw_policy_check(struct rsw_cli *cli);
int rsw_policy_explain(struct rsw_cli *cli);
int rsw_inspect_stats(struct rsw_cli *cli);
int rsw_inspect_types(struct rsw_cli *cli);
int rsw_inspect_blob(struct rsw_cli *cli);
int rsw_inspect_repo(struct rsw_cli *cli);
int rsw_inspect_image(struct rsw_cli *cli);
int rsw_inspect_why(struct rsw_cli *cli);
int rsw_inspect_garbage(struct rsw_cli *cli);
int rsw_inspect_generations(struct rsw_cli *cli);
int rsw_inspect_events(struct rsw_cli *cli);

#endif
