#!/usr/bin/env bash
# Second Look beside its peers, in one interleaved run: prints tables of ratios.
#
#   scripts/bench-peers.sh [infer|train|station|all] [arguments of benches/peers/drive.py]
#
# The peers in Python are installed into an environment under target/; one that cannot be had is
# named and skipped, and the rest is still measured. CARGO is the cargo command.
set -euo pipefail
cd "$(dirname "$0")/.."
part="${1:-all}"
[ $# -eq 0 ] || shift
environment=target/peers-env
peers=benches/peers

say() { echo "bench-peers: $*" >&2; }

case "$part" in
infer | train | station | all) ;;
*)
    say "PART is infer, train, station or all, not \"$part\""
    exit 1
    ;;
esac
if ! command -v python3 >/dev/null; then
    say "python3 is missing: it runs the comparison (as root: apt-get install python3 python3-venv)"
    exit 1
fi

# A target folder of its own, for the window's build must not be undone by this one. The lock file
# follows by itself where the project gets a new dependency.
# shellcheck disable=SC2086 # "cargo +stable" is two words
${CARGO:-cargo} build --release --manifest-path "$peers/Cargo.toml" --target-dir target/peers

# Installs one list of pinned packages, once.
install() {
    local list="$peers/$1" stamp="$environment/$1"
    cmp -s "$list" "$stamp" && return
    say "installing $(grep -c == "$list") pinned packages of $list into $environment"
    if "$environment/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$list"; then
        cp "$list" "$stamp"
    else
        say "could not install $list (no network?): its peers are skipped"
    fi
}

python=python3
if [ -x "$environment/bin/pip" ] || python3 -m venv "$environment"; then
    python="$environment/bin/python"
    install requirements.txt
    if [ "$part" = train ] || [ "$part" = all ]; then
        install requirements-torch.txt
        if [ -e "$environment/requirements-torch.txt" ] && ! "$python" -c "import torch" 2>/dev/null; then
            "$python" "$peers/cuda_stubs.py" || say "could not make PyTorch load without CUDA: it is skipped"
        fi
    fi
else
    say "no Python environment (on Debian: apt-get install python3-venv): the peers in Python are skipped"
fi

# Nothing is written beside the sources.
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$peers/drive.py" "$part" "$@"
