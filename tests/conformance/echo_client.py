"""Opens streams to an echo, all at once, and tells how many gave back exactly what was sent.

    echo_client.py HOST PORT COUNT BYTES

Each sends its own bytes and waits for as many; the streams end together.
"""

import asyncio
import json
import os
import sys


async def use(pair, size):
    reader, writer = pair
    data = os.urandom(size)
    writer.write(data)
    return await reader.readexactly(size) == data


async def main(host, port, count, size):
    pairs = await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(count)))
    right = await asyncio.gather(*(use(pair, size) for pair in pairs))
    for _, writer in pairs:
        writer.close()
        await writer.wait_closed()
    print(json.dumps({"right": sum(right)}))


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
