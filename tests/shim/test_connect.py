#!/usr/bin/env python3
"""connect() under the shim: held, completed, refused; and left alone."""

import errno
import os
import socket
import struct

from fake_sender import REFUSED, FakeSender
from harness import SHIM, address, client, compile_c, finish, place

import tap

DB = address("db.corp")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets
VERDICTS = (
    errno.ECONNREFUSED,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EACCES,
)


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
        request.wait_until_held(program.pid)
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
    for verdict, events in ((0, "0 out"), (errno.ETIMEDOUT, "110 out err hup")):
        with place() as here, FakeSender(here.socket) as sender:
            program = here.tool("edge", DB, "5432", "500", "20")
            requests = [sender.next() for _ in range(20)]
            first = program.stdout.readline().split()
            # A socket that is not connected says so, by "out hup".
            assert first[1:] == ["quiet", "out", "hup"], first
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


def test_a_second_connect_that_waits_ends_with_the_verdict():
    with place() as here, FakeSender(here.socket) as sender:
        for verdict in VERDICTS:
            program = client(
                here,
                """
    s = socket.socket()
    begin(s)
    s.setblocking(True)
    print(s.connect_ex(DB))
    """,
            )
            request = sender.next()
            request.wait_until_held(program.pid)
            request.refuse(verdict)
            assert finish(program) == str(verdict)
            assert sender.connects.empty(), "the second connect() is no request"


# Refuses as the sender does, at the very moment of a second connect().
REFUSES_LATE = """
    #include <dlfcn.h>
    #include <errno.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <sys/socket.h>
    int connect(int fd, const struct sockaddr *to, socklen_t len)
    {
        int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
        unsigned int mail = 0x48590000 | EHOSTUNREACH;
        struct tcp_info info = {0};
        socklen_t info_len = sizeof(info);
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len);
        if (info.tcpi_state == TCP_SYN_SENT) {
            setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &mail, sizeof(mail));
            shutdown(fd, SHUT_RDWR);
        }
        return next(fd, to, len);
    }
"""


def test_a_refusal_during_a_second_connect_never_lets_it_out_directly():
    direct4, direct6 = socket.socket(), socket.socket(socket.AF_INET6)
    direct4.bind((address("any.corp"), 0))
    direct6.bind(("::1", 0))
    ports = [s.getsockname()[1] for s in (direct4, direct6)]
    for sock in (direct4, direct6):
        sock.listen()
        sock.setblocking(False)
    hosts = f"any.corp:* [::1]:{ports[1]}"
    with place(hosts) as here, FakeSender(here.socket) as sender:
        late = os.path.join(here.directory, "late.so")
        compile_c(REFUSES_LATE, late, "-shared", "-fPIC")
        program = client(
            here,
            """
    any4, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
    for family, to, only in (
        (socket.AF_INET, (any4, ports[0]), 0),
        (socket.AF_INET6, ("::ffff:" + any4, ports[0]), 0),
        (socket.AF_INET6, ("::1", ports[1]), 1),
    ):
        s = socket.socket(family)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        got = [begin(s, to) for _ in range(3)]
        print(*[errno.errorcode.get(e, e) for e in got], flush=True)
    """,
            address("any.corp"),
            *[str(port) for port in ports],
            env=here.env(LD_PRELOAD=f"{SHIM}:{late}"),
        )
        got = finish(program).splitlines()
        # The third is a new connect() again, as after every refusal.
        assert got == ["EINPROGRESS EHOSTUNREACH EINPROGRESS"] * 3, got
        for sock in (direct4, direct6):
            try:
                raise AssertionError(f"gone out directly: {sock.accept()}")
            except BlockingIOError:
                sock.close()
        assert sender.connects.qsize() == 6


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
    # A second call goes on waiting.
    print(errno.errorcode[s.connect_ex(DB)])
    """,
        )
        request = sender.next()
        assert program.stdout.readline() == "-1 EINTR\n"
        assert sender.connects.empty()
        request.refuse(errno.EHOSTUNREACH)
        assert finish(program) == "EHOSTUNREACH"


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
        async def tick():
            for _ in range(5):
                await asyncio.sleep(0.01)
            print("ticked", flush=True)
        ticker = asyncio.create_task(tick())
        print(*sorted(await asyncio.gather(*[one(n) for n in range(4)])))
    asyncio.run(main())
    """,
        )
        requests = [sender.next() for _ in range(4)]
        assert program.stdout.readline() == "ticked\n"
        requests[0].refuse(errno.ETIMEDOUT)
        for request in requests[1:]:
            far = request.complete()
            far.recv(10)
            far.sendall(b"pong\n")
        assert finish(program) == "ETIMEDOUT pong pong pong"


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


if __name__ == "__main__":
    tap.main()
