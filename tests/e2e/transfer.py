"""The two ends of a transfer, tests/e2e/pump.c, and what must be true of them."""

from harness import DEADLINE, tool

ENDLESS = 1 << 50


def listen(world, *options, inside=None):
    """Starts the target's end; it is reached at 127.0.0.1:.port."""
    process = world.start([tool("pump"), *map(str, options), "listen"], inside=inside)
    process.port = process.line("port")["port"]
    process.at = ("127.0.0.1", process.port)
    return process


def connect(app, *options, host="db.corp", port=5432, inside=None):
    """Starts the program's end, under the preload."""
    return app.start([tool("pump"), *map(str, options), "connect", host, str(port)], inside=inside)


def ends(program, target, seconds=DEADLINE):
    """Waits for both ends; returns what each told."""
    return program.line("end", seconds), target.line("end", seconds)


def expect_whole(program, target, up, down):
    """Each end got all that the other sent, unchanged, and an orderly end."""
    both = f"\nprogram: {program}\ntarget:  {target}"
    assert program["end"] == target["end"] == "eof", both
    assert (program["sent"], target["sent"]) == (up, down), both
    assert (program["received"], target["received"]) == (down, up), both
    assert program["sent_hash"] == target["received_hash"], both
    assert target["sent_hash"] == program["received_hash"], both
