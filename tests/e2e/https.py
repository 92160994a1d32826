"""A server at a free port of this machine, over TLS, for others to be."""

import http.server
import ssl


def listen(handler, certificate, key):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def serve(server):
    """Tells its port, and goes on until it is killed."""
    print(server.server_port, flush=True)
    server.serve_forever()
