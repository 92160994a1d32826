#!/usr/bin/env python3
"""Stands in for a service manager: prints what arrives at the notify socket, until STOPPING=1."""

import socket
import sys


def main():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(sys.argv[1])
        listener.settimeout(120)
        message = ""
        while "STOPPING=1" not in message:
            message = listener.recv(4096).decode()
            print(message, flush=True)


if __name__ == "__main__":
    main()
