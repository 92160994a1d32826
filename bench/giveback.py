"""How long it takes until a hidden image that was touched is back, as a section of bench/RESULTS.md: `./dev bench --only
giveback` runs it.

Images are pushed to a real registry, deleted, and hidden by a sweep. Then `serve` is sent, one after the other, the event of a
pull of each one's manifest, as a registry sends it when a client asks for what its cache still knows; the time ends when the
revision's link, the layer links and all bytes are in place again. Once with nothing else to do, once while others send events.
"""

import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(TOP, "tests", "e2e"))  # behind this folder, which has a soak.py too
import soak_stack  # noqa: E402
from client import Client, digest_of  # noqa: E402
from soak_clients import image_of  # noqa: E402

TITLE = "## Giving back: from an event to an image that is whole again"
REPO = "app"
GIVE_UP = 10  # seconds
SENDERS = 4


def keys_of(pushed):
    """All files that the image needs."""
    blobs = [digest_of(data).replace(":", "/") for data in pushed.blobs]
    manifest = pushed.digest.replace(":", "/")
    base = f"docker/registry/v2/repositories/{REPO}"
    keys = [f"{base}/_manifests/revisions/{manifest}/link"] + [f"{base}/_layers/{blob}/link" for blob in blobs]
    return keys + [f"docker/registry/v2/blobs/{blob[:7]}{blob[7:9]}/{blob[7:]}/data" for blob in blobs + [manifest]]


def event_of(pushed, number):
    target = {"mediaType": pushed.media_type, "size": len(pushed.data), "length": len(pushed.data), "digest": pushed.digest,
              "repository": REPO, "url": f"http://127.0.0.1/v2/{REPO}/manifests/{pushed.digest}"}
    request = {"id": f"request-{number}", "addr": "127.0.0.1:1", "host": "127.0.0.1", "method": "HEAD", "useragent": "bench"}
    event = {"id": f"giveback-{number}", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "action": "pull",
             "target": target, "request": request, "actor": {}, "source": {"addr": "bench:5000", "instanceID": "bench"}}
    return json.dumps({"events": [event]})


class Bench:
    def __init__(self, program, work):
        self.root, self.index = os.path.join(work, "registry"), os.path.join(work, "index")
        os.mkdir(self.root)
        self.program = program
        self.serve = soak_stack.Serve(work, program, self.index, self.root, [])
        self.registry = soak_stack.Registry(work, "registry0", {"filesystem": {"rootdirectory": self.root}}, "none", None,
                                            f"http://127.0.0.1:{self.serve.port}/events")
        self.registry.write_config()
        self.online = ["--registry-config", self.registry.config, "--registry", self.registry.url, "--settle", "1s",
                       "--quarantine", "1h"]
        self.serve.options = self.online

    def regsweep(self, *command):
        return subprocess.run([self.program, *command], check=True, stdout=subprocess.PIPE, env=soak_stack.environment()).stdout

    def start(self):
        self.regsweep("scan", "--index", self.index, "--storage", self.root, "--quiet")
        self.serve.start()
        self.registry.start()

    def stop(self):
        self.registry.stop()
        self.serve.stop()

    def hide(self, images):
        """Pushes, deletes and sweeps them, until their bytes are hidden."""
        client = Client(self.registry.url)
        for pushed in images:
            for data in pushed.blobs:
                client.push_blob(REPO, data)
            client.put_manifest(REPO, pushed.digest, pushed.data, pushed.media_type)
        for pushed in images:
            client.delete_manifest(REPO, pushed.digest)
        soak_stack.wait_until("the feed to be drained", lambda: self.registry.has_sent_all() and self.serve.has_asked_all())
        time.sleep(1.1)  # grace
        self.regsweep("sweep", "--index", self.index, "--storage", self.root, "--confirm", "--quiet", "--grace", "1s",
                      "--untagged", "remove", "--max-delete", "100", *self.online)
        paths = [os.path.join(self.root, key) for pushed in images for key in keys_of(pushed)]
        soak_stack.wait_until("the images to be hidden", lambda: not any(map(os.path.exists, paths)), 120)

    def give_back(self, pushed, number):
        """Milliseconds until serve answered, and until all is back."""
        paths = [os.path.join(self.root, key) for key in keys_of(pushed)]
        paths.remove(os.path.join(self.root, keys_of(pushed)[0]))  # the client had deleted the revision: it stays deleted
        body = event_of(pushed, number)
        connection = http.client.HTTPConnection("127.0.0.1", self.serve.port, timeout=GIVE_UP)
        start = time.perf_counter()
        connection.request("POST", "/events", body, {"Authorization": "Bearer " + soak_stack.TOKEN})
        status = connection.getresponse().status
        answered = time.perf_counter()
        connection.close()
        if status != 200:
            sys.exit(f"serve answers an event with {status}")
        while not all(map(os.path.exists, paths)):
            if time.perf_counter() > start + GIVE_UP:
                sys.exit(f"not back after {GIVE_UP} s: {[path for path in paths if not os.path.exists(path)]}")
            time.sleep(0.0002)
        return (answered - start) * 1000, (time.perf_counter() - start) * 1000


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def row(name, times):
    answered, back = zip(*times)
    return f"| {name} | {len(times)} | {statistics.median(answered):.1f} ms | **{statistics.median(back):.1f} ms** | " \
           f"{percentile(back, 0.99):.1f} ms | {max(back):.1f} ms |"


def measure(program, feed_load, count, seed, work):
    source = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="giveback-", dir=work) as folder:
        bench = Bench(program, folder)
        images = [image_of([source.randbytes(source.randrange(1000, 20000)) for _ in range(5)], number)
                  for number in range(2 * count)]
        try:
            bench.start()
            bench.hide(images)
            idle = [bench.give_back(pushed, number) for number, pushed in enumerate(images[:count])]
            with subprocess.Popen([feed_load, f"127.0.0.1:{bench.serve.port}", "--senders", str(SENDERS), "--events", "10000000",
                                   "--seed", str(seed)], stdout=subprocess.DEVNULL,
                                  env=dict(os.environ, REGSWEEP_TOKEN=soak_stack.TOKEN)) as load:
                time.sleep(1)
                busy = [bench.give_back(pushed, count + number) for number, pushed in enumerate(images[count:])]
                load.terminate()
        finally:
            bench.stop()
    return [TITLE, "",
            f"Seed {seed}, on {time.strftime('%Y-%m-%d', time.gmtime())}. Images of five layers and a configuration, hidden by a sweep with a real "
            "registry beside; each is touched by one event, and the time ends when all its bytes and layer links are in place "
            "again. Under load other senders keep the feed as busy as it gets.", "",
            "| beside | images | event answered, median | whole again, median | 99th percentile | slowest |", "|---|---|---|---|---|---|",
            row("nothing", idle), row(f"{SENDERS} senders of events", busy), ""]
