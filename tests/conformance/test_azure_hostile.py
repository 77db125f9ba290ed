#!/usr/bin/env python3
"""A relay that breaks the protocol, or means harm: one clear log line, and nobody else minds."""

import contextlib
import os
import socket

import azure_relay
import clients
import servers
from azure_relay import Azure
from azure_ws import BINARY, CLOSE, CONTINUATION, PING, PROTOCOL_ERROR, TEXT, TOO_BIG, frame
from harness import PYTHON, SLOWNESS, World, main, until

READER = [PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "read_client.py")]
KIB, MIB = 1 << 10, 1 << 20
BAD_TEXT = 1007

# What no server may send (RFC 6455), each at the start of a message.
BROKEN = {
    "a masked frame": frame(BINARY, b"abcd", masked=True),
    "reserved bit 1": frame(BINARY, b"abcd", reserved=4),
    "reserved bit 3": frame(TEXT, b"abcd", reserved=1),
    "an opcode that nobody knows": frame(3, b"abcd"),
    "a control opcode that nobody knows": frame(11, b"abcd"),
    "a ping in fragments": frame(PING, b"p", fin=False),
    "a ping of 126 bytes": frame(PING, b"p" * 126),
    "a close in fragments": frame(CLOSE, b"\x03\xe8", fin=False),
    "a close of one byte": frame(CLOSE, b"\x03"),
    "a close with code 1005": frame(CLOSE, b"\x03\xed"),
    "a close with code 999": frame(CLOSE, b"\x03\xe7"),
    "a continuation of nothing": frame(CONTINUATION, b"abcd"),
    "a message inside another": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
    "a length of 2^63": b"\x82\x7f" + b"\x80" + bytes(7) + b"abcd",
    "a length in too long a form": b"\x82\x7e\x00\x05hello",
}

HEADS = {
    "no HTTP at all": "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": "HTTP/2 200\r\n\r\n",
    "a status that is no number": "HTTP/1.1 1O1 Switching\r\n\r\n",
    "a 101 without a key": "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "a 101 with somebody else's key": (
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    ),
    "a head of 40,000 bytes": "HTTP/1.1 101 S\r\nX: " + "x" * 40_000 + "\r\n\r\n",
    "a thousand headers": "HTTP/1.1 101 S\r\n" + "X: y\r\n" * 1000 + "\r\n",
    "a folded header": "HTTP/1.1 101 S\r\nX: y\r\n z\r\n\r\n",
    "a NUL in a header": "HTTP/1.1 101 S\r\nX: \0\r\n\r\n",
}


@contextlib.contextmanager
def world_with_agent():
    """Yields the stand-in, an agent that listens, and its control channel."""
    with servers.echo() as target, World() as world, Azure(world) as azure:
        agent = azure.agent(target.at)
        yield azure, agent, azure.listen()


@contextlib.contextmanager
def world_with_sender(**keys):
    with World() as world, Azure(world) as azure:
        app, sender = azure.app(**keys)
        yield azure, app, sender


def expect_echo(stream):
    stream.send(BINARY, b"hello")
    assert stream.read_data(5) == b"hello"


def one_line(process, pattern):
    """The only line of its log that matches: neither silence nor a flood."""
    line = process.wait_log(pattern)
    found = [other for other in process.err.splitlines() if pattern in other]
    assert found == [line], found
    print("#", line)


def test_a_stream_that_breaks_the_protocol_is_a_reset_for_the_target_and_nobody_else():
    with servers.echo() as target, World() as world, Azure(world) as azure:
        agent = azure.agent(target.at, HYBRIDGE_LOG_LEVEL="info")
        control = azure.listen()
        other = azure.stream(control)
        for count, (what, data) in enumerate(BROKEN.items(), 1):
            stream = azure.stream(control)
            expect_echo(stream)
            stream.raw(data)
            assert stream.ending() == "broken", what
            until(lambda n=count: agent.err.count("end=ws_protocol") == n, what)
        expect_echo(other)


def test_a_stream_that_breaks_the_protocol_is_a_reset_for_the_program():
    with world_with_sender() as (azure, app, sender):
        for count, (what, data) in enumerate(BROKEN.items(), 1):
            program = app.start([*READER, "db.corp", "5432"])
            stream = azure.next("connect").upgrade()
            assert stream.read() == (BINARY, b"hello")
            stream.raw(data)
            assert program.line("end")["end"] == "ECONNRESET", what
            until(lambda n=count: sender.err.count("end=ws_protocol") == n, what)


def test_frames_after_a_close_end_the_stream_and_reach_nobody():
    with world_with_sender() as (azure, app, sender):
        program = app.start([*READER, "db.corp", "5432"])
        stream = azure.next("connect").upgrade()
        assert stream.read() == (BINARY, b"hello")
        stream.raw(frame(CLOSE, b"\x03\xe8") + frame(BINARY, b"more"))
        # Up to the Close all was well, and the program may have been told so already.
        assert program.line("end")["end"] in ("eof", "ECONNRESET")
        assert "came" not in program.out, program.out
        sender.wait_log("end=ws_protocol")


def test_a_frame_that_never_ends_is_delivered_as_it_comes_and_its_loss_is_a_reset():
    with world_with_sender() as (azure, app, _):
        program = app.start([*READER, "db.corp", "5432"])
        stream = azure.next("connect").upgrade()
        # One that claims 2^40 bytes: nothing is collected.
        stream.raw(frame(BINARY, b"some of it", length=1 << 40))
        assert bytes.fromhex(program.line("came")["came"]) == b"some of it"
        stream.abort()
        assert program.line("end")["end"] == "ECONNRESET"


def test_a_control_channel_that_breaks_the_protocol_is_told_so_and_comes_back():
    with servers.echo() as target, World() as world, Azure(world) as azure:
        agent = azure.agent(target.at)
        control = azure.listen()
        stream = azure.stream(control)
        what, data = next(iter(BROKEN.items()))
        control.raw(data)
        assert control.read_close() == PROTOCOL_ERROR, what
        print("#", agent.wait_log("control channel down.*mask"))
        azure.listen()
        expect_echo(stream)


def test_a_message_of_more_than_128_KiB_ends_the_channel_with_1009():
    with world_with_agent() as (azure, agent, control):
        stream = azure.stream(control)
        control.send(TEXT, b'{"accept":"' + b"x" * 200 * KIB + b'"}')
        assert control.read_close() == TOO_BIG
        control.close(TOO_BIG)
        print("#", agent.wait_log("control channel down.*1009"))
        expect_echo(stream)
        azure.listen()


def test_a_message_in_endless_fragments_ends_the_channel_with_1009():
    with world_with_agent() as (azure, agent, control):
        control.send(TEXT, b"{", fin=False)
        # It may hang up before the last.
        with contextlib.suppress(OSError):
            for _ in range(300):
                control.send(CONTINUATION, b" " * KIB, fin=False)
        assert control.read_close() == TOO_BIG
        control.close(TOO_BIG)
        azure.listen()


def test_control_messages_that_mean_nothing_are_named_and_change_nothing():
    broken = [
        b"not JSON at all",
        b'{"accept":{"address":"wss://',
        b'{"accept":17}',
        b'{"accept":{}}',
        b'{"accept":{"address":17,"id":"x"}}',
        b'{"accept":{"address":"http://example.org/","id":"x"}}',
        b'{"accept":{"address":"wss://localhost:99999/$hc/db?x","id":"x"}}',
        b'{"accept":{"address":"wss:\\/\\/a b\\/","id":"x"}}',
        b'{"accept":{"address":"wss:///$hc/db?x","id":"x"}}',
        b'{"accept":{"address":"wss://localhost/\\r\\nX: y?x","id":"x"}}',
        b"[" * 5000,
        b"",
    ]
    with world_with_agent() as (azure, agent, control):
        for text in broken:
            before = agent.err.count("level=warning")
            control.send(TEXT, text)
            until(lambda n=before: agent.err.count("level=warning") == n + 1, text)
        control.send(BINARY, os.urandom(1000))
        control.send(BINARY, b"")
        expect_echo(azure.stream(control))
        assert agent.err.count("level=warning") == len(broken)


def test_text_that_is_no_utf_8_ends_the_channel_with_1007():
    with world_with_agent() as (azure, agent, control):
        stream = azure.stream(control)
        control.send(TEXT, b'{"accept":{"address":"\xff\xfe","id":"x"}}')
        assert control.read_close() == BAD_TEXT
        print("#", agent.wait_log("control channel down"))
        assert "\xff" not in agent.err
        expect_echo(stream)
        azure.listen()


def test_an_address_without_tls_is_refused():
    with world_with_agent() as (azure, agent, control):
        address = azure.address("s_G1").replace("wss://", "ws://")
        azure.offer(control, address)
        one_line(agent, "accept message not usable")
        assert "without TLS" in agent.err
        expect_echo(azure.stream(control))


def test_the_same_address_offered_twice_is_two_streams_or_a_refusal_but_no_more():
    with world_with_agent() as (azure, agent, control):
        address = azure.address("twice_G1")
        for _ in range(2):
            azure.offer(control, address)
        expect_echo(azure.next("accept").upgrade())
        azure.next("accept").refuse(403, "Forbidden")
        one_line(agent, "relay did not take the stream")


def test_bytes_that_come_one_at_a_time_are_understood():
    with world_with_agent() as (azure, _, control):
        text = azure_relay.accept_message(azure.address("slow_G1"), "slow_G1").encode()
        for byte in frame(TEXT, text):
            control.raw(bytes([byte]))
        request = azure.next("accept")
        stream = request.upgrade()
        for byte in frame(TEXT, b"hello"):
            stream.raw(bytes([byte]))
        assert stream.read_data(5) == b"hello"


def test_an_answer_that_is_no_upgrade_is_named_and_enetunreach():
    with world_with_sender() as (azure, app, sender):
        for count, (what, head) in enumerate(HEADS.items(), 1):
            program = clients.start(app, "blocking", "db.corp", 5432)
            request = azure.next("connect")
            with contextlib.suppress(OSError):
                request.raw(head)
            assert program.line("errno")["errno"] == "ENETUNREACH", what
            assert sender.err.count("connect refused") == count, sender.err
        print("#", sender.err.splitlines()[-1])


def test_an_answer_that_never_ends_is_cut_at_its_limit():
    with world_with_sender() as (azure, app, sender):
        program = clients.start(app, "blocking", "db.corp", 5432)
        request = azure.next("connect")
        with contextlib.suppress(OSError):
            request.raw("HTTP/1.1 101 Switching Protocols\r\n")
            while True:
                request.raw("X-Header: " + "y" * 1000 + "\r\n")
        assert program.line("errno")["errno"] == "ENETUNREACH"
        one_line(sender, "connect refused")


def test_an_answer_that_stops_half_way_is_a_time_out():
    with world_with_sender(HYBRIDGE_CONNECT_TIMEOUT="500ms") as (azure, app, sender):
        program = clients.start(app, "blocking", "db.corp", 5432)
        azure.next("connect").raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs")
        assert program.line("errno")["errno"] == "ETIMEDOUT"
        one_line(sender, "connect refused")


def test_a_reason_with_control_characters_cannot_forge_the_log():
    with world_with_sender() as (azure, app, sender):
        program = clients.start(app, "blocking", "db.corp", 5432)
        azure.next("connect").refuse(403, 'No\x1b[2J" level=error msg="all is lost\u00e9')
        assert program.line("errno")["errno"] in ("EACCES", "ENETUNREACH")
        one_line(sender, "connect refused")
        assert "\x1b" not in sender.err and "level=error" not in sender.err.replace(
            '\\" level=error', ""
        )


def test_a_redirect_is_a_refusal_for_the_agent_and_is_not_followed():
    with World() as world, Azure(world) as azure, Azure(world) as elsewhere:
        agent = azure.agent(("127.0.0.1", 9))
        where = f"Location: https://localhost:{elsewhere.port}/$hc/db?sb-hc-action=listen\r\n"
        azure.next("listen").refuse(307, "Temporary Redirect", where)
        print("#", agent.wait_log("turned the listener down: 307"))
        azure.listen()
        assert elsewhere.count("listen") == 0


def test_answers_to_listen_that_are_no_upgrade_are_named_and_tried_again():
    with World() as world, Azure(world) as azure:
        agent = azure.agent(("127.0.0.1", 9))
        for head in ("a 101 with somebody else's key", "no HTTP at all", "a head of 40,000 bytes"):
            request = azure.next("listen")
            with contextlib.suppress(OSError):
                request.raw(HEADS[head])
        print("#", agent.wait_log("too long"))
        assert agent.err.count("control channel down") == 3, agent.err
        azure.listen()


def test_a_relay_that_speaks_no_tls_is_named_and_enetunreach():
    with socket.create_server(("127.0.0.1", 0)) as plain, World() as world:
        string = (
            f"Endpoint=sb://localhost:{plain.getsockname()[1]};"
            "SharedAccessKeyName=x;SharedAccessKey=y;EntityPath=db"
        )
        app = world.app(None, {"db": "db.corp:5432"}, strings={"db": string})
        sender = app.sender()
        program = clients.start(app, "blocking", "db.corp", 5432)
        peer, _ = plain.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            assert program.line("errno")["errno"] == "ENETUNREACH"
        one_line(sender, "connect refused")


def test_a_relay_that_pings_without_end_and_reads_nothing_does_not_make_us_grow():
    with world_with_agent() as (azure, agent, control):
        stream = azure.stream(control)
        ping = frame(PING, b"p" * 125) * 512
        before = resident_kib(agent.pid)
        for socket_of in (control, stream):
            socket_of.sock.settimeout(1)
            with contextlib.suppress(TimeoutError):
                for _ in range(16 * MIB // len(ping)):
                    socket_of.raw(ping)
        grown = resident_kib(agent.pid) - before
        # A sanitizer keeps what was freed: then it is not ours to measure.
        assert SLOWNESS > 1 or grown < 4 * KIB, f"grew by {grown} KiB"
        assert agent.alive()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


if __name__ == "__main__":
    main()
