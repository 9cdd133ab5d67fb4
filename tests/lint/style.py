#!/usr/bin/env python3
"""What a program can say about style: line widths, function lengths and
left-overs. `style.py --lengths` lists the functions by length."""

import re
import statistics
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
TAB = 8
COLUMNS = 80
MEDIAN = 20
LENGTH = 60
FILE = 800
# In pieces, so that this file does not find itself.
LEFT_OVER = re.compile(
    r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|\bfor " r"now\b")
TEXT = re.compile(r'"[^"]*"|`[^`]*`')
NAME = re.compile(r"(\w+)\(")
# A table or a flat switch may be long.
FLAT = re.compile(r"^\s*(case\b|default:|\{|\}|\[|\.\w+ =|\"|return\b|break;)")


def files(*patterns):
    out = subprocess.run(
        ["git", "-C", TOP, "ls-files", "--cached", "--others",
         "--exclude-standard", *patterns],
        check=True, capture_output=True, text=True).stdout
    return [name for name in out.splitlines() if (TOP / name).exists()]


def functions(text):
    """(name, lines, body) of every function: kernel braces make it easy."""
    lines = text.splitlines()
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        if line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 6):start])
            names = NAME.findall(head.rpartition("}")[2].rpartition(";")[2])
            body = lines[start + 1:number]
            yield (names[0] if names else "?", len(body), body)
            start = None


def is_flat(body):
    return sum(bool(FLAT.match(line)) for line in body) > 0.6 * len(body)


def check_lines(name, text):
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        width = len(line.expandtabs(TAB))
        if width > COLUMNS and name.endswith((".c", ".h")):
            wrong.append(f"{name}:{number}: {width} columns")
        if line != line.rstrip():
            wrong.append(f"{name}:{number}: blanks at the end")
        if LEFT_OVER.search(TEXT.sub("", line)):
            wrong.append(f"{name}:{number}: {line.strip()}")
    return wrong


def measure(names):
    found = []
    for name in names:
        for function in functions((TOP / name).read_text()):
            found.append((function[1], name, function[0], function[2]))
    return sorted(found, key=lambda each: each[:3], reverse=True)


def main():
    wrong = []
    for name in files("*.c", "*.h", "*.py", "script/*", "*.cmake",
                      "*CMakeLists.txt", "*.md", "*.scd"):
        wrong += check_lines(name, (TOP / name).read_text())

    sources = [name for name in files("*.c") if not name.startswith("tests")]
    found = measure(sources)
    if "--lengths" in sys.argv:
        for length, name, function, _ in found[:40]:
            print(f"{length:4} {name} {function}")
    for length, name, function, body in found:
        if length > LENGTH and not is_flat(body):
            print(f"warning: {name}: {function}() has {length} lines")
    for name in sources:
        size = len((TOP / name).read_text().splitlines())
        if size > FILE:
            wrong.append(f"{name}: {size} lines")
    if found:
        median = statistics.median(each[0] for each in found)
        print(f"{len(found)} functions, median {median:g} lines, "
              f"longest {found[0][0]}")
        if median >= MEDIAN:
            wrong.append(f"the median function has {median:g} lines")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
