#!/usr/bin/env python3
"""examples/prometheus: what its rules ask for is what daemons have, and they ring when they should.

promtool holds the rules against numbers of troubles, where it is installed; Debian's prometheus
brings 320 MB with it, so tests/deps does not ask for that.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request

import clients
import manual
import servers
from harness import BUILD, DEADLINE, SOURCE, World, main, tap, until

FOLDER = os.path.join(SOURCE, "examples", "prometheus")
ALERTS = os.path.join(FOLDER, "alerts.yml")
SCRAPE = os.path.join(FOLDER, "scrape.yml")
RULE_TEST = os.path.join(SOURCE, "tests", "data", "alerts_test.yml")
JOBS = ["hybridge-sender", "hybridge-agent", "hybridge-relay"]
OUR_LABELS = {"job", "instance"}  # Prometheus gives them to everything
SECONDS = 86400


def read(path):
    """What a YAML file says: Debian's python knows how."""
    code = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    with open(path, encoding="utf-8") as file:
        done = subprocess.run(["/usr/bin/python3", "-c", code], stdin=file, capture_output=True, check=True)
    return json.loads(done.stdout)


def rules():
    (group,) = read(ALERTS)["groups"]
    return group["rules"]


def labels_of(text):
    """{label: value} of what stands in the braces of a sample, or of a selector with its operator."""
    return re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', text or "")


def selectors(expr):
    """[(metric, its matchers)] that an expression names."""
    found = re.findall(r"\b((?:hybridge|process)_\w+|up)\b(\{[^}]*\})?", expr)
    return [(name, labels_of(braces)) for name, braces in found]


def grouped_by(expr):
    """Labels that an expression joins or groups by."""
    lists = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expr)
    return {label.strip() for one in lists for label in one.split(",")}


class Daemons:
    """One of each, and what they tell a scraper: {job: [(metric, {label: value}, number)]}."""

    def __init__(self, world, token="given"):
        self.at = {job: f"127.0.0.1:{servers.free_port()}" for job in JOBS}
        here = {job: {"HYBRIDGE_STATUS_LISTEN": at} for job, at in self.at.items()}
        self.relay = world.relay(["db"], HYBRIDGE_RELAY_WORKERS="2", **here["hybridge-relay"])
        self.echo = world.background(servers.echo())
        listen, send = {}, {}
        more = {"listen": {}, "send": {}}
        if token == "given":
            listen = {"db": self.relay.connection("db", "listen", token=self.relay.token("db", "listen", SECONDS))}
            send = {"db": self.relay.connection("db", "send", token=self.relay.token("db", "send", SECONDS))}
        elif token == "fetched":
            bare = f"Endpoint=sb://localhost:{self.relay.port}/;EntityPath=db"
            listen = send = {"db": bare}
            for right, keys in more.items():
                keys["HYBRIDGE_DB_TOKEN_COMMAND"] = f'echo "{self.relay.token("db", right, SECONDS)}"'
        agent = {**here["hybridge-agent"], **more["listen"]}
        self.agent = world.agent(self.relay, {"db": self.echo.at}, strings=listen, **agent)
        app = {**here["hybridge-sender"], **more["send"]}
        self.app = world.app(self.relay, {"db": "db.corp:5432"}, strings=send, **app)
        self.app.sender()

    def page(self, job):
        with urllib.request.urlopen(f"http://{self.at[job]}/metrics", timeout=DEADLINE) as answer:
            return answer.read().decode()

    def samples(self, job):
        lines = [line for line in self.page(job).splitlines() if not line.startswith("#")]
        parts = [re.fullmatch(r"(\w+)(\{.*\})? (\S+)", line).groups() for line in lines]
        return [
            (name, {label: value for label, _, value in labels_of(braces)}, float(number))
            for name, braces, number in parts
        ]

    def value(self, job, metric, **labels):
        """The number of the only such sample; None when there is none."""
        found = [
            number
            for name, has, number in self.samples(job)
            if name == metric and labels.items() <= has.items()
        ]
        assert len(found) <= 1, found
        return found[0] if found else None

    def connect(self):
        clients.expect_echo(self.app, "db.corp", 5432)


def fits(matcher, value):
    _, operator, wanted = matcher
    same = re.fullmatch(wanted, value) if "~" in operator else wanted == value
    return bool(same) != ("!" in operator)


def test_every_metric_and_label_of_a_rule_is_one_that_daemons_have():
    with World() as world:
        daemons = Daemons(world, "given")
        daemons.connect()
        told = {job: daemons.samples(job) for job in JOBS}
        for rule in rules():
            expr = rule["expr"]
            labels = set(OUR_LABELS)
            for name, matchers in selectors(expr):
                jobs = [job for job in JOBS if all(fits(m, job) for m in matchers if m[0] == "job")]
                assert jobs, (rule["alert"], matchers)
                if name == "up":
                    continue
                for job in [job for job in jobs if name.startswith(("process_", job.replace("-", "_")))]:
                    has = [sample for sample in told[job] if sample[0] == name]
                    assert has, f"{rule['alert']}: {job} has no {name}"
                    labels |= has[0][1].keys()
                    for label, operator, wanted in matchers:
                        if label == "job":
                            continue
                        assert all(label in one for _, one, _ in has), (rule["alert"], name, label)
                        for word in wanted.split("|") if "!" not in operator else []:
                            there = any(one[label] == word for _, one, _ in has)
                            assert there, f"{rule['alert']}: no {name} has {label}={word}"
            assert re.search(r"\bup\b|hybridge_|process_", expr) and selectors(expr), rule
            shown = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
            assert shown | grouped_by(expr) <= labels, (rule["alert"], shown | grouped_by(expr), labels)


def test_each_rule_says_what_is_wrong_and_what_to_type():
    known = {"systemctl", "journalctl", "hybridge", "curl", "top"}
    alerts = [rule["alert"] for rule in rules()]
    assert len(set(alerts)) == len(alerts) >= 12, alerts
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule
        summary, description = (rule["annotations"][key] for key in ("summary", "description"))
        assert 20 < len(summary) < 140 and "\n" not in summary, rule
        commands = [re.sub(r"\{\{.*?\}\}", "X", one).split() for one in re.findall("`([^`]+)`", description)]
        assert commands, rule
        for command in commands:
            assert command[0] in known, (rule["alert"], command)
            if command[0] == "hybridge":
                done = manual.run("hybridge", command[1], "--help")
                assert done.returncode == 0, (rule["alert"], command)


def logged(program):
    """Every text that a daemon's source has, and so may be what it logs."""
    return subprocess.run(["strings", "-n", "6", os.path.join(BUILD, program)], capture_output=True, text=True).stdout


def test_the_lines_of_the_log_that_a_rule_points_to_are_logged():
    for rule in rules():
        command = re.search(r"journalctl -u '?([\w-]+)\*?'? -g '([^']+)'", rule["annotations"]["description"])
        if command:
            texts = re.sub(r"end=\((.*)\)", r"\1", command[2]).split("|")
            for text in texts:
                assert text in logged(command[1]), (rule["alert"], text)


def test_what_is_scraped_is_where_the_examples_have_the_daemons_serve():
    config = read(SCRAPE)
    assert config["rule_files"] == ["alerts.yml"], config
    jobs = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}
    assert list(jobs) == JOBS, jobs
    examples = {
        "hybridge-sender": os.path.join(SOURCE, "examples", "hybridge.env"),
        "hybridge-agent": os.path.join(SOURCE, "man", "hybridge.env.5"),
        "hybridge-relay": os.path.join(SOURCE, "examples", "relay.env"),
    }
    for job, path in examples.items():
        with open(path, encoding="utf-8") as file:
            assert f"HYBRIDGE_STATUS_LISTEN='{jobs[job]}'" in file.read(), job


def test_the_end_of_each_kind_of_token_is_told():
    for kind, seconds in (("signed", 3600), ("fetched", SECONDS), ("given", SECONDS)):
        with World() as world:
            daemons = Daemons(world, kind)
            daemons.connect()
            for job in ("hybridge-agent", "hybridge-sender"):
                metric = f"{job.replace('-', '_')}_token_expiry_timestamp_seconds"
                end = daemons.value(job, metric, connection="db", token=kind)
                assert end and abs(end - time.time() - seconds) < DEADLINE, (job, kind, end)


def test_numbers_move_as_the_rules_expect():
    with World() as world:
        daemons = Daemons(world, "signed")
        agent, relay = "hybridge-agent", "hybridge-relay"
        assert daemons.value(agent, "hybridge_agent_control_connects_total", connection="db") == 1
        assert daemons.value(relay, "hybridge_relay_max_streams") == 5000
        assert daemons.value(relay, "hybridge_relay_listeners", hc="db") == 1
        opened = daemons.value(relay, "process_open_fds")
        assert 5 < opened < daemons.value(relay, "process_max_fds"), opened
        assert abs(daemons.value(relay, "process_start_time_seconds") - time.time()) < DEADLINE
        assert daemons.value(relay, "process_cpu_seconds_total") > 0
        daemons.relay.kill()
        until(lambda: daemons.value(agent, "hybridge_agent_control_up", connection="db") == 0, "the loss of it")
        daemons.relay.again()
        until(lambda: daemons.value(agent, "hybridge_agent_control_up", connection="db") == 1, "the agent")
        assert daemons.value(agent, "hybridge_agent_control_connects_total", connection="db") == 2
        assert daemons.agent.stop() == 0
        until(lambda: daemons.value(relay, "hybridge_relay_listeners", hc="db") == 0, "no listener")


def test_nobody_is_called_for_a_hybrid_connection_that_was_removed():
    with World() as world:
        at = f"127.0.0.1:{servers.free_port()}"
        relay = world.relay(["db", "old"], HYBRIDGE_STATUS_LISTEN=at)
        daemons = Daemons.__new__(Daemons)
        daemons.at = {"hybridge-relay": at}
        assert daemons.value("hybridge-relay", "hybridge_relay_listeners", hc="old") == 0
        os.unlink(os.path.join(relay.settings["HYBRIDGE_RELAY_DIR"], "old.env"))
        relay.signal(signal.SIGHUP)
        relay.wait_log("reloaded")
        assert daemons.value("hybridge-relay", "hybridge_relay_listeners", hc="old") is None
        assert daemons.value("hybridge-relay", "hybridge_relay_listeners", hc="db") == 0


def promtool(*words, **more):
    path = shutil.which("promtool")
    if not path:
        tap.skip("promtool is not installed")
    done = subprocess.run([path, *words], capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_mistake_in_them():
    promtool("check", "rules", ALERTS)
    promtool("check", "config", SCRAPE)


def test_the_rules_ring_when_they_should_and_only_then():
    promtool("test", "rules", RULE_TEST)


def test_every_rule_is_tried_by_promtool():
    with open(RULE_TEST, encoding="utf-8") as file:
        tried = set(re.findall(r'alertname="(\w+)"', file.read()))
    assert tried == {rule["alert"] for rule in rules()}, tried ^ {rule["alert"] for rule in rules()}


def test_promtool_finds_no_mistake_in_what_the_daemons_tell():
    with World() as world:
        daemons = Daemons(world)
        daemons.connect()
        for job in JOBS:
            promtool("check", "metrics", input=daemons.page(job))


if __name__ == "__main__":
    main()
