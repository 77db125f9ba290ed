#!/usr/bin/env python3
"""A changed env file is used from the next connect() on; no stream and no connect() is lost for it."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import urllib.request

import clients
import servers
from harness import BUILD, CLEAN_ENV, PYTHON, World, at_once, main, until

# Opens a stream, and sends and reads a byte for each line.
KEEPING = """
import json, socket, sys
with socket.create_connection(("db.corp", 5432)) as s:
    while True:
        s.sendall(b"x")
        print(json.dumps({"echo": s.recv(1) == b"x"}), flush=True)
        if not sys.stdin.readline():
            break
"""

# Opens streams one after the other until it is told to stop; counts them, and those that failed.
STORM = """
import json, socket, sys, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
print(json.dumps({"begun": True}), flush=True)
good, bad = 0, []
while not stop.is_set():
    try:
        with socket.create_connection(("db.corp", 5432)) as s:
            s.sendall(b"x")
            assert s.recv(1) == b"x"
        good += 1
    except OSError as error:
        bad.append(str(error))
print(json.dumps({"good": good, "bad": bad}), flush=True)
"""
STORMS = 4
CHANGES = 5
QUICK_CHANGES = 15


@contextlib.contextmanager
def world_without_sender(string=None, **keys):
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        strings = {"db": string(world, relay)} if string else None
        yield world, relay, world.app(relay, {"db": "db.corp:5432"}, strings=strings, **keys)


def edit(path, change):
    """Puts another file in its place, as editors and configuration management do."""
    with open(path, encoding="ascii") as file:
        text = change(file.read())
    with open(os.open(path + "~", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + "~", path)


def log_of(app):
    with open(app.socket + ".log", encoding="utf-8") as file:
        return file.read()


def errno_of(app, host="db.corp"):
    return clients.outcome(app, "blocking", host, 5432)["errno"]


def test_a_key_that_was_set_right_is_used_by_the_next_connect():
    with world_without_sender(lambda world, relay: wrong(relay)) as (world, relay, app):
        assert errno_of(app) == "EACCES"
        before = world.started_senders()
        edit(app.path, lambda text: text.replace(wrong(relay), relay.connection("db", "send")))
        assert errno_of(app) == "" and errno_of(app) == ""
        assert world.started_senders() == before and len(before) == 1
        # Lines at info may wait a moment for others.
        until(lambda: "configuration read again" in log_of(app), "the line of it")
        assert log_of(app).count("configuration read again") == 1, log_of(app)


def wrong(relay):
    """A connection string whose key is another one."""
    return relay.connection("db", "send").replace("SharedAccessKey=", "SharedAccessKey=AAAA")


@contextlib.contextmanager
def world_with_key_file():
    """Its file says the wrong key; beside it the text that is right."""
    with servers.echo() as target, World() as world:
        relay = world.relay(["db"])
        world.agent(relay, {"db": target.at})
        secret = world.path("db.connection")
        with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(wrong(relay))
        app = world.app(relay, {}, HYBRIDGE_DB_CONNECTION_FILE=secret, HYBRIDGE_DB_HOSTS="db.corp:5432")
        assert errno_of(app) == "EACCES"
        yield secret, relay.connection("db", "send"), app


def test_a_file_that_the_env_file_names_counts_as_well():
    with world_with_key_file() as (secret, right, app):
        edit(secret, lambda _: right)
        assert errno_of(app) == ""


class Kept:
    """A stream that stays open."""

    def __init__(self, app):
        self.program = app.start([PYTHON, "-c", KEEPING], stdin=subprocess.PIPE)
        self.program.line("echo")
        self.echoes = 1

    def works(self):
        self.program.popen.stdin.write(b"\n")
        self.program.popen.stdin.flush()
        self.echoes += 1
        until(lambda: len(self.program.lines) == self.echoes, "an echo")

    def end(self):
        self.program.popen.stdin.close()
        assert self.program.wait() == 0
        assert all(line["echo"] for line in self.program.lines), self.program.lines


def test_a_stream_goes_on_as_it_was_opened():
    for keys in {}, {"HYBRIDGE_HTTP2": "off"}:
        with world_without_sender(**keys) as (world, _, app):
            kept = Kept(app)
            before = world.started_senders()
            for host in "more.corp", "most.corp":
                edit(app.path, lambda text, host=host: text.replace("db.corp:5432", f"db.corp:5432 {host}:5432"))
                assert errno_of(app, host) == ""
                kept.works()
            kept.end()
            assert errno_of(app, "most.corp") == ""
            assert world.started_senders() == before


def streams_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    (number,) = re.findall(r'^hybridge_sender_streams{connection="db"} (\d+)$', text, re.MULTILINE)
    return int(number)


def test_metrics_count_what_was_opened_before():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with world_without_sender(HYBRIDGE_STATUS_LISTEN=f"127.0.0.1:{port}") as (_, _, app):
        kept = Kept(app)
        for _ in range(2):
            edit(app.path, lambda text: text + "# another line\n")
            assert errno_of(app) == ""
            until(lambda: streams_of(port) == 1, "the stream that is kept, alone")
        kept.end()
        until(lambda: streams_of(port) == 0, "no stream")


def test_no_connect_is_lost_while_the_file_changes_again_and_again():
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        storms = [app.start([PYTHON, "-c", STORM], stdin=subprocess.PIPE) for _ in range(STORMS)]
        for storm in storms:
            storm.line("begun")
        before = world.started_senders()
        for change in range(CHANGES):
            edit(app.path, lambda text: text + "# another line\n")
            until(lambda change=change: log_of(app).count("read again") > change, "the next reading")
            assert errno_of(app) == ""
        for storm in storms:
            storm.popen.stdin.close()
        seen = at_once([lambda storm=storm: storm.line("good") for storm in storms])
        assert all(one["good"] > 0 and not one["bad"] for one in seen), seen
        assert world.started_senders() == before


def test_the_last_of_many_quick_changes_counts():
    """Also of those that are made while the file is read."""
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        storm = app.start([PYTHON, "-c", STORM], stdin=subprocess.PIPE)
        storm.line("begun")
        for change in range(QUICK_CHANGES):
            host = f"h{change}.corp"
            for _ in range(change % 7 * 20 + 1):
                edit(app.path, lambda text: text + "# another line\n")
            edit(app.path, lambda text, host=host: text.replace("db.corp:5432", f"db.corp:5432 {host}:5432"))
            assert errno_of(app, host) == "", (change, log_of(app)[-2000:])
        storm.popen.stdin.close()
        seen = storm.line("good")
        assert seen["good"] > 0 and not seen["bad"], seen
        assert len(world.started_senders()) == 1


def test_a_file_that_cannot_be_used_changes_nothing_and_is_logged_once():
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        before = world.started_senders()
        edit(app.path, lambda text: text + "HYBRIDGE_DB_NO_SUCH_KEY='1'\n")
        for _ in range(3):
            assert errno_of(app) == ""
        assert world.started_senders() == before
        assert log_of(app).count("configuration not changed") == 1, log_of(app)
        assert "HYBRIDGE_DB_NO_SUCH_KEY" in log_of(app), log_of(app)


def test_authorities_that_cannot_be_read_change_nothing():
    with world_without_sender() as (world, _, app):
        assert errno_of(app) == ""
        with open(world.path("broken.pem"), "w", encoding="ascii") as file:
            file.write("no certificate\n")
        edit(app.path, lambda text: text.replace(world.authority.path, world.path("broken.pem")))
        for _ in range(3):
            assert errno_of(app) == ""
        assert log_of(app).count("configuration not changed") == 1, log_of(app)
        edit(app.path, lambda text: text.replace(world.path("broken.pem"), world.authority.path))
        assert errno_of(app) == ""
        # Lines at info may wait a moment for others.
        until(lambda: "configuration read again" in log_of(app), "the line of it")
        assert log_of(app).count("configuration read again") == 1, log_of(app)


def test_a_mode_that_was_mended_is_seen_though_no_file_was_written():
    with world_with_key_file() as (secret, right, app):
        edit(secret, lambda _: right)
        os.chmod(secret, 0o604)
        for _ in range(3):
            assert errno_of(app) == "EACCES"
        assert "readable by everyone" in log_of(app), log_of(app)
        os.chmod(secret, 0o600)
        until(lambda: errno_of(app) == "", "the new key to be used")
        assert log_of(app).count("configuration not changed") == 1, log_of(app)


def test_what_could_not_be_read_for_want_of_descriptors_is_read_when_there_are_some():
    with world_without_sender(lambda world, relay: wrong(relay)) as (world, relay, app):
        assert errno_of(app) == "EACCES"
        (sender,) = world.started_senders()
        edit(app.path, lambda text: text.replace(wrong(relay), relay.connection("db", "send")))
        limit = resource.prlimit(sender, resource.RLIMIT_NOFILE)
        # One for the program's request, and none for the file.
        descriptors = max(int(fd) for fd in os.listdir(f"/proc/{sender}/fd")) + 2
        resource.prlimit(sender, resource.RLIMIT_NOFILE, (descriptors, limit[1]))
        assert errno_of(app) != ""
        until(lambda: "configuration not changed" in log_of(app), "the line of it")
        assert "Too many open files" in log_of(app), log_of(app)
        resource.prlimit(sender, resource.RLIMIT_NOFILE, limit)
        until(lambda: errno_of(app) == "", "the new key to be used")
        assert log_of(app).count("configuration not changed") == 1, log_of(app)
        assert world.started_senders() == [sender]


def test_what_is_taken_at_the_start_needs_a_restart():
    with world_without_sender() as (_, _, app):
        assert errno_of(app) == ""
        edit(app.path, lambda text: text + "HYBRIDGE_STATUS_LISTEN='127.0.0.1:1'\n")
        assert errno_of(app) == ""
        until(lambda: 'key=HYBRIDGE_STATUS_LISTEN now="" file=127.0.0.1:1' in log_of(app), "a warning")


def status_of(app):
    argv = [os.path.join(BUILD, "hybridge"), "status", "--json", "-f", app.path]
    return json.loads(subprocess.run(argv, env=CLEAN_ENV, capture_output=True, check=False).stdout)["connections"]


def test_a_sender_that_was_started_by_hand_is_told_by_a_signal():
    with world_without_sender(lambda world, relay: wrong(relay)) as (_, relay, app):
        sender = app.sender()
        assert errno_of(app) == "EACCES"
        edit(app.path, lambda text: text.replace(wrong(relay), relay.connection("db", "send")))
        for _ in range(2):
            assert errno_of(app) == "EACCES"
        sender.wait_log('configuration has changed, and is not used" hint="SIGHUP')
        assert sender.err.count("has changed") == 1, sender.err
        sender.signal(signal.SIGHUP)
        sender.wait_log("configuration read again")
        assert errno_of(app) == ""
        assert sender.stop() == 0


def test_nothing_is_left_of_a_configuration_when_its_last_stream_has_ended():
    with world_without_sender() as (_, relay, app):
        sender = app.sender()
        assert errno_of(app) == ""
        until(lambda: status_of(app)[0]["open"] == 0, "the end of the first stream")
        before = sender.descriptors()
        kept = [Kept(app)]
        for change in range(3):
            sender.signal(signal.SIGHUP)
            until(lambda change=change: sender.err.count("read again") == change + 1, "another reading")
            kept.append(Kept(app))
        for one in kept:
            one.works()
        (row,) = status_of(app)
        assert (row["open"], row["total"], row["state"]) == (4, 5, "ready"), row
        # A connection to the relay for each, as keys and authorities may differ.
        assert sender.descriptors() > before
        assert relay.alive()
        for one in kept:
            one.end()
        until(lambda: sender.descriptors() <= before, "descriptors as before")
        (row,) = status_of(app)
        assert (row["open"], row["total"]) == (0, 5) and row["bytes_out"] == row["bytes_in"] > 8, row
        assert sender.stop() == 0


if __name__ == "__main__":
    main()
