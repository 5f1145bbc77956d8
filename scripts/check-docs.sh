#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Compares the documents with the programs. docs/TOOL.md must name every option and every letter that TOOL --help
# has. It must name no other option, except on a line that shows another tool.
#
#   scripts/check-docs.sh FOLDER-WITH-THE-TOOLS
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools=${1:?usage: scripts/check-docs.sh FOLDER-WITH-THE-TOOLS}
failed=0
complain() {
	echo "check-docs: $1" >&2
	failed=1
}

letters() { grep -oE '^ +-[a-zA-Z]\b|alias(es)?: -[a-zA-Z]\b' | grep -oE -- '-[a-zA-Z]$' | sort -u; }
options() { grep -oE -- '--[a-z]+(-[a-z]+)*' | sort -u; }

# help_of TOOL [COMMAND...]: prints the help of a tool or of a command, and of all commands below.
help_of() {
	local help command
	help=$("$tools/$1" "${@:2}" --help)
	printf '%s\n' "$help"
	while read -r command; do
		help_of "$@" "$command"
	done < <(awk '/^Commands:/ { inside = 1; next } /^$/ { inside = 0 } inside && /^  [a-z]/ && $1 != "help" { print $1 }' <<<"$help")
}

for tool in hpcapd hpcapdd raw2pcap checkraw hpcapctl; do
	document=docs/$tool.md
	help=$(help_of "$tool")
	has=$(options <<<"$help")
	# Every tool has --help and --version, and no document repeats them. People write -o, not --output.
	while read -r option; do
		grep -qE -- "$option([^a-z-]|$)" "$document" || complain "$document does not name $option of $tool"
	done < <(grep -vxE -- '--(help|version|output)' <<<"$has")
	# -h and -V are --help and --version.
	while read -r letter; do
		grep -qE -- "(^|[^a-zA-Z-])$letter\b" "$document" || complain "$document does not name $letter of $tool"
	done < <(letters <<<"$help" | grep -vxE -- '-[hV]')
	# A line that shows another tool may have the options of that tool.
	while read -r option; do
		grep -qxF -- "$option" <<<"$has" || complain "$document names $option, which $tool does not have"
	done < <(grep -vE "(hpcapd|hpcapdd|raw2pcap|checkraw|hpcapctl|setcap|systemctl) .*--" "$document" | options)
done
[ $failed = 0 ] || exit 1
echo "check-docs: the documents name the options that the tools have"
