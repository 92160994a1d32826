#!/usr/bin/env python3
"""Clients that push, mount, re-tag, delete and pull against a real registry while somebody sweeps beside them.

    soak.py --work DIR --regsweep PROGRAM [--seconds N] [--seed N] [--cache none|inmemory|redis] [--replicas N]
            [--sweeper none|stock|online] [--pause SECONDS] [--chaos serve,registry,sweep] [--feed double,delay,…]
            [--store FILE --bucket BUCKET/PREFIX]

At the end every image that was acknowledged, and not deleted since, is pulled whole. Prints one JSON object. Exit
status 0: nothing was broken, no push failed for good, and once all was deleted two generations left nothing.
What the clients choose depends on the seed alone; how their requests meet does not.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time

import soak_stack
from client import Client, Refused, digest_of
from soak_clients import REPOSITORIES, Counts, Reader, Worker, image_of
from soak_ledger import Ledger


class Soak:
    def __init__(self, args):
        self.args = args
        self.over = threading.Event()
        self.counts = Counts()
        self.ledger = Ledger(untagged_stay=args.sweeper != "online")
        source = random.Random(args.seed)
        self.shared = [source.randbytes(source.randrange(200, 9000)) for _ in range(10)]
        self.recipes = [image_of(source.sample(self.shared, 2) + [source.randbytes(800)], number) for number in range(12)]
        self.blobs, self.blobs_lock = {}, threading.Lock()
        self.some, self.seen = [], 0.0
        self.storage = soak_stack.Bucket(args.store, args.bucket) if args.store else \
            soak_stack.Directory(os.path.join(args.work, "registry"))
        self.index = os.path.join(args.work, "index")
        self.redis = self.serve = self.proxy = self.sweeper = None
        self.registries, self.chaos = [], []
        self.urls = []

    # ---- what clients know of each other ----

    def note_blob(self, repo, digest):
        with self.blobs_lock:
            self.blobs.setdefault(digest, set()).add(repo)

    def where_else(self, repo, digest, source):
        with self.blobs_lock:
            found = sorted(self.blobs.get(digest, set()) - {repo})
        return source.choice(found) if found else None

    def promised(self):
        """As it was at most half a second ago."""
        with self.blobs_lock:
            if time.monotonic() > self.seen + 0.5:
                self.some, self.seen = self.ledger.promised(), time.monotonic()
            return self.some

    def is_full(self):
        return len(self.promised()) > self.args.images

    def follows(self, repo, digest):
        return any(("m", repo, digest) in followers for followers in list(self.ledger.followers.values()))

    # ---- processes ----

    def start(self):
        args, chaos = self.args, set(filter(None, self.args.chaos.split(",")))
        events = None
        if args.cache == "redis":
            self.redis = soak_stack.Redis(args.work).start()
        if args.sweeper == "online":
            self.serve = soak_stack.Serve(args.work, args.regsweep, self.index, self.storage.url, [])
            events = f"http://127.0.0.1:{self.serve.port}/events"
            if args.feed:
                self.proxy = soak_stack.FeedProxy(args.work, events, args.feed, args.seed).start()
                events = self.proxy.url
        self.registries = [soak_stack.Registry(args.work, f"registry{number}", self.storage.driver, args.cache, self.redis,
                                               events) for number in range(args.replicas)]
        self.urls = [registry.url for registry in self.registries]
        for registry in self.registries:
            registry.write_config()
        if self.serve:
            self.serve.options = self.online_options()
            self.regsweep("scan", "--index", self.index, "--storage", self.storage.url, "--quiet")
            self.serve.start()
        for registry in self.registries:
            registry.start()
        self.sweeper = self.make_sweeper(chaos)
        victims = [self.serve] * ("serve" in chaos)
        self.chaos = [soak_stack.Chaos(args.seed, victims, 2, 8),
                      soak_stack.Chaos(args.seed + 1, self.registries * ("registry" in chaos), 5, 12)]

    def online_options(self):
        """What serve and sweep both need to reach the registry."""
        options = ["--registry-config", self.registries[0].config]
        for url in self.urls:
            options += ["--registry", url]
        if self.args.feed:
            options += ["--fence-timeout", "10s"]
        return options + ["--settle", "1s", "--quarantine", "1s"]

    def make_sweeper(self, chaos):
        args = self.args
        if args.sweeper == "stock":
            return soak_stack.Loop(args.work, "sweeper", ["docker-registry", "garbage-collect", self.registries[0].config], 1)
        if args.sweeper == "none":
            return None
        command = [args.regsweep, "sweep", "--index", self.index, "--storage", self.storage.url, "--confirm", "--wait", "--json",
                   "--untagged", "remove", "--max-delete", "100", "--grace", "2s", "--upload-max-age", "10s"] + self.online_options()
        source = random.Random(f"{args.seed}/sweeper")
        # Soon, or late: on a busy machine none would get to its end else.
        live = (lambda: source.choice((source.uniform(0.1, 2), source.uniform(0.1, 8), 20))) if "sweep" in chaos else (lambda: None)
        return soak_stack.Loop(args.work, "sweeper", command, 0.1, live)

    def stop(self):
        for one in [self.sweeper] if self.sweeper and self.sweeper.is_alive() else []:
            one.stop()
        for program in self.registries + [self.proxy, self.serve, self.redis]:
            if program:
                program.stop()

    def is_drained(self):
        return not self.serve or (all(registry.has_sent_all() for registry in self.registries) and
                                  (not self.proxy or self.proxy.has_sent_all()) and self.serve.has_asked_all())

    def drain(self):
        """What never drains is a fault, but no reason not to look at what became of the images."""
        try:
            soak_stack.wait_until("the feed to be drained", self.is_drained)
        except TimeoutError as error:
            self.counts.add("not drained", str(error))

    def regsweep(self, *command):
        loop = soak_stack.Loop(self.args.work, "regsweep", [self.args.regsweep, *command])
        return loop.once()

    def sweep_whole(self, times):
        """Whole generations, one after another, with nobody killing them. Statuses other than 0 are noted; but over a
        bad line the event of a fence can be the one that is lost, and then the sweep must refuse: it is run again."""
        for _ in range(times):
            self.sweeper.kill_after = lambda: None
            status = self.sweeper.once()
            for _ in range(10 if self.args.feed else 0):
                status = self.sweeper.once() if status == 3 else status
            if status != 0:
                self.counts.add("sweep failed at the end", f"exit status {status}: {self.sweeper.last_words()}")

    # ---- the run ----

    def run(self):
        workers = [Worker(self, number) for number in range(self.args.threads)]
        reader = Reader(self)
        threads = workers + [reader] + [chaos for chaos in self.chaos if chaos.programs]
        for thread in threads + [self.sweeper] * (self.sweeper is not None):
            thread.start()
        time.sleep(self.args.seconds)
        self.over.set()
        with open(os.path.join(self.args.work, "load-is-over"), "w", encoding="ascii"):
            pass  # whoever starts soaks may start another one: this one mostly waits from here on
        for chaos in self.chaos:
            if chaos.is_alive():
                chaos.stop()
        for thread in workers + [reader]:
            thread.join()
        if self.sweeper:
            self.sweeper.stop()
        self.drain()
        if self.args.sweeper == "online":
            self.sweep_whole(1)
            self.drain()
        result = self.outcome(workers, reader)
        if self.args.sweeper == "online":
            result["left"] = self.delete_all()
            result["not_drained"] = self.counts.get("not drained")
            result["sweeps"]["after_the_end"] = self.counts.notes.get("sweep failed at the end", [])
        return result

    def outcome(self, workers, reader):
        promised = self.ledger.promised()
        broken = self.check(promised)
        args, counts = self.args, self.counts
        return {
            "variant": {name: getattr(args, name) for name in ("cache", "replicas", "sweeper", "chaos", "feed")},
            "seed": args.seed, "seconds": args.seconds, "threads": args.threads,
            "pushed": counts.get("pushed"), "deleted": counts.get("deleted"), "live": len({(repo, digest) for repo, _, digest in promised}),
            "broken": len(broken), "broken_images": broken[:20], "torn": counts.get("torn"),
            "failed_for_good": counts.get("failed for good"), "failures": counts.notes.get("failed for good", []),
            "retries": counts.below("retry: "), "did": counts.below("did: "), "reader": reader.result(),
            "unreadable": counts.notes.get("unreadable", []),
            "faults": [repr(worker.error) for worker in workers if worker.error],
            "kills": {"serve": self.serve.kills if self.serve else 0,
                      "registry": sum(registry.kills for registry in self.registries),
                      "sweep": self.sweeper.kills if self.sweeper else 0},
            "sweeps": self.swept(), "feed": self.proxy.counts() if self.proxy else {}}

    def swept(self):
        """Exit statuses, and what the runs that ended well say they let go and removed: of what an earlier one that was
        refused half way had let go, only the latter."""
        if not self.sweeper:
            return {}
        totals = {}
        if self.args.sweeper == "online":
            for said in map(json.loads, self.sweeper.outputs):
                for name, number in (said["totals"] | {"removed": said["done"]["removed"]}).items():
                    totals[name] = totals.get(name, 0) + number
        return {"statuses": {str(status): number for status, number in sorted(self.sweeper.statuses.items())},
                "totals": totals, "said": self.sweeper.last_words() if set(self.sweeper.statuses) - {0} else ""}

    def check(self, promised):
        """Pulls everything whole, through every replica. What is broken, with what is missing and where it is."""
        broken, reported, read = [], set(), {}
        clients = [Client(url) for url in self.urls]
        for repo, reference, digest in promised:
            if (repo, digest) in reported:
                continue
            for client in clients:
                try:  # what was read whole in this repository need not be read again
                    found = client.pull(repo, reference, read.setdefault((client, repo), set()))
                    said = None if found == digest else f"it is {found}"
                except Refused as error:
                    said = str(error)
                    del read[client, repo]
                if not said:
                    continue
                if self.args.chaos and self.is_torn(said):
                    self.counts.add("torn")  # by the registry, when it was killed while it wrote
                else:
                    reported.add((repo, digest))
                    broken.append({"image": f"{repo}:{reference}", "digest": digest, "said": said,
                                   "missing": self.missing(repo, self.ledger.images[repo, digest])})
                break
        return broken

    def is_torn(self, said):
        """A killed registry leaves links and manifests of no bytes, for it writes them in place."""
        return "registry" in self.args.chaos and ("invalid checksum digest" in said or "unexpected end of JSON" in said)

    def data_path(self, digest):
        algorithm, name = digest.split(":")
        return f"docker/registry/v2/blobs/{algorithm}/{name[:2]}/{name}/data"

    def missing(self, repo, pushed):
        """Files that an image needs and storage has not, or has in quarantine."""
        wanted, found = [], []
        for digest, kind in [(pushed.digest, "_manifests/revisions")] + [(digest_of(data), "_layers")
                                                                          for data in pushed.blobs]:
            wanted.append(f"docker/registry/v2/repositories/{repo}/{kind}/{digest.replace(':', '/')}/link")
            wanted.append(self.data_path(digest))
        held = list(self.storage.keys("regsweep/quarantine"))
        for key in wanted:
            if not self.storage.has(key):
                kept = sorted(copy.split("/")[2] for copy in held if copy.endswith("/" + key))
                found.append(f"{key} ({'quarantine of ' + ', '.join(kept) if kept else 'nowhere'})")
        for child in pushed.children:
            found += self.missing(repo, child)
        return found

    # ---- once all is deleted ----

    def delete_all(self):
        """Deletes everything by API; two generations later only the fence's object may be left. What is left besides."""
        worker = Worker(self, "last")
        for repo in REPOSITORIES:
            for digest in sorted(set(self.ledger.manifests(repo)) | self.revisions(repo)):
                worker.delete_manifest(repo, digest)
            self.delete_dangling_tags(repo)
        time.sleep(2.1)  # grace
        self.drain()
        self.sweep_whole(2)
        if self.args.cache != "none":
            # Bytes that a cache may take for pushed are held until nobody can remember them.
            for registry in self.registries:
                registry.stop()
                registry.start()
            self.regsweep("scan", "--index", self.index, "--storage", self.storage.url, "--quiet")
            self.sweep_whole(1)
        return self.left()

    def revisions(self, repo):
        """Also those whose PUT a registry was killed over, which nobody was told of."""
        folder = f"docker/registry/v2/repositories/{repo}/_manifests/revisions"
        return {":".join(key.split("/")[-3:-1]) for key in self.storage.keys(folder) if key.endswith("/link") and "/signatures/" not in key}

    def delete_dangling_tags(self, repo):
        """2.8 deletes no tag by name: what a deletion that overlapped a push left gets an image first, which goes with
        it."""
        client = Client(self.urls[0])
        for tag in client.tags(repo):
            pushed = self.recipes[0]
            for data in pushed.blobs:
                client.push_blob(repo, data)
            client.put_manifest(repo, tag, pushed.data, pushed.media_type)
            client.delete_manifest(repo, pushed.digest)

    def left(self):
        own = set()
        fence = Client(self.urls[0])
        for tag in fence.tags("regsweep/fence"):
            data, _ = fence.manifest("regsweep/fence", tag)
            manifest = json.loads(data)
            own |= {digest_of(data), manifest["config"]["digest"]} | {layer["digest"] for layer in manifest["layers"]}
        kept = {self.data_path(digest) for digest in own}
        left = []
        for top in ("docker/registry/v2/blobs", "docker/registry/v2/repositories", "regsweep/quarantine"):
            left += [key for key in self.storage.keys(top) if key not in kept and not key.endswith("quarantine/README") and
                     not key.startswith("docker/registry/v2/repositories/regsweep/fence/")]
        catalog = [repo for repo in fence.catalog() if repo != "regsweep/fence"]
        left.sort(key=lambda key: (key.endswith(("/data", "/link")), key))  # what keeps the others first
        return {"files": len(left), "first": left[:20], "repositories": catalog}


def verdict(result):
    """What is wrong, in words."""
    wrong = []
    for name, words in (("broken", "images broken"), ("failed_for_good", "requests failed for good")):
        if result[name]:
            wrong.append(f"{result[name]} {words}")
    if result["faults"]:
        wrong.append("the soak itself failed")
    if result["variant"]["sweeper"] == "online":
        if result["not_drained"]:
            wrong.append("the feed was never drained")
        if result["left"]["files"] or result["left"]["repositories"]:
            wrong.append(f"{result['left']['files']} files left once all was deleted")
        if not result["sweeps"]["totals"].get("removed"):
            wrong.append("nothing was swept")
        if result["sweeps"]["after_the_end"]:
            wrong.append("a sweep with nobody beside it failed")
        fine = {"0", "3"} if result["variant"]["feed"] else {"0"}  # a fence that is late is a reason to refuse
        if not result["variant"]["chaos"] and set(result["sweeps"]["statuses"]) - fine:
            wrong.append("a sweep failed")
    return wrong


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="an empty directory")
    parser.add_argument("--regsweep", default="regsweep")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=6)
    parser.add_argument("--pause", type=float, default=0, help="seconds between two things that a client does")
    parser.add_argument("--images", type=int, default=400, help="about as many stay")
    parser.add_argument("--cache", choices=("none", "inmemory", "redis"), default="none")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--sweeper", choices=("none", "stock", "online"), default="online")
    parser.add_argument("--chaos", default="", help="of serve, registry, sweep; what is killed at random")
    parser.add_argument("--store", help="S3: the file that ceph.sh describes it in")
    parser.add_argument("--bucket", default="registry/soak", help="with --store: bucket and prefix")
    parser.add_argument("--feed", default="", help="what becomes of events on their way; see feed_proxy.py")
    return parser.parse_args()


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("soak: ended by a signal"))
    soak = Soak(args)
    try:
        soak.start()
        result = soak.run()
    finally:
        soak.over.set()
        soak.stop()
    result["wrong"] = verdict(result)
    print(json.dumps(result, indent=1))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
