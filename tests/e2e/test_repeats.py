#!/usr/bin/env python3
"""The same failure again is counted, not told anew, though a relay numbers each."""

import json

import clients
import servers
from command import hybridge
from harness import World, main, until

TIMES = 3


def test_an_agent_warns_once_of_what_a_relay_refuses_again_and_again():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"nope": target.at}, ready=False, HYBRIDGE_LOG_LEVEL="debug")
        until(lambda: f"times={TIMES}" in agent.err, f"{TIMES} refusals in a row")
        down = [line for line in agent.err.splitlines() if "control channel down" in line]
        assert all("TrackingId" in line for line in down), down
        assert ["level=warning" in line for line in down][:TIMES] == [True] + [False] * (TIMES - 1), down


def test_a_sender_counts_what_a_relay_refuses_again_and_again():
    with World() as world:
        relay = world.relay(["db"])  # nobody listens
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        for _ in range(TIMES):
            assert clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == "ECONNREFUSED"
        told = hybridge("status", "-f", app.path)
        assert f"({TIMES} times, first" in told.out, told.out + told.err
        (connection,) = json.loads(hybridge("status", "--json", "-f", app.path).out)["connections"]
        assert "TrackingId" in connection["last_error"]["text"], connection


if __name__ == "__main__":
    main()
