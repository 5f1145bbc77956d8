#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The tests of the kernel modules, in a kernel that checks itself (scripts/sanitizer-kernel.sh):
# any report of it fails the test. It is many times slower than an ordinary kernel, so the tests
# take a part of their frames, rounds and calls: SLOWNESS says which.
#
#   scripts/test-sanitized.sh [kasan|kcsan] [TEST...]     all tests where none is named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=kasan
case ${1:-} in kasan | kcsan) kind=$1 && shift ;; esac
scripts/sanitizer-kernel.sh build "$kind"
folder=$(scripts/sanitizer-kernel.sh path "$kind")
scripts/kmod.sh "$folder"
scripts/guest-programs.sh
HPCAP_REQUIRE_VM=1 HPCAP_TEST_KERNEL=$folder HPCAP_TEST_SLOWNESS=${SLOWNESS:-10} \
	cargo test -p hpcap-e2e --test vm -- --ignored --test-threads 1 "${@:-on_6_1::}"
