"""The models of tests/model, gone through in every interleaving within wider bounds than the tests have time for, as a section of
bench/RESULTS.md. `./dev bench --only model` runs it."""

import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TITLE = "## Models of the online sweep, searched whole"
MEMORY_MB = 14000
# Model, requests and macros: those of the tests, with more requests.
SEARCHES = [
    ("image", 7, []),
    ("image", 7, ["NO_CACHE"]),
    ("mount", 6, []),
    ("mount", 6, ["NO_CACHE", "SILENT"]),
    ("mount", 6, ["SILENT", "SCAN_BEFORE_PURGE"]),
    ("index", 7, []),
    ("tags", 9, []),
    ("aside", 6, []),
    ("replicas", 3, ["QUEUE=2"]),
    ("crash", 4, ["QUEUE=2"]),
]


def search(model, requests, macros, work):
    """States and seconds. A search that finds an error, or is not complete, ends the run."""
    command = [os.path.join(TOP, "tests", "model", "run.sh"), model, "pass", f"-DREQUESTS={requests}"]
    command += ["-D" + macro for macro in macros]
    environment = dict(os.environ, MEMLIM=str(MEMORY_MB), LIMIT="7200", **({"TMPDIR": work} if work else {}))
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=False)
    found = re.search(r": pass, (\S+) states, (\d+) ms", done.stdout)
    if done.returncode != 0 or not found:
        sys.exit(f"{' '.join(command)}: {done.stdout}")
    return float(found[1]), int(found[2]) / 1000


def measure(quick, work, write):
    """`write` is called with the lines so far after each search."""
    lines = [TITLE, "",
             f"On {time.strftime('%Y-%m-%d', time.gmtime())}. Requests: what clients may do in one run of the model. Every search was complete, and "
             "nothing that was promised was lost in any state.", "",
             "| model | requests | with | states | time |", "|---|---|---|---|---|"]
    for model, requests, macros in SEARCHES:
        requests -= 3 if quick else 0
        states, seconds = search(model, max(requests, 2), macros, work)
        lines.append(f"| `{model}` | {max(requests, 2)} | {', '.join(f'`{macro}`' for macro in macros) or '–'} | {states:,.0f} | {seconds:,.0f} s |")
        write(lines)
    write(lines + [""])
