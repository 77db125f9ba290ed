#!/usr/bin/env python3
"""Our sender, and programs behind it, where the relay is Azure's: see azure_relay.py."""

import contextlib
import os
import signal

import azure_relay
import clients
import transfer
from azure_relay import NO_ENTITY, NO_LISTENERS, TRACKING, Azure
from azure_ws import BINARY, CONTINUATION, GOING_AWAY, INTERNAL, NORMAL, PING, POLICY, PONG, TEXT
from azure_ws import WebSocket
from harness import PYTHON, World, main

READER = [PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "read_client.py")]


@contextlib.contextmanager
def world_with_sender(**keys):
    """Yields the stand-in, the application's side and its sender."""
    with World() as world, Azure(world) as azure:
        app, sender = azure.app(**keys)
        yield azure, app, sender


def start(app):
    """A program that says hello, then reads to the end and tells what came."""
    return app.start([*READER, "db.corp", "5432"])


def open_stream(azure, app, **answer):
    """Starts a program; it, and its stream once it has said hello."""
    program = start(app)
    stream = azure.next("connect").upgrade(**answer)
    assert stream.read() == (BINARY, b"hello")
    return program, stream


def came(program):
    return b"".join(bytes.fromhex(line["came"]) for line in program.lines if "came" in line)


def test_the_connect_request_has_the_token_in_its_header_and_the_sessions_id():
    with world_with_sender() as (azure, app, sender):
        program = start(app)
        request = azure.next("connect")
        assert request.path == "/$hc/db", request.target
        assert request.query["sb-hc-action"] == "connect", request.target
        token = request.headers["servicebusauthorization"]
        assert token.startswith("SharedAccessSignature sr=http%3A%2F%2Flocalhost%2Fdb&sig="), token
        assert "sb-hc-token" not in request.query
        assert request.headers["relay-user-agent"].startswith("hybridge-sender/")
        stream = request.upgrade()
        sender.wait_log(f"session opened.*{request.query['sb-hc-id']}")
        stream.close()
        program.line("end")
        # The next stream has the same token: it is good for an hour.
        start(app)
        assert azure.next("connect").headers["servicebusauthorization"] == token


def test_the_connect_request_has_what_the_configuration_adds():
    keys = {
        "HYBRIDGE_DB_SUFFIX": "/orders/e%20u?x=1&y",
        "HYBRIDGE_DB_HEADERS": "X-Tenant: 7 | x-own: a, b;c",
    }
    with world_with_sender(**keys) as (azure, app, _):
        program = start(app)
        request = azure.next("connect")
        target = "/$hc/db/orders/e%20u?x=1&y&sb-hc-action=connect&sb-hc-id="
        assert request.target.startswith(target), request.target
        assert (request.headers["x-tenant"], request.headers["x-own"]) == ("7", "a, b;c")
        assert request.headers["servicebusauthorization"].startswith("SharedAccessSignature sr=")
        assert request.upgrade().read() == (BINARY, b"hello")
        assert program.alive()


def test_the_program_waits_until_the_relay_answers():
    with world_with_sender() as (azure, app, _):
        program = start(app)
        request = azure.next("connect")
        assert program.alive() and not program.out
        stream = request.upgrade()
        assert stream.read() == (BINARY, b"hello")


def test_each_refusal_has_its_errno_and_names_cause_and_tracking_id():
    refusals = [
        (NO_LISTENERS, "ECONNREFUSED", "nobody listens on hybrid connection db: 404 There are no"),
        (NO_ENTITY, "ECONNREFUSED", "hybrid connection db does not exist: 404 Endpoint does not"),
        (azure_relay.BAD_SIGNATURE, "EACCES", "does not accept our token: 401 The token has an"),
        (azure_relay.BAD_AUDIENCE, "EACCES", "does not accept our token: 401 InvalidAudience"),
        ((401, f"Ip has been prevented to connect to the endpoint. {TRACKING}"), "EACCES", "401 Ip"),
        ((403, f"Forbidden. {TRACKING}"), "EACCES", "does not let us in: 403"),
        ((502, f"The Listener's handler threw. {TRACKING}"), "ECONNREFUSED", "refused: 502 The"),
        ((504, f"GatewayTimeout. {TRACKING}"), "ETIMEDOUT", "did not answer in time: 504"),
        ((408, f"Timeout. {TRACKING}"), "ETIMEDOUT", "did not answer in time: 408"),
        ((429, f"Too many. {TRACKING}"), "ECONNREFUSED", "429 Too many"),
        ((500, f"InternalServerError. {TRACKING}"), "ECONNREFUSED", "500 Internal"),
        ((503, f"Busy. {TRACKING}"), "ECONNREFUSED", "503 Busy"),
        ((502, "hybridge EHOSTUNREACH: the target cannot be reached"), "EHOSTUNREACH", "agent said"),
        ((418, ""), "ECONNREFUSED", "418"),
        ((302, "Found"), "ECONNREFUSED", "302 Found"),
        ((200, "OK"), "ECONNREFUSED", "200 OK"),
    ]
    tracking = TRACKING.removeprefix("TrackingId:")
    with world_with_sender() as (azure, app, sender):
        for answer, verdict, words in refusals:
            program = clients.start(app, "blocking", "db.corp", 5432)
            azure.next("connect").refuse(*answer, more="Location: https://elsewhere.example/\r\n")
            seen = program.line("errno")
            assert seen["errno"] == verdict, f"{answer}: {seen}"
            line = sender.wait_log(words)
            assert TRACKING not in answer[1] or f"tracking={tracking}" in line, line


def test_text_and_fragments_reach_the_program_as_bytes():
    with world_with_sender() as (azure, app, _):
        program, stream = open_stream(azure, app)
        stream.send(TEXT, b"text ")
        stream.send(BINARY, b"in ", fin=False)
        stream.send(PING, b"between")
        assert stream.read() == (PONG, b"between")
        stream.send(PONG, b"unasked")
        stream.send(CONTINUATION, b"", fin=False)
        stream.send(CONTINUATION, b"pieces")
        stream.close(NORMAL, "CloseAsync")
        assert program.line("end")["end"] == "eof"
        assert came(program) == b"text in pieces", program.out


def test_bytes_that_come_with_the_101_are_not_lost():
    with world_with_sender() as (azure, app, _):
        program = start(app)
        # The head and the first frame in one TLS record.
        stream = azure.next("connect").upgrade(trailing=b"\x82\x05first")
        assert stream.read() == (BINARY, b"hello")
        stream.close()
        assert program.line("end")["end"] == "eof"
        assert came(program) == b"first"


def test_a_close_that_is_answered_at_once_ends_both_directions():
    with world_with_sender() as (azure, app, _):
        program = transfer.connect(app, "-s", 1000)
        stream = azure.next("connect").upgrade()
        stream.read_data(1000)
        assert stream.read_close() == NORMAL
        stream.close(NORMAL)
        assert program.line("end")["end"] == "eof"
        assert stream.ending() == "eof"


def test_either_direction_goes_on_after_the_others_close():
    with world_with_sender() as (azure, app, _):
        program = transfer.connect(app, "-s", 1000)
        stream = azure.next("connect").upgrade()
        stream.read_data(1000)
        assert stream.read_close() == NORMAL
        stream.send(BINARY, b"after the close")
        stream.close(NORMAL)
        told = program.line("end")
        assert (told["end"], told["received"]) == ("eof", 15), told
        program = transfer.connect(app, "-a", "-s", 1000)
        stream = azure.next("connect").upgrade()
        stream.close(NORMAL, "Shutdown")
        stream.read_data(1000)
        assert stream.read_close() == NORMAL
        told = program.line("end")
        assert (told["end"], told["sent"]) == ("eof", 1000), told


def test_any_other_end_is_a_reset_for_the_program():
    ends = [
        lambda stream: stream.close(GOING_AWAY),
        lambda stream: stream.close(POLICY, "token revoked"),
        lambda stream: stream.close(INTERNAL),
        lambda stream: stream.close(4000),
        WebSocket.abort,
        lambda stream: stream.sock.unwrap(),
    ]
    with world_with_sender() as (azure, app, _):
        for end in ends:
            program, stream = open_stream(azure, app)
            stream.send(BINARY, b"half a")
            with contextlib.suppress(OSError):
                end(stream)
            assert program.line("end")["end"] == "ECONNRESET", program.out


def test_a_relay_that_vanishes_while_bytes_wait_is_a_reset_for_the_program():
    with world_with_sender(HYBRIDGE_KEEPALIVE="300ms") as (azure, app, sender):
        program = transfer.connect(app, "-s", transfer.ENDLESS)
        stream = azure.next("connect").upgrade()
        stream.read_data(1 << 20)
        stream.vanish()
        assert program.line("end")["end"] == "ECONNRESET"
        sender.wait_log("session closed.*end=ws_silent")


def test_an_idle_stream_is_pinged_and_lives_on_the_answers():
    with world_with_sender(HYBRIDGE_KEEPALIVE="100ms") as (azure, app, _):
        program, stream = open_stream(azure, app)
        for _ in range(5):
            assert stream.read() == (PING, b"")
            stream.send(PONG)
        stream.close()
        assert program.line("end")["end"] == "eof"


def test_a_program_that_is_killed_ends_its_stream():
    with world_with_sender() as (azure, app, sender):
        program, stream = open_stream(azure, app)
        program.expected_status = -signal.SIGKILL
        program.kill()
        assert stream.read_close() == NORMAL
        stream.close(NORMAL)
        assert stream.ending() == "eof"
        sender.wait_log("session closed")


def test_a_relay_that_does_not_answer_is_a_time_out_for_the_program():
    with world_with_sender(HYBRIDGE_CONNECT_TIMEOUT="500ms") as (azure, app, sender):
        clients.expect_verdict(app, "db.corp", 5432, "ETIMEDOUT")
        print("#", sender.wait_log("no answer to the upgrade"))
        assert azure.count("connect") == 3


if __name__ == "__main__":
    main()
