#!/usr/bin/env python3
"""HYBRIDGE_FAST_CRYPTO: who encrypts, told by each program, and the same bytes either way."""

import ctypes.util

import transfer
import harness
from harness import World, main

# Here each program has a setting of its own.
harness.CLEAN_ENV.pop("HYBRIDGE_FAST_CRYPTO", None)

SIZE = 10 << 20
LIBRARY = ctypes.util.find_library("IPSec_MB")


def carry(app_side, relay_side, agent_side):
    """Bytes both ways through programs with these settings; checks what they log."""
    with World() as world:
        relay = world.relay(["db"], HYBRIDGE_FAST_CRYPTO=relay_side)
        target = transfer.listen(world, "-s", SIZE)
        agent = world.agent(relay, {"db": target.at}, HYBRIDGE_FAST_CRYPTO=agent_side)
        app = world.app(relay, {"db": "db.corp:5432"}, HYBRIDGE_FAST_CRYPTO=app_side)
        sender = app.sender()
        program = transfer.connect(app, "-s", SIZE)
        transfer.expect_whole(*transfer.ends(program, target, 60), SIZE, SIZE)
        for process, mode in ((sender, app_side), (relay, relay_side), (agent, agent_side)):
            who = "libipsec-mb" if mode == "on" and LIBRARY else "OpenSSL"
            process.wait_log(f"aes_gcm={who}")


def test_on_everywhere_carries_the_same_bytes():
    carry("on", "on", "on")


def test_off_everywhere_carries_the_same_bytes():
    carry("off", "off", "off")


def test_programs_with_it_talk_to_programs_without_it():
    carry("on", "off", "on")
    carry("off", "on", "off")


if __name__ == "__main__":
    main()
