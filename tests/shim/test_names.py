#!/usr/bin/env python3
"""Name look-ups under the shim: mapped names, and all others."""

import ipaddress
import itertools
import os
import shutil
import textwrap

from fake_sender import NAME, UNKNOWN, FakeSender
from harness import TOOLS, address, client, finish, place

import tap

DB = address("db.corp")
LONG = "a-host-with-a-rather-long-name.in-a-domain-of-several-levels.sub.corp"


def ula(v4):
    """The IPv6 address that stands for the same name."""
    block = int(ipaddress.ip_address("fd68:7962:7269:6467::"))
    return str(ipaddress.ip_address(block | int(ipaddress.ip_address(v4))))


def lines(client):
    return finish(client).splitlines()


def test_a_mapped_name_has_one_address_whatever_the_hints():
    with place() as here:
        got = lines(
            here.python(
                """
        import socket
        def show(*args, **hints):
            try:
                print(sorted({(a[0].name, a[4][0]) for a in socket.getaddrinfo(*args, **hints)}))
            except socket.gaierror as e:
                print(e.errno)
        S = socket
        show("db.corp", None)
        show("db.corp", 5432)
        show("db.corp", "https", type=S.SOCK_STREAM)
        show("db.corp", None, family=S.AF_INET)
        show("db.corp", None, type=S.SOCK_DGRAM)
        show("db.corp", None, flags=S.AI_ADDRCONFIG | S.AI_V4MAPPED | S.AI_ALL)
        show("db.corp", None, flags=S.AI_PASSIVE)
        show("db.corp", "0", flags=S.AI_NUMERICSERV)
        show("db.corp", None, family=S.AF_INET6)
        show("db.corp", None, family=S.AF_INET6, flags=S.AI_V4MAPPED)
        show("db.corp", None, family=S.AF_INET6, flags=S.AI_ADDRCONFIG)
        """
            )
        )
        v4 = str([("AF_INET", DB)])
        v6 = str([("AF_INET6", ula(DB))])
        assert got == [v4] * 8 + [v6] * 3, got


def test_one_result_comes_for_each_kind_of_socket():
    with place() as here:
        got = lines(
            here.python(
                """
        import socket
        for a in socket.getaddrinfo("db.corp", 5432):
            print(a[1].name, *a[4])
        """
            )
        )
        kinds = ("SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW")
        assert got == [f"{kind} {DB} 5432" for kind in kinds], got


def test_case_and_a_trailing_dot_do_not_matter():
    with place() as here:
        got = lines(
            here.python(
                """
        import socket
        for name in ("DB.Corp", "db.corp.", "DB.CORP."):
            print(socket.gethostbyname(name))
        """
            )
        )
        assert got == [DB] * 3, got


def test_numeric_lookups_and_errors_are_libcs():
    with place() as here:
        got = lines(
            here.python(
                """
        import socket
        def show(*args, **hints):
            try:
                print(socket.getaddrinfo(*args, type=socket.SOCK_STREAM, **hints)[0][4])
            except socket.gaierror as e:
                print(socket.gaierror.__name__, e.errno == getattr(socket, "EAI_NONAME"), e.errno == socket.EAI_SERVICE)
        show("db.corp", 1, flags=socket.AI_NUMERICHOST)
        show("db.corp", "no-such-service")
        show("127.0.0.1", 1)
        show("10.9.8.7", 1)
        show(None, 1)
        """
            )
        )
        assert got == [
            "gaierror True False",
            "gaierror False True",
            "('127.0.0.1', 1)",
            "('10.9.8.7', 1)",
            got[4],
        ], got


def test_names_that_are_not_mapped_go_to_libc():
    with place() as here:
        got = lines(
            here.python(
                """
        import socket
        print(socket.gethostbyname("localhost"))
        for name in ("corp", "sub.corp", "xdb.corp", "db.corp.invalid"):
            try:
                print(socket.gethostbyname(name))
            except socket.gaierror as e:
                print("unknown")
        """
            )
        )
        assert got == ["127.0.0.1"] + ["unknown"] * 4, got
        # Two have mapped neighbours.
        told = [line.rpartition(" ")[2] for line in here.log().splitlines()]
        assert told == ["sub.corp", "xdb.corp"], told


def test_the_old_functions_know_mapped_names():
    v6 = ula(DB)
    with place() as here:
        got = lines(here.tool("names", "DB.corp"))
        assert got == [
            f"by_name: DB.corp {DB} 4",
            f"by_name2: DB.corp {v6} 16",
            f"by_name_r grown: DB.corp {DB} 4",
            f"by_name_r grown: DB.corp {v6} 16",
            f"by_addr_r: db.corp {DB} 4",
            f"by_addr: db.corp {DB} 4",
            f"by_addr_r: db.corp {v6} 16",
            f"by_addr: db.corp {v6} 16",
            "canonical: DB.corp",
            "canonical: DB.corp",
            f"async: {DB}",
            f"async: {v6}",
        ], got


def test_the_old_functions_pass_other_names_on():
    with place() as here:
        with_shim = lines(here.tool("names", "localhost"))
        env = here.env()
        del env["LD_PRELOAD"]
        without = lines(here.tool("names", "localhost", env=env))
        assert with_shim == without, (with_shim, without)
        assert with_shim[0].startswith("by_name: localhost 127.0.0.1")


def test_a_name_of_a_suffix_is_told_to_the_sender():
    with place() as here, FakeSender(here.socket) as sender:
        v4 = address(LONG)
        got = lines(here.tool("names", LONG))
        assert got[0] == f"by_name: {LONG} {v4} 4", got
        assert got[8:10] == [f"canonical: {LONG}"] * 2, got
        told = sender.next_other(NAME)
        assert (told.host, told.addr) == (LONG, v4)


def test_a_name_of_a_suffix_reaches_the_sender_by_its_address():
    with place() as here, FakeSender(here.socket) as sender:
        client = here.tool("dial", "connect", "x.sub.corp", "7000")
        assert sender.next_other(NAME).host == "x.sub.corp"
        request = sender.next()
        assert (request.host, request.port) == ("", 7000)
        assert request.addr == address("x.sub.corp")
        far = request.complete()
        far.recv(10)
        far.sendall(b"yes")
        assert finish(client) == "yes"
        far.close()


def test_a_name_of_a_suffix_that_has_another_entrys_address_is_not_found():
    shared = address("db.corp")
    name = next(n for n in (f"h{i}.sub.corp" for i in itertools.count()) if address(n) == shared)
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    try:
        print(socket.getaddrinfo(sys.argv[1], 7000))
    except socket.gaierror as e:
        print(e.errno == socket.EAI_FAIL)
    print(socket.gethostbyname("db.corp"))
    """,
            name,
        )
        assert finish(program).split() == ["True", shared]
        got = lines(here.tool("names", name))
        assert got[:2] == ["by_name: h_errno 3", "by_name2: h_errno 3"], got # NO_RECOVERY
        assert not any(shared in line or name in line for line in got), got
        assert sender.others == []
        assert f"change HYBRIDGE_RANGE: {name}" in here.log()


def test_reverse_lookups_give_the_name_back():
    with place() as here, FakeSender(here.socket) as sender:
        sub = address("x.sub.corp")
        sender.answers[sub] = ("x.sub.corp", 0)
        got = lines(
            here.python(
                """
        import socket, sys
        db, v6, sub, literal = sys.argv[1:]
        N = socket.NI_NUMERICSERV
        print(*socket.getnameinfo((db, 5432), N))
        print(*socket.getnameinfo((db, 80), 0))
        print(*socket.getnameinfo((v6, 5432), N))
        print(*socket.getnameinfo(("::ffff:" + db, 5432), N | socket.NI_NAMEREQD))
        print(*socket.getnameinfo((sub, 7000), N))
        print(*socket.getnameinfo((db, 5432), N | socket.NI_NUMERICHOST))
        print(*socket.getnameinfo((literal, 5432), N))
        print(socket.gethostbyaddr(db))
        print(socket.getfqdn(db))
        """,
                DB,
                ula(DB),
                sub,
                address("10.9.8.7"),
            )
        )
        assert got == [
            "db.corp 5432",
            "db.corp http",
            "db.corp 5432",
            "db.corp 5432",
            "x.sub.corp 7000",
            f"{DB} 5432",
            f"{address('10.9.8.7')} 5432",
            str(("db.corp", [], [DB])),
            "db.corp",
        ], got


def test_the_range_can_be_configured():
    with place() as here:
        code = "import socket; print(socket.gethostbyname('db.corp'))"
        for setting, want in (
            ("127.1.2.0/24", address("db.corp", 0x7F010200, 24)),
            ("", address("db.corp", 0x7F400000, 10)),
            ("nonsense", address("db.corp", 0x7F400000, 10)),
        ):
            got = finish(here.python(code, env=here.env(HYBRIDGE_RANGE=setting)))
            assert got == want, (setting, got)
        assert "nonsense" in here.log()


def test_the_map_wins_over_the_hosts_file_and_needs_no_full_name():
    names = ("localhost", "db", "my_db.corp", "xn--bcher-kva.corp", "ip6-localhost")
    with place(" ".join(f"{name}:5432" for name in names)) as here:
        got = lines(
            here.python(
                "import socket, sys\nfor name in sys.argv[1:]: print(socket.gethostbyname(name))",
                *names,
                env=here.env(LOCALDOMAIN="corp"),
            )
        )
        assert got == [address(name) for name in names], got


def test_search_domains_are_libcs_affair():
    with place() as here:
        # "db" is not mapped, "db.corp" is: what libc makes of a short name stays its own.
        program = here.python(
            """
        import socket
        try:
            print(socket.gethostbyname("db"))
        except OSError:
            print("unknown")
        """,
            env=here.env(LOCALDOMAIN="corp", RES_OPTIONS="timeout:1 attempts:1 ndots:3"),
        )
        assert finish(program) == "unknown"


def test_lookups_and_forks_at_the_same_time_never_hang():
    with place() as here:
        program = here.python(
            """
        import encodings.idna, os, socket, threading
        over = False
        def run():
            while not over:
                socket.getaddrinfo("db.corp", 5432)
        threads = [threading.Thread(target=run) for _ in range(4)]
        [t.start() for t in threads]
        results = set()
        for _ in range(50):
            pid = os.fork()
            if pid == 0:
                os._exit(len(socket.getaddrinfo("db.corp", 5432, type=socket.SOCK_STREAM)))
            results.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        over = True
        [t.join() for t in threads]
        print(results)
        """
        )
        assert finish(program, 40) == "{1}"


def test_an_unknown_neighbour_of_a_mapped_name_is_told_to_the_senders_log():
    lookups = """
        import ctypes, socket
        libc = ctypes.CDLL(None)
        libc.gethostbyname.restype = ctypes.c_void_p
        for name in sys.argv[1:]:
            for look_up in (lambda: socket.getaddrinfo(name, 1), lambda: socket.gethostbyname_ex(name),
                            lambda: libc.gethostbyname(name.encode()) or 1 / 0):
                try:
                    look_up()
                    print("found")
                except (OSError, ZeroDivisionError):
                    pass
    """
    with place("db.corp.test:5432 *.sub.test:1 10.1.1.1:1") as here, FakeSender(here.socket) as sender:
        told = ["other.Corp.test", "other.corp.test."]
        silent = ["corp.test", "other.test", "sub.test", "localhost", "10.1.1.2", "nodots"]
        program = here.python("import sys\n" + textwrap.dedent(lookups), *silent, *told,
                              env=here.env(RES_OPTIONS="timeout:1 attempts:1"))
        finish(program, 60)
        names = [m.host for m in sender.await_other(UNKNOWN, 3 * len(told))]
        assert names == [name for name in told for _ in range(3)], names
        assert "unknown name in a domain that has mapped ones: other.Corp.test" in here.log()


def test_getent_and_a_shell_work_unharmed():
    if not shutil.which("getent"):
        tap.skip("no getent")
    with place() as here:
        assert finish(here.start("getent", "hosts", "db.corp")).split() == [
            ula(DB),
            "db.corp",
        ]
        assert finish(here.start("sh", "-c", "echo $(echo ok)")) == "ok"


def test_valgrind_sees_no_fault():
    if not shutil.which("valgrind"):
        tap.skip("no valgrind")
    # Only faults: glibc itself keeps the threads of getaddrinfo_a().
    command = ("valgrind", "-q", "--error-exitcode=9", "--run-libc-freeres=no")
    with place() as here, FakeSender(here.socket) as sender:
        client = here.start(*command, os.path.join(TOOLS, "names"), LONG)
        finish(client, 60)
        client = here.start(
            *command, os.path.join(TOOLS, "dial"), "sendmsg", "db.corp", "5432"
        )
        far = sender.next(20).complete()
        far.recv(10)
        far.sendall(b"yes")
        assert finish(client, 60) == "yes"
        far.close()


if __name__ == "__main__":
    tap.main()
