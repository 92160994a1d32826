#!/usr/bin/env python3
"""Stands in for the API server of a cluster: lists of objects over HTTPS, two on a page, for whoever has the token.

cluster.py CERT KEY TOKEN LIST...: the lists are as kubectl get -A -o json prints them. Prints its port first.
"""

import http.server
import json
import sys
import urllib.parse

import https

RESOURCES = {
    "Pod": "/api/v1/pods", "ReplicationController": "/api/v1/replicationcontrollers",
    "ReplicaSet": "/apis/apps/v1/replicasets", "Deployment": "/apis/apps/v1/deployments",
    "DaemonSet": "/apis/apps/v1/daemonsets", "StatefulSet": "/apis/apps/v1/statefulsets",
    "ControllerRevision": "/apis/apps/v1/controllerrevisions", "Job": "/apis/batch/v1/jobs", "CronJob": "/apis/batch/v1/cronjobs",
    "DeploymentConfig": "/apis/apps.openshift.io/v1/deploymentconfigs",
    "BuildConfig": "/apis/build.openshift.io/v1/buildconfigs", "Build": "/apis/build.openshift.io/v1/builds",
    "ImageStream": "/apis/image.openshift.io/v1/imagestreams", "Image": "/apis/image.openshift.io/v1/images",
}
PAGE = 2


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if self.headers["Authorization"] != f"Bearer {self.server.token}":
            return self.answer(401, {"kind": "Status", "apiVersion": "v1", "message": "Unauthorized"})
        if url.path.count("/") == 2 and url.path.startswith("/apis/"):
            return self.answer(200, {"kind": "APIGroup"})
        for kind, path in RESOURCES.items():
            if path == url.path:
                return self.answer(200, self.page(kind, urllib.parse.parse_qs(url.query)))
        return self.answer(404, {"kind": "Status", "apiVersion": "v1", "message": "not found"})

    def page(self, kind, query):
        begin = int(query.get("continue", ["0"])[0])
        found = [each for each in self.server.objects if each["kind"] == kind]
        items = [{key: value for key, value in each.items() if key not in ("kind", "apiVersion")}
                 for each in found[begin:begin + PAGE]]
        more = begin + PAGE < len(found)
        return {"kind": f"{kind}List", "apiVersion": RESOURCES[kind].split("/", 2)[2].rsplit("/", 1)[0],
                "metadata": {"resourceVersion": "1", **({"continue": str(begin + PAGE)} if more else {})},
                "items": items}

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def main():
    server = https.listen(Handler, sys.argv[1], sys.argv[2])
    with open(sys.argv[3], encoding="utf-8") as token:
        server.token = token.read().strip()
    server.objects = []
    for name in sys.argv[4:]:
        with open(name, encoding="utf-8") as file:
            server.objects += json.load(file)["items"]
    https.serve(server)


if __name__ == "__main__":
    main()
