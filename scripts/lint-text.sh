#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Checks what no compiler checks: shell scripts, paths of one machine in tracked files, white space at the ends of
# lines, and whether the files and functions that documents name exist (xtask/src/lint).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec cargo xtask lint-text
