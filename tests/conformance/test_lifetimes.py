#!/usr/bin/env python3
"""How long things live: pings, peers that stopped, recycled control channels, reloads."""

import contextlib
import os
import signal

from peers import CONTROL, Peer, RelayWith, listen_token, send_token, upgrade, url
from peers import SLOWNESS, World, clients, main, new_key, servers, until

PING_MS = 700 * SLOWNESS
PINGS = 5  # one that does not answer is dead after 3
RECYCLE_MS = 3000 * SLOWNESS


@contextlib.contextmanager
def world_that_pings():
    with World() as world:
        yield world, RelayWith(world, ["db"], HYBRIDGE_RELAY_PING=f"{PING_MS}ms")


@contextlib.contextmanager
def stopped(process):
    """A process that is there and does nothing, as behind a cable that was pulled."""
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


def join(peer, relay, listener="l", sender="s", rendezvous="r"):
    """A stream between a plain sender and a plain listener that listens already."""
    peer.open(sender, url(relay, "db"), send_token(relay), wait="")
    peer.open(rendezvous, peer.accept(listener)["address"])
    peer.expect(sender, "open")


def test_a_listener_that_says_nothing_stays_since_the_relay_pings_it():
    with world_that_pings() as (_, relay):
        peer = Peer(relay.world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.expect("l", "pinged", PINGS)
        join(peer, relay)
        peer.expect("s", "pinged", PINGS)
        peer.tell("send", "s", text="still here")
        assert peer.expect("r", "message")["text"] == "still here"
        assert not peer.events("l", "closed")


def test_a_listener_that_was_stopped_is_noticed_and_the_next_sender_gets_404():
    with world_that_pings() as (world, relay):
        peer = Peer(world)
        peer.listen("l", url(relay, "db", CONTROL), listen_token(relay))
        with stopped(peer):
            relay.wait_log("listener disconnected.*pings were not answered")
            answer = upgrade(world, relay, "/$hc/db", send_token(relay))
            words = "There are no listeners connected for the endpoint"
            assert (answer.status, words in answer.reason) == (404, True), answer


def test_a_stream_whose_sender_was_stopped_ends_without_a_close_for_the_listener():
    with world_that_pings() as (world, relay):
        listener, sender = Peer(world), Peer(world)
        listener.open("l", url(relay, "db", CONTROL), listen_token(relay))
        sender.open("s", url(relay, "db"), send_token(relay), wait="")
        listener.open("r", listener.accept("l")["address"])
        sender.expect("s", "open")
        with stopped(sender):
            assert listener.expect("r", "closed")["code"] == 1006
            relay.wait_log("session closed.*end=silent")
            assert not listener.events("l", "closed")


def test_a_recycled_control_channel_is_closed_with_1011_and_comes_back_while_streams_go_on():
    with servers.echo() as target, World() as world:
        relay = RelayWith(world, ["db", "own"], HYBRIDGE_RELAY_RECYCLE=f"{RECYCLE_MS}ms")
        agent = world.agent(relay, {"own": target.at})
        plain, hyco = Peer(world), Peer(world)
        plain.open("l", url(relay, "own", CONTROL), listen_token(relay, "own"))
        hyco.listen("h", url(relay, "db", CONTROL), listen_token(relay))
        hyco.open("s", url(relay, "db"), send_token(relay))
        hyco.echo("s", 1000)
        closed = plain.expect("l", "closed")
        assert (closed["code"], "NameRenewalFailed" in closed["reason"]) == (1011, True), closed
        hyco.expect("h", "listening", 2)
        hyco.echo("s", 1000)
        hyco.open("t", url(relay, "db"), send_token(relay))
        hyco.echo("t", 1000)
        agents = "listener connected.*entity=own.*agent=hybridge"
        until(lambda: relay.err.count("entity=own") >= 4, f"{agents} again")
        app = world.app(relay, {"own": "db.corp:5432"})
        app.sender()
        until(lambda: clients.outcome(app, "blocking", "db.corp", 5432)["errno"] == "", "the agent")
        assert agent.alive()


def test_without_the_setting_no_control_channel_is_recycled():
    with World() as world:
        relay = RelayWith(world, ["db"], HYBRIDGE_RELAY_PING=f"{PING_MS}ms")
        assert "HYBRIDGE_RELAY_RECYCLE" not in relay.settings
        peer = Peer(world)
        peer.listen("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("m", url(relay, "db", CONTROL), listen_token(relay))
        peer.expect("m", "pinged", 2)
        assert "listener disconnected" not in relay.err, relay.err


def test_a_reload_cuts_nothing_and_new_keys_count_from_then_on():
    with World() as world:
        relay = RelayWith(world, ["db"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        join(peer, relay)
        old = send_token(relay)
        path = os.path.join(relay.settings["HYBRIDGE_RELAY_DIR"], "db.env")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        before, relay.rules["db"]["send"] = relay.rules["db"]["send"], new_key()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(before, relay.rules["db"]["send"]))
        relay.signal(signal.SIGHUP)
        relay.wait_log("reloaded")
        assert upgrade(world, relay, "/$hc/db", old).status == 401
        peer.tell("send", "s", text="still here")
        assert peer.expect("r", "message")["text"] == "still here"
        peer.open("t", url(relay, "db"), send_token(relay), wait="")
        assert peer.expect("l", "message", 2)
        assert not peer.events("l", "closed") and not peer.events("s", "closed")


def test_a_reload_closes_the_listeners_whose_key_was_withdrawn_and_no_others():
    with World() as world:
        relay = RelayWith(world, ["db", "other"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("other", url(relay, "other", CONTROL), listen_token(relay, "other"))
        join(peer, relay)
        path = os.path.join(relay.settings["HYBRIDGE_RELAY_DIR"], "db.env")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        before, relay.rules["db"]["listen"] = relay.rules["db"]["listen"], new_key()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(before, relay.rules["db"]["listen"]))
        relay.signal(signal.SIGHUP)
        closed = peer.expect("l", "closed")
        assert (closed["code"], "invalid signature" in closed["reason"]) == (1008, True), closed
        relay.wait_log("listener's key was withdrawn.*entity=db")
        # Its streams go on, as when its token expires; and who has the new key may listen.
        peer.tell("send", "s", text="still here")
        assert peer.expect("r", "message")["text"] == "still here"
        peer.open("m", url(relay, "db", CONTROL), listen_token(relay))
        relay.signal(signal.SIGHUP)
        until(lambda: relay.err.count("reloaded") == 2, "the second reload")
        assert upgrade(world, relay, "/$hc/db?" + CONTROL, "nonsense").status == 401
        assert not peer.events("m", "closed") and not peer.events("other", "closed")


def test_a_reload_that_fails_says_why_and_changes_nothing():
    with World() as world:
        relay = RelayWith(world, ["db"])
        path = os.path.join(relay.settings["HYBRIDGE_RELAY_DIR"], "other.env")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write("HYBRIDGE_RELAY_ENTTY=other\n")
        relay.signal(signal.SIGHUP)
        print("#", relay.wait_log("reload failed.*other.env:1"))
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        join(peer, relay)


if __name__ == "__main__":
    main()
