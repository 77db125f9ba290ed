"""Targets on the private side: one that echoes, one that refuses, one that is silent."""

import contextlib
import hashlib
import socket
import socketserver
import threading

LOOPBACK = "127.0.0.1"

# <netinet/in.h>; python's socket module does not name it.  A listener that
# wants 255 drops every SYN of a socket with the default TTL of 64.
IP_MINTTL = 21


class _Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65536):
                self.server.received += len(data)
                self.request.sendall(data)


class _Digest(socketserver.BaseRequestHandler):
    """Reads to the end of file, answers with the hash of what came."""

    def handle(self):
        digest = hashlib.sha256()
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65536):
                digest.update(data)
            self.request.sendall(digest.hexdigest().encode())


class _Answer(socketserver.StreamRequestHandler):
    """Reads a request's head, answers what the server was given."""

    def handle(self):
        with contextlib.suppress(ConnectionError):
            while self.rfile.readline().strip():
                pass
            self.wfile.write(self.server.answer)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024
    accepted = 0
    received = 0

    def process_request(self, request, client_address):
        self.accepted += 1
        super().process_request(request, client_address)


class _Silent(_Server):
    def server_activate(self):
        self.socket.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)
        super().server_activate()

    def answer(self):
        """From the next repeated SYN on (after 1 s, 3 s ...) connections come about."""
        self.socket.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 0)


@contextlib.contextmanager
def _serving(handler, kind=_Server):
    with kind((LOOPBACK, 0), handler) as server:
        server.at = server.server_address
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def echo():
    """A server that sends back what it gets; .at is its address, .accepted a count."""
    return _serving(_Echo)


def digest():
    """A server that answers with the SHA-256 of everything up to the end of file."""
    return _serving(_Digest)


def silent():
    """An echo to which the kernel lets nobody through, until its answer() is called."""
    return _serving(_Echo, _Silent)


@contextlib.contextmanager
def answering(status_line):
    """An HTTP server that has this to say to every request."""
    with _serving(_Answer) as server:
        server.answer = f"HTTP/1.1 {status_line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        yield server


@contextlib.contextmanager
def refusing():
    """An address where nobody listens, and nobody else can begin to."""
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        yield bound.getsockname()


def free_port():
    """A port for a program that cannot choose one and tell."""
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        return bound.getsockname()[1]
