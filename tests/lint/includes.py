#!/usr/bin/env python3
"""Includes point one way: a folder of src/ uses those below it, never one above; nothing includes a file that is not there.

    util <- index, oci, policy, storage, registry <- workload, scan, feed, gc <- tools
"""

import os
import re
import subprocess
import sys

MAY_USE = {
    "util": {"util"},
    "index": {"util", "index"},
    "oci": {"util", "oci"},
    "policy": {"util", "policy"},
    "storage": {"util", "storage"},
    "registry": {"util", "registry"},
    "workload": {"util", "oci", "registry", "workload"},
    "feed": {"util", "index", "oci", "storage", "feed"},
    "scan": {"util", "index", "oci", "storage", "scan"},
    "gc": {"util", "index", "oci", "storage", "policy", "registry", "scan", "gc"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)
# Who alone may include a library, so that it can be replaced in one place.
ONLY = {"lmdb.h": "src/index/", "microhttpd.h": ("src/feed/", "tests/"), "jansson.h": ("src/oci/", "src/storage/", "src/feed/", "src/gc/", "src/registry/", "src/workload/", "tools/", "tests/"),
        "cyaml/cyaml.h": ("tools/", "tests/"), "expat.h": "src/storage/s3_xml.c", "xxhash.h": "src/index/", "curl/curl.h": "src/util/curl.h", "util/curl.h": ("src/util/", "src/registry/", "src/storage/"), "yaml.h": "src/util/yaml_tree.h", "hiredis/hiredis.h": "src/registry/redis_wire.c"}


def check(path, text, wrong):
    parts = path.split("/")
    folder = parts[1] if parts[0] == "src" else None
    for quote, name in INCLUDE.findall(text):
        for library, where in ONLY.items():
            if name == library and not path.startswith(where):
                wrong.append(f"{path}: only {where} includes <{library}>")
        if name.startswith("regsweep/"):
            if not os.path.exists(f"include/{name}"):
                wrong.append(f"{path}: no public header {name}")
            continue
        if parts[0] == "include":
            if quote == '"':
                wrong.append(f"{path}: a public header includes \"{name}\"")
            continue
        if quote == "<" or folder is None:
            continue
        target = name.split("/")[0]
        if "/" not in name:
            wrong.append(f'{path}: "{name}" without its folder')
        elif target not in MAY_USE[folder]:
            wrong.append(f"{path}: {folder} may not use {target} ({name})")
        elif not os.path.exists(f"src/{name}"):
            wrong.append(f"{path}: no such file: {name}")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], check=True, capture_output=True, text=True).stdout.split()
    wrong = [] if files else ["no file to look at"]
    folders = {file.split("/")[1] for file in files if file.startswith("src/") and file.count("/") > 1}
    wrong += [f"src/{folder}: a folder that this check does not know" for folder in sorted(folders - set(MAY_USE))]
    for file in files:
        with open(file, encoding="utf-8") as source:
            if not wrong or folders <= set(MAY_USE):
                check(file, source.read(), wrong)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{len(files)} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
