"""What clients were promised, kept while they work side by side.

A key is ("m", repository, digest), with True while that manifest must be there and False once it was deleted, or
("t", repository, tag), with the digest that the tag must point at, or False. None: nobody can say, because requests
that want different things overlapped or one of them failed; what is in doubt is asked of nobody.
"""

import threading


class Operation:
    def __init__(self, writes):
        self.writes = writes  # key → value; None: any value may come of it
        self.spoiled = set()  # keys of which another operation wanted something else meanwhile


class Image:
    """A manifest with all that a client needs to push it again."""

    def __init__(self, digest, data, media_type, blobs, children=()):
        self.digest, self.data, self.media_type = digest, data, media_type
        self.blobs, self.children = list(blobs), list(children)  # bytes; images


class Ledger:
    """`untagged_stay`: is an image without a tag promised too? All methods may be called from any thread."""

    def __init__(self, untagged_stay):
        self.untagged_stay = untagged_stay
        self.lock = threading.RLock()
        self.values, self.versions, self.running = {}, {}, {}
        self.images = {}  # (repository, digest) → Image
        self.tags = {}  # repository → {tag: digests that it ever pointed at}
        self.followers = {}  # ("m", repository, digest) → keys that live while it does

    # ---- operations, from before the request to after the answer ----

    def begin_push(self, repo, image, tag=None, subject=None):
        """`subject`: a digest; what is pushed is promised only while that is."""
        with self.lock:
            manifest = ("m", repo, image.digest)
            self.images.setdefault((repo, image.digest), image)
            writes = {manifest: True}
            if tag:
                name = ("t", repo, tag)
                writes[name] = image.digest
                self.tags.setdefault(repo, {}).setdefault(tag, set()).add(image.digest)
                for other in self.running.get(manifest, ()):  # a deletion that may find the tag
                    if other.writes[manifest] is not True:
                        self._join(other, name, None)
            operation = self._begin(writes)
            if subject:
                followed = ("m", repo, subject)
                self.followers.setdefault(followed, set()).add(name if tag else manifest)
                if not self._is_rooted(repo, subject):
                    operation.spoiled.add(name if tag else manifest)
            return operation

    def begin_delete(self, repo, digest):
        with self.lock:
            manifest = ("m", repo, digest)
            writes = {manifest: False}
            for tag, digests in self.tags.get(repo, {}).items():
                value = self.values.get(("t", repo, tag), False)
                if value == digest:
                    writes["t", repo, tag] = False
                elif value is None and digest in digests:
                    writes["t", repo, tag] = None
            for follower in self.followers.get(manifest, ()):
                self._set(follower, None)
                for other in self.running.get(follower, ()):
                    other.spoiled.add(follower)
            return self._begin(writes)

    def end(self, operation, done):
        with self.lock:
            for key, value in operation.writes.items():
                self.running[key].remove(operation)
                if done and key not in operation.spoiled:
                    self._set(key, value)

    def _begin(self, writes):
        operation = Operation({})
        for key, value in writes.items():
            self._join(operation, key, value)
        return operation

    def _join(self, operation, key, value):
        operation.writes[key] = value
        for other in self.running.setdefault(key, []):
            if value is None or other.writes[key] != value:
                operation.spoiled.add(key)
                other.spoiled.add(key)
        if operation not in self.running[key]:
            self.running[key].append(operation)
        if value is None or self.values.get(key, False) != value:
            self._set(key, None)

    def _set(self, key, value):
        if self.values.get(key, False) != value:
            self.values[key] = value
            self.versions[key] = self.versions.get(key, 0) + 1

    # ---- questions ----

    def is_whole(self, repo, digest):
        with self.lock:
            return self.values.get(("m", repo, digest)) is True and \
                all(self.is_whole(repo, child.digest) for child in self.images[repo, digest].children)

    def _is_rooted(self, repo, digest):
        return self.is_whole(repo, digest) and (self.untagged_stay or any(
            self.values.get(("t", repo, tag)) == digest for tag, digests in self.tags.get(repo, {}).items()
            if digest in digests and not tag.startswith("sha256-")))

    def promised(self):
        """[(repository, reference, digest)] of all that must be there whole."""
        with self.lock:
            following = {key for followers in self.followers.values() for key in followers}
            found = [(key[1], key[2], value) for key, value in self.values.items()
                     if key[0] == "t" and value and self.is_whole(key[1], value)]
            found += [(key[1], key[2], key[2]) for key, value in self.values.items()
                      if key[0] == "m" and value and (self.untagged_stay or key in following)
                      and self.is_whole(key[1], key[2])]
            return sorted(found)

    def claim(self, repo, reference, digest):
        """Something to compare later: the same claim again means that the promise held all the while. None: there is
        no promise."""
        with self.lock:
            kept = reference == digest or self.values.get(("t", repo, reference)) == digest
            if not kept or not self.is_whole(repo, digest):
                return None
            keys = [("t", repo, reference)] + self._keys(repo, digest)
            return [(key, self.versions.get(key, 0)) for key in keys]

    def _keys(self, repo, digest):
        keys = [("m", repo, digest)]
        for child in self.images[repo, digest].children:
            keys += self._keys(repo, child.digest)
        return keys

    def manifests(self, repo):
        """Digests that may be there."""
        with self.lock:
            return sorted(key[2] for key, value in self.values.items()
                          if key[0] == "m" and key[1] == repo and value is not False)
