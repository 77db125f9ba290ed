#!/usr/bin/env python3
"""Other people's tests of sockets and event loops: the same outcomes with the shim as without.

They are Python's own, Tornado's and Twisted's, as Debian packages them for its
python3.  The map names other hosts than they use, so that the shim is loaded,
configured and asked at every call, but must not be noticed.  Test by test,
"ok", "skipped" or "failed" has to be the same in both runs.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from harness import SLOWNESS, World, at_once, main  # noqa: E402 (found only now)
import tap  # noqa: E402 (the harness finds it)

PYTHON = "/usr/bin/python3"
SECONDS = 180  # for one run of the longest suite, on a busy machine
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
        for outcome in ("ok", "skipped", "failed"):
            print(f"# {list(plain.values()).count(outcome)} {outcome} without the shim")
        different = [test for test in plain if plain[test] != shimmed[test]]
        for test in different:
            print(f"# {test}: {plain[test]} without, {shimmed[test]} with it; once more, alone")
            again = [outcomes(run([test], preloaded)) for preloaded in (False, True)]
            assert again[0] == again[1], f"{again}\n{programs[1].err}"


def test_python_socket_tests():
    compare("test.test_socket", at_least=500)


def test_python_select_and_epoll_tests():
    compare("test.test_select", "test.test_epoll", at_least=10)


def test_python_asyncio_tests():
    parts = ("events", "sock_lowlevel", "streams", "server", "subprocess")
    compare(*[f"test.test_asyncio.test_{part}" for part in parts], at_least=300)


def test_python_http_tests():
    compare("test.test_httplib", "test.test_urllib2_localnet", at_least=100)


def test_python_ssl_tests():
    compare("test.test_ssl", at_least=150)


def test_tornado_tests():
    parts = ("iostream", "tcpclient", "tcpserver", "netutil", "ioloop", "asyncio")
    parts += ("simple_httpclient", "httpclient", "httpserver", "websocket", "process")
    compare(*[f"tornado.test.{part}_test" for part in parts], at_least=500)


def test_twisted_tests():
    reactor = ("tcp", "socket", "unix", "udp", "posixbase", "resolver")
    names = [f"twisted.internet.test.test_{part}" for part in reactor]
    compare(*names, *[f"twisted.test.test_{part}" for part in ("tcp", "ssl")], at_least=1000)


if __name__ == "__main__":
    tap.TIMEOUT = SECONDS
    main()
