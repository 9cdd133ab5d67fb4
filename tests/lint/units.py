#!/usr/bin/env python3
"""systemd takes the units, and what they forbid is what it should be.

    units.py PROGRAM
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SKIPPED = 77
# In tenths: what is left is that it needs the network and a home.
EXPOSURE_MAX = 15
OWN_CALLS = {"seccomp", "landlock_create_ruleset", "landlock_add_rule",
             "landlock_restrict_self"}


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return done.returncode, done.stdout


def installed(unit, program, directory):
    """The unit as an installation with this program has it."""
    text = (TOP / "doc/systemd" / f"{unit}.in").read_text()
    path = Path(directory) / unit
    path.write_text(text.replace("@CMAKE_INSTALL_FULL_BINDIR@",
                                 str(program.parent)))
    return path


def call_sets():
    """What @system-service and its kin stand for, without nesting."""
    _, text = analyze("--no-pager", "syscall-filter")
    sets, members = {}, None
    for line in text.splitlines():
        word = line.strip()
        if re.match(r"@[a-z0-9-]+$", line):
            members = sets.setdefault(line, [])
        elif members is not None and word and not word.startswith("#"):
            members.append(word)
    return sets


def expanded(name, sets):
    if not name.startswith("@"):
        return {name}
    return set().union(*(expanded(each, sets) for each in sets[name]))


def allowed_calls(text, sets):
    allowed = set()
    for value in re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE):
        names = value.lstrip("~").split()
        calls = set().union(*(expanded(name, sets) for name in names))
        if value.startswith("~"):
            allowed -= calls
        else:
            allowed |= calls
    return allowed


def problems(program, directory):
    os.environ["XDG_RUNTIME_DIR"] = directory
    user = installed("mailtwin.service", program, directory)
    system = installed("mailtwin@.service", program, directory)
    for unit, scope in ((user, "--user"), (system, "--system")):
        code, said = analyze(scope, "--man=no", "verify", str(unit))
        if code != 0 or unit.name in said:
            yield f"{unit.name}: verify: {said}"
    code, said = analyze("security", "--offline=true", "--no-pager",
                         f"--threshold={EXPOSURE_MAX}", str(system))
    print(said.strip().splitlines()[-1])
    if code != 0:
        yield f"{system.name}: security: {said}"
    allowed = allowed_calls(system.read_text(), call_sets())
    if not OWN_CALLS <= allowed:
        yield f"{system.name} forbids {sorted(OWN_CALLS - allowed)}"
    for call in ("ptrace", "mount", "bpf", "init_module", "chroot", "setuid"):
        if call in allowed:
            yield f"{system.name} allows {call}"


def main():
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze here")
        return SKIPPED
    with tempfile.TemporaryDirectory() as directory:
        found = list(problems(Path(sys.argv[1]).resolve(), directory))
    for each in found:
        print(each)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
