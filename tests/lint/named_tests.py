#!/usr/bin/env python3
"""Every test that doc/reliability.md and doc/mutations.md name is there, and is
run."""

import re
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
DOCS = ("reliability.md", "mutations.md")
NAMED = re.compile(r"\btest_\w+")
PYTHON = re.compile(r"^\s*def (test_\w+)\(", re.M)


def tests():
    """Python's run because they are there; C's when main() has them; or the
    name of a whole program."""
    found = set()
    for path in (TOP / "tests").rglob("*.py"):
        found |= set(PYTHON.findall(path.read_text()))
        found.add(path.stem)
    for path in (TOP / "tests").rglob("test_*.c"):
        head, main, body = path.read_text().partition("\nint main(")
        if main:
            found |= {name for name in NAMED.findall(body)
                      if re.search(rf"\b{name}\(", head)}
    for path in (TOP / "tests").rglob("CMakeLists.txt"):
        found |= set(re.findall(r"mailtwin_test\((test_\w+)",
                                path.read_text()))
    return found


def main():
    known = tests()
    is_good = True
    for doc in DOCS:
        named = set(NAMED.findall((TOP / "doc" / doc).read_text()))
        for name in sorted(named - known):
            print(f"doc/{doc}: there is no {name}")
        print(f"doc/{doc} names {len(named)} tests")
        is_good &= bool(named) and named <= known
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
