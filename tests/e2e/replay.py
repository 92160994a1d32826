#!/usr/bin/env python3
"""Replays recorded events of a registry to `regsweep serve`, over storage that changes as they tell.

    replay.py FILE ROOT URL TOKEN

The recordings (tests/data/events) are what a registry sent; what it stored is not among them. So each digest gets bytes of ours:
a blob as many as it had, a manifest what its event says it names. Before an event is sent, that is written to ROOT, or deleted
there, as the registry had done (Linkedblobstore, tagstore and manifeststore of distribution). The event is sent as it is, but for
digests and the sizes of manifests.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import urllib.request

# What the events of this manifest cannot tell: that it has a subject, which an event before names.
SUBJECTS = {"sha256:e1031c5f": "sha256:64a87ae0"}


class Replay:
    def __init__(self, root, url, token):
        self.top = os.path.join(root, "docker/registry/v2")
        self.url, self.token = url, token
        self.ours = {}  # digest of the recording → (digest, bytes)
        self.manifests = set()

    def write(self, path, content):
        path = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def link(self, path, digest):
        algorithm, name = digest.split(":")
        self.write(f"{path}/{algorithm}/{name}/link", digest.encode())

    def name(self, theirs, content):
        """Gives bytes to a digest of the recording, once."""
        if theirs not in self.ours:
            self.ours[theirs] = ("sha256:" + hashlib.sha256(content).hexdigest(), content)
        digest, content = self.ours[theirs]
        name = digest.split(":")[1]
        self.write(f"blobs/sha256/{name[:2]}/{name}/data", content)
        return digest

    def manifest(self, target):
        """What such an event says, as the registry had stored it."""
        named = [{"mediaType": ref["mediaType"], "digest": self.ours[ref["digest"]][0], "size": ref["size"]}
                 for ref in target["references"]]
        content = {"schemaVersion": 2, "mediaType": target["mediaType"]}
        if target["mediaType"].endswith("index.v1+json"):
            content["manifests"] = named
        else:
            content["config"] = next(ref for ref in named if "config" in ref["mediaType"])
            content["layers"] = [ref for ref in named if "config" not in ref["mediaType"]]
        for short, subject in SUBJECTS.items():
            if target["digest"].startswith(short):
                whole = next(theirs for theirs in self.ours if theirs.startswith(subject))
                digest, body = self.ours[whole]
                content["subject"] = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": len(body)}
        return json.dumps(content).encode()

    def push(self, repository, target):
        theirs = target["digest"]
        if "references" not in target:
            digest = self.name(theirs, hashlib.sha256(theirs.encode()).digest() * (target["size"] // 32) + b"." * (target["size"] % 32))
            self.link(f"{repository}/_layers", digest)
            return
        self.manifests.add(theirs)
        digest = self.name(theirs, self.manifest(target))
        target["size"] = target["length"] = len(self.ours[theirs][1])
        self.link(f"{repository}/_manifests/revisions", digest)
        if "tag" in target:
            tag = f"{repository}/_manifests/tags/{target['tag']}"
            self.link(f"{tag}/index", digest)
            self.write(f"{tag}/current/link", digest.encode())

    def delete(self, repository, target):
        if target.get("tag"):
            shutil.rmtree(os.path.join(self.top, repository, "_manifests/tags", target["tag"]), ignore_errors=True)
            return
        digest = self.ours[target["digest"]][0]
        place = "_manifests/revisions" if target["digest"] in self.manifests else "_layers"
        os.unlink(os.path.join(self.top, repository, place, "sha256", digest.split(":")[1], "link"))

    def rename(self, text):
        """Digests of the recording become ours, in tags too."""
        for theirs, (digest, _) in self.ours.items():
            text = text.replace(theirs, digest).replace(theirs.replace(":", "-"), digest.replace(":", "-"))
        return text

    def event(self, event):
        target = event["target"]
        repository = "repositories/" + target["repository"]
        if target.get("tag"):
            target["tag"] = self.rename(target["tag"])
        if event["action"] in ("push", "mount"):
            self.push(repository, target)
        elif event["action"] == "delete":
            self.delete(repository, target)

    def envelope(self, line):
        body = json.loads(line)
        for event in body["events"]:
            self.event(event)
        text = self.rename(json.dumps(body))
        request = urllib.request.Request(self.url, data=text.encode(), method="POST", headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/vnd.docker.distribution.events.v1+json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status // 100 == 2
        left = re.findall("|".join(re.escape(theirs) for theirs in self.ours), text)
        assert not left, left


def main():
    path, root, url, token = sys.argv[1:]
    replay = Replay(root, url, token)
    with open(path, encoding="utf-8") as file:
        for line in file:
            replay.envelope(line)
    print(json.dumps({"digests": len(replay.ours), "manifests": len(replay.manifests)}))


main()
