"""An asyncio program that connects once and tells what it saw, as connecting.c does."""

import asyncio
import errno
import json
import sys
import time


async def main(host, port):
    start = time.monotonic()
    told = {"errno": "", "echo": False}
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        told["errno"] = errno.errorcode.get(error.errno, str(error))
    told["event_us"] = int((time.monotonic() - start) * 1e6)
    if not told["errno"]:
        told["peer"] = "%s:%d" % writer.get_extra_info("peername")[:2]
        writer.write(b"a line for the far side\n")
        told["echo"] = await reader.readline() == b"a line for the far side\n"
        writer.close()
        await writer.wait_closed()
    print(json.dumps(told))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
