/* The table of commands. Adding one: a line here, its function in a file of its own. */
#include "commands.h"

#include <stddef.h>
#include <string.h>

#define END                                                                                                  \
    { NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL }

static const struct rsw_command inspect_forms[] = {
    {"stats", rsw_inspect_stats, "counts and sizes, the last scan, the feed", NULL, 0, 0, RSW_FOR_INSPECT,
     RSW_NEEDS_INDEX, NULL},
    {"types", rsw_inspect_types, "how many blobs of each type, and how many bytes", NULL, 0, 0,
     RSW_FOR_INSPECT, RSW_NEEDS_INDEX, NULL},
    {"blob", rsw_inspect_blob, "what a blob is, where it is linked, who names it, whom it names", "DIGEST", 1,
     1, RSW_FOR_INSPECT, RSW_NEEDS_INDEX, NULL},
    {"repo", rsw_inspect_repo, "tags, manifests, layers and uploads of a repository", "NAME", 1, 1,
     RSW_FOR_INSPECT, RSW_NEEDS_INDEX, NULL},
    {"image", rsw_inspect_image, "an image as a tree: children, layers, referrers", "NAME:TAG|NAME@DIGEST", 1,
     1, RSW_FOR_INSPECT, RSW_NEEDS_INDEX, NULL},
    {"why", rsw_inspect_why, "what keeps something, or which rule lets it go", "DIGEST|NAME:TAG|NAME@DIGEST",
     1, 1, RSW_FOR_WHY, RSW_NEEDS_INDEX, NULL},
    {"garbage", rsw_inspect_garbage, "what nothing needs", NULL, 0, 0, RSW_FOR_GARBAGE, RSW_NEEDS_INDEX,
     NULL},
    {"generations", rsw_inspect_generations, "sweeps that deleted, or one of them with all that it held",
     "[ID]", 0, 1, RSW_FOR_INSPECT, RSW_NEEDS_INDEX, NULL},
    {"events", rsw_inspect_events, "events that could not be used, as they came", NULL, 0, 0, RSW_FOR_INSPECT,
     RSW_NEEDS_INDEX, NULL},
    END,
};

static const struct rsw_command policy_forms[] = {
    {"check", rsw_policy_check, "read a policy, and say which repositories each part of it speaks of", NULL,
     0, 0, RSW_FOR_POLICY, 0, NULL},
    {"explain", rsw_policy_explain,
     "what stays of every tag and what goes, by which rule, and what comes free", "[NAME]", 0, 1,
     RSW_FOR_POLICY, RSW_NEEDS_INDEX, NULL},
    END,
};

static const struct rsw_command forget_forms[] = {
    {"repo", rsw_forget_repo, "a repository with all its tags and manifests", "NAME", 1, 1, RSW_FOR_FORGET, 0,
     NULL},
    {"image", rsw_forget_image, "a manifest with what it alone names, and all tags that point at it",
     "NAME:TAG|NAME@DIGEST", 1, 1, RSW_FOR_FORGET, 0, NULL},
    {"tag", rsw_forget_tag, "a tag alone", "NAME:TAG", 1, 1, RSW_FOR_FORGET, 0, NULL},
    {"blob", rsw_forget_blob, "a layer, in one repository or in all", "NAME@DIGEST|DIGEST", 1, 1,
     RSW_FOR_FORGET, 0, NULL},
    {"list", rsw_forget_list, "what was asked for, and how far it has gone", NULL, 0, 0, RSW_FOR_FORGET, 0,
     NULL},
    {"cancel", rsw_forget_cancel, "call one off, of which nothing was taken yet", "ID", 1, 1, RSW_FOR_FORGET,
     0, NULL},
    END,
};

const struct rsw_command rsw_command_table[] = {
    {"scan", rsw_command_scan, "build the index from storage, or reconcile it", NULL, 0, 0, RSW_FOR_SCAN,
     RSW_NEEDS_STORAGE, NULL},
    {"serve", rsw_command_serve, "take the registry's events into the index", NULL, 0, 0, RSW_FOR_SERVE,
     RSW_NEEDS_STORAGE, NULL},
    {"sweep", rsw_command_sweep, "show what nothing needs; with --confirm delete it", NULL, 0, 0,
     RSW_FOR_SWEEP, 0, NULL},
    {"inspect", NULL, "ask the index", NULL, 0, 0, RSW_FOR_INSPECT | RSW_FOR_WHY | RSW_FOR_GARBAGE, 0,
     inspect_forms},
    {"forget", NULL, "say what the next sweep is to take, tagged or not", NULL, 0, 0, RSW_FOR_FORGET, 0,
     forget_forms},
    {"pin", rsw_command_pin, "say what no sweep may take; without PIN, list what is pinned so", "[PIN]", 0, 1,
     RSW_FOR_PIN, 0, NULL},
    {"unpin", rsw_command_unpin, "take a pin away", "PIN", 1, 1, RSW_FOR_UNPIN, 0, NULL},
    {"policy", NULL, "what a policy keeps and lets go", NULL, 0, 0, RSW_FOR_POLICY, 0, policy_forms},
    {"verify", rsw_command_verify, "compare the index with storage", NULL, 0, 0, RSW_FOR_VERIFY,
     RSW_NEEDS_INDEX | RSW_NEEDS_STORAGE, NULL},
    {"restore", rsw_command_restore, "put back what a sweep has in quarantine",
     "[DIGEST|NAME:TAG|NAME@DIGEST]", 0, 1, RSW_FOR_RESTORE, 0, NULL},
    {"doctor", rsw_command_doctor, "say what would make sweeping unsafe, and what to do about it", NULL, 0, 0,
     RSW_FOR_DOCTOR, 0, NULL},
    END,
};

const struct rsw_command *rsw_command_find(const struct rsw_command *table, const char *name) {
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}
