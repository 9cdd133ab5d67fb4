#!/usr/bin/env python3
"""The benchmarks behind script/bench."""

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "e2e")]

# pylint: disable=wrong-import-position
import latency
import power_cuts
import throughput


def main():
    parser = argparse.ArgumentParser(prog="script/bench")
    works = parser.add_subparsers(required=True, metavar="WORK")
    throughput.add_commands(works)
    latency.add_command(works)
    power_cuts.add_command(works)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
