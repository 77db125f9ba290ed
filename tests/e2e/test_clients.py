#!/usr/bin/env python3
"""Programs as they are: psql, curl, wget, python, node, java and nginx, nothing changed."""

import contextlib
import hashlib
import os

import private
import servers
from harness import HERE, PYTHON, World, main

PAGE = b"this page is private\n"
BIG = os.urandom(5 << 20)


class Side:
    """What all tests here share: the private servers, and an app that reaches them."""


@contextlib.contextmanager
def both_sides():
    with World() as world, servers.refusing() as closed:
        files = world.path("www")
        os.mkdir(files, 0o755)
        for name, content in (("index.html", PAGE), ("big", BIG)):
            with open(os.path.join(files, name), "wb") as file:
                file.write(content)
        relay = world.relay(["db", "web", "gone"])
        targets = {
            "db": private.postgres(world),
            "web": private.nginx(world, "nginx", f"root {files};"),
            "gone": closed,
        }
        world.agent(relay, targets)
        hosts = {"db": "db.corp:5432", "web": "web.corp:80", "gone": "gone.corp:80,5432"}
        Side.world = world
        Side.app = world.app(relay, hosts)
        yield


def run(argv, status=0, **env):
    program = Side.app.run(argv, **env)
    assert program.status == status, f"status {program.status}: {program.out}{program.err}"
    return program


def psql(target, query, **expected):
    return run(["psql", "-X", "-A", "-t", "-c", query, target], **expected)


def test_without_the_library_no_name_is_known():
    plain = Side.world.start(["psql", "-X", "-c", "select 1", "host=db.corp port=5432 user=shop"])
    assert plain.wait() == 2
    assert "could not translate host name" in plain.err, plain.err


def test_psql():
    target = "host=db.corp port=5432 user=shop dbname=postgres"
    assert psql(target, "select 6 * 7").out == "42\n"
    wide = psql(target, "select repeat(n::text, 100) from generate_series(1, 20000) n").out
    assert wide == "".join(f"{str(n) * 100}\n" for n in range(1, 20001))


def test_psql_goes_on_to_the_next_host_when_one_refuses():
    target = "host=gone.corp,db.corp port=5432,5432 user=shop dbname=postgres"
    assert psql(target, "select 6 * 7").out == "42\n"


def test_psql_says_connection_refused_in_its_own_words():
    told = psql("host=gone.corp port=5432 user=shop", "select 1", status=2).err
    assert 'connection to server at "gone.corp"' in told, told
    assert "Connection refused" in told, told


def test_curl():
    assert run(["curl", "-sS", "http://web.corp/"]).out == PAGE.decode()
    fetched = Side.world.path("fetched")
    run(["curl", "-sS", "-o", fetched, "http://web.corp/big"])
    with open(fetched, "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(BIG).digest()
    refused = run(["curl", "-sS", "http://gone.corp/"], status=7)
    assert "refused" in refused.err or "connect to" in refused.err, refused.err


def test_wget():
    assert run(["wget", "-q", "-O", "-", "http://web.corp/"]).out == PAGE.decode()
    refused = run(["wget", "-t", "1", "-O", "-", "http://gone.corp/"], status=4)
    assert "Connection refused" in refused.err, refused.err


def test_python_urllib():
    code = "from urllib.request import urlopen; print(urlopen('http://web.corp/').read())"
    assert run([PYTHON, "-c", code]).out == f"{PAGE}\n"
    refused = run([PYTHON, "-c", code.replace("web", "gone")], status=1)
    assert "ConnectionRefusedError" in refused.err, refused.err


def test_node_http_and_fetch():
    code = """
        const http = require('http');
        http.get('http://web.corp/', (res) => {
            res.pipe(process.stdout);
            res.on('end', async () => {
                process.stdout.write(await (await fetch('http://web.corp/')).text());
                http.get('http://gone.corp/').on('error', (e) => console.log(e.code));
            });
        });
    """
    assert run(["node", "-e", code]).out == PAGE.decode() * 2 + "ECONNREFUSED\n"


def test_java_socket():
    source = os.path.join(HERE, "Fetch.java")
    assert run(["java", source, "web.corp", "80"]).out == PAGE.decode()
    assert "Connection refused" in run(["java", source, "gone.corp", "80"]).out


def test_nginx_as_a_proxy():
    # nginx registers the socket with epoll, edge-triggered, before connect().
    at = private.nginx(Side.world, "proxy", "proxy_pass http://web.corp;", Side.app.start)
    fetched = Side.world.start(["curl", "-sS", "http://%s:%d/" % at])
    assert fetched.wait() == 0
    assert fetched.out == PAGE.decode(), fetched.out


if __name__ == "__main__":
    with both_sides():
        main()
