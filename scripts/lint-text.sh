#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# What no compiler checks: the shell scripts (shellcheck), paths of somebody's machine in tracked
# files, white space at the ends of lines, links in the documents that lead nowhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

failed=0
complain() {
	echo "lint-text: $1" >&2
	failed=1
}

# Tracked scripts: by name, or by their first line.
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

# Absolute paths that exist on one machine only, and folders beside the clone. The one exception:
# .ci/run may point the tests at captures that stand beside the clone. (The brackets keep this
# script from finding itself.)
check_paths() {
	local pattern='(^|[^[:alnum:]_.~-])/([w]ork|[r]oot|[h]ome/[a-z_][a-z0-9_-]*)(/|[^[:alnum:]_-]|$)|\bs[h]ared/'
	git grep -nIE "$pattern" -- ':!.ci/run' ':!LICENSES/*.txt' &&
		complain "tracked files name places of one machine"
	return 0
}

check_space() {
	git grep -nIE '[[:space:]]+$' -- ':!LICENSES/*.txt' ':!fuzz/corpus' &&
		complain "white space at the end of lines"
	return 0
}

# Every relative link of every document names something that is tracked.
check_links() {
	local document link
	while read -r document; do
		while read -r link; do
			[ -e "$(dirname "$document")/${link%%#*}" ] || complain "$document links to $link, which is not there"
		done < <(grep -oE '\]\([^)#:[:space:]][^):[:space:]]*\)' "$document" | sed 's/^](//; s/)$//')
	done < <(git ls-files '*.md')
}

check_shell
check_paths
check_space
check_links
[ "$failed" = 0 ] || exit 1
echo "lint-text: scripts and documents are clean"
