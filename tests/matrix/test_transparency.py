#!/usr/bin/env python3
"""Python's own tests of sockets and event loops: the same outcomes with the shim as without.

The map names other hosts than these tests use, so that the shim is loaded,
configured and asked at every call, but must not be noticed.  Debian's
libpython3-testsuite holds the tests, for Debian's python3.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import SLOWNESS, World, at_once, main  # noqa: E402 (found only now)
import tap  # noqa: E402 (the harness finds it)

PYTHON = "/usr/bin/python3"
SECONDS = 90  # for one run of the longest suite
SUITE = [PYTHON, os.path.join(HERE, "suite.py")]


def outcomes(program):
    """{test: outcome} of a run of suite.py."""
    assert program.wait(SECONDS * SLOWNESS) == 0, program.out[-500:] + program.err[-3000:]
    lines = [line.split(" ", 1) for line in program.out.splitlines()]
    return {test: outcome for outcome, test in lines}


def compare(*modules, at_least):
    """Both runs side by side; what failed in one of them only is tried once more alone."""
    with World() as world:
        relay = world.relay(["db"])
        app = world.app(relay, {"db": "db.corp:5432 10.1.2.3:* *.inside.corp:443"})

        def run(names, preloaded):
            start = app.start if preloaded else world.start
            cwd = world.path(f"cwd-{len(world.processes)}")
            os.mkdir(cwd)
            return start([*SUITE, *names], cwd=cwd)

        programs = [run(modules, False), run(modules, True)]
        plain, shimmed = at_once([lambda one=one: outcomes(one) for one in programs])
        assert len(plain) >= at_least, f"only {len(plain)} tests ran"
        assert plain.keys() == shimmed.keys(), plain.keys() ^ shimmed.keys()
        different = [test for test in plain if plain[test] != shimmed[test]]
        for test in different:
            name = test.removeprefix("test.")
            again = [outcomes(run([name], preloaded)) for preloaded in (False, True)]
            assert again[0] == again[1], f"{again}\n{programs[1].err}"


def test_python_socket_tests():
    compare("test_socket", at_least=500)


def test_python_select_and_epoll_tests():
    compare("test_select", "test_epoll", at_least=10)


def test_python_asyncio_tests():
    parts = ("events", "sock_lowlevel", "streams", "server", "subprocess")
    compare(*[f"test_asyncio.test_{part}" for part in parts], at_least=300)


def test_python_http_tests():
    compare("test_httplib", "test_urllib2_localnet", at_least=100)


def test_python_ssl_tests():
    parts = ("ContextTests", "NetworkedBIOTests", "ThreadedTests")
    compare(*[f"test_ssl.{part}" for part in parts], at_least=50)


if __name__ == "__main__":
    tap.TIMEOUT = SECONDS
    main()
