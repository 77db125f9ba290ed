"""blocking connect()"""

NEEDS = "socat"
SERVICE = "echo"
COMMAND = ["sh", "-c", "echo it echoes | socat - TCP:{host}:{port}"]
PRINTS = "it echoes"
