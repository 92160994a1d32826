"""What a soak runs against: registries over one storage, a Redis server, `regsweep serve`, and a sweeper.

Everything is on loopback, at ports that were free a moment ago, and is stopped by process id. Every process can be
killed and started again; its port stays the same. What a process says goes to a log of its own.
"""

import hashlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TOKEN = "soak-secret"
LIMIT = 30  # seconds that anything may take to start, to stop, or to drain


def free_port():
    """Below the range from which the kernel takes ports for outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def get(port, path):
    """Status and body, or None while nothing answers there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_until(what, test, limit=LIMIT):
    end = time.monotonic() + limit
    while not test():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.05)


further_environment = {}  # of all programs: how to get at a bucket


def environment():
    """Nothing of the machine's own settings reaches the programs."""
    strange = ("REGSWEEP_", "REGISTRY_", "OTEL_", "AWS_")
    proxies = ("http_proxy", "https_proxy", "all_proxy", "notify_socket")
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(strange) and name.lower() not in proxies}
    return dict(kept, NO_PROXY="*", no_proxy="*", LC_ALL="C.UTF-8", TZ="UTC", **further_environment)


class Directory:
    """Storage of a registry: a folder."""

    def __init__(self, root):
        os.makedirs(root)
        self.url, self.root = root, root
        self.driver = {"filesystem": {"rootdirectory": root}}

    def has(self, key):
        return os.path.exists(os.path.join(self.root, key))

    def keys(self, prefix):
        for folder, _, files in os.walk(os.path.join(self.root, prefix)):
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root)


class Bucket:
    """Storage of a registry: a prefix of a bucket in the store that tests/e2e/ceph.sh describes in a file."""

    def __init__(self, described, place):
        with open(described, encoding="ascii") as file:
            store = dict(line.strip().split("=", 1) for line in file)
        self.bucket, self.prefix = place.split("/", 1)
        self.endpoint, self.user = store["S3_ENDPOINT"], f'{store["S3_ACCESS"]}:{store["S3_SECRET"]}'
        self.url = f"s3://{place}"
        self.driver = {"s3": {"accesskey": store["S3_ACCESS"], "secretkey": store["S3_SECRET"], "region": "us-east-1",
                              "regionendpoint": self.endpoint, "forcepathstyle": True, "secure": False,
                              "bucket": self.bucket, "rootdirectory": "/" + self.prefix},
                       "redirect": {"disable": True}}
        further_environment.update(REGSWEEP_S3_ENDPOINT=self.endpoint, AWS_ACCESS_KEY_ID=store["S3_SWEEPER"],
                                   AWS_SECRET_ACCESS_KEY=store["S3_SWEEPER_SECRET"])

    def has(self, key):
        return key in self.keys(key)

    def keys(self, prefix):
        after = ""
        while True:
            query = f"list-type=2&prefix={quote(self.prefix + '/' + prefix)}" + (f"&start-after={quote(after)}" if after else "")
            said = subprocess.run(["curl", "-sf", "--max-time", "30", "--aws-sigv4", "aws:amz:us-east-1:s3", "-K", "-",
                                   "-H", "x-amz-content-sha256: " + hashlib.sha256().hexdigest(),
                                   f"{self.endpoint}/{self.bucket}?{query}"], check=True, stdout=subprocess.PIPE,
                                  input=f'user = "{self.user}"'.encode(), env=environment()).stdout.decode()
            found = re.findall("<Key>([^<]*)</Key>", said)
            yield from (key[len(self.prefix) + 1:] for key in found)
            if "<IsTruncated>true</IsTruncated>" not in said:
                return
            after = found[-1]


def quote(text):
    return urllib.parse.quote(text, safe="")


def fill(path, text):
    """If there is nothing in it."""
    try:
        with open(path, "r+b") as file:
            if not file.read():
                file.write(text.encode())
    except FileNotFoundError:
        pass  # a sweep was quicker


class Program:
    """A process that is there from start to stop, unless somebody kills it in between."""

    def __init__(self, work, name):
        self.work, self.name = work, name
        self.log = os.path.join(work, name + ".log")
        self.process = None
        self.kills = 0

    def command(self):
        raise NotImplementedError

    def is_up(self):
        raise NotImplementedError

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment())
        wait_until(f"{self.name} to start, see {self.log}", lambda: self.process.poll() is not None or self.is_up())
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{self.name} ended at its start: {log.read()[-2000:]}")
        return self

    def stop(self, with_signal=signal.SIGTERM):
        """Its exit status."""
        if self.process is None:
            return None
        self.process.send_signal(with_signal)
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process = None
        return status

    def kill_and_start(self):
        self.kills += 1
        self.stop(signal.SIGKILL)
        self.mend()
        self.start()

    def mend(self):
        """What whoever runs it does before it is started again."""


class Redis(Program):
    def __init__(self, work):
        super().__init__(work, "redis")
        self.port = free_port()

    def command(self):
        return ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no",
                "--dir", self.work]

    def is_up(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class Registry(Program):
    """One replica over `driver`. `cache`: none, inmemory or redis; `events`: URL of the feed, or None."""

    def __init__(self, work, name, driver, cache="none", redis=None, events=None):
        super().__init__(work, name)
        self.driver, self.cache, self.redis, self.events = driver, cache, redis, events
        self.port, self.debug = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = os.path.join(work, name + ".yml")

    def write_config(self):
        storage = dict(self.driver, delete={"enabled": True}, maintenance={"uploadpurging": {"enabled": False}})
        config = {"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}}, "storage": storage,
                  "http": {"addr": f"127.0.0.1:{self.port}", "secret": "the same for all replicas",
                           "debug": {"addr": f"127.0.0.1:{self.debug}"}}}
        if self.cache != "none":
            storage["cache"] = {"blobdescriptor": self.cache}
        if self.cache == "redis":
            address = f"127.0.0.1:{self.redis.port}"
            config["redis"] = {"addr": address, "addrs": [address]}  # 2.8, 3.x
        if self.events:
            config["notifications"] = {"endpoints": [{
                "name": "regsweep", "url": self.events, "headers": {"Authorization": ["Bearer " + TOKEN]},
                "timeout": "5s", "threshold": 3, "backoff": "100ms"}]}
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(config, file)  # JSON is YAML too

    def command(self):
        self.write_config()
        return ["docker-registry", "serve", self.config]

    def is_up(self):
        return (get(self.port, "/v2/") or (0,))[0] == 200

    def mend(self):
        """Links are written in place. One that it was killed over has no bytes, and who asks for what it leads to is told 500
        for good: it is written anew, as its folder is called."""
        root = self.driver.get("filesystem", {}).get("rootdirectory", "/nowhere")
        for folder, _, files in os.walk(os.path.join(root, "docker/registry/v2/repositories")):
            above, digest = os.path.split(folder)
            if "link" in files and os.path.basename(above) in ("sha256", "sha512"):
                fill(os.path.join(folder, "link"), f"{os.path.basename(above)}:{digest}")

    def has_sent_all(self):
        answer = get(self.debug, "/debug/vars")
        if not answer:
            return False
        # Not as JSON: with Redis 3.0.0 says what is none elsewhere in it.
        endpoints = re.findall(r'"Metrics": ?{"Pending":(\d+),"Events":(\d+),"Successes":(\d+)', answer[1].decode())
        return bool(endpoints) and all(pending == "0" and successes == events for pending, events, successes in endpoints)


class Serve(Program):
    """`regsweep serve`. `options`: what it is given besides index, storage and address."""

    def __init__(self, work, program, index, root, options):
        super().__init__(work, "serve")
        self.program, self.index, self.root, self.options = program, index, root, options
        self.port = free_port()
        self.token = os.path.join(work, "token")
        with open(self.token, "w", encoding="ascii") as file:
            file.write(TOKEN + "\n")

    def command(self):
        return [self.program, "serve", "--index", self.index, "--storage", self.root, "--listen",
                f"127.0.0.1:{self.port}", "--token-file", self.token] + self.options

    def is_up(self):
        return (get(self.port, "/readyz") or (0,))[0] == 200

    def has_asked_all(self):
        """Nothing waits for storage to be asked, nothing waits to be given back."""
        said = subprocess.run([self.program, "inspect", "stats", "--index", self.index, "--json"], check=True,
                              stdout=subprocess.PIPE, env=environment()).stdout
        return json.loads(said)["feed"]["checks_waiting"] == 0


class FeedProxy(Program):
    """Stands between registries and serve, and does with events what it is told; see feed_proxy.py."""

    def __init__(self, work, target, trouble, seed):
        super().__init__(work, "proxy")
        self.port, self.target, self.trouble, self.seed = free_port(), target, trouble, seed
        self.url = f"http://127.0.0.1:{self.port}/events"

    def command(self):
        return [sys.executable, os.path.join(HERE, "feed_proxy.py"), str(self.port), self.target,
                "--trouble", self.trouble, "--seed", str(self.seed)]

    def is_up(self):
        return get(self.port, "/") is not None

    def has_sent_all(self):
        answer = get(self.port, "/")
        return answer is not None and json.loads(answer[1])["waiting"] == 0

    def counts(self):
        return json.loads(get(self.port, "/")[1])


class Loop(threading.Thread):
    """Runs a command again and again until it is told to stop. `kill_after`: seconds to live, None for as long as it
    takes; it is asked before each run."""

    def __init__(self, work, name, command, pause=0.0, kill_after=lambda: None):
        super().__init__(name=name, daemon=True)
        self.log = os.path.join(work, name + ".log")
        self.command, self.pause, self.kill_after = command, pause, kill_after
        self.ended = threading.Event()
        self.statuses, self.outputs, self.kills = {}, [], 0

    def run(self):
        while not self.ended.is_set():
            self.once(self.kill_after())
            self.ended.wait(self.pause)

    def once(self, limit=None):
        """Its exit status; negative after a kill."""
        with open(self.log, "ab") as log:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                       env=environment())
        try:
            said, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            self.kills += 1
            said, _ = process.communicate()
        status = process.returncode
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 0:
            self.outputs.append(said)
        return status

    def stop(self):
        self.ended.set()
        self.join()

    def last_words(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            lines = [line for line in log if "is for tests" not in line and "registry caches in" not in line]
            return "".join(lines)[-1200:]


class Chaos(threading.Thread):
    """Kills programs at random moments and starts them again."""

    def __init__(self, seed, programs, low, high):
        super().__init__(name="chaos", daemon=True)
        self.random = random.Random(f"{seed}/chaos")
        self.programs, self.low, self.high = programs, low, high
        self.ended = threading.Event()

    def run(self):
        while self.programs and not self.ended.wait(self.random.uniform(self.low, self.high)):
            self.random.choice(self.programs).kill_and_start()

    def stop(self):
        self.ended.set()
        self.join()
