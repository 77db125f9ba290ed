#!/usr/bin/env python3
"""The env file, or a line of it, cannot be read: what it maps must not go out directly."""

import contextlib
import errno
import os
import shutil
import socket

from fake_sender import FakeSender
from harness import PATIENCE, SHIM, TOOLS, VALGRIND, client, finish, place

import tap

PRELOADED = ("LD_PRELOAD", "HYBRIDGE_ENV", "HYBRIDGE_DEBUG")

FAR = """
    def outcome(kind, family, to):
        with socket.socket(family, kind) as sock:
            return errno.errorcode.get(begin(sock, to), "")

    def far(kind=socket.SOCK_STREAM):
        "Documentation's addresses (RFC 5737, RFC 3849): nobody is there."
        return [outcome(kind, socket.AF_INET, ("192.0.2.1", 9)),
                outcome(kind, socket.AF_INET6, ("2001:db8::1", 9)),
                outcome(kind, socket.AF_INET6, ("::ffff:192.0.2.1", 9))]
"""

LOOK = FAR + """
    print(*far())
"""


def echo(request):
    """Completes a connect and sends back what comes."""
    with request.complete() as far:
        far.sendall(far.recv(100))


def missing(here):
    """It is not there."""
    return here.env_file + ".missing"


def folder(here):
    """No regular file."""
    return here.directory


def too_long(_):
    """More than any path may have."""
    return "/" + "x" * 5000


def refused(here, env):
    """Whether all of far() are refused."""
    return finish(client(here, LOOK, env=env)) == "EACCES EACCES EACCES"


def test_nothing_leaves_the_machine():
    with place() as here:
        for path in (missing(here), folder(here), too_long(here)):
            env = here.env(HYBRIDGE_ENV=path)
            assert refused(here, env), path[:80]
        log = here.log()
        assert log.count("cannot read the env file") == 3, log
        assert "it may be mapped in the env file that cannot be read: 192.0.2.1: 9" in log, log


def test_nothing_leaves_the_machine_without_a_debug_file():
    with place() as here:
        env = here.env(HYBRIDGE_ENV=missing(here))
        del env["HYBRIDGE_DEBUG"]
        assert refused(here, env)


def test_a_user_who_may_not_read_it_is_refused():
    with place() as here:
        os.chmod(here.env_file, 0)
        os.chmod(here.directory, 0o711)
        # Where the tests are, another user may not look.
        shim, dial = (shutil.copy(file, here.directory) for file in (SHIM, f"{TOOLS}/dial"))
        other = () if os.geteuid() else ("setpriv", "--reuid=65534", "--clear-groups")
        env = here.env(LD_PRELOAD=shim)
        program = here.start(*other, dial, "connect", "192.0.2.1", "9", env=env)
        assert finish(program) == f"errno {errno.EACCES}"


def test_fast_open_and_raw_system_calls_are_refused_too():
    code = FAR + """
    import ctypes, struct
    libc = ctypes.CDLL(None, use_errno=True)
    to = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(9), socket.inet_aton("192.0.2.1"))
    with socket.socket() as sock:
        sock.setblocking(False)
        assert libc.syscall(42 if os.uname().machine == "x86_64" else 203, sock.fileno(), to, 16) < 0
        print(errno.errorcode[ctypes.get_errno()])
        try:
            sock.sendto(b"x", socket.MSG_FASTOPEN, ("192.0.2.1", 9))
        except OSError as error:
            print(errno.errorcode[error.errno])
    """
    with place() as here:
        env = here.env(HYBRIDGE_ENV=missing(here))
        assert finish(client(here, code, env=env)) == "EACCES\nEACCES"


def test_this_machine_and_datagrams_are_left_alone():
    code = FAR + """
    print(far(socket.SOCK_DGRAM).count("EACCES"))
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"),
                         (socket.AF_INET6, "::1"), (socket.AF_INET6, "::"),
                         (socket.AF_INET6, "::ffff:127.0.0.1")):
        with socket.socket(family) as sock:
            sock.connect((host, int(sys.argv[1])))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(sys.argv[2])
    print(socket.gethostbyname("localhost"))
    """
    with place() as here, contextlib.ExitStack() as stack:
        listener = stack.enter_context(
            socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        )
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(here.socket)
        unix.listen()
        port = str(listener.getsockname()[1])
        env = here.env(HYBRIDGE_ENV=missing(here))
        assert finish(client(here, code, port, here.socket, env=env)) == "0\n127.0.0.1"


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


def test_what_the_environment_maps_is_relayed():
    code = FAR + """
    with socket.create_connection(("env.corp", 7)) as sock:
        sock.sendall(b"hi")
        print(sock.recv(100).decode())
    print(*far())
    """

    with place() as here, FakeSender(here.socket, echo):
        env = here.env(
            HYBRIDGE_ENV=missing(here), HYBRIDGE_HOSTS="env.corp:7", HYBRIDGE_SOCKET=here.socket
        )
        assert finish(client(here, code, env=env)) == "hi\nEACCES EACCES EACCES"


def test_who_finds_no_descriptor_for_it_is_refused_and_reads_it_the_next_time():
    if VALGRIND or not shutil.which("strace"):
        tap.skip("valgrind, or no strace")
    for when, seen in (("1", "hi"), ("1+", f"errno {errno.EACCES}")):
        with place(hosts="10.9.8.7:5432") as here, FakeSender(here.socket, echo):
            fault = f"inject=openat:error=EMFILE:when={when}"
            preload = [word for pair in PRELOADED for word in ("-E", f"{pair}={here.env()[pair]}")]
            program = here.start(
                *("strace", "-qq", "-o", "/dev/null", "-P", here.env_file, "-e", fault, *preload),
                *(os.path.join(TOOLS, "dial"), "connect", "10.9.8.7", "5432"),
                env={key: value for key, value in here.env().items() if key not in PRELOADED},
            )
            out, _ = program.communicate(timeout=PATIENCE)
            if "ptrace" in out:
                tap.skip(f"strace cannot trace here: {out[:100]}")
            assert out.strip() == seen, (when, out)


if __name__ == "__main__":
    tap.main()
