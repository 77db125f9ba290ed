#!/usr/bin/env python3
"""Our agent where the relay is Azure's, which is less friendly than ours: see azure_relay.py."""

import contextlib
import json
import socket
import uuid

import azure_relay
import servers
from azure_relay import Azure
from azure_ws import (
    BINARY,
    CONTINUATION,
    GOING_AWAY,
    INTERNAL,
    NORMAL,
    PING,
    POLICY,
    PONG,
    TEXT,
    WebSocket,
)
from harness import SLOWNESS, World, main, tap, until

KIB = 1 << 10


@contextlib.contextmanager
def world_with_agent(target=None, **keys):
    """Yields world, relay, agent and control channel of an agent that listens."""
    with contextlib.ExitStack() as stack:
        target = target or stack.enter_context(servers.echo()).at
        world = stack.enter_context(World())
        azure = stack.enter_context(Azure(world))
        agent = azure.agent(target, **keys)
        yield world, azure, agent, azure.listen()


@contextlib.contextmanager
def target_by_hand():
    """A listening socket whose part the test plays."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20 * SLOWNESS)
        yield listener


def expect_echo(stream, data=b"hello", opcode=BINARY, **how):
    stream.send(opcode, data, **how)
    assert stream.read_data(len(data)) == data


def test_the_listen_request_has_the_token_in_its_header_and_an_id_of_its_own():
    with World() as world, Azure(world) as azure:
        azure.agent(("127.0.0.1", 9))
        request = azure.next("listen")
        assert request.path == "/$hc/db", request.target
        token = request.headers["servicebusauthorization"]
        assert token.startswith("SharedAccessSignature sr=http%3A%2F%2Flocalhost%2Fdb&sig="), token
        assert "sb-hc-token" not in request.query and len(request.query["sb-hc-id"]) == 36
        assert request.headers["relay-user-agent"].startswith("hybridge-agent/")
        assert "sec-websocket-extensions" not in request.headers


def test_slashes_escaped_in_either_way_are_understood():
    with world_with_agent() as (_, azure, _, control):
        for slash in ("/", "\\/", "\\u002f", "\\u002F"):
            session = azure.offer(control, slash=slash)
            request = azure.next("accept")
            assert request.query["sb-hc-id"] == session, request.target
            expect_echo(request.upgrade())


def test_the_address_is_used_as_it_is_and_never_with_a_token():
    with world_with_agent() as (_, azure, _, control):
        session = "ca496b91-f5a3-4761-8eda-9a66dd9a2558_G17_G30"
        address = azure.address(session, suffix="/a%20b//c", query="x=%2f&y&z=+&")
        azure.offer(control, address)
        request = azure.next("accept")
        assert request.target == address[address.index("/$hc") :], request.target
        assert request.headers["host"] == f"localhost:{azure.port}"
        assert not {"servicebusauthorization", "authorization"} & set(request.headers)


def test_another_gateway_is_dialled_for_each_stream_and_checked_anew():
    with world_with_agent() as (world, azure, agent, control), contextlib.ExitStack() as stack:
        gateways = []
        for at in (azure_relay.free_loopback(), azure_relay.free_loopback()):
            own = world.authority.make(at, f"IP:{at}")
            gateways.append(stack.enter_context(Azure(world, (at, 0), own, at)))
        for gateway in gateways:
            gateway.offer(control)
            expect_echo(gateway.next("accept").upgrade())
        # The namespace's own certificate is not this gateway's.
        at = azure_relay.free_loopback()
        wrong = stack.enter_context(Azure(world, (at, 0), None, at))
        wrong.offer(control)
        print("#", agent.wait_log(rf"rendezvous not reached.*certificate of {at}"))
        assert wrong.count("accept") == 0
        # Nobody else minds.
        azure.offer(control)
        expect_echo(azure.next("accept").upgrade())


def test_an_address_without_a_port_means_443():
    at = azure_relay.free_loopback()
    with world_with_agent() as (world, _, _, control):
        try:
            gateway = Azure(world, (at, 443), world.authority.make(at, f"IP:{at}"), at)
        except PermissionError:
            tap.skip("an ordinary user may not listen on port 443")
        with gateway:
            gateway.offer(control, gateway.address("x_G1", port=0))
            request = gateway.next("accept")
            assert request.headers["host"] == at, request.headers
            expect_echo(request.upgrade())


def test_unknown_keys_and_unknown_messages_change_nothing():
    with world_with_agent() as (_, azure, _, control):
        for text in ('{"injectFault":{"delay":1}}', '{"somethingNew":[1,{"a":null}]}', "{}"):
            control.send(TEXT, text.encode())
        azure.offer(control, newField={"deep": ["a", 1.5, None]}, another=True)
        expect_echo(azure.next("accept").upgrade())


def test_a_message_in_fragments_with_a_ping_between_is_one_message():
    with world_with_agent() as (_, azure, _, control):
        text = azure_relay.accept_message(azure.address("s_G1"), "s_G1").encode()
        for at in range(0, len(text), 50):
            last = at + 50 >= len(text)
            control.send(CONTINUATION if at else TEXT, text[at : at + 50], fin=last)
            if not last:
                control.send(PING, b"between")
                assert control.read() == (PONG, b"between")
        expect_echo(azure.next("accept").upgrade())


def test_a_pong_that_nobody_asked_for_is_ignored():
    with world_with_agent() as (_, azure, _, control):
        for _ in range(3):
            control.send(PONG)
        stream = azure.stream(control)
        stream.send(PONG, b"unasked")
        expect_echo(stream)


def test_requests_over_http_are_answered_with_501():
    with world_with_agent() as (_, azure, agent, control):
        request = {
            "address": azure.address("r_G12").replace("accept", "request"),
            "id": "r_G12",
            "requestTarget": "/db/abc?x=1",
            "method": "POST",
            "remoteEndpoint": {"address": "203.0.113.9", "port": 62915},
            "requestHeaders": {"Via": "1.1 contoso.servicebus.windows.net"},
            "body": True,
        }
        control.send(TEXT, json.dumps({"request": request}).encode())
        control.send(BINARY, b"the body")
        opcode, answer = control.read()
        answer = json.loads(answer)["response"]
        assert (opcode, answer["requestId"], answer["statusCode"]) == (TEXT, "r_G12", 501), answer
        # One too large for the control channel has its address alone.
        bare = {"request": {"address": request["address"]}}
        control.send(TEXT, json.dumps(bare).replace("/", "\\/").encode())
        answer = json.loads(control.read()[1])["response"]
        assert (answer["requestId"], answer["statusCode"]) == ("r_G12", 501), answer
        expect_echo(azure.stream(control))
        assert agent.alive()


def test_text_and_fragmented_messages_on_a_stream_are_bytes():
    with world_with_agent() as (_, azure, _, control):
        stream = azure.stream(control)
        expect_echo(stream, "gr\u00fc\u00dfe".encode(), TEXT)
        expect_echo(stream, b"\xff\xfe no UTF-8", TEXT)
        stream.send(BINARY, b"one ", fin=False)
        assert stream.read_data(4) == b"one "
        stream.send(CONTINUATION, b"", fin=False)
        stream.send(PING, b"between")
        assert stream.read() == (PONG, b"between")
        stream.send(CONTINUATION, b"two", fin=True)
        assert stream.read_data(3) == b"two"
        expect_echo(stream, b"x" * 300 * KIB)


def test_the_first_subprotocol_is_taken_and_no_extension():
    with world_with_agent() as (_, azure, _, control):
        headers = {
            "Sec-WebSocket-Protocol": "a.b, c",
            "Sec-WebSocket-Extensions": "permessage-deflate",
        }
        azure.offer(control, headers=headers)
        request = azure.next("accept")
        assert request.headers["sec-websocket-protocol"] == "a.b", request.headers
        assert "sec-websocket-extensions" not in request.headers
        expect_echo(request.upgrade(protocol="a.b"))


def test_the_target_is_dialled_before_the_relay_hears_yes_or_no():
    with servers.refusing() as at, world_with_agent(at) as (_, azure, agent, control):
        azure.offer(control)
        request = azure.next("accept")
        assert request.query["sb-hc-statusCode"] == "502", request.target
        assert request.query["sb-hc-statusDescription"].startswith("hybridge ECONNREFUSED: ")
        request.refuse(410, "Gone")
        agent.wait_log("target not reached")
        assert "not delivered" not in agent.err, agent.err


def test_the_daily_recycle_brings_the_listener_back_and_leaves_streams_alone():
    with world_with_agent() as (_, azure, agent, control):
        stream = azure.stream(control)
        control.close(INTERNAL, "InternalServerError: NameRenewalFailed")
        assert control.read_close() == INTERNAL
        print("#", agent.wait_log(r"control channel down.*1011.*NameRenewalFailed"))
        again = azure.listen()
        expect_echo(stream)
        expect_echo(azure.stream(again))


def test_a_listener_that_comes_back_has_the_id_it_had_and_another_one_has_its_own():
    with World() as world, Azure(world) as azure:
        agent = azure.agent(("127.0.0.1", 9))
        request = azure.next("listen")
        own = request.query["sb-hc-id"]
        assert own == str(uuid.UUID(own)), own
        control = request.upgrade()
        agent.wait_log(f"control channel up.*id={own}")
        control.abort()
        for _ in range(2):
            request = azure.next("listen")
            assert request.query["sb-hc-id"] == own, request.target
            request.refuse(503, "Busy")
        azure.agent(("127.0.0.1", 9))
        ids = [azure.next("listen").query["sb-hc-id"] for _ in range(2)]
        assert ids.count(own) == 1, ids


def test_every_other_end_of_a_control_channel_brings_it_back_too():
    def close(code):
        return lambda control: control.close(code, "because")

    ends = {
        "stops, or the hybrid connection was removed": close(GOING_AWAY),
        "no longer accepts our token": close(POLICY),
        "with code 1000": close(NORMAL),
        "with code 1005": close(None),
        "was lost": WebSocket.abort,
    }
    for words, act in ends.items():
        with world_with_agent() as (_, azure, agent, control):
            stream = azure.stream(control)
            act(control)
            print("#", agent.wait_log(rf"control channel down.*{words}"))
            azure.listen()
            expect_echo(stream)


def test_a_listen_that_is_refused_says_why_in_azures_words_and_is_tried_again():
    refusals = {
        azure_relay.NO_ENTITY: r"hybrid connection db does not exist.*404 Endpoint does not exist",
        azure_relay.BAD_SIGNATURE: r"does not accept our token: 401 The token has an invalid",
        azure_relay.BAD_AUDIENCE: r"does not accept our token: 401 InvalidAudience",
        (403, "MaximumListenersPerEndpoint"): r"does not let us listen.*25 listeners",
        (500, "Oops"): r"turned the listener down: 500 Oops",
    }
    with World() as world, Azure(world) as azure:
        agent = azure.agent(("127.0.0.1", 9))
        for refusal, words in list(refusals.items())[:3]:
            azure.next("listen").refuse(*refusal)
            print("#", agent.wait_log(words))
        azure.listen()
    with World() as world, Azure(world) as azure:
        agent = azure.agent(("127.0.0.1", 9))
        for refusal, words in list(refusals.items())[3:]:
            azure.next("listen").refuse(*refusal)
            print("#", agent.wait_log(words))
        azure.listen()


def test_a_relay_that_answers_a_close_at_once_ends_both_directions():
    with target_by_hand() as listener, world_with_agent(listener.getsockname()) as parts:
        _, azure, _, control = parts
        stream = azure.stream(control)
        far, _ = listener.accept()
        far.sendall(b"the last")
        far.shutdown(socket.SHUT_WR)
        assert stream.read_data(8) == b"the last"
        assert stream.read_close() == NORMAL
        stream.close(NORMAL)
        assert far.recv(10) == b""
        far.close()
        assert stream.ending() == "eof"


def test_either_direction_goes_on_after_the_others_close():
    with target_by_hand() as listener, world_with_agent(listener.getsockname()) as parts:
        _, azure, _, control = parts
        stream = azure.stream(control)
        far, _ = listener.accept()
        stream.close(NORMAL, "Shutdown")
        assert far.recv(10) == b""
        far.sendall(b"still here")
        assert stream.read_data(10) == b"still here"
        far.close()
        assert stream.read_close() == NORMAL
        stream = azure.stream(control)
        far, _ = listener.accept()
        far.shutdown(socket.SHUT_WR)
        assert stream.read_close() == NORMAL
        stream.send(BINARY, b"and here")
        assert far.recv(10) == b"and here"
        stream.close(NORMAL)
        assert far.recv(10) == b""
        far.close()


def expect_reset(far):
    try:
        data = far.recv(10)
    except ConnectionResetError:
        return
    raise AssertionError(f"{data} instead of a reset")


def test_any_other_end_of_a_stream_is_a_reset_for_the_target():
    ends = [
        lambda stream: stream.close(GOING_AWAY),
        lambda stream: stream.close(POLICY, "token revoked"),
        lambda stream: stream.close(INTERNAL),
        lambda stream: stream.close(4000),
        WebSocket.abort,
        lambda stream: stream.sock.unwrap(),
    ]
    with target_by_hand() as listener, world_with_agent(listener.getsockname()) as parts:
        _, azure, _, control = parts
        for end in ends:
            stream = azure.stream(control)
            far, _ = listener.accept()
            stream.send(BINARY, b"half a")
            assert far.recv(10) == b"half a"
            with contextlib.suppress(OSError):
                end(stream)
            expect_reset(far)
            far.close()


def test_a_target_that_resets_breaks_the_stream_off_without_a_close():
    with target_by_hand() as listener, world_with_agent(listener.getsockname()) as parts:
        _, azure, _, control = parts
        stream = azure.stream(control)
        far, _ = listener.accept()
        linger = b"\x01\0\0\0\0\0\0\0"
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        far.close()
        assert stream.ending() == "broken"


def test_a_relay_that_vanishes_is_noticed_by_its_silence():
    with target_by_hand() as listener:
        with world_with_agent(listener.getsockname(), HYBRIDGE_KEEPALIVE="300ms") as parts:
            _, azure, agent, control = parts
            idle, busy = azure.stream(control), azure.stream(control)
            ends = [listener.accept()[0] for _ in range(2)]
            for lost in (idle, busy, control):
                lost.vanish()
            # Bytes that wait are no excuse: more than the kernel takes.
            ends[1].settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                ends[1].sendall(bytes(16 * KIB * KIB))
            print("#", agent.wait_log("control channel down.*silent"))
            azure.listen()
            for end in ends:
                end.settimeout(20 * SLOWNESS)
                expect_reset(end)
                end.close()
            # Each end is told of before its line is in the log.
            until(lambda: agent.err.count("end=ws_silent") >= 2, "both streams' ends in the log")
            assert agent.err.count("end=ws_silent") == 2, agent.err


def test_several_connections_have_a_control_channel_each():
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(servers.echo()) for _ in range(2))
        world = stack.enter_context(World())
        azure, other = (stack.enter_context(Azure(world)) for _ in range(2))
        strings = {"one": azure.connection(), "two": other.connection()}
        targets = {"one": first.at, "two": second.at}
        world.agent(None, targets, ready=False, strings=strings)
        controls = azure.listen(), other.listen()
        expect_echo(azure.stream(controls[0]))
        controls[0].abort()
        expect_echo(other.stream(controls[1]))
        assert (first.accepted, second.accepted) == (1, 1)
        azure.listen()


def test_an_accept_that_the_relay_no_longer_wants_is_dropped_with_its_reason():
    with world_with_agent() as (_, azure, agent, control):
        azure.offer(control)
        azure.next("accept").refuse(403, "Forbidden")
        print("#", agent.wait_log(r"relay did not take the stream.*403.*good for 30 s"))
        expect_echo(azure.stream(control))


def test_many_offers_at_once_are_all_served():
    with world_with_agent() as (_, azure, _, control):
        count = 30
        for _ in range(count):
            azure.offer(control)
        streams = [azure.next("accept").upgrade() for _ in range(count)]
        for number, stream in enumerate(streams):
            expect_echo(stream, b"%d" % number)


if __name__ == "__main__":
    main()
