"""The three ways to connect that every verdict is checked with."""

import os

from harness import DEADLINE, HERE, PYTHON, at_once, tool

COMMANDS = {
    "blocking": lambda host, port: [tool("connecting"), "blocking", host, str(port)],
    "epoll": lambda host, port: [tool("connecting"), "epoll", host, str(port)],
    "asyncio": lambda host, port: [
        PYTHON,
        os.path.join(HERE, "asyncio_client.py"),
        host,
        str(port),
    ],
}


def start(app, kind, host, port):
    """Starts one kind of client on its way to host:port."""
    return app.start(COMMANDS[kind](host, port))


def outcome(app, kind, host, port, seconds=DEADLINE):
    """What one kind of client saw: its line of JSON."""
    return start(app, kind, host, port).line("errno", seconds)


def outcomes(app, host, port, seconds=DEADLINE):
    """What each kind saw, all at once; what the program learnt in the end is at "verdict"."""

    def one(kind):
        seen = outcome(app, kind, host, port, seconds)
        pending = kind == "epoll" and seen["errno"] == "EINPROGRESS"
        seen["verdict"] = seen["so_error"] if pending else seen["errno"]
        return seen

    kinds = list(COMMANDS)
    return dict(zip(kinds, at_once([lambda kind=kind: one(kind) for kind in kinds])))


def expect_verdict(app, host, port, name, seconds=DEADLINE):
    """Every kind of client must end with this errno; returns what each saw."""
    seen = outcomes(app, host, port, seconds)
    verdicts = {kind: one["verdict"] for kind, one in seen.items()}
    assert verdicts == dict.fromkeys(seen, name), f"wanted {name}: {verdicts}"
    assert seen["epoll"]["errno"] == "EINPROGRESS", seen["epoll"]
    return seen


def expect_echo(app, host, port, seconds=DEADLINE):
    """Every kind of client must connect and get its line back."""
    seen = expect_verdict(app, host, port, "", seconds)
    assert all(one["echo"] for one in seen.values()), seen
    return seen
