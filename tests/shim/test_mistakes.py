#!/usr/bin/env python3
"""Mistakes around the env file: what can be understood holds, and no host in it is reached directly."""

import os
import shutil

from fake_sender import FakeSender
from harness import PATIENCE, TOOLS, VALGRIND, client, finish, place

import tap

PRELOADED = ("LD_PRELOAD", "HYBRIDGE_ENV", "HYBRIDGE_DEBUG")


def echo(request):
    """Completes a connect and sends back what comes."""
    with request.complete() as far:
        far.sendall(far.recv(100))


def test_a_host_whose_ports_are_mistaken_is_refused_on_all_of_them():
    code = """
    for host in sys.argv[1:]:
        with socket.socket() as sock:
            print(host, errno.errorcode.get(begin(sock, (host, 7)), ""))
    """
    hosts = {"db.corp:7x": "db.corp", "web.corp": "web.corp", "x.corp:": "x.corp"}
    hosts |= {"192.0.2.1:70000": "192.0.2.1", "192.0.2.8/29": "192.0.2.9", "a:7": "a"}
    with place(hosts=" ".join(hosts)) as here:
        seen = finish(client(here, code, *hosts.values())).splitlines()
        assert seen == [f"{host} ECONNREFUSED" for host in hosts.values()], seen
        assert "host is known, port is not configured: db.corp: 7" in here.log()


def test_what_the_environment_maps_is_relayed_whatever_the_file_is():
    code = """
    with socket.create_connection(("env.corp", 7)) as sock:
        sock.sendall(b"hi")
        print(sock.recv(100).decode())
    """
    with place() as here, FakeSender(here.socket, echo):
        for path in (here.env_file + ".missing", here.directory, "/" + "x" * 5000):
            env = here.env(
                HYBRIDGE_ENV=path, HYBRIDGE_HOSTS="env.corp:7", HYBRIDGE_SOCKET=here.socket
            )
            assert finish(client(here, code, env=env)) == "hi", path[:80]
        assert here.log().count("cannot read the env file") == 3, here.log()


def test_who_finds_no_descriptor_for_the_file_reads_it_the_next_time():
    if VALGRIND or not shutil.which("strace"):
        tap.skip("valgrind, or no strace")
    with place(hosts="10.9.8.7:5432") as here, FakeSender(here.socket, echo):
        fault = "inject=openat:error=EMFILE:when=1"
        preload = [word for pair in PRELOADED for word in ("-E", f"{pair}={here.env()[pair]}")]
        program = here.start(
            *("strace", "-qq", "-o", "/dev/null", "-P", here.env_file, "-e", fault, *preload),
            *(os.path.join(TOOLS, "dial"), "connect", "10.9.8.7", "5432"),
            env={key: value for key, value in here.env().items() if key not in PRELOADED},
        )
        out, _ = program.communicate(timeout=PATIENCE)
        if "ptrace" in out:
            tap.skip(f"strace cannot trace here: {out[:100]}")
        assert out.strip() == "hi", out


if __name__ == "__main__":
    tap.main()
