#!/usr/bin/env python3
"""hybridge logs: the lines of sender, relay and agent together, of one stream, and those that come."""

import json
import os
import re
import shutil
import signal
import time

import clients
import servers
from command import ASK, HYBRIDGE, hybridge, read
from harness import CLEAN_ENV, PYTHON, World, main, until

UNITS = ["--unit=hybridge-sender@*.service", "--unit=hybridge-agent.service", "--unit=hybridge-relay.service"]

# Notes its arguments, and shows "entries"; with --follow "coming", and what is added to that.
JOURNALCTL = """#!/bin/sh
echo "$*" >>{folder}/asked
case $* in *--follow*)
	{tail} -n +1 -f {folder}/coming
	exec {sleep} 1000 ;;
esac
exec {cat} {folder}/entries
"""


def line(at, msg, **fields):
    """As a daemon writes it to a file; @at: seconds of the hour."""
    more = "".join(f" {key}={value}" for key, value in fields.items())
    return f"ts=2026-01-31T12:{at // 60:02}:{at % 60:02}.000Z level=info prog=hybridge-sender msg={msg}{more}\n"


def entry(at, message, prog="hybridge-agent", priority="6"):
    """As journalctl writes it."""
    stamp = 1769860800 + at  # 2026-01-31T12:00:00Z
    fields = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": prog}
    return json.dumps({"__CURSOR": f"s={at};i=1", "__REALTIME_TIMESTAMP": f"{stamp}000000", **fields}) + "\n"


class Place:
    """A sender's socket with a log beside it, and a journal."""

    def __init__(self, world, text=None, journal=None, **settings):
        self.world = world
        self.file = world.write_env("place.env", HYBRIDGE_SOCKET=world.path("run/sender.sock"), **settings)
        self.log = world.path("run/sender.sock.log")
        self.env = {**CLEAN_ENV, "PATH": world.path("bin")}
        os.mkdir(world.path("run"))
        os.mkdir(world.path("bin"))
        if text is not None:
            self.write(text)
        if journal is not None:
            tools = {name: shutil.which(name) for name in ("cat", "sleep", "tail")}
            script = JOURNALCTL.format(folder=world.folder, **tools)
            for name, content in (("entries", journal), ("coming", ""), ("bin/journalctl", script)):
                self.write(content, path=world.path(name))
            os.chmod(world.path("bin/journalctl"), 0o755)

    def write(self, text, mode="a", path=None):
        with open(path or self.log, mode, encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)

    def show(self, *args):
        return hybridge("logs", "-f", self.file, *args, env=self.env)

    def events(self, *args):
        """What msg= of the lines is."""
        shown = self.show(*args)
        assert shown.status == 0, (args, shown.err)
        return re.findall(r" msg=(\S+)", shown.out)

    def follow(self, *args):
        follower = self.world.start([HYBRIDGE, "logs", "-f", self.file, "-F", *args], env=self.env)
        follower.expected_status = -signal.SIGTERM
        return follower

    def asked(self):
        return [call.split(" ") for call in read(self.world.path("asked")).splitlines()]


def await_lines(follower, *events):
    """Until it has shown these, and no others."""
    def shown():
        return re.findall(r" msg=(\S+)", follower.out)

    until(lambda: shown()[-1:] == [events[-1]] or not follower.alive(), f"{events} in {shown()}, {follower.err}")
    assert shown() == list(events), shown()


def test_one_stream_is_followed_through_sender_relay_and_agent():
    with servers.echo() as target, World() as world:
        env = {**CLEAN_ENV, "XDG_RUNTIME_DIR": world.folder}
        dev = world.start([HYBRIDGE, "dev", "db.corp:5432=%s:%d" % target.at, "no.corp:1=127.0.0.1:1"], env=env)
        until(lambda: "Ctrl-C" in dev.out or not dev.alive(), "hybridge dev to be ready")
        for host, port in (("db.corp", "5432"), ("no.corp", "1"), ("db.corp", "5432")):
            hybridge("run", "--", PYTHON, "-c", ASK, host, port, env=env)

        def logs(*args):
            shown = hybridge("logs", *args, env={**env, "PATH": world.folder})
            return re.findall(r"prog=hybridge-(\w+) msg=(\"[^\"]*\"|\S+)", shown.out)

        def closed():
            return re.findall(r'hybridge-sender msg="session closed".* session=(\S+)', hybridge("logs", env=env).out)

        first, second = until(lambda: len(closed()) == 2 and closed(), "the end of two streams")
        whole = [
            ("sender", '"session opened"'), ("agent", '"session opened"'),
            *((who, '"session closed"') for who in ("sender", "agent", "relay")),
        ]
        until(lambda: sorted(logs("--stream", first)) == sorted(whole), "all lines of the first stream")
        for typed in (first[:8], first.upper(), first + "_G3", first[:8] + "_G1"):
            assert logs("--stream", typed) == logs("--stream", first), typed
        assert second[:8] != first[:8]
        assert sorted(logs("hc2")) == [("agent", '"control channel up"'), ("agent", '"target not reached"'),
                                       ("relay", '"listener connected"'), ("relay", '"stream refused"'),
                                       ("sender", '"connect refused"')]
        stamps = re.findall("^ts=(\\S+)", hybridge("logs", env=env).out, re.M)
        assert stamps == sorted(stamps) and len(stamps) > 10, stamps


def test_the_log_of_a_sender_that_a_program_started_is_shown_and_followed():
    with servers.echo() as target, World() as world:
        relay = world.relay(["db", "er"])
        world.agent(relay, {"db": target.at, "er": target.at})
        app = world.app(relay, {"db": "db.corp:5432", "er": "er.corp:1"})
        env = {**CLEAN_ENV, "PATH": world.folder}
        nothing = hybridge("logs", "-f", app.path, env=env)
        assert nothing.status == 69 and f"{app.socket}.log: No such file" in nothing.err, nothing.err
        clients.outcome(app, "blocking", "db.corp", 5432)
        clients.outcome(app, "blocking", "er.corp", 1)

        def shown(*args, **more):
            return re.findall("conn=(\\w+)", hybridge("logs", *args, env={**env, **more}).out)

        until(lambda: shown("-f", app.path).count("er") == 2, "both lines of the second stream")
        assert set(shown("db", HYBRIDGE_ENV=app.path)) == {"db"}
        mistyped = hybridge("logs", "-f", app.path, "dc", env=env)
        assert mistyped.status == 64 and "no connection 'dc'" in mistyped.err, mistyped.err

        follower = world.start([HYBRIDGE, "logs", "-f", app.path, "-F", "-n0", "db"], env=env)
        follower.expected_status = -signal.SIGTERM

        def connected(host, port):
            clients.outcome(app, "blocking", host, port)
            return True

        until(lambda: connected("db.corp", 5432) and "session opened" in follower.out, "a line that came")
        # The sender itself empties it.
        os.truncate(app.socket + ".log", 2 << 20)
        until(lambda: connected("er.corp", 1) and os.path.getsize(app.socket + ".log") < 1 << 20, "the log emptied")
        before = follower.out.count("\n")
        connected("db.corp", 5432)
        until(lambda: follower.out.count("\n") >= before + 2, f"lines behind {before}")
        assert "conn=er" not in follower.out, follower.out


def test_the_last_lines_are_shown_and_older_ones_where_they_are_asked_for():
    with World() as world:
        place = Place(world, "".join(line(at, f"m{at}") for at in range(120)))
        assert place.events() == [f"m{at}" for at in range(20, 120)]
        assert place.events("-n", "2") == ["m118", "m119"] and place.events("-n1000") == place.events("-n", "120")
        now = time.time()
        place.write("".join(
            time.strftime("ts=%Y-%m-%dT%H:%M:%S.500Z msg=", time.gmtime(now - ago)) + f"ago{ago}\n"
            for ago in (7000, 3000, 20)
        ) + "hybridge: not made by the log, and as old\n")
        assert place.events("--since", "2h") == ["ago7000", "ago3000", "ago20"]
        assert place.events("--since", "1h", "-n", "3") == ["ago3000", "ago20"]
        assert "as old" in place.show("--since", "30s").out
        assert place.show("-n", "0").status == 0 and place.show("-n", "0").out == ""


def test_lines_are_understood_in_every_form_and_only_by_their_fields():
    with World() as world:
        wanted = [
            line(1, "logfmt", conn="sql", session="0a1b2c3d-4e5f"),
            '{"ts":"2026-01-31T12:00:02.000Z","level":"info","msg":"json","conn":"sql","session":"0a1b2c3d-4e5f"}\n',
            "12:34:56 info session opened  conn=sql session=0a1b2c3d-4e5f\n",
        ]
        others = [
            line(1, '"about session=0a1b2c3d-4e5f conn=sql"', error='"x\\" conn=sql session=0a1b2c3d"'),
            line(1, "another", conn="sql2", session="0a1b2c3e-4e5f"),
            line(1, "none", conn="-", session=""),
            '{"msg":"conn=sql session=0a1b2c3d"}\n{"conn": "sql"\n',
            "conn sql, session 0a1b2c3d\n\n",
            # What a client of somebody else's calls it.
            line(1, "short", conn="sqlx", session="0"),
        ]
        place = Place(world, "".join(others + wanted + others))
        stream = ["--stream", "0a1b2c3d"]
        for args in (["sql"], ["SQL"], stream, ["--stream", "0A1B2C3D-4e"], ["sql", *stream]):
            assert sorted(place.show(*args).out.splitlines(True)) == sorted(wanted), args
        assert place.show("sql2").out.count("another") == 2
        found = place.show("nosuch")
        assert found.status == 69 and "lines 19" in found.err and "--stream" in found.err, found.err


def test_nothing_that_a_terminal_obeys_reaches_it():
    with World() as world:
        place = Place(world, "\x1b[31mred\x07 \x9b1m \udc9b \x00 \x7f \u202f\u00e9 tab\there\r\n" + "x" * 70000 + "end")
        out = place.show().out.split("\n")
        assert out[0] == "?[31mred? ?1m \ufffd ? ? \u202f\u00e9 tab?here?", out[0]
        assert "".join(out[1:]) == "x" * 70000 + "end"


def test_what_is_no_log_of_this_user_is_not_shown():
    with World() as world:
        place = Place(world)
        secret = world.path("secret")
        place.write("secret\n", path=secret)
        for put in (lambda: os.symlink(secret, place.log), lambda: os.link(secret, place.log),
                    lambda: os.mkfifo(place.log), lambda: os.mkdir(place.log)):
            put()
            shown = place.show()
            assert shown.status == 69 and shown.out == "" and "no plain file" in shown.err, shown.err
            (os.rmdir if os.path.isdir(place.log) else os.unlink)(place.log)
        if os.geteuid() == 0:
            place.write("of another user\n")
            os.chown(place.log, 65534, 65534)
            assert place.show().out == "of another user\n", "root may see all"
        else:
            place.write("closed\n")
            os.chmod(place.log, 0)
            assert "Permission denied" in place.show().err


def test_following_goes_on_when_the_log_is_emptied_replaced_removed_or_made():
    with World() as world:
        place = Place(world, line(1, "one"))
        follower = place.follow()
        await_lines(follower, "one")
        place.write(line(2, "two") + line(3, "three")[:20])
        await_lines(follower, "one", "two")
        place.write(line(3, "three")[20:])
        await_lines(follower, "one", "two", "three")
        place.write(line(4, "emptied"), "w")
        await_lines(follower, "one", "two", "three", "emptied")
        os.rename(place.log, place.log + ".1")
        place.write(line(5, "last-of-old"), path=place.log + ".1")
        place.write(line(6, "replaced"))
        await_lines(follower, "one", "two", "three", "emptied", "last-of-old", "replaced")
        os.unlink(place.log)
        os.unlink(place.log + ".1")
        os.rmdir(world.path("run"))
        os.mkdir(world.path("run"))
        place.write(line(7, "anew"))
        await_lines(follower, "one", "two", "three", "emptied", "last-of-old", "replaced", "anew")


def test_following_waits_for_a_log_and_says_so_and_ends_with_its_reader():
    with World() as world:
        place = Place(world)
        os.rmdir(world.path("run"))
        follower = place.follow("--stream", "0a1b2c3d")
        until(lambda: "no line was found" in follower.err, "where it looks")
        os.mkdir(world.path("run"))
        place.write(line(1, "other") + line(2, "mine", session="0a1b2c3d"))
        await_lines(follower, "mine")

        reading, writing = os.pipe()
        with open(reading, "rb", buffering=0) as reader:
            pid = os.posix_spawn(HYBRIDGE, [HYBRIDGE, "logs", "-f", place.file, "--follow"], place.env,
                                 file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
            os.close(writing)
            assert reader.readline().startswith(b"ts="), "nothing followed"
        status = until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, "the end of who has no reader")
        assert status


def test_the_journal_of_our_units_is_shown_with_the_file_by_its_time():
    journal = (
        entry(1, "started  version=0.1.0")
        + entry(3, "target not reached  conn=sql session=0a1b2c3d-4e error=\"no\x1b [x]\"", priority="4")
        + entry(5, "Main process exited, code=killed,  status=9", prog="systemd", priority="5")
        + entry(7, list(b"no \x1b text\xff  conn=sql"), prog="hybridge-relay", priority="3")
        + entry(9, '{"ts":"2026-01-31T12:00:09.000Z","msg":"json","entity":"sql"}')
        + "no JSON\n"
        + entry(11, 'a "quoted" one', prog="odd name", priority="7")
    )
    with World() as world:
        place = Place(world, line(2, "two") + line(8, "eight", conn="sql"), journal)
        shown = place.show()
        at = "ts=2026-01-31T12:00:%s.000Z level=%s prog=%s msg=%s"
        assert shown.out.splitlines() == [
            at % ("01", "info", "hybridge-agent", '"started" version=0.1.0'),
            at % ("02", "info", "hybridge-sender", "two"),
            at % ("03", "warning", "hybridge-agent",
                  '"target not reached" conn=sql session=0a1b2c3d-4e error="no? [x]"'),
            at % ("05", "info", "systemd", '"Main process exited, code=killed,  status=9"'),
            at % ("07", "error", "hybridge-relay", '"no ? text\ufffd" conn=sql'),
            at % ("08", "info", "hybridge-sender", "eight conn=sql"),
            '{"ts":"2026-01-31T12:00:09.000Z","msg":"json","entity":"sql"}',
            at % ("11", "debug", '"odd name"', '"a \\"quoted\\" one"'),
        ], shown.out
        assert shown.err == "" and place.show("-n", "3").out == "".join(shown.out.splitlines(True)[-3:])
        for args, lines in ((["--stream", "0a1b2c3d"], 1), (["sql"], 4), (["sql", "-n", "2"], 2)):
            assert place.show(*args).out.count("\n") == lines, args
        started = time.time()
        place.show("--since", "1h")
        every_time = ["--quiet", "--no-pager", "--all", "--output=json",
                      "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER", *UNITS]
        *asked, last = place.asked()
        assert asked == [[*every_time, *more] for more in (["--lines=100"], ["--lines=3"], [], [], [])], asked
        assert last[:-1] == every_time and re.fullmatch(r"--since=@\d+\.\d{3}", last[-1]), last
        assert abs(float(last[-1].split("@")[1]) - (started - 3600)) < 60, last


def test_a_relay_calls_a_connection_by_its_hybrid_connection():
    string = "Endpoint=sb://relay.example/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=Sales"
    journal = "".join(entry(at, f"{at}  entity={name}") for at, name in enumerate(("sales", "sql", "sale"), 1))
    with World() as world:
        named = {"HYBRIDGE_SQL_CONNECTION": string, "HYBRIDGE_SQL_HOSTS": "db.corp:1"}
        place = Place(world, line(4, "four", conn="sql"), journal, **named)
        assert place.events("sql") == ['"1"', "four"]


def test_the_journal_is_followed_from_behind_what_was_shown():
    with World() as world:
        place = Place(world, line(1, "one"), entry(2, "two") + entry(3, "three  conn=x"))
        follower = place.follow("-n", "2")
        await_lines(follower, '"two"', '"three"')
        place.write(entry(4, "four"), path=world.path("coming"))
        await_lines(follower, '"two"', '"three"', '"four"')
        place.write(line(5, "five"))
        await_lines(follower, '"two"', '"three"', '"four"', "five")
        assert place.asked()[1][-3:] == ["--follow", "--no-tail", "--after-cursor=s=3;i=1"], place.asked()
        assert not any(arg.startswith(("--since", "--lines")) for arg in place.asked()[1])
        assert follower.popen.terminate() is None and follower.wait() == -signal.SIGTERM
        until(lambda: not world._related(), "the end of its journalctl")


def test_a_journal_that_cannot_be_read_does_not_hide_the_file():
    with World() as world:
        place = Place(world, line(1, "one"), "")
        with open(world.path("bin/journalctl"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho 'No permission' >&2\nexit 3\n")
        shown = place.show()
        assert (shown.status, shown.out, shown.err) == (0, line(1, "one"), "No permission\n"), shown.err
        follower = place.follow()
        await_lines(follower, "one")
        until(lambda: "journalctl has ended" in follower.err, "a warning")
        place.write(line(2, "two"))
        await_lines(follower, "one", "two")
        os.unlink(place.log)
        nothing = place.show()
        assert nothing.status == 69 and "failed with 3" in nothing.err, nothing.err
        os.unlink(world.path("bin/journalctl"))
        assert "no journalctl" in place.show().err


def test_wrong_arguments_are_refused():
    with World() as world:
        place = Place(world, line(1, "one"))
        for args, words in (
            (("a", "b"), "one NAME"),
            (("-n", "-1"), "-n wants"),
            (("-n", "1x"), "-n wants"),
            (("-n", "1000001"), "-n wants"),
            (("-n",), "needs a value"),
            (("--since", "soon"), "like 30s"),
            (("--stream", ""), "--stream wants"),
            (("--stream", "_G1"), "--stream wants"),
            (("--folow",), "did you mean '--follow'"),
            (("-f",), "-F follows"),
        ):
            shown = place.show(*args)
            assert shown.status == 64 and shown.out == "" and words in shown.err, (args, shown.err)
        assert hybridge("logs", "-f", world.path("none.env")).status == 78


if __name__ == "__main__":
    main()
