#!/usr/bin/env python3
"""azure-relay-bridge at the other end: its preamble, with our agent and our sender."""

import contextlib
import os

import azure_relay  # noqa: F401 (makes the modules of tests/e2e known)
import clients
import servers
from azure_relay import Azure
from azure_ws import BINARY, CLOSE, CONTINUATION, NORMAL, PING, PONG, TEXT
from harness import PYTHON, SLOWNESS, World, main

READER = [PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "read_client.py")]
YES = b"\x01\0\0"


def ask(name=b"5432", version=1, kind=0):
    """What azbridge -L says first."""
    return bytes([version, 0, kind, len(name)]) + name


@contextlib.contextmanager
def world_with_agent(target=None, **keys):
    with contextlib.ExitStack() as stack:
        target = target or stack.enter_context(servers.echo()).at
        world = stack.enter_context(World())
        azure = stack.enter_context(Azure(world))
        keys = {f"HYBRIDGE_DB_{key}": value for key, value in keys.items()}
        agent = azure.agent(target, HYBRIDGE_DB_MODE="azbridge", **keys)
        yield azure, agent, azure.listen()


@contextlib.contextmanager
def world_with_sender(**keys):
    with World() as world, Azure(world) as azure:
        app, sender = azure.app(HYBRIDGE_DB_MODE="azbridge", **keys)
        yield azure, app, sender


def test_the_agent_answers_and_then_carries():
    with world_with_agent() as (azure, _, control):
        stream = azure.stream(control)
        # Two messages, as azbridge sends them.
        stream.send(BINARY, ask()[:4])
        stream.send(BINARY, b"5432")
        assert stream.read() == (BINARY, YES)
        stream.send(BINARY, b"hello")
        assert stream.read_data(5) == b"hello"


def test_where_messages_begin_and_end_does_not_matter():
    whole = ask() + b"hello"
    ways = [
        [(BINARY, whole, True)],
        [(TEXT, whole[:2], True), (BINARY, whole[2:6], True), (BINARY, whole[6:], True)],
        [(BINARY, whole[:8], False), (CONTINUATION, whole[8:], True)],
        [(BINARY, whole[:10], False), (CONTINUATION, whole[10:], True)],
        [(BINARY, bytes([byte]), True) for byte in whole],
    ]
    with world_with_agent() as (azure, _, control):
        for frames in ways:
            stream = azure.stream(control)
            for opcode, data, fin in frames:
                stream.send(opcode, data, fin=fin)
            assert stream.read_data(8) == YES + b"hello", frames
        # The rest of a frame that has only begun.
        stream = azure.stream(control)
        stream.send(BINARY, ask() + b"he", length=13)
        assert stream.read_data(5) == YES + b"he"
        stream.raw(b"llo")
        assert stream.read_data(3) == b"llo"


def test_any_number_is_taken_and_a_name_only_if_it_is_ours():
    with world_with_agent(PORT_NAME="postgres") as (azure, agent, control):
        for name in (b"postgres", b"1", b"65535"):
            stream = azure.stream(control)
            stream.send(BINARY, ask(name))
            assert stream.read() == (BINARY, YES), name
        for name in (b"Postgres", b"mysql", b"postgres2", b"", b"54x"):
            stream = azure.stream(control)
            stream.send(BINARY, ask(name))
            # No byte, and a Close, as azbridge has it.
            assert stream.read()[0] == CLOSE, name
        print("#", agent.wait_log("stream refused.*the port 'mysql'.*PORT_NAME"))
    with world_with_agent() as (azure, _, control):
        for name in (b"", b"5432"):
            stream = azure.stream(control)
            stream.send(BINARY, ask(name))
            assert stream.read() == (BINARY, YES), name


def test_what_the_agent_does_not_understand_is_answered_as_azbridge_does():
    answers = {
        ask(version=2): b"\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n": b"\0\0\0",
        ask(kind=7): b"\0\0\0",
        ask(kind=1): b"\0\0\xff",
    }
    with world_with_agent() as (azure, agent, control):
        for data, expected in answers.items():
            stream = azure.stream(control)
            stream.send(BINARY, data + b" " * 80)
            assert stream.read() == (BINARY, expected), data
            assert stream.read_close() == NORMAL
        print("#", agent.wait_log("stream refused.*datagrams"))


def test_a_target_that_refuses_is_known_before_the_preamble():
    with servers.refusing() as at, world_with_agent(at) as (azure, _, control):
        azure.offer(control)
        request = azure.next("accept")
        assert request.query["sb-hc-statusCode"] == "502", request.target
        request.refuse(410, "Gone")


def test_a_sender_that_leaves_before_its_preamble_costs_one_line():
    with world_with_agent() as (azure, agent, control):
        stream = azure.stream(control)
        stream.send(BINARY, b"\x01")
        stream.send(PING, b"p")
        # A reset would overtake what has not been read yet.
        assert stream.read() == (PONG, b"p")
        stream.abort()
        print("#", agent.wait_log("stream refused.*broke"))
        stream = azure.stream(control)
        stream.close()
        print("#", agent.wait_log("stream refused.*left without one"))


def test_the_sender_asks_and_its_program_waits_for_the_answer():
    with world_with_sender() as (azure, app, _):
        program = app.start([*READER, "db.corp", "5432"])
        stream = azure.next("connect").upgrade()
        assert stream.read() == (BINARY, b"\x01\0\0\x04")
        assert stream.read() == (BINARY, b"5432")
        stream.send(PING, b"p")
        assert stream.read() == (PONG, b"p")
        assert not program.out
        stream.send(BINARY, YES[:2])
        stream.send(BINARY, YES[2:] + b"and data")
        assert stream.read() == (BINARY, b"hello")
        assert bytes.fromhex(program.line("came")["came"]) == b"and data"
        stream.close()
        assert program.line("end")["end"] == "eof"


def test_the_sender_asks_for_the_port_name_that_it_was_told():
    with world_with_sender(HYBRIDGE_DB_PORT_NAME="postgres") as (azure, app, _):
        app.start([*READER, "db.corp", "5432"])
        stream = azure.next("connect").upgrade()
        assert stream.read_data(12) == ask(b"postgres")
        stream.send(BINARY, YES)
        assert stream.read() == (BINARY, b"hello")


def test_each_refusal_of_the_senders_preamble_has_its_errno_and_its_words():
    answers = [
        (lambda stream: stream.send(BINARY, b"\0\0\0"), "ECONNREFUSED", "another version"),
        (lambda stream: stream.send(BINARY, b"\0\0\x01"), "ECONNREFUSED", "datagrams only"),
        (lambda stream: stream.send(BINARY, b"220 mail ready"), "ECONNREFUSED", "does not speak"),
        (lambda stream: stream.close(), "ECONNREFUSED", "does not know the port '5432'"),
        (lambda stream: stream.abort(), "ENETUNREACH", "broke before"),
        (lambda stream: stream.send(BINARY, YES, masked=True), "ECONNREFUSED", "mask"),
        (lambda stream: None, "ETIMEDOUT", "said nothing in time"),
    ]
    with world_with_sender(HYBRIDGE_CONNECT_TIMEOUT=f"{SLOWNESS}s") as (azure, app, sender):
        for act, verdict, words in answers:
            program = clients.start(app, "blocking", "db.corp", 5432)
            stream = azure.next("connect").upgrade()
            stream.read_data(8)
            act(stream)
            assert program.line("errno")["errno"] == verdict, words
            sender.wait_log(f"connect refused.*azbridge preamble: .*{words}")


def test_our_sender_and_our_agent_speak_it_with_each_other():
    keys = {"HYBRIDGE_DB_MODE": "azbridge", "HYBRIDGE_DB_PORT_NAME": "postgres"}
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at}, **keys)
        app = world.app(relay, {"db": "db.corp:5432"}, **keys)
        app.sender()
        clients.expect_echo(app, "db.corp", 5432)
        other = world.app(
            relay, {"db": "db.corp:5432"}, HYBRIDGE_DB_MODE="azbridge", HYBRIDGE_DB_PORT_NAME="x"
        )
        other.sender()
        clients.expect_verdict(other, "db.corp", 5432, "ECONNREFUSED")


if __name__ == "__main__":
    main()
