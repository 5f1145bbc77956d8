#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Builds what the tests of the kernel modules run in the guest: the programs of the workspace, and
# tests that are programs there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --workspace --bins --quiet
cargo test -p hpcap-e2e -p hpcapctl --no-run \
	--test listeners --test sigkill --test dev_guide --test device
