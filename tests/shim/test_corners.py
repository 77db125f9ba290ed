#!/usr/bin/env python3
"""connect() under the shim, in the corners: what programs rarely do, but do."""

import contextlib
import errno
import os
import socket
import subprocess
import time

from fake_sender import REFUSED, FakeSender
from harness import ROOT, address, client, finish, place

import tap

DB = address("db.corp")
ULA = "fd68:7962:7269:6467::"

# For the clients: connect() as libc has it, and the dissolving connect(AF_UNSPEC).
LIBC = """
    import ctypes, struct
    libc = ctypes.CDLL(None, use_errno=True)
    def dissolve(sock):
        return libc.connect(sock.fileno(), bytes(16), 16)
"""


def test_a_dissolved_connect_is_over_and_the_next_one_is_its_own():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            LIBC
            + """
    s = socket.socket()
    print(begin(s), dissolve(s), so_error(s), flush=True)
    print(begin(s, ("web.corp", 8080)), flush=True)
    select.select([], [s], [])
    print(so_error(s), *s.getpeername())
    """,
        )
        first = sender.next()
        second = sender.next()
        assert (first.host, second.host) == ("db.corp", "web.corp")
        far = second.complete()
        got = finish(program).splitlines()
        assert got == [
            f"{errno.EINPROGRESS} 0 {errno.ECONNRESET}",  # as the kernel has it
            f"{errno.EINPROGRESS}",
            f"0 {address('web.corp')} 8080",
        ], got
        first.close()
        far.close()


def test_a_completed_connect_is_seen_at_once():
    with place() as here, FakeSender(here.socket) as sender:
        tries = 5
        program = client(
            here,
            """
    for _ in range(int(sys.argv[1])):
        s = socket.socket()
        begin(s)
        select.select([], [s], [])
        print(time.monotonic(), flush=True)
    """,
            str(tries),
        )
        took = []
        for _ in range(tries):
            request = sender.next()
            request.wait_for_connect()
            # Not in step with the repetitions of its SYN, of which the first comes after 1 s.
            assert program.poll() is None
            done = time.monotonic()
            far = request.complete()
            took.append(float(program.stdout.readline()) - done)
            far.close()
        finish(program)
        assert min(took) < 0.2, took


def test_a_time_out_of_the_programs_own_ends_the_hold():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 700)
    before = time.monotonic()
    print(errno.errorcode[s.connect_ex(DB)], 0.6 < time.monotonic() - before < 5)
    print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    """,
        )
        request = sender.next()
        assert finish(program).split() == ["ETIMEDOUT", "True", "700"]
        request.close()


def test_options_and_flags_of_the_socket_stay_as_the_program_set_them():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import fcntl, struct
    s = socket.socket()
    O, T = socket.SOL_SOCKET, socket.IPPROTO_TCP
    s.setsockopt(O, socket.SO_KEEPALIVE, 1)
    s.setsockopt(O, socket.SO_RCVBUF, 32768)
    s.setsockopt(O, socket.SO_SNDTIMEO, struct.pack("ll", 9, 0))
    s.setsockopt(T, socket.TCP_NODELAY, 1)
    s.setsockopt(T, socket.TCP_KEEPIDLE, 77)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x10)
    def state():
        names = [(O, n) for n in (socket.SO_KEEPALIVE, socket.SO_RCVBUF,
                                  socket.SO_REUSEADDR, socket.SO_REUSEPORT, socket.SO_LINGER)]
        names += [(T, n) for n in (socket.TCP_NODELAY, socket.TCP_KEEPIDLE,
                                   socket.TCP_USER_TIMEOUT, socket.TCP_SYNCNT)]
        names += [(socket.IPPROTO_IP, n) for n in (socket.IP_TOS, socket.IP_TTL)]
        values = [s.getsockopt(*n) for n in names]
        return values + [s.getsockopt(O, socket.SO_SNDTIMEO, 16), fcntl.fcntl(s, fcntl.F_GETFL),
                         fcntl.fcntl(s, fcntl.F_GETFD), os.fstat(s.fileno()).st_ino]
    before = state()
    s.connect(DB)
    print(before == state())
    """,
        )
        far = sender.next().complete()
        assert finish(program) == "True"
        far.close()


def test_descriptors_beyond_those_of_select_connect():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import resource
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2100:
        print("too few")
        sys.exit()
    resource.setrlimit(resource.RLIMIT_NOFILE, (2100, hard))
    s = socket.socket()
    os.dup2(s.fileno(), 2050)
    s.close()
    for fd in range(3, 1100):
        try:
            os.fstat(fd)
        except OSError:
            os.dup2(1, fd)
    s = socket.socket(fileno=2050)
    print(s.connect_ex(DB), flush=True)
    """,
        )
        far = sender.next().complete()
        assert finish(program) == "0"
        far.close()


def test_a_number_that_is_used_again_is_another_socket():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    fd = s.fileno()
    begin(s)
    s.close()
    server = socket.create_server(("127.0.0.1", 0))
    with socket.socket(fileno=os.dup2(server.fileno(), fd)) as other:
        print(other.fileno() == fd, so_error(other))
    s = socket.socket()
    print(s.fileno() == fd, errno.errorcode[s.connect_ex(("127.0.0.1", 1))])
    s.close()
    s = socket.socket()
    print(s.fileno() == fd, s.connect_ex(DB))
    """,
        )
        first = sender.next()
        far = sender.next().complete()
        first.refuse(errno.EACCES)
        assert finish(program).splitlines() == ["True 0", "True ECONNREFUSED", "True 0"]
        far.close()


def test_passed_sockets_are_connected_and_refused_like_ones_own():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        _, fds, _, _ = socket.recv_fds(b, 10, 2)
        held, fresh = [socket.socket(fileno=fd) for fd in fds]
        select.select([], [held], [])
        print(so_error(held), flush=True)
        fresh.setblocking(True)
        print(fresh.connect_ex(DB), *fresh.getpeername(), flush=True)
        os._exit(0)
    held, fresh = socket.socket(), socket.socket()
    begin(held)
    socket.send_fds(a, [b"x"], [held.fileno(), fresh.fileno()])
    held.close()
    fresh.close()
    os.wait()
    """,
        )
        sender.next().refuse(errno.EHOSTUNREACH)
        far = sender.next().complete()
        assert finish(program).splitlines() == [str(errno.EHOSTUNREACH), f"0 {DB} 5432"]
        far.close()


def test_getpeername_tells_a_program_that_was_executed_later_the_same():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    socks = [socket.create_connection(DB), socket.create_connection(("10.9.8.7", 5432))]
    only = socket.socket(socket.AF_INET6)
    only.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    only.connect((sys.argv[1], 5432))
    socks.append(only)
    for s in socks:
        os.set_inheritable(s.fileno(), True)
    code = "import socket, sys"
    for s in socks:
        code += "; print(socket.socket(fileno=%d).getpeername()[0])" % s.fileno()
    os.execv(sys.executable, [sys.executable, "-c", code])
    """,
            ULA + DB,
        )
        ends = []
        for host in ("db.corp", "10.9.8.7", "db.corp"):
            request = sender.next()
            request.wait_for_connect()
            sender.answers[request.app.getsockname()[:2]] = (host, 5432)
            ends.append(request.complete())
        got = finish(program).split()
        assert got[:2] == [DB, "10.9.8.7"], got
        assert socket.inet_pton(socket.AF_INET6, got[2])[12:] == socket.inet_aton(DB), got
        for far in ends:
            far.close()


def test_nobody_asks_about_connections_that_were_never_ours():
    with place() as here, FakeSender(here.socket) as sender:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            program = client(
                here,
                """
    with socket.create_connection(("::1", int(sys.argv[1]))) as s:
        print(*s.getpeername()[:2])
    """,
                str(server.getsockname()[1]),
            )
            server.accept()[0].close()
            assert finish(program) == f"::1 {server.getsockname()[1]}"
        assert sender.others == []


def test_mapped_literals_are_matched_in_either_family():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket(socket.AF_INET6)
    s.connect(("::ffff:10.9.8.7", 5432))
    print(*s.getpeername()[:2])
    """,
        )
        request = sender.next()
        assert (request.host, request.port) == ("10.9.8.7", 5432)
        far = request.complete()
        assert finish(program) == "::ffff:10.9.8.7 5432"
        far.close()


def test_connecting_with_the_first_data_waits_as_well():
    with place() as here, FakeSender(here.socket) as sender:
        for no_cookie in (0, 1):
            program = client(
                here,
                """
    TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_NO_COOKIE = 30, 34
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, int(sys.argv[1]))
    s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    s.connect(DB)
    s.sendall(b"hi")
    print(s.recv(10).decode())
    """,
                str(no_cookie),
            )
            far = sender.next().complete()
            assert far.recv(10) == b"hi"
            far.sendall(b"yes")
            assert finish(program) == "yes", no_cookie
            far.close()


def test_a_socket_bound_to_lo_is_held_and_one_bound_elsewhere_is_refused():
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    for device in sys.argv[1:]:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\\0")
        print(s.connect_ex(DB), flush=True)
    """,
            *(["lo"] + others[:1]),
        )
        far = sender.next().complete()
        expected = ["0"] + [str(errno.ENETUNREACH)] * len(others[:1])
        assert finish(program).split() == expected
        far.close()
        if others:
            assert sender.next_other(REFUSED).detail == errno.ENETUNREACH


def test_a_socket_bound_to_an_address_of_the_network_is_completed():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            tap.skip("no address beside loopback")
        own = probe.getsockname()[0]
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    s = socket.socket()
    s.bind((sys.argv[1], 0))
    s.connect(DB)
    s.sendall(b"hi")
    print(s.recv(10).decode(), s.getsockname()[0], s.getpeername()[0])
    """,
            own,
        )
        far = sender.next().complete()
        assert far.recv(10) == b"hi"
        far.sendall(b"yes")
        assert finish(program) == f"yes {own} {DB}"
        far.close()


def test_a_storm_of_signals_neither_ends_nor_repeats_a_connect():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import signal
    signal.set_wakeup_fd(int(sys.argv[1]), warn_on_full_buffer=False)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    results = []
    for _ in range(20):
        with socket.socket() as s:
            results.append(s.connect_ex(DB))
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(set(results))
    """,
            str(writing),
            pass_fds=[writing],
        )
        os.close(writing)
        for _ in range(20):
            request = sender.next()
            request.wait_for_connect()
            # Every signal writes a byte: what is there already, then three in the middle.
            os.set_blocking(reading, False)
            with contextlib.suppress(BlockingIOError):
                while os.read(reading, 65536):
                    pass
            os.set_blocking(reading, True)
            for _ in range(3):
                assert os.read(reading, 1)
            request.complete().close()
        assert finish(program) == "{0}"
        assert sender.connects.empty(), "a connect was asked for twice"
    os.close(reading)


def test_a_name_resolved_in_one_process_connects_in_another():
    with place() as here, FakeSender(here.socket) as sender:
        for name, port, told in (("db.corp", 5432, "db.corp"), ("new.sub.corp", 7000, "")):
            resolver = here.python(
                "import socket, sys; print(socket.gethostbyname(sys.argv[1]))", name
            )
            ip = finish(resolver)
            program = here.tool("dial", "connect", ip, str(port))
            request = sender.next()
            assert (request.host, request.addr) == (told, address(name))
            far = request.complete()
            far.sendall(far.recv(10))
            assert finish(program) == "hi"
            far.close()


def test_a_static_program_that_was_given_our_address_is_refused():
    with place() as here, FakeSender(here.socket) as sender:
        program = os.path.join(here.directory, "static")
        built = subprocess.run(
            ["cc", "-D_GNU_SOURCE", "-static", "-w", "-o", program,
             os.path.join(ROOT, "tests", "shim", "dial.c")],
            capture_output=True,
            check=False,
        )
        if built.returncode != 0:
            tap.skip("no static libc")
        # Nobody listens there: it fails, and nothing leaves the machine.
        assert finish(here.start(program, "connect", DB, "5432")) == "errno 111"
        assert sender.connects.empty()


def test_the_name_that_a_program_verifies_is_the_one_it_asked_for():
    with place() as here, FakeSender(here.socket) as sender:
        program = client(
            here,
            """
    import ssl
    context = ssl.create_default_context()
    try:
        context.wrap_socket(socket.create_connection(("web.corp", 80)), server_hostname="web.corp")
    except OSError as e:
        print("no TLS there")
    """,
        )
        far = sender.next().complete()
        hello = far.recv(4096)
        far.close()
        assert b"web.corp" in hello
        assert finish(program) == "no TLS there"


def test_a_sender_that_hangs_up_at_once_is_a_refusal_and_no_signal():
    with place() as here, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(here.socket)
        listener.listen()
        programs = [here.tool("dial", "connect", "db.corp", "5432") for _ in range(20)]
        for _ in programs:
            listener.accept()[0].close()
        # Some had sent their request by then, some had not: none may die of SIGPIPE.
        assert [finish(program) for program in programs] == ["errno 111"] * len(programs)


def test_every_thread_of_a_busy_program_gets_its_own_answer():
    """Verdicts lie in the sockets: whoever asks first takes nothing from another."""

    def handler(request):
        request.refuse(errno.ETIMEDOUT if request.port == 80 else errno.EACCES)

    with place() as here, FakeSender(here.socket, handler):
        program = client(
            here,
            """
    import threading
    wrong = []
    def run(port, want):
        for _ in range(20):
            with socket.socket() as s:
                got = s.connect_ex(("web.corp", port))
                if got != want:
                    wrong.append((port, got))
    threads = [threading.Thread(target=run, args=a) for a in ((80, errno.ETIMEDOUT), (8080, errno.EACCES)) * 4]
    [t.start() for t in threads]
    [t.join() for t in threads]
    print(wrong)
    """,
        )
        assert finish(program) == "[]"


if __name__ == "__main__":
    tap.main()
