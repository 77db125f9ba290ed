"""non-blocking, poll, SO_ERROR"""

NEEDS = "netcat-openbsd"
SERVICE = "echo"
COMMAND = ["sh", "-c", "echo it echoes | nc -v -N {host} {port}"]
PRINTS = "it echoes"
