"""A server's end of a WebSocket on which a test can say anything, well-formed or not."""

import os
import socket
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, GOING_AWAY, PROTOCOL_ERROR, POLICY, TOO_BIG, INTERNAL = 1000, 1001, 1002, 1008, 1009, 1011

IP_MINTTL = 21  # <netinet/in.h>; python's socket module does not name it


def frame(opcode, payload=b"", fin=True, reserved=0, masked=False, length=None):
    """A frame as bytes; length, if given, is what its header claims instead of the truth."""
    size = len(payload) if length is None else length
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, mask | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask | 127, size)
    # The key 0 leaves the payload as it is.
    return head + (bytes(4) if masked else b"") + payload


class WebSocket:
    """An upgraded connection; .sock is the TLS socket below it."""

    def __init__(self, sock):
        self.sock = sock

    def send(self, opcode, payload=b"", **wrong):
        self.sock.sendall(frame(opcode, payload, **wrong))

    def raw(self, data):
        """Sends bytes that are no frame, or several."""
        self.sock.sendall(data)

    def close(self, code=NORMAL, reason=""):
        """Sends a Close; code None: one without a code."""
        payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
        self.send(CLOSE, payload)

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise ConnectionError("the other end is gone")
            data += more
        return data

    def read(self):
        """The next frame of the client, (opcode, payload); it must be masked and whole."""
        first, second = self._exactly(2)
        size = second & 0x7F
        assert second & 0x80, "a client's frame that is not masked"
        assert first & 0x70 == 0, f"reserved bits: {first:#x}"
        if size == 126:
            (size,) = struct.unpack("!H", self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._exactly(8))
        key = self._exactly(4)
        payload = self._exactly(size)
        # As one number: xor byte by byte takes seconds for a megabyte.
        pad = (key * (size // 4 + 1))[:size]
        value = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
        return first & 0x0F, value.to_bytes(size, "big")

    def read_data(self, count):
        """So many bytes of payload, in however many frames; pings are answered on the way."""
        data = b""
        while len(data) < count:
            opcode, payload = self.read()
            if opcode == PING:
                self.send(PONG, payload)
                continue
            assert opcode in (BINARY, CONTINUATION), f"opcode {opcode} instead of data"
            assert payload, "an empty frame, which .NET takes for the end"
            data += payload
        return data

    def read_close(self):
        """Skips to the client's Close; its code, None when it has none."""
        while True:
            opcode, payload = self.read()
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0] if payload else None

    def ending(self):
        """Reads to the end of the connection: "eof" for TLS's orderly one, else "broken"."""
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            return "broken"
        return "eof"

    def abort(self):
        """RST instead of an end."""
        linger = struct.pack("ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # SSLSocket.close() closes what is below; detach() would leave it open.
        os.close(self.sock.detach())

    def vanish(self):
        """As if the cable were cut: from now on nothing that comes is even acknowledged."""
        # What comes has a TTL of 64: the kernel drops all of it.
        self.sock.setsockopt(socket.IPPROTO_IP, IP_MINTTL, 255)
