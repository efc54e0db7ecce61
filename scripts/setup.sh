#!/usr/bin/env bash
# Installs the system packages that building, testing and the window need, on Debian and its
# relatives. Says nothing and asks nobody when all are there.
#
#   scripts/setup.sh           to build, to test and to open a window
#   scripts/setup.sh build     only what a build and the tests need
set -euo pipefail

# A C compiler is the linker and builds SQLite; ALSA's headers are for sound devices.
build=(gcc libc6-dev pkg-config libasound2-dev)
# What the window loads when it opens; Mesa's drivers draw also without a graphics card.
window=(libgl1 libgl1-mesa-dri libegl1 libxkbcommon-x11-0 libx11-xcb1 libxcursor1 libxi6 libxrandr2)

wanted=("${build[@]}")
if [ "${1:-all}" != build ]; then
    wanted+=("${window[@]}")
fi

say() { echo "setup: $*" >&2; }

# rustup keeps cargo where a shell that was not started as a login shell does not look.
if ! command -v cargo >/dev/null && ! [ -x "${HOME:-/root}/.cargo/bin/cargo" ]; then
    say "cargo is missing; install Rust from https://rustup.rs"
    exit 1
fi

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

if ! command -v dpkg-query >/dev/null; then
    # Another system: only what a build cannot do without is looked for.
    if command -v cc >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists alsa; then
        exit 0
    fi
    say "this is not Debian; please install a C compiler, pkg-config and ALSA's development files yourself"
    exit 1
fi

missing=()
for package in "${wanted[@]}"; do
    installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
    root=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    root=(sudo)
else
    say "missing and no right to install: ${missing[*]} (as root: apt-get install ${missing[*]})"
    # Without the window's libraries the build, the tests and the headless demo still work.
    for package in "${build[@]}"; do
        installed "$package" || exit 1
    done
    exit 0
fi

say "installing ${missing[*]}"
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >&2; }
# The list of packages may be old or empty; it is fetched only when the first try fails.
if ! apt install -y --no-install-recommends "${missing[@]}" 2>/dev/null; then
    if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
        say "could not install: ${missing[*]} (no network? then by hand: apt-get install ${missing[*]})"
        exit 1
    fi
fi
