#!/usr/bin/env python3
"""A small registry client for tests: standard library only, deterministic given a seed.

    client.py --registry URL storm N --seed S      some hundred random operations; prints what must exist now
    client.py --registry URL check FILE            pulls all of that whole
    client.py --registry URL check-all             pulls every tag of the catalog whole
    client.py --registry URL image REPO[:TAG] …    pushes one small image; prints its digest
    client.py --registry URL … (see --help)
"""

import argparse
import gzip
import hashlib
import http.client
import io
import json
import os
import random
import re
import sys
import tarfile
import urllib.parse

OCI = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json"
ACCEPT = ", ".join([OCI, OCI_INDEX, DOCKER, DOCKER_LIST])


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


def descriptor(media_type, data):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


class Refused(Exception):
    """The registry answered with another status than expected."""

    def __init__(self, text, status=0):
        super().__init__(text)
        self.status = status


class Client:
    """Speaks to one registry over one connection."""

    def __init__(self, base):
        self.base = urllib.parse.urlsplit(base)
        self.connection = None

    def connect(self):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.base.netloc, timeout=60)
        return self.connection

    def request(self, method, path, body=None, headers=None, expect=(200,)):
        for attempt in (0, 1):
            try:
                connection = self.connect()
                connection.request(method, path, body=body, headers=headers or {})
                answer = connection.getresponse()
                data = answer.read()
                break
            except http.client.IncompleteRead as error:
                self.connection = None
                raise Refused(f"{method} {path}: {answer.status}, but its body ends early: {error}", answer.status) from error
            except (http.client.HTTPException, ConnectionError):
                self.connection = None  # an idle connection that the registry has closed
                if attempt:
                    raise
        if answer.status not in expect:
            raise Refused(f"{method} {path}: {answer.status} {data[:300]!r}", answer.status)
        return answer, data

    def has_blob(self, repo, digest):
        answer, _ = self.request("HEAD", f"/v2/{repo}/blobs/{digest}", expect=(200, 404))
        return answer.status == 200

    def begin_upload(self, repo, query="", expect=(202,)):
        answer, _ = self.request("POST", f"/v2/{repo}/blobs/uploads/{query}", expect=expect)
        return answer.status, self.local(answer.headers["Location"])

    @staticmethod
    def local(location):
        parts = urllib.parse.urlsplit(location)
        return parts.path + ("?" + parts.query if parts.query else "")

    @staticmethod
    def with_digest(location, digest):
        return location + ("&" if "?" in location else "?") + "digest=" + urllib.parse.quote(digest)

    def push_blob(self, repo, data, chunks=1, algorithm="sha256"):
        """Monolithic, or in several PATCH requests. The digest."""
        digest = digest_of(data, algorithm)
        _, location = self.begin_upload(repo)
        rest = data
        if chunks > 1:
            step = max(1, len(data) // chunks)
            at = 0
            while len(data) - at > step:
                answer, _ = self.request(
                    "PATCH", location, data[at : at + step],
                    {"Content-Type": "application/octet-stream", "Content-Range": f"{at}-{at + step - 1}"}, (202,))
                location = self.local(answer.headers["Location"])
                at += step
            rest = data[at:]
        self.request("PUT", self.with_digest(location, digest), rest,
                     {"Content-Type": "application/octet-stream"}, (201,))
        return digest

    def leave_upload(self, repo, data):
        """Begins an upload and never finishes it. Its id."""
        _, location = self.begin_upload(repo)
        self.request("PATCH", location, data, {"Content-Type": "application/octet-stream"}, (202,))
        return urllib.parse.urlsplit(location).path.rsplit("/", 1)[1]

    def mount(self, repo, digest, source):
        status, _ = self.begin_upload(repo, f"?mount={digest}&from={source}", (201, 202))
        return status == 201

    def put_manifest(self, repo, reference, data, media_type):
        self.request("PUT", f"/v2/{repo}/manifests/{reference}", data, {"Content-Type": media_type}, (201,))
        return digest_of(data)

    def manifest(self, repo, reference):
        answer, data = self.request("GET", f"/v2/{repo}/manifests/{reference}", headers={"Accept": ACCEPT})
        return data, answer.headers["Content-Type"]

    def head_manifest(self, repo, reference):
        answer, _ = self.request("HEAD", f"/v2/{repo}/manifests/{reference}", headers={"Accept": ACCEPT},
                                 expect=(200, 404))
        return answer.status == 200

    def delete_manifest(self, repo, digest):
        self.request("DELETE", f"/v2/{repo}/manifests/{digest}", expect=(202,))

    def delete_blob(self, repo, digest):
        self.request("DELETE", f"/v2/{repo}/blobs/{digest}", expect=(202,))

    def catalog(self):
        names, path = [], "/v2/_catalog?n=1000"
        while path:
            answer, data = self.request("GET", path)
            names += json.loads(data)["repositories"] or []
            link = answer.headers["Link"]
            path = self.local(link[link.index("<") + 1 : link.index(">")]) if link else None
        return names

    def tags(self, repo):
        answer, data = self.request("GET", f"/v2/{repo}/tags/list", expect=(200, 404))
        return (json.loads(data)["tags"] or []) if answer.status == 200 else []

    def pull(self, repo, reference, seen=None):
        """Pulls an image whole: every byte by its digest, indexes with their children. The digest."""
        seen = set() if seen is None else seen
        data, _ = self.manifest(repo, reference)
        digest = digest_of(data)
        if reference.startswith("sha256:") and reference != digest:
            raise Refused(f"{repo}@{reference}: the registry gave {digest}")
        if digest in seen:
            return digest
        seen.add(digest)
        manifest = json.loads(data)
        for child in manifest.get("manifests", []):
            self.pull(repo, child["digest"], seen)
        blobs = manifest.get("layers", []) + ([manifest["config"]] if "config" in manifest else [])
        for blob in blobs:
            if blob["digest"] in seen:
                continue
            seen.add(blob["digest"])
            _, data = self.request("GET", f"/v2/{repo}/blobs/{blob['digest']}")
            if digest_of(data) != blob["digest"] or len(data) != blob["size"]:
                raise Refused(f"{repo}: blob {blob['digest']} has other bytes")
        return digest


def image(config, layers, docker=False, subject=None, artifact_type=None, annotations=None):
    """An image manifest over (bytes, media type) pairs. Its bytes and media type."""
    manifest = {"schemaVersion": 2, "mediaType": DOCKER if docker else OCI}
    if artifact_type:
        manifest["artifactType"] = artifact_type
    manifest["config"] = descriptor(config[1], config[0])
    manifest["layers"] = [descriptor(media_type, data) for data, media_type in layers]
    if subject:
        manifest["subject"] = subject
    if annotations:
        manifest["annotations"] = annotations
    return dump(manifest), manifest["mediaType"]


def index(children, docker=False):
    """An index over (digest, size, media type). Its bytes and media type."""
    architectures = ["amd64", "arm64", "riscv64", "s390x", "ppc64le", "386"]
    media_type = DOCKER_LIST if docker else OCI_INDEX
    manifests = [{"mediaType": child[2], "digest": child[0], "size": child[1],
                  "platform": {"os": "linux", "architecture": architectures[i % len(architectures)]}}
                 for i, child in enumerate(children)]
    return dump({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}), media_type


class Repository:
    def __init__(self, name):
        self.name = name
        self.blobs = {}  # digest → bytes, with a layer link here
        self.manifests = {}  # digest → Manifest, linked here now
        self.deleted = {}  # digest → Manifest, linked here once
        self.tags = {}  # tag → digest


class Manifest:
    def __init__(self, data, media_type, blobs, children=(), subject=None):
        self.data, self.media_type = data, media_type
        self.blobs, self.children = list(blobs), list(children)
        self.subject = subject
        self.digest = digest_of(data)


class Storm:
    """Random operations, and what must exist after them."""

    NAMES = ["app", "team/web", "team/api/v1", "base", "a", "a/b", "a/b/c", "tools/x_y", "lib.so", "z--z"]
    TAGS = ["latest", "v1", "v2", "edge", "_uploads", "1.0-rc.1"]

    def __init__(self, client, seed, whole=False):
        self.client = client
        self.keep_whole = whole
        self.random = random.Random(seed)
        self.repositories = {name: Repository(name) for name in self.NAMES}
        self.shared = [self.bytes(200, 9000) for _ in range(8)]
        self.operations = [
            (30, self.push_image), (8, self.push_untagged), (10, self.push_with_mount), (8, self.push_index),
            (3, self.push_nested_index), (7, self.push_referrer), (5, self.push_cosign), (9, self.retag),
            (9, self.delete_manifest), (3, self.delete_child), (4, self.push_again), (5, self.lone_layer),
            (4, self.delete_layer), (6, self.look), (3, self.get)]
        self.done = {}

    def bytes(self, low, high):
        return self.random.randbytes(self.random.randrange(low, high))

    def repository(self):
        return self.random.choice(list(self.repositories.values()))

    def a_manifest(self, repo, test=lambda manifest: True):
        found = sorted(m.digest for m in repo.manifests.values() if test(m))
        return repo.manifests[self.random.choice(found)] if found else None

    def upload(self, repo, data):
        digest = digest_of(data)
        if digest not in repo.blobs or self.random.random() < 0.1:
            self.client.push_blob(repo.name, data, chunks=self.random.choice([1, 1, 1, 3]))
        repo.blobs[digest] = data
        return digest

    def put(self, repo, manifest, tag=None):
        self.client.put_manifest(repo.name, tag or manifest.digest, manifest.data, manifest.media_type)
        repo.manifests[manifest.digest] = manifest
        repo.deleted.pop(manifest.digest, None)
        if tag:
            repo.tags[tag] = manifest.digest

    def fresh_image(self, repo, **more):
        docker = "subject" not in more and self.random.random() < 0.5
        layers = self.random.sample(self.shared, self.random.randrange(0, 3))
        layers += [self.bytes(50, 5000) for _ in range(self.random.randrange(1, 3))]
        config = dump({"os": "linux", "id": self.random.getrandbits(64)})
        blobs = [self.upload(repo, data) for data in layers + [config]]
        data, media_type = image((config, DOCKER_CONFIG if docker else OCI_CONFIG),
                                 [(layer, DOCKER_LAYER if docker else OCI_LAYER) for layer in layers],
                                 docker=docker, **more)
        return Manifest(data, media_type, blobs)

    def push_image(self):
        repo = self.repository()
        self.put(repo, self.fresh_image(repo), self.random.choice(self.TAGS))

    def push_untagged(self):
        repo = self.repository()
        self.put(repo, self.fresh_image(repo))

    def push_with_mount(self):
        source, repo = self.repository(), self.repository()
        if source is repo or not source.blobs:
            return False
        digest = self.random.choice(sorted(source.blobs))
        if not self.client.mount(repo.name, digest, source.name):
            raise Refused(f"mount of {digest} from {source.name} to {repo.name}")
        layer = repo.blobs[digest] = source.blobs[digest]
        config = dump({"os": "linux", "id": self.random.getrandbits(64)})
        data, media_type = image((config, OCI_CONFIG), [(layer, OCI_LAYER)])
        self.put(repo, Manifest(data, media_type, [digest, self.upload(repo, config)]), self.random.choice(self.TAGS))
        return True

    def push_index_of(self, repo, children, tag):
        docker = all(child.media_type == DOCKER for child in children)
        data, media_type = index([(c.digest, len(c.data), c.media_type) for c in children], docker)
        self.put(repo, Manifest(data, media_type, [], [c.digest for c in children]), tag)

    def push_index(self):
        repo = self.repository()
        children = [self.fresh_image(repo) for _ in range(self.random.randrange(1, 4))]
        for child in children:
            self.put(repo, child)
        tag = self.random.choice(self.TAGS + [None])
        self.push_index_of(repo, children, tag)

    def push_nested_index(self):
        repo = self.repository()
        inner = self.a_manifest(repo, lambda m: m.children)
        plain = self.a_manifest(repo, lambda m: m.blobs and not m.subject)
        if not inner or not plain or inner.digest in plain.children:
            return False
        self.push_index_of(repo, [inner, plain], "nested")
        return True

    def push_referrer(self):
        repo = self.repository()
        target = self.a_manifest(repo)
        if not target:
            return False
        empty = b"{}"
        layer = self.bytes(20, 400)
        blobs = [self.upload(repo, empty), self.upload(repo, layer)]
        data, media_type = image((empty, EMPTY), [(layer, "application/spdx+json")],
                                 subject={"mediaType": target.media_type, "digest": target.digest,
                                          "size": len(target.data)},
                                 artifact_type="application/spdx+json")
        self.put(repo, Manifest(data, media_type, blobs, subject=target.digest))
        return True

    def push_cosign(self):
        repo = self.repository()
        target = self.a_manifest(repo)
        if not target:
            return False
        payload = dump({"critical": {"image": {"docker-manifest-digest": target.digest}},
                        "optional": self.random.getrandbits(32)})
        config = dump({"architecture": "", "os": "", "id": self.random.getrandbits(64)})
        blobs = [self.upload(repo, payload), self.upload(repo, config)]
        data, media_type = image((config, OCI_CONFIG), [(payload, COSIGN)])
        self.put(repo, Manifest(data, media_type, blobs), target.digest.replace(":", "-") + ".sig")
        return True

    def retag(self):
        repo = self.repository()
        manifest = self.a_manifest(repo)
        if not manifest or not self.complete(repo, manifest.digest):
            return False
        self.put(repo, manifest, self.random.choice(self.TAGS))
        return True

    def delete(self, repo, manifest):
        self.client.delete_manifest(repo.name, manifest.digest)
        repo.deleted[manifest.digest] = repo.manifests.pop(manifest.digest)
        repo.tags = {tag: digest for tag, digest in repo.tags.items() if digest != manifest.digest}

    def delete_manifest(self):
        repo = self.repository()
        children = {child for m in repo.manifests.values() for child in m.children}
        manifest = self.a_manifest(repo, lambda m: m.digest not in children)
        if manifest:
            self.delete(repo, manifest)
        return manifest is not None

    def delete_child(self):
        if self.keep_whole:
            return False
        repo = self.repository()
        children = {child for m in repo.manifests.values() for child in m.children}
        manifest = self.a_manifest(repo, lambda m: m.digest in children)
        if manifest:
            self.delete(repo, manifest)
        return manifest is not None

    def push_again(self):
        repo = self.repository()
        for digest in sorted(repo.deleted):
            manifest = repo.deleted[digest]
            if all(child in repo.manifests for child in manifest.children) and \
                    all(blob in repo.blobs for blob in manifest.blobs):
                self.put(repo, manifest, self.random.choice(self.TAGS))
                return True
        return False

    def lone_layer(self):
        self.upload(self.repository(), self.bytes(10, 2000))

    def delete_layer(self):
        repo = self.repository()
        used = {b for m in list(repo.manifests.values()) + list(repo.deleted.values()) for b in m.blobs}
        lone = sorted(digest for digest in repo.blobs if digest not in used)
        if not lone:
            return False
        digest = self.random.choice(lone)
        self.client.delete_blob(repo.name, digest)
        del repo.blobs[digest]
        return True

    def look(self):
        repo = self.repository()
        manifest = self.a_manifest(repo)
        if not manifest:
            return False
        self.client.head_manifest(repo.name, manifest.digest)
        for digest in manifest.blobs[:1]:
            self.client.has_blob(repo.name, digest)
        return True

    def get(self):
        repo = self.repository()
        manifest = self.a_manifest(repo, lambda m: self.complete(repo, m.digest))
        if manifest:
            self.client.pull(repo.name, manifest.digest)
        return manifest is not None

    def complete(self, repo, digest):
        manifest = repo.manifests.get(digest)
        return manifest is not None and all(self.complete(repo, child) for child in manifest.children)

    def run(self, count):
        weights = [weight for weight, _ in self.operations]
        done = 0
        while done < count:
            operation = self.random.choices(self.operations, weights)[0][1]
            if operation() is not False:
                done += 1
                self.done[operation.__name__] = self.done.get(operation.__name__, 0) + 1

    def expected(self):
        images, tags, gone = [], [], []
        for repo in self.repositories.values():
            images += [{"repo": repo.name, "digest": m, "whole": self.complete(repo, m)} for m in sorted(repo.manifests)]
            gone += [{"repo": repo.name, "digest": m} for m in sorted(repo.deleted)]
            tags += [{"repo": repo.name, "tag": t, "digest": d} for t, d in sorted(repo.tags.items())]
        return {"operations": self.done, "images": images, "tags": tags, "gone": gone}


WEAK_TAG = re.compile(r"sha256-([0-9a-f]{64})(\.(sig|att|sbom))?")


def tags_to_stay(tags):
    """The ordinary tags, and the weak ones whose subject one of these carries."""
    weak = {(tag["repo"], tag["tag"]): (tag["repo"], "sha256:" + match.group(1))
            for tag in tags if (match := WEAK_TAG.fullmatch(tag["tag"]))}
    stay = [tag for tag in tags if (tag["repo"], tag["tag"]) not in weak]
    while True:
        carried = {(tag["repo"], tag["digest"]) for tag in stay}
        more = [tag for tag in tags if tag not in stay and weak[tag["repo"], tag["tag"]] in carried]
        if not more:
            return stay
        stay += more


def check(client, expected, tagged_only=False):
    """Everything expected is there and whole; with tagged_only, what a sweep that lets the untagged go must leave.
    What is wrong, in words."""
    wrong = []
    tags = tags_to_stay(expected["tags"]) if tagged_only else expected["tags"]
    for tag in tags:
        try:
            data, _ = client.manifest(tag["repo"], tag["tag"])
            if digest_of(data) != tag["digest"]:
                wrong.append(f"{tag['repo']}:{tag['tag']} is {digest_of(data)}, not {tag['digest']}")
        except Refused as error:
            wrong.append(str(error))
    tagged = {(tag["repo"], tag["digest"]) for tag in tags}
    for one in expected["images"]:
        if tagged_only and (one["repo"], one["digest"]) not in tagged:
            continue
        try:
            if one["whole"]:
                client.pull(one["repo"], one["digest"])
            else:
                client.manifest(one["repo"], one["digest"])
        except Refused as error:
            wrong.append(str(error))
    for one in expected.get("gone", []):
        if client.head_manifest(one["repo"], one["digest"]):
            wrong.append(f"{one['repo']}@{one['digest']} is back")
    return wrong


def check_all(client):
    wrong, count = [], 0
    for repo in client.catalog():
        for tag in client.tags(repo):
            count += 1
            try:
                client.pull(repo, tag)
            except Refused as error:
                wrong.append(str(error))
    print(f"{count} tags")
    return wrong


def tar_layer(files):
    """A layer as builders make it, the same bytes every time."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, data in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return plain.getvalue(), gzip.compress(plain.getvalue(), mtime=0)


def write_layout(folder, name, seed, architectures, size, shared_seed):
    """An OCI layout with one image, or an index with one image an architecture; appended to what is there."""
    blobs = os.path.join(folder, "blobs", "sha256")
    os.makedirs(blobs, exist_ok=True)

    def add(media_type, data):
        with open(os.path.join(blobs, digest_of(data)[7:]), "wb") as file:
            file.write(data)
        return descriptor(media_type, data)

    def one(architecture):
        source = random.Random(f"{seed}/{architecture}")
        layers = [tar_layer({"etc/os-release": random.Random(shared_seed).randbytes(size)}),
                  tar_layer({f"usr/bin/{name}": source.randbytes(size)})]
        config = dump({"architecture": architecture, "os": "linux", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": [digest_of(plain) for plain, _ in layers]}})
        return add(OCI, dump({"schemaVersion": 2, "mediaType": OCI, "config": add(OCI_CONFIG, config),
                              "layers": [add(OCI_LAYER, packed) for _, packed in layers]}))

    children = [dict(one(a), platform={"os": "linux", "architecture": a}) for a in architectures]
    top = children[0]
    if len(children) > 1:
        top = add(OCI_INDEX, dump({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}))
    path = os.path.join(folder, "index.json")
    entries = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)["manifests"]
    top = {key: top[key] for key in ("mediaType", "digest", "size")}
    entries.append(dict(top, annotations={"org.opencontainers.image.ref.name": name}))
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"schemaVersion": 2, "manifests": entries}, file)
    with open(os.path.join(folder, "oci-layout"), "w", encoding="utf-8") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}')
    return top["digest"]


def push_image_command(client, args):
    repo, _, tag = args.name.partition(":")
    source = random.Random(args.seed)
    layers = [source.randbytes(args.size) for _ in range(args.layers)]
    layers += [random.Random(seed).randbytes(args.size) for seed in args.shared]
    config = dump({"os": "linux", "id": args.seed})
    for data in layers + [config]:
        client.push_blob(repo, data)
    subject = None
    if args.subject:
        data, media_type = client.manifest(repo, args.subject)
        subject = descriptor(media_type, data)
    data, media_type = image((config, DOCKER_CONFIG if args.docker else OCI_CONFIG),
                             [(layer, DOCKER_LAYER if args.docker else OCI_LAYER) for layer in layers],
                             docker=args.docker, subject=subject,
                             artifact_type="application/spdx+json" if subject else None)
    print(client.put_manifest(repo, tag or digest_of(data), data, media_type))


def push_index_command(client, args):
    repo, _, tag = args.name.partition(":")
    children = []
    for digest in args.children:
        data, media_type = client.manifest(repo, digest)
        children.append((digest, len(data), media_type))
    data, media_type = index(children)
    print(client.put_manifest(repo, tag or digest_of(data), data, media_type))


def tag_command(client, args):
    data, media_type = client.manifest(args.repo, args.reference)
    print(client.put_manifest(args.repo, args.tag, data, media_type))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", default="http://127.0.0.1:5000")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser
    storm = add("storm", help="random operations")
    storm.add_argument("count", type=int)
    storm.add_argument("--seed", type=int, default=1)
    storm.add_argument("--whole", action="store_true", help="never delete a child of an index that stays")
    checked = add("check", help="pull whole what a storm left")
    checked.add_argument("file")
    checked.add_argument("--tagged", action="store_true", help="only what has a tag")
    add("check-all", help="pull every tag of the catalog whole")
    pushed = add("image", help="push a small image")
    pushed.add_argument("name", metavar="REPO[:TAG]")
    pushed.add_argument("--seed", type=int, default=1)
    pushed.add_argument("--layers", type=int, default=1)
    pushed.add_argument("--shared", type=int, action="append", default=[], metavar="SEED", help="a layer of this seed")
    pushed.add_argument("--size", type=int, default=1000)
    pushed.add_argument("--docker", action="store_true")
    pushed.add_argument("--subject", metavar="DIGEST")
    indexed = add("index", help="push an index")
    indexed.add_argument("name", metavar="REPO[:TAG]")
    indexed.add_argument("children", nargs="+", metavar="DIGEST")
    tag = add("tag", help="put a manifest under another tag")
    for name in ("repo", "reference", "tag"):
        tag.add_argument(name)
    for name, help_text in (("delete", "delete a manifest"), ("delete-layer", "delete a layer link"),
                            ("pull", "pull an image whole"), ("has", "is there such a manifest?")):
        one = add(name, help=help_text)
        one.add_argument("repo")
        one.add_argument("reference")
    for name, help_text in (("blob", "upload a lone blob"), ("upload", "begin an upload, never finish it")):
        one = add(name, help=help_text)
        one.add_argument("repo")
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--size", type=int, default=1000)
        one.add_argument("--algorithm", default="sha256")
    add("catalog", help="list repositories")
    tags = add("tags", help="list tags")
    tags.add_argument("repo")
    layout = add("layout", help="write an OCI layout")
    layout.add_argument("folder")
    layout.add_argument("name")
    layout.add_argument("--seed", default="1")
    layout.add_argument("--shared-seed", default="base")
    layout.add_argument("--size", type=int, default=20000)
    layout.add_argument("--arch", action="append", default=[])
    return parser.parse_args()


def main():
    args = arguments()
    client = Client(args.registry)
    wrong = []
    if args.command == "storm":
        storm = Storm(client, args.seed, args.whole)
        storm.run(args.count)
        print(json.dumps(storm.expected(), indent=1))
    elif args.command == "check":
        with open(args.file, encoding="utf-8") as file:
            wrong = check(client, json.load(file), args.tagged)
    elif args.command == "check-all":
        wrong = check_all(client)
    elif args.command == "image":
        push_image_command(client, args)
    elif args.command == "index":
        push_index_command(client, args)
    elif args.command == "tag":
        tag_command(client, args)
    elif args.command == "delete":
        client.delete_manifest(args.repo, args.reference)
    elif args.command == "delete-layer":
        client.delete_blob(args.repo, args.reference)
    elif args.command == "pull":
        print(client.pull(args.repo, args.reference))
    elif args.command == "has":
        return 0 if client.head_manifest(args.repo, args.reference) else 1
    elif args.command == "blob":
        print(client.push_blob(args.repo, random.Random(args.seed).randbytes(args.size), algorithm=args.algorithm))
    elif args.command == "upload":
        print(client.leave_upload(args.repo, random.Random(args.seed).randbytes(args.size)))
    elif args.command == "catalog":
        print("\n".join(client.catalog()))
    elif args.command == "tags":
        print("\n".join(client.tags(args.repo)))
    elif args.command == "layout":
        print(write_layout(args.folder, args.name, args.seed, args.arch or ["amd64"], args.size, args.shared_seed))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"client: {refused}")
