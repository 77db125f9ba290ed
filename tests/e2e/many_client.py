"""Opens many connections at once and keeps them all, then uses them all at once.

    many_client.py HOST PORT COUNT BYTES

Each sends its own BYTES and its end, and must get the SHA-256 of just these back.
Tells when all are open, and goes on when its standard input ends.
"""

import asyncio
import hashlib
import json
import os
import sys


async def use(reader, writer, size):
    data = os.urandom(size)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode() == hashlib.sha256(data).hexdigest()


async def main(host, port, count, size):
    pairs = await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(count)))
    print(json.dumps({"open": len(pairs)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    right = await asyncio.gather(*(use(*pair, size) for pair in pairs))
    print(json.dumps({"right": sum(right)}), flush=True)


asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
