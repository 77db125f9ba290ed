"""Fetches a page twenty times at once, as any asyncio program would."""

import asyncio
import sys


async def fetch(host):
    reader, writer = await asyncio.open_connection(host, 80)
    writer.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2].decode().strip()


async def main(host):
    pages = await asyncio.gather(*(fetch(host) for _ in range(20)))
    print(f"{len(pages)} connections at once, each answered: {', '.join(set(pages))}")


asyncio.run(main(sys.argv[1]))
