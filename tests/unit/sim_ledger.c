#include "sim_ledger.h"

#include <string.h>

static const struct sim_repo *repo_of(const struct sim_ledger *ledger, int repo) {
    return &ledger->registry->repos[repo];
}

static void withdraw(struct sim_ledger *ledger, int repo, int blob) {
    ledger->promises[repo][blob].on = false;
    for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
        if (sim_contents[i].subject == blob) {
            ledger->promises[repo][i].on = false; /* a referrer lives and dies with its subject */
        }
    }
}

void sim_ledger_delete_begins(struct sim_ledger *ledger, const struct sim_request *request, uint64_t step) {
    int repo = request->repo;
    if (request->kind == SIM_DELETE_TAG) {
        ledger->tags[repo][request->tag] = false;
        ledger->tag_deleted_at[repo][request->tag] = UINT64_MAX;
        if (request->tag == SIM_TAG_SIGNATURE) { /* without its tag it follows nobody */
            withdraw(ledger, repo, SIM_SIGNATURE);
        }
        return;
    }
    ledger->deleting[repo][request->blob]++;
    ledger->deleted_at[repo][request->blob] = step;
    for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
        if ((sim_contents[i].needs & SIM_BIT(request->blob)) != 0) {
            withdraw(ledger, repo, i);
        }
    }
}

void sim_ledger_delete_ends(struct sim_ledger *ledger, const struct sim_request *request, uint64_t step) {
    if (request->kind == SIM_DELETE_TAG) {
        ledger->tag_deleted_at[request->repo][request->tag] = step;
        return;
    }
    ledger->deleting[request->repo][request->blob]--;
    ledger->deleted_at[request->repo][request->blob] = step;
    /* It removes tags that pointed there when it looked, whatever they say by now. */
    for (int t = 0; t < SIM_TAGS && request->kind == SIM_DELETE_MANIFEST; t++) {
        if (repo_of(ledger, request->repo)->written[t] == -1) {
            ledger->tags[request->repo][t] = false;
        }
    }
}

void sim_ledger_forget(struct sim_ledger *ledger, int repo, int blob, uint32_t tags, uint64_t step) {
    withdraw(ledger, repo, blob);
    ledger->deleted_at[repo][blob] = step;
    for (int t = 0; t < SIM_TAGS; t++) {
        if ((tags & SIM_BIT(t)) == 0) {
            continue;
        }
        if (repo_of(ledger, repo)->written[t] == blob) {
            ledger->tags[repo][t] = false;
            ledger->tag_deleted_at[repo][t] = step;
        } /* else the event of a PUT that still writes it was quicker */
        ledger->forgotten_at[repo][t] = step;
        ledger->forgotten[repo][t] = blob;
    }
}

static bool was_deleted(const struct sim_ledger *ledger, int repo, uint32_t needs, uint64_t since) {
    for (int i = 0; i < SIM_BLOBS; i++) {
        if ((needs & SIM_BIT(i)) != 0 &&
            (ledger->deleting[repo][i] > 0 || ledger->deleted_at[repo][i] >= since)) {
            return true;
        }
    }
    return false;
}

/* Parts that are missing because the registry itself removed them, not we. */
static bool is_broken_by_registry(const struct sim_ledger *ledger, int repo,
                                  const struct sim_content *content) {
    const struct sim_repo *of = repo_of(ledger, repo);
    return (content->needs_links & of->lost_links & ~of->links) != 0 ||
           (content->needs_revisions & (of->lost_revisions | sim_only_vouched(of)) & ~of->revisions) != 0;
}

void sim_ledger_put(struct sim_ledger *ledger, const struct sim_request *request, uint64_t began) {
    int repo = request->repo;
    const struct sim_content *content = &sim_contents[request->blob];
    if (request->tag >= 0 && ledger->forgotten_at[repo][request->tag] < began) {
        ledger->forgotten_at[repo][request->tag] = 0;
    }
    if (was_deleted(ledger, repo, content->needs, began) || is_broken_by_registry(ledger, repo, content) ||
        (content->subject >= 0 && !ledger->promises[repo][content->subject].on) ||
        (request->blob == SIM_SIGNATURE && ledger->tag_deleted_at[repo][SIM_TAG_SIGNATURE] >= began)) {
        return;
    }
    ledger->made++;
    ledger->promises[repo][request->blob] = (struct sim_promise){true, request->began_ms};
    if (request->tag >= 0 && repo_of(ledger, repo)->written[request->tag] == request->blob &&
        ledger->tag_deleted_at[repo][request->tag] < began) {
        ledger->tags[repo][request->tag] = true;
        ledger->tag_made_ms[repo][request->tag] = request->began_ms;
    }
}

/* ---- what is still promised ---- */

/* Manifests that a tag, or their youth, keeps, with their children; then what follows them. */
static uint32_t kept(const struct sim_ledger *ledger, int repo) {
    uint32_t kept = 0;
    for (int t = 0; t < SIM_TAGS; t++) {
        int head = repo_of(ledger, repo)->written[t];
        if ((ledger->policy && t == SIM_TAG_LET_GO) ||
            (ledger->forgotten_at[repo][t] != 0 && ledger->forgotten[repo][t] == head)) {
            continue;
        }
        kept |= head >= 0 && t != SIM_TAG_SIGNATURE ? sim_contents[head].needs_revisions : 0;
    }
    for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
        if (ledger->promises[repo][i].on &&
            ledger->registry->now_ms - ledger->promises[repo][i].made_ms < ledger->grace_ms) {
            kept |= sim_contents[i].needs_revisions;
        }
    }
    for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
        if (sim_contents[i].subject >= 0 && (kept & SIM_BIT(sim_contents[i].subject)) != 0) {
            kept |= SIM_BIT(i);
        }
    }
    return kept;
}

/* Itself, an index that names it, or what it follows. */
static bool is_let_go(const struct sim_ledger *ledger, int repo, int blob) {
    int subject = sim_contents[blob].subject;
    uint32_t let_go = 0;
    for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
        bool ever = (repo_of(ledger, repo)->ever[SIM_TAG_LET_GO] & SIM_BIT(i)) != 0;
        let_go |= ever ? sim_contents[i].needs_revisions : 0;
    }
    return ledger->policy &&
           ((let_go & SIM_BIT(blob)) != 0 || (subject >= 0 && (let_go & SIM_BIT(subject)) != 0));
}

/* True if it is not promised any more: no tag keeps it, and it is not young. */
static bool lapses(struct sim_ledger *ledger, int repo, int blob) {
    if ((!ledger->untagged_remove && !is_let_go(ledger, repo, blob)) ||
        (kept(ledger, repo) & SIM_BIT(blob)) != 0) {
        return false;
    }
    withdraw(ledger, repo, blob);
    return true;
}

static int lowest(uint32_t set) {
    return set == 0 ? -1 : __builtin_ctz(set);
}

static int part_broken(const struct sim_ledger *ledger, int repo, int blob, bool forever, const char **what) {
    const struct sim_registry *r = ledger->registry;
    const struct sim_repo *of = repo_of(ledger, repo);
    const struct sim_content *content = &sim_contents[blob];
    uint32_t bytes = content->needs & ~r->data;
    *what = "bytes";
    for (int i = 0; forever && i < SIM_BLOBS; i++) {
        bytes &= sim_has_copy(r, i) ? ~SIM_BIT(i) : UINT32_MAX;
    }
    if (bytes != 0 || forever) {
        return lowest(bytes);
    }
    uint32_t links = content->needs_links & ~(of->links | of->lost_links);
    uint32_t revisions = content->needs_revisions & ~(of->revisions | of->lost_revisions);
    *what = links != 0 ? "layer link" : "revision";
    return lowest(links != 0 ? links : revisions);
}

static bool tag_broken(struct sim_ledger *ledger, int repo, struct sim_breach *out) {
    const struct sim_repo *of = repo_of(ledger, repo);
    for (int t = 0; t < SIM_TAGS; t++) {
        int head = of->written[t];
        if (ledger->policy && t == SIM_TAG_LET_GO &&
            ledger->registry->now_ms - ledger->tag_made_ms[repo][t] >= ledger->grace_ms) {
            ledger->tags[repo][t] = false;
        }
        if (ledger->tags[repo][t] && head >= 0 && ledger->promises[repo][head].on && of->current[t] != head &&
            !lapses(ledger, repo, head)) {
            *out = (struct sim_breach){repo, head, head, "tag"};
            return true;
        }
    }
    return false;
}

bool sim_ledger_breach(struct sim_ledger *ledger, bool forever, struct sim_breach *out) {
    for (int repo = 0; repo < SIM_FENCE_REPO; repo++) {
        for (int i = SIM_IMAGE_1; i < SIM_BLOBS; i++) {
            const char *what;
            int part = ledger->promises[repo][i].on ? part_broken(ledger, repo, i, forever, &what) : -1;
            if (part >= 0 && !lapses(ledger, repo, i)) {
                *out = (struct sim_breach){repo, i, part, what};
                return true;
            }
        }
        if (!forever && tag_broken(ledger, repo, out)) {
            return true;
        }
    }
    return false;
}
