#!/usr/bin/env python3
"""Checks that a file is Prometheus text format 0.0.4 as a strict reader takes it. Exit status 1 and a line each if not.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABELS = r'\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\}'
SAMPLE = re.compile(rf"({NAME})({LABELS})? ([-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|Inf|NaN))(?: -?[0-9]+)?")


def check(text):
    wrong, types, helps, seen, closed, last = [], {}, set(), set(), set(), None
    if not text.endswith("\n"):
        wrong.append("the last line does not end")
    for number, line in enumerate(text.splitlines(), 1):
        if not line:
            continue
        head = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if head:
            kind, name, rest = head.groups()
            if kind == "TYPE":
                if name in types:
                    wrong.append(f"{number}: a second TYPE of {name}")
                types[name] = rest
                if rest not in ("counter", "gauge", "histogram", "summary", "untyped"):
                    wrong.append(f"{number}: no such type: {rest}")
                if rest == "counter" and not name.endswith("_total"):
                    wrong.append(f"{number}: a counter is called …_total: {name}")
            elif name in helps:
                wrong.append(f"{number}: a second HELP of {name}")
            else:
                helps.add(name)
            continue
        if line.startswith("#"):
            continue
        sample = SAMPLE.fullmatch(line)
        if not sample:
            wrong.append(f"{number}: no sample: {line}")
            continue
        name, labels, _ = sample.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = base if types.get(base) in ("histogram", "summary") else name
        if family not in types or family not in helps:
            wrong.append(f"{number}: {family} has no HELP and TYPE before it")
        if (name, labels) in seen:
            wrong.append(f"{number}: a second {name}{labels or ''}")
        seen.add((name, labels))
        if family != last:
            if family in closed:
                wrong.append(f"{number}: samples of {family} do not stand together")
            closed.add(family)
            last = family
    if not seen:
        wrong.append("no sample at all")
    return wrong


def main():
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        wrong = check(file.read())
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
