#!/usr/bin/env python3
"""A daemon that is killed in the middle of a transfer is a reset, never an end of file."""

import transfer
from harness import World, main, until

MIB = 1 << 20

# How each end sends and holds its side open, by what moves.
DIRECTIONS = {
    "to the program": {"near": ["-k"], "far": ["-s", transfer.ENDLESS, "-p", MIB]},
    "to the target": {"near": ["-s", transfer.ENDLESS, "-p", MIB], "far": ["-a"]},
    "both ways": {
        "near": ["-s", transfer.ENDLESS, "-p", MIB],
        "far": ["-s", transfer.ENDLESS],
    },
}


def kill_amid_transfers(victim):
    """SIGKILLs the named daemon amid one transfer of each direction."""
    for direction, options in DIRECTIONS.items():
        with World() as world:
            relay = world.relay(["db"])
            target = transfer.listen(world, *options["far"])
            agent = world.agent(relay, {"db": target.at})
            app = world.app(relay, {"db": "db.corp:5432"})
            daemons = {"relay": relay, "agent": agent, "sender": app.sender()}
            program = transfer.connect(app, *options["near"])
            (target if direction == "to the program" else program).line("progress")
            daemons[victim].kill()
            near, far = transfer.ends(program, target)
            print(f"# {victim} killed, bytes {direction}: {near['end']} and {far['end']}")
            expect_reset(near, f"program, {direction}")
            expect_reset(far, f"target, {direction}")


def expect_reset(end, which):
    assert end["end"] == "ECONNRESET", f"{which}: {end}"
    assert not end["eof"], f"{which} took the loss for an orderly end: {end}"


def test_a_killed_sender_resets_the_program_and_the_target():
    kill_amid_transfers("sender")


def test_a_killed_relay_resets_the_program_and_the_target():
    kill_amid_transfers("relay")


def test_a_killed_agent_resets_the_program_and_the_target():
    kill_amid_transfers("agent")


def test_after_any_daemon_was_killed_and_started_again_programs_work_again():
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world, "-s", 10, "-n", 5)
        agent = world.agent(relay, {"db": target.at})
        app = world.app(relay, {"db": "db.corp:5432"})
        sender = app.sender()
        expect_transfer(app)
        sender.kill()
        app.sender()
        expect_transfer(app)
        agent.kill()
        agent = world.agent(relay, {"db": target.at})
        expect_transfer(app)
        relay.kill()
        relay.again()
        until(lambda: transferred(app)["end"] == "eof", "the agent's return to the relay")
        expect_transfer(app)


def transferred(app):
    return transfer.connect(app, "-s", 10).line("end")


def expect_transfer(app):
    told = transferred(app)
    assert (told["end"], told["received"]) == ("eof", 10), told


if __name__ == "__main__":
    main()
