# Everything that is done with Second Look by hand, from a fresh clone with only cargo.
# Warnings fail `check`, not the build: RUSTFLAGS would build every dependency again.

ifndef CARGO
CARGO := $(shell scripts/cargo.sh)
endif

.PHONY: run test check check-core bench bench-peers screenshots setup setup-build

# The window on the demo line; without a display the same, headless.
run: setup
	$(CARGO) run --

test: setup-build
	$(CARGO) test

check: setup-build
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path benches/peers/Cargo.toml
	$(CARGO) clippy --all-targets -- -D warnings
	$(CARGO) test

# The core without window and sound.
check-core: setup-build
	$(CARGO) test --no-default-features

# The window's part needs a display, and says so where there is none.
bench: setup-build
	$(CARGO) bench --profile dev

# Pictures of every page, from the real program in a window of its own.
screenshots: setup
	$(CARGO) build
	scripts/screenshots.sh

# Beside onnxruntime, tract, candle, PyTorch and a station in Python; PART=infer, train or station.
PART ?= all
bench-peers: setup-build
	@CARGO="$(CARGO)" scripts/bench-peers.sh $(PART) $(ARGUMENTS)

setup:
	@scripts/setup.sh

setup-build:
	@scripts/setup.sh build
