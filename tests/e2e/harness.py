"""A relay, agents, senders and programs in a temporary folder, on loopback.

    with harness.World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": ("127.0.0.1", 5432)})
        app = world.app(relay, {"db": "db.corp:5432"})
        print(app.run(["psql", "-h", "db.corp"]).out)

Whatever happens inside, the end of the block ends every process, removes the
folder, and fails when a daemon reported a sanitizer's finding or did not leave
with status 0 on SIGTERM.  Nothing sleeps: until() waits on a condition.
"""

import base64
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import sas
from certificates import Authority

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tests"))
import tap  # noqa: E402 (found only now)

BUILD = os.path.join(SOURCE, os.environ.get("B") or "build")
SHIM = os.path.join(BUILD, "libhybridge.so")
TOOLS = os.path.join(BUILD, "tests", "e2e")
HERE = os.path.join(SOURCE, "tests", "e2e")

# A launcher of several versions of python is a script: the preload would go
# through it, but what is tested is the program.
PYTHON = os.path.realpath(sys.executable)

# VALGRIND=1: the daemons that a test starts run under memcheck; what it finds is
# their exit status, and so the test's failure.
MEMCHECK = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]
VALGRIND = os.environ.get("VALGRIND", "") not in ("", "0")

# What the daemons are started under.
WRAPPER = MEMCHECK if VALGRIND else []

# Such tools make everything slower; every deadline is stretched with it.
SLOWNESS = int(os.environ.get("SLOWNESS") or (10 if VALGRIND else 4 if os.environ.get("SAN") else 1))
DEADLINE = 20 * SLOWNESS
REST = 0.05  # seconds in which a log does not grow any more: a line waits 0.01

# What the daemons inherit: nothing of the caller's proxies or HYBRIDGE_ keys.
CLEAN_ENV = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "LANG": "C.UTF-8",
    "RES_OPTIONS": "timeout:1 attempts:1",
}
# HTTP2=off: the same tests, each stream on a connection of its own; FAST_CRYPTO=on: by that cipher, wherever we run.
for _name, _key in (("HTTP2", "HYBRIDGE_HTTP2"), ("FAST_CRYPTO", "HYBRIDGE_FAST_CRYPTO")):
    if os.environ.get(_name):
        CLEAN_ENV[_key] = os.environ[_name]
for _name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
    if _name in os.environ:
        CLEAN_ENV[_name] = os.environ[_name]

# RELAY_WORKERS=2: the same tests, with so many threads in every relay that says nothing else.
WORKERS = {"HYBRIDGE_RELAY_WORKERS": os.environ["RELAY_WORKERS"]} if os.environ.get("RELAY_WORKERS") else {}

FINDINGS = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:).*")


class Failure(AssertionError):
    """A condition that did not come true in time, or a process that failed."""


def main():
    """Runs the test_ functions of the file that was started."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    tap.TIMEOUT *= SLOWNESS
    tap.main()


def until(condition, what, seconds=DEADLINE):
    """Returns the condition's first true value, or fails with what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}")
        select.select([], [], [], 0.01)


def tool(name):
    """Path of a helper program that the Makefile built from tests/e2e/NAME.c."""
    return os.path.join(TOOLS, name)


def new_key():
    """Key of an authorization rule, as the portal shows it."""
    return base64.b64encode(os.urandom(32)).decode()


class Process:
    """A process of its own session, with its output in files; inside a network namespace, if one is given."""

    count = 0

    def __init__(self, world, argv, env=None, ready=False, stdin=subprocess.DEVNULL, cwd=None, inside=None):
        Process.count += 1
        self.world = world
        self.name = f"{os.path.basename(argv[0])}-{Process.count}"
        self.out_path = os.path.join(world.logs, self.name + ".out")
        self.err_path = os.path.join(world.logs, self.name + ".err")
        self.argv = argv
        self.expected_status = 0
        self.stop_signal = signal.SIGTERM
        read_fd, write_fd = os.pipe() if ready else (-1, -1)
        if ready:
            argv = [*argv, "--ready-fd", str(write_fd)]
        if self.name.startswith("hybridge-"):
            argv = [*WRAPPER, *argv]
        if inside:
            argv = ["nsenter", f"--net={inside}", *argv]
        try:
            with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
                self.popen = subprocess.Popen(
                    argv,
                    env=CLEAN_ENV if env is None else env,
                    stdin=stdin,
                    stdout=out,
                    stderr=err,
                    pass_fds=(write_fd,) if ready else (),
                    start_new_session=True,
                    cwd=cwd or world.folder,
                )
        finally:
            if ready:
                os.close(write_fd)
        self.pid = self.popen.pid
        world.processes.append(self)
        self.ready = self._read_ready(read_fd) if ready else None

    def _read_ready(self, fd):
        """The text behind "ready "; fails with the log when it never comes."""
        line = b""
        with os.fdopen(fd, "rb", buffering=0) as pipe:
            while not line.endswith(b"\n"):
                readable, _, _ = select.select([pipe], [], [], DEADLINE)
                more = pipe.read(4096) if readable else b""
                if not more:
                    raise Failure(f"{self.name} did not get ready:\n{self.err}")
                line += more
        text = line.decode().strip()
        if not text.startswith("ready"):
            raise Failure(f"{self.name} said {text!r} instead of ready")
        return text[len("ready") :].strip()

    @property
    def out(self):
        with open(self.out_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _rest(self):
        """Until its log has come to rest: lines may wait 10 ms for others."""
        size = -1
        for _ in range(20):
            before, size = size, os.path.getsize(self.err_path)
            if size == before:
                return
            time.sleep(REST * SLOWNESS)

    @property
    def err(self):
        if self.name.startswith("hybridge-") and self.alive():
            self._rest()
        with open(self.err_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    @property
    def lines(self):
        """Its whole lines of JSON so far."""
        out = self.out
        return [json.loads(line) for line in out[: out.rfind("\n") + 1].splitlines()]

    def line(self, key, seconds=DEADLINE):
        """Waits for a line of JSON that has this key."""

        def find():
            found = [line for line in self.lines if key in line]
            if not found and self.popen.poll() is not None:
                found = [line for line in self.lines if key in line]
                if not found:
                    raise Failure(f"{self.name} ended without {key!r}:\n{self.out}{self.err}")
            return found[0] if found else None

        return until(find, f"{key!r} from {self.name}", seconds)

    def wait_log(self, pattern, seconds=DEADLINE):
        """Waits for a line on standard error that matches."""

        def find():
            return next((ln for ln in self.err.splitlines() if re.search(pattern, ln)), None)

        try:
            return until(find, f"{pattern!r} in the log of {self.name}", seconds)
        except Failure as failure:
            raise Failure(f"{failure}; it has:\n{self.err}") from None

    def wait(self, seconds=DEADLINE):
        """Its exit status; fails when it does not end in time."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {seconds} s:\n{self.err}") from None

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """SIGKILL: no chance to say anything to anybody."""
        self.expected_status = -signal.SIGKILL
        self.popen.kill()
        self.popen.wait()

    def stop(self):
        """SIGTERM, as a service manager does, and its status."""
        self.popen.terminate()
        return self.wait()

    def descriptors(self):
        return count_descriptors(self.pid)


def count_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_files(pid):
    """What a process's descriptors are, as proc(5) shows it; one may be closed meanwhile."""
    files = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            files.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return files


class Relay(Process):
    """hybridge-relay; .host and .port say where it listens."""

    def __init__(self, world, entities, certificate=None, listen="127.0.0.1:0", inside=None, **more):
        world.relays += 1
        self.rules = {entity: {"listen": new_key(), "send": new_key()} for entity in entities}
        folder = os.path.join(world.folder, f"relay{world.relays}.d")
        os.mkdir(folder, 0o700)
        for entity, keys in self.rules.items():
            world.write_env(
                os.path.join(folder, f"{entity}.env"),
                HYBRIDGE_RELAY_ENTITY=entity,
                HYBRIDGE_RULE_LISTENER_NAME="defaultListener",
                HYBRIDGE_RULE_LISTENER_RIGHTS="listen",
                HYBRIDGE_RULE_LISTENER_KEY=keys["listen"],
                HYBRIDGE_RULE_SENDER_NAME="defaultSender",
                HYBRIDGE_RULE_SENDER_RIGHTS="send",
                HYBRIDGE_RULE_SENDER_KEY=keys["send"],
            )
        cert, key = certificate or world.authority.leaf
        self.settings = {
            "HYBRIDGE_RELAY_CERT": cert,
            "HYBRIDGE_RELAY_KEY": key,
            "HYBRIDGE_RELAY_DIR": folder,
            "HYBRIDGE_RELAY_HOSTS": "localhost",
            **WORKERS,
            **more,
        }
        self._start(world, folder + ".env", listen, inside)

    def _start(self, world, path, listen, inside=None):
        world.write_env(path, HYBRIDGE_RELAY_LISTEN=listen, **self.settings)
        super().__init__(world, [os.path.join(BUILD, "hybridge-relay"), "-f", path], ready=True, inside=inside)
        host, _, port = self.ready.rpartition(":")
        self.host, self.port = host, int(port)

    def again(self):
        """Starts another one, on the same port and with the same rules."""
        relay = Relay.__new__(Relay)
        relay.rules, relay.settings = self.rules, self.settings
        relay._start(self.world, self.argv[-1], f"{self.host}:{self.port}")
        return relay

    def connection(self, entity, right, port=None, key=None, token=None, host="localhost"):
        """Connection string for a "listen" or "send" key, or with a ready-made token."""
        name = {"listen": "defaultListener", "send": "defaultSender"}[right]
        endpoint = f"Endpoint=sb://{host}:{port or self.port}/;"
        if token:
            return f"{endpoint}SharedAccessSignature={token};EntityPath={entity}"
        key = key or self.rules.get(entity, {}).get(right) or new_key()
        return f"{endpoint}SharedAccessKeyName={name};SharedAccessKey={key};EntityPath={entity}"

    def token(self, entity, right, seconds):
        """A SAS token that expires in so many seconds; negative: that long ago."""
        name = {"listen": "defaultListener", "send": "defaultSender"}[right]
        uri = f"http://localhost:{self.port}/{entity}"
        return sas.token(uri, name, self.rules[entity][right], int(time.time()) + seconds)


class Sender(Process):
    """hybridge-sender, started by hand."""


class App:
    """An application's side: an env file, and programs under the preload."""

    def __init__(self, world, connections, keys):
        world.apps += 1
        self.world = world
        self.socket = os.path.join(world.folder, f"app{world.apps}.sock")
        values = {"HYBRIDGE_SOCKET": self.socket, "HYBRIDGE_CA_FILE": world.authority.path}
        for name, (string, hosts) in connections.items():
            values[f"HYBRIDGE_{name.upper()}_CONNECTION"] = string
            values[f"HYBRIDGE_{name.upper()}_HOSTS"] = hosts
        values.update(keys)
        self.path = world.write_env(f"app{world.apps}.env", **values)

    def env(self, **more):
        """The environment of a program under the preload."""
        return {**CLEAN_ENV, "LD_PRELOAD": SHIM, "HYBRIDGE_ENV": self.path, **more}

    def sender(self, inside=None):
        """Starts the sender by hand; without this the shim does."""
        argv = [os.path.join(BUILD, "hybridge-sender"), "-f", self.path]
        return Sender(self.world, argv, ready=True, inside=inside)

    def start(self, argv, stdin=subprocess.DEVNULL, cwd=None, inside=None, **env):
        """Starts a program under the preload."""
        return Process(self.world, argv, self.env(**env), stdin=stdin, cwd=cwd, inside=inside)

    def run(self, argv, seconds=DEADLINE, cwd=None, **env):
        """Runs a program under the preload to its end; .status is its exit status."""
        process = self.start(argv, cwd=cwd, **env)
        process.status = process.wait(seconds)
        return process


class World:
    """Everything that one test needs; see the head of this file."""

    def __init__(self):
        self.processes = []
        self.relays = self.agents = self.apps = 0
        self.closers = contextlib.ExitStack()

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="hybridge-e2e-")
        self.logs = os.path.join(self.folder, "logs")
        os.mkdir(self.logs)
        self.authority = Authority(os.path.join(self.folder, "ca"))
        return self

    def __exit__(self, kind, error, trace):
        failed = kind is not None and not (kind is SystemExit and not error.code)
        problems = []
        try:
            self.closers.close()
            problems = self._end_processes()
            problems += self._findings()
            if problems and not failed:
                error = Failure("; ".join(problems))
                raise error
        finally:
            if isinstance(error, Exception):
                error.add_note(self._logs())
            shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_env(self, name, **values):
        """Writes an env file that only its owner can read; returns its path."""
        path = os.path.join(self.folder, name)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            for key, value in values.items():
                if value is not None:
                    file.write(f"{key}='{value}'\n")
        return path

    def relay(self, entities, **options):
        return Relay(self, entities, **options)

    def agent(self, relay, targets, ready=True, strings=None, inside=None, **keys):
        """hybridge-agent with {entity: (host, port)}; strings replaces connection strings."""
        self.agents += 1
        values = {"HYBRIDGE_CA_FILE": self.authority.path}
        for entity, (host, port) in targets.items():
            string = (strings or {}).get(entity) or relay.connection(entity, "listen")
            values[f"HYBRIDGE_{entity.upper()}_CONNECTION"] = string
            values[f"HYBRIDGE_{entity.upper()}_TARGET"] = f"{host}:{port}"
        values.update(keys)
        path = self.write_env(f"agent{self.agents}.env", **values)
        argv = [os.path.join(BUILD, "hybridge-agent"), "-f", path]
        return Process(self, argv, ready=ready, inside=inside)

    def app(self, relay, hosts, port=None, strings=None, **keys):
        """An application's side with {entity: "host:port ..."}, through relay's port or another."""
        connections = {}
        for entity, items in hosts.items():
            string = (strings or {}).get(entity) or relay.connection(entity, "send", port=port)
            connections[entity] = (string, items)
        return App(self, connections, keys)

    def start(self, argv, **options):
        """Starts a program without the preload."""
        return Process(self, argv, **options)

    def background(self, context):
        """Enters a context that is left when the world ends."""
        return self.closers.enter_context(context)

    def started_senders(self):
        """Pids of the senders that the shim started: no children of ours."""
        return [pid for pid in self._related() if exe_name(pid) == "hybridge-sender"]

    def _related(self):
        """Pids of the living processes that were given a path in our folder."""
        ours = {process.pid for process in self.processes}
        needle = self.folder.encode() + b"/"
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if pid in ours or pid == os.getpid():
                continue
            if needle in read_proc(pid, "environ") + read_proc(pid, "cmdline"):
                found.append(pid)
        return found

    def _end_processes(self):
        problems = []
        # The first signal lets streams end, the second does not wait for them.
        for seconds in (0.5, DEADLINE):
            living = [process for process in reversed(self.processes) if process.alive()]
            for process in living:
                process.popen.send_signal(process.stop_signal)
            with contextlib.suppress(Failure):
                until(lambda: not any(one.alive() for one in living), "", seconds)
        for process in reversed(self.processes):
            daemon = process.name.startswith("hybridge-")
            if process.alive():
                process.kill()
                problems.append(f"{process.name} did not leave on SIGTERM")
            elif daemon and process.popen.returncode != process.expected_status:
                problems.append(f"{process.name} left with status {process.popen.returncode}")
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal_related(number)
        return problems

    def _signal_related(self, number):
        for pid in self._related():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        with contextlib.suppress(Failure):
            until(lambda: not self._related(), "the end of the last process", DEADLINE / 4)

    def _findings(self):
        found = []
        for process in self.processes:
            found += [f"{process.name}: {m.group(0)}" for m in FINDINGS.finditer(process.err)]
        return found

    def _logs(self):
        """What every process said in the end, for the one who has to find out why."""
        lines = []
        for process in self.processes:
            lines.append(f"--- {process.name}: {' '.join(process.argv)}")
            lines += [f"  {line}" for line in (process.out + process.err).splitlines()[-60:]]
        return "\n".join(lines)


def exe_name(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def at_once(functions):
    """Runs functions in threads of their own; returns their results, or raises the first error."""
    results = [None] * len(functions)
    errors = []

    def call(index, function):
        try:
            results[index] = function()
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=call, args=item) for item in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
