"""The soak of tests/e2e, ten minutes a variant, as a section of bench/RESULTS.md. `./dev bench --only soak` runs it."""

import json
import os
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TITLE = "## Soak: a sweeper beside clients that push"
VARIANTS = [  # name, options of soak.py
    ("no cache", ["--cache", "none"]),
    ("`inmemory`", ["--cache", "inmemory"]),
    ("`redis`", ["--cache", "redis"]),
    ("two replicas, no cache", ["--cache", "none", "--replicas", "2"]),
    ("two replicas, `inmemory`", ["--cache", "inmemory", "--replicas", "2"]),
    ("`serve` killed, `inmemory`", ["--cache", "inmemory", "--chaos", "serve"]),
    ("registries killed, two, `inmemory`", ["--cache", "inmemory", "--replicas", "2", "--chaos", "registry"]),
    ("`sweep` killed, no cache", ["--cache", "none", "--chaos", "sweep"]),
    ("all three killed, `redis`", ["--cache", "redis", "--chaos", "serve,registry,sweep"]),
]
COMPARED = [
    ("nobody sweeps, no cache", ["--sweeper", "none", "--cache", "none"]),
    ("nobody sweeps, `inmemory`", ["--sweeper", "none", "--cache", "inmemory"]),
    ("`docker-registry garbage-collect`, no cache", ["--sweeper", "stock", "--cache", "none"]),
    ("`docker-registry garbage-collect`, `inmemory`", ["--sweeper", "stock", "--cache", "inmemory"]),
]


def run(options, program, seconds, seed, work):
    """What one soak printed. It may have failed: then that is the result."""
    with tempfile.TemporaryDirectory(prefix="soak-", dir=work) as folder:
        command = [sys.executable, os.path.join(TOP, "tests", "e2e", "soak.py"), "--work", folder, "--regsweep", program,
                   "--seconds", str(seconds), "--seed", str(seed)] + options
        said = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout
    if not said:
        sys.exit(f"{' '.join(command)}: no result")
    return json.loads(said)


def share(part, whole):
    return f"{part:,} ({100 * part / whole:.1f} %)" if whole else "0"


def row(name, result):
    retries, reader = sum(result["retries"].values()), result["reader"]
    kills = sum(result["kills"].values())
    spells = f"{reader['unreadable']} of {reader['reads']:,}"
    if reader["unreadable"]:
        spells += f"; {reader['p50_ms']:,.0f} / {reader['p99_ms']:,.0f} / {reader['max_ms']:,.0f} ms"
    swept = result["sweeps"].get("totals", {}).get("blobs")
    left = result["left"]["files"] if "left" in result else None
    return f"| {name} | {result['pushed']:,} | {result['live']:,} | **{share(result['broken'], result['live'])}** | " \
           f"{result['failed_for_good']} | {retries} | {'–' if swept is None else f'{swept:,}'} | {spells} | {kills or '–'} | " \
           f"{'–' if left is None else left} |"


def measure(program, seconds, seed, work, write):
    """`write` is called with the lines so far after each variant."""
    lines = [TITLE, "",
             f"{seconds} s each, seed {seed}, on {time.strftime('%Y-%m-%d', time.gmtime())}. Six clients push, mount, skip layers after a "
             "HEAD, re-tag, delete and push the same bytes again; generations follow each other as fast as they can, with settle "
             "and quarantine of 1 s and grace of 2 s. A reader pulls promised images all the while. At the end everything that was acknowledged "
             "and not deleted since is pulled whole; then all is deleted, and two more generations must leave nothing but the fence's "
             "own object. Unreadable: how often a promised image was, of all reads; median / 99th percentile / longest until it was "
             "readable again.", "",
             "| variant | pushed | live at the end | broken | failed for good | retries | blobs swept | unreadable | kills | files left |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for name, options in VARIANTS:
        lines.append(row(f"regsweep: {name}", run(options, program, seconds, seed, work)))
        write(lines)
    for name, options in COMPARED:
        lines.append(row(name, run(options, program, seconds, seed, work)))
        write(lines)
    lines += [""]
    write(lines)
