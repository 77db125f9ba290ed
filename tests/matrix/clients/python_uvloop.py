"""asyncio on libuv"""

NEEDS = "python3-uvloop"
SERVICE = "echo"
COMMAND = ["/usr/bin/python3", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
REFUSED = "errno 111"
TIMED_OUT = "errno 110"
SOURCE = (
    "client.py",
    """
import asyncio, sys, uvloop

async def talk():
    reader, writer = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]))
    writer.write(b"it echoes\\n")
    print((await reader.readline()).decode(), end="")
    writer.close()

async def talk_all():
    await asyncio.gather(*[talk() for _ in range(int(sys.argv[3]))])

try:
    uvloop.install()
    asyncio.run(talk_all())
except OSError as error:
    sys.exit(f"{error}, errno {error.errno}")
""",
)
