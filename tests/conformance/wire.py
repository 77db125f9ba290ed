"""A WebSocket client of a few lines, over TLS, that can also do everything wrong."""

import json
import os
import socket
import ssl
import struct

from peers import CONTROL, DEADLINE, HANDSHAKE, context, listen_token, send_token, target_of

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"\x01\x02\x03\x04"


def head(target, token=None, **headers):
    """A WebSocket handshake as bytes."""
    lines = {"Host": "localhost", **HANDSHAKE, **headers}
    if token:
        lines["ServiceBusAuthorization"] = token
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {target} HTTP/1.1\r\n{text}\r\n".encode()


def frame(opcode, payload=b"", fin=True, masked=True, reserved=0, length=None):
    """One frame, right or wrong; length is the length field's bytes, else the shortest."""
    size = len(payload)
    if length is None:
        if size > 65535:
            length = b"\x7f" + struct.pack(">Q", size)
        elif size > 125:
            length = b"\x7e" + struct.pack(">H", size)
        else:
            length = bytes([size])
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    start = bytes([first, length[0] | (0x80 if masked else 0)]) + length[1:]
    if not masked:
        return start + payload
    return start + KEY + bytes(byte ^ KEY[at % 4] for at, byte in enumerate(payload))


def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


class Wire:
    """A connection to the relay's port."""

    def __init__(self, world, relay, tls=True):
        self.socket = socket.create_connection(("localhost", relay.port), DEADLINE)
        if tls:
            self.socket = context(world).wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)
        return self

    def _more(self):
        """Whether more bytes came; a reset is an end like any other here."""
        try:
            piece = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            piece = b""
        self.buffer += piece
        return bool(piece)

    def _take(self, count):
        while len(self.buffer) < count:
            if not self._more():
                return None
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def answer(self):
        """The head that comes next, as text; what there is of it when the relay hangs up."""
        while b"\r\n\r\n" not in self.buffer and self._more():
            pass
        text, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return text.decode("ascii")

    def frame(self):
        """The next frame as (opcode, payload); (None, b"") when the relay hangs up."""
        start = self._take(2)
        if not start:
            return None, b""
        size = start[1]
        if size == 126:
            size = struct.unpack(">H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._take(8))[0]
        return start[0] & 15, self._take(size)

    def ended(self):
        """Reads to the end; what still came."""
        while self._more():
            pass
        return self.buffer

    def upgrade(self, target, token=None):
        answer = self.send(head(target, token)).answer()
        assert answer.startswith("HTTP/1.1 101"), answer
        return self

    def accept(self):
        """The next accept message's address, as a request target."""
        opcode, payload = self.frame()
        assert opcode == TEXT, (opcode, payload)
        return target_of(json.loads(payload)["accept"]["address"])

    def hang_up(self):
        self.socket.close()


class Stream:
    """A listener .control, and the two ends .sender and .listener of a stream through it."""

    def __init__(self, world, relay, entity):
        self.control = Wire(world, relay)
        self.control.upgrade(f"/$hc/{entity}?{CONTROL}", listen_token(relay, entity))
        self.sender = Wire(world, relay).send(head(f"/$hc/{entity}", send_token(relay, entity)))
        self.listener = Wire(world, relay).upgrade(self.control.accept())
        answer = self.sender.answer()
        assert answer.startswith("HTTP/1.1 101"), answer

    def check(self):
        """Bytes still go both ways, and the control channel is still there."""
        for one, other in ((self.sender, self.listener), (self.listener, self.sender)):
            data = os.urandom(1000)
            one.send(frame(BINARY, data))
            assert other.frame() == (BINARY, data)
        self.control.send(frame(PING, b"there?"))
        assert self.control.frame() == (PONG, b"there?")
