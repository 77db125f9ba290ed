#!/usr/bin/env python3
"""Streams that are for the agent itself: what foreign senders get of them, and what foreign listeners are spared."""

import os

from peers import BUILD, CONTROL, Peer, World, listen_token, main, send_token, servers, url

HYBRIDGE = os.path.join(BUILD, "hybridge")
ASKED = {"Hybridge-Echo": "1"}
MOST = 125


def test_the_agent_greets_and_sends_back_text():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at})
        peer = Peer(world)
        peer.open("s", url(relay, "db"), send_token(relay), headers={"hybridge-echo": "1"})
        assert peer.expect("s", "message")["text"].startswith("hybridge-agent/")
        for nth, text in enumerate(("1", "x" * MOST, "grüße"), 2):
            peer.tell("send", "s", text=text)
            told = peer.expect("s", "message", nth)
            assert told["text"] == text and not told["binary"], told
        # Bytes mean nothing to it; the text behind them comes back.
        peer.tell("send", "s", size=10)
        peer.tell("send", "s", text="after")
        assert peer.expect("s", "message", 5)["text"] == "after"
        peer.tell("close", "s", code=1000)
        assert peer.expect("s", "closed")["code"] == 1000
        peer.open("t", url(relay, "db"), send_token(relay), headers=ASKED)
        peer.tell("send", "t", text="x" * (MOST + 1))
        assert peer.expect("t", "closed")["code"] == 1009
        agent.wait_log("echo ended.* close_code=1009")
        assert target.accepted == 0
        # As for the target is what does not ask for this.
        for name, headers in (("u", {}), ("v", {"Hybridge-Echo": "0"}), ("w", {"X-Hybridge-Echo": "1"})):
            peer.open(name, url(relay, "db"), send_token(relay), headers=headers)
            peer.echo(name, 100)
        assert target.accepted == 3


def test_a_listener_of_another_kind_is_sent_nothing():
    # One that waits for the program to speak, and one whose service speaks first.
    for then in "wait", "greet":
        with World() as world:
            relay = world.relay(["db"])
            peer = Peer(world)
            peer.listen("l", url(relay, "db", CONTROL), listen_token(relay), then)
            app = world.app(relay, {"db": "db.corp:5432"})
            ping, doctor = [world.start([HYBRIDGE, name, "-f", app.path]) for name in ("ping", "doctor")]
            for program in ping, doctor:
                assert program.wait() == 0 and program.err == "", (program.out, program.err)
            assert "not measured: the listener is not hybridge-agent" in ping.out, ping.out
            assert "\necho      db " in doctor.out and "NONE  not measured: " in doctor.out, doctor.out
            for stream in "l/1", "l/2", "l/3":
                assert peer.expect(stream, "closed")["code"] == 1000
                assert not peer.events(stream, "message"), "bytes went to a service that nobody had asked"


def test_a_listener_that_breaks_the_stream_is_not_taken_for_another_kind():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.listen("l", url(relay, "db", CONTROL), listen_token(relay), "wait")
        app = world.app(relay, {"db": "db.corp:5432"})
        program = world.start([HYBRIDGE, "ping", "-f", app.path])
        program.expected_status = 69
        peer.expect("l/1", "open")
        peer.tell("drop", "l/1")
        assert program.wait() == 69, program.out
        assert "db: the stream broke" in program.err and "not measured" not in program.out, program.err


if __name__ == "__main__":
    main()
