"""A TCP proxy that forgets connections, as a NAT or a firewall does with those that were idle."""

import asyncio
import contextlib
import socket
import struct

from delay import Delay

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: the close is a reset


class Forgetful(Delay):
    """Between clients and one server, at once; .lost counts requests on forgotten connections.

    What a client says on a forgotten connection is answered with a reset, or, when the proxy
    is .silent, with nothing.
    """

    def __init__(self, port, silent=False):
        super().__init__(port, 0)
        self.silent = silent
        self.forgotten = set()
        self.clients = {}
        self.lost = 0

    def forget(self, first=0):
        """Forgets all connections that were made so far, from the first-th on."""
        self.forgotten.update(range(first, self.connections))

    async def _forward(self, reader, writer, number, way):
        if way == "<":
            self.clients[number] = writer
        while data := await reader.read(65536):
            if way == ">" and number in self.forgotten:
                await self._lose(number)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _lose(self, number):
        self.lost += 1
        if self.silent:
            await asyncio.Event().wait()
        client = self.clients[number].get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        raise ConnectionResetError
