#!/usr/bin/env python3
"""Runs every comparison and writes bench/RESULTS.md. See bench/README.md.

    bench/run.py [--work DIR] [--quick] [--large] [--seed N] [--output FILE]
"""

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import giveback
import model
import results
import s3
import soak

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, "build", "release")
REGSWEEP = os.path.join(BUILD, "tools", "regsweep")


def timed(command, stdout=subprocess.DEVNULL):
    """Seconds and peak memory in KiB of one run, the start of the process included."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}\n{said.decode(errors='replace')}")
    return took, usage.ru_maxrss


class Runs:
    """Times of one program, and how much memory the hungriest run took."""

    def __init__(self):
        self.seconds, self.kib = [], 0

    def add(self, result):
        self.seconds.append(result[0])
        self.kib = max(self.kib, result[1])

    @property
    def median(self):
        return statistics.median(self.seconds)

    def text(self):
        return f"{len(self.seconds)} | {seconds(self.median)} | {seconds(min(self.seconds))} | " \
               f"{seconds(max(self.seconds))} | {self.kib / 1024:.1f}"


def seconds(value):
    return f"{value * 1000:.2f} ms" if value < 1 else f"{value:.2f} s"


def output(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def warm(root):
    subprocess.run(["find", root, "-type", "f", "-exec", "cat", "{}", "+"], stdout=subprocess.DEVNULL, check=True)


def write_registry_config(path, root):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": 0.1, "storage": {"filesystem": {"rootdirectory": root}, "delete": {"enabled": True}},
                   "http": {"addr": "127.0.0.1:0"}}, file)


def compare_tree(args, work, lines):
    """Everything that is measured on one generated tree."""
    root, index, config = (os.path.join(work, name) for name in ("registry", "index", "config.yml"))
    os.mkdir(root)
    pushes, repositories = (2100, 50) if args.quick else (21000, 500)
    tree = json.loads(output([os.path.join(BUILD, "bench", "make_tree"), root, "--pushes", str(pushes),
                              "--repositories", str(repositories), "--seed", str(args.seed)]))
    write_registry_config(config, root)
    warm(root)
    lines += ["## One tree, one run", "",
              f"{tree['images'] + tree['indexes']:,} manifests ({tree['indexes']:,} of them indexes), {tree['blobs']:,} blobs, "
              f"{tree['repositories']} repositories, {tree['links']:,} links, {tree['tags']:,} tags; {tree['deleted']:,} manifests "
              f"deleted through the API, {tree['untagged']:,} untagged. Seed {args.seed}. Warm cache; times include the start of the "
              "process; programs that are compared take turns.", ""]
    scan, find = compare_scan(args, root, index, lines)
    compare_sweep(args, root, index, config, lines)
    measure_index(index, lines)
    return scan, find


def compare_scan(args, root, index, lines):
    scan, find = Runs(), Runs()
    for _ in range(3 if args.quick else 7):
        find.add(timed(["find", root, "-type", "f", "-printf", "%T@ %p\n"]))
        shutil.rmtree(index, ignore_errors=True)
        scan.add(timed([REGSWEEP, "scan", "--quiet", "--index", index, "--storage", root]))
    lines += ["### First scan, every manifest read and parsed, against a bare walk", "",
              "| program | runs | median | fastest | slowest | peak MiB |", "|---|---|---|---|---|---|",
              f"| `find ROOT -type f -printf '%T@ %p\\n' >/dev/null` | {find.text()} |",
              f"| `regsweep scan` into a fresh index | {scan.text()} |", "",
              f"**scan takes {scan.median / find.median:.2f} times as long as find** (goal: at most 1).", ""]
    return scan, find


def compare_sweep(args, root, index, config, lines):
    stock, sweep = Runs(), Runs()
    command = [REGSWEEP, "sweep", "--quiet", "--offline", "--grace", "0", "--index", index]
    stock_command = ["docker-registry", "garbage-collect", "-d", config]
    for _ in range(2 if args.quick else 5):
        stock.add(timed(stock_command))
        for _ in range(10):
            sweep.add(timed(command))
    same = compare_garbage(stock_command, command)
    lines += ["### Dry run against the registry's own collector", "",
              "| program | runs | median | fastest | slowest | peak MiB |", "|---|---|---|---|---|---|",
              f"| `docker-registry garbage-collect -d` | {stock.text()} |",
              f"| `regsweep sweep --offline --grace 0` | {sweep.text()} |", "",
              f"**{stock.median / sweep.median:.0f} times faster** (goal: 500). Both name the same {same:,} blobs.", ""]


def compare_garbage(stock_command, command):
    stock = {line.rsplit(" ", 1)[1] for line in output(stock_command).splitlines()
             if line.startswith("blob eligible for deletion: ")}
    ours = {blob["digest"] for blob in json.loads(output(command + ["--json"]))["condemned"]["blobs"]}
    if stock != ours:
        sys.exit(f"the two do not name the same blobs: {len(stock - ours)} only stock, {len(ours - stock)} only regsweep")
    return len(ours)


def measure_index(index, lines):
    stats = json.loads(output([REGSWEEP, "inspect", "stats", "--json", "--index", index]))
    size = stats["index"]
    lines += ["### Size of the index", "",
              f"{size['used_bytes'] / 2**20:.1f} MiB: **{size['bytes_per_blob']:.0f} bytes a blob** for all of it; the references of "
              f"manifests alone, in both directions, take **{size['bytes_per_reference']:.0f} bytes a reference**.", "",
              "| table | entries | KiB |", "|---|---|---|"]
    lines += [f"| {table['name']} | {table['entries']:,} | {table['bytes'] / 1024:,.0f} |" for table in size["tables"] if table["entries"]]
    lines.append("")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"serve ended: {process.stderr.read().decode()}")
            time.sleep(0.05)
    sys.exit("serve does not answer")


def measure_feed(args, work, lines):
    root = os.path.join(work, "empty")
    os.mkdir(root)
    lines += ["## Feed: durable events a second", "",
              "Each event is new, comes over a connection of its own, and is answered once it is on disk. Nine layers, then the manifest "
              "that names them, over 50 repositories; a fresh index for each line. The checks of pushed manifests run beside.", "",
              "| senders | events | a second | median | 99th percentile | slowest |", "|---|---|---|---|---|---|"]
    events = 1000 if args.quick else 10000
    environment = dict(os.environ, REGSWEEP_TOKEN="bench")
    for senders in (1, 4, 16):
        index = os.path.join(work, f"feed{senders}")
        port = free_port()
        server = subprocess.Popen([REGSWEEP, "serve", "--quiet", "--index", index, "--storage", root, "--listen", f"127.0.0.1:{port}"],
                                  env=environment, stderr=subprocess.PIPE)
        try:
            wait_for(port, server)
            result = json.loads(subprocess.run(
                [os.path.join(BUILD, "bench", "feed_load"), f"127.0.0.1:{port}", "--senders", str(senders), "--events", str(events),
                 "--seed", str(args.seed)], env=environment, check=True, capture_output=True, text=True).stdout)
        finally:
            server.terminate()
            server.wait()
        lines.append(f"| {senders} | {result['events']:,} | **{result['per_second']:,.0f}** | {result['median_ms']:.2f} ms | "
                     f"{result['p99_ms']:.2f} ms | {result['max_ms']:.2f} ms |")
    lines += ["", f"Syncing 4 KiB to this disk takes {measure_sync(work) * 1000:.2f} ms (median of 200).", ""]


def measure_sync(work):
    times = []
    with open(os.path.join(work, "sync"), "wb", buffering=0) as file:
        for _ in range(200):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure_mark(args, work, lines):
    lines += ["## Mark, against a bare walk over the same records", "",
              "| blobs | references | records | walk | mark | mark's rate to the walk's | allocated by the mark | a blob |",
              "|---|---|---|---|---|---|---|---|"]
    sizes = [(100000, 1000000)] if args.quick else [(500000, 5000000)]
    for blobs, references in sizes + [(10000000, 100000000)] * args.large:
        index = os.path.join(work, "mark")
        shutil.rmtree(index, ignore_errors=True)
        result = json.loads(output([os.path.join(BUILD, "bench", "mark_bench"), index, "--blobs", str(blobs), "--references",
                                    str(references), "--seed", str(args.seed)]))
        lines.append(f"| {result['blobs']:,} | {result['references']:,} | {result['records']:,} | {result['walk_s']:.2f} s | "
                     f"{result['mark_s']:.2f} s | **{result['mark_to_walk_rate']:.2f}** | {result['mark_bytes'] / 2**20:.0f} MiB | "
                     f"{result['mark_bytes_a_blob']:.1f} bytes |")
        shutil.rmtree(index)
    lines += ["", "Goal: at least 0.5. Medians of 5 rounds on one core, taking turns; memory counted at malloc.", ""]


def measure_policy(args, work, lines):
    tags = 10000 if args.quick else 100000
    index = os.path.join(work, "policy")
    command = [os.path.join(BUILD, "bench", "mark_bench"), index, "--blobs", str(tags * 5 * 20 // 19 + 20), "--references",
               str(tags * 8), "--repositories", "1", "--seed", str(args.seed), "--policy", "1"]
    result = json.loads(output(command))
    shutil.rmtree(index)
    lines += ["## Policy, over one repository with very many tags", "",
              "| tags | blobs | references | policy and mark together | let go | allocated |", "|---|---|---|---|---|---|",
              f"| {result['manifests']:,} | {result['blobs']:,} | {result['references']:,} | **{result['mark_s'] * 1000:.0f} ms** | "
              f"{result['condemned']:,} objects | {result['mark_bytes'] / 2**20:.0f} MiB |", "",
              "Goal: under a second. Three rules (a glob with times of push and pull, an expression with the newest by pull, the rest by number "
              "and with three revisions each) and one for what has no tag; every tag has a history. Median of 5 rounds on one core; memory "
              "counted at malloc.", ""]


def machine(work):
    cpu = [line.split(":", 1)[1].strip() for line in output(["lscpu"]).splitlines() if line.startswith("Model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 2**20
    disk = output(["df", "--output=source,fstype", work]).splitlines()[1].split()
    registry = output(["docker-registry", "--version"]).strip()
    return [f"- Machine: {cpu[0] if cpu else platform.machine()}, {os.cpu_count()} processors, {memory:.0f} GiB, "
            f"Linux {platform.release()}, {disk[1]} on {os.path.basename(disk[0])}",
            f"- Compared with: {registry}; {output(['find', '--version']).splitlines()[0]}"]


def describe(args, work):
    """What was run, when, and where."""
    commit = output(["git", "-C", TOP, "rev-parse", "--short=12", "HEAD"]).strip()
    flags = f" --only {args.only}" * (args.only in ALONE) + f" --seed {args.seed}" + " --quick" * args.quick + " --large" * args.large
    return [f"- Command: `./dev bench{flags}` (release build)", f"- Commit: {commit}",
            f"- Date: {time.strftime('%Y-%m-%d', time.gmtime())}"] + machine(work)


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


# Sections of their own, which only run when asked for.
ALONE = {
    "soak": lambda args, write: soak.measure(REGSWEEP, 60 if args.quick else args.soak_seconds, args.seed, args.work, write),
    "giveback": lambda args, write: write(giveback.measure(REGSWEEP, os.path.join(BUILD, "bench", "feed_load"),
                                                           20 if args.quick else 200, args.seed, args.work)),
    "model": lambda args, write: model.measure(args.quick, args.work, write),
    "s3": lambda args, write: s3.measure(REGSWEEP, os.path.join(BUILD, "bench", "make_tree"), 10 if args.quick else 1, args.seed,
                                         args.work, describe(args, args.work or tempfile.gettempdir()), write),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", help="directory for trees and indexes (default: a temporary one); some 6 GB")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, to see that it runs")
    parser.add_argument("--large", action="store_true", help="also a mark over 10 million blobs; it takes an hour to make them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", default=os.path.join(TOP, "bench", "RESULTS.md"))
    parser.add_argument("--only", choices=("tree", "feed", "mark", "policy", *ALONE))
    parser.add_argument("--soak-seconds", type=int, default=600, help="for each variant of the soak, which only runs when asked for")
    args = parser.parse_args()
    if args.only in ALONE:
        ALONE[args.only](args, lambda lines: results.replace_section(args.output, lines))
        return
    work = tempfile.mkdtemp(prefix="regsweep-bench-", dir=args.work)
    try:
        lines = ["# Results", "", "Written by `bench/run.py`; how it measures stands in [README.md](README.md).", "", *describe(args, work), ""]
        for part, measure in (("tree", compare_tree), ("feed", measure_feed), ("mark", measure_mark), ("policy", measure_policy)):
            if args.only in (None, part):
                measure(args, work, lines)
                write(args.output, lines)  # a run that is broken off leaves what it has
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
