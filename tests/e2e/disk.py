#!/usr/bin/env python3
"""Looks at a registry's files without a registry.

    disk.py hash DIR          one digest over every name, kind, mode, owner, mtime and content below DIR
    disk.py blobs ROOT        digests of all blobs, one a line
    disk.py images ROOT       every tag: repository, tag, digest
    disk.py whole ROOT FILE   every tag that `images` wrote to FILE is there, with all that it needs
"""

import hashlib
import json
import os
import sys

V2 = "docker/registry/v2"


def tree_hash(top):
    total = hashlib.sha256()
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in [""] + sorted(files):
            path = os.path.join(folder, name) if name else folder
            info = os.lstat(path)
            total.update(repr((os.path.relpath(path, top), info.st_mode, info.st_uid, info.st_gid,
                               info.st_mtime_ns)).encode())
            if name and os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    total.update(file.read())
    return total.hexdigest()


def blobs(root):
    found = []
    top = os.path.join(root, V2, "blobs")
    for algorithm in sorted(os.listdir(top)) if os.path.isdir(top) else []:
        for short in os.listdir(os.path.join(top, algorithm)):
            for hexa in os.listdir(os.path.join(top, algorithm, short)):
                if os.path.exists(os.path.join(top, algorithm, short, hexa, "data")):
                    found.append(f"{algorithm}:{hexa}")
    return sorted(found)


def images(root):
    top = os.path.join(root, V2, "repositories")
    for folder, folders, _ in os.walk(top):
        tags = os.path.join(folder, "_manifests", "tags")
        if os.path.isdir(tags):
            for tag in sorted(os.listdir(tags)):
                try:
                    with open(os.path.join(tags, tag, "current", "link"), encoding="ascii") as file:
                        yield os.path.relpath(folder, top), tag, file.read()
                except FileNotFoundError:
                    pass
        folders[:] = sorted(name for name in folders if not name.startswith("_"))


class Checker:
    def __init__(self, root):
        self.root = root
        self.checked = set()
        self.wrong = []

    def read(self, digest):
        algorithm, hexa = digest.split(":")
        path = os.path.join(self.root, V2, "blobs", algorithm, hexa[:2], hexa, "data")
        with open(path, "rb") as file:
            return file.read()

    def linked(self, repo, kind, digest):
        algorithm, hexa = digest.split(":")
        return os.path.exists(os.path.join(self.root, V2, "repositories", repo, kind, algorithm, hexa, "link"))

    def check(self, repo, digest):
        if (repo, digest) in self.checked:
            return
        self.checked.add((repo, digest))
        if not self.linked(repo, "_manifests/revisions", digest):
            self.wrong.append(f"{repo}@{digest}: no revision")
        try:
            data = self.read(digest)
        except OSError as error:
            self.wrong.append(f"{repo}@{digest}: {error}")
            return
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            self.wrong.append(f"{repo}@{digest}: other bytes")
        manifest = json.loads(data)
        for child in manifest.get("manifests", []):
            self.check(repo, child["digest"])
        for blob in manifest.get("layers", []) + [manifest[key] for key in ("config",) if key in manifest]:
            if not self.linked(repo, "_layers", blob["digest"]):
                self.wrong.append(f"{repo}: no layer link {blob['digest']}")
            try:
                self.read(blob["digest"])
            except OSError as error:
                self.wrong.append(f"{repo}: {error}")


def whole(root, listing):
    checker = Checker(root)
    now = set(images(root))
    with open(listing, encoding="utf-8") as file:
        for line in file:
            repo, tag, digest = line.rstrip("\n").split("\t")
            if (repo, tag, digest) not in now:
                checker.wrong.append(f"{repo}:{tag} was {digest}, and is not there now")
            checker.check(repo, digest)
    return checker.wrong


def main():
    command, top = sys.argv[1:3]
    if command == "hash":
        print(tree_hash(top))
    elif command == "blobs":
        print("\n".join(blobs(top)))
    elif command == "images":
        for line in images(top):
            print("\t".join(line))
    elif command == "whole":
        wrong = whole(top, sys.argv[3])
        for line in wrong[:20]:
            print(line, file=sys.stderr)
        return 1 if wrong else 0
    else:
        sys.exit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
