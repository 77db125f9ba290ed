#!/usr/bin/env python3
"""A daemon that is killed in the middle of a transfer is a reset, never an end of file."""

import transfer
from harness import World, main, until

MIB = 1 << 20

FLOOD = ["-s", transfer.ENDLESS]
EARLY_KILLS = 10
PROGRESS = ["-p", MIB]

# What each end does, by what moves; the ends that receive tell when it does.
DIRECTIONS = {
    "to the program": {"near": ["-k", *PROGRESS], "far": FLOOD},
    "to the target": {"near": FLOOD, "far": ["-a", *PROGRESS]},
    "both ways": {"near": FLOOD + PROGRESS, "far": FLOOD + PROGRESS},
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
            for end, doing in ((program, options["near"]), (target, options["far"])):
                if "-p" in doing:
                    end.line("progress")
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


def test_an_agent_killed_as_soon_as_the_program_is_connected_resets_both():
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world, "-a", "-n", EARLY_KILLS)
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        for number in range(EARLY_KILLS):
            agent = world.agent(relay, {"db": target.at})
            program = transfer.connect(app, *FLOOD)
            program.line("open")
            agent.kill()
            expect_reset(program.line("end"), "program")
            until(lambda n=number: len(ends_of(target)) > n, "the target's end")
        for end in ends_of(target):
            expect_reset(end, "target")


def ends_of(target):
    return [line for line in target.lines if "end" in line]


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
