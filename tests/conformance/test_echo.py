#!/usr/bin/env python3
"""Streams that are for the agent itself: what foreign senders get of them."""

from peers import Peer, World, main, send_token, servers, url

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


if __name__ == "__main__":
    main()
