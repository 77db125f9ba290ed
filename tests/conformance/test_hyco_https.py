#!/usr/bin/env python3
"""Microsoft's HTTP listener, hyco-https, at our relay: what it can do without HTTP requests."""

import contextlib

from peers import CONTROL, Peer, World, listen_token, main, new_key, request, send_token, upgrade, url


@contextlib.contextmanager
def world_with_server():
    """A world whose "db" is the HTTP listener "h"."""
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        peer.tell("serve", "h", url=url(relay, "db", CONTROL), token=listen_token(relay))
        peer.expect("h", "listening")
        yield world, relay, peer


def test_it_listens_and_is_told_by_the_management_request():
    with world_with_server() as (world, relay, _):
        headers = {"Authorization": listen_token(relay)}
        answer = request(world, relay, "/db?api-version=2016-07", headers)
        assert b"<ListenerCount>1</ListenerCount>" in answer.body, answer.body


def test_a_request_for_it_is_501_and_it_goes_on_listening():
    with world_with_server() as (world, relay, peer):
        for method in ("GET", "POST"):
            headers = {"ServiceBusAuthorization": send_token(relay)}
            answer = request(world, relay, "/db/path?x=1", headers, method)
            words = "This relay does not relay HTTP requests"
            assert (answer.status, words in answer.reason) == (501, True), answer
        assert not peer.events("h", "request")
        headers = {"Authorization": listen_token(relay)}
        answer = request(world, relay, "/db?api-version=2016-07", headers)
        assert b"<ListenerCount>1</ListenerCount>" in answer.body, answer.body


def test_a_stream_for_it_crashes_it_and_the_sender_is_told_in_time():
    with world_with_server() as (world, relay, peer):
        answer = upgrade(world, relay, "/$hc/db", send_token(relay))
        assert answer.status == 404, answer
        assert peer.wait() != 0
        relay.wait_log("listener disconnected")
        words = "There are no listeners connected for the endpoint"
        assert words in upgrade(world, relay, "/$hc/db", send_token(relay)).reason


def test_a_wrong_key_is_refused_and_it_comes_back_by_its_own_clock():
    with World() as world:
        relay = world.relay(["db"])
        peer = Peer(world)
        good = relay.rules["db"]["listen"]
        relay.rules["db"]["listen"] = new_key()
        token = listen_token(relay)
        relay.rules["db"]["listen"] = good
        peer.tell("serve", "h", url=url(relay, "db", CONTROL), token=token)
        assert "401" in peer.expect("h", "refused", 2)["text"]


if __name__ == "__main__":
    main()
