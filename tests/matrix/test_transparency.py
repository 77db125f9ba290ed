#!/usr/bin/env python3
"""Python's own tests of sockets and event loops: the same outcomes with the shim as without."""

from transparency import compare, main


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


if __name__ == "__main__":
    main()
