/* What an object store does by itself with what lies in it. */
#include "gc/checks.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_AT_MOST 100000 /* old versions and new ones: a hundred requests */

struct store {
    struct rsw_diagnosis *out;
    bool old_versions_go;
};

/* Some keys below `folder` begin with `prefix`. */
static bool is_for(const char *prefix, const char *folder) {
    size_t len = strlen(prefix) < strlen(folder) ? strlen(prefix) : strlen(folder);
    return strncmp(prefix, folder, len) == 0;
}

static void judge_rule(void *arg, const struct rsw_store_rule *rule) {
    struct store *store = arg;
    bool of_registry = is_for(rule->prefix, "docker/");
    bool of_quarantine = is_for(rule->prefix, "regsweep/quarantine/");
    if (rule->deletes && of_registry) {
        rsw_say(store->out, RSW_HEALTH_ERROR,
                "leave the registry's prefix out of it: what is old is not what nothing needs",
                "the rule '%s' of the bucket's lifecycle deletes what images need", rule->name);
    }
    if (rule->deletes && of_quarantine) {
        rsw_say(store->out, RSW_HEALTH_ERROR, "leave the prefix 'regsweep/' out of it",
                "the rule '%s' of the bucket's lifecycle deletes what may have to be put back", rule->name);
    }
    if (rule->archive[0] != 0 && of_registry) {
        rsw_say(store->out, RSW_HEALTH_ERROR,
                "leave the registry's prefix out of it, and have what it moved restored and copied back "
                "(docs/operation.md)",
                "the rule '%s' of the bucket's lifecycle moves what images need to %s, where nobody can read "
                "it until "
                "it was asked for",
                rule->name, rule->archive);
    }
    if (rule->archive[0] != 0 && of_quarantine) {
        rsw_say(
            store->out, RSW_HEALTH_ERROR, "leave the prefix 'regsweep/' out of it",
            "the rule '%s' of the bucket's lifecycle moves what may have to be put back to %s, where nobody "
            "can copy it until it was asked for",
            rule->name, rule->archive);
    }
    if (rule->moves && (of_registry || of_quarantine)) {
        rsw_say(
            store->out, RSW_HEALTH_WARNING,
            "see that it moves nothing to where it must be asked for before it can be read, and that what is "
            "moved may be deleted early",
            "the rule '%s' of the bucket's lifecycle moves what the registry has to another class",
            rule->name);
    }
    if (rule->old_moves && of_registry) {
        rsw_say(store->out, RSW_HEALTH_WARNING, "leave the registry's prefix out of it",
                "the rule '%s' of the bucket's lifecycle moves versions that are not current to another "
                "class: what a sweep hides could not be read when it is put back, so sweeps go by copies",
                rule->name);
    }
    store->old_versions_go |= rule->old_versions && rule->prefix[0] == 0;
}

/* What the registry wrote over or deleted, and what sweeps by copies left. */
static void judge_versions(const struct store *store, struct rsw_storage *storage) {
    struct rsw_old_versions old = {.prefix = "", .limit = LOOK_AT_MOST};
    struct rsw_error err = RSW_ERROR_INIT;
    char found[128] = "";
    char size[32];
    if (store->old_versions_go) {
        return;
    }
    if (rsw_storage_old_versions(storage, &old, &err) == 0) {
        snprintf(found, sizeof found,
                 "%s%" PRIu64 " versions that are not current, %s, and %" PRIu64 " markers",
                 old.cut ? "at least " : "", old.versions, rsw_size_format(old.bytes, size, sizeof size),
                 old.markers);
    }
    if (storage->versions && old.versions + old.markers == 0 && found[0] != 0) {
        return;
    }
    rsw_say(
        store->out, RSW_HEALTH_WARNING,
        storage->versions
            ? "regsweep sweep --version-max-age 30d; no rule for noncurrent versions "
              "(NoncurrentVersionExpiration), which would delete what a sweep has hidden as well"
            : "a rule of the bucket's lifecycle for noncurrent versions (NoncurrentVersionExpiration), of a "
              "few days, added while no generation is open and nothing is held; or let "
              "regsweep list and delete them, as docs/operation.md has it",
        "the bucket keeps versions, and no rule for all of the registry's prefix deletes old ones%s%s%s",
        storage->versions ? "" : ": what is swept frees nothing", found[0] != 0 ? "; there are " : "", found);
}

void rsw_doctor_store(struct rsw_diagnosis *out, const struct rsw_doctor *doctor) {
    struct store store = {.out = out};
    struct rsw_store_habits habits = {.rule = judge_rule, .arg = &store};
    if (doctor->storage == NULL) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL, "there is no storage to look at");
        return;
    }
    rsw_storage_habits(doctor->storage, &habits);
    if (habits.lock == RSW_FOUND) {
        rsw_say(out, RSW_HEALTH_ERROR, "no object lock by default in the registry's bucket",
                "the bucket locks what is written for a while: until then nothing that goes can be deleted");
    }
    if (habits.versions == RSW_FOUND) {
        judge_versions(&store, doctor->storage);
    }
    if (habits.versions == RSW_FAILED || habits.lock == RSW_FAILED || habits.rules == RSW_FAILED) {
        rsw_say(out, RSW_HEALTH_UNKNOWN, NULL,
                "the store does not tell%s%s%s: docs/operation.md has what regsweep must be allowed for that",
                habits.versions == RSW_FAILED ? " whether it keeps versions;" : "",
                habits.lock == RSW_FAILED ? " whether it locks objects;" : "",
                habits.rules == RSW_FAILED ? " its lifecycle" : "");
    }
    rsw_say(out, RSW_HEALTH_OK, NULL, "%s",
            doctor->storage->flat ? "the bucket does nothing by itself that is in the way of a sweep"
                                  : "it is no object store");
}
