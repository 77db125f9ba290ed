#!/usr/bin/env python3
"""connect() under the shim: held, completed, refused; and left alone."""

import contextlib
import errno
import os
import socket
import struct
import time

from fake_sender import REFUSED, FakeSender
from harness import address, finish, place

import tap

DB = address("db.corp")
IPPROTO_MPTCP = 262
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets
VERDICTS = (
    errno.ECONNREFUSED,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EACCES,
)

# Helpers that clients begin with.
COMMON = """
    import errno, os, select, socket, sys, time
    DB = ("db.corp", 5432)

    def begin(sock, to=DB):
        "A non-blocking connect(); returns its errno."
        sock.setblocking(False)
        return sock.connect_ex(to)

    def so_error(sock):
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
"""


def client(where, code, *args, **options):
    return where.python(COMMON + code, *args, **options)


def test_a_blocking_connect_is_held_until_it_is_completed():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.create_connection(DB)
    s.sendall(b"hi")
    print(s.recv(10).decode(), *s.getpeername())
    """,
        )
        request = sender.next()
        assert (request.host, request.port) == ("db.corp", 5432)
        assert request.addr == DB and not request.early
        request.wait_for_connect()
        time.sleep(0.1)
        assert program.poll() is None
        far = request.complete()
        assert far.recv(10) == b"hi"
        far.sendall(b"there")
        assert finish(program) == f"there {DB} 5432"
        assert far.recv(10) == b"", "the program's end comes through"


def test_a_refused_blocking_connect_ends_with_the_verdict():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    for _ in range(int(sys.argv[1])):
        print(socket.socket().connect_ex(DB), flush=True)
    """,
            str(len(VERDICTS)),
        )
        for verdict in VERDICTS:
            sender.next().refuse(verdict)
        assert finish(program).split() == [str(v) for v in VERDICTS]


def test_a_refused_non_blocking_connect_shows_the_verdict_in_so_error():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    for _ in range(int(sys.argv[1])):
        s = socket.socket()
        assert begin(s) == errno.EINPROGRESS
        p = select.poll()
        p.register(s, select.POLLOUT)
        assert p.poll(5000)[0][1] & select.POLLERR
        print(so_error(s), so_error(s), flush=True)
    """,
            str(len(VERDICTS)),
        )
        for verdict in VERDICTS:
            sender.next().refuse(verdict)
        assert finish(program).split() == [
            w for v in VERDICTS for w in (str(v), "0")
        ]


def test_a_non_blocking_connect_returns_at_once_and_no_event_comes_before_its_end():
    for verdict, events in ((0, "out  0"), (errno.ETIMEDOUT, "out err hup 110")):
        with place() as here, FakeSender(here.socket) as sender:
            program = here.tool("edge", DB, "5432", "500", "5")
            requests = [sender.next() for _ in range(5)]
            first = program.stdout.readline().split()
            assert first[1] == "quiet", first
            assert int(first[0]) < 2000, f"{first[0]} us"
            if verdict:
                requests[-1].refuse(verdict)
            else:
                far = requests[-1].complete()
            got = finish(program)
            assert got.split() == events.split(), got
            for request in requests:
                request.close()
            if not verdict:
                far.close()


def test_select_and_poll_wait_for_the_end_of_the_hold():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    assert begin(s) == errno.EINPROGRESS
    assert select.select([s], [s], [s], 0.1) == ([], [], [])
    print("held", flush=True)
    assert select.select([], [s], [], 5)[1] == [s]
    p = select.poll()
    p.register(s)
    assert p.poll(0) == [(s.fileno(), select.POLLOUT)], p.poll(0)
    print(so_error(s))
    """,
        )
        request = sender.next()
        assert program.stdout.readline() == "held\n"
        far = request.complete()
        assert finish(program) == "0"
        far.close()


def test_a_second_connect_tells_the_result_as_the_kernel_does():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    results = [begin(s), begin(s)]
    print("held", flush=True)
    select.select([], [s], [])
    results += [begin(s), begin(s)]
    print(*[errno.errorcode.get(r, r) for r in results], flush=True)

    s = socket.socket()
    results = [begin(s)]
    select.select([], [s], [])
    results += [begin(s)]
    print(*[errno.errorcode.get(r, r) for r in results], flush=True)
    """,
        )
        assert program.stdout.readline() == "held\n"
        request = sender.next()
        assert sender.connects.empty(), "the second connect() is no request"
        far = request.complete()
        sender.next().refuse(errno.EHOSTUNREACH)
        assert finish(program).splitlines() == [
            "EINPROGRESS EALREADY 0 EISCONN",
            "EINPROGRESS EHOSTUNREACH",
        ]
        far.close()


def test_a_refused_socket_can_be_connected_again():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    print(*[s.connect_ex(DB) for _ in range(3)], s.recv(1))
    """,
        )
        sender.next().refuse(errno.EACCES)
        sender.next().refuse(errno.ETIMEDOUT)
        far = sender.next().complete()
        far.sendall(b"x")
        assert finish(program) == f"{errno.EACCES} {errno.ETIMEDOUT} 0 b'x'"
        far.close()


def test_a_reset_after_success_is_not_taken_for_an_earlier_verdict():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    print(*[s.connect_ex(DB) for _ in range(2)], flush=True)
    select.select([s], [], [])
    print(errno.errorcode[so_error(s)])
    """,
        )
        sender.next().refuse(errno.EACCES)
        far = sender.next().complete()
        assert program.stdout.readline() == f"{errno.EACCES} 0\n"
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        far.close()
        assert finish(program) == "ECONNRESET"


def test_dup_fork_and_exec_see_the_same_verdict():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    socks = [socket.socket() for _ in range(3)]
    for s in socks:
        begin(s)
        select.select([], [s], [])
    copy = os.dup(socks[0].fileno())
    socks[0].close()
    print(so_error(socket.socket(fileno=copy)), flush=True)
    if os.fork() == 0:
        print(so_error(socks[1]), flush=True)
        os._exit(0)
    os.wait()
    os.set_inheritable(socks[2].fileno(), True)
    os.execv(sys.executable, [sys.executable, "-c",
        "import socket; s = socket.socket(fileno=%d);"
        "print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))" % socks[2].fileno()])
    """,
        )
        for verdict in VERDICTS[1:4]:
            sender.next().refuse(verdict)
        assert finish(program).split() == [str(v) for v in VERDICTS[1:4]]


def test_a_child_completes_what_its_parent_began():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    begin(s)
    if os.fork() == 0:
        select.select([], [s], [])
        print(so_error(s), s.getpeername()[1])
        sys.stdout.flush()
        os._exit(0)
    s.close()
    os.wait()
    """,
        )
        far = sender.next().complete()
        assert finish(program) == "0 5432"
        far.close()


def test_a_send_timeout_ends_a_blocking_connect():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import struct
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 200000))
    before = time.monotonic()
    print(errno.errorcode[s.connect_ex(DB)], time.monotonic() - before < 2)
    """,
        )
        request = sender.next()
        assert finish(program) == "EINPROGRESS True"
        request.close()


def test_a_signal_interrupts_a_blocking_connect():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import ctypes, signal, struct
    signal.signal(signal.SIGALRM, lambda *_: None)
    s = socket.socket()
    # Straight to libc, as Python itself would wait again.
    libc = ctypes.CDLL(None, use_errno=True)
    ip = socket.inet_aton(socket.gethostbyname("db.corp"))
    to = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 5432) + ip + bytes(8)
    signal.siginterrupt(signal.SIGALRM, True)
    # With a timeout set, the kernel does not restart the call by itself.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    ret = libc.connect(s.fileno(), to, len(to))
    print(ret, errno.errorcode[ctypes.get_errno()], flush=True)
    select.select([], [s], [])
    print(so_error(s))
    """,
        )
        request = sender.next()
        assert program.stdout.readline() == "-1 EINTR\n"
        far = request.complete()
        assert finish(program) == "0"
        far.close()


def test_asyncio_runs_other_tasks_while_connects_are_held():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import asyncio
    async def one(n):
        try:
            reader, writer = await asyncio.open_connection(*DB)
        except OSError as e:
            return errno.errorcode[e.errno]
        writer.write(b"%d\\n" % n)
        return (await reader.readline()).decode().strip()
    async def main():
        ticks = 0
        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1
        ticker = asyncio.create_task(tick())
        print(*sorted(await asyncio.gather(*[one(n) for n in range(4)])), ticks > 5)
    asyncio.run(main())
    """,
        )
        requests = [sender.next() for _ in range(4)]
        time.sleep(0.2)
        requests[0].refuse(errno.ETIMEDOUT)
        for request in requests[1:]:
            far = request.complete()
            far.recv(10)
            far.sendall(b"pong\n")
        assert finish(program) == "ETIMEDOUT pong pong pong True"


def test_three_hundred_connects_at_once_are_all_completed():
    many = 300
    far_ends = []

    def handler(request):
        far = request.complete()
        far_ends.append(far)
        far.sendall(far.recv(10))

    with place() as here, FakeSender(here.socket, handler):
        program = client(
            here,
            """
    p = select.poll()
    left = {}
    for n in range(int(sys.argv[1])):
        s = socket.socket()
        assert begin(s, (sys.argv[2], 5432)) == errno.EINPROGRESS
        left[s.fileno()] = s
        p.register(s, select.POLLOUT)
    good = 0
    while left:
        for fd, event in p.poll(5000) or [(None, 0)]:
            if fd is None:
                sys.exit("stuck with %d" % len(left))
            s = left[fd]
            if event & select.POLLIN:
                assert s.recv(10) == b"%d" % fd
                good += 1
                p.unregister(fd)
                left.pop(fd).close()
            elif event == select.POLLOUT:
                s.send(b"%d" % fd)
                p.modify(fd, select.POLLIN)
            else:
                sys.exit("event %d, error %d" % (event, so_error(s)))
    print(good)
    """,
            str(many),
            DB,
        )
        assert finish(program, 40) == str(many)
    for far in far_ends:
        far.close()


def test_what_is_not_mapped_is_left_alone():
    with place() as here, socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = client(
            here,
            """
    port = int(sys.argv[1])
    s = socket.create_connection(("localhost", port))
    print(*s.getpeername(), s.getsockname()[0])
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    print(errno.errorcode[socket.socket().connect_ex(closed.getsockname())])
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    print(u.connect_ex(("db.corp", 5432)))
    print(socket.socket(socket.AF_UNIX).connect_ex("/nonexistent") == errno.ENOENT)
    """,
            str(port),
        )
        server.accept()[0].close()
        assert finish(program).splitlines() == [
            f"127.0.0.1 {port} 127.0.0.1",
            "ECONNREFUSED",
            "0",
            "True",
        ]
        assert here.log() == "", here.log()


def test_without_a_sender_a_mapped_host_is_refused_at_once():
    with place() as here:
        program = client(
            here,
            """
    before = time.monotonic()
    print(errno.errorcode[socket.socket().connect_ex(DB)])
    print(errno.errorcode[begin(socket.socket())], time.monotonic() - before < 1)
    """,
        )
        assert finish(program).split() == [
            "ECONNREFUSED",
            "ECONNREFUSED",
            "True",
        ]
        assert "no sender listens, and none was found" in here.log()


def test_a_known_host_on_another_port_is_refused_and_the_sender_is_told():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    print(errno.errorcode[socket.socket().connect_ex(("db.corp", 5433))])
    print(errno.errorcode[begin(socket.socket(), ("10.9.8.7", 22))])
    """,
        )
        assert finish(program).split() == ["ECONNREFUSED", "ECONNREFUSED"]
        told = sender.next_other(REFUSED)
        assert (told.host, told.port) == ("db.corp", 5433)
        assert told.detail == errno.ECONNREFUSED
        assert sender.connects.empty()
        assert "host is known, port is not configured" in here.log()


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


def test_a_socket_bound_to_another_device_is_refused():
    if os.geteuid() != 0 or not os.path.exists("/sys/class/net/eth0"):
        tap.skip("needs root and eth0")
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\\0")
    print(errno.errorcode[s.connect_ex(DB)])
    """,
        )
        assert finish(program) == "ENETUNREACH"
        assert sender.next_other(REFUSED).detail == errno.ENETUNREACH


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
    time.sleep(0.1)
    s.close()
    """,
        )
        request = sender.next()
        request.wait_for_connect()
        local = request.app.getsockname()
        assert finish(program) == ""
        request.app.close()
        request.sockets.pop(0)
        assert request.sockets[0].connect_ex(local) == errno.ECONNREFUSED
        request.close()


if __name__ == "__main__":
    tap.main()
