#!/usr/bin/env python3
"""The library on 64-bit ARM: built by a cross compiler, loaded under qemu, beside a sender of this machine.

qemu has no IP_MINTTL, so connects are made early there; all else is as on such a machine.
"""

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile

import servers
from harness import CLEAN_ENV, HERE, SHIM, SOURCE, World, main

import tap

CROSS = "aarch64-linux-gnu-"
NEEDED = [CROSS + "gcc", CROSS + "nm", "qemu-aarch64"]
ROOT = "/usr/aarch64-linux-gnu"


class Arm:
    """A library and a client for that machine, built once."""

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="hybridge-arm64-")
        atexit.register(shutil.rmtree, folder)
        self.shim = os.path.join(folder, "libhybridge.so")
        self.client = os.path.join(folder, "connecting")
        library = ["make", "-s", f"B={folder}", f"CC={CROSS}gcc", "CI=1", "CFLAGS=", self.shim]
        env = {name: value for name, value in CLEAN_ENV.items() if name not in ("MAKEFLAGS", "SAN", "B")}
        for argv in library, [CROSS + "gcc", "-D_GNU_SOURCE", "-O2", "-o", self.client,
                            os.path.join(HERE, "connecting.c"), "-lpthread"]:
            done = subprocess.run(argv, cwd=SOURCE, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    def connect(self, app, kind, host, port):
        """What the client saw: its line of JSON."""
        argv = ["qemu-aarch64", "-L", ROOT, "-E", f"LD_PRELOAD={self.shim}", self.client, kind, host, str(port)]
        env = {**CLEAN_ENV, "HYBRIDGE_ENV": app.path}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0 and done.stderr == "", (done.stdout, done.stderr)
        return json.loads(done.stdout)


@functools.cache
def build():
    return Arm()


def arm():
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        tap.skip("no " + ", ".join(missing))
    return build()


def undefined(tool, path):
    return set(subprocess.run([tool, "-D", "--undefined-only", path], check=True, capture_output=True, text=True)
               .stdout.split()[1::2])


def test_it_needs_there_what_it_needs_here():
    there = undefined(CROSS + "nm", arm().shim)
    assert there == undefined("nm", SHIM) and "dlsym" in there


def test_programs_reach_what_is_mapped_and_nothing_else():
    with servers.echo() as target, servers.refusing() as nobody, World() as world:
        relay = world.relay(["db", "no"])
        world.agent(relay, {"db": target.at, "no": nobody})
        app = world.app(relay, {"db": "db.corp:5432 10.9.8.7:80", "no": "no.corp:1"})
        app.sender()
        for kind, host, port in ("blocking", "db.corp", 5432), ("epoll", "db.corp", 5432), ("blocking", "10.9.8.7", 80):
            seen = arm().connect(app, kind, host, port)
            assert seen["echo"] is True and seen["so_error"] == "", seen
        assert target.accepted == 3
        for host, port in ("no.corp", 1), ("db.corp", 1):
            # Made early, it may be connected for a moment.
            seen = arm().connect(app, "blocking", host, port)
            assert seen["errno"] in ("", "ECONNREFUSED") and seen["echo"] is False, seen
        assert target.accepted == 3


if __name__ == "__main__":
    main()
