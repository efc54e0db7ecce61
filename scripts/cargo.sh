#!/usr/bin/env bash
# Prints the cargo command to use: the pinned toolchain of rust-toolchain.toml, or stable where
# that is not installed and cannot be fetched.
set -euo pipefail
cargo="$(command -v cargo || echo "${HOME:-/root}/.cargo/bin/cargo")"
if ! why="$("$cargo" --version 2>&1)" && "$cargo" +stable --version >/dev/null 2>&1; then
    echo "setup: the pinned toolchain is not usable (${why%%$'\n'*}); using stable" >&2
    cargo="$cargo +stable"
fi
echo "$cargo"
