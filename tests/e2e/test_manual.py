#!/usr/bin/env python3
"""The manual pages: they are sound, complete, and say nothing that is not so."""

import os
import re
import subprocess

import manual
from harness import main
from manual import DAEMONS, PAGES, items, keys_of, options, page, part, read
from manual import shown_options, statuses

SENDERS_TABLE = ("common", "config_keys.c")
RELAYS_TABLE = ("relay", "config.c")
RULES_TABLE = ("relay", "entities_load.c")
# Certificate and key, and what makes a rule: there with the rest of it, or not at all.
PARTS_OF_A_WHOLE = ("HYBRIDGE_RELAY_KEY", "HYBRIDGE_RULE_")


def test_mandoc_finds_nothing_wrong():
    for name, path in PAGES.items():
        lint = ["mandoc", "-T", "lint", "-W", "style", path]
        done = subprocess.run(lint, capture_output=True, text=True, check=False)
        # Whether other packages' pages are installed is not the page's affair.
        said = [line for line in done.stdout.splitlines() if "manual not found" not in line]
        assert not said, (name, said)


def test_there_is_a_page_for_each_program_and_its_name_is_the_files():
    assert {"hybridge.1", "libhybridge.7", *(f"{daemon}.8" for daemon in DAEMONS)} <= set(PAGES)
    for name in PAGES:
        title, section = name.rsplit(".", 1)
        assert f"\n.Dt {title.upper()} {section}\n" in page(name), name
        assert f".Sh NAME\n.Nm {title}\n" in page(name), name


def test_no_page_is_longer_than_a_file_may_be():
    for name in PAGES:
        assert page(name).count("\n") <= 600, name


def test_references_lead_to_pages_that_there_are():
    for name in PAGES:
        for title, section in re.findall(r"^\.Xr (\S+) (\d)", page(name), re.M):
            if "hybridge" in title:
                assert f"{title}.{section}" in PAGES, (name, title, section)
        also = part(page(name), "Sh", "SEE ALSO")
        assert len(re.findall(r"^\.Xr", also, re.M)) >= 3, name
        assert f".Xr {name.rsplit('.', 1)[0]} " not in also, name


def documented_keys(name):
    """Keys that have an item with a form, not those of ENVIRONMENT."""
    found = [re.match(rf"Ev ({manual.KEY}) Ns = ", item) for item in items(page(name))]
    keys = [item[1] for item in found if item]
    assert len(keys) == len(set(keys)), (name, sorted(keys))
    return set(keys)


def test_every_key_of_the_programs_is_documented_and_no_other():
    assert documented_keys("hybridge.env.5") == keys_of(*SENDERS_TABLE)
    assert documented_keys("hybridge-relay.env.5") == keys_of(*RELAYS_TABLE) | keys_of(*RULES_TABLE)


def test_each_key_has_a_default_or_must_be_there_and_says_who_reads_it():
    for name in ("hybridge.env.5", "hybridge-relay.env.5"):
        text = page(name)
        for key in documented_keys(name):
            start = text.index(f".It Ev {key} Ns = ") + len(".It ")
            end = re.search(r"^\.(It|El)", text[start:], re.M).start()
            about = text[start : start + end].replace("\n", " ")
            told = re.search(r"default is|No default|must be there|Without it|file without", about)
            assert told or key.startswith(PARTS_OF_A_WHOLE), (name, key, about)
            if name == "hybridge.env.5":
                assert re.search(r"Read by (the )?(library|sender|agent|all)", about), (key, about)


def test_no_page_names_a_key_that_there_is_not():
    keys = keys_of(*SENDERS_TABLE) | keys_of(*RELAYS_TABLE) | keys_of(*RULES_TABLE)
    # HYBRIDGE_SQL_HOSTS, and HYBRIDGE_HOSTS where there is a single connection.
    known = [re.escape(key).replace(r"_\*_", r"_(\*_|[A-Z][A-Z0-9_]*_)?") for key in keys]
    for name in PAGES:
        for key in re.findall(rf"{manual.KEY}(?![A-Z0-9_*])", page(name)):
            assert re.fullmatch("|".join(known), key), (name, key)


def test_every_command_has_its_section_and_every_section_is_a_commands():
    sections = set(re.findall(r"^\.Ss (\S+)$", page("hybridge.1"), re.M))
    assert sections == set(manual.commands()), sections ^ set(manual.commands())
    synopsis = part(page("hybridge.1"), "Sh", "SYNOPSIS")
    assert set(re.findall(r"^\.Cm (\w+)", synopsis, re.M)) == sections


def texts_about(command):
    """A command's section, and its own page: one of them has its options, or both."""
    section = part(page("hybridge.1"), "Ss", command)
    if f"hybridge-{command}.1" not in PAGES:
        return [section]
    own = [page(f"hybridge-{command}.1")]
    return [section, *own] if options(section) else own


def test_every_option_of_a_command_is_documented_and_no_other():
    for command in manual.commands():
        shown = shown_options("hybridge", command)
        for text in texts_about(command):
            assert options(text) == shown, (command, options(text) ^ shown)


def test_the_rows_of_doctor_are_those_that_it_has():
    said = set(re.findall(r"^\.It ([a-z]+)$", page("hybridge-doctor.1"), re.M))
    code = read("cli", "doctor.c") + read("cli", "doctor_check.c")
    rows = set(re.findall(r'(?:report_row|report_failure|row_skipped)\([^;"]*?"([a-z]+)"', code))
    rows |= set(re.findall(r'\{TOLD_\w+, "([a-z]+)"', code))
    assert said == rows and len(rows) > 8, said ^ rows
    assert options(page("hybridge-doctor.1")) == shown_options("hybridge", "doctor")
    assert set(statuses(page("hybridge-doctor.1"))) <= set(statuses(page("hybridge.1")))


def test_what_hybridge_itself_takes_is_what_its_page_says():
    head = part(page("hybridge.1"), "Sh", "DESCRIPTION").split(".Ss ")[0]
    assert options(head) == {"-h", "--help", "-V", "--version"}
    for option in options(head):
        assert manual.run("hybridge", option).returncode == 0, option
        for command in manual.commands():
            done = manual.run("hybridge", command, option)
            assert (done.returncode == 0) == (option in ("-h", "--help")), (command, option)


def test_every_option_of_a_daemon_is_documented_and_no_other():
    for daemon in DAEMONS:
        shown = shown_options(daemon)
        said = options(page(f"{daemon}.8"))
        assert said == shown, (daemon, said ^ shown)


def test_every_exit_status_is_one_that_the_programs_have():
    table = re.search(r"exit_statuses\[\] = \{(.*?)\};", read("common", "error.c"), re.S)[1]
    ours = {int(number) for number in re.findall(r"\] = (\d+)", table)}
    launch = set(map(int, re.findall(r"#define LAUNCH_\w+ +(\d+)", read("cli", "launch.h"))))
    assert len(ours) > 5 and len(launch) == 3
    for daemon in DAEMONS:
        said = set(statuses(page(f"{daemon}.8")))
        assert {0, 64, 71, 78} <= said <= ours, (daemon, said)
    said = set(statuses(page("hybridge.1")))
    assert launch <= said <= ours | launch, said
    for command in manual.commands():
        text = manual.run("hybridge", command, "--help").stdout
        shown = re.search(r"^Exit status:(.*?)\n\n", text, re.M | re.S)
        # "128 + N" is no status.
        numbers = re.findall(r"\b\d+\b(?! \+)", shown[1]) if shown else []
        own = page(f"hybridge-{command}.1") if f"hybridge-{command}.1" in PAGES else page("hybridge.1")
        assert set(map(int, numbers)) <= set(statuses(own)) <= ours | launch, (command, numbers)


def test_the_library_replaces_what_its_page_says():
    exported = re.search(r"global:(.*?)local:", read("shim", "shim.map"), re.S)[1]
    replaced = set(re.findall(r"\w+", exported)) - {"hybridge_shim_probe"}
    said = set()
    for item in items(part(page("libhybridge.7"), "Sh", "CALLS")):
        said.update(re.findall(r"Fn (\w+)", item))
    assert said == replaced, said ^ replaced


def test_the_library_reads_what_its_page_says():
    source = read("shim", "config.c")
    read_there = set(re.findall(r'equals\(key, "(\w+)"\)', source)) | {"HYBRIDGE_*_HOSTS"}
    said = {item.split()[1] for item in items(part(page("libhybridge.7"), "Sh", "ENVIRONMENT"))}
    assert said == read_there, said ^ read_there


def test_every_message_that_is_explained_is_one_that_the_programs_have():
    folders = ("cli", "common", "sender", "agent", "relay", "shim")
    sources = ""
    for folder in folders:
        for file in sorted(os.listdir(os.path.join(manual.SOURCE, folder))):
            sources += read(folder, file) if file.endswith(".c") else ""
    # A message that is longer than a line is several strings.
    sources = re.sub(r'"\s*"', "", sources)
    count = 0
    for name in PAGES:
        if "\n.Sh DIAGNOSTICS\n" not in page(name):
            continue
        for item in items(part(page(name), "Sh", "DIAGNOSTICS")):
            # What stands for something else is in capitals, or three dots.
            message = item.strip('"').replace(r"\&", "")
            for piece in re.split(r"\b[A-Z_*]{3,}\b|\.\.\.", message):
                words = piece.strip(" :()'=")
                count += 1
                assert words in sources, (name, item, words)
    assert count > 20


if __name__ == "__main__":
    main()
