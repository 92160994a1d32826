#!/usr/bin/env python3
"""A bad line between regsweep and an object store: hands requests on, and does to some of them what it was told.

    s3_proxy.py PORT HOST:PORT --seed N

busy     answered 503 SlowDown, a few in a row, and not handed on
reset    the connection is reset, before the request was handed on or after
half     the answer breaks off in its middle
hang     no answer, and the connection stays open
slow     the answer comes in small pieces
cut      a page of a list is whole, as HTTP tells, but its XML ends in the middle
repeat   the next page of a list is the one before once more, with the same word about where it goes on
stray    a list for some keys that are wanted, which no scan makes, is answered by what was the answer to the one before
cut_versions, repeat_versions, stray_versions
         the same three, of lists of versions
keys     of what is to be deleted every other key is refused, and nothing is said of the others
forge    403 SignatureDoesNotMatch, and not handed on
revoke   the same, of deletions alone
skew     each answer is dated ten minutes ahead

A PUT to / says how many of the requests meet with it, from 0 to 1, and after how many: "busy=0.1 slow=0.2 after=5"; an empty
one ends all trouble. GET / tells, since then, how many requests came, how often the one that came most often did, how many
came as to a proxy of HTTP, and what was done. Pages are lists of more than one key: the look at a bucket with which regsweep begins is not one.
"""

import argparse
import collections
import email.utils
import hashlib
import http.client
import http.server
import json
import os
import random
import re
import select
import socket
import struct
import threading
import time
import urllib.parse
import zlib

LATE = 600  # seconds
PIECES, PAUSE = 10, 0.02
# A list for wanted keys begins just before one of them: the last letter of a link, of data or of a record's version is cut off.
WANTED = ("/lin", "/dat", "/versio")
OWN_HEADERS = ("connection", "transfer-encoding", "content-length", "keep-alive")


def error(code):
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>for a reason</Message></Error>'.encode()


class Line:
    """What is to be done, and what was. For all connections."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.set_trouble("")

    def set_trouble(self, text):
        with self.lock:
            self.trouble = {name: float(value) for name, value in (word.split("=") for word in text.split())}
            self.counts = collections.Counter()
            self.due = collections.Counter()  # at 1 it is time for one more
            self.same = collections.Counter()
            self.pages = {}  # of each list the one that was given last
            self.wanted = {}  # of all lists for wanted keys, of each kind, likewise
            self.in_a_row = 0

    def told(self):
        with self.lock:
            return dict(self.counts, most=max(self.same.values(), default=0))

    def came(self, method, path, body):
        with self.lock:
            self.counts["requests"] += 1
            self.same[method, path, hashlib.sha256(body).digest()] += 1

    def came_by_proxy(self):
        with self.lock:
            self.counts["by_proxy"] += 1

    def hits(self, name):
        with self.lock:
            if self.counts["requests"] > self.trouble.get("after", 0):
                self.due[name] += self.trouble.get(name, 0)
            hit = self.due[name] >= 1
            self.due[name] -= hit
            self.counts[name] += hit
            return hit

    def is_busy(self):
        with self.lock:
            if self.in_a_row > 0:
                self.in_a_row -= 1
                self.counts["busy"] += 1
                return True
        if self.hits("busy"):
            self.in_a_row = self.random.randrange(4)
            return True
        return False

    def page(self, path, given):
        """The page of a list to be given, of that which the store has given."""
        split = urllib.parse.urlsplit(path)
        query = urllib.parse.parse_qs(split.query, keep_blank_values=True)
        kind = "_versions" if "versions" in query else ""
        if not (kind or "list-type" in query) or query["max-keys"] == ["1"]:
            return given
        after = query.get("key-marker" if kind else "start-after")
        if after and after[0].endswith(WANTED):
            before, self.wanted[kind] = self.wanted.get(kind), given
            given = before if before is not None and self.hits("stray" + kind) else given
            return self.cut(given, kind)
        which = kind, query["prefix"][0]
        goes_on = "continuation-token" in query or after
        if goes_on and which in self.pages and self.hits("repeat" + kind):
            return self.pages[which]
        self.pages[which] = given
        return self.cut(given, kind)

    def cut(self, given, kind):
        return given[:len(given) * 2 // 3] if self.hits("cut" + kind) else given


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    line = None
    target = None

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.store = http.client.HTTPConnection(self.target, timeout=60)

    def finish(self):
        self.store.close()
        super().finish()

    def take(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("http:"):  # it is asked as a proxy
            self.path = re.sub("^http://[^/]*", "", self.path)
            self.line.came_by_proxy()
        if self.path == "/":
            self.control(body)
            return
        line = self.line
        line.came(self.command, self.path, body)
        if line.hits("hang"):
            select.select([self.connection], [], [])  # until the other end gives up
            self.close_connection = True
        elif line.is_busy():
            self.answer(503, [], error("SlowDown"))
        elif line.hits("forge") or (self.deletes() and line.hits("revoke")):
            self.answer(403, [], error("SignatureDoesNotMatch"))
        elif not self.refuse_keys(body):
            reset = line.hits("reset")
            if reset and line.random.random() < 0.5:
                self.reset()
                return
            status, headers, given = self.hand_on(body)
            if reset:
                self.reset()
            else:
                self.answer(status, headers, line.page(self.path, given))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = take

    def control(self, body):
        if self.command == "PUT":
            self.line.set_trouble(body.decode())
        self.answer(200, [], json.dumps(self.line.told()).encode())

    def hand_on(self, body):
        """Status, headers and body of the store's answer."""
        self.store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "expect"):
                self.store.putheader(name, value)
        self.store.endheaders(body)
        answer = self.store.getresponse()
        return answer.status, answer.getheaders(), answer.read()

    def deletes(self):
        return self.command == "POST" and self.path.endswith("?delete=")

    def refuse_keys(self, body):
        """Where some of them are: that is the answer, and nothing is deleted. The others will be asked for again."""
        refused = [key for key in re.findall(b"<Key>([^<]*)</Key>", body) if self.deletes() and zlib.crc32(key) & 1]
        if not refused or not self.line.hits("keys"):
            return False
        self.answer(200, [], b"<DeleteResult>" + b"".join(
            b"<Error><Key>%s</Key><Code>AccessDenied</Code></Error>" % key for key in refused) + b"</DeleteResult>")
        return True

    def answer(self, status, headers, body):
        size = len(body)
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() == "content-length":
                size = value if self.command == "HEAD" else size
            elif name.lower() == "date" and self.line.hits("skew"):
                self.send_header(name, email.utils.formatdate(time.time() + LATE, usegmt=True))
            elif name.lower() not in OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", size)
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(body)

    def send_body(self, body):
        if self.path != "/" and body and self.line.hits("half"):
            self.wfile.write(body[:len(body) // 2])
            self.close_connection = True
        elif self.path != "/" and self.line.hits("slow"):
            step = len(body) // PIECES + 1
            for at in range(0, len(body), step):
                self.wfile.write(body[at:at + step])
                time.sleep(PAUSE)
        else:
            self.wfile.write(body)

    def reset(self):
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # the other end may go away at any time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("target")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    Handler.line, Handler.target = Line(args.seed), args.target
    Server(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
