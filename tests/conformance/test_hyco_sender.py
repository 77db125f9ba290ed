#!/usr/bin/env python3
"""Microsoft's sender, hyco-ws, at our relay, with our agent and real targets behind it."""

import contextlib
import re
import signal
import time

from peers import CONTROL, Peer, RelayWith, encode, listen_token, send_token, target_of
from peers import SLOWNESS, World, main, servers, transfer, until, upgrade, url

KIB, MIB = 1 << 10, 1 << 20
MESSAGES = 64  # of a MiB each
SUFFIX, QUERY = "/orders/7%20a", "x=1&y=%2B&sb-hc-id=1"


@contextlib.contextmanager
def world_with_agent(target):
    """A world whose "db" is our agent's, with that target; yields it, relay and peer."""
    with World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target})
        yield world, relay, Peer(world)


def failure(peer, name, address, token):
    """Microsoft's sender must fail; its words."""
    peer.tell("connect", name, url=address, token=token)
    return peer.expect(name, "failed")["text"]


def test_a_token_in_the_header_or_in_the_query_connects():
    with servers.echo() as target, world_with_agent(target.at) as (_, relay, peer):
        token = send_token(relay)
        peer.connect("s", url(relay, "db", "sb-hc-action=connect"), token)
        peer.echo("s", 10 * MIB)
        peer.connect("t", url(relay, "db", f"sb-hc-action=connect&sb-hc-token={encode(token)}"))
        peer.echo("t", 200_000)


def test_without_a_token_it_connects_only_where_senders_need_none():
    with servers.echo() as target, World() as world:
        relay = RelayWith(world, ["db", "open"], {"open": {"HYBRIDGE_RELAY_OPEN_SENDERS": "yes"}})
        world.agent(relay, {"db": target.at, "open": target.at})
        peer = Peer(world)
        peer.connect("s", url(relay, "open"))
        peer.echo("s", 1000)
        assert "401" in failure(peer, "t", url(relay, "db"), None)


def test_a_target_that_refuses_fails_the_upgrade_with_502_and_the_reason():
    with servers.refusing() as at, world_with_agent(at) as (world, relay, peer):
        assert "502" in failure(peer, "s", url(relay, "db"), send_token(relay))
        answer = upgrade(world, relay, "/$hc/db", send_token(relay))
        assert (answer.status, answer.reason[:21]) == (502, "hybridge ECONNREFUSED"), answer


def test_a_listeners_own_refusal_reaches_it():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.tell("connect", "s", url=url(relay, "db"), token=send_token(relay))
        target = target_of(peer.accept("l")["address"])
        no = "&sb-hc-statusCode=403&sb-hc-statusDescription=Nope"
        assert upgrade(world, relay, target + no).status == 410
        assert "403" in peer.expect("s", "failed")["text"]


def test_no_agent_is_404():
    with World() as world:
        relay = world.relay(["db"])
        assert "404" in failure(Peer(world), "s", url(relay, "db"), send_token(relay))
        answer = upgrade(world, relay, "/$hc/db", send_token(relay))
        words = "There are no listeners connected for the endpoint"
        assert (answer.status, words in answer.reason) == (404, True), answer


def test_listeners_that_do_nothing_are_both_asked_then_it_is_404_and_their_addresses_end():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("s", url(relay, "db"), send_token(relay), wait="")
        addresses = [peer.accept("l")["address"]]
        peer.open("m", url(relay, "db", CONTROL), listen_token(relay))
        addresses.append(peer.accept("m")["address"])
        seen = peer.expect("s", "refused", seconds=32 * SLOWNESS)
        words = "None of the connected listeners accepted the connection within the allowed timeout"
        assert (seen["status"], words in seen["reason"]) == (404, True), seen
        for address in addresses:
            assert upgrade(world, relay, target_of(address)).status == 403


def test_the_suffix_and_the_query_reach_the_listener_without_what_is_the_relays():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        token = send_token(relay)
        address = url(relay, "db", f"{QUERY}&sb-hc-token={encode(token)}", SUFFIX)
        peer.tell("connect", "s", url=address, token=None)
        target = target_of(peer.accept("l")["address"])
        path, _, query = target.partition("?")
        assert path == "/$hc/db" + SUFFIX, target
        assert query.startswith("x=1&y=%2B&sb-hc-action=accept&sb-hc-id="), target
        assert "token" not in query.lower(), "a token went to the listener"


def test_the_suffix_and_the_query_reach_our_agents_debug_log_and_are_no_hindrance():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        agent = world.agent(relay, {"db": target.at}, HYBRIDGE_LOG_LEVEL="debug")
        peer = Peer(world)
        query = f"{QUERY}&sb-hc-token={encode(send_token(relay))}"
        peer.connect("s", url(relay, "db", query, SUFFIX))
        peer.echo("s", 1000)
        line = agent.wait_log("stream asked for")
        session = re.search(r"session=(\S+)", line).group(1)
        agent.wait_log(f"session opened.*session={session}")
        assert f" path=/$hc/db{SUFFIX} " in line and line.endswith(' query="x=1&y=%2B"'), line
        assert "sb-hc" not in agent.err and "SharedAccessSignature" not in agent.err, agent.err


def test_a_target_that_does_not_read_stops_it_and_nothing_grows():
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world, "-a")
        agent = world.agent(relay, {"db": target.at})
        peer = Peer(world)
        peer.connect("s", url(relay, "db"), send_token(relay))
        before = [resident_kib(one.pid) for one in (relay, agent)]
        target.signal(signal.SIGSTOP)
        for _ in range(MESSAGES):
            peer.tell("send", "s", size=MIB)
        sent = stalled(lambda: len(peer.events("s", "sent")))
        assert 0 < sent < MESSAGES, f"{sent} MiB were taken for a target that reads none"
        grown = [resident_kib(one.pid) - old for one, old in zip((relay, agent), before)]
        # A sanitizer keeps what was freed: then it is not ours to measure.
        assert SLOWNESS > 1 or max(grown) < 8 * KIB, f"grew by {grown} KiB"
        target.signal(signal.SIGCONT)
        peer.expect("s", "sent", MESSAGES)
        peer.tell("close", "s", code=1000)
        told = target.line("end")
        assert (told["end"], told["received"]) == ("eof", MESSAGES * MIB), told


def stalled(count):
    """What count() gives once it has not changed for half a second."""
    last = [count(), time.monotonic()]

    def is_still():
        if count() != last[0]:
            last[:] = [count(), time.monotonic()]
        return time.monotonic() - last[1] > 0.5

    until(lambda: count() > 0, "a first message")
    until(is_still, "a stall")
    return last[0]


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def test_the_targets_end_is_a_close_with_1000_behind_its_last_byte():
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world, "-s", 10 * MIB)
        world.agent(relay, {"db": target.at})
        peer = Peer(world)
        peer.connect("s", url(relay, "db"), send_token(relay))
        assert peer.expect("s", "closed")["code"] == 1000
        assert peer.total("s") == 10 * MIB
        assert target.line("end")["end"] == "eof"


def test_a_target_that_resets_is_no_orderly_close():
    with World() as world:
        relay = world.relay(["db"])
        target = transfer.listen(world, "-a", "-r", 5)
        world.agent(relay, {"db": target.at})
        peer = Peer(world)
        peer.connect("s", url(relay, "db"), send_token(relay))
        peer.tell("send", "s", text="hello")
        assert peer.expect("s", "closed")["code"] == 1006


if __name__ == "__main__":
    main()
