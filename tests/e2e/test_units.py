#!/usr/bin/env python3
"""The units for systemd: it understands them, they confine what they start, and let it work."""

import functools
import glob
import os
import re
import signal
import subprocess

import clients
import harness
import servers
from harness import BUILD, SOURCE, VALGRIND, World, main, tap

UNITS = sorted(glob.glob(os.path.join(SOURCE, "examples", "systemd", "*.service")))
# Of 100 tenths, by systemd's own measure; a unit with nothing set has 92 to 96.
EXPOSURE_MAX = 16


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def settings(unit, key):
    """What a unit says for a key, in order."""
    with open(unit, encoding="utf-8") as file:
        return re.findall(rf"^{key}=(.*)$", file.read(), re.MULTILINE)


def test_there_is_a_unit_for_each_daemon():
    names = [re.sub("@?.service", "", os.path.basename(unit)) for unit in UNITS]
    assert names == ["hybridge-agent", "hybridge-relay", "hybridge-sender"], names
    for unit, name in zip(UNITS, names):
        assert settings(unit, "ExecStart")[0].startswith(f"/usr/local/sbin/{name} -f "), unit


def test_systemd_finds_no_mistake_in_them():
    with World() as world:
        for unit in UNITS:
            with open(unit, encoding="utf-8") as file:
                text = file.read().replace("/usr/local/sbin", BUILD)
            path = world.path(os.path.basename(unit).replace("@.", "@daemon."))
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = analyze("verify", "--man=no", "--recursive-errors=no", path)
            said = [line for line in done.stderr.splitlines() if "hybridge" in line]
            assert done.returncode == 0 and not said, (unit, done.stderr)


def test_what_they_start_is_confined():
    for unit in UNITS:
        done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)
        assert done.returncode == 0, (unit, done.stdout[-300:], done.stderr)


@functools.cache
def calls_of(word):
    """The system calls of a set, those of the sets in it too."""
    if not word.startswith("@"):
        return frozenset([word])
    lines = analyze("syscall-filter", word).stdout.splitlines()[1:]
    words = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    assert words, word
    return frozenset().union(*map(calls_of, words))


def allowed(unit):
    """What is left of a unit's SystemCallFilter= lines."""
    calls = set()
    for line in settings(unit, "SystemCallFilter"):
        named = set().union(*map(calls_of, line.lstrip("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def traced(world, unit):
    """The system calls of a daemon since it was started."""
    with open(world.path(unit), encoding="utf-8", errors="replace") as file:
        return set(re.findall(r"^\d+ +(\w+)\(", file.read(), re.MULTILINE))


def test_their_filters_let_each_daemon_do_its_work():
    if VALGRIND or os.environ.get("SAN"):
        tap.skip("those make system calls of their own")
    can_trace = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if can_trace.returncode != 0:
        tap.skip(f"strace cannot trace here: {can_trace.stderr[:100]}")
    with servers.echo() as target, World() as world:
        strace = ["strace", "-D", "-f", "-qq", "-o"]

        def start(what, make):
            harness.WRAPPER = [*strace, world.path(what)]
            try:
                return make()
            finally:
                harness.WRAPPER = []

        relay = start("relay", lambda: world.relay(["db"], HYBRIDGE_RELAY_WORKERS="2"))
        agent = start("agent", lambda: world.agent(relay, {"db": target.at}))
        for http2 in ("on", "off"):
            app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_HTTP2=http2)
            sender = start("sender", app.sender)
            clients.expect_echo(app, "db.corp", 5432)
            for daemon, said in ((relay, "reloaded"), (agent, "read again")):
                daemon.popen.send_signal(signal.SIGHUP)
                daemon.wait_log(said)
            assert sender.stop() == 0
            assert calls_filtered(world, "sender") == set()
        assert agent.stop() == 0 and relay.stop() == 0
        for what in ("relay", "agent"):
            assert calls_filtered(world, what) == set(), what


def calls_filtered(world, what):
    """What a daemon called and its unit's filter would have refused."""
    (unit,) = [unit for unit in UNITS if f"hybridge-{what}" in unit]
    seen = traced(world, what)
    assert {"epoll_wait", "connect"} & seen and len(seen) > 20, seen
    return seen - allowed(unit)


if __name__ == "__main__":
    main()
