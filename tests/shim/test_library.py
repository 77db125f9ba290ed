#!/usr/bin/env python3
"""libhybridge.so as a guest: what it exports, needs, and leaves alone."""

import contextlib
import ctypes
import os
import re
import shutil
import socket
import subprocess
import tempfile

from fake_sender import FakeSender
from harness import RANGE, ROOT, SHIM, TOOLS, address, finish, place

import tap

EXPORTS = """
    connect dlopen getaddrinfo getaddrinfo_a gethostbyaddr gethostbyaddr_r
    gethostbyname gethostbyname2 gethostbyname2_r gethostbyname_r getnameinfo
    getpeername getsockopt hybridge_shim_probe sendmmsg sendmsg sendto syscall
""".split()
INERT, HOLD = 1, 2


def output(*command):
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout


def echo(request):
    """Completes a connect and sends back what comes."""
    far = request.complete()
    far.sendall(far.recv(100))
    far.close()


def test_it_needs_no_library():
    dynamic = output("readelf", "-d", SHIM)
    assert "NEEDED" not in dynamic, dynamic
    assert "TEXTREL" not in dynamic, dynamic
    assert "FLAGS_1" in dynamic and "NOW" in dynamic, dynamic


def test_it_exports_its_hooks_and_nothing_else():
    defined = output("nm", "-D", "--defined-only", SHIM).split()[2::3]
    assert sorted(defined) == EXPORTS, defined


def test_what_it_asks_of_libc_bears_no_version():
    symbols = output("nm", "-D", SHIM)
    assert "@" not in symbols, symbols


def test_its_stack_is_not_executable_and_it_has_no_thread_local_storage():
    headers = output("readelf", "-lW", SHIM)
    stack = re.search(r"GNU_STACK.*", headers)[0]
    assert "RWE" not in stack, stack
    assert not re.search(r"^\s+TLS\s", headers, re.M), headers


def test_without_configuration_it_does_nothing():
    with place() as here:
        env = here.env()
        del env["HYBRIDGE_ENV"]
        program = here.python(
            """
        import ctypes, errno, os, socket
        print(ctypes.CDLL(None).hybridge_shim_probe())
        try:
            print(socket.getaddrinfo("db.corp", 1))
        except socket.gaierror:
            print("unknown")
        print(errno.errorcode[socket.socket().connect_ex(("%s", 1))])
        """
            % address("db.corp"),
            env=env,
        )
        assert finish(program).split() == [
            str(INERT),
            "unknown",
            "ECONNREFUSED",
        ]
        assert here.log() == "", here.log()


def test_the_probe_says_that_connects_are_held():
    with place() as here:
        program = here.python(
            "import ctypes; print(ctypes.CDLL(None).hybridge_shim_probe())"
        )
        assert finish(program) == str(HOLD)


# Shows its descriptor N and what is left of the variable, then passes it on to a child.
ANNOUNCED = """
    import os, stat, subprocess, sys
    fd, again = int(sys.argv[1]), sys.argv[2:]
    def is_open():
        try:
            return bool(os.fstat(fd))
        except OSError:
            return False
    print(is_open(), os.environ.get("HYBRIDGE_PROBE_FD"), flush=True)
    if again:
        # The child's N is another pipe; a launcher's variable has come down to it.
        other, end = os.pipe()
        os.dup2(end, fd)
        os.environ["HYBRIDGE_PROBE_FD"] = again[0]
        subprocess.run([sys.executable, "-c", "pass"], pass_fds=[fd])
        os.set_blocking(other, False)
        try:
            print(os.read(other, 10))
        except BlockingIOError:
            print("nothing")
"""


def launcher_reads(reading, process):
    """What was written until the last writer closed; its end of a socket is shut by now."""
    got = b""
    while more := os.read(reading, 100):
        got += more
    return got, finish(process)


def test_its_launcher_hears_once_that_it_was_loaded():
    left, right = socket.socketpair()
    with place() as here, left, right:
        for reading, writing in (os.pipe(), (os.dup(left.fileno()), right.detach())):
            value = f"{writing}:{os.fstat(writing).st_ino}"
            program = here.python(
                ANNOUNCED,
                str(writing),
                value,
                env=here.env(HYBRIDGE_PROBE_FD=value),
                pass_fds=[writing],
            )
            os.close(writing)
            got = launcher_reads(reading, program)
            os.close(reading)
            assert got == (b"h", "False None\nnothing"), got


def test_nothing_is_written_to_a_descriptor_that_is_not_the_launchers():
    with place() as here, tempfile.TemporaryFile() as file:
        reading, writing = os.pipe()
        number, inode = file.fileno(), os.fstat(file.fileno()).st_ino
        pipe = os.fstat(writing).st_ino
        for fd, value in (
            (writing, f"{writing}:{pipe + 1}"),
            (writing, f"{writing}"),
            (writing, f"{writing}:"),
            (writing, f"{writing}:{pipe}x"),
            (writing, f"{2**32 + writing}:{pipe}"),
            (writing, f"{2**64 + writing}:{pipe}"),
            (writing, ":"),
            (writing, ""),
            (number, f"{number}:{inode}"),
        ):
            program = here.python(
                ANNOUNCED,
                str(fd),
                env=here.env(HYBRIDGE_PROBE_FD=value),
                pass_fds=[fd],
            )
            assert finish(program) == "True None", value
        os.close(writing)
        assert os.read(reading, 10) == b"" == file.read()
        os.close(reading)


def test_a_launcher_that_has_left_does_no_harm():
    with place() as here:
        left, right = socket.socketpair()
        full = os.pipe()
        os.set_blocking(full[1], False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(full[1], bytes(4096))
        os.set_blocking(full[1], True)
        gone = os.pipe()
        os.close(gone[0])
        left.close()
        for writing in (gone[1], right.detach(), full[1]):
            value = f"{writing}:{os.fstat(writing).st_ino}"
            # Python would ignore SIGPIPE, but not before the shim is loaded.
            program = here.start(
                "/bin/echo",
                "alive",
                env=here.env(HYBRIDGE_PROBE_FD=value),
                pass_fds=[writing],
                restore_signals=True,
            )
            assert finish(program) == "alive"
            os.close(writing)
        os.close(full[0])


def test_variables_alone_configure_it_and_win_over_the_file():
    with place() as here, FakeSender(here.socket, echo):
        env = here.env(
            HYBRIDGE_SOCKET=here.socket,
            HYBRIDGE_RANGE=RANGE,
            HYBRIDGE_Y_HOSTS="'y.corp:1'",
        )
        del env["HYBRIDGE_ENV"]
        assert finish(here.tool("dial", "connect", "y.corp", "1", env=env)) == "hi"
        env = here.env(HYBRIDGE_X_HOSTS="y.corp:1")
        assert finish(here.tool("dial", "connect", "y.corp", "1", env=env)) == "hi"
        program = here.python(
            "import socket\ntry: socket.gethostbyname('db.corp')\nexcept OSError: print('unknown')",
            env=env,
        )
        assert finish(program) == "unknown"


def test_mistakes_in_the_configuration_never_stop_the_program():
    with place() as here, FakeSender(here.socket, echo):
        with open(here.env_file, "a", encoding="ascii") as file:
            file.write("no equals sign\nHYBRIDGE_Z_HOSTS='z.corp:x z.corp:5'\n")
            file.write("HYBRIDGE_OPEN='\n")
        assert finish(here.tool("dial", "connect", "z.corp", "5")) == "hi"
        log = here.log()
        for word in ("no '='", "z.corp:x", "quote"):
            assert word in log, log
        assert "c2VjcmV0" not in log
        missing = here.env(HYBRIDGE_ENV="/nonexistent/app.env")
        assert finish(here.start("echo", "alive", env=missing)) == "alive"
        program = here.python(
            "import socket; print(socket.gethostbyname('localhost'))", env=missing
        )
        assert finish(program) == "127.0.0.1"
        assert "cannot read the env file" in here.log()


def test_a_fifo_as_env_file_does_not_stop_the_program():
    with place() as here:
        fifo = os.path.join(here.directory, "fifo")
        os.mkfifo(fifo)
        program = here.python(
            "import socket; print(socket.gethostbyname('localhost'))",
            env=here.env(HYBRIDGE_ENV=fifo),
        )
        assert finish(program, 5) == "127.0.0.1"


def test_relative_paths_survive_a_change_of_directory():
    with place() as here, FakeSender(here.socket, echo):
        env = here.env(HYBRIDGE_ENV="app.env", HYBRIDGE_SOCKET="sender.sock")
        program = here.python(
            """
        import os, socket
        socket.gethostbyname("db.corp")
        os.chdir("/")
        s = socket.create_connection(("db.corp", 5432))
        s.sendall(b"there")
        print(s.recv(10).decode())
        """,
            env=env,
            cwd=here.directory,
        )
        assert finish(program) == "there"


def test_every_way_of_connecting_is_hooked():
    ways = (
        "connect syscall sendto syscall-sendto sendmsg sendmmsg nonblocking-sendto"
    ).split()
    with place() as here, FakeSender(here.socket, echo):
        for way in ways:
            got = finish(here.tool("dial", way, "db.corp", "5432"))
            assert got == "hi", (way, got)
    with place() as here:
        for way in ways:
            got = finish(here.tool("dial", way, "db.corp", "5432"))
            assert got == "errno 111", (way, got)


def test_other_system_calls_pass_with_all_six_arguments():
    with place() as here:
        assert finish(here.tool("rawcalls")) == "ok"


def test_a_musl_program_is_served_as_well():
    if not shutil.which("musl-gcc"):
        tap.skip("no musl-gcc")
    with place() as here, FakeSender(here.socket, echo) as sender:
        for name in ("dial", "names", "rawcalls"):
            output(
                "musl-gcc",
                "-D_GNU_SOURCE",
                "-o",
                os.path.join(here.directory, name),
                os.path.join(ROOT, "tests", "shim", name + ".c"),
            )

        def run(name, *args, **options):
            return here.start(os.path.join(here.directory, name), *args, **options)

        for way in ("connect", "syscall-sendto", "sendmsg", "nonblocking-sendto"):
            assert finish(run("dial", way, "db.corp", "5432")) == "hi", way
        got = finish(run("names", "db.corp")).splitlines()
        assert got[0] == f"by_name: db.corp {address('db.corp')} 4", got
        assert got[8:] == ["canonical: db.corp"] * 2, got
        reading, writing = os.pipe()
        announced = here.env(
            HYBRIDGE_PROBE_FD=f"{writing}:{os.fstat(writing).st_ino}"
        )
        program = run("rawcalls", env=announced, pass_fds=[writing])
        os.close(writing)
        assert launcher_reads(reading, program) == (b"h", "ok")
        os.close(reading)
        sender.handler = lambda request: request.refuse(110)
        assert finish(run("dial", "connect", "db.corp", "5432")) == "errno 110"


def test_libraries_bound_deeply_are_hooked_too():
    try:
        ctypes.CDLL("libcurl.so.4")
    except OSError:
        tap.skip("no libcurl.so.4")

    def serve(request):
        far = request.complete()
        far.recv(4096)
        far.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        far.close()

    with place() as here, FakeSender(here.socket, serve):
        program = here.python(
            """
        import ctypes, os
        curl = ctypes.CDLL("libcurl.so.4", mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
        curl.curl_easy_init.restype = ctypes.c_void_p
        easy = ctypes.c_void_p(curl.curl_easy_init())
        CURLOPT_URL, CURLOPT_TIMEOUT = 10002, 13
        curl.curl_easy_setopt(easy, CURLOPT_URL, b"http://web.corp/")
        curl.curl_easy_setopt(easy, CURLOPT_TIMEOUT, ctypes.c_long(10))
        print(curl.curl_easy_perform(easy))
        """
        )
        assert finish(program) == "0"


def test_it_stacks_with_another_preload_that_hooks_connect():
    source = """
        #include <dlfcn.h>
        #include <sys/socket.h>
        #include <unistd.h>
        int connect(int fd, const struct sockaddr *a, socklen_t n)
        {
            int (*next)(int, const struct sockaddr *, socklen_t) =
                dlsym(RTLD_NEXT, "connect");
            write(1, "other ", 6);
            return next(fd, a, n);
        }
    """
    with place() as here, FakeSender(here.socket, echo):
        other = os.path.join(here.directory, "other.so")
        subprocess.run(
            ["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-x", "c", "-o", other, "-"],
            input=source,
            text=True,
            check=True,
        )
        for order in (f"{SHIM}:{other}", f"{other}:{SHIM}"):
            program = here.tool(
                "dial", "connect", "db.corp", "5432", env=here.env(LD_PRELOAD=order)
            )
            assert finish(program) == "other hi"


def test_the_table_of_failure_modes_answers_each_and_names_tests_that_exist():
    with open(os.path.join(ROOT, "tests", "shim", "README.md"), encoding="utf-8") as file:
        rows = [line.split(" | ") for line in file if re.match(r"\| \d+ ", line)]
    assert [int(row[0].strip("| ")) for row in rows] == list(range(1, 57))
    named = 0
    for number, (_, failure, answer, evidence) in enumerate(rows, 1):
        tests = re.findall(r"`(\w+/\w+): ([^`]+)`", evidence)
        assert failure and answer and (tests or "cannot" in evidence), f"row {number} is empty"
        for path, name in tests:
            assert has_test(path, name), f"row {number}: {path} has no test '{name}'"
        named += len(tests)
    assert named > 56, named


def has_test(path, name):
    """Whether tests/PATH.py, or .c for a unit test, has the test of this name."""
    if path == "matrix/clients":
        return os.path.exists(os.path.join(ROOT, "tests", path, name + ".py"))
    function = name.replace(" ", "_")
    for ending, definition in ((".py", rf"^def test_{function}\("), (".c", rf"\b{function}\(\s*void \*\*")):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(ROOT, "tests", path + ending), encoding="utf-8") as file:
                return re.search(definition, file.read(), re.M) is not None
    return False


def instructions(here, calls, preload):
    """How many a program executes that connects so often to what is not mapped."""
    counter = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}")
    done = subprocess.run(
        [*counter, os.path.join(TOOLS, "cost"), str(calls)],
        env=here.env(LD_PRELOAD=preload),
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def instructions_a_call(here, preload):
    return (instructions(here, 2000, preload) - instructions(here, 1000, preload)) / 1000


def test_an_unmapped_connect_costs_next_to_nothing():
    if os.environ.get("SAN"):
        tap.skip("a sanitizer's instructions are not ours")
    with place() as here:
        ours = instructions_a_call(here, SHIM) - instructions_a_call(here, "")
        # Counted, not timed: how long they take is the machine's.
        assert 0 < ours < 400, ours


if __name__ == "__main__":
    tap.main()
