#!/usr/bin/env python3
"""The shim in every kind of process: other preloads, sanitizers, setuid, chroot, few descriptors."""

import contextlib
import glob
import os
import re
import shutil
import socket
import subprocess

from fake_sender import FakeSender
from harness import RANGE, ROOT, SHIM, TOOLS, VALGRIND, address, client, compile_c, finish, place

import tap

DB = address("db.corp")
HOLD = 2
NOBODY = 65534
# What the loader itself does for one more library.
LOADER = {
    "openat", "read", "pread64", "fstat", "newfstatat", "mmap", "mprotect", "munmap", "close"
}


def echo(request):
    """Completes a connect and sends back what comes."""
    far = request.complete()
    far.sendall(far.recv(100))
    far.close()


def library(name):
    """Path of an installed library."""
    found = glob.glob(f"/usr/lib/*-linux-gnu/{name}")
    if not found:
        tap.skip(f"no {name}")
    return found[0]


def dials(here, preload, *command, **env):
    """Runs dial (or another command) under these preloads: it must reach the sender."""
    command = command or (os.path.join(TOOLS, "dial"), "connect", "db.corp", "5432")
    got = finish(here.start(*command, env=here.env(LD_PRELOAD=preload, **env)))
    assert got == "hi", (preload, got)


def test_it_stacks_with_jemalloc_in_either_order():
    other = library("libjemalloc.so.2")
    with place() as here, FakeSender(here.socket, echo):
        for preload in (f"{SHIM}:{other}", f"{other}:{SHIM}"):
            dials(here, preload)


def test_it_stacks_with_libfaketime_in_either_order():
    other = library("faketime/libfaketime.so.1")
    with place() as here, FakeSender(here.socket, echo):
        for preload in (f"{SHIM}:{other}", f"{other}:{SHIM}"):
            dials(here, preload, FAKETIME="-30d")
            program = here.python(
                "import time; print(time.time())",
                env=here.env(LD_PRELOAD=preload, FAKETIME="@2000-01-01 00:00:00"),
            )
            assert float(finish(program)) < 1e9


def test_of_two_copies_one_does_the_work():
    with place() as here, FakeSender(here.socket) as sender:
        copy = shutil.copy(SHIM, os.path.join(here.directory, "copy.so"))
        program = client(
            here,
            """
    import ctypes
    print(ctypes.CDLL(None).hybridge_shim_probe())
    s = socket.create_connection(DB)
    print(*s.getpeername())
    """,
            env=here.env(LD_PRELOAD=f"{SHIM}:{copy}"),
        )
        far = sender.next().complete()
        assert finish(program).splitlines() == [str(HOLD), f"{DB} 5432"]
        assert sender.connects.empty(), "the other copy asked as well"
        far.close()


def test_a_library_that_connects_before_we_are_ready_is_served():
    source = """
        #include <arpa/inet.h>
        #include <dlfcn.h>
        #include <unistd.h>
        __attribute__((constructor)) static void early(void)
        {
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5432)};
            char answer[8];
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            inet_pton(AF_INET, ADDRESS, &to.sin_addr);
            if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
                write(fd, "hi", 2) == 2 && read(fd, answer, 2) == 2)
                write(1, answer, 2);
            close(fd);
        }
    """
    with place() as here, FakeSender(here.socket, echo):
        other = os.path.join(here.directory, "early.so")
        compile_c(source, other, "-shared", "-fPIC", f'-DADDRESS="{DB}"')
        for preload in (f"{SHIM}:{other}", f"{other}:{SHIM}"):
            dials(here, preload, "/bin/true")


def test_no_error_of_ours_is_left_in_dlerror():
    with place() as here:
        program = here.python(
            """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.dlerror.restype = ctypes.c_char_p
        print(libc.dlerror())
        """
        )
        assert finish(program) == "None"


def test_a_program_with_the_address_sanitizer_works():
    with place() as here, FakeSender(here.socket, echo) as sender:
        program = os.path.join(here.directory, "dial")
        built = subprocess.run(
            ["cc", "-D_GNU_SOURCE", "-fsanitize=address", "-o", program,
             os.path.join(ROOT, "tests", "shim", "dial.c")],
            capture_output=True,
            check=False,
        )
        if built.returncode != 0:
            tap.skip("no libasan")
        needs = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        runtime = re.search(r"=> (\S*libasan\S*)", needs)[1]
        for way in ("connect", "sendmsg", "nonblocking-sendto"):
            # The runtime first, as it wants, and after us, which it can be told to bear.
            for preload, options in (
                (f"{runtime}:{SHIM}", ""),
                (SHIM, "verify_asan_link_order=0"),
            ):
                dials(here, preload, program, way, "db.corp", "5432", ASAN_OPTIONS=options)
        sender.handler = lambda request: request.refuse(110)
        got = finish(here.start(program, "connect", "db.corp", "5432",
                                env=here.env(ASAN_OPTIONS="verify_asan_link_order=0")))
        assert got == "errno 110", got


def test_a_setuid_program_is_not_touched():
    if os.geteuid() != 0:
        tap.skip("needs root to make one")
    with place() as here, FakeSender(here.socket, echo) as sender:
        os.chmod(here.directory, 0o755)
        if os.statvfs(here.directory).f_flag & os.ST_NOSUID:
            tap.skip("no setuid programs in the temporary folder")
        program = shutil.copy(os.path.join(TOOLS, "dial"), here.directory)
        os.chown(program, NOBODY, NOBODY)
        os.chmod(program, 0o4755)
        # As if there were no shim: nobody listens at this address.
        assert finish(here.start(program, "connect", DB, "5432")) == "errno 111"
        assert sender.connects.empty()


def test_a_setuid_program_that_has_the_library_all_the_same_does_not_heed_who_starts_it():
    if os.geteuid() != 0:
        tap.skip("needs root to make one")
    with place() as here, FakeSender(here.socket, echo) as sender:
        os.chmod(here.directory, 0o755)
        if os.statvfs(here.directory).f_flag & os.ST_NOSUID:
            tap.skip("no setuid programs in the temporary folder")
        # Linked, as the loader would ignore LD_PRELOAD; /etc/ld.so.preload is everybody's.
        folder = os.path.join(here.directory, "lib")
        os.mkdir(folder)
        copy = shutil.copy(SHIM, folder)
        os.chmod(copy, 0o755)
        program = os.path.join(here.directory, "dial")
        with open(os.path.join(ROOT, "tests", "shim", "dial.c"), encoding="ascii") as file:
            compile_c(file.read(), program, "-Wl,--no-as-needed", f"-Wl,-rpath,{folder}",
                      "-x", "none", copy)
        dials(here, "", program, "connect", "db.corp", "5432")
        os.chown(program, NOBODY, NOBODY)
        os.chmod(program, 0o4755)
        reading, writing = os.pipe()
        with open(reading, "rb") as probe:
            env = here.env(
                LD_PRELOAD="",
                HYBRIDGE_PROBE_FD=f"{writing}:{os.fstat(writing).st_ino}",
            )
            got = finish(here.start(program, "connect", DB, "5432", env=env, pass_fds=[writing]))
            os.close(writing)
            assert probe.read() == b"", "it has written to a descriptor of the program's"
        # As if there were no shim: nobody listens at this address.
        assert got == "errno 111", got
        assert sender.connects.empty()


def test_the_loader_finds_the_runpath_of_who_calls_dlopen():
    source = """
        #include <dlfcn.h>
        #include <stdio.h>
        int main(void)
        {
            int flags[] = {RTLD_NOW, RTLD_LAZY | RTLD_DEEPBIND};
            for (int i = 0; i < 2; i++) {
                void *inner = dlopen("libinner.so", flags[i]);
                int (*value)(void) = inner ? dlsym(inner, "value") : 0;
                printf("%d ", value ? value() : -1);
                if (inner)
                    dlclose(inner);
            }
        }
    """
    with place() as here:
        folder = os.path.join(here.directory, "inner")
        os.mkdir(folder)
        compile_c("int value(void) { return 42; }", os.path.join(folder, "libinner.so"),
                  "-shared", "-fPIC")
        program = compile_c(source, os.path.join(here.directory, "outer"),
                            "-Wl,--enable-new-dtags,-rpath,$ORIGIN/inner")
        assert finish(here.start(program)) == "42 42"


def test_twenty_descriptors_are_enough():
    with place() as here, FakeSender(here.socket, echo):
        program = here.start(
            "/bin/sh", "-c", 'ulimit -n 20; exec "$@"', "sh",
            os.path.join(TOOLS, "dial"), "connect", "db.corp", "5432",
        )
        assert finish(program) == "hi"


def test_a_program_that_closes_every_descriptor_first_connects_all_the_same():
    with place() as here, FakeSender(here.socket, echo):
        program = client(
            here,
            """
    import ctypes
    socket.gethostbyname("db.corp")
    print(ctypes.CDLL(None).syscall(436, 3, 0x7fffffff, 0))
    for _ in range(2):
        with socket.create_connection(DB) as s:
            s.sendall(b"hi")
            print(s.recv(10).decode())
        os.closerange(3, 100)
    """,
        )
        assert finish(program).split() == ["0", "hi", "hi"]


def test_a_vfork_child_connects_and_its_parent_goes_on():
    if VALGRIND:
        tap.skip("valgrind makes fork() of vfork()")
    with place() as here, FakeSender(here.socket, echo):
        assert finish(here.tool("life", "vfork", "db.corp", "5432")) == "ok"


def test_spawned_children_connect():
    with place() as here, FakeSender(here.socket, echo):
        program = client(
            here,
            """
    import subprocess
    dial = [sys.argv[1], "connect", "db.corp", "5432"]
    for close_fds in (False, True):
        print(subprocess.run(dial, close_fds=close_fds, stdout=subprocess.PIPE).stdout.decode())
    pid = os.posix_spawn(dial[0], dial, os.environ)
    os.waitpid(pid, 0)
    """,
            os.path.join(TOOLS, "dial"),
        )
        assert finish(program).split() == ["hi"] * 3


def test_workers_forked_before_and_after_the_first_connect_work():
    with place() as here, FakeSender(here.socket, echo):
        program = client(
            here,
            """
    def work():
        for _ in range(5):
            with socket.create_connection(DB) as s:
                s.sendall(b"hi")
                assert s.recv(10) == b"hi"
    def fork(number):
        for _ in range(number):
            if os.fork() == 0:
                status = 1
                try:
                    work()
                    status = 0
                finally:
                    os._exit(status)
    fork(4)
    work()
    fork(4)
    print(*[os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(8)])
    """,
        )
        assert finish(program) == "0 0 0 0 0 0 0 0"


def test_forks_in_the_middle_of_other_threads_lookups_and_connects_work():
    with place() as here, FakeSender(here.socket, echo):
        program = client(
            here,
            """
    import threading
    import encodings.idna # a fork amid the import would leave Python's own lock taken
    over = False
    def run():
        while not over:
            with socket.create_connection(DB) as s:
                s.sendall(b"hi")
                assert s.recv(10) == b"hi"
    threads = [threading.Thread(target=run) for _ in range(4)]
    [t.start() for t in threads]
    results = []
    for _ in range(30):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with socket.create_connection(DB) as s:
                    s.sendall(b"hi")
                    status = s.recv(10) != b"hi"
            finally:
                os._exit(status)
        results.append(os.waitpid(pid, 0)[1])
    over = True
    [t.join() for t in threads]
    print(set(results))
    """,
        )
        assert finish(program, 40) == "{0}"


def test_a_cancelled_thread_leaves_nothing():
    with place() as here, FakeSender(here.socket) as sender:
        program = here.tool("life", "cancel", "db.corp", "5432", stdin=subprocess.PIPE)
        request = sender.next()
        request.wait_for_connect()
        assert program.stdout.readline() == "held\n"
        program.stdin.write("go on\n")
        program.stdin.flush()
        assert finish(program) == "ok"
        request.close()


def test_a_program_that_exits_while_connecting_looks_like_one_that_closed():
    with place() as here, FakeSender(here.socket) as sender:
        program = here.tool("life", "exit", "db.corp", "5432")
        request = sender.next()
        assert finish(program) == "ok"
        far = request.complete()
        assert far.recv(10) == b""
        far.close()


def test_a_daemon_that_gives_up_root_can_still_connect():
    if os.geteuid() != 0:
        tap.skip("needs root to give it up")
    with place() as here, FakeSender(here.socket, echo):
        os.chmod(here.env_file, 0o600)
        os.chmod(here.directory, 0o711)
        os.chmod(here.socket, 0o666)
        program = client(
            here,
            """
    import encodings.idna # Python's own files are root's, too
    os.setgid(65534)
    os.setuid(65534)
    assert not os.access(os.environ["HYBRIDGE_ENV"], os.R_OK)
    with socket.create_connection(DB) as s:
        s.sendall(b"hi")
        print(s.recv(10).decode())
    """,
        )
        assert finish(program) == "hi"


def test_a_program_that_clears_its_environment_first_is_served():
    hosts = "127.0.0.9:5432"
    with place(hosts) as here, FakeSender(here.socket, echo):
        inline = {
            "HYBRIDGE_X_HOSTS": hosts,
            "HYBRIDGE_SOCKET": here.socket,
            "HYBRIDGE_RANGE": RANGE,
        }
        for env in (here.env(), here.env(HYBRIDGE_ENV="", **inline)):
            program = client(
                here,
                """
    os.environ.clear()
    s = socket.socket()
    print(s.connect_ex(("127.0.0.9", 5432)), flush=True)
    s.sendall(b"hi")
    print(s.recv(10).decode())
    """,
                env=env,
            )
            assert finish(program).split() == ["0", "hi"]


def test_after_chroot_what_is_mapped_is_served_or_refused_but_never_dialled():
    if os.geteuid() != 0:
        tap.skip("needs root for chroot")
    with place() as here:
        root = os.path.join(here.directory, "root")
        os.mkdir(root)
        code = """
    import encodings.idna # what Python has not read by now is out of reach
    os.chroot(sys.argv[1])
    os.chdir("/")
    print(errno.errorcode[socket.socket().connect_ex(("10.9.8.7", 5432))], flush=True)
    sys.stdin.readline()
    with socket.create_connection(DB) as s:
        s.sendall(b"hi")
        print(s.recv(10).decode())
    """
        program = client(
            here, code, root, env=here.env(HYBRIDGE_SOCKET="/sender.sock"), stdin=subprocess.PIPE
        )
        assert program.stdout.readline() == "ECONNREFUSED\n"
        with FakeSender(os.path.join(root, "sender.sock"), echo):
            program.stdin.write("now there is one\n")
            program.stdin.flush()
            assert finish(program) == "hi"


def test_a_program_in_another_network_namespace_reaches_the_sender():
    unshare = ("unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    tried = subprocess.run([*unshare, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        tap.skip("no network namespaces here")
    with place() as here, FakeSender(here.socket, echo):
        dial = (os.path.join(TOOLS, "dial"), "connect", "db.corp", "5432")
        assert finish(here.start(*unshare, *dial)) == "hi"


def traced(here, *command, **env):
    """The system calls of a program, as strace tells them."""
    out = os.path.join(here.directory, "strace")
    variables = [word for key, value in env.items() for word in ("-E", f"{key}={value}")]
    done = subprocess.run(
        ["strace", "-qq", "-o", out, *variables, *command],
        env={k: v for k, v in here.env().items() if k != "LD_PRELOAD" and k not in env},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        tap.skip(f"strace cannot trace here: {done.stderr.decode()[:100]}")
    with open(out, encoding="utf-8") as file:
        return file.read().splitlines()


def names_of(lines):
    return [line.split("(")[0] for line in lines if "(" in line]


def test_what_is_not_mapped_takes_no_system_call_more():
    if not shutil.which("strace"):
        tap.skip("no strace")
    with place() as here:
        seen = {}
        for preload in (SHIM, ""):
            lines = traced(here, os.path.join(TOOLS, "quiet"), LD_PRELOAD=preload)
            marks = [i for i, line in enumerate(lines) if "close(987654)" in line]
            seen[preload] = names_of(lines[marks[0] + 1 : marks[1]])
        assert seen[SHIM] == seen[""], seen
        assert seen[SHIM].count("connect") == 5, seen


def test_a_program_that_never_connects_pays_for_the_loading_alone():
    if not shutil.which("strace"):
        tap.skip("no strace")
    with place() as here:
        without = names_of(traced(here, "/bin/true", LD_PRELOAD=""))
        for env_file in (here.env_file, ""):
            lines = traced(here, "/bin/true", LD_PRELOAD=SHIM, HYBRIDGE_ENV=env_file)
            more = names_of(lines)
            for name in without:
                with contextlib.suppress(ValueError):
                    more.remove(name)
            reads = [line for line in lines if here.env_file in line]
            if env_file:
                # Later it might be out of reach.
                assert len(reads) == 1, reads
                more.remove("geteuid")
                more.remove("getcwd")  # where relative paths start
            assert set(more) <= LOADER, more


if __name__ == "__main__":
    tap.main()
