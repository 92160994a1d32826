/* regsweep inspect why: what keeps something, or which rule lets it go. */
#include "cli.h"
#include "in_use.h"

#include "gc/why.h"
#include "index/index.h"
#include "oci/reference.h"

#include <inttypes.h>
#include <string.h>

/* A step with its names looked up. */
struct step {
    enum rsw_why_step_kind kind;
    enum rsw_ref_kind ref_kind;
    struct rsw_digest digest;
    char repo[RSW_REPO_NAME_MAX + 1];
    char tag[RSW_TAG_NAME_MAX + 1];
    const char *pinned_by; /* borrowed from the pin; NULL: nobody is told */
};

static const char *kind_name(enum rsw_why_step_kind kind) {
    switch (kind) {
    case RSW_STEP_TAG:
        return "tag";
    case RSW_STEP_TAG_HISTORY:
        return "tag_history";
    case RSW_STEP_PIN:
        return "pin";
    case RSW_STEP_POLICY:
        return "policy";
    case RSW_STEP_UNTAGGED_KEPT:
        return "untagged_kept";
    case RSW_STEP_YOUNG_REVISION:
        return "young_revision";
    case RSW_STEP_UNREADABLE:
        return "unreadable";
    case RSW_STEP_ODD_REPOSITORY:
        return "odd_repository";
    case RSW_STEP_CHILD:
        return "child";
    case RSW_STEP_REFERRER:
        return "referrer";
    case RSW_STEP_WEAK_TAG:
        return "weak_tag";
    case RSW_STEP_SIGNATURE:
        return "signature";
    case RSW_STEP_YOUNG_LINK:
        return "young_link";
    case RSW_STEP_YOUNG_UPLOAD:
        return "young_upload";
    case RSW_STEP_BAD_LINK:
        return "bad_link";
    case RSW_STEP_ALIAS:
        return "alias";
    case RSW_STEP_YOUNG_BLOB:
        return "young_blob";
    }
    return "?";
}

static const char *ref_name(enum rsw_ref_kind kind) {
    switch (kind) {
    case RSW_REF_CONFIG:
        return "config";
    case RSW_REF_LAYER:
        return "layer";
    case RSW_REF_CHILD:
        return "manifest";
    case RSW_REF_SUBJECT:
        return "subject";
    case RSW_REF_UNKNOWN:
        return "digest";
    default:
        return "layer";
    }
}

static void print_pin(struct rsw_cli *cli, const struct step *step, const char *digest) {
    const char *by = step->pinned_by != NULL ? " by " : "";
    const char *who = step->pinned_by != NULL ? step->pinned_by : "";
    if (step->tag[0] != 0) {
        rsw_cli_line(cli, "  tag %s:%s points at %s, and is pinned%s%s", step->repo, step->tag, digest, by,
                     who);
    } else {
        rsw_cli_line(cli, "  %s is pinned%s%s", digest, by, who);
    }
}

static void print_step(struct rsw_cli *cli, const struct step *step) {
    char digest[RSW_DIGEST_TEXT_MAX];
    const char *repo = step->repo;
    rsw_digest_format(&step->digest, digest);
    switch (step->kind) {
    case RSW_STEP_TAG:
        rsw_cli_line(cli, "  tag %s:%s points at %s", repo, step->tag, digest);
        break;
    case RSW_STEP_TAG_HISTORY:
        rsw_cli_line(cli, "  tag %s:%s is not settled or cannot be read, and may point at %s", repo,
                     step->tag, digest);
        break;
    case RSW_STEP_PIN:
        print_pin(cli, step, digest);
        break;
    case RSW_STEP_POLICY:
        rsw_cli_line(cli, "  %s@%s is kept by the policy", repo, digest);
        break;
    case RSW_STEP_UNTAGGED_KEPT:
        rsw_cli_line(cli, "  %s@%s has no tag, and untagged revisions are kept", repo, digest);
        break;
    case RSW_STEP_YOUNG_REVISION:
        rsw_cli_line(cli, "  %s@%s was touched within the grace time", repo, digest);
        break;
    case RSW_STEP_UNREADABLE:
        rsw_cli_line(cli, "  %s@%s: a manifest of the repository cannot be read, so all of its links stay",
                     repo, digest);
        break;
    case RSW_STEP_ODD_REPOSITORY:
        rsw_cli_line(cli, "  %s@%s: the repository's name breaks the grammar, so all of it stays", repo,
                     digest);
        break;
    case RSW_STEP_CHILD:
        rsw_cli_line(cli, "  which names %s %s", ref_name(step->ref_kind), digest);
        break;
    case RSW_STEP_REFERRER:
        rsw_cli_line(cli, "  which is the subject of %s", digest);
        break;
    case RSW_STEP_WEAK_TAG:
        rsw_cli_line(cli, "  whose tag %s:%s points at %s", repo, step->tag, digest);
        break;
    case RSW_STEP_SIGNATURE:
        rsw_cli_line(cli, "  whose signature is %s", digest);
        break;
    case RSW_STEP_YOUNG_LINK:
        rsw_cli_line(cli, "  %s@%s: its layer link was touched within the grace time", repo, digest);
        break;
    case RSW_STEP_YOUNG_UPLOAD:
        rsw_cli_line(cli, "  %s@%s: an upload to the repository is under way", repo, digest);
        break;
    case RSW_STEP_BAD_LINK:
        rsw_cli_line(cli, "  %s@%s: its link cannot be read", repo, digest);
        break;
    case RSW_STEP_ALIAS:
        rsw_cli_line(cli, "  which is another name of %s", digest);
        break;
    case RSW_STEP_YOUNG_BLOB:
        rsw_cli_line(cli, "  %s is linked nowhere yet, but was first seen within the grace time", digest);
        break;
    }
}

static json_t *step_to_json(const struct step *step) {
    json_t *object = json_object();
    rsw_json_set(&object, "by", json_string(kind_name(step->kind)));
    rsw_json_set(&object, "digest", rsw_json_digest(&step->digest));
    if (step->repo[0] != 0) {
        rsw_json_set(&object, "repo", rsw_json_text(step->repo));
    }
    if (step->tag[0] != 0) {
        rsw_json_set(&object, "tag", rsw_json_text(step->tag));
    }
    if (step->kind == RSW_STEP_CHILD) {
        rsw_json_set(&object, "as", json_string(ref_name(step->ref_kind)));
    }
    if (step->pinned_by != NULL) {
        rsw_json_set(&object, "pinned_by", rsw_json_text(step->pinned_by));
    }
    return object;
}

/* ---- gathering ---- */

struct answer {
    struct rsw_reference asked; /* repository "": a digest, wherever it is */
    bool of_tag;
    bool repo_known;
    struct rsw_why_tag why_tag;
    struct rsw_why why; /* of the digest, or of what the tag points at */
    struct rsw_digest digest;
    struct step steps[RSW_WHY_STEPS_MAX];
};

static int parse(struct answer *answer, const char *text, struct rsw_error *err) {
    struct rsw_reference *asked = &answer->asked;
    if (rsw_digest_parse(&answer->digest, text, strlen(text))) {
        return 0;
    }
    if (rsw_reference_parse(asked, text, err) != 0) {
        return -1;
    }
    if (asked->tag[0] == 0 && !asked->has_digest) {
        return rsw_error_set(err, RSW_EINVAL, 0,
                             "'%s' names a repository; say NAME:TAG, NAME@DIGEST or DIGEST", text);
    }
    answer->of_tag = !asked->has_digest;
    answer->digest = asked->digest;
    return 0;
}

/* Answers for the tag, and says what it points at: RSW_FOUND; RSW_ABSENT: the index has no such tag. */
static int ask_tag(struct answer *answer, struct rsw_txn *txn, const struct rsw_mark_options *mark,
                   struct rsw_error *err) {
    const struct rsw_reference *tag = &answer->asked;
    struct rsw_blob blob;
    if (rsw_why_tag(&answer->why_tag, txn, mark, tag->repository, tag->tag, err) != 0) {
        return RSW_FAILED;
    }
    if (answer->why_tag.verdict == RSW_WHY_UNKNOWN) {
        return RSW_ABSENT;
    }
    if (rsw_blob_get(txn, answer->why_tag.head, &blob) != RSW_FOUND) {
        rsw_txn_failed(txn, err);
        return rsw_error_set(
            err, RSW_EINVAL, 0,
            "what tag %s:%s points at is not known, for its current link is missing or cannot be "
            "read; so all that it ever pointed at is kept: regsweep inspect repo %s shows it",
            tag->repository, tag->tag, tag->repository);
    }
    answer->digest = blob.digest;
    return RSW_FOUND;
}

static int name_steps(struct rsw_txn *txn, struct answer *answer, struct rsw_error *err) {
    for (size_t i = 0; i < answer->why.step_count; i++) {
        const struct rsw_why_step *from = &answer->why.steps[i];
        struct step *to = &answer->steps[i];
        struct rsw_repo repo;
        struct rsw_blob blob;
        to->kind = from->kind;
        to->ref_kind = from->ref_kind;
        to->pinned_by = from->pinned_by;
        memcpy(to->tag, from->tag, sizeof to->tag);
        if (rsw_blob_get(txn, from->blob, &blob) == RSW_FOUND) {
            to->digest = blob.digest;
        }
        if (from->repo != 0 && rsw_repo_get(txn, from->repo, &repo) == RSW_FOUND) {
            memcpy(to->repo, repo.name, sizeof to->repo);
        }
    }
    return rsw_txn_failed(txn, err) ? -1 : 0;
}

static int gather(struct rsw_cli *cli, const struct rsw_mark_options *mark, struct answer *answer,
                  struct rsw_error *err) {
    const char *name = answer->asked.repository;
    struct rsw_repo repo;
    RSW_AUTO_TXN txn = NULL;
    if (rsw_txn_begin_read(&txn, cli->index, err) != 0) {
        return -1;
    }
    answer->repo_known = name[0] != 0 && rsw_repo_find(txn, name, &repo) == RSW_FOUND;
    int found = answer->of_tag ? ask_tag(answer, txn, mark, err) : RSW_FOUND;
    if (found != RSW_FOUND) {
        answer->why.verdict = RSW_WHY_UNKNOWN;
        return found == RSW_ABSENT ? 0 : -1;
    }
    return rsw_why(&answer->why, txn, mark, name[0] != 0 ? name : NULL, &answer->digest, err) == 0
               ? name_steps(txn, answer, err)
               : -1;
}

/* ---- telling ---- */

static const char *verdict_name(enum rsw_why_verdict verdict) {
    switch (verdict) {
    case RSW_WHY_KEPT:
        return "kept";
    case RSW_WHY_LET_GO:
        return "let_go";
    case RSW_WHY_ABSENT:
        return "absent";
    case RSW_WHY_UNKNOWN:
        break;
    }
    return "unknown";
}

static void print_aside(struct rsw_cli *cli, const struct rsw_why *why) {
    if (why->aside_bytes != 0) {
        rsw_cli_line(cli, "  in quarantine of generation %" PRIu64, why->aside_bytes);
    }
    if (why->aside_links != 0 && why->aside_links != why->aside_bytes) {
        rsw_cli_line(cli, "  its link is in quarantine of generation %" PRIu64, why->aside_links);
    }
}

static void print_tag(struct rsw_cli *cli, const struct answer *answer) {
    const struct rsw_reference *tag = &answer->asked;
    if (answer->why_tag.verdict == RSW_WHY_LET_GO) {
        rsw_cli_line(cli, "%s:%s: let go: %s", tag->repository, tag->tag,
                     rsw_reason_name(answer->why_tag.reason));
    } else {
        rsw_cli_line(cli, "%s:%s: kept", tag->repository, tag->tag);
    }
}

/* Of neither is anything known: a tag is, though what it points at may never have been there. */
static bool is_unknown(const struct answer *answer) {
    return (answer->of_tag ? answer->why_tag.verdict : answer->why.verdict) == RSW_WHY_UNKNOWN;
}

/* There is nothing to tell of it: as of every name that the index does not know. */
static int fail_unknown(struct rsw_cli *cli, const struct answer *answer) {
    const struct rsw_reference *asked = &answer->asked;
    char digest[RSW_DIGEST_TEXT_MAX];
    if (asked->repository[0] != 0 && !answer->repo_known) {
        return rsw_cli_failf(cli, "the index does not know a repository %s", asked->repository);
    }
    if (answer->of_tag) {
        return rsw_cli_failf(cli, "the index does not know a tag %s:%s", asked->repository, asked->tag);
    }
    rsw_digest_format(&answer->digest, digest);
    return asked->repository[0] != 0
               ? rsw_cli_failf(cli, "the index has never seen %s in %s", digest, asked->repository)
               : rsw_cli_failf(cli, "the index does not know %s", digest);
}

static int print_text(struct rsw_cli *cli, const struct answer *answer) {
    const struct rsw_why *why = &answer->why;
    char digest[RSW_DIGEST_TEXT_MAX];
    char types[96];
    if (is_unknown(answer)) {
        return fail_unknown(cli, answer);
    }
    if (answer->of_tag) {
        print_tag(cli, answer);
    }
    rsw_digest_format(&answer->digest, digest);
    rsw_types_format(why->blob.types, types, sizeof types);
    switch (why->verdict) {
    case RSW_WHY_UNKNOWN:
        rsw_cli_line(cli, "%s: the index knows no such manifest in %s", digest, answer->asked.repository);
        break;
    case RSW_WHY_KEPT:
        rsw_cli_line(cli, "%s (%s): kept, because", digest, types);
        break;
    case RSW_WHY_LET_GO:
        rsw_cli_line(cli, "%s (%s): let go: %s", digest, types, rsw_reason_name(why->reason));
        break;
    case RSW_WHY_ABSENT:
        rsw_cli_line(cli, "%s (%s): storage does not have it%s", digest, types,
                     why->step_count > 0 ? ", though" : "");
        break;
    }
    for (size_t i = 0; i < why->step_count; i++) {
        print_step(cli, &answer->steps[i]);
    }
    print_aside(cli, why);
    if (why->also_repos > 0) {
        rsw_cli_line(cli, "  and %" PRIu32 " more %s it too", why->also_repos,
                     why->also_repos == 1 ? "repository keeps" : "repositories keep");
    }
    return RSW_EXIT_DONE;
}

static json_t *tag_to_json(const struct answer *answer) {
    const struct rsw_why_tag *why = &answer->why_tag;
    json_t *tag = json_object();
    rsw_json_set(&tag, "repo", rsw_json_text(answer->asked.repository));
    rsw_json_set(&tag, "tag", rsw_json_text(answer->asked.tag));
    rsw_json_set(&tag, "verdict", json_string(verdict_name(why->verdict)));
    rsw_json_set(&tag, "reason",
                 why->verdict == RSW_WHY_LET_GO ? json_string(rsw_reason_name(why->reason)) : json_null());
    return tag;
}

static json_t *to_json(const struct answer *answer) {
    const struct rsw_why *why = &answer->why;
    json_t *root = json_object();
    json_t *path = json_array();
    for (size_t i = 0; i < why->step_count; i++) {
        rsw_json_append(&path, step_to_json(&answer->steps[i]));
    }
    bool no_digest = answer->of_tag && answer->why_tag.verdict == RSW_WHY_UNKNOWN;
    rsw_json_set(&root, "tag", answer->of_tag ? tag_to_json(answer) : json_null());
    rsw_json_set(&root, "digest", no_digest ? json_null() : rsw_json_digest(&answer->digest));
    rsw_json_set(&root, "types", rsw_json_types(why->blob.types));
    rsw_json_set(&root, "verdict", json_string(verdict_name(why->verdict)));
    rsw_json_set(&root, "reason",
                 why->verdict == RSW_WHY_LET_GO ? json_string(rsw_reason_name(why->reason)) : json_null());
    rsw_json_set(&root, "path", path);
    rsw_json_set(&root, "also_repositories", rsw_json_number(why->also_repos));
    rsw_json_set(&root, "quarantine",
                 why->aside_bytes != 0 ? rsw_json_number(why->aside_bytes) : json_null());
    rsw_json_set(&root, "quarantine_of_link",
                 why->aside_links != 0 ? rsw_json_number(why->aside_links) : json_null());
    return root;
}

int rsw_inspect_why(struct rsw_cli *cli) {
    struct rsw_error err = RSW_ERROR_INIT;
    static struct answer answer; /* large, and there is one question a run */
    struct rsw_mark_options mark;
    memset(&answer, 0, sizeof answer);
    if (parse(&answer, cli->arguments[0], &err) != 0) {
        return rsw_cli_fail_usage(cli, &err);
    }
    if (rsw_cli_mark_options(cli, &mark, &err) != 0) {
        return rsw_cli_fail_options(cli, &err);
    }
    if (rsw_in_use_read(cli, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    mark.pins = cli->pins.items;
    mark.pin_count = cli->pins.count;
    if (gather(cli, &mark, &answer, &err) != 0) {
        return rsw_cli_fail(cli, &err);
    }
    if (!cli->options.json) {
        return print_text(cli, &answer);
    }
    int status = rsw_cli_json(cli, to_json(&answer));
    return is_unknown(&answer) ? RSW_EXIT_FAILED : status;
}
