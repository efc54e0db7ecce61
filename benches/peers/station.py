"""The same job as our station does, as a competent developer writes it in Python: OpenCV, numpy,
onnxruntime and sqlite3.

For each picture of the folder: read, hash, keep the bytes durably under their hash, decode,
resize, level, predict, decide, and commit the decision durably. What ours does beyond this
(regions, heat map, event chain, review queue, give-out) is left out, in the peer's favour.

    station.py FOLDER THREADS

Workloads: `plain` does one picture after the other; `pool` has two threads that read, keep and
decode ahead of the network.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import time
import uuid

import cv2
import numpy as np
import onnxruntime
from protocol import serve, timed

MODEL = "phone-line"
DECODERS = 2
# Pictures decoded ahead of the network: each decoder has one in hand and one waiting.
AHEAD = 2 * DECODERS
PASS_BELOW, DIVERT_ABOVE = 0.05, 0.95
# As in src/infer/prepare.rs.
SPREAD_LEVELS, SPREAD_MIN_LEVELS = 42.0, 4.0

SCHEMA = """
CREATE TABLE item (
    id TEXT PRIMARY KEY, unit TEXT NOT NULL, media TEXT NOT NULL, bytes INTEGER NOT NULL,
    arrived_at REAL NOT NULL, decided_at REAL NOT NULL, probability REAL NOT NULL,
    classes TEXT NOT NULL, outcome TEXT NOT NULL
)
"""

Prepared = collections.namedtuple("Prepared", "unit media bytes arrived_at input")


class Model:
    """The shipped package: input, calibration and classes from its manifest, the network by
    onnxruntime."""

    def __init__(self, folder, threads):
        package = pathlib.Path(__file__).parents[2] / "models" / MODEL
        manifest = json.loads((package / "manifest.json").read_text())
        self.spec, self.calibration = manifest["input"], manifest["calibration"]
        self.defects = manifest["classes"][1:]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(
            folder / f"{MODEL}.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.feed = self.session.get_inputs()[0].name
        self.outputs = ["pixels", "item"]
        mean, std = np.float32(self.spec["mean"]), np.float32(self.spec["std"])
        levels = np.arange(256, dtype=np.float32)
        # Channel by channel: 8-bit value -> what the network sees.
        self.normalised = ((levels[:, None] / 255 - mean) / std).T

    def prepare(self, data):
        """Bytes of a JPEG -> the network's input."""
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        size = (self.spec["width_px"], self.spec["height_px"])
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        counts = np.bincount(picture.ravel(), minlength=256)
        values = np.arange(256)
        mean = counts @ values / counts.sum()
        spread = max(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()), SPREAD_MIN_LEVELS)
        levelled = np.rint(127.5 + (values - mean) * SPREAD_LEVELS / spread).clip(0, 255).astype(np.uint8)
        # Levels and normalisation are one look into one table.
        tables = self.normalised[:, levelled]
        return np.stack([np.take(table, picture[:, :, c]) for c, table in enumerate(tables)])[None]

    def predict(self, x):
        """Probability of a defect, and of each class of defect."""
        pixels, item = self.session.run(self.outputs, {self.feed: x})
        scores = np.maximum(pixels.max((0, 2, 3)), item.ravel())
        slope, intercept = self.calibration["slope"], self.calibration["intercept"]
        defect = 1 / (1 + np.exp(-(slope * scores.max() + intercept)))
        weights = np.exp((scores - scores.max()) / self.calibration["class_temperature"])
        return float(defect), dict(zip(self.defects, (defect * weights / weights.sum()).tolist()))


class Line:
    """A folder that pictures arrive in, the media that are kept, and the database."""

    def __init__(self, folder, phones):
        self.inbox, self.media = folder / "inbox", folder / "media"
        shutil.copytree(phones, self.inbox)
        self.media.mkdir()
        self.db = sqlite3.connect(folder / "line.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(SCHEMA)
        # The copies above are not what is measured.
        os.sync()

    def arrivals(self):
        """The pictures of the folder until no new one is found, oldest name first."""
        known = set()
        while True:
            found = [entry.path for entry in os.scandir(self.inbox) if entry.name.endswith(".jpg")]
            new = sorted(path for path in found if path not in known)
            if not new:
                return
            known.update(new)
            yield from new

    def keep(self, data):
        """Durable when it returns: written under another name, synced, renamed, folder synced."""
        media = hashlib.sha256(data).hexdigest()
        folder = self.media / media[:2]
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            sync_folder(self.media)
        hidden = folder / f".{media}.tmp"
        with open(hidden, "wb", buffering=0) as file:
            file.write(data)
            os.fsync(file.fileno())
        os.rename(hidden, folder / media)
        sync_folder(folder)
        return media

    def commit(self, prepared, defect, classes):
        outcome = "pass" if defect < PASS_BELOW else "divert" if defect > DIVERT_ABOVE else "review"
        self.db.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                uuid.uuid4().hex,
                prepared.unit,
                prepared.media,
                prepared.bytes,
                prepared.arrived_at,
                time.time(),
                defect,
                json.dumps(classes),
                outcome,
            ),
        )


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def front(line, model, path):
    """Everything before the network."""
    arrived_at = time.time()
    with open(path, "rb", buffering=0) as file:
        data = file.read()
    unit = os.path.splitext(os.path.basename(path))[0]
    return Prepared(unit, line.keep(data), len(data), arrived_at, model.prepare(data))


def back(line, model, prepared):
    """Network, decision, commit; gives the probability of a defect."""
    defect, classes = model.predict(prepared.input)
    line.commit(prepared, defect, classes)
    return defect


def plain(line, model):
    return [back(line, model, front(line, model, path)) for path in line.arrivals()]


def pool(line, model):
    defects, ahead = [], collections.deque()
    with concurrent.futures.ThreadPoolExecutor(DECODERS) as decoders:
        for path in line.arrivals():
            ahead.append(decoders.submit(front, line, model, path))
            if len(ahead) == AHEAD:
                defects.append(back(line, model, ahead.popleft().result()))
        defects.extend(back(line, model, future.result()) for future in ahead)
    return defects


def main():
    folder, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2])

    def load(name):
        run = {"plain": plain, "pool": pool}[name]
        model = Model(folder, threads)

        def job():
            # Pictures that are decoded side by side need no threads inside.
            cv2.setNumThreads(1 if run is pool else threads)
            with tempfile.TemporaryDirectory(dir=folder) as lines:
                line = Line(pathlib.Path(lines), folder / "phones")
                ms, defects = timed(lambda: run(line, model))
                written = line.db.execute("SELECT count(*) FROM item").fetchone()[0]
                line.db.close()
                if written != len(os.listdir(folder / "phones")):
                    raise RuntimeError(f"{written} decisions are not all")
                return ms, [defects]

        return job

    runtime = f"onnxruntime {onnxruntime.__version__}, opencv {cv2.__version__}"
    serve(f"{runtime}, sqlite {sqlite3.sqlite_version}", load)


main()
