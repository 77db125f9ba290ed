"""blocking connect()s, one per thread"""

NEEDS = "python3"
SERVICE = "echo"
COMMAND = ["{python}", "{file}", "{host}", "{port}", "{count}"]
PRINTS = "it echoes"
SOURCE = (
    "client.py",
    """
import os, socket, sys, threading

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
failed = []

def talk():
    try:
        with socket.create_connection((host, port)) as connection:
            connection.sendall(b"it echoes\\n")
            print(connection.makefile().readline(), end="")
    except OSError as error:
        failed.append(error)
        print(error)

threads = [threading.Thread(target=talk) for _ in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit(len(failed) > 0)
""",
)
