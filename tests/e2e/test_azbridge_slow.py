#!/usr/bin/env python3
"""azbridge's preamble comes out of the same time as the upgrade before it."""

import base64
import contextlib
import hashlib
import socket
import threading

from harness import PYTHON, SLOWNESS, World, main

TIMEOUT = 2 * SLOWNESS
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONNECT = """
import socket, time
since = time.monotonic()
try:
    socket.create_connection(("db.corp", 5432))
except OSError as error:
    print(error.errno, time.monotonic() - since)
"""


class SlowRelay:
    """Answers an upgrade when three quarters of the time are over, and the preamble never."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.gone = threading.Event()
        self.clients = []

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.gone.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            client.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                self.clients.append(client)
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        head = b""
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
            accept = base64.b64encode(hashlib.sha1((lines["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
            self.gone.wait(TIMEOUT * 0.75)
            client.sendall(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
            )


def test_the_preamble_has_what_the_upgrade_has_left_of_the_time():
    with SlowRelay() as relay, World() as world:
        string = f"Endpoint=ws://127.0.0.1:{relay.port}/;SharedAccessKeyName=send;SharedAccessKey=abc;EntityPath=db"
        keys = {"HYBRIDGE_DB_MODE": "azbridge", "HYBRIDGE_CONNECT_TIMEOUT": f"{TIMEOUT}s"}
        app = world.app(None, {"db": "db.corp:5432"}, strings={"db": string}, **keys)
        app.sender()
        done = app.run([PYTHON, "-c", CONNECT])
        number, took = done.out.split()
        assert int(number) == 110, done.out  # ETIMEDOUT
        assert float(took) < TIMEOUT * 1.5, took


if __name__ == "__main__":
    main()
