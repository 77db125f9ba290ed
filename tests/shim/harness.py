"""What the shim's tests have in common: paths, environment, clients."""

import contextlib
import os
import subprocess
import sys
import tempfile
import textwrap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

BUILD = os.path.abspath(os.path.join(ROOT, os.environ.get("B", "build")))
SHIM = os.path.join(BUILD, "libhybridge.so")
TOOLS = os.path.join(BUILD, "tests", "shim")
# A wrapper script in PATH would be preloaded into as well.
PYTHON = os.path.realpath(sys.executable)

# VALGRIND=1: the C programs of this directory run under memcheck, with the shim in them.
VALGRIND = os.environ.get("VALGRIND", "") not in ("", "0")
MEMCHECK = ("valgrind", "-q", "--error-exitcode=9", "--run-libc-freeres=no") if VALGRIND else ()
PATIENCE = 200 if VALGRIND else 20

# Each test process has addresses of its own: a hold of another would show.
BASE = 0x7F000000 | (128 + os.getpid() % 126) << 16
RANGE = f"127.{BASE >> 16 & 0xFF}.0.0/16"
HOSTS = "db.corp:5432 web.corp:80,8080 any.corp:* *.sub.corp:7000 10.9.8.7:5432 10.20.0.0/16:5432 [2001:db8::7]:5432"
CREDENTIAL = "Endpoint=sb://x.example/;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0;EntityPath=e"


def address(name, base=BASE, prefix=16):
    """The address that stands for a name, computed apart from the code under test."""
    value = 0xCBF29CE484222325
    for byte in name.lower().encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    bits = 32 - prefix
    host = 0
    while value:
        host ^= value & (2**bits - 1)
        value >>= bits
    number = base | (host & ~0xFF) | (1 + (host & 0xFF) % 254)
    return ".".join(str(number >> s & 0xFF) for s in (24, 16, 8, 0))


class Place:
    """A directory with an env file, a socket path and a debug file."""

    def __init__(self, directory, hosts):
        self.directory = directory
        self.socket = os.path.join(directory, "sender.sock")
        self.env_file = os.path.join(directory, "app.env")
        self.debug = os.path.join(directory, "debug.log")
        with open(self.env_file, "w", encoding="ascii") as file:
            file.write(f"HYBRIDGE_X_CONNECTION='{CREDENTIAL}'\n")
            file.write(f"HYBRIDGE_X_HOSTS='{hosts}'\n")
            file.write(f"HYBRIDGE_SOCKET={self.socket}\n")
            file.write(f"HYBRIDGE_RANGE={RANGE}\n")
            file.write("HYBRIDGE_SENDER=/nonexistent/hybridge-sender\n")

    def env(self, **more):
        """The environment of a client."""
        clean = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith("HYBRIDGE_") and k != "LD_PRELOAD"
        }
        return clean | {
            "LD_PRELOAD": SHIM,
            "HYBRIDGE_ENV": self.env_file,
            "HYBRIDGE_DEBUG": self.debug,
            **more,
        }

    def start(self, *command, **options):
        """Starts a client under the shim; its output is text in a pipe."""
        env = options.pop("env", None) or self.env()
        return subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def python(self, code, *args, **options):
        """Starts a Python client under the shim."""
        return self.start(
            PYTHON, "-c", textwrap.dedent(code), *args, **options
        )

    def tool(self, name, *args, **options):
        """Starts one of the C programs of this directory under the shim."""
        return self.start(*MEMCHECK, os.path.join(TOOLS, name), *args, **options)

    def log(self):
        """What the shim wrote to its debug file."""
        try:
            with open(self.debug, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""


@contextlib.contextmanager
def place(hosts=HOSTS):
    """A Place that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="hybridge-shim-") as directory:
        yield Place(directory, hosts)


def finish(client, timeout=20):
    """Waits for a client, which must succeed; returns its output."""
    try:
        out, _ = client.communicate(timeout=max(timeout, PATIENCE))
    except subprocess.TimeoutExpired:
        client.kill()
        out, _ = client.communicate()
        raise AssertionError(f"client hangs; so far:\n{out}") from None
    assert client.returncode == 0, f"status {client.returncode}:\n{out}"
    return out.strip()


def compile_c(source, out, *flags):
    """Compiles C text; returns the result's path."""
    subprocess.run(
        ["cc", "-D_GNU_SOURCE", *flags, "-x", "c", "-o", out, "-"],
        input=source,
        text=True,
        check=True,
    )
    return out


# What the clients of client() begin with.
CLIENT = """
    import errno, os, select, socket, sys, time
    DB = ("db.corp", 5432)

    def begin(sock, to=DB):
        "A non-blocking connect(); returns its errno."
        sock.setblocking(False)
        return sock.connect_ex(to)

    def so_error(sock):
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
"""


def client(where, code, *args, **options):
    """Starts a Python client that has CLIENT's names."""
    return where.python(CLIENT + code, *args, **options)
