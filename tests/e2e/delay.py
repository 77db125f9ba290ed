"""A TCP proxy that holds back every byte for a while: a far-away relay."""

import asyncio
import contextlib
import threading


class Delay:
    """Between clients and one server; .port is its own, .connections a count.

    .flights has a text for each connection: ">" for bytes that came from the client after
    the server's, or first; "<" for bytes the other way.  So each "><" is a round trip.
    """

    def __init__(self, port, seconds):
        self.server_port = port
        self.seconds = seconds
        self.connections = 0
        self.flights = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self):
        self.thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_):
        self._call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def _listen(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _close(self):
        self.server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client_reader, client_writer):
        number = self.connections
        self.connections += 1
        self.flights.append("")
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        try:
            await asyncio.gather(
                self._forward(client_reader, server_writer, number, ">"),
                self._forward(server_reader, client_writer, number, "<"),
            )
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            client_writer.transport.abort()
            server_writer.transport.abort()

    async def _forward(self, reader, writer, number, way):
        """Reads at once and writes each piece when it is due; an empty piece is the end."""
        pieces = asyncio.Queue()
        delivery = asyncio.ensure_future(self._deliver(pieces, writer))
        try:
            data = None
            while data != b"":
                data = await reader.read(65536)
                if data and not self.flights[number].endswith(way):
                    self.flights[number] += way
                pieces.put_nowait((self.loop.time() + self.seconds, data))
            await delivery
        finally:
            delivery.cancel()

    async def _deliver(self, pieces, writer):
        data = None
        while data != b"":
            due, data = await pieces.get()
            await asyncio.sleep(max(0, due - self.loop.time()))
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
