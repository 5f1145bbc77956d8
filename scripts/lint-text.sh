#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks what no compiler checks: shell scripts (with shellcheck), paths of one machine in tracked files, white
# space at the ends of lines, and whether the files and functions that documents name exist.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
complain() {
	echo "lint-text: $1" >&2
	failed=1
}

# Prints the tracked shell scripts, recognised by their name or by their first line.
shell_scripts() {
	git ls-files '*.sh'
	git grep -lIE '^#!.*\b(ba)?sh\b' -- ':!*.sh' ':!*.md' || true
}

check_shell() {
	local scripts
	mapfile -t scripts < <(shell_scripts | sort -u)
	[ "${#scripts[@]}" -gt 0 ] || return 0
	shellcheck --severity=style --external-sources "${scripts[@]}" || complain "shellcheck found the above"
}

# Finds absolute paths that exist on one machine only, and folders beside the clone. Only .ci/run may name captures
# that stand beside the clone. The brackets in the pattern keep this script from finding itself.
check_paths() {
	local pattern='(^|[^[:alnum:]_.~-])/([w]ork|[r]oot|[h]ome/[a-z_][a-z0-9_-]*)(/|[^[:alnum:]_-]|$)|\bs[h]ared/'
	git grep -nIE "$pattern" -- ':!.ci/run' ':!LICENSES/*.txt' &&
		complain "tracked files name paths of one machine"
	return 0
}

check_space() {
	git grep -nIE '[[:space:]]+$' -- ':!LICENSES/*.txt' ':!fuzz/corpus' &&
		complain "white space at the end of lines"
	return 0
}

# Every relative link of every document leads to a file.
check_links() {
	local document link
	while read -r document; do
		while read -r link; do
			[ -e "$(dirname "$document")/${link%%#*}" ] || complain "$document links to $link, which is not there"
		done < <(grep -oE '\]\([^)#:[:space:]][^):[:space:]]*\)' "$document" | sed 's/^](//; s/)$//')
	done < <(git ls-files '*.md')
}

# Whether a file defines a function, in Rust or in C.
defines() {
	case $1 in
	*.rs) grep -qE "\bfn $2\b" "$1" ;;
	*) grep -qE "^[a-z].*\b$2\(" "$1" ;;
	esac
}

# Every FILE:FUNCTION in docs/life-of-a-frame.md exists.
check_functions() {
	local document=docs/life-of-a-frame.md file function
	[ -e "$document" ] || return 0
	while IFS=: read -r file function; do
		defines "$file" "$function" 2>/dev/null || complain "$document names $file:$function, which is not there"
	done < <(grep -oE '[[:alnum:]_./-]+\.(rs|c|h):[a-z_]+' "$document" | sort -u)
}

check_shell
check_paths
check_space
check_links
check_functions
[ "$failed" = 0 ] || exit 1
echo "lint-text: scripts and documents are clean"
