"""Foreign clients of our relay: Microsoft's and a plain one in node, and requests made by hand."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
# Found only now; the tests have what they need of these from here.
import clients  # noqa: E402, F401
import sas  # noqa: E402, F401
import servers  # noqa: E402, F401
import transfer  # noqa: E402, F401
from harness import (  # noqa: E402, F401
    BUILD,
    CLEAN_ENV,
    DEADLINE,
    PYTHON,
    SLOWNESS,
    SOURCE,
    Process,
    Relay,
    World,
    main,
    new_key,
    until,
)

MODULES = os.path.join(BUILD, "npm", "node_modules")
CONTROL = "sb-hc-action=listen"

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Peer(Process):
    """tests/conformance/peer.js; each call is one of its commands."""

    def __init__(self, world):
        env = {
            **CLEAN_ENV,
            "NODE_PATH": MODULES,
            "NODE_EXTRA_CA_CERTS": world.authority.path,
            "NODE_NO_WARNINGS": "1",
        }
        script = os.path.join(HERE, "peer.js")
        super().__init__(world, ["node", script], env, stdin=subprocess.PIPE)

    def tell(self, do, name, **more):
        line = json.dumps({"do": do, "as": name, **more}) + "\n"
        self.popen.stdin.write(line.encode())
        self.popen.stdin.flush()

    def events(self, name, event):
        """What happened to this one so far, of this kind."""
        return [line for line in self.lines if line["as"] == name and event in line]

    def expect(self, name, event, nth=1, seconds=DEADLINE):
        """Waits for the nth event of this kind."""

        def find():
            found = self.events(name, event)
            if len(found) < nth and not self.alive():
                raise AssertionError(f"{self.name} ended:\n{self.out}{self.err}")
            return found[nth - 1] if len(found) >= nth else None

        try:
            return until(find, f"{name} {event} ({nth})", seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it told:\n{self.out[-4000:]}{self.err}") from None

    def listen(self, name, url, token, then="echo"):
        """Starts Microsoft's listener and waits until it listens."""
        self.tell("listen", name, url=url, token=token, then=then)
        self.expect(name, "listening")

    def connect(self, name, url, token=None):
        """Starts Microsoft's sender and waits until it is open."""
        self.tell("connect", name, url=url, token=token)
        return self.expect(name, "open")

    def open(self, name, url, token=None, wait="open", **more):
        """Starts the plain client, by default with a token in the header; waits for that event."""
        headers = {"ServiceBusAuthorization": token} if token else {}
        self.tell("open", name, url=url, headers={**headers, **more.pop("headers", {})}, **more)
        return self.expect(name, wait) if wait else None

    def echo(self, name, size):
        """Sends random bytes and expects just these back."""
        before = self.total(name)
        nth = len(self.events(name, "sent")) + 1
        self.tell("send", name, size=size)
        sent = self.expect(name, "sent", nth)
        heard = self.hear(name, before + size)
        assert heard["bytes"] == before + size, heard
        # The hash covers everything since the stream began.
        assert before > 0 or heard["sha256"] == sent["sha256"], (heard, sent)

    def total(self, name):
        return self.hear(name, 0)["bytes"]

    def hear(self, name, count):
        nth = len(self.events(name, "heard")) + 1
        self.tell("hear", name, bytes=count)
        return self.expect(name, "heard", nth)

    def accept(self, name, nth=1, seconds=DEADLINE):
        """The nth accept message on a plain client's control channel."""
        return json.loads(self.expect(name, "message", nth, seconds)["text"])["accept"]


def url(relay, entity, query="", suffix=""):
    """URL of a hybrid connection, for listeners and senders."""
    return f"wss://localhost:{relay.port}/$hc/{entity}{suffix}" + (query and "?" + query)


def listen_token(relay, entity="db", seconds=3600):
    return relay.token(entity, "listen", seconds)


def send_token(relay, entity="db", seconds=3600):
    return relay.token(entity, "send", seconds)


def encode(token):
    """A token as the value of sb-hc-token."""
    return urllib.parse.quote(token, safe="")


class Answer:
    """Status line and headers of an answer."""

    def __init__(self, response):
        self.status = response.status
        self.reason = response.reason
        self.headers = dict(response.getheaders())
        self.body = b"" if response.status == 101 else response.read()

    def __repr__(self):
        return f"{self.status} {self.reason}"


def context(world):
    return ssl.create_default_context(cafile=world.authority.path)


def request(world, relay, target, headers=None, method="GET", seconds=DEADLINE):
    """One request made by hand; a 101 is hung up on."""
    with contextlib.closing(
        http.client.HTTPSConnection(
            "localhost", relay.port, timeout=seconds, context=context(world)
        )
    ) as connection:
        connection.request(method, target, headers=headers or {})
        return Answer(connection.getresponse())


def raw_request(world, relay, data, seconds=DEADLINE):
    """What comes back for these bytes, to the end."""
    with (
        socket.create_connection(("localhost", relay.port), seconds) as plain,
        context(world).wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def upgrade(world, relay, target, token=None, **more):
    """A WebSocket handshake made by hand."""
    headers = {**HANDSHAKE, **more.pop("headers", {})}
    if token:
        headers["ServiceBusAuthorization"] = token
    return request(world, relay, target, headers, **more)


def target_of(address):
    """The request target in a rendezvous address."""
    return address[address.index("/", len("wss://")) :]


class RelayWith(Relay):
    """A relay with more in its folder, {file's stem: {key: value}}, and more settings."""

    def __init__(self, world, entities, files=None, **settings):
        self.files = files or {}
        self.more = settings
        super().__init__(world, entities)

    def _start(self, world, path, listen, inside=None):
        self.settings.update(self.more)
        for stem, values in self.files.items():
            name = os.path.join(self.settings["HYBRIDGE_RELAY_DIR"], stem + ".env")
            with open(os.open(name, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.writelines(f"{key}='{value}'\n" for key, value in values.items())
        super()._start(world, path, listen, inside)
