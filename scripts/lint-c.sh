#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The C of the project, held to the kernel's rules although part of it is compiled in userspace,
# too: checkpatch --strict for all of it; sparse, and gcc with every warning an error, for what is
# compiled in userspace. Headers are checked on their own: each must compile when it is the only
# one included. What only the kernel can compile (licensed under GPL-2.0-only alone) goes through
# sparse and gcc in `scripts/kmod.sh --check`.
#
#   scripts/lint-c.sh             every tracked file
#   scripts/lint-c.sh FILE...     these (paths from the root folder)
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
	echo "lint-c: there is no C to check" >&2
	exit 1
fi

# checkpatch and its word lists, out of the distribution's kernel source.
get_checkpatch() {
	[ -x "$TOOLS/checkpatch.pl" ] && [ "$TOOLS/checkpatch.pl" -nt "$KERNEL_SOURCE" ] && return
	mkdir -p "$TOOLS"
	echo "lint-c: taking checkpatch out of $KERNEL_SOURCE"
	tar -C "$TOOLS" -xmf "$KERNEL_SOURCE" --strip-components=2 --wildcards \
		'*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
}

# checkpatch takes paths as those of a kernel tree: other rules hold in include/uapi/.
style() {
	local tools
	tools=$(realpath "$TOOLS")
	(cd "${1%%/*}" && "$tools/checkpatch.pl" --strict --no-tree --terse --show-types \
		--no-summary -f "${1#*/}")
}

# Compiled as the only thing included, so that a header's own includes are complete.
compile() {
	printf '#include "%s"\n' "$PWD/$1" | gcc "${WARNINGS[@]}" "${INCLUDES[@]}" -fsyntax-only -xc -
}

# sparse reports what it finds as warnings and exits 0: any word from it is a failure.
analyse() {
	local found
	found=$(printf '#include "%s"\n' "$PWD/$1" | sparse "${INCLUDES[@]}" -xc - 2>&1) || true
	[ -z "$found" ] || { echo "$found" && false; }
}

# Only the kernel's build system can compile it.
kernel_only() {
	head -n 1 "$1" | grep -qE 'SPDX-License-Identifier: GPL-2\.0-only( \*/)?$'
}

get_checkpatch
failed=0
for file in "${sources[@]}"; do
	style "$file" || failed=1
	kernel_only "$file" && continue
	compile "$file" || failed=1
	analyse "$file" || failed=1
done
if [ "$failed" = 1 ]; then
	echo "lint-c: the C needs work (see above)" >&2
	exit 1
fi
echo "lint-c: ${#sources[@]} files are clean (checkpatch --strict, gcc, sparse)"
