#!/usr/bin/env python3
"""Tornado's and Twisted's own tests, event loops of all kinds: the same with the shim as without."""

from transparency import compare, main


def test_tornado_tests():
    parts = ("iostream", "tcpclient", "tcpserver", "netutil", "ioloop", "simple_httpclient", "websocket")
    compare(*[f"tornado.test.{part}_test" for part in parts], at_least=350)


def test_twisted_tests():
    reactor = ("tcp", "socket", "unix", "udp", "posixbase", "resolver")
    names = [f"twisted.internet.test.test_{part}" for part in reactor]
    compare(*names, *[f"twisted.test.test_{part}" for part in ("tcp", "ssl")], at_least=1000)


if __name__ == "__main__":
    main()
