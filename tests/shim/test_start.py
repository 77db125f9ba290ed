#!/usr/bin/env python3
"""How the shim starts a sender that is not there."""

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

from fake_sender import FakeSender
from harness import PYTHON, SHIM, VALGRIND, finish, place

import tap

SENDER = """\
#!{python}
# Stands for hybridge-sender: tells how it was started, then echoes on every stream.
import json, os, signal, socket, sys, time
sys.path.insert(0, {tests!r})
from fake_sender import FakeSender
signal.alarm(60)
time.sleep({delay})
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
with open("/proc/self/status") as status:
    masks = dict(line.split(":\\t") for line in status.read().splitlines())
report = dict(
    pid=os.getpid(), ppid=os.getppid(), sid=os.getsid(0), argv=sys.argv[1:],
    cwd=os.getcwd(), preload=os.environ.get("LD_PRELOAD"),
    env_file=os.environ.get("HYBRIDGE_ENV"), other=os.environ.get("OTHER"),
    fds=[os.readlink("/proc/self/fd/%d" % n) for n in fds if n < 3],
    above=[n for n in fds if n > 3 and os.path.exists("/proc/self/fd/%d" % n)],
    blocked=int(masks["SigBlk"], 16), ignored=int(masks["SigIgn"], 16))
listener = socket.socket(fileno=3)
report["listens"] = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
with open({report!r}, "a") as file:
    file.write(json.dumps(report) + "\\n")
{then}
def echo(request):
    far = request.complete()
    far.sendall(far.recv(100))
    far.close()
with FakeSender("", echo, listener):
    signal.pause()
"""


class Starts:
    """The sender's program, and what its runs have told."""

    def __init__(self, here, path=None, delay=0, then=""):
        self.here = here
        self.path = path or os.path.join(here.directory, "hybridge-sender")
        self.report = os.path.join(here.directory, "report")
        with open(self.path, "w", encoding="ascii") as file:
            file.write(
                SENDER.format(
                    python=PYTHON,
                    tests=os.path.dirname(os.path.abspath(__file__)),
                    delay=delay,
                    report=self.report,
                    then=then,
                )
            )
        os.chmod(self.path, 0o700)

    def env(self, **more):
        return self.here.env(HYBRIDGE_SENDER=self.path, **more)

    def all(self):
        """A dictionary for each start so far."""
        try:
            with open(self.report, encoding="ascii") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def stop(self):
        """Kills them, and waits until their sockets are closed."""
        for start in self.all():
            with contextlib.suppress(ProcessLookupError):
                os.kill(start["pid"], signal.SIGKILL)
            wait_for(lambda pid=start["pid"]: not is_running(pid), "the sender's end")


def is_running(pid):
    """Whether a process has a thread that is no zombie, and may hold descriptors."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii") as file:
                if file.read().rsplit(")", 1)[1].split()[0] not in "ZX":
                    return True
    except (FileNotFoundError, ProcessLookupError):
        return os.path.exists(f"/proc/{pid}")
    return False


@contextlib.contextmanager
def starts(**options):
    with place() as here:
        started = Starts(here, **options)
        try:
            yield here, started
        finally:
            started.stop()


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.002)


def dial(here, started, **env):
    return here.tool("dial", "connect", "db.corp", "5432", env=started.env(**env))


def test_fifty_processes_at_once_start_one_sender():
    with starts() as (here, started):
        programs = [dial(here, started) for _ in range(50)]
        assert [finish(p, 30) for p in programs] == ["hi"] * 50
        assert len(started.all()) == 1, started.all()


def test_threads_at_once_start_one_sender():
    with starts() as (here, started):
        program = here.python(
            """
        import socket, threading
        good = []
        def run():
            with socket.create_connection(("db.corp", 5432)) as s:
                s.sendall(b"x")
                good.append(s.recv(1))
        threads = [threading.Thread(target=run) for _ in range(16)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        print(len(good))
        """,
            env=started.env(),
        )
        assert finish(program) == "16"
        assert len(started.all()) == 1, started.all()


def test_the_sender_gets_the_socket_and_nothing_else_of_the_program():
    with starts() as (here, started):
        # Ignores and blocks signals, leaks descriptors, uses relative paths.
        program = here.python(
            """
        import os, signal, socket
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        for _ in range(20):
            os.dup2(os.open("/dev/zero", os.O_RDONLY), 100 + _, inheritable=True)
        os.dup2(100, 3, inheritable=True)
        s = socket.create_connection(("db.corp", 5432))
        s.sendall(b"x")
        s.recv(1)
        print(os.getpid(), os.getsid(0))
        """,
            env=started.env(HYBRIDGE_ENV="app.env", OTHER="kept"),
            cwd=here.directory,
        )
        pid, sid = finish(program).split()
        (start,) = started.all()
        assert start["argv"] == ["--activated"], start
        assert start["listens"] == 1
        assert start["fds"] == ["/dev/null"] * 3, start
        assert start["above"] == [], start
        assert start["cwd"] == "/"
        assert start["preload"] is None
        assert start["env_file"] == here.env_file
        assert start["other"] == "kept"
        assert start["sid"] == start["pid"] != int(sid)
        assert start["ppid"] != int(pid)
        assert start["blocked"] == 0, start
        # Python itself ignores these two.
        own = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
        assert start["ignored"] & ~own == 0, start


def test_the_programs_wait_never_shows_the_sender():
    code = """
        import os, signal, socket, sys
        caught = []
        signal.signal(signal.SIGCHLD, lambda *_: caught.append(1))
        def children():
            try:
                return os.waitpid(-1, os.WNOHANG)[0]
            except ChildProcessError:
                return "none"
        s = socket.create_connection(("db.corp", 5432))
        s.sendall(b"x")
        s.recv(1)
        print(children(), flush=True)
        sys.stdin.readline()
        print(children(), caught)
    """
    with starts() as (here, started):
        program = here.python(code, env=started.env(), stdin=subprocess.PIPE)
        assert program.stdout.readline() == "none\n"
        started.stop()
        assert program.communicate("go on\n", timeout=10)[0] == "none []\n"


def test_a_connect_does_not_wait_for_the_sender_to_come_up():
    with starts(delay=1) as (here, started):
        program = here.python(
            """
        import errno, select, socket, time
        ip = socket.gethostbyname("db.corp")
        s = socket.socket()
        s.setblocking(False)
        before = time.monotonic()
        assert s.connect_ex((ip, 5432)) == errno.EINPROGRESS
        print(time.monotonic() - before < 0.5)
        select.select([], [s], [])
        print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        s.send(b"x")
        select.select([s], [], [])
        """,
            env=started.env(),
        )
        assert finish(program).split() == ["True", "0"]


def test_the_socket_and_its_directory_are_the_users_alone():
    with starts() as (here, started):
        path = os.path.join(here.directory, "new", "sender.sock")
        before = os.umask(0)
        try:
            assert finish(dial(here, started, HYBRIDGE_SOCKET=path)) == "hi"
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_a_stale_socket_is_replaced():
    with starts() as (here, started):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stale:
            stale.bind(here.socket)
        assert finish(dial(here, started)) == "hi"
        # So is that of a sender that was killed.
        started.stop()
        assert finish(dial(here, started)) == "hi"
        assert len(started.all()) == 2


def test_a_file_that_is_no_socket_is_never_removed():
    with starts() as (here, started):
        with open(here.socket, "w", encoding="ascii") as file:
            file.write("precious")
        assert finish(dial(here, started)) == f"errno {errno.ECONNREFUSED}"
        with open(here.socket, encoding="ascii") as file:
            assert file.read() == "precious"
        assert started.all() == []


def test_a_directory_under_tmp_that_others_can_write_is_refused():
    with starts() as (here, started), tempfile.TemporaryDirectory(
        dir="/tmp"
    ) as shared:
        os.chmod(shared, 0o777)
        path = os.path.join(shared, "sender.sock")
        got = finish(dial(here, started, HYBRIDGE_SOCKET=path))
        assert got == f"errno {errno.ECONNREFUSED}", got
        assert os.listdir(shared) == []
        assert "cannot use the socket's directory" in here.log()


def test_a_sender_that_leaves_at_once_is_not_started_for_every_connect():
    with starts() as (here, started):
        count = os.path.join(here.directory, "count")
        with open(started.path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\necho >>{count}\nexit 78\n")
        program = here.python(
            """
        import errno, socket, time
        ip = socket.gethostbyname("db.corp")
        end = time.monotonic() + 1
        results = set()
        while time.monotonic() < end:
            with socket.socket() as s:
                s.setblocking(False)
                results.add(errno.errorcode[s.connect_ex((ip, 5432))])
            time.sleep(0.005)
        print("ECONNREFUSED" in results)
        """,
            env=started.env(),
        )
        assert finish(program) == "True"
        # Four in a row, and perhaps as many again after a pause.
        assert 1 <= os.path.getsize(count) <= 8, os.path.getsize(count)


def test_a_program_that_cannot_be_run_refuses_the_connect():
    if VALGRIND:
        tap.skip("valgrind makes fork() of vfork(), and a failed exec in it is not seen")
    with starts() as (here, started):
        with open(started.path, "w", encoding="ascii") as file:
            file.write("#!/nonexistent/interpreter\n")
        assert finish(dial(here, started)) == f"errno {errno.ECONNREFUSED}"
        assert "cannot start the sender" in here.log()
        assert not os.path.exists(here.socket)


def test_the_sender_is_found_beside_the_library():
    places = {
        "build/libhybridge.so": "build/hybridge-sender",
        "usr/lib/hybridge/libhybridge.so": "usr/sbin/hybridge-sender",
        "opt/lib/x86_64-linux-gnu/hybridge/libhybridge.so": "opt/sbin/hybridge-sender",
    }
    for library, program in places.items():
        with place() as here:
            library = os.path.join(here.directory, library)
            program = os.path.join(here.directory, program)
            for path in (library, program):
                os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy(SHIM, library)
            with open(here.env_file, encoding="ascii") as file:
                lines = [line for line in file if "_SENDER" not in line]
            with open(here.env_file, "w", encoding="ascii") as file:
                file.writelines(lines)
            started = Starts(here, program)
            try:
                # By a relative name, from which the program moves away.
                client = here.python(
                    """
                import os, socket
                os.chdir("/")
                s = socket.create_connection(("db.corp", 5432))
                s.sendall(b"hi")
                print(s.recv(10).decode())
                """,
                    env=here.env(
                        LD_PRELOAD=os.path.relpath(library, here.directory)
                    ),
                    cwd=here.directory,
                )
                assert finish(client) == "hi", library
            finally:
                started.stop()


def sockets_of(path):
    """The listener at this path, and whatever waits there to be accepted."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as table:
        return sum(1 for line in table if line.rstrip().endswith(path))


def test_requests_wait_while_too_many_descriptors_are_under_way():
    with place() as here:
        os.chmod(here.directory, 0o755)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(here.socket)
        os.chmod(here.socket, 0o666)
        listener.listen(4096)
        # As root the kernel knows no such limit.
        program = here.python(
            """
        import errno, os, resource, socket
        ip = socket.gethostbyname("db.corp")
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        socks = [socket.socket() for _ in range(60)]
        for s in socks:
            s.setblocking(False)
        print("ready", flush=True)
        print({errno.errorcode[s.connect_ex((ip, 5432))] for s in socks})
        """,
            env=here.env(HYBRIDGE_SOCKET=here.socket),
        )
        assert program.stdout.readline() == "ready\n"
        # Three descriptors each, so that the 34th is the last that fits.
        wait_for(lambda: sockets_of(here.socket) > 34, "the first requests")
        with FakeSender(here.socket, listener=listener) as sender:
            requests = [sender.next() for _ in range(60)]
            assert finish(program) == "{'EINPROGRESS'}"
            for request in requests:
                request.close()


if __name__ == "__main__":
    tap.main()
