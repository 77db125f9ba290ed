"""non-blocking, epoll, SO_ERROR"""

NEEDS = "python3"
SERVICE = "echo"
COMMAND = ["{python}", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
REFUSED = "errno 111"
TIMED_OUT = "errno 110"
SOURCE = (
    "client.py",
    """
import asyncio, sys

async def talk():
    reader, writer = await asyncio.open_connection(sys.argv[1], int(sys.argv[2]))
    writer.write(b"it echoes\\n")
    print((await reader.readline()).decode(), end="")
    writer.close()

async def talk_all():
    await asyncio.gather(*[talk() for _ in range(int(sys.argv[3]))])

try:
    asyncio.run(talk_all())
except OSError as error:
    sys.exit(f"{error}, errno {error.errno}")
""",
)
