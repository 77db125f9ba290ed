"""What callgrind counted: instructions of our own functions, and the calls that they make."""

import collections
import os
import re

# Names whole in every line, so that a profile can be read line by line.
OPTIONS = ["--compress-strings=no", "--compress-pos=no"]
CALLS = ("send", "recv")


def count(profile, own, leave_out=()):
    """Of the object called own, but for the functions in leave_out: two counters by name."""
    ours = fn = called = None
    skip = False
    instructions, calls = collections.Counter(), collections.Counter()
    with open(profile, encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.rstrip("\n").partition("=")
            if key == "ob":
                ours = os.path.basename(value) == own
            elif key == "fn":
                fn = value.partition("'")[0]
            elif key == "cfn":
                called = value.partition("'")[0]
            elif key == "calls":
                if ours and fn not in leave_out and called.partition("@")[0] in CALLS:
                    calls[called] += int(value.split()[0])
                skip = True  # the next line is what the call cost in all
            elif re.match(r"[0-9+*-]", line):
                if ours and not skip and fn not in leave_out:
                    instructions[fn] += int(line.split()[1])
                skip = False
    return instructions, calls
