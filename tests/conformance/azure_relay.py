"""A stand-in for Azure Relay: it says what a test tells it to, where our own relay is friendlier.

    with World() as world, Azure(world) as azure:
        agent = azure.agent(world, target.at, ready=False)
        control = azure.listen()            # the agent's control channel, a WebSocket
        azure.offer(control)                # an accept message, written as Azure writes it
        stream = azure.next("accept").upgrade()

Nothing happens by itself: each request that arrives, whoever sent it, waits in a
queue until the test takes and answers it.
"""

import base64
import contextlib
import hashlib
import json
import os
import queue
import socket
import ssl
import threading
import urllib.parse
import uuid

import peers  # noqa: F401 (makes the modules of tests/e2e known)
from azure_ws import TEXT, WebSocket
from harness import DEADLINE, new_key

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ENTITY = "db"
SENDER_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SYSTEM = "SystemTracker:sb://contoso.servicebus.windows.net/db, Timestamp:2025-04-24T11:08:15"

# Azure's own words, as found in issue texts and logs of its users.
TRACKING = "TrackingId:0a1b2c3d-0000-4000-8000-00000000cafe_G17_G30"
NO_LISTENERS = (404, f"There are no listeners connected for the endpoint. {TRACKING}, {SYSTEM}")
NO_ENTITY = (404, f"Endpoint does not exist. {TRACKING}, {SYSTEM}")
BAD_SIGNATURE = (401, f"The token has an invalid signature. {TRACKING}, {SYSTEM}")
BAD_AUDIENCE = (
    401,
    "InvalidAudience: The authorization header contains a token with a wrong audience. "
    f"{TRACKING}, {SYSTEM}",
)


class Request:
    """One HTTP request that waits for its answer."""

    def __init__(self, sock, head):
        self.sock = sock
        self.lines = head.split("\r\n")
        self.method, self.target, self.version = self.lines[0].split(" ")
        pairs = (line.split(": ", 1) for line in self.lines[1:] if line)
        self.headers = {name.lower(): value for name, value in pairs}
        self.path, _, query = self.target.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.action = self.query.get("sb-hc-action", "connect")
        if "upgrade" not in self.headers:
            self.action = self.method

    def upgrade(self, protocol=None, more="", trailing=b""):
        """Answers 101; more are header lines, each with its CR LF, trailing what comes at once."""
        key = self.headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        chosen = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nServer: Microsoft-HTTPAPI/2.0\r\n{chosen}{more}\r\n"
        )
        self.sock.sendall(head.encode() + trailing)
        return WebSocket(self.sock)

    def refuse(self, status, reason, more="", body=""):
        self.raw(
            f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(body)}\r\n"
            f"Server: Microsoft-HTTPAPI/2.0\r\n{more}\r\n{body}"
        )
        self.sock.close()

    def raw(self, text):
        self.sock.sendall(text.encode())


class Azure:
    """The service, or with another certificate and address one of its gateways."""

    def __init__(self, world, at=("127.0.0.1", 0), certificate=None, name="localhost"):
        self.world = world
        self.name = name
        self.requests = {}
        self.arrived = threading.Condition()
        self.sockets = []
        self.key = new_key()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(*(certificate or world.authority.leaf))
        self.listener = socket.create_server(at, backlog=128)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_exc):
        # Wakes the thread that sits in accept(), which close() would not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read_request, args=(sock,), daemon=True).start()

    def _read_request(self, sock):
        # A connection that never asks for anything, or breaks off, is nobody's business.
        with contextlib.suppress(OSError):
            sock.settimeout(DEADLINE)
            # Only TLS's own goodbye is an end.
            sock = self.tls.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)
            self.sockets.append(sock)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = sock.recv(1)
                if not byte:
                    return
                head += byte
            request = Request(sock, head.decode())
            with self.arrived:
                self.requests.setdefault(request.action, queue.Queue()).put(request)
                self.arrived.notify_all()

    def next(self, action, seconds=DEADLINE):
        """The next request with this action ("listen", "accept", "connect") or method ("GET")."""
        with self.arrived:
            there = self.arrived.wait_for(lambda: self.count(action) > 0, seconds)
            assert there, f"no {action} request"
            return self.requests[action].get()

    def count(self, action):
        """How many such requests wait."""
        return self.requests[action].qsize() if action in self.requests else 0

    def listen(self):
        """Lets the next listener in; its control channel."""
        return self.next("listen").upgrade()

    # What the two ends are configured with.

    def connection(self, rule="defaultListener", entity=ENTITY):
        return (
            f"Endpoint=sb://{self.name}:{self.port}/;SharedAccessKeyName={rule};"
            f"SharedAccessKey={self.key};EntityPath={entity}"
        )

    def agent(self, target, string=None, **options):
        string = string or self.connection()
        targets = {ENTITY: target}
        return self.world.agent(None, targets, ready=False, strings={ENTITY: string}, **options)

    def app(self, string=None, **keys):
        """An application's side with a sender of its own, (app, sender)."""
        string = string or self.connection("defaultSender")
        app = self.world.app(None, {ENTITY: "db.corp:5432"}, strings={ENTITY: string}, **keys)
        return app, app.sender()

    # What Azure says on a control channel.

    def address(self, session, host=None, port=None, suffix="", query=""):
        """A rendezvous address; port 0: none in it."""
        port = self.port if port is None else port
        at = (host or self.name) + (f":{port}" if port else "")
        return f"wss://{at}/$hc/{ENTITY}{suffix}?{query}sb-hc-action=accept&sb-hc-id={session}"

    def offer(self, control, address=None, slash="\\/", **more):
        """Sends an accept message, as Azure's own JSON writer does; returns the session's id."""
        session = f"{uuid.uuid4()}_G17_G30"
        text = accept_message(address or self.address(session), session, **more)
        control.send(TEXT, text.replace("/", slash).encode())
        return session

    def stream(self, control, **more):
        """Offers a stream and lets the listener's accept in."""
        self.offer(control, **more)
        return self.next("accept").upgrade()


def accept_message(address, session, headers=None, **unknown):
    body = {
        "address": address,
        "id": session,
        "connectHeaders": {
            "Sec-WebSocket-Key": SENDER_KEY,
            "Sec-WebSocket-Version": "13",
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Host": "contoso.servicebus.windows.net:443",
            **(headers or {}),
        },
        "remoteEndpoint": {"address": "203.0.113.9", "port": 62917},
        **unknown,
    }
    return json.dumps({"accept": body})


def free_loopback():
    """An address of 127/8 that no other test has."""
    return "127.{}.{}.{}".format(*(2 + byte % 250 for byte in os.urandom(3)))
