#!/usr/bin/env python3
"""What the protocol says about addresses, refusals, limits and ends, case by case."""

import contextlib
import json
import os
import re
import signal
import time
import urllib.parse
from xml.etree import ElementTree

from peers import CONTROL, HANDSHAKE, Peer, RelayWith, World, listen_token, main, raw_request
from peers import request, send_token, servers, target_of, until, upgrade, url

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
LISTENERS_MAX = 25
ATOM = "http://www.w3.org/2005/Atom"
SERVICE_BUS = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"

# How long after its expiry a token is still taken: 5 min, less what a test needs.
SKEW = 300


@contextlib.contextmanager
def world_with_relay(**settings):
    with World() as world:
        yield world, RelayWith(world, ["db"], **settings), Peer(world)


@contextlib.contextmanager
def world_with_listener(**settings):
    """A plain listener "l" and a plain sender "s" that waits for it; yields the accept message."""
    with world_with_relay(**settings) as (world, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("s", url(relay, "db"), send_token(relay), wait="")
        yield world, relay, peer, peer.accept("l")


def test_an_unknown_entity_is_404_endpoint_does_not_exist():
    with world_with_relay() as (world, relay, _):
        for query in ("", "?" + CONTROL):
            answer = upgrade(world, relay, "/$hc/other" + query, send_token(relay))
            assert answer.status == 404, answer
            assert answer.reason.startswith("Endpoint does not exist. TrackingId:"), answer


def test_a_rendezvous_address_is_good_once_and_a_made_up_one_never():
    with world_with_listener() as (world, relay, peer, accept):
        address = accept["address"]
        made_up = address[:-1] + ("0" if address[-1] != "0" else "1")
        assert upgrade(world, relay, target_of(made_up)).status == 403
        assert upgrade(world, relay, "/$hc/db?sb-hc-action=accept&sb-hc-id=" + GUID).status == 403
        peer.open("r", address)
        peer.expect("s", "open")
        assert upgrade(world, relay, target_of(address)).status == 403
        no = "&sb-hc-statusCode=403&sb-hc-statusDescription=Nope"
        assert upgrade(world, relay, target_of(address) + no).status == 403
        peer.tell("send", "r", text="still here")
        assert peer.expect("s", "message")["text"] == "still here"


def test_when_the_listener_that_was_asked_leaves_another_one_is_asked_at_once():
    with world_with_listener() as (_, relay, peer, accept):
        peer.open("m", url(relay, "db", CONTROL), listen_token(relay))
        peer.tell("drop", "l")
        # One that stays and does nothing would be given 10 s.
        other = peer.accept("m", seconds=8)
        assert other["address"] != accept["address"]
        assert other["id"] == accept["id"]
        peer.open("r", other["address"])
        peer.expect("s", "open")


def test_listeners_that_leave_one_after_the_other_do_not_cost_the_sender_the_one_that_stays():
    """Agents that are restarted in turn: two of three leave with the sender's invitation."""
    with world_with_listener() as (_, relay, peer, accept):
        addresses = {accept["address"]}
        for name in ("m", "n", "o"):
            peer.open(name, url(relay, "db", CONTROL), listen_token(relay))
        # Whoever is asked leaves, until one is left.
        left, asked = ["m", "n", "o"], "l"
        while left:
            peer.tell("drop", asked)
            until(lambda: any(peer.events(name, "message") for name in left), "another one is asked")
            asked = next(name for name in left if peer.events(name, "message"))
            left.remove(asked)
            addresses.add(peer.accept(asked)["address"])
        assert len(addresses) == 4, addresses
        peer.open("r", peer.accept(asked)["address"])
        peer.expect("s", "open")


def test_a_sender_that_goes_away_takes_the_address_with_it():
    with world_with_listener(HYBRIDGE_LOG_LEVEL="debug") as (world, relay, peer, accept):
        held = relay.descriptors()
        peer.tell("drop", "s")
        peer.expect("s", "closed")
        relay.wait_log("sender left")
        until(lambda: relay.descriptors() < held, "its descriptor given back")
        assert upgrade(world, relay, target_of(accept["address"])).status == 403


def test_the_upgrade_is_not_answered_before_the_listener_has():
    with world_with_listener() as (_, _, peer, accept):
        assert not peer.events("s", "open") and not peer.events("s", "refused")
        peer.open("r", accept["address"])
        peer.expect("s", "open")


def test_text_and_binary_stay_what_they_are_both_ways():
    with world_with_listener() as (_, _, peer, accept):
        peer.open("r", accept["address"])
        peer.expect("s", "open")
        for one, other in (("r", "s"), ("s", "r")):
            peer.tell("send", one, text="grüße")
            heard = peer.expect(other, "message")
            assert (heard["text"], heard["binary"]) == ("grüße", False), heard
            peer.tell("send", one, size=10)
            assert peer.expect(other, "message", 2)["binary"]


def test_close_codes_and_reasons_go_through():
    for code in (1000, 1001, 1008, 1011, 3000, 4999):
        with world_with_listener() as (_, _, peer, accept):
            peer.open("r", accept["address"])
            peer.expect("s", "open")
            peer.tell("close", "r", code=code, reason=f"why {code}")
            closed = peer.expect("s", "closed")
            assert (closed["code"], closed["reason"]) == (code, f"why {code}"), closed


def rejected(query):
    """What a sender and the rejecting listener are answered."""
    with world_with_listener() as (world, relay, peer, accept):
        answer = upgrade(world, relay, target_of(accept["address"]) + query)
        return peer.expect("s", "refused"), answer


def test_a_rejection_is_410_for_the_listener_and_its_words_for_the_sender():
    seen, answer = rejected("&sb-hc-statusCode=403&sb-hc-statusDescription=Not+for%20you")
    assert (seen["status"], seen["reason"]) == (403, "Not for you"), seen
    assert answer.status == 410, answer


def test_a_rejection_without_words_has_the_standard_phrase():
    for query in ("&sb-hc-statusCode=401", "&sb-hc-statusCode=401&sb-hc-statusDescription="):
        seen, _ = rejected(query)
        assert (seen["status"], seen["reason"]) == (401, "Unauthorized"), seen


def test_a_rejection_cannot_put_lines_into_the_answer():
    text = "no%0D%0AX-Own:%201%0D%0A%0D%0A%22quoted%22%7F%C3%BC"
    seen, _ = rejected("&sb-hc-statusCode=400&sb-hc-statusDescription=" + text)
    assert (seen["status"], seen["reason"]) == (400, 'noX-Own: 1"quoted"'), seen
    assert "x-own" not in seen["headers"], seen


def test_a_rejection_with_an_impossible_status_is_502():
    for status in ("99", "1000", "abc", "200", "101", "-401", ""):
        seen, answer = rejected(f"&sb-hc-statusCode={status}&sb-hc-statusDescription=x")
        assert (seen["status"], seen["reason"], answer.status) == (502, "x", 410), (status, seen)


def test_without_an_upgrade_header_it_is_400():
    with world_with_relay() as (world, relay, _):
        words = "This endpoint is only for web-socket requests"
        for method in ("GET", "POST"):
            answer = request(world, relay, "/$hc/db", method=method)
            assert (answer.status, words in answer.reason) == (400, True), answer


def test_another_version_of_websocket_is_refused():
    with world_with_relay() as (world, relay, _):
        answer = upgrade(world, relay, "/$hc/db", headers={"Sec-WebSocket-Version": "8"})
        assert answer.status == 426, answer
        assert answer.headers["Sec-WebSocket-Version"] == "13", answer.headers


def test_an_unknown_action_is_400():
    with world_with_relay() as (world, relay, _):
        target = "/$hc/db?sb-hc-action=dance"
        assert upgrade(world, relay, target, send_token(relay)).status == 400


def test_every_spelling_of_the_address_is_understood():
    with world_with_relay() as (world, relay, _):
        for target in (
            "/%24hc/db?sb-hc-action=listen",
            "/$HC/db?sb-hc-action=listen",
            "/$hc/DB?sb-hc-action=listen",
            "/$hc/db?SB-HC-ACTION=LISTEN",
            "//$hc/db?sb-hc-action=listen",
            "/$hc//db?sb-hc-action=listen",
            "/$hc/db/?sb-hc-action=listen",
            "/$hc/db?a=1&&sb-hc-action=listen&b",
        ):
            answer = upgrade(world, relay, target, listen_token(relay))
            assert answer.status == 101, f"{target}: {answer}"


def test_the_senders_id_is_in_the_tracking_id_and_in_the_streams_id():
    with world_with_relay() as (world, relay, peer):
        target = f"/$hc/db?sb-hc-id={GUID}"
        answer = upgrade(world, relay, target, send_token(relay))
        assert f"TrackingId:{GUID}_G" in answer.reason, answer
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("s", url(relay, "db", f"sb-hc-id={GUID}"), send_token(relay), wait="")
        assert peer.accept("l")["id"].startswith(GUID + "_G")


def test_the_26th_listener_is_403():
    with world_with_relay() as (world, relay, peer):
        token = listen_token(relay)
        for number in range(LISTENERS_MAX):
            peer.open(f"l{number}", url(relay, "db", CONTROL), token)
        answer = upgrade(world, relay, "/$hc/db?" + CONTROL, token)
        assert (answer.status, "MaximumListenersPerEndpoint" in answer.reason) == (403, True)
        peer.tell("close", "l0", code=1000)
        peer.expect("l0", "closed")
        peer.open("again", url(relay, "db", CONTROL), token)


def renew(peer, name, token):
    peer.tell("send", name, text=json.dumps({"renewToken": {"token": token}}))


def test_a_good_renewal_outlives_the_old_token_and_without_one_it_is_1008():
    with world_with_relay() as (_, relay, peer):
        at = url(relay, "db", CONTROL)
        # A token that expired almost as long ago as is tolerated: it has seconds left.
        old = listen_token(relay, seconds=4 - SKEW)
        peer.open("renewing", at, old)
        peer.open("silent", at, old)
        renew(peer, "renewing", listen_token(relay))
        closed = peer.expect("silent", "closed")
        assert (closed["code"], "xpired" in closed["reason"]) == (1008, True), closed
        peer.open("s", url(relay, "db"), send_token(relay), wait="")
        assert peer.accept("renewing")["id"]
        assert not peer.events("renewing", "closed")


def test_a_stream_survives_the_expiry_of_the_listeners_token():
    with world_with_relay() as (_, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay, seconds=3 - SKEW))
        peer.open("s", url(relay, "db"), send_token(relay), wait="")
        peer.open("r", peer.accept("l")["address"])
        peer.expect("s", "open")
        assert peer.expect("l", "closed")["code"] == 1008
        peer.tell("send", "s", text="still here")
        assert peer.expect("r", "message")["text"] == "still here"


def test_a_bad_renewal_is_1008():
    with world_with_relay() as (_, relay, peer):
        tokens = {
            "expired": listen_token(relay, seconds=-3600),
            "send": send_token(relay),
            "nonsense": "SharedAccessSignature nonsense",
            "forged": listen_token(relay).replace("sig=", "sig=A"),
        }
        for name, token in tokens.items():
            peer.open(name, url(relay, "db", CONTROL), listen_token(relay))
            renew(peer, name, token)
            assert peer.expect(name, "closed")["code"] == 1008, name


def test_what_a_listener_says_that_nobody_knows_is_ignored():
    with world_with_relay() as (_, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        for text in (
            '{"dance": {"with": "me"}}',
            '{"injectFault": {"delay": 1}}',
            "{}",
            "[1]",
            '{"renewToken": ',
            "no JSON at all",
            '{"response": {"requestId": "x", "statusCode": 200}}',
        ):
            peer.tell("send", "l", text=text)
        peer.tell("send", "l", size=1000)
        renew(peer, "l", listen_token(relay))
        peer.open("s", url(relay, "db"), send_token(relay), wait="")
        peer.open("r", peer.accept("l")["address"])
        assert not peer.events("l", "closed")


def test_a_control_message_of_a_mebibyte_is_1009():
    with world_with_relay() as (_, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.tell("send", "l", text=json.dumps({"renewToken": {"token": "x" * (1 << 20)}}))
        assert peer.expect("l", "closed")["code"] == 1009


def test_headers_that_would_make_too_large_an_accept_message_are_431():
    with world_with_relay() as (_, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        # JSON doubles each quote, and Microsoft's listeners take no more than 64 KiB.
        headers = {f"X-{number}": '"' * 8000 for number in range(3)}
        peer.open("s", url(relay, "db"), send_token(relay), wait="", headers=headers)
        connect_headers = peer.accept("l")["connectHeaders"]
        assert headers.items() <= connect_headers.items(), sorted(connect_headers)
        for size in (8000, 20_000):
            more = {**headers, "X-More": '"' * size}
            at = url(relay, "db")
            refused = peer.open(f"s{size}", at, send_token(relay), wait="refused", headers=more)
            assert refused["status"] == 431, refused
        assert len(peer.events("l", "message")) == 1


def test_a_sender_may_say_which_listeners_it_wants_and_which_not():
    with world_with_relay() as (_, relay, peer):
        other = GUID.replace("0f8f", "1f8f")
        for name, guid in (("l", GUID), ("m", other)):
            at = url(relay, "db", f"{CONTROL}&sb-hc-id={guid}")
            peer.open(name, at, listen_token(relay))
        allowed, disallowed = (f"Microsoft-Relay-{word}Listeners" for word in ("Allowed", "Disallowed"))
        for number in range(10):
            headers = [{allowed: f"x, {GUID.upper()}"}, {disallowed: other}][number % 2]
            at = url(relay, "db")
            peer.open(f"s{number}", at, send_token(relay), wait="", headers=headers)
            assert peer.expect("l", "message", number + 1)
        assert not peer.events("m", "message")
        headers = {allowed: GUID, disallowed: GUID}
        refused = peer.open("n", url(relay, "db"), send_token(relay), wait="refused", headers=headers)
        words = "None of the connected listeners meet the AllowedListeners/DisallowedListeners criteria"
        assert (refused["status"], words in refused["reason"]) == (404, True), refused


def test_a_sender_may_ask_for_one_of_our_agents_by_the_id_in_its_log():
    with World() as world, servers.echo() as target:
        relay = RelayWith(world, ["db"])
        peer = Peer(world)
        agents = [world.agent(relay, {"db": target.at}) for _ in range(2)]
        for number in range(6):
            wanted, other = agents[:: 1 if number % 2 else -1]
            line = wanted.wait_log("control channel up")
            guid = re.search(r"\bid=(\S+)", line).group(1)
            opened = [agent.err.count("session opened") for agent in (wanted, other)]
            headers = {"Microsoft-Relay-AllowedListeners": guid}
            peer.open(f"s{number}", url(relay, "db"), send_token(relay), headers=headers)
            until(lambda: wanted.err.count("session opened") > opened[0], "the stream")
            assert other.err.count("session opened") == opened[1], other.err


def test_a_header_that_is_there_twice_where_it_must_not_be_is_400():
    with world_with_relay(HYBRIDGE_LOG_LEVEL="debug") as (world, relay, _):
        for name in ("Host", "Sec-WebSocket-Key", "ServiceBusAuthorization"):
            both = "".join(f"{name}: {value}\r\n" for value in ("localhost", "other"))
            text = f"GET /$hc/db HTTP/1.1\r\n{both}" + "".join(
                f"{key}: {value}\r\n" for key, value in HANDSHAKE.items() if key != name
            )
            answer = raw_request(world, relay, text.encode() + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 400 A header that may stand there once"), answer
            relay.wait_log("request refused.*status=400")


def test_a_path_that_is_badly_encoded_is_400():
    with world_with_relay() as (world, relay, _):
        for path in ("/$hc/db/%zz", "/$hc/db%", "/$hc/db/%00"):
            answer = upgrade(world, relay, f"{path}?{CONTROL}", listen_token(relay))
            assert (answer.status, "percent-encoded" in answer.reason) == (400, True), answer


def open_both(relay, peer, entity):
    """A listener of a hybrid connection, and a stream."""
    names = [f"{entity}-{end}" for end in ("listener", "sender", "far")]
    peer.open(names[0], url(relay, entity, CONTROL), listen_token(relay, entity))
    peer.open(names[1], url(relay, entity), send_token(relay, entity), wait="")
    peer.open(names[2], peer.accept(names[0])["address"])
    peer.expect(names[1], "open")
    return names


def test_a_hybrid_connection_that_is_removed_closes_its_listeners_and_breaks_its_streams():
    with World() as world:
        relay, peer = RelayWith(world, ["db", "other"]), Peer(world)
        listener, sender, far = open_both(relay, peer, "db")
        others = open_both(relay, peer, "other")
        os.unlink(os.path.join(relay.settings["HYBRIDGE_RELAY_DIR"], "db.env"))
        relay.signal(signal.SIGHUP)
        assert peer.expect(listener, "closed")["code"] == 1001
        # Without a Close, which some take for an end in good order.
        assert [peer.expect(one, "closed")["code"] for one in (sender, far)] == [1006, 1006]
        answer = upgrade(world, relay, "/$hc/db?" + CONTROL, listen_token(relay))
        assert (answer.status, "Endpoint does not exist" in answer.reason) == (404, True), answer
        peer.tell("send", others[1], text="still here")
        assert peer.expect(others[2], "message")["text"] == "still here"
        assert not any(peer.events(one, "closed") for one in others)


def test_a_sender_that_waits_at_a_hybrid_connection_that_is_removed_gets_404():
    with world_with_relay() as (world, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        peer.open("s", url(relay, "db"), send_token(relay), wait="")
        address = peer.accept("l")["address"]
        os.unlink(os.path.join(relay.settings["HYBRIDGE_RELAY_DIR"], "db.env"))
        relay.signal(signal.SIGHUP)
        refused = peer.expect("s", "refused")
        told = (refused["status"], "Endpoint does not exist" in refused["reason"])
        assert told == (404, True), refused
        # The listener was invited, and must find the door shut.
        assert upgrade(world, relay, target_of(address)).status == 403


def test_more_streams_than_are_allowed_are_503_until_one_has_ended():
    with world_with_relay(HYBRIDGE_RELAY_MAX_STREAMS="2") as (world, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        for name in ("s", "t"):
            peer.open(name, url(relay, "db"), send_token(relay), wait="")
            peer.expect("l", "message", 1 + (name == "t"))
        # One that is joined and one that waits: both count.
        peer.open("r", peer.accept("l")["address"])
        peer.expect("s", "open")
        answer = upgrade(world, relay, "/$hc/db", send_token(relay))
        assert (answer.status, "too many streams" in answer.reason) == (503, True), answer
        assert int(answer.headers["Retry-After"]) > 0, answer.headers
        peer.tell("close", "s", code=1000)
        relay.wait_log("session closed")
        peer.open("u", url(relay, "db"), send_token(relay), wait="")
        peer.accept("l", 3)


def test_a_rendezvous_address_may_come_back_written_in_another_way():
    # Some clients take a query apart and write it anew.
    with world_with_relay() as (world, relay, peer):
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        for number, more in enumerate(({}, {"sb-hc-statusCode": 403, "sb-hc-statusDescription": "No"})):
            at = url(relay, "db", "x=%2Fa+b", "/a%20b")
            peer.open(f"s{number}", at, send_token(relay), wait="")
            target = target_of(peer.accept("l", number + 1)["address"])
            path, _, query = target.partition("?")
            pairs = urllib.parse.parse_qsl(query) + list(more.items())
            again = path.replace("$", "%24") + "?" + urllib.parse.urlencode(pairs[::-1])
            answer = upgrade(world, relay, again)
            assert answer.status == (410 if more else 101), answer
            seen = peer.expect(f"s{number}", "refused" if more else "open")
            assert not more or (seen["status"], seen["reason"]) == (403, "No"), seen


def test_a_relay_that_drains_sends_listeners_1001_and_lets_streams_end():
    with world_with_listener() as (_, relay, peer, accept):
        peer.open("r", accept["address"])
        peer.expect("s", "open")
        # One that still waits is told.
        peer.open("t", url(relay, "db"), send_token(relay), wait="")
        peer.accept("l", 2)
        relay.popen.terminate()
        assert peer.expect("l", "closed")["code"] == 1001
        assert peer.expect("t", "refused")["status"] == 503
        peer.tell("send", "s", text="still here")
        assert peer.expect("r", "message")["text"] == "still here"
        started = time.monotonic()
        peer.tell("close", "s", code=1000)
        assert peer.expect("r", "closed")["code"] == 1000
        assert relay.wait() == 0
        assert time.monotonic() - started < 5, "it waited for nothing"


def test_the_hybrid_connection_manager_is_told_what_it_asks_for():
    endpoint = '[{"key":"endpoint","value":"db.corp:5432"},{"key":"x","value":"a<b&c"}]'
    with World() as world:
        relay = RelayWith(world, ["db"], {"db": {"HYBRIDGE_RELAY_USER_METADATA": endpoint}})
        peer = Peer(world)
        assert request(world, relay, "/").status == 200
        peer.open("l", url(relay, "db", CONTROL), listen_token(relay))
        target = "/db?api-version=2016-07"
        headers = {"Authorization": listen_token(relay), "X-PROCESS-AT": "ServiceBus"}
        answer = request(world, relay, target, headers)
        assert answer.status == 200, answer
        assert answer.headers["Content-Type"].startswith("application/atom+xml;type=entry"), answer
        content = ElementTree.fromstring(answer.body).find(f"{{{ATOM}}}content")[0]
        told = [(child.tag.rpartition("}")[2], child.text) for child in content]
        assert content.tag == f"{{{SERVICE_BUS}}}HybridConnectionDescription", answer.body
        # .NET's serializer wants this order.
        assert told == [
            ("RequiresClientAuthorization", "true"),
            ("UserMetadata", endpoint),
            ("ListenerCount", "1"),
        ], told


def test_the_management_request_is_refused_in_xml():
    with world_with_relay() as (world, relay, _):
        for target, status in (("/db?api-version=2016-07", 401), ("/no?api-version=2016-07", 404)):
            answer = request(world, relay, target)
            assert answer.status == status, answer
            assert answer.headers["Content-Type"].startswith("application/xml"), answer.headers
            error = ElementTree.fromstring(answer.body)
            assert [child.tag for child in error] == ["Code", "Detail"], answer.body
            assert (error[0].text, "TrackingId:" in error[1].text) == (str(status), True)


if __name__ == "__main__":
    main()
