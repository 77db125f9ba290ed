"""Running the hybridge command from tests."""

import os
import stat
import subprocess

from harness import BUILD, CLEAN_ENV, DEADLINE

HYBRIDGE = os.path.join(BUILD, "hybridge")

# Says what the target of a connection sent back, as one line.
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as it:
    it.sendall(b"hello")
    print("answer", it.recv(5).decode())
"""


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr


def hybridge(*args, text="", cwd=None, env=None, **more):
    """Runs hybridge to its end."""
    done = subprocess.run(
        [HYBRIDGE, *args],
        input=text,
        cwd=cwd,
        env={**(CLEAN_ENV if env is None else env), **more},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return Result(done)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)
