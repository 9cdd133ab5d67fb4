"""What is left after the power went: mailtwin beside mbsync.

Each run is tests/powercut/power_cut.py, which tells what is done and what the
columns mean; two of them at a time. mbsync fetches mail and sends mail; what
mailtwin is tried with besides are flags, moves, removals and folders, and a
state that is on a file system of its own."""

import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from harness import environment

SCRIPT = environment.TOP / "tests/powercut/power_cut.py"
FILE_SYSTEMS = ("ext4", "xfs", "btrfs")
LAYOUTS = {"mailtwin": ("together", "apart"), "mbsync": ("together",)}
COLUMNS = ("states", "clean", "lost", "doubled", "stuck", "other")
JOBS = 2


def add_command(works):
    work = works.add_parser("power-cut",
                            help="what is left after the power went")
    work.set_defaults(run=run)
    work.add_argument("--states", type=int, default=1000,
                      help="at most, for mailtwin on each file system")
    work.add_argument("--mbsync-states", type=int, default=200,
                      help="the same for mbsync")
    work.add_argument("--file-systems", nargs="+", choices=FILE_SYSTEMS,
                      default=FILE_SYSTEMS)
    work.add_argument("--only", choices=LAYOUTS)
    work.add_argument("--seed", type=int, default=int(time.time()))
    work.add_argument("--verbose", action="store_true",
                      help="tell what was wrong with each state")


def try_one(options, directory, program, kind, layout):
    """Returns its counts, or None, and what it said."""
    result = directory / f"{program}-{kind}-{layout}"
    states = (options.states if program == "mailtwin"
              else options.mbsync_states) // len(LAYOUTS[program])
    done = subprocess.run(
        [sys.executable, SCRIPT, "--program", program, "--file-system", kind,
         "--layout", layout, "--states", str(states), "--seed",
         str(options.seed), "--result", result], check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    counts = None
    if result.exists():
        counts = Counter(json.loads(result.read_text()))
    return counts, done.stdout


def run(options):
    programs = [each for each in LAYOUTS if options.only in (None, each)]
    directory = environment.temporary_directory("bench-power-cut")
    print(f"seed {options.seed}\n{'':18}" + "".join(
        f"{each:>9}" for each in COLUMNS), flush=True)
    pool = ThreadPoolExecutor(JOBS)
    try:
        # All are begun before the first is waited for.
        tries = [(program, kind, [
            pool.submit(partial(try_one, options, directory), program, kind,
                        layout) for layout in LAYOUTS[program]])
                 for program in programs for kind in options.file_systems]
        return tell(options, tries)
    finally:
        pool.shutdown(cancel_futures=True)
        environment.remove_tree(directory)


def tell(options, tries):
    """1 when mailtwin was anything but clean, or could not be tried."""
    code = 0
    totals = {}
    for program, kind, futures in tries:
        outcomes = [each.result() for each in futures]
        counts = sum((found or Counter() for found, _ in outcomes), Counter())
        has_failed = (not all(found for found, _ in outcomes) or
                      counts["clean"] != counts["states"])
        if options.verbose or (has_failed and program == "mailtwin"):
            print("".join(said for _, said in outcomes), end="")
        if has_failed and program == "mailtwin":
            code = 1
        tell_row(program, kind, counts)
        totals[program] = totals.get(program, Counter()) + counts
    for program, counts in totals.items():
        tell_row(program, "all", counts)
    return code


def tell_row(program, kind, counts):
    print(f"{program:10}{kind:8}" + "".join(
        f"{counts[each]:9,}" for each in COLUMNS), flush=True)
