#!/usr/bin/env python3
"""The layers of doc/design.md, checked.

Reads the include lines of every folder, and the undefined symbols of the
libraries that may do no I/O (their paths come as arguments: NAME=FILE)."""

import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# Folder: the folders of ours that it may include. The longest match counts.
MAY_INCLUDE = {
    "base": {"base"},
    "config": {"base", "config"},
    "proto": {"base", "proto"},
    "store": {"base", "store"},
    "syncd/reconciler": {"base", "syncd/reconciler"},
    "syncd/worker": {"base", "config", "proto", "store", "syncd",
                     "syncd/reconciler", "syncd/worker"},
    "syncd": {"base", "config", "proto", "store", "syncd",
              "syncd/reconciler", "syncd/worker"},
}

# Headers of libc that a folder without I/O may include.
PURE = {
    "assert.h", "ctype.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h",
    "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h",
    "string.h", "strings.h",
}
PURE_FOLDERS = ("proto", "syncd/reconciler")

# Header: the files that may include it.
ONE_PLACE = {
    r"yaml\.h": r"config/yaml_reader\.c",
    r"lmdb\.h": r"store/[a-z_]*\.c",
    r"inotifytools/.*": r"store/[a-z_]*\.c",
    r"openssl/.*": r"syncd/worker/(transport|tls|digest)[a-z_]*\.[ch]",
    r"zlib\.h": r"syncd/worker/(transport|deflate|compress)[a-z_]*\.[ch]",
    r"jansson\.h": r"syncd/.*",
    r"(sys/socket|netdb|netinet/.*|arpa/.*|sys/un)\.h": r"syncd/.*",
}
ONE_FILE_ONLY = (r"lmdb\.h", r"inotifytools/.*")

# What the pure libraries may ask of libc: memory, strings, sorting.
PURE_SYMBOLS = re.compile(
    r"""mem(cpy|move|set|cmp|chr|rchr|mem)|explicit_bzero
    |str(n?cmp|n?casecmp|n?len|r?chr|n?dup|str|p?brk|c?spn|error|error_r)
    |v?snprintf|v?asprintf|qsort|bsearch|abort|malloc|calloc|realloc|free
    |is[a-z]+|to(upper|lower)|__ctype_(b|tolower|toupper)_loc
    |__errno_location|__assert_fail|__stack_chk_fail|__[a-z]+_chk
    |_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|sanitizer|sancov|lsan)_.*
    |__tls_get_addr|__isoc..?_.*""", re.X)


def folder_of(path):
    parts = Path(path).parts
    for size in (2, 1):
        folder = "/".join(parts[:size])
        if folder in MAY_INCLUDE and len(parts) > size:
            return folder
    return None


def sources():
    for top in ("base", "config", "proto", "store", "syncd"):
        for path in sorted((TOP / top).rglob("*.[ch]")):
            yield str(path.relative_to(TOP)), path.read_text()


def check_ours(path, folder, name):
    target = folder_of(name)
    if target is None or not (TOP / name).exists():
        return f'{path}: "{name}" is no path from the root'
    if target not in MAY_INCLUDE[folder]:
        return f"{path}: {folder} may not include {name}"
    return None


def check_system(path, folder, name):
    if folder in PURE_FOLDERS and name not in PURE:
        return f"{path}: {folder} does no I/O, so no <{name}>"
    for header, place in ONE_PLACE.items():
        if re.fullmatch(header, name) and not re.fullmatch(place, path):
            return f"{path}: <{name}> belongs in {place}"
    return None


def check_includes():
    wrong = []
    users = {header: set() for header in ONE_FILE_ONLY}
    for path, text in sources():
        folder = folder_of(path)
        for kind, name in INCLUDE.findall(text):
            check = check_ours if kind == '"' else check_system
            wrong.append(check(path, folder, name))
            for header in users:
                if re.fullmatch(header, name):
                    users[header].add(path)
    for header, paths in users.items():
        if len(paths) > 1:
            wrong.append(f"<{header}> in more than one file: {sorted(paths)}")
    return [line for line in wrong if line]


def symbols(library, option):
    out = subprocess.run(["nm", option, "--format=posix", library],
                         check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines()
            if line.strip() and not line.endswith(":")}


def check_symbols(libraries):
    wrong = []
    shared = symbols(libraries["base"], "--defined-only")
    for name, library in libraries.items():
        if name == "base":
            continue
        known = shared | symbols(library, "--defined-only")
        for symbol in sorted(symbols(library, "-u") - known):
            if not PURE_SYMBOLS.fullmatch(symbol):
                wrong.append(f"lib{name}: calls {symbol}")
    return wrong


def main():
    libraries = dict(argument.split("=", 1) for argument in sys.argv[1:])
    wrong = check_includes()
    if libraries:
        wrong += check_symbols(libraries)
    print("\n".join(wrong) if wrong else "layers are as designed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
