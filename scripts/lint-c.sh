#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks the C of the project by the kernel's rules. checkpatch --strict reads every file. sparse, and gcc
# with warnings as errors, read the files that are also compiled in userspace; each header must compile
# when it is the only one included. `scripts/kmod.sh --check` runs sparse and gcc on the files that only
# the kernel can compile, whose licence is GPL-2.0-only alone.
#
#   scripts/lint-c.sh             checks every tracked file
#   scripts/lint-c.sh FILE...     checks these files (paths from the root folder)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly KERNEL_SOURCE=/usr/src/linux-source-6.1.tar.xz
readonly TOOLS=${CARGO_TARGET_DIR:-target}/lint/kernel-scripts
readonly WARNINGS=(-std=gnu11 -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes
	-Wold-style-definition -Wpointer-arith -Wundef -Werror)
readonly INCLUDES=(-Ikmod/include/uapi -Ikmod/include -Ikmod/core)

sources=("$@")
[ $# -gt 0 ] || mapfile -t sources < <(git ls-files '*.c' '*.h')
if [ "${#sources[@]}" = 0 ]; then
	echo "lint-c: git lists no C file" >&2
	exit 1
fi

# Takes checkpatch and its word lists out of the distribution's kernel source.
get_checkpatch() {
	[ -x "$TOOLS/checkpatch.pl" ] && [ "$TOOLS/checkpatch.pl" -nt "$KERNEL_SOURCE" ] && return
	mkdir -p "$TOOLS"
	echo "lint-c: taking checkpatch out of $KERNEL_SOURCE"
	tar -C "$TOOLS" -xmf "$KERNEL_SOURCE" --strip-components=2 --wildcards \
		'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
}

# checkpatch has other rules for include/uapi/, so it gets paths as in a kernel's tree.
style() {
	local tools
	tools=$(realpath "$TOOLS")
	(cd "${1%%/*}" && "$tools/checkpatch.pl" --strict --no-tree --terse --show-types \
		--no-summary -f "${1#*/}")
}

# Includes the file alone, so that a header without a needed include of its own fails.
compile() {
	printf '#include "%s"\n' "$PWD/$1" | gcc "${WARNINGS[@]}" "${INCLUDES[@]}" -fsyntax-only -xc -
}

# sparse exits with 0 whatever it finds, so any output of it is a failure.
analyse() {
	local found
	found=$(printf '#include "%s"\n' "$PWD/$1" | sparse "${INCLUDES[@]}" -xc - 2>&1) || true
	[ -z "$found" ] || { echo "$found" && false; }
}

# Whether only the kernel's build system can compile the file.
kernel_only() {
	head -n 1 "$1" | grep -qE 'SPDX-License-Identifier: GPL-2\.0-only( \*/)?$'
}

# Checks files, and reports all of their faults before it fails.
check_files() {
	local file failed=0
	for file in "$@"; do
		style "$file" || failed=1
		kernel_only "$file" && continue
		compile "$file" || failed=1
		analyse "$file" || failed=1
	done
	return $failed
}

# Several copies of this script share the files.
if [ -n "${HPCAP_LINT_C_WORKER:-}" ]; then
	check_files "${sources[@]}"
	exit
fi
get_checkpatch
if ! printf '%s\0' "${sources[@]}" |
	HPCAP_LINT_C_WORKER=yes xargs -0 -n 8 -P "$(nproc)" scripts/lint-c.sh; then
	echo "lint-c: the C needs work (see above)" >&2
	exit 1
fi
echo "lint-c: ${#sources[@]} files are clean (checkpatch --strict, gcc, sparse)"
