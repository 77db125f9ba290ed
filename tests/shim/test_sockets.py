#!/usr/bin/env python3
"""connect() under the shim: every kind of socket and address, and of process."""

import contextlib
import errno
import os
import socket
import subprocess

from fake_sender import FakeSender
from harness import address, client, finish, place

import tap

DB = address("db.corp")
IPPROTO_MPTCP = 262


def test_addresses_and_blocks_are_matched_without_a_name():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    for ip in ("10.9.8.7", "10.20.30.40"):
        s = socket.create_connection((ip, 5432))
        print(*s.getpeername(), flush=True)
    s = socket.socket(socket.AF_INET6)
    s.connect(("2001:db8::7", 5432))
    print(*s.getpeername()[:2], flush=True)
    """,
        )
        for ip in ("10.9.8.7", "10.20.30.40", "2001:db8::7"):
            request = sender.next()
            assert (request.host, request.addr) == (ip, ip)
            hold = request.peer.getsockname()[0]
            assert hold == address(ip), hold
            local = request.app
            request.wait_for_connect()
            name = local.getsockname()
            key = (name[0].removeprefix("::ffff:"), name[1])
            sender.answers[key] = (ip, 5432)
            far = request.complete()
            assert program.stdout.readline() == f"{ip} 5432\n"
            far.close()
        finish(program)


def test_ipv6_sockets_are_held_on_mapped_addresses_and_on_loopback():
    ula = "fd68:7962:7269:6467::"
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    mapped, ula = sys.argv[1:]
    for to, only, source in ((mapped, 0, None), (ula, 0, None), (ula, 1, None),
                             (mapped, 1, None), (ula, 0, "::1")):
        s = socket.socket(socket.AF_INET6)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        if source:
            s.bind((source, 0))
        s.connect((to, 5432))
        s.sendall(b"hi")
        print(s.recv(10).decode(), s.getpeername()[0], flush=True)
    """,
            "::ffff:" + DB,
            ula + DB,
        )
        for family, shown in (
            (socket.AF_INET, "::ffff:" + DB),
            (socket.AF_INET, "::ffff:" + DB),
            (socket.AF_INET6, None),
            (socket.AF_INET6, None),
            (socket.AF_INET6, None),
        ):
            request = sender.next()
            assert request.host == "db.corp"
            assert request.peer.family == family
            request.wait_for_connect()
            sender.answers[request.app.getsockname()[:2]] = ("db.corp", 5432)
            far = request.complete()
            assert far.recv(10) == b"hi"
            far.sendall(b"yes")
            line = program.stdout.readline().split()
            assert line[0] == "yes", line
            if shown:
                assert line[1] == shown, line
            else:
                ip = socket.inet_pton(socket.AF_INET6, line[1])
                assert ip[:8] == socket.inet_pton(socket.AF_INET6, ula)[:8]
                assert ip[12:] == socket.inet_aton(DB)
            far.close()
        finish(program)


def connects_early(setup):
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            setup
            + """
    s.connect(DB)
    s.sendall(b"hi")
    print(s.recv(10).decode())
    """,
        )
        request = sender.next()
        assert request.early and len(request.sockets) == 2
        far = request.complete()
        assert far.recv(10) == b"hi"
        far.sendall(b"yes")
        assert finish(program) == "yes"
        far.close()


def test_a_socket_whose_ttl_passes_the_hold_connects_early():
    connects_early(
        """
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
    """
    )


def test_an_mptcp_socket_connects_early():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
    except OSError:
        tap.skip("no MPTCP here")
    connects_early(
        f"""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, {IPPROTO_MPTCP})
    """
    )


def test_a_taken_port_is_replaced_and_getpeername_still_tells_the_asked_one():
    taken = address("any.corp")
    with place() as here, FakeSender(here.socket) as sender:
        with socket.create_server((taken, 0)) as server:
            port = server.getsockname()[1]
            program = client(
                here,
                """
    s = socket.create_connection(("any.corp", int(sys.argv[1])))
    print(*s.getpeername())
    """,
                str(port),
            )
            request = sender.next()
            bound = request.peer.getsockname()
            assert bound[0] == taken and bound[1] != port
            request.wait_for_connect()
            sender.answers[request.app.getsockname()] = ("any.corp", port)
            far = request.complete()
            assert finish(program) == f"{taken} {port}"
            far.close()


def test_a_stream_and_what_is_left_of_it_leave_its_port_to_servers():
    with place() as here, FakeSender(here.socket) as sender:
        with socket.create_server(("0.0.0.0", 0)) as server:
            port = server.getsockname()[1]
        program = client(
            here,
            """
    s = socket.create_connection(("any.corp", int(sys.argv[1])))
    print(*s.getpeername(), flush=True)
    s.recv(1)
    """,
            str(port),
        )
        far = sender.next().complete()
        assert far.getsockname() == (address("any.corp"), port)
        assert program.stdout.readline() == f"{address('any.corp')} {port}\n"
        # As servers do: with SO_REUSEADDR, on every address.
        socket.create_server(("0.0.0.0", port)).close()
        # Who closes first stays in TIME_WAIT.
        far.shutdown(socket.SHUT_WR)
        finish(program)
        assert far.recv(1) == b""
        far.close()
        socket.create_server(("0.0.0.0", port)).close()


def test_a_bound_socket_keeps_its_local_address():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    s.bind(("127.0.0.9", 0))
    port = s.getsockname()[1]
    s.connect(DB)
    print(s.getsockname() == ("127.0.0.9", port))
    """,
        )
        far = sender.next().complete()
        assert far.getpeername()[0] == "127.0.0.9"
        assert finish(program) == "True"
        far.close()


def test_programs_without_standard_descriptors_work():
    with place() as here, FakeSender(here.socket) as sender:
        result = os.path.join(here.directory, "result")
        program = client(
            here,
            """
    os.closerange(0, 3)
    s = socket.socket()
    fd = s.fileno()
    r = s.connect_ex(DB)
    free = os.open("/dev/null", os.O_RDONLY)
    with open(sys.argv[1], "w") as f:
        f.write("%d %d %d" % (fd, r, free))
    """,
            result,
        )
        far = sender.next().complete()
        assert program.wait(10) == 0
        with open(result, encoding="ascii") as file:
            assert file.read() == "0 0 1", "no descriptor of ours is left over"
        far.close()


def test_a_stuck_sender_is_waited_for_briefly_and_with_no_low_descriptor():
    with place() as here:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stuck:
            stuck.bind(here.socket)
            stuck.listen(0)
            fill = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            fill.connect(here.socket)
            result = os.path.join(here.directory, "result")
            program = client(
                here,
                """
    ip = socket.gethostbyname("db.corp")
    os.closerange(0, 3)
    s = socket.socket()
    before = time.monotonic()
    r = s.connect_ex((ip, 5432))
    with open(sys.argv[1], "w") as f:
        f.write("%s %s" % (errno.errorcode[r], 0.5 < time.monotonic() - before < 3))
    """,
                result,
            )
            seen = set()
            while program.poll() is None:
                seen.add(socket_descriptors(program.pid))
            with open(result, encoding="ascii") as file:
                assert file.read() == "ECONNREFUSED True"
            # 0 is the program's own; the hold and the request have others.
            assert any(len(fds) >= 4 for fds in seen), seen
            assert not any(fds & {1, 2} for fds in seen if len(fds) >= 4), seen
            fill.close()


def socket_descriptors(pid):
    """Numbers of a process's descriptors that are sockets."""
    found = set()
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                    found.add(int(number))
    return frozenset(found)


def test_no_descriptor_is_left_in_the_program():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    before = os.listdir("/proc/self/fd")
    s = socket.socket()
    begin(s)
    socket.socket().connect_ex(("db.corp", 1))
    s.close()
    print(before == os.listdir("/proc/self/fd"))
    """,
        )
        request = sender.next()
        assert finish(program) == "True"
        request.close()


def test_a_program_out_of_descriptors_is_told_so():
    with place() as here, FakeSender(here.socket):
        program = client(
            here,
            """
    import resource
    ip = socket.gethostbyname("db.corp")
    s = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (s.fileno() + 2, 100))
    print(errno.errorcode[begin(s, (ip, 5432))])
    """,
        )
        assert finish(program) == "EMFILE"


def test_threads_connect_at_the_same_time():
    def handler(request):
        far = request.complete()
        far.sendall(b"x")
        far.close()

    with place() as here, FakeSender(here.socket, handler):
        program = client(
            here,
            """
    import threading
    good = []
    def run():
        for _ in range(10):
            with socket.create_connection(DB) as s:
                good.append(s.recv(1))
    threads = [threading.Thread(target=run) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(len(good), set(good))
    """,
        )
        assert finish(program) == "80 {b'x'}"


def test_a_sender_of_another_user_gets_no_descriptor():
    if os.geteuid() != 0:
        tap.skip("needs root to be another user")
    with place() as here:
        os.chmod(here.directory, 0o777)
        with FakeSender(here.socket) as sender:
            os.chmod(here.socket, 0o666)
            # The listener is root's: hand it to nobody by a child that listens.
            program = client(
                here,
                """
    os.setgid(65534)
    os.setuid(65534)
    l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    l.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    l.listen()
    print("ready", flush=True)
    c, _ = l.accept()
    print(c.recv(100))
    """,
                here.socket + "2",
            )
            assert program.stdout.readline() == "ready\n"
            victim = client(
                here,
                "\n    print(errno.errorcode[socket.socket().connect_ex(DB)])",
                env=here.env(HYBRIDGE_SOCKET=here.socket + "2"),
            )
            assert finish(victim) == "ECONNREFUSED"
            assert finish(program) == "b''"
            assert sender.connects.empty()


def test_a_real_curl_fetches_through_the_sender():
    def handler(request):
        far = request.complete()
        asked = far.recv(4096)
        assert b"Host: web.corp" in asked
        far.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
        )
        far.close()

    with place() as here, FakeSender(here.socket, handler):
        curl = here.start(
            "curl", "-sS", "-m10", "-w", " %{remote_port}", "http://web.corp:8080/"
        )
        assert finish(curl) == "hello 8080"


def test_a_connect_that_the_program_gave_up_is_refused_by_the_kernel():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    begin(s)
    sys.stdin.readline()
    s.close()
    """,
            stdin=subprocess.PIPE,
        )
        request = sender.next()
        request.wait_for_connect()
        local = request.app.getsockname()
        assert program.communicate("close it\n", 20)[0] == ""
        request.app.close()
        request.sockets.pop(0)
        assert request.sockets[0].connect_ex(local) == errno.ECONNREFUSED
        request.close()


if __name__ == "__main__":
    tap.main()
