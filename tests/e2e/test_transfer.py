#!/usr/bin/env python3
"""Bytes arrive as they were sent, and ends arrive as what they were."""

import contextlib
import signal
import time

import transfer
from harness import SLOWNESS, World, main

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = (0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 10 * MIB)
LONG = 120 * SLOWNESS
# Valgrind carries some MiB a second: there this is about errors, not about endurance.
LARGE, WAITING = (GIB, 256 * MIB) if SLOWNESS < 10 else (16 * MIB, 136 * MIB)


@contextlib.contextmanager
def world_to(*options):
    """A world whose db.corp:5432 is a pump with these options; yields it, target and app."""
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world, *options)
        world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        yield world, target, app


def carry(up, down, *server_options, seconds=LONG):
    """Carries so many bytes each way; returns how long it took."""
    with world_to("-s", down, *server_options) as (_, target, app):
        start = time.monotonic()
        program = transfer.connect(app, "-s", up)
        transfer.expect_whole(*transfer.ends(program, target, seconds), up, down)
        return time.monotonic() - start


def test_every_size_arrives_whole_in_both_directions_at_once():
    for size in SIZES:
        carry(size, size)


def test_every_size_arrives_whole_in_one_direction():
    for size in SIZES:
        carry(size, 0)
        carry(0, size)


def test_a_gibibyte_to_the_target_arrives_whole():
    rate(carry(LARGE, 0), LARGE)


def test_a_gibibyte_to_the_program_arrives_whole():
    rate(carry(0, LARGE), LARGE)


def test_a_gibibyte_each_way_at_once_arrives_whole():
    rate(carry(LARGE, LARGE), LARGE)


def rate(seconds, size):
    print(f"# {size / MIB / seconds:.0f} MiB/s")


def test_a_target_that_answers_after_the_end_of_the_question_is_heard():
    for up, down in ((0, 10), (10, 10 * MIB), (10 * MIB, 10)):
        carry(up, down, "-a")


def test_a_program_that_goes_on_after_the_targets_end_is_heard():
    # The program keeps its side open until it has the target's end of file.
    with world_to("-s", 1000) as (_, target, app):
        program = transfer.connect(app, "-a", "-s", 10 * MIB)
        transfer.expect_whole(*transfer.ends(program, target), 10 * MIB, 1000)


def test_a_reset_by_the_target_reaches_the_program_as_a_reset():
    with world_to("-s", transfer.ENDLESS, "-r", MIB) as (_, target, app):
        program, far = transfer.ends(transfer.connect(app, "-s", transfer.ENDLESS), target)
        assert far["end"] == "reset", far
        assert (program["end"], program["eof"]) == ("ECONNRESET", False), program


def test_a_reset_by_a_target_that_only_read_reaches_the_program_as_a_reset():
    with world_to("-a", "-r", 10) as (_, target, app):
        program, _ = transfer.ends(transfer.connect(app, "-k", "-s", 10), target)
        assert (program["end"], program["eof"]) == ("ECONNRESET", False), program


def test_a_reset_by_the_program_reaches_the_target_as_a_reset():
    with world_to("-s", transfer.ENDLESS) as (_, target, app):
        program = transfer.connect(app, "-s", transfer.ENDLESS, "-r", MIB)
        near, far = transfer.ends(program, target)
        assert near["end"] == "reset", near
        assert (far["end"], far["eof"]) == ("ECONNRESET", False), far


def test_a_reset_after_the_end_of_the_question_reaches_the_other_side():
    # Who still sends then learns it: bytes for nobody must not vanish.  It begins when it has
    # seen the end, for a reset may overtake that.
    with world_to("-a", "-s", transfer.ENDLESS) as (_, target, app):
        program = transfer.connect(app, "-s", 10, "-r", MIB)
        near, far = transfer.ends(program, target)
        assert near["end"] == "reset", near
        assert far["end"] in ("ECONNRESET", "EPIPE") and far["eof"], far
    with world_to("-s", 10, "-r", MIB) as (_, target, app):
        near, far = transfer.ends(transfer.connect(app, "-a", "-s", transfer.ENDLESS), target)
        assert far["end"] == "reset", far
        assert near["end"] in ("ECONNRESET", "EPIPE") and near["eof"], near


def test_a_program_that_is_killed_reaches_the_target_as_a_reset():
    with world_to("-s", transfer.ENDLESS) as (_, target, app):
        program = transfer.connect(app, "-s", transfer.ENDLESS, "-p", MIB)
        program.line("progress")
        program.kill()
        far = target.line("end")
        assert (far["end"], far["eof"]) == ("ECONNRESET", False), far


def test_a_target_that_does_not_read_stops_the_program_and_nothing_grows():
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world)
        agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        daemons = (relay, agent, app.sender())
        before = [resident_kib(one.pid) for one in daemons]
        target.signal(signal.SIGSTOP)
        program = transfer.connect(app, "-t", "-s", WAITING)
        stalled = program.line("stalled", LONG)["stalled"]
        grown = [resident_kib(one.pid) - old for one, old in zip(daemons, before)]
        assert stalled < 128 * MIB, f"{stalled} bytes were taken for a target that reads none"
        # A sanitizer keeps what was freed: then it is not ours to measure.
        assert SLOWNESS > 1 or max(grown) < 8 * KIB, f"grew by {grown} KiB"
        target.signal(signal.SIGCONT)
        transfer.expect_whole(*transfer.ends(program, target, LONG), WAITING, 0)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
