"""Connects again and again, and resets each connection at a moment that a seed decides.

    leaving_client.py HOST PORT COUNT SEED

Tells how many it left: before they were open, as soon as they were, and after some bytes.
"""

import contextlib
import json
import random
import select
import socket
import struct
import sys

RESET = struct.pack("ii", 1, 0)


def leave(address, chance):
    """One connection, up to a moment between its start and its first bytes."""
    moment = chance.random()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.setblocking(False)
        sock.connect_ex(address)
        # Set-up takes some milliseconds: most leave somewhere in it.
        patience_ms = None if moment > 0.7 else int(12 * moment)
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(patience_ms):
            return
        with contextlib.suppress(OSError):
            sock.send(b"x" * chance.randrange(1, 100000))


def main(host, port, count, seed):
    chance = random.Random(int(seed))
    address = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)[0][4]
    for _ in range(int(count)):
        leave(address, chance)
    print(json.dumps({"left": int(count)}), flush=True)


main(*sys.argv[1:])
