"""A program with bulk on some streams, in pieces of all sizes, and on another one a byte that goes
there and back for as long as that takes.  The other end is an echo.

    beside_client.py HOST PORT STREAMS BYTES

Prints how many bytes came back one by one; its status is 1 when a stream was not whole, or that one ended.
"""

import hashlib
import random
import socket
import sys
import threading

LARGE = 128 * 1024
READ = 256 * 1024


class Bulk(threading.Thread):
    """One stream: all that is sent must come back."""

    def __init__(self, where, seed, size):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(where)
        self.dice = random.Random(seed)
        self.size = size
        self.sent = hashlib.blake2b()
        self.received = hashlib.blake2b()
        self.got = 0

    def send(self):
        left = self.size
        block = self.dice.randbytes(LARGE)
        while left:
            most = self.dice.choice((16, 4096, LARGE))
            piece = block[: min(left, self.dice.randint(1, most))]
            self.socket.sendall(piece)
            self.sent.update(piece)
            left -= len(piece)
        self.socket.shutdown(socket.SHUT_WR)

    def run(self):
        writer = threading.Thread(target=self.send, daemon=True)
        writer.start()
        while data := self.socket.recv(READ):
            self.received.update(data)
            self.got += len(data)
        writer.join()

    def is_whole(self):
        return self.got == self.size and self.sent.digest() == self.received.digest()


def main():
    host, port, streams, size = sys.argv[1], *map(int, sys.argv[2:])
    bulk = [Bulk((host, port), seed, size) for seed in range(streams)]
    count = 0
    with socket.create_connection((host, port)) as little:
        for thread in bulk:
            thread.start()
        while any(thread.is_alive() for thread in bulk):
            little.sendall(b"x")
            if little.recv(1) != b"x":
                sys.exit("the stream of single bytes ended")
            count += 1
    print(count)
    for seed, thread in enumerate(bulk):
        if not thread.is_whole():
            sys.exit(f"stream {seed} is not whole: {thread.got} of {thread.size} bytes came back")


if __name__ == "__main__":
    main()
