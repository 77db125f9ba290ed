#!/usr/bin/env python3
"""A router on the way to the relay forgets a TCP connection: others come through.

Between sender and relay stands a proxy whose socket drops what comes for it, as it is told: no
bytes are acknowledged any more, and nobody says so.
"""

import contextlib
import socket
import threading

import servers
from harness import CLEAN_ENV, PYTHON, World, main, until

CLEAN_ENV.pop("HYBRIDGE_HTTP2", None)

IP_MINTTL = 21  # packets that are not from next door are dropped; Linux's are sent with 64

CONNECT = """
import socket, time
since = time.monotonic()
socket.create_connection(("db.corp", 5432)).close()
print(time.monotonic() - since)
"""


class Router:
    """Between clients and one server; .port is its own, .clients the sockets of those that came."""

    def __init__(self, port):
        self.server = ("127.0.0.1", port)
        self.clients = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                self.clients.append(client)
                server = socket.create_connection(self.server)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def forget(self):
        """All connections that there are now."""
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)


@contextlib.contextmanager
def path(**keys):
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        router = world.background(Router(relay.port))
        app = world.app(relay, {"db": "db.corp:5432"}, port=router.port, **keys)
        sender = app.sender()
        yield router, app, sender


def connect(app):
    """How long it took."""
    done = app.run([PYTHON, "-c", CONNECT])
    assert done.status == 0, done.err
    return float(done.out)


def share(app, router):
    """Connects until that needs no connection of its own."""

    def needs_none():
        before = len(router.clients)
        connect(app)
        return len(router.clients) == before

    until(needs_none, "a stream over what is there")
    until(needs_none, "another")


def test_a_connect_on_a_session_that_was_forgotten_is_asked_for_anew():
    with path(HYBRIDGE_CONNECT_TIMEOUT="15s") as (router, app, sender):
        share(app, router)
        router.forget()
        took = connect(app)
        assert took < 10, took
        # The next one does not even try it, nor do those that have a new session.
        later = sorted(connect(app) for _ in range(5))
        assert later[2] < 1.5, later
        assert "connect refused" not in sender.err, sender.err


def test_a_connect_on_a_warm_connection_that_was_forgotten_is_asked_for_anew():
    with path(HYBRIDGE_HTTP2="off", HYBRIDGE_CONNECT_TIMEOUT="15s") as (router, app, sender):
        connect(app)
        until(lambda: len(router.clients) >= 2, "a warm connection")
        router.forget()
        took = connect(app)
        assert took < 10, took
        assert "connect refused" not in sender.err, sender.err


def test_a_session_that_was_forgotten_is_given_up_as_keepalive_says():
    with path(HYBRIDGE_KEEPALIVE="300ms") as (router, app, sender):
        share(app, router)
        router.forget()
        sender.wait_log("HTTP/2 session lost")


if __name__ == "__main__":
    main()
