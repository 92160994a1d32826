"""regsweep on S3 beside the registry's own collector, as a section of bench/RESULTS.md: `./dev bench --only s3` runs it.

A real Ceph gateway (tests/e2e/ceph.sh) has one bucket; the files of a tree that make_tree wrote are its keys. Requests are
counted by the gateway: each is a line of its log, with who made it.
"""

import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(TOP, "tests", "e2e"))  # behind this folder, which has a soak.py too
import soak_stack  # noqa: E402

TITLE = "## S3: beside the registry's own collector, in one bucket"
CEPH = os.path.join(TOP, "tests", "e2e", "ceph.sh")
BUCKET, WITH_VERSIONS = "registry", "versions"
V2 = "docker/registry/v2"
KINDS = ("LIST", "GET", "HEAD", "PUT", "DeleteObjects", "other")
REQUEST = re.compile(r'beast: [^"]*"(\w+) (\S+) HTTP/[\d.]+" \d+ (\S+) \S+ "([^"]*)"')
SCANS, DRY_RUNS = 3, 10


def kind_of(method, target):
    path, _, query = target.partition("?")
    if method == "GET" and path.strip("/") in (BUCKET, WITH_VERSIONS):
        return "LIST" if "prefix=" in query else "other"
    if method == "POST":
        return "DeleteObjects" if query.startswith("delete") else "other"
    return method if method in KINDS else "other"


class Requests:
    """What the gateway was asked: by regsweep, or by the registry and its collector; and how often by the other."""

    def __init__(self, of_regsweep):
        self.of_regsweep = of_regsweep
        self.kinds, self.others = collections.Counter(), 0
        self.heads = self.scans = 0  # of tags; a scan begins with a look at what is no key: both are GETs
        self.pages = 0  # of lists, for keys that are wanted: they begin just before one
        self.sample = 0  # looks at blobs in their place, by the guards: one byte is asked for

    def add(self, line):
        found = REQUEST.search(line)
        if not found:
            return
        method, target, sent, agent = found.groups()
        if agent.startswith("curl/"):
            return  # our own
        if agent.startswith("regsweep/") == self.of_regsweep:
            self.kinds[kind_of(method, target)] += 1
            self.heads += method == "GET" and target.endswith("/current/link")
            self.scans += method == "GET" and target.endswith("/" + V2)
            self.sample += method == "GET" and sent == "1" and f"/{V2}/blobs/" in target and "/quarantine/" not in target
            self.pages += method == "GET" and bool(re.search("list-type=2.*start-after=.*(lin|dat|versio)$|key-marker=.*versions=", target))
        else:
            self.others += 1

    @property
    def all(self):
        return sum(self.kinds.values())


def digests_in_links(tree):
    """Hex, without what is before the colon."""
    found = set()
    for folder, _, files in os.walk(tree):
        for name in files:
            if name == "link":
                with open(os.path.join(folder, name), encoding="ascii") as file:
                    found.add(file.read().partition(":")[2])
    return found


class Store:
    """The gateway, and its bucket."""

    def __init__(self, work, nodelay):
        self.folder = os.path.join(work, "ceph")
        self.nodelay = nodelay

    def __enter__(self):
        subprocess.run([CEPH, "up", self.folder], check=True, env=dict(os.environ, CEPH_NODELAY=str(self.nodelay)))
        for bucket in (BUCKET, WITH_VERSIONS):
            subprocess.run([CEPH, "bucket", self.folder, bucket], check=True)
        with open(os.path.join(self.folder, "env"), encoding="ascii") as file:
            self.env = dict(line.strip().split("=", 1) for line in file)
        self.curl('data = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"', "request = PUT",
                  f'url = "{self.env["S3_ENDPOINT"]}/{WITH_VERSIONS}?versioning="')
        self.log = os.path.join(self.folder, "log", "client.rgw.log")
        return self

    def __exit__(self, *_):
        subprocess.run([CEPH, "down", self.folder], check=True)

    def curl(self, *words):
        words = ("no-progress-meter", "fail", "parallel", "parallel-max = 32", 'aws-sigv4 = "aws:amz:us-east-1:s3"',
                 f'user = "{self.env["S3_ACCESS"]}:{self.env["S3_SECRET"]}"', 'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"',
                 'header = "Content-Type: application/octet-stream"', *words)
        subprocess.run(["curl", "-K", "-"], input="\n".join(words).encode(), check=True, stdout=subprocess.DEVNULL,
                       env=soak_stack.environment())

    def place(self, prefix, bucket=BUCKET):
        place = soak_stack.Bucket(os.path.join(self.folder, "env"), f"{bucket}/{prefix}")
        soak_stack.further_environment.update(AWS_ACCESS_KEY_ID=self.env["S3_ACCESS"],  # who may do all
                                              AWS_SECRET_ACCESS_KEY=self.env["S3_SECRET"])
        return place

    def fill(self, place, tree, rename=lambda key: key):
        """The files of a folder become keys, but for blobs that nobody links."""
        linked = digests_in_links(tree)
        words = []
        for folder, _, files in os.walk(tree):
            for name in files:
                path = os.path.join(folder, name)
                if name == "data" and os.path.basename(folder) not in linked:
                    continue
                key = rename(os.path.relpath(path, tree))
                words += [f'upload-file = "{path}"', f'url = "{self.env["S3_ENDPOINT"]}/{place.bucket}/{place.prefix}/{key}"']
        self.curl(*words)

    def since(self, at, requests):
        """What was asked since the log was so long."""
        while time.time() - os.stat(self.log).st_mtime < 0.5:  # it is written from time to time
            time.sleep(0.1)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(at)
            for line in log:
                requests.add(line)
        return requests

    def now(self):
        self.since(0, Requests(True))
        return os.path.getsize(self.log)


class Row:
    """Runs of one program: seconds of each, and the requests of one."""

    def __init__(self, name):
        self.name, self.seconds, self.requests, self.said = name, [], None, b""

    @property
    def median(self):
        return statistics.median(self.seconds)

    def text(self):
        kinds = [f"{self.requests.kinds[kind]:,}" for kind in KINDS]
        return f"| {self.name} | {len(self.seconds)} | {seconds(self.median)} | {' | '.join(kinds)} | **{self.requests.all:,}** |"


def seconds(value):
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=soak_stack.environment()).stdout


class Bench:
    """`shrink`: everything is so many times smaller than it should be."""

    def __init__(self, program, make_tree, store, work, seed, shrink):
        self.program, self.make_tree, self.store, self.work = program, make_tree, store, work
        self.seed, self.shrink = 1000 * seed, shrink
        self.rows = []

    def tree(self, name, pushes, repositories, garbage):
        """A folder, and what make_tree says of it; each name has another seed, so that trees share nothing."""
        root = os.path.join(self.work, name)
        os.mkdir(root)
        self.seed += 1
        return root, json.loads(run([self.make_tree, root, "--seed", str(self.seed), "--pushes", str(pushes), "--repositories",
                                     str(repositories), "--garbage", str(garbage)]))

    def timed(self, name, command, times=1, before=lambda: None, of_regsweep=True):
        row = Row(name)
        for _ in range(times):
            before()
            at = self.store.now()
            start = time.perf_counter()
            row.said = run(command)
            row.seconds.append(time.perf_counter() - start)
            row.requests = self.store.since(at, Requests(of_regsweep))
        self.rows.append(row)
        return row

    def index(self, name):
        return os.path.join(self.work, "index-" + name)

    def regsweep(self, command, place, *options):
        return [self.program, command, "--quiet", "--index", self.index(place.prefix), "--storage", place.url, *options]

    def stock(self, place, *options):
        registry = soak_stack.Registry(self.work, "stock-" + place.prefix, place.driver)
        registry.write_config()
        return ["docker-registry", "garbage-collect", *options, registry.config]


# ---- one tree: scan, dry run, confirmed sweep, each beside what the stock collector does ----


def named_by_stock(said):
    return {line.rsplit(" ", 1)[1] for line in said.decode().splitlines() if line.startswith("blob eligible for deletion: ")}


def blobs_of(place):
    return {key for key in place.keys(f"{V2}/blobs/")}


def compare(bench, ours, theirs, kept):
    """Offline, of places that have the same keys; `kept` is in a bucket that keeps versions."""
    def forget():
        shutil.rmtree(bench.index(ours.prefix), ignore_errors=True)

    sweep = bench.regsweep("sweep", ours, "--offline", "--grace", "0", "--max-delete", "100")
    scan = bench.timed("`regsweep scan`, a first one", bench.regsweep("scan", ours), SCANS, forget)
    bench.timed("`regsweep scan`, a later one", bench.regsweep("scan", ours), SCANS)
    dry = bench.timed("dry run: `regsweep sweep --offline`", sweep, DRY_RUNS)
    stock_dry = bench.timed("dry run: `docker-registry garbage-collect -d`", bench.stock(ours, "-d"), of_regsweep=False)
    condemned = json.loads(run(sweep + ["--json"]))["condemned"]
    if named_by_stock(stock_dry.said) != {blob["digest"] for blob in condemned["blobs"]}:
        sys.exit("the two do not name the same blobs")
    offline = bench.timed("`regsweep sweep --offline --confirm`, with its scan", sweep + ["--confirm", "--json"])
    run(bench.regsweep("scan", kept))
    versions = bench.timed("the same, where the bucket keeps versions", bench.regsweep(
        "sweep", kept, "--offline", "--grace", "0", "--max-delete", "100", "--confirm"))
    stock = bench.timed("`docker-registry garbage-collect`", bench.stock(theirs), of_regsweep=False)
    for left, right in ((blobs_of(ours), blobs_of(theirs)), (blobs_of(kept), blobs_of(theirs))):
        if left != right:
            sys.exit(f"the two do not leave the same blobs: {sorted(left ^ right)[:5]} …")
    return {"scan": scan, "dry": dry, "stock_dry": stock_dry, "offline": offline, "versions": versions, "stock": stock,
            "condemned": condemned}


def verdicts(found):
    removed = {name: len(items) for name, items in found["condemned"].items()}
    objects = ", ".join(f"{count:,} {name}" for name, count in removed.items() if count)
    kinds, stock = found["offline"].requests.kinds, found["stock"].requests
    return ["", f"- **The dry run makes {found['dry'].requests.all} requests and is "
                f"{found['stock_dry'].median / found['dry'].median:,.0f} times faster** (goal: 0, and 1,000). Both name the same blobs.",
            f"- **The scan is {found['stock_dry'].median / found['scan'].median:,.0f} times faster than the stock dry run** (goal: 20).",
            f"- The confirmed sweep removes {objects}, by **{kinds['DeleteObjects']} DeleteObjects** (goal: one for a thousand deletions "
            f"and kind of object), where the stock collector makes {stock.kinds['DeleteObjects']:,}; the rest is the scan. It is "
            f"{found['stock'].median / found['offline'].median:,.0f} times faster. Both leave the same blobs.",
            f"- Where the bucket keeps versions all of each object go: by {found['versions'].requests.pages} pages of a list of versions, and "
            f"**{found['versions'].requests.kinds['DeleteObjects']} DeleteObjects**.", ""]


# ---- the same garbage beside more and more that stays: an online sweep ----


class Online:
    """A registry over a place, with serve."""

    def __init__(self, bench, place):
        self.bench, self.place = bench, place
        options = ["--settle", "1s", "--quarantine", "1s", "--lease", "0"]  # which is renewed by time
        self.serve = soak_stack.Serve(bench.work, bench.program, bench.index(place.prefix), place.url, options)
        self.registry = soak_stack.Registry(bench.work, "registry-" + place.prefix, place.driver,
                                            events=f"http://127.0.0.1:{self.serve.port}/events")
        self.registry.write_config()
        self.online = options + ["--registry-config", self.registry.config, "--registry", self.registry.url]
        self.serve.options = self.online

    def sweep(self):
        """The row, and how many objects went."""
        run(self.bench.regsweep("scan", self.place))
        self.serve.start()
        self.registry.start()
        try:
            time.sleep(1.1)  # grace
            row = self.bench.timed(self.place.prefix, self.bench.regsweep(
                "sweep", self.place, "--confirm", "--wait", "--grace", "1s", "--max-delete", "100", "--json", *self.online))
        finally:
            self.registry.stop()
            self.serve.stop()
        self.bench.rows.remove(row)
        return row


def below(name):
    return lambda key: key.replace(f"{V2}/repositories/", f"{V2}/repositories/{name}/")


def in_other_tags(key):
    return key.replace("/_manifests/tags/", "/_manifests/tags/kept-")


def measure_online(bench):
    garbage, told = bench.tree("garbage", 120 // bench.shrink, 4, 40)
    few, few_told = bench.tree("few", 120 // bench.shrink, 4, 0)
    many, many_told = bench.tree("many", 600 // bench.shrink, 4, 0)
    lines = [f"The same garbage ({told['deleted']:,} of {told['images'] + told['indexes']:,} manifests were deleted) beside more and more that "
             "stays, swept with the registry running. Settle, quarantine and grace are 1 s each, and part of the seconds; there is no "
             "lease, which is renewed by time.", "",
             "| what stays besides | seconds | objects taken | scans | LIST | LIST for wanted keys | GET of heads of tags | GET of a sample | "
             "other GET | PUT | DeleteObjects | other | by the registry |", "|---" * 13 + "|"]
    sums = []
    for name, where, kept, of, rename in (("few", "in other repositories", few, few_told, below("kept")),
                                          ("many", "in other repositories", many, many_told, below("kept")),
                                          ("among", "in the very repositories that lose something", many, many_told, in_other_tags)):
        place = bench.store.place("online-" + name)
        bench.store.fill(place, garbage)
        bench.store.fill(place, kept, rename)
        row = Online(bench, place).sweep()
        asked, taken = row.requests, json.loads(row.said)["done"]["removed"]
        kinds = asked.kinds
        reads = kinds["GET"] - asked.heads - asked.scans - asked.sample
        sums.append((asked.pages + asked.heads + reads + kinds["PUT"] + kinds["DeleteObjects"], taken))
        lines.append(f"| {of['images'] + of['indexes']:,} manifests, {of['links']:,} links, {where} | {seconds(row.median)} | {taken:,} | "
                     f"{asked.scans} | {kinds['LIST'] - asked.pages:,} | **{asked.pages:,}** | **{asked.heads:,}** | {asked.sample} | **{reads:,}** | "
                     f"**{kinds['PUT']:,}** | **{kinds['DeleteObjects']:,}** | {kinds['HEAD'] + kinds['other']:,} | {asked.others:,} |")
    return lines + ["", "- Other lists are those of the scans, and of repositories that are to lose something. They tell what tags point at, by "
                    "ETags; the heads that are read are those under which something was that goes. The guards look at a sample of up to 256 blobs.",
                    "- **" + ", ".join(f"{asked / taken:.1f}" for asked, taken in sums) + " other requests for each object taken** (goal: what "
                    "stays adds none).", ""]


def measure_offline(bench):
    root, tree = bench.tree("tree", 290 // bench.shrink, 12, 15)
    ours, theirs = bench.store.place("ours"), bench.store.place("theirs")
    kept = bench.store.place("kept", WITH_VERSIONS)
    for place in (ours, theirs, kept):
        bench.store.fill(place, root)
    found = compare(bench, ours, theirs, kept)
    return [f"{tree['images'] + tree['indexes']:,} manifests ({tree['deleted']:,} of them deleted through the API), {tree['blobs']:,} blobs, "
            f"{tree['repositories']} repositories, {tree['links']:,} links, {tree['tags']:,} tags.", "",
            "| program | runs | seconds | " + " | ".join(KINDS) + " | requests |", "|---" * (4 + len(KINDS)) + "|",
            *(row.text() for row in bench.rows), *verdicts(found)]


def measure(program, make_tree, shrink, seed, work, described, write):
    """`write` is called with the lines so far after each part."""
    ceph = run(["ceph", "--version"]).decode().split("(")[0].strip()
    lines = [TITLE, "", *described, f"- Store: object gateway of {ceph}, on the same machine, with its data in memory", "",
             "Requests as the gateway's log has them. Seconds are medians, the start of the process included.", ""]
    for nodelay, title, parts in ((1, "### A gateway that answers at once (`tcp_nodelay=1`)", (measure_offline, measure_online)),
                                  (0, "### The same gateway as it is by default: most answers come 40 ms late", (measure_offline,))):
        with tempfile.TemporaryDirectory(prefix="s3-", dir=work) as folder, Store(folder, nodelay) as store:
            bench = Bench(program, make_tree, store, folder, seed, shrink)
            lines += [title, ""]
            for part in parts:
                lines += part(bench)
                write(lines)
