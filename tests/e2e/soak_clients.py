"""The clients of a soak: some that push, re-tag and delete as docker and skopeo do, and a reader that pulls what the
others were promised."""

import http.client
import random
import threading
import time

from client import COSIGN, EMPTY, OCI_CONFIG, OCI_LAYER, Client, Refused, digest_of, dump, image, index
from soak_ledger import Image

REPOSITORIES = ["app", "team/web", "team/api/v1", "base", "a/b", "brief/one", "brief/two"]
MOVING = ["latest", "edge", "stable", "_uploads"]
TRIES = 5
TROUBLE = (OSError, http.client.HTTPException)  # no answer


class Counts:
    """Numbers by name, from any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.numbers, self.notes = {}, {}

    def add(self, name, note=None):
        with self.lock:
            self.numbers[name] = self.numbers.get(name, 0) + 1
            if note is not None and len(self.notes.setdefault(name, [])) < 10:
                self.notes[name].append(note)

    def get(self, name):
        return self.numbers.get(name, 0)

    def below(self, prefix):
        return {name[len(prefix):]: number for name, number in sorted(self.numbers.items())
                if name.startswith(prefix)}


class Balanced(Client):
    """A client behind a load balancer: every request may go to another replica."""

    def __init__(self, urls, source):
        super().__init__(urls[0])
        self.replicas = [Client(url) for url in urls]
        self.random = source

    def request(self, *args, **kwargs):
        return self.random.choice(self.replicas).request(*args, **kwargs)


class Worker(threading.Thread):
    """One client. It does what docker and skopeo do, and writes down in the ledger what it was promised."""

    def __init__(self, soak, number):
        super().__init__(name=f"client-{number}", daemon=True)
        self.soak, self.number, self.made = soak, number, 0
        self.ledger, self.counts = soak.ledger, soak.counts
        self.random = random.Random(f"{soak.args.seed}/{number}")
        self.client = Balanced(soak.urls, random.Random(f"{soak.args.seed}/{number}/replica"))
        self.error = None
        self.operations = [(20, self.push_new), (10, self.push_moving), (20, self.push_same), (6, self.push_slowly),
                           (6, self.push_index), (2, self.push_nested), (5, self.push_referrer), (5, self.push_cosign),
                           (8, self.retag), (20, self.delete)]

    def run(self):
        weights = [weight for weight, _ in self.operations]
        try:
            while not self.soak.over.wait(self.soak.args.pause):
                self.random.choices(self.operations, weights)[0][1]()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error  # a fault of the soak itself: reported, and the soak fails
            raise

    # ---- what a push consists of ----

    def repository(self):
        brief = self.random.random() < 0.08
        return self.random.choice(REPOSITORIES[-2:] if brief else REPOSITORIES[:-2])

    def layers(self):
        layers = self.random.sample(self.soak.shared, self.random.randrange(0, 3))
        return layers + [self.random.randbytes(self.random.randrange(50, 3000))]

    def new_image(self, **more):
        return image_of(self.layers(), self.random.getrandbits(64), **more)

    def own_tag(self, letter):
        self.made += 1
        return f"{letter}{self.number}-{self.made}"

    def ensure_blob(self, repo, data, trusting):
        """As docker: what is there is skipped, what another repository has is mounted, the rest is uploaded. After an
        answer that the blob is not there after all, HEAD is not asked again."""
        digest = digest_of(data)
        location = None
        if trusting:
            if self.client.has_blob(repo, digest):
                self.counts.add("did: skipped a layer")
                return
            source = self.soak.where_else(repo, digest, self.random)
            if source and self.random.random() < 0.5:
                status, location = self.client.begin_upload(repo, f"?mount={digest}&from={source}", (201, 202))
                if status == 201:
                    self.counts.add("did: mounted a layer")
                    self.soak.note_blob(repo, digest)
                    return
        if location:
            self.client.request("PUT", self.client.with_digest(location, digest), data,
                                {"Content-Type": "application/octet-stream"}, (201,))
        else:
            self.client.push_blob(repo, data, chunks=self.random.choice([1, 1, 1, 2]))
        self.counts.add("did: uploaded a layer")
        self.soak.note_blob(repo, digest)

    def push_tree(self, repo, pushed, reference, trusting, pause):
        for child in pushed.children:
            if not self.push(repo, child, trusting=trusting):
                raise Refused(f"{repo}: child {child.digest} was refused", 404)
        for data in pushed.blobs:
            self.ensure_blob(repo, data, trusting)
        if pause:
            self.soak.over.wait(pause)
        self.client.put_manifest(repo, reference, pushed.data, pushed.media_type)

    def push(self, repo, pushed, tag=None, subject=None, pause=0.0, trusting=True):
        """Pushes an image with all that it names, trying again as clients do. True once it is acknowledged."""
        operation = self.ledger.begin_push(repo, pushed, tag, subject)
        done = False
        try:
            # Who dawdles for longer than grace and is refused for it does not dawdle again.
            done = self.try_to(f"push {repo}:{tag or pushed.digest}", lambda again: self.push_tree(
                repo, pushed, tag or pushed.digest, trusting and again != "MANIFEST_BLOB_UNKNOWN",
                0 if again == "MANIFEST_BLOB_UNKNOWN" else pause))
            if done:
                self.counts.add("pushed")
        finally:
            self.ledger.end(operation, done)
        return done

    def try_to(self, what, act):
        """Calls act(why it is called again, or None) up to five times. False: it failed for good."""
        why, said = None, None
        for attempt in range(TRIES):
            if attempt:
                self.counts.add("retry: " + why)
                time.sleep(0.3 * 2 ** (attempt - 1))
            try:
                act(why)
                return True
            except TROUBLE as error:
                why, said = "no answer", repr(error)
            except Refused as error:
                why, said = cause(error), str(error)
        self.counts.add("failed for good", f"{what}: {said}")
        return False

    # ---- what clients do ----

    def push_new(self):
        repo = self.repository()
        self.push(repo, self.new_image(), self.own_tag("u"))

    def push_moving(self):
        self.push(self.repository(), self.new_image(), self.random.choice(MOVING))

    def push_same(self, pause=0.0):
        """The same bytes that others push, pushed before and deleted: into the same repositories, under the same tag."""
        number = self.random.randrange(len(self.soak.recipes))
        self.push(self.repository(), self.soak.recipes[number], f"r{number}", pause=pause)

    def push_slowly(self):
        """Seconds go by between the looks at the layers and the manifest."""
        self.push_same(self.random.uniform(0.5, 3))

    def index_of(self, children):
        data, media_type = index([(child.digest, len(child.data), child.media_type) for child in children])
        return Image(digest_of(data), data, media_type, [], children)

    def push_index(self):
        children = [self.new_image(), self.random.choice(self.soak.recipes)]
        self.push(self.repository(), self.index_of(children), self.random.choice([self.own_tag("i"), "latest"]))

    def push_nested(self):
        inner = self.index_of([self.new_image(), self.new_image()])
        self.push(self.repository(), self.index_of([inner, self.new_image()]), self.own_tag("n"))

    def some_subject(self, repo):
        """An image under a tag that never moves."""
        found = [one for one in self.soak.promised() if one[0] == repo and one[1][:1] in ("u", "r")]
        return self.ledger.images[repo, self.random.choice(found)[2]] if found else None

    def push_referrer(self):
        repo = self.repository()
        subject = self.some_subject(repo)
        if subject:
            to = {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.data)}
            pushed = image_of([self.random.randbytes(200)], b"{}", subject=to, artifact_type="application/spdx+json")
            self.push(repo, pushed, subject=subject.digest)

    def push_cosign(self):
        repo = self.repository()
        subject = self.some_subject(repo)
        if subject:
            payload = dump({"critical": {"image": {"docker-manifest-digest": subject.digest}},
                            "optional": self.random.getrandbits(32)})
            pushed = image_of([payload], self.random.getrandbits(64), layer_type=COSIGN)
            self.push(repo, pushed, subject.digest.replace(":", "-") + ".sig", subject=subject.digest)

    def retag(self):
        """Reads a manifest and puts it under another tag; its layers it never looks at."""
        promised = [one for one in self.soak.promised() if not one[1].startswith("sha256")]
        if not promised:
            return
        repo, reference, digest = self.random.choice(promised)
        try:
            data, _ = self.client.manifest(repo, reference)
        except (Refused, *TROUBLE):
            return  # the reader counts what cannot be read
        known = self.ledger.images.get((repo, digest_of(data)))
        if known and not self.soak.follows(repo, digest):
            self.counts.add("did: re-tagged")
            self.push(repo, known, self.random.choice(MOVING))

    def delete(self):
        """Keeps about as many images as were asked for."""
        repo = self.random.choice(REPOSITORIES)
        for _ in range(3 if self.soak.is_full() else 1):
            digests = self.ledger.manifests(repo)
            if digests:
                self.delete_manifest(repo, self.random.choice(digests))

    def delete_manifest(self, repo, digest):
        operation = self.ledger.begin_delete(repo, digest)
        done = False
        try:
            done = self.try_to(f"delete {repo}@{digest}", lambda again: self.client.request(
                "DELETE", f"/v2/{repo}/manifests/{digest}", expect=(202, 404)))
            self.counts.add("deleted")
        finally:
            self.ledger.end(operation, done)


def cause(error):
    """The registry's own word for it, or the status."""
    for word in ("MANIFEST_BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UNKNOWN"):
        if word in str(error):
            return word
    return f"status {error.status}"


def image_of(layers, identity, layer_type=OCI_LAYER, **more):
    """`identity`: a number that makes the configuration unique, or its very bytes."""
    config, media_type = (identity, EMPTY) if isinstance(identity, bytes) else \
        (dump({"os": "linux", "id": identity}), OCI_CONFIG)
    data, manifest_type = image((config, media_type), [(layer, layer_type) for layer in layers], **more)
    return Image(digest_of(data), data, manifest_type, layers + [config])


class Reader(threading.Thread):
    """Pulls promised images at random, and measures how long one is unreadable."""

    def __init__(self, soak):
        super().__init__(name="reader", daemon=True)
        self.soak, self.ledger = soak, soak.ledger
        self.random = random.Random(f"{soak.args.seed}/reader")
        self.client = Balanced(soak.urls, self.random)
        self.reads, self.spells = 0, []
        self.waiting = {}  # what could not be read: (claim, since, why)

    def run(self):
        while not self.soak.over.wait(max(0.01, self.soak.args.pause)):
            for one in list(self.waiting):
                self.read_again(one)
            promised = self.soak.promised()
            if promised:
                self.read(self.random.choice(promised))
        for one in list(self.waiting):
            self.note(one)

    def read(self, one):
        claim, start = self.ledger.claim(*one), time.monotonic()
        if claim is None or one in self.waiting:
            return
        self.reads += 1
        try:
            self.client.pull(*one[:2])
        except TROUBLE:
            pass  # no registry is there
        except Refused as error:
            self.waiting[one] = (claim, start, str(error))

    def read_again(self, one):
        try:
            self.client.pull(*one[:2])
            self.note(one)
        except TROUBLE:
            del self.waiting[one]
        except Refused:
            if self.ledger.claim(*one) != self.waiting[one][0]:
                del self.waiting[one]  # it was deleted, or moved, meanwhile

    def note(self, one):
        claim, start, said = self.waiting.pop(one)
        if self.ledger.claim(*one) == claim:
            self.spells.append((time.monotonic() - start) * 1000)
            self.soak.counts.add("unreadable", f"{one[0]}:{one[1]}: {said}")

    def result(self):
        spells = sorted(self.spells)

        def at(share):
            return round(spells[min(len(spells) - 1, int(share * len(spells)))], 1) if spells else 0

        return {"reads": self.reads, "unreadable": len(spells), "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1)}
