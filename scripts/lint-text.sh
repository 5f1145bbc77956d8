#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks what no compiler checks: shell scripts, paths of one machine in tracked files, white space at the ends of
# lines, and whether the files and functions that documents name exist (xtask/src/lint).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Built as part of the workspace and with a test, the program has the features that building all tests gives it, so
# that cargo does not build its dependencies a second time.
cargo build --workspace --bin xtask --test lint --locked --quiet
exec "${CARGO_TARGET_DIR:-target}/debug/xtask" lint-text
