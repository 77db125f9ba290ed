#!/usr/bin/env python3
"""Peers that break the rules, on every socket of the relay: each gets what it deserves, nobody else."""

import contextlib
import json
import struct
import time

from peers import CONTROL, SLOWNESS, World, listen_token, main, send_token, until
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Stream, Wire, close, frame, head

STRANGERS_MAX = 64  # of one address, served at the same time
PATIENCE = 10  # seconds for a handshake, and for a head

# What nobody may send on a WebSocket, and the words for it.
FRAMES = {
    "no mask": (frame(BINARY, b"hi", masked=False), "frame from a client without mask"),
    "reserved bits": (frame(BINARY, b"hi", reserved=4), "reserved bits are set"),
    "deflated": (frame(TEXT, b"hi", reserved=4), "reserved bits are set"),
    "data opcode": (frame(3, b"hi"), "reserved opcode"),
    "control opcode": (frame(11, b"hi"), "reserved opcode"),
    "fragmented ping": (frame(PING, b"hi", fin=False), "fragmented control frame"),
    "fragmented close": (frame(CLOSE, b"\x03\xe8", fin=False), "fragmented control frame"),
    "long ping": (frame(PING, b"x" * 126), "control frame of more than 125 bytes"),
    "long close": (close(1000, b"x" * 124), "control frame of more than 125 bytes"),
    "half a code": (frame(CLOSE, b"\x03"), "Close with half a code"),
    "code 1005": (close(1005), "Close with a code that must not be sent"),
    "code 999": (close(999), "Close with a code that must not be sent"),
    "code 5000": (close(5000), "Close with a code that must not be sent"),
    "continuation": (frame(CONTINUATION, b"hi"), "continuation without a message"),
    "interleaved messages": (
        frame(TEXT, b"one", fin=False) + frame(TEXT, b"two"),
        "new message inside a message",
    ),
    "long length": (frame(BINARY, b"hi", length=b"\x7e\x00\x02"), "not in its shortest form"),
    "longer length": (
        frame(BINARY, b"hi", length=b"\x7f" + struct.pack(">Q", 2)),
        "not in its shortest form",
    ),
    "negative length": (
        frame(BINARY, b"hi", length=b"\x7f" + struct.pack(">Q", 1 << 63)),
        "length with its highest bit set",
    ),
    "http": (b"GET / HTTP/1.1\r\n\r\n", "reserved bits are set"),
}


@contextlib.contextmanager
def world_with_good_stream():
    """A relay with a stream through "good" that nothing may disturb; yields world, relay, it."""
    with World() as world:
        relay = world.relay(["db", "good"])
        good = Stream(world, relay, "good")
        good.check()
        yield world, relay, good
        good.check()


@contextlib.contextmanager
def one_line(relay, words):
    """What is done inside makes the relay log exactly one line with these words."""

    def count():
        return sum(words in line for line in relay.err.splitlines())

    before = count()
    yield
    until(lambda: count() > before, f"a line about: {words}\n{relay.err[-2000:]}")
    assert count() == before + 1, relay.err[-2000:]


def expect_close(wire, code, words=""):
    opcode, payload = wire.frame()
    got = struct.unpack(">H", payload[:2])[0] if opcode == CLOSE else None
    assert (opcode, got) == (CLOSE, code), (opcode, payload)
    assert words in payload[2:].decode(), payload
    assert wire.ended() == b"", "more came after its Close"


def test_a_bad_frame_on_a_control_channel_is_1002():
    with world_with_good_stream() as (world, relay, good):
        for name, (data, words) in FRAMES.items():
            print("#", name)
            wire = Wire(world, relay).upgrade(f"/$hc/db?{CONTROL}", listen_token(relay))
            with one_line(relay, words):
                expect_close(wire.send(data), 1002, words)
            good.check()


def test_a_bad_frame_of_a_sender_is_1002_and_the_listener_is_cut_off():
    bad_frames_of("sender", "listener")


def test_a_bad_frame_of_a_listener_is_1002_and_the_sender_is_cut_off():
    bad_frames_of("listener", "sender")


def bad_frames_of(one, other):
    with world_with_good_stream() as (world, relay, good):
        for name, (data, words) in FRAMES.items():
            print("#", name)
            stream = Stream(world, relay, "db")
            wire, victim = getattr(stream, one), getattr(stream, other)
            with one_line(relay, words):
                expect_close(wire.send(data), 1002, words)
            assert f"by={one}" in relay.wait_log(f"session closed.*{words}")
            # What came before it may have arrived, an end in good order must not.
            came = victim.ended()
            assert bytes([0x80 | CLOSE]) not in came[:1], came
            stream.control.hang_up()
            relay.wait_log("listener disconnected")
            good.check()


def test_frames_after_a_close_are_not_carried():
    with world_with_good_stream() as (world, relay, _):
        stream = Stream(world, relay, "db")
        with one_line(relay, "frame after Close"):
            stream.sender.send(close(1000, b"done") + frame(BINARY, b"more"))
            opcode, payload = stream.listener.frame()
            assert (opcode, payload[2:]) == (CLOSE, b"done"), payload
            assert stream.listener.ended() == b""
        # On a control channel the Close is the end, and what follows is nobody's.
        stream.control.send(close(1000) + frame(TEXT, b"{}"))
        expect_close(stream.control, 1000)


def test_pings_and_pongs_after_a_close_cost_the_answer_nothing():
    with world_with_good_stream() as (world, relay, _):
        for other in ("sender", "listener"):
            stream = Stream(world, relay, "db")
            asks, answers = stream.sender, stream.listener
            if other == "sender":
                asks, answers = answers, asks
            with one_line(relay, "end=orderly"):
                asks.send(close(1000, b"Shutdown"))
                assert answers.frame() == (CLOSE, b"\x03\xe8Shutdown")
                asks.send(frame(PONG) + frame(PING, b"keep alive"))
                assert asks.frame() == (PONG, b"keep alive")
                answers.send(frame(BINARY, b"the rest") + close(1000))
                assert asks.frame() == (BINARY, b"the rest")
                assert asks.frame() == (CLOSE, b"\x03\xe8")
            stream.control.hang_up()
            relay.wait_log("listener disconnected")


def test_control_frames_inside_a_message_are_answered_and_the_message_goes_through():
    with world_with_good_stream() as (world, relay, _):
        stream = Stream(world, relay, "db")
        stream.sender.send(frame(BINARY, b"one", fin=False))
        assert stream.listener.frame() == (BINARY, b"one")
        stream.sender.send(frame(PING, b"p") + frame(PONG, b"unasked") + frame(CONTINUATION, b"two"))
        assert stream.sender.frame() == (PONG, b"p")
        assert stream.listener.frame() == (CONTINUATION, b"two")
        # And inside a frame: its first half, a pause, its second.
        whole = frame(BINARY, b"x" * 1000)
        stream.listener.send(whole[:500])
        stream.sender.send(frame(PING, b"q"))
        stream.listener.send(whole[500:])
        seen = {stream.sender.frame() for _ in range(2)}
        assert seen == {(PONG, b"q"), (BINARY, b"x" * 1000)}, seen
        stream.check()


def test_what_is_no_control_message_is_ignored_or_closed_with_its_code():
    with world_with_good_stream() as (world, relay, good):
        wire = Wire(world, relay).upgrade(f"/$hc/db?{CONTROL}", listen_token(relay))
        deep = b"[" * 20_000
        for text in (b"{}", b"null", b'{"accept": 1}', b'{"renewToken": []}', b'{"a":1,"a":2}', deep):
            wire.send(frame(TEXT, text))
        wire.send(frame(BINARY, b"\xff" * 1000) + frame(PING, b"still?"))
        assert wire.frame() == (PONG, b"still?")
        with one_line(relay, "text that is not UTF-8"):
            expect_close(wire.send(frame(TEXT, b'{"a": "\xff"}')).send(close(1007)), 1007)
        for data in (frame(TEXT, b"x" * (1 << 20)), frame(TEXT, b"x" * 70_000, fin=False) * 1):
            wire = Wire(world, relay).upgrade(f"/$hc/db?{CONTROL}", listen_token(relay))
            wire.send(data)
            if data[0] & 0x80 == 0:
                wire.send(frame(CONTINUATION, b"x" * 70_000, fin=False))
            with one_line(relay, "message too long"):
                expect_close(wire.send(close(1009)), 1009)
        good.check()


def test_a_listener_that_is_being_closed_keeps_no_sender_from_another():
    with World() as world:
        relay = world.relay(["db"])
        token = listen_token(relay)
        healthy, bad = (Wire(world, relay).upgrade(f"/$hc/db?{CONTROL}", token) for _ in range(2))
        # It does not answer the Close, and so is there for a while.
        assert bad.send(frame(TEXT, b"\xff")).frame()[0] == CLOSE
        for _ in range(10):
            sender = Wire(world, relay).send(head("/$hc/db", send_token(relay)))
            listener = Wire(world, relay).upgrade(healthy.accept())
            assert sender.answer().startswith("HTTP/1.1 101")
            sender.hang_up()
            listener.hang_up()


def test_a_connection_that_breaks_inside_a_frame_is_a_loss_for_the_other_side():
    with world_with_good_stream() as (world, relay, good):
        stream = Stream(world, relay, "db")
        with one_line(relay, "end=sender_lost"):
            stream.sender.send(frame(BINARY, b"x" * 1000)[:-1]).hang_up()
            opcode, payload = stream.listener.frame()
            # The header said 1000: what is there is no whole frame, and no Close follows.
            assert (opcode, payload) == (BINARY, None), (opcode, payload)
        with one_line(relay, "listener disconnected"):
            stream.control.send(frame(TEXT, b'{"renewToken": ')[:-3]).hang_up()
        good.check()


def test_heads_that_are_no_heads_are_refused_with_their_status():
    token = "x" * 40_000
    cases = {
        b"\x00\x01\x02\r\n\r\n": "400",
        b"hello\r\n\r\n": "400",
        b"GET /$hc/db\r\n\r\n": "400",
        b"GET  /$hc/db HTTP/1.1\r\n\r\n": "400",
        b"GET /$hc/db HTTP/2.0\r\n\r\n": "505",
        b"GET /$hc/my hc HTTP/1.1\r\n\r\n": "400",
        b"GET /$hc/db HTTP/1.1\r\nNo colon\r\n\r\n": "400",
        b"GET /$hc/db HTTP/1.1\r\nHost : x\r\n\r\n": "400",
        b"GET /$hc/db HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n": "400",
        b"GET /$hc/db HTTP/1.1\r\nA: \x01\r\n\r\n": "400",
        b"GET http://other/$hc/db#part HTTP/1.1\r\n\r\n": "400",
        b"CONNECT db:443 HTTP/1.1\r\n\r\n": "400",
        b"GET /$hc/db HTTP/1.1\r\n" + b"A: b\r\n" * 129 + b"\r\n": "431",
        f"GET /$hc/db?sb-hc-token={token} HTTP/1.1\r\n\r\n".encode(): "431",
    }
    with world_with_good_stream() as (world, relay, good):
        for data, status in cases.items():
            print("#", data[:60])
            with one_line(relay, "request refused"):
                answer = Wire(world, relay).send(data).answer()
            assert answer.startswith(f"HTTP/1.1 {status} "), answer
            assert "Connection: close" in answer, answer
        with one_line(relay, "the head has no end"):
            Wire(world, relay).send(b"GET /$hc/db HTTP/1.1\r\nHost: x\r\n").hang_up()
        with one_line(relay, "handshake failed"):
            Wire(world, relay, tls=False).send(b"GET / HTTP/1.1\r\n\r\n").ended()
        with one_line(relay, "handshake failed"):
            Wire(world, relay, tls=False).send(b"\x16\x03\x01\xff\xff" + b"x" * 40_000).ended()
        good.check()


def test_bytes_behind_a_request_are_frames_and_wait_for_the_answer():
    with world_with_good_stream() as (world, relay, good):
        token = listen_token(relay)
        renewal = json.dumps({"renewToken": {"token": token}}).encode()
        control = Wire(world, relay)
        control.send(head(f"/$hc/db?{CONTROL}", token) + frame(TEXT, renewal) + frame(PING, b"p"))
        assert control.answer().startswith("HTTP/1.1 101")
        assert control.frame() == (PONG, b"p")
        sender = Wire(world, relay)
        sender.send(head("/$hc/db", send_token(relay)) + frame(BINARY, b"early"))
        listener = Wire(world, relay)
        listener.send(head(control.accept()) + frame(BINARY, b"early too"))
        assert listener.answer().startswith("HTTP/1.1 101")
        assert listener.frame() == (BINARY, b"early")
        assert sender.answer().startswith("HTTP/1.1 101")
        assert sender.frame() == (BINARY, b"early too")
        # A second request is no frame; behind a refusal nothing is read.
        with one_line(relay, "reserved bits are set"):
            expect_close(sender.send(head("/")), 1002)
        refused = Wire(world, relay).send(head("/$hc/no") + head("/") + b"\xff" * 100_000)
        assert refused.answer().startswith("HTTP/1.1 404")
        assert b"HTTP/1.1" not in refused.ended(), "a second answer"
        good.check()


def test_a_rendezvous_is_nobodys_who_does_not_know_its_secret():
    with world_with_good_stream() as (world, relay, good):
        control = Wire(world, relay).upgrade(f"/$hc/db?{CONTROL}", listen_token(relay))
        sender = Wire(world, relay).send(head("/$hc/db", send_token(relay)))
        target = control.accept()
        start, _, secret = target.partition("sb-hc-rv=")
        for value in ("", "%00", secret[:-1], secret + "0", secret.upper() + "x", "*", "x" * 10_000):
            with one_line(relay, "request refused"):
                answer = Wire(world, relay).send(head(f"{start}sb-hc-rv={value}")).answer()
            assert answer.startswith("HTTP/1.1 403 "), (value, answer)
        Wire(world, relay).upgrade(target)
        assert sender.answer().startswith("HTTP/1.1 101")
        good.check()


def test_slow_callers_are_given_up_and_others_get_their_turn():
    with world_with_good_stream() as (world, relay, good):
        hello = b"\x16\x03\x01\x02\x00"  # of a ClientHello, and then nothing
        started = time.monotonic()
        dripping = Wire(world, relay)
        silent = [Wire(world, relay, tls=False) for _ in range(STRANGERS_MAX // 2)]
        halves = [Wire(world, relay, tls=False).send(hello) for _ in range(STRANGERS_MAX // 2)]
        answer = drip(dripping, head("/$hc/db", send_token(relay))[:-4], good)
        assert answer.startswith("HTTP/1.1 408 "), answer
        assert time.monotonic() - started < PATIENCE * 2 * SLOWNESS
        # All places of this address were taken, so this one waited in line for its turn.
        late = Wire(world, relay).send(head("/$hc/db", send_token(relay)))
        assert late.answer().startswith("HTTP/1.1 404 "), "a good caller was not served"
        assert time.monotonic() - started < PATIENCE * 3 * SLOWNESS
        for wire in silent + halves:
            assert wire.ended() == b""
        until(lambda: relay.err.count("the head came too slowly") == 1, "the one that came too slowly")
        until(lambda: relay.err.count("it took too long") == len(silent + halves), "those that took too long")


def drip(wire, data, good):
    """Sends a byte now and then until the relay answers; that answer."""
    wire.socket.settimeout(0.2)
    for byte in data * 100:
        with contextlib.suppress(TimeoutError):
            return wire.answer()
        wire.send(bytes([byte]))
        good.check()
    raise AssertionError("it was listened to for ever")


if __name__ == "__main__":
    main()
