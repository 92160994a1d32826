#!/usr/bin/env python3
"""Stands in for whoever wants to hear that a deletion has ended, over HTTPS.

callback.py CERT KEY STATUS LOG: answers every POST with the number in the file STATUS, and adds a line of JSON to LOG for
it: path, token, status and body. Prints its port first.
"""

import http.server
import json
import sys

import https


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[3], encoding="utf-8") as file:
            status = int(file.read())
        with open(sys.argv[4], "a", encoding="utf-8") as log:
            print(json.dumps({"path": self.path, "token": self.headers["Authorization"], "status": status,
                              "body": json.loads(body)}), file=log)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def main():
    https.serve(https.listen(Handler, sys.argv[1], sys.argv[2]))


if __name__ == "__main__":
    main()
