#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Tests the project's own scripts, each in a repository that is made for the test: a check that cannot fail would pass
# everything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

here=$PWD
sandbox=$(mktemp -d)
trap 'rm -rf "$sandbox"' EXIT
unset CARGO_TARGET_DIR
failed=0
count=0

# expect EXIT-CODE TEXT COMMAND...: the command exits with this code and prints the text.
expect() {
	local code=$1 text=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	count=$((count + 1))
	if [ "$status" != "$code" ] || [[ $output != *"$text"* ]]; then
		echo "test-scripts: FAILED: ${FUNCNAME[1]}: $*" >&2
		echo "  expected exit code $code and \"$text\", got $status and: $output" >&2
		failed=1
	fi
}

# Makes a repository with nothing but the scripts in it, and enters it.
fresh_repository() {
	local folder
	folder=$(mktemp -d "$sandbox/repo.XXXXXX")
	cp -r "$here/scripts" "$folder/scripts"
	cp "$here/Cargo.toml" "$folder/"
	cd "$folder"
	git init -q .
}

deps_names_missing_packages() {
	fresh_repository
	expect 2 "no group is called 'tests'" scripts/deps.sh check tests
	expect 2 "'instal' is not an action" scripts/deps.sh instal
	sed -i 's|^build  make .*|build  no-such-package cmd:no-such-command|' scripts/deps.sh
	expect 1 "missing: no-such-package" scripts/deps.sh check build
}

deps_requires_rust() {
	fresh_repository
	sed -i 's/^rust-version.*/rust-version = "99.0"/' Cargo.toml
	expect 1 "hpcap needs 99.0" scripts/deps.sh need build
	mkdir bin
	local tool
	for tool in bash dirname sed awk sort grep gcc make pkg-config; do
		ln -s "$(command -v $tool)" bin/
	done
	expect 1 "cargo is missing" env PATH="$PWD/bin" bash scripts/deps.sh need build
}

text_accepts_clean_files() {
	fresh_repository
	printf '# A\n\nSee [B](B.md#part) and /tmp/x and the network/work folder.\n' >A.md
	touch B.md
	git add A.md B.md
	expect 0 "clean" scripts/lint-text.sh
}

text_finds_local_paths() {
	local path
	# The paths have no slash here, so that the check does not find this script.
	for path in work/x root/.cargo home/somebody/hpcap; do
		fresh_repository
		echo "see /$path for more" >notes.txt
		git add notes.txt
		expect 1 "paths of one machine" scripts/lint-text.sh
	done
}

text_finds_spaces_or_dead_links() {
	fresh_repository
	printf 'a line \n[gone](docs/gone.md)\n' >A.md
	git add A.md
	expect 1 "white space" scripts/lint-text.sh
	expect 1 "links to docs/gone.md" scripts/lint-text.sh
}

text_finds_missing_function() {
	fresh_repository
	mkdir docs
	printf 'fn there() {}\n' >a.rs
	printf 'int there(void)\n' >a.c
	printf 'a.rs:there a.c:there a.rs:gone a.c:gone\n' >docs/life-of-a-frame.md
	expect 1 "names a.rs:gone" scripts/lint-text.sh
	expect 1 "names a.c:gone" scripts/lint-text.sh
	sed -i 's/ a.*gone//' docs/life-of-a-frame.md
	expect 0 "clean" scripts/lint-text.sh
}

text_finds_bad_shell() {
	fresh_repository
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nrm -rf $1/*\n' >tool
	git add tool
	expect 1 "shellcheck found" scripts/lint-text.sh
}

# Writes a model of two processes that add to a counter, with a lock or with a race.
counter_model() {
	mkdir -p kmod/model
	cat >kmod/model/counter.pml <<-'PML'
		byte n, done;
		active [2] proctype add()
		{
			byte copy;
		#ifdef RACE
			copy = n;
			n = copy + 1;
		#else
			atomic { copy = n; n = copy + 1 };
		#endif
			done++;
			(done == 2);
			assert(n == 2)
		}
	PML
	sed -i "1i $1" kmod/model/counter.pml
	git add kmod/model
}

model_checks_expected_result() {
	command -v spin >/dev/null || return 0
	fresh_repository
	counter_model '// verify:'
	expect 0 "holds" scripts/model.sh
	fresh_repository
	counter_model '// verify: -DRACE'
	expect 1 "unexpected result" scripts/model.sh
	fresh_repository
	counter_model '// refute: -DRACE'
	expect 0 "refuted, as expected" scripts/model.sh
	fresh_repository
	counter_model '// refute:'
	expect 1 "unexpected result" scripts/model.sh
	fresh_repository
	expect 1 "has no model" scripts/model.sh
}

tests=(deps_names_missing_packages deps_requires_rust model_checks_expected_result)
if command -v shellcheck >/dev/null; then
	tests+=(text_accepts_clean_files text_finds_local_paths
		text_finds_spaces_or_dead_links text_finds_missing_function text_finds_bad_shell)
else
	echo "test-scripts: skipped the tests of lint-text.sh: shellcheck is not installed"
fi
for test in "${tests[@]}"; do
	"$test"
done
[ "$failed" = 0 ] || exit 1
echo "test-scripts: $count checks passed"
