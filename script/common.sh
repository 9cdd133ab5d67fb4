# shellcheck shell=bash
# Sourced by the scripts here, from the top of the tree.

CACHE=${MAILTWIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mailtwin-tests}
export MAILTWIN_CACHE=$CACHE

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

jobs_count() {
	nproc 2>/dev/null || echo 2
}

# build PRESET: configures once, then builds; quiet unless it fails.
build() {
	local log="build/$1.log"

	mkdir -p build
	say "building ($1)"
	if ! { cmake --preset "$1" && cmake --build --preset "$1" \
		-j "$(jobs_count)"; } >"$log" 2>&1; then
		cat "$log" >&2
		die "the $1 build failed"
	fi
}
