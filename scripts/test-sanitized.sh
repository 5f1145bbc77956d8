#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Runs the tests of the kernel modules in a kernel that checks itself (scripts/sanitizer-kernel.sh).
# Any report of that kernel fails the test. The kernel is many times slower than an ordinary one, so the
# tests divide their frames, rounds and calls by SLOWNESS (10).
#
#   scripts/test-sanitized.sh [kasan|kcsan] [TEST...]     runs all tests where no TEST is named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=kasan
case ${1:-} in kasan | kcsan) kind=$1 && shift ;; esac
scripts/sanitizer-kernel.sh build "$kind"
folder=$(scripts/sanitizer-kernel.sh path "$kind")
scripts/kmod.sh "$folder"
# The guest runs the programs and some of the other tests.
cargo build --workspace --all-targets --quiet
HPCAP_REQUIRE_VM=1 HPCAP_TEST_KERNEL=$folder HPCAP_TEST_SLOWNESS=${SLOWNESS:-10} \
	cargo test --workspace --test vm -- --ignored --test-threads 1 "${@:-on_6_1::}"
