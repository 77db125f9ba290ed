#!/usr/bin/env python3
"""hybridge key, and the mistakes people make with the command line."""

import os
import re
import resource
import signal
import subprocess
import time

import sas
from command import HYBRIDGE, hybridge, mode, read
from harness import CLEAN_ENV, World, main, new_key


def connection(key, name="defaultSender", entity="erp"):
    return (
        f"Endpoint=sb://relay.example/;SharedAccessKeyName={name};"
        f"SharedAccessKey={key};EntityPath={entity}"
    )


def test_a_mistyped_command_is_answered_with_a_suggestion():
    for typed, meant in (("stauts", "status"), ("rnu", "run"), ("kye", "key")):
        shown = hybridge(typed)
        assert shown.status == 64 and not shown.out, shown.out
        assert f"'{typed}' is not a command" in shown.err, shown.err
        assert f"-> did you mean 'hybridge {meant}'?" in shown.err, shown.err


def test_a_wrong_option_is_a_usage_error_on_standard_error():
    for args in (["status", "--wrong"], ["run", "--wrong", "true"], ["run"], ["dev"], ["key"],
                 ["key", "new"], ["dev", "db.corp"], ["dev", "db.corp:1=nowhere"]):
        shown = hybridge(*args)
        assert shown.status == 64, (args, shown.status, shown.err)
        assert shown.err.startswith("hybridge: ") and "\n  -> " in shown.err, (args, shown.err)
        assert not shown.out, (args, shown.out)


def test_a_wrong_option_is_named_and_a_missing_value_told():
    for args, said, hint in (
        (["run", "--strickt", "true"], "'--strickt' is not an option", "did you mean '--strict'?"),
        (["run", "-v", "-x", "true"], "'-x' is not an option", "hybridge run --help"),
        (["run", "-f"], "'-f' needs a value", "hybridge run --help"),
        (["status", "--jsno"], "'--jsno' is not an option", "did you mean '--json'?"),
        (["status", "--json=yes"], "'--json' takes no value", "hybridge status --help"),
        (["status", "-f"], "'-f' needs a value", "hybridge status --help"),
        (["dev", "-q", "a:1=b:1"], "'-q' is not an option", "hybridge dev --help"),
        (["key", "new", "--hc"], "'--hc' needs a value", "hybridge key --help"),
        (["key", "new", "--rely=x"], "'--rely' is not an option", "did you mean '--relay'?"),
        (["key", "token", "--ttl"], "'--ttl' needs a value", "hybridge key --help"),
        (["key", "token", "--tll", "1h"], "'--tll' is not an option", "did you mean '--ttl'?"),
    ):
        shown = hybridge(*args)
        assert shown.status == 64 and not shown.out, (args, shown.status, shown.out)
        assert said in shown.err and f"\n  -> {hint}\n" in shown.err, (args, shown.err)


def test_each_part_of_key_has_help():
    for what in ("new", "token", "inspect"):
        for option in ("-h", "--help"):
            shown = hybridge("key", what, option)
            assert shown.status == 0 and shown.out.startswith("Usage: hybridge key "), (what, shown.err)


def test_status_takes_options_behind_the_name():
    shown = hybridge("status", "sql", "--jsno")
    assert shown.status == 64 and "'--jsno' is not an option" in shown.err, shown.err


def test_key_new_writes_private_files_that_fit_together():
    with World() as world:
        shown = hybridge("key", "new", "--hc", "erp", "--relay", "wss://relay.example:8443",
                         cwd=world.folder)
        assert shown.status == 0, shown.err
        rules = dict(
            line.split("=", 1)
            for line in read(world.path("erp.env")).splitlines()
            if not line.startswith("#")
        )
        assert rules["HYBRIDGE_RELAY_ENTITY"] == "erp", rules
        for file, rule, right in (("listen", "LISTENER", "listen"), ("send", "SENDER", "send")):
            path = world.path(f"erp-{file}.connection")
            assert mode(path) == 0o600 and mode(world.path("erp.env")) == 0o600
            key = rules[f"HYBRIDGE_RULE_{rule}_KEY"]
            name = rules[f"HYBRIDGE_RULE_{rule}_NAME"]
            assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", key), "not 32 bytes in base64"
            assert rules[f"HYBRIDGE_RULE_{rule}_RIGHTS"] == right, rules
            assert read(path).strip() == (
                f"Endpoint=sb://relay.example:8443/;SharedAccessKeyName={name};"
                f"SharedAccessKey={key};EntityPath=erp"
            )
            assert key not in shown.out + shown.err, "a key was shown"
        assert rules["HYBRIDGE_RULE_LISTENER_KEY"] != rules["HYBRIDGE_RULE_SENDER_KEY"]


def test_key_new_keeps_the_relays_scheme_and_address():
    with World() as world:
        for hc, relay, endpoint in (("a", "ws://127.0.0.1:8080", "ws://127.0.0.1:8080/"),
                                    ("b", "wss://[::1]:8443", "sb://[::1]:8443/"),
                                    ("c", "sb://contoso.example/", "sb://contoso.example/")):
            shown = hybridge("key", "new", "--hc", hc, "--relay", relay, "--dir", world.folder)
            assert shown.status == 0, (relay, shown.err)
            text = read(world.path(f"{hc}-send.connection"))
            assert text.startswith(f"Endpoint={endpoint};"), (relay, text.split(";")[0])
        shown = hybridge("key", "new", "--hc", "d", "--relay", "nonsense", "--dir", world.folder)
        assert shown.status == 78 and not os.path.exists(world.path("d.env")), shown.err


def test_key_new_never_overwrites():
    with World() as world:
        for file in ("erp.env", "erp-listen.connection", "erp-send.connection"):
            folder = world.path(file + ".d")
            os.mkdir(folder)
            with open(os.path.join(folder, file), "w", encoding="utf-8") as old:
                old.write("precious\n")
            shown = hybridge("key", "new", "--hc", "erp", "--dir", folder)
            assert shown.status != 0, file
            assert file in shown.err and "  -> " in shown.err, shown.err
            assert read(os.path.join(folder, file)) == "precious\n"
            assert os.listdir(folder) == [file], "keys that no other file has"
            assert not shown.out, shown.out


def test_key_new_takes_no_name_that_leaves_the_folder():
    with World() as world:
        before = sorted(os.listdir(world.folder))
        for name in ("../evil", "a/b", ".hidden", "a b", ""):
            shown = hybridge("key", "new", "--hc", name, "--dir", world.folder)
            assert shown.status == 64, (name, shown.status)
        assert sorted(os.listdir(world.folder)) == before


def test_key_token_is_what_the_key_signs():
    key = new_key()
    before = int(time.time())
    shown = hybridge("key", "token", "--ttl", "10m", text=connection(key) + "\n")
    after = int(time.time())
    assert shown.status == 0, shown.err
    expiry = int(re.search(r"&se=(\d+)", shown.out).group(1))
    assert before + 600 <= expiry <= after + 600, expiry - before
    expected = sas.token("http://relay.example/erp", "defaultSender", key, expiry)
    assert shown.out == expected + "\n", shown.out
    said = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expiry))
    assert said in shown.err and key not in shown.err, shown.err


def test_a_token_that_would_have_expired_already_is_not_made():
    for ttl in ("0s", "0", "500ms", "999ms"):
        shown = hybridge("key", "token", "--ttl", ttl, text=connection(new_key()))
        assert shown.status == 64 and not shown.out, (ttl, shown.status, shown.out)


def test_a_token_that_was_lost_is_a_failure():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([HYBRIDGE, "key", "token"], input=connection(new_key()), stdout=full,
                              stderr=subprocess.PIPE, text=True, env=CLEAN_ENV, check=False)
    assert done.returncode == 71 and "cannot write the token: No space left" in done.stderr, done
    assert "expires" not in done.stderr, done.stderr


def test_output_that_was_lost_is_a_failure():
    for words in (["key", "inspect"], ["version"], ["--version"], ["help"], ["key", "--help"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([HYBRIDGE, *words], input=connection(new_key()), stdout=full,
                                  stderr=subprocess.PIPE, text=True, env=CLEAN_ENV, check=False)
        assert done.returncode == 71 and "cannot write the output: No space left" in done.stderr, (words, done)


def test_a_key_file_that_does_not_fit_names_the_reason_and_goes():
    def cut_writes_short():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    with World() as world:
        done = subprocess.run([HYBRIDGE, "key", "new", "--hc", "erp"], cwd=world.folder, capture_output=True,
                              text=True, env=CLEAN_ENV, check=False, preexec_fn=cut_writes_short)
        assert done.returncode == 71 and "erp.env': File too large" in done.stderr, done
        assert not [name for name in os.listdir(world.folder) if name.startswith("erp")]


def test_a_token_in_a_file_that_all_can_read_is_warned_of():
    with World() as world:
        for bits, warned in ((0o644, True), (0o600, False)):
            path = world.path("token")
            with open(os.open(path, os.O_CREAT | os.O_WRONLY, bits), "w", encoding="utf-8") as out:
                os.fchmod(out.fileno(), bits)
                done = subprocess.run([HYBRIDGE, "key", "token"], input=connection(new_key()), stdout=out,
                                      stderr=subprocess.PIPE, text=True, env=CLEAN_ENV, check=True)
            assert ("warning" in done.stderr) == warned, (oct(bits), done.stderr)


def test_a_secret_on_the_command_line_is_refused():
    key = new_key()
    for what in ("token", "inspect"):
        shown = hybridge("key", what, connection(key))
        assert shown.status == 64, shown.status
        assert key not in shown.out + shown.err, "a key was shown"


if __name__ == "__main__":
    main()
