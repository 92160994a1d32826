#!/usr/bin/env python3
"""A bad line between a registry and `regsweep serve`: takes events and hands them on as it was told.

    feed_proxy.py PORT TARGET --trouble double,delay,refuse,reorder,drop,deaf --seed N

double   some events are handed on twice, the second time a while later
delay    each is held back for up to half a second; order stays
refuse   some are answered 503, or the connection is cut, before or after they were handed on: the registry sends them again
reorder  they are acknowledged at once, and handed on within half a second in any order
drop     some are acknowledged and never handed on
deaf     none is handed on

GET / tells how many of each there were, how many are still waiting, and which registry spoke last. A PUT to / with other
words takes the place of --trouble.
"""

import argparse
import http.client
import http.server
import json
import random
import threading
import time
import urllib.parse


class Line:
    def __init__(self, target, trouble, seed):
        self.target = urllib.parse.urlsplit(target)
        self.set_trouble(trouble)
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.counts = {name: 0 for name in ("taken", "waiting", "double", "delay", "refuse", "reorder", "drop", "deaf")}
        self.instance = ""

    def set_trouble(self, words):
        self.trouble = set(filter(None, words.split(",")))

    def add(self, name, number=1):
        with self.lock:
            self.counts[name] += number

    def chance(self, name, share):
        if name not in self.trouble or self.random.random() >= share:
            return False
        self.add(name)
        return True

    def hand_on(self, body, headers):
        """The answer of serve, or 503 if there is none."""
        connection = http.client.HTTPConnection(self.target.netloc, timeout=10)
        try:
            connection.request("POST", self.target.path, body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 503
        finally:
            connection.close()

    def hand_on_later(self, body, headers, delay):
        self.add("waiting")

        def act():
            time.sleep(delay)
            while self.hand_on(body, headers) >= 500:
                time.sleep(0.05)
            self.add("waiting", -1)

        threading.Thread(target=act, daemon=True).start()

    def take(self, body, headers):
        """The answer to the registry; None cuts the connection."""
        self.add("taken")
        self.instance = json.loads(body)["events"][0]["source"]["instanceID"]
        if self.chance("deaf", 2) or self.chance("drop", 0.03):
            return 200
        if self.chance("refuse", 0.03):
            return self.random.choice([503, None])
        if self.chance("delay", 1):
            time.sleep(self.random.uniform(0, 0.5) ** 6)  # mostly short, or the queue would only grow
        if self.chance("double", 0.1):
            self.hand_on_later(body, headers, self.random.uniform(0, 2))
        if self.chance("reorder", 0.5):
            self.hand_on_later(body, headers, self.random.uniform(0, 0.5))
            return 200
        status = self.hand_on(body, headers)
        return None if self.chance("refuse", 0.02) else status


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    line = None

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in ("Content-Type", "Authorization") if name in self.headers}
        status = self.line.take(body, headers)
        if status is None:
            self.close_connection = True
        else:
            self.answer(status, b"")

    def do_GET(self):
        with self.line.lock:
            said = json.dumps(dict(self.line.counts, instance=self.line.instance)).encode()
        self.answer(200, said)

    def do_PUT(self):
        self.line.set_trouble(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(200, b"")

    def answer(self, status, said):
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("target")
    parser.add_argument("--trouble", default="")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    Handler.line = Line(args.target, args.trouble, args.seed)
    http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
