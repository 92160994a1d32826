#include "sim_clients.h"

#include <stdio.h>
#include <string.h>

static const int images[] = {SIM_IMAGE_1, SIM_IMAGE_1, SIM_IMAGE_2,  SIM_IMAGE_2,  SIM_IMAGE_3,
                             SIM_INDEX,   SIM_INDEX,   SIM_REFERRER, SIM_SIGNATURE};

void sim_clients_init(struct sim_clients *clients, struct sim *sim) {
    static const unsigned weights[] = {1, 2, 4, 16};
    memset(clients, 0, sizeof *clients);
    clients->sim = sim;
    clients->ledger.registry = &sim->registry;
    for (int i = 0; i < SIM_CLIENTS; i++) {
        clients->busy_weight[i] = weights[sim_below(sim, 4)];
    }
    clients->slow = 12;
    clients->second_from = sim_one_in(sim, 3) ? sim_below(sim, 3000) : 0;
    clients->deletes_layers = sim_one_in(sim, 3);
}

/* ---- requests ---- */

static void begin(struct sim_clients *clients, struct sim_client *client, enum sim_request_kind kind,
                  int repo, int blob, int tag) {
    struct sim *sim = clients->sim;
    memset(&client->request, 0, sizeof client->request);
    client->request.kind = kind;
    client->request.replica = (int)sim_below(sim, (unsigned)sim->registry.replica_count);
    client->request.repo = repo;
    client->request.from = repo == 0 ? 1 : 0;
    client->request.blob = blob;
    client->request.tag = tag;
    snprintf(client->request.useragent, sizeof client->request.useragent, "client/%d",
             (int)(client - clients->clients));
    client->busy = true;
    client->began = sim->steps;
    if (kind == SIM_DELETE_LAYER || kind == SIM_DELETE_MANIFEST || kind == SIM_DELETE_TAG) {
        sim_ledger_delete_begins(&clients->ledger, &client->request, sim->steps);
        clients->deletes++;
    }
    sim_request_begin(&sim->registry, &client->request);
    client->slow = sim_one_in(sim, kind == SIM_PUT_MANIFEST ? clients->slow : 12);
}

/* ---- pushing ---- */

static void plan(struct sim_client *client, int blob, int tag, bool again) {
    if (client->todo_count < SIM_TODO_MAX) {
        client->todo[client->todo_count++] = (struct sim_todo){blob, tag, again};
    }
    if (!sim_is_manifest(blob)) {
        return;
    }
    for (int i = SIM_BLOBS - 1; i >= 0; i--) { /* what it names comes before it, blobs before manifests */
        if ((sim_contents[blob].parts & SIM_BIT(i)) != 0) {
            plan(client, i, -1, again); /* an index names images, and they name no manifest */
        }
    }
}

static int tag_for(struct sim *sim, int image) {
    return image == SIM_SIGNATURE                        ? SIM_TAG_SIGNATURE
           : image == SIM_REFERRER || sim_one_in(sim, 4) ? -1
                                                         : (int)sim_below(sim, 2);
}

static void begin_push(struct sim_clients *clients, struct sim_client *client) {
    struct sim *sim = clients->sim;
    client->repo = sim->steps < clients->second_from ? 0 : (int)sim_below(sim, 2);
    client->image = images[sim_below(sim, sizeof images / sizeof *images)];
    client->tag = tag_for(sim, client->image);
    client->attempts = 0;
    client->todo_count = 0;
    plan(client, client->image, client->tag, false);
    clients->pushes++;
}

/* The next request of a push. A client that believes what it was once told asks for nothing. */
static void push_on(struct sim_clients *clients, struct sim_client *client) {
    struct sim *sim = clients->sim;
    struct sim_todo *todo = &client->todo[client->todo_count - 1];
    if (sim_is_manifest(todo->blob)) {
        bool looks = client->todo_count > 1 && !todo->looked && sim_one_in(sim, 2);
        begin(clients, client, looks ? SIM_GET_MANIFEST : SIM_PUT_MANIFEST, client->repo, todo->blob,
              looks ? -1 : todo->tag);
        return;
    }
    unsigned dice = sim_below(sim, 8);
    if (!todo->looked && dice == 0) {
        client->todo_count--;
    } else if (!todo->looked && dice < 5) {
        begin(clients, client, SIM_HEAD_BLOB, client->repo, todo->blob, -1);
    } else {
        bool mounts = sim_one_in(sim, 3) && client->attempts < 2;
        begin(clients, client, mounts ? SIM_MOUNT : SIM_UPLOAD, client->repo, todo->blob, -1);
    }
}

static void push_again(struct sim_clients *clients, struct sim_client *client) {
    client->todo_count = 0;
    if (++client->attempts == SIM_ATTEMPTS) {
        clients->pushes_failed++;
        sim_trace(clients->sim, "a push of %s is given up", sim_contents[client->image].name);
        return;
    }
    plan(client, client->image, client->tag, true);
}

static void push_answered(struct sim_clients *clients, struct sim_client *client) {
    if (client->todo_count == 0) {
        return;
    }
    struct sim_todo *todo = &client->todo[client->todo_count - 1];
    int status = client->request.status;
    if (status == 200 || status == 201) {
        client->todo_count--;
    } else if (status == 404 || status == 202) {
        todo->looked = true;
    } else {
        push_again(clients, client);
    }
}

/* ---- scripts ---- */

static void begin_something(struct sim_clients *clients, struct sim_client *client) {
    struct sim *sim = clients->sim;
    unsigned dice = sim_below(sim, 16);
    int repo = (int)sim_below(sim, 2);
    int image = images[sim_below(sim, sizeof images / sizeof *images)];
    int tag = (int)sim_below(sim, 3);
    if (dice < 7) {
        begin_push(clients, client);
    } else if (dice < 9) {
        clients->pulls++;
        begin(clients, client, SIM_GET_MANIFEST, repo, image, sim_one_in(sim, 2) ? tag : -1);
    } else if (dice < 10) {
        begin(clients, client, SIM_HEAD_BLOB, repo, (int)sim_below(sim, SIM_FENCE_LAYER), -1);
    } else if (dice < 14) {
        begin(clients, client, SIM_DELETE_MANIFEST, repo, image, -1);
    } else if (dice == 14 && clients->deletes_layers) {
        begin(clients, client, SIM_DELETE_LAYER, repo, (int)sim_below(sim, SIM_FENCE_LAYER), -1);
    } else if (sim->registry.v3) {
        begin(clients, client, SIM_DELETE_TAG, repo, -1, tag);
    }
}

static void answered(struct sim_clients *clients, struct sim_client *client) {
    struct sim *sim = clients->sim;
    const struct sim_request *request = &client->request;
    client->busy = false;
    if (request->kind == SIM_DELETE_LAYER || request->kind == SIM_DELETE_MANIFEST ||
        request->kind == SIM_DELETE_TAG) {
        sim_ledger_delete_ends(&clients->ledger, request, sim->steps);
    } else if (request->kind == SIM_PUT_MANIFEST && request->status == 201) {
        sim_ledger_put(&clients->ledger, request, client->began);
    }
    push_answered(clients, client);
    if (sim_one_in(sim, 20)) {
        client->sleeps_until_ms =
            sim->registry.now_ms + (int64_t)sim_below(sim, (unsigned)(2 * sim->settle_ms));
    }
}

static struct sim_client *choose(struct sim_clients *clients) {
    unsigned sum = 0;
    for (int i = 0; i < SIM_CLIENTS; i++) {
        sum += clients->busy_weight[i];
    }
    unsigned dice = sim_below(clients->sim, sum);
    int at = 0;
    while (dice >= clients->busy_weight[at]) {
        dice -= clients->busy_weight[at++];
    }
    return &clients->clients[at];
}

void sim_clients_step(struct sim_clients *clients) {
    struct sim_client *client = choose(clients);
    struct sim *sim = clients->sim;
    /* One that sleeps in the middle of a request wakes before its time is up. */
    bool late = client->busy && sim_deadline(sim, &client->request) <= sim->registry.now_ms;
    if (client->sleeps_until_ms > sim->registry.now_ms && !late && !clients->resting) {
        return;
    }
    if (client->busy) {
        if (sim_request_step(&sim->registry, &client->request) != 0) {
            answered(clients, client);
        } else if (client->slow && sim_one_in(sim, 4)) {
            client->sleeps_until_ms =
                sim->registry.now_ms + (int64_t)sim_below(sim, (unsigned)sim->settle_ms);
        }
    } else if (client->todo_count > 0) {
        push_on(clients, client);
    } else if (!clients->resting) {
        begin_something(clients, client);
    }
}

bool sim_clients_idle(const struct sim_clients *clients) {
    for (int i = 0; i < SIM_CLIENTS; i++) {
        if (clients->clients[i].busy || clients->clients[i].todo_count > 0) {
            return false;
        }
    }
    return true;
}

static void delete_one(struct sim_clients *clients, enum sim_request_kind kind, int repo, int blob, int tag) {
    struct sim *sim = clients->sim;
    struct sim_client *client = &clients->clients[0];
    begin(clients, client, kind, repo, blob, tag);
    while (sim_request_step(&sim->registry, &client->request) == 0) {
    }
    client->busy = false;
    sim_ledger_delete_ends(&clients->ledger, &client->request, sim->steps);
}

void sim_clients_delete_all(struct sim_clients *clients) {
    for (int repo = 0; repo < SIM_FENCE_REPO; repo++) {
        for (int t = 0; t < SIM_TAG_FENCE; t++) {
            sim_registry_drop_tag(&clients->sim->registry, repo, t);
        }
        for (int i = SIM_IMAGE_1; i < SIM_FENCE_IMAGE; i++) {
            delete_one(clients, SIM_DELETE_MANIFEST, repo, i, -1);
        }
    }
}
