#!/usr/bin/env python3
"""Microsoft's listener, hyco-ws, at our relay, called by programs under the shim and others."""

import contextlib
import os
import time
import uuid

from peers import CONTROL, HERE, Peer, encode, listen_token, send_token, upgrade, url
from peers import PYTHON, World, clients, main, transfer, until

from delay import Delay

SIZES = (1, 125, 126, 127, 65535, 65536, 200_000, 10 << 20)
MANY = 100
LISTENERS_MAX = 25
BURST = 30  # refusals that are not delayed
PACE = 0.5  # seconds between the others
CROWD = 1 + BURST + int(60 / PACE)  # connections of one that was refused for a minute
OTHERS = 16  # of those who are served meanwhile
GREETING = "grüße"


@contextlib.contextmanager
def world_with_listener(then="echo"):
    """A world whose db.corp:5432 is Microsoft's listener "l"; yields it, relay, peer and app."""
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.listen("l", url(relay, "db", CONTROL), listen_token(relay), then)
        app = world.app(relay, {"db": "db.corp:5432"})
        app.sender()
        yield world, relay, peer, app


def script(name, *words):
    return [PYTHON, os.path.join(HERE, name), "db.corp", "5432", *map(str, words)]


def echoes(app, count, size):
    """Opens so many streams at once; how many gave back what was sent."""
    return app.start(script("echo_client.py", count, size)).line("right")["right"]


def test_a_token_in_the_header_lets_it_listen():
    with world_with_listener() as (_, _, _, app):
        clients.expect_echo(app, "db.corp", 5432)


def test_a_token_in_the_query_lets_it_listen():
    with World() as world:
        relay = world.relay(["db"])
        query = f"{CONTROL}&sb-hc-token={encode(listen_token(relay))}"
        peer = Peer(world)
        peer.listen("l", url(relay, "db", query), token="")
        peer.open("s", url(relay, "db"), send_token(relay))
        peer.echo("s", 10)


def test_a_token_that_microsofts_own_code_made_lets_it_listen():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        at = url(relay, "db", CONTROL)
        key = relay.rules["db"]["listen"]
        peer.tell("token", "t", url=at, rule="defaultListener", key=key)
        peer.listen("l", at, peer.expect("t", "token")["text"])
        peer.open("s", url(relay, "db"), send_token(relay))
        peer.echo("s", 10)


def test_without_an_action_it_is_a_sender_and_no_listener():
    with world_with_listener() as (world, relay, peer, _):
        peer.open("s", url(relay, "db"), send_token(relay))
        peer.echo("s", 10)
        assert upgrade(world, relay, "/$hc/db", listen_token(relay)).status == 403


def test_the_accept_message_has_its_four_fields():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("s", url(relay, "db"), send_token(relay), wait="", headers={"X-Own": "1"})
        accept = peer.accept("l")
        assert accept["address"].startswith(f"wss://localhost:{relay.port}/$hc/db?"), accept
        assert f"sb-hc-action=accept&sb-hc-id={accept['id']}" in accept["address"], accept
        assert len(accept["id"].split("_")[0]) == 36, accept["id"]
        assert accept["remoteEndpoint"]["address"] in ("127.0.0.1", "::1"), accept
        assert isinstance(accept["remoteEndpoint"]["port"], int), accept
        headers = {name.lower(): value for name, value in accept["connectHeaders"].items()}
        wanted = {"sec-websocket-key", "sec-websocket-version", "connection", "upgrade", "host"}
        assert wanted <= set(headers), headers
        assert headers["x-own"] == "1", headers
        assert "servicebusauthorization" not in headers, "a token went to the listener"


def test_every_size_comes_back_from_it_whole():
    with world_with_listener() as (_, _, _, app):
        for size in SIZES:
            assert echoes(app, 1, size) == 1, size


def test_ten_mebibytes_and_an_orderly_end_come_back_from_it():
    with world_with_listener() as (_, _, _, app):
        told = transfer.connect(app, "-s", 10 << 20).line("end")
        assert told["end"] == "eof", told
        assert told["received_hash"] == told["sent_hash"], told


def test_its_text_messages_arrive_as_bytes():
    with world_with_listener("greet") as (_, _, peer, app):
        program = app.start(script("read_client.py"))
        assert bytes.fromhex(program.line("came")["came"]).decode() == GREETING
        # What the program sends is binary.
        heard = peer.expect("l/1", "message")
        assert (heard["text"], heard["binary"]) == ("hello", True), heard


def test_a_hundred_streams_at_once_each_get_their_own_bytes_back():
    with world_with_listener() as (_, _, peer, app):
        assert echoes(app, MANY, 10_000) == MANY
        assert len(peer.events("l", "accepted")) == MANY


def test_the_programs_end_closes_its_stream_with_1000():
    with world_with_listener() as (_, _, peer, app):
        assert echoes(app, 1, 10) == 1
        assert peer.expect("l/1", "closed")["code"] == 1000


def test_its_close_is_an_end_of_file_for_the_program():
    with world_with_listener("bye") as (_, _, _, app):
        assert app.start(script("read_client.py")).line("end")["end"] == "eof"


def test_its_close_reaches_a_plain_client_with_code_and_reason():
    with world_with_listener("bye") as (_, relay, peer, _):
        peer.open("s", url(relay, "db"), send_token(relay))
        closed = peer.expect("s", "closed")
        assert (closed["code"], closed["reason"]) == (1000, "bye"), closed


def test_the_first_protocol_that_is_offered_is_agreed_on_and_none_without_an_offer():
    with world_with_listener() as (_, relay, peer, _):
        token = send_token(relay)
        told = peer.open("s", url(relay, "db"), token, protocols=["a.b", "c"])
        assert told["protocol"] == "a.b", told
        assert peer.expect("l/1", "open")["protocol"] == "a.b"
        assert peer.open("t", url(relay, "db"), token)["protocol"] == ""


def test_its_broken_answer_to_an_offered_extension_does_no_harm():
    with world_with_listener() as (_, relay, peer, _):
        told = peer.open("s", url(relay, "db"), send_token(relay), deflate=True)
        assert told["extensions"] == "", told
        peer.echo("s", 100_000)


def test_when_it_is_killed_the_program_is_reset_and_the_next_one_refused():
    with world_with_listener("wait") as (_, relay, peer, app):
        program = app.start(script("read_client.py"))
        peer.expect("l/1", "message")
        peer.kill()
        assert program.line("end")["end"] == "ECONNRESET"
        relay.wait_log("listener disconnected")
        clients.expect_verdict(app, "db.corp", 5432, "ECONNREFUSED")


def test_it_comes_back_to_a_relay_that_was_started_again():
    with world_with_listener() as (_, relay, peer, app):
        relay.stop()
        relay.again()
        peer.expect("l", "listening", 2)
        assert echoes(app, 1, 10) == 1


def test_streams_are_spread_over_two_and_go_to_the_one_that_is_left():
    with world_with_listener() as (_, relay, peer, app):
        peer.listen("m", url(relay, "db", CONTROL), listen_token(relay))
        assert echoes(app, 40, 10) == 40

        def shares():
            return [len(peer.events(name, "accepted")) for name in ("l", "m")]

        before = shares()
        assert min(before) > 0 and sum(before) == 40, before
        peer.tell("shut", "m")
        peer.expect("m", "shut")
        until(lambda: "listener disconnected" in relay.err, "the relay's notice of it")
        assert echoes(app, 10, 10) == 10
        assert shares() == [before[0] + 10, before[1]], (before, shares())


def test_one_that_is_refused_again_and_again_is_slowed_down_and_others_are_not():
    with world_with_listener() as (world, relay, peer, app):
        refused = Peer(world)
        at, bad = url(relay, "db", CONTROL), listen_token(relay, seconds=-3600)
        before = relay.descriptors()

        def refusals():
            return sum("refused" in line for line in refused.lines)

        # Each dials again at once, and for each refusal once more than before: so many that
        # begin together are as many as one of them is after a minute.
        for number in range(CROWD - BURST):
            refused.tell("listen", f"l{number}", url=at, token=bad)
        relay.wait_log("too many failures, answers are delayed")
        until(lambda: relay.descriptors() >= before + CROWD, "the crowd that waits")
        started, count = time.monotonic(), refusals()
        # The same address with a good token: at once.
        peer.listen("m", at, listen_token(relay))
        assert echoes(app, 10, 100_000) == 10
        clients.expect_echo(app, "db.corp", 5432)
        # Some answers may still have been on their way.
        until(lambda: refusals() >= count + 10, "more refusals")
        assert time.monotonic() - started > 6 * PACE, "it was not slowed down"
        assert not peer.events("l", "refused") and not peer.events("m", "refused")
        assert relay.err.count("answers are delayed") == 1, relay.err
        # Each answer brought two more attempts, and that was all.
        more = relay.descriptors() - before - CROWD
        assert more <= refusals() - count + OTHERS, f"{more} connections more than the crowd"
        refused.kill()
        until(lambda: relay.descriptors() <= before + OTHERS, "the end of what waited")


class Gate(Delay):
    """Hangs up on so many callers, then lets everybody through to a relay."""

    def __init__(self, port, refusals):
        super().__init__(port, 0)
        self.refusals = refusals

    async def _serve(self, client_reader, client_writer):
        if self.connections < self.refusals:
            self.connections += 1
            self.flights.append("")
            client_writer.transport.abort()
            return
        await super()._serve(client_reader, client_writer)


def test_its_crowd_of_control_channels_after_thirty_refusals_leaves_a_place_for_others():
    with World() as world:
        relay = world.relay(["db"])
        gate = world.background(Gate(relay.port, 30))
        peer, others = Peer(world), Peer(world)
        address = url(relay, "db", CONTROL).replace(str(relay.port), str(gate.port))
        peer.tell("listen", "l", url=address, token=listen_token(relay))
        peer.expect("l", "listening", LISTENERS_MAX)
        relay.wait_log("too many listeners")
        # One that says who it is takes the place of one of the crowd.
        guid = str(uuid.uuid4())
        own = f"{CONTROL}&sb-hc-id={guid}"
        others.open("m", url(relay, "db", own), listen_token(relay))
        relay.wait_log("listener disconnected.*code=1008.*another client needs the place")
        headers = {"Microsoft-Relay-AllowedListeners": guid}
        peer.open("s", url(relay, "db"), send_token(relay), wait="", headers=headers)
        others.open("r", others.accept("m")["address"])
        peer.expect("s", "open")
        # The crowd works on.
        headers = {"Microsoft-Relay-DisallowedListeners": guid}
        peer.open("t", url(relay, "db"), send_token(relay), headers=headers)
        peer.echo("t", 100_000)
        assert not others.events("m", "closed")


if __name__ == "__main__":
    main()
