"""What is left after the power went: mailtwin beside mbsync.

Each run is tests/powercut/power_cut.py, which tells what is done and what the
columns mean; two of them at a time. mbsync fetches mail and sends mail; what
mailtwin is tried with besides are flags, moves, removals and folders."""

import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from harness import environment

SCRIPT = environment.TOP / "tests/powercut/power_cut.py"
FILE_SYSTEMS = ("ext4", "xfs", "btrfs")
PROGRAMS = ("mailtwin", "mbsync")
COLUMNS = ("states", "clean", "lost", "doubled", "stuck", "other")
JOBS = 2


def add_command(works):
    work = works.add_parser("power-cut",
                            help="what is left after the power went")
    work.set_defaults(run=run)
    work.add_argument("--states", type=int, default=200,
                      help="at most, for each program and file system")
    work.add_argument("--file-systems", nargs="+", choices=FILE_SYSTEMS,
                      default=FILE_SYSTEMS)
    work.add_argument("--only", choices=PROGRAMS)
    work.add_argument("--seed", type=int, default=int(time.time()))
    work.add_argument("--verbose", action="store_true",
                      help="tell what was wrong with each state")


def try_one(options, directory, program, kind):
    """Returns its counts, and what it said."""
    result = directory / f"{program}-{kind}"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--program", program, "--file-system", kind,
         "--states", str(options.states), "--seed", str(options.seed),
         "--result", result], check=False, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.exists():
        return Counter(json.loads(result.read_text())), done.stdout
    return None, done.stdout


def row(program, kind, counts, said):
    if counts is None:
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        return f"{program:10}{kind:8}{last[0]}"
    return f"{program:10}{kind:8}" + "".join(
        f"{counts[each]:9,}" for each in COLUMNS)


def run(options):
    works = [(program, kind) for program in PROGRAMS
             for kind in options.file_systems
             if options.only in (None, program)]
    directory = environment.temporary_directory("bench-power-cut")
    print(f"seed {options.seed}\n{'':18}" + "".join(
        f"{each:>9}" for each in COLUMNS), flush=True)
    try:
        with ThreadPoolExecutor(JOBS) as pool:
            found = pool.map(
                lambda work: try_one(options, directory, *work), works)
            return tell(options, zip(works, found))
    finally:
        environment.remove_tree(directory)


def tell(options, outcomes):
    """1 when mailtwin was anything but clean, or could not be tried."""
    code = 0
    for (program, kind), (counts, said) in outcomes:
        if options.verbose:
            print(said, end="")
        print(row(program, kind, counts, said), flush=True)
        if program == "mailtwin" and (
                counts is None or counts["clean"] != counts["states"]):
            code = 1
    return code
