"""Second Look beside its peers: asks long-lived engines for timings, round after round and each
round in another order, so that a change of the machine's speed meets all of them alike.

What counts are ratios: in each round our median time is divided by the peer's, which was measured
within the same seconds; the table has the median of these ratios. Below 1 we are faster.

    drive.py infer|train|station|all [--rounds N] [--runs N] [--seconds S] [--phones N]

Before anything is timed, every engine's outputs are compared with ours.
"""

import argparse
import array
import itertools
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target"
DATA = TARGET / "peers-data"
RUST = TARGET / "peers/release/secondlook-peers"
OURS = "secondlook"
SEED = 7
# Of the largest value: single precision, summed in another order.
TOLERANCE = 1e-4
# Worker threads of the engine before may still spin for a while.
SETTLE_SECS = 0.02
# Steps of training whose losses are compared.
STEPS = 3


class Failed(Exception):
    """An engine could not do what it was asked for; the text is for the person who reads the table."""


class Engine:
    """A process that answers one line with one line; its standard error goes to a file."""

    def __init__(self, name, command, threads):
        self.name, self.threads = name, threads
        count = str(threads)
        limits = ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
        self.log = DATA / f"{name.replace(' ', '-')}-{threads}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env={**os.environ, **dict.fromkeys(limits, count)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.versions = self.answer()["ready"]
        except Failed:
            self.close()
            raise

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            last = self.log.read_text().strip().splitlines()
            raise Failed(last[-1] if last else "ended without a word")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def ask(self, *request):
        try:
            print(*request, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # the answer says why
        return self.answer()

    def time(self, workload, warm_up, runs):
        time.sleep(SETTLE_SECS)
        return self.ask("time", workload, warm_up, runs)["ms"]

    def outputs(self, workload):
        file = DATA / "outputs"
        self.ask("check", workload, file)
        return array.array("f", file.read_bytes())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Lane:
    """One engine at one workload, with its median time of each round."""

    def __init__(self, label, engine, workload):
        self.label, self.engine, self.workload = label, engine, workload
        self.ms, self.failure = [], None

    def time(self, warm_up, runs):
        if self.failure:
            return
        try:
            self.ms.append(statistics.median(self.engine.time(self.workload, warm_up, runs)))
        except Failed as failure:
            self.fail(failure)

    def fail(self, failure):
        # What follows the first line is a backtrace.
        self.failure = str(failure).partition("\n")[0]
        where = f"{self.label}, threads {self.engine.threads}, {self.workload}"
        print(f"  {where}: left out: {self.failure}", file=sys.stderr)

    def median(self):
        return statistics.median(self.ms) if self.ms else None

    def ratio(self, peer):
        """Median over the rounds of our time divided by the peer's."""
        rounds = [ours / theirs for ours, theirs in zip(self.ms, peer.ms)]
        return statistics.median(rounds) if rounds else None


class Part:
    """The engines of one table; one that does not start is named once and left out."""

    def __init__(self, title):
        print(f"\n== {title}")
        self.engines, self.agrees = [], True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for engine in self.engines:
            engine.close()

    def start(self, name, command, threads):
        try:
            engine = Engine(name, command, threads)
        except Failed as failure:
            print(f"  {name}, threads {threads}: SKIPPED: {failure}")
            return None
        self.engines.append(engine)
        print(f"  {name}, threads {threads}: {engine.versions}")
        return engine

    def compare(self, ours, peer, tolerance):
        """The largest difference of two outputs, relative to the largest value."""
        if len(ours) != len(peer):
            self.agrees = False
            return f"DISAGREES: {len(peer)} values, ours are {len(ours)}"
        scale = max(map(abs, ours), default=0.0) or 1.0
        worst = max((abs(a - b) for a, b in zip(ours, peer)), default=0.0) / scale
        if worst <= tolerance:
            return f"{worst:.1e}"
        self.agrees = False
        return f"DISAGREES by {worst:.1e}"


def rounds(groups, settings, warm_up, seconds):
    """Every lane of each group once a round, in a new order; stops early when time is up."""
    shuffled = random.Random(SEED)
    began = time.monotonic()
    for done in range(1, settings.rounds + 1):
        for lanes in groups:
            for lane in shuffled.sample(lanes, len(lanes)):
                lane.time(warm_up, settings.runs)
        progress(f"round {done} of {settings.rounds}, {time.monotonic() - began:.0f} s")
        if time.monotonic() - began > seconds:
            break
    progress("")
    print(f"\nmedians of {done} rounds of {settings.runs} runs")


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def table(head, rows):
    """First column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    for first, *rest in [head, *rows]:
        cells = [text.rjust(width) for text, width in zip(rest, widths[1:])]
        print("  ".join([first.ljust(widths[0]), *cells]))


def cell(ours, peer):
    """A peer's time and our time divided by it."""
    if peer is None or not peer.ms:
        return "–"
    ratio = ours and ours.ratio(peer)
    return f"{peer.median():.2f}" + (f" ({ratio:.2f})" if ratio else "")


def number(value, form):
    return "–" if value is None else format(value, form)


def infer(settings):
    spec = json.loads((DATA / "workloads.json").read_text())
    workloads = [w for w in spec["workloads"] if w["name"] != "train"]
    commands = {
        OURS: [RUST, "serve", "ours", DATA],
        "onnxruntime": [sys.executable, HERE / "engine_ort.py", DATA],
        "tract": [RUST, "serve", "tract", DATA],
        "candle": [RUST, "serve", "candle", DATA],
    }
    with Part("infer: one sample forward") as part:
        engines = {}
        for threads, (name, command) in itertools.product([1, 2], commands.items()):
            words = [*command, threads] if name == "onnxruntime" else command
            engines[threads, name] = part.start(name, words, threads)
        lanes = {
            (workload["name"], threads): {
                name: Lane(name, engines[threads, name], workload["name"])
                for name in commands
                if engines[threads, name]
            }
            for workload in workloads
            for threads in [1, 2]
        }
        peaks = [
            Lane(label, engines[1, name], workload)
            for label, name, workload in [
                ("candle", "candle", "matmul"),
                ("onnxruntime", "onnxruntime", "matmul"),
                ("numpy", "onnxruntime", "matmul-numpy"),
            ]
            if engines[1, name]
        ]
        agreement(part, lanes, list(commands)[1:])
        groups = [peaks, *(list(group.values()) for group in lanes.values())]
        rounds(groups, settings, 2, settings.seconds)

        flops = 2 * spec["matmul_side"] ** 3
        # The best round of each: the machine can do at least this.
        peak = {lane.label: flops / min(lane.ms) / 1e6 for lane in peaks if lane.ms}
        best = max(peak.values(), default=None)
        rows = []
        for workload in workloads:
            for threads in [1, 2]:
                group = lanes[workload["name"], threads]
                ours = group.get(OURS)
                ms = ours and ours.median()
                rate = 2 * workload["macs"] / ms / 1e6 if ms else None
                share = rate / best if rate and best else None
                row = [workload["name"], str(threads), number(ms, ".2f")]
                row += [cell(ours, group.get(name)) for name in list(commands)[1:]]
                rows.append([*row, number(rate, ".1f"), number(share, ".0%")])
        print("ms, in brackets ours ÷ peer; GFLOP/s are ours")
        table(["workload", "threads", OURS, *list(commands)[1:], "GFLOP/s", "of one core's peak"], rows)
        products = ", ".join(f"{name} {value:.1f}" for name, value in peak.items())
        side = spec["matmul_side"]
        print(f"one core's peak, matrix product of side {side}: {products or 'not measured'} GFLOP/s")
        return part.agrees


def agreement(part, lanes, peers):
    """Prints how far each peer's outputs are from ours."""
    rows = []
    for (workload, threads), group in lanes.items():
        found = {}
        for name, lane in group.items():
            try:
                found[name] = lane.engine.outputs(workload)
            except Failed as failure:
                lane.fail(failure)
        compared = [
            part.compare(found[OURS], found[name], TOLERANCE) if OURS in found and name in found else "–"
            for name in peers
        ]
        rows.append([workload, str(threads), *compared])
    print("\nlargest difference from our outputs, relative to the largest value")
    table(["workload", "threads", *peers], rows)


def train(settings):
    with Part("train: one step of the defect network, 16 × 1 × 288 × 224, 2 threads") as part:
        torch = [sys.executable, HERE / "engine_torch.py", DATA, 2]
        commands = {
            OURS: [RUST, "serve", "ours", DATA],
            "candle": [RUST, "serve", "candle", DATA],
            "torch": [*torch, "contiguous"],
            "torch channels last": [*torch, "channels_last"],
        }
        engines = {name: part.start(name, command, 2) for name, command in commands.items()}
        lanes = {name: Lane(name, engine, "train") for name, engine in engines.items() if engine}
        losses = {}
        for name, lane in lanes.items():
            try:
                losses[name] = [lane.engine.outputs("train")[0] for _ in range(STEPS)]
            except Failed as failure:
                lane.fail(failure)
        if OURS in losses:
            print(f"\nloss of the first {STEPS} steps, and the first's difference from ours")
            for name, steps in losses.items():
                found = part.compare(losses[OURS][:1], steps[:1], TOLERANCE)
                print(f"  {name:<20} {'  '.join(f'{loss:.6f}' for loss in steps)}   {found}")
        rounds([list(lanes.values())], settings, 1, settings.seconds)
        ours = lanes.get(OURS)
        table(
            ["engine", "ms", "ours ÷ peer"],
            [
                [name, number(lane.median(), ".0f"), number(ours and ours.ratio(lane), ".2f")]
                for name, lane in lanes.items()
            ],
        )
        return part.agrees


def station(settings):
    subprocess.run([RUST, "phones", DATA / "phones", str(settings.phones)], check=True)
    title = f"station: {settings.phones} pictures of 2 megapixels, from arrival to durable decision"
    with Part(title) as part:
        script = [sys.executable, HERE / "station.py", DATA]
        ours = part.start("our station", [RUST, "serve", "station", DATA], 2)
        python = {threads: part.start("Python station", [*script, threads], threads) for threads in [1, 2]}
        lanes = [Lane(OURS, ours, "station")] if ours else []
        lanes += [
            Lane(f"Python, {what}, network on {threads}", engine, workload)
            for workload, what in [("plain", "one after the other"), ("pool", "2 decoders ahead")]
            for threads, engine in python.items()
            if engine
        ]
        found = {}
        for lane in lanes:
            try:
                found[lane.label] = lane.engine.outputs(lane.workload)
            except Failed as failure:
                lane.fail(failure)
        rounds([lanes], settings, 0, settings.seconds)
        first = lanes[0] if ours else None
        rows = []
        for lane in lanes:
            ms = lane.median()
            row = [lane.label, number(ms and settings.phones / ms * 1e3, ".1f")]
            if OURS in found and lane.label in found:
                # Resized by another library: the probabilities are close, not equal.
                pairs = list(zip(found[OURS], found[lane.label]))
                row.append(f"{max(abs(a - b) for a, b in pairs):.3f}")
                row.append(str(sum((a > 0.5) != (b > 0.5) for a, b in pairs)))
            else:
                row += ["–", "–"]
            # Rates are the other way round than times: above 1 we are faster.
            ratio = first and first.ratio(lane)
            rows.append([*row, number(ratio and 1 / ratio, ".2f")])
        table(["station", "items/s", "p differs by at most", "other answers", "our rate ÷ its rate"], rows)
        return part.agrees


def machine():
    model = platform.processor()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    print(f"{model}, {os.cpu_count()} cores, {system}")
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): milliseconds mean nothing, and ratios little")


def main():
    parts = {"infer": infer, "train": train, "station": station}
    # Rounds, runs a round, seconds: a step of training and a folder take seconds, a layer milliseconds.
    usual = {"infer": (15, 10, 900), "train": (15, 2, 900), "station": (7, 1, 600)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=[*parts, "all"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=float, help="begin no further round after this time")
    parser.add_argument("--phones", type=int, default=60)
    given = parser.parse_args()

    # In order with what is said on standard error, also in a file.
    sys.stdout.reconfigure(line_buffering=True)
    DATA.mkdir(parents=True, exist_ok=True)
    machine()
    subprocess.run([RUST, "prepare", DATA], check=True)
    agrees = True
    for name in parts if given.part == "all" else [given.part]:
        settings = argparse.Namespace(**vars(given))
        for field, value in zip(["rounds", "runs", "seconds"], usual[name]):
            if getattr(settings, field) is None:
                setattr(settings, field, value)
        agrees &= parts[name](settings)
    if not agrees:
        sys.exit("bench-peers: outputs disagree; the times above do not compare the same thing")


main()
